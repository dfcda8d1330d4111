"""A client's cache never shows a state that it must not (S6.1.11).

Every read that a cache may answer is made before and after every kind of change; what it answers then is
what it answers once everything cached is dropped.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from errno import EIO, ENOENT
from itertools import product
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import BOB
from metaparity.conformance.scenes.contents import put
from metaparity.conformance.verbs import refuses, soon
from metaparity.drivers.api import Engine
from metaparity.drivers.types import (
    CHUNK_SIZE,
    AclType,
    Attr,
    CacheStats,
    Entry,
    FallocateMode,
    FileType,
    RenameFlag,
    Rule,
    SetAttr,
)
from metaparity.fixtures.volumes import Volume

RULE = Rule(6, 4, 4, 0, [(BOB.uid, 4)], [])


@dataclass(frozen=True)
class Scene:
    """A directory `d` with files `x` (100 bytes, an xattr, an ACL) and `y`, a link `s`, a directory `e`."""

    d: int
    x: int
    y: int
    s: int
    e: int


def scene(volume: Volume) -> Scene:
    volume.format(EnableACL=True)
    d = volume.dir("d")
    made = Scene(d, volume.file("x", d), volume.file("y", d), volume.symlink("s", "t", d), volume.dir("e", d))
    put(volume.fs, made.x, 0, 100)
    volume.fs.xattr_set(made.x, b"a", b"1")
    volume.fs.acl_set(made.x, AclType.ACCESS, RULE)
    volume.settle()
    return made


Call = Callable[[Engine, Scene], Any]

READS: dict[str, Call] = {
    "getattr": lambda fs, s: fs.getattr(s.x),
    "getattr-of-the-directory": lambda fs, s: fs.getattr(s.d),
    "getattr-of-the-other": lambda fs, s: fs.getattr(s.y),
    "access": lambda fs, s: fs.access(s.x, 4, ctx=BOB),
    "lookup": lambda fs, s: fs.lookup(s.d, b"x"),
    "lookup-of-the-other": lambda fs, s: fs.lookup(s.d, b"y"),
    "lookup-of-an-absent-name": lambda fs, s: fs.lookup(s.d, b"new"),
    "lookup-of-a-directory": lambda fs, s: fs.lookup(s.d, b"e", True, ctx=BOB),
    "lookup-in-it": lambda fs, s: fs.lookup(s.e, b"new"),
    "lookup-of-dot-dot": lambda fs, s: fs.lookup(s.e, b".."),
    "resolve": lambda fs, s: fs.resolve(1, b"d/x"),
    "resolve-as-a-user": lambda fs, s: fs.resolve(1, b"d/x", ctx=BOB),
    "resolve-by-force": lambda fs, s: fs.resolve(1, b"d/x", True),
    "readdir": lambda fs, s: sorted(fs.readdir(s.d, True), key=lambda entry: entry.name),
    "readlink": lambda fs, s: fs.readlink(s.s),
    "xattr_get": lambda fs, s: fs.xattr_get(s.x, b"a"),
    "xattr_get-of-an-absent-name": lambda fs, s: fs.xattr_get(s.x, b"b"),
    "xattr_list": lambda fs, s: sorted(fs.xattr_list(s.x)),
    "acl_get": lambda fs, s: fs.acl_get(s.x, AclType.ACCESS),
    "read": lambda fs, s: fs.read(s.x, 0),
    "read-of-the-other": lambda fs, s: fs.read(s.y, 0),
    "parents": lambda fs, s: fs.parents(s.x),
    "paths": lambda fs, s: sorted(fs.paths(s.x)),
    "summary": lambda fs, s: fs.summary(s.d, True, True),
}
"""The reads that a cache may answer."""


def deleted(fs: Engine, done: object) -> None:
    """The contents of a file that is gone are deleted in the background, and may be seen until then."""
    fs.settle()


CHANGES: dict[str, Call] = {
    "chmod": lambda fs, s: fs.setattr(s.x, SetAttr.MODE, Attr(mode=0o600)),
    "chown": lambda fs, s: fs.setattr(s.x, SetAttr.UID | SetAttr.GID, Attr(uid=7, gid=8)),
    "chmod-of-the-directory": lambda fs, s: fs.setattr(s.d, SetAttr.MODE, Attr(mode=0o700)),
    "write": lambda fs, s: put(fs, s.x, 50, 200),
    "truncate": lambda fs, s: fs.truncate(s.x, 0, CHUNK_SIZE + 10),
    "fallocate": lambda fs, s: fs.fallocate(s.x, FallocateMode.PUNCH_HOLE | FallocateMode.KEEP_SIZE, 10, 50),
    "copy_file_range": lambda fs, s: fs.copy_file_range(s.x, 0, s.y, 0, 80),
    "compact": lambda fs, s: [put(fs, s.x, 100 * n, 100) for n in range(3)] + [fs.compact(s.x)],
    "mknod": lambda fs, s: fs.mknod(s.d, b"new", FileType.FIFO, 0o644),
    "mkdir": lambda fs, s: fs.mkdir(s.d, b"new", 0o755),
    "create": lambda fs, s: fs.create(s.d, b"new", 0o644),
    "create-below": lambda fs, s: fs.create(s.e, b"new", 0o644),
    "symlink": lambda fs, s: fs.symlink(s.d, b"new", b"target"),
    "link": lambda fs, s: fs.link(s.x, s.d, b"new"),
    "unlink": lambda fs, s: deleted(fs, fs.unlink(s.d, b"x")),
    "unlink-of-one-of-two-names": lambda fs, s: [fs.link(s.x, 1, b"z"), fs.unlink(s.d, b"x")],
    "batch_unlink": lambda fs, s: deleted(
        fs, fs.batch_unlink(s.d, [Entry(b"x", s.x, FileType.FILE), Entry(b"y", s.y, FileType.FILE)])
    ),
    "unlink-of-the-link": lambda fs, s: fs.unlink(s.d, b"s"),
    "rmdir": lambda fs, s: fs.rmdir(s.d, b"e"),
    "rename": lambda fs, s: fs.rename(s.d, b"x", s.d, b"new"),
    "rename-to-another-directory": lambda fs, s: fs.rename(s.d, b"x", s.e, b"new"),
    "rename-over": lambda fs, s: deleted(fs, fs.rename(s.d, b"y", s.d, b"x")),
    "exchange": lambda fs, s: fs.rename(s.d, b"x", s.d, b"y", RenameFlag.EXCHANGE),
    "rename-of-the-directory": lambda fs, s: fs.rename(s.d, b"e", 1, b"moved"),
    "remove": lambda fs, s: deleted(fs, fs.remove(1, b"d")),
    "clone": lambda fs, s: fs.clone(s.d, s.x, s.d, b"new"),
    "xattr_set": lambda fs, s: fs.xattr_set(s.x, b"b", b"2"),
    "xattr_replace": lambda fs, s: fs.xattr_set(s.x, b"a", b"2"),
    "xattr_remove": lambda fs, s: fs.xattr_remove(s.x, b"a"),
    "acl_set": lambda fs, s: fs.acl_set(s.x, AclType.ACCESS, Rule(7, 0, 7, 0, [(BOB.uid, 0)], [])),
    "acl_remove": lambda fs, s: fs.acl_set(s.x, AclType.ACCESS, Rule()),
}
"""Every kind of change that one of the reads may show."""

each_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


def outcome(read: Callable[..., object], *arguments: object) -> Any:
    """The value that a call returns, or the number of the errno with which it is refused."""
    try:
        return read(*arguments)
    except OSError as refused:
        return refused.errno


def answers(fs: Engine, made: Scene) -> dict[str, Any]:
    """What each read answers: its value or the number of its errno."""
    return {name: outcome(read, fs, made) for name, read in READS.items()}


def require_fresh(fs: Engine, made: Scene, before: dict[str, Any]) -> None:
    """The client answers what it answers without anything cached, and not all as before a change."""
    seen = answers(fs, made)
    fs.cache_drop()
    truth = answers(fs, made)
    stale = {name: value for name, value in seen.items() if value != truth[name]}
    assert stale == {}
    assert truth != before


@each_change
@clause("coherence/a-client-reads-its-own-changes", source="S6.1.11 S6.1.10", needs="cache.tracking")
def test_own(volume: Volume, change: Call) -> None:
    """As soon as a change returns, every read of the same client shows it, whatever the client had cached."""
    made, fs = scene(volume), volume.fs
    before = [answers(fs, made) for _ in range(2)][1]
    change(fs, made)
    require_fresh(fs, made, before)


@each_change
@clause(
    "coherence/others-read-a-change-once-they-are-told", source="S6.1.6", needs="cache.tracking", clients=2
)
def test_others(volume: Volume, change: Call) -> None:
    """Once a client has taken in what the server had to tell it of another's change, every read shows the
    change."""
    made, reader = scene(volume), volume.open()
    before = [answers(reader, made) for _ in range(2)][1]
    change(volume.fs, made)
    reader.cache_stats()
    require_fresh(reader, made, before)


@clause("coherence/a-change-is-told-by-itself", source="S6.1.6", needs="cache.tracking", clients=2)
def test_by_itself(volume: Volume) -> None:
    """A client that asks the server for nothing learns of a change all the same, within a second."""
    made, reader = scene(volume), volume.open()
    reader.getattr(made.x)
    told = require_cache(reader, made).invalidations
    volume.fs.setattr(made.x, SetAttr.MODE, Attr(mode=0o600))
    began = time.monotonic()
    assert soon(lambda: reader.cache_stats().invalidations > told, 1.0)
    assert time.monotonic() - began < 1.0
    assert reader.getattr(made.x).mode & 0o777 == 0o600


@clause("coherence/what-is-cached-asks-nothing", source="S6.1.3", needs="cache.tracking")
def test_silence(volume: Volume) -> None:
    """What a client has read, it reads again without a command to the server, and counts that as a hit; the
    absence of a name and of an extended attribute are read so, too."""
    made, fs = scene(volume), volume.fs
    silent: dict[str, Call] = {name: READS[name] for name in CACHED}
    for read in (*silent.values(), *silent.values()):
        outcome(read, fs, made)
    before = require_cache(fs, made)
    commands = processed(volume)
    for read in silent.values():
        outcome(read, fs, made)
    assert processed(volume) - commands == 1  # the question itself
    after = fs.cache_stats()
    assert after.hits >= before.hits + len(silent)
    assert after.misses == before.misses


def require_cache(fs: Engine, made: Scene) -> CacheStats:
    """The counters of a client that caches; for one that was told not to there is nothing to prove."""
    for _ in range(2):
        fs.getattr(made.x)
    stats = fs.cache_stats()
    if stats.entries == 0:
        pytest.skip("the cache of this client is off")
    return stats


CACHED = (
    "getattr",
    "lookup",
    "lookup-of-an-absent-name",
    "access",
    "xattr_get",
    "xattr_get-of-an-absent-name",
    "xattr_list",
    "acl_get",
    "readlink",
    "read",
)
"""Reads that cost nothing the second time."""


def processed(volume: Volume) -> int:
    """How many commands the server has processed."""
    return int(volume.raw.info("stats")["total_commands_processed"])


@clause("coherence/a-dropped-cache-is-empty", source="S6.1.11", needs="cache.tracking")
def test_drop(volume: Volume) -> None:
    """Dropped, a cache holds nothing, and the next read is a miss."""
    made, fs = scene(volume), volume.fs
    fs.getattr(made.x)
    fs.cache_drop()
    stats = fs.cache_stats()
    assert (stats.entries, stats.bytes) == (0, 0)
    fs.getattr(made.x)
    assert fs.cache_stats().misses >= stats.misses


@clause("coherence/a-lost-connection-takes-the-cache-along", source="S6.1.8", needs="cache.tracking")
def test_lost_connection(volume: Volume) -> None:
    """What was cached before a connection was lost is not shown after it: a change that nobody could tell of
    is seen."""
    made, fs = scene(volume), volume.fs
    for round in range(5):
        fs.getattr(made.x)
        volume.raw.client_kill_filter(_type="normal", skipme=True)
        record = bytearray(volume.raw.get(f"i{made.x}"))
        record[2] = round
        volume.raw.set(f"i{made.x}", bytes(record))
        assert soon(lambda: outcome(READS["getattr"], fs, made) != EIO)
        assert fs.getattr(made.x).mode & 0xFF == round


@clause("coherence/a-flushed-database-takes-the-cache-along", source="S6.1.6", needs="cache.tracking")
def test_flush(volume: Volume) -> None:
    """When the database is emptied nothing cached is shown any more."""
    made, fs = scene(volume), volume.fs
    for read in READS.values():
        outcome(read, fs, made)
    volume.raw.flushdb()
    fs.cache_stats()
    refuses(ENOENT, fs.getattr, made.x)
    refuses(ENOENT, fs.lookup, made.d, b"x")
    assert outcome(READS["xattr_list"], fs, made) == ENOENT


@clause("coherence/nobody-reads-backwards", source="S6.1.10", needs="cache.tracking", clients=2)
def test_monotonic(volume: Volume) -> None:
    """While one client counts in the attributes of a file, no thread of another ever reads a smaller number
    than it has read before."""
    made, reader = scene(volume), volume.open()
    wrong: list[tuple[int, int]] = []
    stop = threading.Event()

    def watch() -> None:
        last = 0
        while not stop.is_set():
            seen = reader.getattr(made.y).uid
            if seen < last:
                wrong.append((last, seen))
            last = seen

    threads = [threading.Thread(target=watch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 300):
        volume.fs.setattr(made.y, SetAttr.UID, Attr(uid=number))
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    reader.cache_stats()
    assert reader.getattr(made.y).uid == 299


@clause("coherence/a-writer-is-never-behind-itself", source="S6.1.10", needs="cache.tracking")
def test_own_race(volume: Volume) -> None:
    """While other threads of a client read a file over and over, each change that a thread makes is what it
    reads next."""
    made, fs = scene(volume), volume.fs
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            fs.getattr(made.y)
            fs.lookup(made.d, b"y")

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    behind = []
    for number in range(1, 300):
        fs.setattr(made.y, SetAttr.UID, Attr(uid=number))
        seen = fs.getattr(made.y).uid, fs.lookup(made.d, b"y").attr
        if seen[0] != number or seen[1] is None or seen[1].uid != number:
            behind.append((number, seen))
    stop.set()
    for thread in threads:
        thread.join()
    assert behind == []


NAMES = [b"n%d" % number for number in range(5)]


def disturb(fs: Engine, directories: list[int], chance: random.Random) -> None:
    """One call of any kind on a name of any of the directories; that it may be refused is part of it."""
    parent, other = chance.choice(directories), chance.choice(directories)
    name, another = chance.choice(NAMES), chance.choice(NAMES)
    calls: list[Callable[[], object]] = [
        lambda: fs.mknod(parent, name, FileType.FILE, 0o644),
        lambda: fs.unlink(parent, name),
        lambda: fs.rename(parent, name, other, another),
        lambda: fs.link(fs.lookup(parent, name).inode, other, another),
        lambda: fs.setattr(fs.lookup(parent, name).inode, SetAttr.MODE, Attr(mode=chance.randrange(0o1000))),
        lambda: fs.xattr_set(fs.lookup(parent, name).inode, b"a", b"%d" % chance.randrange(9)),
        lambda: fs.xattr_get(fs.lookup(parent, name).inode, b"a"),
        lambda: fs.getattr(fs.lookup(parent, name).inode),
        lambda: fs.resolve(1, b"d0/" + name),
        lambda: fs.readdir(parent, True),
    ]
    with suppress(OSError):
        chance.choice(calls)()


def view(fs: Engine, directories: list[int]) -> dict[str, Any]:
    """All that a client shows of the names in directories."""
    shown: dict[str, Any] = {}
    reads: dict[str, Callable[[int, bytes], object]] = {
        "lookup": fs.lookup,
        "getattr": lambda parent, name: fs.getattr(fs.lookup(parent, name).inode),
        "xattr_get": lambda parent, name: fs.xattr_get(fs.lookup(parent, name).inode, b"a"),
    }
    for parent, name, kind in product(directories, NAMES, reads):
        shown[f"{kind} {parent} {name!r}"] = outcome(reads[kind], parent, name)
    return shown


@pytest.mark.parametrize("seed", range(3))
@clause("coherence/any-workload-ends-in-one-view", source="S6.1.11", needs="cache.tracking", clients=2)
def test_workload(volume: Volume, seed: int) -> None:
    """After clients have changed and read the same names in many threads at once, each shows what one shows
    that begins afresh."""
    directories = [volume.dir(f"d{number}") for number in range(2)]
    clients = [volume.fs, volume.open()]

    def work(number: int) -> None:
        chance = random.Random(seed * 100 + number)
        for _ in range(150):
            disturb(chance.choice(clients), directories, chance)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    truth = view(volume.open(), directories)
    for client in clients:
        client.cache_stats()
        shown = view(client, directories)
        assert {what: seen for what, seen in shown.items() if seen != truth[what]} == {}
