"""What a test left in the database as text, less what may rightly differ between two runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from metaparity.drivers.engine import codec
from metaparity.drivers.engine.keys import Keys

from .keyview import text
from .rendering import Normal, untimed

KEYS = Keys()

LENGTH = 200
"""Characters of a value that travel; the digest of a longer one goes with it."""

VOLATILE = {
    "next_inode": "reserved",
    "next_chunk": "reserved",
    "last_cleanup_sessions": "now",
    "last_cleanup_files": "now",
    "last_cleanup_trash": "now",
    "next_cleanup_slices": "now",
    "last_cleanup_changelog": "now",
}
"""Keys whose value is the time, or how far a client has reserved numbers."""

TIMED = frozenset({"all_sessions", "legacy_sessions", "delfiles", "detached_nodes"})
"""Sorted sets whose scores are times."""


def rows(keys: Mapping[bytes, Any], normal: Normal) -> dict[str, str]:
    """One row for a key, or for a field of a hash or a member of a sorted set, with its value."""
    return {
        normal.by_hour(name): _short(normal.by_hour(value))
        for key, (type, stored) in sorted(keys.items())
        for name, value in _rows(key, type, stored, normal)
    }


def digest(found: Mapping[str, str]) -> str:
    """One word for all rows."""
    return hashlib.sha256(repr(sorted(found.items())).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _rows(key: bytes, type: str, value: Any, normal: Normal) -> Iterator[tuple[str, str]]:
    kind, name = KEYS.parse(key).kind, text(key)
    if kind in VOLATILE:
        yield name, VOLATILE[kind]
    elif kind == "attr" and type == "string":
        yield name, _record(value, normal)
    elif type == "hash":
        for field, one in value.items():
            yield _field(name, kind, field), "a host" if kind == "session_infos" else repr(one)
    elif type == "zset":
        for member, score in value:
            yield f"{name}[{text(member)}]", "a time" if kind in TIMED else repr(score)
    elif type == "set":
        yield name, repr(sorted(value))
    elif kind == "txn_log":
        yield name, repr(sorted(untimed(line.decode("utf-8", "surrogateescape")) for line in value))
    else:
        yield name, repr(value)


def _record(value: bytes, normal: Normal) -> str:
    """An attribute record: which fields it has shows in its length (S2.2)."""
    try:
        return f"{len(value)} bytes: {normal.value(codec.decode_attr(value))}"
    except codec.CorruptValue:
        return repr(value)


def _field(name: str, kind: str, field: bytes) -> str:
    if kind == "delayed_slices":
        field = re.sub(rb"_\d{10}$", b"_now", field)
    return f"{name}[{text(field)}]"


def _short(value: str) -> str:
    if len(value) <= LENGTH:
        return value
    return f"{value[:LENGTH]}… ({hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:8]})"
