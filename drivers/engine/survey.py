"""What a dump adds up to, and whether its nodes fit together: asked before anything is written (L4.21)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ..types import ROOT_INODE, TRASH_INODE, Format, Quota, QuotaType
from . import codec
from .dumpfile import Child, DumpFile, Event
from .dumptext import TYPE_NAMES
from .jsontext import BadFile
from .numbersets import Numbers

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
    others, slices = Numbers(), Numbers()
    names: list[set[bytes]] = []
    for event in events:
        kind, value = event
        if kind == "leaf":
            _take_name(value, names[-1], found)
            _take_leaf(value, found, others, slices)
        elif kind == "enter":
            if names:
                _take_name(value, names[-1], found)
            names.append(set())
            _take_directory(value, found, others)
        elif kind == "leave":
            names.pop()
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


def _take_name(child: Child, names: set[bytes], found: Survey) -> None:
    if child.name in names:
        raise BadFile(f"a second entry {child.name[:40]!r} of directory {child.parent}", child.offset)
    names.add(child.name)
    found.kinds["name"] += 1


def _take_leaf(child: Child, found: Survey, others: Numbers, slices: Numbers) -> None:
    inode = child.node.inode
    if inode in found.directories:
        raise BadFile(f"inode {inode} is a directory and a file", child.offset)
    if others.add(inode):
        _count(child, found)
        _take_slices(child, found, slices)
    else:
        found.links[inode] = found.links.get(inode, 1) + 1


def _take_directory(child: Child, found: Survey, others: Numbers) -> None:
    inode = child.node.inode
    if not found.directories.add(inode) or inode in others:
        raise BadFile(f"directory {inode} has a second name", child.offset)
    found.has_trash |= inode == TRASH_INODE
    _count(child, found)


def _count(child: Child, found: Survey) -> None:
    """Add a node, under its first name."""
    inode, attr = child.node.inode, child.node.attr
    found.kinds[TYPE_NAMES[attr.type]] += 1
    if inode < TRASH_INODE:
        found.last_inode = max(found.last_inode, inode)
    else:
        found.last_trash = max(found.last_trash, inode - TRASH_INODE)
    if inode not in (ROOT_INODE, TRASH_INODE):
        found.space += codec.aligned(attr.length)
        found.inodes += 1


def _take_slices(child: Child, found: Survey, slices: Numbers) -> None:
    for _, records in child.node.chunks:
        for one in records:
            found.kinds["slice"] += 1
            found.last_slice = max(found.last_slice, one.id)
            if not slices.add(one.id):
                found.shared.add(one.id)
