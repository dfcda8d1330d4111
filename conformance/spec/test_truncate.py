"""truncate (N9)."""

from __future__ import annotations

from errno import EACCES, EIO, ENOENT, ENOSPC, EPERM, EROFS

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB
from metaparity.conformance.scenes.contents import MIB, piece, put, records, references, shown
from metaparity.conformance.scenes.records import aligned, rewrite
from metaparity.conformance.scenes.scenery import each_frozen, each_type, flag, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.types import CHUNK_SIZE, AttrFlag, FileType, Slice
from metaparity.fixtures.volumes import Volume

C = CHUNK_SIZE


@pytest.mark.parametrize(
    "lengths",
    [(0, 1), (0, 4096), (4096, 4097), (5000, 0), (C + 1, C), (100, 3 * C), (3 * C, 3 * C - 1)],
    ids=str,
)
@clause("truncate/sets-the-length", source="N9.3 N21.6", needs="data")
def test_length(volume: Volume, lengths: tuple[int, int]) -> None:
    """A truncate sets the length up or down, stamps mtime and ctime and moves usage by the space between."""
    before, after = lengths
    inode = volume.file("x", mode=0o6755)
    volume.fs.truncate(inode, 0, before)
    old = volume.fs.getattr(inode)
    with window() as w:
        answered = volume.fs.truncate(inode, 0, after)
    found = volume.fs.getattr(inode)
    alike(answered, found)
    alike(found, old, but=("length", "mtime", "ctime"))
    assert found.length == after
    assert found.mtime == found.ctime
    assert w.covers(found.mtime)
    volume.fs.settle()
    assert int(volume.raw.get("usedSpace")) == aligned(after)
    stat = volume.fs.dirstat_get(1)
    assert (stat.length, stat.space) == (after, aligned(after))


@clause("truncate/to-the-same-length", source="N9.1 D8", needs="data")
def test_same(volume: Volume) -> None:
    """A truncate to the length that a file has changes nothing, no time either."""
    inode = volume.file("x")
    put(volume.fs, inode, 0, 5000)
    with unchanged(volume):
        assert volume.fs.truncate(inode, 0, 5000).length == 5000


ZEROS = {
    "within-a-chunk": (100, 300, {0: [(100, 200)]}),
    "to-the-end-of-a-chunk": (100, C, {0: [(100, C - 100)]}),
    "from-the-start-of-a-chunk": (C, C + 5, {1: [(0, 5)]}),
    "over-a-border": (100, C + 5, {0: [(100, C - 100)], 1: [(0, 5)]}),
    "over-a-chunk-without-records": (100, 2 * C + 5, {0: [(100, C - 100)], 2: [(0, 5)]}),
    "to-the-end-of-a-later-chunk": (100, 3 * C, {0: [(100, C - 100)]}),
    "from-a-border": (C, 3 * C + 1, {1: [(0, C)], 3: [(0, 1)]}),
}


@pytest.mark.parametrize("shrinks", [False, True], ids=["grow", "shrink"])
@pytest.mark.parametrize("zeros", ZEROS.values(), ids=ZEROS)
@clause("truncate/zeroes-what-lies-between", source="N9.4 S2.4.2 S1.7", needs="data")
def test_zeros(
    volume: Volume, zeros: tuple[int, int, dict[int, list[tuple[int, int]]]], shrinks: bool
) -> None:
    """Both ways a truncate appends a record of zeros to the first and the last chunk between the lengths."""
    left, right, expected = zeros
    inode = volume.file("x")
    rewrite(volume, inode, length=right if shrinks else left)
    volume.fs.truncate(inode, 0, left if shrinks else right)
    found = {index: records(volume, inode, index) for index in range(5)}
    assert found == {
        index: [Slice(pos, 0, 0, 0, length) for pos, length in expected.get(index, [])] for index in range(5)
    }


@pytest.mark.parametrize("chunks", [3, 10003])
@clause("truncate/zeroes-whole-chunks-that-have-records", source="N9.4 N9.5 S1.7", needs="data")
def test_whole_chunks(volume: Volume, chunks: int) -> None:
    """A whole chunk between the lengths gets a record of zeros where it has records, and none where it has
    not, in a range of many thousand chunks too."""
    inode = volume.file("x")
    id = put(volume.fs, inode, 2 * C, 100)
    put(volume.fs, inode, chunks * C, 10)
    volume.fs.truncate(inode, 0, 10)
    assert records(volume, inode, 2) == [Slice(0, id, 100, 0, 100), Slice(0, 0, 0, 0, C)]
    assert records(volume, inode, 1) == []
    assert shown(volume.fs, inode, 2) == []
    assert references(volume) == {}


@clause("truncate/what-was-cut-off-does-not-come-back", source="N9.4 I24", needs="data")
def test_regrown(volume: Volume) -> None:
    """What a truncate cut off reads as zeros when the file grows again."""
    inode = volume.file("x")
    id = put(volume.fs, inode, 0, 1000)
    far = put(volume.fs, inode, C + 10, 1000)
    volume.fs.truncate(inode, 0, 300)
    volume.fs.truncate(inode, 0, 2 * C)
    assert shown(volume.fs, inode, 0) == [piece(id, 1000, 0, 300)]
    assert all(one.id != far for one in volume.fs.read(inode, 1))


@clause("truncate/of-nothing", source="N9.1 §6", needs="data")
def test_missing(volume: Volume) -> None:
    """A truncate of nothing is refused with ENOENT, whoever asks."""
    fs = volume.fs
    with unchanged(volume):
        refuses(ENOENT, fs.truncate, 99, 0, 1, ctx=BOB)


@each_type
@clause("truncate/only-of-files", source="N9.1 §6", needs="data")
def test_types(volume: Volume, type: FileType) -> None:
    """A truncate of anything but a file is refused with EPERM, before rights are asked for."""
    inode = make(volume, type, "x")
    if type is FileType.FILE:
        assert volume.fs.truncate(inode, 0, 1).length == 1
        return
    with unchanged(volume):
        refuses(EPERM, volume.fs.truncate, inode, 0, 1, ctx=BOB)


@each_frozen
@clause("truncate/not-of-frozen-files", source="N9.1 T22", needs="data")
def test_frozen(volume: Volume, frozen: AttrFlag) -> None:
    """An immutable or append-only file is not truncated, not even to its own length: EPERM."""
    inode = volume.file("x", mode=0)
    flag(volume, inode, frozen)
    with unchanged(volume):
        refuses(EPERM, volume.fs.truncate, inode, 0, 10)
        refuses(EPERM, volume.fs.truncate, inode, 0, 0, ctx=BOB)


@clause("truncate/needs-write-access", source="N9.1 R3", needs="data")
def test_access(volume: Volume) -> None:
    """Who may not write may not truncate, not even to the same length, unless the check is skipped."""
    inode = volume.file("x", mode=0o644, uid=ALICE.uid, gid=ALICE.gid)
    with unchanged(volume):
        refuses(EACCES, volume.fs.truncate, inode, 0, 10, ctx=BOB)
        refuses(EACCES, volume.fs.truncate, inode, 0, 0, ctx=BOB)
    assert volume.fs.truncate(inode, 0, 10, ctx=ALICE).length == 10
    assert volume.fs.truncate(inode, 0, 20, True, ctx=BOB).length == 20


@clause("truncate/of-trashed-files-by-handle-only", source="N9.1 N9.2 T19", needs="data")
def test_trashed(volume: Volume) -> None:
    """A trashed file is truncated through an open handle only; otherwise EPERM."""
    inode = volume.file("x")
    rewrite(volume, inode, parent=0x7FFFFFFF10000001)
    with unchanged(volume):
        refuses(EPERM, volume.fs.truncate, inode, 0, 10)
    assert volume.fs.truncate(inode, 1, 10).length == 10


@clause("truncate/a-read-only-client-cuts-nothing", source="M2 §6", needs="data", clients=2)
def test_read_only(volume: Volume) -> None:
    """A truncate by a read-only client is refused with EROFS."""
    inode = volume.file("x")
    reader = volume.open(read_only=True)
    with unchanged(volume):
        refuses(EROFS, reader.truncate, inode, 0, 10)


@clause("truncate/no-space-left", source="N9.1 R12", needs="data")
def test_no_space(volume: Volume) -> None:
    """A truncate beyond the capacity of the volume is refused with ENOSPC; to less is always allowed."""
    volume.format(Capacity=MIB)
    inode = volume.file("x")
    put(volume.fs, inode, 0, 10000)
    volume.raw.set("usedSpace", 2 * MIB)
    volume.fs.refresh()
    with unchanged(volume):
        refuses(ENOSPC, volume.fs.truncate, inode, 0, 2 * MIB)
    assert volume.fs.truncate(inode, 0, 10).length == 10


@pytest.mark.parametrize("length", [2**58 + 1, 2**63 - 1, 2**63, 2**64 - 1])
@clause("truncate/beyond-the-last-chunk", source="M1 §6", needs="data")
def test_overflow(volume: Volume, length: int) -> None:
    """A length of more than 2^32 chunks is refused with EIO and changes nothing."""
    inode = volume.file("x")
    put(volume.fs, inode, 0, 10)
    with unchanged(volume):
        refuses(EIO, volume.fs.truncate, inode, 0, length)


@clause("truncate/to-a-large-length", source="N9.4", needs="data")
def test_large(volume: Volume) -> None:
    """A truncate to a tebibyte writes two records at most."""
    inode = volume.file("x")
    id = put(volume.fs, inode, 0, 10)
    assert volume.fs.truncate(inode, 0, 2**40 + 1).length == 2**40 + 1
    assert sorted(volume.raw.keys("c*_*")) == [b"c%d_0" % inode, b"c%d_16384" % inode]
    assert shown(volume.fs, inode, 0) == [piece(id, 10)]
