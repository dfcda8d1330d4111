"""Optimistic transactions: what they protect, what they leave behind, what they cost."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from metaparity.drivers.engine.store import Conflict, ServerError, Store, Transaction
from metaparity.drivers.redis.wire import Wire

if TYPE_CHECKING:
    from metaparity.conformance.selftest.stores.conftest import Blocked, LocalServer


def client_id(tx: Transaction) -> int:
    """The id of the connection under a transaction."""
    return int(tx.read(("CLIENT", "ID"))[0])


def test_a_conflict_writes_nothing(server: LocalServer, store: Store) -> None:
    """A watched key that changes after it was read ends the attempt in `Conflict`."""

    def body(tx: Transaction) -> None:
        assert tx.read(("GET", "a")) == [None]
        server.raw.set("a", "other")
        tx.queue(("SET", "a", "mine"), ("SET", "b", "mine"))

    with pytest.raises(Conflict):
        store.attempt([b"a"], body)
    assert server.raw.mget("a", "b") == [b"other", None]


def test_a_late_watch_protects(server: LocalServer, store: Store) -> None:
    """A key watched after the first read is protected from the next read on."""

    def body(tx: Transaction) -> None:
        tx.read(("GET", "a"))
        tx.watch(b"b")
        assert tx.read(("GET", "b")) == [None]
        server.raw.set("b", "other")
        tx.queue(("SET", "c", "mine"))

    with pytest.raises(Conflict):
        store.attempt([b"a"], body)
    assert server.raw.get("c") is None


def test_replies_of_the_queued_commands(store: Store) -> None:
    """After the commit the attempt has the replies; the result is that of the body."""
    attempts = []

    def body(tx: Transaction) -> str:
        attempts.append(tx)
        tx.queue(("INCR", "n"), ("RPUSH", "l", "x", "y"))
        tx.queue(("LRANGE", "l", 0, -1))
        assert tx.replies == []
        return "done"

    assert store.attempt([b"n"], body) == "done"
    assert attempts[0].replies == [1, 2, [b"x", b"y"]]


def test_a_command_that_fails_in_exec(server: LocalServer, store: Store) -> None:
    """An error of one command is raised; the server has run the others."""
    server.raw.set("s", "text")
    with pytest.raises(ServerError, match=r"^WRONGTYPE"):
        store.attempt([], lambda tx: tx.queue(("SET", "a", 1), ("LLEN", "s"), ("SET", "b", 1)))
    assert server.raw.mget("a", "b") == [b"1", b"1"]


def test_a_command_that_cannot_be_queued(server: LocalServer, store: Store) -> None:
    """The text is EXECABORT, its cause the command's own error; nothing was written."""
    with pytest.raises(ServerError, match=r"^EXECABORT") as refused:
        store.attempt([], lambda tx: tx.queue(("SET", "a", 1), ("NOSUCH",)))
    assert "unknown command" in str(refused.value.__cause__)
    assert server.raw.exists("a") == 0


@pytest.mark.parametrize("ending", [FileNotFoundError(), ValueError(), None], ids=repr)
@pytest.mark.parametrize("reads", [1, 2])
@pytest.mark.parametrize("changed", [False, True], ids=["unchanged", "changed"])
def test_an_answer_without_a_change_is_of_one_moment(
    server: LocalServer, store: Store, ending: Exception | None, reads: int, changed: bool
) -> None:
    """A body that read at two moments and changes nothing ends in `Conflict` if a watched key changed since;
    what it read at one moment was so.  A number that fits no attribute may come of two moments, too."""

    def body(tx: Transaction) -> str:
        for _ in range(reads):
            tx.read(("GET", "a"))
        if changed:
            server.raw.set("a", "other")
        if ending is not None:
            raise ending
        return "nothing to do"

    refused = contextlib.nullcontext() if ending is None else pytest.raises(type(ending))
    with pytest.raises(Conflict) if changed and reads > 1 else refused:
        assert store.attempt([b"a"], body) == "nothing to do"
    server.raw.set("a", "once more")
    store.attempt([], lambda tx: tx.queue(("SET", "b", "mine")))
    assert server.raw.get("b") == b"mine"


@pytest.mark.parametrize("ending", ["raises", "queues nothing"])
def test_nothing_stays_watched(server: LocalServer, store: Store, ending: str) -> None:
    """After a body that does not commit, its connection commits although the watched key changes."""
    ids = []

    def first(tx: Transaction) -> None:
        ids.append(client_id(tx))
        if ending == "raises":
            raise KeyError(ending)

    def second(tx: Transaction) -> None:
        ids.append(client_id(tx))
        tx.queue(("SET", "b", "mine"))

    with pytest.raises(KeyError) if ending == "raises" else contextlib.nullcontext():
        store.attempt([b"a"], first)
    server.raw.set("a", "other")
    store.attempt([], second)
    assert ids[0] == ids[1]
    assert server.raw.get("b") == b"mine"


def test_unwatch_is_not_waited_for(store: Store, blocked: Blocked) -> None:
    """A body that only reads ends at once on a stalled server; the late reply goes to nobody else."""
    with contextlib.ExitStack() as stall:

        def body(tx: Transaction) -> float:
            tx.read(("GET", "a"))
            stall.enter_context(blocked(2.0))
            return time.monotonic()

        assert time.monotonic() - store.attempt([b"a"], body) < 1.0
        assert store.attempt([], lambda tx: tx.read(("ECHO", "mine"))) == [b"mine"]


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every send and every wait of our connections, dialling apart."""
    seen: list[str] = []
    send, receive = Wire.send, Wire.receive

    def counted_send(wire: Wire, data: bytes, timeout: float) -> None:
        seen.append("send")
        send(wire, data, timeout)

    def counted_receive(wire: Wire, timeout: float | None) -> bytes:
        seen.append("wait")
        return receive(wire, timeout)

    monkeypatch.setattr(Wire, "send", counted_send)
    monkeypatch.setattr(Wire, "receive", counted_receive)
    return seen


def test_round_trips(store: Store, traffic: list[str]) -> None:
    """Known keys cost two round trips, a blind write one, reads one; UNWATCH is not waited for.  Reads of
    two moments that lead to no change cost one more."""

    def known(tx: Transaction) -> None:
        tx.read(("GET", "a"), ("GET", "b"))
        tx.queue(("SET", "a", 1), ("SET", "b", 1))

    store.attempt([b"a", b"b"], known)
    assert traffic == ["send", "wait", "send", "wait"]
    traffic.clear()
    store.attempt([b"a"], lambda tx: tx.queue(("SET", "a", 1)))
    assert traffic == ["send", "wait"]
    traffic.clear()
    store.attempt([b"a"], lambda tx: None)
    assert traffic == []
    store.attempt([b"a"], lambda tx: tx.read(("GET", "a")))
    assert traffic == ["send", "wait", "send"]
    traffic.clear()
    store.attempt([b"a"], lambda tx: [tx.read(("GET", "a")) for _ in range(2)])
    assert traffic.count("send") == 3


def test_no_increment_is_lost(server: LocalServer, store: Store) -> None:
    """Attempts of eight threads on one key, repeated on conflict, add up."""

    def body(tx: Transaction) -> None:
        [value] = tx.read(("GET", "n"))
        tx.queue(("SET", "n", int(value or 0) + 1))

    def work(_: int) -> int:
        conflicts = done = 0
        while done < 25:
            try:
                store.attempt([b"n"], body)
            except Conflict:
                conflicts += 1
                assert conflicts < 10_000
            else:
                done += 1
        return conflicts

    with ThreadPoolExecutor(8) as threads:
        conflicts = sum(threads.map(work, range(8)))
    assert server.raw.get("n") == b"200"
    assert conflicts > 0
