"""Removing a name that is not a directory: unlink (N13)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, ENOENT, EPERM, EROFS
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB
from metaparity.conformance.scenes.precedence import Reason, precedence
from metaparity.conformance.scenes.records import lengthen
from metaparity.conformance.scenes.scenery import each_non_directory, flag, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.types import TRASH_INODE, Attr, AttrFlag, FileType, SetAttr
from metaparity.fixtures.volumes import Volume


@pytest.mark.parametrize(
    ("settings", "errno"),
    precedence(
        Reason("foreign-trash", EPERM, parent=TRASH_INODE + 1),
        Reason("trash-name", EPERM, parent=1, name=b".trash"),
        Reason("read-only", EROFS, read_only=True),
        Reason("absent", ENOENT, parent=None, name=b"absent"),
        Reason("directory", EPERM, parent=None, name=b"x", type=FileType.DIRECTORY),
        Reason("unwritable", EACCES, parent=None, mode=0o555),
        Reason("unwritable-sticky", EACCES, parent=None, mode=0o1555),
        Reason("frozen-parent", EPERM, parent=None, frozen_parent=True),
        Reason("sticky", EACCES, parent=None, name=b"x", mode=0o1777, type=FileType.FILE),
        Reason("frozen", EPERM, parent=None, name=b"x", frozen=True, type=FileType.FILE),
    ),
)
@clause("unlink/the-first-reason-to-refuse-is-named", source="N13.1 N13.2 D3", needs="namespace", clients=2)
def test_precedence(volume: Volume, settings: dict[str, Any], errno: int) -> None:
    """When several reasons to refuse hold, the errno is that of the first in the rule's order."""

    def arrange(
        parent: int | None = None,
        name: bytes = b"x",
        type: FileType = FileType.FILE,
        mode: int = 0o777,
        read_only: bool = False,
        frozen: bool = False,
        frozen_parent: bool = False,
    ) -> Callable[[], None]:
        d = volume.dir("d")
        inode = make(volume, type, "x", d, uid=ALICE.uid)
        if frozen:
            flag(volume, inode, AttrFlag.IMMUTABLE)
        volume.fs.setattr(d, SetAttr.MODE, Attr(mode=mode))
        if frozen_parent:
            flag(volume, d, AttrFlag.APPEND)
        client = volume.open(read_only=read_only)
        return lambda: client.unlink(d if parent is None else parent, name, ctx=BOB)

    refuses(errno, arrange(**settings))


@each_non_directory
@clause("unlink/the-last-name-takes-the-node", source="N13.7 N13.8", needs="namespace")
def test_last_name(volume: Volume, type: FileType) -> None:
    """With its last name a node that is not open is gone, and nothing of it is stored any more."""
    fs = volume.fs
    inode = make(volume, type, "x")
    volume.raw.hset(b"x%d" % inode, "user.a", "1")
    fs.unlink(1, b"x")
    fs.settle()
    refuses(ENOENT, fs.lookup, 1, b"x")
    refuses(ENOENT, fs.getattr, inode)
    assert not [key for key in volume.keyspace() if str(inode).encode() in key]


@each_non_directory
@clause("unlink/other-names-keep-the-node", source="N13.5", needs="namespace")
def test_other_names(volume: Volume, type: FileType) -> None:
    """While other names remain, the node counts one link less and has a new ctime; nothing else changes."""
    fs = volume.fs
    d = volume.dir("d")
    inode = make(volume, type, "x")
    fs.link(inode, d, b"again")
    volume.raw.hset(b"x%d" % inode, "user.a", "1")
    before = fs.getattr(inode)
    with window() as w:
        fs.unlink(1, b"x")
    after = fs.getattr(inode)
    alike(after, before, but=("nlink", "ctime"))
    assert after.nlink == 1
    assert w.covers(after.ctime)
    assert fs.parents(inode) == {d: 1}
    assert volume.raw.hget(b"x%d" % inode, "user.a") == b"1"


@clause("unlink/the-last-of-several-names-takes-the-parent-counts", source="N13.7", needs="namespace")
def test_parent_counts_go(volume: Volume) -> None:
    """A node that had several names leaves no parent counts behind when the last is removed."""
    fs = volume.fs
    inode = volume.file("x")
    fs.link(inode, 1, b"again")
    fs.unlink(1, b"x")
    fs.unlink(1, b"again")
    assert not volume.raw.exists(b"p%d" % inode)
    refuses(ENOENT, fs.getattr, inode)


@pytest.mark.parametrize("linked", [False, True], ids=["one-name", "hard-linked"])
@clause("unlink/an-open-file-outlives-its-names", source="N13.6 N20.6", needs="open")
def test_open_file(volume: Volume, linked: bool) -> None:
    """The last name of a file open in this client leaves its record with no links, listed as sustained,
    without xattrs or parent counts and still counted, until the last close."""
    fs = volume.fs
    inode = volume.file("x")
    if linked:
        fs.link(inode, 1, b"again")
    volume.raw.hset(b"x%d" % inode, "user.a", "1")
    usage = volume.raw.mget("usedSpace", "totalInodes")
    fs.open_file(inode)
    fs.open_file(inode)
    before = fs.getattr(inode)
    with window() as w:
        for name in (b"x", b"again") if linked else (b"x",):
            fs.unlink(1, name)
    after = fs.getattr(inode)
    alike(after, before, but=("nlink", "ctime"))
    assert after.nlink == 0
    assert w.covers(after.ctime)
    assert volume.raw.smembers("session1") == {b"%d" % inode}
    assert not volume.raw.exists(b"x%d" % inode, b"p%d" % inode)
    assert volume.raw.mget("usedSpace", "totalInodes") == usage
    fs.close_file(inode)
    assert fs.getattr(inode).nlink == 0
    fs.close_file(inode)
    fs.settle()
    refuses(ENOENT, fs.getattr, inode)
    assert not volume.raw.exists("session1", "delfiles")


@pytest.mark.parametrize("type", [FileType.SYMLINK, FileType.FIFO, FileType.CHARDEV], ids=lambda t: t.name)
@clause("unlink/only-open-files-are-sustained", source="N13.8 N20.7", needs="open")
def test_open_special(volume: Volume, type: FileType) -> None:
    """A node of another type goes with its last name even while it is open."""
    inode = make(volume, type, "x")
    volume.fs.open_file(inode)
    volume.fs.unlink(1, b"x")
    refuses(ENOENT, volume.fs.getattr, inode)


@clause("unlink/a-file-open-elsewhere-goes", source="N13.11 D13", needs="open", clients=2)
def test_open_elsewhere(volume: Volume) -> None:
    """A file that only another client has open goes with its last name."""
    other = volume.open()
    inode = volume.file("x")
    other.open_file(inode)
    volume.fs.unlink(1, b"x")
    refuses(ENOENT, other.getattr, inode)


@clause("unlink/without-a-session-nothing-is-sustained", source="N2.2 N13.6", needs="open", clients=2)
def test_open_without_session(volume: Volume) -> None:
    """A client without a recorded session cannot keep an open file: it goes with its last name."""
    client = volume.open(record=False)
    inode = volume.file("x")
    client.open_file(inode)
    client.unlink(1, b"x")
    refuses(ENOENT, client.getattr, inode)


@clause("unlink/the-data-of-a-file-is-deleted-later", source="N13.7 N42.4", needs="namespace")
def test_data(volume: Volume) -> None:
    """The content of a removed file is listed with its length until it is deleted, in the background."""
    fs = volume.fs
    stuck, inode = volume.file("stuck"), volume.file("x")
    for file in (stuck, inode):
        lengthen(volume, file, 5000)
    volume.raw.set(b"c%d_0" % stuck, "not a list: it cannot be deleted")
    volume.raw.rpush(b"c%d_0" % inode, bytes(24))
    with window() as w:
        fs.unlink(1, b"stuck")
        fs.unlink(1, b"x")
        fs.settle()
    assert not volume.raw.exists(b"c%d_0" % inode)
    ((member, score),) = volume.raw.zrange("delfiles", 0, -1, withscores=True)
    assert member == b"%d:5000" % stuck
    assert w.start // 10**9 <= score <= w.start // 10**9 + 60


@clause("unlink/locks-stay", source="N13.10", needs="namespace")
def test_locks_stay(volume: Volume) -> None:
    """Locks on an inode are not removed with it."""
    inode = volume.file("x")
    for head in ("lockf", "lockp"):
        volume.raw.hset(f"{head}{inode}", "1_0000000000000001", "R")
    volume.fs.unlink(1, b"x")
    assert volume.raw.exists(f"lockf{inode}", f"lockp{inode}") == 2


@each_non_directory
@clause("unlink/an-entry-without-record-goes", source="N13.10 N13.3", needs="namespace")
def test_entry_without_record(volume: Volume, type: FileType) -> None:
    """An entry whose record is missing is removed and counted as one empty node less."""
    inode = make(volume, type, "x")
    usage = [int(value) for value in volume.raw.mget("usedSpace", "totalInodes")]
    volume.raw.delete(b"i%d" % inode)
    volume.fs.unlink(1, b"x")
    refuses(ENOENT, volume.fs.lookup, 1, b"x")
    assert [int(value) for value in volume.raw.mget("usedSpace", "totalInodes")] == [
        usage[0] - 4096,
        usage[1] - 1,
    ]


@clause("unlink/a-directory-without-record-keeps-its-entries", source="N13.2", needs="namespace")
def test_directory_without_record(volume: Volume) -> None:
    """An entry of a directory whose own record is missing cannot be removed: ENOENT."""
    d = volume.dir("d")
    volume.file("x", d)
    volume.raw.delete(b"i%d" % d)
    with unchanged(volume):
        refuses(ENOENT, volume.fs.unlink, d, b"x")


@clause("unlink/a-frozen-file-keeps-its-other-names-too", source="N13.2 D10", needs="namespace")
def test_frozen_link(volume: Volume) -> None:
    """No name of a hard-linked IMMUTABLE file can be removed: EPERM."""
    inode = volume.file("x")
    volume.fs.link(inode, 1, b"again")
    flag(volume, inode, AttrFlag.IMMUTABLE)
    for name in (b"x", b"again"):
        refuses(EPERM, volume.fs.unlink, 1, name)


@clause("unlink/needs-no-right-on-the-node", source="N13.2", needs="namespace")
def test_foreign_node(volume: Volume) -> None:
    """Who may write the directory removes a node of another that grants nothing."""
    d = volume.dir("d", mode=0o777)
    volume.file("x", d, mode=0)
    volume.fs.unlink(d, b"x", ctx=BOB)
    refuses(ENOENT, volume.fs.lookup, d, b"x")


@clause("unlink/the-session-root-stands-for-inode-one", source="N13.1 R1", needs="namespace")
def test_session_root(volume: Volume) -> None:
    """Under another session root, parent 1 means that root."""
    home = volume.dir("home")
    volume.file("x", home)
    volume.file("x")
    volume.fs.chroot(b"home")
    volume.fs.unlink(1, b"x")
    refuses(ENOENT, volume.fs.lookup, home, b"x")
    assert volume.fs.lookup(0, b"x").inode


def trashed(volume: Volume, *, skip: bool = False) -> int:
    """A file `d/x` that was unlinked with the trash on; returns the inode."""
    volume.format(TrashDays=1)
    d = volume.dir("d")
    inode = volume.file("x", d)
    volume.fs.unlink(d, b"x", skip_trash=skip)
    return inode


@clause("unlink/with-the-trash-on-the-node-is-kept", source="N13.4 N13.3 R8", needs="trash")
def test_to_trash(volume: Volume) -> None:
    """With the trash on, the entry moves to the directory of the hour under a name that tells its origin."""
    inode = trashed(volume)
    fs = volume.fs
    attr = fs.getattr(inode)
    assert attr.parent == TRASH_INODE + 1
    assert attr.nlink == 1
    origin = fs.lookup(1, b"d").inode
    assert fs.lookup(attr.parent, b"%d-%d-x" % (origin, inode)).inode == inode


@clause("unlink/skipping-the-trash-removes-for-good", source="N13.3", needs="trash")
def test_skip_trash(volume: Volume) -> None:
    """With skip_trash the node is gone although the trash is on."""
    inode = trashed(volume, skip=True)
    refuses(ENOENT, volume.fs.getattr, inode)


@clause("unlink/a-trashed-link-is-trashed-once", source="N13.3", needs="trash")
def test_trashed_link(volume: Volume) -> None:
    """A name whose very entry is in the trash already is removed for good (T17)."""
    volume.format(TrashDays=1)
    fs = volume.fs
    inode = volume.file("d")
    fs.link(inode, 1, b"l")
    counts = []
    for again in (False, True):
        fs.unlink(1, b"l")
        counts.append(fs.getattr(inode).nlink)
        if not again:
            counts.append(fs.link(inode, 1, b"l").nlink)
    assert counts == [2, 3, 2]


@clause("unlink/skip-trash-nodes-are-removed-for-good", source="N13.3 N12.3", needs="trash")
def test_skip_trash_flag(volume: Volume) -> None:
    """A node made in a SKIP_TRASH directory never goes to the trash."""
    volume.format(TrashDays=1)
    d = volume.dir("d")
    flag(volume, d, AttrFlag.SKIP_TRASH)
    inode = volume.file("x", d)
    volume.fs.unlink(d, b"x")
    refuses(ENOENT, volume.fs.getattr, inode)
