"""The keys that a recording left, against those that its replay left."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from .form import Json, Trace


def keyspace_differences(trace: Trace, observed: Mapping[bytes, tuple[str, Any]]) -> list[str]:
    """How the keys of a database differ from the recorded ones outside the volatile places.

    `observed` maps each key to its Redis type and value, as `Volume.keyspace` gives it.
    """
    if trace.keyspace is None:
        raise ValueError(f"trace {trace.name} has no recorded key space")
    expected = recorded_keys(trace.keyspace)
    seen = {key: (kind, _comparable(kind, value)) for key, (kind, value) in observed.items()}
    expected, seen = (
        {key: (kind, _timeless(value)) for key, (kind, value) in side.items()} for side in (expected, seen)
    )
    for place in trace.volatile:
        for side in (expected, seen):
            _blank(side, place)
    return [
        f"{key!r}: expected {expected.get(key)!r}, observed {seen.get(key)!r}"
        for key in sorted(expected.keys() | seen.keys())
        if expected.get(key) != seen.get(key)
    ]


def recorded_keys(keyspace: Mapping[str, dict[str, Json]]) -> dict[bytes, tuple[str, Any]]:
    """Recorded keys with their types and values, as bytes; sorted sets as dicts of member to score."""
    return {_raw(key): _recorded(entry) for key, entry in keyspace.items()}


def _raw(text: Json) -> bytes:
    if isinstance(text, dict):
        return base64.b64decode(text["base64"])
    return base64.b64decode(text[7:]) if text.startswith("base64:") else str(text).encode()


def _recorded(entry: dict[str, Json]) -> tuple[str, Any]:
    kind, value = entry["type"], entry["value"]
    if kind == "string":
        return kind, _raw(value)
    if kind == "hash":
        return kind, {_raw(name): _raw(one) for name, one in value.items()}
    if kind == "zset":
        return kind, {_raw(member): float(score) for member, score in value}
    return kind, [_raw(one) for one in value] if kind == "list" else {_raw(one) for one in value}


def _comparable(kind: str, value: Any) -> Any:
    return dict(value) if kind == "zset" else value


def _timeless(value: Any) -> Any:
    """A value whose fields do not tell when it was recorded."""
    return {_timeless_name(name): one for name, one in value.items()} if isinstance(value, dict) else value


def _timeless_name(name: bytes) -> bytes:
    """Hour directories and slices that wait for deletion have the time in their names (S3.5, S2.6)."""
    return re.sub(rb"^\d{4}-\d\d-\d\d-\d\d$", b"<hour>", re.sub(rb"_\d{10}$", b"_<time>", name))


def _blank(keys: dict[bytes, tuple[str, Any]], place: dict[str, Json]) -> None:
    """Make a volatile place equal on both sides."""
    key = place["key"].encode()
    if key not in keys:
        return
    kind, value = keys[key]
    if "offset" in place and kind == "string":
        start, end = place["offset"], place["offset"] + place["length"]
        value = value[:start] + b"\0" * len(value[start:end]) + value[end:]
    elif "field" in place and kind in ("hash", "zset") and _timeless_name(place["field"].encode()) in value:
        value = {**value, _timeless_name(place["field"].encode()): None}
    elif "index" in place and kind == "list":
        value = [None] * len(value)
    keys[key] = (kind, value)
