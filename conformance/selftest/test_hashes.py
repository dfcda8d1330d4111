"""Hashes of very many things: what comes twice is found, at once or at the end."""

from __future__ import annotations

import tracemalloc
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from metaparity.drivers.engine import hashes
from metaparity.drivers.engine.hashes import Hashes

HASHES = st.lists(st.lists(st.integers(-5, 5).map(lambda number: number * 255), max_size=5), max_size=6)


@given(batches=HASHES, recent=st.integers(0, 5))
def test_as_a_set(batches: list[list[int]], recent: int) -> None:
    """What has come before is found at once among those that came last, and at the end in any case."""
    known, seen, found = set[int](), Hashes(), False
    with mock.patch.object(hashes, "RECENT", recent):
        for batch in batches:
            place = seen.second(batch)
            if place is not None:
                assert batch[place] in known or batch[place] in batch[:place]
                found = True
                break
            known.update(batch)
        assert (found or seen.twice()) == twice(batches)


@given(batch=st.lists(st.integers(-5, 5), max_size=8), recent=st.integers(0, 5))
def test_one_by_one(batch: list[int], recent: int) -> None:
    """The same of hashes that come alone."""
    seen = Hashes()
    with mock.patch.object(hashes, "RECENT", recent):
        new = [seen.add(hash) for hash in batch]
        assert (not all(new) or seen.twice()) == twice([batch])


def twice(batches: list[list[int]]) -> bool:
    """Whether anything comes twice."""
    every = [hash for batch in batches for hash in batch]
    return len({*every}) < len(every)


def test_the_last_are_known_at_once() -> None:
    """As long as there are not many, the place of the second is told."""
    seen = Hashes()
    assert seen.second([*range(1000)]) is None
    assert seen.second([2000, 999, 5]) == 1
    assert not seen.add(5)


def test_bytes_of_a_hash() -> None:
    """Of many, each takes few bytes, also while they are compared at the end."""
    seen = Hashes()
    with mock.patch.object(hashes, "RECENT", 1000):
        tracemalloc.start()
        try:
            for start in range(0, 100_000, 500):
                assert seen.second([hash((1, number)) for number in range(start, start + 500)]) is None
            assert not seen.twice()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 100_000 * 12 + 2000 * 100
