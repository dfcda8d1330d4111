"""What a rename does: moves, replacements, exchanges (N16)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.actors import BOB
from metaparity.conformance.scenes.records import lengthen
from metaparity.conformance.scenes.renaming import EXCHANGE, NONE, NOREPLACE, each_place
from metaparity.conformance.scenes.scenery import each_non_directory, each_type, fresh, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.types import (
    TRASH_INODE,
    DirStat,
    FileType,
    Node,
    RenameFlag,
)
from metaparity.fixtures.volumes import Volume

FILE, DIRECTORY = FileType.FILE, FileType.DIRECTORY


@each_place
@each_type
@pytest.mark.parametrize("flags", [NONE, NOREPLACE], ids=str)
@clause("rename/moves-a-node-of-any-type", source="N16.8 N16.12 N16.13", needs="namespace")
def test_move(volume: Volume, across: bool, type: FileType, flags: RenameFlag) -> None:
    """A free name takes the node over: its parent and ctime follow, all else of it stays, and the answer
    shows it."""
    fs = volume.fs
    s, t = volume.dir("s"), volume.dir("t")
    d = t if across else s
    inode = make(volume, type, "x", s, uid=BOB.uid)
    before = fs.getattr(inode)
    links = fs.getattr(s).nlink, fs.getattr(t).nlink
    with window() as w:
        moved = fs.rename(s, b"x", d, b"y", flags)
    attr = fs.getattr(inode)
    assert moved.inode == inode
    assert moved.attr is not None
    alike(moved.attr, attr)
    alike(attr, before, but=("parent", "ctime"))
    assert attr.parent == d
    assert w.covers(attr.ctime)
    refuses(ENOENT, fs.lookup, s, b"x")
    assert fs.lookup(d, b"y").inode == inode
    shift = int(across and type is DIRECTORY)
    assert (fs.getattr(s).nlink, fs.getattr(t).nlink) == (links[0] - shift, links[1] + shift)
    fs.settle()
    require_laws(volume)


@clause("rename/a-moved-directory-keeps-what-is-in-it", source="N16.8", needs="namespace")
def test_move_tree(volume: Volume) -> None:
    """A moved directory keeps its entries, and `..` in it leads to the new parent."""
    fs = volume.fs
    t, d = volume.dir("t"), volume.dir("d")
    inside = volume.file("inside", d)
    fs.rename(1, b"d", t, b"e")
    assert fs.lookup(d, b"inside").inode == inside
    assert fs.lookup(d, b"..").inode == t
    assert fs.paths(inside) == [b"/t/e/inside"]


@each_place
@each_non_directory
@clause("rename/counts-the-parents-of-a-linked-node", source="N16.8 A3", needs="namespace")
def test_move_linked(volume: Volume, across: bool, type: FileType) -> None:
    """One name of a hard-linked node moves: parent stays 0 and the count of names moves with it."""
    fs = volume.fs
    s, t = volume.dir("s"), volume.dir("t")
    inode = make(volume, type, "x", s)
    fs.link(inode, s, b"again")
    fs.rename(s, b"x", t if across else s, b"y")
    assert fs.getattr(inode).parent == 0
    assert fs.getattr(inode).nlink == 2
    assert fs.parents(inode) == ({s: 1, t: 1} if across else {s: 2})
    fs.settle()
    require_laws(volume)


@pytest.mark.parametrize("target", FileType, ids=lambda t: t.name.lower())
@each_type
@each_place
@clause("rename/replaces-by-type", source="N16.5 N16.10 N16.12", needs="namespace")
def test_replace(volume: Volume, across: bool, type: FileType, target: FileType) -> None:
    """A directory replaces an empty directory and anything else replaces anything else; a directory onto
    another type is ENOTDIR, another type onto a directory EISDIR."""
    fs = volume.fs
    s, t = volume.dir("s"), volume.dir("t")
    d = t if across else s
    inode, victim = make(volume, type, "x", s), make(volume, target, "y", d)
    if (type is DIRECTORY) is (target is DIRECTORY):
        assert fs.rename(s, b"x", d, b"y").inode == inode
        assert fs.lookup(d, b"y").inode == inode
        refuses(ENOENT, fs.getattr, victim)
        fs.settle()
        assert not [key for key in volume.keyspace() if key.endswith(b"%d" % victim)]
    else:
        with unchanged(volume):
            refuses(ENOTDIR if type is DIRECTORY else EISDIR, fs.rename, s, b"x", d, b"y")
    fs.settle()
    require_laws(volume)


@clause("rename/a-replaced-directory-leaves-nothing", source="N16.10 Q5", needs="namespace")
def test_replaced_directory(volume: Volume) -> None:
    """A directory replaced by another is gone with its record, xattrs, quota and statistics, and its parent
    counts one link less."""
    fs = volume.fs
    t = volume.dir("t")
    inode, victim = volume.dir("x", t), volume.dir("y", t)
    volume.raw.hset(b"x%d" % victim, "user.a", "1")
    hashes = (
        "dirQuota",
        "dirQuotaUsedSpace",
        "dirQuotaUsedInodes",
        "dirDataLength",
        "dirUsedSpace",
        "dirUsedInodes",
    )
    for name in hashes[:3]:
        volume.raw.hset(name, victim, b"\xff" * 16 if name == "dirQuota" else 0)
    assert all(volume.raw.hexists(name, victim) for name in hashes)
    fs.rename(t, b"x", t, b"y")
    fs.settle()
    assert not [name for name in hashes if volume.raw.hexists(name, victim)]
    assert not volume.raw.exists(f"i{victim}", f"x{victim}", f"d{victim}")
    assert fs.getattr(t).nlink == 3
    assert fs.lookup(t, b"y").inode == inode


@clause("rename/a-replaced-name-is-one-of-several", source="N16.10 N13.5", needs="namespace")
def test_replaced_link(volume: Volume) -> None:
    """A replaced node that has other names keeps its record with one link less and a new ctime."""
    fs = volume.fs
    volume.file("x")
    victim = volume.file("y")
    d = volume.dir("d")
    fs.link(victim, d, b"again")
    before = fs.getattr(victim)
    with window() as w:
        fs.rename(1, b"x", 1, b"y")
    after = fs.getattr(victim)
    alike(after, before, but=("nlink", "ctime"))
    assert (after.nlink, fs.parents(victim)) == (1, {d: 1})
    assert w.covers(after.ctime)


@clause("rename/a-replaced-open-file-outlives-its-name", source="N16.10 N13.6", needs="open")
def test_replaced_open_file(volume: Volume) -> None:
    """A replaced file that is open in this client is kept until it is closed."""
    fs = volume.fs
    volume.file("x")
    victim = volume.file("y")
    fs.open_file(victim)
    fs.rename(1, b"x", 1, b"y")
    assert fs.getattr(victim).nlink == 0
    assert volume.raw.smembers("session1") == {b"%d" % victim}
    fs.close_file(victim)
    fs.settle()
    refuses(ENOENT, fs.getattr, victim)
    require_laws(volume)


@clause("rename/a-replaced-file-gives-its-space-back", source="N16.10 N13.7 N16.12", needs="namespace")
def test_replaced_data(volume: Volume) -> None:
    """The content of a replaced file is deleted and its space is free again."""
    fs = volume.fs
    volume.file("x")
    victim = volume.file("y")
    lengthen(volume, victim, 10_000)
    volume.raw.rpush(b"c%d_0" % victim, bytes(24))
    fs.rename(1, b"x", 1, b"y")
    fs.settle()
    assert not volume.raw.exists(b"c%d_0" % victim, "delfiles")
    assert volume.raw.get("usedSpace") == b"4096"


@each_type
@clause("rename/a-target-without-record-is-replaced", source="N16.10 D23", needs="namespace")
def test_target_without_record(volume: Volume, type: FileType) -> None:
    """An entry whose record is missing is replaced like any other of its type."""
    inode = make(volume, type, "x")
    volume.raw.delete(b"i%d" % make(volume, type, "y"))
    volume.fs.rename(1, b"x", 1, b"y")
    assert volume.fs.lookup(1, b"y").inode == inode


@pytest.mark.parametrize("target", FileType, ids=lambda t: t.name.lower())
@each_type
@each_place
@clause("rename/exchanges-nodes-of-any-types", source="N16.9 N16.12", needs="namespace")
def test_exchange(volume: Volume, across: bool, type: FileType, target: FileType) -> None:
    """RENAME_EXCHANGE swaps two names of any types: parents, links and ctimes follow."""
    fs = volume.fs
    s, t = volume.dir("s"), volume.dir("t")
    d = t if across else s
    inode, other = make(volume, type, "x", s), make(volume, target, "y", d)
    if target is DIRECTORY:
        volume.file("inside", other)
    before, other_before = fs.getattr(inode), fs.getattr(other)
    with window() as w:
        moved = fs.rename(s, b"x", d, b"y", EXCHANGE)
    after, other_after = fs.getattr(inode), fs.getattr(other)
    assert moved == Node(inode, after)
    assert (fs.lookup(s, b"x").inode, fs.lookup(d, b"y").inode) == (other, inode)
    assert (after.parent, other_after.parent) == (d, s)
    alike(after, before, but=("parent", "ctime"))
    alike(other_after, other_before, but=("parent", "ctime"))
    assert w.covers(after.ctime)
    assert w.covers(other_after.ctime)
    fs.settle()
    require_laws(volume)


@each_place
@clause("rename/exchange-counts-the-parents-of-linked-nodes", source="N16.9 A3", needs="namespace")
def test_exchange_linked(volume: Volume, across: bool) -> None:
    """Exchanged names of hard-linked nodes are counted where they are now."""
    fs = volume.fs
    s, t = volume.dir("s"), volume.dir("t")
    d = t if across else s
    a, b = volume.file("x", s), volume.file("y", d)
    fs.link(a, 1, b"a")
    fs.link(b, 1, b"b")
    fs.rename(s, b"x", d, b"y", EXCHANGE)
    assert (fs.parents(a), fs.parents(b)) == ({d: 1, 1: 1}, {s: 1, 1: 1})
    fs.settle()
    require_laws(volume)


@each_place
@clause("rename/statistics-move-with-the-name", source="N16.12", needs="dirstat")
def test_statistics(volume: Volume, across: bool) -> None:
    """Length, space and count of a name leave one directory's statistics for the other's; a replaced
    target leaves them."""
    fs = volume.fs
    s, t = volume.dir("s"), volume.dir("t")
    d = t if across else s
    inode, victim = volume.file("x", s), volume.file("y", d)
    volume.file("rest", s)
    lengthen(volume, inode, 5000)
    lengthen(volume, victim, 9000)
    fs.settle()
    fs.rename(s, b"x", d, b"y")
    fs.settle()
    assert fs.dirstat_get(d) == (DirStat(5000, 8192, 1) if across else DirStat(5000, 12288, 2))
    assert not across or fs.dirstat_get(s) == DirStat(0, 4096, 1)


@contextmanager
def possible(*refusals: int) -> Iterator[None]:
    """What runs inside may be refused with one of these errnos."""
    try:
        yield
    except OSError as refused:
        if refused.errno not in refusals:
            raise


step = st.tuples(
    st.integers(0, 3),
    st.sampled_from(b"abc"),
    st.integers(0, 3),
    st.sampled_from(b"abc"),
    st.sampled_from([NONE, NOREPLACE, EXCHANGE]),
)


@given(
    kinds=st.lists(st.sampled_from([FILE, DIRECTORY, FileType.SYMLINK]), min_size=4, max_size=4),
    steps=st.lists(step, max_size=12),
)
@clause("rename/laws-hold-after-any-sequence", source="N16 I2 I3 I4 I5 I6 I12 I13", needs="namespace")
def test_sequences(
    volume: Volume, kinds: list[FileType], steps: list[tuple[int, int, int, int, RenameFlag]]
) -> None:
    """Whatever is renamed in whatever order, names, links, parents and figures agree."""
    fs = volume.fs
    top = fs.mkdir(1, fresh(volume), 0o755).inode
    a, b = volume.dir("a", top), volume.dir("b", top)
    places = [top, a, b, volume.dir("c", a)]
    for place, kind in zip(places, kinds, strict=True):
        make(volume, kind, "z", place)
    fs.link(volume.file("b", a), top, b"d")
    for src, name, dst, other, flags in steps:
        with possible(ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EPERM, EINVAL):
            fs.rename(places[src], bytes([name]), places[dst], bytes([other]), flags)
    fs.settle()
    require_laws(volume)


@clause("rename/with-the-trash-on-its-directory-is-made-first", source="N16.4", needs="trash")
def test_trash_directory(volume: Volume) -> None:
    """With the trash on, a rename makes the directory of the hour even when it replaces nothing (T18)."""
    volume.format(TrashDays=1)
    volume.file("x")
    volume.fs.rename(1, b"x", 1, b"y")
    assert volume.raw.mget("usedSpace", "totalInodes", "nextTrash") == [b"8192", b"2", b"1"]


@clause("rename/with-the-trash-on-the-target-is-kept", source="N16.10", needs="trash")
def test_replaced_to_trash(volume: Volume) -> None:
    """With the trash on, what is replaced moves to the directory of the hour."""
    volume.format(TrashDays=1)
    fs = volume.fs
    for type in (FILE, DIRECTORY):
        make(volume, type, "x")
        victim = make(volume, type, "y")
        fs.rename(1, b"x", 1, b"y")
        attr = fs.getattr(victim)
        assert attr.parent == TRASH_INODE + 1
        assert fs.lookup(attr.parent, b"1-%d-y" % victim).inode == victim
        fs.rename(1, b"y", 1, b"done-%d" % victim)
