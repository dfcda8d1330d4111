"""Slices: chunk records, reference counts, what waits for deletion (S2.4, S2.6, S2.7, S1.4)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeAlias

from ...types import Slice
from .corrupt import (
    I64,
    U32,
    U64,
    CorruptValue,
    decimal,
    pack,
    require_length,
    require_multiple,
    require_within,
)

RECORD = struct.Struct(">IQIII")
ID = struct.Struct(">4xQ12x")
"""The id in a record."""
ID_BEGINS = 4
DELAYED = struct.Struct(">QI")
LEGACY_LENGTH = 1 << 30
"""What is assumed of a deleted file whose length an old client did not note (S1.5)."""


SliceNumbers: TypeAlias = tuple[int, int, int, int, int]
"""A slice as it is stored: pos, id, size, off, len (S2.4)."""


def encode_slice(slice: Slice) -> bytes:
    """One record of a chunk's list, 24 bytes.

    Raises `ValueError` unless `id` is unsigned of 64 bits and the others of 32.  Source: S2.4.
    """
    return pack("a slice record", RECORD, slice.pos, slice.id, slice.size, slice.off, slice.len)


def decode_slice(record: bytes) -> Slice:
    """The slice in a record.  Raises `CorruptValue`.  Source: S2.4."""
    return Slice(*slice_numbers([record])[0])


def slice_numbers(records: Sequence[bytes]) -> list[SliceNumbers]:
    """The slices of a chunk's list as bare numbers.  Raises `CorruptValue`.  Source: S2.4."""
    for record in records:
        require_length("a slice record", record, RECORD.size)
    return [RECORD.unpack(record) for record in records]


def encode_slices(slices: Sequence[Slice]) -> list[bytes]:
    """The elements of a chunk's list, oldest first."""
    return [encode_slice(slice) for slice in slices]


def decode_slices(records: Sequence[bytes]) -> list[Slice]:
    """The slices of a chunk's list; one corrupt record makes the chunk corrupt (S1.8)."""
    return [Slice(*numbers) for numbers in slice_numbers(records)]


def slice_ref_field(id: int, size: int) -> bytes:
    """The field of `sliceRef` that counts a slice's references less one.

    `size` is that of the whole slice object, in bytes.  Raises `ValueError`.  Source: S2.6.
    """
    return b"k%d_%d" % (require_within("a slice id", id, U64), require_within("a slice size", size, U32))


def parse_slice_ref_field(field: bytes) -> tuple[int, int]:
    """The id and size (bytes) in a field of `sliceRef`.  Raises `CorruptValue`."""
    id, separator, size = field[1:].partition(b"_")
    if field[:1] != b"k" or not separator:
        raise CorruptValue(f"a slice reference is not of the form kID_SIZE: {field[:40]!r}")
    return decimal("a slice id", id, U64), decimal("a slice size", size, U32)


def encode_delayed_slices(slices: Sequence[tuple[int, int]]) -> bytes:
    """The value of `delSlices` for slices given as (id, size in bytes): 12 bytes each.

    Raises `ValueError` when there are none, or one does not fit.  Source: S2.7.
    """
    if not slices:
        raise ValueError("a list of delayed slices is never stored empty")
    return b"".join(pack("a delayed slice", DELAYED, id, size) for id, size in slices)


def decode_delayed_slices(value: bytes) -> list[tuple[int, int]]:
    """The (id, size) of slices that wait for the trash to expire.  Raises `CorruptValue`."""
    if not value:
        raise CorruptValue("a list of delayed slices is empty")
    require_multiple("a list of delayed slices", value, DELAYED.size)
    return list(DELAYED.iter_unpack(value))


def delayed_slices_field(id: int, seconds: int) -> bytes:
    """The field of `delSlices`: the slice that replaced the others, and when.

    Raises `ValueError`.  Source: S1.3.
    """
    return b"%d_%d" % (require_within("a slice id", id, U64), require_within("a time", seconds, I64))


def parse_delayed_slices_field(field: bytes) -> tuple[int, int]:
    """The id and time (seconds) in a field of `delSlices`.  Raises `CorruptValue`."""
    id, separator, seconds = field.partition(b"_")
    if not separator:
        raise CorruptValue(f"a field of delSlices is not of the form ID_SECONDS: {field[:40]!r}")
    return decimal("a slice id", id, U64), decimal("a time", seconds, I64)


def delfile_member(inode: int, length: int) -> bytes:
    """The member of `delfiles` for a file whose data has to go; length in bytes.

    A length is unsigned, but written as the signed number of the same 64 bits.  Raises `ValueError`.
    Source: S1.4.
    """
    require_within("an inode", inode, U64)
    require_within("a length", length, U64)
    return b"%d:%d" % (inode, length if length < 1 << 63 else length - (1 << 64))


def parse_delfile_member(member: bytes) -> tuple[int, int]:
    """The inode and length in a member of `delfiles`, of the old forms too (S1.5).

    Raises `CorruptValue`.
    """
    parts = member.split(b":")
    inode = decimal("an inode", parts[0], U64)
    if len(parts) == 1:
        return inode, LEGACY_LENGTH
    length = parts[1] if len(parts) == 2 else parts[2]
    return inode, decimal("a length", length, I64) % (1 << 64)


def last_id(records: bytes) -> int:
    """The highest id in records, one behind the other; 0 where there is none."""
    (last,) = max(ID.iter_unpack(records), default=(0,))
    return int(last)


def has_large_id(records: bytes) -> bool:
    """Whether an id in records, one behind the other, is 2^63 or more."""
    return max(records[ID_BEGINS :: RECORD.size], default=0) >= 0x80
