"""`Store` on one shared connection and its cache; what may take long has connections of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ..engine.counters import Traffic
from ..engine.store import (
    Answer,
    Command,
    Derive,
    Disconnected,
    Look,
    Lost,
    Packed,
    Reply,
    ServerError,
    keys_of,
    unseen,
)
from ..engine.transaction import checked
from ..errors import Refused
from ..forks import after_fork
from ..redis.store import RedisStore
from ..types import CacheStats
from ..url import REQUIRED, Address
from .cache import Cache, Counters, Flight
from .mux import Mux

log = logging.getLogger(__name__)

BULK = 500
"""Commands in one call above which it would hold up the other threads."""

TRACKED = tuple(b"acdipsx")
"""What the keys begin with whose replies may be kept: the server tells of every change below these."""


class RueidisStore(RedisStore):
    """The database at an address.  What is not a plain call works as in `RedisStore`, with its pool.

    `_dialling` is held by the thread that connects; the others wait for what it finds.
    """

    asks_ahead = True

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._closed = False
        self.keeps = address.cache_ttl > 0
        self._optin = address.subscribe == "optin"
        self.scripts_teach = not (self.keeps and self._optin)
        self.counters = Counters()
        """What has happened to what is kept."""
        self._shared_traffic = self.traffic["shared"] = Traffic()
        self._mux: Mux | None = None
        self._dialling = threading.Lock()
        self._refusals = 0
        after_fork(self, RueidisStore._forget)

    def read(self, *commands: Command) -> list[Reply]:
        """Replies in order, one round trip; asked once more when the connection ended before any came."""
        if len(commands) > BULK:
            return self._read_pooled(commands)
        return self._asked(lambda mux: mux.exchange(commands))

    def ask(self, *commands: Command) -> Answer:
        """What waits for the replies; they are on their way, unless there are too many commands."""
        if len(commands) > BULK:
            return super().ask(*commands)
        return partial(self._asked, lambda mux: mux.exchange(commands), self._shared().ask(commands))

    def cached(self, *commands: Command) -> list[Reply]:
        """As `read`, from the cache where it has the reply."""
        kept = self._kept(commands, len(commands))
        if kept is not None:
            return kept
        if not self.keeps or not all(map(self._tracked, commands)):
            return self.read(*commands)

        def ask(mux: Mux) -> list[Reply | ServerError]:
            if mux.cache is None:
                return mux.exchange(commands)
            replies = mux.cache.read(commands, partial(self._send, mux))
            return mux.exchange(commands) if replies is None else replies

        return self._asked(ask)

    def known(self, *commands: Command) -> list[Reply] | None:
        """The kept replies of commands; None where one of them would have to be asked for."""
        return self._kept(commands)

    def count_hits(self, number: int) -> None:
        """Count commands that `known` answered for a call that had to ask for nothing."""
        with self.counters.lock:
            self.counters.hits += number

    def run_script(self, command: Command, derive: Derive) -> Reply:
        """The reply of a script, of which what it tells of keys is kept."""
        if not self.keeps or not self.scripts_teach:
            return self.read(command)[0]

        def ask(mux: Mux) -> list[Reply | ServerError]:
            if mux.cache is None:
                return mux.exchange([command])
            return [mux.cache.read_script(command, derive, partial(self._send, mux))]

        return self._asked(ask)[0]

    def pipeline(self, *commands: Command) -> list[Reply]:
        """Replies in order; sent once, never repeated."""
        try:
            if len(commands) > BULK:
                return super().pipeline(*commands)
            return checked(self._shared().exchange(commands))
        finally:
            self._changed(commands)

    def pour(self, batches: Iterable[Packed], look: Look = unseen) -> None:
        """Send many commands on a connection of their own; nothing is kept of what was read before.

        The shared connection ends first, since to tell it of each key costs the server more than to write it.
        """
        self._retire()
        try:
            super().pour(batches, look)
        finally:
            self.forget_all()

    def close(self) -> None:
        """Close every connection and end the reader; calls under way raise `Disconnected`."""
        self._closed = True
        if self._mux is not None:
            self._mux.close()
        super().close()

    def _leave(self) -> None:
        """Let go of every connection, and of what was kept of the shared one."""
        super()._leave()
        if self._mux is not None:
            self._mux.fail("the master has moved")

    # -- the cache ---------------------------------------------------------------------------------

    def stats(self) -> CacheStats:
        """What happened to the cache so far, after all that the server has said before this call."""
        mux = self._mux
        if mux is not None and mux.alive and mux.cache is not None:
            checked(mux.exchange([("PING",)]))
        entries, size = self.kept()
        seen = self.counters
        return CacheStats(seen.hits, seen.misses, seen.invalidations, entries, size, seen.evictions)

    def kept(self) -> tuple[int, int]:
        """How many replies are kept now, and how many bytes they take."""
        mux = self._mux
        if mux is None or not mux.alive or mux.cache is None:
            return 0, 0
        return mux.cache.entries, mux.cache.bytes

    def forget_all(self) -> None:
        """Keep nothing of what was read so far."""
        if self._mux is not None and self._mux.cache is not None:
            self._mux.cache.forget(None)

    def _kept(self, commands: Sequence[Command], hits: int = 0) -> list[Reply] | None:
        """The replies, where all are kept; then so many hits are counted."""
        mux = self._mux
        if mux is None or not mux.alive or mux.cache is None:
            return None
        return mux.cache.known(commands, hits)

    def _tracked(self, command: Command) -> bool:
        key = command[1]
        return isinstance(key, bytes) and key[len(self.prefix)] in TRACKED

    def _changed(self, commands: Sequence[Command]) -> None:
        mux = self._mux
        if mux is not None and mux.cache is not None:
            mux.cache.forget(keys_of(commands))

    def _send(self, mux: Mux, flights: list[Flight]) -> None:
        """Have the commands of flights sent, each with the word that its key is to be watched."""
        if not self._optin:
            mux.exchange([flight.command for flight in flights], flights)
            return
        commands: list[Command] = []
        for flight in flights:
            commands += [("CLIENT", "CACHING", "YES"), flight.command]
        mux.exchange(commands, [one for flight in flights for one in (None, flight)])

    def _connected(self) -> Mux:
        """A new shared connection; where replies are kept, one that the server tells of changes."""
        address = self._dialler.address
        wire = self._dialler.dial()
        self._shared_traffic.connected()
        if not self.keeps:
            return Mux(wire, address, self._shared_traffic)
        cache = Cache(address.cache_size, address.cache_ttl, self.counters)
        mux = Mux(wire, address, self._shared_traffic, cache)
        prefixes = [part for first in TRACKED for part in (b"PREFIX", self.prefix + bytes([first]))]
        how: Command = ("OPTIN",) if self._optin else ("BCAST", *prefixes)
        try:
            checked(mux.exchange([("CLIENT", "TRACKING", "ON", *how)]))
        except ServerError as refused:
            text = f"the server at {address} does not tell of changes ({refused})"
            if address.tracking == REQUIRED:
                mux.close()
                raise Refused(f"{text}: use cache-ttl=0, or tracking=wanted") from refused
            log.warning("%s: nothing is kept, and every read asks it", text)
            mux.cache, self.keeps = None, False
        except BaseException:
            mux.close()
            raise
        return mux

    # -- the connection ----------------------------------------------------------------------------

    def _asked(
        self, ask: Callable[[Mux], list[Reply | ServerError]], asked: Answer | None = None
    ) -> list[Reply]:
        """The replies to what only reads; asked once more when the connection ended before any came.

        `asked` waits for the first of them where they have been asked for.
        """
        try:
            return checked(asked() if asked else ask(self._shared()))
        except Lost:
            return checked(ask(self._shared()))

    def _shared(self) -> Mux:
        """The shared connection, made anew when it was lost."""
        mux = self._mux
        if mux is not None and mux.alive:
            return mux
        refusals = self._refusals
        with self._dialling:
            if self._closed:
                raise Disconnected("this client has been closed")
            if self._mux is not None and self._mux.alive:
                return self._mux
            if self._refusals != refusals:
                raise Disconnected(f"cannot connect to {self._dialler.address}: another call has just tried")
            if self._mux is not None:
                self._mux.close()  # no thread of it is left
            try:
                mux = self._connected_to_the_last()
            except Exception:
                self._refusals += 1
                raise
            if self._closed:  # meanwhile
                mux.close()
            return mux

    def _connected_to_the_last(self) -> Mux:
        """A new shared connection, made since the master moved last."""
        while True:
            moves = self._dialler.moves
            mux = self._mux = self._connected()
            if self._dialler.moves == moves:
                return mux
            mux.close()

    def _retire(self) -> None:
        """End a shared connection that is told of changes, when calls under way have had their replies."""
        with self._dialling:
            mux = self._mux
            if mux is None or mux.cache is None:
                return
            self._mux = None
        with contextlib.closing(mux), contextlib.suppress(Disconnected):
            mux.exchange([("PING",)])

    def _forget(self) -> None:
        """Leave the connection and its thread to the parent process."""
        mux, self._mux = self._mux, None
        self._dialling = threading.Lock()
        if mux is not None:
            mux.abandon()
