"""Time dumps, loads, backups and restores of a whole volume: `metaparity bench --dumps NODES`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from metaparity.drivers import registry
from metaparity.drivers.engine import codec
from metaparity.drivers.types import DIRECTORY_LENGTH, ROOT_INODE, Attr, FileType, Slice
from metaparity.fixtures.provision import Place
from metaparity.fixtures.volumes import FORMAT

from . import turn
from .results import REFERENCE, Spread
from .run import way
from .workloads import CONFIG

FILES = 100
"""Files of a directory."""

LENGTH = 1000
"""Bytes of a file, which has one slice."""

TIME = (1700000000, 123456789)

PATIENCE = 900.0
"""Seconds after which a measurement has failed."""


@dataclass
class Row:
    """One act of one driver on a volume of so many nodes; seconds and bytes of memory of each round."""

    nodes: int
    delay: float
    act: str
    driver: str
    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    failed: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "spread": asdict(Spread.of(self.seconds)) if self.seconds else None}


def run(
    place: Place,
    drivers: Sequence[str],
    sizes: Sequence[int],
    delays: Sequence[float],
    rounds: int,
    progress: Callable[[str], object],
) -> list[Row]:
    """Time every act with every driver in turns, so many times; the database at `place` is emptied.

    All load the file that the first driver has written in the same round.
    """
    rows = [Row(*one) for one in product(sizes, delays, turn.ACTS, drivers)]
    with ExitStack() as ends, tempfile.TemporaryDirectory(prefix="metaparity-") as folder:
        ways = {delay: way(place, delay, ends).address for delay in delays}
        for size, delay in product(sizes, delays):
            fill(place, size)
            for number, act in product(range(1, rounds + 1), turn.ACTS):
                progress(f"{size} nodes, {delay:g} ms more, round {number} of {rounds}: {act}")
                for row in rows:
                    if (row.nodes, row.delay, row.act) == (size, delay, act) and not row.failed:
                        writer = drivers[0] if act in turn.SOURCES else row.driver
                        path = Path(folder, f"{turn.SOURCES.get(act, act)}-{drivers.index(writer)}")
                        _take_turn(row, place, ways[delay], str(path))
    return rows


def fill(place: Place, nodes: int) -> None:
    """Put a volume of about so many nodes into the database, past every driver."""
    driver = registry.driver("redis")
    with place.connect() as raw:
        raw.flushdb(asynchronous=True)
        fs = driver.open(driver.url(place.address), CONFIG)
        fs.init(FORMAT)
        fs.close()
        directories = max(1, nodes // (FILES + 1))
        for number in range(directories):
            with raw.pipeline(transaction=False) as pipe:
                for command in directory(2 + number * (FILES + 1)):
                    pipe.execute_command(*command)
                pipe.execute()
        count = directories * (FILES + 1)
        root = codec.decode_attr(raw.get("i1"))
        root.nlink += directories
        raw.mset(
            {
                "i1": codec.encode_attr(root),
                "usedSpace": count * codec.aligned(LENGTH),
                "totalInodes": count,
                "nextinode": 1 + count,
                "nextchunk": 1 + count,
            }
        )


def directory(inode: int) -> Iterator[tuple[Any, ...]]:
    """The commands that make a directory in the root with its files, whose inodes follow."""
    common: dict[str, Any] = {"uid": 1000, "gid": 1000, **dict.fromkeys(("atime", "mtime", "ctime"), TIME)}
    yield "HSET", "d1", b"directory-%d" % inode, codec.encode_entry(FileType.DIRECTORY, inode)
    made = Attr(
        type=FileType.DIRECTORY, mode=0o755, nlink=2, length=DIRECTORY_LENGTH, parent=ROOT_INODE, **common
    )
    yield "SET", b"i%d" % inode, codec.encode_attr(made)
    entries: list[bytes] = []
    for file in range(inode + 1, inode + 1 + FILES):
        attr = Attr(type=FileType.FILE, mode=0o644, nlink=1, length=LENGTH, parent=inode, **common)
        yield "SET", b"i%d" % file, codec.encode_attr(attr)
        yield "RPUSH", b"c%d_0" % file, codec.encode_slice(Slice(0, file, LENGTH, 0, LENGTH))
        entries += b"file-%d.dat" % file, codec.encode_entry(FileType.FILE, file)
    yield "HSET", b"d%d" % inode, *entries
    sums = (
        ("dirDataLength", FILES * LENGTH),
        ("dirUsedSpace", FILES * codec.aligned(LENGTH)),
        ("dirUsedInodes", FILES),
    )
    for hash, total in sums:
        yield "HSET", hash, inode, total


def _take_turn(row: Row, place: Place, address: str, path: str) -> None:
    """Do it once in a fresh process, and note what it took, or why it failed."""
    if row.act in turn.SOURCES:
        with place.connect() as raw:
            raw.flushdb(asynchronous=True)
    spelling = registry.asked_for_as(row.driver)
    done = subprocess.run(
        [sys.executable, "-m", turn.__name__],
        input=json.dumps(asdict(turn.Order(spelling, address, row.act, path))),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "METAPARITY_TIMEOUT": f"{PATIENCE:g}"},
    )
    if done.returncode:
        row.failed = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        return
    told = json.loads(done.stdout)
    row.seconds.append(told["seconds"])
    row.memory.append(told["memory"])


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The lines: seconds, the speed beside the reference, and the most memory of the process."""
    yield (
        f"{'nodes':>9} {'delay':>6} {'act':<8} {'driver':<22}"
        f" {'min':>8} {'median':>8} {'max':>8} {'speed':>6} {'MiB':>5}"
    )
    for row in rows:
        head = f"{row.nodes:>9,} {row.delay:>6g} {row.act:<8} {row.driver:<22}"
        if row.failed:
            yield f"{head} failed: {row.failed}"
            continue
        spread = Spread.of(row.seconds)
        reference = [
            Spread.of(one.seconds).median
            for one in rows
            if one.seconds
            and (one.nodes, one.delay, one.act, one.driver) == (row.nodes, row.delay, row.act, REFERENCE)
        ]
        speed = f"{reference[0] / spread.median:.2f}x" if reference and row.driver != REFERENCE else ""
        yield (
            f"{head} {spread.low:>8.2f} {spread.median:>8.2f} {spread.high:>8.2f} {speed:>6}"
            f" {max(row.memory) >> 20:>5}"
        )
