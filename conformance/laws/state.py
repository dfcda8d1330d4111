"""What the laws know of a volume: columns of numbers, and the few things that are odd by their names."""

from __future__ import annotations

import re
import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from metaparity.drivers.engine import codec
from metaparity.drivers.engine.codec.corrupt import I64, decimal
from metaparity.drivers.engine.codec.nodes import ACLS, ENTRY, HEAD, PARENT
from metaparity.drivers.engine.keys import PLAIN, Keys
from metaparity.drivers.types import CHUNK_SIZE, ROOT_INODE, TRASH_INODE, FileType, Format

from .columns import ABSENT, Directories, Nodes, contains, increasing
from .source import Source

NUMBERED = re.compile(rb"(lockf|lockp|locked|session|[idpsx])(0|[1-9][0-9]{0,19})")
CHUNK = re.compile(rb"c(0|[1-9][0-9]{0,19})_(0|[1-9][0-9]{0,9})")
RECORD = struct.Struct(">IQIII")
HOUR = re.compile(rb"\d{4}-\d{2}-\d{2}-\d{2}")
TRASHED = re.compile(rb"(\d+)-(\d+)-")
MOST = 1 << 64
STATISTICS = ("dir_data_length", "dir_used_space", "dir_used_inodes")
TOLD = ("told_length", "told_space", "told_entries")


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a directory."""

    parent: int
    name: bytes
    type: int
    inode: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a chunk: positions and lengths in bytes (S2.4)."""

    key: bytes
    blob: bytes
    pos: int
    id: int
    size: int
    off: int
    len: int


def possible(name: bytes) -> bool:
    """Whether a name can be one of an entry."""
    return bool(name) and b"/" not in name and b"\0" not in name


def whole(text: bytes) -> bool:
    """Whether a text can be an inode, a session or an id."""
    return text.isdigit() and len(text) <= 20


def in_order(parent: int, name: bytes, inode: int) -> bool:
    """Whether an entry of the trash is named as it should be (S3.9)."""
    if parent == TRASH_INODE:
        return bool(HOUR.fullmatch(name))
    named = TRASHED.match(name)
    return named is not None and int(named[2]) == inode


class State:
    """Reads a volume once, in the order in which one thing is judged by another.

    What is in proportion to the volume is kept as numbers; what is odd, and what is rare (sessions, locks,
    quotas, rules, owners), as it is.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.keys = Keys(source.prefix)
        self.unreadable: list[tuple[bytes, str]] = []
        """Keys whose value is none of theirs, with what is wrong; there is no such value for the laws."""
        self._read_names()
        self._read_plain()
        self._read_nodes()
        self._read_entries()
        self._read_statistics()
        self._read_chunks()

    # -- reading -----------------------------------------------------------------------------------

    def _read_names(self) -> None:
        found: dict[bytes, array[int]] = {
            kind: array("Q")
            for kind in (b"i", b"d", b"p", b"s", b"x", b"lockf", b"lockp", b"locked", b"session")
        }
        chunks = {part: (array("Q"), array("Q")) for part in range(16)}
        for name in self.source.names():
            if numbered := NUMBERED.fullmatch(name):
                number = int(numbered[2])
                if number < MOST:
                    found[numbered[1]].append(number)
            elif chunk := CHUNK.fullmatch(name):
                inode, index = int(chunk[1]), int(chunk[2])
                if inode < MOST:
                    files, indexes = chunks[inode % 16]
                    files.append(inode)
                    indexes.append(index)
        self.numbers = {kind: increasing(found.pop(kind)) for kind in list(found)}
        """The numbers of all keys of each kind that carries one."""
        self.chunk_files, self.chunk_indexes = array("Q"), array("Q")
        for part in range(16):  # one after another, because what is sorted at once takes much more memory
            for inode, index in sorted(set(zip(*chunks.pop(part), strict=True))):
                self.chunk_files.append(inode)
                self.chunk_indexes.append(index)

    def _read_plain(self) -> None:
        source = self.source
        self.format = self._format()
        self.counters: dict[str, int | None] = {
            name: self._counter(name)
            for name in (
                *("used_space", "total_inodes", "next_inode", "next_chunk", "next_session"),
                *("next_trash", "acl_max_id"),
            )
        }
        """The counters by our names for their keys; None where there is none."""
        self.registered = {
            sid for key in (PLAIN["all_sessions"], self.keys.legacy_sessions) for sid in self._members(key)
        }
        self.sustained: dict[int, set[int]] = {}
        """Which sessions keep a node that has no name."""
        for name, members in source.sets(self.named(b"session")):
            for member in members:
                if whole(member):
                    self.sustained.setdefault(int(member), set()).add(int(name[len(b"session") :]))
                else:
                    self.unreadable.append((self.full(name), f"the member {member!r} is no inode"))
        self.detached = set(self._members(PLAIN["detached_nodes"]))
        self.deleted: dict[int, list[bytes]] = {}
        """Members of `delfiles` by their inodes."""
        for member in source.ranked(PLAIN["delfiles"]):
            inode, _, rest = member.partition(b":")
            if whole(inode) and rest:
                self.deleted.setdefault(int(inode), []).append(member)
            else:
                self.unreadable.append((self.keys.delfiles, f"the member {member!r} is no file's"))
        self.rules = {int(id): rule for id, rule in source.hash(PLAIN["acl"]) if whole(id)}

    def _read_nodes(self) -> None:
        self.nodes = nodes = Nodes(self.numbers.pop(b"i"))
        self.ruled: list[tuple[int, int, int]] = []
        """Nodes that have ACLs, with the numbers of their access and default rule."""
        self.odd_times: list[tuple[int, tuple[int, int, int]]] = []
        """Nodes whose nanoseconds are a second or more."""
        gone = array("Q", nodes.inodes)
        place = 0
        for name, blob in self.source.strings(b"i%d" % inode for inode in gone):
            inode = int(name[1:])
            if len(blob) < HEAD.size:
                self.unreadable.append(
                    (self.full(name), f"attributes take {HEAD.size} bytes, not {len(blob)}")
                )
                continue
            _, kind, uid, gid, _, atn, _, mtn, _, ctn, nlink, length, _ = HEAD.unpack_from(blob)
            parent = PARENT.unpack_from(blob, HEAD.size)[0] if len(blob) >= HEAD.size + PARENT.size else 0
            nodes.inodes[place] = inode  # rows of what is gone are closed up
            nodes.type[place], nodes.mode[place] = kind >> 12, kind & 0xFFF
            nodes.uid[place], nodes.gid[place] = uid, gid
            nodes.nlink[place], nodes.length[place], nodes.parent[place] = nlink, length, parent
            if len(blob) >= HEAD.size + PARENT.size + ACLS.size:
                self.ruled.append((inode, *ACLS.unpack_from(blob, HEAD.size + PARENT.size)))
            if max(atn, mtn, ctn) >= 10**9:
                self.odd_times.append((inode, (atn, mtn, ctn)))
            place += 1
        nodes.cut(place)
        self.directories = Directories(
            array("Q", (inode for inode, type in nodes.rows("type") if type == FileType.DIRECTORY))
        )

    def _read_entries(self) -> None:
        self.odd: list[Entry] = []
        """Entries that are not as they should be, in any way that can be told from one entry alone."""
        linked_nodes, linked_parents = array("Q"), array("Q")
        for name, entries in self.source.hashes(self.named(b"d")):
            parent = int(name[1:])
            for title, value in entries:
                if len(value) != ENTRY.size:
                    self.unreadable.append(
                        (self.full(name), f"the entry {title!r} takes {ENTRY.size} bytes, not {len(value)}")
                    )
                    continue
                type, inode = ENTRY.unpack(value)
                if self._count_entry(parent, title, type, inode):
                    linked_nodes.append(inode)
                    linked_parents.append(parent)
        self.linked_nodes, self.linked_parents = array("Q"), array("Q")
        for inode, parent in sorted(zip(linked_nodes, linked_parents, strict=True)):
            self.linked_nodes.append(inode)
            self.linked_parents.append(parent)

    def _count_entry(self, parent: int, name: bytes, type: int, inode: int) -> bool:
        """Add an entry to what is counted; returns whether its node counts its parents."""
        nodes, directories = self.nodes, self.directories
        node, directory = nodes.find(inode), directories.find(parent)
        length = space = 0
        if node != ABSENT:
            nodes.names[node] += 1
            length, space = self.content_of(node), self.space_of(node)
        if directory != ABSENT:
            directories.entries[directory] += node != ABSENT
            directories.below[directory] += type == FileType.DIRECTORY
            # What no counter holds is no worse for being more.
            directories.length[directory] = min(directories.length[directory] + length, I64[1])
            directories.space[directory] = min(directories.space[directory] + space, I64[1])
        counted = node != ABSENT and nodes.parent[node] == 0
        if (
            node == ABSENT
            or directory == ABSENT
            or nodes.type[node] != type
            or (not counted and nodes.parent[node] != parent)
            or inode in (ROOT_INODE, TRASH_INODE)
            or not possible(name)
            or (parent >= TRASH_INODE and not in_order(parent, name, inode))
        ):
            self.odd.append(Entry(parent, name, type, inode))
        return counted

    def _read_statistics(self) -> None:
        directories = self.directories
        self.lost_statistics: set[int] = set()
        """Directories that are gone and have statistics."""
        for bit, (kind, column) in enumerate(zip(STATISTICS, TOLD, strict=True)):
            for field, value in self.source.hash(PLAIN[kind]):
                number = self.number_in(PLAIN[kind], field, value)
                if number is None:
                    continue
                place = directories.find(int(field))
                if place == ABSENT:
                    self.lost_statistics.add(int(field))
                else:
                    getattr(directories, column)[place] = number
                    directories.told[place] |= 1 << bit

    def _read_chunks(self) -> None:
        self.lost_chunks: dict[bytes, list[Record]] = {}
        """Chunks whose file is neither there nor waits for deletion, with their records."""
        self.odd_records: list[Record] = []
        """Records that do not lie in their chunk, or show more than their slice has."""
        self.slices = {part: (array("Q"), array("I")) for part in range(16)}
        """The slice of every record, by the last four bits of its id: ids and sizes in bytes."""
        self.highest_slice = 0
        names = (b"c%d_%d" % one for one in zip(self.chunk_files, self.chunk_indexes, strict=True))
        for name, blobs in self.source.lists(names):
            key = self.full(name)
            inode = int(name[1:].partition(b"_")[0])
            lost = inode not in self.nodes and inode not in self.deleted
            if lost:
                self.lost_chunks[key] = []
            for blob in blobs:
                if len(blob) != RECORD.size:
                    self.unreadable.append((key, f"a record takes {RECORD.size} bytes, not {len(blob)}"))
                    continue
                pos, id, size, off, length = RECORD.unpack(blob)
                if id:
                    self.refer(id, size)
                if lost:
                    self.lost_chunks[key].append(Record(key, blob, pos, id, size, off, length))
                if pos + length > CHUNK_SIZE or (id and off + length > size):
                    self.odd_records.append(Record(key, blob, pos, id, size, off, length))
        for field, blob in self.source.hash(PLAIN["delayed_slices"]):
            try:
                waiting = codec.decode_delayed_slices(blob)
            except codec.CorruptValue as corrupt:
                self.unreadable.append((self.keys.delayed_slices, f"{field!r}: {corrupt}"))
                continue
            for id, size in waiting:
                self.refer(id, size)

    def refer(self, id: int, size: int) -> None:
        """Something refers to a slice of so many bytes."""
        ids, sizes = self.slices[id % 16]
        ids.append(id)
        sizes.append(size)
        self.highest_slice = max(self.highest_slice, id)

    # -- values ------------------------------------------------------------------------------------

    def full(self, name: bytes) -> bytes:
        """The key of a name."""
        return self.source.prefix + name

    def named(self, kind: bytes) -> Iterator[bytes]:
        """The names of all keys of a kind that carries a number."""
        return (b"%s%d" % (kind, number) for number in self.numbers[kind])

    def plain(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """The fields of a hash of the volume as a whole, by our name for its key."""
        return self.source.hash(PLAIN[name])

    def amounts(self, name: str) -> dict[int, int]:
        """A hash of numbers by numbers, by our name for its key."""
        key = PLAIN[name]
        read = ((field, self.number_in(key, field, value)) for field, value in self.source.hash(key))
        return {int(field): number for field, number in read if number is not None}

    def _format(self) -> Format:
        stored = self.source.string(PLAIN["setting"])
        try:
            return codec.decode_format(stored) if stored is not None else Format({})
        except codec.CorruptValue as corrupt:
            self.unreadable.append((self.keys.setting, str(corrupt)))
            return Format({})

    def _counter(self, name: str) -> int | None:
        stored = self.source.string(PLAIN[name])
        try:
            return int(stored) if stored is not None else None
        except ValueError:
            self.unreadable.append((self.full(PLAIN[name]), f"{stored!r} is no number"))
            return None

    def number_in(self, key: bytes, field: bytes, value: bytes) -> int | None:
        """The number in a field that is named by a number."""
        if whole(field):
            try:
                return decimal("a number", value, I64)
            except codec.CorruptValue:
                pass
        self.unreadable.append((self.full(key), f"{field!r}: {value!r} is no number of a number"))
        return None

    def _members(self, name: bytes) -> Iterator[int]:
        for member in self.source.ranked(name):
            if whole(member):
                yield int(member)
            else:
                self.unreadable.append((self.full(name), f"the member {member!r} is no number"))

    # -- what several laws ask -----------------------------------------------------------------------

    @staticmethod
    def has(numbers: array[int], number: int) -> bool:
        """Whether a number is among the increasing ones of `numbers`."""
        return contains(numbers, number)

    def content_of(self, node: int) -> int:
        """The bytes of a file; 0 of anything else."""
        return self.nodes.length[node] if self.nodes.type[node] == FileType.FILE else 0

    def space_of(self, node: int) -> int:
        """The space that a node takes, in bytes (S3.6)."""
        return codec.aligned(self.content_of(node))

    def ordinary(self, *columns: str) -> Iterator[tuple[int, ...]]:
        """Every inode but those of the roots, with the values of columns of its node."""
        return (row for row in self.nodes.rows(*columns) if row[0] not in (ROOT_INODE, TRASH_INODE))

    def parents_of(self, inode: int) -> dict[int, int]:
        """How many names a node that counts its parents has in each directory."""
        found: dict[int, int] = {}
        place = bisect_left(self.linked_nodes, inode)
        while place < len(self.linked_nodes) and self.linked_nodes[place] == inode:
            parent = self.linked_parents[place]
            found[parent] = found.get(parent, 0) + 1
            place += 1
        return found

    @cached_property
    def misplaced(self) -> dict[int, list[int]]:
        """Nodes with names elsewhere than in their parent, and where."""
        found: dict[int, list[int]] = {}
        for entry in self.odd:
            node = self.nodes.find(entry.inode)
            if node != ABSENT and self.nodes.parent[node] not in (0, entry.parent):
                found.setdefault(entry.inode, []).append(entry.parent)
        return found

    def way_up(self, ends: set[int]) -> array[int]:
        """For each directory, which of some inodes comes first on the way up from it, itself counted; 0 where
        the way leads in a circle or to nothing."""
        directories, nodes = self.directories, self.nodes
        unknown = MOST - 1
        reached = array("Q", [unknown]) * len(directories)
        for place, inode in enumerate(directories.inodes):
            path: list[int] = []
            end = 0
            while True:
                if reached[place] != unknown:
                    end = reached[place]
                    break
                reached[place] = 0  # where the way comes back to
                path.append(place)
                if inode in ends:
                    end = inode
                    break
                inode = nodes.parent[nodes.find(inode)]
                place = directories.find(inode)
                if place == ABSENT:
                    break
            for one in path:
                reached[one] = end
        return reached
