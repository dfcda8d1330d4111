"""`metaparity roundtrips`: how often each primitive of a driver waits for the server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib.resources import as_file, files

from metaparity.drivers import registry
from metaparity.drivers.api import PRIMITIVES
from metaparity.drivers.errors import Unsupported
from metaparity.drivers.registry import Driver
from metaparity.fixtures.faults import Proxy
from metaparity.fixtures.provision import Place, Provider
from metaparity.fixtures.volumes import Volume

from .harness.budgets import TABLE, budgets, cost, write_table
from .harness.choices import DEFAULT_DRIVERS, known_drivers
from .scenes.typical import CALLS


def roundtrips(options: argparse.Namespace) -> int:
    """Print the table; returns 0, and 2 and 3 as `run` does."""
    drivers = [registry.driver(name) for name in known_drivers(options.driver or DEFAULT_DRIVERS)]
    provider = Provider(options.server, options.allow_flush)
    try:
        place = provider.place()
        columns = {driver.name: dict(measured(driver, place)) for driver in drivers}
    finally:
        provider.close()
    for line in table(columns):
        print(line)
    print(
        f"round trips (and the commands in them) on {place.software} {place.version} ({place.kind}); "
        "1 (1) -> 0 is one, and none once all was asked that a client may keep; - is not offered"
    )
    if options.write:
        _write(columns)
    return 0


def measured(driver: Driver, place: Place) -> Iterator[tuple[str, str]]:
    """What each call costs that a driver offers."""
    with place.connect() as raw, Proxy(*place.endpoint) as network:
        volume = Volume(driver, place.by_way_of(network.port), raw)
        for number, call in enumerate(CALLS, 1):
            _progress(f"{driver.name}: {number} of {len(CALLS)} calls")
            if PRIMITIVES[call.method].capability not in driver.capabilities:
                continue
            volume.reset()
            volume.format(EnableACL=True)
            try:
                yield call.id, cost(volume, network, call)
            except Unsupported:
                continue
            finally:
                volume.close()
        _progress("")
        raw.flushdb()


def table(columns: dict[str, dict[str, str]]) -> Iterator[str]:
    """One line for each call, one column for each driver."""
    rows = [("call", *columns)]
    rows += [(call.id, *(costs.get(call.id, "-") for costs in columns.values())) for call in CALLS]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _write(columns: dict[str, dict[str, str]]) -> None:
    """Put what was measured in the table of the spec."""
    costs = {call: dict(by_driver) for call, by_driver in budgets().items()}
    for driver, found in columns.items():
        for call, text in found.items():
            costs.setdefault(call, {})[driver] = text
    with as_file(files("metaparity.conformance").joinpath(TABLE)) as path:
        write_table(costs, path)
        print(f"wrote {path}")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
