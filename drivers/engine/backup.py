"""The binary backup of a volume (L5.7-L5.13): keys in the order of the server, many at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from ..errors import Refused
from ..files import replacing
from ..types import QuotaType
from . import codec
from .core import Core
from .dumping import SECRETS, deleted_files, disclosed, sustained_inodes
from .inventory import RECORD
from .numbersets import Numbers
from .schema import messages
from .segments import SegmentWriter
from .store import pairs

log = logging.getLogger(__name__)

MANY, FEW = 10000, 1000
"""Keys or items of a segment (L5.8)."""

ALL_SECRETS = (*SECRETS, "EncryptKey")
"""The settings that a backup tells only where that is asked for."""

LETTERS: dict[bytes, tuple[str, str, int]] = {
    b"i": ("node", "attr", MANY),
    b"d": ("edge", "dentries", MANY),
    b"c": ("chunk", "chunk", FEW),
    b"s": ("symlink", "symlink", MANY),
    b"x": ("xattr", "xattrs", FEW),
    b"p": ("parent", "parents", FEW),
}
"""By the first letter of a key: the segment it goes into, the kind it has to be of, and how many go at once.

Keys of other kinds with such a letter count for the size of a batch and give nothing (L5.8).
"""


class Backup(Core):
    """backup."""

    def backup(self, path: str, threads: int = 0, keep_secret: bool = False) -> None:
        with replacing(path) as out:
            self.write_backup(out, keep_secret)

    def write_backup(self, out: BinaryIO, keep_secret: bool = False) -> None:
        """Write a binary backup to a stream.

        Raises `Refused` for what the format cannot hold.  Source: L5.
        """
        writer = SegmentWriter(out)
        writer.format(codec.encode_format(disclosed(self.format, () if keep_secret else ALL_SECRETS)))
        done = 0
        for name, batch in Reader(self).batches():
            done += writer.batch(name, batch)
            self.tell("items backed up", done, 0)
        writer.end()


class Reader:
    """Reads a volume in batches."""

    def __init__(self, volume: Core) -> None:
        self._volume = volume
        self._db = volume.db
        self._store = volume.store
        self._keys = volume.keys
        self._batch: Any = messages()["Batch"]
        self._seen = {letter: (Numbers(), Numbers()) for letter in LETTERS}

    def batches(self) -> Iterator[tuple[str, Any]]:
        """Every segment but the settings, in the order of the original."""
        yield "counter", self._counters()
        yield from self._scanned()
        yield "sustained", self._sustained()
        yield from self._deleted_files()
        yield from self._slice_refs()
        yield "acl", self._rules()
        quotas = self._quotas()
        if quotas.ListFields():
            yield "quota", quotas
        yield from self._statistics()

    def _counters(self) -> Any:
        """The counters, of inodes and slices the next one (L5.9)."""
        keys = self._keys
        names = keys.counters
        *values, logged = self._db.read_one("MGET", *names.values(), keys.txn_last_log)
        batch = self._batch()
        for name, value in zip(names, values, strict=True):
            batch.counters.add(
                key=name, value=codec.decode_counter(value) + (name in ("nextInode", "nextChunk"))
            )
        if self._volume.format.change_log and logged is not None:
            batch.counters.add(key="lastChangelog", value=codec.decode_counter(logged))
        return batch

    # -- keys of their own ---------------------------------------------------------------------------

    def _scanned(self) -> Iterator[tuple[str, Any]]:
        """What has a key of its own for each node, in the order of the scan (L5.7)."""
        waiting: dict[bytes, list[bytes]] = {letter: [] for letter in LETTERS}
        at = len(self._keys.prefix)
        for page in self._store.scan(self._keys.everything_pattern):
            for name in page:
                letter = name[at : at + 1]
                if letter not in LETTERS:
                    continue
                waiting[letter].append(name)
                if len(waiting[letter]) == LETTERS[letter][2]:
                    yield from self._read(letter, waiting[letter])
                    waiting[letter] = []
        for letter, keys in waiting.items():
            if keys:
                yield from self._read(letter, keys)

    def _read(self, letter: bytes, keys: Sequence[bytes]) -> Iterator[tuple[str, Any]]:
        """The segments of keys with the same letter, of each key once."""
        segment, kind, _ = LETTERS[letter]
        every = [self._keys.numbers(kind, key) for key in keys]
        wanted = [numbers for numbers in every if numbers and self._is_new(letter, numbers)]
        if letter == b"d":
            yield from self._edges([inode for (inode,) in wanted])
            return
        batch = self._batch()
        if wanted:
            read: Callable[[Any, Sequence[Any]], None] = getattr(self, f"_{segment}s")
            read(batch, wanted)
        yield segment, batch

    def _is_new(self, letter: bytes, numbers: tuple[int, ...]) -> bool:
        """Whether a key comes for the first time: a scan may tell it twice (L5.16)."""
        firsts, others = self._seen[letter]
        inode, index = (*numbers, 0)[:2]
        return others.add(inode << 32 | index) if index else firsts.add(inode)

    def _nodes(self, batch: Any, numbers: Sequence[tuple[int]]) -> None:
        blobs = self._db.read_one("MGET", *(self._keys.attr(inode) for (inode,) in numbers))
        for (inode,), blob in zip(numbers, blobs, strict=True):
            if blob is not None:
                batch.nodes.add(inode=inode, data=blob)

    def _edges(self, inodes: Sequence[int]) -> Iterator[tuple[str, Any]]:
        """Entries, and a segment whenever there are many; the last may be empty."""
        batch, number = self._batch(), 0
        for directory, entries in self._entries(inodes):
            for name, value in entries:
                type, inode = codec.decode_entry(value)
                batch.edges.add(parent=directory, inode=inode, name=name, type=type)
                number += 1
                if number == MANY:
                    yield "edge", batch
                    batch, number = self._batch(), 0
        yield "edge", batch

    def _entries(self, inodes: Sequence[int]) -> Iterator[tuple[int, list[tuple[bytes, bytes]]]]:
        """The entries of directories, many directories in one round trip; of a large one each name once."""
        for start in range(0, len(inodes), FEW):
            some = inodes[start : start + FEW]
            pages = self._db.read(*(self._volume.first_page(inode) for inode in some))
            for inode, (cursor, flat) in zip(some, pages, strict=True):
                entries = list(zip(flat[::2], flat[1::2], strict=True))
                if cursor == b"0":
                    yield inode, entries
                    continue
                found = dict(entries)
                for page in self._store.hscan(self._keys.dentries(inode), cursor=cursor):
                    found.update(page)
                yield inode, list(found.items())

    def _chunks(self, batch: Any, numbers: Sequence[tuple[int, int]]) -> None:
        lists = self._db.read(*(("LRANGE", self._keys.chunk(*both), 0, -1) for both in numbers))
        for (inode, index), records in zip(numbers, lists, strict=True):
            whole = [record for record in records if len(record) == RECORD]
            if len(whole) < len(records):
                log.error("corrupt records of chunk %d of inode %d are left out", index, inode)
            if whole:
                batch.chunks.add(inode=inode, index=index, slices=b"".join(whole))

    def _symlinks(self, batch: Any, numbers: Sequence[tuple[int]]) -> None:
        targets = self._db.read_one("MGET", *(self._keys.symlink(inode) for (inode,) in numbers))
        for (inode,), target in zip(numbers, targets, strict=True):
            if target is not None:
                if self._volume.quirks:
                    # The original takes the target for one that is spelled (L5.11).
                    target = codec.unescape_bytes(target)
                batch.symlinks.add(inode=inode, target=target)

    def _xattrs(self, batch: Any, numbers: Sequence[tuple[int]]) -> None:
        hashes = self._db.read(*(("HGETALL", self._keys.xattrs(inode)) for (inode,) in numbers))
        for (inode,), hash in zip(numbers, hashes, strict=True):
            for name, value in pairs(hash):
                try:
                    batch.xattrs.add(inode=inode, name=name.decode(), value=value)
                except UnicodeDecodeError:
                    raise Refused(
                        f"a binary backup cannot hold the attribute {name!r} of inode {inode}, "
                        "which is no UTF-8: remove it, or make a JSON dump"
                    ) from None

    def _parents(self, batch: Any, numbers: Sequence[tuple[int]]) -> None:
        hashes = self._db.read(*(("HGETALL", self._keys.parents(inode)) for (inode,) in numbers))
        for (inode,), hash in zip(numbers, hashes, strict=True):
            for parent, count in pairs(hash):
                batch.parents.add(inode=inode, parent=int(parent), count=codec.decode_counter(count))

    # -- keys of the volume ----------------------------------------------------------------------------

    def _sustained(self) -> Any:
        batch = self._batch()
        for sid, inodes in sustained_inodes(self._volume):
            batch.sustained.add(sid=sid, inodes=inodes)
        return batch

    def _deleted_files(self) -> Iterator[tuple[str, Any]]:
        batch = self._batch()
        for inode, length, expire in deleted_files(self._volume):
            batch.deleted_files.add(inode=inode, length=length, expire=expire)
            if len(batch.deleted_files) == MANY:
                yield "delFile", batch
                batch = self._batch()
        yield "delFile", batch

    def _slice_refs(self) -> Iterator[tuple[str, Any]]:
        """The slices with several references, all of them counted (L5.10)."""
        batch, seen = self._batch(), set[bytes]()
        for page in self._store.hscan(self._keys.slice_refs):
            for field, value in page:
                if field in seen:
                    continue
                try:
                    (id, size), count = codec.parse_slice_ref_field(field), codec.decode_counter(value)
                except codec.CorruptValue as corrupt:
                    log.error("a slice reference is left out: %s", corrupt)
                    continue
                if count < 1:
                    continue
                seen.add(field)
                batch.slice_refs.add(id=id, size=size, refs=count + 1)
                if len(batch.slice_refs) == MANY:
                    yield "sliceRef", batch
                    batch = self._batch()
        yield "sliceRef", batch

    def _rules(self) -> Any:
        batch = self._batch()
        for id, rule in sorted(
            (int(id), rule) for id, rule in pairs(self._db.read_one("HGETALL", self._keys.acl))
        ):
            batch.acls.add(id=id, data=rule)
        return batch

    def _quotas(self) -> Any:
        """Every record that has limits or usage (L5.10)."""
        batch = self._batch()
        for type, list in zip(
            QuotaType, (batch.dir_quotas, batch.user_quotas, batch.group_quotas), strict=True
        ):
            limits, spaces, inodes = (
                dict(pairs(self._db.read_one("HGETALL", hash))) for hash in self._keys.quota(type)
            )
            for id in sorted(inodes.keys() | limits.keys(), key=lambda id: (len(id), id)):
                try:
                    quota = codec.decode_quota(limits[id]) if id in limits else None
                    used = [
                        codec.decode_counter(hash.get(id) if id in inodes else None)
                        for hash in (spaces, inodes)
                    ]
                    list.add(
                        type=type,
                        key=int(id),
                        max_space=quota.max_space if quota else -1,
                        max_inodes=quota.max_inodes if quota else -1,
                        used_space=used[0],
                        used_inodes=used[1],
                    )
                except ValueError as corrupt:
                    log.warning("the quota of %s %r is left out: %s", type.name.lower(), id, corrupt)
        return batch

    def _statistics(self) -> Iterator[tuple[str, Any]]:
        """The statistics of directories that have a length (L5.10)."""
        batch, seen = self._batch(), Numbers()
        for page in self._store.hscan(self._keys.dir_data_length):
            lengths = [(int(inode), length) for inode, length in page if seen.add(int(inode))]
            if not lengths:
                continue
            inodes = [inode for inode, _ in lengths]
            spaces, counts = self._db.read(
                ("HMGET", self._keys.dir_used_space, *inodes), ("HMGET", self._keys.dir_used_inodes, *inodes)
            )
            for (inode, length), space, count in zip(lengths, spaces, counts, strict=True):
                batch.dir_stats.add(
                    inode=inode,
                    data_length=codec.decode_counter(length),
                    used_space=codec.decode_counter(space),
                    used_inodes=codec.decode_counter(count),
                )
                if len(batch.dir_stats) == MANY:
                    yield "stat", batch
                    batch = self._batch()
        yield "stat", batch
