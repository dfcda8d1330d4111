"""The walk of a dump: volumes that change meanwhile, what is read before its turn, and what it takes."""

from __future__ import annotations

import errno
import json
import threading
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from metaparity.conformance.verbs import soon
from metaparity.drivers.engine import codec
from metaparity.drivers.engine.dumpwalk import BATCH, Walk, Walker
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.store import Command
from metaparity.drivers.types import FileType, Slice
from metaparity.fixtures.volumes import FORMAT

from .conftest import LocalServer, OpenEngine


@pytest.fixture
def client(engine: OpenEngine) -> StoreEngine:
    """A client of a fresh volume."""
    client = engine("")
    client.init(FORMAT)
    client.load()
    return client


# -- volumes that change meanwhile -----------------------------------------------------------------------


@pytest.mark.parametrize("threads", [0, 1])
def test_a_dump_during_which_entries_go_and_move_can_be_loaded(
    client: StoreEngine,
    engine: OpenEngine,
    server: LocalServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
) -> None:
    """What has gone since it was listed is left out, and a directory that has moved is told once."""
    a, z = client.mkdir(1, b"a", 0o755).inode, client.mkdir(1, b"z", 0o755).inode
    inside, deep = client.mkdir(a, b"inside", 0o755).inode, client.mkdir(z, b"deep", 0o755).inode
    client.mknod(inside, b"x", FileType.FILE, 0o644)
    client.mknod(1, b"gone", FileType.FILE, 0o644)
    ask, take = Walker._ask_for_more, Walker._take

    def asked(self: Walker, walk: Walk) -> None:
        if walk.inode == 1 and not walk.taken:
            engine("").unlink(1, b"gone")
        ask(self, walk)

    def taken(self: Walker, walk: Walk) -> None:
        take(self, walk)
        if walk.inode == inside:
            engine("").rename(a, b"inside", deep, b"moved")

    monkeypatch.setattr(Walker, "_ask_for_more", asked)
    monkeypatch.setattr(Walker, "_take", taken)
    client.dump(str(tmp_path / "dump.json"), threads=threads)
    entries = json.loads((tmp_path / "dump.json").read_text())["FSTree"]["entries"]
    assert entries.keys() == {"a", "z"}
    assert entries["a"]["entries"].keys() == {"inside"}
    assert entries["z"]["entries"]["deep"]["entries"] == {}
    server.raw.flushall()
    loaded = engine("")
    loaded.load_dump(str(tmp_path / "dump.json"))
    assert loaded.lookup(inside, b"x").inode


def test_a_dump_of_a_ring_ends(client: StoreEngine, server: LocalServer, tmp_path: Path) -> None:
    """A directory that is in itself is told once."""
    a = client.mkdir(1, b"a", 0o755).inode
    server.raw.hset(f"d{a}", "again", bytes([2]) + a.to_bytes(8))
    client.dump(str(tmp_path / "dump.json"))
    tree = json.loads((tmp_path / "dump.json").read_text())["FSTree"]
    assert tree["entries"]["a"]["entries"] == {}


# -- what is read before its turn ------------------------------------------------------------------------


def grown(client: StoreEngine, directory: int, depth: int, wide: int) -> None:
    """Fill a directory with directories in each other, and with files between them by name."""
    for number in range(wide):
        client.mknod(directory, b"f%d" % number, FileType.FILE, 0o644)
        if depth:
            inside = client.mkdir(directory, b"d%d" % number, 0o755).inode
            grown(client, inside, depth - 1, wide)


@pytest.mark.parametrize("threads", [-1, 2, 8, 100])
@pytest.mark.parametrize("most", [0, 5, 8192])
def test_a_dump_is_the_same_however_far_it_reads_ahead(
    client: StoreEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, most: int
) -> None:
    monkeypatch.setattr("metaparity.drivers.engine.dumpwalk.BATCH", 3)
    monkeypatch.setattr("metaparity.drivers.engine.dumpwalk.MOST_AHEAD", most)
    grown(client, 1, 3, 4)
    client.dump(str(tmp_path / "one"), threads=1)
    client.dump(str(tmp_path / "many"), threads=threads)
    assert (tmp_path / "many").read_bytes() == (tmp_path / "one").read_bytes()
    assert (tmp_path / "one").read_bytes().count(b'"inode"') == 1 + 4 * 2 + 16 * 2 + 64 * 2 + 256 + 1


@pytest.mark.parametrize("files", [0, BATCH])
def test_the_next_nodes_are_asked_for_while_others_come(
    client: StoreEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """Those of the next directory, and the next of the same one, before what has come is used."""
    for number in range(files):
        client.mknod(1, b"a%d" % number, FileType.FILE, 0o644)
    for name in (b"b", b"c"):
        client.mknod(client.mkdir(1, name, 0o755).inode, b"in " + name, FileType.FILE, 0o644)
    seen: list[tuple[str, bytes]] = []
    ask, told = Walker._ask_for_more, Walker._told

    def asking(self: Walker, walk: Walk) -> None:
        ask(self, walk)
        seen.extend(("asked", entry.name) for entry in walk.asked)

    def using(self: Walker, entries: Any, replies: Any) -> Any:
        seen.extend(("told", entry.name) for entry in entries)
        return told(self, entries, replies)

    monkeypatch.setattr(Walker, "_ask_for_more", asking)
    monkeypatch.setattr(Walker, "_told", using)
    client.dump(str(tmp_path / "dump.json"))
    assert seen.index(("asked", b"in c")) < seen.index(("told", b"in b"))
    if files:
        assert seen.index(("asked", b"b")) < seen.index(("told", b"a0"))


@pytest.mark.parametrize(("most", "before"), [(0, 0), (45, 19), (8192, 19)])
def test_directories_are_looked_into_before_their_turn(
    client: StoreEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, before: int
) -> None:
    """All of a directory but the first, as long as few entries wait for theirs."""
    monkeypatch.setattr("metaparity.drivers.engine.dumpwalk.MOST_AHEAD", most)
    grown(client, 1, 1, 20)
    entered, early, waiting = Walker._entered, [], []

    def noted(self: Walker, walk: Any, entry: Any) -> Any:
        early.append(entry.walk is not None)
        found = entered(self, walk, entry)
        waiting.append(self._entries_ahead)
        return found

    monkeypatch.setattr(Walker, "_entered", noted)
    client.dump(str(tmp_path / "dump.json"))
    assert (len(early), sum(early)) == (20, before)
    assert max(waiting) == min(8, -(-most // 20)) * 20
    assert waiting[-1] == 0


def test_memory_does_not_grow_with_the_chunks_of_files(
    client: StoreEngine, server: LocalServer, tmp_path: Path
) -> None:
    """Of files with many chunks only a few are in memory at once."""
    chunks, files = 2000, 50
    record = codec.encode_slice(Slice(0, 1, 100, 0, 100))
    for number in range(files):
        inode = client.mknod(1, b"f%d" % number, FileType.FILE, 0o644).inode
        client.write(inode, chunks - 1, 0, Slice(0, 1, 100, 0, 100))
        with server.raw.pipeline(transaction=False) as pipe:
            for index in range(chunks - 1):
                pipe.rpush(f"c{inode}_{index}", record)
            pipe.execute()
    tracemalloc.start()
    try:
        client.dump(str(tmp_path / "dump.json"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "dump.json").read_bytes().count(b'"slices"') == files * chunks
    assert peak < 12 << 20


def test_a_failure_of_what_was_read_ahead_ends_the_dump(
    client: StoreEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(client, 1, 1, 20)
    ask, read = client.db.ask, client.db.read

    def of_files_only(commands: Sequence[Command]) -> bool:
        return len(commands) > 20 and "HSCAN" not in {command[0] for command in commands}

    def gone() -> Any:
        raise OSError(errno.EIO, "the server is gone")

    monkeypatch.setattr(client.db, "ask", lambda *some: gone if of_files_only(some) else ask(*some))
    monkeypatch.setattr(client.db, "read", lambda *some: gone() if of_files_only(some) else read(*some))
    with pytest.raises(OSError, match="the server is gone"):
        client.dump(str(tmp_path / "dump.json"))
    assert [*tmp_path.iterdir()] == []
    assert soon(lambda: not [one for one in threading.enumerate() if one.name.startswith("metaparity a")])
