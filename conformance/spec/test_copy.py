"""copy_file_range (N24)."""

from __future__ import annotations

from errno import EINVAL, EIO, ENOENT, ENOSPC, EPERM, EROFS

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import BOB
from metaparity.conformance.scenes.contents import (
    MIB,
    hole,
    piece,
    put,
    records,
    references,
    shown,
)
from metaparity.conformance.scenes.records import aligned, rewrite
from metaparity.conformance.scenes.scenery import each_frozen, each_non_directory, flag, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.types import CHUNK_SIZE, AttrFlag, Copied, FileType, Slice
from metaparity.fixtures.volumes import Volume

C = CHUNK_SIZE


def two_files(volume: Volume, length: int = 1000) -> tuple[int, int, int]:
    """A file with one slice, an empty one, and the id of the slice."""
    src, dst = volume.file("src"), volume.file("dst")
    return src, dst, put(volume.fs, src, 0, length)


@pytest.mark.parametrize(
    ("src_off", "dst_off", "size", "copied"),
    [(0, 0, 1000, 1000), (100, 0, 50, 50), (100, 5000, 50, 50), (100, 0, 5000, 900), (999, 7, 1, 1)],
)
@clause("copy/by-reference", source="N24.2 N24.5 S2.6", needs="data")
def test_copy(volume: Volume, src_off: int, dst_off: int, size: int, copied: int) -> None:
    """A range is copied as a record of the same slice, clamped to the end of the source; the destination
    grows, is stamped and counted, the slice has one reference more, the source is untouched."""
    src, dst, id = two_files(volume)
    source = volume.raw.get(b"i%d" % src)
    before = volume.fs.getattr(dst)
    with window() as w:
        answered = volume.fs.copy_file_range(src, src_off, dst, dst_off, size)
    assert answered == Copied(copied, dst_off + copied)
    after = volume.fs.getattr(dst)
    alike(after, before, but=("length", "mtime", "ctime"))
    assert after.length == dst_off + copied
    assert w.covers(after.mtime)
    assert after.mtime == after.ctime
    assert [one for one in records(volume, dst) if one.id] == [Slice(dst_off, id, 1000, src_off, copied)]
    assert references(volume) == {b"k%d_1000" % id: 1}
    assert volume.raw.get(b"i%d" % src) == source
    volume.fs.settle()
    assert int(volume.raw.get("usedSpace")) == aligned(1000) + aligned(dst_off + copied)
    assert volume.fs.dirstat_get(1).length == 1000 + dst_off + copied


@clause("copy/does-not-shorten", source="N24.2", needs="data")
def test_not_shorter(volume: Volume) -> None:
    """A destination that is longer than the end of the copy keeps its length and what is around it."""
    src, dst, id = two_files(volume)
    old = put(volume.fs, dst, 0, 5000)
    assert volume.fs.copy_file_range(src, 0, dst, 100, 50) == Copied(50, 5000)
    expected = [piece(old, 5000, 0, 100), piece(id, 1000, 0, 50), piece(old, 5000, 150, 4850)]
    assert shown(volume.fs, dst) == expected


@clause("copy/of-holes", source="N24.2 I24", needs="data")
def test_holes(volume: Volume) -> None:
    """Holes of the source become holes in the destination, over what was there, also behind the last record
    of a source chunk and where a chunk has no record at all."""
    src, dst = volume.file("src"), volume.file("dst")
    id = put(volume.fs, src, 100, 50)
    volume.fs.truncate(src, 0, 2 * C)
    old = [put(volume.fs, dst, index * C, C) for index in range(2)]
    volume.fs.copy_file_range(src, 0, dst, 10, 2 * C - 20)
    assert shown(volume.fs, dst) == [piece(old[0], C, 0, 10), hole(100), piece(id, 50)]
    assert shown(volume.fs, dst, 1) == [hole(C - 10), piece(old[1], C, C - 10, 10)]


@clause("copy/is-cut-where-chunks-meet", source="N24.2 T26", needs="data")
def test_border(volume: Volume) -> None:
    """A slice that is copied over the border of two chunks becomes two records and two references."""
    src, dst, id = two_files(volume, 600)
    volume.fs.copy_file_range(src, 0, dst, C - 200, 600)
    assert [one for one in records(volume, dst, 0) if one.id] == [Slice(C - 200, id, 600, 0, 200)]
    assert [one for one in records(volume, dst, 1) if one.id] == [Slice(0, id, 600, 200, 400)]
    assert references(volume) == {b"k%d_600" % id: 2}


@clause(
    "copy/a-slice-lives-as-long-as-something-refers-to-it", source="T26 S2.6 S7.3", needs="data", clients=2
)
def test_references(volume: Volume) -> None:
    """A slice outlives the file it was written to while a copy refers to it, and is deleted once with the
    last."""
    fs = volume.open(delete_slice="record")
    src, dst, id = two_files(volume, 600)
    fs.copy_file_range(src, 0, dst, 0, 600)
    fs.unlink(1, b"src")
    fs.settle()
    assert fs.events() == []
    assert references(volume) == {b"k%d_600" % id: 0}
    assert shown(fs, dst) == [piece(id, 600)]
    fs.unlink(1, b"dst")
    fs.settle()
    assert [(event.kind, event.id, event.size) for event in fs.events()] == [("delete_slice", id, 600)]
    assert references(volume) == {}


@clause("copy/within-one-file", source="N24.4", needs="data")
def test_same_file(volume: Volume) -> None:
    """A file may be copied into itself, ranges that overlap too: the source is what it was before."""
    inode = volume.file("x")
    one, two = put(volume.fs, inode, 0, 100), put(volume.fs, inode, 100, 100)
    assert volume.fs.copy_file_range(inode, 0, inode, 50, 200) == Copied(200, 250)
    expected = [piece(one, 100, 0, 50), piece(one, 100), piece(two, 100)]
    assert shown(volume.fs, inode) == expected


@clause("copy/of-nothing-extends", source="N24.3 D16", needs="data")
def test_zero_size(volume: Volume) -> None:
    """A copy of no bytes copies nothing, but stamps the destination and extends it to its offset."""
    src, dst, _ = two_files(volume)
    with window() as w:
        assert volume.fs.copy_file_range(src, 10, dst, 5000, 0) == Copied(0, 5000)
    assert w.covers(volume.fs.getattr(dst).mtime)
    assert sum(one.len for one in shown(volume.fs, dst) if one.id) == 0


@pytest.mark.parametrize("src_off", [1000, 1001, 2**63, 2**64 - 1])
@clause("copy/from-the-end-copies-nothing", source="N24.1", needs="data")
def test_from_the_end(volume: Volume, src_off: int) -> None:
    """A copy from the end of the source or beyond succeeds, copies nothing and changes nothing, whatever
    the destination is."""
    src, dst, _ = two_files(volume)
    with unchanged(volume):
        assert volume.fs.copy_file_range(src, src_off, dst, 0, 10).copied == 0
        assert volume.fs.copy_file_range(src, src_off, 1, 0, 10).copied == 0


@clause("copy/of-missing-nodes", source="N24.1 §6", needs="data")
def test_missing(volume: Volume) -> None:
    """A source or destination that does not exist is refused with ENOENT, before types are looked at."""
    src, dst, _ = two_files(volume)
    with unchanged(volume):
        refuses(ENOENT, volume.fs.copy_file_range, 99, 0, dst, 0, 10)
        refuses(ENOENT, volume.fs.copy_file_range, src, 0, 99, 0, 10)
        refuses(ENOENT, volume.fs.copy_file_range, 1, 0, 99, 0, 10)


@each_non_directory
@clause("copy/only-between-files", source="N24.1 D16 §6", needs="data")
def test_types(volume: Volume, type: FileType) -> None:
    """A source or destination that is no file is refused with EINVAL."""
    src, dst, _ = two_files(volume)
    other = make(volume, type, "other")
    if type is FileType.FILE:
        assert volume.fs.copy_file_range(src, 0, other, 0, 10).copied == 10
        return
    with unchanged(volume):
        for inode in (other, 1):
            refuses(EINVAL, volume.fs.copy_file_range, inode, 0, dst, 0, 10)
            refuses(EINVAL, volume.fs.copy_file_range, src, 0, inode, 0, 10)


@each_frozen
@clause("copy/not-into-frozen-files", source="N24.1 T22", needs="data")
def test_frozen(volume: Volume, frozen: AttrFlag) -> None:
    """An immutable or append-only destination is refused with EPERM; such a source is not."""
    src, dst, _ = two_files(volume)
    flag(volume, dst, frozen)
    flag(volume, src, frozen)
    with unchanged(volume):
        refuses(EPERM, volume.fs.copy_file_range, src, 0, dst, 0, 10)
    assert volume.fs.copy_file_range(src, 0, volume.file("new"), 0, 10).copied == 10


@clause("copy/asks-for-no-rights", source="N24.1", needs="data")
def test_unchecked(volume: Volume) -> None:
    """Copying asks for no rights, and trashed files are no exception."""
    src, dst, _ = two_files(volume)
    rewrite(volume, dst, parent=0x7FFFFFFF10000001)
    assert volume.fs.copy_file_range(src, 0, dst, 0, 10, ctx=BOB).copied == 10


@clause("copy/a-read-only-client-copies-nothing", source="N24.1 M2", needs="data", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client is refused with EROFS."""
    src, dst, _ = two_files(volume)
    reader = volume.open(read_only=True)
    with unchanged(volume):
        refuses(EROFS, reader.copy_file_range, src, 0, dst, 0, 10)


@clause("copy/no-space-left", source="N24.1 R12", needs="data")
def test_no_space(volume: Volume) -> None:
    """A destination that would grow beyond the capacity of the volume is refused with ENOSPC."""
    volume.format(Capacity=MIB)
    src, dst, _ = two_files(volume)
    volume.fs.refresh()
    with unchanged(volume):
        refuses(ENOSPC, volume.fs.copy_file_range, src, 0, dst, 2 * MIB, 10)
    assert volume.fs.copy_file_range(src, 0, dst, 0, 10).copied == 10


@clause("copy/of-a-corrupt-chunk", source="S1.8 §6", needs="data")
def test_corrupt(volume: Volume) -> None:
    """A source chunk with a record that has not 24 bytes is refused with EIO, and nothing is changed."""
    src, dst, _ = two_files(volume)
    volume.raw.rpush(b"c%d_0" % src, b"x" * 23)
    with unchanged(volume):
        refuses(EIO, volume.fs.copy_file_range, src, 0, dst, 0, 10)


@pytest.mark.parametrize("size", [2**63, 2**64 - 10, 2**64 - 1])
@clause("copy/clamps-any-size", source="N24.1", needs="data")
def test_huge_size(volume: Volume, size: int) -> None:
    """A size up to 2^64-1 is clamped to the source, also where offset and size overflow."""
    src, dst, id = two_files(volume)
    assert volume.fs.copy_file_range(src, 10, dst, 0, size) == Copied(990, 990)
    assert shown(volume.fs, dst) == [piece(id, 1000, 10, 990)]


@pytest.mark.parametrize("dst_off", [2**58, 2**63 - 5, 2**63, 2**64 - 10])
@clause("copy/beyond-the-last-chunk", source="M1 §6", needs="data")
def test_overflow(volume: Volume, dst_off: int) -> None:
    """A destination range that ends beyond 2^32 chunks is refused with EIO and changes nothing."""
    src, dst, _ = two_files(volume)
    with unchanged(volume):
        refuses(EIO, volume.fs.copy_file_range, src, 0, dst, dst_off, 10)
