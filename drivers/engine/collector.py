"""Python's search for reference cycles, less often where much is made that is in none."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS = 100_000
"""So many objects more are made before the next look at the youngest; 700 are usual."""

_lock = threading.Lock()
_blocks = 0
_usual = gc.get_threshold()


@contextmanager
def seldom_collected() -> Iterator[None]:
    """A block that makes millions of small objects: looking at them takes up to a sixth of its time.

    It holds for the whole process, so cycles of other threads live a little longer.
    """
    global _blocks, _usual
    with _lock:
        if not _blocks:
            _usual = gc.get_threshold()
            if _usual[0]:  # zero means that nothing is ever collected
                gc.set_threshold(max(OBJECTS, _usual[0]), *_usual[1:])
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks:
                gc.set_threshold(*_usual)
