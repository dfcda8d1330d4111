"""The rules of automatic backups: when one is due, and which of the older dumps go (L5.23)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metaparity.drivers.engine.automatic import is_due, is_too_large, name_of, outdated, stamp
from metaparity.drivers.errors import Refused

NOW = datetime(2024, 5, 6, 7, 8, 9, 250_000, UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def names(*ages: timedelta, now: datetime = NOW) -> list[str]:
    """The dumps that were made so long before."""
    return [name_of(now - age) for age in ages]


# -- when one is due -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        (UTC, b"2024-05-06T07:08:09Z"),
        (timezone(timedelta(0), "WET"), b"2024-05-06T07:08:09Z"),
        (timezone(timedelta(hours=2)), b"2024-05-06T09:08:09+02:00"),
        (timezone(-timedelta(hours=3, minutes=30)), b"2024-05-06T03:38:09-03:30"),
    ],
)
def test_a_time_is_written_as_go_writes_it(zone: timezone, written: bytes) -> None:
    """It has the zone of the clock and whole seconds; and it is read again."""
    assert stamp(NOW.astimezone(zone)) == written
    assert not is_due(written, NOW, timedelta(seconds=1))
    assert is_due(written, NOW, timedelta(seconds=0.25))


@pytest.mark.parametrize(
    ("last", "due"),
    [
        (b"", True),
        (b"2024-05-06T06:08:08Z", True),
        (b"2024-05-06T06:08:09.25Z", True),
        (b"2024-05-06T06:08:09.250001Z", False),
        (b"2024-05-06T06:08:10Z", False),
        (b"2024-05-06T08:08:09+02:00", True),
        (b"2024-05-06T05:08:10-01:00", False),
        (b"2025-01-01T00:00:00Z", False),
        (b"0001-01-01T00:00:00+14:00", True),
    ],
)
def test_a_backup_is_due_an_interval_after_the_last(last: bytes, due: bool) -> None:
    """A volume that has none waits for one; a time to come is no reason to make one."""
    assert is_due(last, NOW, HOUR) is due


@pytest.mark.parametrize(
    "last",
    [
        *(b"2024-05-06", b"2024-05-06T06:08:09", b"2024-05-06 06:08:09Z", b"20240506T060809Z"),
        *(b"2024-05-06T06:08:60Z", b"2024-02-30T06:08:09Z", b"2024-05-06T06:08:09Z\n", b"\xff", b"now"),
    ],
)
def test_a_time_that_is_none(last: bytes) -> None:
    """It is said, rather than taken for one long ago."""
    with pytest.raises(Refused, match=r"lastBackup .* remove it"):
        is_due(last, NOW, HOUR)


@pytest.mark.parametrize(
    ("inodes", "interval", "large"),
    [
        (1_000_000, HOUR, False),
        (1_000_001, HOUR, True),
        (1_000_001, HOUR / 2, True),
        (1_000_001, HOUR + timedelta(microseconds=1), False),
    ],
)
def test_a_large_volume_is_not_backed_up_each_hour(inodes: int, interval: timedelta, large: bool) -> None:
    assert is_too_large(inodes, interval) is large


# -- which go ------------------------------------------------------------------------------------------


def test_a_name_tells_the_time_in_utc() -> None:
    assert name_of(NOW.astimezone(timezone(timedelta(hours=9)))) == "dump-2024-05-06-070809.json.gz"


def test_half_a_day_after_the_other() -> None:
    """Of two dumps a day over 100 days, what is left is what JuiceFS's own test of its rule expects."""
    there: list[str] = []
    first = NOW - 100 * DAY
    for number in range(201):
        now = first + number * DAY / 2
        there.append(name_of(now))
        gone = set(outdated(there, now))
        there = [name for name in there if name not in gone]
    left = [100, *range(65, 14, -7), *range(13, 2, -1), 2, 1.5, 1, 0.5, 0]
    assert there == names(*(days * DAY for days in left))


@pytest.mark.parametrize(
    ("ages", "gone"),
    [
        # A dump tells whole seconds, the clock a fraction more: two days ago to the second is before.
        ([DAY, DAY, 2 * DAY - timedelta(seconds=1)], []),
        ([2 * DAY, 2 * DAY + HOUR, 3 * DAY - timedelta(seconds=1)], [0, 1]),
        ([2 * DAY, 3 * DAY], []),
        ([14 * DAY, 20 * DAY, 21 * DAY], [0]),
        ([56 * DAY, 62 * DAY, 63 * DAY], [0]),
        ([63 * DAY, 92 * DAY, 93 * DAY], [0]),
        ([730 * DAY, 731 * DAY + timedelta(seconds=1)], [1]),
    ],
    ids=["two-days", "a-day", "days", "weeks", "two-months", "months", "two-years"],
)
def test_where_a_stretch_ends(ages: list[timedelta], gone: list[int]) -> None:
    """The earliest of each stretch stays; what is older than two years goes.  (2024 has a 29 February.)"""
    given = names(*ages)
    assert sorted(outdated(given, NOW)) == sorted(given[index] for index in gone)


def test_on_the_edge() -> None:
    """By a clock that shows a whole second, a dump may be as old as a stretch, and is of the later then."""
    now = NOW.replace(microsecond=0)
    ages = (2 * DAY, 2 * DAY + HOUR, 3 * DAY, 14 * DAY, 15 * DAY, 21 * DAY, 63 * DAY, 93 * DAY, 731 * DAY)
    assert outdated(names(*ages, now=now), now) == names(2 * DAY + HOUR, 15 * DAY, now=now)


@pytest.mark.parametrize(
    ("day", "kept"), [("2022-02-28", False), ("2022-03-01", False), ("2022-03-02", True)], ids=str
)
def test_two_years_before_a_29_february(day: str, kept: bool) -> None:
    """They lead to the 1 March, as Go has it."""
    now = datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert outdated([f"dump-{day}-115959.json.gz"], now) == ([] if kept else [f"dump-{day}-115959.json.gz"])


OTHERS = (
    "volume.json.gz",
    "dump-2001-01-01-000000.json",
    "dump-2001-01-01-000000.json.gz.part",
    ".dump-2001-01-01-000000.json.gz",
    "Dump-2001-01-01-000000.json.gz",
    "dump-2001-01-01-000000-json.gz",
    "dump-2001-13-01-000000.json.gz",
    "dump-2001-01-01-250000.json.gz",
    "dump-0000-01-01-000000.json.gz",
    "dump-2001-01-01-0000000.json.gz",
    "dump-2001-01-01-00000٠.json.gz",
    "dump-2001-01-01-000000.json.gz\n",
    "dump- 201-01-01-000000.json.gz",
)


def test_what_has_another_name_stays() -> None:
    """And it is no reason for a dump to go."""
    dump = names(3 * DAY)
    assert outdated([*OTHERS, *dump, *names(1000 * DAY)], NOW) == names(1000 * DAY)


def stretch(age: timedelta) -> int:
    """In which stretch of time an age is, of which one dump is kept: none is 0.

    Told in numbers, not by going from edge to edge.
    """
    micro = timedelta(microseconds=1)

    def begun(ago: timedelta, length: timedelta) -> int:
        return -(-(ago // micro) // (length // micro))

    if age <= 2 * DAY:
        return 0
    if age <= 14 * DAY:
        return begun(age - 2 * DAY, DAY)
    if age <= 63 * DAY:
        return 100 + begun(age - 14 * DAY, 7 * DAY)
    return 200 + begun(age - 63 * DAY, 30 * DAY)


def expected(times: list[datetime], now: datetime) -> Iterator[datetime]:
    """What goes by the rule: each that another of its stretch came before, and what is too old."""
    years = now.year - 2
    try:
        oldest = now.replace(year=years)
    except ValueError:
        oldest = now.replace(year=years, month=3, day=1)
    for time in times:
        place = stretch(now - time)
        rivals = [other for other in times if oldest <= other < time and stretch(now - other) == place]
        if time < oldest or (place and rivals):
            yield time


SECONDS = st.one_of(
    st.integers(-3 * 86400, 800 * 86400),
    st.builds(lambda days, off: days * 86400 + off, st.integers(0, 740), st.integers(-1, 1)),
)
"""Ages of dumps; many at the edges, and some from the future."""


CLOCKS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


@given(
    now=CLOCKS | CLOCKS.map(lambda now: now.replace(microsecond=0)),
    ages=st.lists(SECONDS, max_size=60, unique=True),
)
@example(now=datetime(2024, 2, 29, tzinfo=UTC), ages=[730 * 86400, 731 * 86400, 729 * 86400])
def test_outdated_is_the_rule(now: datetime, ages: list[int]) -> None:
    """Whatever there is, what goes is what a model says that knows no order; once gone, no more goes."""
    times = [now.replace(microsecond=0) - timedelta(seconds=age) for age in ages]
    gone = outdated([*OTHERS, *map(name_of, times)], now)
    assert sorted(gone) == sorted(map(name_of, expected(times, now)))
    left = [name for name in map(name_of, times) if name not in gone]
    assert outdated(left, now) == []
