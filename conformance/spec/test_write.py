"""new_slice and write (N21), and the statistics of what they change (N20.5, N20.6)."""

from __future__ import annotations

from errno import EINTR, EIO, ENOENT, ENOSPC, EPERM, EROFS
from itertools import pairwise
from threading import Event, Thread
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import BOB
from metaparity.conformance.scenes.contents import MIB, put, records
from metaparity.conformance.scenes.records import aligned, rewrite
from metaparity.conformance.scenes.scenery import each_frozen, each_type, flag, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.types import CHUNK_SIZE, AttrFlag, Context, FileType, Slice
from metaparity.fixtures.volumes import Volume


@clause("slice/ids-strictly-increase", source="N21.1 K2 S3.3 I17", needs="data")
def test_ids(volume: Volume) -> None:
    """Slice ids begin at 1 and strictly increase, over the end of a block of 4096 too."""
    ids = [volume.fs.new_slice() for _ in range(4100)]
    assert ids[0] == 1
    assert all(left < right for left, right in pairwise(ids))
    assert int(volume.raw.get("nextchunk")) >= ids[-1]


@clause("slice/no-two-clients-get-one-id", source="N21.1 N42.3", needs="data", clients=2)
def test_two_clients(volume: Volume) -> None:
    """Two clients that take slices in turn never get the same id."""
    other = volume.open()
    ids = [client.new_slice() for _ in range(20) for client in (volume.fs, other)]
    assert len(set(ids)) == len(ids)


@clause("slice/a-read-only-client-gets-none", source="N21.1 §6", needs="data")
def test_read_only_slice(volume: Volume) -> None:
    """A read-only client cannot reserve slice ids: EROFS."""
    reader = volume.open(read_only=True)
    with unchanged(volume):
        refuses(EROFS, reader.new_slice)


@pytest.mark.parametrize("off", [0, 1, 4096, CHUNK_SIZE - 10, CHUNK_SIZE, 3 * CHUNK_SIZE + 5])
@clause("write/appends-one-record", source="N21.3 N21.4 S2.4 S1.7", needs="data")
def test_record(volume: Volume, off: int) -> None:
    """A write appends one record to its chunk: position, id, size, offset and length in the slice."""
    inode = volume.file("x")
    first = put(volume.fs, inode, off, 10)
    second = put(volume.fs, inode, off, 20, 3, 7)
    pos = off % CHUNK_SIZE
    expected = [Slice(pos, first, 10, 0, 10), Slice(pos, second, 20, 3, 7)]
    assert records(volume, inode, off // CHUNK_SIZE) == expected
    assert volume.raw.exists("sliceRef") == 0


@pytest.mark.parametrize(
    ("off", "size", "length"),
    [(0, 10, 5000), (4995, 5, 5000), (4995, 6, 5001), (9000, 1, 9001), (CHUNK_SIZE + 1, 2, CHUNK_SIZE + 3)],
)
@clause("write/grows-the-file-to-its-end", source="N21.3 N21.6", needs="data")
def test_growth(volume: Volume, off: int, size: int, length: int) -> None:
    """A write lengthens a file to the end of what it wrote and never shortens it; usage follows."""
    inode = volume.file("x")
    put(volume.fs, inode, 0, 5000)
    put(volume.fs, inode, off, size)
    volume.fs.settle()
    assert volume.fs.getattr(inode).length == length
    assert int(volume.raw.get("usedSpace")) == aligned(length)
    stat = volume.fs.dirstat_get(1)
    assert (stat.length, stat.space, stat.inodes) == (length, aligned(length), 1)


@clause("write/sets-the-given-mtime-and-stamps-ctime", source="N21.3", needs="data")
def test_times(volume: Volume) -> None:
    """A write sets mtime to the time given and stamps ctime, also where the length stays; the rest of the
    attributes stays, setuid and setgid too."""
    inode = volume.file("x", mode=0o6755)
    put(volume.fs, inode, 0, 10)
    before = volume.fs.getattr(inode)
    with window() as w:
        volume.fs.write(inode, 0, 0, Slice(0, volume.fs.new_slice(), 10, 0, 10), (1234, 56))
    after = volume.fs.getattr(inode)
    assert after.mtime == (1234, 56)
    assert w.covers(after.ctime)
    alike(after, before, but=("mtime", "ctime"))


@each_type
@clause("write/only-to-files", source="N21.2 D16", needs="data")
def test_types(volume: Volume, type: FileType) -> None:
    """Writing to anything but a file is refused with EPERM."""
    inode = make(volume, type, "x")
    id = volume.fs.new_slice()
    if type is FileType.FILE:
        volume.fs.write(inode, 0, 0, Slice(0, id, 1, 0, 1))
        return
    with unchanged(volume):
        refuses(EPERM, volume.fs.write, inode, 0, 0, Slice(0, id, 1, 0, 1))


@clause("write/to-nothing", source="N21.2", needs="data")
def test_missing(volume: Volume) -> None:
    """Writing to an inode that does not exist is refused with ENOENT."""
    id = volume.fs.new_slice()
    with unchanged(volume):
        refuses(ENOENT, volume.fs.write, 99, 0, 0, Slice(0, id, 1, 0, 1))


@clause("write/a-read-only-client-writes-nothing", source="N21.2 M2 §6", needs="data", clients=2)
def test_read_only(volume: Volume) -> None:
    """A write by a read-only client is refused with EROFS."""
    inode = volume.file("x")
    reader = volume.open(read_only=True)
    with unchanged(volume):
        refuses(EROFS, reader.write, inode, 0, 0, Slice(0, 1, 1, 0, 1))


@clause("write/a-cancelled-caller-writes-nothing", source="X2", needs="data")
def test_cancelled(volume: Volume) -> None:
    """A write whose caller has given up is refused with EINTR."""
    inode, id = volume.file("x"), volume.fs.new_slice()
    gone = Event()
    gone.set()
    with unchanged(volume):
        refuses(EINTR, volume.fs.write, inode, 0, 0, Slice(0, id, 1, 0, 1), ctx=Context(cancelled=gone))


@each_frozen
@clause("write/asks-for-no-rights", source="N21.2 D10", needs="data")
def test_unchecked(volume: Volume, frozen: AttrFlag) -> None:
    """Neither rights nor flags stop a write by inode: the open has checked them."""
    inode = volume.file("x", mode=0o400)
    flag(volume, inode, frozen)
    id = volume.fs.new_slice()
    volume.fs.write(inode, 0, 0, Slice(0, id, 10, 0, 10), ctx=BOB)
    assert records(volume, inode) == [Slice(0, id, 10, 0, 10)]


@pytest.mark.parametrize("size", [CHUNK_SIZE + 1, 3 * CHUNK_SIZE])
@clause("write/does-not-check-the-range", source="N21.2", needs="data")
def test_range(volume: Volume, size: int) -> None:
    """A slice longer than a chunk is stored as it was given; the file ends where it ends."""
    inode = volume.file("x")
    id = put(volume.fs, inode, 0, size)
    assert records(volume, inode) == [Slice(0, id, size, 0, size)]
    assert volume.fs.getattr(inode).length == size


@clause("write/nothing-beyond-the-last-chunk", source="M1 N21.2", needs="data")
def test_beyond_the_last_chunk(volume: Volume) -> None:
    """A write that would make a file longer than 2^32 chunks is refused with EIO and changes nothing."""
    inode, id = volume.file("x"), volume.fs.new_slice()
    with unchanged(volume):
        refuses(EIO, volume.fs.write, inode, 2**32 - 1, CHUNK_SIZE - 1, Slice(0, id, 2, 0, 2), (1, 1))


@clause("write/no-space-left", source="N21.2 R12", needs="data")
def test_no_space(volume: Volume) -> None:
    """A write that grows a file beyond the capacity of the volume is refused with ENOSPC; one that needs no
    more space is not."""
    volume.format(Capacity=MIB)
    inode, id = volume.file("x"), volume.fs.new_slice()
    volume.fs.refresh()
    with unchanged(volume):
        refuses(ENOSPC, volume.fs.write, inode, 0, 0, Slice(0, id, MIB + 1, 0, MIB + 1))
    volume.fs.write(inode, 0, 0, Slice(0, id, 4096, 0, 4096))
    volume.raw.set("usedSpace", 2 * MIB)
    volume.fs.refresh()
    volume.fs.write(inode, 0, 0, Slice(0, id, 4096, 0, 4096))


@clause("write/counts-in-every-directory-of-a-hard-link", source="N20.5 N21.6", needs="data")
def test_hard_links(volume: Volume) -> None:
    """The growth of a hard-linked file counts in each of its directories as often as it has names there."""
    fs = volume.fs
    one, two = volume.dir("one"), volume.dir("two")
    inode = volume.file("x", one)
    fs.link(inode, two, b"y")
    fs.link(inode, two, b"z")
    fs.settle()
    put(fs, inode, 0, 5000)
    fs.settle()
    found = [(stat.length, stat.space) for stat in map(fs.dirstat_get, (one, two))]
    assert found == [(5000, 8192), (10000, 16384)]


@clause("write/to-an-open-file-without-names", source="N20.6", needs="data")
def test_unlinked(volume: Volume) -> None:
    """A file that is open in this client is written and read after its last name is gone, until its close."""
    fs, inode = volume.fs, volume.file("x")
    fs.open_file(inode)
    fs.unlink(1, b"x")
    id = put(fs, inode, 0, 5000)
    assert [piece.id for piece in fs.read(inode, 0)] == [id]
    assert (fs.getattr(inode).nlink, fs.getattr(inode).length) == (0, 5000)
    fs.close_file(inode)
    fs.settle()
    refuses(ENOENT, fs.read, inode, 0)
    assert not volume.raw.exists(b"c%d_0" % inode)
    assert int(volume.raw.get("usedSpace")) == 0


@clause("write/two-appends-are-both-kept", source="N42.6", needs="data", clients=2)
def test_two_appends(volume: Volume) -> None:
    """Of concurrent writes to one chunk by two clients none is lost, and usage counts the longest once."""
    inode, other = volume.file("x"), volume.open()
    failures: list[BaseException] = []

    def append(client: Any, start: int) -> None:
        try:
            for number in range(20):
                put(client, inode, start + number * 2, 1)
        except BaseException as failure:
            failures.append(failure)

    threads = [Thread(target=append, args=pair) for pair in ((volume.fs, 0), (other, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(record.pos for record in records(volume, inode)) == list(range(40))
    assert volume.fs.getattr(inode).length == 39 + 1
    assert int(volume.raw.get("usedSpace")) == 4096


@clause("write/to-a-trashed-file", source="N21.2 T19", needs="data")
def test_trashed(volume: Volume) -> None:
    """A file whose parent is an hour directory of the trash is written like any other."""
    inode = volume.file("x")
    rewrite(volume, inode, parent=0x7FFFFFFF10000001)
    id = put(volume.fs, inode, 0, 10)
    assert records(volume, inode) == [Slice(0, id, 10, 0, 10)]
