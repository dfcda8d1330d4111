"""Sets of numbers that take little room, each with a mark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress, repeat

PAGE = 128
"""Numbers of a page, neighbours all."""

EMPTY = bytes(PAGE)

PLAIN = repeat(1)
"""The marks where they do not matter."""


class Pages(dict[int, bytearray]):
    """Pages by their numbers; one that is asked for is there."""

    def __missing__(self, number: int) -> bytearray:
        page = self[number] = bytearray(PAGE)
        return page


class Numbers:
    """A set of numbers of which most neighbours are there, too: two bytes for each.

    A number has a mark from 1 to 255.
    """

    def __init__(self) -> None:
        self._pages = Pages()

    def add(self, number: int) -> bool:
        """Take in a number; whether it is a new one."""
        return not self.again([number])

    def fresh(self, numbers: Iterable[int]) -> list[int]:
        """Take in numbers; those of them that are new."""
        pages = self._pages
        new = []
        for number in numbers:
            page, at = pages[number // PAGE], number % PAGE
            if not page[at]:
                page[at] = True
                new.append(number)
        return new

    def again(self, numbers: Iterable[int], marks: Iterable[int] = PLAIN) -> list[int]:
        """Take in numbers with their marks; those of them that are not new, as often as they come."""
        pages, last = self._pages, None
        known = []
        for number, mark in zip(numbers, marks, strict=False):
            if (own := number // PAGE) != last:
                page, last = pages[own], own
            at = number % PAGE
            if page[at]:
                known.append(number)
            page[at] = mark
        return known

    def otherwise(self, numbers: Iterable[int], marks: Iterable[int]) -> list[int]:
        """Take in numbers with their marks, new or not; those of them that had another mark."""
        pages, last = self._pages, None
        odd = []
        for number, mark in zip(numbers, marks, strict=False):
            if (own := number // PAGE) != last:
                page, last = pages[own], own
            at = number % PAGE
            if page[at] != mark:
                if page[at]:
                    odd.append(number)
                page[at] = mark
        return odd

    def within(self, numbers: Iterable[int]) -> list[int]:
        """Those of some numbers that are in the set."""
        get = self._pages.get
        return [number for number in numbers if get(number // PAGE, EMPTY)[number % PAGE]]

    def mark(self, number: int) -> int:
        """The mark of a number, 0 of one that is not in the set."""
        return self._pages.get(number // PAGE, EMPTY)[number % PAGE]

    def __contains__(self, number: int) -> bool:
        return bool(self.mark(number))

    def unlike(self, other: Numbers) -> Iterator[int]:
        """The numbers of another set that this one has not, or with another mark."""
        for number, page in other._pages.items():
            mine = self._pages.get(number, EMPTY)
            if mine != page:
                told = compress(range(PAGE), page)
                yield from (number * PAGE + at for at in told if page[at] != mine[at])
