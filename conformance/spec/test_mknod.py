"""Making nodes: mknod, mkdir, create (N12)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB
from metaparity.conformance.scenes.precedence import Reason, precedence
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.scenery import each_type, flag, fresh, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.api import Engine
from metaparity.drivers.types import (
    TRASH_INODE,
    Attr,
    AttrFlag,
    Context,
    FileType,
    Node,
    OpenFlag,
    SetAttr,
)
from metaparity.fixtures.volumes import Volume

SETGID = 0o2000

types = st.sampled_from(FileType)
modes = st.integers(0, 0o7777)
ids = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("type", [0, 8, 15, 255])
@clause("mknod/an-unknown-type-is-invalid", source="N12.1", needs="namespace")
def test_unknown_type(fs: Engine, type: int) -> None:
    """A type other than the seven known ones is refused with EINVAL."""
    refuses(EINVAL, fs.mknod, 1, b"x", type, 0o644)


@pytest.mark.parametrize(
    ("settings", "errno"),
    precedence(
        Reason("bad-type", EINVAL, type=9),
        Reason("in-trash", EPERM, parent=TRASH_INODE),
        Reason("trash-name", EPERM, parent=1, name=b".trash"),
        Reason("read-only", EROFS, read_only=True),
        Reason("dot-name", EEXIST, name=b"."),
        Reason("bad-name", EINVAL, name=b"a/b"),
        Reason("full", ENOSPC, full=True),
        Reason("no-parent", ENOENT, parent=404),
        Reason("file-parent", ENOTDIR, parent=None, parent_type=FileType.FILE),
        Reason("trashed-parent", ENOENT, parent=None, trashed=True),
        Reason("unwritable", EACCES, parent=None, mode=0o555),
        Reason("immutable", EPERM, parent=None, immutable=True),
        Reason("exists", EEXIST, parent=None, name=b"new", parent_type=FileType.DIRECTORY, exists=True),
    ),
)
@clause("mknod/the-first-reason-to-refuse-is-named", source="N12.1 N12.2 D3", needs="namespace", clients=2)
def test_precedence(volume: Volume, settings: dict[str, Any], errno: int) -> None:
    """When several reasons to refuse a new node hold, the errno is that of the first in the rule's order."""

    def arrange(
        type: int = FileType.FILE,
        parent: int | None = None,
        parent_type: FileType = FileType.DIRECTORY,
        mode: int = 0o777,
        name: bytes = b"new",
        full: bool = False,
        read_only: bool = False,
        exists: bool = False,
        immutable: bool = False,
        trashed: bool = False,
    ) -> Callable[[], Node]:
        volume.format(Inodes=1 if full else 0)
        d = make(volume, parent_type, "d")
        volume.fs.setattr(d, SetAttr.MODE, Attr(mode=mode))
        if exists:
            volume.file("new", d)
        if immutable:
            flag(volume, d, AttrFlag.IMMUTABLE)
        if trashed:
            rewrite(volume, d, parent=TRASH_INODE + 1)
        client = volume.open(read_only=read_only)
        client.refresh()
        where = d if parent is None else parent
        return lambda: client.mknod(where, name, type, 0o644, ctx=ALICE)

    refuses(errno, arrange(**settings))


@each_type
@clause("mknod/a-node-starts-with-the-attributes-of-its-type", source="N12.3 A2", needs="namespace")
def test_new_node(fs: Engine, type: FileType) -> None:
    """A new node has the caller as owner, its directory as parent, one stamp for all times, and the links
    and length of its type."""
    parent = fs.mkdir(1, b"d", 0o777).inode
    with window() as w:
        made = fs.mknod(parent, b"x", type, 0o640, 0o022, ctx=ALICE)
    attr = made.attr
    assert attr is not None
    alike(attr, fs.getattr(made.inode))
    directory = type is FileType.DIRECTORY
    assert (attr.type, attr.mode, attr.uid, attr.gid) == (type, 0o640, ALICE.uid, ALICE.gid)
    assert (attr.nlink, attr.length, attr.parent) == ((2, 4096, parent) if directory else (1, 0, parent))
    assert (attr.flags, attr.access_acl, attr.default_acl, attr.tier, attr.full) == (0, 0, 0, 0, True)
    assert attr.atime == attr.mtime == attr.ctime
    assert w.covers(attr.ctime)


@each_type
@clause("mknod/the-device-number-is-kept-but-for-directories-and-links", source="N12.3", needs="namespace")
def test_device_number(fs: Engine, type: FileType) -> None:
    """Any node but a directory or a symbolic link keeps the device number that it was made with."""
    made = fs.mknod(1, b"x", type, 0o644, rdev=0x01020304, target=b"t")
    kept = 0 if type in (FileType.DIRECTORY, FileType.SYMLINK) else 0x01020304
    assert fs.getattr(made.inode).rdev == kept


@given(
    type=types,
    asked=st.integers(0, 0xFFFF) | modes.map(lambda mode: mode | 0o2010),
    umask=st.sampled_from([0, 0o022]) | modes,
    parent_mode=modes | modes.map(lambda mode: mode | SETGID),
    uid=ids,
    gid=ids,
    group=ids,
)
@pytest.mark.parametrize("member", [True, False], ids=["member", "stranger"])
@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
@clause("mknod/mode-and-group-follow-umask-and-setgid", source="N12.4 R4 D20", needs="namespace")
def test_mode_and_group(
    volume: Volume,
    member: bool,
    checked: bool,
    type: FileType,
    asked: int,
    umask: int,
    parent_mode: int,
    uid: int,
    gid: int,
    group: int,
) -> None:
    """The umask clears bits; a setgid directory gives its group, and setgid to directories, and takes
    setgid from an executable file whose maker is not in that group."""
    gids = (gid, group) if member else (gid,)
    parent = volume.dir(fresh(volume), mode=parent_mode | 0o003, gid=group)
    ctx = Context(uid, gids, check_permission=checked)
    parent_attr = volume.fs.getattr(parent)
    grants = parent_attr.mode >> (6 if uid == 0 else 3 if group in gids else 0)
    if checked and uid and grants & 3 != 3:
        refuses(EACCES, volume.fs.mknod, parent, b"x", type, asked, umask, ctx=ctx)
        return

    mode = asked & 0o7777 & ~umask
    if parent_mode & SETGID:
        if type is FileType.DIRECTORY:
            mode |= SETGID
        elif mode & 0o2010 == 0o2010 and uid and checked and group not in gids:
            mode &= ~SETGID
    made = volume.fs.mknod(parent, b"x", type, asked, umask, ctx=ctx).attr
    assert made is not None
    assert (made.mode, made.uid, made.gid) == (mode, uid, group if parent_mode & SETGID else gid)


@pytest.mark.parametrize(
    ("type", "ctx", "asked", "given_mode"),
    [
        pytest.param(FileType.FILE, Context(5, (5,)), 0o2770, 0o0770, id="executable-by-stranger"),
        pytest.param(FileType.FILE, Context(5, (5,)), 0o2760, 0o2760, id="not-executable"),
        pytest.param(FileType.FILE, Context(5, (5, 77)), 0o2770, 0o2770, id="by-member"),
        pytest.param(FileType.FILE, Context(0, (0,)), 0o2770, 0o2770, id="by-superuser"),
        pytest.param(FileType.FILE, Context(5, (5,), 1, False), 0o2770, 0o2770, id="kernel-checks"),
        pytest.param(FileType.FIFO, Context(5, (5,)), 0o2770, 0o0770, id="pipe-by-stranger"),
        pytest.param(FileType.DIRECTORY, Context(5, (5,)), 0o0770, 0o2770, id="directory"),
        pytest.param(FileType.FILE, Context(5, (5,)), 0o6770, 0o4770, id="setuid-stays"),
    ],
)
@clause("mknod/a-setgid-directory-gives-and-takes-setgid", source="R4 N12.4 D20", needs="namespace")
def test_setgid_directory(
    fs: Engine, volume: Volume, type: FileType, ctx: Context, asked: int, given_mode: int
) -> None:
    """Below a setgid directory of group 77, directories are setgid, and a file executable by its group keeps
    setgid only from a member, the superuser, or where the kernel checks."""
    parent = volume.dir("d", mode=0o2777, gid=77)
    attr = fs.getattr(fs.mknod(parent, b"x", type, asked, ctx=ctx).inode)
    assert (attr.mode, attr.gid) == (given_mode, 77)


@clause("mknod/only-skip-trash-is-inherited", source="N12.3", needs="namespace")
def test_inherited_flags(volume: Volume) -> None:
    """A new node inherits SKIP_TRASH from its directory and no other flag."""
    parent = volume.dir("d")
    flag(volume, parent, AttrFlag.SKIP_TRASH | AttrFlag.APPEND | AttrFlag.WINDOWS_HIDDEN)
    for type in FileType:
        assert volume.fs.getattr(make(volume, type, type.name, parent)).flags == AttrFlag.SKIP_TRASH


@clause("mknod/the-tier-is-inherited", source="N12.3", needs="namespace")
def test_inherited_tier(volume: Volume) -> None:
    """A new node has the storage tier of its directory."""
    parent = volume.dir("d")
    volume.fs.setattr(parent, SetAttr.TIER, Attr(tier=3))
    for type in FileType:
        assert volume.fs.getattr(make(volume, type, type.name, parent)).tier == 3


@pytest.mark.parametrize("there", [FileType.FILE, FileType.DIRECTORY, FileType.FIFO], ids=lambda t: t.name)
@each_type
@clause("mknod/the-existing-node-comes-with-the-refusal", source="N12.2 N11.2", needs="namespace")
def test_existing_node(volume: Volume, type: FileType, there: FileType) -> None:
    """EEXIST for a new file or directory carries the node in the way; for other types it carries none."""
    inode = make(volume, there, "x")
    refused = refuses(EEXIST, volume.fs.mknod, 1, b"x", type, 0o644, target=b"t")
    node = getattr(refused, "node", None)
    if type in (FileType.FILE, FileType.DIRECTORY):
        assert node is not None
        assert node.inode == inode
        alike(node.attr, volume.fs.getattr(inode))
    else:
        assert node is None


@clause("mknod/an-existing-node-without-record-shows-its-entry", source="N12.2", needs="namespace")
def test_existing_node_without_record(volume: Volume) -> None:
    """EEXIST over an entry whose record is missing carries the inode, the entry's type and the parent."""
    inode = volume.node("x", FileType.FIFO)
    volume.raw.delete(b"i%d" % inode)
    node = getattr(refuses(EEXIST, volume.fs.mkdir, 1, b"x", 0o755), "node", None)
    assert node is not None
    assert node.inode == inode
    assert node.attr == Attr(type=FileType.FIFO, parent=1, full=False)


@clause("mknod/inode-zero-is-the-root", source="R1 N12.1", needs="namespace")
def test_inode_zero(fs: Engine) -> None:
    """Inode 0 as parent means the root of the volume."""
    made = fs.mkdir(0, b"d", 0o755)
    assert fs.lookup(1, b"d").inode == made.inode


@clause("mknod/the-session-root-stands-for-inode-one", source="R1 N12.1 N38.1", needs="namespace")
def test_session_root(volume: Volume) -> None:
    """Under another session root, 1 means that root, 0 the real one, and 1 still reserves `.trash`."""
    fs = volume.fs
    home = volume.dir("home")
    fs.chroot(b"home")
    inner, outer = fs.mkdir(1, b"in", 0o755), fs.mkdir(0, b"out", 0o755)
    assert (fs.getattr(inner.inode).parent, fs.getattr(outer.inode).parent) == (home, 1)
    refuses(EPERM, fs.mkdir, 1, b".trash", 0o755)
    assert fs.mkdir(home, b".trash", 0o755).inode


@clause("mkdir/equals-mknod-of-a-directory", source="N12.8", needs="namespace")
def test_mkdir(fs: Engine) -> None:
    """mkdir makes what mknod makes with type directory."""
    times = ("atime", "mtime", "ctime")
    left, right = fs.mkdir(1, b"a", 0o1753, 0o022), fs.mknod(1, b"b", FileType.DIRECTORY, 0o1753, 0o022)
    assert left.attr is not None
    assert right.attr is not None
    alike(left.attr, right.attr, but=times)


@pytest.mark.parametrize("statistics", [True, False], ids=["on", "off"])
@clause("mkdir/statistics-start-at-zero", source="N12.6", needs="namespace")
def test_statistics_start_at_zero(volume: Volume, statistics: bool) -> None:
    """A new directory has its three statistics stored as 0, even when the volume keeps none."""
    volume.format(DirStats=statistics)
    made = volume.dir("d")
    hashes = ("dirDataLength", "dirUsedSpace", "dirUsedInodes")
    assert [volume.raw.hget(key, made) for key in hashes] == [b"0"] * 3


@clause("create/makes-an-open-file", source="N12.9", needs="open")
def test_create_opens(volume: Volume) -> None:
    """A created file is open: it outlives its name until it is closed."""
    fs = volume.fs
    inode = fs.create(1, b"x", 0o644).inode
    fs.unlink(1, b"x")
    assert fs.getattr(inode).nlink == 0
    fs.close_file(inode)
    refuses(ENOENT, fs.getattr, inode)


@clause("create/takes-an-existing-file", source="N12.9", needs="open")
def test_create_takes_an_existing_file(volume: Volume) -> None:
    """create without EXCL takes a file that exists, changes nothing of it, and opens it once more."""
    fs = volume.fs
    inode = volume.file("x", mode=0, uid=BOB.uid)
    with unchanged(volume):
        taken = fs.create(1, b"x", 0o777, 0, OpenFlag.RDWR | OpenFlag.TRUNC, ctx=ALICE)
    assert taken.inode == inode
    assert taken.attr is not None
    alike(taken.attr, fs.getattr(inode))
    fs.create(1, b"x", 0o777, ctx=ALICE)
    fs.unlink(1, b"x")
    fs.close_file(inode)
    assert fs.getattr(inode).nlink == 0
    fs.close_file(inode)
    refuses(ENOENT, fs.getattr, inode)


@clause("create/exclusive-refuses-an-existing-file", source="N12.9", needs="namespace")
def test_exclusive_create(volume: Volume) -> None:
    """create with EXCL of a name that exists is refused with EEXIST, and opens nothing."""
    inode = volume.file("x")
    with unchanged(volume):
        refuses(EEXIST, volume.fs.create, 1, b"x", 0o644, 0, OpenFlag.EXCL | OpenFlag.CREAT)
    volume.fs.unlink(1, b"x")
    refuses(ENOENT, volume.fs.getattr, inode)


@pytest.mark.parametrize(
    "there", [type for type in FileType if type is not FileType.FILE], ids=lambda type: type.name.lower()
)
@clause("create/takes-nothing-but-files", source="N12.9", needs="namespace")
def test_create_over_another_type(volume: Volume, there: FileType) -> None:
    """create over an entry that is not a file is refused with EEXIST."""
    make(volume, there, "x")
    with unchanged(volume):
        refuses(EEXIST, volume.fs.create, 1, b"x", 0o644)


@clause("create/an-unwritable-directory-hides-an-existing-file", source="N12.9 N12.2", needs="namespace")
def test_create_in_an_unwritable_directory(volume: Volume) -> None:
    """create needs W and X on the directory even when the file is there already."""
    parent = volume.dir("d", mode=0o755)
    volume.file("x", parent, mode=0o666)
    refuses(EACCES, volume.fs.create, parent, b"x", 0o644, ctx=ALICE)


@clause("mknod/inodes-are-handed-out-once", source="K2 N42.3 S3.1 I17", needs="namespace", clients=2)
def test_inodes_are_handed_out_once(volume: Volume) -> None:
    """The first inode is 2, no inode comes twice, and two clients draw from blocks of their own."""
    fs, other = volume.fs, volume.open()
    first = fs.mknod(1, b"first", FileType.FILE, 0o644).inode
    fs.unlink(1, b"first")
    made = [fs.mknod(1, b"a%d" % n, FileType.FILE, 0o644).inode for n in range(5)]
    theirs = [other.mknod(1, b"b%d" % n, FileType.FILE, 0o644).inode for n in range(5)]
    assert first == 2
    assert len({first, *made, *theirs}) == 11
    assert min(theirs) > 1024 >= max(made)
    assert volume.raw.get("nextinode") == b"2048"
