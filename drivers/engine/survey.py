"""What a dump adds up to, and whether its nodes fit together: asked before anything is written (L4.21)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

from ..types import ROOT_INODE, TRASH_INODE, Format, Quota, QuotaType
from . import codec
from .codec.corrupt import I64
from .dumpfile import DumpFile, Event
from .dumpnodes import Child
from .dumptext import DIRECTORY, FILE, TYPE_NAMES
from .hashes import Hashes, first_again
from .jsontext import BadFile
from .numbersets import Numbers
from .progress import Progress

Others: TypeAlias = defaultdict[int, Numbers]
"""The inodes that are no directories, by their type."""

MANY = 1 << 18
"""Names of a directory of which more are kept as hashes: as they are, one takes some hundred bytes."""

QUOTAS = {"Quotas": QuotaType.DIR, "UserQuotas": QuotaType.USER, "GroupQuotas": QuotaType.GROUP}
"""The kinds of quotas, by the names that a dump has for them."""


@dataclass
class Survey:
    """The sums over a dump."""

    format: Format = field(default_factory=lambda: Format({}))
    counters: dict[str, int] = field(default_factory=dict)
    """The counters that the dump tells; they are counted anew (L4.21)."""
    quotas: dict[QuotaType, dict[int, Quota]] = field(
        default_factory=lambda: {type: {} for type in QuotaType}
    )
    kinds: Counter[str] = field(default_factory=Counter)
    """Nodes by their type, deleted files, sessions, names."""
    has_trash: bool = False
    space: int = 0
    inodes: int = 0
    last_inode: int = ROOT_INODE
    last_slice: int = 0
    last_trash: int = 0
    last_deleted: int = 0
    """The highest inode of a file whose data has to go."""
    links: dict[int, int] = field(default_factory=dict)
    """How many names each node has that has several."""
    shared: set[int] = field(default_factory=set)
    """The slices to which several records refer, by their ids."""
    directories: Numbers = field(default_factory=Numbers)

    @property
    def progress(self) -> Progress:
        """How far the look at the file has come."""
        return "names checked", self.kinds["name"], self.counters.get("usedInodes", 0)


@dataclass(slots=True)
class Directory:
    """A directory whose entries are being read."""

    names: set[bytes] = field(default_factory=set)
    """Those of its entries, unless there are many."""
    many: Hashes | None = None
    """Their hashes then."""
    space: int = 0
    """What is in it and below takes, in bytes."""


def survey(stream: BinaryIO) -> Survey:
    """Read a dump from its begin to its end.

    Raises `BadFile` for the first thing that is wrong: a directory with two names, an entry twice.
    """
    found = Survey()
    for _ in surveyed(DumpFile(stream).events(), found):
        pass
    return found


def surveyed(events: Iterable[Event], found: Survey) -> Iterator[Event]:
    """The events of a dump, each once it has been looked at and is in `found`."""
    others, slices = Others(Numbers), Numbers()
    open_ones: list[Directory] = []
    for event in events:
        kind, value = event
        if kind == "leaves":
            _take_entries(value, open_ones[-1], found)
            _take_leaves(value, found, others, slices)
        elif kind == "chunks":
            value.again = value.inode in others[FILE]
            if not value.again:
                _take_slices([value], found, slices)
        elif kind == "enter":
            if open_ones:
                _take_entries([value], open_ones[-1], found)
            open_ones.append(Directory())
            _take_directory(value, found, others)
        elif kind == "leave":
            _leave(value, open_ones)
        elif kind == "Setting":
            found.format = value
        elif kind == "Counters":
            found.counters = value
        elif kind in QUOTAS:
            id, space, inodes = value
            found.quotas[QUOTAS[kind]][id] = Quota(space, inodes)
        elif kind == "DelFiles":
            found.kinds["deleted file"] += 1
            found.last_deleted = max(found.last_deleted, value[0])
        elif kind == "Sustained":
            found.kinds["session with unlinked files"] += 1
        yield event


def _take_entries(some: Sequence[Child], directory: Directory, found: Survey) -> None:
    """Take in entries of a directory: what they take, and their names, each once."""
    directory.space += codec.space_of([child.node.attr.length if child.type == FILE else 0 for child in some])
    place = _second(directory, [child.name for child in some])
    if place is not None:
        child = some[place]
        raise BadFile(f"a second entry {child.name[:40]!r} of directory {child.parent}", child.offset)
    found.kinds["name"] += len(some)


def _second(directory: Directory, new: Sequence[bytes]) -> int | None:
    """Take in names of a directory; the place of the first known to have come before."""
    names = directory.names
    if directory.many is not None:
        return directory.many.second([*map(hash, new)])
    place = first_again(new, names)
    if place is not None:
        return place
    names.update(new)
    if len(names) > MANY:
        directory.many = Hashes()
        directory.many.update(map(hash, names))
        names.clear()
    return None


def _leave(child: Child, open_ones: list[Directory]) -> None:
    """A directory is over: what it holds, under each name, counts for the one that it is in."""
    directory = open_ones.pop()
    if directory.many is not None and directory.many.twice():
        raise BadFile(f"directory {child.inode} has a name twice, far apart", child.offset)
    if directory.space > I64[1]:
        raise BadFile(f"what is in directory {child.inode} takes more than {I64[1]} bytes", child.offset)
    if open_ones:
        open_ones[-1].space += directory.space


def _take_leaves(some: Sequence[Child], found: Survey, others: Others, slices: Numbers) -> None:
    again = Counter[int]()
    for type in {child.type for child in some}:
        inodes = [child.inode for child in some if child.type == type]
        elsewhere = {DIRECTORY: found.directories, **others}
        elsewhere.pop(type, None)
        for known, nodes in elsewhere.items():
            for inode in nodes.within(inodes):
                offset = next(child.offset for child in some if child.inode == inode)
                raise BadFile(f"inode {inode} is {TYPE_NAMES[known]} and {TYPE_NAMES[type]}", offset)
        again.update(others[type].again(inodes))
    for child in reversed(some) if again else ():
        inode = child.inode
        if again[inode]:
            again[inode] -= 1
            child.again = True
            found.links[inode] = found.links.get(inode, 1) + 1
    first = [child for child in some if not child.again]
    _count(first, found)
    _take_slices(first, found, slices)


def _take_directory(child: Child, found: Survey, others: Others) -> None:
    inode = child.inode
    if not found.directories.add(inode) or any(inode in nodes for nodes in others.values()):
        raise BadFile(f"directory {inode} has a second name", child.offset)
    found.has_trash |= inode == TRASH_INODE
    _count([child], found)


def _count(some: Sequence[Child], found: Survey) -> None:
    """Add nodes, each under its first name."""
    found.kinds.update([TYPE_NAMES[child.type] for child in some])
    inodes = [child.inode for child in some]
    found.last_inode = max([found.last_inode, *(inode for inode in inodes if inode < TRASH_INODE)])
    found.last_trash = max([found.last_trash, *(inode - TRASH_INODE for inode in inodes)])
    counted = [child for child in some if child.inode not in (ROOT_INODE, TRASH_INODE)]
    found.space += codec.space_of([child.node.attr.length for child in counted])
    found.inodes += len(counted)
    if found.space > I64[1]:
        raise BadFile(f"the files take more than {I64[1]} bytes", some[0].offset)


def _take_slices(some: Sequence[Child], found: Survey, slices: Numbers) -> None:
    chunks = [chunk for child in some for chunk in child.node.chunks or ()]
    ids = [one.id for chunk in chunks for one in chunk.slices or ()]
    found.kinds["slice"] += len(ids)
    found.last_slice = max([found.last_slice, *ids])
    found.shared.update(slices.again(ids))
