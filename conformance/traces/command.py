"""`metaparity replay`: traces on one driver or several, each on a database of its own making."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from metaparity.drivers import registry
from metaparity.drivers.api import CAPABILITIES
from metaparity.drivers.bridge import EngineFailure
from metaparity.drivers.registry import Driver
from metaparity.fixtures.provision import Place, Provider
from metaparity.fixtures.volumes import Volume

from ..harness import keyspaces
from ..harness.choices import DEFAULT_DRIVERS, known_drivers
from ..harness.exits import USAGE, complain
from ..harness.rendering import Normal
from .files import load_all
from .form import Trace, missing
from .replay import replay

SHOWN = 12
"""Differences of one replay that are shown."""


def replay_files(options: argparse.Namespace) -> int:
    """Replay traces; returns 0 where nothing differs, 1 for differences, 2 and 3 as `run` does."""
    try:
        drivers = [registry.driver(name) for name in known_drivers(options.driver or DEFAULT_DRIVERS)]
        provider = Provider(options.server, options.allow_flush)
        traces = [trace for path in options.traces for trace in load_all(Path(path))]
    except OSError as missing_file:
        return complain(f"{missing_file.filename}: {missing_file.strerror}", USAGE)
    try:
        place = provider.place()
        differing = [trace for trace in traces if not _agree(trace, drivers, place)]
    finally:
        provider.close()
    what = "trace" if len(traces) == 1 else "traces"
    server = f"{place.software} {place.version} ({place.kind})"
    print(f"{len(traces)} {what}, {len(differing)} with differences; server {server}")
    return 1 if differing else 0


def _agree(trace: Trace, drivers: Sequence[Driver], place: Place) -> bool:
    """Replay a trace on each driver and tell what differs, step by step and in the keys that are left."""
    left: dict[str, dict[str, str]] = {}
    same = True
    for driver in drivers:
        lacking = missing(trace, driver.capabilities)
        if lacking:
            known = all(one in CAPABILITIES for one in lacking)
            told = "needs" if known else "calls what is not in the protocol:"
            _tell("unsupported", driver, trace, f"{told} {', '.join(lacking)}")
            continue
        differing, keys = _replayed(trace, driver, place)
        if driver.forget is None:
            left[driver.name] = keys
        same = same and not differing
        _tell("differs" if differing else "ok", driver, trace, f"{len(trace.steps)} steps")
        for line in differing[:SHOWN]:
            print(f"    {line}")
        if len(differing) > SHOWN:
            print(f"    ... and {len(differing) - SHOWN} more")
    for line in _different_keys(left):
        same = False
        print(f"    {line}")
    return same


def _tell(verdict: str, driver: Driver, trace: Trace, more: str) -> None:
    print(f"{verdict:<12}{driver.name:<11} {trace.name}: {more}", flush=True)


def _replayed(trace: Trace, driver: Driver, place: Place) -> tuple[list[str], dict[str, str]]:
    """What differs from the trace, and the keys that are left."""
    start = time.time_ns()
    with place.connect() as raw:
        volume = Volume(driver, place, raw)
        volume.reset()
        try:
            differing = [str(one) for one in replay(trace, volume.connect)]
            volume.settle()
            return differing, keyspaces.rows(volume.keyspace(), Normal(start, time.time_ns()))
        except EngineFailure as failure:
            return [f"the driver failed: {failure.reason}"], {}
        finally:
            volume.close()


def _different_keys(left: dict[str, dict[str, str]]) -> Iterator[str]:
    """Which keys the first driver left otherwise than another."""
    first, *others = left.items() if left else [("", {})]
    for name, rows in others:
        for key in sorted(first[1] | rows):
            one, other = first[1].get(key, "nothing"), rows.get(key, "nothing")
            if one != other:
                yield f"key {key}: {first[0]} {one}, {name} {other}"
