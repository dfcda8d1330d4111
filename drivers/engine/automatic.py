"""Automatic backups (L5.23): when one is due, what it is called, and which of the older ones go.

Clients of a volume share the work by an attribute of its root: who finds in it that the last backup is
younger than the interval makes none.  All times are given; nothing here looks at a clock, a volume or a disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise

from ..errors import Refused

LAST = b"lastBackup"
"""The extended attribute of the root that tells when the last backup was begun."""

OFTEN = timedelta(hours=1)
MANY = 1_000_000
"""A volume of more inodes is not backed up as often as each hour."""

THREADS = 2
"""How many read for a backup: it is to burden the server little."""

_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)")
_NAME = re.compile(r"dump-(\d{4}-\d\d-\d\d-\d{6})\.json\.gz", re.ASCII)
_IN_NAME = "%Y-%m-%d-%H%M%S"

_KEPT_WHOLE = 2
_STRETCHES = ((14, 1), (60, 7), (0, 30))
"""Up to so many days ago, and the days of which one dump is kept then; at last without an end."""


def stamp(now: datetime) -> bytes:
    """What the attribute says of a backup begun `now`, as Go writes RFC 3339: whole seconds, in its zone."""
    return now.isoformat(timespec="seconds").replace("+00:00", "Z").encode()


def is_due(last: bytes, now: datetime, interval: timedelta) -> bool:
    """Whether a backup is to be made, where the attribute says `last`; empty where there is none.

    Raises `Refused` when it says no time.
    """
    if not last:
        return True
    try:
        if not _TIME.fullmatch(last):
            raise ValueError
        time = datetime.fromisoformat(last.decode())
    except ValueError:
        raise Refused(
            f"the attribute lastBackup of the volume's root says {last[:40]!r}, which is no time: remove it"
        ) from None
    return now - time >= interval


def is_too_large(inodes: int, interval: timedelta) -> bool:
    """Whether a volume of so many inodes is not to be backed up as often as that."""
    return interval <= OFTEN and inodes > MANY


def name_of(now: datetime) -> str:
    """The name of the file of a backup begun `now`."""
    return f"dump-{now.astimezone(UTC).strftime(_IN_NAME)}.json.gz"


def is_name(name: str) -> bool:
    """Whether a file of this name is a backup."""
    return _time_of(name) is not None


def outdated(names: Iterable[str], now: datetime) -> list[str]:
    """Those of the names that are of dumps to delete, when the last backup was begun `now`.

    All of the last 2 days stay, then the earliest of each day up to 2 weeks ago, of each week up to 2 months
    (63 days), and of each 30 days up to 2 years; what is older goes.  Of other names nothing is said.
    """
    now = now.astimezone(UTC)
    oldest = _two_years_before(now)
    found = sorted((time, name) for name in names if (time := _time_of(name)))
    gone = [name for time, name in found if time < oldest]
    edges = _edges(now)
    edge = next(edges)

    def stretch(dump: tuple[datetime, str]) -> datetime:
        nonlocal edge
        while dump[0] < edge:
            edge = next(edges)
        return edge

    first = edge
    for begin, dumps in groupby(reversed(found[len(gone) :]), stretch):
        if begin != first:
            gone.extend(later for (_, later), _ in pairwise(dumps))
    return gone


def _edges(now: datetime) -> Iterator[datetime]:
    """Where the stretches begin, the latest first: two days ago, then those of which one dump is kept."""
    days = _KEPT_WHOLE
    while True:
        yield now - timedelta(days)
        days += next(length for until, length in _STRETCHES if days < until or not until)


def _two_years_before(now: datetime) -> datetime:
    """The same day and time; of a 29 February it is the 1 March, as Go has it."""
    if (now.month, now.day) == (2, 29):
        return now.replace(year=now.year - 2, month=3, day=1)
    return now.replace(year=now.year - 2)


def _time_of(name: str) -> datetime | None:
    """When the dump of this name was begun; None where it is no name of one."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], _IN_NAME).replace(tzinfo=UTC)
    except ValueError:
        return None
