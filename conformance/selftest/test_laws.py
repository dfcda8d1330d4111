"""Each law of the key-space notices what breaks it."""

from __future__ import annotations

import json
import struct
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from metaparity.conformance import laws
from metaparity.conformance.harness.deviations import Ledger
from metaparity.conformance.harness.lawfulness import EXCUSES
from metaparity.conformance.scenes.contents import RECORD
from metaparity.conformance.scenes.records import ACLS, LAYOUT
from metaparity.conformance.traces.keys import recorded_keys
from metaparity.drivers.engine import codec
from metaparity.drivers.types import TRASH_INODE, FileType

KEYSPACES = Path(str(files("metaparity.fixtures.golden").joinpath("keyspace")))

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
    return codec.encode_entry(type, inode)


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
        b"aclMaxId": ("string", b"1"),
        b"dirDataLength": ("hash", {b"2": b"5000"}),
        b"dirUsedSpace": ("hash", {b"2": b"16384"}),
        b"dirUsedInodes": ("hash", {b"2": b"3"}),
        b"dirQuotaUsedSpace": ("hash", {b"1": b"24576", b"2": b"16384"}),
        b"dirQuotaUsedInodes": ("hash", {b"1": b"5", b"2": b"3"}),
        b"setting": ("string", b'{"UserGroupQuota": true, "DirStats": true}'),
        b"userQuotaUsedSpace": ("hash", {b"0": b"32768", b"5": b"0"}),
        b"userQuotaUsedInodes": ("hash", {b"0": b"7", b"5": b"0"}),
        b"groupQuotaUsedSpace": ("hash", {b"0": b"32768"}),
        b"groupQuotaUsedInodes": ("hash", {b"0": b"7"}),
    }


def broken(keys: Keys) -> set[str]:
    """The laws that are broken."""
    return {finding.law for finding in laws.broken(keys)}


def test_sound_keys_break_no_law() -> None:
    assert broken(sound()) == set()


BREAKS: dict[str, tuple[Keys, str]] = {
    "lost node": ({b"i5": ("none", None)}, "tree/entries-lead-to-nodes"),
    "entry in a file": (
        {b"d3": ("hash", {b"x": entry(FileType.FILE, 3)})},
        "tree/entries-lie-in-directories",
    ),
    "entry of another type": (
        {b"d1": ("hash", {b"d": entry(FileType.FILE, 2), b"m": entry(FileType.FIFO, 4)})},
        "tree/entries-tell-the-type",
    ),
    "node without name": ({b"i8": node(FileType.FILE, 0, 0, 1)}, "tree/nodes-have-names"),
    "directory nlink": ({b"i1": node(FileType.DIRECTORY, 2, 4096, 1)}, "tree/directories-count-directories"),
    "directory length": ({b"i2": node(FileType.DIRECTORY, 2, 0, 1)}, "nodes/lengths-fit-the-type"),
    "directory parent": ({b"i2": node(FileType.DIRECTORY, 2, 4096, 5)}, "tree/directories-have-one-name"),
    "file nlink": ({b"i3": node(FileType.FILE, 2, 5000, 2)}, "tree/links-are-counted"),
    "sustained with a link": ({b"i6": node(FileType.FILE, 1, 1, 2)}, "tree/links-are-counted"),
    "file parent": ({b"i3": node(FileType.FILE, 1, 5000, 1)}, "tree/parents-are-known"),
    "parent counts of a single name": ({b"p3": ("hash", {b"2": b"1"})}, "tree/parents-are-known"),
    "parent counts": ({b"p4": ("hash", {b"1": b"2", b"2": b"0"})}, "tree/parents-are-counted"),
    "space": ({b"usedSpace": ("string", b"24576")}, "accounting/volume-usage-is-counted"),
    "inodes": ({b"totalInodes": ("string", b"5")}, "accounting/volume-usage-is-counted"),
    "statistics of length": (
        {b"dirDataLength": ("hash", {b"2": b"5006"})},
        "accounting/directory-statistics-are-exact",
    ),
    "statistics of space": (
        {b"dirUsedSpace": ("hash", {b"2": b"0"})},
        "accounting/directory-statistics-are-exact",
    ),
    "statistics of a lost directory": (
        {b"dirUsedInodes": ("hash", {b"2": b"3", b"9": b"0"})},
        "accounting/statistics-belong-to-directories",
    ),
    "lost root": ({b"i1": ("none", None)}, "tree/roots-are-directories"),
    "lost trash root": ({b"i%d" % TRASH_INODE: ("none", None)}, "tree/roots-are-directories"),
    "root of another type": ({b"i1": node(FileType.FILE, 3, 4096, 1)}, "tree/roots-are-directories"),
    "circle": (
        {
            b"i2": node(FileType.DIRECTORY, 3, 4096, 8),
            b"i8": node(FileType.DIRECTORY, 3, 4096, 2),
            b"d8": ("hash", {b"d": entry(FileType.DIRECTORY, 2)}),
        },
        "tree/ways-up-end-at-a-root",
    ),
    "lost target": ({b"s5": ("none", None)}, "nodes/links-have-targets"),
    "target of another length": ({b"s5": ("string", b"targets")}, "nodes/links-have-targets"),
    "target of a file": ({b"s3": ("string", b"t")}, "nodes/links-have-targets"),
    "mode of a link": ({b"i5": node(FileType.SYMLINK, 1, 6, 2)}, "nodes/modes-of-links-are-0777"),
    "too many nanoseconds": (
        {b"i3": node(FileType.FILE, 1, 5000, 2, nanoseconds=10**9)},
        "nodes/times-are-possible",
    ),
    "lost rule": ({b"acl": ("none", None)}, "acls/rules-are-there"),
    "mode beside the rule": (
        {b"i7": node(FileType.DIRECTORY, 2, 4096, TRASH_INODE + 1, 0o750, (1, 1))},
        "acls/modes-follow-rules",
    ),
    "copy without name": ({b"detachedNodes": ("zset", [(b"7", 1.0)])}, "tree/copies-are-finished"),
    "odd hour": (
        {b"d%d" % TRASH_INODE: ("hash", {b"today": entry(FileType.DIRECTORY, TRASH_INODE + 1)})},
        "trash/hours-are-named",
    ),
    "odd trash": (
        {b"d%d" % (TRASH_INODE + 1): ("hash", {b"1-8-gone": entry(FileType.DIRECTORY, 7)})},
        "trash/names-tell-where-things-were",
    ),
    "space of a quota": (
        {b"dirQuotaUsedSpace": ("hash", {b"1": b"0", b"2": b"16384"})},
        "accounting/directory-quotas-are-exact",
    ),
    "names of a quota": (
        {b"dirQuotaUsedInodes": ("hash", {b"1": b"5", b"2": b"4"})},
        "accounting/directory-quotas-are-exact",
    ),
    "usage of a user": ({b"userQuotaUsedSpace": ("hash", {b"0": b"4096"})}, "accounting/owners-are-charged"),
    "usage of nobody": (
        {b"userQuotaUsedInodes": ("hash", {b"0": b"7", b"5": b"1"})},
        "accounting/owners-are-charged",
    ),
    "usage of a group": ({b"groupQuotaUsedInodes": ("none", None)}, "accounting/owners-are-charged"),
    "record beyond its chunk": (
        {b"c3_0": ("list", [record(1 << 26, 1, 5000, 0, 1), record(0, 1, 5000, 0, 1)])},
        "data/records-lie-in-their-chunk",
    ),
    "record beyond its slice": (
        {b"c3_0": ("list", [record(0, 1, 5000, 1, 5000), record(0, 1, 5000, 0, 1)])},
        "data/records-lie-in-their-slice",
    ),
    "slice counted too low": ({b"sliceRef": ("none", None)}, "data/slices-are-counted"),
    "slice counted too high": ({b"sliceRef": ("hash", {b"k1_5000": b"2"})}, "data/slices-are-counted"),
    "slice that waits in the trash": (
        {b"delSlices": ("hash", {b"2_5": struct.pack(">QI", 1, 5000)})},
        "data/slices-are-counted",
    ),
    "inode not reserved": ({b"nextinode": ("string", b"6")}, "counters/inodes-are-reserved"),
    "slice not reserved": ({b"nextchunk": ("none", None)}, "counters/slices-are-reserved"),
    "session not reserved": ({b"nextsession": ("string", b"0")}, "counters/sessions-are-reserved"),
    "hour not reserved": ({b"nextTrash": ("none", None)}, "counters/hours-are-reserved"),
    "target of a lost link": ({b"s9": ("string", b"t")}, "nodes/nothing-outlives-its-node"),
    "lock that its session does not know": ({b"locked1": ("set", {b"lockf3"})}, "sessions/locks-are-indexed"),
    "lock that nobody holds": ({b"lockp9": ("none", None)}, "sessions/indexed-locks-are-held"),
    "lock of a lost session": ({b"allSessions": ("none", None)}, "sessions/holders-are-registered"),
    "file of a session that is gone": (
        {b"session9": ("set", {b"6"})},
        "sessions/keepers-are-registered",
    ),
    "open file that is gone": (
        {b"session1": ("set", {b"6", b"99"})},
        "sessions/sustained-files-are-unlinked",
    ),
    "deleted file that is there": (
        {b"delfiles": ("zset", [(b"3:5000", 1.0)])},
        "data/deleted-files-are-gone",
    ),
    "chunk of a lost file": ({b"c9_0": ("list", [record(0, 0, 0, 0, 5)])}, "data/chunks-belong-to-files"),
    "chunk of a directory": ({b"c2_0": ("list", [record(0, 0, 0, 0, 5)])}, "data/chunks-are-of-files"),
    "impossible name": (
        {b"d1": ("hash", {b"d": entry(FileType.DIRECTORY, 2), b"m/m": entry(FileType.FIFO, 4)})},
        "tree/names-are-possible",
    ),
    "type that is none": (
        {b"i3": ("string", b"\x00\x91\xed" + node(FileType.FILE, 1, 5000, 2)[1][3:])},
        "nodes/types-are-known",
    ),
    "value that is none": ({b"i3": ("string", b"short")}, "nodes/values-can-be-read"),
    "key of another type": ({b"i3": ("hash", {b"a": b"b"})}, "nodes/values-can-be-read"),
    "rule that is none": ({b"acl": ("hash", {b"1": b"short"})}, "acls/rules-can-be-read"),
    "minimal rule": (
        {b"acl": ("hash", {b"1": struct.pack(">HHHHII", 7, 5, 0xFFFF, 1, 0, 0)})},
        "acls/access-rules-say-more-than-modes",
    ),
    "rule not reserved": ({b"aclMaxId": ("string", b"0")}, "counters/rules-are-reserved"),
    "inode of the trash elsewhere": (
        {b"i%d" % (TRASH_INODE + 1): node(FileType.DIRECTORY, 2, 4096, 1, 0o555)},
        "trash/hours-are-directories-of-the-trash",
    ),
    "data to delete": ({b"delfiles": ("zset", [(b"9:1", 1.0)])}, "data/deletions-are-done"),
}


def test_the_counter_of_tokens_is_no_slice() -> None:
    """JuiceFS's cleanup moves it among the counts of slices, as recorded; any other such field is a fault."""
    keys = recorded_keys(json.loads((KEYSPACES / "changelog.json").read_text("utf-8"))["keyspace"])
    assert keys[b"sliceRef"][1][b"krbTokenMaxId"] == b"1"
    assert "data/slices-are-counted" not in broken(keys)
    keys[b"sliceRef"][1][b"krbTokenMinId"] = b"1"
    assert "data/slices-are-counted" in broken(keys)


OF_CALLERS = {
    "namespace-mix": {"accounting/directory-statistics-are-exact"},
    "xattr-acl": {"nodes/nothing-outlives-its-node"},
}
"""Laws that JuiceFS left broken in recorded key-spaces by rule, as every engine does (`EXCUSES`)."""

OF_JUICEFS = {
    "clone": {"accounting/directory-statistics-are-exact": "Q12"},
    "hard-links": {"accounting/directory-statistics-are-exact": "Q1"},
    "quotas": {"accounting/directory-quotas-are-exact": "flushed", "accounting/owners-are-charged": "Q7"},
    "rename-variants": {"accounting/statistics-belong-to-directories": "Q5"},
    "sessions-locks": {"sessions/locks-are-indexed": "Q31", "sessions/indexed-locks-are-held": "Q32"},
    "sessions-locks-closed": {"sessions/locks-are-indexed": "Q31", "sessions/holders-are-registered": "Q31"},
}
"""Laws that it left broken by a known fault, which the ledger pins."""


@pytest.mark.parametrize("path", sorted(KEYSPACES.glob("*.json")), ids=lambda path: path.stem)
def test_what_juicefs_left_broken_is_known(path: Path) -> None:
    """Every law that a recorded key-space breaks is one that the ledger says JuiceFS breaks after such calls,
    by the fault that is named here, or that a rule leaves to callers."""
    recording = json.loads(path.read_text("utf-8"))
    called = {step["method"] for step in recording["trace"]["steps"]}
    ledger = Ledger.read(today=date.min)
    reasons: dict[str, list[str]] = {}
    for one in laws.harmful(laws.broken(recorded_keys(recording["keyspace"]))):
        pins = ledger.find_laws(one.law, "juicefs", one.what, called)
        reasons.setdefault(one.law, []).append(" ".join(pin.why for pin in pins))
    excused = OF_CALLERS.get(path.stem, set())
    assert excused <= {excuse.law for excuse in EXCUSES}
    known = OF_JUICEFS.get(path.stem, {})
    assert reasons.keys() == known.keys() | excused
    for law, fault in known.items():
        assert all(fault in whys for whys in reasons[law])


@pytest.mark.parametrize(("mode", "holds"), [(0o774, True), (0o754, False)])
def test_a_mask_that_is_not_set_bars_nothing(mode: int, holds: bool) -> None:
    """So N29.5: beside named users the class of the group then has all permissions."""
    keys = sound()
    keys[b"i7"] = node(FileType.DIRECTORY, 2, 4096, TRASH_INODE + 1, mode, (1, 1))
    keys[b"acl"] = ("hash", {b"1": struct.pack(">HHHHIIHI", 7, 5, 0xFFFF, 4, 1, 9, 4, 0)})
    assert ("acls/modes-follow-rules" in broken(keys)) is not holds


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_breaks_its_law(name: str) -> None:
    changes, law = BREAKS[name]
    keys = {key: value for key, value in {**sound(), **changes}.items() if value[0] != "none"}
    assert law in broken(keys)


def test_every_law_has_a_break() -> None:
    assert {law for _, law in BREAKS.values()} == laws.LAWS.keys()


@pytest.mark.parametrize("name", BREAKS)
def test_a_finding_names_its_keys(name: str) -> None:
    changes, law = BREAKS[name]
    keys = {key: value for key, value in {**sound(), **changes}.items() if value[0] != "none"}
    assert all(one.keys and one.what for one in laws.broken(keys) if one.law == law)
