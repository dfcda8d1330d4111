"""Dumps and loads that do not come to their end: what they say, and what they leave."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from metaparity.conformance.scenes.dumps import GOLDEN
from metaparity.drivers.engine import codec
from metaparity.drivers.engine.core import is_unfinished
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import FileType, Slice
from metaparity.fixtures.faults import Match, Proxy, command
from metaparity.fixtures.volumes import FORMAT

from .conftest import FILES, STORES, LocalServer, OpenEngine, Start


def test_unfinished_load_is_no_volume(
    engine: OpenEngine, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a failed load left is no volume, cannot be formatted, and is replaced by the next load."""
    client = engine("")

    def fails(*args: Any) -> None:
        raise OSError(5, "the server is gone")

    with monkeypatch.context() as patched:
        patched.setattr(client, "_store_quota", fails)
        with pytest.raises(Refused, match=r"loaded in part only .*load it again, or reset"):
            client.load_dump(str(GOLDEN.joinpath("dump-secret.json")))
    assert is_unfinished(server.raw.get("setting"))
    other = engine("")
    for use in (other.load, lambda: other.init(FORMAT), lambda: other.session_new(True)):
        with pytest.raises(Refused, match="cannot be read: the load of a dump has not come to its end"):
            use()
    other.load_dump(str(GOLDEN.joinpath("dump-skip-trash.json")))
    assert other.load().name == "golden"
    assert not server.raw.exists("i9223372032828243969")


@pytest.mark.parametrize("act", FILES)
def test_server_that_dies_during_a_load(engine: Any, start_server: Start, act: str) -> None:
    """A load that loses its server says so, and what it was loading."""
    dying = start_server()
    client = engine("", dying.port)
    pour = client.db.pour

    def kill_first(*args: Any) -> None:
        dying.kill()
        pour(*args)

    client.db.pour = kill_first
    with pytest.raises(Refused, match=rf"{FILES[act]} is loaded in part only .*load it again, or reset"):
        getattr(client, act)(str(GOLDEN.joinpath(FILES[act])))


@pytest.mark.parametrize("act", FILES)
def test_server_that_is_full_during_a_load(engine: Any, start_server: Start, act: str) -> None:
    """A load for which the server has no memory says so, and leaves no volume until it is loaded again."""
    full = start_server()
    client = engine("", full.port)
    pour = client.db.pour

    def fill_first(*args: Any) -> None:
        full.raw.config_set("maxmemory", 1)
        pour(*args)

    client.db.pour = fill_first
    path = str(GOLDEN.joinpath(FILES[act]))
    with pytest.raises(Refused, match=r"loaded in part only .*OOM.*load it again, or reset"):
        getattr(client, act)(path)
    assert is_unfinished(full.raw.get("setting"))
    full.raw.config_set("maxmemory", 0)
    client.db.pour = pour
    getattr(client, act)(path)
    assert client.load().name == "golden"


@pytest.mark.parametrize("act", ["dump", "backup"])
def test_server_that_dies_during_a_dump(engine: Any, start_server: Start, tmp_path: Path, act: str) -> None:
    """A dump that loses its server is an error, and leaves no file."""
    dying = start_server()
    client = engine("", dying.port)
    client.restore(str(GOLDEN.joinpath("backup-secret.bin")))
    read = client.db.read

    def kill_first(*commands: Any) -> Any:
        dying.kill()
        return read(*commands)

    client.db.read = kill_first
    with pytest.raises(OSError, match=r"lost the connection|cannot connect"):
        getattr(client, act)(str(tmp_path / "file"))
    assert [*tmp_path.iterdir()] == []


ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("act", "held"), [("dump", "LRANGE"), ("backup", "LRANGE"), ("backup", "SCAN")])
def test_interrupted_while_a_server_does_not_answer(
    engine: OpenEngine, server: LocalServer, tmp_path: Path, act: str, held: str, ending: signal.Signals
) -> None:
    """What makes a file ends at once and quietly, whichever thread waits for the answer."""
    client = engine("")
    client.init(FORMAT)
    client.mknod(client.mkdir(1, b"d", 0o755).inode, b"x", FileType.FILE, 0o644)
    server.raw.rpush("c3_0", codec.encode_slice(Slice(0, 1, 100, 0, 100)))
    said = interrupted(client, server, command(held), act, tmp_path / "file", ending)
    assert said == ""
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("act", ["load", "restore"])
def test_interrupted_during_a_load(
    engine: OpenEngine, server: LocalServer, act: str, ending: signal.Signals
) -> None:
    """It says what is there, which is no volume."""
    client = engine("")
    path = Path(str(GOLDEN.joinpath("dump-secret.json" if act == "load" else "backup-secret.bin")))
    said = interrupted(client, server, command("RPUSH"), act, path, ending)
    assert said.endswith(
        f"{path.name} is loaded in part only (interrupted): load it again, or reset the database\n"
    )
    assert is_unfinished(server.raw.get("setting"))


def interrupted(
    client: StoreEngine, server: LocalServer, held: Match, act: str, path: Path, ending: signal.Signals
) -> str:
    """What a program says that gets a signal when the server does not answer what is held."""
    [scheme] = [scheme for scheme, kind in STORES.items() if type(client.store) is kind]
    with Proxy("127.0.0.1", server.port) as network:
        trap = network.trap(held)
        url = f"{scheme}://127.0.0.1:{network.port}/0"
        words = [sys.executable, "-m", "metaparity.conformance", act, url, str(path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                trap.wait()
                time.sleep(0.2)  # until everybody waits
                process.send_signal(ending)
                said, _ = process.communicate(timeout=10)
            finally:
                process.kill()
    assert process.returncode == 130
    return said
