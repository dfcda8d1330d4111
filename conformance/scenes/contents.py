"""The contents of files: what is written, what the chunks hold, what a reader is shown."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import replace

from metaparity.drivers.api import Engine
from metaparity.drivers.types import CHUNK_SIZE, Slice
from metaparity.fixtures.volumes import Volume

RECORD = struct.Struct(">IQIII")
MIB = 1 << 20


def put(fs: Engine, inode: int, off: int, size: int, slice_off: int = 0, len: int | None = None) -> int:
    """Write one slice at an offset of a file, by default all of it; returns its id."""
    id = fs.new_slice()
    chunk, pos = divmod(off, CHUNK_SIZE)
    fs.write(inode, chunk, pos, Slice(0, id, size, slice_off, size if len is None else len), (7, 8))
    return id


def records(volume: Volume, inode: int, chunk: int = 0) -> list[Slice]:
    """The records of a chunk as stored (S2.4)."""
    return [Slice(*RECORD.unpack(record)) for record in volume.raw.lrange(b"c%d_%d" % (inode, chunk), 0, -1)]


def store(volume: Volume, inode: int, chunk: int, slices: Iterable[Slice]) -> None:
    """Append records to a chunk past the driver."""
    packed = [RECORD.pack(one.pos, one.id, one.size, one.off, one.len) for one in slices]
    volume.raw.rpush(b"c%d_%d" % (inode, chunk), *packed)


def hole(length: int) -> Slice:
    """A piece of zeros."""
    return Slice(0, 0, 0, 0, length)


def piece(id: int, size: int, off: int = 0, len: int | None = None) -> Slice:
    """A piece as `read` answers it, by default all of its slice."""
    return Slice(0, id, size, off, size if len is None else len)


def normal(pieces: Iterable[Slice]) -> list[Slice]:
    """Pieces without what an engine may choose: holes are merged, have no size, and none is last (N22.4)."""
    found: list[Slice] = []
    for one in pieces:
        if one.id or not found or found[-1].id:
            found.append(replace(one, pos=0) if one.id else hole(one.len))
        else:
            found[-1].len += one.len
    if found and not found[-1].id:
        found.pop()
    return found


def shown(fs: Engine, inode: int, chunk: int = 0) -> list[Slice]:
    """What a reader is shown of a chunk, normalised."""
    return normal(fs.read(inode, chunk))


def references(volume: Volume) -> dict[bytes, int]:
    """How often each slice is referred to, as stored: less one (S2.6)."""
    return {field: int(count) for field, count in volume.raw.hgetall("sliceRef").items()}
