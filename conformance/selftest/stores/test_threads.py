"""Many threads, the end of a store, and forks."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from metaparity.conformance.verbs import soon
from metaparity.drivers.engine.store import Disconnected, Store, Transaction

if TYPE_CHECKING:
    from metaparity.conformance.selftest.stores.conftest import Blocked, LocalServer, Open


def client_id(tx: Transaction) -> int:
    """The id of the connection under a transaction."""
    return int(tx.read(("CLIENT", "ID"))[0])


def test_every_thread_gets_its_own_replies(server: LocalServer, store: Store) -> None:
    """32 threads that read at once never see each other's replies."""
    server.raw.mset({f"k{n}": n for n in range(32)})

    def work(n: int) -> bool:
        return all(
            store.read(("GET", f"k{n}"), ("GET", f"k{31 - n}")) == [b"%d" % n, b"%d" % (31 - n)]
            for _ in range(60)
        )

    with ThreadPoolExecutor(32) as threads:
        assert all(threads.map(work, range(32)))


def test_connections_killed_under_load(server: LocalServer, store: Store) -> None:
    """Calls fail cleanly or answer rightly while connections are killed, and all is well afterwards."""
    server.raw.mset({f"k{n}": n for n in range(8)})
    stop = threading.Event()

    def work(n: int) -> int:
        right = 0
        while not stop.is_set():
            with contextlib.suppress(Disconnected):
                assert store.read(("GET", f"k{n}")) == [b"%d" % n]
                right += 1
        return right

    with ThreadPoolExecutor(8) as threads:
        results = threads.map(work, range(8))
        killed = 0
        for _ in range(20):
            time.sleep(0.02)
            killed += int(server.raw.client_kill_filter(_type="normal", skipme=True))
        stop.set()
        assert all(results)
    assert killed >= 10
    assert store.read(("GET", "k3")) == [b"3"]


def test_close_ends_calls_under_way(server: LocalServer, open_store: Open, blocked: Blocked) -> None:
    """`close` makes calls that wait for a reply fail at once, and every later call too."""
    store = open_store(f"127.0.0.1:{server.port}")
    store.attempt([], lambda tx: [client_id(tx), store.attempt([], client_id)])
    store.read(("PING",))
    calls: list[Callable[[], object]] = [
        lambda: store.read(("GET", "a")),
        lambda: store.attempt([b"a"], client_id),
    ]
    with blocked(2.0), ThreadPoolExecutor(2) as threads:
        under_way = [threads.submit(call) for call in calls]
        time.sleep(0.2)
        started = time.monotonic()
        store.close()
        for one in under_way:
            with pytest.raises(Disconnected):
                one.result()
        assert time.monotonic() - started < 1.0
    for call in calls:
        with pytest.raises(Disconnected, match="closed"):
            call()


def test_a_forked_child_has_connections_of_its_own(server: LocalServer, store: Store) -> None:
    """A child may use the store of its parent; neither disturbs the other."""
    before = (store.read(("CLIENT", "ID")), store.attempt([], client_id))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork: the point of this test
        child = os.fork()
    if not child:
        status = 1
        try:
            own = (store.read(("CLIENT", "ID")), store.attempt([], client_id))
            store.attempt([b"a"], lambda tx: tx.queue(("SET", "a", "child")))
            status = 0 if not set(own[0]) & set(before[0]) and own[1] != before[1] else 2
            store.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (store.read(("CLIENT", "ID")), store.attempt([], client_id)) == before
    assert server.raw.get("a") == b"child"


def test_the_pool_is_as_large_as_asked_for(server: LocalServer, open_store: Open) -> None:
    """Transactions beyond `pool-size` wait for `pool-timeout`; every connection bears the client's name."""
    store = open_store(f"127.0.0.1:{server.port}?pool-size=2&pool_timeout=100ms&client-name=mine")
    inside, leave = threading.Semaphore(0), threading.Event()
    assert store.attempt([], lambda _: store.attempt([], client_id))

    def body(_: Transaction) -> None:
        inside.release()
        assert leave.wait(5)

    with ThreadPoolExecutor(2) as threads:
        held = [threads.submit(store.attempt, [b"a"], body) for _ in range(2)]
        try:
            assert all(inside.acquire(timeout=5) for _ in held)
            began = time.monotonic()
            with pytest.raises(Disconnected, match=r"^all 2 connections were busy for 0\.1 s$"):
                store.attempt([b"b"], client_id)
            assert time.monotonic() - began < 2.0
            named = [one for one in server.raw.client_list() if one["name"] == "mine"]
            assert len(named) == 2
        finally:
            leave.set()
        for one in held:
            one.result(5)
    assert store.attempt([b"b"], client_id)


def test_a_thread_does_not_wait_for_itself(server: LocalServer, open_store: Open) -> None:
    """What a transaction asks beside itself goes beyond `pool-size`, by a connection that is not kept."""
    store = open_store(f"127.0.0.1:{server.port}?pool-size=2&pool-timeout=5s&client-name=mine")
    together = threading.Barrier(8)

    def inner(_: Transaction) -> int:
        return store.attempt([b"c"], client_id)

    def outer(_: Transaction) -> list[int]:
        return [store.attempt([b"b"], inner) for _ in range(2)]

    def call() -> list[int]:
        together.wait(5)
        return store.attempt([b"a"], outer)

    def named() -> int:
        return sum(one["name"] == "mine" for one in server.raw.client_list())

    with ThreadPoolExecutor(8) as threads:
        for one in [threads.submit(call) for _ in range(8)]:
            assert one.result(4)
    assert soon(lambda: named() <= 2)
