"""The reference model: the spec agrees with it, its clock is exact, and asking it costs little."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from metaparity.conformance.model import DRIVER, Model, forget_volume, open_model
from metaparity.conformance.model.slices import assemble
from metaparity.drivers.api import PRIMITIVES, Engine
from metaparity.drivers.types import Attr, Config, FileType, SetAttr, Slice
from metaparity.fixtures.volumes import FORMAT

from .conftest import Ran, finished

URL = "model://selftest"
TRIAL = ("-p", "metaparity.conformance.model.trial", "-p", "no:cacheprovider", "--assert=plain", "-q")

AGREEING = 890
"""Clauses that agree with the model, at least."""

REASONS = {
    "itself: ",
    "does not declare",
    "damage",
    "a network",
    "a server",
    "a change log",
    "a step",
    "maintenance",
    "old clients",
    "parts",
    "time",
    "two processes",
    "in the protocol",
    "recorded engine itself",
}
"""Why a clause is not asked: the last two hold for every driver."""

BROKEN = """
from dataclasses import replace
from metaparity.conformance.model import DRIVER, Model, volume_at

class Broken(Model):
    def mkdir(self, parent, *args, **kwargs):
        node = super().mkdir(parent, *args, **kwargs)
        self.volume.nodes[parent].nlink -= 1
        return node

BROKEN = replace(DRIVER, name="broken", open=lambda url, config: Broken(volume_at(url), config))
"""


@pytest.fixture
def fs() -> Iterator[Model]:
    """A client of a fresh volume with a session."""
    forget_volume(URL)
    client = open_model(URL, Config())
    client.init(FORMAT)
    client.session_new(True)
    yield client
    forget_volume(URL)


def trial(folder: Path, server: str, driver: str, spec: str, *options: str) -> Ran:
    """A part of the spec run on the model at `driver`."""
    command = [sys.executable, "-m", "pytest", *TRIAL, f"--driver={driver}", "--server", server]
    return finished([*command, *options, "--pyargs", f"metaparity.conformance.{spec}"], folder)


def test_spec(tmp_path: Path, server_url: str) -> None:
    """No clause disagrees with the model, and those that are not asked say why."""
    ran = trial(tmp_path, server_url, "metaparity.conformance.model:DRIVER", "spec", "--cases", "1")
    assert ran.code == 0, ran.out[-3000:]
    figure = re.search(r"(\d+) of (\d+) clauses agree with the model", ran.out)
    assert figure is not None
    agreeing, whole = map(int, figure.groups())
    others = {why: int(count) for count, why in re.findall(r"^ *(\d+) not: (.*)$", ran.out, re.MULTILINE)}
    print(figure[0], others)
    assert agreeing >= AGREEING
    assert agreeing + sum(others.values()) == whole
    assert [why for why in others if not any(reason in why for reason in REASONS)] == []


def test_fault(tmp_path: Path, server_url: str) -> None:
    """A fault of the model is a clause that disagrees."""
    (tmp_path / "broken.py").write_text(BROKEN)
    ran = trial(tmp_path, server_url, "broken:BROKEN", "spec.test_effects")
    assert ran.code == 1
    disagreeing = ran.out.partition("not: it disagrees\n")[2]
    assert " effects/times-links-and-parents-follow-the-table\n" in disagreeing


def test_clock(fs: Model) -> None:
    """Where a client has a clock of its own, each stamp is exactly its time."""
    fs.clock_set((1000, 5))
    d = fs.mkdir(1, b"d", 0o755)
    assert d.attr is not None
    assert (d.attr.atime, d.attr.mtime, d.attr.ctime) == ((1000, 5),) * 3
    fs.clock_set((2000, 0))
    fs.mknod(d.inode, b"f", FileType.FILE, 0o644)
    assert fs.getattr(d.inode).mtime == (2000, 0)
    assert fs.getattr(1).mtime == (1000, 5)


def test_answers_are_copies(fs: Model) -> None:
    """What a caller does to an answer does not reach the volume."""
    node = fs.mknod(1, b"f", FileType.FILE, 0o644)
    assert node.attr is not None
    for answer in (node.attr, fs.getattr(node.inode), fs.setattr(node.inode, SetAttr.MODE, Attr(mode=0o600))):
        answer.mode = 0
    assert fs.getattr(node.inode).mode == 0o600


def test_volumes_are_apart(fs: Model) -> None:
    """A URL names one volume, shared by its clients; another names another."""
    fs.mkdir(1, b"d")
    same, other = open_model(URL, Config()), open_model(URL + "-2", Config())
    assert same.lookup(1, b"d").inode == 2
    with pytest.raises(FileNotFoundError):
        other.lookup(1, b"d")
    forget_volume(URL + "-2")


def test_slices() -> None:
    """Later records cut earlier ones; the example of N22.5, in mebibytes."""
    written = [Slice(10, 1, 30, 0, 30), Slice(20, 2, 16, 0, 16), Slice(16, 3, 10, 0, 10)]
    assert [(one.id, one.off, one.len) for one in assemble(written)] == [
        (0, 0, 10),
        (1, 0, 6),
        (3, 0, 10),
        (2, 6, 10),
        (1, 26, 4),
    ]


def test_capabilities() -> None:
    """The model offers every primitive behind what it declares."""
    missing = [
        name
        for name, primitive in PRIMITIVES.items()
        if primitive.capability in DRIVER.capabilities and getattr(Model, name) is getattr(Engine, name)
    ]
    assert missing == []


def lines_run(call: Callable[[], object]) -> int:
    """How many lines of Python a call runs, each as often as it does."""
    lines = 0

    def count(frame: FrameType, event: str, value: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        call()
    finally:
        sys.settrace(before)
    return lines


def test_cost(fs: Model) -> None:
    """A call takes no longer in a directory that has grown."""

    def say(number: int) -> None:
        inode = fs.create(1, b"f%d" % number, 0o644).inode
        fs.write(inode, 0, 0, Slice(0, fs.new_slice(), 100, 0, 100))
        fs.read(inode, 0)
        fs.rename(1, b"f%d" % number, 1, b"g%d" % number)
        fs.close_file(inode)

    say(0)
    few = lines_run(partial(say, 1))
    for number in range(2, 500):
        say(number)
    assert lines_run(partial(say, 500)) == few
