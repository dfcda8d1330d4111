"""What the engines count is what has happened: on a real server, to the last command."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from metaparity.drivers import registry
from metaparity.drivers.engine.counters import BATCHES, DURATIONS, Call, Calls, Traffic, Transactions
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.store import Command, Disconnected, Transaction
from metaparity.drivers.errors import Refused
from metaparity.drivers.redis.wire import Wire
from metaparity.drivers.rueidis.cache import Cache, Counters
from metaparity.drivers.rueidis.engine import RueidisEngine
from metaparity.drivers.rueidis.store import RueidisStore
from metaparity.drivers.types import Config, Context, FileType
from metaparity.drivers.url import parse
from metaparity.fixtures.volumes import FORMAT, QUIET

from .conftest import LocalServer, Start

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"

Opened = Callable[..., StoreEngine]


def engine_at(server: LocalServer, name: str, query: str = "") -> StoreEngine:
    """An engine that has called nothing yet."""
    url = f"{name}://127.0.0.1:{server.port}/0{query}"
    quiet: dict[str, Any] = QUIET
    return cast("StoreEngine", registry.driver(name).open(url, Config(**quiet)))


@pytest.fixture
def open_engine(server: LocalServer) -> Iterator[Opened]:
    """Opens engines on one volume, with a session that is recorded."""
    opened: list[StoreEngine] = []

    def open_(name: str = "rueidis", query: str = "") -> StoreEngine:
        engine = engine_at(server, name, query)
        opened.append(engine)
        if not server.raw.exists("setting"):
            engine.init(FORMAT)
        engine.load()
        engine.session_new(True)
        return engine

    yield open_
    for engine in opened:
        engine.close()


@pytest.fixture
def fs(open_engine: Opened) -> StoreEngine:
    """An engine that keeps replies."""
    return open_engine()


both = pytest.mark.parametrize("name", ["redis", "rueidis"])


class Numbers:
    """The samples of a text of metrics, by name and labels."""

    def __init__(self, engine: StoreEngine) -> None:
        self.samples = {
            (sample.name.removeprefix("metaparity_"), frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(engine.metrics())
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        return self.samples.get((name, frozenset(labels.items())), 0.0)


class Sent:
    """The bytes that clients have sent to a server, but for those of asking how many."""

    def __init__(self, server: LocalServer) -> None:
        self._raw: Any = server.raw
        first = self._received()
        self._asking = self._received() - first
        self._before = self._received()

    def bytes(self) -> int:
        """Since the last call."""
        now = self._received()
        sent, self._before = now - self._before - self._asking, now
        return sent

    def _received(self) -> int:
        return int(self._raw.info("stats")["total_net_input_bytes"])


# -- the cache ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["?subscribe=bcast", "?subscribe=optin"], ids=["bcast", "optin"])
def test_hits_rise_by_all_commands_where_no_byte_was_sent_else_by_none(
    server: LocalServer, query: str
) -> None:
    store = RueidisStore(parse(f"rueidis://127.0.0.1:{server.port}/0{query}", {}))
    draw = random.Random(query)
    store.stats()
    silent = asked = mixed = 0
    for _ in range(300):
        if draw.random() < 0.4:
            server.raw.set(f"i{draw.randrange(6)}", draw.random())
            store.stats()  # takes in the invalidation
        commands: list[Command] = [("GET", b"i%d" % n) for n in draw.sample(range(6), draw.randint(1, 3))]
        kept = [store.known(command) is not None for command in commands]
        before, sent = store.stats(), Sent(server)
        store.cached(*commands)
        size, after = sent.bytes(), store.stats()
        assert after.hits - before.hits == (0 if size else len(commands))
        assert after.misses - before.misses == kept.count(False)
        assert (size == 0) == all(kept)
        silent, asked, mixed = silent + (size == 0), asked + (size > 0), mixed + (any(kept) and not all(kept))
    store.close()
    assert min(silent, asked, mixed) > 30


USER = Context(uid=7, gids=(7,))
Read = Callable[[StoreEngine, int], object]
READS: dict[str, tuple[int, Read]] = {
    "getattr": (1, lambda fs, made: fs.getattr(made)),
    "access": (1, lambda fs, made: fs.access(made, 4, ctx=USER)),
    "lookup": (2, lambda fs, made: fs.lookup(1, b"a")),
    "lookup by a user": (3, lambda fs, made: fs.lookup(1, b"a", check_permission=True, ctx=USER)),
    "lookup that is refused": (1, lambda fs, made: refused(fs, made)),
    "lookup of an absent name": (1, lambda fs, made: absent(fs)),
    "resolve": (4, lambda fs, made: fs.resolve(1, b"a/b/c")),
    "xattr_get": (1, lambda fs, made: fs.xattr_get(made, b"user.x")),
    "xattr_list": (2, lambda fs, made: fs.xattr_list(made)),
    "read": (2, lambda fs, made: fs.read(fs.resolve(1, b"a/b/f").inode, 0)),
}
"""How many commands each read is made of, all of which the client keeps the second time."""


def absent(fs: StoreEngine) -> None:
    with pytest.raises(FileNotFoundError):
        fs.lookup(1, b"nothing")


def refused(fs: StoreEngine, made: int) -> None:
    with pytest.raises(PermissionError):
        fs.lookup(made, b"b", check_permission=True, ctx=Context(uid=8, gids=(8,)))


def tree(fs: StoreEngine) -> int:
    """Directories a/b/c with a file a/b/f; the inode of a, which others may list but not search."""
    a = fs.mkdir(1, b"a", 0o744).inode
    b = fs.mkdir(a, b"b", 0o755).inode
    fs.mkdir(b, b"c", 0o755)
    fs.mknod(b, b"f", FileType.FILE, 0o644)
    fs.xattr_set(a, b"user.x", b"1")
    return a


@pytest.mark.parametrize("read", READS)
def test_a_read_of_an_engine_is_a_hit_only_as_a_whole(
    server: LocalServer, fs: StoreEngine, read: str
) -> None:
    """What it finds kept before it turns to the server is none."""
    made = tree(fs)
    number, make = READS[read]
    if read == "read":
        number += 4  # of the path
    cold(fs)
    before, sent = stats(fs), Sent(server)
    make(fs, made)
    assert sent.bytes() > 0
    first = stats(fs)
    assert first.hits == before.hits
    assert first.misses > before.misses
    sent = Sent(server)
    make(fs, made)
    assert sent.bytes() == 0
    assert stats(fs).hits == first.hits + number
    assert stats(fs).misses == first.misses


def cold(fs: StoreEngine) -> None:
    assert isinstance(fs, RueidisEngine)
    fs.cache_drop()


def stats(fs: StoreEngine) -> Counters:
    """The counters, for which nothing is sent."""
    assert isinstance(fs, RueidisEngine)
    copy, seen = Counters(), fs._store.counters
    copy.hits, copy.misses = seen.hits, seen.misses
    copy.invalidations, copy.evictions = seen.invalidations, seen.evictions
    return copy


def test_a_path_of_which_the_end_is_missing_is_no_hit(server: LocalServer, fs: StoreEngine) -> None:
    """Every part but the last is kept; the whole path is asked for all the same."""
    tree(fs)
    cold(fs)
    fs.resolve(1, b"a/b")
    before, sent = stats(fs), Sent(server)
    fs.resolve(1, b"a/b/c")
    assert sent.bytes() > 0
    after = stats(fs)
    assert (after.hits, after.misses) == (before.hits, before.misses + 1)


def test_an_entry_without_its_node_is_no_hit(server: LocalServer, fs: StoreEngine) -> None:
    made = tree(fs)
    cold(fs)
    fs.lookup(1, b"a")
    server.raw.set(f"i{made}", server.raw.get(f"i{made}") or b"")
    settled(fs)
    before, sent = stats(fs), Sent(server)
    fs.lookup(1, b"a")
    assert sent.bytes() > 0
    after = stats(fs)
    assert (after.hits, after.misses) == (before.hits, before.misses + 1)


def settled(fs: StoreEngine) -> None:
    """Have it take in what the server has told it."""
    assert isinstance(fs, RueidisEngine)
    fs.cache_stats()


def test_three_calls_are_one_miss_and_two_hits(fs: StoreEngine) -> None:
    made = fs.mkdir(1, b"a").inode
    settled(fs)
    cold(fs)
    before = Numbers(fs)
    for _ in range(3):
        fs.getattr(made)
    after = Numbers(fs)
    told = {name: after(f"cache_{name}_total") - before(f"cache_{name}_total") for name in ("hits", "misses")}
    assert told == {"hits": 2, "misses": 1}
    assert after("call_seconds_count", primitive="getattr") == 3
    assert (after("cache_entries"), after("cache_bytes") > 0) == (1, True)


def test_invalidations_and_evictions_are_counted(server: LocalServer, open_engine: Opened) -> None:
    fs = open_engine(query="?cache-size=2k")
    made = [fs.mkdir(1, b"%d" % n).inode for n in range(30)]
    settled(fs)
    cold(fs)
    before = Numbers(fs)
    for inode in made:
        fs.getattr(inode)
    after = Numbers(fs)
    assert 0 < after("cache_bytes") <= 2048
    assert after("cache_evictions_total") - before("cache_evictions_total") == 30 - after("cache_entries")
    assert isinstance(fs, RueidisEngine)
    assert fs.cache_stats().evictions == after("cache_evictions_total")
    server.raw.set(f"i{made[-1]}", "")
    settled(fs)
    assert Numbers(fs)("cache_invalidations_total") == after("cache_invalidations_total") + 1


# -- calls -------------------------------------------------------------------------------------------


@both
def test_calls_and_their_errors_by_errno(open_engine: Opened, name: str) -> None:
    fs = open_engine(name)
    cancelled = threading.Event()
    cancelled.set()
    for _ in range(2):
        absent(fs)
    with pytest.raises(InterruptedError):
        fs.lookup(1, b"a", ctx=Context(cancelled=cancelled))
    with pytest.raises(Refused):
        fs.session_get(12345)
    expected = {("ENOENT", "lookup"): 2, ("EINTR", "lookup"): 1, ("refused", "session_get"): 1}
    if name == "redis":  # the other engine offers all that there is
        with pytest.raises(OSError, match="cache_stats"):
            fs.cache_stats()
        expected["ENOTSUP", "cache_stats"] = 1
    numbers = Numbers(fs)
    assert numbers("call_seconds_count", primitive="lookup") == 3
    errors = {
        tuple(sorted(dict(labels).values())): value
        for (sample, labels), value in numbers.samples.items()
        if sample == "call_errors_total"
    }
    assert errors == expected


def test_a_lost_server_is_an_error_of_the_call(start_server: Start) -> None:
    server = start_server()
    fs = engine_at(server, "redis")
    fs.init(FORMAT)
    server.kill()
    with pytest.raises(OSError, match="Disconnected"):
        fs.load()
    numbers = Numbers(fs)
    assert numbers("call_errors_total", primitive="load", errno="EIO") == 1
    assert numbers("connections_lost_total", connection="pooled") == 1
    fs.close()


@both
def test_a_call_is_counted_with_its_duration(
    open_engine: Opened, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every bucket whose bound it does not exceed."""
    fs = open_engine(name)
    clock = iter([0, 10_000, 0, 10_001, 0, 3 * 10**9, 0, 11 * 10**9])
    for module in ("engine", "counters"):
        monkeypatch.setattr(f"metaparity.drivers.engine.{module}.perf_counter_ns", lambda: next(clock))
    for _ in range(4):
        fs.getattr(1)
    numbers = Numbers(fs)
    bounds = ("1e-05", "2e-05", "2.0", "5.0", "10.0", "+Inf")
    seen = [numbers("call_seconds_bucket", primitive="getattr", le=bound) for bound in bounds]
    assert seen == [1, 2, 2, 3, 3, 4]
    assert numbers("call_seconds_sum", primitive="getattr") == pytest.approx(14.000020001)


def test_the_bounds_reach_from_ten_microseconds_to_ten_seconds() -> None:
    assert (DURATIONS[0], DURATIONS[-1]) == (10**4, 10**10)
    assert (BATCHES[0], BATCHES[-1]) == (1, 1024)
    assert sorted({*DURATIONS}) == DURATIONS


# -- transactions ------------------------------------------------------------------------------------


@both
def test_a_conflict_is_one_restart(server: LocalServer, open_engine: Opened, name: str) -> None:
    fs = open_engine(name)
    before, tries = Numbers(fs), iter(range(9))

    def body(tx: Transaction) -> None:
        tx.read(("GET", "a"))
        if next(tries) == 0:
            server.raw.set("a", "other")
        tx.queue(("SET", "a", "mine"))

    fs.transact([b"a"], body)
    assert server.raw.get("a") == b"mine"
    assert transactions(Numbers(fs), before) == {"attempts": 2, "conflicts": 1}


def transactions(after: Numbers, before: Numbers) -> dict[str, float]:
    names = ("attempts", "conflicts")
    return {one: after(f"transaction_{one}_total") - before(f"transaction_{one}_total") for one in names}


@both
def test_a_refusal_for_the_time_being_is_a_retry(start_server: Start, name: str) -> None:
    """A server that has become a replica for a moment."""
    server = start_server()
    raw: Any = server.raw
    fs = engine_at(server, name)
    tries = iter(range(9))

    def body(tx: Transaction) -> None:
        raw.replicaof(*(("127.0.0.1", "1") if next(tries) == 0 else ("NO", "ONE")))
        tx.queue(("SET", "a", "mine"))

    fs.transact([b"a"], body)
    numbers = Numbers(fs)
    assert numbers("transaction_retries_total", code="EXECABORT") == 1
    assert (numbers("transaction_attempts_total"), numbers("transaction_conflicts_total")) == (2, 0)
    fs.close()


# -- connections -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "connection"), [("redis", "pooled"), ("rueidis", "shared")])
def test_batches_add_up_to_what_the_server_was_sent(
    server: LocalServer,
    open_engine: Opened,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    connection: str,
) -> None:
    fs = open_engine(name, "?cache-ttl=0" if name == "rueidis" else "")
    raw: Any = server.raw
    sends: list[int] = []
    send = Wire.send

    def counted(wire: Wire, data: bytes, timeout: float) -> None:
        sends.append(len(data))
        send(wire, data, timeout)

    monkeypatch.setattr(Wire, "send", counted)
    ready = threading.Barrier(8)

    def work(number: int) -> None:
        fs.store.read(("GET", b"warm"))
        ready.wait(10)
        for _ in range(200):
            fs.store.read(*[("GET", b"i%d" % number)] * (number + 1))

    with ThreadPoolExecutor(8) as threads:
        before, commands = Numbers(fs), int(raw.info("stats")["total_commands_processed"])
        dialled = before("connections_dialled_total", connection=connection)
        list(threads.map(work, range(8)))
    monkeypatch.undo()
    processed = int(raw.info("stats")["total_commands_processed"]) - commands - 1
    after = Numbers(fs)
    processed -= int(after("connections_dialled_total", connection=connection) - dialled) * handshake(server)

    def more(sample: str, **labels: str) -> float:
        return after(sample, connection=connection, **labels) - before(
            sample, connection=connection, **labels
        )

    assert more("batch_commands_sum") == processed == 200 * sum(range(1, 9)) + 8
    assert more("batch_commands_count") == len(sends)
    assert more("sent_bytes_total") == sum(sends)
    assert more("batch_commands_bucket", le="+Inf") == len(sends)
    if name == "redis":  # a send is what one caller wants
        sizes = [200 + 8, 400 + 8, 800 + 8, 1600 + 8]
        assert [more("batch_commands_bucket", le=str(bound)) for bound in (1, 2, 4, 8)] == sizes
    else:
        assert len(sends) < 1600 + 8


@both
def test_what_a_transaction_sends(open_engine: Opened, name: str) -> None:
    """WATCH with the first read and UNWATCH where nothing is queued; else MULTI, what is queued, and EXEC."""
    fs = open_engine(name)
    before = Numbers(fs)
    fs.store.attempt([b"a"], lambda tx: tx.read(("GET", "a")))
    between = Numbers(fs)
    fs.store.attempt([], lambda tx: tx.queue(("SET", "a", 1), ("SET", "b", 2)))
    after = Numbers(fs)
    for sample, watched, queued in (("batch_commands_sum", 2 + 1, 1 + 2 + 1), ("batch_commands_count", 2, 1)):
        numbers = [one(sample, connection="pooled") for one in (before, between, after)]
        assert [numbers[1] - numbers[0], numbers[2] - numbers[1]] == [watched, queued]


def handshake(server: LocalServer) -> int:
    """How many commands the server counts for a connection of ours before the first one of a caller."""
    raw: Any = server.raw
    before = int(raw.info("stats")["total_commands_processed"])
    store = RueidisStore(parse(f"rueidis://127.0.0.1:{server.port}/0?cache-ttl=0", {}))
    store.read(("PING",))
    store.close()
    return int(raw.info("stats")["total_commands_processed"]) - before - 2


@pytest.mark.parametrize(("name", "connection"), [("redis", "pooled"), ("rueidis", "shared")])
def test_connections_made_and_lost(
    server: LocalServer, open_engine: Opened, name: str, connection: str
) -> None:
    fs = open_engine(name)

    def seen() -> tuple[float, float]:
        numbers = Numbers(fs)
        kinds = ("dialled", "lost")
        dialled, lost = (numbers(f"connections_{one}_total", connection=connection) for one in kinds)
        return dialled, lost

    assert seen() == (1, 0)
    server.raw.client_kill_filter(_type="normal", skipme=True)
    server.raw.client_kill_filter(_type="pubsub", skipme=True)
    fs.store.read(("PING",))
    assert seen() == (2, 1)
    fs.close()
    assert seen() == (2, 1)


# -- the text ----------------------------------------------------------------------------------------


def families(fs: StoreEngine) -> dict[str, str]:
    """The kind of each family in the text, by the name of its samples."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in text_string_to_metric_families(fs.metrics())
    }


def test_the_page_names_every_metric_and_no_other(open_engine: Opened) -> None:
    rows = re.findall(r"^\| `(metaparity_[a-z_]+)` \| (\w+) \| ([^|]*) \|", PAGE.read_text("utf-8"), re.M)
    rueidis, redis = open_engine("rueidis"), open_engine("redis")
    assert {name: kind for name, kind, _ in rows} == families(rueidis)
    assert len(rows) == len(families(rueidis))
    assert families(redis) == {
        name: kind for name, kind in families(rueidis).items() if not name.startswith("metaparity_cache_")
    }
    labels = {name: set(re.findall("`([a-z]+)`", told)) for name, _, told in rows}
    absent(rueidis)
    for family in text_string_to_metric_families(rueidis.metrics()):
        for sample in family.samples:
            name = family.name + ("_total" if family.type == "counter" else "")
            assert sample.labels.keys() - {"le"} == labels[name]


def test_two_engines_in_one_process_count_apart(open_engine: Opened) -> None:
    one, other = open_engine(), open_engine()
    made = one.mkdir(1, b"a").inode
    for _ in range(3):
        one.getattr(made)
    other.getattr(made)
    counts = [Numbers(fs)("call_seconds_count", primitive="getattr") for fs in (one, other)]
    assert counts == [3, 1]
    assert one.registry is one.registry
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("metaparity")]


def test_to_be_asked_for_metrics_sends_nothing(server: LocalServer, fs: StoreEngine) -> None:
    sent = Sent(server)
    fs.metrics()
    assert sent.bytes() == 0


@pytest.fixture
def served() -> Iterator[subprocess.Popen[str]]:
    """`metaparity serve` with metrics at a free port."""
    command = [sys.executable, "-m", "metaparity.conformance", "serve", "rueidis", "--metrics", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as program:
        yield program
    assert program.returncode == 0


def test_a_served_engine_answers_over_http(server: LocalServer, served: subprocess.Popen[str]) -> None:
    assert served.stdin is not None
    assert served.stdout is not None
    assert served.stderr is not None
    place = served.stderr.readline().removeprefix("metrics at ").strip()
    url = f"rueidis://127.0.0.1:{server.port}/0"
    calls: list[tuple[str, dict[str, Any]]] = [("open", {"client": one, "url": url}) for one in ("a", "b")]
    calls += [("init", {"client": "a", "format": dict(FORMAT)}), ("load", {"client": "a"})]
    calls += [("load", {"client": "b"}), ("getattr", {"client": "b", "inode": 1})]
    for number, (method, params) in enumerate(calls):
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        served.stdin.write(json.dumps(request) + "\n")
        served.stdin.flush()
        assert "ok" in json.loads(served.stdout.readline())["result"]
    with urllib.request.urlopen(place, timeout=10) as page:
        text = page.read().decode()
    counts = {
        (sample.labels["client"], sample.labels["primitive"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "metaparity_call_seconds_count"
    }
    assert counts == {("a", "init"): 1, ("a", "load"): 1, ("b", "load"): 1, ("b", "getattr"): 1}
    assert text.count("# TYPE metaparity_call_seconds histogram") == 1


def test_a_port_that_is_taken_is_an_error_of_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "metaparity.conformance", "serve", "redis", "--metrics", port]
        done = subprocess.run(command, input="", capture_output=True, text=True, timeout=30)
    assert done.returncode == 3
    assert f"at port {port}" in done.stderr
    assert "Traceback" not in done.stderr


# -- threads -----------------------------------------------------------------------------------------


@both
def test_no_call_of_many_threads_is_missed(open_engine: Opened, name: str) -> None:
    fs = open_engine(name)
    made = fs.mkdir(1, b"a").inode
    before, interval = Numbers(fs), sys.getswitchinterval()

    def work(_: int) -> None:
        for n in range(1000):
            if n % 100:
                fs.getattr(made)
            else:
                absent(fs)

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
    finally:
        sys.setswitchinterval(interval)
    after = Numbers(fs)
    assert after("call_seconds_count", primitive="getattr") == 7920
    assert after("call_errors_total", primitive="lookup", errno="ENOENT") == 80
    if name == "rueidis":
        answered = [after(f"cache_{one}_total") - before(f"cache_{one}_total") for one in ("hits", "misses")]
        assert sum(answered) == 8000


class Locked(int):
    """A number that is changed only while a lock is held: what the lock of an interpreter would hide."""

    lock: threading.Lock

    def __new__(cls, lock: threading.Lock, value: int = 0) -> Locked:
        number = super().__new__(cls, value)
        number.lock = lock
        return number

    def __add__(self, other: int) -> Locked:
        assert self.lock.locked()
        return Locked(self.lock, int(self) + other)


def test_every_number_changes_under_its_lock_only() -> None:
    calls, transactions, traffic, counters = Calls(), Transactions(), Traffic(), Counters()
    call = calls.by_primitive["load"] = Call()
    call.took = [Locked(calls.lock)] * len(call.took)
    call.nanoseconds = call.errors[errno.EIO] = Locked(calls.lock)
    calls.ended("load", 0, OSError(errno.EIO, ""))
    zero = Locked(transactions.lock)
    transactions.attempts = transactions.conflicts = transactions.retries["LOADING"] = zero
    transactions.attempted()
    transactions.conflicted()
    transactions.retried("LOADING")
    traffic.dialled = traffic.lost = traffic.commands = traffic.bytes = Locked(traffic.lock)
    traffic.batches = [Locked(traffic.lock)] * len(traffic.batches)
    traffic.connected()
    traffic.disconnected()
    traffic.sent(3, 100)
    for name in ("hits", "misses", "invalidations", "evictions"):
        setattr(counters, name, Locked(counters.lock))
    cache = Cache(400, 60.0, counters)
    get: Command = ("GET", b"i1")

    def answered(flights: list[Any]) -> None:
        for flight in flights:
            cache.landed(flight, b"")

    cache.read([get], answered)
    cache.read([get], answered)
    assert cache.known([get], 1) == [b""]
    cache.read([("GET", b"i2")], answered)
    cache.invalidated([b"i2"])
    changed = [call.took[-1], call.nanoseconds, call.errors[errno.EIO], transactions.attempts]
    changed += [transactions.conflicts, transactions.retries["LOADING"], traffic.dialled, traffic.lost]
    changed += [traffic.commands, traffic.bytes, traffic.batches[2]]
    changed += [counters.hits, counters.misses, counters.invalidations, counters.evictions]
    assert all(changed)
    assert {type(one) for one in changed} == {Locked}
    with pytest.raises(AssertionError):
        traffic.bytes += 1


def test_a_child_counts_on_though_its_parent_was_counting() -> None:
    """A fork in the middle of counting leaves it a lock that nobody will open."""
    traffic = Traffic()
    with traffic.lock:
        child = os.fork()
        if not child:
            signal.alarm(5)
            traffic.sent(1, 10)
            os._exit(0 if traffic.bytes == 10 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_store_that_is_lost_counts_on(start_server: Start) -> None:
    """The counters are the client's, not those of a connection."""
    server = start_server()
    store = RueidisStore(parse(f"rueidis://127.0.0.1:{server.port}/0", {}))
    store.cached(("GET", b"i1"))
    server.kill()
    with pytest.raises(Disconnected):
        store.read(("PING",))
    server.start()
    store.cached(("GET", b"i1"))
    store.cached(("GET", b"i1"))
    assert (store.stats().hits, store.stats().misses) == (1, 2)
    store.close()
