"""Two clients at once: one winner, the named loser, and every law kept (N42)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from errno import EEXIST, EINVAL, ENOENT, ENOTEMPTY
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.processes import opening, run_at_once
from metaparity.conformance.verbs import refuses
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Attr, FileType, OpenFlag, RenameFlag, SetAttr
from metaparity.fixtures.volumes import Volume

ROUNDS = 12
OK = 0

Call = Callable[[Engine, int], Any]


def rivals(volume: Volume, count: int = 2) -> list[Engine]:
    """Clients of one volume."""
    # The first flush counts the root, with what other clients still hold back: that must be over (N27.2).
    volume.file("first")
    volume.fs.settle()
    return [volume.fs, *(volume.open() for _ in range(count - 1))]


def settle(volume: Volume, clients: list[Engine]) -> None:
    """Every client settles, and the laws hold."""
    for client in clients:
        client.settle()
    require_laws(volume)


def race(clients: list[Engine], calls: list[Call], directory: int) -> list[Any]:
    """Make the calls at one moment, each on its client; the errno of a refusal, else the answer."""
    start = threading.Barrier(len(calls))

    def run(client: Engine, call: Call) -> Any:
        start.wait(timeout=10)
        try:
            return call(client, directory)
        except OSError as refused:
            return refused

    with ThreadPoolExecutor(len(calls)) as pool:
        racers = [pool.submit(run, client, call) for client, call in zip(clients, calls, strict=True)]
        return [racer.result(timeout=30) for racer in racers]


def outcome(answer: Any) -> int:
    """0 for a success, else the errno."""
    return int(answer.errno or -1) if isinstance(answer, OSError) else OK


def make_file(fs: Engine, d: int) -> None:
    fs.mknod(d, b"x", FileType.FILE, 0o644)


def make_directory(fs: Engine, d: int) -> None:
    fs.mkdir(d, b"x", 0o755)


def make_two(fs: Engine, d: int) -> None:
    make_file(fs, d)
    fs.mknod(d, b"y", FileType.FILE, 0o644)


def make_directory_and_file(fs: Engine, d: int) -> None:
    make_directory(fs, d)
    fs.mknod(d, b"y", FileType.FILE, 0o644)


def make_two_directories(fs: Engine, d: int) -> None:
    make_directory(fs, d)
    fs.mkdir(d, b"y", 0o755)


def make_nothing(fs: Engine, d: int) -> None:
    """The directory is enough."""


def linked(fs: Engine, d: int) -> Any:
    return fs.link(fs.lookup(d, b"x").inode, d, b"l")


NOREPLACE = RenameFlag.NOREPLACE

PAIRS: dict[str, tuple[Callable[[Engine, int], None], Call, Call, set[tuple[int, int]]]] = {
    "mkdir-mkdir": (
        make_nothing,
        lambda fs, d: fs.mkdir(d, b"x", 0o755),
        lambda fs, d: fs.mkdir(d, b"x", 0o755),
        {(OK, EEXIST), (EEXIST, OK)},
    ),
    "mknod-symlink": (
        make_nothing,
        lambda fs, d: fs.mknod(d, b"x", FileType.FIFO, 0o644),
        lambda fs, d: fs.symlink(d, b"x", b"target"),
        {(OK, EEXIST), (EEXIST, OK)},
    ),
    "exclusive-create": (
        make_nothing,
        lambda fs, d: fs.create(d, b"x", 0o644, 0, OpenFlag.EXCL),
        lambda fs, d: fs.create(d, b"x", 0o644, 0, OpenFlag.EXCL),
        {(OK, EEXIST), (EEXIST, OK)},
    ),
    "unlink-unlink": (
        make_file,
        lambda fs, d: fs.unlink(d, b"x"),
        lambda fs, d: fs.unlink(d, b"x"),
        {(OK, ENOENT), (ENOENT, OK)},
    ),
    "rmdir-rmdir": (
        make_directory,
        lambda fs, d: fs.rmdir(d, b"x"),
        lambda fs, d: fs.rmdir(d, b"x"),
        {(OK, ENOENT), (ENOENT, OK)},
    ),
    "rename-unlink": (
        make_file,
        lambda fs, d: fs.rename(d, b"x", d, b"z"),
        lambda fs, d: fs.unlink(d, b"x"),
        {(OK, ENOENT), (ENOENT, OK)},
    ),
    "rename-rename": (
        make_file,
        lambda fs, d: fs.rename(d, b"x", d, b"z1"),
        lambda fs, d: fs.rename(d, b"x", 1, b"z%d" % d),
        {(OK, ENOENT), (ENOENT, OK)},
    ),
    "rename-onto-one-name": (
        make_two,
        lambda fs, d: fs.rename(d, b"x", d, b"z", NOREPLACE),
        lambda fs, d: fs.rename(d, b"y", d, b"z", NOREPLACE),
        {(OK, EEXIST), (EEXIST, OK)},
    ),
    "rename-over-each-other": (
        make_two,
        lambda fs, d: fs.rename(d, b"x", d, b"y"),
        lambda fs, d: fs.rename(d, b"y", d, b"x"),
        {(OK, OK), (OK, ENOENT), (ENOENT, OK)},
    ),
    "exchange-exchange": (
        make_two,
        lambda fs, d: fs.rename(d, b"x", d, b"y", RenameFlag.EXCHANGE),
        lambda fs, d: fs.rename(d, b"y", d, b"x", RenameFlag.EXCHANGE),
        {(OK, OK)},
    ),
    "link-unlink": (
        make_file,
        linked,
        lambda fs, d: fs.unlink(d, b"x"),
        {(OK, OK), (ENOENT, OK)},
    ),
    "setattr-unlink": (
        make_file,
        lambda fs, d: fs.setattr(fs.lookup(d, b"x").inode, SetAttr.MODE, Attr(mode=0o600)),
        lambda fs, d: fs.unlink(d, b"x"),
        {(OK, OK), (ENOENT, OK)},
    ),
    "rmdir-parent-create": (
        make_directory,
        lambda fs, d: fs.rmdir(d, b"x"),
        lambda fs, d: fs.mknod(fs.lookup(d, b"x").inode, b"new", FileType.FILE, 0o644),
        {(OK, ENOENT), (ENOTEMPTY, OK)},
    ),
    "rmdir-parent-move-in": (
        make_directory_and_file,
        lambda fs, d: fs.rmdir(d, b"x"),
        lambda fs, d: fs.rename(d, b"y", fs.lookup(d, b"x").inode, b"y"),
        {(OK, ENOENT), (ENOTEMPTY, OK)},
    ),
    "replace-parent-create": (
        make_two_directories,
        lambda fs, d: fs.rename(d, b"y", d, b"x"),
        lambda fs, d: fs.mknod(fs.lookup(d, b"x").inode, b"new", FileType.FILE, 0o644),
        {(OK, OK), (OK, ENOENT), (ENOTEMPTY, OK)},
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
@clause(
    "concurrency/two-calls-on-one-name-have-one-winner", source="N42.1 N42.6", needs="namespace", clients=2
)
def test_pair(volume: Volume, pair: str) -> None:
    """Of two clients' calls on one name, made at once, the outcomes are those of one order or the other, and
    the laws of the key-space hold afterwards."""
    prepare, left, right, possible = PAIRS[pair]
    clients = rivals(volume)
    for number in range(ROUNDS):
        d = volume.dir(f"d{number}")
        prepare(volume.fs, d)
        answers = race(clients, [left, right], d)
        assert tuple(map(outcome, answers)) in possible
    settle(volume, clients)


@clause("concurrency/two-creates-share-one-file", source="N42.6 N12.9", needs="namespace", clients=2)
def test_create_create(volume: Volume) -> None:
    """Two clients that create one name without EXCL both succeed, with the same file."""
    clients = rivals(volume)
    for number in range(ROUNDS):
        d = volume.dir(f"d{number}")
        nodes = race(clients, [lambda fs, d: fs.create(d, b"x", 0o644)] * 2, d)
        assert nodes[0].inode == nodes[1].inode == volume.fs.lookup(d, b"x").inode
    settle(volume, clients)


def tower(volume: Volume, name: str, parent: int) -> list[int]:
    """Four directories, each in the one before; the first is called `name`."""
    floors = [volume.dir(name, parent)]
    for _ in range(3):
        floors.append(volume.dir("in", floors[-1]))
    return floors


def into(name: bytes, directory: int) -> Call:
    """Moves `p/p` or `q/q` into a directory."""
    return lambda fs, d: fs.rename(fs.lookup(d, name).inode, name, directory, name)


@clause("concurrency/opposite-moves-make-no-cycle", source="N42.1 N16.6 Q2 I4", needs="namespace", clients=2)
def test_opposite_moves(volume: Volume) -> None:
    """Of two directories moved into each other at once, one stays, and both keep a path."""
    clients = rivals(volume)
    for number in range(ROUNDS):
        d = volume.dir(f"d{number}")
        p, q = (tower(volume, name, volume.dir(name, d)) for name in ("p", "q"))
        answers = race(clients, [into(b"p", q[-1]), into(b"q", p[-1])], d)
        outcomes = sorted(map(outcome, answers))
        assert outcomes == [OK, EINVAL], f"expected one success and EINVAL, observed {outcomes}"
        assert all(len(volume.fs.paths(inode)) == 1 for inode in (*p, *q))
    settle(volume, clients)


@clause("concurrency/many-clients-share-one-directory", source="N42.1 N42.3", needs="namespace", clients=2)
def test_many_clients(volume: Volume) -> None:
    """Four clients that work in one directory at once lose nothing: every call succeeds and every figure
    is right."""
    clients = rivals(volume, 4)
    d = volume.dir("d")

    def work(number: int) -> Call:
        def calls(fs: Engine, d: int) -> None:
            for n in range(12):
                name = b"%d-%d" % (number, n)
                fs.mkdir(d, b"d" + name, 0o755)
                inode = fs.mknod(d, name, FileType.FILE, 0o644).inode
                fs.link(inode, d, b"l" + name)
                fs.rename(d, name, d, b"r" + name)
                if n % 2:
                    fs.unlink(d, b"r" + name)
                    fs.rmdir(d, b"d" + name)

        return calls

    answers = race(clients, [work(number) for number in range(4)], d)
    assert [outcome(answer) for answer in answers] == [OK] * 4
    settle(volume, clients)
    assert len(volume.fs.readdir(d)) == 2 + 4 * (12 + 6 + 6)
    assert volume.fs.getattr(d).nlink == 2 + 4 * 6


RIVAL = """
import sys
from metaparity.drivers import driver
from metaparity.drivers.types import Config, FileType

name, url, me, directory, count = sys.argv[1:]
fs = driver(name).open(url, Config(no_bg_jobs=True, heartbeat=600, dir_stat_flush=3600))
fs.load()
fs.session_new(True)
print("ready", flush=True)
sys.stdin.readline()
for n in range(int(count)):
    fs.mkdir(int(directory), f"{me}-d{n}".encode(), 0o755)
    made = fs.mknod(int(directory), f"{me}-f{n}".encode(), FileType.FILE, 0o644)
    fs.link(made.inode, 1, f"{me}-l{n}".encode())
fs.session_close()
fs.close()
"""
"""A client in a process of its own."""


@clause("concurrency/clients-of-two-processes-lose-nothing", source="N42.1 S4.1", needs="namespace")
def test_two_processes(volume: Volume) -> None:
    """Two processes that add directories to one directory at once lose no link and no entry."""
    (fs,) = rivals(volume, 1)
    d, each, volume.shared = volume.dir("d"), 60, True
    opened = opening(volume, volume.driver)
    run_at_once(RIVAL, [[*opened, me, str(d), str(each)] for me in ("a", "b")])
    assert fs.getattr(d).nlink == 2 + 2 * each
    # Which process got which inode is chance, so the entries are counted, not listed.
    assert volume.raw.hlen(f"d{d}") == 2 * 2 * each
    settle(volume, [fs])


@clause("concurrency/one-client-serves-many-threads", source="N42.1", needs="namespace")
def test_one_client(volume: Volume) -> None:
    """Eight threads of one client that create the same twenty files get the same inodes."""
    d = volume.dir("d")

    def calls(fs: Engine, d: int) -> list[int]:
        return [fs.create(d, b"f%d" % n, 0o644).inode for n in range(20)]

    answers = race([volume.fs] * 8, [calls] * 8, d)
    assert [outcome(answer) for answer in answers] == [OK] * 8
    assert len({tuple(inodes) for inodes in answers}) == 1
    settle(volume, [volume.fs])


@clause(
    "concurrency/two-removals-of-one-tree-remove-it-once",
    source="N31.1 N31.2 N42.1",
    needs="namespace",
    clients=2,
)
def test_two_removals(volume: Volume) -> None:
    """Two clients that remove one tree at once leave nothing of it; who comes late may find it gone."""
    clients = rivals(volume)
    for number in range(3):
        d = volume.dir(f"d{number}")
        top = volume.dir("top", d)
        for n in range(6):
            below = volume.dir(f"{n}", top)
            for m in range(4):
                volume.file(f"{m}", below)
        answers = race(clients, [lambda fs, d: fs.remove(d, b"top")] * 2, d)
        assert OK in map(outcome, answers)
        assert set(map(outcome, answers)) <= {OK, ENOENT}
        assert [entry.name for entry in volume.fs.readdir(d)] == [b".", b".."]
    settle(volume, clients)


@clause(
    "concurrency/a-crashed-client-leaves-its-open-files-until-it-expires",
    source="N42.5 N20.8",
    needs="session",
    clients=2,
)
def test_crashed_client(volume: Volume) -> None:
    """An unlinked file that a crashed client had open stays until another client cleans up its session."""
    survivor, crashed = volume.fs, volume.open()
    inode = volume.file("x")
    crashed.open_file(inode)
    crashed.unlink(1, b"x")
    crashed.close()
    survivor.session_cleanup()
    assert survivor.getattr(inode).nlink == 0
    (session,) = (one for one in survivor.session_list() if one.sid != 1)
    volume.raw.zadd("allSessions", {str(session.sid): 1})
    survivor.session_cleanup()
    refuses(ENOENT, survivor.getattr, inode)
    settle(volume, [volume.fs])
    assert not volume.raw.exists(f"session{session.sid}")
