"""What a rename refuses, and in which order (N16)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, ENOTSUP, EPERM, EROFS
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB
from metaparity.conformance.scenes.precedence import Reason, precedence
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.renaming import EXCHANGE, NONE, NOREPLACE, RESTORE, WHITEOUT, each_place
from metaparity.conformance.scenes.scenery import each_type, flag, make
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.types import (
    ROOT,
    TRASH_INODE,
    Attr,
    AttrFlag,
    FileType,
    Node,
    RenameFlag,
    SetAttr,
)
from metaparity.fixtures.volumes import Volume

FILE, DIRECTORY = FileType.FILE, FileType.DIRECTORY


def arrange(
    volume: Volume,
    *,
    source: FileType | None = FILE,
    target: FileType | None = None,
    src: str | int = "s",
    dst: str | int = "t",
    src_name: bytes = b"x",
    dst_name: bytes = b"y",
    flags: RenameFlag = NONE,
    read_only: bool = False,
    lost: bool = False,
    full: bool = False,
    src_mode: int = 0o777,
    src_uid: int = 0,
    dst_mode: int = 0o777,
    src_flags: int = 0,
    dst_flags: int = 0,
    source_flags: int = 0,
    target_flags: int = 0,
    trashed: bool = False,
) -> Callable[[], Node]:
    """Bob's rename of Alice's `s/x` to `t/y`; a place is a name or an inode, `itself` being `s/x`."""
    fs = volume.fs
    places: dict[str, int] = {"s": volume.dir("s", uid=src_uid), "t": volume.dir("t")}
    places["file"] = volume.file("file")
    if source is not None:
        places["itself"] = make(volume, source, "x", places["s"], uid=ALICE.uid)
        fs.setattr(places["itself"], SetAttr.MODE, Attr(mode=0o777))
    where = places[dst] if isinstance(dst, str) else dst
    if target is not None:
        there = make(volume, target, "y", where, uid=ALICE.uid)
        if full:
            volume.file("inside", there)
        flag(volume, there, AttrFlag(target_flags))
    if source is not None:
        flag(volume, places["itself"], AttrFlag(source_flags))
    fs.setattr(places["s"], SetAttr.MODE | SetAttr.FLAGS, Attr(mode=src_mode, flags=src_flags))
    if where != places["s"]:
        fs.setattr(places["t"], SetAttr.MODE | SetAttr.FLAGS, Attr(mode=dst_mode, flags=dst_flags))
    if trashed:
        rewrite(volume, places["t"], parent=TRASH_INODE + 1)
    if lost:
        volume.raw.delete(b"i%d" % places["itself"])
    client = volume.open(read_only=read_only)
    origin = places[src] if isinstance(src, str) else src
    return lambda: client.rename(origin, src_name, where, dst_name, flags, ctx=BOB)


FOUND: dict[str, Any] = {"src": "s", "src_name": b"x"}
ONTO_FILE: dict[str, Any] = {**FOUND, "source": FILE, "dst": "t", "target": FILE}
ONTO_DIRECTORY: dict[str, Any] = {**FOUND, "source": DIRECTORY, "dst": "t", "target": DIRECTORY}


@pytest.mark.parametrize(
    ("settings", "errno"),
    precedence(
        Reason("trash-name", EPERM, src=1, src_name=b".trash"),
        Reason("to-trash", EPERM, dst=TRASH_INODE, target=None),
        Reason("foreign-trash", EPERM, src=TRASH_INODE + 1, src_name=b"x"),
        Reason("read-only", EROFS, read_only=True),
        Reason("bad-name", EINVAL, dst_name=b"a/b", target=None),
        Reason("whiteout", ENOTSUP, flags=WHITEOUT),
        Reason("bad-flags", EINVAL, flags=NOREPLACE | EXCHANGE),
        Reason("absent", ENOENT, src="s", src_name=b"absent"),
        Reason("existing", EEXIST, **FOUND, target=FILE, flags=NOREPLACE),
        Reason("onto-file", ENOTDIR, **FOUND, source=DIRECTORY, target=FILE, flags=NONE),
        Reason("onto-directory", EISDIR, **FOUND, source=FILE, target=DIRECTORY, flags=NONE),
        Reason("lost-source", ENOENT, **FOUND, lost=True),
        Reason("no-parent", ENOENT, **FOUND, dst=404, target=None),
        Reason("src-unwritable", EACCES, **FOUND, src_mode=0o555),
        Reason("dst-file", ENOTDIR, **FOUND, dst="file", target=None),
        Reason("dst-trashed", ENOENT, **FOUND, dst="t", trashed=True),
        Reason("dst-unwritable", EACCES, **FOUND, dst="t", dst_mode=0o555),
        Reason("into-itself", EPERM, **FOUND, source=DIRECTORY, dst="itself", target=None),
        Reason("src-frozen", EPERM, **FOUND, src_flags=AttrFlag.APPEND),
        Reason("dst-immutable", EPERM, **FOUND, dst="t", dst_flags=AttrFlag.IMMUTABLE),
        Reason("frozen", EPERM, **FOUND, source_flags=AttrFlag.APPEND),
        Reason("sticky-source", EACCES, **FOUND, src_mode=0o1777, src_uid=0),
        Reason("sticky-directory", EACCES, **FOUND, source=DIRECTORY, src_mode=0o1777, src_uid=BOB.uid),
        Reason("target-frozen", EPERM, **ONTO_FILE, target_flags=AttrFlag.IMMUTABLE),
        Reason("target-directory-frozen", EPERM, **ONTO_DIRECTORY, target_flags=AttrFlag.APPEND),
        Reason("target-full", ENOTEMPTY, **ONTO_DIRECTORY, flags=NONE, full=True),
        Reason("sticky-target", EACCES, **ONTO_FILE, dst_mode=0o1777),
        Reason("sticky-target-directory", EACCES, **ONTO_DIRECTORY, dst_mode=0o1777),
    ),
)
@clause(
    "rename/the-first-reason-to-refuse-is-named", source="N16.1 N16.5 D3 D4", needs="namespace", clients=2
)
def test_precedence(volume: Volume, settings: dict[str, Any], errno: int) -> None:
    """When several reasons to refuse a rename hold, the errno is that of the first in the rule's order."""
    refuses(errno, arrange(volume, **settings))


@pytest.mark.parametrize(
    ("settings", "errno"),
    precedence(
        Reason("exchange-with-nothing", ENOENT, flags=EXCHANGE),
        Reason("sticky", EACCES, src_mode=0o1777),
    ),
)
@clause(
    "rename/a-missing-partner-is-named-before-a-sticky-directory",
    source="N16.5",
    needs="namespace",
    clients=2,
)
def test_precedence_in_one_directory(volume: Volume, settings: dict[str, Any], errno: int) -> None:
    """Within a directory, EXCHANGE with nothing is ENOENT even where its sticky bit forbids the move."""
    refuses(errno, arrange(volume, dst="s", **settings))


VALID = (NONE, NOREPLACE, EXCHANGE, NOREPLACE | RESTORE)


@pytest.mark.parametrize("bits", [bits for bits in range(64) if RenameFlag(bits) not in VALID])
@clause("rename/other-flags-are-refused", source="N16.1 D4", needs="namespace")
def test_other_flags(volume: Volume, bits: int) -> None:
    """WHITEOUT, alone or with NOREPLACE, is ENOTSUP; every flag or combination that has no meaning EINVAL."""
    volume.file("x")
    volume.file("y")
    unsupported = bits in (WHITEOUT, WHITEOUT | NOREPLACE)
    for source, target in ((b"x", b"free"), (b"x", b"y"), (b"x", b"x"), (b"absent", b"free")):
        with unchanged(volume):
            refuses(
                ENOTSUP if unsupported else EINVAL, volume.fs.rename, 1, source, 1, target, RenameFlag(bits)
            )


@pytest.mark.parametrize("flags", [NONE, NOREPLACE, EXCHANGE, NOREPLACE | RESTORE], ids=str)
@clause("rename/the-same-name-is-a-success-for-anyone", source="N16.5 D4", needs="namespace")
def test_same_name(volume: Volume, flags: RenameFlag) -> None:
    """Source and target being one name, nothing changes and nothing but its presence is checked; the answer
    has the inode alone."""
    d = volume.dir("d", mode=0)
    inode = volume.file("x", d)
    for frozen in (inode, d):
        flag(volume, frozen, AttrFlag.IMMUTABLE)
    with unchanged(volume):
        assert volume.fs.rename(d, b"x", d, b"x", flags, ctx=BOB) == Node(inode)
        refuses(ENOENT, volume.fs.rename, d, b"absent", d, b"absent", flags, ctx=BOB)


@each_place
@pytest.mark.parametrize("flags", [NONE, EXCHANGE, NOREPLACE], ids=str)
@clause("rename/two-names-of-one-node-stay", source="N16.5 Q1", needs="namespace")
def test_same_inode(volume: Volume, across: bool, flags: RenameFlag) -> None:
    """Renaming one name of a node onto another changes nothing, not even statistics, and asks no
    permission; NOREPLACE is refused with EEXIST all the same."""
    fs = volume.fs
    a = volume.dir("a", mode=0)
    b = volume.dir("b", mode=0) if across else a
    inode = volume.file("x", a)
    fs.link(inode, b, b"y")
    fs.settle()
    with unchanged(volume):
        if flags is NOREPLACE:
            refuses(EEXIST, fs.rename, a, b"x", b, b"y", flags, ctx=BOB)
        else:
            assert fs.rename(a, b"x", b, b"y", flags, ctx=BOB) == Node(0)
        fs.settle()


@each_type
@each_place
@clause("rename/a-directory-with-entries-is-not-replaced", source="N16.5", needs="namespace")
def test_not_empty(volume: Volume, across: bool, type: FileType) -> None:
    """A target directory that holds an entry of any type is refused with ENOTEMPTY."""
    s, t = volume.dir("s"), volume.dir("t")
    d = t if across else s
    volume.dir("x", s)
    make(volume, type, "inside", volume.dir("y", d))
    with unchanged(volume):
        refuses(ENOTEMPTY, volume.fs.rename, s, b"x", d, b"y")


@each_type
@each_place
@clause("rename/noreplace-keeps-an-existing-target", source="N16.5 D4", needs="namespace")
def test_noreplace(volume: Volume, across: bool, type: FileType) -> None:
    """RENAME_NOREPLACE onto an existing name is refused with EEXIST, whoever asks, and changes nothing."""
    s = volume.dir("s", mode=0o555)
    d = volume.dir("t", mode=0o555) if across else s
    volume.file("x", s)
    make(volume, type, "y", d)
    with unchanged(volume):
        refuses(EEXIST, volume.fs.rename, s, b"x", d, b"y", NOREPLACE, ctx=BOB)


@each_place
@clause("rename/exchange-needs-two-names", source="N16.5", needs="namespace")
def test_exchange_with_nothing(volume: Volume, across: bool) -> None:
    """RENAME_EXCHANGE with a name that does not exist is refused with ENOENT."""
    s, t = volume.dir("s"), volume.dir("t")
    volume.file("x", s)
    with unchanged(volume):
        refuses(ENOENT, volume.fs.rename, s, b"x", t if across else s, b"y", EXCHANGE)


def tower(volume: Volume, height: int = 6) -> list[int]:
    """Directories 0/1/2/..., each in the one before."""
    floors = [1]
    for level in range(height):
        floors.append(volume.dir(str(level), floors[-1]))
    return floors


@pytest.mark.parametrize("flags", [NONE, NOREPLACE, EXCHANGE], ids=str)
@pytest.mark.parametrize(("depth", "errno"), [(1, EPERM), (2, EPERM), (3, EINVAL), (4, EINVAL), (5, EINVAL)])
@clause("rename/a-directory-does-not-enter-itself", source="N16.6 Q2", needs="namespace")
def test_own_descendant(volume: Volume, depth: int, errno: int, flags: RenameFlag) -> None:
    """A directory is not moved below itself: EPERM one or two levels down, EINVAL any deeper."""
    floors = tower(volume)
    if flags is EXCHANGE:
        volume.dir("y", floors[depth])
    with unchanged(volume):
        refuses(errno, volume.fs.rename, 1, b"0", floors[depth], b"y", flags)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@clause("rename/nothing-is-exchanged-with-its-ancestor", source="N16.6 Q2", needs="namespace")
def test_ancestor(volume: Volume, depth: int) -> None:
    """A node is not exchanged with a directory that contains it, at any depth: EINVAL."""
    floors = tower(volume)
    volume.file("file", floors[depth])
    for name in (b"%d" % depth, b"file"):
        with unchanged(volume):
            refuses(EINVAL, volume.fs.rename, floors[depth], name, 1, b"0", EXCHANGE)


@pytest.mark.parametrize("name", [b".", b".."])
@pytest.mark.parametrize("flags", VALID, ids=str)
@clause("rename/dot-names-are-no-targets", source="N16.2 Q4", needs="namespace")
def test_dot_target(volume: Volume, name: bytes, flags: RenameFlag) -> None:
    """A rename to `.` or `..` is refused with EINVAL."""
    volume.file("x")
    with unchanged(volume):
        refuses(EINVAL, volume.fs.rename, 1, b"x", 1, name, flags)


@pytest.mark.parametrize(
    ("flags", "errno"),
    [(NONE, ENOENT), (NOREPLACE, ENOENT), (EXCHANGE, ENOENT), (NOREPLACE | RESTORE, 0)],
    ids=str,
)
@clause("rename/restore-reaches-a-trashed-directory", source="N16.11 N16.5", needs="namespace")
def test_restore(volume: Volume, flags: RenameFlag, errno: int) -> None:
    """Only RESTORE moves a name into a directory that lies in the trash itself; for others it is ENOENT."""
    d = volume.dir("d")
    inode = volume.file("x")
    if flags is EXCHANGE:
        volume.file("y", d)
    rewrite(volume, d, parent=TRASH_INODE + 1)
    if errno:
        with unchanged(volume):
            refuses(errno, volume.fs.rename, 1, b"x", d, b"y", flags)
    else:
        assert volume.fs.rename(1, b"x", d, b"y", flags).inode == inode


@each_type
@pytest.mark.parametrize(
    "owner", ["source", "source-directory", "target", "target-directory", "nobody", "superuser"]
)
@clause("rename/sticky-directories-protect-both-names", source="N16.5 R5", needs="namespace")
def test_sticky(volume: Volume, type: FileType, owner: str) -> None:
    """Across sticky directories the caller must own the source, and the target or its directory; owning the
    source's directory is enough but for a directory."""
    fs = volume.fs
    s = volume.dir("s", mode=0o1777, uid=BOB.uid if owner == "source-directory" else 0)
    t = volume.dir("t", mode=0o1777, uid=BOB.uid if owner == "target-directory" else 0)
    make(volume, type, "x", s, uid=BOB.uid if owner == "source" else ALICE.uid)
    make(volume, type, "y", t, uid=BOB.uid if owner == "target" else ALICE.uid)
    ctx = ROOT if owner == "superuser" else BOB
    may_leave = owner in ("source", "superuser") or (owner == "source-directory" and type is not DIRECTORY)
    may_replace = owner in ("target", "target-directory", "superuser")
    if may_leave and may_replace:
        fs.rename(s, b"x", t, b"y", ctx=ctx)
        return
    refuses(EACCES, fs.rename, s, b"x", t, b"y", ctx=ctx)
    if may_leave:
        fs.rename(s, b"x", t, b"free", ctx=ctx)
    else:
        refuses(EACCES, fs.rename, s, b"x", t, b"free", ctx=ctx)


@clause("rename/case-alone-can-change", source="N16.7 R15", needs="namespace")
def test_case(volume: Volume) -> None:
    """A client that ignores case renames to another case of the same name, and finds targets in any case."""
    fs = volume.open(case_insensitive=True)
    a = fs.create(1, b"aaa", 0o644).inode
    b = fs.create(1, b"bbb", 0o644).inode
    for inode in (a, b):
        fs.close_file(inode)
    assert fs.rename(1, b"aaa", 1, b"AAA").inode == a
    assert {entry.name for entry in fs.readdir(1)} == {b".", b"..", b"AAA", b"bbb"}
    assert fs.rename(1, b"aaa", 1, b"Aaa", NOREPLACE).inode == a
    refuses(EEXIST, fs.rename, 1, b"aaa", 1, b"BBB", NOREPLACE)
    fs.rename(1, b"AAA", 1, b"BBB")
    refuses(ENOENT, fs.getattr, b)
    assert fs.lookup(1, b"bbb").inode == a


@clause("rename/the-session-root-stands-for-inode-one", source="N16.1 R1", needs="namespace")
def test_session_root(volume: Volume) -> None:
    """Under another session root, 1 means that root on both sides."""
    fs = volume.fs
    home = volume.dir("home")
    inode = volume.file("x", home)
    fs.chroot(b"home")
    fs.rename(1, b"x", 1, b"y")
    assert fs.lookup(home, b"y").inode == inode
    fs.rename(1, b"y", 0, b"z")
    assert fs.lookup(0, b"z").inode == inode
