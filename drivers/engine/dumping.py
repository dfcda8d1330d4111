"""The JSON dump of a volume (L4): read in batches, written as it is read."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ..files import replacing
from ..types import CHUNK_SIZE, ROOT_INODE, TRASH_INODE, Attr, Format, QuotaType
from . import codec
from .accounts import UNLIMITED
from .ahead import ahead, grouped
from .collector import seldom_collected
from .core import Core, optional_attr
from .dumptext import DIRECTORY, FILE, SYMLINK, Dumped, TreeText, head
from .numbersets import Numbers
from .store import Command, Reply, pairs

log = logging.getLogger(__name__)

BATCH = 100
"""Nodes that are read at once."""

PAGE = 1000
"""Entries of a directory that are read along with its attributes."""

MOST_CHUNKS = 1 << 16
"""Chunks of a file above which those that are there are looked for, rather than asked for one by one."""

REMOVED = "removed"
"""What stands for a secret that is not told."""

SECRETS = ("SecretKey", "SessionToken")
"""What a dump tells only where that is asked for; the key for encryption it always tells (L4.3)."""


@dataclass(slots=True)
class Named:
    """An entry of a directory, with its node once that has been read."""

    name: bytes
    type: int
    inode: int
    node: Dumped | None = None
    recorded: bool = True
    """Whether its node has attributes."""
    first_page: Reply = None
    """Of a directory: the first of its entries."""


@dataclass(slots=True)
class Walk:
    """A directory whose entries are being written."""

    inode: int
    listed: list[tuple[bytes, tuple[int, int]]]
    """Its entries in the order of their names: name, type, inode (L4.11)."""
    taken: int = 0
    """How many of them have been read."""
    ready: deque[Named] = field(default_factory=deque)
    """Those that have been read and not written yet."""


class Dumping(Core):
    """dump."""

    @seldom_collected()
    def dump(
        self,
        path: str,
        root: int = 0,
        keep_secret: bool = False,
        fast: bool = False,
        skip_trash: bool = False,
        threads: int = 0,
    ) -> None:
        if self.quirks:
            # The original reads in transactions, which a client that only reads may not begin (L4.15).
            self.db.require_writable()
        with replacing(path) as out:
            self.write_dump(out, root, keep_secret, skip_trash, threads)

    def write_dump(
        self,
        out: BinaryIO,
        root: int = 0,
        keep_secret: bool = False,
        skip_trash: bool = False,
        threads: int = 0,
    ) -> None:
        """Write a JSON dump to a stream.  Source: L4."""
        root = self.check_root(root)
        dumper = Dumper(self)
        out.write(head(dumper.head(root == ROOT_INODE, keep_secret)).encode())
        trees = [(b"FSTree", root)]
        if root == ROOT_INODE and not skip_trash:
            trees.append((b"Trash", TRASH_INODE))
        for number, (name, inode) in enumerate(trees):
            out.write(b"," if number else b"")
            for text in dumper.tree(name, inode, threads):
                out.write(text.encode())
        out.write(b"\n}\n")


class Dumper:
    """Reads a volume in the order in which a dump tells of it."""

    def __init__(self, volume: Core) -> None:
        self._volume = volume
        self._db = volume.db
        self._keys = volume.keys
        self._directories = Numbers()
        self._done = 0
        self._total = 0

    # -- the head ----------------------------------------------------------------------------------

    def head(self, whole: bool, keep_secret: bool) -> dict[str, Any]:
        """What stands before the trees; `whole` unless a part of the volume is dumped (L4.1)."""
        quotas = {
            "Quotas": self._limits(QuotaType.DIR),
            "UserQuotas": self._limits(QuotaType.USER) if whole else {},
            "GroupQuotas": self._limits(QuotaType.GROUP) if whole else {},
        }
        return {
            "Setting": codec.format_fields(disclosed(self._volume.format, () if keep_secret else SECRETS)),
            "Counters": self._counters(),
            "Sustained": [{"sid": sid, "inodes": inodes} for sid, inodes in sustained_inodes(self._volume)],
            "DelFiles": [
                {"inode": inode, "length": length, "expire": expire}
                for inode, length, expire in deleted_files(self._volume)
            ],
            **{name: limits for name, limits in quotas.items() if limits},
        }

    def _counters(self) -> dict[str, int]:
        """The counters as a dump tells them: the next inode and chunk rather than the last (L4.4)."""
        keys = self._keys
        names = (
            keys.used_space,
            keys.total_inodes,
            keys.next_inode,
            keys.next_chunk,
            keys.next_session,
            keys.next_trash,
            keys.txn_last_log,
        )
        space, inodes, inode, chunk, session, trash, logged = map(
            codec.decode_counter, self._db.read_one("MGET", *names)
        )
        self._total = inodes + 1
        counters = {
            "usedSpace": space,
            "usedInodes": inodes,
            "nextInodes": inode + 1,
            "nextChunk": chunk + 1,
            "nextSession": session,
            "nextTrash": trash,
        }
        if self._volume.format.change_log and logged:
            counters["lastChangelog"] = logged
        return counters

    def _limits(self, type: QuotaType) -> dict[str, dict[str, int]]:
        """The limits of quotas by id, in the order of their text; records without any are left out (L4.6)."""
        found = {}
        for id, blob in sorted(pairs(self._db.read_one("HGETALL", self._keys.quota(type)[0]))):
            try:
                quota = codec.decode_quota(blob)
            except codec.CorruptValue as corrupt:
                log.warning("the quota of %s %r is left out: %s", type.name.lower(), id, corrupt)
                continue
            if (quota.max_space, quota.max_inodes) != (UNLIMITED, UNLIMITED):
                found[id.decode()] = {"maxSpace": quota.max_space, "maxInodes": quota.max_inodes}
        return found

    # -- a tree ------------------------------------------------------------------------------------

    def tree(self, name: bytes, inode: int, threads: int = 0) -> Iterator[str]:
        """The text of a tree, a piece for some nodes; the next are read meanwhile unless `threads` is 1."""
        text = TreeText(codec.escape_losing if self._volume.quirks else codec.escape)
        spell: dict[str, Callable[..., str]] = {"enter": text.enter, "leaf": text.leaf, "leave": text.leave}
        with ahead(grouped(self._walked(name, inode), BATCH), threads) as groups:
            for group in groups:
                yield "".join([spell[how](*node) for how, *node in group])

    def _walked(self, name: bytes, inode: int) -> Iterator[tuple[Any, ...]]:
        """What `TreeText` spells: `enter` and `leaf` with a name and a node, `leave`."""
        top = Named(name, DIRECTORY, inode)
        self._read([top])
        self._directories.add(inode)
        yield "enter", name, top.node
        walks = [self._walk(top)]
        self._count()
        while walks:
            walk = walks[-1]
            while not walk.ready and walk.taken < len(walk.listed):
                walk.ready.extend(self._batch(walk))
            if not walk.ready:
                walks.pop()
                yield ("leave",)
                continue
            entry = walk.ready.popleft()
            if entry.type != DIRECTORY:
                yield "leaf", entry.name, entry.node
            elif self._directories.add(entry.inode) or self._volume.quirks:
                yield "enter", entry.name, entry.node
                walks.append(self._walk(entry))
            else:
                # It has moved meanwhile, or is in itself: the original tells it again, if need be for ever.
                log.warning("directory %d is left out under its second name %r", entry.inode, entry.name)
            self._count()

    def _batch(self, walk: Walk) -> list[Named]:
        """The next entries of a directory, with their nodes."""
        some = walk.listed[walk.taken : walk.taken + BATCH]
        walk.taken += len(some)
        batch = [Named(name, type, inode) for name, (type, inode) in some]
        self._read(batch)
        if self._volume.quirks:
            return batch
        # The original makes up a node for an entry that has gone since it was listed.
        gone = [entry for entry in batch if not entry.recorded and self._has_gone(walk.inode, entry)]
        return [entry for entry in batch if entry not in gone]

    def _has_gone(self, directory: int, entry: Named) -> bool:
        """Whether an entry no longer leads to its node."""
        value = self._db.read_one("HGET", self._keys.dentries(directory), entry.name)
        return value is None or codec.decode_entry(value)[1] != entry.inode

    def _count(self) -> None:
        self._done += 1
        self._volume.tell("entries dumped", self._done, self._total)

    def _walk(self, directory: Named) -> Walk:
        """A directory with its entries in the order of their names (L4.11)."""
        listed = self._volume.listed(directory.inode, directory.first_page)
        directory.first_page = None
        return Walk(directory.inode, sorted(listed.items()))

    def _read(self, entries: Sequence[Named]) -> None:
        """Read the nodes of some entries, those whose type the entry tells wrongly once more (L4.13)."""
        while entries:
            entries = self._read_as_told(entries)

    def _read_as_told(self, entries: Sequence[Named]) -> list[Named]:
        """Read nodes by the types that their entries tell; those of another type, with that in the entry."""
        commands: list[Command] = [("MGET", *(self._keys.attr(entry.inode) for entry in entries))]
        for entry in entries:
            commands.append(("HGETALL", self._keys.xattrs(entry.inode)))
            commands += self._own(entry)
        blobs, *rest = self._db.read(*commands)
        replies = iter(rest)
        wrong = []
        for entry, blob in zip(entries, blobs, strict=True):
            entry.recorded = blob is not None
            attr = self._attr(entry, blob)
            xattrs = next(replies)
            own = next(replies) if entry.type in OWN else None
            if attr.type != entry.type:
                entry.type = attr.type
                wrong.append(entry)
                continue
            entry.node = node = Dumped(entry.inode, attr)
            if xattrs:
                node.xattrs = pairs(xattrs)
            if attr.access_acl or attr.default_acl:
                node.access, node.default = self._rule(attr.access_acl), self._rule(attr.default_acl)
            if attr.type == FILE and attr.length:
                node.chunks = self._chunks(entry.inode, attr.length, own)
            elif attr.type == DIRECTORY:
                entry.first_page = own
            elif attr.type == SYMLINK:
                node.target = own or b""
        return wrong

    def _own(self, entry: Named) -> list[Command]:
        """What is read of a node because of its type."""
        if entry.type == FILE:
            return [("LRANGE", self._keys.chunk(entry.inode, 0), 0, -1)]
        if entry.type == DIRECTORY:
            return [("HSCAN", self._keys.dentries(entry.inode), 0, "COUNT", PAGE)]
        if entry.type == SYMLINK:
            return [("GET", self._keys.symlink(entry.inode))]
        return []

    @staticmethod
    def _attr(entry: Named, blob: bytes | None) -> Attr:
        """The attributes of a node; zeros where there is no record (L4.13)."""
        attr = optional_attr(blob)
        if attr is None:
            if entry.inode != TRASH_INODE:
                log.warning("inode %d has no attributes: it is dumped with zeros", entry.inode)
            attr = Attr(type=entry.type, nlink=2 if entry.type == DIRECTORY else 1)
        return attr

    def _rule(self, id: int) -> Any:
        return self._volume.rules.get(id) if id else None

    def _chunks(self, inode: int, length: int, first: Reply) -> list[tuple[int, list[Any]]]:
        """The chunks of a file that have slices, below its length (L4.9)."""
        found = [(0, first)] if first else []
        number = -(-length // CHUNK_SIZE)
        if number > 1:
            found += self._later_chunks(inode, number)
        return [(index, self._slices(inode, index, records)) for index, records in found]

    def _later_chunks(self, inode: int, number: int) -> Iterator[tuple[int, list[bytes]]]:
        """The records of the chunks of a file that are there, but for the first."""
        indexes = range(1, number) if number <= MOST_CHUNKS else self._indexes(inode, number)
        for start in range(0, len(indexes), PAGE):
            some = indexes[start : start + PAGE]
            lists = self._db.read(*(("LRANGE", self._keys.chunk(inode, index), 0, -1) for index in some))
            yield from ((index, list) for index, list in zip(some, lists, strict=True) if list)

    def _indexes(self, inode: int, number: int) -> list[int]:
        """The chunks that are there of a file with many, but for the first."""
        keys = (key for page in self._volume.store.scan(self._keys.chunks_pattern(inode)) for key in page)
        return sorted(
            {index for _, index in (self._keys.parse(key).numbers for key in keys) if 0 < index < number}
        )

    @staticmethod
    def _slices(inode: int, index: int, records: Sequence[bytes]) -> list[Any]:
        """The slices of a chunk; none where one of its records is corrupt (L4.9)."""
        try:
            return codec.decode_slices(records)
        except codec.CorruptValue as corrupt:
            log.error("chunk %d of inode %d is dumped without slices: %s", index, inode, corrupt)
            return []


OWN = frozenset({FILE, DIRECTORY, SYMLINK})
"""The types of nodes of which more is read than attributes."""


def disclosed(format: Format, secrets: Sequence[str]) -> Format:
    """The settings without the secrets of these names."""
    return format.replace(**{name: REMOVED for name in secrets if format.get(name)})


def sustained_inodes(volume: Core) -> list[tuple[int, list[int]]]:
    """The unlinked inodes that registered sessions have open, by session (L4.5)."""
    sids = [int(sid) for sid in volume.db.read_one("ZRANGE", volume.keys.all_sessions, 0, -1)]
    held = volume.db.read(*(("SMEMBERS", volume.keys.sustained(sid)) for sid in sids)) if sids else []
    return [(sid, sorted(map(int, inodes))) for sid, inodes in zip(sids, held, strict=True) if inodes]


def deleted_files(volume: Core) -> list[tuple[int, int, int]]:
    """Inode, length and time of the files whose data has to go; old forms are left out (L4.5)."""
    found = []
    for member, score in volume.db.read_one("ZRANGE", volume.keys.delfiles, 0, -1, "WITHSCORES"):
        if member.count(b":") != 1:
            log.warning("the deleted file %r is left out", member)
            continue
        found.append((*codec.parse_delfile_member(member), int(score)))
    return found
