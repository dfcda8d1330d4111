"""What a run measured, as it is written with --json.

The file is one object:

- `metaparity`, `python`, `platform`, `started` (UTC), `cores`: where and when
- `server`: `kind`, `software`, `version`, `detail`, `passed_over`, as in the report of a run
- `seconds`, `rounds`: how long each measurement took, and how often it was made
- `drivers`: the names, in the order of the columns
- `networks`: for each delay `delay_ms` that was asked for, and the `ping_ms` that a PING took by that way
- `staleness`: for each driver that caches how long it showed what another client had changed: `changes`,
  `at_once` (shown at the first read after the change), `never`, `p50`, `p99`, `max` (µs)
- `cells`: one object for each workload, number of threads, delay and driver:
  - `workload`, `case`, `changes`, `threads`, `delay_ms`, `driver`
  - `timed`, where the loop ran: `python`, `program` (the engine's own) or `bridge` (Python, for an engine
    in a program that has no `bench.run`)
  - `unsupported` or `failed`: the reason where there is nothing, else empty
  - `rounds`: each measurement: `operations`, `elapsed` (s), `p50`, `p99`, `max` (latency in µs), `cpu` (s, of
    the engine's process, -1 where unknown), `memory` (bytes at most, -1 where unknown)
  - `rate`: operations a second: `low`, `median` and `high` over the rounds
  - `p50_us`, `p99_us`, `cpu_us` (CPU of an operation): medians over the rounds; `memory_mb`: the largest of
    them; null where there is nothing
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from .measure import Measured
from .workloads import WORKLOADS

REFERENCE = "juicefs"
"""The driver to whose rate the others are compared."""


@dataclass(frozen=True)
class Spread:
    """The least, the middle and the greatest of some values."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True)
class Setting:
    """Under which load and by which way: threads of one client, milliseconds that a round trip takes more."""

    threads: int
    delay: float

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{threads}, {f'{self.delay:g} ms away' if self.delay else 'loopback'}"


@dataclass
class Cell:
    """One workload on one driver in one setting."""

    workload: str
    driver: str
    setting: Setting
    timed: str = ""
    rounds: list[Measured] = field(default_factory=list)
    unsupported: str = ""
    failed: str = ""

    @property
    def rate(self) -> Spread | None:
        """Operations a second."""
        return self._spread(lambda one: one.operations / one.elapsed)

    def _spread(self, figure: Callable[[Measured], float]) -> Spread | None:
        if self.failed or not self.rounds:
            return None
        return Spread.of([figure(one) for one in self.rounds])

    def to_json(self) -> dict[str, Any]:
        kind = WORKLOADS[self.workload]
        rate = self.rate
        known = rate is not None and min(one.memory for one in self.rounds) >= 0
        p50, p99 = self._spread(lambda one: one.p50), self._spread(lambda one: one.p99)
        cpu = self._spread(lambda one: one.cpu / one.operations * 1e6) if known else None
        memory = self._spread(lambda one: one.memory / (1 << 20)) if known else None
        return {
            "workload": self.workload,
            "case": kind.case,
            "changes": kind.changes,
            "threads": self.setting.threads,
            "delay_ms": self.setting.delay,
            "driver": self.driver,
            "timed": self.timed,
            "unsupported": self.unsupported,
            "failed": self.failed,
            "rounds": [asdict(one) for one in self.rounds],
            "rate": rate and asdict(rate),
            "p50_us": p50 and p50.median,
            "p99_us": p99 and p99.median,
            "cpu_us": cpu and cpu.median,
            "memory_mb": memory and memory.high,
        }


@dataclass
class Results:
    """A whole run; `facts` are the fields of the file that say where, when and how."""

    facts: dict[str, Any]
    drivers: list[str]
    workloads: list[str]
    settings: list[Setting]
    cells: dict[tuple[str, str, Setting], Cell]
    """By workload, driver and setting."""

    def cell(self, workload: str, driver: str, setting: Setting) -> Cell:
        return self.cells[workload, driver, setting]

    def ratio(self, cell: Cell) -> float | None:
        """The rate of a cell by that of the reference in the same setting; None where there is none."""
        reference = self.cells.get((cell.workload, REFERENCE, cell.setting))
        if reference is None or reference is cell:
            return None
        ours, its = cell.rate, reference.rate
        return None if ours is None or its is None else ours.median / its.median

    def to_json(self) -> dict[str, Any]:
        return {
            **self.facts,
            "drivers": self.drivers,
            "cells": [cell.to_json() for cell in self.cells.values()],
        }
