"""What is kept for later: in its order, whether it is in memory or in a file."""

from __future__ import annotations

import weakref

import pytest

from metaparity.drivers.engine.spool import Spool


@pytest.mark.parametrize("group", [1, 3, 1000])
@pytest.mark.parametrize("room", [0, 1, 50, 99, 100, 1000])
def test_order(group: int, room: int) -> None:
    """Items come out as they went in, each once."""
    with Spool[int](group, room) as spool:
        for number in range(100):
            spool.put(number)
        spool.end()
        assert spool.number == 100
        assert [*spool] == [*range(100)]
        assert [*spool] == []


def test_given_up() -> None:
    """What has been taken out takes no memory any more."""

    class Item:
        """Something that can be referred to weakly."""

    with Spool[Item](room=10) as spool:
        for _ in range(3):
            spool.put(Item())
        spool.end()
        left = []
        for item in spool:
            left.append(weakref.ref(item))
            del item
            assert [one() for one in left] == [None] * len(left)
    assert len(left) == 3


@pytest.mark.parametrize(("room", "kept"), [(0, 0), (9, 1), (10, 2), (14, 2), (15, 3), (1000, 100)])
def test_room(room: int, kept: int) -> None:
    """Memory takes items of five up to the first for which it has no room, and none after that."""
    with Spool[tuple[int]](room=room) as spool:
        items = [(number,) for number in range(100)]
        for item in items:
            spool.put(item, 5)
        spool.end()
        got = [*spool]
    assert got == items
    assert sum(one is item for one, item in zip(got, items, strict=True)) == kept
