"""Calls and values as text: for readers, and for comparing what drivers answered."""

from __future__ import annotations

import dataclasses
import errno
import re
from collections.abc import Mapping
from enum import Enum, Flag, IntEnum, IntFlag
from pathlib import Path
from typing import Any

from metaparity.conformance.scenes.contents import normal
from metaparity.drivers.bridge import EngineFailure
from metaparity.drivers.engine.codec import CorruptValue, parse_hour_name
from metaparity.drivers.engine.codec.documents import SETTINGS, with_default_tiers
from metaparity.drivers.errors import NodeExists, Refused, Unsupported
from metaparity.drivers.types import (
    ROOT,
    Entry,
    Event,
    Format,
    HeldFlock,
    HeldPlock,
    Session,
    SessionFlock,
    SessionInfo,
    SessionPlock,
    Slice,
)
from metaparity.fixtures.recording import Call

SECOND = 10**9

HOST_FIELDS: dict[type, frozenset[str]] = {
    Session: frozenset({"expire"}),
    SessionInfo: frozenset({"version", "host", "ip_addrs", "mount_time", "pid"}),
}
"""Fields that depend on the machine and the moment."""

UNORDERED = (Entry, Event, bytes, Session, SessionFlock, SessionPlock, HeldFlock, HeldPlock)
"""What lists have in no order that is promised."""

DEFAULTS = {**SETTINGS, **with_default_tiers(Format({}))}
"""The settings of a volume where nothing is set."""

WHOLE_LISTING = 4098
"""A page with fewer entries that starts at 0 is a whole directory: 4096 entries and the dots (N19.3)."""


class Shown:
    """Values in the form in which a reader would write them in Python; defaults are left out."""

    def call(self, call: Call) -> str:
        """A call with its arguments by name."""
        arguments = [
            f"{name}={self.argument(name, value)}"
            for name, value in call.arguments().items()
            if name != "ctx" or value != ROOT
        ]
        return f"{call.method}({', '.join(arguments)})"

    def argument(self, name: str, value: Any) -> str:
        """The value of an argument of this name."""
        return self.value(value)

    def outcome(self, call: Call) -> str:
        """What a call showed."""
        return self.value(call.value) if call.error is None else error_text(call.error)

    def value(self, value: Any) -> str:
        """Any value of the API."""
        if isinstance(value, Flag):
            name = type(value).__name__
            return (
                " | ".join(f"{name}.{one.name}" for one in type(value) if one in value and one)
                or f"{name}(0)"
            )
        if isinstance(value, Enum):
            return str(value) if isinstance(value, str) else f"{type(value).__name__}.{value.name}"
        if isinstance(value, Format):
            return f"Format({self.value(value.fields)})"
        if isinstance(value, Mapping):
            return (
                "{" + ", ".join(f"{self.value(key)}: {self.value(part)}" for key, part in value.items()) + "}"
            )
        if isinstance(value, list):
            return f"[{', '.join(self.value(part) for part in value)}]"
        if isinstance(value, tuple):
            return f"({', '.join(self.value(part) for part in value)}{',' if len(value) == 1 else ''})"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._object(value, frozenset())
        return repr(value)

    def _object(self, value: Any, hidden: frozenset[str]) -> str:
        kind = type(value)
        parts = [
            f"{name}={self.value(getattr(value, name))}"
            for name, default in _fields(kind)
            if name not in hidden and getattr(value, name) != default
        ]
        return f"{kind.__name__}({', '.join(parts)})"


MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR
NEAR = 400 * DAY
"""Seconds from a test within which a time was made up from the clock."""

HOUR_NAME = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}-\d{2}(?!\d)")


class Normal(Shown):
    """Values as text without what may rightly differ between two runs.

    A time within a minute of the test reads `now`, one that a test made up from the clock its distance in
    minutes, beyond a day in days, as recorded times do not move with the clock of a run; so do the names of
    the trash's hours, in hours, for two runs may have the turn of an hour between them; what a host says of
    itself is left out, and settings at their default or of newer versions; listings and events are sorted,
    for their order is no promise (protocol §7), and holes have no size (N22.4); refusals and problems in
    words are not compared (§2); a number and its name are the same (§1); a file of the client's machine is
    named without its directory, which each run has for itself.
    """

    def __init__(self, start: int, end: int) -> None:
        """The span of the test in nanoseconds since the epoch."""
        self.first = start // SECOND - 1
        self.last = end // SECOND + 1

    def call(self, call: Call) -> str:
        return self.by_hour(f"{call.client}.{super().call(call)}")

    def argument(self, name: str, value: Any) -> str:
        is_file = name == "path" and isinstance(value, str)  # paths of the volume are bytes
        return super().argument(name, Path(value).name if is_file else value)

    def outcome(self, call: Call) -> str:
        return self.by_hour(self._outcome(call))

    def by_hour(self, text: str) -> str:
        """Text in which the trash's hours near the test are named by their distance from it (S3.9)."""
        return HOUR_NAME.sub(self._hour, text)

    def _hour(self, found: re.Match[str]) -> str:
        try:
            begun = parse_hour_name(found[0].encode())
        except CorruptValue:
            return found[0]
        if abs(begun - self.first) >= NEAR:
            return found[0]
        if begun <= self.last and self.first < begun + HOUR:
            return "this hour"
        return f"this hour{begun // HOUR - (self.first + 1) // HOUR:+d}"

    def _outcome(self, call: Call) -> str:
        error = call.error
        if error is None:
            if call.method == "new_slice":
                return "an id"  # a compaction in the background may have taken one before
            if call.method == "slices_list":  # chunks come in any order
                return self.value(
                    {inode: [self.value(sorted(slices, key=repr))] for inode, slices in call.value.items()}
                )
            if call.method == "changelog_scan":
                return repr(sorted(untimed(line) for _, line in call.value))
            if call.method == "cache_stats":
                return "counters"  # how much a client caches is its own business
            if call.method == "check":
                return f"{len(call.value)} problems"
            if call.method == "dir_list" and not is_whole(call):
                return f"{len(call.value)} entries"
            return self.value(call.value)
        if isinstance(error, NodeExists):
            return f"EEXIST {self.value(error.node)}"
        if isinstance(error, (Unsupported, Refused)):
            return error_text(error).partition(":")[0]
        if isinstance(error, OSError) and error.errno:
            return error_text(error)
        return type(error).__name__

    def value(self, value: Any) -> str:
        if type(value) is tuple and len(value) == 2 and type(value[0]) is int and type(value[1]) is int:
            return self._time(value)
        if isinstance(value, list) and value and isinstance(value[0], Slice):
            return super().value(normal(value))
        if isinstance(value, list) and value and isinstance(value[0], UNORDERED):
            return f"[{', '.join(sorted(self.value(part) for part in value))}]"
        if isinstance(value, (IntEnum, IntFlag)):
            return repr(int(value))
        if isinstance(value, Format):
            value = {
                name: value[name] for name, default in DEFAULTS.items() if value.get(name, default) != default
            }
        if isinstance(value, Mapping):
            items = sorted((self.value(key), self._field(key, part)) for key, part in value.items())
            return "{" + ", ".join(f"{key}: {part}" for key, part in items) + "}"
        if type(value) in HOST_FIELDS:
            return self._object(value, HOST_FIELDS[type(value)])
        return super().value(value)

    def _field(self, name: object, value: Any) -> str:
        """A value of plain data, where `time` is one in seconds, that of an hour of the trash a full hour."""
        if name != "time" or type(value) is not int:
            return self.value(value)
        near = abs(value - self.first) < NEAR
        return "a full hour" if near and value % HOUR == 0 else self._time((value, 0))

    def _time(self, stamp: tuple[int, int]) -> str:
        if self.first - MINUTE <= stamp[0] <= self.last + MINUTE:
            return "now"
        apart = stamp[0] - self.first
        if abs(apart) >= NEAR:
            return repr(stamp)
        return f"now{apart / MINUTE:+.0f}min" if abs(apart) < DAY else f"now{apart / DAY:+.0f}d"


SHOWN = Shown()


def untimed(line: str) -> str:
    """A line of the change log less its times, what it tells of a host, and which transaction it was (S8.1).

    Deletions in the background take turns with others, so the numbers of transactions are chance.
    """
    line = re.sub(r"^\d+\.\d+\||,\d+\)$", "", line)
    line = re.sub(r"^NEWSESSION\((\d+),.*\)", r"NEWSESSION(\1)", line)
    return re.sub(r"^SETATTR\((\d+(?:,\d+){6}),.*,(\d+)\)", r"SETATTR(\1,..,\2)", line)


def is_whole(page: Call) -> bool:
    """Whether a page lists a whole directory: which entries a part of it has, each server chooses itself."""
    return not page.arguments().get("offset") and len(page.value) < WHOLE_LISTING


def error_text(error: BaseException) -> str:
    """An error as the driver protocol names it (§2)."""
    if isinstance(error, Unsupported):
        return f"unsupported: {error.reason}"
    if isinstance(error, Refused):
        return f"refused: {error}"
    if isinstance(error, EngineFailure):
        return f"{type(error).__name__}: {error.reason}"
    if isinstance(error, OSError) and error.errno:
        return errno.errorcode.get(error.errno, f"errno {error.errno}")
    return f"{type(error).__name__}: {error}"


def contrast(left: object, right: object) -> list[str] | None:
    """That two objects of a kind are not equal, and in which fields; None where they are no such objects."""
    if type(left) is not type(right) or not dataclasses.is_dataclass(left):
        return None
    shown = Shown().value
    fields = [(name, getattr(left, name), getattr(right, name)) for name, _ in _fields(type(left))]
    return [
        f"{shown(left)} == {shown(right)}",
        *(f"{name}: {shown(one)} != {shown(other)}" for name, one, other in fields if one != other),
    ]


def shorten(text: str, limit: int = 240) -> str:
    """Text that fits a line or two."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[:limit]}…"


_known_fields: dict[type, list[tuple[str, Any]]] = {}


def _fields(kind: type) -> list[tuple[str, Any]]:
    """The fields of a dataclass with their defaults; those without one are always shown."""
    if kind not in _known_fields:
        _known_fields[kind] = [
            (one.name, one.default if one.default_factory is dataclasses.MISSING else one.default_factory())
            for one in dataclasses.fields(kind)
            if one.compare
        ]
    return _known_fields[kind]
