"""A master and its replica change roles while both stores use them through their sentinel."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from metaparity.conformance.verbs import soon
from metaparity.drivers.engine.store import Command, Disconnected, Transaction
from metaparity.drivers.errors import Refused
from metaparity.drivers.redis.store import RedisStore
from metaparity.drivers.rueidis.store import RueidisStore
from metaparity.drivers.url import parse

from .conftest import STORES

if TYPE_CHECKING:
    from metaparity.conformance.selftest.stores.conftest import LocalServer, Start

PASSWORD, SENTINEL_PASSWORD = "of-the-servers", "of-the-sentinel"
GET: Command = ("GET", b"i1")
PORT: Command = ("CONFIG", "GET", "port")


@dataclass
class Watched:
    """A master, its replica, and the sentinel that watches both."""

    master: LocalServer
    replica: LocalServer
    sentinel: LocalServer

    def open(self, scheme: str, names: str = "", password: str = SENTINEL_PASSWORD) -> RedisStore:
        """A store through the sentinel; the one in front of it does not answer."""
        names = names or f"mymaster,127.0.0.1:1,127.0.0.1:{self.sentinel.port}"
        url = f"{scheme}://:{PASSWORD}@{names}/2"
        return STORES[scheme](parse(url, {"SENTINEL_PASSWORD": password}))


@pytest.fixture
def watched(start_server: Start, tmp_path: Path) -> Watched:
    """They trust each other by passwords; the sentinel looks every tenth of a second."""
    secured = ["--requirepass", PASSWORD, "--masterauth", PASSWORD, "--dir", str(tmp_path)]
    master = start_server(*secured, "--repl-diskless-sync-delay", "0", password=PASSWORD)
    replica = start_server(*secured, "--replicaof", f"127.0.0.1 {master.port}", password=PASSWORD)
    return Watched(master, replica, start_sentinel(start_server, master, tmp_path / "sentinel.conf"))


def start_sentinel(start_server: Start, master: LocalServer, file: Path) -> LocalServer:
    """A sentinel of a master, once it knows the replica."""
    file.write_text(
        f"""
        requirepass {SENTINEL_PASSWORD}
        sentinel monitor mymaster 127.0.0.1 {master.port} 1
        sentinel auth-pass mymaster {PASSWORD}
        sentinel down-after-milliseconds mymaster 1000
        sentinel failover-timeout mymaster 5000
        """
    )
    sentinel = start_server(str(file), "--sentinel", password=SENTINEL_PASSWORD)
    every(100, sentinel)
    assert soon(lambda: len(_ready_replicas(sentinel.raw)) == 1, 15.0)
    return sentinel


def every(milliseconds: int, sentinel: LocalServer) -> None:
    """Set how often a sentinel looks."""
    ask: Any = sentinel.raw.execute_command  # not typed
    ask("SENTINEL", "DEBUG", "info-period", milliseconds)


def _ready_replicas(sentinel: redis.Redis) -> list[object]:
    replicas = sentinel.sentinel_slaves("mymaster")
    return [one for one in replicas if one["is_slave"] and one["master-link-status"] == "ok"]


@pytest.fixture
def stores(watched: Watched) -> Iterator[tuple[RedisStore, RueidisStore]]:
    """A store of each kind; afterwards no thread of theirs is left."""
    threads = set(threading.enumerate())
    with closing(watched.open("redis")) as plain, closing(watched.open("rueidis")) as caching:
        assert isinstance(caching, RueidisStore)
        yield plain, caching
    assert not set(threading.enumerate()) - threads


def reached_by(store: RedisStore, ask: Callable[[RedisStore], object]) -> object:
    """The port of the server that answers a store; None while none does."""
    try:
        return ask(store)
    except Disconnected:
        return None


def by_a_read(store: RedisStore) -> object:
    return int(store.read(PORT)[0][b"port"])


def by_a_transaction(store: RedisStore) -> object:
    def body(tx: Transaction) -> int:
        tx.queue(("INCR", b"n"))
        return int(tx.read(PORT)[0][b"port"])

    return store.attempt([b"n"], body)


@pytest.mark.parametrize("planned", [True, False], ids=["planned", "crash"])
def test_calls_go_on_after_a_failover(
    watched: Watched, stores: tuple[RedisStore, RueidisStore], planned: bool
) -> None:
    """Reads and transactions reach the new master within seconds; what was kept of the old one is gone.

    After a planned failover the old master goes on as a master for another eight seconds: nobody ends the
    connections to it, and what is written there is lost.
    """
    _, caching = stores
    for store in stores:
        assert store.pipeline(("SET", b"i1", "before"), ("WAIT", 1, 5000)) == [b"OK", 1]
        assert by_a_read(store) == by_a_transaction(store) == watched.master.port
        assert store.cached(GET) == [b"before"]
    assert caching.known(GET) == [b"before"]

    if planned:
        watched.sentinel.raw.sentinel_failover("mymaster")
    else:
        watched.master.kill()
    for store in stores:
        for ask in (by_a_read, by_a_transaction):
            assert soon(lambda: reached_by(store, ask) == watched.replica.port, 6.0)  # noqa: B023
    assert not planned or watched.master.raw.role()[0] == b"master"

    with redis.Redis(port=watched.replica.port, password=PASSWORD, db=2) as new_master:
        assert new_master.get("i1") == b"before"
        assert caching.known(GET) is None
        for value in (b"after", b"told"):
            new_master.set("i1", value)
            caching.stats()
            assert [store.cached(GET) for store in stores] == [[value]] * 2
        assert caching.known(GET) == [b"told"]


@pytest.mark.parametrize("scheme", sorted(STORES))
def test_another_sentinel_tells_what_the_first_did_not(
    watched: Watched, start_server: Start, tmp_path: Path, scheme: str
) -> None:
    """A sentinel that is lost is replaced by the next, which is asked for what was missed."""
    other = start_sentinel(start_server, watched.master, tmp_path / "other.conf")
    names = f"mymaster,127.0.0.1:{watched.sentinel.port},127.0.0.1:{other.port}"
    with closing(watched.open(scheme, names)) as store:
        assert by_a_read(store) == by_a_transaction(store) == watched.master.port
        watched.sentinel.kill()
        other.raw.sentinel_failover("mymaster")
        for ask in (by_a_read, by_a_transaction):
            assert soon(lambda: reached_by(store, ask) == watched.replica.port, 6.0)  # noqa: B023
        assert watched.master.raw.role()[0] == b"master"


@pytest.mark.parametrize("scheme", sorted(STORES))
def test_a_child_listens_for_itself(watched: Watched, scheme: str) -> None:
    """A fork leaves the thread to the parent; the child's first call starts another."""
    with closing(watched.open(scheme)) as store:
        assert by_a_read(store) == watched.master.port
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork: the point of this test
            child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                reached = by_a_read(store) == watched.master.port
                listens = any(one.name == "metaparity sentinels mymaster" for one in threading.enumerate())
                store.close()
                os._exit(0 if reached and listens and len(threading.enumerate()) == 1 else 3)
            os._exit(4)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        watched.sentinel.raw.sentinel_failover("mymaster")
        assert soon(lambda: reached_by(store, by_a_read) == watched.replica.port, 6.0)
        assert watched.master.raw.role()[0] == b"master"


@pytest.mark.parametrize("scheme", sorted(STORES))
def test_what_sentinels_cannot_tell(watched: Watched, scheme: str) -> None:
    """A name that none knows, a wrong password, a sentinel in place of a server: each in one sentence."""
    port = watched.sentinel.port
    cases: list[tuple[str, str, type[Exception], str]] = [
        (
            f"other,127.0.0.1:{port}",
            SENTINEL_PASSWORD,
            Refused,
            rf"^no sentinel knows a master named 'other': .*127\.0\.0\.1:{port}: knows mymaster\)$",
        ),
        (f"mymaster,127.0.0.1:{port}", "wrong", Disconnected, rf"127\.0\.0\.1:{port}: WRONGPASS"),
        (f"mymaster,127.0.0.1:{watched.master.port}", PASSWORD, Disconnected, "unknown command 'SENTINEL'"),
    ]
    for names, password, kind, text in cases:
        with closing(watched.open(scheme, names, password)) as store, pytest.raises(kind, match=text):
            store.read(("PING",))
    for db in ("", "/3"):
        url = f"{scheme}://:{SENTINEL_PASSWORD}@127.0.0.1:{port}{db}"
        with (
            closing(STORES[scheme](parse(url, {}))) as store,
            pytest.raises(Refused, match=rf"is a sentinel: write MASTER,127\.0\.0\.1:{port} in place"),
        ):
            store.read(("PING",))


@pytest.mark.parametrize("scheme", sorted(STORES))
def test_no_sentinel_answers(scheme: str) -> None:
    """Every sentinel is named, with the reason."""
    store = STORES[scheme](parse(f"{scheme}://mymaster,127.0.0.1:1,127.0.0.1:2", {}))
    text = r"^no sentinel names a master 'mymaster' .*127\.0\.0\.1:1: .*refused.*127\.0\.0\.1:2: .*refused"
    with closing(store), pytest.raises(Disconnected, match=text):
        store.read(("PING",))


@pytest.mark.parametrize("scheme", sorted(STORES))
def test_a_master_that_is_none_is_turned_down(watched: Watched, scheme: str) -> None:
    """A server that was made a replica behind the sentinel's back is not taken for the master."""
    every(60000, watched.sentinel)
    watched.master.raw.replicaof("127.0.0.1", watched.replica.port)
    text = rf"name 127\.0\.0\.1:{watched.master.port}, which is no master: a failover is under way"
    with closing(watched.open(scheme)) as store, pytest.raises(Disconnected, match=text):
        store.read(("PING",))


@pytest.mark.parametrize("scheme", sorted(STORES))
def test_a_master_that_is_down_is_not_waited_for(start_server: Start, tmp_path: Path, scheme: str) -> None:
    """Without a replica to take over, the error says what the sentinel thinks of the master."""
    file = tmp_path / "sentinel.conf"
    file.write_text("sentinel monitor gone 127.0.0.1 1 1\nsentinel down-after-milliseconds gone 200\n")
    port = start_server(str(file), "--sentinel").port
    store = STORES[scheme](parse(f"{scheme}://gone,127.0.0.1:{port}", {}))

    def told() -> str:
        with pytest.raises(Disconnected) as failure:
            store.read(("PING",))
        return str(failure.value)

    expected = f"no sentinel names a master 'gone' that is up (127.0.0.1:{port}: holds it for down)"
    with closing(store):
        assert soon(lambda: told() == expected)
