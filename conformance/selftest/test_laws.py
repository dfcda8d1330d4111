"""Each law of the key-space notices what breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from metaparity.conformance import laws
from metaparity.conformance.scenes.records import LAYOUT
from metaparity.drivers.types import FileType

Keys = dict[bytes, tuple[str, Any]]


def node(type: FileType, nlink: int, length: int, parent: int) -> tuple[str, bytes]:
    return "string", LAYOUT.pack(0, type << 12 | 0o755, *(0,) * 8, nlink, length, 0, parent) + b"\0"


def entry(type: FileType, inode: int) -> bytes:
    return laws.ENTRY.pack(type, inode)


def sound() -> Keys:
    """A root with `d`, in which `f` has 5000 bytes, `l` and the root's `m` are one link, and `s` points on;
    an open file without name, and a directory whose clone was not attached."""
    return {
        b"i1": node(FileType.DIRECTORY, 3, 4096, 1),
        b"i2": node(FileType.DIRECTORY, 2, 4096, 1),
        b"i3": node(FileType.FILE, 1, 5000, 2),
        b"i4": node(FileType.FIFO, 2, 0, 0),
        b"i5": node(FileType.SYMLINK, 1, 6, 2),
        b"i6": node(FileType.FILE, 0, 1, 2),
        b"i7": node(FileType.DIRECTORY, 2, 4096, 1),
        b"d1": ("hash", {b"d": entry(FileType.DIRECTORY, 2), b"m": entry(FileType.FIFO, 4)}),
        b"d2": (
            "hash",
            {b"f": entry(FileType.FILE, 3), b"l": entry(FileType.FIFO, 4), b"s": entry(FileType.SYMLINK, 5)},
        ),
        b"p4": ("hash", {b"1": b"1", b"2": b"1", b"9": b"0"}),
        b"s5": ("string", b"target"),
        b"session1": ("set", {b"6"}),
        b"detachedNodes": ("zset", [(b"7", 1.0)]),
        b"usedSpace": ("string", b"28672"),
        b"totalInodes": ("string", b"6"),
        b"dirDataLength": ("hash", {b"2": b"5000"}),
        b"dirUsedSpace": ("hash", {b"2": b"16384"}),
        b"dirUsedInodes": ("hash", {b"2": b"3"}),
    }


def broken(keys: Keys) -> set[str]:
    """The names of the laws that are broken."""
    tree = laws.Tree(keys)
    return {law.__name__ for law in laws.LAWS if list(law(tree))}


def test_sound_keys_break_no_law() -> None:
    assert broken(sound()) == set()


BREAKS: dict[str, tuple[Keys, str]] = {
    "lost node": ({b"i5": ("none", None)}, "entries_lead_to_nodes"),
    "entry in a file": (
        {b"d3": ("hash", {b"x": entry(FileType.FILE, 3)})},
        "entries_lead_to_nodes",
    ),
    "entry of another type": (
        {b"d1": ("hash", {b"d": entry(FileType.FILE, 2), b"m": entry(FileType.FIFO, 4)})},
        "entries_lead_to_nodes",
    ),
    "node without name": ({b"i8": node(FileType.FILE, 0, 0, 1)}, "nodes_have_names"),
    "directory nlink": ({b"i1": node(FileType.DIRECTORY, 2, 4096, 1)}, "directories_count_their_children"),
    "directory length": ({b"i2": node(FileType.DIRECTORY, 2, 0, 1)}, "directories_count_their_children"),
    "directory parent": ({b"i2": node(FileType.DIRECTORY, 2, 4096, 5)}, "directories_count_their_children"),
    "file nlink": ({b"i3": node(FileType.FILE, 2, 5000, 2)}, "links_are_counted"),
    "sustained with a link": ({b"i6": node(FileType.FILE, 1, 1, 2)}, "links_are_counted"),
    "file parent": ({b"i3": node(FileType.FILE, 1, 5000, 1)}, "parents_are_counted"),
    "parent counts of a single name": ({b"p3": ("hash", {b"2": b"1"})}, "parents_are_counted"),
    "parent counts": ({b"p4": ("hash", {b"1": b"2", b"2": b"0"})}, "parents_are_counted"),
    "space": ({b"usedSpace": ("string", b"24576")}, "usage_is_counted"),
    "inodes": ({b"totalInodes": ("string", b"5")}, "usage_is_counted"),
    "statistics of length": ({b"dirDataLength": ("hash", {b"2": b"5006"})}, "directory_statistics_are_exact"),
    "statistics of space": ({b"dirUsedSpace": ("hash", {b"2": b"0"})}, "directory_statistics_are_exact"),
    "statistics of a lost directory": (
        {b"dirUsedInodes": ("hash", {b"2": b"3", b"9": b"0"})},
        "directory_statistics_are_exact",
    ),
    "target of a lost link": ({b"s9": ("string", b"t")}, "nothing_outlives_its_node"),
    "data to delete": ({b"delfiles": ("zset", [(b"9:1", 1.0)])}, "nothing_outlives_its_node"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_breaks_its_law(name: str) -> None:
    changes, law = BREAKS[name]
    keys = {key: value for key, value in {**sound(), **changes}.items() if value[0] != "none"}
    assert law in broken(keys)
