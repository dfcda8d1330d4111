"""What a node says of itself: getattr (N7)."""

from __future__ import annotations

from errno import ENOENT
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import BOB, KERNEL
from metaparity.conformance.scenes.draws import modes, times, types
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.scenery import each_type, fresh, make
from metaparity.conformance.verbs import alike, refuses, unchanged
from metaparity.drivers.types import ROOT, TRASH_INODE, Attr, Context, FileType, SetAttr
from metaparity.fixtures.volumes import Volume

MISSING = 999_999

INVENTED = {
    1: Attr(type=FileType.DIRECTORY, mode=0o777, nlink=2, length=4096, parent=1),
    TRASH_INODE: Attr(type=FileType.DIRECTORY, mode=0o555, nlink=2, length=4096, parent=1),
}
"""What the two roots show where their records cannot be had (N7.3)."""

each_root = pytest.mark.parametrize("inode", INVENTED, ids=["root", "trash"])

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("ctx", [ROOT, BOB, KERNEL], ids=["superuser", "stranger", "unchecked"])
@each_type
@clause("getattr/needs-no-permission", source="N7.2", needs="namespace")
def test_no_permission(volume: Volume, type: FileType, ctx: Context) -> None:
    """Whoever knows an inode of any type learns its attributes, and asking changes nothing."""
    d = volume.dir("d")
    inode = make(volume, type, "x", d, uid=7, gid=8)
    volume.fs.setattr(inode, SetAttr.MODE, Attr(mode=0))
    volume.fs.setattr(d, SetAttr.MODE, Attr(mode=0))
    with unchanged(volume):
        attr = volume.fs.getattr(inode, ctx=ctx)
    assert (attr.type, attr.mode, attr.uid, attr.gid, attr.parent, attr.full) == (type, 0, 7, 8, d, True)


@pytest.mark.parametrize("ctx", [ROOT, BOB, KERNEL], ids=["superuser", "stranger", "unchecked"])
@pytest.mark.parametrize("inode", [2, MISSING, 2**63 - 1, TRASH_INODE - 1, TRASH_INODE + 1])
@clause("getattr/a-missing-node-is-not-found", source="N7.2", needs="namespace")
def test_missing(volume: Volume, inode: int, ctx: Context) -> None:
    """An inode that does not exist is ENOENT."""
    refuses(ENOENT, volume.fs.getattr, inode, ctx=ctx)


@given(
    type=types,
    mode=modes,
    flags=st.integers(0, 63),
    uid=u32,
    gid=u32,
    rdev=u32,
    nlink=u32,
    length=st.integers(0, 2**57),
    atime=times,
    mtime=times,
    ctime=times,
)
@clause("getattr/shows-what-is-stored", source="N7.2 A1 S2.2", needs="namespace")
def test_stored(volume: Volume, type: FileType, mode: int, **fields: Any) -> None:
    """Any record that another client may have stored is shown field by field."""
    inode = volume.node(fresh(volume), type)
    stamps = {}
    for name in ("atime", "mtime", "ctime"):
        stamps[name], stamps[f"{name}_ns"] = fields[name]
    counts = {name: fields[name] for name in ("flags", "uid", "gid", "rdev", "nlink", "length")}
    rewrite(volume, inode, type_and_mode=type << 12 | mode, **counts, **stamps)
    alike(volume.fs.getattr(inode), Attr(type=type, mode=mode, parent=1, **fields))


@clause("getattr/the-root-holds-itself", source="N7.2 A4 N1.2", needs="namespace")
def test_root(volume: Volume) -> None:
    """The root of a new volume is a directory open to all, its own parent."""
    alike(volume.fs.getattr(1), INVENTED[1], but=("atime", "mtime", "ctime"))


@each_root
@clause("getattr/a-root-without-record-is-made-up", source="N7.3 Q26", needs="namespace")
def test_lost_root(volume: Volume, inode: int) -> None:
    """The root and the trash have attributes even where their record is missing, with times of 0."""
    assert volume.fs.getattr(1).nlink == 2
    volume.raw.delete(b"i%d" % inode)
    with unchanged(volume):
        assert volume.fs.getattr(inode, ctx=BOB) == INVENTED[inode]


@each_root
@clause("getattr/a-root-that-cannot-be-read-is-made-up", source="N7.3", needs="namespace")
def test_unreadable_root(volume: Volume, inode: int) -> None:
    """The root and the trash have attributes even where the server fails, here for the record is a list."""
    assert volume.fs.getattr(1).nlink == 2
    volume.raw.delete(b"i%d" % inode)
    volume.raw.rpush(b"i%d" % inode, "no record")
    assert volume.fs.getattr(inode) == INVENTED[inode]


@clause("getattr/the-session-root-stands-for-inode-one", source="N7.1 R1", needs="namespace")
def test_session_root(volume: Volume) -> None:
    """Under another session root, 1 is that root and 0 the root of the volume."""
    home = volume.dir("home", mode=0o711)
    real = volume.fs.getattr(1)
    volume.fs.chroot(b"home")
    alike(volume.fs.getattr(1), volume.fs.getattr(home))
    assert volume.fs.getattr(1).mode == 0o711
    alike(volume.fs.getattr(0), real)


@clause("getattr/every-client-sees-a-change", source="N7.1 N7.2", needs="namespace", clients=2)
def test_other_client(volume: Volume) -> None:
    """A change that one client made is seen by the next call of another, also of an open file."""
    inode = volume.file("x")
    other = volume.open()
    other.open_file(inode)
    for mode in (0o600, 0o640, 0o644):
        volume.fs.setattr(inode, SetAttr.MODE, Attr(mode=mode))
        alike(other.getattr(inode), volume.fs.getattr(inode))
        assert other.getattr(inode).mode == mode
