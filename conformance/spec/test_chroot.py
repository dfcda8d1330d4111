"""The root of a session: chroot (N38)."""

from __future__ import annotations

from errno import EACCES, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB
from metaparity.conformance.scenes.scenery import each_non_directory, flag, make
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import AttrFlag, FileType
from metaparity.fixtures.volumes import Volume


def root_of(fs: Engine) -> int:
    """The inode that a client takes for 1."""
    return fs.lookup(1, b".").inode


@clause("chroot/makes-a-directory-the-root", source="N38.1 R1", needs="volume", clients=2)
def test_existing(volume: Volume) -> None:
    """A directory that exists becomes the root of this client, and of no other; nothing is changed."""
    home = volume.dir("home", volume.dir("above"))
    client = volume.open()
    with unchanged(volume):
        client.chroot(b"above/home")
    assert root_of(client) == home
    assert root_of(volume.fs) == 1


@pytest.mark.parametrize("path", [b"new//dir", b"/new/dir", b"new/dir/", b"./new/./dir", b"new/../dir"])
@clause("chroot/makes-what-is-missing", source="N38.1 T41", needs="volume", clients=2)
def test_missing(volume: Volume, path: bytes) -> None:
    """Directories that are missing are made on the way, open to all and the caller's own."""
    volume.fs.chroot(path, ctx=ALICE)
    attr = volume.fs.getattr(1)
    assert (attr.type, attr.mode, attr.uid, attr.gid) == (FileType.DIRECTORY, 0o777, ALICE.uid, ALICE.gid)
    found = volume.open().resolve(1, b"new/dir", True)
    assert found.inode == root_of(volume.fs)


@pytest.mark.parametrize("path", [b"", b"/", b"//", b".", b"..", b"../.."])
@clause("chroot/nothing-is-above-the-root", source="N38.1 N5.2", needs="volume")
def test_above(volume: Volume, path: bytes) -> None:
    """No path leads out of the root of the session, and an empty one leads nowhere."""
    fs, home = volume.fs, volume.dir("home")
    fs.chroot(b"home")
    with unchanged(volume):
        fs.chroot(path)
    assert root_of(fs) == home


@clause("chroot/goes-on-from-the-present-root", source="N38.1", needs="volume")
def test_twice(volume: Volume) -> None:
    """A second path starts at the root that the first one led to."""
    fs, home = volume.fs, volume.dir("home")
    inner = volume.dir("inner", home)
    fs.chroot(b"home")
    fs.chroot(b"inner")
    assert root_of(fs) == inner


@each_non_directory
@clause("chroot/only-a-directory-can-be-the-root", source="N38.1 T41", needs="volume")
def test_no_directory(volume: Volume, type: FileType) -> None:
    """A node of any other type on the way or at the end is ENOTDIR."""
    make(volume, type, "x")
    with unchanged(volume):
        refuses(ENOTDIR, volume.fs.chroot, b"x")
        refuses(ENOTDIR, volume.fs.chroot, b"x/y")
    assert root_of(volume.fs) == 1


@clause("chroot/searching-needs-x-and-making-w", source="N38.1", needs="volume", clients=2)
def test_permission(volume: Volume) -> None:
    """X is needed on every directory on the way, and W too where one is to be made: EACCES."""
    shut, open_to_read = volume.dir("shut", mode=0o700), volume.dir("open", mode=0o755)
    for parent in (shut, open_to_read):
        volume.dir("there", parent)
    for path in (b"shut/there", b"shut/new", b"open/new"):
        refuses(EACCES, volume.open().chroot, path, ctx=BOB)
    for parent in (shut, open_to_read):
        assert {entry.name for entry in volume.fs.readdir(parent)} == {b".", b"..", b"there"}
    volume.open().chroot(b"open/there", ctx=BOB)
    volume.open().chroot(b"shut", ctx=BOB)


@clause("chroot/an-immutable-directory-takes-no-new-root", source="N38.1", needs="volume")
def test_immutable(volume: Volume) -> None:
    """Where the directory to be made in is IMMUTABLE the answer is EPERM."""
    flag(volume, volume.dir("d"), AttrFlag.IMMUTABLE)
    refuses(EPERM, volume.fs.chroot, b"d/new")


@clause("chroot/a-full-volume-has-no-space-for-a-root", source="N38.1 R12", needs="volume")
def test_full(volume: Volume) -> None:
    """Where the volume has no inode left a directory that is missing is ENOSPC."""
    volume.format(Inodes=1)
    volume.dir("d")
    volume.fs.refresh()
    refuses(ENOSPC, volume.fs.chroot, b"new")
    volume.fs.chroot(b"d")


@clause("chroot/a-read-only-client-finds-but-makes-no-root", source="N38.1 M2", needs="volume", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client moves its root to a directory that exists; one that is missing is EROFS."""
    d, client = volume.dir("d"), volume.open(read_only=True)
    with unchanged(volume):
        refuses(EROFS, client.chroot, b"new")
        client.chroot(b"d")
    assert root_of(client) == d


@clause("chroot/a-failure-leaves-the-root", source="N38.1 Q34", needs="volume")
def test_partial(volume: Volume) -> None:
    """A refusal on the way leaves the root of the session where it was."""
    a = volume.dir("a")
    volume.file("f", a)
    refuses(ENOTDIR, volume.fs.chroot, b"a/f/x")
    assert root_of(volume.fs) == 1


@clause("chroot/hides-the-trash-and-what-is-outside", source="N38.1 N5.4 T41", needs="volume")
def test_hidden(volume: Volume) -> None:
    """Under the new root neither the trash nor the names of the old root are found."""
    volume.file("outside")
    volume.fs.chroot(b"home")
    for name in (b".trash", b"outside", b"home"):
        refuses(ENOENT, volume.fs.lookup, 1, name)
    refuses(EPERM, volume.fs.mkdir, 1, b".trash", 0o755)


@clause("chroot/a-client-may-start-in-a-subdirectory", source="N38.1 S5.6", needs="volume", clients=2)
def test_subdir(volume: Volume) -> None:
    """A client configured with a subdirectory has it as its root, made if missing."""
    client = volume.open(subdir="a/b")
    found = volume.fs.resolve(1, b"a/b", True)
    assert root_of(client) == found.inode
    assert found.attr is not None
    assert found.attr.mode == 0o777
