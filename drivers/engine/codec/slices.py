"""Slices: chunk records, reference counts, what waits for deletion (S2.4, S2.6, S2.7, S1.4)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ...types import Slice
from .corrupt import CorruptValue, decimal, require_length, require_multiple

RECORD = struct.Struct(">IQIII")
DELAYED = struct.Struct(">QI")


def encode_slice(slice: Slice) -> bytes:
    """One record of a chunk's list, 24 bytes.  Source: S2.4."""
    return RECORD.pack(slice.pos, slice.id, slice.size, slice.off, slice.len)


def decode_slice(record: bytes) -> Slice:
    """The slice in a record.  Raises `CorruptValue`.  Source: S2.4."""
    require_length("a slice record", record, RECORD.size)
    return Slice(*RECORD.unpack(record))


def encode_slices(slices: Sequence[Slice]) -> list[bytes]:
    """The elements of a chunk's list, oldest first."""
    return [encode_slice(slice) for slice in slices]


def decode_slices(records: Sequence[bytes]) -> list[Slice]:
    """The slices of a chunk's list; one corrupt record makes the chunk corrupt (S1.8)."""
    return [decode_slice(record) for record in records]


def slice_ref_field(id: int, size: int) -> bytes:
    """The field of `sliceRef` that counts a slice's references less one.  Source: S2.6."""
    return b"k%d_%d" % (id, size)


def parse_slice_ref_field(field: bytes) -> tuple[int, int]:
    """The id and size (bytes) in a field of `sliceRef`.  Raises `CorruptValue`."""
    id, separator, size = field[1:].partition(b"_")
    if field[:1] != b"k" or not separator:
        raise CorruptValue(f"a slice reference is not of the form kID_SIZE: {field!r}")
    return decimal("a slice id", id), decimal("a slice size", size)


def encode_delayed_slices(slices: Sequence[tuple[int, int]]) -> bytes:
    """The value of `delSlices` for slices given as (id, size in bytes).  Source: S2.7."""
    return b"".join(DELAYED.pack(id, size) for id, size in slices)


def decode_delayed_slices(value: bytes) -> list[tuple[int, int]]:
    """The (id, size) of slices that wait for the trash to expire.  Raises `CorruptValue`."""
    if not value:
        raise CorruptValue("a list of delayed slices is empty")
    require_multiple("a list of delayed slices", value, DELAYED.size)
    return [(id, size) for id, size in DELAYED.iter_unpack(value)]


def delayed_slices_field(id: int, seconds: int) -> bytes:
    """The field of `delSlices`: the slice that replaced the others, and when.  Source: S1.3."""
    return b"%d_%d" % (id, seconds)


def parse_delayed_slices_field(field: bytes) -> tuple[int, int]:
    """The id and time (seconds) in a field of `delSlices`.  Raises `CorruptValue`."""
    id, separator, seconds = field.partition(b"_")
    if not separator:
        raise CorruptValue(f"a field of delSlices is not of the form ID_SECONDS: {field!r}")
    return decimal("a slice id", id), decimal("a time", seconds)


def delfile_member(inode: int, length: int) -> bytes:
    """The member of `delfiles` for a file whose data has to go; length in bytes.  Source: S1.4."""
    return b"%d:%d" % (inode, length)


def parse_delfile_member(member: bytes) -> tuple[int, int]:
    """The inode and length in a member of `delfiles`, of the old forms too (S1.5).

    Raises `CorruptValue`.
    """
    parts = member.split(b":")
    inode = decimal("an inode", parts[0])
    if len(parts) == 2:
        return inode, decimal("a length", parts[1])
    return inode, decimal("a length", parts[2]) if len(parts) > 2 else 1 << 30
