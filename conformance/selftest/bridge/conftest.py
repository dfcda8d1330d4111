"""A program for each test that wants one, and the certainty that none is left."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metaparity.drivers.bridge import Hello, Options, Program
from metaparity.drivers.bridge.engine import BridgeEngine
from metaparity.drivers.types import Config

from .programs import Write, writer

Start = Callable[..., Program]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Makes a program from its body."""
    return writer(tmp_path)


@pytest.fixture
def start(write: Write) -> Iterator[Start]:
    """Starts a program from its body; afterwards its process group must be gone."""
    running: list[Program] = []

    def run(body: str, **options: float) -> Program:
        program = Program(write(body), Options(**options))  # type: ignore[arg-type]
        running.append(program)
        return program

    yield run
    for program in running:
        program.end()
        assert not alive(program.pid)


def alive(group: int) -> bool:
    """Whether anything of a process group still runs."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return any(int(number) == group and not state.startswith("Z") for number, state in rows)


@pytest.fixture
def client(start: Start) -> Callable[..., BridgeEngine]:
    """A bridged engine on a program made from its body."""

    def make(body: str, **options: float) -> BridgeEngine:
        program = start(body, **options)
        hello: Hello = program.hello()
        return BridgeEngine(program, hello, "one", "fake://", Config())

    return make
