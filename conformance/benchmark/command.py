"""`metaparity bench`: its arguments, and what becomes of the figures."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from metaparity.drivers import registry
from metaparity.drivers.errors import Unfit
from metaparity.drivers.registry import UnreadyDriver
from metaparity.fixtures.provision import Provider
from metaparity.reports import files

from ..harness.choices import known_drivers, require_writable
from ..harness.numbers import MOST_THREADS, BadArgument, numbers
from . import dumps
from .page import PAGE, render
from .results import Setting
from .run import run
from .table import table
from .workloads import WORKLOADS

OURS = ("redis", "rueidis?cache-ttl=0", "rueidis")
THEIRS = ("juicefs", "juicefs?client-cache=true")
"""What is measured where no driver is named, JuiceFS if it is built."""

DUMPING = ("redis", "rueidis")

MOST_NODES = 10_000_000
MOST_DELAY = 1000.0
MOST_SECONDS = 60.0
MOST_ROUNDS = 100


def bench(options: argparse.Namespace) -> int:
    """Measure, and print the table; returns 0, 1 when a measurement failed, 2 and 3 as `run` does."""
    threads = numbers("--threads", options.threads, int, 1, MOST_THREADS)
    delays = numbers("--delay-ms", options.delay_ms, float, 0, MOST_DELAY)
    (seconds,) = numbers("--seconds", options.seconds, float, 0.01, MOST_SECONDS, 1)
    (rounds,) = numbers("--rounds", options.rounds, int, 1, MOST_ROUNDS, 1)
    workloads = chosen(options.only)
    sizes = numbers("--dumps", options.dumps, int, 1, MOST_NODES) if options.dumps else []
    provider = Provider(options.server, options.allow_flush)
    drivers = known_drivers(options.driver or _default(bool(sizes)))
    try:
        if options.json:
            require_writable(Path(os.path.abspath(options.json)).parent, "--json")
        if options.report:
            require_writable(Path(os.path.abspath(options.report)), "--report")
        if sizes:
            return _dumps(options, drivers, sizes, delays, rounds, provider)
        settings = [Setting(count, delay) for delay in delays for count in threads]
        results = run(provider.place(), drivers, workloads, settings, seconds, rounds, _progress)
    except ConnectionError as lost:
        raise Unfit(str(lost)) from lost
    finally:
        provider.close()
    for line in table(results):
        print(line)
    _write_json(options.json, results.to_json())
    if options.report:
        page = Path(os.path.abspath(options.report)) / PAGE
        files.replace(page, render(results))
        _progress(f"the page is {page}")
    return 1 if any(cell.failed for cell in results.cells.values()) else 0


def _dumps(
    options: argparse.Namespace,
    drivers: Sequence[str],
    sizes: Sequence[int],
    delays: Sequence[float],
    rounds: int,
    provider: Provider,
) -> int:
    """Time whole volumes, and print the table; returns 0, or 1 when a measurement failed."""
    rows = dumps.run(provider.place(), drivers, sizes, delays, rounds, _progress)
    for line in dumps.table(rows):
        print(line)
    _write_json(options.json, [row.to_json() for row in rows])
    return 1 if any(row.failed for row in rows) else 0


def _write_json(path: str | None, figures: object) -> None:
    if path:
        files.replace(Path(os.path.abspath(path)), json.dumps(figures, indent=1, allow_nan=False) + "\n")


def chosen(only: str | None) -> list[str]:
    """The workloads of these names, in the order in which they are made.  Raises `BadArgument`."""
    if only is None:
        return list(WORKLOADS)
    names = only.split(",")
    for name in names:
        if name not in WORKLOADS:
            raise BadArgument(f"there is no workload {name!r}: choose from {', '.join(WORKLOADS)}")
    return [name for name in WORKLOADS if name in names]


def _default(whole: bool) -> Sequence[str]:
    """The drivers that are measured; what is kept in a client is nothing to what reads a `whole` volume."""
    try:
        registry.driver(THEIRS[0]).check_ready()
    except UnreadyDriver as unready:
        _progress(f"juicefs is left out, and there are no ratios to it: {unready}")
        return DUMPING if whole else OURS
    return (*DUMPING, THEIRS[0]) if whole else (*OURS, *THEIRS)


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
