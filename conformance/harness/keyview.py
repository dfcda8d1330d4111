"""What changed in the key-space, as a reader sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from metaparity.drivers.engine import codec

from .rendering import SHOWN, shorten

Change: TypeAlias = dict[str, str | None]


def difference(before: Mapping[bytes, Any], after: Mapping[bytes, Any]) -> list[Change]:
    """Keys, or fields of hashes, that differ: `key`, `before` and `after` as text, None for no value."""
    rows = []
    for key in sorted(before.keys() | after.keys()):
        kind, old = before.get(key, ("none", None))
        new_kind, new = after.get(key, ("none", None))
        if (kind, old) == (new_kind, new):
            continue
        if "hash" in (kind, new_kind) and {kind, new_kind} <= {"hash", "none"}:
            old, new = old or {}, new or {}
            rows += [
                row(key, field, old.get(field), new.get(field))
                for field in sorted(old.keys() | new.keys())
                if old.get(field) != new.get(field)
            ]
        else:
            rows.append(row(key, None, old, new))
    return rows


def row(key: bytes, field: bytes | None, old: Any, new: Any) -> Change:
    """One line of a difference."""
    name = text(key) if field is None else f"{text(key)}[{text(field)}]"
    return {"key": name, "before": value_text(key, old), "after": value_text(key, new)}


def text(raw: bytes) -> str:
    """A key or field as text where it is printable ASCII, else as a bytes literal."""
    decoded = raw.decode("ascii", "replace")
    return decoded if decoded.isprintable() and "\ufffd" not in decoded else repr(raw)


def value_text(key: bytes, value: Any) -> str | None:
    """A stored value, decoded where it is an attribute record or a directory entry."""
    if value is None:
        return None
    try:
        if isinstance(value, bytes) and re.fullmatch(rb".*i\d+", key):
            return shorten(SHOWN.value(codec.decode_attr(value)))
        if isinstance(value, bytes) and re.fullmatch(rb".*d\d+", key):
            type, inode = codec.decode_entry(value)
            return f"type {type}, inode {inode}"
    except codec.CorruptValue as corrupt:
        return f"{value!r} ({corrupt})"
    return shorten(repr(value))
