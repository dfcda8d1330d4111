"""Rounds of measurements, one at a time, each in a fresh process on a fresh scene."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product
from statistics import median
from typing import Any

from metaparity.drivers import registry
from metaparity.fixtures.delay import Delay
from metaparity.fixtures.provision import Place

from .measure import PATIENCE, Answer, Measured, Order
from .results import Cell, Results, Setting
from .scene import prepare
from .staleness import staleness

PINGS = 50
"""PINGs of which the median is told."""


def run(
    place: Place,
    drivers: Sequence[str],
    workloads: Sequence[str],
    settings: Sequence[Setting],
    seconds: float,
    rounds: int,
    progress: Callable[[str], object],
) -> Results:
    """Measure everything so many times: a round is over when each driver had its turn at each workload.

    The database at `place` is emptied.  `progress` gets one line at a time.  Raises `ConnectionError` when no
    forwarder for a delay starts.
    """
    facts: dict[str, Any] = {
        "metaparity": version("metaparity"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "server": place.facts(),
        "seconds": seconds,
        "rounds": rounds,
    }
    cells = {
        (workload, driver, setting): Cell(workload, driver, setting)
        for setting, workload, driver in product(settings, workloads, drivers)
    }
    with ExitStack() as ends:
        ways = {delay: way(place, delay, ends) for delay in sorted({one.delay for one in settings})}
        facts["networks"] = [{"delay_ms": delay, "ping_ms": ping(way)} for delay, way in ways.items()]
        for number, setting, workload in product(range(1, rounds + 1), settings, workloads):
            progress(f"round {number} of {rounds}, {setting}: {workload}")
            for driver in drivers:
                cell = cells[workload, driver, setting]
                if not (cell.unsupported or cell.failed):
                    spots = prepare(place, setting.threads)
                    address = ways[setting.delay].address
                    spelling = registry.asked_for_as(driver)
                    _take_turn(cell, Order(spelling, address, workload, seconds, spots))
    progress("staleness of what is cached")
    found = [staleness(place, driver) for driver in drivers]
    facts["staleness"] = [asdict(one) for one in found if one is not None]
    return Results(facts, list(drivers), list(workloads), list(settings), cells)


def way(place: Place, delay: float, ends: ExitStack) -> Place:
    """The database by a way on which a round trip takes so many milliseconds more."""
    if not delay:
        return place
    forwarder = Delay(*place.endpoint, delay / 1e3)
    ends.callback(forwarder.close)
    return place.by_way_of(forwarder.port)


def ping(place: Place) -> float:
    """Milliseconds that a PING takes."""
    taken = []
    with place.connect() as raw:
        raw.ping()
        for _ in range(PINGS):
            before = time.perf_counter()
            raw.ping()
            taken.append((time.perf_counter() - before) * 1e3)
    return median(taken)


def _take_turn(cell: Cell, order: Order) -> None:
    """Measure once, and note it in the cell; a failure is noted there, too, for the table to show."""
    try:
        answer = _measured(order)
    except (RuntimeError, subprocess.TimeoutExpired) as failure:
        cell.failed = str(failure)
        return
    cell.timed, cell.unsupported = answer.timed, answer.unsupported
    if answer.measured is not None:
        cell.rounds.append(answer.measured)


def _measured(order: Order) -> Answer:
    """Raises `RuntimeError` with the last words of a process that ended without an answer."""
    words = [sys.executable, "-m", "metaparity.conformance.benchmark.measure"]
    done = subprocess.run(
        words,
        input=json.dumps(asdict(order)),
        capture_output=True,
        text=True,
        timeout=order.seconds * 2 + 2 * PATIENCE,
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1])
    told: dict[str, Any] = json.loads(done.stdout)
    measured = told.pop("measured")
    return Answer(**told, measured=measured and Measured(**measured))
