"""A volume from a JSON dump (L4.17-L4.27): the file is checked whole, then read again and written."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from ..errors import Refused
from ..files import reading
from ..types import DIRECTORY_LENGTH, ROOT_INODE, TRASH_INODE, FileType, QuotaType, Rule
from . import codec
from .ahead import ahead, grouped
from .core import Core
from .database import FAILURES
from .dumpfile import Child, DumpFile, Event
from .progress import told
from .store import Command, Transaction
from .survey import Survey, surveyed
from .volume import Volume, check_client, fresh_root

BATCH = 1000
"""Commands that are sent at once."""

NAMES = 100
"""Entries of a directory, or attributes, that one command writes."""

UNFINISHED = b"The load of a dump has not come to its end: load it again, or reset the database."
"""Stands for the settings while a dump is loaded: no client takes it for a volume, nor formats over it."""

OWNERS = (QuotaType.USER, QuotaType.GROUP)


class Loading(Volume):
    """load_dump."""

    def load_dump(self, path: str) -> None:
        self.db.require_writable()
        with reading(path) as stream:
            found = Survey()
            for done, _ in enumerate(surveyed(stream, found), 1):
                self.tell("names checked", done, found.counters.get("usedInodes", 0))
            check_client(found.format)
            with self.filling(path):
                stream.seek(0)
                self._load_volume(stream, found)

    def _load_volume(self, stream: BinaryIO, found: Survey) -> None:
        """Write what a stream holds, the settings last."""
        self._format = codec.with_default_tiers(found.format)
        filler = Filler(self, found)
        events = told(DumpFile(stream).events(), self.tell, "names loaded", lambda: found.kinds["name"])
        self.send(filler.commands(events))
        self.send(filler.rest())
        for type, quotas in found.quotas.items():
            for id, quota in quotas.items():
                if self.quirks or type is not QuotaType.DIR or id in found.directories:
                    # The original limits what is not there, and what gets its number one day.
                    self._store_quota(type, id, quota)
        limited = any(found.quotas[type] for type in OWNERS)
        # The original counts what owners have only where one of them is limited.
        if limited or (found.format.user_group_quota and not self.quirks):
            self.quota_scan()
        self.db.write(("SET", self.keys.setting, codec.encode_format(found.format)))

    @contextmanager
    def filling(self, path: str) -> Iterator[None]:
        """A block that fills the empty database from the file at `path`.

        Raises `Refused` when the database is not empty, and when the block fails: the database is then
        no volume for anyone.
        """
        self.db.transact([self.keys.setting], self._claim_database)
        try:
            yield
        except (OSError, Refused, *FAILURES) as failure:
            self._format = None
            raise Refused(
                f"{path} is loaded in part only ({failure}): load it again, or reset the database"
            ) from failure

    def _claim_database(self, tx: Transaction) -> None:
        """Take an empty database, or one in which a load did not come to its end."""
        size, setting = tx.read(("DBSIZE",), ("GET", self.keys.setting))
        if setting == UNFINISHED:
            tx.queue(("FLUSHDB",))
        elif size:
            raise Refused("the database is not empty: load into an empty one, or reset this one first")
        tx.queue(("SET", self.keys.setting, UNFINISHED))

    def send(self, commands: Iterable[Command], threads: int = 0) -> None:
        """Send commands in their order, many at once; the next are made while the last are on their way."""
        with ahead(grouped(commands, BATCH), threads) as ready:
            for batch in ready:
                self.db.write(*batch)


@dataclass(slots=True)
class Directory:
    """A directory whose entries are being read: what they add up to."""

    child: Child
    entries: list[bytes] = field(default_factory=list)
    """Names and values that are not written yet, in turns."""
    length: int = 0
    space: int = 0
    inodes: int = 0
    directories: int = 0
    below: tuple[int, int] = (0, 0)
    """Space and inodes under all names below."""


class Filler:
    """Turns what a dump tells into commands."""

    def __init__(self, volume: Core, found: Survey) -> None:
        self._keys = volume.keys
        self._volume = volume
        self._found = found
        self._open: list[Directory] = []
        self._written: set[int] = set()
        """The nodes with several names that have been written."""
        self._rules: dict[bytes, int] = {}
        self._references: Counter[tuple[int, int]] = Counter()
        self._attrs: list[bytes] = []
        """Keys and values of attributes that are not written yet, in turns."""

    def commands(self, events: Iterator[Event]) -> Iterator[Command]:
        """The commands that make the nodes, each directory after what is in it (L4.18)."""
        for kind, value in events:
            if kind == "enter":
                self._open.append(Directory(value))
            elif kind == "leaf":
                yield from self._leaf(value)
            elif kind == "leave":
                yield from self._leave()
            elif kind == "DelFiles":
                inode, length, expire = value
                yield "ZADD", self._keys.delfiles, expire, codec.delfile_member(inode, length)

    def rest(self) -> Iterator[Command]:
        """The commands for what is known at the end: rules, references, counters (L4.20-L4.22)."""
        keys, found, quirks = self._keys, self._found, self._volume.quirks
        yield from self._flush_attrs()
        if self._rules:
            for value, id in self._rules.items():
                yield "HSET", keys.acl, id, value
            yield "SET", keys.acl_max_id, len(self._rules)
            yield from self._volume.logged("LOADDUMPEDACLS", len(self._rules))
        for (id, size), number in self._references.items():
            # The original counts holes, too.
            if number > 1 and (id or quirks):
                yield "HSET", keys.slice_refs, codec.slice_ref_field(id, size), number - 1
        if not found.has_trash and found.format.trash_days > 0 and not quirks:
            # Without it nothing can go to the trash, as in the original.
            yield self._volume.set_attr(TRASH_INODE, fresh_root(0o555, int(time.time())))
        # A deleted file whose data goes later must not meet a new one of its number, as in the original.
        last_inode = found.last_inode if quirks else max(found.last_inode, found.last_deleted)
        counters = {
            keys.used_space: found.space,
            keys.total_inodes: found.inodes,
            keys.next_inode: last_inode,
            keys.next_chunk: found.last_slice,
            keys.next_session: 0,
            keys.next_trash: found.last_trash,
        }
        yield "MSET", *(part for pair in counters.items() for part in pair)

    # -- nodes -------------------------------------------------------------------------------------

    def _leaf(self, child: Child) -> Iterator[Command]:
        """A node that is no directory, once for all its names."""
        node, inode = child.node, child.node.inode
        yield from self._enter(child, node.attr.length if node.attr.type == FileType.FILE else 0)
        names = self._found.links.get(inode)
        if names is not None:
            yield self._volume.count_parent(inode, child.parent, 1)
            if inode in self._written:
                return
            self._written.add(inode)
        node.attr.nlink = names or 1
        node.attr.parent = 0 if names else child.parent
        if node.attr.type == FileType.FILE:
            yield from self._chunks(child)
        else:
            node.attr.length = len(node.target)
            if node.attr.type == FileType.SYMLINK:
                yield "SET", self._keys.symlink(inode), node.target
        yield from self._node(child)

    def _leave(self) -> Iterator[Command]:
        """A directory of which everything is known."""
        directory = self._open.pop()
        child = directory.child
        inode, attr = child.node.inode, child.node.attr
        yield from self._flush(directory)
        statistics = (
            (self._keys.dir_data_length, directory.length),
            (self._keys.dir_used_space, directory.space),
            (self._keys.dir_used_inodes, directory.inodes),
        )
        for hash, value in statistics:
            yield "HSET", hash, inode, value
        attr.nlink = 2 + (directory.directories if inode < TRASH_INODE else 0)
        attr.length = DIRECTORY_LENGTH
        attr.parent = child.parent
        yield from self._node(child)
        self._charge(directory)
        yield from self._enter(child, 0)

    def _charge(self, directory: Directory) -> None:
        """Add what is below a directory to its quota, and to what is below the one it is in (L4.24)."""
        space, inodes = directory.below
        below = space + directory.space, inodes + directory.inodes
        quota = self._found.quotas[QuotaType.DIR].get(directory.child.node.inode)
        top = self._open[0].child if self._open else directory.child
        if quota is not None and top.node.inode == ROOT_INODE:
            quota.used_space, quota.used_inodes = below
        if self._open:
            above = self._open[-1]
            above.below = above.below[0] + below[0], above.below[1] + below[1]

    def _enter(self, child: Child, length: int) -> Iterator[Command]:
        """Put a node into the directory it is in, which is none for the roots."""
        if not self._open:
            return
        directory = self._open[-1]
        directory.length += length
        directory.space += codec.aligned(length)
        directory.inodes += 1
        directory.directories += child.is_directory
        directory.entries += child.name, codec.encode_entry(child.node.attr.type, child.node.inode)
        if len(directory.entries) == 2 * NAMES:
            yield from self._flush(directory)

    def _flush(self, directory: Directory) -> Iterator[Command]:
        if directory.entries:
            yield "HSET", self._keys.dentries(directory.child.node.inode), *directory.entries
            directory.entries.clear()

    def _chunks(self, child: Child) -> Iterator[Command]:
        for index, slices in child.node.chunks:
            for one in slices:
                if one.id in self._found.shared:
                    self._references[one.id, one.size] += 1
            for start in range(0, len(slices), NAMES):
                records = codec.encode_slices(slices[start : start + NAMES])
                yield "RPUSH", self._keys.chunk(child.node.inode, index), *records

    def _node(self, child: Child) -> Iterator[Command]:
        """Attributes, ACLs and extended attributes."""
        node = child.node
        if node.xattrs:
            parts = (part for pair in node.xattrs for part in pair)
            yield "HSET", self._keys.xattrs(node.inode), *parts
        node.attr.access_acl = self._number(node.access)
        node.attr.default_acl = self._number(node.default)
        self._attrs += self._keys.attr(node.inode), codec.encode_attr(node.attr)
        if len(self._attrs) == 2 * NAMES:
            yield from self._flush_attrs()

    def _flush_attrs(self) -> Iterator[Command]:
        if self._attrs:
            yield "MSET", *self._attrs
            self._attrs.clear()

    def _number(self, rule: Rule | None) -> int:
        """The number of a rule; equal ones share it (L4.20)."""
        if rule is None:
            return 0
        return self._rules.setdefault(codec.encode_rule(rule), len(self._rules) + 1)
