"""Whether one of very many things comes twice: of each only a hash is kept."""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Iterable, Sequence
from itertools import islice

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
        if len({*hashes}) < len(hashes) or not self._recent.isdisjoint(hashes):
            return self._place(hashes)
        self._recent.update(hashes)
        if len(self._recent) > RECENT:
            self._settle()
        return None

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
            self.second(block)

    def twice(self) -> bool:
        """Whether one has come twice that was not known then; no more can be taken in."""
        if self._parts:
            self._settle()
        return any(len({*part}) < len(part) for part in self._parts)

    def _settle(self) -> None:
        """Keep those that came last with all others."""
        self._parts = self._parts or [array("q") for _ in range(PARTS)]
        appends = [part.append for part in self._parts]
        for hash in self._recent:
            appends[hash % PARTS](hash)
        self._recent.clear()

    def _place(self, hashes: Sequence[int]) -> int | None:
        """Where the first stands that is known or comes before in these."""
        for place, hash in enumerate(hashes):
            if hash in self._recent:
                return place
            self._recent.add(hash)
        return None
