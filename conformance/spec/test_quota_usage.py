"""What quotas count: every call, every owner, every directory above (N30.2, N16.12, N8.13, N3.3)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.contents import put
from metaparity.conformance.scenes.quotas import BLOCK, DIR, GROUP, USER, limit, stored, used
from metaparity.conformance.scenes.scenery import each_type, make
from metaparity.conformance.verbs import soon, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import (
    Attr,
    Context,
    Entry,
    FileType,
    Quota,
    RenameFlag,
    SetAttr,
    Slice,
    StatFS,
)
from metaparity.fixtures.volumes import Volume

PIB, MANY = 2**50, 10 * 2**20
ROUNDS, FLUSHES = 12, 4
EXCHANGE = RenameFlag.EXCHANGE
BIG = 2 * BLOCK
"""The space of the file `x`."""

Change = tuple[int, int]
"""Bytes and inodes."""


class Scene:
    """Directories `/s` and `/t` with quotas; what is in them belongs to user 7 and group 8."""

    def __init__(self, volume: Volume) -> None:
        volume.format(UserGroupQuota=True)
        self.s, self.t = volume.dir("s"), volume.dir("t")
        self.x = volume.file("x", self.s, uid=7, gid=8)
        put(volume.fs, self.x, 0, 5000)
        self.y = volume.file("y", self.t, uid=7, gid=8)
        self.link = make(volume, FileType.SYMLINK, "link", self.s, 7, 8)
        self.d = volume.dir("d", self.s, uid=7, gid=8)
        self.e = volume.dir("e", self.t, uid=7, gid=8)
        self.h = volume.file("h", self.s, uid=7, gid=8)
        volume.fs.link(self.h, self.t, b"h")
        volume.fs.settle()
        for path in (b"/s", b"/t"):
            limit(volume.fs, DIR, path, 1 << 30, 1 << 20)
        limit(volume.fs, USER, 7, 1 << 30, 1 << 20)
        limit(volume.fs, GROUP, 8, 1 << 30, 1 << 20)
        self.slice = volume.fs.new_slice()


@dataclass(frozen=True)
class Account:
    """A call, and by how much it changes the usage of `/s`, of `/t` and of the owner."""

    name: str
    call: Callable[[Engine, Scene], Any]
    s: Change = (0, 0)
    t: Change = (0, 0)
    owner: Change = (0, 0)


OWNER = Context(7, (8,), check_permission=False)
NEW = (BLOCK, 1)
GONE = (-BLOCK, -1)
X_GONE = (-BIG, -1)


def write(fs: Engine, at: Scene, inode: int, off: int) -> None:
    fs.write(inode, 0, off, Slice(0, at.slice, 1, 0, 1), (1, 1))


ACCOUNTS = [
    Account("mknod", lambda fs, at: fs.mknod(at.s, b"n", FileType.FIFO, 0, ctx=OWNER), NEW, owner=NEW),
    Account("mkdir", lambda fs, at: fs.mkdir(at.s, b"n", 0, ctx=OWNER), NEW, owner=NEW),
    Account("create", lambda fs, at: fs.create(at.s, b"n", 0, ctx=OWNER), NEW, owner=NEW),
    Account("create-existing", lambda fs, at: fs.create(at.s, b"x", 0, ctx=OWNER)),
    Account("symlink", lambda fs, at: fs.symlink(at.s, b"n", b"target", ctx=OWNER), NEW, owner=NEW),
    Account("mknod-of-others", lambda fs, at: fs.mknod(at.s, b"n", FileType.FILE, 0), NEW),
    Account("link", lambda fs, at: fs.link(at.x, at.t, b"n"), t=(BIG, 1)),
    Account("link-symlink", lambda fs, at: fs.link(at.link, at.t, b"n"), t=NEW),
    Account("write", lambda fs, at: write(fs, at, at.x, BIG), (BLOCK, 0), owner=(BLOCK, 0)),
    Account("write-within", lambda fs, at: write(fs, at, at.x, 6000)),
    Account("write-linked", lambda fs, at: write(fs, at, at.h, BLOCK), (BLOCK, 0), (BLOCK, 0), (BLOCK, 0)),
    Account("truncate", lambda fs, at: fs.truncate(at.x, 0, 1), (-BLOCK, 0), owner=(-BLOCK, 0)),
    Account("fallocate", lambda fs, at: fs.fallocate(at.y, off=0, size=BIG), t=(BLOCK, 0), owner=(BLOCK, 0)),
    Account(
        "copy",
        lambda fs, at: fs.copy_file_range(at.x, 0, at.y, 0, 5000),
        t=(BLOCK, 0),
        owner=(BLOCK, 0),
    ),
    Account("unlink", lambda fs, at: fs.unlink(at.s, b"x"), X_GONE, owner=X_GONE),
    Account("unlink-symlink", lambda fs, at: fs.unlink(at.s, b"link"), GONE, owner=GONE),
    Account("unlink-one-of-two", lambda fs, at: fs.unlink(at.s, b"h"), GONE),
    Account("unlink-open", lambda fs, at: (fs.open_file(at.x), fs.unlink(at.s, b"x")), X_GONE),
    Account(
        "close-unlinked",
        lambda fs, at: (fs.open_file(at.x), fs.unlink(at.s, b"x"), fs.close_file(at.x)),
        X_GONE,
        owner=X_GONE,
    ),
    Account(
        "batch-unlink",
        lambda fs, at: fs.batch_unlink(at.s, [Entry(b"x", at.x, 0), Entry(b"link", at.link, 0)]),
        (-BIG - BLOCK, -2),
        owner=(-BIG - BLOCK, -2),
    ),
    Account("rmdir", lambda fs, at: fs.rmdir(at.s, b"d"), GONE, owner=GONE),
    Account(
        "remove",
        lambda fs, at: (fs.mkdir(at.d, b"n", 0), fs.remove(at.s, b"d")),
        GONE,
        owner=GONE,
    ),
    Account("rename-in-place", lambda fs, at: fs.rename(at.s, b"x", at.s, b"n")),
    Account("rename", lambda fs, at: fs.rename(at.s, b"x", at.t, b"n"), X_GONE, (BIG, 1)),
    Account("rename-out", lambda fs, at: fs.rename(at.s, b"x", 1, b"n"), X_GONE),
    Account("rename-directory", lambda fs, at: fs.rename(at.s, b"d", at.t, b"n"), GONE, NEW),
    Account(
        "rename-over-file",
        lambda fs, at: fs.rename(at.t, b"y", at.s, b"x"),
        (BLOCK - BIG, 0),
        GONE,
        X_GONE,
    ),
    Account(
        "rename-over-in-place", lambda fs, at: fs.rename(at.s, b"link", at.s, b"x"), X_GONE, owner=X_GONE
    ),
    Account("rename-over-directory", lambda fs, at: fs.rename(at.s, b"d", at.t, b"e"), GONE, owner=GONE),
    Account("rename-over-link", lambda fs, at: fs.rename(at.s, b"x", at.t, b"h"), X_GONE, (BLOCK, 0)),
    Account("rename-over-itself", lambda fs, at: fs.rename(at.s, b"h", at.t, b"h")),
    Account(
        "exchange",
        lambda fs, at: fs.rename(at.s, b"x", at.t, b"y", EXCHANGE),
        (BLOCK - BIG, 0),
        (BIG - BLOCK, 0),
    ),
    Account(
        "exchange-trees",
        lambda fs, at: (fs.mkdir(at.e, b"n", 0), fs.rename(at.s, b"d", at.t, b"e", EXCHANGE)),
        NEW,
    ),
    Account("chown", lambda fs, at: give(fs, at.x, 9, 9), owner=X_GONE),
    Account("chown-directory", lambda fs, at: give(fs, at.d, 9, 9), owner=GONE),
    Account("chown-symlink", lambda fs, at: give(fs, at.link, 9, 9), owner=GONE),
    Account("chown-to-the-same", lambda fs, at: give(fs, at.x, 7, 8)),
    Account("chmod", lambda fs, at: fs.setattr(at.x, SetAttr.MODE, Attr(mode=0o600))),
]


def give(fs: Engine, inode: int, uid: int, gid: int) -> None:
    """Give a node to a user and a group."""
    fs.setattr(inode, SetAttr.UID | SetAttr.GID, Attr(uid=uid, gid=gid))


def usages(volume: Volume, at: Scene) -> list[Change]:
    return [used(volume, *one) for one in ((DIR, at.s), (DIR, at.t), (USER, 7), (GROUP, 8))]


@pytest.mark.parametrize("account", [pytest.param(one, id=one.name) for one in ACCOUNTS])
@clause(
    "quota/usage-follows-the-table",
    source="N30.2 N12.6 N13.7 N13.9 N15.5 N16.12 N17.3 N21.6 N8.13 R10 R11 Q1 Q7 Q11 T34 T48",
    needs="quota.user",
)
def test_table(volume: Volume, account: Account) -> None:
    """A call changes the usage of the directories it touches and of the owner by what the table says, and no
    other; the usage is then what lies below, and what the owner has."""
    at = Scene(volume)
    before = usages(volume, at)
    account.call(volume.fs, at)
    after = usages(volume, at)
    changes = [(a[0] - b[0], a[1] - b[1]) for a, b in zip(after, before, strict=True)]
    assert changes == [account.s, account.t, account.owner, account.owner]


@clause("quota/a-move-between-nested-quotas-counts-once", source="N16.12 R10", needs="quota.dir")
def test_nested(volume: Volume) -> None:
    """What moves from one quota to another below the same quota leaves that one as it was."""
    top = volume.dir("top")
    a, b = volume.dir("a", top), volume.dir("b", top)
    volume.file("x", a)
    volume.fs.settle()
    for path in (b"/top", b"/top/a", b"/top/b"):
        limit(volume.fs, DIR, path, -1, 100)
    volume.fs.rename(a, b"x", b, b"x")
    assert [used(volume, DIR, one) for one in (top, a, b)] == [(3 * BLOCK, 3), (0, 0), NEW]


@clause("quota/follows-a-moved-directory", source="R10 S7.7.6 N16.12", needs="quota.dir")
def test_follow(volume: Volume) -> None:
    """What is made in a directory that has moved counts where that lies now."""
    for name in ("a", "b"):
        volume.dir(name)
    a, b = (volume.fs.lookup(1, name).inode for name in (b"a", b"b"))
    moved = volume.dir("moved", a)
    low = volume.dir("low", moved)
    volume.fs.settle()
    for path in (b"/a", b"/b"):
        limit(volume.fs, DIR, path, -1, 100)
    volume.file("one", low)
    volume.fs.rename(a, b"moved", b, b"moved")
    volume.file("two", low)
    assert [used(volume, DIR, one) for one in (a, b)] == [(0, 0), (4 * BLOCK, 4)]


@clause("quota/follows-a-directory-that-was-exchanged", source="R10 N16.12", needs="quota.dir")
def test_follow_exchange(volume: Volume) -> None:
    """What is made in either of two exchanged directories counts where that lies now."""
    a, b = volume.dir("a"), volume.dir("b")
    one, two = volume.dir("one", a), volume.dir("two", b)
    volume.fs.settle()
    for path in (b"/a", b"/b"):
        limit(volume.fs, DIR, path, -1, 100)
    volume.file("x", one)
    volume.fs.rename(a, b"one", b, b"two", EXCHANGE)
    volume.file("x", two)
    volume.file("y", one)
    volume.file("z", one)
    assert [used(volume, DIR, at) for at in (a, b)] == [(2 * BLOCK, 2), (4 * BLOCK, 4)]


@clause(
    "quota/lookup-and-getattr-correct-the-way-up", source="N5.8 N7.4 S7.7.6", needs="quota.dir", clients=2
)
def test_way_up(volume: Volume) -> None:
    """A client that looks at a directory which another client has moved counts there from then on."""
    a, b = volume.dir("a"), volume.dir("b")
    first, second = volume.dir("first", a), volume.dir("second", a)
    volume.fs.settle()
    for path in (b"/a", b"/b"):
        limit(volume.fs, DIR, path, -1, 100)
    volume.file("x", first)
    volume.file("x", second)
    volume.fs.settle()
    other = volume.open()
    for name in (b"first", b"second"):
        other.rename(a, name, b, name)
    volume.fs.getattr(first)
    volume.fs.lookup(b, b"second")
    volume.file("y", first)
    volume.file("y", second)
    assert [used(volume, DIR, at) for at in (a, b)] == [(0, 0), (6 * BLOCK, 6)]


@clause("quota/the-trash-is-nobodys-directory", source="N13.4 N15.5 Q15 Q30 R10", needs="trash")
def test_trash(volume: Volume) -> None:
    """What goes to the trash leaves the quotas above it, also one of the root, once; what happens to it there
    changes no quota of a directory."""
    volume.format(TrashDays=1)
    top = volume.dir("top")
    volume.dir("d", top)
    file = volume.file("x", top)
    volume.fs.settle()
    for path in (b"/", b"/top"):
        limit(volume.fs, DIR, path, -1, 100)
    volume.fs.unlink(top, b"x")
    volume.fs.rmdir(top, b"d")
    assert [used(volume, DIR, at) for at in (1, top)] == [NEW, (0, 0)]
    put(volume.fs, file, 0, 9000)
    assert [used(volume, DIR, at) for at in (1, top)] == [NEW, (0, 0)]
    volume.fs.remove(1, b".trash")
    assert [used(volume, DIR, at) for at in (1, top)] == [NEW, (0, 0)]


@clause("quota/a-restored-node-counts-again", source="N16.3 N30.2", needs="trash")
def test_restore(volume: Volume) -> None:
    """A rename out of the trash brings what it moves into the quotas above."""
    volume.format(TrashDays=1)
    top = volume.dir("top")
    put(volume.fs, volume.file("x", top), 0, 5000)
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", -1, 100)
    volume.fs.unlink(top, b"x")
    assert used(volume, DIR, top) == (0, 0)
    trash = volume.fs.lookup(1, b".trash").inode
    (hour,) = [entry for entry in volume.fs.readdir(trash) if not entry.name.startswith(b".")]
    (entry,) = [entry for entry in volume.fs.readdir(hour.inode) if not entry.name.startswith(b".")]
    volume.fs.rename(hour.inode, entry.name, top, b"back")
    assert used(volume, DIR, top) == (BIG, 1)


@clause("quota/owners-pay-for-their-trash", source="N13.4 N30.2 Q24", needs="trash")
def test_trash_owner(volume: Volume) -> None:
    """A node in the trash still counts for its owner, until it is removed there; an hour directory counts
    for the superuser while it exists."""
    volume.format(TrashDays=1, UserGroupQuota=True)
    volume.node("x", uid=7, gid=8)
    volume.fs.unlink(1, b"x")
    assert [used(volume, USER, id) for id in (0, 7)] == [NEW, NEW]
    volume.fs.remove(1, b".trash")
    assert [used(volume, USER, id) for id in (0, 7)] == [NEW, (0, 0)]
    volume.fs.trash_cleanup(2**40)
    assert [used(volume, USER, id) for id in (0, 7)] == [(0, 0), (0, 0)]


@clause("quota/a-file-without-names-counts-for-its-owner-only", source="N21.6 Q14", needs="quota.user")
def test_nameless(volume: Volume) -> None:
    """An open file without names grows in the usage of its owner, and in that of no directory."""
    volume.format(UserGroupQuota=True)
    top = volume.dir("top")
    file = volume.node("x", parent=top, uid=7, gid=8)
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", -1, 100)
    volume.fs.open_file(file)
    volume.fs.unlink(top, b"x")
    put(volume.fs, file, 0, 9000)
    assert used(volume, DIR, top) == (0, 0)
    assert used(volume, USER, 7) == (3 * BLOCK, 1)


@each_type
@clause("quota/every-type-counts-for-its-owner", source="N12.6 R11 I15", needs="quota.user")
def test_types(volume: Volume, type: FileType) -> None:
    """A node of any type counts 4096 bytes and one inode for its user and its group, without any quota of
    theirs, and no more once it is gone."""
    volume.format(UserGroupQuota=True)
    make(volume, type, "x", uid=7, gid=8)
    assert stored_usage(volume) == [NEW, NEW]
    assert stored(volume, USER, 7) == Quota(-1, -1, *NEW)
    volume.fs.remove(1, b"x")
    assert stored_usage(volume) == [(0, 0), (0, 0)]


def stored_usage(volume: Volume) -> list[Change]:
    return [used(volume, USER, 7), used(volume, GROUP, 8)]


@clause("quota/without-counting-nobody-is-counted", source="R11", needs="quota.user")
def test_off(volume: Volume) -> None:
    """Where users and groups are not counted no record of them is made."""
    volume.node("x", uid=7, gid=8)
    volume.fs.settle()
    assert not volume.raw.exists("userQuota", "userQuotaUsedSpace", "groupQuotaUsedInodes")


@clause("quota/clients-add-up", source="N30.11 S7.4", needs="quota.user", clients=2)
def test_clients(volume: Volume) -> None:
    """What several clients use adds up on the server, once each has flushed."""
    limit(volume.fs, USER, 7, -1, 100)
    top = volume.dir("top")
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", -1, 100)
    other = volume.open()
    for number, fs in enumerate((volume.fs, other, volume.fs)):
        fs.mknod(top, b"n%d" % number, FileType.FILE, 0, ctx=Context(7, (8,), check_permission=False))
    assert used(volume, USER, 7) == used(volume, DIR, top) == (3 * BLOCK, 3)


@clause("quota/is-flushed-without-being-asked", source="N37.1 N30.11 S7.4", needs="quota.dir")
def test_flush(volume: Volume) -> None:
    """A client brings what it has used to the server by itself within some seconds."""
    top = volume.dir("top")
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", -1, 100)
    volume.file("x", top)
    assert soon(lambda: stored(volume, DIR, top) == Quota(-1, 100, BLOCK, 1))


@clause("quota/is-flushed-once-by-flushes-at-once", source="N30.11", needs="quota.dir")
def test_flushes(volume: Volume) -> None:
    """Flushes of one client at the same time bring what it has used to the server once."""
    top = volume.dir("top")
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", -1, 100)
    with ThreadPoolExecutor(FLUSHES) as pool:
        for number in range(ROUNDS):
            volume.fs.mknod(top, b"n%d" % number, FileType.FILE, 0o644)
            start = threading.Barrier(FLUSHES)
            flushes = [pool.submit(flush_at, start, volume.fs) for _ in range(FLUSHES)]
            for flush in flushes:
                flush.result(timeout=30)
            assert stored(volume, DIR, top) == Quota(-1, 100, (number + 1) * BLOCK, number + 1)


def flush_at(start: threading.Barrier, fs: Engine) -> None:
    """Bring what a client has used to the server when the others do, too."""
    start.wait(timeout=10)
    fs.settle()


@clause("quota/is-flushed-by-a-closing-session", source="N37.1 N2.3 L3.15", needs="quota.dir", clients=2)
def test_close(volume: Volume) -> None:
    """A session that ends in order leaves nothing uncounted."""
    top = volume.dir("top")
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", -1, 100)
    other = volume.open()
    other.mknod(top, b"x", FileType.FILE, 0o644)
    other.session_close()
    assert stored(volume, DIR, top) == Quota(-1, 100, BLOCK, 1)


# -- statfs --------------------------------------------------------------------------------------------


@clause("statfs/a-quota-narrows-its-directory", source="N3.3 T3", needs="quota.dir")
def test_narrow(volume: Volume) -> None:
    """Below a quota there is as much as that leaves, and as much used as it counts; above it the volume
    shows as it is."""
    volume.dir("q")
    q = volume.fs.lookup(1, b"q").inode
    volume.fs.settle()
    limit(volume.fs, DIR, b"/q", 100 * BLOCK, 10)
    assert volume.fs.statfs(q) == StatFS(100 * BLOCK, 100 * BLOCK, 0, 10)
    file = volume.file("x", q)
    put(volume.fs, file, 0, 5000)
    volume.settle()
    for inode in (q, file):
        assert volume.fs.statfs(inode) == StatFS(100 * BLOCK, 98 * BLOCK, 1, 9)
    assert volume.fs.statfs(1) == StatFS(PIB, PIB - 3 * BLOCK, 2, MANY)


@pytest.mark.parametrize(
    ("space", "inodes", "shown"),
    [
        pytest.param(4096, 15, StatFS(4096, 0, 15, 0), id="exceeded"),
        pytest.param(-4096, -5, StatFS(1024, 1024, 0, 10), id="negative"),
        pytest.param(1024, 10, StatFS(1024, 0, 10, 0), id="full"),
    ],
)
@clause("statfs/an-exceeded-quota-is-full", source="N3.3 T3", needs="quota.dir")
def test_sanitised(volume: Volume, space: int, inodes: int, shown: StatFS) -> None:
    """A quota that is exceeded has nothing left and as much in all as is used; a negative usage is none."""
    volume.dir("q")
    q = volume.fs.lookup(1, b"q").inode
    limit(volume.fs, DIR, b"/q", 1024, 10)
    volume.raw.hset("dirQuotaUsedSpace", q, space)
    volume.raw.hset("dirQuotaUsedInodes", q, inodes)
    volume.fs.refresh()
    assert volume.fs.statfs(q) == shown


@pytest.mark.parametrize("limited", [-1, 0])
@clause("statfs/an-unlimited-quota-shows-its-usage", source="N3.3 T3", needs="quota.dir")
def test_unlimited(volume: Volume, limited: int) -> None:
    """A quota without limits leaves what the volume has and shows its own usage."""
    q = volume.dir("q")
    volume.file("x", q)
    volume.file("outside")
    volume.fs.settle()
    limit(volume.fs, DIR, b"/q", limited, limited)
    avail = PIB - 3 * BLOCK
    assert volume.fs.statfs(q) == StatFS(avail + BLOCK, avail, 1, MANY)


@clause("statfs/the-tightest-quota-decides", source="N3.3 T4", needs="quota.dir")
def test_tightest(volume: Volume) -> None:
    """Of nested quotas the least that any leaves is available, and the usage of the nearest is shown."""
    top = volume.dir("top")
    sub = volume.dir("sub", top)
    volume.file("x", top)
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", 10 * BLOCK, 8)
    limit(volume.fs, DIR, b"/top/sub", 100 * BLOCK, 100)
    assert volume.fs.statfs(sub) == StatFS(8 * BLOCK, 8 * BLOCK, 0, 6)
    assert volume.fs.statfs(top) == StatFS(10 * BLOCK, 8 * BLOCK, 2, 6)


@clause("statfs/a-capacity-below-the-quota-decides", source="N3.3 N3.2", needs="quota.dir")
def test_capacity(volume: Volume) -> None:
    """A quota never shows more than the volume has left."""
    volume.format(Capacity=10 * BLOCK, Inodes=5)
    q = volume.dir("q")
    volume.fs.settle()
    limit(volume.fs, DIR, b"/q", 1000 * BLOCK, 1000)
    assert volume.fs.statfs(q) == StatFS(9 * BLOCK, 9 * BLOCK, 0, 4)


@clause("statfs/a-missing-inode-meets-no-quota", source="N3.4 N3.3", needs="quota.dir")
def test_missing(volume: Volume) -> None:
    """An inode that does not exist shows the volume, whatever quotas there are."""
    volume.dir("q")
    limit(volume.fs, DIR, b"/q", BLOCK, 1)
    with unchanged(volume):
        assert volume.fs.statfs(999) == StatFS(PIB, PIB - BLOCK, 1, MANY)


# -- histories -----------------------------------------------------------------------------------------

DIRECTORIES = 4
"""The root, `/a` and `/a/b`, which have quotas, and `/c`."""

places = st.integers(0, DIRECTORIES - 1)
names = st.sampled_from([b"f", b"g", b"h"])
owners = st.sampled_from([Context(uid, (uid,), check_permission=False) for uid in (0, 7, 8)])

Step = tuple[Any, ...]
step: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("make"), places, names, st.sampled_from(FileType), owners),
    st.tuples(st.just("write"), places, names, st.sampled_from([1, 5000, 9000])),
    st.tuples(st.just("truncate"), places, names, st.sampled_from([0, 1, 5000])),
    st.tuples(st.just("link"), places, names, places, names),
    st.tuples(st.just("rename"), places, names, places, names, st.sampled_from([RenameFlag(0), EXCHANGE])),
    st.tuples(st.just("remove"), places, names),
    st.tuples(st.just("give"), places, names, owners),
    st.tuples(st.just("open-and-remove"), places, names, st.booleans()),
    st.tuples(st.just("settle")),
)


class History:
    """A volume on which steps are tried; those that an engine refuses do nothing."""

    def __init__(self, volume: Volume, trash: bool) -> None:
        volume.reset()
        volume.format(TrashDays=int(trash), UserGroupQuota=True)
        self.volume = volume
        a = volume.dir("a")
        self.directories = [1, a, volume.dir("b", a), volume.dir("c")]
        self.opened: list[int] = []
        volume.fs.settle()
        for path in (b"/", b"/a", b"/a/b"):
            limit(volume.fs, DIR, path, 1 << 30, 1000)

    def find(self, place: int, name: bytes) -> int:
        return self.volume.fs.lookup(self.directories[place], name).inode

    def take(self, step: Step) -> None:
        name, *arguments = step
        try:
            getattr(self, name.replace("-", "_"))(*arguments)
        except OSError:
            return

    def make(self, place: int, name: bytes, type: FileType, owner: Context) -> None:
        directory = self.directories[place]
        if type is FileType.SYMLINK:
            self.volume.fs.symlink(directory, name, b"target", ctx=owner)
        else:
            self.volume.fs.mknod(directory, name, type, 0o755, ctx=owner)

    def write(self, place: int, name: bytes, size: int) -> None:
        put(self.volume.fs, self.find(place, name), 0, size)

    def truncate(self, place: int, name: bytes, length: int) -> None:
        self.volume.fs.truncate(self.find(place, name), 1, length)

    def link(self, place: int, name: bytes, other: int, new: bytes) -> None:
        self.volume.fs.link(self.find(place, name), self.directories[other], new)

    def rename(self, place: int, name: bytes, other: int, new: bytes, flags: RenameFlag) -> None:
        self.volume.fs.rename(self.directories[place], name, self.directories[other], new, flags)

    def remove(self, place: int, name: bytes) -> None:
        self.volume.fs.remove(self.directories[place], name)

    def give(self, place: int, name: bytes, owner: Context) -> None:
        give(self.volume.fs, self.find(place, name), owner.uid, owner.gid)

    def open_and_remove(self, place: int, name: bytes, grow: bool) -> None:
        inode = self.find(place, name)
        self.volume.fs.open_file(inode)
        self.opened.append(inode)
        self.volume.fs.unlink(self.directories[place], name)
        if grow:
            put(self.volume.fs, inode, 9000, 100)

    def settle(self) -> None:
        self.volume.fs.settle()


@clause(
    "quota/a-closed-session-gives-back-what-it-kept-open",
    source="L3.15 N20.8 I15",
    needs="quota.user",
    clients=2,
)
def test_closed_session(volume: Volume) -> None:
    """An open file without names is given back to its user and group when the session that kept it ends."""
    volume.format(UserGroupQuota=True)
    file = volume.file("x", uid=7, gid=8)
    other = volume.open()
    other.open_file(file)
    other.unlink(1, b"x")
    assert used(volume, USER, 7) == (BLOCK, 1)
    other.session_close()
    other.close()  # what it held back is not asked for any more
    left = [stored(volume, USER, 7), stored(volume, GROUP, 8)]
    assert [(one.used_space, one.used_inodes) for one in left if one] == [(0, 0), (0, 0)]


@given(steps=st.lists(step, min_size=1, max_size=25))
@clause("quota/any-history-adds-up", source="I14 I15 N30.2 N16.12", needs="quota.user")
def test_history(volume: Volume, steps: list[Step]) -> None:
    """After any calls every quota counts what lies below its directory, every user and group what is theirs,
    and a check of any finds nothing."""
    history = History(volume, trash=False)
    for one in steps:
        history.take(one)
    volume.fs.settle()
    require_laws(volume)
    for path in (b"/", b"/a", b"/a/b"):
        volume.fs.quota_check(DIR, path, strict=True)
    volume.fs.quota_check(USER, 0)


@given(steps=st.lists(step, min_size=1, max_size=25))
@clause("quota/any-history-with-trash-adds-up", source="I14 I15 N13.4 N16.10 N30.2 I20", needs="trash")
def test_history_with_trash(volume: Volume, steps: list[Step]) -> None:
    """The same holds where removed nodes go to the trash."""
    history = History(volume, trash=True)
    for one in steps:
        history.take(one)
    volume.fs.settle()
    require_laws(volume)
    for path in (b"/", b"/a", b"/a/b"):
        volume.fs.quota_check(DIR, path, strict=True)
    volume.fs.quota_check(USER, 0)
