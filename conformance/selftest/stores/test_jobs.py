"""What our engines do by themselves once an hour: each job once, and one client at a time (S7.5, S7.6)."""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from metaparity.conformance.verbs import soon
from metaparity.drivers import registry
from metaparity.drivers.engine import jobs
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.store import Conflict, Transaction
from metaparity.drivers.types import TRASH_INODE, Config, FileType, Slice
from metaparity.fixtures.volumes import FORMAT

from .conftest import LocalServer

DAY = 24 * 3600
Open = Callable[..., StoreEngine]


@pytest.fixture(params=["redis", "rueidis"])
def engine(request: pytest.FixtureRequest, shared_server: LocalServer) -> Iterator[Open]:
    """Opens clients of a fresh volume with a day of trash and a change log."""
    shared_server.raw.flushall()
    driver = registry.driver(request.param)
    opened: list[StoreEngine] = []

    def open_client(**config: Any) -> StoreEngine:
        chosen = Config(**{"no_bg_jobs": True, "heartbeat": 600.0, "delete_slice": "record", **config})
        client = driver.open(driver.url(f"127.0.0.1:{shared_server.port}/0"), chosen)
        assert isinstance(client, StoreEngine)
        if not opened:
            client.init(FORMAT.replace(TrashDays=1, ChangeLog=True, ChangeLogMaxLines=5))
        opened.append(client)
        client.load()
        client.session_new(True)
        return client

    yield open_client
    for client in opened:
        client.close()


def test_an_hour_passes_between_two_runs(engine: Open, shared_server: LocalServer) -> None:
    """A job that a client has just done is done by no other, and again after nine tenths of an hour."""
    one, other = engine(), engine()
    raw = shared_server.raw

    def pending() -> bool:
        return bool(raw.hexists("sliceRef", "k5_10"))

    raw.hset("sliceRef", "k5_10", -1)
    one.clean_slices()
    assert not pending()
    raw.hset("sliceRef", "k5_10", -1)
    other.clean_slices()
    one.clean_slices()
    assert pending()
    raw.set("nextCleanupSlices", int(time.time()) - jobs.ELECTION - 1)
    other.clean_slices()
    assert not pending()


def test_files_removed_long_ago_lose_their_data(engine: Open, shared_server: LocalServer) -> None:
    """The data of a file that was removed more than an hour ago is deleted, of whatever form its record is;
    that of a younger one waits."""
    client, raw = engine(), shared_server.raw
    record = struct.pack(">IQIII", 0, 7, 10, 0, 10)
    for inode in (90, 91, 92):
        raw.rpush(f"c{inode}_0", record)
        raw.hset("sliceRef", "k7_10", 2)
    now = int(time.time())
    raw.zadd("delfiles", {"90:10": now - 3700, "91": now - 3700, "92:10": now - 3000})
    client.clean_files()
    assert raw.zrange("delfiles", 0, -1) == [b"92:10"]
    assert [raw.exists(f"c{inode}_0") for inode in (90, 91, 92)] == [0, 0, 1]
    assert raw.hget("sliceRef", "k7_10") == b"0"


def test_the_trash_is_kept_for_its_days(engine: Open, shared_server: LocalServer) -> None:
    """An hour directory goes a day and two hours after its hour, and the slices of compactions a day after
    them; a younger one of either stays."""
    client, raw = engine(), shared_server.raw
    inode = client.mknod(1, b"x", FileType.FILE, 0o644).inode
    client.write(inode, 0, 0, Slice(0, client.new_slice(), 10, 0, 10), (1, 1))
    client.unlink(1, b"x")
    ((name, entry),) = raw.hgetall(f"d{TRASH_INODE}").items()
    now = int(time.time())
    raw.hset("delSlices", mapping={f"9_{now - DAY - 60}": struct.pack(">QI", 50, 10)})
    raw.hset("delSlices", mapping={f"9_{now - DAY + 600}": struct.pack(">QI", 51, 10)})
    for age, stays in ((25, True), (28, False)):
        hour = time.strftime("%Y-%m-%d-%H", time.gmtime(now - age * 3600)).encode()
        raw.delete(f"d{TRASH_INODE}", "lastCleanupTrash")
        raw.hset(f"d{TRASH_INODE}", hour, entry)
        client.clean_trash()
        assert (raw.hgetall(f"d{TRASH_INODE}") == {hour: entry}) == stays
    client.settle()
    assert raw.hkeys("delSlices") == [b"9_%d" % (now - DAY + 600)]
    deleted = {(event.id, event.size) for event in client.events() if event.kind == "delete_slice"}
    assert deleted == {(50, 10), (1, 10)}
    assert name != hour


def test_no_trash_elects_nobody(shared_server: LocalServer, engine: Open) -> None:
    """Where there is no trash root no client is elected to clean it."""
    client = engine()
    shared_server.raw.delete(f"i{TRASH_INODE}")
    client.clean_trash()
    assert not shared_server.raw.exists("lastCleanupTrash")


@pytest.mark.parametrize(
    ("lines", "age", "kept"),
    [(5, 0, 5), (0, 3600, 3), (5, 3600, 3), (2, 3600, 2), (0, 0, 8), (100, 10**6, 8)],
)
def test_the_log_is_trimmed(
    engine: Open, shared_server: LocalServer, lines: int, age: int, kept: int
) -> None:
    """Lines beyond the limit and those too old go, whichever is more; their numbers are not given again."""
    client, raw = engine(), shared_server.raw
    client.init(client.load().replace(ChangeLogMaxLines=lines, ChangeLogMaxAge=age))
    client.load()
    raw.delete("txnLog")
    now = int(time.time())
    old = [b"%d.000000000|OLD(%d)|(1,1)" % (now - 7200, number) for number in range(5)]
    young = [b"%d.000000000|NEW(%d)|(1,1)" % (now, number) for number in range(3)]
    raw.rpush("txnLog", *old, *young)
    raw.set("txnLastLog", 100)
    client.trim_changelog()
    assert raw.lrange("txnLog", 0, -1) == [*old, *young][-kept:]
    assert raw.get("txnLastLog") == b"100"
    if kept == 5:
        assert client.changelog_scan()[0][0] == 96


def test_jobs_run_by_themselves(
    engine: Open, shared_server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that does background work runs its jobs when their time comes; one that does not, none."""
    monkeypatch.setattr(jobs, "HOUR", 0.05)
    monkeypatch.setattr(jobs, "LOG_PERIOD", 0.05)
    engine(no_bg_jobs=True)
    time.sleep(0.3)
    counters = ("lastCleanupFiles", "nextCleanupSlices", "lastCleanupTrash", "lastCleanupChangelog")
    assert not shared_server.raw.exists(*counters)
    engine(no_bg_jobs=False)
    assert soon(lambda: bool(shared_server.raw.exists(*counters) == len(counters)))


def test_the_random_numbers_of_the_process_are_left_alone(engine: Open) -> None:
    """A program that has seeded `random`, as Hypothesis does, draws the same beside a client at work."""
    client, attempts, ran = engine(), iter(range(3)), threading.Event()

    def conflict_twice(tx: Transaction) -> None:
        if next(attempts) < 2:
            raise Conflict

    before = random.getstate()
    client.transact([b"a"], conflict_twice)
    client.background.every(0.01, ran.set)
    assert ran.wait(5)
    assert random.getstate() == before
