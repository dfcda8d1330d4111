"""How long a client that caches goes on showing what another client has changed."""

from __future__ import annotations

import time
from dataclasses import dataclass

from metaparity.drivers import registry
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Attr, SetAttr
from metaparity.fixtures.provision import Place

from .measure import percentile
from .scene import prepare
from .workloads import CONFIG

CHANGES = 500
LONGEST = 1.0
"""Seconds after which a change that is not shown is given up."""


@dataclass(frozen=True)
class Staleness:
    """Of so many changes: how many the first read after them showed, and how many none; and how many
    microseconds after a change it was shown.
    """

    driver: str
    changes: int
    at_once: int
    never: int
    p50: float
    p99: float
    max: float

    def __str__(self) -> str:
        lost = f", {self.never} never within {LONGEST:g} s" if self.never else ""
        return (
            f"staleness of {self.driver}: {self.at_once / self.changes:.1%} of {self.changes} changes "
            f"by another client show at the first read after them; p50 {self.p50:.0f} µs, "
            f"p99 {self.p99:.0f} µs, longest {self.max:.0f} µs{lost}"
        )


def staleness(place: Place, name: str, changes: int = CHANGES) -> Staleness | None:
    """Change a file with one client and read it with another, which has it cached, until it shows the change.

    None for a client that keeps nothing.  The database is emptied.  The reader reads without a pause, which
    is the worst for a client whose threads share an interpreter: the word of the server has to wait for its
    turn.
    """
    (spot,) = prepare(place, 1)
    driver = registry.driver(name)
    if "cache.tracking" not in driver.capabilities:
        return None
    writer, reader = (_client(one, place) for one in (registry.driver("redis"), driver))
    taken: list[int] = []
    at_once = never = 0
    try:
        for _ in range(2):
            reader.getattr(spot.file)
        if not reader.cache_stats().entries:
            return None
        for number in range(1, changes + 1):
            reader.getattr(spot.file)
            writer.setattr(spot.file, SetAttr.UID, Attr(uid=number))
            changed = time.perf_counter_ns()
            last = changed + int(LONGEST * 1e9)
            reads = 1
            while not (shown := reader.getattr(spot.file).uid == number) and time.perf_counter_ns() < last:
                reads += 1
            taken.append(time.perf_counter_ns() - changed)
            at_once += shown and reads == 1
            never += not shown
    finally:
        reader.close()
        writer.close()
    taken.sort()
    p50, p99, most = (percentile(taken, rank) / 1e3 for rank in (50, 99, 100))
    return Staleness(name, changes, at_once, never, p50, p99, most)


def _client(driver: registry.Driver, place: Place) -> Engine:
    engine = driver.open(driver.url(place.address), CONFIG)
    engine.load()
    engine.session_new(True)
    return engine
