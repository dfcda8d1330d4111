"""What is made ahead: its order, its failures, and that nothing goes on when nobody wants it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from metaparity.conformance.verbs import soon
from metaparity.drivers.engine.ahead import ROOM, ahead, aside


def makers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("metaparity a")]


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


class Trouble(BaseException):
    """What ends a block, as Ctrl-C does."""


def test_who_fails_does_not_wait_for_what_is_being_made() -> None:
    """The thread ends after the item that it is making, which may take as long as a server is silent."""
    begun, go, made = threading.Event(), threading.Event(), []

    def slow() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number
            begun.set()
            go.wait(10)

    def fails() -> None:
        with ahead(slow()) as items:
            next(items)
            assert begun.wait(10)
            raise Trouble

    with pytest.raises(Trouble):
        fails()
    assert not go.is_set()
    assert makers() != []
    go.set()
    assert soon(lambda: makers() == [])
    assert len(made) <= 2


def test_who_fails_does_not_wait_for_calls() -> None:
    """Those that have not begun are not made."""
    begun, go, made = threading.Event(), threading.Event(), []

    def slow() -> None:
        begun.set()
        go.wait(10)
        made.append(1)

    def fails() -> None:
        with aside(2) as call:
            for _ in range(100):
                call(slow)
            assert begun.wait(10)
            raise Trouble

    with pytest.raises(Trouble):
        fails()
    assert makers() != []
    assert made == []
    go.set()
    assert soon(lambda: makers() == [])
    assert len(made) <= 2


def test_calls_are_made_aside() -> None:
    """Two calls that wait for each other both end; who asks for a result gets it, or the failure."""
    gate = threading.Barrier(2, timeout=10)
    with aside(2) as call:
        results = [call(gate.wait) for _ in range(2)]
        assert sorted(result() for result in results) == [0, 1]
        with pytest.raises(ZeroDivisionError):
            call(divmod, 1, 0)()
    assert makers() == []


def test_with_one_thread_a_call_is_made_when_its_result_is_wanted() -> None:
    made: list[int] = []
    with aside(1) as call:
        result = call(made.append, 1)
        assert made == []
        result()
    assert made == [1]


def test_calls_that_nobody_waits_for_are_not_made() -> None:
    """The end of the block waits for those that have begun, and drops the others."""
    begun, go, made = threading.Event(), threading.Event(), []

    def slow() -> None:
        begun.set()
        go.wait(10)
        made.append(1)

    with aside(2) as call:
        for _ in range(100):
            call(slow)
        assert begun.wait(10)
        threading.Timer(0.05, go.set).start()
    assert makers() == []
    assert 0 < len(made) <= 2
