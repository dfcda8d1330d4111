"""Whether the segments of a binary backup fit together; asked before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ..types import ROOT_INODE, TRASH_INODE, FileType, Format, QuotaType
from . import codec
from .jsontext import BadFile
from .numbersets import Numbers
from .segments import BackupFile, Info, Segment

RECORD = 24
"""Bytes of a slice in a chunk."""

HEAD = 63
"""Bytes that attributes have at least (S2.2)."""

COUNTERS = ("usedSpace", "totalInodes", "nextInode", "nextChunk", "nextSession", "nextTrash", "lastChangelog")
TYPES = frozenset(map(int, FileType))
DOTS = frozenset({b".", b".."})


@dataclass
class Inventory:
    """What a backup holds."""

    format: Format = field(default_factory=lambda: Format({}))
    setting: bytes = b""
    """The settings as stored."""
    infos: dict[str, Info] = field(default_factory=dict)
    """The segments of each kind."""
    last_acl: int = 0

    @property
    def items(self) -> int:
        """How many items there are, of all kinds."""
        return sum(info.number for info in self.infos.values())


def inventory(stream: BinaryIO) -> Inventory:
    """Read a backup from its begin to its end.

    Raises `BadFile` for the first thing that is wrong: a node twice, an entry that leads nowhere.
    """
    found = Inventory()
    for _ in inventoried(BackupFile(stream), found):
        pass
    return found


def inventoried(file: BackupFile, found: Inventory) -> Iterator[Segment]:
    """The segments of a backup, each once it has been looked at; `found` is what they hold so far."""
    found.infos = file.infos
    check = Check(found)
    for segment in file.segments():
        check.take(segment)
        yield segment
    check.together(file.offset)


def possible(names: Sequence[bytes]) -> bool:
    """Whether all of these can be names of entries."""
    every = b"".join(names)
    return all(names) and b"/" not in every and b"\0" not in every and DOTS.isdisjoint(names)


class Check:
    """Looks at every item, and then at them together.  Keeps a bit or little more of each."""

    def __init__(self, found: Inventory) -> None:
        self._found = found
        self._offset = 0
        self._nodes = {type: Numbers() for type in FileType}
        self._entries = {type: Numbers() for type in FileType}
        """The nodes to which entries lead, by the type that the entries tell."""
        self._directories: dict[int, int] = {}
        """The directory that each directory is in."""
        self._parents = Numbers()
        """The directories that have entries."""
        self._once: dict[str, Numbers] = {}
        self._names: set[int] = set()
        self._large: dict[str, Callable[[Sequence[Any]], None]] = {
            "nodes": self._look_at_nodes,
            "edges": self._look_at_edges,
            "chunks": self._look_at_chunks,
        }
        """What there are many of is looked at all at once: a call for each would take most of the time."""

    def take(self, segment: Segment) -> None:
        """Look at the items of a segment."""
        self._offset = segment.offset
        if segment.name == "format":
            self._format(segment.message.data)
        for list, items in segment.lists():
            if list in self._large:
                self._large[list](items)
                continue
            look: Callable[[Any], None] = getattr(self, f"look_at_{list}")
            for item in items:
                look(item)

    def together(self, offset: int) -> None:
        """Look at nodes and entries as a tree."""
        self._offset = offset
        if not self._found.setting:
            raise self._bad("the backup has no settings")
        if "counters" not in self._once:
            raise self._bad("the backup has no counters")
        if ROOT_INODE not in self._nodes[FileType.DIRECTORY]:
            raise self._bad("the backup has no root directory")
        for inode in self._nodes[FileType.DIRECTORY].missing(self._parents):
            raise self._bad(f"there are entries of {inode}, which is no directory of the backup")
        for type, entries in self._entries.items():
            for inode in self._nodes[type].missing(entries):
                raise self._bad(
                    f"an entry leads to inode {inode}, which is no {type.name.lower()} of the backup"
                )
        self._no_cycles()

    def _no_cycles(self) -> None:
        """Every way up ends: at a root, or where a directory has no name."""
        ends = Numbers()
        for start in self._directories:
            way, inode = [], start
            mine: set[int] = set()
            while inode in self._directories and inode not in ends:
                if inode in mine:
                    raise self._bad(f"directory {inode} is inside of itself")
                mine.add(inode)
                way.append(inode)
                inode = self._directories[inode]
            for passed in way:
                ends.add(passed)

    def _bad(self, what: str) -> BadFile:
        return BadFile(what, self._offset)

    def _new(self, kind: str, number: int, what: str) -> None:
        """Raise `BadFile` when a number has come before."""
        if not self._once.setdefault(kind, Numbers()).add(number):
            raise self._bad(f"the segment has {what}, which has come before")

    def _format(self, data: bytes) -> None:
        if self._found.setting:
            raise self._bad("the backup has settings twice")
        try:
            self._found.format = codec.decode_format(data)
        except codec.CorruptValue as corrupt:
            raise self._bad(f"the settings are of no use ({corrupt})") from None
        self._found.setting = data

    # -- items -------------------------------------------------------------------------------------

    def look_at_counters(self, item: Any) -> None:
        """A known counter, once."""
        if item.key not in COUNTERS:
            raise self._bad(f"the segment has the unknown counter {item.key[:40]!r}")
        self._new("counters", COUNTERS.index(item.key), f"the counter {item.key}")

    def _look_at_nodes(self, items: Sequence[Any]) -> None:
        """Attributes of known types, each inode once."""
        inodes: dict[int, list[int]] = {type: [] for type in TYPES}
        for item in items:
            inode, data = item.inode, item.data
            if len(data) < HEAD or not inode:
                raise self._bad(f"the segment has attributes of inode {inode} of {len(data)} bytes")
            number = data[1] >> 4
            if number not in inodes:
                raise self._bad(f"the segment has inode {inode} of the unknown type {number}")
            inodes[number].append(inode)
        for type, some in inodes.items():
            if (twice := self._once.setdefault("nodes", Numbers()).repeated(some)) is not None:
                raise self._bad(f"the segment has inode {twice}, which has come before")
            self._nodes[FileType(type)].update(some)

    def _look_at_edges(self, items: Sequence[Any]) -> None:
        """Possible names of known types, each once in its directory."""
        names, parents = [item.name for item in items], [item.parent for item in items]
        types, inodes = [item.type for item in items], [item.inode for item in items]
        if not (possible(names) and TYPES.issuperset(types)):
            for item in items:
                self._require_possible(item)
        keys = [*map(hash, zip(parents, names, strict=True))]
        if len({*keys}) < len(keys) or not self._names.isdisjoint(keys):
            for item, key in zip(items, keys, strict=True):
                if key in self._names:
                    raise self._bad(
                        f"the segment has a second entry {item.name[:40]!r} of directory {item.parent}"
                    )
                self._names.add(key)
        self._names.update(keys)
        self._parents.update({*parents})
        for type in {*types}:
            led = [inode for inode, one in zip(inodes, types, strict=True) if one == type]
            self._entries[FileType(type)].update(led)
        if FileType.DIRECTORY in types:
            for parent, type, inode in zip(parents, types, inodes, strict=True):
                if type == FileType.DIRECTORY:
                    if inode in (ROOT_INODE, TRASH_INODE) or inode in self._directories:
                        raise self._bad(f"the segment has a second name of directory {inode}")
                    self._directories[inode] = parent

    def _require_possible(self, item: Any) -> None:
        if not possible([item.name]):
            raise self._bad(f"the segment has the impossible name {item.name[:40]!r}")
        if item.type not in TYPES:
            raise self._bad(f"the segment has an entry of the unknown type {item.type}")

    def _look_at_chunks(self, items: Sequence[Any]) -> None:
        """Whole records, at least one, each chunk once."""
        for item in items:
            size = len(item.slices)
            if size != RECORD and (not size or size % RECORD):
                raise self._bad(f"the segment has a chunk of inode {item.inode} of {size} bytes")
        # The index first: so the first chunks of neighbours are neighbours.
        numbers = [item.index << 64 | item.inode for item in items]
        if (twice := self._once.setdefault("chunks", Numbers()).repeated(numbers)) is not None:
            index, inode = divmod(twice, 1 << 64)
            raise self._bad(f"the segment has chunk {index} of inode {inode}, which has come before")

    def look_at_slice_refs(self, item: Any) -> None:
        """A count above zero, once."""
        if item.refs < 1:
            raise self._bad(f"the segment has {item.refs} references of slice {item.id}")
        self._new("slice_refs", item.id << 32 | item.size, f"the references of slice {item.id}")

    def look_at_symlinks(self, item: Any) -> None:
        """A target, once."""
        self._new("symlinks", item.inode, f"the target of inode {item.inode}")

    def look_at_sustained(self, item: Any) -> None:
        """The inodes of a session, at least one, once."""
        if not item.inodes:
            raise self._bad(f"the segment has session {item.sid} without an inode")
        self._new("sustained", item.sid, f"session {item.sid}")

    def look_at_deleted_files(self, item: Any) -> None:
        """Any number of any numbers."""

    def look_at_xattrs(self, item: Any) -> None:
        """A name, once for its node."""
        key = hash((item.inode, item.name, ""))
        if not item.name or key in self._names:
            raise self._bad(f"the segment has the attribute {item.name[:40]!r} of inode {item.inode} again")
        self._names.add(key)

    def look_at_acls(self, item: Any) -> None:
        """A rule that can be read, once."""
        try:
            codec.decode_rule(item.data)
        except codec.CorruptValue as corrupt:
            raise self._bad(f"rule {item.id} is of no use ({corrupt})") from None
        self._new("acls", item.id, f"rule {item.id}")
        self._found.last_acl = max(self._found.last_acl, item.id)

    def look_at_dir_stats(self, item: Any) -> None:
        """Statistics, once."""
        self._new("stats", item.inode, f"statistics of directory {item.inode}")

    def look_at_dir_quotas(self, item: Any) -> None:
        """A quota of the kind it tells, once."""
        if item.type not in list(QuotaType):
            raise self._bad(f"the segment has a quota of the unknown type {item.type}")
        self._look_at_quota(QuotaType(item.type), item)

    def look_at_user_quotas(self, item: Any) -> None:
        """A quota, once."""
        self._look_at_quota(QuotaType.USER, item)

    def look_at_group_quotas(self, item: Any) -> None:
        """A quota, once."""
        self._look_at_quota(QuotaType.GROUP, item)

    def _look_at_quota(self, type: QuotaType, item: Any) -> None:
        self._new(f"quotas {type.name}", item.key, f"the quota of {type.name.lower()} {item.key}")

    def look_at_parents(self, item: Any) -> None:
        """A count of names in a directory, once."""
        key = hash((item.inode, item.parent))
        if key in self._names:
            raise self._bad(f"the segment has the names of inode {item.inode} in {item.parent} again")
        self._names.add(key)

    def look_at_change_lines(self, item: Any) -> None:
        """Lines are not restored (L5.17)."""
