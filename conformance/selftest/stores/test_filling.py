"""Loads into a database that others fill, too: no volume of two files."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from metaparity.conformance.scenes.dumps import GOLDEN
from metaparity.drivers.engine.core import UNFINISHED, is_unfinished
from metaparity.drivers.engine.filling import GUARDED, Claim
from metaparity.drivers.engine.loading import Filler
from metaparity.drivers.engine.store import Command
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import TRASH_INODE
from metaparity.fixtures.faults import Proxy, reply
from metaparity.fixtures.volumes import FORMAT, keyspace

from .conftest import FILES, LocalServer, OpenEngine, Start

ANOTHER = UNFINISHED + b" (another)"


@pytest.fixture(params=FILES)
def act(request: pytest.FixtureRequest) -> str:
    """A call that fills a database."""
    name: str = request.param
    return name


def filled(client: Any, act: str) -> None:
    getattr(client, act)(str(GOLDEN.joinpath(FILES[act])))


def begun(raw: Any) -> None:
    """Another load takes the database, at one moment."""
    raw.pipeline(transaction=True).flushdb().set("setting", ANOTHER).execute()


def ended(raw: Any) -> None:
    """Another load has taken the database, and come to its end."""
    raw.pipeline(transaction=True).flushdb().set("setting", '{"Name": "another"}').execute()


def emptied(raw: Any) -> None:
    raw.flushdb()


OTHERS: dict[Any, tuple[str, bytes | None]] = {
    begun: ("another load was under way in this database", UNFINISHED),
    ended: (
        r"another volume has come into this database\): look at that one with metaparity fsck$",
        b'{"Name": "another"}',
    ),
    emptied: ("the database has been emptied", UNFINISHED),
}
"""What others do; what is said then, and the settings after it."""


@pytest.mark.parametrize("others", OTHERS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_load_that_is_overtaken(
    engine: OpenEngine, server: LocalServer, act: str, others: Callable[[Any], None], moment: str
) -> None:
    """It is told, and what two have filled is a volume for neither."""
    client: Any = engine("")
    pour = client.db.pour

    def overtaken(*arguments: Any) -> None:
        client.db.pour = pour
        if moment == "before":
            others(server.raw)
        pour(*arguments)
        if moment == "after":
            others(server.raw)

    client.db.pour = overtaken
    said, left = OTHERS[others]
    with pytest.raises(Refused, match=rf"{FILES[act]} is loaded in part only \({said}"):
        filled(client, act)
    assert server.raw.get("setting") == left
    with pytest.raises(Refused):
        engine("").init(FORMAT)


@pytest.mark.parametrize("others", OTHERS)
def test_a_long_load_that_is_overtaken(
    engine: OpenEngine, server: LocalServer, others: Callable[[Any], None]
) -> None:
    """It ends soon after, though it would have gone on."""
    client = engine("")

    def endless() -> Iterator[list[tuple[str, str, int]]]:
        for number in itertools.count():
            if number == GUARDED:
                others(server.raw)
            assert number < 100 * GUARDED
            yield [("SET", f"n{number}", number)]

    before = client.look()
    said, left = OTHERS[others]
    with pytest.raises(Refused, match=said), client.filling("file", before) as claim:
        claim.pour(endless())
    assert server.raw.get("setting") == left


def test_a_load_that_is_overtaken_before_its_links(
    engine: OpenEngine, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops at them, and writes no counters, which are another's."""
    links = Filler.links

    def overtaken(self: Filler) -> Iterator[Command]:
        made = [*links(self)]
        assert made
        begun(server.raw)
        yield from made

    monkeypatch.setattr(Filler, "links", overtaken)
    with pytest.raises(Refused, match="another load was under way"):
        filled(engine(""), "load_dump")
    assert not server.raw.exists("nextinode", "totalInodes", "usedSpace")


@contextmanager
def being_filled(raw: Any) -> Iterator[None]:
    """A block in which another load fills the database."""
    ending = threading.Event()

    def fill() -> None:
        for number in itertools.count():
            raw.set(f"n{number}", 1)
            if ending.wait(0.01):
                return

    raw.set("setting", ANOTHER)
    filler = threading.Thread(target=fill)
    filler.start()
    try:
        yield
    finally:
        ending.set()
        filler.join()


def test_a_database_that_is_being_filled(engine: OpenEngine, server: LocalServer, act: str) -> None:
    """It is left to the load that is under way; once that has stopped, the next one takes it."""
    client = engine("")
    server.raw.set("first", 1)
    with being_filled(server.raw), pytest.raises(Refused, match="another load is under way in this database"):
        filled(client, act)
    assert server.raw.get("setting") == ANOTHER
    assert server.raw.get("first") == b"1"
    filled(client, act)
    assert client.load().name == "golden"
    assert not server.raw.exists("first", "n0")


def test_a_beat_after_the_end(engine: OpenEngine, server: LocalServer) -> None:
    """It leaves the volume, and does not take it for another's."""
    client = engine("")
    with client.filling("file", client.look()) as claim:
        claim.finish(b'{"Name": "mine"}')
        claim.hold()
        assert claim.taken is None
    assert server.raw.get("setting") == b'{"Name": "mine"}'


def test_a_late_beat(engine: OpenEngine, server: LocalServer) -> None:
    """One that waited for the server until the volume had been reset again leaves nothing."""
    client = engine("")
    with client.filling("file", client.look()) as claim:
        claim.finish(b'{"Name": "mine"}')
    server.raw.flushdb()
    claim.hold()
    assert server.raw.dbsize() == 0


@contextmanager
def losing_the_last_reply(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, unreachable: bool
) -> Iterator[int]:
    """A port to the server on which the reply to the end of a load is lost, and maybe all that follows."""
    finish = Claim.finish
    monkeypatch.setattr("metaparity.drivers.engine.filling.BEAT", 600)  # whose reply could be lost instead
    with contextlib.closing(Proxy("127.0.0.1", server.port)) as proxy:

        def lost(claim: Claim, setting: bytes) -> None:
            trap = proxy.trap(reply("EXEC"))

            def cut() -> None:
                trap.wait()
                proxy.refuse(unreachable)
                proxy.cut()
                trap.lose()

            with ThreadPoolExecutor(1) as threads:
                cutting = threads.submit(cut)
                finish(claim, setting)
                cutting.result()

        monkeypatch.setattr(Claim, "finish", lost)
        yield proxy.port


def test_a_lost_reply_to_the_end(
    engine: OpenEngine, server: LocalServer, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is asked what became of it: the load has come to its end."""
    with losing_the_last_reply(server, monkeypatch, unreachable=False) as port:
        filled(engine("", port), act)
    assert engine("").load().name == "golden"


def test_an_end_that_nobody_knows_of(
    engine: OpenEngine, server: LocalServer, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server cannot be asked, it is said what to look at."""
    with (
        losing_the_last_reply(server, monkeypatch, unreachable=True) as port,
        pytest.raises(Refused, match=r"may be loaded in part only \(.*look at it with metaparity fsck"),
    ):
        filled(engine("", port), act)
    assert engine("").load().name == "golden"


def test_ctrl_c_after_the_end(engine: OpenEngine, server: LocalServer) -> None:
    """Nothing is said of a part: the volume is whole."""
    client = engine("")
    before = client.look()

    def interrupted() -> None:
        with client.filling("file", before) as claim:
            claim.finish(b'{"Name": "mine"}')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as interrupt:
        interrupted()
    assert interrupt.value.args == ()
    assert server.raw.get("setting") == b'{"Name": "mine"}'


def test_a_load_that_makes_no_key_for_a_while(engine: OpenEngine, server: LocalServer, act: str) -> None:
    """It is seen to go on, and comes to its end."""
    client: Any = engine("")
    begun, ended = threading.Event(), threading.Event()
    pour = client.db.pour

    def slow(*arguments: Any) -> None:
        client.db.pour = pour
        begun.set()
        assert ended.wait(20)
        pour(*arguments)

    client.db.pour = slow
    with ThreadPoolExecutor(1) as threads:
        filling = threads.submit(filled, client, act)
        try:
            assert begun.wait(20)
            with pytest.raises(Refused, match="another load is under way in this database"):
                filled(engine(""), act)
        finally:
            ended.set()
        filling.result(20)
    assert client.load().name == "golden"


def test_a_server_that_is_full_at_the_end(engine: Any, start_server: Start, act: str) -> None:
    """The load says so at once, and there is no volume."""
    full = start_server()
    client = engine("", full.port)
    pour = client.db.pour
    client.db.pour = lambda *arguments: (pour(*arguments), full.raw.config_set("maxmemory", 1))
    began = time.monotonic()
    with pytest.raises(Refused, match=r"loaded in part only \(OOM .*load it again, or reset"):
        filled(client, act)
    assert time.monotonic() < began + 5
    assert is_unfinished(full.raw.get("setting"))


def test_a_database_that_is_not_empty_is_refused_at_once(
    engine: OpenEngine, server: LocalServer, act: str, tmp_path: Path
) -> None:
    """Not after a large file has been looked at."""
    server.raw.set("something", 1)
    with pytest.raises(Refused, match="not empty"):
        getattr(engine(""), act)(str(tmp_path / "not there"))


def test_two_loads_at_once(engine: OpenEngine, server: LocalServer) -> None:
    """One at most ends well, and the database holds its file then."""
    clients = [engine(""), engine("")]
    files = ["dump-secret.json", "dump-skip-trash.json"]
    wanted = []
    for file in files:
        clients[0].load_dump(str(GOLDEN.joinpath(file)))
        wanted.append(timeless(server))
        server.raw.flushdb()
    with ThreadPoolExecutor(2) as threads:
        for number in range(8):
            together = threading.Barrier(2)

            def load(which: int, together: threading.Barrier = together, number: int = number) -> str:
                together.wait()
                time.sleep((number if which else 8 - number) / 1000)
                try:
                    clients[which].load_dump(str(GOLDEN.joinpath(files[which])))
                except Refused as refused:
                    return str(refused)
                return ""

            said = [*threads.map(load, (0, 1))]
            assert said.count("") == 1, said
            assert timeless(server) == wanted[said.index("")]
            server.raw.flushdb()


def timeless(server: LocalServer) -> dict[Any, Any]:
    """The keys of the database but for those that tell when it was filled."""
    keys = keyspace(server.raw)
    return {key: keys[key] for key in keys.keys() - {b"txnLog", b"txnLastLog", b"i%d" % TRASH_INODE}}
