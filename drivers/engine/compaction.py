"""Merging the slices of a chunk into one (N33, S2.5)."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from ..errors import error, refuse_if
from ..types import ROOT, Config, Context, Event, FileType, Slice
from . import codec
from .assembly import Merge, good_heads, merge
from .database import FAILURES, check_cancelled
from .ids import IdBlock
from .removal import Removal
from .store import Store, Transaction

log = logging.getLogger(__name__)

SLICE_BLOCK = 4096
"""Slice ids reserved at a time (S3.3)."""

MAX_RECORDS = 1000
"""Records of one round (N33.1)."""

MANY, TOO_MANY = 350, 2500
"""Records of a chunk from which each write compacts it, and from which the writer waits (N21.5)."""

WORTH_A_LOOK = 5
"""Records or pieces from which a read compacts (N22.6)."""

MAX_RUNNING = 10
"""Compactions at a time beyond which a further one that nobody waits for is left out (N33.1)."""


class Running:
    """The chunks that this client is compacting."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # entered by the lock only, as in redis/pool.py
        self._chunks: set[bytes] = set()

    @contextmanager
    def turn(self, chunk: bytes, wait: bool) -> Iterator[bool]:
        """Whether it is the caller's turn; one that waits always gets it."""
        with self._lock:
            if wait:
                self._changed.wait_for(lambda: chunk not in self._chunks)
            mine = wait or (chunk not in self._chunks and len(self._chunks) <= MAX_RUNNING)
            if mine:
                self._chunks.add(chunk)
        if not mine:
            yield False
            return
        try:
            yield True
        finally:
            with self._lock:
                self._chunks.discard(chunk)
                self._changed.notify_all()


class Compaction(Removal):
    """compact, compact_all, and the compaction that writes and reads bring about."""

    def __init__(self, store: Store, config: Config, compat: str = "") -> None:
        super().__init__(store, config, compat)
        reserve = partial(self.counted, self.keys.next_chunk, "nextChunk", SLICE_BLOCK)
        self.slices = IdBlock(reserve, SLICE_BLOCK, 1)
        self._running = Running()

    def compact(self, inode: int, threads: int = 0, *, ctx: Context = ROOT) -> None:
        chunks = (
            (file, index)
            for file, length in self._files_below(ctx, self.check_root(inode))
            for index in self.chunk_indexes(file, 0, self.chunk_count(length))
        )
        self._settle_chunks(chunks, threads)

    def compact_all(self, threads: int = 0, *, ctx: Context = ROOT) -> None:
        self._settle_chunks(self._chunks_of_many(ctx), threads)

    def _chunks_of_many(self, ctx: Context) -> Iterator[tuple[int, int]]:
        """The inode and index of every chunk that has more than one record."""
        for page in self.store.scan(self.keys.scan_pattern("chunk")):
            check_cancelled(ctx)
            keys = [key for key in page if self.keys.parse(key).kind == "chunk"]
            if not keys:
                continue
            for key, records in zip(keys, self.db.read(*(("LLEN", key) for key in keys)), strict=True):
                if records > 1:
                    inode, index = self.keys.parse(key).numbers
                    yield inode, index

    def _settle_chunks(self, chunks: Iterable[tuple[int, int]], threads: int) -> None:
        """Compact chunks until nothing is left to do; one that fails stops no other (N33.5)."""
        with ThreadPoolExecutor(max(threads, 1)) as pool:
            running = [pool.submit(self._settle_chunk, *chunk) for chunk in chunks]
        for one in running:
            self._logged(one.result)

    def compact_after_write(self, inode: int, index: int, records: int) -> None:
        """Compact a chunk that a write has made `records` long, if it is due (N21.5)."""
        if records >= TOO_MANY:
            self._logged(lambda: self._compact_overlong(inode, index))
        elif records % 100 == 99 or records > MANY:
            self.background.submit(lambda: self._compact_in_passing(inode, index))

    def compact_after_read(self, inode: int, index: int, count: int) -> None:
        """Compact a chunk that was found in `count` records or pieces, if it is due (N22.6)."""
        if count >= WORTH_A_LOOK and not self.config.read_only:
            self.background.submit(lambda: self._compact_in_passing(inode, index))

    # -- one chunk ---------------------------------------------------------------------------------

    def _compact_in_passing(self, inode: int, index: int) -> None:
        with self._running.turn(self.keys.chunk(inode, index), wait=False) as ours:
            if ours:
                self._compact_chunk(inode, index)

    def _compact_overlong(self, inode: int, index: int) -> None:
        with self._running.turn(self.keys.chunk(inode, index), wait=True):
            if self.db.read_one("LLEN", self.keys.chunk(inode, index)) >= TOO_MANY:
                self._compact_chunk(inode, index)

    def _settle_chunk(self, inode: int, index: int) -> None:
        with self._running.turn(self.keys.chunk(inode, index), wait=True):
            while self._compact_chunk(inode, index):
                pass

    def _compact_chunk(self, inode: int, index: int) -> bool:
        """One round (N33.2-N33.4); False where there was nothing to do or somebody else was faster.

        Raises EIO for a corrupt chunk, and when the object store does not write the new slice.
        """
        found = self.db.read_one("LRANGE", self.keys.chunk(inode, index), 0, MAX_RECORDS - 1)
        records = self.decoded(found)
        kept = good_heads(records)
        old = records[kept:]
        merged = merge(old)
        if len(old) < 2 or not merged.size:
            return False
        id = self.slices.take()
        self._write_merged(merged, id)
        new = Slice(merged.pos, id, merged.size, 0, merged.size)
        released: list[Slice] | None = None
        try:
            released = self._exchange_records(inode, index, found, kept, old, new)
        except FAILURES:
            released = self._after_failure(new)
        except OSError as lost:
            if lost.errno != errno.EINVAL:
                raise
        if released is None:
            self._withdraw(new)
            return False
        self.open_files.invalidate(inode, index)
        self.drop_marker(new.id, new.size)
        for one in released:
            self.delete_slice(one.id, one.size)
        return True

    def _exchange_records(
        self, inode: int, index: int, found: Sequence[bytes], kept: int, old: Sequence[Slice], new: Slice
    ) -> list[Slice]:
        """Put the new slice in the place of the old ones; the slices that nothing refers to any more.

        Raises EINVAL when the chunk does not start with the records found any more.  Source: S2.5.
        """
        chunk, refs = self.keys.chunk(inode, index), self.keys.slice_refs
        real = [one for one in old if one.id]
        trash = self.format.trash_days > 0

        def body(tx: Transaction) -> Transaction:
            (now_there,) = tx.read(("LRANGE", chunk, 0, len(found) - 1))
            refuse_if(now_there != list(found), errno.EINVAL)
            tx.queue(("LTRIM", chunk, len(found), -1), ("LPUSH", chunk, codec.encode_slice(new)))
            if kept:
                tx.queue(*(("LPUSH", chunk, record) for record in reversed(found[:kept])))
            tx.queue(("HSET", refs, codec.slice_ref_field(new.id, new.size), 0))
            if not trash:
                tx.queue(*(("HINCRBY", refs, codec.slice_ref_field(one.id, one.size), -1) for one in real))
            elif real:
                field = codec.delayed_slices_field(new.id, self.now()[0])
                delayed = codec.encode_delayed_slices([(one.id, one.size) for one in real])
                tx.queue(("HSET", self.keys.delayed_slices, field, delayed))
            tx.queue(*self.logged("COMPACTCHUNK", inode, index, kept, len(old), new.pos, new.id, new.size))
            return tx

        tx = self.transact([chunk], body)
        if trash:
            return []
        start = 3 + kept
        left = tx.replies[start : start + len(real)]
        return [one for one, references in zip(real, left, strict=True) if references < 0]

    def _write_merged(self, merged: Merge, id: int) -> None:
        """Ask the object store to write a slice that is made of others.  Raises EIO."""
        refuse_if(self.config.compact_chunk == "fail", errno.EIO)
        if self.config.compact_chunk == "record":
            pieces = [Slice(0, one.id, one.size, one.off, one.len) for one in merged.pieces]
            self.object_store_events.append(Event("compact_chunk", id, slices=pieces))

    def _after_failure(self, new: Slice) -> list[Slice] | None:
        """What to release after a commit that may have happened: nothing, None if it did not (S2.5.1)."""
        field = codec.slice_ref_field(new.id, new.size)
        return None if self.db.read_one("HGET", self.keys.slice_refs, field) is None else []

    def _withdraw(self, new: Slice) -> None:
        """Give up a new slice that lost its race (S2.5.2)."""
        self.db.write(("HINCRBY", self.keys.slice_refs, codec.slice_ref_field(new.id, new.size), -1))
        self.delete_slice(new.id, new.size)

    # -- common ------------------------------------------------------------------------------------

    def decoded(self, records: Sequence[bytes]) -> list[Slice]:
        """The slices of a chunk.  Raises EIO for a corrupt one (S1.8)."""
        try:
            return codec.decode_slices(records)
        except codec.CorruptValue as corrupt:
            log.warning("a chunk cannot be read: %s", corrupt)
            raise error(errno.EIO) from corrupt

    def _files_below(self, ctx: Context, inode: int) -> Iterator[tuple[int, int]]:
        """The inode and length of a file, or of every file below a directory.  Raises ENOENT."""
        attr = self.known_attr(inode)
        if attr.type == FileType.FILE:
            yield inode, attr.length
        if attr.type != FileType.DIRECTORY:
            return
        below = [inode]
        while below:
            check_cancelled(ctx)
            entries = list(self.list_entries(below.pop()).values())
            below += [child for type, child in entries if type == FileType.DIRECTORY]
            files = [child for type, child in entries if type == FileType.FILE]
            for file, found in zip(files, self.read_attrs(files), strict=True):
                if found is not None:
                    yield file, found.length

    @staticmethod
    def _logged(job: Callable[[], None]) -> None:
        """Run a job whose failure concerns nobody else."""
        try:
            job()
        except (OSError, *FAILURES) as failure:
            log.warning("a compaction failed: %s", failure)
