"""One connection for one caller at a time: commands out in one send, replies back in order."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

import hiredis

from ..engine.counters import Traffic
from ..engine.store import Argument, Command, Disconnected, Lost, Packed, Reply, ServerError
from ..url import Address
from .wire import Wire

_INCOMPLETE = object()

_PACKED = frozenset((bytes, str))
"""What travels as it is."""


def pack(commands: Sequence[Command]) -> bytes:
    """The commands as they travel."""
    if not {*map(type, chain.from_iterable(commands))} <= _PACKED:
        commands = [tuple(map(_plain, command)) for command in commands]
    return b"".join(map(hiredis.pack_command, commands))  # type: ignore[arg-type]


def _plain(one: Argument) -> bytes | str:
    """A number as its bytes: hiredis ends the process where a signal comes while it writes one itself."""
    return b"%d" % one if isinstance(one, int) else one


class Replies:
    """The replies in a stream of bytes: what hiredis makes of RESP3, with errors as `ServerError` values.

    Pushes go to `pushed` in their place among the replies, if it is given.
    """

    def __init__(self, pushed: Callable[[list[Reply]], None] | None = None) -> None:
        self._pushed = pushed
        self._reader = hiredis.Reader(
            protocolError=Disconnected, replyError=ServerError, errors="replace", notEnoughData=_INCOMPLETE
        )

    def feed(self, data: bytes) -> Iterable[Reply | ServerError]:
        """The replies that are complete with these bytes.  Raises `Disconnected` on a broken stream."""
        self._reader.feed(data)
        replies = [*iter(self._reader.gets, _INCOMPLETE)]
        return self._in_turn(replies) if hiredis.PushNotification in {*map(type, replies)} else replies

    def _in_turn(self, replies: Iterable[Reply | ServerError]) -> Iterator[Reply | ServerError]:
        """The replies among pushes, each of which is handled when those before it have been."""
        for reply in replies:
            if not isinstance(reply, hiredis.PushNotification):
                yield reply
            elif self._pushed is not None:
                self._pushed(reply)


class Connection:
    """A `Channel` (see `engine.transaction`).  It is closed by the first failure and refuses calls then."""

    def __init__(self, wire: Wire, address: Address, traffic: Traffic) -> None:
        self._wire = wire
        self._traffic = traffic
        self._address = address
        self._replies = Replies()
        self._owed = 0
        self._in_step = True
        self._pid = os.getpid()

    @property
    def usable(self) -> bool:
        """Whether every request sent has had its reply, but for an UNWATCH."""
        return self._in_step and self._pid == os.getpid()

    def exchange(self, commands: Sequence[Command]) -> list[Reply | ServerError]:
        """Send all commands at once and return their replies in order, errors as values.

        Raises `Lost` and `Disconnected`.
        """
        data = pack(commands)
        if not self.usable:
            raise Disconnected("the connection was lost in this transaction")
        if not commands:
            return []
        self._in_step = False
        replies: list[Reply | ServerError] = []
        try:
            self._wire.send(data, self._address.write_timeout)
            self._traffic.sent(len(commands), len(data))
            self._receive(len(commands), replies)
        except (OSError, EOFError) as failure:
            raise self._failed(failure, Disconnected if replies else Lost) from failure
        else:
            self._in_step = True
            return replies
        finally:
            if not self._in_step:
                self.close()

    def stream(self, batches: Iterable[Packed], ahead: int) -> Iterator[list[Reply | ServerError]]:
        """The replies to each batch of commands, errors as values; so many batches more are sent before.

        Raises `Disconnected`.  Unless all replies are taken the connection is closed.
        """
        if not self.usable:
            raise Disconnected("the connection was lost before its use")
        self._in_step = False
        arriving = chain.from_iterable(self._arriving())
        sent: deque[int] = deque()
        try:
            for data, number in batches:
                self._send(data, number)
                sent.append(number)
                if len(sent) > ahead:
                    yield [*islice(arriving, sent.popleft())]
            while sent:
                yield [*islice(arriving, sent.popleft())]
            self._in_step = True
        finally:
            if not self._in_step:
                self.close()

    def unwatch(self) -> None:
        """Send UNWATCH; its reply is read before the next ones."""
        if not self.usable:
            return
        data = pack([("UNWATCH",)])
        try:
            self._wire.send(data, self._address.write_timeout)
            self._traffic.sent(1, len(data))
            self._owed += 1
        except OSError:  # a closed connection watches nothing either
            self.close()

    def alive(self) -> bool:
        """Whether the server has kept the connection open since its last use.  Does not wait."""
        try:
            while self._wire.readable():
                for _ in self._replies.feed(self._wire.receive(0)):
                    self._owed -= 1
        except TimeoutError:  # half a TLS record
            return True
        except (OSError, EOFError, Disconnected):
            return False
        return self._owed >= 0

    def interrupt(self) -> None:
        """Make a call under way in another thread fail."""
        self._wire.shutdown()

    def close(self) -> None:
        """Close the connection."""
        self._in_step = False
        self._wire.close()

    def _send(self, data: bytes, number: int) -> None:
        try:
            self._wire.send(data, self._address.write_timeout)
        except OSError as failure:
            raise self._failed(failure) from failure
        self._traffic.sent(number, len(data))

    def _receive(self, count: int, replies: list[Reply | ServerError]) -> None:
        deadline = time.monotonic() + self._address.read_timeout
        while len(replies) < count:
            replies += self._fed(self._wire.receive(deadline - time.monotonic()))
        if len(replies) > count:
            raise Disconnected(f"{self._address} sent a reply that nobody asked for")

    def _arriving(self) -> Iterator[Iterable[Reply | ServerError]]:
        """The replies as they come, for as long as they are waited for."""
        while True:
            try:
                data = self._wire.receive(self._address.read_timeout)
            except (OSError, EOFError) as failure:
                raise self._failed(failure) from failure
            yield self._fed(data)

    def _fed(self, data: bytes) -> Iterable[Reply | ServerError]:
        """The replies that are complete with these bytes, but for those to UNWATCH."""
        replies = self._replies.feed(data)
        if not self._owed:
            return replies
        replies = [*replies]
        owed = min(self._owed, len(replies))
        self._owed -= owed
        return replies[owed:]

    def _failed(self, failure: Exception, kind: type[Disconnected] = Disconnected) -> Disconnected:
        """What a failure of the wire means."""
        if isinstance(failure, TimeoutError):
            return Disconnected(f"no answer from {self._address} in time; the connection was closed")
        return kind(f"lost the connection to {self._address}: {failure}")
