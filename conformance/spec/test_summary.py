"""What a tree adds up to: summary, tree_summary (N32)."""

from __future__ import annotations

import threading
from errno import EINTR, ENOENT

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.records import aligned, lengthen
from metaparity.conformance.scenes.scenery import each_non_directory, fresh, make
from metaparity.conformance.verbs import refuses
from metaparity.drivers.types import Context, FileType, Summary, Tree
from metaparity.fixtures.volumes import Volume

each_speed = pytest.mark.parametrize("strict", [True, False], ids=["strict", "fast"])


@each_speed
@pytest.mark.parametrize("length", [0, 1, 4096, 4097, 70_000_000])
@clause("summary/a-file-counts-its-length-and-space", source="N32.1", needs="namespace")
def test_file(volume: Volume, strict: bool, length: int) -> None:
    """A file is one file with its length, and its space in whole 4096-byte blocks, at least one."""
    inode = volume.file("x")
    lengthen(volume, inode, length)
    for recursive in (True, False):
        assert volume.fs.summary(inode, recursive, strict) == Summary(length, aligned(length), 1, 0)


@each_speed
@each_non_directory
@clause("summary/other-nodes-count-one-block", source="N32.1", needs="namespace")
def test_non_directory(volume: Volume, strict: bool, type: FileType) -> None:
    """Any node but a directory counts as one file of 4096 bytes, and an empty one has no length."""
    assert volume.fs.summary(make(volume, type, "x"), True, strict) == Summary(0, 4096, 1, 0)


@each_speed
@clause("summary/a-missing-node-is-not-found", source="N32.1", needs="namespace")
def test_missing(volume: Volume, strict: bool) -> None:
    """The summary of an inode that does not exist is ENOENT."""
    refuses(ENOENT, volume.fs.summary, 404, True, strict)
    refuses(ENOENT, volume.fs.tree_summary, 404, 2, 2, strict)


@each_speed
@clause("summary/a-cancelled-call-is-interrupted", source="N32.1 N32.4 X2", needs="namespace")
def test_cancelled(volume: Volume, strict: bool) -> None:
    """A cancelled summary of a directory answers EINTR."""
    cancelled = threading.Event()
    cancelled.set()
    volume.file("x", volume.dir("d"))
    for call in (volume.fs.summary, volume.fs.tree_summary):
        refuses(EINTR, call, 1, 2, strict=strict, ctx=Context(cancelled=cancelled))


def plant(volume: Volume) -> int:
    """Below `top`: a file of 5000 bytes with two names, a symbolic link, `full` with a file of 100 bytes and
    a pipe, and `empty`."""
    fs = volume.fs
    top = volume.dir("top")
    file = volume.file("file", top)
    lengthen(volume, file, 5000)
    fs.link(file, top, b"again")
    volume.symlink("link", "a target that is counted nowhere", top)
    full = volume.dir("full", top)
    lengthen(volume, volume.file("small", full), 100)
    volume.node("pipe", FileType.FIFO, full)
    volume.dir("empty", top)
    fs.settle()
    return top


@each_speed
@pytest.mark.parametrize("statistics", [True, False], ids=["statistics", "no-statistics"])
@clause("summary/a-tree-counts-every-name-below-it", source="N32.1 N32.2 N32.3", needs="namespace")
def test_tree(volume: Volume, strict: bool, statistics: bool) -> None:
    """A directory counts itself and every name below it, a hard link for each name; without `recursive`
    only what lies directly in it."""
    volume.format(DirStats=statistics)
    fs = volume.fs
    top = plant(volume)
    direct = 4096 + 2 * 8192 + 4096 + 2 * 4096
    assert fs.summary(top, True, strict) == Summary(10_100, direct + 2 * 4096, 5, 3)
    assert fs.summary(top, False, strict) == Summary(10_000, direct, 3, 3)


@clause("summary/of-the-root-excludes-the-trash", source="N32.3", needs="trash")
def test_trash(volume: Volume) -> None:
    """What lies in the trash is not part of the root."""
    volume.format(TrashDays=1)
    volume.file("x")
    volume.fs.unlink(1, b"x")
    assert volume.fs.summary(1, True, True) == Summary(0, 4096, 0, 1)


@clause("summary/fast-reads-statistics-and-strict-counts", source="N32.2", needs="dirstat")
def test_fast_and_strict(volume: Volume) -> None:
    """A fast summary takes length, space and, where there are no sub-directories, the number of files from
    the statistics; a strict one counts."""
    fs = volume.fs
    d = volume.dir("d")
    lengthen(volume, volume.file("x", d), 100)
    fs.settle()
    assert fs.summary(d, True, True) == fs.summary(d, True, False) == Summary(100, 8192, 1, 1)
    for key, value in (("dirDataLength", 7), ("dirUsedSpace", 40_960), ("dirUsedInodes", 9)):
        volume.raw.hset(key, d, value)
    assert fs.summary(d, True, False) == Summary(7, 45_056, 9, 1)
    assert fs.summary(d, True, True) == Summary(100, 8192, 1, 1)


@clause("summary/fast-lists-a-directory-that-has-directories", source="N32.2", needs="dirstat")
def test_fast_listing(volume: Volume) -> None:
    """Where there are sub-directories a fast summary lists the entries to tell them from files."""
    fs = volume.fs
    d = volume.dir("d")
    volume.file("x", d)
    volume.dir("sub", d)
    fs.settle()
    volume.raw.hset("dirUsedInodes", d, 9)
    assert fs.summary(d, False, False) == Summary(0, 4096 + 8192, 1, 2)


@given(
    lengths=st.lists(st.integers(0, 2**40), max_size=6),
    nodes=st.lists(
        st.sampled_from([type for type in FileType if type is not FileType.DIRECTORY]), max_size=4
    ),
    below=st.integers(0, 3),
)
@clause("summary/is-the-sum-over-the-tree", source="N32.1 N32.2", needs="namespace")
def test_sum(volume: Volume, lengths: list[int], nodes: list[FileType], below: int) -> None:
    """Strict and fast summaries of any directory are the sums over what was put into it."""
    fs = volume.fs
    top = fs.mkdir(1, fresh(volume), 0o755).inode
    places = [top] + [volume.dir(f"d{n}", top) for n in range(below)]
    for n, length in enumerate(lengths):
        lengthen(volume, volume.file(f"f{n}", places[n % len(places)]), length)
    for n, type in enumerate(nodes):
        make(volume, type, f"n{n}", places[-1 - n % len(places)])
    fs.settle()
    whole = Summary(
        sum(lengths),
        sum(map(aligned, lengths)) + 4096 * (len(nodes) + len(places)),
        len(lengths) + len(nodes),
        len(places),
    )
    assert fs.summary(top, True, True) == whole
    assert fs.summary(top, True, False) == whole


def forest(volume: Volume) -> tuple[int, dict[str, int]]:
    """Below `top`: `big` of three files, `mid` of two, `low` of one, and a file of five blocks."""
    top = volume.dir("top")
    inodes = {name: volume.dir(name, top) for name in ("low", "big", "mid")}
    for name, count in (("big", 3), ("mid", 2), ("low", 1)):
        for n in range(count):
            volume.file(f"{name}{n}", inodes[name])
    inodes["file"] = volume.file("file", top)
    lengthen(volume, inodes["file"], 5 * 4096)
    volume.fs.settle()
    return top, inodes


def totals(tree: Tree) -> tuple[int, int, int]:
    return tree.size, tree.files, tree.dirs


@each_speed
@clause("tree-summary/children-come-by-size", source="N32.4", needs="namespace")
def test_children(volume: Volume, strict: bool) -> None:
    """A tree summary has a directory's children from the largest to the smallest, each with its totals; the
    totals include the node itself."""
    top, inodes = forest(volume)
    tree = volume.fs.tree_summary(top, 1, 10, strict)
    assert (tree.inode, tree.type) == (top, FileType.DIRECTORY)
    assert totals(tree) == (15 * 4096, 7, 4)
    assert [child.inode for child in tree.children] == [
        inodes[name] for name in ("file", "big", "mid", "low")
    ]
    assert [totals(child) for child in tree.children] == [
        (5 * 4096, 1, 0),
        (4 * 4096, 3, 1),
        (3 * 4096, 2, 1),
        (2 * 4096, 1, 1),
    ]
    assert all(child.children == [] for child in tree.children)


@each_speed
@clause("tree-summary/what-is-beyond-the-largest-is-one-rest", source="N32.4", needs="namespace")
def test_rest(volume: Volume, strict: bool) -> None:
    """Only the `top` largest children are named; the others are summed up in one called `...`."""
    top, inodes = forest(volume)
    tree = volume.fs.tree_summary(top, 1, 2, strict)
    assert totals(tree) == (15 * 4096, 7, 4)
    assert [child.inode for child in tree.children[:2]] == [inodes["file"], inodes["big"]]
    (rest,) = tree.children[2:]
    assert rest.path.rpartition("/")[2] == "..."
    assert totals(rest) == (5 * 4096, 3, 2)


@each_speed
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@clause("tree-summary/goes-so-many-levels-deep", source="N32.4", needs="namespace")
def test_depth(volume: Volume, strict: bool, depth: int) -> None:
    """Children are shown for `depth` levels; what lies deeper is part of the totals all the same."""
    parent = top = volume.dir("top")
    for n in range(3):
        parent = volume.dir(f"d{n}", parent)
    volume.file("x", parent)
    volume.fs.settle()
    tree = volume.fs.tree_summary(top, depth, 10, strict)
    assert totals(tree) == (5 * 4096, 1, 4)
    for level in range(depth):
        (tree,) = tree.children
        assert totals(tree) == ((4 - level) * 4096, 1, 3 - level)
    assert tree.children == []


@each_non_directory
@clause("tree-summary/of-one-node-is-that-node", source="N32.4", needs="namespace")
def test_leaf(volume: Volume, type: FileType) -> None:
    """The tree summary of anything but a directory has that node alone."""
    inode = make(volume, type, "x")
    tree = volume.fs.tree_summary(inode, 3, 3)
    assert (tree.inode, tree.type, totals(tree), tree.children) == (inode, type, (4096, 1, 0), [])
