"""The files that are or were open in this client, and what is cached of them (R13, N23, S7.7)."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..types import Attr, Slice, Time

IDLE = 12 * 3600
"""Seconds that a closed file stays in the table (S7.7.4)."""

SWEEP = 1000
"""Files looked at by one sweep, and the seconds between two sweeps (S7.7.4)."""

ALL_CHUNKS, ATTR_ONLY = 0xFFFFFFFF, 0xFFFFFFFE
"""Chunk indexes of `invalidate` that stand for something else (N23.1)."""


@dataclass(slots=True)
class OpenFile:
    """One file of the table; times are seconds of the monotonic clock."""

    attr: Attr | None = None
    """Kept only where attributes are trusted at all."""
    mtime: Time | None = None
    checked: float = float("-inf")
    references: int = 0
    used: float = 0.0
    chunks: dict[int, list[Slice]] = field(default_factory=dict)
    version: int = 0
    """Counts invalidations: what was read before one must not be cached after it."""


class OpenFiles:
    """Reference counts, attributes and assembled chunks by inode.  Safe for many threads.

    Attributes are trusted for `expire` seconds; closed files beyond `limit` are forgotten early (0: never).
    """

    def __init__(self, expire: float = 0.0, limit: int = 0) -> None:
        self._lock = threading.Lock()
        self._expire = expire
        self._limit = limit
        self._files: dict[int, OpenFile] = {}
        self._unlinked: set[int] = set()
        self._swept = time.monotonic()

    # -- references --------------------------------------------------------------------------------

    def open(self, inode: int, attr: Attr | None) -> None:
        """Count one more reference; chunks of another mtime are dropped (N20.2)."""
        with self._lock:
            self._sweep()
            file = self._files.get(inode)
            if file is None:
                file = self._files[inode] = OpenFile()
            file.references += 1
            if attr is not None:
                self._refresh(file, attr)

    def reopen(self, inode: int) -> Attr | None:
        """As `open` with the cached attributes; None when they are not to be trusted (N20.1)."""
        with self._lock:
            file = self._files.get(inode)
            if file is None or not self._trusted(file):
                return None
            file.references += 1
            return self._copy(file)

    def close(self, inode: int) -> bool:
        """Drop a reference; True when it was the last one of an unlinked file (N20.4)."""
        with self._lock:
            file = self._files.get(inode)
            if file is None:
                return False
            file.references = max(file.references - 1, 0)
            file.used = time.monotonic()
            if file.references or inode not in self._unlinked:
                return False
            self._unlinked.discard(inode)
            del self._files[inode]
            return True

    def is_open(self, inode: int) -> bool:
        """Whether this client holds a reference."""
        with self._lock:
            return self._is_open(inode)

    def unlinked(self, inode: int) -> bool:
        """Remember that a file lost its last name; False when it is not open any more."""
        with self._lock:
            if not self._is_open(inode):
                return False
            self._unlinked.add(inode)
            return True

    # -- attributes --------------------------------------------------------------------------------

    def attr(self, inode: int) -> Attr | None:
        """The cached attributes, None when they are not to be trusted (N7.1)."""
        with self._lock:
            file = self._files.get(inode)
            return None if file is None or not self._trusted(file) else self._copy(file)

    def refresh(self, inode: int, attr: Attr) -> None:
        """Note attributes just read; chunks of another mtime are dropped (N7.4)."""
        with self._lock:
            if file := self._files.get(inode):
                self._refresh(file, attr)

    # -- chunks ------------------------------------------------------------------------------------

    def version(self, inode: int) -> int | None:
        """What `keep_chunk` has to be given: taken before the chunk is read; None outside the table."""
        with self._lock:
            file = self._files.get(inode)
            return None if file is None else file.version

    def chunk(self, inode: int, index: int) -> list[Slice] | None:
        """The pieces of a cached chunk."""
        with self._lock:
            file = self._files.get(inode)
            kept = None if file is None else file.chunks.get(index)
            return None if kept is None else [replace(piece) for piece in kept]

    def keep_chunk(self, inode: int, index: int, pieces: Sequence[Slice], version: int | None) -> None:
        """Cache a chunk, unless something was invalidated since `version` was taken."""
        with self._lock:
            file = self._files.get(inode)
            if file is not None and file.version == version:
                file.chunks[index] = [replace(piece) for piece in pieces]

    def invalidate(self, inode: int, index: int = ATTR_ONLY) -> None:
        """Trust the attributes no more, and forget one chunk, `ALL_CHUNKS` or none (N23.1)."""
        with self._lock:
            file = self._files.get(inode)
            if file is None:
                return
            file.version += 1
            file.checked = float("-inf")
            if index == ALL_CHUNKS:
                file.chunks.clear()
            else:
                file.chunks.pop(index, None)

    # -- inside ------------------------------------------------------------------------------------

    def _is_open(self, inode: int) -> bool:
        file = self._files.get(inode)
        return file is not None and file.references > 0

    def _trusted(self, file: OpenFile) -> bool:
        return time.monotonic() - file.checked < self._expire

    @staticmethod
    def _copy(file: OpenFile) -> Attr | None:
        return None if file.attr is None else replace(file.attr)

    def _refresh(self, file: OpenFile, attr: Attr) -> None:
        if file.mtime != attr.mtime:
            file.version += 1
            file.chunks.clear()
            file.mtime = attr.mtime
        if self._expire:
            file.attr = replace(attr)
        file.checked = file.used = time.monotonic()

    def _sweep(self) -> None:
        now = time.monotonic()
        if now - self._swept < 1:
            return
        self._swept = now
        for inode, file in list(self._files.items())[:SWEEP]:
            crowded = 0 < self._limit < len(self._files)
            if not file.references and (crowded or now - file.used > IDLE):
                del self._files[inode]
