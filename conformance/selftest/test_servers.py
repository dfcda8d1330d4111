"""Servers: every choice starts, answers and is gone afterwards, however the process ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hiredis
import pytest
import redis
from docker.errors import NotFound  # type: ignore[import-untyped]
from testcontainers.core.config import testcontainers_config
from testcontainers.core.docker_client import DockerClient

from metaparity.conformance.verbs import soon
from metaparity.fixtures.servers import Server, ServerUnavailable, container, process, start_server
from metaparity.fixtures.servers.server import Endpoint

Start = Callable[[str], Server]

GONE_WITHIN = 30.0
"""Seconds for what a dead process left to disappear."""


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers and closes them."""
    with contextlib.ExitStack() as started:

        def start_(choice: str) -> Server:
            return started.enter_context(contextlib.closing(start_server(choice)))

        yield start_


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files, with nothing else in it."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr("tempfile.tempdir", None)
    return directory


@pytest.fixture
def docker() -> Iterator[Any]:
    """A client of the Docker engine; without one the test is skipped."""
    try:
        client = container.docker_client()
    except ServerUnavailable as unavailable:
        pytest.skip(unavailable.reason)
    if not container.has_image(client, container.IMAGE):
        pytest.skip(f"Docker has no image {container.IMAGE}")
    yield client
    client.close()


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


@pytest.fixture
def no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "EMBEDDED", "metaparity-has-no-such-wheel")


def client_of(server: Server, db: int = 0) -> redis.Redis:
    return redis.Redis.from_url(f"redis://{server.address(db)}", decode_responses=True)


def process_of(server: Server) -> int:
    """The pid of a local server, which is also the number of its process group."""
    with client_of(server) as client:
        return int(client.info("server")["process_id"])


needs_local = pytest.mark.skipif(
    not (shutil.which("redis-server") or shutil.which("valkey-server")), reason="no redis-server on PATH"
)


def living(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    if Path("/proc/self/stat").exists():
        table = [stat for one in Path("/proc").glob("[0-9]*/stat") if (stat := content(one))]
        rows = [(stat.split(" ", 1)[0], *stat.rpartition(") ")[2].split()[:3]) for stat in table]
    else:
        listing = subprocess.run(
            ["ps", "-A", "-o", "pid=,stat=,ppid=,pgid="], stdout=subprocess.PIPE, text=True
        )
        rows = [
            (pid, stat, ppid, pgid) for pid, stat, ppid, pgid in map(str.split, listing.stdout.splitlines())
        ]
    return [int(pid) for pid, stat, _, pgid in rows if int(pgid) == group and stat[0] not in "ZX"]


def content(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
        return ""


def refusal(choice: str) -> str:
    """The one sentence with which a choice is refused."""
    with pytest.raises(ServerUnavailable) as refused:
        start_server(choice).close()
    assert "\n" not in str(refused.value)
    return str(refused.value)


# -- every choice -----------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", [pytest.param("local", marks=needs_local), "embedded"])
def test_a_process_serves_sixteen_databases_and_leaves_nothing(choice: str, temporary: Path) -> None:
    server = start_server(choice)
    pid = process_of(server)
    assert living(pid)
    with client_of(server, 15) as client:
        assert client.ping()
        assert client.config_get("save")["save"] == ""
        assert client.config_get("appendonly")["appendonly"] == "no"
        info = client.info("server")
        assert info["config_file"] == ""
    assert server.kind == choice
    assert server.host == "127.0.0.1"
    assert (server.software, server.version) in (
        ("redis", info["redis_version"]),
        ("valkey", info.get("valkey_version")),
    )
    server.close()
    assert soon(lambda: not living(pid), GONE_WITHIN)
    assert not list(temporary.iterdir())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port))
    server.close()


def test_a_path_names_the_program(start: Start) -> None:
    program = process.embedded_program()
    server = start(f"local:{program}")
    assert (server.kind, server.detail, server.software) == ("local", str(program), "valkey")


def test_a_server_outlives_the_thread_that_started_it() -> None:
    started: list[Server] = []
    thread = threading.Thread(target=lambda: started.append(start_server("embedded")))
    thread.start()
    thread.join()
    with contextlib.closing(started[0]), client_of(started[0]) as client:
        time.sleep(0.1)
        assert client.ping()


def test_a_container_serves_and_is_removed(docker: Any) -> None:
    before = ours_of(docker, os.getpid())
    server = start_server("container")
    with client_of(server, 15) as client:
        assert client.ping()
        assert client.config_get("save")["save"] == ""
    assert (server.kind, server.detail, server.software) == ("container", "redis:7", "redis")
    assert len(ours_of(docker, os.getpid()) - before) == 1
    server.close()
    assert ours_of(docker, os.getpid()) == before
    server.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Docker's networks are in a virtual machine")
def test_a_container_is_reached_past_the_proxy_of_docker(docker: Any) -> None:
    """Where its own address leads to it, every byte is spared a process."""
    before = ours_of(docker, os.getpid())
    with contextlib.closing(start_server("container")) as server:
        (made,) = ours_of(docker, os.getpid()) - before
        networks = docker.containers.get(made).attrs["NetworkSettings"]["Networks"]
        assert [server.host] == [one["IPAddress"] for one in networks.values()]


def test_an_address_that_leads_elsewhere_is_not_taken(start: Start) -> None:
    """To nobody, to what is no server, or to another: the addresses of a machine that is not this one."""
    server, stranger = start("embedded"), start("embedded")
    with contextlib.ExitStack() as open_, client_of(server) as client:
        nobody, mute = (
            open_.enter_context(socket.socket()),
            open_.enter_context(socket.create_server(("127.0.0.1", 0))),
        )
        nobody.bind(("127.0.0.1", 0))
        strange = [Endpoint("127.0.0.1", one.getsockname()[1]) for one in (nobody, mute)]
        strange.append(stranger.endpoint)
        own = Endpoint("localhost", server.port)
        run_id = str(client.info("server")["run_id"])
        assert container.nearest(server.endpoint, strange, run_id) == server.endpoint
        assert container.nearest(server.endpoint, [*strange, own], run_id) == own
        assert container.nearest(server.endpoint, [own], "") == server.endpoint


def test_a_way_that_is_asked_for_is_taken(docker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = DockerClient()
    with contextlib.closing(engine.client):
        monkeypatch.setattr(testcontainers_config, "connection_mode_override", engine.get_connection_mode())
    with contextlib.closing(start_server("container")) as server:
        assert server.port != container.PORT


def ours_of(docker: Any, pid: int) -> set[str]:
    """The containers that a process started, among them perhaps the one of the whole run."""
    return {one.id for one in container.containers(docker, f"{container.OWNER}={container.owner(pid)}")}


def test_containers_of_dead_processes_alone_are_removed(docker: Any) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    owners = {"dead": container.owner(dead.pid), "alive": container.owner(os.getppid()), "far": "elsewhere/1"}
    made = {
        name: docker.containers.create("redis:7", labels={container.OWNER: owner, container.RUN: name})
        for name, owner in owners.items()
    }
    try:
        container.remove_orphans(docker)
        left = {one.id for one in container.containers(docker, container.RUN)}
        assert {name for name, one in made.items() if one.id in left} == {"alive", "far"}
    finally:
        for one in made.values():
            with contextlib.suppress(NotFound):
                one.remove(force=True)


# -- the order of auto ------------------------------------------------------------------------------


def test_auto_takes_a_container_first(docker: Any, start: Start) -> None:
    server = start("auto")
    assert (server.kind, server.passed_over) == ("container", [])


@needs_local
@pytest.mark.usefixtures("no_docker")
def test_auto_takes_a_local_server_where_docker_does_not_answer(start: Start) -> None:
    server = start("auto")
    assert server.kind == "local"
    ((kind, reason),) = [(one.kind, one.reason) for one in server.passed_over]
    assert (kind, reason) == (
        "container",
        "Docker does not answer at unix:///nowhere/docker.sock: No such file or directory",
    )


@pytest.mark.usefixtures("no_docker", "no_path")
def test_auto_takes_the_embedded_server_last(start: Start) -> None:
    server = start("auto")
    assert server.kind == "embedded"
    assert [one.kind for one in server.passed_over] == ["container", "local"]
    assert server.passed_over[1].reason == "no redis-server on PATH"


@pytest.mark.usefixtures("no_docker", "no_path", "no_wheel")
def test_without_any_server_every_reason_is_given() -> None:
    sentence = refusal("auto")
    assert "Docker does not answer" in sentence
    assert "no redis-server on PATH" in sentence
    assert "metaparity-has-no-such-wheel is not installed" in sentence
    assert "metaparity doctor" in sentence


@pytest.mark.usefixtures("no_docker", "no_path", "no_wheel")
@pytest.mark.parametrize(
    ("choice", "remedy"),
    [("container", "start Docker"), ("local", "apt install redis-server"), ("embedded", "pip install")],
)
def test_a_single_choice_has_no_fallback(choice: str, remedy: str) -> None:
    assert remedy in refusal(choice)


# -- what goes wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["", "docker", "container:", "local:", "embedded:x", "auto:x"])
def test_an_unknown_kind_is_refused(choice: str) -> None:
    assert "say one of auto, container" in refusal(choice)


def test_a_path_without_a_program_is_refused(tmp_path: Path) -> None:
    assert "is not a program" in refusal(f"local:{tmp_path / 'redis-server'}")
    assert "is not a program" in refusal(f"local:{tmp_path}")


def test_a_program_that_ends_shows_its_last_words(tmp_path: Path, temporary: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho cannot find my head >&2\nexit 7\n")
    program.chmod(0o755)
    assert "ended with code 7: cannot find my head" in refusal(f"local:{program}")
    assert not list(temporary.iterdir())


def test_a_program_that_never_answers_is_ended(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "redis-server"
    program.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(process, "READY_WITHIN", 0.5)
    assert "gave no answer" in refusal(f"local:{program}")
    group = int((tmp_path / "pid").read_text())
    assert soon(lambda: not living(group), GONE_WITHIN)
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("other", ["redis", "silent"])
def test_a_port_that_others_took_is_given_up(
    other: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        taken = start("embedded").port if other == "redis" else silent.getsockname()[1]
        free = process.free_port()
        offers = iter([taken, free])
        monkeypatch.setattr(process, "free_port", lambda: next(offers))
        assert start("embedded").port == free


def test_an_image_that_cannot_be_had_is_refused(docker: Any) -> None:
    before = ours_of(docker, os.getpid())
    assert "Docker cannot run 127.0.0.1:1/none:1" in refusal("container:127.0.0.1:1/none:1")
    assert ours_of(docker, os.getpid()) == before


# -- a given URL ------------------------------------------------------------------------------------


@pytest.fixture
def secret() -> Iterator[Server]:
    """A server whose password needs quoting in a URL."""
    with contextlib.closing(start_server("embedded")) as server, client_of(server) as client:
        client.config_set("requirepass", "p@ss/w:rd")
        yield server


def test_a_url_logs_in_and_names_the_first_database(secret: Server, start: Start) -> None:
    given = start(f"redis://:p%40ss%2Fw%3Ard@127.0.0.1:{secret.port}/14")
    assert (given.kind, given.detail, given.password) == ("url", f"127.0.0.1:{secret.port}", "p@ss/w:rd")
    assert given.databases == range(14, 16)
    with client_of(given, 14) as client:
        assert client.ping()
    with pytest.raises(ServerUnavailable, match=r"database 16 at .* may not be used"):
        given.address(16)
    given.close()
    with client_of(given, 14) as client:
        assert client.ping()


def test_the_password_is_asked_for_and_checked(secret: Server) -> None:
    assert "asks for a password" in refusal(f"redis://127.0.0.1:{secret.port}/0")
    wrong = refusal(f"redis://:wrong@127.0.0.1:{secret.port}/0")
    assert "refuses the password" in wrong
    assert "redis://[USER]:PASSWORD@HOST" in wrong


def test_a_user_without_rights_is_refused(start: Start) -> None:
    server = start("embedded")
    with client_of(server) as client:
        client.acl_setuser("weak", enabled=True, passwords=["+word"], commands=["+ping", "+select"])
    assert "the user of the URL may not do that" in refusal(f"redis://weak:word@127.0.0.1:{server.port}/0")


def test_what_does_not_answer_is_refused(start: Start) -> None:
    port = process.free_port()
    assert f"no Redis server answers at 127.0.0.1:{port} (Connection refused)" in refusal(
        f"redis://127.0.0.1:{port}"
    )
    server = start("embedded")
    assert "has no database 99" in refusal(f"redis://127.0.0.1:{server.port}/99")


@pytest.mark.parametrize(
    "url", ["http://h/0", "redis://", "redis://h:x/0", "redis://h:0", "redis://h/a", "redis://h/1?db=2"]
)
def test_a_url_that_cannot_be_read_is_refused(url: str) -> None:
    assert "write it as redis://" in refusal(url)


def test_a_url_that_cannot_be_read_keeps_its_password_to_itself() -> None:
    assert "sesame" not in refusal("redis://:sesame@h/a")


def test_a_database_with_keys_is_refused_and_kept(start: Start) -> None:
    server = start("embedded")
    given = start(f"redis://{server.address(3)}")
    given.require_empty(3, allow_flush=False)
    with client_of(server, 3) as client:
        client.mset({"a": 1, "b": 2})
        with pytest.raises(ServerUnavailable) as refused:
            given.require_empty(3, allow_flush=False)
        assert str(refused.value) == (
            f"database 3 at 127.0.0.1:{server.port} is not empty (2 keys); "
            "choose an empty one or pass --allow-flush"
        )
        given.require_empty(3, allow_flush=True)
        server.require_empty(3, allow_flush=False)
        assert client.dbsize() == 2


class Old(socketserver.StreamRequestHandler):
    """Answers PING and INFO as a server of one version does, and knows no other command."""

    version = b""

    def handle(self) -> None:
        reader = hiredis.Reader(notEnoughData=NotImplemented)
        while data := self.request.recv(65536):
            reader.feed(data)
            while (command := reader.gets()) is not NotImplemented:
                self.wfile.write(self.answer(command[0]))

    def answer(self, name: bytes) -> bytes:
        if name == b"PING":
            return b"+PONG\r\n"
        if name == b"INFO":
            text = b"# Server\r\nredis_version:" + self.version + b"\r\n"
            return b"$%d\r\n%b\r\n" % (len(text), text)
        return b"-ERR unknown command\r\n"


@contextlib.contextmanager
def serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    """The port of a server in threads of this process."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("version", ["2.8.24", "3.2.0"])
def test_a_server_older_than_4_0_is_refused(version: str) -> None:
    with serving(type("Server", (Old,), {"version": version.encode()})) as port:
        sentence = refusal(f"redis://127.0.0.1:{port}")
    assert f"is Redis {version}, which is too old; use Redis 4.0 or newer" in sentence


@pytest.mark.parametrize("version", ["4.0.0", "10.1.0"])
def test_a_newer_server_is_accepted_where_it_does_not_count_its_databases(version: str, start: Start) -> None:
    with serving(type("Server", (Old,), {"version": version.encode()})) as port:
        server = start(f"redis://127.0.0.1:{port}")
    assert (server.version, server.databases) == (version, range(1))


class Web(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_another_kind_of_server_is_refused() -> None:
    with serving(Web) as port:
        assert f"at 127.0.0.1:{port}" in refusal(f"redis://127.0.0.1:{port}")


def test_rediss_speaks_tls() -> None:
    seen: list[bytes] = []

    class Listener(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            seen.append(self.request.recv(1))

    with serving(Listener) as port:
        assert f"no Redis server answers at 127.0.0.1:{port}" in refusal(f"rediss://127.0.0.1:{port}/0")
    assert seen == [b"\x16"]  # the record type of a handshake


# -- the end of the process -------------------------------------------------------------------------

PROGRAM = """
import sys, time
from metaparity.fixtures.servers import start_server
server = start_server(sys.argv[1])
with server.endpoint.connect() as client:
    print(client.info("server")["process_id"], flush=True)
if sys.argv[2] == "waits":
    for _ in range(600):  # a signal in the moment before it sleeps does not wake it
        time.sleep(0.1)
elif sys.argv[2] == "fails":
    raise SystemExit("no")
"""


@pytest.mark.parametrize("choice", [pytest.param("local", marks=needs_local), "embedded"])
@pytest.mark.parametrize("ending", ["returns", "fails", "SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_nothing_outlives_the_process(choice: str, ending: str, temporary: Path) -> None:
    with program(choice, ending) as (group, _):
        pass
    assert soon(lambda: not living(group), GONE_WITHIN)
    assert soon(lambda: not list(temporary.iterdir()), GONE_WITHIN)


@pytest.mark.parametrize("ending", ["returns", "SIGINT", "SIGTERM", "SIGKILL"])
def test_no_container_outlives_the_process(docker: Any, ending: str) -> None:
    with program("container", ending) as (_, pid):
        assert ours_of(docker, pid) or ending == "returns"
    assert soon(lambda: not ours_of(docker, pid), GONE_WITHIN)


@contextlib.contextmanager
def program(choice: str, ending: str) -> Iterator[tuple[int, int]]:
    """A process that starts a server: the server's pid and its own; it ends as asked when the block does."""
    waits = ending.startswith("SIG")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, choice, "waits" if waits else ending],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            yield int(running.stdout.readline()), running.pid
            if waits:
                running.send_signal(signal.Signals[ending])
            code = running.wait(GONE_WITHIN)
        finally:
            running.kill()
    assert (code == 0) == (ending == "returns")
