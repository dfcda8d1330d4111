"""The recorded calls of the real engine, made again: every outcome and every key must be the same."""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from metaparity.conformance.clause import Clause
from metaparity.conformance.traces.files import load
from metaparity.conformance.traces.form import Trace, missing
from metaparity.conformance.traces.keys import keyspace_differences
from metaparity.conformance.traces.replay import Mismatch, replay
from metaparity.drivers.api import CAPABILITIES
from metaparity.drivers.types import FileType
from metaparity.fixtures.volumes import Volume

GOLDEN = files("metaparity.fixtures.golden")

VECTORS = {
    "E01": ("errno-matrix", "§6", "Each refused call names the errno of the errno matrix."),
    "E02": ("errno-quota-and-space", "§6", "Exhausted quotas answer EDQUOT and a full volume ENOSPC."),
    "E03a": ("chroot-below-immutable", "N38", "Chroot refuses to make a directory in an immutable one."),
    "E03b": ("chroot-through-closed-directory", "N38", "Chroot needs search permission on the way."),
    "E03c": ("chroot-below-trash", "N38", "Chroot refuses to make a directory named like the trash."),
    "E03d": ("chroot-to-file", "N38", "Chroot to a file answers ENOTDIR."),
    "E03e": ("chroot-without-quota-left", "N38", "Chroot answers EDQUOT where it may not make a directory."),
    "E03f": ("chroot-dot-dot", "N38", "Chroot treats .. as the parent directory."),
    "E03g": ("chroot-below-read-only", "N38", "Chroot needs write permission to make a directory."),
    "L01": ("locks-grant-and-refuse", "L1 L2", "Flocks and record locks are granted and refused by kind."),
    "L02": ("stale-session-cleanup", "L3.8", "Cleaning an expired session releases its write locks."),
    "L03": (
        "legacy-and-broken-sessions",
        "L3.11 L3.12",
        "Legacy sessions are listed and broken ones left out.",
    ),
    "L04": ("session-without-heartbeat", "L3.4", "A client without heartbeat registers a session."),
    "L05": ("cleanup-election", "L3.6 S7.6", "A cleanup is won once a period."),
    "L10": (
        "lock-owner-and-range-oddities",
        "L2",
        "Odd record-lock ranges and foreign lock records are read.",
    ),
    "M01": ("unreferenced-slices", "N35.6", "Slice cleanup deletes what nothing refers to."),
    "M02": ("failed-slice-deletion", "N35", "A slice whose deletion fails stays recorded."),
    "M03": ("no-slice-deleters", "N35", "A client without deleters deletes no slice."),
    "M04": ("failed-compaction", "N33", "A compaction that the object store refuses changes nothing."),
    "M05": ("no-object-store", "N33", "A client without object-store callbacks compacts nothing."),
    "M06": ("compaction-of-many-writes", "N33", "Many small writes are compacted into few slices."),
    "M07": ("pending-file-deletion", "N35", "Files that wait for deletion lose their slices."),
    "M08": ("repeated-slice-cleanup", "N35.6", "Slice cleanup may be repeated."),
    "M09": ("slice-cleanup-and-open-files", "N35.6", "Slice cleanup runs while an unlinked file is open."),
    "M10": ("detached-nodes", "N35.5", "Detached trees are removed when they are old enough."),
    "M11": ("check-paths-and-statistics", "N36", "A check reports and repairs only what it was asked for."),
    "M12": ("changelog-trimming", "S8.3", "The change log is cut to its length and read from a version on."),
    "M13": ("changelog-of-one-create", "S8", "A creation with a change log succeeds."),
    "M14": ("format-with-secret", "S5.8", "A volume with a secret key is loaded with it."),
    "Q03": ("shrunk-file-leaks-a-chunk", "Q3", "A shrunk file's far chunk outlives the file."),
    "Q04": ("dot-names-by-rename-and-clone", "Q4", "Rename and clone produce the names . and .."),
    "Q05": ("replaced-directory-keeps-statistics", "Q5", "Renaming over an empty directory succeeds."),
    "Q06": (
        "replace-into-occupied-trash",
        "Q6",
        "Replacing a hard link that is in the trash counts it twice.",
    ),
    "Q07": ("chown-of-special-files", "Q7", "A special file changes hands without its usage."),
    "Q08": ("quota-of-group-zero", "Q8", "An exhausted quota of group 0 stops everyone."),
    "Q09": ("entries-without-node", "Q9", "An entry whose node has no record is found by type and removed."),
    "Q10": ("chmod-with-acl", "Q10", "A node with an access ACL lets others change its mode."),
    "Q11": ("exchange-across-quotas", "Q11", "An exchange across directories accounts the directory only."),
    "Q12": ("symlink-length-in-statistics", "Q12", "Links to a symlink add its target to the statistics."),
    "Q13": (
        "link-of-an-unlinked-file",
        "Q13",
        "An open file without names can be linked and dies at its close.",
    ),
    "Q15": ("growth-of-trashed-files", "Q15", "A trashed file grows at the expense of the root quota."),
    "Q15b": ("growth-of-half-trashed-files", "Q15", "A partly trashed file is charged through the trash."),
    "Q16": (
        "clone-of-hard-linked-symlink",
        "Q16",
        "The clone of a hard-linked symlink keeps its link count.",
    ),
    "Q17": (
        "clone-charges-the-owner",
        "Q17",
        "A clone that is not preserved is charged to the source's owner.",
    ),
    "Q18": (
        "clone-counts-children-twice",
        "Q18",
        "A directory clone is counted twice in the quotas above it.",
    ),
    "Q19": ("clone-drops-special-files", "Q19", "A directory clone leaves out special files."),
    "Q20": ("deleted-quota-comes-back", "Q20", "Pending usage brings a deleted quota back."),
    "Q22": ("detached-member-without-node", "Q22", "A detached member without node stays."),
    "Q23": ("check-zeroes-counters", "Q23", "A check of the root without recursion zeroes the counters."),
    "Q24": ("hour-directory-credit", "Q24", "A removed hour directory is credited though never charged."),
    "Q25": ("statistics-of-a-file", "Q25", "Asking for the statistics of a file creates them."),
    "Q26": ("invented-root-attributes", "Q26 N7.3", "A root without record has default attributes."),
    "Q27": ("acl-ignores-the-chroot", "Q27", "ACL calls mean the real root, attribute calls the client's."),
    "Q28": (
        "listing-of-an-empty-directory",
        "Q28 N19.4",
        "A listing that was empty sees entries made later.",
    ),
    "T01": ("first-inodes", "T1", "The first nodes of a volume are inodes 2 and 3."),
    "T02": (
        "statfs-of-an-empty-volume",
        "T2",
        "An empty volume without limits offers 2^50 bytes and 10 Mi inodes.",
    ),
    "T02b": ("statfs-with-limits", "T2", "A volume with limits offers what the nodes leave of them."),
    "T03": ("statfs-below-a-quota", "T3", "A quota shows in the figures of its directory."),
    "T04": ("statfs-of-nested-quotas", "T4", "The tightest of nested quotas shows in the figures."),
    "T05": ("dot-and-dot-dot", "T5", "Lookup knows . and .. where they make sense."),
    "T06": ("basic-refusals", "T6", "Unlink, rmdir and mknod refuse nodes of the wrong kind."),
    "T07": ("setgid-of-new-nodes", "T7", "New nodes in a setgid directory keep setgid only for members."),
    "T08": ("inherited-group", "T8", "New nodes in a setgid directory take its group."),
    "T09": ("chown-clears-setid", "T9", "A change of owner clears setuid and setgid."),
    "T10": ("attributes-by-others", "T10", "Others with write permission may set times but not modes."),
    "T11": ("sticky-directory", "T11", "A sticky directory keeps others' entries."),
    "T12": ("order-of-checks", "T12", "Refusals in a read-only directory come in the order of the checks."),
    "T13": ("rename-flags", "T13 N16", "Rename flags replace, exchange and refuse as they say."),
    "T14": (
        "rename-between-names-of-one-node",
        "T14",
        "Renaming between two names of one node does nothing.",
    ),
    "T15": ("parents-of-hard-links", "T15", "Each directory counts the names it gives to a node."),
    "T16": ("protection-of-the-trash", "T16", "Trashed nodes are protected."),
    "T17": ("hard-links-in-the-trash", "T17", "A hard link in the trash counts once."),
    "T18": ("rename-makes-the-hour-directory", "T18", "Rename with trash on makes the hour directory."),
    "T19": ("use-of-trashed-files", "T19", "A trashed file can be written, read and linked."),
    "T20": ("removal-of-the-trash", "T20", "The hour directory outlives the removal of the trash."),
    "T21": ("skip-trash-flag", "T21", "What is in a directory that skips the trash is removed at once."),
    "T22": ("append-and-immutable", "T22", "Append-only and immutable nodes refuse what would change them."),
    "T23": ("holes-of-a-chunk", "T23", "Read shows holes where nothing was written or holes were punched."),
    "T24": ("fallocate-refusals", "T24", "Fallocate refuses unknown modes and nodes."),
    "T25": ("copy-of-ranges", "T25", "Copied ranges refer to the same slices."),
    "T26": ("slice-references", "T26", "A copied slice lives as long as something refers to it."),
    "T27": ("compaction-of-appends", "T27", "Appends are compacted into one slice."),
    "T28": ("compaction-of-overwrites", "T28", "Overwrites are compacted into one slice."),
    "T29": ("compaction-keeps-good-heads", "T29", "A large head of a chunk is not compacted."),
    "T30": ("acl-and-mode", "T30", "ACL and mode bits follow each other."),
    "T31": ("acl-and-access", "T31", "Access follows the ACL and its mask."),
    "T32-noatime": ("access-times", "T32", "noatime never moves an access time."),
    "T32-relatime": ("access-times", "T32", "relatime moves an access time that is old."),
    "T32-strictatime": ("access-times", "T32", "strictatime moves the access time with every access."),
    "T33": ("directory-statistics", "T33", "Directory statistics follow every change of the children."),
    "T34": ("quota-of-open-files", "T34", "An unlinked open file is credited to directories at once."),
    "T35": ("moves-between-quotas", "T35", "A move carries usage from quota to quota."),
    "T36": ("clone-of-a-tree", "T36", "A cloned tree shares slices and counts as its own."),
    "T38": ("batch-unlink-of-strangers", "T38", "Batch unlink passes over entries that are not there."),
    "T39": ("resolve", "T39 N6", "Resolve walks names and nothing else."),
    "T40": ("case-insensitive-names", "T40", "A client that ignores case finds names by any case."),
    "T41": ("chroot", "T41 N38", "A chroot makes its directories and hides what is outside."),
    "T42": ("read-only-client", "T42", "A read-only client refuses every change."),
    "T44": ("xattr-flags", "T44", "Extended attributes obey their flags and survive an unlink."),
    "T47": ("growth-after-unlink", "T47", "An unlinked open file grows in its old parent's statistics."),
    "T48": ("session-end", "T48", "The end of a session releases locks and unlinked files."),
    "T48b": (
        "usage-of-unlinked-files",
        "T48",
        "An unlinked open file is credited to its owner at its close.",
    ),
    "T49": ("summary-of-hard-links", "T49", "A summary counts every name of a hard link."),
    "T50": ("chown-of-symlinks", "T50", "A symlink changes hands without its usage."),
    "X01": (
        "odd-arguments",
        "N4 N5 N11 N12 N13",
        "Odd names, targets, types and inodes are refused one by one.",
    ),
    "X02": (
        "existing-files-and-cached-links",
        "N12.9 N16.5",
        "Create takes an existing file unless it is hidden.",
    ),
    "X10": ("root-quota-and-trashed-file", "Q30", "A trashed file is credited to the root quota."),
    "X10b": ("root-quota-and-trashed-directory", "Q30", "A trashed directory is credited twice."),
    "X13": ("statistics-of-the-root", "N27", "The statistics of the root survive a second flush."),
    "X16": (
        "reformat-turns-on-accounting",
        "N1.1",
        "A volume is formatted again with statistics and quotas on.",
    ),
    "X17": ("counter-blocks", "S3.2", "Each client takes inodes and slices from a block of its own."),
    "X19": ("tokens", "N40.1", "Tokens are stored, loaded and deleted by id."),
    "X20": ("huge-inodes", "S4.3 N6.3", "Lookup takes an inode above 2^52 that resolve gives up on."),
    "X21": ("lost-script", "S4.3.5", "A lookup works after the server lost its scripts."),
    "X22": ("unlink-by-another-client", "N13.11", "A file open elsewhere is gone once it is unlinked."),
    "X23": ("quota-of-one-inode", "N30", "A pending use does not stop a second creation at once."),
    "X30": ("failed-chroot", "Q34", "A failed chroot stays where it came to."),
    "X31": ("pending-slices", "N34.1", "Pending slices are listed and deleted on demand."),
    "X32": ("shared-lock-of-a-closed-session", "Q31", "A shared flock outlives its session."),
    "X41": ("cached-attributes", "N7.1", "Cached attributes of open files are used until they expire."),
    "X42": ("cached-chunks", "N22", "Cached chunks are used until the file changes."),
}
"""Trace to the words of its id, its source and its sentence."""

KEYSPACES = {
    "changelog": ("changelog", "S8", "A change log holds one line for each mutation."),
    "clone": ("clone", "N25", "Clones of files and trees leave the recorded keys."),
    "data": ("data", "N9 N10 N21 N24 N33", "Writes, copies and compactions leave the recorded keys."),
    "format-acl-quota": (
        "format-with-everything",
        "S5.8",
        "Formatting with ACLs and quotas writes these keys.",
    ),
    "format-plain": ("format", "N1.2", "Formatting writes the settings and the root, and nothing else."),
    "format-trash": ("format-with-trash", "N1.2", "Formatting with trash writes the trash root."),
    "hard-links": ("hard-links", "N17", "Links and renames over them leave the recorded counts."),
    "namespace-mix": ("namespace", "S2 S3", "Nodes of every type leave the recorded keys."),
    "quotas": ("quotas", "N30", "Quotas leave the recorded limits and usage."),
    "rename-variants": ("renames", "N16", "Renames of every kind leave the recorded keys."),
    "sessions-locks": (
        "open-sessions",
        "L1 L2 L3",
        "Sessions with locks and open files leave the recorded keys.",
    ),
    "sessions-locks-closed": ("closed-session", "L3.15", "A closed session leaves only its shared flocks."),
    "trash": ("trash", "S3.5", "Removals with trash leave the recorded keys."),
    "xattr-acl": ("xattr-and-acl", "N28 N29", "Extended attributes and ACLs leave the recorded keys."),
}
"""Key space to the words of its id, its source and its sentence."""


def attr(type: FileType, mode: int, nlink: int, length: int, parent: int) -> bytes:
    """An attribute record of the superuser, made at second 1 (S2.2)."""
    times = struct.pack(">qI", 1, 0) * 3
    head = struct.pack(">BHII", 0, type << 12 | mode, 0, 0)
    return head + times + struct.pack(">IQIQB", nlink, length, 0, parent, 0)


def forget_the_node_of_f(raw: Any) -> None:
    raw.delete("i2")


def forget_both_roots(raw: Any) -> None:
    raw.delete("i1", "i9223372032828243968")


def lose_one_statistic_of_d(raw: Any) -> None:
    raw.hdel("dirUsedInodes", "3")


def let_the_second_session_expire(raw: Any) -> None:
    raw.zadd("allSessions", {"2": 1})


def add_a_legacy_session(raw: Any) -> None:
    raw.zadd("sessions", {"77": 100})


def spoil_the_info_of_the_first_session(raw: Any) -> None:
    raw.hset("sessionInfos", "1", "{bad")


def add_a_huge_inode(raw: Any) -> None:
    raw.hset("d1", "big", struct.pack(">BQ", FileType.FILE, 1 << 52))
    raw.set(f"i{1 << 52}", attr(FileType.FILE, 0o644, 2, 4096, 1))


def add_locks_of_another_session(raw: Any) -> None:
    raw.hset("lockp2", "7_9", struct.pack(">IIQQ", 1, 16, 100, 200))
    raw.hset("lockf2", "7_A", "R")


def add_a_lock_of_nobody(raw: Any) -> None:
    raw.hset("lockp2", "bad", "")


def remove_the_lock_of_nobody(raw: Any) -> None:
    raw.hdel("lockp2", "bad")


def miscount_the_links_of_d(raw: Any) -> None:
    record = raw.get("i2")
    raw.set("i2", record[:47] + struct.pack(">I", 9) + record[51:])


def lose_the_node_of_e(raw: Any) -> None:
    raw.delete("i3")


def set_the_inodes_of_d(count: int) -> Callable[[Any], None]:
    return lambda raw: raw.hset("dirUsedInodes", "2", count)


def lose_the_statistics_of_d(raw: Any) -> None:
    for key in ("dirDataLength", "dirUsedSpace", "dirUsedInodes"):
        raw.hdel(key, "2")


def add_an_unreferenced_slice(raw: Any) -> None:
    raw.hset("sliceRef", "k50_10", -1)


def spoil_a_chunk_of_f(raw: Any) -> None:
    raw.rpush("c4_7", "no slice")


def lose_the_target_of_l(raw: Any) -> None:
    raw.delete("s5")


def set_the_usage_of_d(space: int, inodes: int) -> Callable[[Any], None]:
    def edit(raw: Any) -> None:
        raw.hset("dirQuotaUsedSpace", "2", space)
        raw.hset("dirQuotaUsedInodes", "2", inodes)

    return edit


def lose_the_scripts(raw: Any) -> None:
    raw.script_flush()


EDITS: dict[str, dict[int, Callable[[Any], None]]] = {
    "Q09": {4: forget_the_node_of_f},
    "Q25": {7: lose_one_statistic_of_d},
    "Q26": {3: forget_both_roots},
    "L03": {
        5: let_the_second_session_expire,
        6: add_a_legacy_session,
        10: spoil_the_info_of_the_first_session,
    },
    "E01": {33: lose_the_target_of_l, 110: spoil_a_chunk_of_f},
    "M01": {7: add_an_unreferenced_slice},
    "T03": {8: set_the_usage_of_d(4096, 15), 10: set_the_usage_of_d(-4096, -5)},
    "L02": {11: let_the_second_session_expire},
    "L10": {9: add_locks_of_another_session, 10: add_a_lock_of_nobody, 11: remove_the_lock_of_nobody},
    "M11": {
        8: miscount_the_links_of_d,
        11: lose_the_node_of_e,
        13: set_the_inodes_of_d(-1),
        16: set_the_inodes_of_d(77),
        17: lose_the_statistics_of_d,
    },
    "X20": {3: add_a_huge_inode},
    "X21": {4: lose_the_scripts},
}
"""What the recorder did to the keys before a step, past the engine; the traces show only its effect."""


UNREPLAYABLE = {
    "M05": "an engine without an object store cannot be asked for in the protocol",
    "T49": "a summary that goes on from another is not in the protocol",
    "X23": "the second creation, made again, is refused with EDQUOT by the recorded engine itself",
    "X31": "the recorder waited for the deletion in the background before it made the list",
}
"""Recordings that no driver can be held to, with the reason."""

Divergence = dict[tuple[int, str], Any]

INTENDED: dict[str, tuple[str, Divergence]] = {
    "L01": ("L1.9: a lock of an unknown type is refused", {(21, "result"): {"errno": "EINVAL"}}),
    "L02": (
        "Q31: a shared lock is its session's, and goes with it",
        {
            (10, "ok.flocks.0.inode"): 2,
            (10, "ok.flocks.0.type"): "R",
            (10, "ok.flocks.1"): {"inode": 3, "owner": 1, "type": "W"},
            (13, "result"): {"ok": {}},
        },
    ),
    "L10": ("L2.10: no range ends before it starts", {(4, "result"): {"errno": "EINVAL"}}),
    "X32": ("Q31: a shared lock goes with its session", {(8, "result"): {"ok": {}}}),
    "T42": ("L4.15: a client that only reads can dump", {(45, "result"): {"ok": ...}}),
    "T47": (
        "Q14: a file without names is in no directory's statistics",
        {(11, "ok.length"): 0, (11, "ok.space"): 0},
    ),
    "E01": ("N31.4: a directory is not emptied by the name .", {(149, "result"): {"errno": "ENOTDIR"}}),
    "Q04": ("Q4: no entry gets a name that cannot be reached", {(5, "result"): {"errno": "EINVAL"}}),
    "Q12": (
        "Q12: only files have contents",
        dict.fromkeys(((step, "ok.length") for step in (7, 10, 14, 17)), 0),
    ),
    "Q16": ("Q16: a copy has one name", {(6, "ok.attr.nlink"): 1}),
    "Q19": (
        "Q19: special files are copied, too",
        {
            (10, "ok.count"): 6,
            (12, "ok.2.inode"): 11,
            (12, "ok.2.name"): "blockdev",
            (12, "ok.2.type"): "blockdev",
            (12, "ok.3"): {"inode": 12, "name": "chardev", "type": "chardev"},
            (12, "ok.4"): {"inode": 13, "name": "f", "type": "file"},
            (12, "ok.5"): {"inode": 9, "name": "fifo", "type": "fifo"},
            (12, "ok.6"): {"inode": 10, "name": "socket", "type": "socket"},
        },
    ),
    "clone": (
        "Q12, Q19: special files are copied, too, and a directory has no contents",
        {
            (23, "ok.count"): 8,
            (30, "ok.files"): 6,
            (30, "ok.size"): 134262784,
            (32, "ok.length"): 134227728,
        },
    ),
    "Q27": ("Q27: an ACL call means the root of the session", {(5, "ok.access_acl"): 2}),
    "Q10": ("Q10: an ACL lets nobody else change the mode", {(5, "result"): {"errno": "EPERM"}}),
    "X30": ("Q34: a failed chroot leaves the root where it was", {(6, "ok.attr.parent"): 1}),
    "Q06": (
        "Q6: an entry that is in the trash already is not counted a second time",
        {
            (11, "ok.nlink"): 2,
            (12, "ok.9223372032828243969"): 1,
            (14, "ok.inodes"): 1,
            (14, "ok.space"): 4096,
        },
    ),
    "quotas": (
        "a directory that moves with its quota takes its pending usage along",
        {
            (60, "ok./q.used_inodes"): 5,
            (60, "ok./q.used_space"): 28672,
            (61, "result"): {"ok": ...},
        },
    ),
    **dict.fromkeys(
        ("sessions-locks", "sessions-locks-closed"),
        (
            "Q31: a shared lock is its session's",
            {(43, "ok.flocks.0"): {"inode": 2, "owner": 0xF000000000000001, "type": "R"}},
        ),
    ),
    "Q08": ("Q8: group 0 stops nobody else", {(8, "result"): {"ok": ...}}),
    "T14": (
        "Q1: nothing moved, so no statistics move either",
        {
            (11, "ok.inodes"): 1,
            (11, "ok.space"): 4096,
            (13, "ok.inodes"): 1,
            (13, "ok.space"): 4096,
        },
    ),
    "Q13": (
        "Q13: a file whose last name is gone cannot get a new one",
        {(5, "result"): {"errno": "ENOENT"}},
    ),
    "Q25": (
        "Q25: a statistic that has lost one of its three fields is counted anew",
        {(7, "result"): {"ok": {"length": 0, "space": 0, "inodes": 0}}},
    ),
    "hard-links": (
        "Q1, Q12: nothing moved, so no statistics move, and links to a symlink add no length",
        {
            (37, "ok.inodes"): 2,
            (37, "ok.length"): 14000,
            (37, "ok.space"): 20480,
            (38, "ok.inodes"): 2,
            (38, "ok.length"): 14000,
            (38, "ok.space"): 20480,
        },
    ),
}
"""Recorded defects: an engine may answer as recorded or, all of it, as the rule intends; `{"ok": ...}` is
any success."""


LEFT_BEHIND: dict[str, tuple[str, dict[bytes, dict[bytes, bytes] | bytes]]] = {
    "rename-variants": (
        "Q5: the statistics of a directory that was replaced go with it",
        {key: {b"8": b"0"} for key in (b"dirDataLength", b"dirUsedSpace", b"dirUsedInodes")},
    ),
    "changelog": (
        "L6.20: a cleanup of slices does not take the counter of tokens for one",
        {b"sliceRef": {b"krbTokenMaxId": b"1"}, b"krbTokenMaxId": b"0"},
    ),
}
"""Recorded leftovers that an engine may have, or lack all of: fields of hashes, and strings."""


def with_leftovers(trace: Trace, keys: dict[bytes, Any], faithful: bool) -> dict[bytes, Any]:
    """The key-space of an engine that leaves nothing behind, with what the recorded one left.

    A faithful engine has the defects of the list (Q) itself.
    """
    reason, left = LEFT_BEHIND.get(trace.name, ("", {}))
    if faithful and reason.startswith("Q"):
        return keys
    fields = {key: value for key, value in left.items() if isinstance(value, dict)}
    if any(field in keys.get(key, ("", {}))[1] for key, value in fields.items() for field in value):
        return keys
    strings = {key: ("string", value) for key, value in left.items() if key not in fields}
    return {**keys, **strings, **{key: ("hash", {**keys[key][1], **value}) for key, value in fields.items()}}


def intended(trace: Trace, differing: list[Mismatch]) -> bool:
    """Whether the differences are exactly those of an engine without the recorded defect."""
    if trace.name not in INTENDED:
        return False
    _, wanted = INTENDED[trace.name]
    observed = {(one.step, one.field): without_detail(one.observed) for one in differing}
    return observed.keys() == wanted.keys() and all(
        value == observed[place] or (value == {"ok": ...} and "ok" in observed[place])
        for place, value in wanted.items()
    )


def without_detail(result: Any) -> Any:
    """A result less its free text, which is never compared."""
    if not isinstance(result, dict):
        return result
    return {name: value for name, value in result.items() if name != "detail"}


def clients_of(trace: Trace) -> int:
    """How many clients a recording opens."""
    return len(trace.clients) + sum(step.method == "open" for step in trace.steps)


def traces() -> list[Any]:
    """One parameter a recording, with its clause."""
    parameters = []
    for folder, table in (("vectors", VECTORS), ("keyspace", KEYSPACES)):
        for name, (words, source, sentence) in table.items():
            trace = load(GOLDEN / folder / f"{name}.json")
            known = [capability for capability in CAPABILITIES if capability in missing(trace, frozenset())]
            prefix = "keys" if folder == "keyspace" else name.lower()
            clause = Clause(f"trace/{prefix}-{words}", sentence, source, known[-1], clients_of(trace))
            parameters.append(pytest.param(trace, id=name, marks=pytest.mark.clause(clause)))
    return parameters


@pytest.mark.parametrize("trace", traces())
def test_trace(volume: Volume, trace: Trace) -> None:
    """A recorded trace replays with the same outcomes and leaves the same keys."""
    if trace.name in UNREPLAYABLE:
        pytest.skip(UNREPLAYABLE[trace.name])
    lacking = missing(trace, volume.driver.capabilities)
    undeclared = [name for name in lacking if name in CAPABILITIES]
    if undeclared:
        pytest.skip(f"unsupported: needs {', '.join(undeclared)} (not declared by this driver)")
    if lacking:
        pytest.skip(f"{', '.join(lacking)}: internal to the recorded engine, not in the protocol")
    edits = {step: lambda edit=edit: edit(volume.raw) for step, edit in EDITS.get(trace.name, {}).items()}
    differing = replay(trace, volume.connect, edits)
    faithful = "compat=" in volume.driver.name
    if not faithful and intended(trace, differing):
        return
    assert not differing, "\n".join(map(str, differing))
    if trace.keyspace is not None:
        left = volume.keyspace()
        keys = keyspace_differences(trace, with_leftovers(trace, left, faithful))
        assert not keys, "\n".join(keys)
