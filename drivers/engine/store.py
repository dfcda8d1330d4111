"""The seam between the engine and a Redis client library (design §3).

The engine speaks in commands; a store decides how they travel.  A store knows nothing of inodes, and it
never repeats a write: a lost reply is a `Disconnected`, whose outcome is unknown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from .counters import Traffic

Argument: TypeAlias = bytes | str | int
Command: TypeAlias = tuple[Argument, ...]
Reply: TypeAlias = Any
"""What hiredis makes of RESP3, by every store: None, int, float (scores), bytes, a list of replies, a dict
(HGETALL); `WITHSCORES` gives pairs."""

Answer: TypeAlias = Callable[[], list[Reply]]
"""Waits for replies, once."""

T = TypeVar("T")


class Packed(NamedTuple):
    """Commands as they travel, and how many there are."""

    data: bytes
    number: int


def keys_of(commands: Sequence[Command]) -> set[bytes] | None:
    """The keys that commands change; None for all."""
    keys: set[Any] = set()
    for command in commands:
        if command[0] == "FLUSHDB":
            return None
        keys.update(_keys_of(command))
    return keys


def _keys_of(command: Command) -> Sequence[Argument]:
    if command[0] in ("DEL", "UNLINK"):
        return command[1:]
    if command[0] == "EVAL":
        return command[3 : 3 + int(command[2])]
    return command[1:2]


def pairs(reply: Reply) -> list[tuple[bytes, bytes]]:
    """The fields and values in the reply of HGETALL."""
    return list(reply.items() if isinstance(reply, dict) else zip(*[iter(reply)] * 2, strict=True))


class Conflict(Exception):
    """EXEC found a watched key changed: nothing was written, try again."""


class ServerError(Exception):
    """The server answered with an error; the text is its own, e.g. `OOM command not allowed`."""

    @property
    def code(self) -> str:
        """The first word of the text."""
        return str(self).partition(" ")[0]


class Disconnected(Exception):
    """The connection failed or timed out; a command under way may or may not have run."""


class Lost(Disconnected):
    """The connection ended before it brought any reply: what only reads may be sent again."""


Derive: TypeAlias = Callable[["Reply | ServerError"], Iterable[tuple[Command, Reply]]]
"""From the reply of a script: commands that it has answered as well, with their replies."""


class Transaction(Protocol):
    """One attempt of an optimistic transaction, given to its body."""

    replies: list[Reply]
    """The replies of the queued commands, in order, once the attempt is committed."""

    def watch(self, *keys: bytes) -> None:
        """Watch more keys: they travel ahead of the next `read`."""

    def read(self, *commands: Command) -> list[Reply]:
        """Replies in order, one round trip.  Never answered from a cache."""

    def queue(self, *commands: Command) -> None:
        """Add commands to the MULTI/EXEC that ends the attempt."""


Check: TypeAlias = Callable[[Transaction], None]
"""What a transaction asks first: it raises where nothing may be done."""


def nothing(tx: Transaction) -> None:
    """A check that never objects."""


Look: TypeAlias = Callable[[Sequence[Reply]], object]
"""Is shown replies as they come."""


def unseen(replies: Sequence[Reply]) -> None:
    """Replies that nobody needs."""


class Store(ABC):
    """How commands reach one server.  All methods may be called from many threads.

    Every method raises `ServerError` for the first error reply and `Disconnected`.
    """

    prefix: bytes = b""
    """What every key starts with (S1.1)."""

    keeps: bool = False
    """Whether `cached` keeps replies."""

    scripts_teach: bool = True
    """Whether what a script tells of keys is kept, where anything is."""

    asks_ahead: bool = False
    """Whether `ask` sends at once, so that no thread is needed for each question under way."""

    traffic: Mapping[str, Traffic]
    """What has gone over the connections, by their kind."""

    @abstractmethod
    def read(self, *commands: Command) -> list[Reply]:
        """Replies in order, one round trip.  Repeated by the store when the connection was lost."""

    def ask(self, *commands: Command) -> Answer:
        """What waits for the replies, once, as `read` does; with `asks_ahead` they are under way by then."""
        return partial(self.read, *commands)

    def cached(self, *commands: Command) -> list[Reply]:
        """As `read`; replies may be kept ones, as long as they are the server's.

        The key of each command stands behind its name.  Replies are shared: they are not to be changed.
        """
        return self.read(*commands)

    def known(self, *commands: Command) -> list[Reply] | None:
        """The kept replies of commands; None where one of them would have to be asked for.

        Counts no hits: who goes on to the server after all has had none.
        """
        return None

    def count_hits(self, number: int) -> None:
        """Count commands that `known` answered for a call that had to ask for nothing."""
        raise NotImplementedError("this store keeps nothing")

    def run_script(self, command: Command, derive: Derive) -> Reply:
        """The reply of a script that only reads; `derive` says what it tells of other commands."""
        return self.read(command)[0]

    @abstractmethod
    def pipeline(self, *commands: Command) -> list[Reply]:
        """As `read` for commands that may write: sent once, never repeated."""

    @abstractmethod
    def stream(self, batches: Iterable[Sequence[Command]], ahead: int) -> Iterator[list[Reply]]:
        """The replies to each batch of commands that only read; so many batches more are sent before.

        So the server works on the next ones while a reply is used.  Nothing is asked twice.
        """

    @abstractmethod
    def packed(self, commands: Sequence[Command]) -> Packed:
        """Commands as `pour` takes them; nothing is sent."""

    @abstractmethod
    def pour(self, batches: Iterable[Packed], look: Look = unseen) -> None:
        """Send many commands that may write: once, in their order, some batches ahead of their replies.

        `look` gets the replies, some at a time.  Commands behind one that fails may have run, too, and so may
        those that are under way when `look` raises.
        """

    @abstractmethod
    def attempt(self, watch: Sequence[bytes], body: Callable[[Transaction], T]) -> T:
        """Run one optimistic transaction: WATCH, the body's reads, MULTI/EXEC of what it queued.

        A body that queues nothing ends without EXEC.  Whatever happens, no key stays watched.  Raises
        `Conflict`, and anything the body raises.
        """

    @abstractmethod
    def scan(self, pattern: bytes, count: int = 10000) -> Iterator[list[bytes]]:
        """Keys that match, page by page; a key may come twice."""

    @abstractmethod
    def hscan(
        self, key: bytes, count: int = 10000, cursor: bytes = b"0"
    ) -> Iterator[list[tuple[bytes, bytes]]]:
        """Fields and values of a hash, page by page, from a cursor on; a field may come twice (S4.5)."""

    @abstractmethod
    def close(self) -> None:
        """Close every connection and end every thread of the store."""
