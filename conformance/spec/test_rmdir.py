"""Removing directories: rmdir (N15)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, EINVAL, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EROFS
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB
from metaparity.conformance.scenes.precedence import Reason, precedence
from metaparity.conformance.scenes.scenery import TYPES, each_frozen, each_non_directory, flag, make
from metaparity.conformance.verbs import refuses, unchanged, window
from metaparity.drivers.types import TRASH_INODE, Attr, AttrFlag, DirStat, FileType, SetAttr
from metaparity.fixtures.volumes import Volume


@pytest.mark.parametrize(
    ("settings", "errno"),
    precedence(
        Reason("dot", EINVAL, name=b"."),
        Reason("dot-dot", ENOTEMPTY, name=b".."),
        Reason("trash-name", EPERM, parent=1, name=b".trash"),
        Reason("in-trash", EPERM, parent=TRASH_INODE),
        Reason("read-only", EROFS, read_only=True),
        Reason("absent", ENOENT, parent=None, name=b"absent"),
        Reason("no-directory", ENOTDIR, parent=None, name=b"x", type=FileType.FILE),
        Reason("unwritable", EACCES, parent=None, mode=0o555),
        Reason("frozen-parent", EPERM, parent=None, frozen_parent=True),
        Reason("not-empty", ENOTEMPTY, parent=None, name=b"x", type=FileType.DIRECTORY, full=True),
        Reason("sticky", EACCES, parent=None, name=b"x", type=FileType.DIRECTORY, mode=0o1777),
    ),
)
@clause("rmdir/the-first-reason-to-refuse-is-named", source="N15.1 N15.2 D3", needs="namespace", clients=2)
def test_precedence(volume: Volume, settings: dict[str, Any], errno: int) -> None:
    """When several reasons to refuse hold, the errno is that of the first in the rule's order."""

    def arrange(
        parent: int | None = None,
        name: bytes = b"x",
        type: FileType = FileType.DIRECTORY,
        mode: int = 0o777,
        read_only: bool = False,
        full: bool = False,
        frozen_parent: bool = False,
    ) -> Callable[[], None]:
        d = volume.dir("d")
        inode = make(volume, type, "x", d, uid=ALICE.uid)
        if full:
            volume.file("inside", inode)
        volume.fs.setattr(d, SetAttr.MODE, Attr(mode=mode))
        if frozen_parent:
            flag(volume, d, AttrFlag.IMMUTABLE)
        client = volume.open(read_only=read_only)
        return lambda: client.rmdir(d if parent is None else parent, name, ctx=BOB)

    refuses(errno, arrange(**settings))


@clause("rmdir/an-empty-directory-goes", source="N15.4 N15.3", needs="namespace")
def test_rmdir(volume: Volume) -> None:
    """An empty directory is gone with its record, xattrs, statistics and quota fields."""
    fs = volume.fs
    inode = volume.dir("d")
    volume.file("x", inode)
    fs.unlink(inode, b"x")
    fs.settle()
    volume.raw.hset(b"x%d" % inode, "user.a", "1")
    hashes = (
        *("dirDataLength", "dirUsedSpace", "dirUsedInodes"),
        *("dirQuota", "dirQuotaUsedSpace", "dirQuotaUsedInodes"),
    )
    for name in hashes[3:]:
        volume.raw.hset(name, inode, b"\xff" * 16 if name == "dirQuota" else 0)
    assert all(volume.raw.hexists(name, inode) for name in hashes)
    fs.rmdir(1, b"d")
    fs.settle()
    refuses(ENOENT, fs.lookup, 1, b"d")
    refuses(ENOENT, fs.getattr, inode)
    assert not [key for key in volume.keyspace() if str(inode).encode() in key]
    assert not [name for name in hashes if volume.raw.hexists(name, inode)]


@each_non_directory
@clause("rmdir/removes-directories-only", source="N15.2", needs="namespace")
def test_no_directory(volume: Volume, type: FileType) -> None:
    """rmdir of any other type is refused with ENOTDIR."""
    make(volume, type, "x")
    with unchanged(volume):
        refuses(ENOTDIR, volume.fs.rmdir, 1, b"x")


@pytest.mark.parametrize("type", TYPES, ids=lambda type: type.name.lower())
@clause("rmdir/a-directory-with-entries-stays", source="N15.2", needs="namespace")
def test_not_empty(volume: Volume, type: FileType) -> None:
    """A directory that holds an entry of any type is refused with ENOTEMPTY."""
    make(volume, type, "inside", volume.dir("d"))
    with unchanged(volume):
        refuses(ENOTEMPTY, volume.fs.rmdir, 1, b"d")


@each_frozen
@clause("rmdir/a-frozen-directory-can-be-removed", source="N15.2 D10", needs="namespace")
def test_frozen_directory(volume: Volume, frozen: AttrFlag) -> None:
    """The flags of the removed directory itself do not matter."""
    flag(volume, volume.dir("d"), frozen)
    volume.fs.rmdir(1, b"d")
    refuses(ENOENT, volume.fs.lookup, 1, b"d")


@clause("rmdir/the-parent-loses-a-link-and-is-stamped", source="N15.3 A2", needs="namespace", clients=2)
def test_parent(volume: Volume) -> None:
    """The parent counts one link less and has new mtime and ctime, even with a throttle on them."""
    parent = volume.dir("d")
    volume.dir("x", parent)
    client = volume.open(skip_dir_mtime=3600.0)
    assert client.getattr(parent).nlink == 3
    with window() as w:
        client.rmdir(parent, b"x")
    attr = client.getattr(parent)
    assert attr.nlink == 2
    assert w.covers(attr.mtime)
    assert attr.mtime == attr.ctime


@clause("rmdir/an-entry-without-record-goes", source="N15.2 D23", needs="namespace")
def test_entry_without_record(volume: Volume) -> None:
    """A directory entry whose record is missing is removed."""
    inode = volume.dir("d")
    volume.raw.delete(b"i%d" % inode)
    volume.fs.rmdir(1, b"d")
    refuses(ENOENT, volume.fs.lookup, 1, b"d")


@clause("rmdir/a-parent-without-record-keeps-its-entries", source="N15.2", needs="namespace")
def test_parent_without_record(volume: Volume) -> None:
    """An entry of a directory whose own record is missing cannot be removed: ENOENT."""
    parent = volume.dir("d")
    volume.dir("x", parent)
    volume.raw.delete(b"i%d" % parent)
    with unchanged(volume):
        refuses(ENOENT, volume.fs.rmdir, parent, b"x")


@clause("rmdir/nothing-directly-below-the-trash-goes", source="N15.1", needs="namespace")
def test_hour_directory(volume: Volume) -> None:
    """Not even the superuser removes a directory of the trash itself: EPERM."""
    refuses(EPERM, volume.fs.rmdir, TRASH_INODE, b"2026-01-01-00")


@clause("rmdir/the-session-root-stands-for-inode-one", source="N15.1 R1", needs="namespace")
def test_session_root(volume: Volume) -> None:
    """Under another session root, parent 1 means that root."""
    home = volume.dir("home")
    volume.dir("x", home)
    volume.dir("x")
    volume.fs.chroot(b"home")
    volume.fs.rmdir(1, b"x")
    refuses(ENOENT, volume.fs.lookup, home, b"x")
    assert volume.fs.lookup(0, b"x").inode


@clause("rmdir/statistics-of-the-parent-lose-one-entry", source="N15.5", needs="dirstat")
def test_statistics(volume: Volume) -> None:
    """The parent's statistics lose 4096 bytes of space and one inode."""
    fs = volume.fs
    parent = volume.dir("d")
    for name in ("x", "y"):
        volume.dir(name, parent)
    fs.settle()
    fs.rmdir(parent, b"x")
    fs.settle()
    assert fs.dirstat_get(parent) == DirStat(0, 4096, 1)
    assert volume.raw.hget("dirUsedInodes", parent) == b"1"


@clause("rmdir/with-the-trash-on-the-directory-is-kept", source="N15.4 N15.3", needs="trash")
def test_to_trash(volume: Volume) -> None:
    """With the trash on, the directory moves to the directory of the hour and loses its statistics."""
    volume.format(TrashDays=1)
    fs = volume.fs
    inode = volume.dir("d")
    with window() as w:
        fs.rmdir(1, b"d")
    attr = fs.getattr(inode)
    assert attr.parent == TRASH_INODE + 1
    assert w.covers(attr.ctime)
    assert fs.lookup(attr.parent, b"1-%d-d" % inode).inode == inode
    assert not volume.raw.hexists("dirUsedInodes", inode)
