"""From nodes back to names: parents and paths (N26)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import BOB
from metaparity.conformance.scenes.draws import names
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.scenery import each_non_directory, each_type, fresh, make
from metaparity.conformance.verbs import unchanged
from metaparity.drivers.types import TRASH_INODE, FileType, RenameFlag
from metaparity.fixtures.volumes import Volume

MISSING = 999_999
OUTSIDE = b"path not shown because it's outside of the mounted root"


@pytest.mark.parametrize("inode", [1, TRASH_INODE], ids=["root", "trash"])
@clause("parents/the-roots-hang-in-the-root", source="N26.1", needs="namespace")
def test_roots(volume: Volume, inode: int) -> None:
    """The root and the trash have one name in the root, even where their record is missing."""
    assert volume.fs.parents(inode) == {1: 1}
    volume.raw.delete(b"i%d" % inode)
    assert volume.fs.parents(inode) == {1: 1}


@clause("parents/a-missing-node-has-none", source="N26.1", needs="namespace")
def test_missing(volume: Volume) -> None:
    """An inode that does not exist has neither parents nor paths."""
    assert volume.fs.parents(MISSING) == {}
    assert volume.fs.paths(MISSING) == []


@each_type
@clause("parents/one-name-is-one-parent", source="N26.1 A3", needs="namespace")
def test_one_name(volume: Volume, type: FileType) -> None:
    """A node with one name has the directory of that name as parent, also after a move."""
    d = volume.dir("d")
    inode = make(volume, type, "x")
    assert volume.fs.parents(inode, ctx=BOB) == {1: 1}
    volume.fs.rename(1, b"x", d, b"y")
    assert volume.fs.parents(inode) == {d: 1}


@each_non_directory
@clause("parents/names-are-counted-by-directory", source="N26.1 A3 T15", needs="namespace")
def test_many_names(volume: Volume, type: FileType) -> None:
    """A node with several names has as many in each directory as it has, whatever comes and goes."""
    fs, d, e = volume.fs, volume.dir("d"), volume.dir("e")
    inode = make(volume, type, "f")
    fs.link(inode, 1, b"l1")
    assert fs.parents(inode) == {1: 2}
    fs.link(inode, d, b"l2")
    fs.link(inode, d, b"l3")
    assert fs.parents(inode) == {1: 2, d: 2}
    fs.unlink(1, b"f")
    fs.rename(d, b"l2", e, b"l2")
    assert fs.parents(inode) == {1: 1, d: 1, e: 1}
    volume.file("over", e)
    fs.rename(e, b"over", e, b"l2")
    fs.rename(1, b"l1", 1, b"again")
    fs.unlink(d, b"l3")
    assert fs.parents(inode) == {1: 1}
    with unchanged(volume):
        assert fs.parents(inode) == {1: 1}


@clause("parents/exchanged-names-are-counted", source="N26.1 N16.9", needs="namespace")
def test_exchange(volume: Volume) -> None:
    """A name exchanged into another directory is counted there."""
    fs, d = volume.fs, volume.dir("d")
    one, two = volume.file("one"), volume.file("two", d)
    fs.link(one, 1, b"more")
    fs.rename(1, b"one", d, b"two", RenameFlag.EXCHANGE)
    assert (fs.parents(one), fs.parents(two)) == ({1: 1, d: 1}, {1: 1})


@clause("parents/counts-of-zero-or-less-are-none", source="N26.1 A3", needs="namespace")
def test_spent_counts(volume: Volume) -> None:
    """Counts of 0 or less, left by any client, are no parents; a directory of the trash is one."""
    inode = volume.file("x")
    volume.fs.link(inode, 1, b"y")
    hour = TRASH_INODE + 1
    volume.raw.hset(b"p%d" % inode, mapping={404: 0, 405: -1, hour: 2})
    assert volume.fs.parents(inode) == {1: 2, hour: 2}


# -- paths -----------------------------------------------------------------------------------------


@clause("paths/the-roots-have-fixed-paths", source="N26.2", needs="namespace")
def test_paths_of_roots(volume: Volume) -> None:
    """The root is `/` and the trash `/.trash`, made or not."""
    assert volume.fs.paths(1) == [b"/"]
    assert volume.fs.paths(TRASH_INODE) == [b"/.trash"]


@each_type
@clause("paths/lead-from-the-root-to-the-name", source="N26.2", needs="namespace")
def test_path(volume: Volume, type: FileType) -> None:
    """A node with one name has one path, which follows every rename above it."""
    fs = volume.fs
    top = volume.dir("top")
    inode = make(volume, type, "x", volume.dir("mid", top))
    assert fs.paths(inode, ctx=BOB) == [b"/top/mid/x"]
    fs.rename(top, b"mid", 1, b"moved")
    assert fs.paths(inode) == [b"/moved/x"]


@given(parts=st.lists(names, min_size=1, max_size=4), again=st.lists(names, max_size=3, unique=True))
@clause("paths/each-name-gives-a-path", source="N26.2", needs="namespace")
def test_any_paths(volume: Volume, parts: list[bytes], again: list[bytes]) -> None:
    """A node with several names, of any bytes, has one path for each."""
    fs = volume.fs
    top, other = fresh(volume), fresh(volume) + b"-other"
    d = fs.mkdir(1, top, 0o755).inode
    for part in parts[:-1]:
        d = fs.mkdir(d, part, 0o755).inode
    inode = fs.mknod(d, parts[-1], FileType.FILE, 0o644).inode
    e = fs.mkdir(1, other, 0o755).inode
    for name in again:
        fs.link(inode, e, name)
    wanted = [b"/".join([b"", top, *parts]), *(b"/".join([b"", other, name]) for name in again)]
    assert sorted(fs.paths(inode)) == sorted(wanted)


@clause("paths/two-names-in-one-directory-are-two-paths", source="N26.2", needs="namespace")
def test_same_directory(volume: Volume) -> None:
    """Two names in one directory are two paths."""
    d = volume.dir("d")
    inode = volume.file("x", d)
    volume.fs.link(inode, d, b"y")
    assert sorted(volume.fs.paths(inode)) == [b"/d/x", b"/d/y"]


@clause("paths/broken-branches-are-left-out", source="N26.2", needs="namespace")
def test_broken_branch(volume: Volume) -> None:
    """A name below a directory that cannot be reached, which no call brings about, gives no path; the
    others do."""
    fs = volume.fs
    lost, nameless, sound = (volume.dir(name) for name in ("lost", "nameless", "sound"))
    inode = volume.file("x", volume.dir("in", lost))
    fs.link(inode, nameless, b"y")
    fs.link(inode, sound, b"z")
    volume.raw.delete(b"i%d" % lost)
    volume.raw.hdel("d1", "nameless")
    assert fs.paths(inode) == [b"/sound/z"]


@clause("paths/a-name-that-is-gone-gives-none", source="N26.2", needs="namespace")
def test_stale_parent(volume: Volume) -> None:
    """Where a parent holds no entry of the node, left so past the driver, there is no path."""
    inode, d = volume.file("x"), volume.dir("d")
    rewrite(volume, inode, parent=d)
    assert volume.fs.paths(inode) == []


@clause("paths/start-at-the-root-of-the-session", source="N26.2 T41", needs="namespace")
def test_session_root(volume: Volume) -> None:
    """Under another session root paths start there, a fixed text stands for what lies outside of it and
    for the root itself, and 1 is `/`."""
    fs = volume.fs
    above = volume.dir("above")
    home, beside = volume.dir("home", above), volume.file("beside", above)
    inner = volume.file("x", volume.dir("d", home))
    both = volume.file("both", home)
    fs.link(both, 1, b"outside")
    fs.chroot(b"above/home")
    assert fs.paths(1) == [b"/"]
    assert fs.paths(inner) == [b"/d/x"]
    assert sorted(fs.paths(both)) == sorted([b"/both", OUTSIDE])
    assert [fs.paths(inode) for inode in (home, above, beside)] == [[OUTSIDE]] * 3
    assert fs.parents(1) == {1: 1}
