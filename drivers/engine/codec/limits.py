"""Numbers and who is limited by them: counters, ids, quotas, ACL rules (S2.8, S2.11, S3.1)."""

from __future__ import annotations

import struct

from ...types import Quota, Rule
from .corrupt import I64, CorruptValue, decimal, pack, require_length, require_within

QUOTA = struct.Struct(">qq")
RULE_HEAD = struct.Struct(">HHHH")
COUNT = struct.Struct(">I")
NAMED = struct.Struct(">IH")


def encode_counter(value: int) -> bytes:
    """A counter as stored.  Raises `ValueError` unless it is signed of 64 bits.  Source: S1.2."""
    return b"%d" % require_within("a counter", value, I64)


def decode_counter(value: bytes | int | None) -> int:
    """The value of a counter; an absent one is 0.  Raises `CorruptValue`.  Source: S1.2."""
    if value is None:
        return 0
    return value if isinstance(value, int) else decimal("a counter", value, I64)


def usable_ids(reserved: int, count: int) -> range:
    """The ids that are ours after INCRBY `count` answered `reserved`: the counter holds the last (S3.1)."""
    return range(reserved + 1 - count, reserved + 1)


def encode_quota(quota: Quota) -> bytes:
    """The limits of a quota, 16 bytes; usage is kept elsewhere.

    Raises `ValueError` unless both are signed of 64 bits.  Source: S2.8.
    """
    return pack("a quota", QUOTA, quota.max_space, quota.max_inodes)


def decode_quota(value: bytes) -> Quota:
    """The limits of a quota.  Raises `CorruptValue`, for an empty value too (S1.8).  Source: S2.8."""
    require_length("a quota", value, QUOTA.size)
    return Quota(*QUOTA.unpack(value))


def encode_rule(rule: Rule) -> bytes:
    """An ACL rule, 16 bytes and 6 for each named entry.

    Raises `ValueError` unless permissions are unsigned of 16 bits and ids of 32.  Source: S2.11.
    """
    parts = [pack("an ACL rule", RULE_HEAD, rule.owner, rule.group, rule.mask, rule.other)]
    for named in (rule.users, rule.groups):
        parts.append(COUNT.pack(len(named)))
        parts += [pack("a named ACL entry", NAMED, id, permissions) for id, permissions in named]
    return b"".join(parts)


def decode_rule(value: bytes) -> Rule:
    """The ACL rule in a value.  Raises `CorruptValue`.  Source: S2.11."""
    try:
        owner, group, mask, other = RULE_HEAD.unpack_from(value)
        users, at = _named(value, RULE_HEAD.size)
        groups, at = _named(value, at)
    except struct.error:
        raise CorruptValue(f"an ACL rule of {len(value)} bytes ends before its entries do") from None
    require_length("an ACL rule", value, at)
    return Rule(owner, group, mask, other, users, groups)


def _named(value: bytes, at: int) -> tuple[list[tuple[int, int]], int]:
    (count,) = COUNT.unpack_from(value, at)
    at += COUNT.size
    if count * NAMED.size > len(value) - at:
        raise CorruptValue(f"an ACL rule of {len(value)} bytes cannot hold {count} named entries")
    end = at + count * NAMED.size
    return list(NAMED.iter_unpack(value[at:end])), end


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ 0x82F63B78 * (byte & 1)
        table.append(byte)
    return table


CASTAGNOLI = _crc_table()


def rule_checksum(rule: Rule) -> int:
    """The CRC-32C of a rule, by which equal rules are found; never stored.  Source: S2.11.2."""
    checksum = 0xFFFFFFFF
    for byte in encode_rule(rule):
        checksum = CASTAGNOLI[(checksum ^ byte) & 0xFF] ^ checksum >> 8
    return checksum ^ 0xFFFFFFFF
