"""What clients do by themselves once an hour, one of them at a time (S7.5, S7.6)."""

from __future__ import annotations

from collections.abc import Callable

from ..types import TRASH_INODE
from .changelog import ChangeLog
from .cleanup import Cleanup
from .sessions import Sessions

HOUR = 3600
ELECTION = HOUR * 9 // 10
"""Seconds within which no other client does the same job."""

LOG_PERIOD = 300
"""Seconds between two trims of the change log."""

MAX_FILES = 600_000
"""Files whose data one run deletes (S4.4)."""

GRACE = 2
"""Hours beyond its days that a trash directory is kept (N35.1)."""


class Jobs(Cleanup, ChangeLog, Sessions):
    """The hourly jobs of a client that does background work."""

    def begin_jobs(self) -> None:
        """Start them all; each waits an hour first."""
        for job in (self.clean_files, self.clean_slices, self.clean_trash):
            self.background.every(HOUR, job)
        if self.format.change_log:
            self.background.every(LOG_PERIOD, self.clean_changelog)

    def clean_files(self) -> None:
        """Delete the data of files that were removed more than an hour ago."""
        self._if_elected(
            self.keys.last_cleanup_files,
            "lastCleanupFiles",
            lambda now: self.delete_pending_files(now - HOUR, MAX_FILES),
        )

    def clean_slices(self) -> None:
        """Delete the slices that nothing refers to."""
        counter = self.keys.next_cleanup_slices
        self._if_elected(counter, "nextCleanupSlices", lambda now: self.clean_references())

    def clean_trash(self) -> None:
        """Empty the hour directories, and let go of the slices, that have been kept long enough."""
        if not self.db.read_one("EXISTS", self.keys.attr(TRASH_INODE)):
            return

        def clean(now: int) -> None:
            days = self.format.trash_days
            self.trash_cleanup(now - (24 * days + GRACE) * HOUR)
            self.release_delayed(now - 24 * days * HOUR)

        self._if_elected(self.keys.last_cleanup_trash, "lastCleanupTrash", clean)

    def clean_changelog(self) -> None:
        """Drop lines of the change log that are too many or too old."""
        counter = self.keys.last_cleanup_changelog
        if self.elected(counter, "lastCleanupChangelog", self.now()[0], LOG_PERIOD * 9 // 10):
            self.trim_changelog()

    def _if_elected(self, counter: bytes, name: str, job: Callable[[int], object]) -> None:
        now = self.now()[0]
        if self.elected(counter, name, now, ELECTION):
            job(now)
