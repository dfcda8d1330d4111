"""What the rueidis client keeps: when it is used, when it is dropped, and every race that could make it lie.

The schedules of the first half are forced: a reply comes when the test says so.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from metaparity.conformance.verbs import soon
from metaparity.drivers.engine.store import Command, Disconnected, Packed, ServerError, Transaction
from metaparity.drivers.errors import Refused
from metaparity.drivers.rueidis import cache as cache_module
from metaparity.drivers.rueidis import mux
from metaparity.drivers.rueidis.cache import Cache, Counters, Flight
from metaparity.drivers.rueidis.store import RueidisStore
from metaparity.drivers.url import parse
from metaparity.fixtures.faults import Proxy, Way

from .conftest import Blocked, LocalServer, Start

GET: Command = ("GET", b"i1")


class Line:
    """A line to a server that answers when told to."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.sent: list[list[Flight]] = []
        self.asked = threading.Event()
        self._go = threading.Event()
        self._failure: Exception | None = None
        self.replies: list[Any] = []

    def __call__(self, flights: list[Flight]) -> None:
        self.sent.append(flights)
        self.asked.set()
        assert self._go.wait(5)
        if self._failure is not None:
            raise self._failure
        for flight, reply in zip(flights, self.replies, strict=True):
            self.cache.landed(flight, reply)

    def answer(self, *replies: Any) -> None:
        self.replies = list(replies)
        self._go.set()

    def fail(self, failure: Exception) -> None:
        self._failure = failure
        self._go.set()


@pytest.fixture
def cache() -> Cache:
    return Cache(1 << 20, 60.0, Counters())


class Clock:
    """What a cache takes for the time, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(cache_module, "time", clock := Clock())
    return clock


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def answering(cache: Cache, *replies: Any) -> Line:
    """A line that answers at once."""
    line = Line(cache)
    line.answer(*replies)
    return line


def silent(flights: list[Flight]) -> None:
    pytest.fail(f"asked for {[flight.command for flight in flights]}")


def test_what_was_read_is_not_asked_for_again(cache: Cache) -> None:
    other: Command = ("HGET", b"d1", b"x")
    assert cache.read([GET, other], answering(cache, b"one", None)) == [b"one", None]
    assert cache.read([other, GET], silent) == [None, b"one"]
    assert cache.known([GET]) == [b"one"]
    assert cache.known([GET, ("GET", b"i2")]) is None
    assert cache.read([GET, ("GET", b"i2")], line := answering(cache, b"two")) == [b"one", b"two"]
    assert [flight.command for flight in line.sent[0]] == [("GET", b"i2")]


def test_an_invalidation_drops_every_reply_of_a_key(cache: Cache) -> None:
    field, names = ("HGET", b"x1", b"a"), ("HKEYS", b"x1")
    cache.read([field, names, GET], answering(cache, b"1", [b"a"], b"one"))
    cache.invalidated([b"x1"])
    assert cache.known([field]) is None
    assert cache.known([names]) is None
    assert cache.known([GET]) == [b"one"]
    cache.invalidated(None)
    assert cache.known([GET]) is None
    assert (cache.entries, cache.bytes) == (0, 0)


def test_a_reply_after_an_invalidation_is_newer_than_it(cache: Cache, threads: ThreadPoolExecutor) -> None:
    line = Line(cache)
    call = threads.submit(cache.read, [GET], line)
    assert line.asked.wait(5)
    cache.invalidated([b"i1"])
    cache.invalidated(None)
    line.answer(b"new")
    assert call.result(5) == [b"new"]
    assert cache.known([GET]) == [b"new"]


def test_what_was_asked_for_before_an_own_change_is_not_kept(
    cache: Cache, threads: ThreadPoolExecutor
) -> None:
    """And who asks after the change does not get it, either."""
    line = Line(cache)
    call = threads.submit(cache.read, [GET], line)
    assert line.asked.wait(5)
    cache.forget([b"i1"])
    assert cache.read([GET], answering(cache, b"new")) == [b"new"]
    line.answer(b"old")
    assert call.result(5) == [b"old"]
    assert cache.known([GET]) == [b"new"]


def test_an_own_change_of_another_key_leaves_what_is_under_way(
    cache: Cache, threads: ThreadPoolExecutor
) -> None:
    line = Line(cache)
    call = threads.submit(cache.read, [GET], line)
    assert line.asked.wait(5)
    cache.forget([b"i2"])
    line.answer(b"one")
    call.result(5)
    assert cache.known([GET]) == [b"one"]


def test_one_asks_for_all(cache: Cache, threads: ThreadPoolExecutor) -> None:
    line = Line(cache)
    first = threads.submit(cache.read, [GET], line)
    assert line.asked.wait(5)
    others = [threads.submit(cache.read, [GET], silent) for _ in range(5)]
    line.answer(b"one")
    assert [call.result(5) for call in (first, *others)] == [[b"one"]] * 6
    assert len(line.sent) == 1


def test_a_failure_reaches_all_and_is_not_kept(cache: Cache, threads: ThreadPoolExecutor) -> None:
    line = Line(cache)
    first = threads.submit(cache.read, [GET], line)
    assert line.asked.wait(5)
    other = threads.submit(cache.read, [GET], silent)
    assert soon(lambda: other.running())
    time.sleep(0.05)
    line.fail(Disconnected("lost"))
    for call in (first, other):
        with pytest.raises(Disconnected, match="lost"):
            call.result(5)
    assert cache.read([GET], answering(cache, b"one")) == [b"one"]


def test_an_error_of_the_server_is_not_kept(cache: Cache) -> None:
    wrong = ServerError("WRONGTYPE")
    assert cache.read([GET], answering(cache, wrong)) == [wrong]
    assert cache.known([GET]) is None


def told(reply: Any) -> list[tuple[Command, Any]]:
    return [(GET, reply)]


def test_what_a_script_tells_is_kept(cache: Cache) -> None:
    assert cache.read_script(("EVALSHA", "f"), told, answering(cache, b"one")) == b"one"
    assert cache.known([GET]) == [b"one"]


def test_what_a_script_tells_is_not_kept_after_any_own_change(
    cache: Cache, threads: ThreadPoolExecutor
) -> None:
    """Which keys it read is not known before it answers."""
    line = Line(cache)
    call = threads.submit(cache.read_script, ("EVALSHA", "f"), told, line)
    assert line.asked.wait(5)
    cache.forget([b"another"])
    line.answer(b"old")
    assert call.result(5) == b"old"
    assert cache.known([GET]) is None


def test_a_script_of_which_nothing_can_be_told_fails_alone(server: LocalServer, open_cached: Opened) -> None:
    """What is made of its reply is made by the reader of all replies, which goes on."""
    store = open_cached(server.port)
    server.raw.set("i1", "one")
    went_on = threading.Event()

    def wrong(reply: Any) -> list[tuple[Command, Any]]:
        raise ValueError(f"nothing is to be made of {reply!r}")

    def call() -> None:
        with pytest.raises(ValueError, match="b'one'"):
            store.run_script(GET, wrong)
        assert store.cached(GET) == [b"one"]
        went_on.set()

    threading.Thread(target=call, daemon=True).start()
    assert went_on.wait(5)
    assert store.known(GET) == [b"one"]


def test_time_is_up(clock: Clock) -> None:
    counters = Counters()
    cache = Cache(1 << 20, 5.0, counters)
    cache.read([GET], answering(cache, b"one"))
    clock.now = 4.9
    assert cache.read([GET], silent) == [b"one"]
    clock.now = 5.1
    assert cache.read([GET], answering(cache, b"two")) == [b"two"]
    assert (counters.hits, counters.misses) == (1, 2)


def test_what_was_not_used_for_longest_makes_room() -> None:
    counters = Counters()
    cache = Cache(3000, 60.0, counters)
    for number in range(50):
        cache.read([("GET", b"i%d" % number)], answering(cache, b"v" * 100))
        assert cache.known([("GET", b"i0")]) is not None
        assert 0 < cache.bytes <= 3000
    assert cache.known([("GET", b"i49")]) is not None
    assert cache.known([("GET", b"i1")]) is None
    assert counters.evictions == 50 - cache.entries


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    cache = Cache(1000, 60.0, Counters())
    assert cache.read([GET], answering(cache, b"v" * 5000)) == [b"v" * 5000]
    assert (cache.entries, cache.bytes) == (0, 0)


def test_what_is_under_way_is_kept_though_all_else_made_room(threads: ThreadPoolExecutor) -> None:
    """Evictions while an answer is under way touch neither the answer nor the sum of the bytes."""
    cache = Cache(3000, 60.0, Counters())
    line = Line(cache)
    call = threads.submit(cache.read, [GET], line)
    assert line.asked.wait(5)
    for number in range(100, 150):
        cache.read([("GET", b"i%d" % number)], answering(cache, b"v" * 100))
    line.answer(b"one")
    assert call.result(5) == [b"one"]
    assert cache.known([GET]) == [b"one"]
    assert 0 < cache.bytes <= 3000
    cache.invalidated(None)
    assert (cache.entries, cache.bytes) == (0, 0)


def test_the_time_of_an_answer_begins_when_it_comes(clock: Clock, threads: ThreadPoolExecutor) -> None:
    """An older one of the same key that expires while it is under way does not take it along."""
    cache = Cache(1 << 20, 5.0, Counters())
    other: Command = ("HGET", b"i1", b"x")
    cache.read([other], answering(cache, b"old"))
    line = Line(cache)
    call = threads.submit(cache.read, [GET], line)
    assert line.asked.wait(5)
    clock.now = 5.1
    line.answer(b"one")
    call.result(5)
    assert cache.known([GET]) == [b"one"]
    assert cache.known([other]) is None


# -- with a server -----------------------------------------------------------------------------------

Opened = Callable[..., RueidisStore]


@pytest.fixture
def open_cached() -> Iterator[Opened]:
    """Opens stores that keep replies."""
    opened: list[RueidisStore] = []

    def open_store(port: int, query: str = "") -> RueidisStore:
        store = RueidisStore(parse(f"rueidis://127.0.0.1:{port}/0{query}", {}))
        opened.append(store)
        return store

    yield open_store
    for store in opened:
        store.close()


def is_told(server: LocalServer) -> bool:
    """Whether the server tells any client of changes."""
    return any("t" in client["flags"] for client in server.raw.client_list())


ways = pytest.mark.parametrize("query", ["?subscribe=bcast", "?subscribe=optin"], ids=["bcast", "optin"])


@ways
def test_another_change_is_told(server: LocalServer, open_cached: Opened, query: str) -> None:
    store, raw = open_cached(server.port, query), server.raw
    raw.set("i1", "one")
    raw.hset("d1", "x", "1")
    commands: list[Command] = [GET, ("HGET", b"d1", b"x"), ("HGET", b"d1", b"y")]
    assert store.cached(*commands) == store.cached(*commands) == [b"one", b"1", None]
    raw.set("i1", "two")
    raw.hset("d1", "y", "2")
    store.stats()
    assert store.cached(*commands) == [b"two", b"1", b"2"]
    raw.flushall()
    store.stats()
    assert store.cached(*commands) == [None, None, None]


def setting(value: bytes) -> Callable[[Transaction], None]:
    """The body of a transaction."""
    return lambda tx: tx.queue(("SET", b"i1", value))


def shows(store: RueidisStore, number: int) -> bool:
    return store.cached(GET) == [b"%d" % number]


@ways
def test_own_changes_are_seen_at_once(server: LocalServer, open_cached: Opened, query: str) -> None:
    store = open_cached(server.port, query)
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            store.cached(GET)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for number in range(300):
            value = b"%d" % number
            if number % 2:
                store.attempt([b"i1"], setting(value))
            else:
                store.pipeline(("SET", b"i1", value))
            assert store.cached(GET) == [value]
    finally:
        stop.set()
        for reader in readers:
            reader.join()


@ways
def test_a_lost_connection_loses_what_it_kept(server: LocalServer, open_cached: Opened, query: str) -> None:
    store = open_cached(server.port, query)
    for number in range(20):
        server.raw.set("i1", number)
        assert soon(partial(shows, store, number))
        server.raw.client_kill_filter(_type="normal", skipme=True)
        server.raw.set("i1", number + 100)
        assert soon(partial(shows, store, number + 100))


def test_a_server_that_comes_back_is_asked_anew(start_server: Start, open_cached: Opened) -> None:
    server = start_server()
    store = open_cached(server.port)
    server.raw.set("i1", "old")
    assert store.cached(GET) == [b"old"]
    server.kill()
    assert soon(lambda: _fails(store))
    server.start()
    server.raw.set("i1", "new")
    assert store.cached(GET) == [b"new"]
    server.raw.set("i1", "newer")
    store.stats()
    assert store.cached(GET) == [b"newer"]


def _fails(store: RueidisStore) -> bool:
    try:
        store.cached(GET)
    except Disconnected:
        return True
    return False


def test_a_server_that_falls_silent_is_not_trusted_for_long(
    start_server: Start, open_cached: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks it anything, and nothing says that the connection is broken."""
    monkeypatch.setattr(mux, "HEARTBEAT", 0.1)
    server = start_server()
    store = open_cached(server.port, "?read-timeout=300ms")
    store.cached(GET)
    time.sleep(0.5)
    assert store.known(GET) == [None]
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        assert soon(lambda: store.known(GET) is None, 2.0)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert store.cached(GET) == [None]


def asked(network: Proxy) -> int:
    """How many commands of any kind have been sent."""
    return sum(frame.way is Way.COMMAND for frame in network.record())


def test_a_hit_sends_no_byte(server: LocalServer, open_cached: Opened) -> None:
    server.raw.set("i1", "one")
    with Proxy("127.0.0.1", server.port) as network:
        store = open_cached(network.port)
        store.cached(GET)
        before = asked(network)
        for _ in range(100):
            assert store.cached(GET) == [b"one"]
        assert asked(network) == before
        assert store.stats().hits == 100


def test_transactions_are_not_answered_from_the_cache(server: LocalServer, open_cached: Opened) -> None:
    store = open_cached(server.port)
    server.raw.set("i1", "one")
    store.cached(GET)
    blind = store._mux
    assert blind is not None
    assert blind.cache is not None
    blind.cache.invalidated = lambda keys: None  # type: ignore[method-assign]  # deaf on purpose
    server.raw.set("i1", "two")
    assert store.attempt([b"i1"], lambda tx: tx.read(GET)) == [b"two"]


def test_without_time_nothing_is_kept_or_told(server: LocalServer, open_cached: Opened) -> None:
    store = open_cached(server.port, "?cache-ttl=0")
    server.raw.set("i1", "one")
    assert store.cached(GET) == store.cached(GET) == [b"one"]
    assert store.known(GET) is None
    assert store.stats().hits == 0
    assert not is_told(server)


@ways
def test_the_server_tells_nothing_of_what_is_poured(
    server: LocalServer, open_cached: Opened, query: str
) -> None:
    """To tell of a million keys takes it longer than to write them; what was kept is asked for again."""
    server.raw.set("i1", "one")
    store = open_cached(server.port, query)
    assert store.cached(GET) == [b"one"]
    told = store.stats().invalidations

    def batches() -> Iterator[Packed]:
        yield store.packed([("SET", b"i%d" % number, b"two") for number in range(1, 1000)])
        assert not is_told(server)

    store.pour(batches())
    assert store.cached(GET) == [b"two"]
    assert store.stats().invalidations == told
    server.raw.set("i1", "three")
    store.stats()
    assert store.cached(GET) == [b"three"]


def test_what_is_under_way_ends_before_something_is_poured(
    server: LocalServer, open_cached: Opened, blocked: Blocked, threads: ThreadPoolExecutor
) -> None:
    store = open_cached(server.port)
    assert store.cached(GET) == [None]
    sent = store.traffic["shared"].commands
    with blocked(0.3):
        change = threads.submit(store.pipeline, ("INCR", b"n"))
        assert soon(lambda: store.traffic["shared"].commands > sent)
        store.pour(iter([store.packed([("INCR", b"n")])]))
    assert change.result(5) == [1]
    assert store.read(("GET", b"n")) == [b"2"]


def test_keys_that_the_server_does_not_tell_of_are_not_kept(server: LocalServer, open_cached: Opened) -> None:
    store = open_cached(server.port)
    for _ in range(2):
        store.cached(("GET", b"usedSpace"))
    assert store.stats().hits == 0


def test_a_server_that_does_not_track_is_refused(server: LocalServer, open_cached: Opened) -> None:
    raw: Any = server.raw
    raw.execute_command("ACL", "SETUSER", "deaf", "on", "nopass", "~*", "+@all", "-client|tracking")
    store = RueidisStore(parse(f"rueidis://deaf:x@127.0.0.1:{server.port}/0", {}))
    with pytest.raises(Refused, match="cache-ttl=0, or tracking=wanted"):
        store.cached(GET)
    store.close()
    server.raw.acl_deluser("deaf")


def test_a_server_that_does_not_track_is_asked_each_time_where_that_will_do(
    server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    raw: Any = server.raw
    raw.execute_command("ACL", "SETUSER", "deaf", "on", "nopass", "~*", "+@all", "-client|tracking")
    store = RueidisStore(parse(f"rueidis://deaf:x@127.0.0.1:{server.port}/0?tracking=wanted", {}))
    for value in (b"one", b"two"):
        server.raw.set("i1", value)
        assert store.cached(GET) == [value]
        assert store.run_script(GET, lambda reply: [(GET, reply)]) == value
        assert store.known(GET) is None
    assert store.stats().entries == 0
    assert caplog.text.count("does not tell of changes") == 1
    store.close()
    server.raw.acl_deluser("deaf")


def test_a_child_begins_without_what_its_parent_kept(server: LocalServer, open_cached: Opened) -> None:
    store = open_cached(server.port)
    server.raw.set("i1", "one")
    store.cached(GET)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        known = store.known(GET)
        os.write(writing, b"%r %r" % (known, store.cached(GET)))
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"None [b'one']"
    os.close(reading)
    assert store.known(GET) == [b"one"]
