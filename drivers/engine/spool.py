"""What is made now and wanted later, and may be too much for memory: kept in a file in between."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterator
from typing import Generic, Self, TypeVar

from ..files import temporary

T = TypeVar("T")


class Spool(Generic[T]):
    """Items that are all put in before the first is taken out; a block at whose end they are gone."""

    def __init__(self, group: int = 1, room: int = 0) -> None:
        """So many items, which are small then, are written at once; the first of them, that fill the `room`,
        stay in memory.

        Raises `Refused` when there is no room for temporary files.
        """
        self._file = temporary()
        self._group = group
        self._room = room
        self._first = deque[T]()
        self._last: list[T] = []
        """Those that are not in the file yet."""
        self._written = 0
        """How often items have been written."""
        self.number = 0
        """How many items there are."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def put(self, item: T, size: int = 1) -> None:
        """Take in an item that takes so much room.  Raises `Refused` when there is none for it."""
        self.number += 1
        self._room -= size
        if self._room >= 0:
            self._first.append(item)
            return
        self._last.append(item)
        if len(self._last) == self._group:
            self._write()

    def end(self) -> None:
        """No more is put in: what is still in memory goes to the file.  Raises as `put` does."""
        self._write()
        self._file.flush()

    def __iter__(self) -> Iterator[T]:
        """The items, from the first on, each once; it is known then that there are no more."""
        while self._first:
            yield self._first.popleft()
        self._file.seek(0)
        while self._written:
            self._written -= 1
            yield from pickle.load(self._file)

    def _write(self) -> None:
        pickle.dump(self._last, self._file, pickle.HIGHEST_PROTOCOL)
        self._written += 1
        self._last.clear()
