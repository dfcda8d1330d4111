"""Passwords, databases, Unix sockets, TLS, and what importing a driver costs."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from metaparity.drivers.engine.store import Command, Disconnected, ServerError
from metaparity.drivers.rueidis.store import RueidisStore
from metaparity.drivers.url import BadURL, parse

from .conftest import start_with_tls

if TYPE_CHECKING:
    from metaparity.conformance.selftest.stores.conftest import LocalServer, Open, Start

GET: Command = ("GET", b"i1")


def test_password_and_database(own_server: LocalServer, open_store: Open) -> None:
    """The password opens the server, and the URL's database is the one that is used."""
    own_server.raw.config_set("requirepass", "s/cret")
    store = open_store(f":s%2Fcret@127.0.0.1:{own_server.port}/3")
    store.pipeline(("SET", "a", "here"))
    assert store.attempt([b"a"], lambda tx: tx.read(("GET", "a"))) == [b"here"]
    with redis.Redis(port=own_server.port, password="s/cret", db=3) as third:
        assert third.get("a") == b"here"
    with pytest.raises(ServerError, match="WRONGPASS"):
        open_store(f":wrong@127.0.0.1:{own_server.port}").read(("PING",))


def test_unix_socket(start_server: Start, open_store: Open, tmp_path: Path) -> None:
    """A Unix socket does for both ways of talking."""
    path = tmp_path / "s"
    start_server("--unixsocket", str(path))
    store = open_store(f"{path}?db=2", "unix")
    store.pipeline(("SET", "a", "1"))
    assert store.attempt([b"a"], lambda tx: tx.read(("GET", "a"))) == [b"1"]


def keeps_what_it_reads(url: str, raw: redis.Redis) -> None:
    """What a caching store reads at a URL is answered without asking, until the server tells of a change."""
    with closing(RueidisStore(parse(url, {}))) as store:
        raw.set("i1", "one")
        assert store.cached(GET) == [b"one"]
        assert store.known(GET) == [b"one"]
        raw.set("i1", "two")
        store.stats()
        assert store.known(GET) is None
        assert store.cached(GET) == [b"two"]


def test_a_unix_socket_tells_of_changes(start_server: Start, tmp_path: Path) -> None:
    """The cache works over a Unix socket, in the database that is asked for."""
    path = tmp_path / "s"
    server = start_server("--unixsocket", str(path))
    with redis.Redis(port=server.port, db=2) as raw:
        keeps_what_it_reads(f"rueidisunix://{path}?db=2", raw)


@pytest.mark.parametrize("scheme", ["ruediss", "rueidiss"])
@pytest.mark.parametrize("subscribe", ["bcast", "optin"])
def test_tls_tells_of_changes(tls_server: tuple[int, Path], scheme: str, subscribe: str) -> None:
    """The cache works over TLS with a server that is verified."""
    port, certificate = tls_server
    with redis.Redis(host="localhost", port=port, ssl=True, ssl_ca_certs=str(certificate), db=1) as raw:
        query = f"tls-ca-cert-file={certificate}&subscribe={subscribe}"
        keeps_what_it_reads(f"{scheme}://localhost:{port}/1?{query}", raw)


def test_tls_carries_much_both_ways_at_once(tls_server: tuple[int, Path], open_store: Open) -> None:
    """Eight threads exchange values of 1 MiB over TLS; every byte arrives where it belongs."""
    port, certificate = tls_server
    store = open_store(f"localhost:{port}?tls-ca-cert-file={certificate}", "rediss")

    def work(n: int) -> bool:
        value = bytes([n]) * (1 << 20)
        return all(
            store.pipeline(("SET", f"k{n}", value), ("GET", f"k{n}"))[1] == value
            and store.attempt([b"k%d" % n], lambda tx: tx.read(("STRLEN", f"k{n}"))) == [1 << 20]
            for _ in range(5)
        )

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))


def test_tls_verifies_the_server(tls_server: tuple[int, Path], open_store: Open) -> None:
    """A certificate must be known and be for the host, or for the name given instead."""
    port, certificate = tls_server
    known = f"tls-ca-cert-file={certificate}"
    for query in ("", f"?{known}"):
        with pytest.raises(Disconnected, match=r"(?i)certificate.verify.failed"):
            open_store(f"127.0.0.1:{port}{query}", "rediss").read(("PING",))
    for query in (f"{known}&tls-server-name=localhost", "insecure-skip-verify=1"):
        assert open_store(f"127.0.0.1:{port}?{query}", "rediss").read(("PING",)) == [b"PONG"]
    with pytest.raises(BadURL, match="cannot use the TLS files /none"):
        open_store("localhost?tls-ca-cert-file=/none", "rediss")


def test_sentinels_are_asked_over_tls(
    tls_server: tuple[int, Path], start_server: Start, open_store: Open, tmp_path: Path
) -> None:
    """With a TLS scheme, sentinels and the master are verified alike."""
    master, certificate = tls_server
    file = tmp_path / "sentinel.conf"
    file.write_text(f"sentinel monitor mymaster 127.0.0.1 {master} 1\n")
    port = start_with_tls(start_server, certificate, str(file), "--sentinel")
    names = f"mymaster,127.0.0.1:{port}"
    named = f"tls-ca-cert-file={certificate}&tls-server-name=localhost"
    store = open_store(f"{names}/2?{named}", "rediss")
    assert store.pipeline(("SET", "a", "1"), ("GET", "a")) == [b"OK", b"1"]
    with pytest.raises(Disconnected, match=rf"127\.0\.0\.1:{port}: .*(?i:certificate.verify.failed)"):
        open_store(names, "rediss").read(("PING",))


@pytest.mark.parametrize("name", ["redis", "rueidis"])
def test_naming_a_driver_imports_no_client_library(name: str) -> None:
    """Listing drivers is cheap: the client library comes with the first `open`."""
    program = (
        f"import sys, metaparity.drivers.{name} as it; assert it.DRIVER.name == {name!r}; "
        "sys.exit(bool({'redis', 'hiredis', 'ssl'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=20).returncode == 0
