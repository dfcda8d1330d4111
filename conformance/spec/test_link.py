"""Hard links (N17)."""

from __future__ import annotations

from errno import EACCES, EEXIST, EINVAL, ENOENT, ENOTDIR, EPERM, EROFS

import pytest

from metaparity.conformance.actors import ALICE, BOB
from metaparity.conformance.clause import clause
from metaparity.conformance.precedence import precedence
from metaparity.conformance.records import rewrite
from metaparity.conformance.scenery import each_frozen, each_non_directory, flag, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.types import TRASH_INODE, Attr, AttrFlag, FileType, SetAttr
from metaparity.fixtures.volumes import Volume

ORDER = [
    ("in-trash", EPERM),
    ("trash-name", EPERM),
    ("read-only", EROFS),
    ("bad-name", EINVAL),
    ("dot-name", EEXIST),
    ("no-node", ENOENT),
    ("directory", EPERM),
    ("no-parent", ENOENT),
    ("file-parent", ENOTDIR),
    ("trashed-parent", ENOENT),
    ("unwritable", EACCES),
    ("immutable-parent", EPERM),
    ("frozen", EPERM),
    ("exists", EEXIST),
]
PARENTS = {"in-trash", "trash-name", "no-parent"}


@pytest.mark.parametrize(
    ("conditions", "errno"),
    precedence(
        ORDER,
        {"trash-name", "dot-name", "bad-name", "exists"},
        PARENTS | {"file-parent"},
        *(PARENTS | {one} for one in ("trashed-parent", "unwritable", "immutable-parent", "exists")),
        {"file-parent", "exists"},
        {"no-node", "directory", "frozen"},
    ),
)
@clause("link/the-first-reason-to-refuse-is-named", source="N17.1 N17.2 D3", needs="namespace")
def test_precedence(volume: Volume, conditions: set[str], errno: int) -> None:
    """When several reasons to refuse a new name hold, the errno is that of the first in the rule's order."""
    fs = volume.fs
    node = make(volume, FileType.DIRECTORY if "directory" in conditions else FileType.FILE, "node")
    if "frozen" in conditions:
        flag(volume, node, AttrFlag.APPEND)
    parent = make(volume, FileType.FILE if "file-parent" in conditions else FileType.DIRECTORY, "d")
    fs.setattr(parent, SetAttr.MODE, Attr(mode=0o555 if "unwritable" in conditions else 0o777))
    if "exists" in conditions:
        volume.file("new", parent)
    if "immutable-parent" in conditions:
        flag(volume, parent, AttrFlag.IMMUTABLE)
    if "trashed-parent" in conditions:
        rewrite(volume, parent, parent=TRASH_INODE + 1)
    client = volume.open(read_only="read-only" in conditions)
    place = {"in-trash": TRASH_INODE, "trash-name": 1, "no-parent": 404}
    where = next((place[one] for one in conditions if one in place), parent)
    names = {"trash-name": b".trash", "dot-name": b".", "bad-name": b"a/b"}
    name = next((names[one] for one in conditions if one in names), b"new")
    refuses(errno, client.link, 405 if "no-node" in conditions else node, where, name, ctx=ALICE)


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
