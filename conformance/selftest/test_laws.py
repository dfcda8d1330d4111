"""Each law of the key-space notices what breaks it."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from metaparity.conformance import laws
from metaparity.conformance.scenes.contents import RECORD
from metaparity.conformance.scenes.records import ACLS, LAYOUT
from metaparity.drivers.types import TRASH_INODE, FileType

Keys = dict[bytes, tuple[str, Any]]


def node(
    type: FileType,
    nlink: int,
    length: int,
    parent: int,
    mode: int = 0o755,
    acls: tuple[int, int] | None = None,
    nanoseconds: int = 0,
) -> tuple[str, bytes]:
    head = (0, type << 12 | mode, 0, 0, 0, 0, 0, nanoseconds, 0, 0)
    tail = ACLS.pack(*acls) if acls else b""
    return "string", LAYOUT.pack(*head, nlink, length, 0, parent) + tail + b"\0"


def record(*fields: int) -> bytes:
    return RECORD.pack(*fields)


def entry(type: FileType, inode: int) -> bytes:
    return laws.ENTRY.pack(type, inode)


def sound() -> Keys:
    """A root with `d`, in which `f` has 5000 bytes, `l` and the root's `m` are one link, and `s` points on;
    an open file without name; a directory in the trash, with ACLs; a slice that two records refer to; and
    what quotas, owners and numbers are to be for all that."""
    hour = TRASH_INODE + 1
    return {
        b"i1": node(FileType.DIRECTORY, 3, 4096, 1),
        b"i2": node(FileType.DIRECTORY, 2, 4096, 1),
        b"i3": node(FileType.FILE, 1, 5000, 2),
        b"i4": node(FileType.FIFO, 2, 0, 0),
        b"i5": node(FileType.SYMLINK, 1, 6, 2, 0o777),
        b"i6": node(FileType.FILE, 0, 1, 2),
        b"i7": node(FileType.DIRECTORY, 2, 4096, hour, 0o751, (1, 1)),
        b"i%d" % TRASH_INODE: node(FileType.DIRECTORY, 2, 4096, 1, 0o555),
        b"i%d" % hour: node(FileType.DIRECTORY, 2, 4096, TRASH_INODE, 0o555),
        b"d1": ("hash", {b"d": entry(FileType.DIRECTORY, 2), b"m": entry(FileType.FIFO, 4)}),
        b"d2": (
            "hash",
            {b"f": entry(FileType.FILE, 3), b"l": entry(FileType.FIFO, 4), b"s": entry(FileType.SYMLINK, 5)},
        ),
        b"d%d" % TRASH_INODE: ("hash", {b"2026-01-02-03": entry(FileType.DIRECTORY, hour)}),
        b"d%d" % hour: ("hash", {b"1-7-gone": entry(FileType.DIRECTORY, 7)}),
        b"p4": ("hash", {b"1": b"1", b"2": b"1", b"9": b"0"}),
        b"s5": ("string", b"target"),
        b"session1": ("set", {b"6"}),
        b"lockf3": ("hash", {b"1_0000000000000001": b"R", b"0_0000000000000001": b"R"}),
        b"lockp9": ("hash", {b"1_0000000000000001": bytes(24), b"1_0000000000000002": bytes(24)}),
        b"locked0": ("set", {b"lockf3"}),
        b"locked1": ("set", {b"lockf3", b"lockp9"}),
        b"allSessions": ("zset", [(b"1", 2.0)]),
        b"acl": ("hash", {b"1": struct.pack(">HHHHIIHI", 7, 5, 5, 1, 1, 9, 4, 0)}),
        b"c3_0": (
            "list",
            [record(0, 1, 5000, 0, 3000), record(3000, 1, 5000, 3000, 2000), record(9, 0, 0, 0, 5)],
        ),
        b"sliceRef": ("hash", {b"k1_5000": b"1"}),
        b"usedSpace": ("string", b"32768"),
        b"totalInodes": ("string", b"7"),
        b"nextinode": ("string", b"7"),
        b"nextchunk": ("string", b"1"),
        b"nextsession": ("string", b"1"),
        b"nextTrash": ("string", b"1"),
        b"dirDataLength": ("hash", {b"2": b"5000"}),
        b"dirUsedSpace": ("hash", {b"2": b"16384"}),
        b"dirUsedInodes": ("hash", {b"2": b"3"}),
        b"dirQuotaUsedSpace": ("hash", {b"1": b"24576", b"2": b"16384"}),
        b"dirQuotaUsedInodes": ("hash", {b"1": b"5", b"2": b"3"}),
        b"setting": ("string", b'{"UserGroupQuota": true}'),
        b"userQuotaUsedSpace": ("hash", {b"0": b"32768", b"5": b"0"}),
        b"userQuotaUsedInodes": ("hash", {b"0": b"7", b"5": b"0"}),
        b"groupQuotaUsedSpace": ("hash", {b"0": b"32768"}),
        b"groupQuotaUsedInodes": ("hash", {b"0": b"7"}),
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
    "lost root": ({b"i1": ("none", None)}, "roots_are_there"),
    "lost trash root": ({b"i%d" % TRASH_INODE: ("none", None)}, "roots_are_there"),
    "root of another type": ({b"i1": node(FileType.FILE, 3, 4096, 1)}, "roots_are_there"),
    "circle": (
        {
            b"i2": node(FileType.DIRECTORY, 3, 4096, 8),
            b"i8": node(FileType.DIRECTORY, 3, 4096, 2),
            b"d8": ("hash", {b"d": entry(FileType.DIRECTORY, 2)}),
        },
        "every_way_up_ends_at_a_root",
    ),
    "lost target": ({b"s5": ("none", None)}, "links_have_targets"),
    "target of another length": ({b"s5": ("string", b"targets")}, "links_have_targets"),
    "target of a file": ({b"s3": ("string", b"t")}, "links_have_targets"),
    "mode of a link": ({b"i5": node(FileType.SYMLINK, 1, 6, 2)}, "modes_and_times_are_possible"),
    "too many nanoseconds": (
        {b"i3": node(FileType.FILE, 1, 5000, 2, nanoseconds=10**9)},
        "modes_and_times_are_possible",
    ),
    "lost rule": ({b"acl": ("none", None)}, "rules_are_there"),
    "mode beside the rule": (
        {b"i7": node(FileType.DIRECTORY, 2, 4096, TRASH_INODE + 1, 0o750, (1, 1))},
        "rules_are_there",
    ),
    "copy without name": ({b"detachedNodes": ("zset", [(b"7", 1.0)])}, "copies_are_finished"),
    "odd hour": (
        {b"d%d" % TRASH_INODE: ("hash", {b"today": entry(FileType.DIRECTORY, TRASH_INODE + 1)})},
        "the_trash_is_in_order",
    ),
    "odd trash": (
        {b"d%d" % (TRASH_INODE + 1): ("hash", {b"1-8-gone": entry(FileType.DIRECTORY, 7)})},
        "the_trash_is_in_order",
    ),
    "space of a quota": (
        {b"dirQuotaUsedSpace": ("hash", {b"1": b"0", b"2": b"16384"})},
        "directory_quotas_are_exact",
    ),
    "names of a quota": (
        {b"dirQuotaUsedInodes": ("hash", {b"1": b"5", b"2": b"4"})},
        "directory_quotas_are_exact",
    ),
    "usage of a user": ({b"userQuotaUsedSpace": ("hash", {b"0": b"4096"})}, "owners_are_charged"),
    "usage of nobody": (
        {b"userQuotaUsedInodes": ("hash", {b"0": b"7", b"5": b"1"})},
        "owners_are_charged",
    ),
    "usage of a group": ({b"groupQuotaUsedInodes": ("none", None)}, "owners_are_charged"),
    "record beyond its chunk": (
        {b"c3_0": ("list", [record(1 << 26, 1, 5000, 0, 1), record(0, 1, 5000, 0, 1)])},
        "slice_records_are_possible",
    ),
    "record beyond its slice": (
        {b"c3_0": ("list", [record(0, 1, 5000, 1, 5000), record(0, 1, 5000, 0, 1)])},
        "slice_records_are_possible",
    ),
    "slice counted too low": ({b"sliceRef": ("none", None)}, "slices_are_counted"),
    "slice counted too high": ({b"sliceRef": ("hash", {b"k1_5000": b"2"})}, "slices_are_counted"),
    "slice that waits in the trash": (
        {b"delSlices": ("hash", {b"2_5": struct.pack(">QI", 1, 5000)})},
        "slices_are_counted",
    ),
    "inode not reserved": ({b"nextinode": ("string", b"6")}, "numbers_are_reserved"),
    "slice not reserved": ({b"nextchunk": ("none", None)}, "numbers_are_reserved"),
    "session not reserved": ({b"nextsession": ("string", b"0")}, "numbers_are_reserved"),
    "hour not reserved": ({b"nextTrash": ("none", None)}, "numbers_are_reserved"),
    "target of a lost link": ({b"s9": ("string", b"t")}, "nothing_outlives_its_node"),
    "lock that its session does not know": ({b"locked1": ("set", {b"lockf3"})}, "sessions_know_their_locks"),
    "lock that nobody holds": ({b"lockp9": ("none", None)}, "sessions_know_their_locks"),
    "lock of a lost session": ({b"allSessions": ("none", None)}, "sessions_know_their_locks"),
    "data to delete": ({b"delfiles": ("zset", [(b"9:1", 1.0)])}, "nothing_outlives_its_node"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_breaks_its_law(name: str) -> None:
    changes, law = BREAKS[name]
    keys = {key: value for key, value in {**sound(), **changes}.items() if value[0] != "none"}
    assert law in broken(keys)
