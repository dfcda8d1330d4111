"""Permission to read, write and search: access (N4, R3)."""

from __future__ import annotations

from errno import EACCES, ENOENT

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB, KERNEL
from metaparity.conformance.scenes.draws import contexts, ids, modes
from metaparity.conformance.scenes.permission import each_class, permitted
from metaparity.conformance.scenes.permission import modes as modes_of
from metaparity.conformance.scenes.scenery import each_type, fresh, make
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.types import ROOT, TRASH_INODE, Attr, Context, FileType, SetAttr
from metaparity.fixtures.volumes import Volume

MISSING = 999_999
MASKS = range(8)


@each_class
@clause("access/one-class-of-bits-decides", source="N4.1 R3", needs="namespace")
def test_one_class_decides(volume: Volume, ctx: Context, bits: str) -> None:
    """The bits of the first class that fits (owner, group, other) decide alone, for every mode and mask."""
    inode = volume.file("x", uid=ALICE.uid, gid=ALICE.gid)
    for granted, mode in modes_of(bits):
        volume.fs.setattr(inode, SetAttr.MODE, Attr(mode=mode))
        for mask in MASKS:
            if mask & ~granted:
                refuses(EACCES, volume.fs.access, inode, mask, ctx=ctx)
            else:
                volume.fs.access(inode, mask, ctx=ctx)


@given(mode=modes, uid=ids, gid=ids, ctx=contexts)
@clause("access/follows-mode-owner-and-group", source="N4.1 R3", needs="namespace")
def test_any_caller(volume: Volume, mode: int, uid: int, gid: int, ctx: Context) -> None:
    """For any mode, owner and caller, access grants what the bits grant, and all to the superuser."""
    inode = volume.file(fresh(volume), mode=mode, uid=uid, gid=gid)
    for mask in MASKS:
        if permitted(ctx, mode, uid, gid, mask):
            volume.fs.access(inode, mask, ctx=ctx)
        else:
            refuses(EACCES, volume.fs.access, inode, mask, ctx=ctx)


@each_type
@clause("access/treats-all-types-alike", source="N4.1 R3", needs="namespace")
def test_types(volume: Volume, type: FileType) -> None:
    """The bits of a node of any type are asked."""
    inode = make(volume, type, "x", uid=ALICE.uid)
    volume.fs.setattr(inode, SetAttr.MODE, Attr(mode=0o410))
    volume.fs.access(inode, 4, ctx=ALICE)
    refuses(EACCES, volume.fs.access, inode, 2, ctx=ALICE)
    refuses(EACCES, volume.fs.access, inode, 4, ctx=BOB)


@pytest.mark.parametrize("mask", MASKS)
@clause("access/a-missing-node-is-not-found", source="N4.1 R3", needs="namespace")
def test_missing(volume: Volume, mask: int) -> None:
    """Whoever is checked gets ENOENT for an inode that does not exist, even for mask 0."""
    refuses(ENOENT, volume.fs.access, MISSING, mask, ctx=BOB)


@pytest.mark.parametrize("ctx", [ROOT, KERNEL], ids=["superuser", "unchecked"])
@pytest.mark.parametrize("mask", MASKS)
@clause("access/the-unchecked-are-not-asked-for-a-node", source="N4.1 R3", needs="namespace")
def test_missing_unchecked(volume: Volume, ctx: Context, mask: int) -> None:
    """The superuser, and a caller that the kernel checks, are granted all, even on a missing inode."""
    volume.fs.access(MISSING, mask, ctx=ctx)
    volume.fs.access(volume.file("x", mode=0, uid=BOB.uid), mask, ctx=ctx)


@clause("access/mask-zero-asks-for-existence", source="N4.1", needs="namespace")
def test_mask_zero(volume: Volume) -> None:
    """Mask 0 is granted to anyone on a node that exists, whatever its mode."""
    volume.fs.access(volume.file("x", mode=0), 0, ctx=BOB)


@clause("access/the-trash-is-read-and-searched-by-all", source="N4.1 N7.3 A4", needs="namespace")
def test_trash(volume: Volume) -> None:
    """Anyone may read and search the trash and nobody but the superuser write it, made or not."""
    volume.fs.access(TRASH_INODE, 5, ctx=BOB)
    refuses(EACCES, volume.fs.access, TRASH_INODE, 2, ctx=BOB)
    volume.fs.access(TRASH_INODE, 7)


@given(mask=st.integers(0, 7))
@clause("access/changes-nothing", source="N4.1 N41", needs="namespace")
def test_changes_nothing(volume: Volume, mask: int) -> None:
    """Asking leaves no trace."""
    inode = volume.file(fresh(volume), mode=0o777)
    with unchanged(volume):
        volume.fs.access(inode, mask, ctx=BOB)
