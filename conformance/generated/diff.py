"""`metaparity diff`: one generated history on several drivers at once, and what they disagree on."""

from __future__ import annotations

import argparse
import json
import secrets
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from metaparity.drivers import registry
from metaparity.drivers.bridge import EngineFailure
from metaparity.drivers.errors import Mistake, Unfit
from metaparity.fixtures.provision import Place, Provider

from ..harness.choices import known_drivers, require_writable
from ..traces.recorder import Unrecordable
from .history import Told, again, generate, opening
from .lanes import Lane, lane
from .shrink import PATIENCE, Shrinker
from .steering import pins_of
from .verdict import failed, save_trace, told, wrong
from .world import Step

DEFAULT = ("redis", "rueidis", "juicefs")


@dataclass
class Run:
    """What was made so far."""

    steps: int = 0
    histories: int = 0
    seconds: float = 0.0
    cells: set[tuple[str, str]] = field(default_factory=set)
    steered: dict[str, int] = field(default_factory=dict)

    def add(self, one: Told, seconds: float) -> None:
        self.steps += len(one.steps)
        self.histories += 1
        self.seconds += seconds
        self.cells |= one.cells
        for clause, count in one.steered.items():
            self.steered[clause] = self.steered.get(clause, 0) + count

    @property
    def pace(self) -> float:
        return self.steps / self.seconds if self.seconds else 0.0


def diff(options: argparse.Namespace) -> int:
    """Make histories; returns 0 where all agree, 1 for a disagreement, 2 for usage, 3 for the environment."""
    out = Path(options.out)
    names = known_drivers(options.driver or DEFAULT)
    if len(names) < 2:
        raise Mistake(f"{names[0]} alone disagrees with nobody: name another --driver, too")
    if options.steps < 1 or (options.minutes is not None and options.minutes <= 0):
        raise Mistake("a history needs at least one step and some time: see metaparity diff --help")
    provider = Provider(options.server, options.allow_flush)
    require_writable(out, "--out")
    lanes: list[Lane] = []
    try:
        places = [provider.place() for _ in names]
        lanes += [lane(name, place) for name, place in zip(names, places, strict=True)]
        return _histories(options, lanes, out)
    except EngineFailure as failure:
        raise Unfit(f"a driver cannot be opened any more: {failure}") from failure
    finally:
        for one in lanes:
            one.close()
        provider.close()


def _histories(options: argparse.Namespace, lanes: Sequence[Lane], out: Path) -> int:
    seed = secrets.randbelow(10**9) if options.seed is None else options.seed
    names = [lane.name for lane in lanes]
    pins = pins_of(names)
    until = time.monotonic() + 60 * (options.minutes or 0)
    run = Run()
    print(f"drivers {', '.join(names)}; server {_server(lanes[0].place)}; seed {seed}", flush=True)
    while True:
        started = time.monotonic()

        def progress(count: int, started: float = started, seed: int = seed) -> None:
            pace = count / max(time.monotonic() - started, 1e-9)
            _progress(f"seed {seed}: step {count} of {options.steps}, {pace:.0f} a second")

        one = generate(lanes, seed, options.steps, pins, progress)
        run.add(one, time.monotonic() - started)
        _progress("")
        if one.disagreement is not None:
            return _disagree(options, lanes, one, seed, out, run)
        if time.monotonic() >= until:
            break
        seed += 1
    _summary(run, "all agree")
    return 0


def _server(place: Place) -> str:
    return f"{place.software} {place.version} ({place.kind})"


def _disagree(
    options: argparse.Namespace, lanes: Sequence[Lane], one: Told, seed: int, out: Path, run: Run
) -> int:
    found = one.disagreement
    assert found is not None
    pins = pins_of([lane.name for lane in lanes])
    print(f"seed {seed}: they disagree after {len(one.steps)} steps")
    fixed = len(opening({}, {}))

    def shows(steps: Sequence[Step]) -> bool:
        other = again(lanes, steps, pins)
        return other is not None and other.signature == found.signature

    def progress(left: int, tries: int) -> None:
        _progress(f"shrinking: {left} steps left after {tries} tries")

    started = time.monotonic()
    if failed(found) and not shows(one.steps):
        # What ended a driver came from outside, or comes seldom: no try of fewer steps would show it.
        seen, steps, tries = None, one.steps, 1
    else:
        shrinker = Shrinker(one.steps, fixed, shows, progress, PATIENCE)
        steps = shrinker.shrunk()
        seen, tries = again(lanes, steps, pins), shrinker.tries
    _progress("")
    spent = f"{tries} {'try' if tries == 1 else 'tries'}, {time.monotonic() - started:.0f} s"
    if seen is None:
        print(f"the disagreement does not show each time: it is told as it was first seen ({spent})")
        seen, steps = found, one.steps
    else:
        print(f"shrunk to {len(steps) - fixed} steps and the {fixed} that make the volume ({spent}):")
        for step in steps[fixed:]:
            print(f"  {step.number}: {step.client}.{step.method}({_shown(step)})")
    for line in told(seen):
        print(line)
    guilty = wrong(seen)
    right = next((lane for lane in lanes if lane.name not in guilty), lanes[0])
    path = out / f"diff-{seed}.json"
    drivers = " ".join(f"--driver {shlex.quote(registry.asked_for_as(lane.name))}" for lane in lanes)
    try:
        save_trace(f"diff {seed}", steps, right, path)
        print(f"saved as {right.name} showed it; again: metaparity replay {shlex.quote(str(path))} {drivers}")
    except Unrecordable as why:
        print(f"no trace can hold it: {why}")
    print(f"the whole history again: metaparity diff {drivers} --steps {options.steps} --seed {seed}")
    _summary(run, "a disagreement")
    return 1


def _shown(step: Step) -> str:
    return ", ".join(f"{name}={json.dumps(one, ensure_ascii=False)}" for name, one in step.params.items())


def _summary(run: Run, verdict: str) -> None:
    for clause, count in sorted(run.steered.items()):
        print(f"steered around {clause}: {count} times")
    histories = "history" if run.histories == 1 else "histories"
    print(
        f"{verdict}: {run.steps} steps in {run.histories} {histories}, {run.pace:.0f} a second; "
        f"{len(run.cells)} cells reached"
    )


def _progress(text: str) -> None:
    """Say on a terminal how far it is; an empty text clears the line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
