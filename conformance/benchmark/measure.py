"""Time one workload on one client: `python -m metaparity.conformance.benchmark.measure`.

stdin gets an `Order` as JSON, stdout an `Answer`.  The Go adapter of JuiceFS has the same loop (`bench.go`),
which is asked for as `bench.run`: the protocol adds more to a call than many an engine takes for it.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from metaparity.drivers import registry
from metaparity.drivers.api import Engine
from metaparity.drivers.bridge.engine import BridgeEngine
from metaparity.drivers.bridge.failures import EngineFault
from metaparity.drivers.errors import Unsupported

from .workloads import CONFIG, WORKLOADS, Spot, Step, Workload

BATCH = 200
"""Operations of a thread between two refills, where operations use something up."""

PATIENCE = 60.0
"""Seconds that a run in another program may take longer than it was asked to measure."""

UNKNOWN_METHOD = -32601

PYTHON, PROGRAM, BRIDGE = "python", "program", "bridge"
"""Where the loop ran: in this Python, in the engine's own program, or here for an engine that is there."""


@dataclass(frozen=True)
class Order:
    """What to measure: `driver` as the registry has it, the address of the database, seconds to count."""

    driver: str
    address: str
    workload: str
    seconds: float
    spots: list[Spot]


@dataclass(frozen=True)
class Measured:
    """One measurement: operations in so many seconds, their latencies in microseconds, the seconds of CPU of
    the process meanwhile and the most bytes of memory that it had; -1 where that cannot be told.
    """

    operations: int
    elapsed: float
    p50: float
    p99: float
    max: float
    cpu: float = -1.0
    memory: int = -1


@dataclass(frozen=True)
class Answer:
    """Where the loop ran and what it measured, or why this engine has nothing to measure."""

    timed: str
    measured: Measured | None = None
    unsupported: str = ""


class Worker:
    """One thread's share: its operations and how long each took, in nanoseconds."""

    def __init__(self, step: Step, refill: Step | None) -> None:
        self._step, self._refill = step, refill
        self._next = 0
        self.taken = array("q")
        self.began = self.ended = 0

    def warm(self) -> None:
        """One operation that does not count: connections are made, scripts are loaded."""
        self.refill(1)
        self._step(0)
        self._next = 1

    def refill(self, count: int) -> None:
        """Make what the next operations use up."""
        if self._refill is not None:
            for number in range(self._next, self._next + count):
                self._refill(number)

    def work(self, gate: threading.Barrier, seconds: float, batch: int | None) -> None:
        """Make operations until the time is up, or the batch has been made."""
        step, clock, note = self._step, time.perf_counter_ns, self.taken.append
        first = self._next
        numbers = itertools.count(first) if batch is None else range(first, first + batch)
        gate.wait()
        before = self.began = clock()
        until = before + int(seconds * 1e9)
        for number in numbers:
            step(number)
            now = clock()
            note(now - before)
            before = now
            if now >= until:
                break
        self._next, self.ended = number + 1, before


def measure(workers: Sequence[Worker], seconds: float, batch: int | None) -> Measured:
    """Let all workers work for so many seconds, refilling outside of them after each `batch`.

    Raises what an operation raises.
    """
    together(worker.warm for worker in workers)
    elapsed = cpu = 0.0
    while elapsed < seconds:
        if batch is not None:
            together(partial(worker.refill, batch) for worker in workers)
        gate = threading.Barrier(len(workers))
        before = time.process_time()
        together(partial(worker.work, gate, seconds - elapsed, batch) for worker in workers)
        cpu += time.process_time() - before
        elapsed += (max(one.ended for one in workers) - min(one.began for one in workers)) / 1e9
    memory = peak_memory()  # before that of the arithmetic below
    taken = sorted(itertools.chain.from_iterable(worker.taken for worker in workers))
    p50, p99, most = (percentile(taken, rank) / 1e3 for rank in (50, 99, 100))
    return Measured(len(taken), elapsed, p50, p99, most, cpu, memory)


def together(calls: Iterable[Callable[[], object]]) -> None:
    """Make each call in a thread of its own; raises the first failure once all have ended."""
    failures: list[BaseException] = []

    def run(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def percentile(ordered: Sequence[int], rank: float) -> int:
    """The smallest value that so many percent of the values do not exceed."""
    return ordered[max(0, -int(-len(ordered) * rank // 100) - 1)]


def peak_memory(process: int | str = "self") -> int:
    """The most bytes of memory that this process, or where Linux tells it another one, had at once.

    Linux's own figure for a process, because `getrusage` counts there what the parent had when it forked.
    """
    status = Path(f"/proc/{process}/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def carried_out(order: Order) -> Answer:
    """Open a client, measure, close it.  Raises what the engine raises."""
    driver, workload = registry.driver(order.driver), WORKLOADS[order.workload]
    engine = driver.open(driver.url(order.address), CONFIG)
    try:
        engine.load()
        engine.session_new(True)
        answer = _timed(engine, workload, order)
        engine.session_close()
        return answer
    except Unsupported as reason:
        return Answer(BRIDGE if isinstance(engine, BridgeEngine) else PYTHON, unsupported=reason.reason)
    finally:
        engine.close()


def _timed(engine: Engine, workload: Workload, order: Order) -> Answer:
    batch = None if workload.refill is None else BATCH
    if isinstance(engine, BridgeEngine):
        asked = {
            "workload": workload.name,
            "seconds": order.seconds,
            "batch": batch or 0,
            "spots": [asdict(spot) for spot in order.spots],
        }
        try:
            told = engine.extension("bench.run", asked, order.seconds + PATIENCE)
            return Answer(PROGRAM, Measured(**told))
        except EngineFault as fault:
            if fault.code != UNKNOWN_METHOD:
                raise
    workers = [
        Worker(workload.start(engine, spot), workload.refill and workload.refill(engine, spot))
        for spot in order.spots
    ]
    measured = measure(workers, order.seconds, batch)
    if isinstance(engine, BridgeEngine):  # most of what it costs is in the other program
        return Answer(BRIDGE, replace(measured, cpu=-1.0, memory=-1))
    return Answer(PYTHON, measured)


def main() -> None:
    given: dict[str, Any] = json.load(sys.stdin)
    order = Order(**{**given, "spots": [Spot(**spot) for spot in given["spots"]]})
    json.dump(asdict(carried_out(order)), sys.stdout)


if __name__ == "__main__":
    main()
