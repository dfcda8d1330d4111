"""Laws of the key-space that hold at quiescence, read past the driver (§8)."""

from __future__ import annotations

import json
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from metaparity.drivers.types import CHUNK_SIZE, ROOT_INODE, TRASH_INODE, FileType, Slice
from metaparity.fixtures.volumes import Volume

from .scenes.contents import RECORD
from .scenes.records import Record, aligned, record_of

ENTRY = struct.Struct(">BQ")
DELAYED = struct.Struct(">QI")
BITS = struct.Struct(">HHHH")
HOUR = re.compile(rb"\d{4}-\d{2}-\d{2}-\d{2}")
STATISTICS = (b"dirDataLength", b"dirUsedSpace", b"dirUsedInodes")


class Tree:
    """The nodes and entries of a volume as its keys have them."""

    def __init__(self, keys: dict[bytes, Any]) -> None:
        self.keys = keys
        self.nodes: dict[int, Record] = {
            inode: record_of(value) for inode, value in self.numbered(b"i") if isinstance(value, bytes)
        }
        self.entries: list[tuple[int, bytes, int, int]] = [
            (parent, name, *ENTRY.unpack(value))
            for parent, names in self.numbered(b"d")
            for name, value in names.items()
        ]
        """Directory, name, type and inode of every entry."""
        self.names = Counter(inode for _, _, _, inode in self.entries)
        self.parents: dict[int, Counter[int]] = {}
        """How many names each node has in each directory."""
        self.children: dict[int, list[tuple[int, int]]] = {}
        """Type and inode of what is in each directory."""
        for parent, _, type, inode in self.entries:
            self.parents.setdefault(inode, Counter())[parent] += 1
            self.children.setdefault(parent, []).append((type, inode))
        self.sustained = {
            int(inode)
            for key, (kind, members) in keys.items()
            if kind == "set" and key.startswith(b"session")
            for inode in members
        }
        self.detached = {int(inode) for inode, _ in self.value(b"detachedNodes", [])}

    def value(self, key: bytes, default: Any) -> Any:
        """The value of a key."""
        return self.keys[key][1] if key in self.keys else default

    def numbered(self, head: bytes) -> Iterator[tuple[int, Any]]:
        """The keys made of a head and an inode."""
        for key, (_, value) in self.keys.items():
            if key.startswith(head) and key[len(head) :].isdigit():
                yield int(key[len(head) :]), value

    def usage_of(self, quota: bytes) -> dict[int, tuple[int, int]]:
        """The space and inodes that quotas of a kind count, by id."""
        spaces = self.value(quota + b"UsedSpace", {})
        return {
            int(id): (int(spaces.get(id, 0)), int(count))
            for id, count in self.value(quota + b"UsedInodes", {}).items()
        }

    def slice_records(self) -> Iterator[tuple[bytes, Slice]]:
        """Every record of every chunk, with the chunk's key."""
        for key, (kind, value) in self.keys.items():
            if kind == "list" and key.startswith(b"c"):
                yield from ((key, Slice(*RECORD.unpack(one))) for one in value if len(one) == RECORD.size)

    def parents_of(self, inode: int) -> Counter[int]:
        """How many names a node has in each directory."""
        return self.parents.get(inode, Counter())

    def space_of(self, inode: int) -> int:
        """The space that a node takes, in bytes."""
        node = self.nodes[inode]
        return aligned(node.length if node.type == FileType.FILE else 0)

    def ordinary(self) -> Iterator[tuple[int, Record]]:
        """Every node but the root and the trash root."""
        for inode, node in self.nodes.items():
            if inode not in (ROOT_INODE, TRASH_INODE):
                yield inode, node


def roots_are_there(tree: Tree) -> Iterator[str]:
    """The root is a directory whose parent is itself; so is the trash root, below it.  Source: I1."""
    for inode in (ROOT_INODE, TRASH_INODE):
        node = tree.nodes.get(inode)
        if node is None:
            if inode == ROOT_INODE or any(other > TRASH_INODE for other in tree.nodes):
                yield f"the root {inode} is missing"
        elif (node.type, node.parent) != (FileType.DIRECTORY, ROOT_INODE):
            yield f"the root {inode} has type {node.type} and parent {node.parent}"


def every_way_up_ends_at_a_root(tree: Tree) -> Iterator[str]:
    """Following the parents of a directory leads to a root, or to a copy without name.  Source: I7."""
    ends = {ROOT_INODE, TRASH_INODE, *tree.detached}
    for start, node in tree.nodes.items():
        if node.type != FileType.DIRECTORY:
            continue
        inode, seen = start, set[int]()
        while inode not in ends:
            if inode in seen or inode not in tree.nodes:
                yield f"the way up from directory {start} does not end at a root"
                break
            seen.add(inode)
            inode = tree.nodes[inode].parent


def entries_lead_to_nodes(tree: Tree) -> Iterator[str]:
    """Every entry lies in a directory and leads to a node of its type.  Source: I2."""
    for parent, name, type, inode in tree.entries:
        directory, node = tree.nodes.get(parent), tree.nodes.get(inode)
        if directory is None or directory.type != FileType.DIRECTORY:
            yield f"entry {name!r} lies in {parent}, which is no directory"
        if node is None:
            yield f"entry {name!r} of {parent} leads to {inode}, which is missing"
        elif node.type != type:
            yield f"entry {name!r} of {parent} has type {type}, its node {inode} type {node.type}"
        if not name or b"/" in name or b"\0" in name:
            yield f"entry {name!r} of {parent} has an impossible name"


def nodes_have_names(tree: Tree) -> Iterator[str]:
    """Every node has a name, or is sustained, or is a detached clone.  Source: I3."""
    for inode, _ in tree.ordinary():
        if not tree.names[inode] and inode not in tree.sustained | tree.detached:
            yield f"node {inode} has no name"


def directories_count_their_children(tree: Tree) -> Iterator[str]:
    """A directory has one name and counts its sub-directories.  Source: I4."""
    below = Counter(parent for parent, _, type, _ in tree.entries if type == FileType.DIRECTORY)
    for inode, node in tree.nodes.items():
        if node.type != FileType.DIRECTORY:
            continue
        if node.length != 4096:
            yield f"directory {inode} has length {node.length}"
        links = 2 if inode >= TRASH_INODE else 2 + below[inode]
        if node.nlink != links:
            yield f"directory {inode} has nlink {node.nlink} instead of {links}"
        if inode in (ROOT_INODE, TRASH_INODE) or inode in tree.detached:
            continue
        parents = tree.parents_of(inode)
        if parents != {node.parent: 1}:
            yield f"directory {inode} has parent {node.parent} and entries in {dict(parents)}"


def links_are_counted(tree: Tree) -> Iterator[str]:
    """Any other node counts its names.  Source: I5."""
    for inode, node in tree.ordinary():
        if node.type != FileType.DIRECTORY and node.nlink != tree.names[inode]:
            yield f"node {inode} has nlink {node.nlink} and {tree.names[inode]} names"
        if inode in tree.sustained and (node.nlink or tree.names[inode]):
            yield f"node {inode} is sustained with nlink {node.nlink} and {tree.names[inode]} names"


def parents_are_counted(tree: Tree) -> Iterator[str]:
    """A node knows the directories of its names.  Source: I6."""
    counted = dict(tree.numbered(b"p"))
    for inode, node in tree.ordinary():
        if node.type == FileType.DIRECTORY or inode in tree.sustained:
            continue
        parents = tree.parents_of(inode)
        if node.parent > 0:
            if parents != {node.parent: 1} or inode in counted:
                yield f"node {inode} has parent {node.parent}, entries in {dict(parents)}"
            continue
        kept = {int(parent): int(count) for parent, count in counted.get(inode, {}).items() if int(count)}
        if kept != parents:
            yield f"node {inode} counts parents {kept}, its entries are in {dict(parents)}"


def links_have_targets(tree: Tree) -> Iterator[str]:
    """A symbolic link, and nothing else, has a target, of as many bytes as its length.  Source: I8."""
    targets = dict(tree.numbered(b"s"))
    for inode, node in tree.nodes.items():
        target = targets.get(inode)
        if node.type == FileType.SYMLINK and (target is None or len(target) != node.length):
            yield f"symbolic link {inode} of length {node.length} has target {target!r}"
        if node.type != FileType.SYMLINK and target is not None:
            yield f"node {inode} is no symbolic link and has a target"


def modes_and_times_are_possible(tree: Tree) -> Iterator[str]:
    """A mode has 12 bits, a symbolic link's is 0777, and nanoseconds are less than a second.  Source: I21."""
    for inode, node in tree.nodes.items():
        if node.type == FileType.SYMLINK and node.mode != 0o777:
            yield f"symbolic link {inode} has mode {node.mode:o}"
        if max(node.nanoseconds) >= 10**9:
            yield f"node {inode} has times of {node.nanoseconds} ns"


def rules_are_there(tree: Tree) -> Iterator[str]:
    """The rule of every ACL is stored, and the mode follows that of the access ACL.  Source: I18."""
    rules = {int(id): value for id, value in tree.value(b"acl", {}).items()}
    for inode, node in tree.nodes.items():
        for id in (node.access_acl, node.default_acl):
            if id and id not in rules:
                yield f"node {inode} has ACL {id}, which is missing"
        if node.access_acl in rules:
            owner, _, mask, other = BITS.unpack_from(rules[node.access_acl])
            wanted = (owner & 7) << 6 | (mask & 7) << 3 | other & 7
            if node.mode & 0o777 != wanted:
                yield f"node {inode} has mode {node.mode:o}, its ACL says {wanted:o}"


def copies_are_finished(tree: Tree) -> Iterator[str]:
    """No copy waits for its name.  Source: I19."""
    for inode in tree.detached:
        yield f"the copy {inode} has no name"


def the_trash_is_in_order(tree: Tree) -> Iterator[str]:
    """Hour directories are named for an hour, and what is in them for where it was.  Source: I20."""
    last = TRASH_INODE + int(tree.value(b"nextTrash", 0))
    for parent, name, _, inode in tree.entries:
        if parent == TRASH_INODE:
            if not HOUR.fullmatch(name) or not TRASH_INODE < inode <= last:
                yield f"{name!r} with inode {inode} is no hour directory"
        elif parent > TRASH_INODE:
            named = re.match(rb"(\d+)-(\d+)-", name)
            if not named or int(named[2]) != inode:
                yield f"the trash has inode {inode} under {name!r}"


def usage_is_counted(tree: Tree) -> Iterator[str]:
    """The volume's counters are the sums over its nodes.  Source: I12."""
    inodes = [inode for inode, _ in tree.ordinary()]
    space = sum(map(tree.space_of, inodes))
    for key, wanted in ((b"usedSpace", space), (b"totalInodes", len(inodes))):
        found = int(tree.value(key, 0))
        if found != wanted:
            yield f"{key.decode()} is {found} instead of {wanted}"


def directory_statistics_are_exact(tree: Tree) -> Iterator[str]:
    """The statistics of a directory are the sums over its entries.  Source: I13."""
    stored = [tree.value(key, {}) for key in STATISTICS]
    for field in set().union(*stored) - {b"%d" % TRASH_INODE}:
        directory = int(field)
        if directory not in tree.nodes:
            yield f"directory {directory} is gone and has statistics"
            continue
        below = tree.children.get(directory, [])
        children = [tree.nodes[inode] for _, inode in below if inode in tree.nodes]
        lengths = [node.length if node.type == FileType.FILE else 0 for node in children]
        wanted = (sum(lengths), sum(map(aligned, lengths)), len(children))
        found = tuple(int(values.get(field, -1)) for values in stored)
        if found != wanted:
            yield f"directory {directory} has statistics {found} instead of {wanted}"


def directory_quotas_are_exact(tree: Tree) -> Iterator[str]:
    """A quota of a directory counts every name below it, itself left out.  Source: I14."""
    for inode, found in tree.usage_of(b"dirQuota").items():
        below, space, names = [inode], 0, 0
        while below:
            directory = below.pop()
            for type, child in tree.children.get(directory, []):
                if child in tree.nodes:
                    space += tree.space_of(child)
                    names += 1
                    below += [child] if type == FileType.DIRECTORY else []
        if found != (space, names):
            yield f"the quota of directory {inode} counts {found} instead of {(space, names)}"


def owners_are_charged(tree: Tree) -> Iterator[str]:
    """Where users and groups are counted, each has the sum over its nodes.  Source: I15."""
    if not json.loads(tree.value(b"setting", b"{}")).get("UserGroupQuota"):
        return
    for key, owner in ((b"userQuota", attrgetter("uid")), (b"groupQuota", attrgetter("gid"))):
        wanted: Counter[int] = Counter()
        inodes: Counter[int] = Counter()
        for inode, node in tree.ordinary():
            wanted[owner(node)] += tree.space_of(inode)
            inodes[owner(node)] += 1
        found = tree.usage_of(key)
        for id in found.keys() | wanted.keys():
            if found.get(id, (0, 0)) != (wanted[id], inodes[id]):
                yield f"{key.decode()} {id} counts {found.get(id)} instead of {(wanted[id], inodes[id])}"


def slice_records_are_possible(tree: Tree) -> Iterator[str]:
    """A record lies in its chunk and shows no more than its slice has.  Source: I10."""
    for key, record in tree.slice_records():
        if record.pos + record.len > CHUNK_SIZE or (record.id and record.off + record.len > record.size):
            yield f"{key.decode()} has an impossible record {record}"


def slices_are_counted(tree: Tree) -> Iterator[str]:
    """What refers to a slice is one more than its count, which is left out when it is 0.  Source: I11."""
    used = Counter((record.id, record.size) for _, record in tree.slice_records() if record.id)
    for value in tree.value(b"delSlices", {}).values():
        used.update(DELAYED.iter_unpack(value))
    counts: dict[tuple[int, int], int] = {}
    for field, count in tree.value(b"sliceRef", {}).items():
        id, _, size = field[1:].partition(b"_")
        counts[int(id), int(size)] = int(count)
    for slice in used.keys() | counts.keys():
        if used[slice] != counts.get(slice, 0) + 1:
            yield f"slice {slice} is referred to {used[slice]} times, its count is {counts.get(slice)}"


def numbers_are_reserved(tree: Tree) -> Iterator[str]:
    """No inode, slice, session or hour directory has a number above what was reserved.  Source: I17."""
    highest = {
        b"nextinode": [inode for inode in tree.nodes if ROOT_INODE < inode < TRASH_INODE],
        b"nextchunk": [record.id for _, record in tree.slice_records()],
        b"nextsession": [int(sid) for sid, _ in tree.value(b"allSessions", [])],
        b"nextTrash": [inode - TRASH_INODE for inode in tree.nodes if inode > TRASH_INODE],
    }
    for key, numbers in highest.items():
        if max(numbers, default=0) > int(tree.value(key, 0)):
            yield f"{key.decode()} is {tree.value(key, None)}, there is a {max(numbers)}"


def nothing_outlives_its_node(tree: Tree) -> Iterator[str]:
    """Nothing is kept of a node that is gone.  Source: I9, I16."""
    for head, what in ((b"p", "parent counts"), (b"x", "xattrs"), (b"s", "a target")):
        for inode, _ in tree.numbered(head):
            if inode not in tree.nodes:
                yield f"node {inode} is gone and has {what}"
    for member, _ in tree.value(b"delfiles", []):
        yield f"the data of {member.decode()} waits for deletion"


def sessions_know_their_locks(tree: Tree) -> Iterator[str]:
    """The session of every lock is registered and knows of it, and of no other.  Source: I22."""
    holders = {
        (sid, b"lock%s%d" % (kind, inode))
        for kind in (b"f", b"p")
        for inode, held in tree.numbered(b"lock" + kind)
        for sid in {int(field.partition(b"_")[0]) for field in held}
    }
    known = {(sid, key) for sid, keys in tree.numbered(b"locked") for key in keys}
    registered = {int(sid) for sid, _ in tree.value(b"allSessions", [])}
    for sid, key in sorted(holders ^ known):
        yield f"session {sid} {'holds' if (sid, key) in holders else 'only seems to hold'} {key.decode()}"
    for sid in sorted({sid for sid, _ in holders} - registered - {0}):
        yield f"session {sid} is gone and holds locks"


LAWS: tuple[Callable[[Tree], Iterator[str]], ...] = (
    roots_are_there,
    every_way_up_ends_at_a_root,
    entries_lead_to_nodes,
    nodes_have_names,
    directories_count_their_children,
    links_are_counted,
    parents_are_counted,
    links_have_targets,
    modes_and_times_are_possible,
    rules_are_there,
    copies_are_finished,
    the_trash_is_in_order,
    usage_is_counted,
    directory_statistics_are_exact,
    directory_quotas_are_exact,
    owners_are_charged,
    slice_records_are_possible,
    slices_are_counted,
    numbers_are_reserved,
    nothing_outlives_its_node,
    sessions_know_their_locks,
)


def check_laws(volume: Volume) -> list[str]:
    """Every law that the keys of a volume break; its clients must have settled before.

    Source: I1-I22.
    """
    tree = Tree(volume.keyspace())
    return [f"{law.__name__}: {broken}" for law in LAWS for broken in law(tree)]


def require_laws(volume: Volume) -> None:
    """Every law holds; the error names the broken ones, its notes say by which keys."""
    broken = check_laws(volume)
    names = ", ".join(dict.fromkeys(line.partition(":")[0] for line in broken))
    error = AssertionError(f"expected every law of the key-space to hold, observed {names} broken")
    for line in broken:
        error.add_note(line)
    if broken:
        raise error


def check_empty(volume: Volume) -> list[str]:
    """What is left of nodes in a volume from which everything was removed.  Source: I23."""
    keys = volume.keyspace()
    tree = Tree(keys)
    left = [f"node {inode}" for inode, _ in tree.ordinary()]
    left += [f"{key.decode()}" for key in (b"delfiles", b"sliceRef", b"delSlices") if key in keys]
    left += [key.decode() for key in keys if key[:1] in b"cpxs" and key[1:].replace(b"_", b"").isdigit()]
    left += [
        f"{key.decode()} {tree.value(key, 0).decode()}"
        for key in (b"usedSpace", b"totalInodes")
        if int(tree.value(key, 0))
    ]
    return left + check_laws(volume)
