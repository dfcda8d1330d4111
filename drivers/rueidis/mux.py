"""One connection shared by all threads; commands that meet on it are pipelined.

A caller appends its commands to the outbox and waits.  The caller that finds nobody sending becomes the
leader: it sends whatever is in the outbox until that is empty.  One thread reads, and hands the replies
to the waiting calls in the order in which those were appended; what it learns of keys it applies to the
cache in the same order.  No code of a caller runs in it, but for `cache.Derive`.

Lock discipline.  `_lock` guards `_outbox`, `_in_outbox`, `_sending`, `_failure` and `_ended`, and makes
appending to `_outbox` and `_waiting` one step; it is never held during a system call on the connection, and
no second lock is taken under it.  Only the leader sends, who may be the reader; only the reader receives and
takes from `_waiting`.  The descriptor is closed by whichever of the two leaves last.  Each call has a lock of
its own to wait on, which is used once.

A deadline belongs to the call that waits.  One that passes ends the connection, since its reply could
only be told apart from the next by its place.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from ..engine.counters import Traffic
from ..engine.store import Command, Disconnected, Lost, Reply, ServerError
from ..redis.connection import Replies, pack
from ..redis.wire import Wire
from ..url import Address
from .cache import Cache, Flight

HEARTBEAT = 5.0
"""Seconds of silence after which a server that has changes to tell is asked whether it is there."""


class _Call:
    """Commands under way: how many replies they get, those that came, and what to wait on."""

    __slots__ = ("count", "done", "failure", "flights", "replies")

    def __init__(self, count: int, flights: Sequence[Flight | None]) -> None:
        self.count = count
        self.flights = flights
        self.replies: list[Reply | ServerError] = []
        self.failure: str | None = None
        self.done = threading.Lock()
        self.done.acquire()


class Mux:
    """A connection in use by many threads, until its first failure."""

    def __init__(self, wire: Wire, address: Address, traffic: Traffic, cache: Cache | None = None) -> None:
        """`cache` is that of this connection alone, and gets what the server says of keys."""
        self._wire = wire
        self._address = address
        self._traffic = traffic
        self.cache = cache
        self._lock = threading.Lock()
        self._outbox: list[bytes] = []
        self._in_outbox = 0
        """Commands in the outbox."""
        self._waiting: deque[_Call] = deque()
        self._sending = False
        self._ended = False
        self._failure: str | None = None
        self._asked_for_life: float | None = None
        self._reader = threading.Thread(
            target=self._receive_all, name=f"metaparity replies {address}", daemon=True
        )
        self._reader.start()

    @property
    def alive(self) -> bool:
        """False after the first failure."""
        return self._failure is None

    def exchange(
        self, commands: Sequence[Command], flights: Sequence[Flight | None] = ()
    ) -> list[Reply | ServerError]:
        """The replies of the commands, in order, errors as values; `flights` are told of theirs on arrival.

        Raises `Disconnected`, and `Lost` when the connection ended for another reason than the patience
        of this call and before any of its replies.
        """
        return self._answer(self._begun(commands, flights))

    def ask(self, commands: Sequence[Command]) -> Callable[[], list[Reply | ServerError]]:
        """Have commands sent, and give what waits for their replies, once, and raises, as `exchange` does."""
        return partial(self._answer, self._begun(commands))

    def _begun(self, commands: Sequence[Command], flights: Sequence[Flight | None] = ()) -> _Call:
        """The call of these commands, which are on their way if there are any and the connection is there."""
        data = pack(commands)
        call = _Call(len(commands), flights)
        with self._lock:
            call.failure = self._failure if commands else None
            over = not commands or call.failure is not None
            leads = not over and self._enqueue(call, data)
        if over:
            call.done.release()
        elif leads:
            self._send_all()
        return call

    def _answer(self, call: _Call) -> list[Reply | ServerError]:
        """Wait for the replies of a call."""
        if not call.done.acquire(timeout=self._address.read_timeout):
            text = f"no answer from {self._address} in time; the connection was closed"
            self.fail(text)
            call.done.acquire()
            if call.failure is not None:
                raise Disconnected(text)
        if call.failure is not None:
            raise (Disconnected if call.replies else Lost)(call.failure)
        return call.replies

    def fail(self, text: str) -> None:
        """End the connection, which is lost: every call on it raises an error with this text."""
        if self._end(text):
            self._traffic.disconnected()

    def close(self) -> None:
        """End the connection and its thread."""
        self._end("this client has been closed")
        self._reader.join()

    def abandon(self) -> None:
        """Leave the connection to the parent process; this is a child made by `fork`."""
        self._wire.close()

    def _end(self, text: str) -> bool:
        """End the connection; whether it had not ended before."""
        with self._lock:
            first = self._failure is None
            if first:
                self._failure = text
        self._wire.shutdown()
        return first

    def _enqueue(self, call: _Call, data: bytes) -> bool:
        """With the lock held, have a call sent; whether the caller is the one to send."""
        self._waiting.append(call)
        self._outbox.append(data)
        self._in_outbox += call.count
        leads = not self._sending
        self._sending = True
        return leads

    def _send_all(self) -> None:
        """Send until the outbox is empty: the work of the leader."""
        while True:
            with self._lock:
                if not self._outbox or self._failure is not None:
                    self._sending = False
                    last = self._ended
                    break
                data, commands = b"".join(self._outbox), self._in_outbox
                self._outbox.clear()
                self._in_outbox = 0
            try:
                self._wire.send(data, self._address.write_timeout)
                self._traffic.sent(commands, len(data))
            except OSError as failure:
                self.fail(f"lost the connection to {self._address}: {failure}")
            except BaseException:
                self.fail("a call on this connection was interrupted while it sent")
                raise
        if last:
            self._wire.close()

    def _receive_all(self) -> None:
        """Hand out replies until the connection ends, then the failure: the work of the reader."""
        try:
            self._receive()
        except (OSError, EOFError, Disconnected) as failure:
            self.fail(f"lost the connection to {self._address}: {failure}")
        with self._lock:
            self._ended = True
            last = not self._sending
            failure_text = self._failure
        for call in self._waiting:
            call.failure = failure_text
            call.done.release()
        if last:
            self._wire.close()

    def _receive(self) -> None:
        replies = Replies(self._pushed)
        while self._failure is None:
            try:
                data = self._wire.receive(None if self.cache is None else HEARTBEAT)
            except TimeoutError:
                self._require_life()
                continue
            self._asked_for_life = None
            for reply in replies.feed(data):
                if not self._waiting:
                    raise Disconnected("the server sent a reply that nobody asked for")
                call = self._waiting[0]
                if call.flights and self.cache is not None:
                    flight = call.flights[len(call.replies)]
                    if flight is not None:
                        self.cache.landed(flight, reply)
                call.replies.append(reply)
                if len(call.replies) == call.count:
                    self._waiting.popleft()
                    call.done.release()

    def _require_life(self) -> None:
        """Ask a server that has been silent for a sign of life.

        Raises `Disconnected` when it gives none for as long as a call would wait: it may have changes to
        tell.
        """
        now = time.monotonic()
        if self._asked_for_life is None:
            self._asked_for_life = now
            with self._lock:
                leads = self._enqueue(_Call(1, ()), pack([("PING",)]))
            if leads:
                self._send_all()
        elif now - self._asked_for_life > self._address.read_timeout:
            raise Disconnected("no sign of life")

    def _pushed(self, push: list[Reply]) -> None:
        """Take in what the server says unasked: `invalidate`, and the keys or None for all."""
        if self.cache is not None and push[0] == b"invalidate":
            self.cache.invalidated(push[1])
