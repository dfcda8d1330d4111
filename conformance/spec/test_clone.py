"""Copies by reference: of a node, what they count, and what is refused (N25)."""

from __future__ import annotations

from dataclasses import replace
from errno import EACCES, EDQUOT, EEXIST, EINVAL, EIO, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import check_empty, require_laws
from metaparity.conformance.scenes.actors import ALICE, BOB
from metaparity.conformance.scenes.clones import found, nodes, plant
from metaparity.conformance.scenes.contents import put, records, references, shown
from metaparity.conformance.scenes.quotas import BLOCK, DIR, GROUP, USER, limit, used
from metaparity.conformance.scenes.scenery import each_non_directory, each_type, flag, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.types import (
    CHUNK_SIZE,
    ROOT_INODE,
    TRASH_INODE,
    AclType,
    Attr,
    AttrFlag,
    Cloned,
    Context,
    FileType,
    Rule,
    SetAttr,
)
from metaparity.fixtures.volumes import Volume

each_preserve = pytest.mark.parametrize("preserve", [True, False], ids=["preserved", "own"])
each_place = pytest.mark.parametrize("below", [False, True], ids=["alone", "below"])


def age(volume: Volume, inode: int) -> None:
    """Give a node times of its own."""
    stamps = Attr(atime=(11, 1), mtime=(22, 2))
    volume.fs.setattr(inode, SetAttr.ATIME | SetAttr.MTIME, stamps)


def copied(volume: Volume, src: int, parent: int, preserve: bool, umask: int) -> int:
    """Copy the node `x` of the root, or the directory of the root that it is in; the inode of its copy."""
    below = parent != ROOT_INODE
    volume.fs.clone(1, parent if below else src, 1, b"copy", preserve, umask)
    copy = volume.fs.lookup(1, b"copy").inode
    return volume.fs.lookup(copy, b"x").inode if below else copy


# -- one node --------------------------------------------------------------------------------------


@each_preserve
@each_non_directory
@clause("clone/copies-a-node-of-any-type", source="N25.2 N25.4", needs="clone")
def test_node(volume: Volume, type: FileType, preserve: bool) -> None:
    """The copy of a node has all its attributes and a name of its own; unless they are preserved, owner and
    times are those of the caller and of now."""
    src = make(volume, type, "x", uid=1001, gid=1001)
    age(volume, src)
    directory = volume.dir("d", mode=0o777)
    source = volume.fs.getattr(src)
    with window() as call:
        done = volume.fs.clone(1, src, directory, b"copy", preserve, 0, ctx=BOB)
    assert done == Cloned(1, 1)
    copy = found(volume.fs, parent=directory)
    if preserve:
        alike(copy, source, but=["parent"])
    else:
        alike(copy, source, but=["parent", "uid", "gid", "atime", "mtime", "ctime"])
        assert (copy.uid, copy.gid) == (BOB.uid, BOB.gid)
        assert all(call.covers(stamp) for stamp in (copy.atime, copy.mtime, copy.ctime))
    assert copy.parent == directory
    if type is FileType.SYMLINK:
        assert volume.fs.readlink(volume.fs.lookup(directory, b"copy").inode) == b"target"


@each_preserve
@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
@clause("clone/applies-the-umask-to-what-is-not-preserved", source="N25.4", needs="clone")
def test_umask(volume: Volume, umask: int, preserve: bool) -> None:
    """The umask takes permission bits from a copy that is not preserved; setuid and setgid stay."""
    src = volume.file("x", mode=0o6777)
    volume.fs.clone(1, src, 1, b"copy", preserve, umask)
    assert found(volume.fs).mode == (0o6777 if preserve else 0o6777 & ~umask)


@clause("clone/keeps-flags-tier-and-acls", source="N25.4 D22", needs="acl")
def test_special(volume: Volume) -> None:
    """A copy has the flags, the tier and the ACLs of its source."""
    volume.format(EnableACL=True)
    src = volume.file("x")
    rule = Rule(7, 5, 7, 1, users=[(1002, 6)])
    volume.fs.acl_set(src, AclType.ACCESS, rule)
    volume.fs.acl_set(src, AclType.DEFAULT, replace(rule, other=0))
    volume.fs.setattr(src, SetAttr.TIER, Attr(tier=2))
    flag(volume, src, AttrFlag.IMMUTABLE | AttrFlag.SKIP_TRASH)
    source = volume.fs.getattr(src)
    volume.fs.clone(1, src, 1, b"copy")
    copy = found(volume.fs)
    assert copy.flags == AttrFlag.IMMUTABLE | AttrFlag.SKIP_TRASH
    assert (copy.tier, copy.access_acl, copy.default_acl) == (2, source.access_acl, source.default_acl)
    assert volume.fs.acl_get(volume.fs.lookup(1, b"copy").inode, AclType.ACCESS) == rule


@each_preserve
@each_place
@clause("clone/a-symbolic-link-keeps-its-mode", source="A2 N25.4 I21", needs="clone")
def test_symlink(volume: Volume, below: bool, preserve: bool) -> None:
    """The umask takes nothing from a symbolic link, whose mode is 0777."""
    parent = volume.dir("tree") if below else 1
    src = make(volume, FileType.SYMLINK, "x", parent=parent)
    copy = copied(volume, src, parent, preserve, 0o022)
    assert volume.fs.getattr(copy).mode == 0o777


@each_preserve
@each_place
@pytest.mark.parametrize("type", [FileType.FILE, FileType.DIRECTORY], ids=["file", "directory"])
@clause("clone/the-acl-of-a-copy-follows-its-mode", source="N25.4 N8.8 I18", needs="acl")
def test_ruled(volume: Volume, type: FileType, below: bool, preserve: bool) -> None:
    """The access ACL of a copy grants what its mode says: what the umask takes from the mode, it takes from
    owner, mask and others of the ACL, and the source keeps its own."""
    volume.format(EnableACL=True)
    parent = volume.dir("tree") if below else 1
    src = make(volume, type, "x", parent=parent)
    rule = Rule(7, 7, 7, 7, users=[(1002, 7)])
    volume.fs.acl_set(src, AclType.ACCESS, rule)
    volume.fs.acl_set(src, AclType.DEFAULT, rule)
    copy = copied(volume, src, parent, preserve, 0o027)
    kept = Rule(7, 7, 5, 0, users=[(1002, 7)])
    assert volume.fs.getattr(copy).mode == (0o777 if preserve else 0o750)
    assert volume.fs.acl_get(copy, AclType.ACCESS) == (rule if preserve else kept)
    assert volume.fs.acl_get(copy, AclType.DEFAULT) == rule
    assert volume.fs.acl_get(src, AclType.ACCESS) == rule


@each_type
@clause("clone/copies-extended-attributes", source="N25.4 N28.4", needs="xattr")
def test_xattrs(volume: Volume, type: FileType) -> None:
    """A copy has the extended attributes of its source, and changes of either do not touch the other."""
    src = make(volume, type, "x")
    volume.fs.xattr_set(src, b"a", b"\xff\0")
    volume.fs.xattr_set(src, b"b", b"")
    volume.fs.clone(1, src, 1, b"copy")
    copy = volume.fs.lookup(1, b"copy").inode
    assert sorted(volume.fs.xattr_list(copy)) == [b"a", b"b"]
    volume.fs.xattr_set(src, b"a", b"2")
    assert volume.fs.xattr_get(copy, b"a") == b"\xff\0"


@clause("clone/shares-the-slices", source="N25.4 I11 T36", needs="clone")
def test_slices(volume: Volume) -> None:
    """A copy has the very records of its source in every chunk, holes and overwritten ones too; each slice
    is counted once more for each."""
    fs, src = volume.fs, volume.file("x")
    one, two = put(fs, src, 0, 100), put(fs, src, 50, 100)
    far = put(fs, src, 2 * CHUNK_SIZE, 300)
    fs.truncate(src, 1, 2 * CHUNK_SIZE + 200)
    fs.clone(1, src, 1, b"copy")
    copy = fs.lookup(1, b"copy").inode
    for chunk in range(3):
        assert records(volume, copy, chunk) == records(volume, src, chunk)
    assert references(volume) == {b"k%d_100" % one: 1, b"k%d_100" % two: 1, b"k%d_300" % far: 1}
    put(fs, src, 0, 500)
    assert len(shown(fs, copy)) == 2


@clause("clone/the-slices-live-as-long-as-either", source="N25.4 S2.6 T36", needs="clone", clients=2)
def test_shared(volume: Volume) -> None:
    """Removing the source or the copy keeps the slices; removing both deletes them."""
    remover, src = volume.open(delete_slice="record"), volume.file("x")
    id = put(volume.fs, src, 0, 100)
    volume.fs.clone(1, src, 1, b"copy")
    remover.unlink(1, b"x")
    remover.settle()
    assert remover.events() == []
    remover.unlink(1, b"copy")
    remover.settle()
    assert [(event.kind, event.id) for event in remover.events()] == [("delete_slice", id)]
    assert check_empty(volume) == []


@clause("clone/a-corrupt-chunk-is-not-copied", source="S1.8 N25.6", needs="clone")
def test_corrupt(volume: Volume) -> None:
    """A source with a corrupt chunk is refused with EIO, alone and in a tree, and nothing is left."""
    directory = volume.dir("d")
    src = volume.file("x", directory)
    put(volume.fs, src, 0, 100)
    volume.fs.settle()
    volume.raw.rpush(f"c{src}_0", "no record")
    before = nodes(volume)
    refuses(EIO, volume.fs.clone, directory, src, 1, b"copy")
    refuses(EIO, volume.fs.clone, 1, directory, 1, b"copy")
    volume.fs.settle()
    assert nodes(volume) == before


@each_type
@clause("clone/a-copy-has-one-name", source="N25.4 Q16", needs="clone")
def test_one_name(volume: Volume, type: FileType) -> None:
    """The copy of a node with several names has one; each name in a tree becomes a node of its own."""
    directory = volume.dir("d")
    if type is FileType.DIRECTORY:
        return
    src = make(volume, type, "x", directory)
    volume.fs.link(src, directory, b"y")
    volume.fs.clone(directory, src, 1, b"copy")
    volume.fs.clone(1, directory, 1, b"tree")
    tree = volume.fs.lookup(1, b"tree").inode
    copies = [volume.fs.lookup(1, b"copy"), *(volume.fs.lookup(tree, name) for name in (b"x", b"y"))]
    assert len({src, *(node.inode for node in copies)}) == 4
    assert [node.attr.nlink for node in copies if node.attr] == [1, 1, 1]


@clause("clone/a-copy-of-what-has-no-name-has-one", source="N25.4 I5", needs="clone")
def test_nameless(volume: Volume) -> None:
    """The copy of a file that is open and has no name any more has one, and one link."""
    src = volume.file("x")
    put(volume.fs, src, 0, 5000)
    volume.fs.open_file(src)
    volume.fs.unlink(1, b"x")
    volume.fs.clone(1, src, 1, b"copy")
    volume.fs.close_file(src)
    volume.fs.settle()
    assert found(volume.fs).nlink == 1
    require_laws(volume)
    volume.fs.unlink(1, b"copy")
    volume.fs.settle()
    assert not volume.raw.exists("sliceRef")


@clause("clone/stamps-its-directory", source="N25.2 N25.3 R6", needs="clone")
def test_stamp(volume: Volume) -> None:
    """The directory that a copy comes to gets mtime and ctime of now, whatever its mtime; the source keeps
    its times."""
    file, tree = volume.file("x"), volume.dir("t")
    for src in (file, tree):
        directory = volume.dir(f"d{src}")
        volume.fs.setattr(directory, SetAttr.MTIME, Attr(mtime=(1 << 40, 0)))
        before = volume.fs.getattr(src)
        with window() as call:
            volume.fs.clone(1, src, directory, b"copy")
        attr = volume.fs.getattr(directory)
        assert call.covers(attr.mtime)
        assert call.covers(attr.ctime)
        assert attr.nlink == (3 if src == tree else 2)
        assert volume.fs.getattr(src) == before


# -- refusals --------------------------------------------------------------------------------------


@clause("clone/neither-from-nor-into-the-trash", source="N25.1 T37", needs="trash")
def test_trash(volume: Volume) -> None:
    """Nothing is copied from the trash or into it, nor under its name: EPERM."""
    volume.format(TrashDays=1)
    inode = volume.file("x")
    volume.file("gone")
    volume.fs.unlink(1, b"gone")
    hour = TRASH_INODE + 1
    with unchanged(volume):
        for src_parent, src, dst_parent, name in (
            (1, TRASH_INODE, 1, b"copy"),
            (1, hour, 1, b"copy"),
            (hour, inode, 1, b"copy"),
            (TRASH_INODE, inode, 1, b"copy"),
            (1, inode, hour, b"copy"),
            (1, inode, TRASH_INODE, b"copy"),
            (1, inode, 1, b".trash"),
        ):
            refuses(EPERM, volume.fs.clone, src_parent, src, dst_parent, name)


@pytest.mark.parametrize(
    ("name", "errno"),
    [
        pytest.param(b"", ENOENT, id="empty"),
        pytest.param(b".", EEXIST, id="dot"),
        pytest.param(b"..", EEXIST, id="dot-dot"),
        pytest.param(b"a/b", EINVAL, id="slash"),
        pytest.param(b"a\0b", EINVAL, id="nul"),
        pytest.param(b"taken", EEXIST, id="taken"),
    ],
)
@clause("clone/needs-a-name-that-can-be-reached", source="N25.1 Q4", needs="clone")
def test_names(volume: Volume, name: bytes, errno: int) -> None:
    """A copy of a file and one of a directory are refused a name that is empty, taken or impossible."""
    volume.file("taken")
    sources = volume.file("x"), volume.dir("d")
    volume.fs.settle()
    with unchanged(volume):
        for src in sources:
            refuses(errno, volume.fs.clone, 1, src, 1, name)


@pytest.mark.parametrize("length", [255, 256, 300])
@clause("clone/takes-any-length-of-name", source="N25.1 R2 D6", needs="clone")
def test_long(volume: Volume, length: int) -> None:
    """The length of a name is not limited here."""
    volume.fs.clone(1, volume.file("x"), 1, b"n" * length)
    assert found(volume.fs, b"n" * length)


@clause("clone/needs-both-ends", source="N25.1 N25.2", needs="clone")
def test_missing(volume: Volume) -> None:
    """A missing source or directory is ENOENT, a file in the place of the directory ENOTDIR, an immutable
    directory EPERM."""
    file, tree = volume.file("x"), volume.dir("t")
    frozen = volume.dir("frozen")
    flag(volume, frozen, AttrFlag.IMMUTABLE)
    volume.fs.settle()
    before = nodes(volume)
    for src in (file, tree):
        refuses(ENOENT, volume.fs.clone, 1, 999, 1, b"copy")
        refuses(ENOENT, volume.fs.clone, 1, src, 999, b"copy")
        refuses(ENOTDIR, volume.fs.clone, 1, src, file, b"copy")
        refuses(EPERM, volume.fs.clone, 1, src, frozen, b"copy")
    volume.fs.settle()
    assert nodes(volume) == before


@clause("clone/needs-permission", source="N25.1 N25.2 N25.8", needs="clone")
def test_permission(volume: Volume) -> None:
    """The caller must be able to read every file, to read and search every directory that is copied, and to
    write and search that which the copy comes to: EACCES, and nothing is left."""
    open_to_all = volume.dir("open", mode=0o777)
    closed = volume.dir("closed", mode=0o755)
    secret = volume.file("secret", mode=0o600)
    tree = volume.dir("tree", mode=0o755)
    volume.file("secret", volume.dir("sub", tree), mode=0o600)
    unsearchable = volume.dir("unsearchable", mode=0o744)
    volume.file("x", unsearchable)
    plain = volume.file("plain")
    volume.fs.settle()
    before = nodes(volume)
    refuses(EACCES, volume.fs.clone, 1, plain, closed, b"copy", ctx=ALICE)
    refuses(EACCES, volume.fs.clone, 1, tree, closed, b"copy", ctx=ALICE)
    for src in (secret, tree, unsearchable):
        refuses(EACCES, volume.fs.clone, 1, src, open_to_all, b"copy", ctx=ALICE)
    volume.fs.settle()
    assert nodes(volume) == before
    volume.fs.clone(1, plain, open_to_all, b"copy", ctx=ALICE)


@clause("clone/needs-room", source="N25.1 N30.2 R12", needs="quota.user")
def test_room(volume: Volume) -> None:
    """A copy is refused where its nodes or their space are too many for the caller, the caller's group, the
    directory (EDQUOT) or the volume (ENOSPC)."""
    volume.format(Inodes=10, UserGroupQuota=True)
    tree = volume.dir("tree", mode=0o755)
    put(volume.fs, volume.file("x", tree), 0, 5000)
    place = volume.dir("place", mode=0o777)
    volume.fs.settle()
    caller = Context(7, (8,))
    for type, key in ((USER, 7), (GROUP, 8), (DIR, b"/place")):
        for space, inodes, fits in ((3 * BLOCK - 1, 9, False), (3 * BLOCK, 1, False), (3 * BLOCK, 2, True)):
            limit(volume.fs, type, key, space, inodes)
            if fits:
                volume.fs.clone(1, tree, place, b"copy", ctx=caller)
                volume.fs.remove(place, b"copy")
                volume.fs.settle()
            else:
                with unchanged(volume):
                    refuses(EDQUOT, volume.fs.clone, 1, tree, place, b"copy", ctx=caller)
        limit(volume.fs, type, key, 0, 0)
    volume.raw.set("totalInodes", 9)
    volume.fs.refresh()
    refuses(ENOSPC, volume.fs.clone, 1, tree, place, b"copy", ctx=caller)


@clause("clone/read-only-clients-copy-nothing", source="N25.1 M2 T42", needs="clone", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client copies nothing: EROFS, before name and source are looked at."""
    inode = volume.file("x")
    volume.settle()
    reader = volume.open(record=False, read_only=True)
    with unchanged(volume):
        for src, name in ((inode, b"copy"), (inode, b""), (999, b"copy")):
            refuses(EROFS, reader.clone, 1, src, 1, name)


@clause("clone/inode-1-is-the-root-of-the-session", source="N25.1 R1", needs="clone", clients=2)
def test_root(volume: Volume) -> None:
    """The directory a copy comes to may be given as 1, the root of the session."""
    home, src = volume.dir("home"), volume.file("x")
    inside = volume.open(subdir="/home")
    inside.clone(1, src, 1, b"copy")
    assert volume.fs.lookup(home, b"copy").inode


# -- accounts --------------------------------------------------------------------------------------


@each_preserve
@clause("clone/is-charged-to-the-owner-of-the-copy", source="N25.5 Q17 N30.2", needs="quota.user")
def test_owner(volume: Volume, preserve: bool) -> None:
    """Each copied node counts for the user and group that own the copy, the top and directories too."""
    volume.format(UserGroupQuota=True)
    src = volume.dir("src", uid=1001, gid=1001)
    volume.dir("sub", src, uid=1001, gid=1001)
    put(volume.fs, volume.file("x", src, uid=1001, gid=1001), 0, 5000)
    volume.fs.clone(1, src, 1, b"copy", preserve, ctx=Context(7, (8,), check_permission=False))
    payer = (1001, 1001) if preserve else (7, 8)
    whole = 4 * BLOCK, 3
    for type, id in zip((USER, GROUP), payer, strict=True):
        assert used(volume, type, id) == (tuple(2 * one for one in whole) if preserve else whole)


@clause("clone/counts-once-in-the-quotas-above", source="N25.5 Q18 N30.2", needs="quota.dir")
def test_quota(volume: Volume) -> None:
    """A copied tree counts once in every quota above it."""
    src = plant(volume)
    volume.dir("q")
    volume.dir("r", volume.fs.lookup(1, b"q").inode)
    volume.fs.settle()
    for path in (b"/q", b"/q/r", b"/"):
        limit(volume.fs, DIR, path, 1 << 40, 1 << 20)
    place = volume.fs.lookup(volume.fs.lookup(1, b"q").inode, b"r").inode
    volume.fs.clone(1, src, place, b"copy")
    below = volume.fs.summary(volume.fs.lookup(place, b"copy").inode, recursive=True, strict=True)
    assert used(volume, DIR, place) == (below.size, below.files + below.dirs)


@each_type
@clause("clone/counts-contents-of-files-only", source="N25.5 Q12 I13", needs="clone")
def test_statistics(volume: Volume, type: FileType) -> None:
    """A copy adds one entry to its directory's statistics, and the length of a file's contents only."""
    src = make(volume, type, "x")
    if type is FileType.FILE:
        put(volume.fs, src, 0, 5000)
    place = volume.dir("place")
    volume.fs.clone(1, src, place, b"copy")
    stat = volume.fs.dirstat_get(place)
    wanted = (5000, 2 * BLOCK, 1) if type is FileType.FILE else (0, BLOCK, 1)
    assert (stat.length, stat.space, stat.inodes) == wanted


@clause("clone/counts-what-was-not-flushed", source="N25.5", needs="clone")
def test_pending(volume: Volume) -> None:
    """The statistics of a copied directory are right although those of the source were not flushed."""
    src = volume.dir("src")
    volume.fs.settle()
    put(volume.fs, volume.file("x", src), 0, 5000)
    volume.fs.clone(1, src, 1, b"copy")
    stat = volume.fs.dirstat_get(volume.fs.lookup(1, b"copy").inode)
    assert (stat.length, stat.space, stat.inodes) == (5000, 2 * BLOCK, 1)
