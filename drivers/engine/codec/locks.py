"""Locks: who holds them, and the records of each owner (S2.9, S2.10)."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence

from ...types import LockRecord
from .corrupt import U64, CorruptValue, decimal, pack, require_multiple, require_within

RECORD = struct.Struct(">IIQQ")
HEX = re.compile(rb"[0-9A-Fa-f]+")


def lock_field(sid: int, owner: int) -> bytes:
    """The field of a lock hash: a session and an owner in 16 hex digits.

    Raises `ValueError` for a number that is not unsigned of 64 bits.  Source: S2.9.
    """
    return b"%d_%016X" % (
        require_within("a session id", sid, U64),
        require_within("the owner of a lock", owner, U64),
    )


def parse_lock_field(field: bytes) -> tuple[int, int]:
    """The session and owner in a field of a lock hash.  Raises `CorruptValue`.  Source: S2.9.2."""
    parts = field.split(b"_")
    if len(parts) != 2:
        raise CorruptValue(f"a lock is not of the form SID_OWNER: {field[:40]!r}")
    sid = decimal("a session id", parts[0], U64)
    if HEX.fullmatch(parts[1]) and (owner := int(parts[1], 16)) < 1 << 64:
        return sid, owner
    raise CorruptValue(f"the owner of a lock is not a hex number of 64 bits: {field[:40]!r}")


def decode_flock(value: bytes) -> str:
    """Which flock an owner holds: `R` or `W`.  Raises `CorruptValue`.  Source: S2.9."""
    if value not in (b"R", b"W"):
        raise CorruptValue(f"a flock is neither R nor W: {value[:40]!r}")
    return value.decode()


def encode_plocks(records: Sequence[LockRecord]) -> bytes:
    """The record locks of one owner, 24 bytes each.  Raises `ValueError`.  Source: S2.10."""
    return b"".join(pack("a record lock", RECORD, one.type, one.pid, one.start, one.end) for one in records)


def decode_plocks(value: bytes) -> list[LockRecord]:
    """The record locks of one owner.  Raises `CorruptValue`.  Source: S2.10."""
    require_multiple("a list of record locks", value, RECORD.size)
    return [LockRecord(*fields) for fields in RECORD.iter_unpack(value)]
