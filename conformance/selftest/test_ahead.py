"""Items that are made ahead: their order, their failures, and that nothing goes on when nobody wants them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from metaparity.drivers.engine.ahead import ROOM, ahead


def makers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "metaparity ahead"]


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_order(threads: int) -> None:
    with ahead(iter(range(1000)), threads) as items:
        assert [*items] == [*range(1000)]
    assert makers() == []


def test_made_while_others_are_used() -> None:
    """The next items are ready before they are asked for; with one thread they are not."""
    made = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(100):
            made.release()
            yield number

    with ahead(items()) as ready:
        next(ready)
        for _ in range(ROOM):
            assert made.acquire(timeout=5)
    with ahead(items(), 1) as ready:
        assert not [*zip(ready, (), strict=False)]


@pytest.mark.parametrize("threads", [0, 1])
def test_a_failure_comes_in_its_place(threads: int) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with ahead(items(), threads) as ready:
        assert next(ready) == 1
        with pytest.raises(ValueError, match="no more"):
            next(ready)
    assert makers() == []


def test_what_nobody_wants_is_not_made() -> None:
    """A block that has enough leaves no thread, though items without end were to come."""
    made = []

    def endless() -> Iterator[int]:
        while True:
            made.append(1)
            yield 1

    with ahead(endless()) as ready:
        next(ready)
    assert makers() == []
    assert len(made) < 100
