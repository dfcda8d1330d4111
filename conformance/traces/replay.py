"""Make the calls of a trace again and say field by field what differs (protocol §7)."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from metaparity.drivers import wire
from metaparity.drivers.api import Engine
from metaparity.drivers.bridge import EngineFailure
from metaparity.drivers.types import Format, Time

from .form import ANY, OUTCOMES, THIS_HOUR, BadTrace, Json, Step, Trace, hour_of

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
FILING = frozenset({"dump", "load_dump", "backup", "restore"})
"""Methods whose `path` is a file."""
MAPS = frozenset(
    {"parents", "quota_get", "quota_list", "quota_set", "quota_check", "token_list", "slices_list"}
)
"""Methods that answer a map: what the trace does not name must not be there."""


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
    outcome, because what follows builds on it.  Files that the trace names lie in a directory of the replay.
    Raises `BadTrace` for a step whose parameters its method cannot take, or that names what was not answered.
    """
    with TemporaryDirectory() as files:
        return _Replay(trace, connect, edits or {}, Path(files)).run()


class _Replay:
    def __init__(
        self,
        trace: Trace,
        connect: Callable[..., Engine],
        edits: Mapping[int, Callable[[], object]],
        files: Path,
    ) -> None:
        self.trace = trace
        self.connect = connect
        self.edits = edits
        self.files = files
        self.clients: dict[str, Engine] = {}
        self.results: list[dict[str, Json]] = []
        self.windows: dict[int, tuple[int, int]] = {}
        self.symbols: dict[str, Json] = {}
        self.numbers: dict[tuple[str, int], int] = {}
        self.now: Time | None = None
        """The virtual time, once there is one."""

    def run(self) -> list[Mismatch]:
        found: list[Mismatch] = []
        self._set_up()
        for index, step in enumerate(self.trace.steps):
            if index in self.edits:
                self.edits[index]()
            try:
                params = self._resolved(step.params)
                observed = self._make(index, step, params)
            except (wire.BadParams, binascii.Error) as bad:
                raise BadTrace(f"{self.trace.name}: step {index}: {bad}") from bad
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
        result: dict[str, Json] = {"ok": {}}
        try:
            if step.method == "open":
                self.clients[step.client] = self._open(params.get("config", {}))
            elif step.method == "close":
                self.clients[step.client].close()
            else:
                result = wire.attempt(partial(self._call, step, params))
        except EngineFailure as failure:
            result = {"failure": failure.reason}
        except (wire.BadParams, binascii.Error):
            raise
        except Exception as wrong:  # what no engine may raise
            result = {"failure": f"{type(wrong).__name__}: {wrong}"}
        self.windows[index] = (start, time.time_ns())
        return result

    def _call(self, step: Step, params: dict[str, Json]) -> dict[str, Json]:
        call = getattr(self.clients[step.client], step.method)
        if step.method == "clock_set":
            self.now = wire.arguments(step.method, params)["now"]
        if step.method in FILING and isinstance(params.get("path"), str):
            params = params | {"path": str(self.files / Path(params["path"]).name)}
        return wire.answer(step.method, call(**wire.arguments(step.method, params)))

    # -- what was recorded, in terms of what was observed ------------------------------------------

    def _resolved(self, value: Json, name: str = "") -> Json:
        """A recorded value with its symbols, numbers and names replaced by those of this replay."""
        if isinstance(value, list):
            return [self._resolved(one, name) for one in value]
        if isinstance(value, str):
            return hour_of(self.now) if value == THIS_HOUR else value
        if type(value) is int:
            return self.numbers.get((KINDS.get(name, name), value), value)
        if not isinstance(value, dict):
            return value
        if value.keys() == {"base64"}:
            return wire.encode(base64.b64decode(value["base64"], validate=True))
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
        if name is None or not isinstance(step.result.get("ok"), dict) or "ok" not in observed:
            return
        recorded, chosen = step.result["ok"].get(name), observed["ok"][name]
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
        try:
            for place in places:
                found = found[int(place)] if isinstance(found, list) else found[place]
        except (LookupError, TypeError, ValueError):
            raise BadTrace(f"{self.trace.name}: step {step} has not answered {path!r}") from None
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
        if "refused" in expected or "unsupported" in expected:
            return  # in words, which are not compared
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
    kind = next(kind for kind in OUTCOMES if kind in result)
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


IDENTITY = ("name", "base64", "sid", "inode", "owner", "start", "kind", "id")
"""Fields that tell elements of a list apart."""


def _identity(value: Json) -> str:
    """What pairs an element of an unordered list with its counterpart."""
    if isinstance(value, dict):
        return _shown([value.get(name) for name in IDENTITY])
    return _shown(value)
