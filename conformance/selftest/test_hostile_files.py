"""Files that are damaged or made to harm: one error with its place, in little memory and time.

Cuts and flipped bits are tried in `stores/test_dumps.py`.  That such a file changes nothing in the database
is held by clauses (`dump/..`, `backup/..`): a load asks what is asked here before it turns to the server.
"""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaparity.conformance.scenes.backups import NAMES, assembled, field, footer, segments, wire
from metaparity.conformance.scenes.dumps import GOLDEN
from metaparity.drivers.engine import dumpfile, entrynames, hashes
from metaparity.drivers.engine import pieces as pieces_module
from metaparity.drivers.engine import segments as segments_module
from metaparity.drivers.engine import survey as survey_module
from metaparity.drivers.engine.codec import encode_slice
from metaparity.drivers.engine.dumpfile import DumpFile
from metaparity.drivers.engine.dumpnodes import AttrShape, Child, NodeShape
from metaparity.drivers.engine.dumptext import TYPE_NAMES
from metaparity.drivers.engine.inventory import inventory
from metaparity.drivers.engine.jsontext import BadFile
from metaparity.drivers.engine.schema import messages
from metaparity.drivers.engine.segments import NUMBERS
from metaparity.drivers.engine.survey import Survey, survey, surveyed
from metaparity.drivers.files import reading
from metaparity.drivers.types import Slice

from .damaged import changed, pieces

Read: TypeAlias = Callable[[BinaryIO], object]

DUMP = GOLDEN.joinpath("dump-secret.json").read_bytes()
BACKUP = GOLDEN.joinpath("backup-secret.bin").read_bytes()
FILES: dict[str, tuple[Read, bytes]] = {"dump": (survey, DUMP), "backup": (inventory, BACKUP)}

MOST_MEMORY = 32 << 20
MOST_SECONDS = 20.0


@contextmanager
def bounded() -> Iterator[None]:
    """A block that takes little memory and time."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        yield
        assert time.monotonic() - began < MOST_SECONDS
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


def fault(read: Read, data: bytes) -> str:
    """What is wrong with a file; nothing if it is whole.  Any other error than `BadFile` is raised."""
    bad = None
    try:
        read(io.BytesIO(data))
    except BadFile as found:
        bad = found
    if bad is None:
        return ""
    assert 0 <= bad.offset <= len(data), bad
    assert f"at byte {bad.offset}" in str(bad)
    assert "\n" not in str(bad)
    assert len(str(bad)) < 400
    return str(bad)


@pytest.mark.parametrize("kind", FILES)
def test_whole(kind: str) -> None:
    """The files that are damaged below have no fault before."""
    assert not fault(*FILES[kind])


@pytest.mark.parametrize("kind", FILES)
@given(drawn=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 40), pieces), min_size=1, max_size=4))
@settings(deadline=None)
def test_any_change(kind: str, drawn: list[tuple[int, int, bytes]]) -> None:
    """Whatever is put into a file or cut out of it, it is whole or has one fault with a place."""
    read, data = FILES[kind]
    fault(read, changed(data, drawn))


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
        assembled(segments(BACKUP), footer([(3, b"")] * 1_000_000)),
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


def tree(entries: str, more: str = "") -> bytes:
    """A dump with these entries in its root."""
    root = '{"attr": {"inode":1,"type":"directory"}, "entries": {' + entries + "}" + more + "}"
    document = json.loads(DUMP)
    head = json.dumps({"Setting": document["Setting"], "Counters": {}})[:-1]
    return (head + ', "FSTree": ' + root + "}").encode()


def nested(depth: int, inode: Callable[[int], int]) -> str:
    """Directories in each other."""
    begins = (
        f'"d": {{"attr": {{"inode":{inode(n)},"type":"directory"}}, "entries": {{' for n in range(depth)
    )
    return "".join(begins) + "}}" * depth


FILE = '"x": {"attr": {"inode":2,"type":"regular"}%s}'

HOSTILE_DUMPS = {
    "a name twice": (tree(f"{FILE % ''}, {FILE % ''}"), "a second entry"),
    "a directory in itself": (tree(nested(3, lambda n: 2 + n % 2)), "a second name"),
    "a ring 20,000 deep": (tree(nested(20000, lambda n: 2 + n % 19999)), "a second name"),
    "a field that is unknown": (tree(FILE % ', "colour": 1'), "no field 'colour'"),
    "entries of a file": (tree(FILE % ', "entries": {}'), "no field 'entries'"),
    "a chunk twice": (tree(FILE % ', "chunks": [{"index":1},{"index":1}]'), "a chunk twice"),
    "attributes with one name once they are stored": (
        tree(FILE % r', "xattrs": [{"name":"a\ud800","value":""},{"name":"a\udfff","value":""}]'),
        "extended attribute twice",
    ),
    "a slice of 2^64": (
        tree(FILE % ', "chunks": [{"slices":[{"id":18446744073709551616}]}]'),
        "id of a slice",
    ),
    "a length below zero": (tree('"x": {"attr": {"inode":2,"type":"regular","length":-1}}'), "length of"),
    "a number with a point": (tree('"x": {"attr": {"inode":2.0,"type":"regular"}}'), "inode of"),
    "a mode of true": (tree('"x": {"attr": {"inode":2,"type":"regular","mode":true}}'), "mode of"),
    "a name of no UTF-8": (tree(FILE % "").replace(b'"x"', b'"\xff"'), "no UTF-8"),
    "a name that is a path": (tree(FILE % "").replace(b'"x"', b'"../x"'), "impossible name"),
    "an empty name": (tree(FILE % "").replace(b'"x"', b'""'), "impossible name"),
    "a name without end": (tree('"' + "x" * (40 << 20)), "a value of more than"),
    "lists in lists": (tree(FILE % (', "xattrs": ' + "[" * 100000)), "cannot be read|no JSON"),
    "a value of too many parts": (
        tree(FILE % (', "xattrs": [' + "{}," * 600_000)),
        "more than 1048576 parts",
    ),
    "settings of 4 MiB": (b'{"Setting": {"Name": "' + b"x" * (4 << 20), "more than 1048576 characters"),
    "the root once more": (
        tree('"r": {"attr": {"inode":1,"type":"directory"}, "entries": {}}'),
        "second name",
    ),
    "trees twice": (tree("").replace(b"}}}", b'}}, "FSTree": {}}'), "a second FSTree"),
}


@pytest.mark.parametrize("name", HOSTILE_DUMPS)
def test_hostile_dump(name: str) -> None:
    """Nodes and names that cannot be, rings, depth, endless values: with its place."""
    data, wanted = HOSTILE_DUMPS[name]
    began = time.monotonic()
    with pytest.raises(BadFile, match=wanted):
        survey(io.BytesIO(data))
    assert time.monotonic() - began < MOST_SECONDS


LIMITS: dict[str, tuple[str, Callable[[int], bytes], str]] = {
    "directories in each other": (
        "MOST_DEPTH",
        lambda number: tree(nested(4 + number, lambda n: 2 + n)),
        "more than 5 directories in each other",
    ),
    "quotas": (
        "MOST_QUOTAS",
        lambda number: tree(
            "", '}, "UserQuotas": {' + ", ".join(f'"{id}": {{}}' for id in range(5 + number))
        ),
        "more than 5 UserQuotas",
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_a_dump(name: str) -> None:
    """What takes much memory may come often enough for any dump of JuiceFS, and no more often."""
    limit, made, wanted = LIMITS[name]
    with mock.patch.object(dumpfile, limit, 5):
        assert not fault(survey, made(0))
        assert wanted in fault(survey, made(1))


def test_parts_behind_a_value() -> None:
    """A long value is not refused for what follows it."""
    long = tree(FILE % (', "xattrs": [{"name": "x", "value": "' + "x" * (9 << 18) + '"}]'))
    assert not fault(survey, long[:-1] + b', "ChangeLog": [' + b'"",' * 500_000 + b'""]}')


CHUNKS = ", ".join(
    f'{{"index":{index}, "slices": [{{"id":{7 + index // 3},"size":{1 + index % 2},"len":1}}]}}'
    for index in range(20)
)


@pytest.mark.parametrize("many", [1, 2, 7, 1000])
def test_chunks_of_a_large_file(many: int) -> None:
    """A file of very many chunks is told in turns, and adds up to the same; its second name adds nothing."""
    attr = '{"attr": {"inode":2,"type":"regular"}, "chunks": ['
    data = tree(f'"a": {attr}{CHUNKS}]}}, "b": {attr}{CHUNKS}]}}')
    with mock.patch.multiple(dumpfile, MANY=many, AT_ONCE=0):
        found = survey(io.BytesIO(data))
        turns = [value for kind, value in DumpFile(io.BytesIO(data)).events() if kind == "chunks"]
        twice = fault(survey, tree(f'"a": {attr}{CHUNKS}, {{"index":0}}]}}'))
    assert (found.kinds["slice"], found.last_slice, found.shared) == (20, 13, {*range(7, 14)})
    assert found.links == {2: 2}
    assert len(turns) == {1: 40, 2: 40, 7: 10, 1000: 0}[many]
    assert "inode 2 has a chunk twice" in twice


def test_a_name_twice_among_entries_read_at_once() -> None:
    """Two spellings of a name are one name, and the second of them is told."""
    root, *files = (
        Child(name, NodeShape(AttrShape(inode, TYPE_NAMES[type])), type, inode, 100 * inode, 1)
        for name, inode, type in ((b"", 1, 2), (b"a", 2, 1), (b"b", 3, 1), (b"a", 4, 1))
    )
    with pytest.raises(BadFile, match="a second entry b'a' of directory 1 at byte 400"):
        [*surveyed([("enter", root), ("leaves", files)], Survey())]


def test_a_name_twice_among_many() -> None:
    """In a directory of very many names, one that comes again is found at its end."""
    names = ", ".join(
        f'"{name % 30}": {{"attr": {{"inode":{2 + name},"type":"regular"}}}}' for name in range(31)
    )
    with mock.patch.object(hashes, "RECENT", 5), mock.patch.object(survey_module, "MANY", 5):
        assert "directory 1 has a name twice, far apart" in fault(survey, tree(names))


def test_depth_takes_no_stack() -> None:
    """Twenty thousand directories in each other are a dump like any other."""
    assert not fault(survey, tree(nested(20000, lambda n: 2 + n)))


IDLE = """
import resource, sys
from metaparity.conformance.command import main
try:
    from metaparity.drivers.engine import survey, inventory
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    main()
finally:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) >> 10)
"""
"""The command, which tells at its end how many MiB it took besides those of an idle process."""

HEAVY: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "empty items": ("restore", lambda: assembled([(4, b"\x12\x00" * (8 << 20))], b""), "impossible name"),
    "unknown fields": ("restore", lambda: assembled([(4, field(99, 1) * (6 << 20))], b""), "not known"),
    "unknown fields of items": (
        "restore",
        lambda: assembled([(4, field(2, field(99, 1) * 20) * (300 << 10))], b""),
        "not known",
    ),
    "items of another kind": ("restore", lambda: assembled([(4, b"\x0a\x00" * (8 << 20))], b""), "holds"),
    "open files": (
        "restore",
        lambda: assembled([(8, field(8, field(2, b"\1" * (32 << 20))))], b""),
        "item of",
    ),
    "empty objects": ("load", lambda: tree(FILE % (', "xattrs": [' + "{}," * (5 << 20))), "parts"),
    "offsets": (
        "restore",
        lambda: assembled([], field(3, field(2, field(1, b"\1" * (32 << 20))))),
        "no footer",
    ),
}
"""Files that would take some hundred MiB if they were parsed as they come."""


@pytest.mark.parametrize("name", HEAVY)
def test_memory_of_a_process(name: str, tmp_path: Path) -> None:
    """What the process takes, libraries and all, stays far below what is promised."""
    command, made, wanted = HEAVY[name]
    path = tmp_path / "heavy"
    path.write_bytes(made())
    words = [sys.executable, "-c", IDLE, command, "--dry-run", "redis://127.0.0.1:1/0", str(path)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert wanted in ran.stderr
    assert int(ran.stdout.split()[-1]) < 100


@pytest.mark.parametrize("kind", FILES)
def test_gzip_in_gzip(kind: str, tmp_path: Path) -> None:
    """A file is unpacked once: ten times packed, it is none of ours."""
    read, data = FILES[kind]
    for _ in range(10):
        data = gzip.compress(data)
    path = tmp_path / "nested.gz"
    path.write_bytes(data)
    with bounded(), reading(str(path)) as stream, pytest.raises(BadFile):
        read(stream)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("filling", [b" ", b"\0", b"["], ids=["space", "zero", "bracket"])
def test_little_that_unpacks_to_much(kind: str, filling: bytes, tmp_path: Path) -> None:
    """256 MiB of the same byte, packed into few, are read without keeping them."""
    read, _ = FILES[kind]
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", 1) as packed:
        for _ in range(256):
            packed.write(filling * (1 << 20))
    with bounded(), reading(str(path)) as stream, pytest.raises(BadFile):
        read(stream)
