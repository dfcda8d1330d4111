"""Backups that are damaged or made to harm: one error with its place, in little memory and time."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from metaparity.conformance.scenes.backups import NAMES, assembled, field, footer, segments, varint, wire
from metaparity.drivers.engine import entrynames, hashes
from metaparity.drivers.engine import pieces as pieces_module
from metaparity.drivers.engine import segments as segments_module
from metaparity.drivers.engine.codec import encode_slice
from metaparity.drivers.engine.inventory import inventory
from metaparity.drivers.engine.jsontext import BadFile
from metaparity.drivers.engine.schema import messages
from metaparity.drivers.engine.segments import NUMBERS
from metaparity.drivers.types import Slice

from .damaged import BACKUP, bounded, fault

LONG = (1 << 63).to_bytes(8)


def more_in_footer(more: bytes) -> bytes:
    """A backup whose footer has something besides."""
    told = footer(segments(BACKUP))[:-8] + more
    return assembled(segments(BACKUP), told + len(told).to_bytes(8))


HOSTILE_BACKUPS = {
    "a segment of 8 EiB": (b"\x00\x00\x00\x03" + LONG + b"x", "of at most|of which at most"),
    "a segment longer than the file": (b"\x00\x00\x00\x03" + (1 << 27).to_bytes(8) + b"x", "the file ends"),
    "a list longer than its segment": (assembled([(3, b"\x0a\xff\xff\xff\xff\x07x")]), "cannot be decoded"),
    "settings of 2 MiB": (assembled([(1, field(1, b" " * (2 << 20)))]), "of which at most 1048576"),
    "a footer of a million offsets": (
        more_in_footer(field(3, field(1, b"node") + field(2, field(1, varint(12) * 1_000_000)))),
        "this is no footer of theirs",
    ),
    "a footer of more numbers than there are segments": (
        assembled(segments(BACKUP), b"\x1a\x00" * 580 + (1160).to_bytes(8)),
        "a footer of more numbers",
    ),
    "a field that is unknown": (assembled([*segments(BACKUP), (3, field(99, 1))]), "not known"),
    "a field of the footer that is unknown": (more_in_footer(field(9, 1)), "footer has fields"),
    "one in what it tells of segments": (more_in_footer(field(3, field(9, 1))), "footer has fields"),
    "an item of another kind": (assembled([*segments(BACKUP), (3, field(13, b""))]), "holds"),
    "another mark": (assembled(segments(BACKUP), footer(segments(BACKUP), magic=7)), "the mark 7"),
    "another version": (assembled(segments(BACKUP), footer(segments(BACKUP), version=2)), "version 2"),
    "a footer of other segments": (
        assembled(segments(BACKUP), footer(segments(BACKUP)[1:])),
        "other segments",
    ),
    "a second file behind it": (BACKUP + BACKUP, "something follows"),
    "every segment twice": (assembled(segments(BACKUP) * 2), "twice|before|again"),
}


@pytest.mark.parametrize("name", HOSTILE_BACKUPS)
def test_hostile_backup(name: str) -> None:
    """Lengths that lie, what is unknown, twice, or not of this format: in little memory, with its place."""
    data, wanted = HOSTILE_BACKUPS[name]
    with bounded(), pytest.raises(BadFile, match=wanted):
        inventory(io.BytesIO(data))


@pytest.mark.parametrize(("number", "wanted"), [(3, "no root"), (4, "5 segments of fewer than 16 items")])
def test_small_segments(number: int, wanted: str) -> None:
    """Of segments with next to no items a file may have some, which is far more than JuiceFS writes."""
    links = b"".join(field(7, field(1, inode)) for inode in range(100, 116))
    two = segments(BACKUP)[:2]
    with mock.patch.object(segments_module, "MOST_SMALL", 5):
        data = assembled([*two, (NUMBERS["symlink"], links), *[(NUMBERS["node"], b"")] * number])
        assert wanted in fault(inventory, data)


def test_footer_as_long_as_can_be() -> None:
    """Offsets may be fields of their own, of as many bytes as a number can have."""
    parts = [*segments(BACKUP), *[(NUMBERS["changeLog"], field(14, b""))] * 1000]
    infos: dict[int, bytes] = {}
    numbers: Counter[int] = Counter()
    at = 0
    for kind, data in parts:
        offset = bytes([at >> shift & 0x7F | 0x80 for shift in range(0, 63, 7)]) + b"\0"
        infos[kind] = infos.get(kind, b"") + b"\x08" + offset
        numbers[kind] += len([*wire(data)]) if kind > 1 else 1
        at += 12 + len(data)
    message = field(1, 0x747083) + field(2, 1)
    for kind, info in infos.items():
        message += field(3, field(1, NAMES[kind - 1].encode()) + field(2, info + field(2, numbers[kind])))
    assert not fault(inventory, assembled(parts, message + len(message).to_bytes(8)))


def broken(name: str, change: Callable[[Any], object]) -> bytes:
    """The golden backup with a change in its first segment of a kind."""
    number, message = NUMBERS[name], messages()["Batch"]
    pieces = segments(BACKUP)
    at = next(at for at, (kind, _) in enumerate(pieces) if kind == number)
    batch = message.FromString(pieces[at][1])
    change(batch)
    pieces[at] = (number, batch.SerializeToString())
    return assembled(pieces)


def retyped(data: bytes, type: int) -> bytes:
    """Attributes of another type (S2.2)."""
    return data[:1] + bytes([type << 4 | data[1] & 15]) + data[2:]


def directories(batch: Any) -> list[Any]:
    """The entries that lead to directories, the one in the root first."""
    return sorted((edge for edge in batch.edges if edge.type == 2), key=lambda edge: int(edge.parent))


def ring(batch: Any) -> None:
    """The first directory of the root is moved into one of its own."""
    outer = directories(batch)[0]
    outer.parent = next(edge.inode for edge in directories(batch) if edge.parent == outer.inode)


MISFITS: dict[str, tuple[str, Callable[[Any], object], str]] = {
    "inode 0": ("node", lambda one: one.nodes.add(data=one.nodes[0].data), "inode 0 of"),
    "short attributes": (
        "node",
        lambda one: one.nodes.add(inode=99, data=b"x" * 62),
        "inode 99 of 62 bytes",
    ),
    "an unknown type": (
        "node",
        lambda one: one.nodes.add(inode=99, data=retyped(one.nodes[0].data, 9)),
        "inode 99 of the unknown type 9",
    ),
    "an inode that no counter leads past": (
        "node",
        lambda one: one.nodes.add(inode=1 << 63, data=one.nodes[0].data),
        "inode 9223372036854775808, which no counter leads past",
    ),
    "a slice that no counter leads past": (
        "chunk",
        lambda one: one.chunks.add(inode=2, index=99, slices=encode_slice(Slice(0, 1 << 63, 1, 0, 1))),
        "a slice of inode 2, which no counter leads past",
    ),
    "references of a slice that no counter leads past": (
        "sliceRef",
        lambda one: one.slice_refs.add(id=1 << 63, size=1, refs=2),
        "slice 9223372036854775808, which no counter leads past",
    ),
    "a session that no counter leads past": (
        "sustained",
        lambda one: one.sustained.add(sid=1 << 63, inodes=[2]),
        "session 9223372036854775808, which no counter leads past",
    ),
    "an open file that no counter leads past": (
        "sustained",
        lambda one: one.sustained.add(sid=99, inodes=[2, 1 << 63]),
        "inode 9223372036854775808, which no counter leads past",
    ),
    "a deleted file that no counter leads past": (
        "delFile",
        lambda one: one.deleted_files.add(inode=1 << 63, expire=1),
        "inode 9223372036854775808, which no counter leads past",
    ),
    "a node twice": ("node", lambda one: one.nodes.append(one.nodes[0]), "come before"),
    "a node with two types": (
        "node",
        lambda one: one.nodes.add(inode=1, data=retyped(one.nodes[0].data, 7)),
        "inode 1 twice, with two types",
    ),
    "no root": (
        "node",
        lambda one: one.nodes.remove(*(n for n in one.nodes if n.inode == 1)),
        "no root",
    ),
    "an entry twice": ("edge", lambda one: one.edges.append(one.edges[0]), "a second entry"),
    "an impossible name": (
        "edge",
        lambda one: one.edges.add(parent=1, name=b"a/b", type=1),
        "name b'a/b'",
    ),
    "dots": ("edge", lambda one: one.edges.add(parent=1, name=b"..", type=1), "name b'..'"),
    "no name": ("edge", lambda one: one.edges.add(parent=1, type=1), "name b''"),
    "an entry of an unknown type": (
        "edge",
        lambda one: one.edges.add(parent=1, inode=2, name=b"new", type=9),
        "an entry to inode 2 of the unknown type 9",
    ),
    "an entry that leads nowhere": (
        "edge",
        lambda one: one.edges.add(parent=1, inode=9999, name=b"new", type=1),
        "inode 9999, which is no file",
    ),
    "an entry of another type": (
        "edge",
        lambda one: one.edges.add(parent=1, inode=1, name=b"new", type=1),
        "inode 1, which is no file",
    ),
    "entries of two types": (
        "edge",
        lambda one: one.edges.add(parent=1, inode=directories(one)[0].inode, name=b"new", type=1),
        "which is no file of the backup",
    ),
    "entries of nothing": (
        "edge",
        lambda one: setattr(one.edges[0], "parent", 9999),
        "9999, which is no directory",
    ),
    "a directory with two names": (
        "edge",
        lambda one: one.edges.add(parent=1, inode=directories(one)[0].inode, name=b"new", type=2),
        "a second name of directory",
    ),
    "a name of the root": (
        "edge",
        lambda one: one.edges.add(parent=1, inode=1, name=b"new", type=2),
        "a second name of directory 1",
    ),
    "a ring": ("edge", ring, "inside of itself"),
    "an empty chunk": ("chunk", lambda one: one.chunks.add(inode=99), "inode 99 of 0 bytes"),
    "half a record": (
        "chunk",
        lambda one: one.chunks.add(inode=99, slices=b"x" * 36),
        "inode 99 of 36 bytes",
    ),
    "a first chunk twice": (
        "chunk",
        lambda one: [one.chunks.add(inode=99, slices=bytes(24)) for _ in range(2)],
        "chunk 0 of inode 99, which has come before",
    ),
    "a later chunk twice": (
        "chunk",
        lambda one: [one.chunks.add(inode=99, index=7, slices=bytes(24)) for _ in range(2)],
        "chunk 7 of inode 99, which has come before",
    ),
    "an unknown counter": (
        "counter",
        lambda one: one.counters.add(key="other"),
        "unknown counter 'other'",
    ),
    "a counter twice": ("counter", lambda one: one.counters.append(one.counters[0]), "come before"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_backup_whose_items_do_not_fit(name: str) -> None:
    """Items that cannot be, that come twice, or that lead nowhere."""
    kind, change, wanted = MISFITS[name]
    assert wanted in fault(inventory, broken(kind, change))


FAR_APART: dict[str, tuple[str, Callable[[Any], object], str]] = {
    "an entry": (
        "edge",
        lambda one: one.edges.append(next(edge for edge in one.edges if edge.type == 1)),
        "a directory has a name twice",
    ),
    "a chunk": (
        "chunk",
        lambda one: [one.chunks.add(inode=99, index=7, slices=bytes(24)) for _ in range(2)],
        "comes twice, far apart",
    ),
    "an attribute": ("xattr", lambda one: one.xattrs.append(one.xattrs[0]), "comes twice, far apart"),
    "names": ("parent", lambda one: one.parents.append(one.parents[0]), "comes twice, far apart"),
    "a target": ("symlink", lambda one: one.symlinks.append(one.symlinks[0]), "comes twice, far apart"),
    "references": (
        "sliceRef",
        lambda one: one.slice_refs.append(one.slice_refs[0]),
        "comes twice, far apart",
    ),
}


@pytest.mark.parametrize("name", FAR_APART)
def test_twice_among_many(name: str) -> None:
    """What comes a second time after very many others is found at the end of the file."""
    kind, change, wanted = FAR_APART[name]
    with (
        mock.patch.multiple(pieces_module, FEW=1, ITEMS=1),
        mock.patch.object(hashes, "RECENT", 0),
        mock.patch.object(entrynames, "MANY", 0),
    ):
        assert wanted in fault(inventory, broken(kind, change))
        assert not fault(inventory, BACKUP)


def test_entry_of_a_segment_before() -> None:
    """An entry that has come before is told by its name, among new ones of its segment."""
    pieces = segments(BACKUP)
    batch = messages()["Batch"].FromString(next(data for kind, data in pieces if kind == NUMBERS["edge"]))
    again = batch.edges[0]
    batch.edges.insert(0, type(again)(parent=1, inode=1, name=b"new", type=1))
    more = messages()["Batch"](edges=[*batch.edges][:2]).SerializeToString()
    told = fault(inventory, assembled([*pieces, (NUMBERS["edge"], more)]))
    assert f"a second entry {again.name!r} of directory {again.parent}" in told
