"""JSON dumps that are damaged or made to harm: one error with its place, in little memory and time."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from unittest import mock

import pytest

from metaparity.drivers.engine import dumpfile, hashes
from metaparity.drivers.engine import survey as survey_module
from metaparity.drivers.engine.dumpfile import DumpFile
from metaparity.drivers.engine.dumpnodes import AttrShape, Child, NodeShape
from metaparity.drivers.engine.dumptext import TYPE_NAMES
from metaparity.drivers.engine.jsontext import BadFile
from metaparity.drivers.engine.survey import Survey, survey, surveyed

from .damaged import FILE, MOST_SECONDS, fault, tree


def nested(depth: int, inode: Callable[[int], int]) -> str:
    """Directories in each other."""
    begins = (
        f'"d": {{"attr": {{"inode":{inode(n)},"type":"directory"}}, "entries": {{' for n in range(depth)
    )
    return "".join(begins) + "}}" * depth


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
