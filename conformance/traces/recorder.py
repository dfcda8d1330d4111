"""What a test did, as a trace that replays without the test."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from metaparity.drivers import wire
from metaparity.drivers.types import Context
from metaparity.fixtures.recording import Call
from metaparity.fixtures.volumes import FORMAT, Volume

from ..harness.rendering import is_whole
from .form import ANY, Json, Step, Trace
from .replay import FIRST_SEEN, KINDS, TIMES

SECOND = 10**9
OURS = 400 * 24 * 3600
"""Seconds from a call within which a time was made up from the clock."""

HOST = frozenset({"info", "expire", "mount_time"})
"""Fields that tell of the machine and the moment."""


class Unrecordable(Exception):
    """A test cannot become a trace; the text says why."""


def trace_of(name: str, volume: Volume) -> Trace:
    """The calls of a test since its volume was last made, with their outcomes.  Raises `Unrecordable`."""
    calls = volume.log.example()
    if not calls:
        raise Unrecordable("it made no call" if calls is not None else "it made more calls than are kept")
    if len({call.thread for call in calls}) > 1:
        raise Unrecordable("several threads call at once, and their order is not known")
    if volume.shared:
        raise Unrecordable("other processes work on the volume, too")
    if volume.raw.edited:
        raise Unrecordable("it changes keys past the driver")
    if calls[0].method != "init":
        raise Unrecordable("it begins on a database without a volume")
    if any(_given_up(call) for call in calls):
        raise Unrecordable("it gives calls up, which no trace can say")
    steps = list(_Recording(calls).steps(volume.log.closed))
    names = dict.fromkeys(call.client for call in calls)
    clients = {client: wire.encode(volume.log.configs[client]) for client in names}
    return Trace(name, dict(FORMAT), clients, steps)


def _times(value: Json, place: str = "") -> Iterator[tuple[str, tuple[int, int]]]:
    """Every time in a value, with its place."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in items:
        if name in TIMES and isinstance(one, list):
            yield f"{place}.{name}", (one[0], one[1])
        else:
            yield from _times(one, f"{place}.{name}")


def _given_up(call: Call) -> bool:
    context = call.kwargs.get("ctx")
    return isinstance(context, Context) and context.cancelled is not None


class _Recording:
    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls
        self.seen: dict[tuple[str, int], str] = {}
        """Where a number was first answered, by its kind."""
        self.given: set[tuple[int, int]] = set()
        """Times that a caller asked for."""
        self.told: dict[tuple[int, int], str] = {}
        """Where a time was first answered."""

    def steps(self, closed: dict[str, int]) -> Iterator[Step]:
        """A step for each call, and for each client that was closed between them."""
        number = 0
        for call in self.calls:
            for client, end in list(closed.items()):
                if end <= call.start and any(client == one.client for one in self.calls):
                    del closed[client]
                    yield Step(client, "close", {}, {"ok": {}})
                    number += 1
            yield self._step(number, call)
            number += 1

    def _step(self, number: int, call: Call) -> Step:
        given = {name: value for name, value in call.arguments().items() if value is not None}
        asked = wire.params(call.method, **given)
        self.given.update(time for _, time in _times(asked) if time not in self.told)
        params = self._numbered(asked)
        result = wire.attempt(partial(_made_again, call))
        result.pop("detail", None)
        if "refused" in result:
            result = {"refused": ""}
        # Which entries a part of a directory has, each server chooses itself (N19.3).
        partial_listing = call.method == "dir_list" and call.error is None and not is_whole(call)
        plain = ANY if partial_listing else self._plain(call, result)
        self._note(number, call.method, result)
        for place, time in _times(result, str(number)):
            self.told.setdefault(time, place)
        return Step(call.client, call.method, params, plain)

    def _note(self, number: int, method: str, result: Json) -> None:
        field = FIRST_SEEN.get(method)
        if field is not None and "ok" in result and type(result["ok"].get(field)) is int:
            self.seen.setdefault((field, result["ok"][field]), f"{number}.ok.{field}")

    def _plain(self, call: Call, value: Json, name: str = "") -> Json:
        """An answer less what depends on the engine, the machine and the moment."""
        if name in HOST:
            return ANY
        if name in TIMES and isinstance(value, list) and len(value) == 2:
            return self._time(call, value)
        if isinstance(value, list):
            return [self._plain(call, one, name) for one in value]
        if isinstance(value, dict):
            return {key: self._plain(call, one, key) for key, one in value.items()}
        return self._numbered(value, name)

    def _numbered(self, value: Json, name: str = "") -> Json:
        """A value with the numbers and times that were answered before replaced by where they were."""
        if name in TIMES and isinstance(value, list) and tuple(value) in self.told:
            return {"$": self.told[value[0], value[1]]}
        if isinstance(value, list):
            return [self._numbered(one, name) for one in value]
        if isinstance(value, dict):
            return {key: self._numbered(one, key) for key, one in value.items()}
        if type(value) is int and (KINDS.get(name, name), value) in self.seen:
            return {"$": self.seen[KINDS.get(name, name), value]}
        return value

    def _time(self, call: Call, stamp: list[int]) -> Json:
        """A time in terms of where it comes from: an answer, this call, the caller, or the engine."""
        time = stamp[0], stamp[1]
        moment = stamp[0] * SECOND + stamp[1]
        if time in self.told:
            return {"$": self.told[time]}
        if call.start <= moment <= call.end:
            return "during"
        near = abs(moment - call.start) < OURS * SECOND
        return ANY if near and time not in self.given else stamp


def _made_again(call: Call) -> dict[str, Json]:
    """The result of a call that was made; raises what it raised."""
    if call.error is not None:
        raise call.error
    return wire.answer(call.method, call.value)
