"""Hard links (N17)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, EEXIST, EINVAL, ENOENT, ENOTDIR, EPERM, EROFS
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB
from metaparity.conformance.scenes.precedence import Reason, precedence
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.scenery import each_frozen, each_non_directory, flag, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.types import TRASH_INODE, Attr, AttrFlag, FileType, SetAttr
from metaparity.fixtures.volumes import Volume


@pytest.mark.parametrize(
    ("settings", "errno"),
    precedence(
        Reason("in-trash", EPERM, parent=TRASH_INODE),
        Reason("trash-name", EPERM, parent=1, name=b".trash"),
        Reason("read-only", EROFS, read_only=True),
        Reason("bad-name", EINVAL, name=b"a/b"),
        Reason("dot-name", EEXIST, name=b"."),
        Reason("no-node", ENOENT, node=405),
        Reason("directory", EPERM, node=None, type=FileType.DIRECTORY),
        Reason("no-parent", ENOENT, parent=404),
        Reason("file-parent", ENOTDIR, parent=None, parent_type=FileType.FILE),
        Reason("trashed-parent", ENOENT, parent=None, trashed=True),
        Reason("unwritable", EACCES, parent=None, mode=0o555),
        Reason("immutable", EPERM, parent=None, immutable=True),
        Reason("frozen", EPERM, node=None, frozen=True),
        Reason("exists", EEXIST, parent=None, name=b"new", parent_type=FileType.DIRECTORY, exists=True),
    ),
)
@clause("link/the-first-reason-to-refuse-is-named", source="N17.1 N17.2 D3", needs="namespace", clients=2)
def test_precedence(volume: Volume, settings: dict[str, Any], errno: int) -> None:
    """When several reasons to refuse a new name hold, the errno is that of the first in the rule's order."""

    def arrange(
        node: int | None = None,
        type: FileType = FileType.FILE,
        parent: int | None = None,
        parent_type: FileType = FileType.DIRECTORY,
        mode: int = 0o777,
        name: bytes = b"new",
        read_only: bool = False,
        exists: bool = False,
        immutable: bool = False,
        trashed: bool = False,
        frozen: bool = False,
    ) -> Callable[[], Attr]:
        inode = make(volume, type, "node")
        if frozen:
            flag(volume, inode, AttrFlag.APPEND)
        d = make(volume, parent_type, "d")
        volume.fs.setattr(d, SetAttr.MODE, Attr(mode=mode))
        if exists:
            volume.file("new", d)
        if immutable:
            flag(volume, d, AttrFlag.IMMUTABLE)
        if trashed:
            rewrite(volume, d, parent=TRASH_INODE + 1)
        client = volume.open(read_only=read_only)
        where = d if parent is None else parent
        return lambda: client.link(inode if node is None else node, where, name, ctx=ALICE)

    refuses(errno, arrange(**settings))


@clause("link/a-directory-has-one-name", source="N17.1", needs="namespace")
def test_directory(volume: Volume) -> None:
    """A directory cannot get a second name, not even from the superuser: EPERM."""
    inode = volume.dir("d")
    with unchanged(volume):
        refuses(EPERM, volume.fs.link, inode, 1, b"again")


@each_frozen
@clause("link/a-frozen-node-gets-no-name", source="N17.2", needs="namespace")
def test_frozen_node(volume: Volume, frozen: AttrFlag) -> None:
    """An IMMUTABLE or APPEND node gets no further name: EPERM."""
    inode = volume.file("x")
    flag(volume, inode, frozen)
    with unchanged(volume):
        refuses(EPERM, volume.fs.link, inode, 1, b"again")


@each_non_directory
@clause("link/adds-a-name-to-any-other-node", source="N17.3 A3", needs="namespace")
def test_link(volume: Volume, type: FileType) -> None:
    """The new name leads to the same node, which counts one link more, has parent 0 and a new ctime."""
    fs = volume.fs
    inode = make(volume, type, "x", uid=BOB.uid)
    parent = volume.dir("d")
    before = fs.getattr(inode)
    with window() as w:
        attr = fs.link(inode, parent, b"again")
    alike(attr, fs.getattr(inode))
    alike(attr, before, but=("nlink", "parent", "ctime"))
    assert (attr.nlink, attr.parent) == (2, 0)
    assert w.covers(attr.ctime)
    assert fs.lookup(parent, b"again").inode == inode == fs.lookup(1, b"x").inode
    assert [entry.type for entry in fs.readdir(parent) if entry.name == b"again"] == [type]


@clause("link/needs-no-right-on-the-node", source="N17.2", needs="namespace")
def test_foreign_node(volume: Volume) -> None:
    """Anyone who may write the directory may link a node that is neither theirs nor readable to them."""
    inode = volume.file("x", mode=0)
    assert volume.fs.link(inode, 1, b"again", ctx=ALICE).uid == 0


@clause("link/parents-are-counted-by-directory", source="N17.3 N26.1 A3", needs="namespace")
def test_parents(volume: Volume) -> None:
    """Names are counted for each directory, and a directory that lost its last is counted no more."""
    fs = volume.fs
    d = volume.dir("d")
    inode = volume.file("f")
    assert fs.parents(inode) == {1: 1}
    fs.link(inode, 1, b"l1")
    assert fs.parents(inode) == {1: 2}
    fs.link(inode, d, b"l2")
    fs.link(inode, d, b"l3")
    assert fs.parents(inode) == {1: 2, d: 2}
    fs.unlink(1, b"f")
    fs.unlink(1, b"l1")
    fs.unlink(d, b"l2")
    assert fs.parents(inode) == {d: 1}
    assert fs.getattr(inode).parent == 0
    assert volume.raw.hgetall(b"p%d" % inode) == {b"1": b"0", b"%d" % d: b"1"}


@clause("link/the-number-of-links-has-no-limit", source="N17.4 M3", needs="namespace")
def test_many_links(volume: Volume) -> None:
    """A node with 100000 links gets one more."""
    inode = volume.file("x")
    rewrite(volume, inode, nlink=100_000)
    assert volume.fs.link(inode, 1, b"again").nlink == 100_001


@clause("link/a-node-without-names-gets-none", source="N17.4 Q13", needs="open")
def test_sustained_node(volume: Volume) -> None:
    """A file whose last name is gone, kept only because it is open, cannot be linked: ENOENT."""
    fs = volume.fs
    inode = volume.file("x")
    fs.open_file(inode)
    fs.unlink(1, b"x")
    with unchanged(volume):
        refuses(ENOENT, fs.link, inode, 1, b"again")


@clause("link/the-session-root-stands-for-inode-one", source="N17.1 R1", needs="namespace")
def test_session_root(volume: Volume) -> None:
    """Under another session root, parent 1 means that root."""
    home = volume.dir("home")
    inode = volume.file("x")
    volume.fs.chroot(b"home")
    volume.fs.link(inode, 1, b"again")
    assert volume.fs.parents(inode) == {1: 1, home: 1}


@clause("link/a-trashed-node-comes-back", source="N17.4", needs="trash")
def test_trashed_node(volume: Volume) -> None:
    """A file in the trash can be linked back into the tree and then has both names."""
    volume.format(TrashDays=1)
    fs = volume.fs
    inode = volume.file("x")
    fs.unlink(1, b"x")
    hour = fs.getattr(inode).parent
    assert fs.link(inode, 1, b"back").nlink == 2
    assert fs.parents(inode) == {1: 1, hour: 1}
