"""The log of mutations: its reader and its trimming (S8)."""

from __future__ import annotations

from collections.abc import Iterator

from ..types import ROOT, Context
from .core import Core
from .database import check_cancelled

PAGE = 1000
"""Lines of one round trip."""

TRIM = 10_000
"""Lines that one command trims at most (S4.4)."""


class ChangeLog(Core):
    """changelog_scan, and what keeps the log short."""

    def changelog_scan(self, after: int = 0, max: int = 0, *, ctx: Context = ROOT) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        cursor = 0
        while True:
            check_cancelled(ctx)
            first, lines = self._page(cursor)
            for version, line in enumerate(lines, first + cursor):
                if version > after:
                    found.append((version, line.decode("utf-8", "surrogateescape")))
                    if len(found) == max:
                        return found
                    after = version
            if not lines:
                return found
            cursor += len(lines)

    def _page(self, cursor: int) -> tuple[int, list[bytes]]:
        """The version of the oldest line, and some lines from a place in the list on (S8.3)."""
        while True:
            newest, length, lines, length_after, newest_after = self.db.read(
                ("GET", self.keys.txn_last_log),
                ("LLEN", self.keys.txn_log),
                ("LRANGE", self.keys.txn_log, cursor, cursor + PAGE - 1),
                ("LLEN", self.keys.txn_log),
                ("GET", self.keys.txn_last_log),
            )
            # What has grown or been trimmed meanwhile is read again.
            if (newest, length) == (newest_after, length_after):
                return int(newest or 0) - length + 1, lines

    def trim_changelog(self) -> None:
        """Drop lines that are too many or too old, by the settings of the volume (S8.4)."""
        most, oldest = self._limit("ChangeLogMaxLines"), self._limit("ChangeLogMaxAge")
        length = self.db.read_one("LLEN", self.keys.txn_log)
        dropped = length - most if 0 < most < length else 0
        if oldest:
            dropped = max(dropped, self._expired(self.seconds() - oldest))
        while dropped > 0:
            part = min(dropped, TRIM)
            self.db.write(("LTRIM", self.keys.txn_log, part, -1))
            dropped -= part

    def _limit(self, setting: str) -> int:
        return int(self.format.get(setting) or 0)

    def _expired(self, cutoff: float) -> int:
        """How many lines there are before the first that is not older than a time in seconds."""
        for number, line in enumerate(self._lines()):
            written = line.partition(b"|")[0]
            try:
                if float(written) >= cutoff:
                    return number
            except ValueError:
                continue
        return int(self.db.read_one("LLEN", self.keys.txn_log))

    def _lines(self) -> Iterator[bytes]:
        start = 0
        while lines := self.db.read_one("LRANGE", self.keys.txn_log, start, start + PAGE - 1):
            yield from lines
            start += len(lines)
