"""A volume from a JSON dump (L4.17-L4.27): what writes it is kept until the file is checked whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from ..errors import Refused
from ..files import reading
from ..types import DIRECTORY_LENGTH, ROOT_INODE, TRASH_INODE, QuotaType
from . import codec
from .ahead import grouped
from .collector import seldom_collected
from .core import Core
from .dumpfile import DumpFile, Event
from .dumpnodes import Child, ChunkShape, RuleShape, blob, records, rule
from .dumptext import DIRECTORY, FILE, SYMLINK
from .filling import Claim, Commands, Filling
from .progress import told
from .spool import Spool
from .store import Argument, Command
from .survey import Survey, surveyed
from .volume import check_client, fresh_root

BATCH = 250
"""Commands that are sent at once."""

NAMES = 100
"""Entries of a directory, or attributes, that one command writes."""

MANY = 4096
"""Notes of slices and directories that are written to a file at once."""

entry = codec.ENTRY.pack
"""As `codec.encode_entry`, of numbers that are known to fit."""

OWNERS = (QuotaType.USER, QuotaType.GROUP)


class Loading(Filling):
    """load_dump."""

    @seldom_collected()
    def load_dump(self, path: str) -> None:
        before = self.look()
        found = Survey()
        with (
            Spool[Commands]() as commands,
            Spool[list[tuple[int, int]]](BATCH) as slices,
            Spool[tuple[int, int, int]](MANY) as usages,
        ):
            filler = Filler(self, found, slices, usages)
            with reading(path) as stream:
                events = surveyed(DumpFile(stream).events(), found)
                for batch in filler.batches(self._watched(events, found)):
                    commands.put(batch)
            commands.end()
            slices.end()
            usages.end()
            check_client(found.format)
            with self.filling(path, before) as claim:
                self._format = codec.with_default_tiers(found.format)
                claim.pour(told(commands, self.tell, "batches written", lambda: commands.number))
                self._finish(claim, filler, found)

    def _watched(self, events: Iterable[Event], found: Survey) -> Iterator[Event]:
        """The events of a dump; it is told how far that has come."""
        for event in events:
            self.tell(*found.progress)
            yield event

    def _finish(self, claim: Claim, filler: Filler, found: Survey) -> None:
        """Write what is known at the end, the settings last."""
        filler.charge()
        for batch in grouped(filler.links(), BATCH):
            claim.pour([batch])
        claim.pour(grouped(filler.rest(), BATCH))
        for type, quotas in found.quotas.items():
            for id, quota in quotas.items():
                if self.quirks or type is not QuotaType.DIR or id in found.directories:
                    # The original limits what is not there, and what gets its number one day.
                    self._store_quota(type, id, quota)
        limited = any(found.quotas[type] for type in OWNERS)
        # The original counts what owners have only where one of them is limited.
        if limited or (found.format.user_group_quota and not self.quirks):
            self.quota_scan()
        claim.finish(codec.encode_format(found.format))


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

    def __init__(
        self,
        volume: Core,
        found: Survey,
        slices: Spool[list[tuple[int, int]]],
        usages: Spool[tuple[int, int, int]],
    ) -> None:
        """`found` is what has been told so far; `slices` and `usages` are empty."""
        self._keys = volume.keys
        self._volume = volume
        self._found = found
        self._open: list[Directory] = []
        self._slices = slices
        """The id and size of every slice, once for each record: which are shared is known at the end."""
        self._usages = usages
        """Directories below the root, with space and inodes: which have a quota is known at the end."""
        self._rules: dict[bytes, int] = {}
        self._attrs: list[bytes] = []
        """Keys and values of attributes that are not written yet, in turns."""
        self._ready: list[Command] = []
        """The commands of the next batch."""

    def batches(self, events: Iterable[Event]) -> Iterator[Commands]:
        """The commands that make the nodes, some at a time, each directory after what is in it (L4.18)."""
        for kind, value in events:
            if kind == "leaves":
                self._leaves(value)
            elif kind == "chunks":
                self._chunks(value)
            elif kind == "enter":
                self._open.append(Directory(value))
            elif kind == "leave":
                self._leave()
            elif kind == "DelFiles":
                inode, length, expire = value
                self._put("ZADD", self._keys.delfiles, expire, codec.delfile_member(inode, length))
            if len(self._ready) >= BATCH:
                yield self._ready
                self._ready = []
        self._flush_attrs()
        if self._ready:
            yield self._ready

    def links(self) -> Iterator[Command]:
        """The commands that mend nodes with several names, which have been written as if they had one."""
        for inodes in grouped(self._found.links, NAMES):
            blobs = self._volume.db.read_one("MGET", *map(self._keys.attr, inodes))
            if None in blobs:
                raise Refused("nodes that it has written are gone")
            for inode, stored in zip(inodes, blobs, strict=True):
                attr = codec.decode_attr(stored)
                yield self._volume.count_parent(inode, attr.parent, 1)
                attr.nlink, attr.parent = self._found.links[inode], 0
                yield self._volume.set_attr(inode, attr)

    def charge(self) -> None:
        """Add what is below directories to their quotas (L4.24)."""
        quotas = self._found.quotas[QuotaType.DIR]
        for inode, *below in self._usages:
            if quota := quotas.get(inode):
                quota.used_space, quota.used_inodes = below

    def rest(self) -> Iterator[Command]:
        """The commands for what is known at the end: rules, references, counters (L4.20-L4.22)."""
        keys, found, quirks = self._keys, self._found, self._volume.quirks
        if self._rules:
            for value, id in self._rules.items():
                yield "HSET", keys.acl, id, value
            yield "SET", keys.acl_max_id, len(self._rules)
            yield from self._volume.logged("LOADDUMPEDACLS", len(self._rules))
        for (id, size), number in self._references().items():
            # The original counts holes, too.
            if number > 1 and (id or quirks):
                yield "HSET", keys.slice_refs, codec.slice_ref_field(id, size), number - 1
        if not found.has_trash and found.format.trash_days > 0 and not quirks:
            # Without it nothing can go to the trash, as in the original.
            yield self._volume.set_attr(TRASH_INODE, fresh_root(0o555, self._volume.now()[0]))
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

    def _references(self) -> Counter[tuple[int, int]]:
        """How many records refer to each slice whose id is in several."""
        shared = self._found.shared
        return (
            Counter(one for some in self._slices for one in some if one[0] in shared) if shared else Counter()
        )

    # -- nodes -------------------------------------------------------------------------------------

    def _put(self, *command: Argument) -> None:
        self._ready.append(command)

    def _leaves(self, some: Sequence[Child]) -> None:
        """Nodes that are no directories, each once for all its names."""
        self._enter(some)
        slices: list[tuple[int, int]] = []
        for child in some:
            node, inode = child.node, child.inode
            if child.again:
                self._ready.append(self._volume.count_parent(inode, child.parent, 1))
                continue
            length = node.attr.length
            slices += self._chunks_of(child)
            if child.type != FILE:
                target = codec.unescape(node.symlink or "")
                length = len(target)
                if child.type == SYMLINK:
                    self._put("SET", self._keys.symlink(inode), target)
            self._node(child, 1, length)
        if slices:
            self._slices.put(slices)

    def _chunks(self, child: Child) -> None:
        """Some chunks of a file that has very many."""
        if not child.again and (slices := self._chunks_of(child)):
            self._slices.put(slices)

    def _chunks_of(self, child: Child) -> list[tuple[int, int]]:
        """Write the chunks that a file has now; the ids and sizes of their slices."""
        slices: list[tuple[int, int]] = []
        for chunk in child.node.chunks or ():
            slices += [(one.id, one.size) for one in chunk.slices or ()]
            self._chunk(child.inode, chunk)
        return slices

    def _leave(self) -> None:
        """A directory of which everything is known."""
        directory = self._open.pop()
        child = directory.child
        inode = child.inode
        self._flush(directory)
        self._put("HSET", self._keys.dir_data_length, inode, directory.length)
        self._put("HSET", self._keys.dir_used_space, inode, directory.space)
        self._put("HSET", self._keys.dir_used_inodes, inode, directory.inodes)
        self._node(child, 2 + (directory.directories if inode < TRASH_INODE else 0), DIRECTORY_LENGTH)
        self._note_usage(directory)
        self._enter([child])

    def _note_usage(self, directory: Directory) -> None:
        """Note what is below a directory, and add it to what is below the one it is in."""
        space, inodes = directory.below
        below = space + directory.space, inodes + directory.inodes
        top = self._open[0].child if self._open else directory.child
        if top.inode == ROOT_INODE:
            self._usages.put((directory.child.inode, *below))
        if self._open:
            above = self._open[-1]
            above.below = above.below[0] + below[0], above.below[1] + below[1]

    def _enter(self, some: Sequence[Child]) -> None:
        """Put nodes into the directory they are in, which is none for the roots."""
        if not self._open:
            return
        directory = self._open[-1]
        lengths = [child.node.attr.length if child.type == FILE else 0 for child in some]
        directory.length += sum(lengths)
        directory.space += codec.space_of(lengths)
        directory.inodes += len(some)
        directory.directories += sum([child.type == DIRECTORY for child in some])
        for child in some:
            directory.entries += child.name, entry(child.type, child.inode)
        if len(directory.entries) >= 2 * NAMES:
            self._flush(directory)

    def _flush(self, directory: Directory) -> None:
        if directory.entries:
            self._put("HSET", self._keys.dentries(directory.child.inode), *directory.entries)
            directory.entries.clear()

    def _chunk(self, inode: int, chunk: ChunkShape) -> None:
        key, stored = self._keys.chunk(inode, chunk.index), records(chunk)
        for at in range(0, len(stored), NAMES):
            self._put("RPUSH", key, *stored[at : at + NAMES])

    def _node(self, child: Child, nlink: int, length: int) -> None:
        """Attributes, ACLs and extended attributes."""
        node, inode = child.node, child.inode
        if node.xattrs:
            pairs = [(codec.as_utf8(one.name), codec.unescape(one.value)) for one in node.xattrs]
            self._put("HSET", self._keys.xattrs(inode), *chain.from_iterable(pairs))
        access, default = self._number(node.posix_acl_access), self._number(node.posix_acl_default)
        self._attrs += self._keys.attr(inode), blob(child, nlink, length, access, default)
        if len(self._attrs) >= 2 * NAMES:
            self._flush_attrs()

    def _flush_attrs(self) -> None:
        if self._attrs:
            self._put("MSET", *self._attrs)
            self._attrs.clear()

    def _number(self, told: RuleShape | None) -> int:
        """The number of a rule; equal ones share it (L4.20)."""
        if told is None:
            return 0
        return self._rules.setdefault(codec.encode_rule(rule(told)), len(self._rules) + 1)
