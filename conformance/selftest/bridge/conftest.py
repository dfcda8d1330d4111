"""A program for each test that wants one, and the certainty that none is left."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metaparity.conformance.verbs import soon
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
        program = Program(write(body), Options(**options))  # type: ignore[arg-type]  # options of any kind
        running.append(program)
        return program

    yield run
    for program in running:
        program.end()
    assert soon(lambda: not any(alive(program.pid) for program in running))


def alive(group: int) -> bool:
    """Whether anything of a process group still runs."""
    return any(number == group and state not in "ZX" for number, state in processes())


def processes() -> Iterator[tuple[int, str]]:
    """The process group and state of every process; a bare Linux has no `ps`, and others no /proc."""
    if not Path("/proc/self/stat").exists():
        listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            number, state = line.split()
            yield int(number), state[0]
        return
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, number, *_ = stat.read_text().rpartition(") ")[2].split()
            yield int(number), state


@pytest.fixture
def client(start: Start) -> Callable[..., BridgeEngine]:
    """A bridged engine on a program made from its body."""

    def make(body: str, **options: float) -> BridgeEngine:
        program = start(body, **options)
        hello: Hello = program.hello()
        return BridgeEngine(program, hello, "one", "fake://", Config())

    return make
