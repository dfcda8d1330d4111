"""Listing a directory at once: readdir (N18), and what opendir asks for as well (N19.1)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, ENOENT
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB, KERNEL
from metaparity.conformance.scenes.draws import names
from metaparity.conformance.scenes.permission import each_class
from metaparity.conformance.scenes.permission import modes as modes_of
from metaparity.conformance.scenes.scenery import TYPES, each_non_directory, each_type, fresh, make
from metaparity.conformance.verbs import alike, refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import ROOT, TRASH_INODE, Attr, Context, Entry, FileType, SetAttr
from metaparity.fixtures.volumes import Volume

MISSING = 999_999


def by_handle(fs: Engine, inode: int, plus: bool = False, *, ctx: Context = ROOT) -> list[Entry]:
    """The whole listing of a handle whose directory has less than a page."""
    return fs.dir_list(fs.opendir(inode, plus, ctx=ctx), 0)


WAYS: dict[str, Callable[..., list[Entry]]] = {
    "readdir": lambda fs, *args, **kwargs: fs.readdir(*args, **kwargs),
    "opendir": by_handle,
}

each_way = pytest.mark.parametrize("listing", WAYS.values(), ids=WAYS)
each_plus = pytest.mark.parametrize("plus", [False, True], ids=["plain", "plus"])


def entries(listed: list[Entry]) -> dict[bytes, int]:
    """Names and inodes, each name once."""
    found = {entry.name: entry.inode for entry in listed}
    assert len(found) == len(listed)
    return found


@each_way
@each_plus
@clause("readdir/lists-every-entry-with-its-type", source="N18.2 N19.2", needs="namespace")
def test_entries(volume: Volume, listing: Callable[..., Any], plus: bool) -> None:
    """A listing is `.`, `..` and every entry with its inode and type."""
    d = volume.dir("d")
    made = {type.name.encode(): make(volume, type, type.name, d) for type in TYPES}
    listed = listing(volume.fs, d, plus)
    assert entries(listed) == {b".": d, b"..": 1, **made}
    assert [entry.name for entry in listed[:2]] == [b".", b".."]
    types = {type.name.encode(): type for type in TYPES}
    assert {entry.name: entry.type for entry in listed[2:]} == types
    assert {entry.type for entry in listed[:2]} == {FileType.DIRECTORY}


@each_way
@clause("readdir/plain-listings-know-no-attributes", source="N18.2", needs="namespace")
def test_plain(volume: Volume, listing: Callable[..., Any]) -> None:
    """Without plus no entry has attributes."""
    d = volume.dir("d")
    volume.file("x", d)
    assert [entry.attr for entry in listing(volume.fs, d)] == [None] * 3


@each_way
@clause("readdir/plus-brings-the-attributes-of-all", source="N18.2 N19.3", needs="namespace")
def test_plus(volume: Volume, listing: Callable[..., Any]) -> None:
    """With plus every entry, the dots too, has the attributes that getattr gives."""
    d = volume.dir("d", volume.dir("above", mode=0o711), uid=7)
    for type in TYPES:
        make(volume, type, type.name, d, uid=8, gid=9)
    listed = listing(volume.fs, d, True)
    assert len(listed) == len(TYPES) + 2
    for entry in listed:
        assert entry.attr is not None
        alike(entry.attr, volume.fs.getattr(entry.inode))


@each_way
@each_type
@clause("readdir/an-entry-without-record-keeps-its-type", source="N18.2 S1.8", needs="namespace")
def test_dangling(volume: Volume, listing: Callable[..., Any], type: FileType) -> None:
    """An entry whose node's record is missing is listed; with plus it shows its type alone."""
    d = volume.dir("d")
    inode = make(volume, type, "x", d)
    volume.raw.delete(b"i%d" % inode)
    assert listing(volume.fs, d)[2:] == [Entry(b"x", inode, type)]
    assert listing(volume.fs, d, True)[2:] == [Entry(b"x", inode, type, Attr(type=type, full=False))]


@each_way
@clause("readdir/an-entry-without-name-is-left-out", source="N18.2 S1.8", needs="namespace")
def test_empty_name(volume: Volume, listing: Callable[..., Any]) -> None:
    """An entry with an empty name, which no call makes, is not listed."""
    d = volume.dir("d")
    inode = volume.file("x", d)
    volume.raw.hset(b"d%d" % d, b"", bytes([FileType.FILE]) + inode.to_bytes(8, "big"))
    assert entries(listing(volume.fs, d)) == {b".": d, b"..": 1, b"x": inode}


@given(chosen=st.sets(names, max_size=20), gone=st.integers(0, 20))
@clause("readdir/lists-what-was-made-and-not-removed", source="N18.2 R2", needs="namespace")
def test_any_names(volume: Volume, chosen: set[bytes], gone: int) -> None:
    """Names of any bytes are listed exactly while they are there."""
    d = volume.dir(fresh(volume))
    made = {name: volume.fs.mknod(d, name, FileType.FIFO, 0o644).inode for name in sorted(chosen)}
    for name in sorted(chosen)[:gone]:
        volume.fs.unlink(d, name)
        del made[name]
    assert entries(volume.fs.readdir(d)) == {b".": d, b"..": 1, **made}


@each_plus
@clause("readdir/lists-directories-of-any-size", source="N18.2 S4.4", needs="namespace")
def test_large(volume: Volume, plus: bool) -> None:
    """More entries than any page holds, put there past the driver, are all listed once."""
    d = volume.dir("d")
    value = bytes([FileType.FILE]) + volume.file("x").to_bytes(8, "big")
    wanted = {b"entry-%d" % n for n in range(9000)}
    volume.raw.hset(b"d%d" % d, mapping=dict.fromkeys(wanted, value))
    listed = volume.fs.readdir(d, plus)
    assert len(listed) == 9002
    assert {entry.name for entry in listed} == wanted | {b".", b".."}
    assert all((entry.attr is not None) == plus for entry in listed)


# -- permission ------------------------------------------------------------------------------------


@each_way
@each_class
@clause("readdir/listing-needs-r-and-attributes-need-x", source="N18.1 N19.1 R3", needs="namespace")
def test_permission(volume: Volume, listing: Callable[..., Any], ctx: Context, bits: str) -> None:
    """R on the directory is needed, with plus R and X; else EACCES."""
    d = volume.dir("d", uid=ALICE.uid, gid=ALICE.gid)
    for granted, mode in modes_of(bits):
        volume.fs.setattr(d, SetAttr.MODE, Attr(mode=mode))
        for plus, mask in ((False, 4), (True, 5)):
            if granted & mask == mask:
                assert len(listing(volume.fs, d, plus, ctx=ctx)) == 2
            else:
                refuses(EACCES, listing, volume.fs, d, plus, ctx=ctx)


@each_way
@each_plus
@pytest.mark.parametrize("ctx", [ROOT, KERNEL], ids=["superuser", "unchecked"])
@clause("readdir/the-unchecked-list-everything", source="N18.1 N19.1 R3", needs="namespace")
def test_unchecked(volume: Volume, listing: Callable[..., Any], plus: bool, ctx: Context) -> None:
    """The superuser and whom the kernel checks list a directory that grants nothing."""
    assert len(listing(volume.fs, volume.dir("d", mode=0), plus, ctx=ctx)) == 2


@each_way
@each_plus
@pytest.mark.parametrize("ctx", [ROOT, BOB, KERNEL], ids=["superuser", "stranger", "unchecked"])
@clause("readdir/a-missing-directory-is-not-found", source="N18.1 N19.1", needs="namespace")
def test_missing(volume: Volume, listing: Callable[..., Any], plus: bool, ctx: Context) -> None:
    """An inode that does not exist is ENOENT to all."""
    refuses(ENOENT, listing, volume.fs, MISSING, plus, ctx=ctx)


@each_way
@each_plus
@each_non_directory
@clause("readdir/other-nodes-have-but-the-dots", source="N18.1 N19.1 D15", needs="namespace")
def test_no_directory(volume: Volume, listing: Callable[..., Any], type: FileType, plus: bool) -> None:
    """A node that is no directory is listed with its own dots and nothing else, if it may be read."""
    d = volume.dir("d")
    inode = make(volume, type, "x", d)
    volume.fs.setattr(inode, SetAttr.MODE, Attr(mode=0o700))
    assert entries(listing(volume.fs, inode, plus)) == {b".": inode, b"..": d}
    refuses(EACCES, listing, volume.fs, inode, plus, ctx=BOB)


@clause("readdir/plus-needs-the-directory-above-where-a-handle-is-opened", source="N19.1", needs="namespace")
def test_lost_parent(volume: Volume) -> None:
    """A handle with plus is ENOENT where the record of the directory above is missing; a plain one is not."""
    above = volume.dir("above")
    d = volume.dir("d", above)
    volume.raw.delete(b"i%d" % above)
    refuses(ENOENT, volume.fs.opendir, d, True)
    assert entries(by_handle(volume.fs, d)) == {b".": d, b"..": above}


# -- roots -----------------------------------------------------------------------------------------


@each_way
@each_plus
@clause("readdir/the-root-lists-only-what-was-made", source="N18.2 N18.3", needs="namespace")
def test_root(volume: Volume, listing: Callable[..., Any], plus: bool) -> None:
    """The root is its own `..` and shows neither the trash nor any file of a mount."""
    volume.format(TrashDays=1)
    inode = volume.file("x")
    for root in (0, 1):
        assert entries(listing(volume.fs, root, plus)) == {b".": 1, b"..": 1, b"x": inode}


@each_way
@each_plus
@clause("readdir/the-trash-lists-its-hours", source="N18.3", needs="namespace")
def test_trash(volume: Volume, listing: Callable[..., Any], plus: bool) -> None:
    """The trash is listed even when it was never made, and shows its directories, one put there past the
    driver."""
    assert entries(listing(volume.fs, TRASH_INODE, plus)) == {b".": TRASH_INODE, b"..": 1}
    hour = TRASH_INODE + 1
    value = bytes([FileType.DIRECTORY]) + hour.to_bytes(8, "big")
    volume.raw.hset(b"d%d" % TRASH_INODE, b"2026-01-31-23", value)
    found = entries(listing(volume.fs, TRASH_INODE, plus, ctx=BOB))
    assert found == {b".": TRASH_INODE, b"..": 1, b"2026-01-31-23": hour}


@each_way
@each_plus
@clause("readdir/the-session-root-has-nothing-above", source="N18.1 N18.2 R1", needs="namespace")
def test_session_root(volume: Volume, listing: Callable[..., Any], plus: bool) -> None:
    """Under another session root 1 lists that root, which is its own `..`, and 0 the root of the volume."""
    above = volume.dir("above")
    home = volume.dir("home", above)
    inner = volume.dir("in", home)
    volume.fs.chroot(b"above/home")
    assert entries(listing(volume.fs, 1, plus)) == {b".": home, b"..": home, b"in": inner}
    assert entries(listing(volume.fs, home, plus)) == {b".": home, b"..": home, b"in": inner}
    assert entries(listing(volume.fs, inner, plus)) == {b".": inner, b"..": home}
    found = entries(listing(volume.fs, 0, plus))
    assert found == {b".": 1, b"..": 1, b"above": above}, f"expected .. to be 1, observed {found}"


@each_plus
@each_way
@clause("readdir/changes-nothing", source="N18.4 N41", needs="namespace")
def test_changes_nothing(volume: Volume, listing: Callable[..., Any], plus: bool) -> None:
    """Where no access times are kept listing leaves no trace."""
    d = volume.dir("d")
    volume.file("x", d)
    with unchanged(volume):
        listing(volume.fs, d, plus)
