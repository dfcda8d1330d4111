"""The contents of files: slices written, read, cut and copied by reference (N9, N10, N21-N24)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace

from metaparity.drivers.errors import error, refuse_if
from metaparity.drivers.types import (
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

from .compaction import MANY, WORTH_A_LOOK, Compaction
from .openfiles import ALL_CHUNKS
from .permissions import FROZEN, trashed
from .slices import assemble, borders, part
from .state import aligned

KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO, INSERT = FallocateMode

LONGEST = CHUNK_SIZE << 32
"""The longest file in bytes: the index of a chunk has 32 bits."""


class Contents(Compaction):
    """new_slice, write, read, truncate, fallocate, copy_file_range."""

    def new_slice(self, *, ctx: Context = ROOT) -> int:
        if self.slices.empty:  # N21.1
            self.require_writable()
        return self.slices.take()

    def write(
        self, inode: int, chunk: int, off: int, slice: Slice, mtime: Time = (0, 0), *, ctx: Context = ROOT
    ) -> None:
        self.require_writable()  # N21.2
        attr = self.node(inode)
        refuse_if(attr.type != FileType.FILE, errno.EPERM)
        length = max(attr.length, chunk * CHUNK_SIZE + off + slice.len)
        self._resize(inode, attr, length, mtime)
        self._append(inode, chunk, Slice(off, slice.id, slice.size, slice.off, slice.len))
        self.open_files.distrust(inode, chunk)
        count = len(self.records(inode, chunk))
        if count % 100 == 99 or count > MANY:  # N21.5
            self.compact_chunk(inode, chunk)

    def read(self, inode: int, chunk: int, *, ctx: Context = ROOT) -> list[Slice]:
        kept = self.open_files.chunks(inode)  # N22.1
        attr = self.volume.nodes.get(inode)
        if kept is not None and chunk in kept:
            pieces = kept[chunk]
        else:
            records = self.records(inode, chunk)
            if not records:
                refuse_if(self.node(inode).type != FileType.FILE, errno.EPERM)
            pieces = [replace(piece, pos=0) for piece in assemble(records)]
            if kept is not None:
                kept[chunk] = pieces
            if max(len(records), len(pieces)) >= WORTH_A_LOOK:  # N22.6
                self.compact_chunk(inode, chunk)
        if attr is not None and self.touch_atime(attr):
            self.open_files.distrust(inode)
        return [replace(piece) for piece in pieces]

    def invalidate_chunk(self, inode: int, chunk: int) -> None:
        self.open_files.distrust(inode, chunk)

    def truncate(
        self,
        inode: int,
        flags: int = 0,
        length: int = 0,
        skip_permission: bool = False,
        *,
        ctx: Context = ROOT,
    ) -> Attr:
        self.require_writable()  # N9.1
        attr = self.node(inode)
        refuse_if(attr.type != FileType.FILE or bool(attr.flags & FROZEN), errno.EPERM)
        refuse_if(not flags and trashed(attr), errno.EPERM)
        if not skip_permission:
            self.require_access(ctx, attr, Access.W)
        if length != attr.length:
            left, right = sorted((attr.length, length))
            self._resize(inode, attr, length)
            self._mask(inode, left, right)
        self.open_files.distrust(inode, ALL_CHUNKS)
        return replace(attr)

    def _mask(self, inode: int, left: int, right: int) -> None:
        """Zero what a truncate between two lengths takes away or adds (N9.4)."""
        first, last = left // CHUNK_SIZE, right // CHUNK_SIZE
        self._zero(inode, left, min(right, (first + 1) * CHUNK_SIZE))
        for index in sorted(self.volume.chunks.get(inode, {})):
            if first < index < last:
                self._zero(inode, index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE)
        if last > first:
            self._zero(inode, last * CHUNK_SIZE, right)

    def fallocate(
        self,
        inode: int,
        mode: FallocateMode = FallocateMode(0),
        off: int = 0,
        size: int = 0,
        *,
        ctx: Context = ROOT,
    ) -> int:
        for shifting in (COLLAPSE, INSERT):  # N10.1
            refuse_if(bool(mode & shifting) and mode != shifting, errno.EINVAL)
            refuse_if(mode == shifting, errno.ENOTSUP)
        refuse_if(bool(mode & PUNCH_HOLE) and not mode & KEEP_SIZE, errno.EINVAL)
        refuse_if(size == 0, errno.EINVAL)
        self.require_writable()  # N10.2
        attr = self.node(inode)
        refuse_if(attr.type == FileType.FIFO, errno.EPIPE)
        immutable = bool(attr.flags & AttrFlag.IMMUTABLE)
        refuse_if(attr.type != FileType.FILE or immutable, errno.EPERM)
        self.require_access(ctx, attr, Access.W)
        refuse_if(bool(attr.flags & AttrFlag.APPEND) and int(mode) & ~int(KEEP_SIZE) != 0, errno.EPERM)
        before = attr.length
        self._resize(inode, attr, before if mode & KEEP_SIZE else max(before, off + size))
        if mode & (PUNCH_HOLE | ZERO):  # N10.3
            for start, end in borders(off, min(off + size, before)):
                self._zero(inode, start, end)
        self.open_files.distrust(inode, ALL_CHUNKS)
        return attr.length

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
        self.require_writable()  # N24.1
        source, target = self.node(src), self.node(dst)
        refuse_if(source.type != FileType.FILE, errno.EINVAL)
        if src_off >= source.length:
            return Copied(0, 0)
        size = min(size, source.length - src_off)
        refuse_if(target.type != FileType.FILE, errno.EINVAL)
        refuse_if(bool(target.flags & FROZEN), errno.EPERM)
        pieces = list(self._pieces(src, src_off, src_off + size))
        self._resize(dst, target, max(target.length, dst_off + size))
        for piece in pieces:  # N24.2
            self._refer(dst, piece, piece.pos - src_off + dst_off)
        self.open_files.distrust(dst, ALL_CHUNKS)
        return Copied(size, target.length)

    def _pieces(self, inode: int, start: int, end: int) -> Iterator[Slice]:
        """What a range of a file consists of, holes included, by position in the file."""
        for index in range(start // CHUNK_SIZE, max(end - 1, start) // CHUNK_SIZE + 1):
            hole = Slice(0, 0, 0, 0, CHUNK_SIZE)
            for piece in assemble([hole, *self.records(inode, index)]):
                placed = replace(piece, pos=piece.pos + index * CHUNK_SIZE)
                if placed.pos < end and placed.pos + placed.len > start:
                    yield part(placed, start, end)

    def _refer(self, inode: int, piece: Slice, at: int) -> None:
        """Put a piece of another file at an offset of this one."""
        # A copy of no bytes leaves a record of no bytes (N24.3).
        for start, end in list(borders(at, at + piece.len)) or [(at, at)]:
            index, pos = divmod(start, CHUNK_SIZE)
            off = piece.off + start - at
            self._append(inode, index, Slice(pos, piece.id, piece.size, off, end - start))
            self.hold_slice(piece.id, piece.size)

    def hold_slice(self, id: int, size: int) -> None:
        """Count one more reference to a slice (N21.4)."""
        if id:
            self.volume.references[id, size] = self.volume.references.get((id, size), 1) + 1

    # -- common ------------------------------------------------------------------------------------

    def _append(self, inode: int, chunk: int, record: Slice) -> None:
        self.volume.chunks.setdefault(inode, {}).setdefault(chunk, []).append(record)

    def _zero(self, inode: int, start: int, end: int) -> None:
        """Put zeroes at a range within one chunk, if it has any bytes."""
        if start < end:
            index, pos = divmod(start, CHUNK_SIZE)
            self._append(inode, index, Slice(pos, 0, 0, 0, end - start))

    def _resize(self, inode: int, attr: Attr, length: int, mtime: Time | None = None) -> None:
        """Give a file its new length and times, and charge what that takes (N21.3, N21.6).

        Raises EDQUOT, ENOSPC, and EIO for a length without chunks.
        """
        if length > LONGEST:
            raise error(errno.EIO)
        more, space = length - attr.length, aligned(length) - aligned(attr.length)
        parents = self.parents(inode)
        if space > 0:
            self.check_room(space, 0, attr.uid, attr.gid, sorted(parents))
        attr.length, attr.ctime = length, self.now()
        attr.mtime = attr.ctime if mtime is None else mtime
        self.count_usage(space, 0, attr)
        if attr.nlink == 0 or not (more or space):  # a file without names is in no directory (Q14)
            return
        for parent, names in parents.items():
            self.count_stat(parent, names * more, names * space, 0)
            self.charge_directories(parent, names * space, 0)
