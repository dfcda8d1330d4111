"""fallocate (N10)."""

from __future__ import annotations

from errno import EACCES, EINVAL, EIO, ENOENT, ENOSPC, ENOTSUP, EPERM, EPIPE, EROFS

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB
from metaparity.conformance.scenes.contents import MIB, hole, piece, put, records, shown
from metaparity.conformance.scenes.records import aligned, rewrite
from metaparity.conformance.scenes.scenery import each_type, flag, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.types import CHUNK_SIZE, AttrFlag, FallocateMode, FileType, Slice
from metaparity.fixtures.volumes import Volume

C = CHUNK_SIZE
PLAIN = FallocateMode(0)
KEEP, PUNCH, ZERO = FallocateMode.KEEP_SIZE, FallocateMode.PUNCH_HOLE, FallocateMode.ZERO
COLLAPSE, INSERT = FallocateMode.COLLAPSE, FallocateMode.INSERT

ZEROING = [PUNCH | KEEP, ZERO, ZERO | KEEP, ZERO | PUNCH | KEEP]
each_zeroing = pytest.mark.parametrize("mode", ZEROING, ids=int)

BAD = {
    "collapse": (COLLAPSE, 10, ENOTSUP),
    "insert": (INSERT, 10, ENOTSUP),
    "collapse-of-nothing": (COLLAPSE, 0, ENOTSUP),
    "collapse+keep": (COLLAPSE | KEEP, 10, EINVAL),
    "collapse+punch": (COLLAPSE | PUNCH, 10, EINVAL),
    "collapse+zero": (COLLAPSE | ZERO, 10, EINVAL),
    "collapse+insert": (COLLAPSE | INSERT, 10, EINVAL),
    "insert+keep": (INSERT | KEEP, 10, EINVAL),
    "insert+punch": (INSERT | PUNCH, 10, EINVAL),
    "punch": (PUNCH, 10, EINVAL),
    "punch+zero": (PUNCH | ZERO, 10, EINVAL),
    "nothing": (PLAIN, 0, EINVAL),
    "nothing-kept": (KEEP, 0, EINVAL),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@clause("fallocate/refuses-modes-before-nodes", source="N10.1 T24 D16 T42", needs="data", clients=2)
def test_bad_modes(volume: Volume, bad: tuple[FallocateMode, int, int]) -> None:
    """A mode that cannot be is refused with EINVAL, a shift of contents with ENOTSUP, an empty range with
    EINVAL: whatever the node is, and by a read-only client too."""
    mode, size, errno = bad
    inode, reader = volume.file("x"), volume.open(read_only=True)
    with unchanged(volume):
        refuses(errno, volume.fs.fallocate, inode, mode, 0, size)
        refuses(errno, volume.fs.fallocate, 99, mode, 0, size)
        refuses(errno, reader.fallocate, inode, mode, 0, size)


@pytest.mark.parametrize("bits", [0x04, 0x40, 0x80, 0xC4])
@clause("fallocate/ignores-unknown-bits", source="N10.1", needs="data")
def test_unknown_bits(volume: Volume, bits: int) -> None:
    """Bits of the mode that mean nothing are ignored."""
    inode = volume.file("x")
    assert volume.fs.fallocate(inode, FallocateMode(bits), 0, 10) == 10
    assert volume.fs.fallocate(inode, FallocateMode(bits | KEEP), 0, 20) == 10


@pytest.mark.parametrize("mode", [PLAIN, KEEP, *ZEROING], ids=int)
@pytest.mark.parametrize(("off", "size"), [(0, 100), (9000, 1000), (9000, 2000), (20000, 5)])
@clause("fallocate/grows-unless-told-to-keep", source="N10.3 N10.4 N21.6", needs="data")
def test_length(volume: Volume, mode: FallocateMode, off: int, size: int) -> None:
    """The file grows to the end of the range unless its size is kept; mtime and ctime are stamped always,
    and usage follows the length."""
    inode = volume.file("x", mode=0o6755)
    put(volume.fs, inode, 0, 10000)
    before = volume.fs.getattr(inode)
    expected = 10000 if mode & KEEP else max(10000, off + size)
    with window() as w:
        assert volume.fs.fallocate(inode, mode, off, size) == expected
    after = volume.fs.getattr(inode)
    alike(after, before, but=("length", "mtime", "ctime"))
    assert after.length == expected
    assert after.mtime == after.ctime
    assert w.covers(after.ctime)
    volume.fs.settle()
    assert int(volume.raw.get("usedSpace")) == aligned(expected)
    stat = volume.fs.dirstat_get(1)
    assert (stat.length, stat.space) == (expected, aligned(expected))


@pytest.mark.parametrize("mode", [PLAIN, KEEP], ids=int)
@clause("fallocate/a-reservation-writes-no-record", source="N10.3", needs="data")
def test_plain(volume: Volume, mode: FallocateMode) -> None:
    """A plain reservation leaves the contents alone, inside the file and beyond."""
    inode = volume.file("x")
    id = put(volume.fs, inode, 0, 100)
    volume.fs.fallocate(inode, mode, 50, 3 * C)
    assert records(volume, inode) == [Slice(0, id, 100, 0, 100)]
    assert volume.raw.keys("c*_*") == [b"c%d_0" % inode]


RANGES = {
    "inside": (100, 50, {0: (100, 50)}),
    "to-the-end": (100, 2 * C, {0: (100, C - 100), 1: (0, C), 2: (0, 90)}),
    "over-the-end": (2 * C + 10, C, {2: (10, 80)}),
    "over-a-border": (C - 10, 30, {0: (C - 10, 10), 1: (0, 20)}),
    "a-chunk": (C, C, {1: (0, C)}),
    "at-the-end": (2 * C + 90, 10, {}),
    "beyond-the-end": (3 * C, 10, {}),
}


@each_zeroing
@pytest.mark.parametrize("range", RANGES.values(), ids=RANGES)
@clause("fallocate/zeroes-up-to-the-old-end", source="N10.3 S2.4.2", needs="data")
def test_zeros(
    volume: Volume, range: tuple[int, int, dict[int, tuple[int, int]]], mode: FallocateMode
) -> None:
    """Punching and zeroing append a record of zeros to each chunk that the range meets, as far as the old
    length goes."""
    off, size, expected = range
    inode = volume.file("x")
    rewrite(volume, inode, length=2 * C + 90)
    volume.fs.fallocate(inode, mode, off, size)
    found = {index: records(volume, inode, index) for index in (0, 1, 2, 3, 4)}
    assert {index: one for index, one in found.items() if one} == {
        index: [Slice(pos, 0, 0, 0, length)] for index, (pos, length) in expected.items()
    }


@clause("fallocate/what-was-punched-reads-as-zeros", source="N10.3 T23 I24", needs="data")
def test_punched(volume: Volume) -> None:
    """A hole that was punched into a slice is a hole to a reader; around it the slice shows."""
    inode = volume.file("x")
    id = put(volume.fs, inode, 100, 100)
    volume.fs.fallocate(inode, PUNCH | KEEP, 110, 20)
    expected = [hole(100), piece(id, 100, 0, 10), hole(20), piece(id, 100, 30, 70)]
    assert shown(volume.fs, inode) == expected


@each_type
@clause("fallocate/only-of-files", source="N10.2 T24 D16 §6", needs="data")
def test_types(volume: Volume, type: FileType) -> None:
    """A FIFO is refused with EPIPE, anything else that is no file with EPERM, before rights are asked for."""
    inode = make(volume, type, "x")
    if type is FileType.FILE:
        assert volume.fs.fallocate(inode, PLAIN, 0, 10) == 10
        return
    with unchanged(volume):
        refuses(EPIPE if type is FileType.FIFO else EPERM, volume.fs.fallocate, inode, PLAIN, 0, 10, ctx=BOB)


@clause("fallocate/of-nothing", source="N10.2 T24", needs="data")
def test_missing(volume: Volume) -> None:
    """An inode that does not exist is refused with ENOENT."""
    fs = volume.fs
    with unchanged(volume):
        refuses(ENOENT, fs.fallocate, 99, PLAIN, 0, 10, ctx=BOB)


@clause("fallocate/needs-write-access", source="N10.2 R3", needs="data")
def test_access(volume: Volume) -> None:
    """Who may not write is refused with EACCES, before append-only files are looked at."""
    inode = volume.file("x", mode=0o644, uid=ALICE.uid, gid=ALICE.gid)
    assert volume.fs.fallocate(inode, PLAIN, 0, 10, ctx=ALICE) == 10
    flag(volume, inode, AttrFlag.APPEND)
    with unchanged(volume):
        refuses(EACCES, volume.fs.fallocate, inode, ZERO, 0, 10, ctx=BOB)


@clause("fallocate/of-immutable-files", source="N10.2 T22", needs="data")
def test_immutable(volume: Volume) -> None:
    """An immutable file is refused with EPERM in every mode, before rights are asked for."""
    inode = volume.file("x", mode=0)
    flag(volume, inode, AttrFlag.IMMUTABLE)
    with unchanged(volume):
        for mode in (PLAIN, KEEP, *ZEROING):
            refuses(EPERM, volume.fs.fallocate, inode, mode, 0, 10, ctx=BOB)


@clause("fallocate/of-append-only-files", source="N10.2 T22", needs="data")
def test_append(volume: Volume) -> None:
    """An append-only file takes reservations; what zeroes, and any unknown bit, is refused with EPERM."""
    inode = volume.file("x")
    flag(volume, inode, AttrFlag.APPEND)
    assert volume.fs.fallocate(inode, PLAIN, 0, 10) == 10
    assert volume.fs.fallocate(inode, KEEP, 0, 20) == 10
    with unchanged(volume):
        for mode in (*ZEROING, FallocateMode(0x40)):
            refuses(EPERM, volume.fs.fallocate, inode, mode, 0, 10)


@clause("fallocate/of-trashed-files", source="N10.2 T19", needs="data")
def test_trashed(volume: Volume) -> None:
    """A trashed file is no exception."""
    inode = volume.file("x")
    rewrite(volume, inode, parent=0x7FFFFFFF10000001)
    assert volume.fs.fallocate(inode, PLAIN, 0, 10) == 10


@clause("fallocate/a-read-only-client-reserves-nothing", source="M2 §6", needs="data", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client is refused with EROFS."""
    inode = volume.file("x")
    reader = volume.open(read_only=True)
    with unchanged(volume):
        refuses(EROFS, reader.fallocate, inode, PLAIN, 0, 10)


@clause("fallocate/no-space-left", source="N10.2 N10.3 R12", needs="data")
def test_no_space(volume: Volume) -> None:
    """A file that would grow beyond the capacity of the volume is refused with ENOSPC; a reservation that
    keeps the size needs no space."""
    volume.format(Capacity=MIB)
    inode = volume.file("x")
    volume.fs.refresh()
    with unchanged(volume):
        refuses(ENOSPC, volume.fs.fallocate, inode, PLAIN, 0, 2 * MIB)
    assert volume.fs.fallocate(inode, KEEP, 0, 2 * MIB) == 0


OVERFLOWS = [(2**58, 1), (2**63 - 1, 1), (2**63, 2**63), (2**64 - 1, 2), (1, 2**64 - 1)]


@pytest.mark.parametrize(("off", "size"), OVERFLOWS)
@clause("fallocate/beyond-the-last-chunk", source="M1 §6", needs="data")
def test_overflow(volume: Volume, off: int, size: int) -> None:
    """A range that ends beyond 2^32 chunks is refused with EIO and changes nothing."""
    inode = volume.file("x")
    put(volume.fs, inode, 0, 10)
    with unchanged(volume):
        refuses(EIO, volume.fs.fallocate, inode, PLAIN, off, size)


@pytest.mark.parametrize(("off", "size"), OVERFLOWS[:-1])
@clause("fallocate/a-punch-beyond-the-end", source="N10.3", needs="data")
def test_punch_overflow(volume: Volume, off: int, size: int) -> None:
    """A hole that is punched far beyond the end of a file, even where the range overflows, keeps contents
    and length."""
    inode = volume.file("x")
    id = put(volume.fs, inode, 0, 10)
    assert volume.fs.fallocate(inode, PUNCH | KEEP, off, size) == 10
    assert shown(volume.fs, inode) == [piece(id, 10)]
