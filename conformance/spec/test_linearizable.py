"""What many threads of two clients do at once is as if each call were made at one moment (N42.1, S4.1).

The calls are taken down past the log of the test, with when they began and ended.  A client that caches may
show another's change a moment later, once it is told of it: the calls of these tests that a cache may answer
ask for what is told first (`cache_stats`), within the time of the call.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from metaparity.conformance.clause import Figures, clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.plugin import CHOICES
from metaparity.conformance.properties.checker import Answer, Model, check
from metaparity.conformance.properties.history import History, Operation
from metaparity.conformance.properties.models import ATTRIBUTES, FLOCK, NAMES, RECORDS
from metaparity.conformance.properties.timeline import render_timeline
from metaparity.conformance.scenes.histories import (
    Attributes,
    Caller,
    Flocks,
    Names,
    Records,
    Replaced,
    clients,
    perform,
)
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Attr, LockType, SetAttr
from metaparity.fixtures.faults import Act, Proxy, reply
from metaparity.fixtures.volumes import Volume

HISTORIES = 4
CALLS = 40
"""Of each thread in each history."""

Judge = Callable[[History, Model], None]


def explained(volume: Volume, history: History, model: Model) -> list[str]:
    """The drivers whose answers alone stand in the way of an order: there is one if some of the refusals and
    moves that clients of theirs tell of have not happened."""
    drivers = dict(zip(("c1", "c2"), volume.drivers[-2:], strict=True))

    def doubted(one: Operation, name: str) -> bool:
        return drivers[one.process.partition("/")[0]] == name and (one.refused or one.call == "rename")

    names = sorted(set(drivers.values()))
    if len(names) == 1:
        return names
    return [
        name
        for name in names
        if check(history, model, doubted=partial(doubted, name=name)).answer is Answer.LINEARIZABLE
    ]


@pytest.fixture
def judge(volume: Volume, request: pytest.FixtureRequest, tmp_path: Path, record_property: Figures) -> Judge:
    """Requires that a history is linearizable; where it is not, its timeline is in the report."""
    report = request.config.stash[CHOICES].report
    folder = report / "timelines" if report is not None else tmp_path

    def require(history: History, model: Model) -> None:
        result = check(history, model)
        record_property("histories", 1)
        record_property("calls", len(history))
        record_property("parts put in order", len(result.orders))
        if result.answer is Answer.LINEARIZABLE:
            return
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / f"{request.node.name}.html"
        page.write_text(render_timeline(f"{model.name}: {request.node.name}", history, result), "utf-8")
        page.with_suffix(".json").write_text(history.to_json(), "utf-8")
        shown = result.window or "the time was up"
        told = explained(volume, history, model)
        of = f" but for the answers of {' or '.join(told)}" if told else ""
        raise AssertionError(
            f"expected an order that explains the calls, observed {result.answer.value}{of}:\n{shown}\n"
            f"timeline {page}"
        )

    return require


@clause("linearizable/names", source="N42.1 N42.6 S4.1", needs="namespace", clients=2)
def test_names(volume: Volume, judge: Judge) -> None:
    """Whatever eight threads of two clients make, find, list, link, move, replace, exchange and remove under
    a few names, there is one order of their calls that explains every outcome."""
    scenes = [Names([volume.dir(f"{seed}-{side}") for side in "lr"]) for seed in range(HISTORIES)]
    engines = clients(volume)
    for seed, calls in enumerate(scenes):
        judge(answered(perform(engines, seed, CALLS, calls)), NAMES)
    settle(volume)


def answered(history: History) -> History:
    """A history in which nothing has failed."""
    failed = [str(one) for one in history if not one.answered]
    assert not failed, f"expected an answer to every call, observed none to {failed[0]}"
    return history


@clause("linearizable/lost-answers", source="N42.1 S4.1", needs="namespace", clients=2)
def test_lost_answers(volume: Volume, network: Proxy, judge: Judge) -> None:
    """Where connections are lost under eight threads of two clients ahead of the reply to a change, each call
    that fails with EIO has happened once or not at all: there is one order of the calls that explains every
    outcome."""
    scenes = [Names([volume.dir(f"{seed}-{side}") for side in "lr"]) for seed in range(HISTORIES)]
    engines = clients(volume, retries=0)
    lost = 0
    for seed, calls in enumerate(scenes):
        made = itertools.count(1)

        def act(one: Caller, calls: Names = calls, made: Iterator[int] = made) -> None:
            if next(made) == 100:
                network.trap(reply("EXEC"), Act.CUT)
            calls(one)

        history = perform(engines, seed, CALLS, act)
        judge(history, NAMES)
        lost += sum(not one.answered for one in history)
    assert lost, "expected a call to fail where its connection is lost, observed none"


@clause("linearizable/replaced-names", source="N42.1 N42.6 S4.1", needs="namespace", clients=2)
def test_replaced_names(volume: Volume, judge: Judge) -> None:
    """Two names that eight threads of two clients exchange and replace are there all the time: there is one
    order of all calls that explains every outcome."""
    scenes = [Replaced([volume.dir(f"{seed}-{side}") for side in "lr"]) for seed in range(HISTORIES)]
    engines = clients(volume)
    for seed, calls in enumerate(scenes):
        judge(answered(perform(engines, seed, CALLS, calls, calls.first)), NAMES)
    settle(volume)


@clause("linearizable/attributes", source="N42.1 S4.1", needs="namespace", clients=2)
def test_attributes(volume: Volume, judge: Judge) -> None:
    """Whatever eight threads of two clients read and change of the attributes and the number of names of two
    files, there is one order of their calls that explains every outcome."""
    directory = volume.dir("d")
    scenes = [Attributes(two_files(volume, seed), directory) for seed in range(HISTORIES)]
    engines = clients(volume)
    for seed, calls in enumerate(scenes):
        judge(answered(perform(engines, seed, CALLS, calls, calls.first)), ATTRIBUTES)
    settle(volume)


def two_files(volume: Volume, seed: int) -> list[int]:
    """The inodes of two files of a history."""
    return [volume.file(f"{seed}-{side}") for side in "lr"]


@clause("linearizable/flocks", source="N42.1 L1.4 L1.5 L1.6 L1.8", needs="flock", clients=2)
def test_flocks(volume: Volume, judge: Judge) -> None:
    """Whatever BSD locks six owners in two clients take, wait for, change, release and list from eight
    threads, there is one order of their calls that explains every outcome."""
    scenes = [two_files(volume, seed) for seed in range(HISTORIES)]
    engines = clients(volume)
    sessions = dict(zip(sorted(one.sid for one in volume.fs.session_list())[1:], ("c1", "c2"), strict=True))
    for seed, inodes in enumerate(scenes):
        judge(answered(perform(engines, seed, CALLS, Flocks(inodes, sessions))), FLOCK)


@clause("linearizable/record-locks", source="N42.1 L2.3 L2.4 L2.5 L2.6 L2.11", needs="plock", clients=2)
def test_record_locks(volume: Volume, judge: Judge) -> None:
    """Whatever record locks six owners in two clients take, change, release and ask for from eight threads,
    there is one order of their calls that explains every outcome."""
    scenes = [two_files(volume, seed) for seed in range(HISTORIES)]
    engines = clients(volume)
    for seed, inodes in enumerate(scenes):
        judge(answered(perform(engines, seed, CALLS, Records(inodes))), RECORDS)


def settle(volume: Volume) -> None:
    """Every client settles, and the laws hold."""
    volume.settle()
    require_laws(volume)


# -- mutual exclusion ------------------------------------------------------------------------------

TURNS = 10
"""How often each thread takes the lock."""


def counted(volume: Volume, take: Callable[[Engine, int, int, LockType], None]) -> int:
    """How far threads of two clients count that each read a number, add one and write it back under a lock.

    The number is the owner of the file, which nothing but the lock protects.
    """
    inode = volume.file("counter")
    engines = clients(volume)
    start = threading.Barrier(8)

    def count(owner: int) -> None:
        fs = engines[owner % 2]
        start.wait(timeout=10)
        for _ in range(TURNS):
            take(fs, inode, owner, LockType.W)
            if "cache.tracking" in fs.capabilities:
                fs.cache_stats()  # what another holder wrote, the client may not have been told yet
            number = fs.getattr(inode).uid
            fs.setattr(inode, SetAttr.UID, Attr(uid=number + 1))
            take(fs, inode, owner, LockType.U)

    with ThreadPoolExecutor(8) as pool:
        for worker in [pool.submit(count, owner) for owner in range(8)]:
            worker.result(timeout=60)
    return volume.fs.getattr(inode).uid


@clause("linearizable/a-lock-excludes", source="L1.5 L1.8", needs="flock", clients=2)
def test_flock_excludes(volume: Volume) -> None:
    """Of eight owners in two clients who wait for one exclusive BSD lock, one at a time has it: what they
    count under it is exact."""

    def take(fs: Engine, inode: int, owner: int, type: LockType) -> None:
        fs.flock(inode, owner, type, True)

    assert counted(volume, take) == 8 * TURNS


@clause("linearizable/a-record-lock-excludes", source="L2.3 L2.4 L2.12", needs="plock", clients=2)
def test_record_lock_excludes(volume: Volume) -> None:
    """Of eight owners in two clients who wait for one byte, one at a time has it: what they count under the
    lock is exact."""

    def take(fs: Engine, inode: int, owner: int, type: LockType) -> None:
        fs.setlk(inode, owner, True, type, 7, 7, owner)

    assert counted(volume, take) == 8 * TURNS
