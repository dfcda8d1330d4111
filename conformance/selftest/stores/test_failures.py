"""Servers that die, stall, hang up or refuse."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metaparity.drivers.engine.store import Disconnected, Reply, ServerError, Store, Transaction
from metaparity.drivers.errors import Refused

from .conftest import free_port

if TYPE_CHECKING:
    from metaparity.conformance.selftest.stores.conftest import Blocked, LocalServer, Open, Scripted, Start


def test_a_server_that_dies_and_comes_back(own_server: LocalServer, open_store: Open) -> None:
    """A call under way fails, one without server too, and the first call after a restart works."""
    store = open_store(f"127.0.0.1:{own_server.port}")
    store.attempt([b"a"], lambda tx: tx.read(("PING",)))
    with ThreadPoolExecutor(2) as threads:
        calls = [
            threads.submit(store.read, ("DEBUG", "SLEEP", 10)),
            threads.submit(store.attempt, [b"a"], lambda tx: tx.read(("DEBUG", "SLEEP", 10))),
        ]
        time.sleep(0.1)
        own_server.kill()
        for call in calls:
            with pytest.raises(Disconnected):
                call.result(2)
    with pytest.raises(Disconnected, match="cannot connect"):
        store.pipeline(("SET", "a", "1"))
    own_server.start()
    assert store.pipeline(("SET", "a", "2")) == [b"OK"]
    own_server.kill()
    own_server.start()
    time.sleep(0.05)
    store.attempt([b"a"], lambda tx: tx.queue(("SET", "a", "3")))
    assert store.pipeline(("GET", "a")) == [b"3"]


WRITES: dict[str, Callable[[Store], object]] = {
    "pipeline": lambda store: store.pipeline(("INCR", "n")),
    "attempt": lambda store: store.attempt([b"n"], lambda tx: tx.queue(("INCR", "n"))),
}


CONNECTION_ID: dict[str, Callable[[Store], list[Reply]]] = {
    "pipeline": lambda store: store.pipeline(("CLIENT", "ID")),
    "attempt": lambda store: store.attempt([], lambda tx: tx.read(("CLIENT", "ID"))),
}


@pytest.mark.parametrize("way", WRITES)
def test_a_write_that_times_out_runs_at_most_once(
    server: LocalServer, open_store: Open, blocked: Blocked, way: str
) -> None:
    """A reply that is late is `Disconnected`; the command is not sent again, and its connection is
    never used again."""
    store = open_store(f"127.0.0.1:{server.port}?read-timeout=200ms")
    write, connection_id = WRITES[way], CONNECTION_ID[way]
    before = connection_id(store)
    with blocked(1.5):
        started = time.monotonic()
        with pytest.raises(Disconnected, match="in time"):
            write(store)
        assert 0.15 < time.monotonic() - started < 1.0
    assert int(server.raw.get("n") or 0) <= 1
    assert connection_id(store) != before


def test_only_reads_are_repeated(scripted: Scripted, open_store: Open) -> None:
    """When the server hangs up instead of answering, a read is asked once more, in a transaction, too, and a
    write never."""
    server = scripted(answer=None)
    store = open_store(f"127.0.0.1:{server.port}")
    with pytest.raises(Disconnected):
        store.read(("GET", "a"))
    assert server.names.count(b"GET") == 2
    for write in WRITES.values():
        with pytest.raises(Disconnected):
            write(store)
    assert (server.names.count(b"INCR"), server.names.count(b"WATCH")) == (1, 1)
    with pytest.raises(Disconnected):
        store.attempt([b"a"], lambda tx: tx.read(("STRLEN", "a")))
    assert server.names.count(b"WATCH") == 1 + 2


@pytest.mark.parametrize("call", [lambda store: store.read(("GET", "a")), *WRITES.values()])
def test_a_silent_server_is_given_up(
    scripted: Scripted, open_store: Open, call: Callable[[Store], object]
) -> None:
    """A peer that takes commands and never answers costs the read timeout, not more."""
    store = open_store(f"127.0.0.1:{scripted(answer=b'').port}?read-timeout=100ms")
    started = time.monotonic()
    with pytest.raises(Disconnected, match="in time"):
        call(store)
    assert time.monotonic() - started < 1.0


def test_bytes_that_are_no_reply(scripted: Scripted, open_store: Open) -> None:
    """A stream that is not RESP ends the connection."""
    server = scripted(answer=b"?what\r\n")
    store = open_store(f"127.0.0.1:{server.port}")
    with pytest.raises(Disconnected):
        store.read(("GET", "a"))


def test_replies_that_nobody_asked_for(scripted: Scripted, open_store: Open) -> None:
    """A surplus reply ends the connection: it is never the answer to the next command."""
    server = scripted(answer=b"+one\r\n+two\r\n")
    store = open_store(f"127.0.0.1:{server.port}")
    seen = []
    for _ in range(5):
        with contextlib.suppress(Disconnected):
            seen += store.read(("GET", "a"))
    assert b"two" not in seen


def test_pushes_are_no_replies(scripted: Scripted, open_store: Open) -> None:
    """What the server sends of its own accord is not taken for an answer."""
    server = scripted(answer=b">2\r\n+invalidate\r\n_\r\n+one\r\n")
    store = open_store(f"127.0.0.1:{server.port}")
    assert [store.read(("GET", "a")) for _ in range(3)] == [[b"one"]] * 3


def test_a_body_cannot_go_on_after_a_failure(scripted: Scripted, open_store: Open) -> None:
    """A body that hides a lost connection gets no other one in the middle of its transaction."""
    server = scripted(answer=None)
    store = open_store(f"127.0.0.1:{server.port}")

    def body(tx: Transaction) -> None:
        with contextlib.suppress(Disconnected):
            tx.read(("GET", "a"))
        tx.queue(("SET", "a", "mine"))

    with pytest.raises(Disconnected, match="in this transaction"):
        store.attempt([b"a"], body)
    assert b"SET" not in server.names


@pytest.mark.parametrize(
    ("hello", "kind", "text"),
    [
        (b"%2\r\n+proto\r\n:3\r\n+version\r\n+3.2.12\r\n", Refused, r"has version 3\.2\.12: use 4\.0"),
        (b"-ERR unknown command `HELLO`, with args\r\n", Refused, "does not speak RESP3"),
        (b"-ERR max number of clients reached\r\n", ServerError, r"^ERR max number of clients reached$"),
        (b"-LOADING Redis is loading\r\n", ServerError, r"^LOADING Redis is loading$"),
        (b"-WRONGPASS invalid username\r\n", ServerError, r"^WRONGPASS invalid username$"),
    ],
    ids=["old", "without RESP3", "full", "loading", "password"],
)
def test_refused_at_the_door(
    scripted: Scripted, open_store: Open, hello: bytes, kind: type[Exception], text: str
) -> None:
    """An old server is refused in words; an error of the handshake keeps the server's text."""
    store = open_store(f"127.0.0.1:{scripted(hello=hello).port}")
    with pytest.raises(kind, match=text):
        store.read(("GET", "a"))


def test_no_such_database(server: LocalServer, open_store: Open) -> None:
    """A database that the server does not have is its error, not ours."""
    with pytest.raises(ServerError, match=r"^ERR DB index is out of range$"):
        open_store(f"127.0.0.1:{server.port}/9999").read(("PING",))


@pytest.mark.parametrize("database", [0, 3])
def test_a_cluster_is_refused(start_server: Start, open_store: Open, tmp_path: Path, database: int) -> None:
    """One node of a cluster alone, too, whatever database is asked for."""
    options = ["--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--dir", str(tmp_path)]
    store = open_store(f"127.0.0.1:{start_server(*options).port}/{database}")
    with pytest.raises(Refused, match=r"is part of a Redis Cluster, .* started without cluster-enabled$"):
        store.read(("PING",))
