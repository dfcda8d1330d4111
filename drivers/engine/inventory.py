"""Whether the segments of a binary backup fit together; asked before anything is written."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, compress
from operator import lt
from typing import BinaryIO

from ..types import ROOT_INODE, TRASH_INODE, FileType, Format, QuotaType
from . import codec
from .codec.corrupt import EXACT, I64
from .entrynames import Names
from .hashes import SALT, Hashes
from .jsontext import BadFile
from .numbersets import Mentions, Numbers
from .progress import Progress, Tell, nobody
from .segments import BackupFile, Info, Segment

RECORD = codec.RECORD.size
"""Bytes of a slice in a chunk."""

HEAD = 63
"""Bytes that attributes have at least (S2.2)."""

COUNTERS = ("usedSpace", "totalInodes", "nextInode", "nextChunk", "nextSession", "nextTrash", "lastChangelog")
NEXT = ("nextInode", "nextChunk")
"""The counters that tell the next number, of which the last one is stored (L5.15)."""

LEAST = 1 - (1 << 63)
"""What those may be, so that the one before it can be stored."""

TYPES = frozenset(map(int, FileType))
MANY = frozenset({"nodes", "edges", "chunks", "change_lines"})
"""What is looked at all at once: a call for each item would take most of the time."""


@dataclass
class Inventory:
    """What a backup holds."""

    format: Format = field(default_factory=lambda: Format({}))
    setting: bytes = b""
    """The settings as stored."""
    infos: dict[str, Info] = field(default_factory=dict)
    """The segments of each kind."""
    counters: dict[str, int] = field(default_factory=dict)
    """The counters that the backup tells."""
    last_acl: int = 0

    @property
    def progress(self) -> Progress:
        """How far the look at the file has come."""
        nodes = self.infos["node"].number if "node" in self.infos else 0
        return "nodes checked", nodes, self.counters.get("totalInodes", 0)

    @property
    def items(self) -> int:
        """How many items there are, of all kinds."""
        return sum(info.number for info in self.infos.values())


def inventory(stream: BinaryIO, tell: Tell = nobody) -> Inventory:
    """Read a backup from its begin to its end; `tell` is told how far that has come.

    Raises `BadFile` for the first thing that is wrong: a node twice, an entry that leads nowhere.
    """
    found = Inventory()
    for _ in inventoried(BackupFile(stream), found):
        tell(*found.progress)
    return found


def inventoried(file: BackupFile, found: Inventory) -> Iterator[Segment]:
    """The segments of a backup, each once it has been looked at; `found` is what they hold so far."""
    found.infos = file.infos
    check = Check(found)
    for segment in file.segments():
        check.take(segment)
        yield segment
    check.together(file.offset)


class Check:
    """Looks at every item, and then at them together.  Keeps few bytes of each."""

    def __init__(self, found: Inventory) -> None:
        self._found = found
        self._offset = 0
        self._nodes = {type: Numbers() for type in FileType}
        self._entries = {type: Mentions() for type in FileType}
        """The nodes to which entries lead, by the type that the entries tell."""
        self._directories = Numbers()
        """The directories that have a name."""
        self._below, self._above = array("Q"), array("Q")
        """Those, and the directory that each is in."""
        self._parents = Mentions()
        """The directories that have entries."""
        self._names = Names()
        self._chunks = Numbers()
        """The files that have a first chunk."""
        self._once = Hashes()
        """Those of all else that may come once."""

    def take(self, segment: Segment) -> None:
        """Look at the items of a segment."""
        self._offset = segment.offset
        if segment.name == "format":
            self._format(segment.setting)
        for list, items in segment.lists.items():
            look: Callable[..., None] = getattr(self, f"look_at_{list}")
            if list in MANY:
                look(*items)
                continue
            for item in zip(*items, strict=True):
                look(*item)

    def together(self, offset: int) -> None:
        """Look at nodes and entries as a tree."""
        self._offset = offset
        if not self._found.setting:
            raise self._bad("the backup has no settings")
        if not self._found.counters:
            raise self._bad("the backup has no counters")
        if ROOT_INODE not in self._nodes[FileType.DIRECTORY]:
            raise self._bad("the backup has no root directory")
        if self._names.twice():
            raise self._bad("a directory has a name twice, far apart in the backup")
        if self._once.twice():
            raise self._bad("something that may come once comes twice, far apart in the backup")
        for one, other in combinations(self._nodes.values(), 2):
            for inode in one.common(other):
                raise self._bad(f"the backup has inode {inode} twice, with two types")
        for inode in self._parents.outside(self._nodes[FileType.DIRECTORY]):
            raise self._bad(f"there are entries of {inode}, which is no directory of the backup")
        for type, entries in self._entries.items():
            for inode in entries.outside(self._nodes[type]):
                raise self._bad(
                    f"an entry leads to inode {inode}, which is no {type.name.lower()} of the backup"
                )
        self._no_cycles()

    def _no_cycles(self) -> None:
        """Every way up ends: at a root, or where a directory has no name."""
        if all(map(lt, self._above, self._below)):
            return  # numbers that fall with every step up come to an end
        above = dict(zip(self._below, self._above, strict=True))
        ends = Numbers()
        for start in above:
            way, inode = [], start
            mine: set[int] = set()
            while inode in above and inode not in ends:
                if inode in mine:
                    raise self._bad(f"directory {inode} is inside of itself")
                mine.add(inode)
                way.append(inode)
                inode = above[inode]
            for passed in way:
                ends.add(passed)

    def _bad(self, what: str) -> BadFile:
        return BadFile(what, self._offset)

    def _new(self, kind: str, number: int, what: str) -> None:
        """Raise `BadFile` when a number has come before."""
        if not self._once.add(hash((SALT, kind, number))):
            raise self._bad(f"the segment has {what}, which has come before")

    def _countable(self, what: str, number: int) -> None:
        """Raise `BadFile` when a counter that leads past a number could not be stored."""
        if number > I64[1]:
            raise self._bad(f"the segment has {what} {number}, which no counter leads past")

    def _format(self, data: bytes) -> None:
        if self._found.setting:
            raise self._bad("the backup has settings twice")
        try:
            self._found.format = codec.decode_format(data)
        except codec.CorruptValue as corrupt:
            raise self._bad(f"the settings are of no use ({corrupt})") from None
        self._found.setting = data

    # -- items -------------------------------------------------------------------------------------

    def look_at_counters(self, key: str, value: int) -> None:
        """A known counter, once."""
        if key not in COUNTERS:
            raise self._bad(f"the segment has the unknown counter {key[:40]!r}")
        if key in NEXT and value < LEAST:
            raise self._bad(f"the counter {key} is {value}: the one before it cannot be stored")
        self._new("counters", COUNTERS.index(key), f"the counter {key}")
        self._found.counters[key] = value

    def look_at_nodes(self, inodes: Sequence[int], blobs: Sequence[bytes]) -> None:
        """Attributes of known types, each inode once."""
        sizes = [*map(len, blobs)]
        if min(sizes, default=HEAD) < HEAD or 0 in inodes:
            for inode, size in zip(inodes, sizes, strict=True):
                if size < HEAD or not inode:
                    raise self._bad(f"the segment has attributes of inode {inode} of {size} bytes")
        self._countable("inode", max(inodes, default=0))
        types = [data[1] >> 4 for data in blobs]
        for type, some in self._by_type(inodes, types, "inode {} of the unknown type {}"):
            if twice := self._nodes[type].again(some):
                raise self._bad(f"the segment has inode {twice[0]}, which has come before")

    def look_at_edges(
        self, parents: Sequence[int], inodes: Sequence[int], names: Sequence[bytes], types: Sequence[int]
    ) -> None:
        """Possible names of known types, each once in its directory."""
        if not codec.possible_names(names):
            name = next(name for name in names if not codec.possible_names([name]))
            raise self._bad(f"the segment has the impossible name {name[:40]!r}")
        place = self._names.second(parents, names)
        if place is not None:
            name, parent = names[place], parents[place]
            raise self._bad(f"the segment has a second entry {name[:40]!r} of directory {parent}")
        self._parents.update([*{*parents}])
        for type, some in self._by_type(inodes, types, "an entry to inode {} of the unknown type {}"):
            self._entries[type].update(some)
        led = told(types, FileType.DIRECTORY)
        below = [*compress(inodes, led)]
        if ROOT_INODE in below or TRASH_INODE in below:
            root = next(inode for inode in below if inode in (ROOT_INODE, TRASH_INODE))
            raise self._bad(f"the segment has a second name of directory {root}")
        for inode in self._directories.again(below):
            raise self._bad(f"the segment has a second name of directory {inode}")
        self._below.extend(below)
        self._above.extend(compress(parents, led))

    def _by_type(
        self, inodes: Sequence[int], types: Sequence[int], unknown: str
    ) -> Iterator[tuple[FileType, list[int]]]:
        """The inodes of each type."""
        for type in {*types} - TYPES:
            raise self._bad(f"the segment has {unknown.format(inodes[types.index(type)], type)}")
        for type in {*types}:
            yield FileType(type), [*compress(inodes, told(types, type))]

    def look_at_chunks(self, inodes: Sequence[int], indexes: Sequence[int], slices: Sequence[bytes]) -> None:
        """Whole records, at least one, each chunk once."""
        sizes = [*map(len, slices)]
        for size in {*sizes}:
            if not size or size % RECORD:
                inode = inodes[sizes.index(size)]
                raise self._bad(f"the segment has a chunk of inode {inode} of {size} bytes")
        if codec.has_large_id(b"".join(slices)):
            large = [inode for inode, some in zip(inodes, slices, strict=True) if codec.has_large_id(some)]
            raise self._bad(f"the segment has a slice of inode {large[0]}, which no counter leads past")
        first, later = inodes, list[tuple[int, int]]()
        if any(indexes):
            first = [inode for inode, index in zip(inodes, indexes, strict=True) if not index]
            later = [pair for pair in zip(inodes, indexes, strict=True) if pair[1]]
        for inode in self._chunks.again(first):
            raise self._bad(f"the segment has chunk 0 of inode {inode}, which has come before")
        for inode, index in later:
            self._new("chunk", inode << 32 | index, f"chunk {index} of inode {inode}")

    def look_at_slice_refs(self, id: int, size: int, refs: int) -> None:
        """A count above zero, once."""
        if refs < 1:
            raise self._bad(f"the segment has {refs} references of slice {id}")
        self._countable("slice", id)
        self._new("slice_refs", id << 32 | size, f"the references of slice {id}")

    def look_at_symlinks(self, inode: int, target: bytes) -> None:
        """A target, once."""
        self._new("symlinks", inode, f"the target of inode {inode}")

    def look_at_sustained(self, sid: int, inodes: Sequence[int]) -> None:
        """The inodes of a session, at least one, once."""
        if not inodes:
            raise self._bad(f"the segment has session {sid} without an inode")
        self._countable("session", sid)
        self._countable("inode", max(inodes))
        self._new("sustained", sid, f"session {sid}")

    def look_at_deleted_files(self, inode: int, length: int, expire: int) -> None:
        """Any number of them, at times that a score keeps."""
        self._countable("inode", inode)
        if not EXACT[0] <= expire <= EXACT[1]:
            raise self._bad(f"the time of the deleted file {inode} is {expire}, which cannot be kept")

    def look_at_xattrs(self, inode: int, name: str, value: bytes) -> None:
        """A name, once for its node."""
        if not name or not self._once.add(hash((SALT, inode, name))):
            raise self._bad(f"the segment has the attribute {name[:40]!r} of inode {inode} again")

    def look_at_acls(self, id: int, data: bytes) -> None:
        """A rule that can be read, once."""
        try:
            codec.decode_rule(data)
        except codec.CorruptValue as corrupt:
            raise self._bad(f"rule {id} is of no use ({corrupt})") from None
        self._new("acls", id, f"rule {id}")
        self._found.last_acl = max(self._found.last_acl, id)

    def look_at_dir_stats(self, inode: int, *numbers: int) -> None:
        """Statistics, once."""
        self._new("stats", inode, f"statistics of directory {inode}")

    def look_at_dir_quotas(self, key: int, *rest: int) -> None:
        """A quota of the kind it tells, once."""
        type = rest[-1]
        if type not in list(QuotaType):
            raise self._bad(f"the segment has a quota of the unknown type {type}")
        self._look_at_quota(QuotaType(type), key)

    def look_at_user_quotas(self, key: int, *rest: int) -> None:
        """A quota, once."""
        self._look_at_quota(QuotaType.USER, key)

    def look_at_group_quotas(self, key: int, *rest: int) -> None:
        """A quota, once."""
        self._look_at_quota(QuotaType.GROUP, key)

    def _look_at_quota(self, type: QuotaType, key: int) -> None:
        self._new(f"quotas {type.name}", key, f"the quota of {type.name.lower()} {key}")

    def look_at_parents(self, inode: int, parent: int, count: int) -> None:
        """A count of names in a directory, once."""
        if not self._once.add(hash((SALT, inode, parent))):
            raise self._bad(f"the segment has the names of inode {inode} in {parent} again")

    def look_at_change_lines(self, versions: Sequence[int], entries: Sequence[bytes]) -> None:
        """Lines are not restored (L5.17)."""


def told(types: Sequence[int], wanted: int) -> bytes:
    """Of each type below 256, whether it is the wanted one."""
    return bytes(types).translate(bytes(type == wanted for type in range(256)))
