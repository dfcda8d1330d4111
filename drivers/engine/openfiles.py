"""Which inodes are open in this client, and which of those have lost their last name (R13)."""

from __future__ import annotations

import threading


class OpenFiles:
    """Reference counts by inode.  Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._references: dict[int, int] = {}
        self._unlinked: set[int] = set()

    def open(self, inode: int) -> None:
        """Count one more reference."""
        with self._lock:
            self._references[inode] = self._references.get(inode, 0) + 1

    def close(self, inode: int) -> bool:
        """Drop a reference; True when it was the last one of an unlinked file (N20.4)."""
        with self._lock:
            left = self._references.get(inode, 0) - 1
            if left > 0:
                self._references[inode] = left
                return False
            self._references.pop(inode, None)
            if inode not in self._unlinked:
                return False
            self._unlinked.discard(inode)
            return True

    def is_open(self, inode: int) -> bool:
        """Whether this client holds a reference."""
        return inode in self._references

    def unlinked(self, inode: int) -> bool:
        """Remember that a file lost its last name; False when it is not open any more."""
        with self._lock:
            if inode not in self._references:
                return False
            self._unlinked.add(inode)
            return True
