"""Sets of numbers: as Python's sets are, for numbers of any size."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from metaparity.drivers.engine.numbersets import NEAR, Mentions, Numbers

NUMBERS = st.sampled_from([0, 1, 2, 1 << 16, 1 << 63, (1 << 64) - 1, 1 << 64, 1 << 64 | 1, 5 << 64 | 2, -1])
SOME = st.lists(NUMBERS, max_size=4)


def news(known: set[int], numbers: Iterable[int]) -> list[bool]:
    """Of each number whether a set has not had it, which takes it in."""
    new = []
    for number in numbers:
        new.append(number not in known)
        known.add(number)
    return new


@given(st.lists(st.tuples(st.sampled_from(["add", "fresh", "again", "update", "within"]), SOME)), SOME)
def test_as_a_set(calls: list[tuple[str, list[int]]], others: list[int]) -> None:
    """Every call says what is new and what is not, and in its order."""
    numbers, known = Numbers(), set[int]()
    for name, some in calls:
        if name == "within":
            assert numbers.within(some) == [number for number in some if number in known]
            continue
        told = news(known, some)
        wanted = {
            "add": told,
            "fresh": [number for number, new in zip(some, told, strict=True) if new],
            "again": [number for number, new in zip(some, told, strict=True) if not new],
            "update": None,
        }
        got = [numbers.add(number) for number in some] if name == "add" else getattr(numbers, name)(some)
        assert got == wanted[name]
    assert {number for number in [*others, *known] if number in numbers} == known
    other = Numbers()
    other.update(others)
    assert sorted(numbers.missing(other)) == sorted({*others} - known)
    assert sorted(numbers.common(other)) == sorted({*others} & known)


SEEN = st.lists(st.sampled_from([0, 1, NEAR - 1, NEAR, NEAR + 1, 1 << 63, (1 << 64) - 1]), max_size=5)


@given(st.lists(SEEN, max_size=3), SEEN)
def test_mentions(batches: list[list[int]], known: list[int]) -> None:
    """What is mentioned and not in a set is found, be it large or small."""
    mentions, numbers = Mentions(), Numbers()
    for batch in batches:
        mentions.update(batch)
    numbers.update(known)
    assert {*mentions.outside(numbers)} == {number for batch in batches for number in batch} - {*known}


def test_bytes_of_a_mention() -> None:
    """Large numbers that are far from each other take few bytes."""
    mentions = Mentions()
    batches = [range(start << 40, start + 1000 << 40, 1 << 40) for start in range(1, 50_000, 1000)]
    tracemalloc.start()
    try:
        for batch in batches:
            mentions.update(batch)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 50_000 * 12
    assert len([*mentions.outside(Numbers())]) == 50_000
