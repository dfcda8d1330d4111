"""What a volume holds, part by part, read past every driver; what each format of a dump keeps of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Literal, TypeAlias

from metaparity.drivers.engine.keys import Keys
from metaparity.drivers.types import (
    CHUNK_SIZE,
    ROOT_INODE,
    TRASH_INODE,
    AclType,
    Attr,
    AttrFlag,
    FileType,
    LockType,
    Quota,
    QuotaType,
    Rule,
    SetAttr,
)
from metaparity.fixtures.volumes import Volume

from .contents import piece, put, store
from .dumps import rich
from .quotas import HASHES, LIMITS
from .records import aligned, fields_of, rewrite

KEYS = Keys()
NO_LIMIT = LIMITS.pack(-1, -1)
SPECIAL = frozenset({FileType.BLOCKDEV, FileType.CHARDEV})
TIMES = ("atime", "atime_ns", "mtime", "mtime_ns", "ctime", "ctime_ns")

Part: TypeAlias = dict[Any, Any]
"""What there is of something, by what it belongs to; what is zero or empty is not there."""


class Held:
    """The keys of a volume at rest, told apart by what they say."""

    def __init__(self, keys: Mapping[bytes, Any]) -> None:
        """`keys` are in the form of `Volume.keyspace`."""
        self._plain: dict[str, Any] = {}
        self._numbered: dict[str, dict[tuple[int, ...], Any]] = {}
        for name, (_, value) in keys.items():
            key = KEYS.parse(name)
            if key.numbers:
                self._numbered.setdefault(key.kind, {})[key.numbers] = value
            else:
                self._plain[key.kind] = value

    def plain(self, kind: str) -> Any:
        """The value of a key of the volume as a whole, by our name for it; none where it is not there."""
        return self._plain.get(kind) or {}

    def numbered(self, kind: str) -> dict[tuple[int, ...], Any]:
        """The values of all keys of a kind that carries numbers, by these."""
        return self._numbered.get(kind, {})

    @cached_property
    def entries(self) -> dict[tuple[int, bytes], tuple[int, int]]:
        """Type and inode of every entry that a way from a root leads to."""
        found: dict[tuple[int, bytes], tuple[int, int]] = {}
        left, seen = [ROOT_INODE, TRASH_INODE], {ROOT_INODE, TRASH_INODE}
        while left:
            parent = left.pop()
            for name, value in self.numbered("dentries").get((parent,), {}).items():
                type, inode = value[0], int.from_bytes(value[1:])
                found[parent, name] = type, inode
                if type == FileType.DIRECTORY and inode not in seen:
                    seen.add(inode)
                    left.append(inode)
        return found

    @cached_property
    def nodes(self) -> dict[int, dict[str, int]]:
        """All fields of the nodes that have a name, and of the root; that of the trash every load makes anew
        where it is missing (L4.13)."""
        named = {ROOT_INODE, *(inode for _, inode in self.entries.values())}
        every = self.numbered("attr")
        return {inode: fields_of(every[inode,]) for inode in sorted(named) if (inode,) in every}

    def fields(self, *names: str, of: Collection[int] | None = None) -> Part:
        """Some fields of each node, or of nodes of some types, where one of them is not zero."""
        found = {
            inode: tuple(node[name] for name in names)
            for inode, node in self.nodes.items()
            if of is None or node["type_and_mode"] >> 12 in of
        }
        return {inode: values for inode, values in found.items() if any(values)}

    def rules(self, which: str) -> Part:
        """The rules of nodes themselves: their numbers are of the database."""
        stored = self.plain("acl")
        return {
            inode: stored.get(str(node[which]).encode()) for inode, node in self.nodes.items() if node[which]
        }

    def idle_rules(self) -> Part:
        """The rules that no node has, by their numbers."""
        used = {node[which] for node in self.nodes.values() for which in ("access_acl", "default_acl")}
        return {int(id): rule for id, rule in self.plain("acl").items() if int(id) not in used}

    def of_nodes(self, kind: str) -> Part:
        """What the nodes that have a name have in keys of their own."""
        return {inode: value for (inode,), value in self.numbered(kind).items() if inode in self.nodes}

    def parents(self) -> Part:
        """The directory of each node, or how many names it has in each of several."""
        several = self.numbered("parents")
        return {
            inode: node["parent"]
            or {int(one): int(count) for one, count in several.get((inode,), {}).items()}
            for inode, node in self.nodes.items()
        }

    def parents_met(self) -> Part:
        """The same, counted from the names: of a node with one name only its directory (L4.23)."""
        names: dict[int, Counter[int]] = {ROOT_INODE: Counter([ROOT_INODE])}
        for (parent, _), (_, inode) in self.entries.items():
            names.setdefault(inode, Counter())[parent] += 1
        return {
            inode: dict(counts) if counts.total() > 1 else next(iter(counts))
            for inode, counts in names.items()
        }

    def chunks(self, shown: bool) -> Part:
        """The records of the files that have a name: of chunks within their lengths, or beyond."""
        return {
            (inode, index): value
            for (inode, index), value in self.numbered("chunk").items()
            if inode in self.nodes and (index * CHUNK_SIZE < self.nodes[inode]["length"]) == shown
        }

    def deleted(self) -> Part:
        """The files whose data has to go: when, by inode and length."""
        return dict(self.plain("delfiles"))

    def deleted_chunks(self) -> Part:
        """The records of the files whose data has to go."""
        inodes = {int(member.partition(b":")[0]) for member in self.deleted()}
        return {key: value for key, value in self.numbered("chunk").items() if key[0] in inodes}

    def open_files(self) -> Part:
        """The unlinked files that sessions have open: by session, with nodes and records."""
        held = {sid: frozenset(map(int, inodes)) for (sid,), inodes in self.numbered("sustained").items()}
        nodes, chunks = self.numbered("attr"), self.numbered("chunk")
        return {
            (sid, inode): (nodes.get((inode,)), {key: one for key, one in chunks.items() if key[0] == inode})
            for sid, inodes in held.items()
            for inode in inodes
        }

    def amounts(self, kind: str) -> dict[int, int]:
        """A hash of numbers by numbers."""
        return {int(id): int(amount) for id, amount in self.plain(kind).items()}

    def statistics(self) -> Part:
        """Length, space and entries of each directory that has a name."""
        hashes = [self.amounts(kind) for kind in ("dir_data_length", "dir_used_space", "dir_used_inodes")]
        ids = {id for hash in hashes for id in hash if id in self.nodes}
        return {id: tuple(hash.get(id) for hash in hashes) for id in ids}

    def statistics_met(self) -> Part:
        """The same, counted from the names, of directories that have none, too (L4.19)."""
        found = {inode: [0, 0, 0] for inode in self.nodes if self._type(inode) == FileType.DIRECTORY}
        for (parent, _), (type, inode) in self.entries.items():
            length = self.nodes[inode]["length"] if type == FileType.FILE else 0
            if parent in found:
                for place, amount in enumerate((length, aligned(length), 1)):
                    found[parent][place] += amount
        return {inode: tuple(amounts) for inode, amounts in found.items()}

    def _type(self, inode: int) -> int:
        return self.nodes[inode]["type_and_mode"] >> 12

    def limits(self, type: QuotaType) -> Part:
        """The limits of the directories that are there, or of users or groups."""
        stored = self.plain(f"{type.name.lower()}_quota")
        there = self.nodes if type is QuotaType.DIR else {int(id) for id in stored}
        return {int(id): one for id, one in stored.items() if one != NO_LIMIT and int(id) in there}

    def usage(self, type: QuotaType) -> Part:
        """Space and inodes under each of these limits."""
        kind = f"{type.name.lower()}_quota_used"
        space, inodes = self.amounts(f"{kind}_space"), self.amounts(f"{kind}_inodes")
        return {id: (space.get(id), inodes.get(id)) for id in self.limits(type)}

    def counters(self, *kinds: str) -> Part:
        """Some counters, where they are not zero."""
        return {kind: int(self.plain(kind)) for kind in kinds if int(self.plain(kind) or 0)}

    def settings(self) -> Part:
        """The settings of the volume, with the tier that there is where none is stored."""
        stored = json.loads(self.plain("setting"))
        only = {"0": {"ID": 0, "StorageClass": stored.get("StorageClass", ""), "Tag": ""}}
        return {**stored, "Tiers": stored.get("Tiers") or only}

    def plains(self, *kinds: str) -> Part:
        """Hashes, lists and sorted sets of the volume as a whole, item by item."""
        return dict(self._items(*kinds))

    def _items(self, *kinds: str) -> Iterator[tuple[Any, Any]]:
        for kind in kinds:
            value = self.plain(kind)
            pairs = value.items() if isinstance(value, dict) else [(one, True) for one in value]
            yield from (((kind, field), one) for field, one in pairs)

    def references(self) -> Part:
        """How often each slice that is shared is referred to besides its first."""
        return {slice: int(count) for slice, count in self.plain("slice_refs").items() if int(count) > 0}

    def references_met(self) -> Part:
        """The same, counted from the records that are told, as a load does (L4.22)."""
        told = Counter(
            (int.from_bytes(record[4:12]), int.from_bytes(record[12:16]))
            for records in self.chunks(True).values()
            for record in records
        )
        return {b"k%d_%d" % one: count - 1 for one, count in told.items() if one[0] and count > 1}

    def numbers_of_rules(self) -> Part:
        """The numbers of the rules that nodes have."""
        return self.fields("access_acl", "default_acl")

    def rules_met(self) -> Part:
        """The numbers that rules get where they are counted from 1 on as a load meets them, a directory after
        what is in it (L4.20)."""
        ids: dict[bytes, int] = {}
        found = {}
        access, default = self.rules("access_acl"), self.rules("default_acl")
        for inode in chain(self._post_order(ROOT_INODE), self._post_order(TRASH_INODE)):
            both = access.get(inode), default.get(inode)
            numbers = tuple(0 if rule is None else ids.setdefault(rule, len(ids) + 1) for rule in both)
            if any(numbers):
                found[inode] = numbers
        return found

    def _post_order(self, directory: int) -> Iterator[int]:
        for (parent, _), (type, inode) in sorted(self.entries.items()):
            if parent == directory:
                yield from self._post_order(inode) if type == FileType.DIRECTORY else (inode,)
        yield directory

    def numbereds(self, *kinds: str) -> Part:
        """Keys that carry numbers, of several kinds."""
        return {(kind, *numbers): one for kind in kinds for numbers, one in self.numbered(kind).items()}


# -- the table -----------------------------------------------------------------------------------------

Fate: TypeAlias = Literal["yes", "counted anew", "no"]
Format: TypeAlias = Literal["json", "binary"]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table of what is kept (docs/dump.md): what each format makes of a part of a volume.

    `spoil` makes what is stored differ from what is counted; it is given the inodes by name.  `anew` is what
    is counted where that is not what was there before.
    """

    of: Callable[[Held], Part]
    json: Fate
    binary: Fate
    spoil: Callable[[Volume, dict[str, int]], object] = lambda volume, made: None
    anew: Callable[[Held], Part] | None = None


def spoilt(hash: str, of: str | int) -> Callable[[Volume, dict[str, int]], object]:
    """Writes a wrong amount into a hash, of a node by its name or of a number."""
    return lambda volume, made: volume.raw.hset(hash, made[of] if isinstance(of, str) else of, 123)


def ahead(counter: str) -> Callable[[Volume, dict[str, int]], object]:
    """Moves a counter on."""
    return lambda volume, made: volume.raw.incrby(counter, 5000)


def highest(kind: str, numbers: Callable[[Held], list[int]]) -> Callable[[Held], Part]:
    """A counter that stands at the highest number there is."""

    def found(held: Held) -> Part:
        last = max(numbers(held), default=0)
        return {kind: last} if last else {}

    return found


def slice_ids(held: Held) -> list[int]:
    """The slices in the records that a dump tells."""
    return [int.from_bytes(record[4:12]) for chunk in held.chunks(True).values() for record in chunk]


def hours(held: Held) -> list[int]:
    """The directories of the trash, by the numbers that they were given."""
    return [inode - TRASH_INODE for inode in held.nodes if inode > TRASH_INODE]


def ordinary(held: Held) -> list[int]:
    """Inodes that are not of the trash."""
    return [inode for inode in held.nodes if inode < TRASH_INODE]


def with_names(volume: Volume, made: dict[str, int]) -> None:
    """Gives a file another number of names than it has."""
    rewrite(volume, made["x"], nlink=9)


def with_references(volume: Volume, made: dict[str, int]) -> None:
    """Gives a slice another number of references than it has."""
    volume.raw.hset("sliceRef", next(iter(volume.raw.hkeys("sliceRef"))), 123)


def with_parents(volume: Volume, made: dict[str, int]) -> None:
    """Gives a file another number of names in a directory than it has there."""
    volume.raw.hset(f"p{made['x']}", made["d"], 9)


DIR, USER, GROUP = QuotaType


def limits(type: QuotaType) -> Row:
    """The limits of a kind."""
    return Row(lambda held: held.limits(type), "yes", "yes")


def usage(type: QuotaType, of: str | int) -> Row:
    """What is counted under the limits of a kind, one of which is of this directory or owner."""
    spoil = spoilt(f"{HASHES[type]}UsedSpace", of)
    return Row(lambda held: held.usage(type), "counted anew", "yes", spoil)


def fields(*names: str, of: Collection[int] | None = None) -> Row:
    """Fields of nodes."""
    return Row(lambda held: held.fields(*names, of=of), "yes", "yes")


def plain(*kinds: str) -> Row:
    """What neither format keeps, in keys of the volume as a whole."""
    return Row(lambda held: held.plains(*kinds), "no", "no")


def used(held: Held) -> Part:
    """Space and inodes of all nodes that have a name, but for the root."""
    lengths = [node["length"] for inode, node in held.nodes.items() if inode != ROOT_INODE]
    return {"used_space": sum(map(aligned, lengths)), "total_inodes": len(lengths)}


def next_number(kind: str, key: str, numbers: Callable[[Held], list[int]]) -> Row:
    """A counter that leads past the highest number there is."""
    return Row(lambda held: held.counters(kind), "counted anew", "yes", ahead(key), highest(kind, numbers))


RULES, IDLE_RULES, LAST_RULE = "numbers of ACLs", "ACLs that no node has", "number of the last ACL"
"""Lines that show other things of a client that has met rules before: each has a clause of its own."""

ROWS: dict[str, Row] = {
    "settings": Row(Held.settings, "yes", "yes"),
    "names, each with its type and inode": Row(lambda held: dict(held.entries), "yes", "yes"),
    "entries of the trash": Row(
        lambda held: {at: one for at, one in held.entries.items() if at[0] >= TRASH_INODE}, "yes", "yes"
    ),
    "types and modes": fields("type_and_mode"),
    "owners": fields("uid", "gid"),
    "times, to the nanosecond": fields(*TIMES),
    "flags": fields("flags"),
    "lengths": fields("length"),
    "device numbers": fields("rdev", of=SPECIAL),
    "tiers": fields("tier"),
    "targets of symbolic links": Row(lambda held: held.of_nodes("symlink"), "yes", "yes"),
    "extended attributes": Row(lambda held: held.of_nodes("xattrs"), "yes", "yes"),
    "access ACLs": Row(lambda held: held.rules("access_acl"), "yes", "yes"),
    "default ACLs": Row(lambda held: held.rules("default_acl"), "yes", "yes"),
    RULES: Row(Held.numbers_of_rules, "counted anew", "yes", anew=Held.rules_met),
    LAST_RULE: Row(lambda held: held.counters("acl_max_id"), "counted anew", "yes"),
    IDLE_RULES: Row(Held.idle_rules, "no", "yes"),
    "slices within the length of a file": Row(lambda held: held.chunks(True), "yes", "yes"),
    "slices beyond the length of a file": Row(lambda held: held.chunks(False), "no", "yes"),
    "limits of directories": limits(DIR),
    "limits of users": limits(USER),
    "limits of groups": limits(GROUP),
    "usage of directories with a limit": usage(DIR, "d"),
    "usage of users with a limit": usage(USER, 7),
    "usage of groups with a limit": usage(GROUP, 8),
    "counts of names": Row(lambda held: held.fields("nlink"), "counted anew", "yes", with_names),
    "parents, of hard links how often each": Row(
        Held.parents, "counted anew", "yes", with_parents, Held.parents_met
    ),
    "counts of references": Row(Held.references, "counted anew", "yes", with_references, Held.references_met),
    "statistics of directories": Row(
        Held.statistics, "counted anew", "yes", spoilt("dirUsedSpace", "d"), Held.statistics_met
    ),
    "used space and inodes": Row(
        lambda held: held.counters("used_space", "total_inodes"),
        "counted anew",
        "yes",
        ahead("usedSpace"),
        used,
    ),
    "number of the next inode": next_number("next_inode", "nextinode", ordinary),
    "number of the next slice": next_number("next_chunk", "nextchunk", slice_ids),
    "number of the next trash directory": next_number("next_trash", "nextTrash", hours),
    "number of the next session": Row(lambda held: held.counters("next_session"), "no", "yes"),
    "files that were deleted and wait": Row(Held.deleted, "yes", "yes"),
    "slices of deleted files": Row(Held.deleted_chunks, "no", "yes"),
    "unlinked files that were open": Row(Held.open_files, "no", "yes"),
    "number of the last line of the change log": Row(lambda held: held.counters("txn_last_log"), "no", "yes"),
    "lines of the change log": plain("txn_log"),
    "sessions": plain("session_infos"),
    "locks": Row(lambda held: held.numbereds("flocks", "plocks", "locked"), "no", "no"),
    "tokens": plain("tokens"),
    "slices that wait for the trash": plain("delayed_slices"),
    "unfinished copies": plain("detached_nodes"),
}
"""What is kept, line by line.  Source: L4.16, L4.18-L4.24, L5.9, L5.10, L5.13, L5.15."""


def differing(before: Held, after: Held, format: Format) -> dict[str, tuple[Part, Part]]:
    """What a format has not made of a volume as the table says: the line, with what there should be of it
    besides and what there is."""
    found = {}
    for name, row in ROWS.items():
        fate = row.json if format == "json" else row.binary
        if fate == "no" or name == LAST_RULE:
            continue
        wanted = (row.anew or row.of)(before) if fate == "counted anew" else row.of(before)
        there = row.of(after)
        if there != wanted:
            found[name] = less(wanted, there), less(there, wanted)
    return found


def less(one: Part, other: Part) -> Part:
    """What is in one part and not, or otherwise, in another."""
    return {key: value for key, value in one.items() if key not in other or other[key] != value}


# -- a volume that has something of each line ----------------------------------------------------------


def full(volume: Volume, **settings: Any) -> dict[str, int]:
    """A volume in order that has something of everything that both formats keep; the inodes by name."""
    made = rich(volume, **settings)
    fs, x, y = volume.fs, made["x"], made["y"]
    fs.setattr(x, SetAttr.TIER | SetAttr.FLAGS, Attr(tier=2, flags=AttrFlag.WINDOWS_HIDDEN))
    fs.setattr(made["e"], SetAttr.TIER, Attr(tier=1))
    stamps = Attr(atime=(1_000_000_001, 11), mtime=(1_000_000_002, 22))
    fs.setattr(y, SetAttr.ATIME | SetAttr.MTIME, stamps)
    volume.node("socket", FileType.SOCKET, made["d"])
    fs.mknod(1, b"block", FileType.BLOCKDEV, 0o600, rdev=0x10203)
    made["a"] = volume.file("a")
    for perm in (6, 7):  # the first rule is left to nobody
        fs.acl_set(made["a"], AclType.ACCESS, Rule(6, 4, 5, 0, [(1002, perm)], []))
    for name in (b"again", b"b"):  # several names in one directory, and one in another
        fs.link(x, 1, name)
    made["slice"] = put(fs, made["a"], 5, 4096, 100, 50)
    fs.settle()
    fs.quota_set(USER, 7, Quota(1 << 30, 100))
    fs.quota_set(GROUP, 8, Quota(1 << 31, -1))
    fs.settle()
    fs.refresh()
    return made


def everything(volume: Volume) -> dict[str, int]:
    """A full volume that has something of what a format leaves out, too."""
    made = full(volume, ChangeLog=True)
    fs, e = volume.fs, made["e"]  # what is removed there does not go to the trash
    held, lost = volume.file("held", e), volume.file("lost", e)
    slices = [put(fs, held, 0, 100), fs.new_slice(), fs.new_slice()]
    fs.open_file(held)
    fs.unlink(e, b"held")
    fs.unlink(e, b"lost")
    fs.settle()
    volume.raw.zadd("delfiles", {f"{lost}:100": 5})
    store(volume, lost, 0, [piece(slices[1], 100)])
    store(volume, made["a"], 9, [piece(slices[2], 100)])
    fs.flock(made["x"], 1, LockType.W)
    fs.setlk(made["x"], 1, False, LockType.W, 0, 9, 1)
    volume.raw.hset("krbToken", "1", b"token")
    volume.raw.hset("delSlices", "7_1", bytes(12))
    volume.raw.zadd("detachedNodes", {"999": 1})
    put(fs, volume.file("z"), 0, 10)
    fs.settle()
    return made
