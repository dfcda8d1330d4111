"""A closed engine leaves no thread and no descriptor behind, and its cache keeps to its size."""

from __future__ import annotations

import contextlib
import os
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from metaparity.conformance.verbs import soon
from metaparity.drivers import registry
from metaparity.drivers.api import Engine
from metaparity.drivers.engine.store import Command
from metaparity.drivers.rueidis.store import RueidisStore
from metaparity.drivers.types import Config
from metaparity.drivers.url import parse
from metaparity.fixtures.volumes import FORMAT

from .conftest import LocalServer

ROUNDS = 50
MIB = 1 << 20

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc")


def descriptors() -> dict[str, str]:
    """The open descriptors of this process and what they are of."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing
            found[number] = os.readlink(f"/proc/self/fd/{number}")
    return found


def session(server: LocalServer, name: str) -> Engine:
    """An engine at work: with every background job, a shared connection and several pooled ones."""
    fs = registry.driver(name).open(f"{name}://127.0.0.1:{server.port}/0", Config())
    if not server.raw.exists("setting"):
        fs.init(FORMAT)
    fs.load()
    fs.session_new(True)
    return fs


def use(fs: Engine, round: int) -> None:
    made = fs.mkdir(1, b"%d" % round)
    fs.getattr(made.inode)
    fs.readdir(1, plus=True)
    fs.remove(1, b"%d" % round, skip_trash=True, threads=4)


def quietly(server: LocalServer, fs: Engine, round: int) -> None:
    """Nothing happens to it."""


def killed(server: LocalServer, fs: Engine, round: int) -> None:
    """Its connections are killed, and it goes on or not before it is closed."""
    server.raw.client_kill_filter(_type="normal", skipme=True)
    server.raw.client_kill_filter(_type="pubsub", skipme=True)
    if round % 2:
        for _ in range(3):
            with contextlib.suppress(OSError):
                fs.getattr(1)
        use(fs, round)


@pytest.mark.parametrize("happens", [quietly, killed])
@pytest.mark.parametrize("name", ["redis", "rueidis"])
def test_a_closed_engine_leaves_no_thread_and_no_descriptor(
    server: LocalServer, name: str, happens: Callable[[LocalServer, Engine, int], None]
) -> None:
    with contextlib.closing(session(server, name)) as fs:  # what is imported or dialled once and for all
        use(fs, -1)
    threads, before = set(threading.enumerate()), descriptors()
    for round in range(ROUNDS):
        with contextlib.closing(session(server, name)) as fs:
            use(fs, round)
            assert len(descriptors()) > len(before)
            assert set(threading.enumerate()) - threads
            happens(server, fs, round)
        assert set(threading.enumerate()) <= threads
        assert descriptors().keys() <= before.keys()


def test_a_lost_connection_leaves_nothing_behind_while_its_engine_lives(server: LocalServer) -> None:
    """Its reader ends and its socket is closed, however often that happens."""
    threads, before = set(threading.enumerate()), set(descriptors().values())
    with contextlib.closing(RueidisStore(parse(f"rueidis://127.0.0.1:{server.port}/0", {}))) as store:
        for _ in range(ROUNDS):
            store.read(("GET", b"i1"))  # the cache would answer until the loss is seen
            server.raw.client_kill_filter(_type="normal", skipme=True)
            server.raw.client_kill_filter(_type="pubsub", skipme=True)
        store.read(("GET", b"i1"))
        assert soon(lambda: len(set(threading.enumerate()) - threads) == 1)
        assert soon(lambda: len(set(descriptors().values()) - before) == 1)
    shared = store.traffic["shared"]
    assert (shared.dialled, shared.lost) == (ROUNDS + 1, ROUNDS)


def test_a_cache_keeps_to_its_size(server: LocalServer) -> None:
    """200,000 keys through a cache of one MiB: neither what it counts nor what Python holds grows on."""
    raw: Any = server.raw
    raw.execute_command("DEBUG", "POPULATE", 200_000, "i", 100)
    store = RueidisStore(parse(f"rueidis://127.0.0.1:{server.port}/0?cache-size=1m", {}))
    tracemalloc.start()
    try:
        before = 0
        for start in range(0, 200_000, 100):
            commands: list[Command] = [("GET", b"i:%d" % n) for n in range(start, start + 100)]
            replies = store.cached(*commands)
            assert None not in replies
            entries, size = store.kept()
            assert 0 < size <= MIB
            if start == 20_000:  # it has been full for long
                before, _ = tracemalloc.get_traced_memory()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    seen = store.stats()
    assert (seen.misses, seen.hits) == (200_000, 0)
    assert seen.evictions == 200_000 - entries
    assert entries > 1000
    assert after - before < MIB // 8
    assert peak < 3 * MIB
    store.close()
