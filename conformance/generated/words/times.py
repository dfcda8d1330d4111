"""The words of virtual time."""

from __future__ import annotations

from metaparity.drivers.types import Time

from ..draw import Call, Draw, word
from .accounts import settled

BEGIN: Time = (1600000000, 123456789)
"""When virtual time begins."""
LATER: tuple[Time, ...] = ((0, 1), (1, 0), (59, 999999999), (3599, 0), (3600, 0), (86401, 0), (2 * 86400, 5))
"""How much later it may be: within the second, at the end of an hour, a day after a file was read."""


@word(12)
def clock(d: Draw) -> list[Call]:
    """It is later, for both clients."""
    if d.world.now is None:
        return []
    return [*clocks(later(d.world.now, d.one(LATER)))]


def clocks(now: Time) -> list[Call]:
    """The clocks of both clients are set."""
    return [("clock_set@c1", {"now": list(now)}), ("clock_set@c2", {"now": list(now)})]


def later(now: Time, by: Time) -> Time:
    seconds, nanoseconds = divmod(now[1] + by[1], 10**9)
    return now[0] + by[0] + seconds, nanoseconds


@word(6)
def trash_cleanup(d: Draw) -> list[Call]:
    """What was removed in hours that are over goes for good: a client remembers where this one files."""
    if d.world.now is None:
        return []
    before = d.world.now[0] // 3600 * 3600 - d.one((0, 3600, 7200, 86400))
    return [*settled(), ("trash_cleanup", {"before": before}), *settled()]
