"""One engine in a generated history: its own database, its clients, and what it answered, made comparable."""

from __future__ import annotations

import base64
import re
import shlex
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import Any

from metaparity.drivers import registry, wire
from metaparity.drivers.api import Engine
from metaparity.drivers.bridge import EngineFailure, program_driver
from metaparity.drivers.driver import Driver
from metaparity.drivers.types import ROOT_INODE, TRASH_INODE, TRASH_NAME, Time
from metaparity.fixtures.provision import Place
from metaparity.fixtures.volumes import QUIET, keyspace

from ..harness import keyspaces
from ..harness.rendering import DEFAULTS, Normal
from ..model import DRIVER as MODEL
from ..model import forget_volume, volume_at
from ..model.keys import written
from ..scenes.contents import RECORD, normal
from ..traces.form import THIS_HOUR, hour_of
from ..traces.recorder import HOST
from ..traces.replay import KINDS as ANSWERED
from ..traces.replay import TIMES, UNORDERED, UNORDERED_FIELDS
from .rules import numbered_alike
from .steering import CLIENTS
from .world import HOUR, Json, Step

SECOND = 10**9
KINDS = {**ANSWERED, "access_acl": "acl", "default_acl": "acl"}
NUMBERS = frozenset({"inode", "parent", "id", "handle", "sid", *KINDS})
"""Fields that hold a number which the engine chose."""
KEYED = frozenset({"parents"})
"""Methods that answer an object whose keys are inodes."""

CONFIG = {**QUIET, "delete_slice": "record", "compact_chunk": "record"}
SKIPPED: dict[str, Json] = {"skipped": "no step before it has answered what it names"}


class Unanswered(Exception):
    """A symbol stands for what was not answered."""


class Lane:
    """A driver with a database, on which one history after the other is made.

    Methods of one lane but `make` are called by one thread at a time.
    """

    def __init__(self, name: str, driver: Driver, place: Place) -> None:
        self.name = name
        self.driver = driver
        self.place = place
        self.raw = place.connect()
        self.clients: dict[str, Engine] = {}
        self._forget()

    def _forget(self) -> None:
        self.answers: dict[int, Json] = {}
        self._starts: list[int] = []
        self._steps: list[tuple[int, int]] = []
        self._formatted: list[tuple[int, int]] = []
        """When settings were stored, from the begin of a second on: the roots are stamped in whole ones."""
        self._numbers: dict[tuple[str, int], str] = {}
        self._last_client = ""
        self._behind: set[str] = set()
        self._compacted: dict[int, int] = {}
        self._now: Time | None = None
        """The virtual time, once there is one."""
        self.begun = time.time_ns()

    def begin(self) -> None:
        """Empty the volume; no client is open."""
        self.close_clients()
        self.empty()
        self._forget()

    def empty(self) -> None:
        """Empty the volume."""
        self.raw.flushdb()

    def close_clients(self) -> None:
        """Let go of every client."""
        for client in self.clients.values():
            with suppress(Exception):  # a client whose program has ended is gone already
                client.close()
        self.clients.clear()

    def close(self) -> None:
        """Let go of the clients and the connection."""
        self.close_clients()
        self.raw.close()

    # -- a step ------------------------------------------------------------------------------------

    def take(self, step: Step) -> tuple[dict[str, Json], dict[str, Json]]:
        """Make a step once its client has taken in what the other did, and time it; returns as `make`."""
        if step.client != self._last_client:
            self._handle_invalidations(step.client)
            self._last_client = step.client
        with self.moment(step.number):
            return self.make(step)

    @contextmanager
    def moment(self, number: int) -> Iterator[None]:
        """A block whose times are shown as those of the step of this number."""
        start = time.time_ns()
        yield
        self._starts.append(start)
        self._steps.append((time.time_ns(), number))

    def make(self, step: Step) -> tuple[dict[str, Json], dict[str, Json]]:
        """Make a step; the parameters that were sent, and the result as the protocol has it.

        A result may also be `skipped`, where what the step names was never answered, and `failure`, where the
        engine crashed, hung, or raised what no engine may.  Several threads may make steps at once.
        """
        try:
            params = self._resolved(step.params)
        except Unanswered:
            return {}, SKIPPED
        start = time.time_ns()
        result = self.answers[step.number] = self._make(step, params)
        if step.method == "init":
            self._formatted.append((start - start % SECOND, time.time_ns()))
        return params, result

    def _make(self, step: Step, params: dict[str, Json]) -> dict[str, Json]:
        try:
            if step.method == "open":
                self.clients[step.client] = self._open(step.client, params)
                return {"ok": {}}
            if step.method == "session":
                return self._begin_anew(step, params)
            if step.method == "clock_set":
                self._now = params["now"][0], params["now"][1]
            return wire.attempt(partial(self._call, step, params))
        except EngineFailure as failure:
            return {"failure": f"{type(failure).__name__}: {failure.reason}"}
        except Exception as wrong:
            return {"failure": f"{type(wrong).__name__}: {wrong}"}

    def _open(self, client: str, params: dict[str, Json]) -> Engine:
        """A client; of a pair of drivers the second opens the second one."""
        config = wire.config({**CONFIG, **params.get("config", {})})
        driver = self._opened_by(client)
        return driver.open(driver.url(self.place.address), config)

    def _opened_by(self, client: str) -> Driver:
        return self.driver if client == CLIENTS[0] else self.driver.partner or self.driver

    def _call(self, step: Step, params: dict[str, Json]) -> dict[str, Json]:
        call = getattr(self.clients[step.client], step.method)
        value = call(**wire.arguments(step.method, params))
        return wire.answer(step.method, normal(value) if step.method == "read" else value)

    def _begin_anew(self, step: Step, params: dict[str, Json]) -> dict[str, Json]:
        """A client ends its session in order, and another takes its place."""
        self.clients[step.client].session_close()
        self.clients[step.client].close()
        self.clients[step.client] = self._open(step.client, params)
        if self._now is not None:
            self.clients[step.client].clock_set(self._now)
        self.clients[step.client].load()
        return {"ok": {"sid": self.clients[step.client].session_new(True)}}

    def _handle_invalidations(self, client: str) -> None:
        """Let a client that caches take in what another has changed (S6.1.11)."""
        engine = self.clients.get(client)
        if engine is not None and "cache.tracking" in engine.capabilities:
            with suppress(OSError, EngineFailure):  # the step itself tells of a failure
                engine.cache_stats()

    def _resolved(self, value: Json) -> Json:
        if isinstance(value, dict):
            if value.keys() == {"$"}:
                return self._answered(value["$"])
            if value.keys() == {"$cat"}:
                return "".join(str(self._resolved(one)) for one in value["$cat"])
            return {key: self._resolved(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._resolved(one) for one in value]
        return hour_of(self._now) if value == THIS_HOUR else value

    def _answered(self, path: str) -> Json:
        number, *places = path.split(".")
        found: Json = self.answers.get(int(number), {})
        for one in places:
            if not isinstance(found, dict) or one not in found:
                raise Unanswered(path)
            found = found[one]
        return found

    # -- what it showed ----------------------------------------------------------------------------

    def shown(self, step: Step, result: dict[str, Json]) -> dict[str, Json]:
        """A result less what may rightly differ: numbers by their first appearance, times by the step that
        they are of, no words of refusals."""
        if "refused" in result or "unsupported" in result:
            return {next(iter(result)): ""}
        body = {name: value for name, value in result.items() if name != "detail"}
        number = self._number
        if step.method == "check" and "ok" in body:
            return {"ok": {"problems": len(body["ok"]["problems"])}}
        if step.method == "getlk" and "ok" in body:
            return {"ok": {"free": body["ok"]["type"] == "U"}}  # which of several is first is free
        if step.method == "load" and "ok" in body:
            body["ok"] = {name: one for name, one in body["ok"].items() if DEFAULTS.get(name) != one}
        if step.method in UNORDERED and isinstance(body.get("ok"), list):
            body["ok"] = sorted(body["ok"], key=_name)
            # In the trash many have one name: in which order they appear for the first time is free.
            if any(map(_is_filed, body["ok"])):
                number = self._known_number
        if step.method in KEYED and "ok" in body:
            body["ok"] = {number("inode", int(key)): one for key, one in body["ok"].items()}
        if step.method == "tree_summary" and "ok" in body:
            body["ok"] = _by_path(body["ok"])
        shown = {name: self._plain(value, number) for name, value in body.items()}
        if step.method in UNORDERED and isinstance(shown.get("ok"), list):
            shown["ok"].sort(key=repr)
        return shown

    def _plain(self, value: Json, number: Callable[[str, int], Json], name: str = "") -> Json:
        if filed := _filed(value, name):
            where, *inodes, rest = filed.groups()
            return [repr(where), *(number("inode", int(one)) for one in inodes), repr(rest)]
        if isinstance(value, dict):
            return {key: self._plain(one, number, key) for key, one in value.items() if key not in HOST}
        if name in TIMES and isinstance(value, list):
            return self._moment(value)
        if isinstance(value, list):
            ordered = sorted(value, key=repr) if name in UNORDERED_FIELDS else value
            return [self._plain(one, number, name) for one in ordered]
        if name in NUMBERS and type(value) is int:
            return number(KINDS.get(name, name), value)
        if self._now is None and isinstance(value, str) and HOUR.fullmatch(value):
            return THIS_HOUR
        return value

    def _number(self, kind: str, value: int) -> Json:
        """The name of a number, which it gets where it appears for the first time."""
        known = self._known_number(kind, value)
        if known is None:
            known = self._numbers[kind, value] = f"{kind} {len(self._numbers)}"
        return known

    def _known_number(self, kind: str, value: int) -> Json:
        """The name of a number; None where it has not appeared before."""
        if value == 0 or (kind == "inode" and value in (ROOT_INODE, TRASH_INODE)):
            return value
        if kind == "acl":
            return "an ACL"  # a client that does not know of a rule stores it again
        return self._numbers.get((kind, value))

    def _moment(self, stamp: list[int]) -> Json:
        """The step within whose call a time lies; a time that a caller asked for is as it is."""
        moment = stamp[0] * SECOND + stamp[1]
        if stamp[1] == 0 and any(start <= moment <= end for start, end in self._formatted):
            return "the time of the set-up"
        at = bisect_right(self._starts, moment) - 1
        if at >= 0 and moment <= self._steps[at][0]:
            return f"the time of step {self._steps[at][1]}"
        return stamp

    @property
    def keeps_keys(self) -> bool:
        """Whether its keys are those of an engine, to be compared with another's."""
        return True

    # -- what is left ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let every client put on the server what it holds back."""
        for client in self.clients.values():
            with suppress(Exception):  # one that is closed, or whose program has ended, holds nothing back
                client.settle()

    def rest(self) -> None:
        """Let every client settle, and take in what the others did."""
        self.settle()
        for name, client in self.clients.items():
            with suppress(Exception):  # as above
                client.refresh()
            self._handle_invalidations(name)

    @property
    def caches(self) -> bool:
        """Whether a client may answer from what it was told before."""
        return any("cache.tracking" in client.capabilities for client in self.clients.values())

    def keys(self) -> dict[bytes, Any]:
        """Every key with its type and value."""
        return keyspace(self.raw)

    def _renumbered(self, key: bytes, value: Any) -> Any:
        """A value with its slices numbered alike: in which order engines compact files is free."""
        if keyspaces.KEYS.parse(key).kind == "chunk":
            return [_record(one, self._slice) for one in value]
        if key == keyspaces.KEYS.slice_refs:
            return {_reference(field, self._slice): one for field, one in value.items()}
        return value

    def _slice(self, id: int) -> int:
        """What a slice is compared by: when it was first answered; one that a compaction made, its place."""
        if id == 0:  # a hole
            return 0
        name = self._numbers.get(("id", id))
        return self._compacted.get(id, id) if name is None else FIRST_SLICE + int(name.partition(" ")[2])

    def _place_compacted(self, keys: dict[bytes, Any]) -> None:
        """Number the slices that nobody was told of by the chunks that they are in."""
        chunks = sorted(key for key in keys if keyspaces.KEYS.parse(key).kind == "chunk")
        found = (RECORD.unpack(record)[1] for key in chunks for record in keys[key][1])
        self._compacted = {id: FIRST_COMPACTED + place for place, id in enumerate(dict.fromkeys(found))}

    def rows(self, keys: dict[bytes, Any]) -> dict[str, str]:
        """What is left as text, less what may rightly differ."""
        self._place_compacted(keys)
        keys = {
            key: (kind, self._renumbered(key, value)) for key, (kind, value) in numbered_alike(keys).items()
        }
        return keyspaces.rows(keys, Normal(self.begun, time.time_ns()))


FIRST_SLICE, FIRST_COMPACTED = 1 << 32, 1 << 33
"""What slices are numbered from where they are compared: those that were answered, and others."""


def _record(record: bytes, number: Callable[[int], int]) -> bytes:
    pos, id, *rest = RECORD.unpack(record)
    return RECORD.pack(pos, number(id), *rest)


def _reference(field: bytes, number: Callable[[int], int]) -> bytes:
    id, _, size = field[1:].partition(b"_")
    return b"k%d_%s" % (number(int(id)), size) if id.isdigit() else field


class ModelLane(Lane):
    """The model in a generated history: its keys are what an engine would have for its state."""

    def empty(self) -> None:
        forget_volume(self.driver.url(self.place.address))

    @property
    def keeps_keys(self) -> bool:
        return False  # it sets numbers aside otherwise, and keeps no chunk that nobody sees

    def keys(self) -> dict[bytes, Any]:
        return dict(written(volume_at(self.driver.url(self.place.address))))


class Apart(Lane):
    """A lane whose second client is in a process of its own: only the server stands between the two.

    Callers of one process that change the same key wait for each other (S4.2) and never conflict.
    """

    def _opened_by(self, client: str) -> Driver:
        if client == CLIENTS[0]:
            return self.driver
        partner = self.driver.partner
        return served(registry.asked_for_as(partner.name if partner else self.name))


@cache
def served(name: str) -> Driver:
    """The driver of this name, each client in a process of its own."""
    command = [sys.executable, "-m", "metaparity.conformance", "serve", name]
    return program_driver(shlex.join(command))


def lane(name: str, place: Place) -> Lane:
    """A lane of the driver of this name.  Raises `UnknownDriver`."""
    driver = registry.driver(name)
    return (ModelLane if driver is MODEL else Lane)(name, driver, place)


FILED = re.compile(rb"()(\d+)-(\d+)-(.*)", re.S)
"""A name in the trash, which has the numbers of the directory and of the node."""

FILED_PATH = re.compile(rb"(/%s/[^/]+/)(\d+)-(\d+)-(.*)" % re.escape(TRASH_NAME), re.S)
"""A path with such a name."""


def _filed(text: Json, name: str) -> re.Match[bytes] | None:
    """The parts of what is in the trash, where a name or a path of it is answered."""
    if isinstance(text, str):
        raw = text.encode()
    elif isinstance(text, dict) and text.keys() == {"base64"}:
        raw = base64.b64decode(text["base64"])
    else:
        return None
    return (FILED if name == "name" else FILED_PATH).fullmatch(raw)


def _is_filed(value: Json) -> bool:
    """Whether something that is listed is in the trash: an entry, or a path."""
    if isinstance(value, dict) and "name" in value:
        return _filed(value["name"], "name") is not None
    return _filed(value, "") is not None


def _name(value: Json) -> str:
    """What a listing is sorted by: the name, in the trash without the numbers in it."""
    if not isinstance(value, dict) or "name" not in value:
        return repr(value)
    filed = _filed(value["name"], "name")
    return repr(value["name"]) if filed is None else repr((filed[4], value.get("type")))


def _by_path(tree: dict[str, Json]) -> dict[str, Json]:
    """A summary whose children are in the order of their paths: equally large ones have no other."""
    children = sorted(map(_by_path, tree["children"]), key=lambda one: str(one["path"]))
    return {**tree, "children": children}
