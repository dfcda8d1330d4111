"""Inode numbers, handed out from blocks that this client has reserved (S3.1, S3.2)."""

from __future__ import annotations

import threading
from collections.abc import Callable


class IdBlock:
    """Ids reserved `size` at a time: `reserve` answers the last one reserved.

    Ids below `first` are skipped.  What is left of a block when the client ends is lost (N42.3).
    """

    def __init__(self, reserve: Callable[[], int], size: int, first: int) -> None:
        self.reserve = reserve
        self.size = size
        self.first = first
        self._lock = threading.Lock()
        self._next = self._end = 0

    def take(self) -> int:
        """An id never handed out before.  Raises EROFS when a block has to be reserved."""
        with self._lock:
            if self._next >= self._end:
                last = self.reserve()
                self._next, self._end = max(last + 1 - self.size, self.first), last + 1
            taken = self._next
            self._next += 1
            return taken
