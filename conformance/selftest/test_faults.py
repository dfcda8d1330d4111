"""The network that does as it is told, between redis-py and a real server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from metaparity.fixtures.faults import Act, Line, Match, Proxy, Way, anything, command, push, reply
from metaparity.fixtures.resp import NoRESP, end_of, frames

from .stores.conftest import LocalServer

Connect = Callable[..., redis.Redis]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    started = LocalServer()
    yield started
    started.kill()


@pytest.fixture
def proxy(server: LocalServer) -> Iterator[Proxy]:
    server.raw.flushall()
    with Proxy("127.0.0.1", server.port) as proxy:
        yield proxy
    assert not [one.name for one in threading.enumerate() if one.name == "metaparity-proxy"]


@pytest.fixture
def connect(proxy: Proxy) -> Iterator[Connect]:
    """Makes clients that speak through the proxy, each on one connection."""
    opened: list[redis.Redis] = []

    def connect(protocol: int = 3, timeout: float = 5.0) -> redis.Redis:
        client = redis.Redis(
            port=proxy.port,
            protocol=protocol,
            single_connection_client=True,
            socket_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        opened.append(client)
        return client

    yield connect
    for client in opened:
        client.close()


MESSAGES = [
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":12\r\n",
    b"_\r\n",
    b",1.5\r\n",
    b"#t\r\n",
    b"(12345678901234567890\r\n",
    b"$-1\r\n",
    b"$0\r\n\r\n",
    b"$5\r\na\r\nbc\r\n",
    b"=7\r\ntxt:abc\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
    b"%1\r\n+a\r\n*1\r\n_\r\n",
    b"~1\r\n+a\r\n",
    b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
    b"|1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n",
]


def test_messages_are_cut_where_they_end() -> None:
    """Whatever pieces the bytes of every kind of message come in."""
    stream = b"".join(MESSAGES)
    for size in (1, 2, 3, 7, len(stream)):
        buffer, found = bytearray(), []
        for start in range(0, len(stream), size):
            buffer += stream[start : start + size]
            found += list(frames(buffer))
        assert found == MESSAGES
        assert not buffer


@pytest.mark.parametrize("data", [b"GET a\r\n", b"$x\r\n", b"?1\r\n"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(NoRESP, match="is not RESP"):
        end_of(data)


@pytest.mark.parametrize("protocol", [2, 3])
def test_everything_is_handed_on_as_it_is(connect: Connect, protocol: int) -> None:
    client = connect(protocol)
    value = bytes(range(256)) * 2000
    client.set("big", value)
    assert client.get("big") == value
    client.hset("h", mapping={b"a\r\n": b"\r\n$1\r\n", b"b": b""})
    assert client.hgetall("h") == {b"a\r\n": b"\r\n$1\r\n", b"b": b""}
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.get("h")
    assert client.get("absent") is None


def test_a_round_trip_is_a_burst_that_is_answered(connect: Connect, proxy: Proxy) -> None:
    """However many commands it holds; setting up the connection is none."""
    client = connect()
    client.ping()
    assert (proxy.trips, proxy.commands) == (0, 0)
    client.get("a")
    assert (proxy.trips, proxy.commands) == (1, 1)
    with client.pipeline(transaction=True) as pipe:
        for number in range(100):
            pipe.set(f"k{number}", "v")
        pipe.execute()
    assert (proxy.trips, proxy.commands) == (2, 1 + 102)
    client.ping()
    assert (proxy.trips, proxy.commands) == (2, 103)


def test_two_connections_are_counted_each(connect: Connect, proxy: Proxy) -> None:
    for client in (connect(), connect()):
        client.get("a")
    assert proxy.trips == 2


def test_delays_lie_side_by_side(connect: Connect, proxy: Proxy) -> None:
    """A hundred commands in flight take as long as one."""
    client = connect()
    client.ping()
    proxy.delay(0.05, 0.05)
    began = time.monotonic()
    client.get("a")
    once = time.monotonic() - began
    clients = [connect() for _ in range(10)]
    proxy.delay()
    for one in clients:
        one.ping()
    proxy.delay(0.05, 0.05)
    began = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda one: one.get("a"), clients))
    assert 0.1 <= once < 0.8
    assert 0.1 <= time.monotonic() - began < 0.8  # one after the other would take a second


def test_the_record_says_who_said_what(connect: Connect, proxy: Proxy) -> None:
    client = connect()
    client.set("a", "1")
    said = [(frame.way, frame.name, frame.value) for frame in proxy.record()][-2:]
    assert said == [(Way.COMMAND, b"SET", (b"SET", b"a", b"1")), (Way.REPLY, b"SET", b"OK")]


def test_a_reply_is_held_back(connect: Connect, proxy: Proxy, server: LocalServer) -> None:
    client = connect()
    trap = proxy.trap(reply("GET", b"a"))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.get, "a")
        assert trap.wait().value is None
        server.raw.set("a", "new")
        assert not asked.done()
        trap.release()
        assert asked.result() is None  # what the server said before the change
    assert client.get("a") == b"new"


def test_a_command_is_held_back(connect: Connect, proxy: Proxy, server: LocalServer) -> None:
    client = connect()
    trap = proxy.trap(command("GET"), nth=2)
    assert client.get("a") is None
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.get, "a")
        assert trap.wait().command == (b"GET", b"a")
        server.raw.set("a", "new")
        trap.release()
        assert asked.result() == b"new"


def test_a_push_is_held_back_against_another_connection(
    connect: Connect, proxy: Proxy, server: LocalServer
) -> None:
    """The writer has its reply while the reader has not been told."""
    reader, writer = connect(), connect()
    reader.execute_command("CLIENT", "TRACKING", "ON", "BCAST")  # type: ignore[no-untyped-call]
    trap = proxy.trap(push(b"a"))
    writer.set("a", "1")
    assert trap.wait().value == [b"invalidate", [b"a"]]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(reader.get, "a")
        time.sleep(0.05)
        assert not asked.done()  # what follows the push in its direction waits, too
        trap.release()
        assert asked.result() == b"1"


@pytest.mark.parametrize(
    ("match", "act", "ran"),
    [
        (command("INCRBY"), Act.CUT, 0),
        (command("INCRBY"), Act.CUT_AFTER, 1),
        (reply("INCRBY"), Act.CUT, 1),
        (reply("INCRBY"), Act.END, 1),
    ],
    ids=["before the command", "behind the command", "before the reply", "half closed before the reply"],
)
def test_a_connection_is_cut(
    connect: Connect, proxy: Proxy, server: LocalServer, match: Match, act: Act, ran: int
) -> None:
    client = connect()
    client.ping()
    trap = proxy.trap(match, act)
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    trap.wait()
    deadline = time.monotonic() + 5
    while int(server.raw.get("n") or 0) != ran and time.monotonic() < deadline:
        time.sleep(0.01)
    assert int(server.raw.get("n") or 0) == ran


def test_a_reply_is_not_faster_than_the_cut_behind_its_command(
    connect: Connect, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Line.cut

    def slowly(line: Line) -> None:
        time.sleep(0.2)
        whole(line)

    monkeypatch.setattr(Line, "cut", slowly)
    client = connect()
    client.ping()
    proxy.trap(command("INCRBY"), Act.CUT_AFTER)
    with pytest.raises(redis.ConnectionError):
        client.incr("n")


def test_a_client_sees_the_end_once_its_last_command_is_with_the_server(
    connect: Connect, proxy: Proxy, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = socket.socket.sendall

    def slowly(to: socket.socket, data: bytes) -> None:
        time.sleep(0.2)
        whole(to, data)

    client = connect()
    client.ping()
    proxy.trap(command("INCRBY"), Act.CUT_AFTER)
    monkeypatch.setattr(socket.socket, "sendall", slowly)
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    monkeypatch.undo()
    for _ in range(3):
        server.raw.ping()
    assert server.raw.get("n") == b"1"


def test_the_first_commands_of_a_burst_run_before_a_cut(
    connect: Connect, proxy: Proxy, server: LocalServer
) -> None:
    client = connect()
    client.ping()
    proxy.trap(command("SET"), Act.CUT, nth=3)
    pipe = client.pipeline(transaction=False)
    for number in range(5):
        pipe.set(f"k{number}", "v")
    with pytest.raises(redis.ConnectionError):
        pipe.execute()
    deadline = time.monotonic() + 5
    while server.raw.dbsize() < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(server.raw.keys()) == [b"k0", b"k1"]


def test_a_lost_reply_is_waited_for(connect: Connect, proxy: Proxy, server: LocalServer) -> None:
    client = connect(timeout=0.2)
    client.ping()
    proxy.trap(reply("SET"), Act.DROP)
    with pytest.raises(redis.TimeoutError):
        client.set("a", "1")
    assert server.raw.get("a") == b"1"
    assert connect().get("a") == b"1"


def test_a_stalled_network_says_nothing(connect: Connect, proxy: Proxy) -> None:
    client = connect(timeout=0.2)
    client.ping()
    stall = proxy.trap(anything, every=True)
    with pytest.raises(redis.TimeoutError):
        client.get("a")
    stall.release()
    assert connect().get("a") is None


def test_a_server_out_of_reach_comes_back(connect: Connect, proxy: Proxy) -> None:
    client = connect()
    client.ping()
    proxy.refuse()
    with pytest.raises(redis.ConnectionError):
        client.get("a")
    with pytest.raises(redis.ConnectionError):
        connect().get("a")
    proxy.refuse(False)
    assert connect().get("a") is None


def test_who_sees_one_connection_end_is_answered_on_no_other(
    connect: Connect, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Line.cut
    seen = threading.Event()

    def slowly(line: Line) -> None:
        whole(line)
        seen.wait(0.5)

    first, second = connect(), connect()
    first.ping()
    second.ping()
    monkeypatch.setattr(Line, "cut", slowly)
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(proxy.refuse)
        with pytest.raises(redis.ConnectionError):
            first.blpop("never", 5)
        with pytest.raises(redis.ConnectionError):
            second.get("a")
        seen.set()
        refused.result()


def test_a_connection_that_comes_while_the_server_goes_out_of_reach_is_refused(
    connect: Connect, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = socket.create_connection

    def meanwhile(*arguments: Any) -> socket.socket:
        made = whole(*arguments)
        proxy.refuse()
        return made

    monkeypatch.setattr("metaparity.fixtures.faults.socket.create_connection", meanwhile)
    with pytest.raises(redis.ConnectionError):
        connect().get("a")


def test_a_frame_that_does_not_come_is_said(proxy: Proxy) -> None:
    with pytest.raises(TimeoutError, match="was not sent"):
        proxy.trap(anything).wait(0.01)
