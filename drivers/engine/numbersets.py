"""Sets of many numbers: Roaring bitmaps, two bytes for a number, and fewer where all are neighbours."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import compress

from pyroaring import BitMap64

BITS = 64
LOWER = (1 << BITS) - 1

NEAR = 1 << 33
"""Numbers below take two bytes each, and 13 MiB besides, wherever they are; others up to a hundred."""


class Numbers:
    """A set of numbers of any size: a bitmap for those of which all but the lower 64 bits are the same."""

    def __init__(self) -> None:
        self._maps: defaultdict[int, BitMap64] = defaultdict(BitMap64)

    def add(self, number: int) -> bool:
        """Take in a number; whether it is a new one."""
        return self._taken([number])[0]

    def fresh(self, numbers: Sequence[int]) -> list[int]:
        """Take in numbers; those of them that are new."""
        if self._take_new(numbers):
            return [*numbers]
        return [*compress(numbers, self._taken(numbers))]

    def again(self, numbers: Sequence[int]) -> list[int]:
        """Take in numbers; those of them that are not new, as often as they come."""
        if self._take_new(numbers):
            return []
        return [number for number, new in zip(numbers, self._taken(numbers), strict=True) if not new]

    def update(self, numbers: Sequence[int]) -> None:
        """Take in numbers, new or not."""
        try:
            self._maps[0].update(numbers)
        except OverflowError:
            self._taken(numbers)

    def within(self, numbers: Sequence[int]) -> list[int]:
        """Those of some numbers that are in the set."""
        return [number for number in numbers if number & LOWER in self._maps[number >> BITS]]

    def __contains__(self, number: int) -> bool:
        return number & LOWER in self._maps[number >> BITS]

    def missing(self, other: Numbers) -> Iterator[int]:
        """The numbers of another set that are not in this one."""
        for upper, map in other._maps.items():
            yield from (upper << BITS | lower for lower in map - self._maps[upper])

    def common(self, other: Numbers) -> Iterator[int]:
        """The numbers that are in both sets."""
        for upper, map in other._maps.items():
            yield from (upper << BITS | lower for lower in map & self._maps[upper])

    def _take_new(self, numbers: Sequence[int]) -> bool:
        """Take in numbers at once, if all are new and of 64 bits; whether they are."""
        try:
            some, mine = BitMap64(numbers), self._maps[0]
        except OverflowError:
            return False
        if len(some) < len(numbers) or mine.intersect(some):
            return False
        mine |= some
        return True

    def _taken(self, numbers: Sequence[int]) -> list[bool]:
        """Take in numbers one by one; of each, whether it is new."""
        news = []
        for number in numbers:
            map, lower = self._maps[number >> BITS], number & LOWER
            news.append(lower not in map)
            map.add(lower)
        return news


class Mentions:
    """Numbers of 64 bits that are asked for once there are no more; large ones take eight bytes each."""

    def __init__(self) -> None:
        self._near = Numbers()
        self._far = array("Q")

    def update(self, numbers: Sequence[int]) -> None:
        """Take in numbers."""
        if max(numbers, default=0) < NEAR:
            self._near.update(numbers)
            return
        self._near.update([number for number in numbers if number < NEAR])
        self._far.extend([number for number in numbers if number >= NEAR])

    def outside(self, numbers: Numbers) -> Iterator[int]:
        """The numbers that are not in a set."""
        yield from numbers.missing(self._near)
        yield from (number for number in self._far if number not in numbers)
