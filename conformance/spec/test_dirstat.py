"""Statistics of directories as they are asked for: stored, pending, counted anew (N27)."""

from __future__ import annotations

from errno import ENOENT, EPERM

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.contents import put, records, shown
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.scenery import each_non_directory, each_type, flag, make
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.types import AttrFlag, DirStat, Entry, FileType
from metaparity.fixtures.volumes import Volume

BLOCK = 4096
HASHES = ("dirDataLength", "dirUsedSpace", "dirUsedInodes")
each_hash = pytest.mark.parametrize("hash", HASHES)


def stored(volume: Volume, inode: int) -> list[bytes | None]:
    return [volume.raw.hget(hash, inode) for hash in HASHES]


@clause("dirstat/shows-what-is-stored-and-what-is-pending", source="N27.1 R9 S3.7", needs="dirstat")
def test_pending(volume: Volume) -> None:
    """The statistics are those on the server and what the client itself holds back, at once."""
    directory = volume.dir("d")
    volume.fs.settle()
    put(volume.fs, volume.file("x", directory), 0, 5000)
    volume.raw.hset("dirUsedInodes", directory, 10)
    assert volume.fs.dirstat_get(directory) == DirStat(5000, 2 * BLOCK, 11)
    assert stored(volume, directory) == [b"0", b"0", b"10"]


@each_type
@clause("dirstat/counts-each-entry-by-its-type", source="N27.2 S3.7 R9", needs="dirstat")
def test_types(volume: Volume, type: FileType) -> None:
    """An entry counts one, a file its length and the pages it takes, anything else one page."""
    directory = volume.dir("d")
    inode = make(volume, type, "x", directory)
    if type is FileType.FILE:
        put(volume.fs, inode, 0, 5000)
    volume.fs.settle()
    wanted = DirStat(5000, 2 * BLOCK, 1) if type is FileType.FILE else DirStat(0, BLOCK, 1)
    assert volume.fs.dirstat_get(directory) == wanted
    for hash in HASHES:
        volume.raw.hdel(hash, directory)
    assert volume.fs.dirstat_get(directory) == wanted
    require_laws(volume)


@clause("dirstat/missing-statistics-are-counted-and-stored", source="N27.1 N27.2", needs="dirstat")
def test_missing(volume: Volume) -> None:
    """Where the server has no statistics of a directory they are counted and stored."""
    directory = volume.dir("d")
    put(volume.fs, volume.file("x", directory), 0, 5000)
    volume.symlink("s", b"target", directory)
    volume.fs.settle()
    for hash in HASHES:
        volume.raw.hdel(hash, directory)
    assert volume.fs.dirstat_get(directory) == DirStat(5000, 3 * BLOCK, 2)
    assert stored(volume, directory) == [b"5000", b"12288", b"2"]


@each_hash
@clause("dirstat/negative-statistics-are-counted-anew", source="N27.1", needs="dirstat")
def test_negative(volume: Volume, hash: str) -> None:
    """Statistics one of which is below zero are counted anew and stored."""
    directory = volume.dir("d")
    volume.file("x", directory)
    volume.fs.settle()
    volume.raw.hset(hash, directory, -1)
    assert volume.fs.dirstat_get(directory) == DirStat(0, BLOCK, 1)
    assert stored(volume, directory) == [b"0", b"4096", b"1"]


@each_hash
@clause("dirstat/a-lost-part-is-counted-anew", source="N27.1 Q25", needs="dirstat")
def test_part(volume: Volume, hash: str) -> None:
    """Statistics one part of which is lost are counted anew."""
    directory = volume.dir("d")
    volume.file("x", directory)
    volume.fs.settle()
    volume.raw.hdel(hash, directory)
    assert volume.fs.dirstat_get(directory) == DirStat(0, BLOCK, 1)


@clause("dirstat/read-only-clients-count-and-store-nothing", source="N27.1 M2", needs="dirstat", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client counts missing statistics and stores nothing."""
    directory = volume.dir("d")
    put(volume.fs, volume.file("x", directory), 0, 5000)
    volume.settle()
    for hash in HASHES:
        volume.raw.hdel(hash, directory)
    reader = volume.open(record=False, read_only=True)
    with unchanged(volume):
        assert reader.dirstat_get(directory) == DirStat(5000, 2 * BLOCK, 1)


@clause("dirstat/a-missing-directory-has-none", source="N27.1", needs="dirstat")
def test_no_directory(volume: Volume) -> None:
    """A directory that does not exist is ENOENT, and gets no statistics."""
    volume.file("x")
    volume.fs.settle()
    with unchanged(volume):
        refuses(ENOENT, volume.fs.dirstat_get, 999)


@each_non_directory
@clause("dirstat/what-is-no-directory-is-empty", source="N27.1 Q25", needs="dirstat")
def test_file(volume: Volume, type: FileType) -> None:
    """Asked for the statistics of anything else a client answers that nothing is in it."""
    inode = make(volume, type, "x")
    assert volume.fs.dirstat_get(inode) == DirStat(0, 0, 0)


@clause("dirstat/inode-1-is-the-root-of-the-session", source="N27.1 R1", needs="dirstat", clients=2)
def test_root(volume: Volume) -> None:
    """Inode 1 means the root of the session, inode 0 that of the volume."""
    home = volume.dir("home")
    volume.file("x", home)
    volume.file("y", home)
    volume.settle()
    inside = volume.open(subdir="/home")
    assert inside.dirstat_get(1).inodes == 2
    assert inside.dirstat_get(0).inodes == 1


@clause("dirstat/of-the-trash-are-not-kept", source="N27.4 R7", needs="trash")
def test_trash(volume: Volume) -> None:
    """The trash root gets statistics only when someone asks for them; its hour directories have them."""
    volume.format(TrashDays=1)
    volume.file("x")
    volume.fs.unlink(1, b"x")
    volume.fs.settle()
    trash = volume.fs.lookup(1, b".trash").inode
    assert stored(volume, trash) == [None, None, None]
    assert volume.fs.dirstat_get(trash).inodes == 1
    assert stored(volume, trash) == [b"0", b"4096", b"1"]


@clause("batch-unlink/what-went-counts-though-more-was-refused", source="Q29 N14.5", needs="dirstat")
def test_batches(volume: Volume) -> None:
    """Where a later batch is refused the statistics of the directory say what is left of it."""
    directory = volume.dir("d")
    entries = []
    for number in range(300):
        name = b"n%03d" % number
        inode = volume.fs.mknod(directory, name, FileType.FIFO, 0).inode
        entries.append(Entry(name, inode, FileType.FIFO))
    flag(volume, entries[280].inode, AttrFlag.IMMUTABLE)
    volume.fs.settle()
    refuses(EPERM, volume.fs.batch_unlink, directory, entries)
    volume.fs.settle()
    assert volume.fs.dirstat_get(directory) == DirStat(0, 50 * BLOCK, 50)


@clause("check/leaves-files-alone", source="N36.4", needs="maintenance")
def test_check_files(volume: Volume) -> None:
    """A check looks at neither the link counts of files, nor dangling entries, nor counts of slices."""
    directory = volume.dir("d")
    inode = volume.file("x", directory)
    lost = volume.file("lost", directory)
    put(volume.fs, inode, 0, 100)
    volume.fs.settle()
    rewrite(volume, inode, nlink=7)
    volume.raw.delete(f"i{lost}")
    volume.raw.hset("sliceRef", "k99_5", 3)
    with unchanged(volume):
        volume.fs.check(b"/d", recursive=True)
        volume.fs.check(b"/d", repair=True, recursive=True)


@clause("compact/many-small-writes-become-few-slices", source="T45 N33.2", needs="data")
def test_many_writes(volume: Volume) -> None:
    """After 200 writes of 100000 bytes one after the other a compaction leaves fewer than ten records, of all
    20 million bytes."""
    inode = volume.file("x")
    for number in range(200):
        put(volume.fs, inode, number * 100_000, 100_000)
        volume.fs.settle()  # every so often one is compacted in the background
    volume.fs.compact(inode)
    assert len(records(volume, inode)) < 10
    assert sum(piece.len for piece in shown(volume.fs, inode)) == 20_000_000
