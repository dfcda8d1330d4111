"""What this client holds back or caches of the volume's figures (R9, R12)."""

from __future__ import annotations

import threading

from ..types import Attr, DirStat, FileType
from .codec import aligned


def contribution(attr: Attr) -> tuple[int, int]:
    """What one entry adds to its directory: bytes of content, bytes of space (S3.7)."""
    length = attr.length if attr.type == FileType.FILE else 0
    return length, aligned(length)


def entry_space(attr: Attr) -> int:
    """What one entry adds to the space of the directories above it, in bytes."""
    return contribution(attr)[1]


class PendingDirStats:
    """Changes of directory statistics that are not on the server yet.  Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deltas: dict[int, DirStat] = {}

    def add(self, directory: int, length: int, space: int, inodes: int) -> None:
        """Add to what the children of a directory add up to (bytes, bytes, count)."""
        with self._lock:
            delta = self._deltas.setdefault(directory, DirStat())
            delta.length += length
            delta.space += space
            delta.inodes += inodes

    def entry(self, directory: int, attr: Attr, count: int) -> None:
        """`count` entries of a node came (or, negative, went)."""
        length, space = contribution(attr)
        self.add(directory, count * length, count * space, count)

    def pending(self, directory: int, stored: DirStat) -> DirStat:
        """What is stored plus what is pending."""
        with self._lock:
            delta = self._deltas.get(directory, DirStat())
            return DirStat(
                stored.length + delta.length, stored.space + delta.space, stored.inodes + delta.inodes
            )

    def take(self) -> dict[int, DirStat]:
        """All pending changes, which are the caller's from now on."""
        with self._lock:
            taken, self._deltas = self._deltas, {}
        return taken


class CachedUsage:
    """The volume's usage as this client knows it: unknown (-1) until the first refresh (R12)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.space = self.inodes = -1

    def set(self, space: int, inodes: int) -> None:
        """What the server says: bytes, count."""
        with self._lock:
            self.space, self.inodes = space, inodes

    def add(self, space: int, inodes: int) -> None:
        """What this client itself has changed since."""
        with self._lock:
            self.space += space
            self.inodes += inodes
