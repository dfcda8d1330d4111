"""The contents of files: slices that are written, read, cut and copied by reference (N9, N10, N20-N24)."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import error, refuse_if
from ..types import (
    CHUNK_SIZE,
    ROOT,
    Access,
    Attr,
    AttrFlag,
    Context,
    Copied,
    FallocateMode,
    FileType,
    Slice,
    Time,
)
from . import codec
from .assembly import assemble, part
from .compaction import Compaction
from .core import optional_attr
from .openfiles import ALL_CHUNKS
from .permissions import FROZEN, trashed
from .store import Command, Transaction

PAGE = 1000
"""Chunks that are read at once."""

FEW = 16
"""Chunks that are read on a guess."""

MAX_LENGTH = CHUNK_SIZE << 32
"""The longest file in bytes: the index of a chunk has 32 bits."""

ZEROING = FallocateMode.PUNCH_HOLE | FallocateMode.ZERO


@dataclass(frozen=True, slots=True)
class Growth:
    """What a change of contents did to a file: bytes of content, bytes of space."""

    attr: Attr
    length: int = 0
    space: int = 0


class Data(Compaction):
    """Everything that reads or changes the contents of a file."""

    def new_slice(self, *, ctx: Context = ROOT) -> int:
        return self.slices.take()

    def write(
        self, inode: int, chunk: int, off: int, slice: Slice, mtime: Time = (0, 0), *, ctx: Context = ROOT
    ) -> None:
        record = codec.encode_slice(Slice(off, slice.id, slice.size, slice.off, slice.len))

        def body(tx: Transaction) -> tuple[Transaction, Growth]:
            attr = self._node(tx, inode)
            refuse_if(attr.type != FileType.FILE, errno.EPERM)
            length = max(attr.length, chunk * CHUNK_SIZE + off + slice.len)
            growth = self._resize(tx, inode, attr, length, mtime)
            tx.queue(("RPUSH", self.keys.chunk(inode, chunk), record), self.set_attr(inode, attr))
            if growth.space:
                tx.queue(("INCRBY", self.keys.used_space, growth.space))
            written = (inode, chunk, off, slice.id, slice.len, *attr.mtime)
            # The count is that of before the push, which is not known yet (S8.2).
            tx.queue(*self.logged("WRITE", *written, result=0, now=attr.ctime))
            return tx, growth

        tx, growth = self.transact([self.keys.attr(inode)], body, ctx)
        self.open_files.invalidate(inode, chunk)
        self._count_growth(inode, growth)
        self.compact_after_write(inode, chunk, tx.replies[0])

    def read(self, inode: int, chunk: int, *, ctx: Context = ROOT) -> list[Slice]:
        kept = self.open_files.chunk(inode, chunk)
        if kept is not None:
            self._touch(inode, None)
            return kept
        version = self.open_files.version(inode)
        records, blob = self.db.cached(("LRANGE", self.keys.chunk(inode, chunk), 0, -1), self.get_attr(inode))
        attr = optional_attr(blob)
        if not records:
            if attr is None:
                raise error(errno.ENOENT)
            refuse_if(attr.type != FileType.FILE, errno.EPERM)
        pieces = [Slice(0, one.id, one.size, one.off, one.len) for one in assemble(self.decoded(records))]
        self.open_files.keep_chunk(inode, chunk, pieces, version)
        self._touch(inode, attr)
        self.compact_after_read(inode, chunk, max(len(records), len(pieces)))
        return pieces

    def invalidate_chunk(self, inode: int, chunk: int) -> None:
        self.open_files.invalidate(inode, chunk)

    def truncate(
        self,
        inode: int,
        flags: int = 0,
        length: int = 0,
        skip_permission: bool = False,
        *,
        ctx: Context = ROOT,
    ) -> Attr:
        def body(tx: Transaction) -> Growth:
            attr = self._node(tx, inode)
            refuse_if(attr.type != FileType.FILE or bool(attr.flags & FROZEN), errno.EPERM)
            refuse_if(not flags and trashed(attr), errno.EPERM)
            if not skip_permission:
                self.require_access(ctx, attr, Access.W)
            if length == attr.length:
                return Growth(attr)
            left, right = sorted((attr.length, length))
            before = attr.length
            growth = self._resize(tx, inode, attr, length)
            tx.queue(
                self.set_attr(inode, attr),
                *self._mask(inode, left, right),
                ("INCRBY", self.keys.used_space, growth.space),
                *self.logged("TRUNCATE", inode, before, length, flags, now=attr.ctime),
            )
            return growth

        growth = self.transact([self.keys.attr(inode)], body, ctx)
        self.open_files.invalidate(inode, ALL_CHUNKS)
        self._count_growth(inode, growth)
        return growth.attr

    def _mask(self, inode: int, left: int, right: int) -> Iterator[Command]:
        """The commands that zero what a truncate between two lengths takes away or adds (N9.4)."""
        first, last = left // CHUNK_SIZE, right // CHUNK_SIZE
        for start, end in borders(left, min(right, (first + 1) * CHUNK_SIZE)):
            yield self._zero("RPUSH", inode, start, end)
        if last == first:
            return
        for index in self.chunk_indexes(inode, first + 1, last):
            yield self._zero("RPUSHX", inode, index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE)
        if right % CHUNK_SIZE:
            yield self._zero("RPUSH", inode, last * CHUNK_SIZE, right)

    def _zero(self, push: str, inode: int, start: int, end: int) -> Command:
        index, pos = divmod(start, CHUNK_SIZE)
        return (push, self.keys.chunk(inode, index), codec.encode_slice(Slice(pos, 0, 0, 0, end - start)))

    def fallocate(
        self,
        inode: int,
        mode: FallocateMode = FallocateMode(0),
        off: int = 0,
        size: int = 0,
        *,
        ctx: Context = ROOT,
    ) -> int:
        check_mode(mode, size)

        def body(tx: Transaction) -> Growth:
            attr = self._node(tx, inode)
            refuse_if(attr.type == FileType.FIFO, errno.EPIPE)
            immutable = bool(attr.flags & AttrFlag.IMMUTABLE)
            refuse_if(attr.type != FileType.FILE or immutable, errno.EPERM)
            self.require_access(ctx, attr, Access.W)
            more_than_reserves = int(mode) & ~int(FallocateMode.KEEP_SIZE)
            refuse_if(bool(attr.flags & AttrFlag.APPEND and more_than_reserves), errno.EPERM)
            before = attr.length
            kept = bool(mode & FallocateMode.KEEP_SIZE)
            growth = self._resize(tx, inode, attr, before if kept else max(before, off + size))
            tx.queue(self.set_attr(inode, attr))
            if mode & ZEROING:
                for start, end in borders(off, min(off + size, before)):
                    tx.queue(self._zero("RPUSH", inode, start, end))
            tx.queue(("INCRBY", self.keys.used_space, growth.space))
            tx.queue(*self.logged("FALLOCATE", inode, off, size, int(mode), now=attr.ctime))
            return growth

        growth = self.transact([self.keys.attr(inode)], body, ctx)
        self.open_files.invalidate(inode, ALL_CHUNKS)
        self._count_growth(inode, growth)
        return growth.attr.length

    def copy_file_range(
        self,
        src: int,
        src_off: int,
        dst: int,
        dst_off: int,
        size: int,
        flags: int = 0,
        *,
        ctx: Context = ROOT,
    ) -> Copied:
        def body(tx: Transaction) -> tuple[Copied, Growth | None]:
            guess = self._kept_indexes(src, src_off, size)
            blobs = tx.read(self.get_attr(src), self.get_attr(dst), *self._chunks(src, guess))
            chunks = dict(zip(guess, blobs[2:], strict=True))
            source, target = map(optional_attr, blobs[:2])
            if source is None or target is None:
                raise error(errno.ENOENT)
            refuse_if(source.type != FileType.FILE, errno.EINVAL)
            if src_off >= source.length:
                return Copied(0, 0), None
            copied = min(size, source.length - src_off)
            refuse_if(target.type != FileType.FILE, errno.EINVAL)
            refuse_if(bool(target.flags & FROZEN), errno.EPERM)
            growth = self._resize(tx, dst, target, max(target.length, dst_off + copied))
            pieces = self._pieces(tx, src, src_off, src_off + copied, chunks)
            for piece in pieces:
                tx.queue(*self._refer(dst, piece, piece.pos - src_off + dst_off))
            tx.queue(self.set_attr(dst, target))
            if growth.space:
                tx.queue(("INCRBY", self.keys.used_space, growth.space))
            ranges = (src, src_off, dst, dst_off, copied)
            tx.queue(*self.logged("COPYFILERANGE", *ranges, result=target.length, now=target.ctime))
            return Copied(copied, target.length), growth

        copied, growth = self.transact([self.keys.attr(dst), self.keys.attr(src)], body, ctx)
        if growth is not None:
            self.open_files.invalidate(dst, ALL_CHUNKS)
            self._count_growth(dst, growth)
        return copied

    def _kept_indexes(self, inode: int, start: int, size: int) -> range:
        """The chunks of a range of a file as the client believes it to be, where they are few."""
        attr = self.kept_attr(inode)
        end = min(start + size, attr.length) if attr is not None else 0
        found = indexes_of(start, end) if start < end else range(0)
        return found if len(found) <= FEW else range(0)

    def _chunks(self, inode: int, indexes: Sequence[int]) -> list[Command]:
        """The commands that read chunks of a file."""
        return [("LRANGE", self.keys.chunk(inode, index), 0, -1) for index in indexes]

    def _pieces(
        self,
        tx: Transaction,
        inode: int,
        start: int,
        end: int,
        chunks: Mapping[int, list[bytes]],
    ) -> Iterator[Slice]:
        """What a range of a file consists of, holes included, by position in the file.  Raises EIO.

        `chunks` are those that were read already.
        """
        indexes = indexes_of(start, end)
        for first in range(0, len(indexes), PAGE):
            page = indexes[first : first + PAGE]
            missing = [index for index in page if index not in chunks]
            read = tx.read(*self._chunks(inode, missing)) if missing else []
            found = {**chunks, **dict(zip(missing, read, strict=True))}
            for index in page:
                base = index * CHUNK_SIZE
                for piece in assemble([Slice(0, 0, 0, 0, CHUNK_SIZE), *self.decoded(found[index])]):
                    piece.pos += base
                    if piece.pos < end and piece.pos + piece.len > start:
                        yield part(piece, start, end)

    def _refer(self, inode: int, piece: Slice, at: int) -> Iterator[Command]:
        """The commands that put a piece of another file at an offset of this one (N24.2)."""
        # A piece that a copy of no bytes met leaves a record of no bytes.
        for start, end in list(borders(at, at + piece.len)) or [(at, at)]:
            index, pos = divmod(start, CHUNK_SIZE)
            record = Slice(pos, piece.id, piece.size, piece.off + start - at, end - start)
            yield ("RPUSH", self.keys.chunk(inode, index), codec.encode_slice(record))
            if piece.id:
                yield ("HINCRBY", self.keys.slice_refs, codec.slice_ref_field(piece.id, piece.size), 1)

    # -- common ------------------------------------------------------------------------------------

    def _node(self, tx: Transaction, inode: int) -> Attr:
        attr = optional_attr(tx.read(self.get_attr(inode))[0])
        if attr is None:
            raise error(errno.ENOENT)
        return attr

    def _resize(
        self, tx: Transaction, inode: int, attr: Attr, length: int, mtime: Time | None = None
    ) -> Growth:
        """Give a file its new length and times.

        Raises EDQUOT, ENOSPC, and EIO for a length without chunks.
        """
        refuse_if(length > MAX_LENGTH, errno.EIO)
        growth = Growth(attr, length - attr.length, codec.aligned(length) - codec.aligned(attr.length))
        directories = self._directories_of(tx, inode, attr) if growth.space > 0 else []
        self.check_room(growth.space, 0, uid=attr.uid, gid=attr.gid, directories=directories)
        now = self.now()
        attr.length = length
        attr.mtime = now if mtime is None else mtime
        attr.ctime = now
        return growth

    def _directories_of(self, tx: Transaction, inode: int, attr: Attr) -> list[int]:
        """The directories whose quotas limit a file: none where there are no such quotas."""
        if not self.limits_directories:
            return []
        if attr.parent:
            return [attr.parent]
        return sorted(self.counted_parents(tx.read(("HGETALL", self.keys.parents(inode)))[0]))

    def _count_growth(self, inode: int, growth: Growth) -> None:
        """Count a committed change of contents where the file has names (N21.6)."""
        if not growth.length and not growth.space:
            return
        self.update_usage(growth.space, 0, growth.attr)
        # The original counts a file without names where it was last (Q14).
        if growth.attr.nlink == 0 and not self.quirks:
            return
        if growth.attr.parent:
            self.contents_changed(growth.attr.parent, growth.length, growth.space)
        else:
            self.background.submit(lambda: self._count_growth_in_each(inode, growth))

    def _count_growth_in_each(self, inode: int, growth: Growth) -> None:
        for parent, names in self.parents(inode).items():
            self.contents_changed(parent, names * growth.length, names * growth.space)

    def _touch(self, inode: int, attr: Attr | None) -> None:
        """Stamp the access of a read; a node that is gone has no access time."""
        if not self.keeps_atime:
            return
        if attr is None:
            attr = optional_attr(self.db.read_one(*self.get_attr(inode)))
        if attr is not None:
            self.touch_atime(inode, attr)


def check_mode(mode: int, size: int) -> None:
    """Raise EINVAL or ENOTSUP for what `fallocate` cannot do; unknown bits mean nothing (N10.1)."""
    for shifting in (FallocateMode.COLLAPSE, FallocateMode.INSERT):
        refuse_if(bool(mode & shifting) and mode != shifting, errno.EINVAL)
        refuse_if(mode == shifting, errno.ENOTSUP)
    punches = mode & FallocateMode.PUNCH_HOLE
    refuse_if(bool(punches) and not mode & FallocateMode.KEEP_SIZE, errno.EINVAL)
    refuse_if(size == 0, errno.EINVAL)


def indexes_of(start: int, end: int) -> range:
    """The chunks of a range of a file, one where it is empty."""
    return range(start // CHUNK_SIZE, max(end - 1, start) // CHUNK_SIZE + 1)


def borders(start: int, end: int) -> Iterator[tuple[int, int]]:
    """A range of a file cut where chunks meet."""
    while start < end:
        cut = min(end, (start // CHUNK_SIZE + 1) * CHUNK_SIZE)
        yield start, cut
        start = cut
