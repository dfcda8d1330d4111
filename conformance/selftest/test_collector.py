"""Python looks for cycles less often in a block, and as often as before behind the last one."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from metaparity.drivers.engine.collector import OBJECTS, seldom_collected


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """What is set is set again after a test."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_a_block_in_a_block() -> None:
    gc.set_threshold(321, 7, 8)
    with seldom_collected():
        assert gc.get_threshold() == (OBJECTS, 7, 8)
        with pytest.raises(ValueError, match="failed"), seldom_collected():
            raise ValueError("failed")
        assert gc.get_threshold() == (OBJECTS, 7, 8)
    assert gc.get_threshold() == (321, 7, 8)


@pytest.mark.parametrize("usual", [0, OBJECTS + 1])
def test_who_wants_it_never_or_seldom_gets_that(usual: int) -> None:
    gc.set_threshold(usual, 7, 8)
    with seldom_collected():
        assert gc.get_threshold() == (usual, 7, 8)
    assert gc.get_threshold() == (usual, 7, 8)


def test_blocks_of_two_threads() -> None:
    """Whichever ends last restores what was set before the first."""
    gc.set_threshold(321, 7, 8)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with seldom_collected():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with seldom_collected():
        thread.start()
        assert inside.wait(10)
    assert gc.get_threshold() == (OBJECTS, 7, 8)
    leave.set()
    thread.join()
    assert gc.get_threshold() == (321, 7, 8)
