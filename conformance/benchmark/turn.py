"""Dump, load, back up or restore a volume once, and tell what it took: a program for `dumps`.

stdin gets an `Order` as JSON, stdout the seconds and the bytes.  A program of its own, so that the memory is
that of an engine and of nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from metaparity.drivers import registry
from metaparity.drivers.api import Engine
from metaparity.drivers.bridge.engine import BridgeEngine

from .measure import peak_memory
from .workloads import CONFIG

ACTS: dict[str, Callable[[Engine, str], None]] = {
    "dump": lambda fs, path: fs.dump(path),
    "load": lambda fs, path: fs.load_dump(path),
    "backup": lambda fs, path: fs.backup(path),
    "restore": lambda fs, path: fs.restore(path),
}
"""What is timed, in an order in which each has what it needs."""

SOURCES = {"load": "dump", "restore": "backup"}
"""What fills an empty database, and what has made its file."""


@dataclass(frozen=True)
class Order:
    """What to do once: `driver` as the registry has it, the address of the database, the file."""

    driver: str
    address: str
    act: str
    path: str


def carried_out(order: Order) -> dict[str, float]:
    """Open a client, do it, close it.  Raises what the engine raises."""
    driver = registry.driver(order.driver)
    engine = driver.open(driver.url(order.address), CONFIG)
    try:
        # Both connect a client that has not been: none does that while its time is taken.
        if order.act in SOURCES:
            engine.reset()
        else:
            engine.load()
        began = time.perf_counter()
        ACTS[order.act](engine, order.path)
        seconds = time.perf_counter() - began
        memory = peak_memory(engine.pid if isinstance(engine, BridgeEngine) else "self")
    finally:
        engine.close()
    return {"seconds": seconds, "memory": memory}


if __name__ == "__main__":
    json.dump(carried_out(Order(**json.load(sys.stdin))), sys.stdout)
