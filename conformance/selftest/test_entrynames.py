"""Names of directories that come in any order are told apart as sets of pairs tell them."""

from __future__ import annotations

import tracemalloc
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.drivers.engine import entrynames, hashes
from metaparity.drivers.engine.entrynames import Names

ENTRIES = st.tuples(st.integers(1, 4), st.sampled_from([b"a", b"b", b"c", b"d", b"e"]))
BATCHES = st.lists(st.lists(ENTRIES, max_size=8), max_size=6)


def taken(names: Names, batch: list[tuple[int, bytes]]) -> int | None:
    return names.second([directory for directory, _ in batch], [name for _, name in batch])


@given(batches=BATCHES)
def test_as_a_set_of_pairs(batches: list[list[tuple[int, bytes]]]) -> None:
    """The first entry that has come before is found, wherever the one before it was."""
    names, pairs = Names(), set[tuple[int, bytes]]()
    for batch in batches:
        expected = next(
            (place for place, entry in enumerate(batch) if entry in pairs or entry in batch[:place]), None
        )
        assert taken(names, batch) == expected
        if expected is not None:
            break
        pairs.update(batch)


@pytest.mark.parametrize(
    ("batches", "place"),
    [
        pytest.param([[(1, b"a"), (1, b"a")]], 1, id="in-one-batch"),
        pytest.param([[(1, b"a")], [(1, b"b"), (1, b"a")]], 1, id="in-the-next-batch"),
        pytest.param([[(1, b"a")], [(2, b"a")], [(2, b"b"), (1, b"a")]], 1, id="after-another-directory"),
        pytest.param([[(1, b"a"), (2, b"a")], [(1, b"b"), (2, b"a")]], 1, id="of-two-that-go-on"),
        pytest.param([[(1, b"a"), (2, b"a"), (1, b"b")], [(1, b"a")]], 0, id="of-the-last-in-two-parts"),
        pytest.param([[(1, b"a")], [(1, b"b")], [(1, b"a")]], 0, id="of-one-in-three-batches"),
        pytest.param([[(1, b"a")], [], [(1, b"a")]], 0, id="after-nothing"),
        pytest.param([[(1, b"a")], [(2, b"a")], [(1, b"b")], [(2, b"a")]], 0, id="of-any-later"),
        pytest.param([[(1, b"a")], [(2, b"b")], [(1, b"c")], [(1, b"c")]], 0, id="of-what-came-since"),
    ],
)
def test_second_name(batches: list[list[tuple[int, bytes]]], place: int) -> None:
    """Each way in which a directory can have a name twice is seen, in the last of these batches."""
    names = Names()
    *before, last = batches
    assert [taken(names, batch) for batch in before] == [None] * len(before)
    assert taken(names, last) == place


@given(batches=BATCHES, many=st.integers(0, 4), recent=st.integers(0, 4))
def test_of_many(batches: list[list[tuple[int, bytes]]], many: int, recent: int) -> None:
    """Where there are too many to be known at once, what comes twice is found at the end."""
    names = Names()
    with mock.patch.object(entrynames, "MANY", many), mock.patch.object(hashes, "RECENT", recent):
        found = any(taken(names, batch) is not None for batch in batches) or names.twice()
    every = [entry for batch in batches for entry in batch]
    assert found == (len({*every}) < len(every))


@pytest.mark.parametrize("number", [1, 50_000])
def test_bytes_of_a_name_of_many(number: int) -> None:
    """Of one large directory, and of as many as there are names, a name takes few bytes, too."""
    names = Names()
    with mock.patch.object(entrynames, "MANY", 1000), mock.patch.object(hashes, "RECENT", 1000):
        tracemalloc.start()
        try:
            for start in range(0, 50_000, 100):
                places = range(start, start + 100)
                assert names.second([place % number for place in places], [b"%d" % n for n in places]) is None
            assert not names.twice()
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert taken < 50_000 * 16


def test_bytes_of_a_name() -> None:
    """Of directories that come whole, or go on in the next batch, a name takes few bytes."""
    names = Names()
    tracemalloc.start()
    try:
        for start in range(0, 50_000, 1000):
            places = range(start, start + 1000)
            assert names.second([1 + place // 300 for place in places], [b"%d" % n for n in places]) is None
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 50_000 * 16
