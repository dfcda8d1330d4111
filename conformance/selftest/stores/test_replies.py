"""Replies are the server's, in order, the same by both stores."""

from __future__ import annotations

import contextlib
from enum import IntEnum
from typing import TYPE_CHECKING

import pytest

from metaparity.drivers.engine.store import Command, Reply, ServerError, Store
from metaparity.drivers.redis.store import RedisStore
from metaparity.drivers.rueidis.store import RueidisStore
from metaparity.drivers.url import parse

if TYPE_CHECKING:
    from metaparity.conformance.selftest.stores.conftest import LocalServer


class Number(IntEnum):
    ONE = 1


def test_both_stores_give_equal_replies(server: LocalServer) -> None:
    """A reply is what RESP3 says, whatever store carries it."""
    raw = server.raw
    raw.set("s", b"\xff\x00")
    raw.hset("h", mapping={"f": "v"})
    raw.sadd("set", "only")
    raw.zadd("z", {"a": 1, "b": 2.5})
    raw.rpush("l", "x", "y")
    expected: dict[Command, Reply] = {
        ("GET", "s"): b"\xff\x00",
        ("GET", b"none"): None,
        ("MGET", "s", "none"): [b"\xff\x00", None],
        ("HGETALL", "h"): {b"f": b"v"},
        ("HGETALL", "none"): {},
        ("SMEMBERS", "set"): [b"only"],
        ("ZRANGE", "z", 0, -1, "WITHSCORES"): [[b"a", 1.0], [b"b", 2.5]],
        ("ZRANGEBYSCORE", "z", "-inf", 2): [b"a"],
        ("ZSCORE", "z", "b"): 2.5,
        ("ZSCORE", "z", "none"): None,
        ("HSCAN", "h", 0): [b"0", [b"f", b"v"]],
        ("LRANGE", "l", 0, -1): [b"x", b"y"],
        ("LRANGE", "l", Number.ONE, Number.ONE): [b"y"],
        ("EXISTS", "s", "h"): 2,
        ("PING",): b"PONG",
        ("EVALSHA", raw.script_load("return {7, KEYS[1]}"), 1, "k"): [7, b"k"],
    }
    seen = {}
    for name, kind in {"redis": RedisStore, "rueidis": RueidisStore}.items():
        with contextlib.closing(kind(parse(f"127.0.0.1:{server.port}", {}))) as store:
            seen[name] = [(type(one), one) for one in store.read(*expected)]
    assert seen["redis"] == seen["rueidis"]
    assert [value for _, value in seen["redis"]] == list(expected.values())


@pytest.mark.parametrize("commands", [1, 2, 800])
def test_replies_come_in_order(store: Store, commands: int) -> None:
    """Many commands in one call answer in their order, below and above the size of bulk work."""
    store.pipeline(*[("SET", f"k{n}", n) for n in range(commands)])
    assert store.read(*[("GET", f"k{n}") for n in range(commands)]) == [b"%d" % n for n in range(commands)]
    assert store.read() == []


@pytest.mark.parametrize("method", ["read", "pipeline"])
def test_bulk_work_has_a_connection_of_its_own(server: LocalServer, method: str) -> None:
    """On `rueidis`, more than 500 commands in one call do not hold up the connection that all share."""
    with contextlib.closing(RueidisStore(parse(f"127.0.0.1:{server.port}", {}))) as store:
        call = getattr(store, method)
        shared = {*store.read(("CLIENT", "ID")), *call(*[("CLIENT", "ID")] * 500)}
        assert len(shared) == 1
        bulk = set(call(*[("CLIENT", "ID")] * 501))
        assert len(bulk) == 1
        assert not bulk & shared


@pytest.mark.parametrize("method", ["read", "pipeline"])
def test_the_first_error_is_raised(server: LocalServer, store: Store, method: str) -> None:
    """An error reply is raised with the server's text; the commands around it ran."""
    server.raw.set("s", "text")
    with pytest.raises(ServerError, match=r"^WRONGTYPE ") as refused:
        getattr(store, method)(("GET", "s"), ("LLEN", "s"), ("NOSUCH",), ("INCR", "n"))
    assert refused.value.code == "WRONGTYPE"
    assert server.raw.get("n") == b"1"
    with pytest.raises(ServerError, match=r"^E1 �$"):
        store.read(("EVAL", "return redis.error_reply('E1 ' .. string.char(255))", 0))
    assert store.read(("GET", "s")) == [b"text"]


def test_scans_page_through_everything(server: LocalServer, store: Store) -> None:
    """SCAN and HSCAN give every key and field, in more than one page where COUNT asks for it."""
    keys = {b"k%d" % n for n in range(1000)}
    server.raw.mset(dict.fromkeys(keys, b""))
    server.raw.hset("h", mapping={key: key + b"!" for key in keys})
    pages = list(store.scan(b"k*", 100))
    assert len(pages) > 2
    assert {key for page in pages for key in page} == keys
    fields = list(store.hscan(b"h", 100))
    assert len(fields) > 2
    assert dict(pair for page in fields for pair in page) == {key: key + b"!" for key in keys}
    assert list(store.scan(b"none*")) == []
    assert list(store.hscan(b"none")) == []
