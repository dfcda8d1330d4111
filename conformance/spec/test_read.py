"""read: what a chunk consists of, and what is cached of it (N22, N23, S1.8)."""

from __future__ import annotations

import json
import time
from errno import EIO, ENOENT, EPERM
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import BOB
from metaparity.conformance.scenes.contents import hole, normal, piece, put, shown, store
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.scenery import each_non_directory, fresh, make
from metaparity.conformance.verbs import refuses, unchanged, window
from metaparity.drivers.types import CHUNK_SIZE, FileType, Slice
from metaparity.fixtures.volumes import Volume

VECTORS = [
    vector
    for vector in json.loads(files("metaparity.fixtures.golden").joinpath("slice-vectors.json").read_text())[
        "vectors"
    ]
    if vector["op"] == "read"
]

SCALE = 1 << 20


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
@clause("read/as-recorded", source="N22.2 N22.4 N22.5 S2.4", needs="data")
def test_vectors(volume: Volume, vector: dict[str, Any]) -> None:
    """Recorded lists of records read as the recorded engine read them, corrupt ones refused with EIO."""
    inode = volume.file("x")
    for record in vector["raw"]:
        volume.raw.rpush(b"c%d_0" % inode, bytes.fromhex(record))
    if "errno" in vector["result"]:
        with unchanged(volume):
            refuses(EIO, volume.fs.read, inode, 0)
        return
    expected = [Slice(0, one["id"], one["size"], one["off"], one["len"]) for one in vector["result"]["ok"]]
    assert shown(volume.fs, inode) == normal(expected)


def painted(written: list[Slice]) -> list[Slice]:
    """What a chunk reads as: each unit of it painted by one record after the other."""
    units: dict[int, tuple[int, int, int]] = {}
    for one in written:
        for at in range(one.len // SCALE):
            units[one.pos // SCALE + at] = (one.id, one.size, one.off // SCALE + at)
    found: list[Slice] = []
    for unit in range(max(units, default=-1) + 1):
        id, size, off = units.get(unit, (0, 0, 0))
        found.append(Slice(0, id, size if id else 0, off * SCALE if id else 0, SCALE))
    return found


def in_units(pieces: list[Slice]) -> list[Slice]:
    """Pieces cut into units."""
    return [
        Slice(0, one.id, one.size if one.id else 0, (one.off + at) if one.id else 0, SCALE)
        for one in pieces
        for at in range(0, one.len, SCALE)
    ]


overwrites = st.lists(
    st.tuples(st.integers(0, 15), st.integers(1, 8), st.integers(0, 3), st.booleans()),
    min_size=1,
    max_size=12,
)


@given(drawn=overwrites)
@clause("read/later-records-win", source="N22.2 N22.3", needs="data")
def test_any_overwrites(volume: Volume, drawn: list[tuple[int, int, int, bool]]) -> None:
    """Whatever records overlap, a reader is shown for each byte the last record over it, and zeros where
    there is none."""
    inode = volume.file(fresh(volume))
    written = [
        Slice(pos * SCALE, 0 if empty else id, 16 * SCALE, 0 if empty else off * SCALE, length * SCALE)
        for id, (pos, length, off, empty) in enumerate(drawn, 1)
    ]
    store(volume, inode, 0, written)
    reader = volume.fs
    assert in_units(shown(reader, inode)) == in_units(normal(painted(written)))
    reader.settle()


@clause("read/of-an-empty-chunk", source="N22.1", needs="data")
def test_empty(volume: Volume) -> None:
    """A chunk of a file without records reads as nothing, also far beyond the end of the file."""
    inode = volume.file("x")
    assert volume.fs.read(inode, 0) == []
    assert volume.fs.read(inode, 2**32 - 1) == []


@each_non_directory
@clause("read/only-of-files", source="N22.1 D16", needs="data")
def test_types(volume: Volume, type: FileType) -> None:
    """Reading what is no file is refused with EPERM."""
    inode = make(volume, type, "x")
    if type is FileType.FILE:
        assert volume.fs.read(inode, 0) == []
        return
    with unchanged(volume):
        refuses(EPERM, volume.fs.read, inode, 0)
        refuses(EPERM, volume.fs.read, 1, 0)


@clause("read/of-nothing", source="N22.1", needs="data")
def test_missing(volume: Volume) -> None:
    """Reading an inode that does not exist is refused with ENOENT."""
    fs = volume.fs
    with unchanged(volume):
        refuses(ENOENT, fs.read, 99, 0)


@clause("read/of-a-chunk-whose-file-is-gone", source="N22.1 S1.8", needs="data")
def test_orphan(volume: Volume) -> None:
    """A chunk that has records is read without asking whether its file is still there."""
    inode = volume.file("x")
    id = put(volume.fs, inode, 0, 10)
    volume.raw.delete(b"i%d" % inode)
    assert shown(volume.fs, inode) == [piece(id, 10)]


@clause("read/of-a-chunk-whose-key-is-missing", source="N22.1 S1.8", needs="data")
def test_lost_chunk(volume: Volume) -> None:
    """A chunk that lost its key reads as a hole; the length stays."""
    inode = volume.file("x")
    put(volume.fs, inode, 0, 10)
    volume.raw.delete(b"c%d_0" % inode)
    assert volume.fs.read(inode, 0) == []
    assert volume.fs.getattr(inode).length == 10


@pytest.mark.parametrize("record", [b"", b"x", b"\0" * 23, b"\0" * 25, b"\0" * 48], ids=len)
@clause("read/of-a-corrupt-chunk", source="S1.8 N22.1", needs="data")
def test_corrupt(volume: Volume, record: bytes) -> None:
    """One record that has not 24 bytes makes its whole chunk unreadable: EIO, and nothing is changed."""
    inode = volume.file("x")
    put(volume.fs, inode, 0, 10)
    volume.raw.rpush(b"c%d_0" % inode, record)
    with unchanged(volume):
        refuses(EIO, volume.fs.read, inode, 0)


@clause("read/asks-for-no-rights", source="N22.1", needs="data")
def test_unchecked(volume: Volume) -> None:
    """Reading by inode asks for no rights, and shows what lies beyond the end of the file."""
    inode = volume.file("x", mode=0)
    id = put(volume.fs, inode, 0, 10)
    rewrite(volume, inode, length=3)
    assert normal(volume.fs.read(inode, 0, ctx=BOB)) == [piece(id, 10)]


@clause("read/starts-at-the-start-of-the-chunk", source="N22.2 T23", needs="data")
def test_leading_hole(volume: Volume) -> None:
    """What is before the first record reads as a hole, what is behind the last is left out."""
    inode = volume.file("x")
    id = put(volume.fs, inode, CHUNK_SIZE + 100, 100)
    assert shown(volume.fs, inode, 1) == [hole(100), piece(id, 100)]
    assert shown(volume.fs, inode, 0) == []


@pytest.mark.parametrize("mode", ["noatime", "relatime", "strictatime"])
@clause("read/stamps-atime", source="N22.1 R14 T32", needs="data", clients=2)
def test_atime(volume: Volume, mode: str) -> None:
    """A read stamps atime as the mode says."""
    inode = volume.file("x")
    put(volume.fs, inode, 0, 10)
    client = volume.open(atime_mode=mode)
    seconds = int(time.time())
    rewrite(volume, inode, atime=seconds - 20, mtime=seconds - 10, ctime=seconds - 10)
    with window() as w:
        client.read(inode, 0)
    assert w.covers(volume.fs.getattr(inode).atime) == (mode != "noatime")


@clause("read/of-a-cached-chunk-stamps-atime", source="N22.1 R14", needs="data", clients=2)
def test_atime_of_cached(volume: Volume) -> None:
    """A read that is answered from a cached chunk stamps atime as well."""
    inode = volume.file("x")
    put(volume.fs, inode, 0, 10)
    client = volume.open(atime_mode="strictatime")
    client.open_file(inode)
    client.read(inode, 0)
    time.sleep(1.1)
    with window() as w:
        client.read(inode, 0)
    assert w.covers(volume.fs.getattr(inode).atime)


@clause("read/a-read-only-client-does-not-stamp", source="N22.1 R14", needs="data", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client reads without stamping and without compacting."""
    inode = volume.file("x")
    for number in range(8):
        put(volume.fs, inode, 2 * number, 1)
    reader = volume.open(read_only=True, atime_mode="strictatime", compact_chunk="record")
    rewrite(volume, inode, atime=1, atime_ns=0)
    with unchanged(volume):
        assert len(reader.read(inode, 0)) == 15
        reader.settle()
    assert reader.events() == []
