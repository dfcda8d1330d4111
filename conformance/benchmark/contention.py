"""`metaparity contend`: processes of several drivers that want the same locks of one volume at once."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import redis

from metaparity.drivers import registry
from metaparity.drivers.errors import Unfit
from metaparity.drivers.types import Config
from metaparity.fixtures.provision import Place, Provider
from metaparity.reports import files

from ..harness.choices import known_drivers
from ..scenes import locking
from .scene import prepare

KINDS = ("flock", "plock")
COUNTER = "contended"
PATIENCE = 120.0
"""Seconds that a process may take beyond the time for which locks are wanted."""


@dataclass
class Share:
    """What one driver had of a lock that all wanted."""

    kind: str
    driver: str
    grants: int
    waits: int
    """How many of the grants were refused at first, and waited for."""
    mean_wait_ms: float
    longest_wait_ms: float


@dataclass
class Contended:
    """One kind of lock: the shares, and how far all counted under the lock without any other protection."""

    shares: list[Share]
    counted: int

    @property
    def exact(self) -> bool:
        """Whether each grant has counted."""
        return self.counted == sum(one.grants for one in self.shares)


def contend(options: argparse.Namespace) -> int:
    """Contend, and print the table; returns 0, 1 where a counter is not exact, 2 and 3 as `run` does."""
    provider = Provider(options.server, options.allow_flush)
    drivers = known_drivers(options.driver or ("redis", "rueidis"))
    try:
        place = provider.place()
        found = [contended(place, drivers, kind, options.seconds) for kind in KINDS]
    except ConnectionError as lost:
        raise Unfit(str(lost)) from lost
    finally:
        provider.close()
    print("\n".join(table(found)))
    if options.json:
        text = json.dumps([{**asdict(one), "exact": one.exact} for one in found], indent=1) + "\n"
        files.replace(Path(os.path.abspath(options.json)), text)
    return 0 if all(one.exact for one in found) else 1


def contended(place: Place, drivers: Sequence[str], kind: str, seconds: float) -> Contended:
    """Have a process of each driver take a lock, count and let go of it for so many seconds.

    The database at `place` is emptied.
    """
    prepare(place, 0)
    url = f"redis://{place.address}"
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "metaparity.conformance.benchmark.contention"),
                *(registry.asked_for_as(name), registry.driver(name).url(place.address)),
                *(url, kind, str(owner), str(seconds)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for owner, name in enumerate(drivers)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.communicate(timeout=seconds + PATIENCE)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    with place.connect() as raw:
        counted = int(raw.get(COUNTER) or 0)
    return Contended([Share(**json.loads(text)) for text in told], counted)


def take_part(name: str, url: str, server: str, kind: str, owner: str, seconds: str) -> None:
    """One process: what it had of the lock goes to standard output, as JSON."""
    take: Any = getattr(locking, kind)
    fs = registry.driver(name).open(url, Config(no_bg_jobs=True, heartbeat=600.0))
    fs.load()
    fs.session_new(True)
    raw: Any = redis.Redis.from_url(server, protocol=2)
    print("ready", flush=True)
    sys.stdin.readline()
    grants, waited = 0, list[float]()
    deadline = time.monotonic() + float(seconds)
    while time.monotonic() < deadline:
        asked = time.monotonic()
        try:
            take(fs, int(owner), locking.W)
        except BlockingIOError:
            take(fs, int(owner), locking.W, True)
            waited.append(time.monotonic() - asked)
        raw.set(COUNTER, int(raw.get(COUNTER) or 0) + 1)
        grants += 1
        take(fs, int(owner), locking.U)
    fs.session_close()
    fs.close()
    mean, longest = sum(waited) / max(1, len(waited)), max(waited, default=0.0)
    share = Share(kind, name, grants, len(waited), round(mean * 1000, 2), round(longest * 1000, 2))
    print(json.dumps(asdict(share)), flush=True)


def table(found: Sequence[Contended]) -> list[str]:
    """The figures as text: a row for each kind of lock and driver."""
    lines = [
        f"{'lock':<7}{'driver':<22}{'grants':>8}{'waits':>8}{'mean wait':>12}{'longest':>12}",
        *(
            f"{one.kind:<7}{one.driver:<22}{one.grants:>8}{one.waits:>8}{one.mean_wait_ms:>9.2f} ms"
            f"{one.longest_wait_ms:>9.2f} ms"
            for part in found
            for one in part.shares
        ),
    ]
    for part in found:
        grants = sum(one.grants for one in part.shares)
        word = "exact" if part.exact else "WRONG: two had it at once"
        lines.append(f"{part.shares[0].kind}: {part.counted} counted in {grants} grants, {word}")
    return lines


if __name__ == "__main__":
    take_part(*sys.argv[1:])
