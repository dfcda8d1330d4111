"""Record locks as a model has them: ranges of each owner, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

from metaparity.drivers.types import Lock, LockType

Holder: TypeAlias = tuple[int, int]
"""The number of a client, and an owner."""


class Range(NamedTuple):
    """Bytes `start` to `end`, both of which belong to it."""

    type: LockType
    pid: int
    start: int
    end: int


def normal(ranges: Sequence[Range]) -> list[Range]:
    """The same bytes of the same types and processes, in as few ranges as can be."""
    found: list[Range] = []
    for one in sorted(ranges, key=lambda one: one.start):
        if found and found[-1][:2] == one[:2] and found[-1].end + 1 == one.start:
            one = found.pop()._replace(end=one.end)
        found.append(one)
    return found


def without(one: Range, other: Range) -> list[Range]:
    """What is left of a range where another lies over it."""
    ends = ((one.start, min(one.end, other.start - 1)), (max(one.start, other.end + 1), one.end))
    return [one._replace(start=start, end=end) for start, end in ends if start <= end]


class Model:
    """Who holds which ranges."""

    def __init__(self) -> None:
        self.held: dict[Holder, list[Range]] = {}

    def in_the_way(self, holder: Holder, asked: Range) -> dict[Holder, list[Range]]:
        """The ranges of each other owner that forbid a request."""
        if asked.type is LockType.U:
            return {}
        found = {
            other: [
                one
                for one in normal(ranges)
                if LockType.W in (asked.type, one.type)
                and max(one.start, asked.start) <= min(one.end, asked.end)
            ]
            for other, ranges in self.held.items()
            if other != holder
        }
        return {other: ranges for other, ranges in found.items() if ranges}

    def lay(self, holder: Holder, asked: Range) -> None:
        """Grant a request."""
        kept = list(chain.from_iterable(without(one, asked) for one in self.held.get(holder, [])))
        self.held[holder] = kept if asked.type is LockType.U else [*kept, asked]

    def answers(self, holder: Holder, asked: Range, told: Lock) -> bool:
        """Whether an engine may tell this of what is in the way: the first of any owner, or a piece of that
        which has the first byte in the way; the process only of the own session."""
        in_the_way = self.in_the_way(holder, asked)
        if not in_the_way:
            return told == Lock(LockType.U, 0, 0, 0)
        for other, (first, *_) in in_the_way.items():
            byte = max(first.start, asked.start)
            pid = first.pid if other[0] == holder[0] else 0
            inside = first.start <= told.start <= byte <= told.end <= first.end
            if inside and (told.type, told.pid) == (first.type, pid):
                return True
        return False
