"""Whether one of very many things comes twice: of each only a hash is kept."""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Iterable, Sequence, Set
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

RECENT = 1 << 18
"""Hashes that are told at once when they come again; each takes some ninety bytes."""

PARTS = 256
"""Parts of those before, each of which is small enough to be looked at as a set."""

BLOCK = 1 << 14

SALT = secrets.randbits(61)
"""What is hashed with numbers: those of a file could be chosen so that hashes are equal."""


class Hashes:
    """A set of hashes.  Of many the last are known at once, and others at the end, by eight bytes each."""

    __slots__ = ("_parts", "_recent")

    def __init__(self) -> None:
        self._recent = set[int]()
        self._parts: list[array[int]] = []
        """Those before, once there are any."""

    def second(self, hashes: Sequence[int]) -> int | None:
        """Take in hashes; the place of the first that is known to have come before, if there is one."""
        place = first_again(hashes, self._recent)
        if place is None:
            self._take(hashes)
        return place

    def add(self, hash: int) -> bool:
        """Take in one; whether it is not known to have come before."""
        before = len(self._recent)
        self._recent.add(hash)
        if len(self._recent) > RECENT:
            self._settle()
            return True
        return len(self._recent) > before

    def update(self, hashes: Iterable[int]) -> None:
        """Take in hashes of which none has come before."""
        left = iter(hashes)
        while block := [*islice(left, BLOCK)]:
            self._take(block)

    def twice(self) -> bool:
        """Whether one has come twice that was not known then; no more can be taken in."""
        if self._parts:
            self._settle()
        return any(len({*part}) < len(part) for part in self._parts)

    def _take(self, hashes: Sequence[int]) -> None:
        self._recent.update(hashes)
        if len(self._recent) > RECENT:
            self._settle()

    def _settle(self) -> None:
        """Keep those that came last with all others."""
        self._parts = self._parts or [array("q") for _ in range(PARTS)]
        appends = [part.append for part in self._parts]
        for hash in self._recent:
            appends[hash % PARTS](hash)
        self._recent.clear()


def first_again(items: Sequence[T], known: Set[T]) -> int | None:
    """Where the first of some items stands that is in a set, or before in these; None where all are new."""
    if len({*items}) == len(items) and known.isdisjoint(items):
        return None
    before = set[T]()
    for place, item in enumerate(items):
        if item in known or item in before:
            return place
        before.add(item)
    return None
