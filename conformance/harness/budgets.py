"""What a call costs on the wire, and the table of what it may cost."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from metaparity.fixtures.faults import Proxy
from metaparity.fixtures.volumes import Volume

from ..scenes.typical import CALLS, Call, Scene

TABLE = "budgets.toml"

PAUSE = 0.02
"""Seconds that a reply takes while a call is measured.  What an engine does in the background meanwhile has
no reply before the call returns, so that only what the caller waited for counts."""

Costs = Mapping[str, Mapping[str, str]]
"""By call, then by driver: what `Cost` reads as."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Round trips that a call waits for, and the commands in them."""

    trips: int
    commands: int

    def __str__(self) -> str:
        return f"{self.trips} ({self.commands})" if self.trips else "0"


def cost(volume: Volume, network: Proxy, call: Call) -> str:
    """What a call costs on a fresh volume: cold, and where it differs warm behind an arrow.

    Cold is with nothing cached, warm once all was asked that a client may keep.  Raises what the call raises.
    """
    costs = [_measured(volume, network, call, warm) for warm in (False, True)]
    return " -> ".join(map(str, dict.fromkeys(costs)))


def _measured(volume: Volume, network: Proxy, call: Call, warm: bool) -> Cost:
    fs = volume.fs
    at = Scene(volume, int(warm))
    made = call.prepare(fs, at)
    fs.settle()
    caches = "cache.tracking" in volume.driver.capabilities
    if warm:
        call.warm(fs, at, made)
    elif caches:
        fs.cache_drop()
    if caches:
        fs.cache_stats()  # once all is told that the server had to tell of the preparation
    network.delay(replies=PAUSE)
    try:
        before = Cost(network.trips, network.commands)
        call.call(fs, at, made)
        return Cost(network.trips - before.trips, network.commands - before.commands)
    finally:
        network.delay()
        fs.settle()


def budgets() -> Costs:
    """The table.  Raises `ValueError` when it names a call that there is none of."""
    table = tomllib.loads(files("metaparity.conformance").joinpath(TABLE).read_text())
    if unknown := table.keys() - {call.id for call in CALLS}:
        raise ValueError(f"{TABLE} names calls that there are none of: {', '.join(sorted(unknown))}")
    return table


def write_table(costs: Costs, path: Path) -> None:
    """Write the table, in the order of the calls."""
    lines = [
        "# Round trips that a call waits for, and (the commands in them); cold -> warm where they differ.",
        "# Written by `metaparity roundtrips --write`; the proof is budget/a-call-costs-what-the-table-says.",
    ]
    for call in CALLS:
        if call.id in costs:
            lines += ["", f'["{call.id}"]']
            lines += [f'{_key(driver)} = "{text}"' for driver, text in sorted(costs[call.id].items())]
    path.write_text("\n".join(lines) + "\n")


def _key(driver: str) -> str:
    return driver if driver.isalnum() else f'"{driver}"'
