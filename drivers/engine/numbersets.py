"""Sets of numbers that take little room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

PAGE = 128
"""Numbers of a page, neighbours all."""

EMPTY = bytes(PAGE)


class Pages(dict[int, bytearray]):
    """Pages by their numbers; one that is asked for is there."""

    def __missing__(self, number: int) -> bytearray:
        page = self[number] = bytearray(PAGE)
        return page


class Numbers:
    """A set of numbers of which most neighbours are there, too: two bytes for each."""

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

    def again(self, numbers: Iterable[int]) -> list[int]:
        """Take in numbers; those of them that are not new, as often as they come."""
        pages = self._pages
        known = []
        for number in numbers:
            page, at = pages[number // PAGE], number % PAGE
            if page[at]:
                known.append(number)
            page[at] = True
        return known

    def within(self, numbers: Iterable[int]) -> list[int]:
        """Those of some numbers that are in the set."""
        get = self._pages.get
        return [number for number in numbers if get(number // PAGE, EMPTY)[number % PAGE]]

    def update(self, numbers: Iterable[int]) -> None:
        """Take in numbers, new or not."""
        pages = self._pages
        for number in numbers:
            pages[number // PAGE][number % PAGE] = True

    def __contains__(self, number: int) -> bool:
        return bool(self._pages.get(number // PAGE, EMPTY)[number % PAGE])

    def missing(self, other: Numbers) -> Iterator[int]:
        """The numbers of another set that are not in this one."""
        for number, page in other._pages.items():
            mine = self._pages.get(number, EMPTY)
            if mine != page:
                yield from (number * PAGE + at for at in range(PAGE) if page[at] and not mine[at])

    def common(self, other: Numbers) -> Iterator[int]:
        """The numbers that are in both sets."""
        for number in self._pages.keys() & other._pages.keys():
            mine, page = self._pages[number], other._pages[number]
            yield from (number * PAGE + at for at in range(PAGE) if mine[at] and page[at])
