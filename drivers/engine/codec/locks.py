"""Locks: who holds them, and the records of each owner (S2.9, S2.10)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ...types import LockRecord
from .corrupt import CorruptValue, decimal, require_multiple

RECORD = struct.Struct(">IIQQ")


def lock_field(sid: int, owner: int) -> bytes:
    """The field of a lock hash: a session and an owner in 16 hex digits.  Source: S2.9."""
    return b"%d_%016X" % (sid, owner)


def parse_lock_field(field: bytes) -> tuple[int, int]:
    """The session and owner in a field of a lock hash.  Raises `CorruptValue`.  Source: S2.9.2."""
    parts = field.split(b"_")
    if len(parts) != 2:
        raise CorruptValue(f"a lock is not of the form SID_OWNER: {field!r}")
    try:
        return decimal("a session id", parts[0]), int(parts[1].decode("ascii"), 16)
    except (UnicodeDecodeError, ValueError):
        raise CorruptValue(f"the owner of a lock is not a hex number: {field!r}") from None


def encode_plocks(records: Sequence[LockRecord]) -> bytes:
    """The record locks of one owner, 24 bytes each.  Source: S2.10."""
    return b"".join(RECORD.pack(one.type, one.pid, one.start, one.end) for one in records)


def decode_plocks(value: bytes) -> list[LockRecord]:
    """The record locks of one owner.  Raises `CorruptValue`.  Source: S2.10."""
    require_multiple("a list of record locks", value, RECORD.size)
    return [LockRecord(*fields) for fields in RECORD.iter_unpack(value)]
