"""Sets of numbers that take little room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

WORD = 64


class Numbers:
    """A set of numbers of which most neighbours are there, too: a bit for each."""

    def __init__(self) -> None:
        self._words: dict[int, int] = {}

    def add(self, number: int) -> bool:
        """Take in a number; whether it is a new one."""
        word, bit = number // WORD, 1 << number % WORD
        known = self._words.get(word, 0)
        self._words[word] = known | bit
        return not known & bit

    def repeated(self, numbers: Iterable[int]) -> int | None:
        """Take in numbers up to the first that is no new one, which is returned; None if all are new."""
        words = self._words
        get = words.get
        for number in numbers:
            word, bit = number // WORD, 1 << number % WORD
            known = get(word, 0)
            if known & bit:
                return number
            words[word] = known | bit
        return None

    def fresh(self, numbers: Iterable[int]) -> list[int]:
        """Take in numbers; those of them that are new."""
        words = self._words
        get = words.get
        new = []
        for number in numbers:
            word, bit = number // WORD, 1 << number % WORD
            known = get(word, 0)
            if not known & bit:
                words[word] = known | bit
                new.append(number)
        return new

    def again(self, numbers: Iterable[int]) -> list[int]:
        """Take in numbers; those of them that are not new, as often as they come."""
        words = self._words
        get = words.get
        known_ones = []
        for number in numbers:
            word, bit = number // WORD, 1 << number % WORD
            known = get(word, 0)
            if known & bit:
                known_ones.append(number)
            else:
                words[word] = known | bit
        return known_ones

    def within(self, numbers: Iterable[int]) -> list[int]:
        """Those of some numbers that are in the set."""
        get = self._words.get
        return [number for number in numbers if get(number // WORD, 0) >> number % WORD & 1]

    def update(self, numbers: Iterable[int]) -> None:
        """Take in numbers, new or not."""
        words = self._words
        get = words.get
        for number in numbers:
            word = number // WORD
            words[word] = get(word, 0) | 1 << number % WORD

    def __contains__(self, number: int) -> bool:
        return bool(self._words.get(number // WORD, 0) >> number % WORD & 1)

    def missing(self, other: Numbers) -> Iterator[int]:
        """The numbers of another set that are not in this one."""
        for word, bits in other._words.items():
            yield from _numbers(word, bits & ~self._words.get(word, 0))

    def common(self, other: Numbers) -> Iterator[int]:
        """The numbers that are in both sets."""
        for word in self._words.keys() & other._words.keys():
            yield from _numbers(word, self._words[word] & other._words[word])


def _numbers(word: int, bits: int) -> Iterator[int]:
    return (word * WORD + bit for bit in range(WORD) if bits >> bit & 1)
