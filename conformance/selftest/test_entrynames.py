"""Names of directories that come in any order are told apart as sets of pairs tell them."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
