"""Where the keys of a volume come from: a server, read in batches, or a snapshot of a test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from metaparity.drivers.engine.progress import Tell, nobody
from metaparity.drivers.engine.store import Command, ServerError, Store, pairs

BATCH = 1000
"""Keys that are asked for at once."""

LARGE = 1000
"""Fields of a hash or members of a list above which it is read page by page."""

Snapshot = Mapping[bytes, tuple[str, Any]]
"""Every key with its type and value: bytes, a dict, a list, a set, or the pairs of a sorted set."""


def batched(names: Iterable[bytes], size: int = BATCH) -> Iterator[list[bytes]]:
    """The names in lists of at most so many."""
    rest = iter(names)
    while batch := list(islice(rest, size)):
        yield batch


class Source(ABC):
    """The keys of one volume, by their names without the prefix."""

    prefix: bytes = b""

    def __init__(self) -> None:
        self.mistyped: dict[bytes, tuple[str, str]] = {}
        """Keys of another type than their name says, with the type they have and the one they should."""

    @abstractmethod
    def names(self) -> Iterator[bytes]:
        """Every name; one may come twice."""

    @abstractmethod
    def strings(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Names of strings with their values, in order, without those that are gone."""

    @abstractmethod
    def hashes(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, list[tuple[bytes, bytes]]]]:
        """Names of hashes with fields and values; a large one comes in several parts."""

    @abstractmethod
    def lists(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
        """Names of lists with their elements, in order; a large one comes in several parts."""

    @abstractmethod
    def sets(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
        """Names of sets with their members."""

    @abstractmethod
    def ranked(self, name: bytes) -> Iterator[bytes]:
        """The members of a sorted set."""

    def string(self, name: bytes) -> bytes | None:
        """The value of one string; None where there is none."""
        return next((value for _, value in self.strings([name])), None)

    def hash(self, name: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The fields and values of one hash."""
        for _, fields in self.hashes([name]):
            yield from fields


class SnapshotSource(Source):
    """The keys that a test has read at once."""

    def __init__(self, keys: Snapshot) -> None:
        super().__init__()
        self.keys = keys

    def names(self) -> Iterator[bytes]:
        return iter(self.keys)

    def _values(self, names: Iterable[bytes], type: str) -> Iterator[tuple[bytes, Any]]:
        for name in names:
            if name in self.keys:
                found, value = self.keys[name]
                if found == type:
                    yield name, value
                else:
                    self.mistyped[name] = found, type

    def strings(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        return self._values(names, "string")

    def hashes(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, list[tuple[bytes, bytes]]]]:
        for name, fields in self._values(names, "hash"):
            yield name, list(fields.items())

    def lists(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
        return self._values(names, "list")

    def sets(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
        return self._values(names, "set")

    def ranked(self, name: bytes) -> Iterator[bytes]:
        for _, members in self._values([name], "zset"):
            yield from dict(members)


class StoreSource(Source):
    """The keys of a database, read with commands that change nothing.

    Every method raises `ServerError` and `Disconnected`.
    """

    def __init__(self, store: Store, tell: Tell = nobody) -> None:
        super().__init__()
        self.store = store
        self.prefix = store.prefix
        self.tell = tell
        self.total = self.done = 0

    def names(self) -> Iterator[bytes]:
        (self.total,) = self.store.read(("DBSIZE",))
        for found, page in enumerate(self.store.scan(self.prefix + b"*"), 1):
            self.tell("pages of names read", found, 0)
            for key in page:
                yield key[len(self.prefix) :]

    def strings(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        for batch in batched(names):
            (values,) = self.store.read(("MGET", *map(self._key, batch)))
            self._advance(len(batch))
            for name, value in zip(batch, values, strict=True):
                if value is not None:
                    yield name, value
                else:
                    self._of_type(name, "string")  # which MGET does not tell from what is gone

    def hashes(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, list[tuple[bytes, bytes]]]]:
        for batch, sizes in self._sized(names, "HLEN", "hash"):
            small = [name for name, size in zip(batch, sizes, strict=True) if size <= LARGE]
            for name, fields in zip(small, self._replies(small, "HGETALL"), strict=True):
                yield name, pairs(fields)
            for name, size in zip(batch, sizes, strict=True):
                if size > LARGE:
                    seen = set[bytes]()  # a scan may tell a field twice
                    for page in self.store.hscan(self._key(name), LARGE):
                        yield name, [(field, value) for field, value in page if field not in seen]
                        seen.update(field for field, _ in page)

    def lists(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
        for batch in batched(names):
            yield from self._batch(batch, "list", "LRANGE", 0, -1)

    def sets(self, names: Iterable[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
        for batch in batched(names):
            yield from self._batch(batch, "set", "SMEMBERS")

    def ranked(self, name: bytes) -> Iterator[bytes]:
        first = 0
        while True:
            page = [
                member
                for _, members in self._batch([name], "zset", "ZRANGE", first, first + LARGE - 1)
                for member in members
            ]
            yield from page
            if len(page) < LARGE:
                return
            first += LARGE

    def _key(self, name: bytes) -> bytes:
        return self.prefix + name

    def _replies(self, names: Sequence[bytes], command: str, *more: int) -> list[Any]:
        asked: list[Command] = [(command, self._key(name), *more) for name in names]
        return self.store.read(*asked) if asked else []

    def _batch(
        self, names: Sequence[bytes], type: str, command: str, *more: int
    ) -> Iterator[tuple[bytes, Any]]:
        """Names with the replies to a command for each, without those of another type."""
        try:
            replies = self._replies(names, command, *more)
        except ServerError as failure:
            if failure.code != "WRONGTYPE":
                raise
            names = [name for name in names if self._of_type(name, type)]
            replies = self._replies(names, command, *more)
        self._advance(len(names))
        yield from zip(names, replies, strict=True)

    def _sized(
        self, names: Iterable[bytes], command: str, type: str
    ) -> Iterator[tuple[list[bytes], list[int]]]:
        """Batches of names with the sizes of what they name."""
        for batch in batched(names):
            sized = [(name, size) for name, size in self._batch(batch, type, command) if size]
            yield [name for name, _ in sized], [size for _, size in sized]

    def _of_type(self, name: bytes, type: str) -> bool:
        """Whether a key has a type; notes a key of another."""
        (found,) = self.store.read(("TYPE", self._key(name)))
        found = found.decode() if isinstance(found, bytes) else found
        if found not in (type, "none"):
            self.mistyped[name] = found, type
        return bool(found == type)

    def _advance(self, number: int) -> None:
        self.done += number
        self.tell("keys read", self.done, max(self.total, self.done))
