"""Compaction: what is merged, when, and what becomes of the old slices (N33, S2.5, N21.5, N22.6, N1.6)."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from errno import EINTR, ENOENT
from threading import Event as Flag
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.contents import (
    MIB,
    hole,
    normal,
    piece,
    put,
    records,
    references,
    shown,
    store,
)
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import CHUNK_SIZE, Context, Event, FallocateMode, Slice
from metaparity.fixtures.volumes import Volume

RECORDING: dict[str, Any] = {"compact_chunk": "record", "delete_slice": "record"}

COMPACTING: dict[str, Callable[[Engine, int], None]] = {
    "file": lambda fs, inode: fs.compact(inode),
    "root": lambda fs, inode: fs.compact(1),
    "all": lambda fs, inode: fs.compact_all(),
    "all-in-threads": lambda fs, inode: fs.compact_all(4),
}
each_compacting = pytest.mark.parametrize("compact", COMPACTING.values(), ids=COMPACTING)


def pieces(fs: Engine) -> list[list[Slice]]:
    """What the object store was asked to merge since last asked."""
    fs.settle()
    return [normal(event.slices) for event in fs.events() if event.kind == "compact_chunk"]


def deleted(events: list[Event]) -> set[tuple[int, int]]:
    return {(event.id, event.size) for event in events if event.kind == "delete_slice"}


def without_contents(volume: Volume) -> dict[bytes, Any]:
    """Every key that is not about slices."""
    heads = (b"c", b"sliceRef", b"delSlices", b"nextchunk")
    return {key: value for key, value in volume.keyspace().items() if not key.startswith(heads)}


@each_compacting
@clause(
    "compact/merges-many-slices-into-one",
    source="N33.3 N33.4 N33.5 N1.6 T27 S2.5 S7.9",
    needs="data",
    clients=2,
)
def test_merge(volume: Volume, compact: Callable[[Engine, int], None]) -> None:
    """Six appends become one slice, which the object store is asked to write from the six; then it is asked
    to delete these.  No attribute, time or usage changes."""
    fs = volume.open(**RECORDING)
    inode = volume.file("x")
    ids = [put(volume.fs, inode, 100 * number, 100) for number in range(6)]
    before = without_contents(volume)
    compact(fs, inode)
    fs.settle()
    (record,) = records(volume, inode)
    assert record == Slice(0, record.id, 600, 0, 600)
    assert record.id not in ids
    events = fs.events()
    (asked,) = [event for event in events if event.kind == "compact_chunk"]
    assert asked.id == record.id
    assert normal(asked.slices) == [piece(id, 100) for id in ids]
    assert deleted(events) == {(id, 100) for id in ids}
    assert references(volume) == {}
    assert without_contents(volume) == before


@clause("compact/the-trash-keeps-the-old-slices", source="N33.4 S2.7 S2.5", needs="data", clients=2)
def test_trash(volume: Volume) -> None:
    """With trash on the old slices are noted in delSlices under the new id and the time, and none is
    deleted."""
    volume.format(TrashDays=1)
    fs, inode = volume.open(**RECORDING), volume.file("x")
    ids = [put(volume.fs, inode, 100 * number, 100 + number) for number in range(3)]
    start = int(time.time())
    fs.compact(inode)
    fs.settle()
    (record,) = records(volume, inode)
    ((field, value),) = volume.raw.hgetall("delSlices").items()
    id, _, seconds = field.partition(b"_")
    assert int(id) == record.id
    assert start <= int(seconds) <= int(time.time())
    assert list(struct.iter_unpack(">QI", value)) == [(id, 100 + number) for number, id in enumerate(ids)]
    assert deleted(fs.events()) == set()
    assert references(volume) == {}


@clause("compact/a-copied-slice-stays", source="N33.4 S2.6", needs="data", clients=2)
def test_copied(volume: Volume) -> None:
    """A slice that another file refers to loses one reference to a compaction and is not deleted."""
    fs, inode, other = volume.open(**RECORDING), volume.file("x"), volume.file("y")
    one, two = put(volume.fs, inode, 0, 100), put(volume.fs, inode, 100, 100)
    volume.fs.copy_file_range(inode, 0, other, 0, 100)
    fs.compact(inode)
    fs.settle()
    assert deleted(fs.events()) == {(two, 100)}
    assert references(volume).get(b"k%d_100" % one, 0) == 0
    assert shown(fs, other) == [piece(one, 100)]


@pytest.mark.parametrize("written", [[], [(0, 10)], [(MIB, 10)]], ids=["none", "one", "one-further-on"])
@clause("compact/fewer-than-two-records-are-left-alone", source="N33.3", needs="data", clients=2)
def test_few(volume: Volume, written: list[tuple[int, int]]) -> None:
    """A chunk of no record or of one is left alone."""
    fs, inode = volume.open(**RECORDING), volume.file("x")
    for off, size in written:
        put(volume.fs, inode, off, size)
    with unchanged(volume):
        fs.compact(inode)
        fs.settle()
    assert fs.events() == []


@clause("compact/holes-at-the-ends-are-left-out", source="N33.3", needs="data", clients=2)
def test_trimmed(volume: Volume) -> None:
    """The new slice begins with the first byte that was written and ends with the last; holes between are
    part of it."""
    fs, inode = volume.open(**RECORDING), volume.file("x")
    one, two = put(volume.fs, inode, 1000, 100), put(volume.fs, inode, 2000, 100)
    volume.fs.truncate(inode, 0, 5000)
    fs.compact(inode)
    assert pieces(fs) == [[piece(one, 100), hole(900), piece(two, 100)]]
    (record,) = records(volume, inode)
    assert record == Slice(1000, record.id, 1100, 0, 1100)


@clause("compact/nothing-but-holes-becomes-one-byte", source="N33.3 T28", needs="data", clients=2)
def test_all_holes(volume: Volume) -> None:
    """Records that show nothing but zeros become one slice of one byte."""
    fs, inode = volume.open(**RECORDING), volume.file("x")
    put(volume.fs, inode, 0, 100)
    volume.fs.truncate(inode, 0, 0)
    fs.compact_all()
    fs.settle()
    (record,) = records(volume, inode)
    assert (record.size, record.off, record.len) == (1, 0, 1)


HEADS: dict[str, tuple[list[tuple[int, int]], int]] = {
    "a-mebibyte-is-kept": ([(0, MIB), (MIB, 10), (MIB + 10, 10)], 1),
    "less-than-a-mebibyte-is-not": ([(0, MIB - 1), (MIB, 10), (MIB + 10, 10)], 0),
    "a-fifth-of-all-is-kept": ([(0, MIB), (MIB, 2 * MIB), (3 * MIB, 2 * MIB)], 3),
    "less-than-a-fifth-is-not": ([(0, MIB), (MIB, 10), (5 * MIB, 10)], 0),
    "two-are-kept": ([(0, 2 * MIB), (2 * MIB, MIB), (3 * MIB, 10), (3 * MIB + 10, 10)], 2),
    "one-that-is-cut-is-not": ([(0, MIB), (MIB - 1, 10), (MIB + 10, 10)], 0),
    "one-that-is-not-first-is-not": ([(100, MIB), (0, 10), (MIB + 200, 10)], 0),
    "one-further-on-is-kept": ([(100, MIB), (MIB + 100, 10), (MIB + 110, 10)], 1),
}


@pytest.mark.parametrize("heads", HEADS.values(), ids=HEADS)
@clause("compact/good-heads-are-kept", source="N33.2 T29 S7.9.1", needs="data", clients=2)
def test_heads(volume: Volume, heads: tuple[list[tuple[int, int]], int]) -> None:
    """A first record of at least a mebibyte and a fifth of the whole, that shows intact and first, is not
    rewritten; nor is the next after it on the same terms."""
    written, kept = heads
    fs, inode = volume.open(**RECORDING), volume.file("x")
    for off, size in written:
        put(volume.fs, inode, off, size)
    before = records(volume, inode)
    shown_before = sum(one.len for one in shown(fs, inode))
    fs.compact(inode)
    fs.settle()
    after = records(volume, inode)
    assert after[:kept] == before[:kept]
    assert len(after) == (kept + 1 if kept < len(before) else kept)
    assert sum(one.len for one in shown(fs, inode)) == shown_before


@clause("compact/a-head-that-comes-again-is-not-kept", source="N33.2", needs="data", clients=2)
def test_repeated_head(volume: Volume) -> None:
    """A good head is merged all the same when an identical record follows."""
    fs, inode = volume.open(**RECORDING), volume.file("x")
    one = Slice(0, 7, MIB, 0, MIB)
    store(volume, inode, 0, [one, Slice(MIB, 8, 10, 0, 10), one])
    volume.raw.hset("sliceRef", f"k7_{MIB}", 1)
    fs.truncate(inode, 0, MIB + 10)
    volume.raw.ltrim(b"c%d_0" % inode, 0, 2)
    fs.compact(inode)
    fs.settle()
    assert len(records(volume, inode)) == 1


@clause("compact/goes-on-until-nothing-is-left", source="N33.1 N33.5", needs="data", clients=2)
def test_long(volume: Volume) -> None:
    """More records than the thousand of one round are merged by as many rounds as it takes."""
    fs, inode = volume.open(**RECORDING), volume.file("x")
    store(volume, inode, 0, [Slice(10 * number, 10000 + number, 10, 0, 10) for number in range(2300)])
    volume.fs.truncate(inode, 0, 23000)
    volume.raw.ltrim(b"c%d_0" % inode, 0, 2299)
    fs.compact(inode)
    fs.settle()
    (record,) = records(volume, inode)
    assert (record.pos, record.len) == (0, 23000)


@clause("compact/every-chunk-below-a-directory", source="N33.5", needs="data", clients=2)
def test_below(volume: Volume) -> None:
    """Compacting a directory compacts every chunk of every file below it, and no other."""
    fs, top = volume.open(**RECORDING), volume.dir("top")
    inside = [volume.file("a", top), volume.file("b", volume.dir("sub", top))]
    outside = volume.file("c")
    for inode in (*inside, outside):
        for chunk in (0, 2):
            put(volume.fs, inode, chunk * CHUNK_SIZE, 10)
            put(volume.fs, inode, chunk * CHUNK_SIZE + 10, 10)
    fs.compact(top)
    fs.settle()
    counts = {inode: [len(records(volume, inode, chunk)) for chunk in (0, 2)] for inode in (*inside, outside)}
    assert counts == {inside[0]: [1, 1], inside[1]: [1, 1], outside: [2, 2]}


@clause("compact/of-nothing", source="N33.5 §6", needs="data")
def test_missing(volume: Volume) -> None:
    """Compacting an inode that does not exist is refused with ENOENT."""
    fs = volume.fs
    with unchanged(volume):
        refuses(ENOENT, fs.compact, 99)


@clause("compact/a-cancelled-caller", source="X2", needs="data")
def test_cancelled(volume: Volume) -> None:
    """Compacting for a caller who has given up is refused with EINTR and merges nothing."""
    inode = volume.file("x")
    put(volume.fs, inode, 0, 10)
    put(volume.fs, inode, 10, 10)
    gone = Flag()
    gone.set()
    with unchanged(volume):
        refuses(EINTR, volume.fs.compact, inode, ctx=Context(cancelled=gone))


@each_compacting
@clause("compact/a-corrupt-chunk-is-left-alone", source="S1.8 N33.5", needs="data", clients=2)
def test_corrupt(volume: Volume, compact: Callable[[Engine, int], None]) -> None:
    """A chunk with a record that has not 24 bytes is left as it is; other chunks are compacted, and the call
    succeeds."""
    fs, inode = volume.open(**RECORDING), volume.file("x")
    for chunk in (0, 1):
        put(volume.fs, inode, chunk * CHUNK_SIZE, 10)
        put(volume.fs, inode, chunk * CHUNK_SIZE + 10, 10)
    volume.raw.rpush(b"c%d_0" % inode, b"x")
    before = volume.raw.lrange(b"c%d_0" % inode, 0, -1)
    compact(fs, inode)
    fs.settle()
    assert volume.raw.lrange(b"c%d_0" % inode, 0, -1) == before
    assert len(records(volume, inode, 1)) == 1


@each_compacting
@clause("compact/a-store-that-fails-changes-nothing", source="N33.3 N33.5 N1.6", needs="data", clients=2)
def test_failing_store(volume: Volume, compact: Callable[[Engine, int], None]) -> None:
    """Where the object store does not write the new slice the chunk stays as it is; the call succeeds."""
    fs, inode = volume.open(compact_chunk="fail", delete_slice="record"), volume.file("x")
    put(volume.fs, inode, 0, 10)
    put(volume.fs, inode, 10, 10)
    fs.new_slice()
    before = records(volume, inode)
    with unchanged(volume):
        compact(fs, inode)
        fs.settle()
    assert records(volume, inode) == before
    assert fs.events() == []


@clause("compact/a-read-only-client-compacts-nothing", source="M2 N33.3", needs="data", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client has no new slice to write: nothing changes."""
    inode = volume.file("x")
    put(volume.fs, inode, 0, 10)
    put(volume.fs, inode, 10, 10)
    reader = volume.open(read_only=True, **RECORDING)
    with unchanged(volume):
        reader.compact_all()
        reader.settle()


@clause("compact/a-slice-that-is-not-deleted-is-remembered", source="S7.3.3 S2.6", needs="data", clients=2)
def test_failing_deletion(volume: Volume) -> None:
    """Where the object store does not delete an old slice its count stays below zero."""
    fs, inode = volume.open(delete_slice="fail"), volume.file("x")
    ids = [put(volume.fs, inode, 10 * number, 10) for number in range(2)]
    fs.compact(inode)
    fs.settle()
    assert references(volume) == {b"k%d_10" % id: -1 for id in ids}


@clause("compact/no-deleters", source="S7.3.3", needs="data", clients=2)
def test_no_deleters(volume: Volume) -> None:
    """A client without deleters asks for no deletion, and the counts stay below zero."""
    fs, inode = volume.open(max_deletes=0, **RECORDING), volume.file("x")
    ids = [put(volume.fs, inode, 10 * number, 10) for number in range(2)]
    fs.compact(inode)
    fs.settle()
    assert deleted(fs.events()) == set()
    assert references(volume) == {b"k%d_10" % id: -1 for id in ids}


@clause("compact/two-clients-at-once", source="N33.4 N42.1", needs="data", clients=2)
def test_two_clients(volume: Volume) -> None:
    """Compactions of one chunk by two clients leave one slice, and every slice is deleted once."""
    clients = [volume.open(**RECORDING) for _ in range(2)]
    inode = volume.file("x")
    ids = [put(volume.fs, inode, 10 * number, 10) for number in range(50)]
    for client in clients:
        client.compact(inode)
    events = []
    for client in clients:
        client.settle()
        events += client.events()
    (record,) = records(volume, inode)
    gone = [event.id for event in events if event.kind == "delete_slice"]
    assert sorted(gone) == sorted(set(gone))
    assert set(ids) <= set(gone)
    assert record.id not in gone
    assert references(volume) == {}


# -- compaction by itself ------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "compacts"), [(4, False), (5, True), (6, True)])
@clause("compact/a-read-of-five-records-compacts", source="N22.6 S7.9.1", needs="data", clients=2)
def test_read_compacts(volume: Volume, count: int, compacts: bool) -> None:
    """A read that meets five records or more has the chunk compacted behind it."""
    fs, inode = volume.open(**RECORDING), volume.file("x")
    for number in range(count):
        put(volume.fs, inode, 10 * number, 10)
    assert len(fs.read(inode, 0)) == count
    assert (len(pieces(fs)) == 1) == compacts
    assert len(records(volume, inode)) == (1 if compacts else count)


@clause("compact/a-read-of-five-pieces-compacts", source="N22.6 S7.9.1", needs="data", clients=2)
def test_pieces_compact(volume: Volume) -> None:
    """Three records that show five pieces are enough."""
    fs, inode = volume.open(**RECORDING), volume.file("x")
    for off, size in ((0, 1000), (100, 10), (300, 10)):
        put(volume.fs, inode, off, size)
    assert len(fs.read(inode, 0)) == 5
    assert len(pieces(fs)) == 1


@pytest.mark.parametrize(
    ("before", "compacts"), [(97, False), (98, True), (99, False), (198, True), (349, False), (350, True)]
)
@clause("compact/a-write-of-the-hundredth-compacts", source="N21.5 S7.9.1", needs="data", clients=2)
def test_write_compacts(volume: Volume, before: int, compacts: bool) -> None:
    """A write that makes 99 records, or 99 more, or more than 350 has the chunk compacted behind it."""
    fs, inode = volume.open(**RECORDING), volume.file("x")
    fs.fallocate(inode, FallocateMode(0), 0, 10000)
    store(volume, inode, 0, [Slice(10 * number, 10000 + number, 10, 0, 10) for number in range(before)])
    put(fs, inode, 10 * before, 10)
    assert (len(pieces(fs)) == 1) == compacts
    assert len(records(volume, inode)) == (1 if compacts else before + 1)


@clause("compact/a-writer-waits-where-there-are-too-many", source="N21.5 N33.1", needs="data", clients=2)
def test_write_waits(volume: Volume) -> None:
    """A write that makes 2500 records returns after a round of compaction of the first thousand."""
    fs, inode = volume.open(**RECORDING), volume.file("x")
    fs.fallocate(inode, FallocateMode(0), 0, 25000)
    store(volume, inode, 0, [Slice(10 * number, 10000 + number, 10, 0, 10) for number in range(2499)])
    put(fs, inode, 24990, 10)
    assert len(records(volume, inode)) == 1501
