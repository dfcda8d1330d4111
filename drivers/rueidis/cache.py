"""What a client keeps of the server, as long as the server vouches for it (S6.1.11).

A reply is kept under the key it was read from, until the server says that the key has changed, this client
changes it itself, its time is up or room is needed.  Replies and what the server says about keys arrive on
one connection and are applied in the order in which they arrive, so a reply that comes after an invalidation
is newer than it.  That order says nothing about the client's own writes, which travel on other connections:
a reply that was asked for before such a write is not kept.

Lock discipline.  `_lock` guards everything, the counters too, and is that of all caches of a client; it is
never held while anything is sent, received or waited for, and no second lock is taken under it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..engine.counters import Counted
from ..engine.store import Command, Derive, Reply, ServerError

ENTRY = 200
"""Bytes that an entry takes besides the command and the reply."""

_ABSENT = object()


class Counters(Counted):
    """What happened to all caches of a client so far; their lock is that of the caches, too.

    A hit is a command that was answered in a call which sent nothing and waited for nothing, a miss one that
    was waited for.  What is kept of a call that waits all the same saves nothing, and is neither.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hits = self.misses = self.invalidations = self.evictions = 0


class Flight:
    """A command on its way: whoever wants the same waits for it."""

    __slots__ = ("_arrived", "command", "derive", "down", "failure", "outdated", "reply")

    def __init__(self, command: Command, derive: Derive | None = None) -> None:
        self.command = command
        self.derive = derive
        self.reply: Reply | ServerError = None
        self.failure: BaseException | None = None
        self.down = False
        """Whether there is a reply, or the certainty of none."""
        self.outdated = False
        """Whether this client has changed meanwhile what the reply may tell of."""
        self._arrived = threading.Lock()
        self._arrived.acquire()

    def land(self) -> None:
        """Let go of everyone who waits."""
        self._arrived.release()

    def wait(self) -> Reply | ServerError:
        """The reply.  Raises the failure of the call that sent the command."""
        with self._arrived:
            pass
        if self.failure is not None:
            raise self.failure
        return self.reply


class Cache:
    """The replies that are kept of one connection; it ends with the connection."""

    def __init__(self, limit: int, ttl: float, counters: Counters) -> None:
        """`limit` is in bytes, `ttl` the seconds after which a reply is asked for again in any case."""
        self._limit = limit
        self._ttl = ttl
        self._counters = counters
        self._lock = counters.lock
        self._kept: OrderedDict[bytes, dict[Command, tuple[Reply, float]]] = OrderedDict()
        self._flights: dict[Command, Flight] = {}
        self._scripts: set[Flight] = set()
        self.entries = 0
        """How many replies are kept."""
        self.bytes = 0
        """About how much they take."""

    # -- reading -----------------------------------------------------------------------------------

    def read(
        self, commands: Sequence[Command], send: Callable[[list[Flight]], object]
    ) -> list[Reply | ServerError] | None:
        """The replies, in order, errors as values; those that are not kept come through `send`.

        None where something has changed that was kept, or asked for by another, before all had come: then
        they are not of one moment, and may show a file whose contents are gone.
        `send` has to have `landed` called for each flight, in the order of arrival.  Raises what it raises.
        """
        replies: list[Any] = [_ABSENT] * len(commands)
        awaited: list[tuple[int, Flight]] = []
        own: list[Flight] = []
        sooner: list[int] = []
        now = time.monotonic()
        with self._lock:
            for place, command in enumerate(commands):
                reply = replies[place] = self._find(command, now)
                if reply is not _ABSENT:
                    sooner.append(place)
                    continue
                flight = self._flights.get(command)
                if flight is None:
                    flight = self._flights[command] = Flight(command)
                    own.append(flight)
                else:
                    sooner.append(place)
                awaited.append((place, flight))
            if awaited:
                self._counters.misses += len(awaited)
            else:
                self._counters.hits += len(commands)
        if own:
            self._send(own, send)
        for place, flight in awaited:
            replies[place] = flight.wait()
        if len(commands) == 1 or not awaited or self._still([(commands[at], replies[at]) for at in sooner]):
            return replies
        return None

    def _still(self, before: Sequence[tuple[Command, Reply]]) -> bool:
        """Whether these replies are kept now."""
        now = time.monotonic()
        with self._lock:
            return all(self._find(command, now) is reply for command, reply in before)

    def known(self, commands: Sequence[Command], hits: int = 0) -> list[Reply] | None:
        """The replies, where all are kept; then so many hits are counted."""
        now = time.monotonic()
        replies = []
        with self._lock:
            for command in commands:
                reply = self._find(command, now)
                if reply is _ABSENT:
                    return None
                replies.append(reply)
            self._counters.hits += hits
        return replies

    def read_script(
        self, command: Command, derive: Derive, send: Callable[[list[Flight]], object]
    ) -> Reply | ServerError:
        """The reply of a script, of which what it tells of keys is kept."""
        flight = Flight(command, derive)
        with self._lock:
            self._scripts.add(flight)
            self._counters.misses += 1
        self._send([flight], send)
        return flight.wait()

    def _send(self, flights: list[Flight], send: Callable[[list[Flight]], object]) -> None:
        try:
            send(flights)
        except BaseException as failure:
            for flight in flights:
                self.landed(flight, failure=failure)
            raise

    def landed(
        self, flight: Flight, reply: Reply | ServerError = None, failure: BaseException | None = None
    ) -> None:
        """A reply has arrived, or never will: keep it where that is right, and hand it to all who wait."""
        with self._lock:
            if flight.down:
                return
            flight.down = True
            self._scripts.discard(flight)
            if self._flights.get(flight.command) is flight:
                del self._flights[flight.command]
            flight.reply, flight.failure = reply, failure
            if failure is None and not flight.outdated:
                try:
                    self._keep_all(flight, reply)
                except Exception as wrong:  # of `derive`: it is for who gave it, not for the reader of all
                    flight.failure = wrong
        flight.land()

    def _keep_all(self, flight: Flight, reply: Reply | ServerError) -> None:
        told: Iterable[tuple[Command, Reply]] = ()
        if flight.derive is not None:
            told = flight.derive(reply)
        elif not isinstance(reply, ServerError):
            told = [(flight.command, reply)]
        for command, value in told:
            self._keep(command, value)

    # -- changing ----------------------------------------------------------------------------------

    def invalidated(self, keys: Iterable[bytes] | None) -> None:
        """The server says that keys have changed; None stands for all of them."""
        with self._lock:
            if keys is None:
                self._counters.invalidations += 1
                self._clear()
                return
            for key in keys:
                self._counters.invalidations += 1
                self._drop(key)

    def forget(self, keys: Iterable[bytes] | None) -> None:
        """This client has changed keys, or may have; None stands for all of them.

        What is under way to them now is not kept, and nobody who comes later waits for it.
        """
        with self._lock:
            for flight in self._scripts:  # which tell of keys that only their replies name
                flight.outdated = True
            if keys is None:
                self._clear()
            changed = None if keys is None else set(keys)
            for command, flight in list(self._flights.items()):
                if changed is None or command[1] in changed:
                    flight.outdated = True
                    del self._flights[command]
            for key in changed or ():
                self._drop(key)

    # -- with the lock held ------------------------------------------------------------------------

    def _find(self, command: Command, now: float) -> Any:
        key = _key(command)
        of_key = self._kept.get(key)
        if of_key is None:
            return _ABSENT
        found = of_key.get(command)
        if found is None:
            return _ABSENT
        reply, until = found
        if now >= until:
            self._drop(key)
            return _ABSENT
        self._kept.move_to_end(key)
        return reply

    def _keep(self, command: Command, reply: Reply) -> None:
        key = _key(command)
        of_key = self._kept.setdefault(key, {})
        if command in of_key:
            self.entries -= 1
            self.bytes -= _size(command, of_key[command][0])
        of_key[command] = (reply, time.monotonic() + self._ttl)
        self.entries += 1
        self.bytes += _size(command, reply)
        self._kept.move_to_end(key)
        while self.bytes > self._limit and self._kept:
            self._counters.evictions += 1
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        for command, (reply, _) in self._kept.pop(key, {}).items():
            self.entries -= 1
            self.bytes -= _size(command, reply)

    def _clear(self) -> None:
        self._kept.clear()
        self.entries = self.bytes = 0


def _key(command: Command) -> bytes:
    key = command[1]
    assert isinstance(key, bytes)
    return key


def _size(command: Command, reply: Reply) -> int:
    """About how many bytes an entry takes."""
    return ENTRY + sum(len(part) if isinstance(part, bytes | str) else 8 for part in command) + _length(reply)


def _length(reply: Reply) -> int:
    if isinstance(reply, bytes | str):
        return len(reply) + 40
    if isinstance(reply, list):
        return 60 + sum(map(_length, reply))
    if isinstance(reply, dict):
        return 60 + sum(_length(name) + _length(value) for name, value in reply.items())
    return 16
