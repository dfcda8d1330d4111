"""Moving and replacing names: rename (N16)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, ENOTSUP, EPERM, EROFS
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.actors import ALICE, BOB
from metaparity.conformance.clause import clause
from metaparity.conformance.laws import check_laws
from metaparity.conformance.precedence import Reason, precedence
from metaparity.conformance.records import lengthen, rewrite
from metaparity.conformance.scenery import each_non_directory, each_type, flag, fresh, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.types import (
    ROOT,
    TRASH_INODE,
    Attr,
    AttrFlag,
    Context,
    DirStat,
    FileType,
    Node,
    RenameFlag,
    SetAttr,
)
from metaparity.fixtures.volumes import Volume

FILE, DIRECTORY = FileType.FILE, FileType.DIRECTORY
NONE = RenameFlag(0)
NOREPLACE, EXCHANGE, WHITEOUT, RESTORE = RenameFlag.NOREPLACE, RenameFlag.EXCHANGE, RenameFlag.WHITEOUT, RenameFlag.RESTORE

each_place = pytest.mark.parametrize("across", [False, True], ids=["same-directory", "across"])


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
        Reason("existing", EEXIST, src="s", src_name=b"x", target=FILE, flags=NOREPLACE),
        Reason("onto-file", ENOTDIR, src="s", src_name=b"x", source=DIRECTORY, target=FILE, flags=NONE),
        Reason("onto-directory", EISDIR, src="s", src_name=b"x", source=FILE, target=DIRECTORY, flags=NONE),
        Reason("lost-source", ENOENT, src="s", src_name=b"x", lost=True),
        Reason("no-parent", ENOENT, src="s", src_name=b"x", dst=404, target=None),
        Reason("src-unwritable", EACCES, src="s", src_name=b"x", src_mode=0o555),
        Reason("dst-file", ENOTDIR, src="s", src_name=b"x", dst="file", target=None),
        Reason("dst-trashed", ENOENT, src="s", src_name=b"x", dst="t", trashed=True),
        Reason("dst-unwritable", EACCES, src="s", src_name=b"x", dst="t", dst_mode=0o555),
        Reason("into-itself", EPERM, src="s", src_name=b"x", source=DIRECTORY, dst="itself", target=None),
        Reason("src-frozen", EPERM, src="s", src_name=b"x", src_flags=AttrFlag.APPEND),
        Reason("dst-immutable", EPERM, src="s", src_name=b"x", dst="t", dst_flags=AttrFlag.IMMUTABLE),
        Reason("frozen", EPERM, src="s", src_name=b"x", source_flags=AttrFlag.APPEND),
        Reason("sticky-source", EACCES, src="s", src_name=b"x", src_mode=0o1777, src_uid=0),
        Reason(
            *("sticky-directory", EACCES),
            **{"src": "s", "src_name": b"x", "source": DIRECTORY, "src_mode": 0o1777, "src_uid": BOB.uid},
        ),
        Reason(
            *("target-frozen", EPERM),
            **{"src": "s", "src_name": b"x", "dst": "t", "target": FILE, "source": FILE},
            target_flags=AttrFlag.IMMUTABLE,
        ),
        Reason(
            *("target-full", ENOTEMPTY),
            **{"src": "s", "src_name": b"x", "dst": "t", "target": DIRECTORY, "source": DIRECTORY},
            **{"flags": NONE, "full": True},
        ),
        Reason(
            *("target-directory-frozen", EPERM),
            **{"src": "s", "src_name": b"x", "dst": "t", "target": DIRECTORY, "source": DIRECTORY},
            target_flags=AttrFlag.APPEND,
        ),
        Reason(
            *("sticky-target", EACCES),
            **{"src": "s", "src_name": b"x", "dst": "t", "target": FILE, "source": FILE, "dst_mode": 0o1777},
        ),
    ),
)
@clause("rename/the-first-reason-to-refuse-is-named", source="N16.1 N16.5 D3 D4", needs="namespace")
def test_precedence(volume: Volume, settings: dict[str, Any], errno: int) -> None:
    """When several reasons to refuse a rename hold, the errno is that of the first in the rule's order."""
    refuses(errno, arrange(volume, **settings))


TARGETS = {"src": "s", "source": DIRECTORY, "target": DIRECTORY}


@pytest.mark.parametrize(
    ("settings", "errno"),
    precedence(
        Reason("target-frozen", EPERM, **TARGETS, dst="t", target_flags=AttrFlag.IMMUTABLE),
        Reason("target-full", ENOTEMPTY, **TARGETS, full=True, flags=NONE),
        Reason("sticky-target", EACCES, **TARGETS, dst="t", dst_mode=0o1777),
        Reason("exchange-with-nothing", ENOENT, flags=EXCHANGE, target=None),
        Reason("sticky", EACCES, src="s", dst="s", src_mode=0o1777),
    ),
)
@clause("rename/reasons-about-the-target-come-in-order", source="N16.5", needs="namespace")
def test_precedence_of_the_target(volume: Volume, settings: dict[str, Any], errno: int) -> None:
    """Frozen target, full target, sticky target, nothing to exchange with, sticky source: in this order."""
    refuses(errno, arrange(volume, **settings))


VALID = {NONE, NOREPLACE, EXCHANGE, NOREPLACE | RESTORE}


@clause("rename/unknown-flags-are-invalid", source="N16.1", needs="namespace")
def test_flags(volume: Volume) -> None:
    """Of all flags only none, NOREPLACE, EXCHANGE and NOREPLACE|RESTORE are accepted; WHITEOUT, alone or
    with NOREPLACE, is ENOTSUP, and any other combination EINVAL."""
    fs = volume.fs
    other = volume.file("other")
    for bits in range(64):
        flags = RenameFlag(bits)
        inode = volume.file("x")
        if flags in VALID:
            fs.rename(1, b"x", 1, b"other" if flags is EXCHANGE else b"free", flags)
            fs.unlink(1, b"x" if flags is EXCHANGE else b"free")
            if flags is EXCHANGE:
                fs.rename(1, b"other", 1, b"x")
                other = volume.file("other")
        else:
            with unchanged(volume):
                refuses(ENOTSUP if flags in (WHITEOUT, WHITEOUT | NOREPLACE) else EINVAL, fs.rename, 1, b"x", 1, b"free", flags)
        fs.unlink(1, b"x") if fs.readdir(1) and _has(volume, b"x") else None
    assert other
    assert inode


def _has(volume: Volume, name: bytes) -> bool:
    return any(entry.name == name for entry in volume.fs.readdir(1))
