"""`Store` on pooled connections: a call has a connection to itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ..engine.ahead import heaped
from ..engine.counters import Traffic
from ..engine.store import Command, Look, Lost, Packed, Reply, Store, Transaction, unseen
from ..engine.transaction import checked, run_attempt
from ..url import Address
from .connection import Connection, pack
from .dial import Dialler
from .pool import Pool

T = TypeVar("T")

SENT = 1 << 17
"""Bytes from which it does not pay to gather more of what is poured into one send."""

POURED = 8
"""Sends before the replies to the first of them are waited for."""


class RedisStore(Store):
    """The database at an address; the first call makes the first connection.

    Every method raises `Refused` when the server is too old.  The constructor raises `BadURL` when the
    TLS files of the address are of no use.
    """

    def __init__(self, address: Address) -> None:
        self._dialler = Dialler(address, self._leave)
        self.traffic: dict[str, Traffic] = {"pooled": Traffic()}
        self._pool = Pool(self._dialler, self.traffic["pooled"])

    def read(self, *commands: Command) -> list[Reply]:
        """Replies in order, one round trip; asked once more when the connection ended before any came."""
        return self._read_pooled(commands)

    def pipeline(self, *commands: Command) -> list[Reply]:
        """Replies in order; sent once, never repeated."""
        with self._pool.connection() as connection:
            return checked(connection.exchange(commands))

    def stream(self, batches: Iterable[Sequence[Command]], ahead: int) -> Iterator[list[Reply]]:
        """The replies to each batch of commands that only read, some asked ahead; asked once."""
        with self._pool.extra() as connection:
            yield from map(checked, connection.stream(map(self.packed, batches), ahead))

    def packed(self, commands: Sequence[Command]) -> Packed:
        """Commands as `pour` takes them."""
        return Packed(pack(commands), len(commands))

    def pour(self, batches: Iterable[Packed], look: Look = unseen) -> None:
        """Send many commands, some batches ahead of their replies; sent once, never repeated."""
        with self._pool.connection() as connection:
            for replies in connection.stream(gathered(batches, SENT), POURED):
                look(checked(replies))

    def attempt(self, watch: Sequence[bytes], body: Callable[[Transaction], T]) -> T:
        """Run one optimistic transaction on a connection of its own; anew when that ended ahead of EXEC."""
        return self._again(lambda connection: run_attempt(connection, watch, body, self._changed))

    def scan(self, pattern: bytes, count: int = 10000) -> Iterator[list[bytes]]:
        """Keys that match, page by page; a key may come twice."""
        yield from self._pages(("SCAN",), pattern, count)

    def hscan(
        self, key: bytes, count: int = 10000, cursor: bytes = b"0"
    ) -> Iterator[list[tuple[bytes, bytes]]]:
        """Fields and values of a hash, page by page, from a cursor on; a field may come twice."""
        for flat in self._pages(("HSCAN", key), b"*", count, cursor):
            yield list(zip(flat[::2], flat[1::2], strict=True))

    def close(self) -> None:
        """Close every connection; calls under way raise `Disconnected`."""
        self._pool.close()
        self._dialler.close()

    def _leave(self) -> None:
        """Let go of every connection; calls under way on one raise `Disconnected`."""
        self._pool.drop()

    def _changed(self, commands: Sequence[Command]) -> None:
        """Commands have been sent that change keys."""

    def _read_pooled(self, commands: Sequence[Command]) -> list[Reply]:
        return self._again(lambda connection: checked(connection.exchange(commands)))

    def _again(self, use: Callable[[Connection], T]) -> T:
        """What `use` makes of a connection; of a fresh one, where that one ended before any reply."""
        try:
            with self._pool.connection(probed=False) as connection:
                return use(connection)
        except Lost:
            with self._pool.connection(fresh=True) as connection:
                return use(connection)

    def _pages(
        self, head: Command, pattern: bytes, count: int, cursor: bytes = b"0"
    ) -> Iterator[list[bytes]]:
        while True:
            command = (*head, cursor, "MATCH", pattern, "COUNT", count)
            [[cursor, page]] = self._read_pooled([command])
            if page:
                yield page
            if cursor == b"0":
                return


def gathered(batches: Iterable[Packed], size: int) -> Iterator[Packed]:
    """The batches, as many at a time as make so many bytes."""
    return map(joined, heaped(batches, lambda batch: len(batch.data), size))


def joined(batches: Sequence[Packed]) -> Packed:
    """The commands of all batches."""
    return Packed(b"".join([batch.data for batch in batches]), sum(batch.number for batch in batches))
