"""Calls that are let in until a session is closed, and waited for then."""

from __future__ import annotations

import errno
import threading

from ..errors import refuse_if


class Gate:
    """A context for whatever must not outlast a session.  Safe for many threads."""

    def __init__(self) -> None:
        self._shut = False
        self._inside = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # entered by the lock only, as in redis/pool.py

    def __enter__(self) -> None:
        """Go in.  Raises EBADF once it is shut."""
        with self._lock:
            refuse_if(self._shut, errno.EBADF)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            self._changed.notify_all()

    def shut(self) -> None:
        """Let nobody in any more, and return when all are out."""
        with self._lock:
            self._shut = True
            self._changed.wait_for(lambda: not self._inside)

    def open(self) -> None:
        """Let callers in again."""
        with self._lock:
            self._shut = False
