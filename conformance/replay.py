"""Traces (protocol §7) and the golden recordings: make the calls again, say field by field what differs.

A recording is rewritten into the protocol's own form when it is loaded; the replay knows that form only.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeAlias

from metaparity.drivers import wire
from metaparity.drivers.api import PRIMITIVES, Engine
from metaparity.drivers.bridge import EngineFailure
from metaparity.drivers.types import Format

Json: TypeAlias = Any

ANY = {"$any": True}

PLACEHOLDERS = frozenset({"HOST", "IPADDR", "PID", "MOUNTTIME", "EXPIRE", "1.4.1+unknown"})
"""What a recording writes for values of its own machine and version."""

RECORDER = {"mount_point": "/mnt/golden", "delete_slice": "record", "compact_chunk": "record"}
"""How the recorded clients were configured where the recording does not say otherwise."""

RECORDED_DEFAULTS: dict[str, dict[str, Json]] = {
    "lookup": {"check_permission": True},
    "summary": {"recursive": True, "strict": True},
    "scan_deleted": {"kinds": ["trash_slices", "pending_slices", "trash_files", "pending_files"]},
}
"""Parameters that the recorder took for given where a recording leaves them out."""

INTERNAL = {"x_load_quotas": "refresh", "x_flush_quotas": "settle", "x_cleanup_slices": "slices_cleanup"}
"""What the recorder called inside the engine, and the method of the protocol that does it."""

FIRST_SEEN = {
    "mknod": "inode",
    "mkdir": "inode",
    "create": "inode",
    "symlink": "inode",
    "opendir": "handle",
    "new_slice": "id",
    "session_new": "sid",
}
"""Answers whose number the engine chooses; a recording shows its own."""

KINDS = dict.fromkeys(("parent", "src_parent", "dst_parent", "src", "dst", "sustained"), "inode")
"""Fields that hold a number of the kind another field is named after."""

TIMES = frozenset({"atime", "mtime", "ctime"})
UNORDERED = frozenset(
    {
        "readdir",
        "dir_list",
        "xattr_list",
        "paths",
        "session_list",
        "locks_list",
        "events",
        "slices_list",
        "scan_deleted",
    }
)
"""Methods whose lists have no order."""
UNORDERED_FIELDS = frozenset({"sustained", "flocks", "plocks", "ip_addrs"})
MAPS = frozenset(
    {"parents", "quota_get", "quota_list", "quota_set", "quota_check", "token_list", "slices_list"}
)
"""Methods that answer a map: what the trace does not name must not be there."""
REMOVING = frozenset({"unlink", "batch_unlink", "rmdir", "rename", "remove"})
CHANGING = REMOVING | {"mknod", "mkdir", "create", "symlink", "link", "setattr", "write", "truncate"}


@dataclass(frozen=True)
class Step:
    """One recorded call."""

    client: str
    method: str
    params: dict[str, Json]
    result: dict[str, Json]


@dataclass(frozen=True)
class Trace:
    """A recorded list of calls with their outcomes."""

    name: str
    volume: dict[str, Json]
    clients: dict[str, dict[str, Json]]
    steps: list[Step]
    keyspace: dict[str, Json] | None = None
    volatile: list[dict[str, Json]] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path | Traversable) -> Trace:
        """The trace in a JSON file, in the form of protocol §7 or of a golden recording."""
        document = json.loads(path.read_text(encoding="utf-8"))
        recording = document.get("trace")
        trace = document if recording is None else recording
        steps = [Step(one["client"], one["method"], one["params"], one["result"]) for one in trace["steps"]]
        clients: dict[str, dict[str, Json]] = trace["clients"]
        if recording is not None:
            steps = [_from_recording(step) for step in steps]
            clients = {name: {**RECORDER, **config} for name, config in clients.items()}
        return cls(
            document["name"],
            trace["volume"],
            clients,
            steps,
            document.get("keyspace"),
            document.get("volatile", []),
        )


def _from_recording(step: Step) -> Step:
    """A recorded step in the protocol's form (see the golden data's README)."""
    result = step.result
    if "crash" in result:
        result = ANY
    elif "error" in result:
        result = _outcome_of(result["error"]["message"])
    elif "existing" in result:
        result = {"errno": result["errno"], "node": result["existing"]}
    elif "errno" in result:
        result = {"errno": result["errno"]}
    elif step.method in PLAINER:
        result = {"ok": PLAINER[step.method](result["ok"])}
    method = INTERNAL.get(step.method, step.method)
    params = {**RECORDED_DEFAULTS.get(method, {}), **step.params}
    if params.get("type") == "all":
        del params["type"]
    return Step(step.client, method, params, _without_placeholders(result))


def _outcome_of(message: str) -> dict[str, Json]:
    """What the recorder took for a failure in words: a crash, an errno by its text, or a refusal."""
    if message.startswith("panic"):
        return ANY
    named = {os.strerror(number).lower(): name for number, name in errno.errorcode.items()}
    return {"errno": named[message]} if message in named else {"refused": ""}


PLAINER: dict[str, Callable[[Json], Json]] = {
    # What was asked for, where the protocol answers what is stored, usage included.
    "quota_set": lambda quotas: {
        key: {name: value for name, value in quota.items() if not name.startswith("used_")}
        for key, quota in quotas.items()
    },
    "scan_deleted": lambda kinds: {kind: found or [] for kind, found in kinds.items()},
    "events": lambda events: [
        {name: value for name, value in event.items() if name != "tier"} for event in events
    ],
}
"""Recorded answers that say more, or less plainly, what the protocol's do."""


def _without_placeholders(value: Json) -> Json:
    if isinstance(value, dict):
        named = {"pid" if name == "process_id" else name: one for name, one in value.items()}
        return {name: _without_placeholders(one) for name, one in named.items()}
    if isinstance(value, list) and value != ["IPADDR"]:
        return [_without_placeholders(one) for one in value]
    return ANY if value == ["IPADDR"] or (isinstance(value, str) and value in PLACEHOLDERS) else value


def needed_methods(trace: Trace) -> set[str]:
    """The methods that a trace calls, without `open` and `close`."""
    return {step.method for step in trace.steps} - {"open", "close"}


def missing(trace: Trace, capabilities: frozenset[str]) -> list[str]:
    """What a trace needs beyond these capabilities: capabilities, or calls outside the protocol."""
    methods = needed_methods(trace)
    needed = {PRIMITIVES[name].capability if name in PRIMITIVES else name for name in methods}
    if trace.volume.get("TrashDays") and methods & REMOVING:
        needed.add("trash")
    if trace.volume.get("ChangeLog") and methods & CHANGING:
        needed.add("changelog")
    if trace.volume.get("UserGroupQuota") and methods & CHANGING:
        needed.add("quota.user")
    return sorted(needed - capabilities)


@dataclass(frozen=True)
class Mismatch:
    """One field of one step whose value is another than the recorded one."""

    step: int
    method: str
    params: dict[str, Json]
    field: str
    expected: Json
    observed: Json

    def __str__(self) -> str:
        call = f"step {self.step}: {self.method}({json.dumps(self.params)})"
        return f"{call}: {self.field}: expected {_shown(self.expected)}, observed {_shown(self.observed)}"


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


ABSENT = _Absent()
"""Stands for a field that is not there."""


def _shown(value: Json) -> str:
    return json.dumps(value, default=repr, ensure_ascii=False)


def replay(
    trace: Trace, connect: Callable[..., Engine], edits: Mapping[int, Callable[[], object]] | None = None
) -> list[Mismatch]:
    """Make the calls of a trace on a fresh database; what differs, in order.

    `connect(**config)` opens a client; `edits` are run before the steps they name, for traces recorded on a
    database that was also changed by other hands.  The replay ends at the first step with another kind of
    outcome, because what follows builds on it.
    """
    return _Replay(trace, connect, edits or {}).run()


class _Replay:
    def __init__(
        self, trace: Trace, connect: Callable[..., Engine], edits: Mapping[int, Callable[[], object]]
    ) -> None:
        self.trace = trace
        self.connect = connect
        self.edits = edits
        self.clients: dict[str, Engine] = {}
        self.results: list[dict[str, Json]] = []
        self.windows: dict[int, tuple[int, int]] = {}
        self.symbols: dict[str, Json] = {}
        self.numbers: dict[tuple[str, int], int] = {}

    def run(self) -> list[Mismatch]:
        found: list[Mismatch] = []
        self._set_up()
        for index, step in enumerate(self.trace.steps):
            if index in self.edits:
                self.edits[index]()
            params = self._resolved(step.params)
            observed = self._make(index, step, params)
            self.results.append(observed)
            self._bind(step, observed)
            expected = self._expected(step)
            differing = [
                Mismatch(index, step.method, params, *difference)
                for difference in self._compare(index, step.method, expected, observed)
            ]
            found += differing
            if expected != ANY and _kind(expected) != _kind(observed):
                break
        return found

    def _set_up(self) -> None:
        """Open the clients; format and load unless the trace does it."""
        start = time.time_ns()
        for name, config in self.trace.clients.items():
            self.clients[name] = self._open(config)
        if not self.trace.steps or self.trace.steps[0].method != "init":
            next(iter(self.clients.values())).init(Format(self.trace.volume))
            for client in self.clients.values():
                client.load()
        self.windows[-1] = (start, time.time_ns())

    def _open(self, config: dict[str, Json]) -> Engine:
        wire.config(config)  # refuses what is no configuration
        return self.connect(**config)

    def _make(self, index: int, step: Step, params: dict[str, Json]) -> dict[str, Json]:
        start = time.time_ns()
        if step.method == "open":
            self.clients[step.client] = self._open(params.get("config", {}))
            result: dict[str, Json] = {"ok": {}}
        elif step.method == "close":
            self.clients[step.client].close()
            result = {"ok": {}}
        else:
            try:
                result = wire.attempt(partial(self._call, step, params))
            except EngineFailure as failure:
                result = {"failure": failure.reason}
        self.windows[index] = (start, time.time_ns())
        return result

    def _call(self, step: Step, params: dict[str, Json]) -> dict[str, Json]:
        call = getattr(self.clients[step.client], step.method)
        return wire.answer(step.method, call(**wire.arguments(step.method, params)))

    # -- what was recorded, in terms of what was observed ------------------------------------------

    def _resolved(self, value: Json, name: str = "") -> Json:
        """A recorded value with its symbols, numbers and names replaced by those of this replay."""
        if isinstance(value, list):
            return [self._resolved(one, name) for one in value]
        if isinstance(value, str):
            return time.strftime("%Y-%m-%d-%H", time.gmtime()) if value == "<hour>" else value
        if type(value) is int:
            return self.numbers.get((KINDS.get(name, name), value), value)
        if not isinstance(value, dict):
            return value
        if value.keys() == {"base64"}:
            return wire.encode(base64.b64decode(value["base64"]))
        if value.keys() == {"$"}:
            return self._answered(value["$"])
        if value.keys() == {"$cat"}:
            return "".join(str(self._resolved(one)) for one in value["$cat"])
        if value.keys() == {"$map"}:
            return {str(self._resolved(key)): self._resolved(one) for key, one in value["$map"]}
        if value.keys() == {"$new"} and value["$new"] in self.symbols:
            return self.symbols[value["$new"]]
        return {key: self._resolved(one, key) for key, one in value.items()}

    def _bind(self, step: Step, observed: dict[str, Json]) -> None:
        """Take note of the number that this engine chose; one in use already is no choice."""
        name = FIRST_SEEN.get(step.method)
        if name is None or "ok" not in step.result or "ok" not in observed:
            return
        recorded, chosen = step.result["ok"][name], observed["ok"][name]
        taken = {number for (kind, _), number in self.numbers.items() if kind == name}
        if type(recorded) is int and chosen > 0 and (name == "handle" or chosen not in taken):
            self.numbers[name, recorded] = chosen

    def _expected(self, step: Step) -> dict[str, Json]:
        """The recorded result in terms of this replay."""
        expected: dict[str, Json] = self._resolved(step.result)
        if step.method == "parents" and "ok" in expected and "$map" not in step.result["ok"]:
            counts = expected["ok"].items()
            return {"ok": {str(self._resolved(int(inode), "inode")): count for inode, count in counts}}
        return expected

    def _answered(self, path: str) -> Json:
        step, *places = path.split(".")
        found: Json = self.results[int(step)]
        for place in places:
            found = found[int(place)] if isinstance(found, list) else found[place]
        return found

    # -- comparison --------------------------------------------------------------------------------

    def _compare(
        self, index: int, method: str, expected: Json, observed: Json
    ) -> Iterator[tuple[str, Json, Json]]:
        """The fields that differ: name, expected, observed."""
        if expected == ANY:
            return
        if _kind(expected) != _kind(observed):
            yield "result", expected, observed
            return
        if "refused" in expected:
            return
        if method in MAPS and "ok" in expected:
            for name in observed["ok"].keys() - expected["ok"].keys():
                yield f"ok.{name}", ABSENT, observed["ok"][name]
        yield from self._differences(index, "", expected, observed, method in UNORDERED)

    def _differences(
        self, index: int, place: str, expected: Json, observed: Json, unordered: bool
    ) -> Iterator[tuple[str, Json, Json]]:
        name = place.rpartition(".")[2]
        if isinstance(expected, dict) and any(key.startswith("$") for key in expected):
            if not self._fits(index, expected, observed):
                yield place, expected, observed
        elif name in TIMES and isinstance(expected, str):
            if not self._timed(index, expected, observed):
                yield place, f"{expected} {list(self.windows[index])} ns", observed
        elif isinstance(expected, dict) and isinstance(observed, dict):
            for key, one in _filled(expected).items():
                inner = f"{place}.{key}" if place else key
                seen = _filled(observed).get(key, ABSENT)
                if seen is ABSENT and _nothing_known(one):
                    continue
                yield from self._differences(index, inner, one, seen, unordered or key in UNORDERED_FIELDS)
        elif isinstance(expected, list) and isinstance(observed, list) and name not in TIMES:
            if unordered:
                expected, observed = sorted(expected, key=_identity), sorted(observed, key=_identity)
            for position in range(max(len(expected), len(observed))):
                wanted, seen = (
                    side[position] if position < len(side) else ABSENT for side in (expected, observed)
                )
                yield from self._differences(index, f"{place}.{position}", wanted, seen, unordered)
        elif type(expected) is not type(observed) or expected != observed:
            yield place, expected, observed

    def _fits(self, index: int, expected: dict[str, Json], observed: Json) -> bool:
        """Whether a value has the form `$any`, `$nz`, `$new` or `$t`."""
        if observed is ABSENT:
            return False
        if "$nz" in expected:
            return type(observed) is int and observed != 0
        if "$new" in expected:
            if observed in self.symbols.values():
                return False
            self.symbols[expected["$new"]] = observed
            return True
        if "$t" in expected:
            return self._within(self.windows[expected["$t"]], observed)
        return "$any" in expected

    def _timed(self, index: int, expected: str, observed: Json) -> bool:
        inside = self._within(self.windows[index], observed)
        return inside if expected == "during" else expected == "before" and not inside

    @staticmethod
    def _within(window: tuple[int, int], stamp: Json) -> bool:
        return isinstance(stamp, list) and window[0] <= stamp[0] * 10**9 + stamp[1] <= window[1]


def _kind(result: dict[str, Json]) -> tuple[str, Json]:
    """Which outcome it is, with the errno."""
    kind = next(kind for kind in ("ok", "errno", "refused", "unsupported") if kind in result)
    return kind, result["errno"] if kind == "errno" else None


def _filled(value: dict[str, Json]) -> dict[str, Json]:
    """An object with what its absence would say: attributes are full unless they say otherwise."""
    return {**value, "full": value.get("full", True)} if "nlink" in value else value


def _nothing_known(value: Json) -> bool:
    """Attributes, or a node, that a recording shows where the call returned none (N16.5)."""
    if not isinstance(value, dict):
        return False
    attr = value.get("attr", value)
    return attr.get("full") is False and attr.get("type") == 0 and value.get("inode", 0) == 0


def _identity(value: Json) -> str:
    """What pairs an element of an unordered list with its counterpart."""
    if isinstance(value, dict):
        return _shown([value.get(name) for name in ("name", "sid", "inode", "owner", "start", "kind", "id")])
    return _shown(value)


# -- key spaces ------------------------------------------------------------------------------------


def keyspace_differences(trace: Trace, observed: Mapping[bytes, tuple[str, Any]]) -> list[str]:
    """How the keys of a database differ from the recorded ones outside the volatile places.

    `observed` maps each key to its Redis type and value, as `Volume.keyspace` gives it.
    """
    if trace.keyspace is None:
        raise ValueError(f"trace {trace.name} has no recorded key space")
    expected = {_raw(key): _recorded(entry) for key, entry in trace.keyspace.items()}
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
    """Hour directories, and slices that wait for their deletion, have the time in their names (S3.5, S2.6)."""
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
