"""Toy drivers, installed for a run of pytest inside a test: two that agree but for one answer, and make no
volume; and one that makes a volume, and breaks a law in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from metaparity.fixtures.provision import Place

TOY = """
import errno, json, redis
from metaparity.drivers.api import Engine
from metaparity.drivers.engine.codec import encode_attr, encode_entry
from metaparity.drivers.engine.volume import fresh_root
from metaparity.drivers.errors import error
from metaparity.drivers.registry import Driver
from metaparity.drivers.types import ROOT, Attr, Format, Node

DECLARED = frozenset({"volume", "namespace"})

class Steady(Engine):
    capabilities = DECLARED

    def __init__(self, url, config):
        self.server = redis.Redis.from_url("redis://" + url.partition("://")[2])

    def init(self, format, force=False):
        self.server.set("toy", json.dumps(dict(format)))

    def load(self, check_version=False):
        return Format(json.loads(self.server.get("toy")))

    def session_new(self, record=False):
        return 1

    def mkdir(self, parent, name, mode=0, umask=0, *, ctx=ROOT):
        if self.server.hexists("d1", name):
            return self.exists()
        self.server.hset("d1", name, (2).to_bytes(1) + (2).to_bytes(8))
        return Node(2, Attr(type=2, mode=mode))

    def exists(self):
        raise error(errno.EEXIST)

    def unlink(self, parent, name, skip_trash=False, *, ctx=ROOT):
        self.server.hdel("d1", name)

    def close(self):
        self.server.close()

class Wobbly(Steady):
    def exists(self):
        return Node(7)

    def unlink(self, parent, name, skip_trash=False, *, ctx=ROOT):
        self.server.hset("d1", name, "")

class Lawless(Steady):
    def init(self, format, force=False):
        super().init(format)
        self.server.set("setting", json.dumps(dict(format)))
        self.server.set("i1", encode_attr(fresh_root(0o777, 0)))

    def mkdir(self, parent, name, mode=0, umask=0, *, ctx=ROOT):
        self.server.hset("d1", name, encode_entry(1, 2))
        return Node(2, Attr(type=2, mode=mode))

steady = Driver("steady", "a toy", ("steady",), DECLARED, Steady)
wobbly = Driver("wobbly", "a toy with a fault", ("wobbly",), DECLARED, Wobbly)
lawless = Driver("lawless", "a toy that breaks a law", ("lawless",), DECLARED, Lawless)
"""

PATIENCE = 240
"""Seconds that a program may take: a tenth of it will do, but for a machine that is slow, or busy."""

ENTRY_POINTS = """[metaparity.drivers]
steady = toydrivers:steady
wobbly = toydrivers:wobbly
lawless = toydrivers:lawless
"""


@dataclass(frozen=True)
class Ran:
    """A finished run."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def results(self) -> dict[str, Any]:
        """What it wrote to its report."""
        results: dict[str, Any] = json.loads((self.folder / "report" / "results.json").read_text())
        return results

    def verdicts(self) -> dict[tuple[str, str], str]:
        """The verdict by clause and driver."""
        return {(one["clause"], one["driver"]): one["verdict"] for one in self.results["records"]}


Run = Callable[..., Ran]


@pytest.fixture
def server_url(place: Place) -> str:
    """A database of this process's server that no volume uses."""
    server, _, database = place.address.rpartition("/")
    return f"redis://{server}/{int(database) + 9}"


@pytest.fixture
def spare(server_url: str) -> Iterator[redis.Redis]:
    """The database of the test, empty before and after it."""
    with redis.Redis.from_url(server_url) as connection:
        connection.flushdb()
        yield connection
        connection.flushdb()


@pytest.fixture
def toys(tmp_path: Path, server_url: str) -> Run:
    """Runs pytest on a test file with both toy drivers and a report."""
    (tmp_path / "toydrivers.py").write_text(TOY)
    info = tmp_path / "toydrivers-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toydrivers\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)

    def run(text: str, *options: str, drivers: tuple[str, ...] = ("steady", "wobbly")) -> Ran:
        (tmp_path / "test_toy.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_toy.py"]
        command += [f"--driver={name}" for name in drivers]
        return finished([*command, "--server", server_url, "--report", "report", *options], tmp_path)

    return run


@pytest.fixture
def metaparity(tmp_path: Path) -> Run:
    """Runs the command `metaparity` in an empty directory."""
    return lambda *arguments: finished([sys.executable, "-m", "metaparity.conformance", *arguments], tmp_path)


def finished(command: list[str], folder: Path) -> Ran:
    """Run a program to its end."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in [name for name in environment if name.startswith(("PYTEST_", "HYPOTHESIS_"))]:
        del environment[name]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    return Ran(done.returncode, done.stdout, done.stderr, folder)


def refused(ran: Ran, code: int, *words: str) -> None:
    """One sentence on stderr, and nothing else."""
    assert ran.code == code, ran.out + ran.err
    assert ran.err.count("\n") == 1, ran.err
    assert ran.out == ""
    for word in words:
        assert word in ran.err
