"""What clients do by themselves once an hour, one of them at a time (S7.5, S7.6)."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..types import TRASH_INODE
from .cleanup import Cleanup
from .sessions import Sessions

HOUR = 3600
ELECTION = HOUR * 9 // 10
"""Seconds within which no other client does the same job."""

MAX_FILES = 600_000
"""Files whose data one run deletes (S4.4)."""

GRACE = 2
"""Hours beyond its days that a trash directory is kept (N35.1)."""


class Jobs(Cleanup, Sessions):
    """The hourly jobs of a client that does background work."""

    def begin_jobs(self) -> None:
        """Start them all; each waits an hour first."""
        for job in (self.clean_files, self.clean_slices, self.clean_trash):
            self.background.every(HOUR, job)

    def clean_files(self) -> None:
        """Delete the data of files that were removed more than an hour ago."""
        self._if_elected(
            self.keys.last_cleanup_files,
            lambda now: self.delete_pending_files(now - HOUR, MAX_FILES),
        )

    def clean_slices(self) -> None:
        """Delete the slices that nothing refers to."""
        self._if_elected(self.keys.next_cleanup_slices, lambda now: self.clean_references())

    def clean_trash(self) -> None:
        """Empty the hour directories, and let go of the slices, that have been kept long enough."""
        if not self.db.read_one("EXISTS", self.keys.attr(TRASH_INODE)):
            return

        def clean(now: int) -> None:
            days = self.format.trash_days
            self.trash_cleanup(now - (24 * days + GRACE) * HOUR)
            self.release_delayed(now - 24 * days * HOUR)

        self._if_elected(self.keys.last_cleanup_trash, clean)

    def _if_elected(self, counter: bytes, job: Callable[[int], object]) -> None:
        now = int(time.time())
        if self.elected(counter, now, ELECTION):
            job(now)
