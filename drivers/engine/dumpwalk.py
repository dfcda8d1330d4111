"""The nodes of a tree in the order in which a JSON dump tells of them, read before that (L4.7-L4.13)."""

from __future__ import annotations

import errno
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..errors import Refused, refuse_if
from ..types import CHUNK_SIZE, TRASH_INODE, Attr
from . import codec
from .ahead import aside, heaped
from .core import Core, optional_attr
from .dumptext import DIRECTORY, FILE, SYMLINK, Chunk, Dumped, NodeText, indented
from .numbersets import Numbers
from .store import Answer, Command, Reply, pairs

log = logging.getLogger(__name__)

BATCH = 100
"""Nodes that are read at once."""

PAGE = 1000
"""Entries of a directory that are read along with its attributes."""

READERS = 8
"""Threads that read, and directories of one that are looked into ahead, unless a caller says how many."""

MOST_AHEAD = 8192
"""Entries above which no directory more is looked into before its turn: memory does not grow with depth."""

PIECE = 1 << 15
"""Characters that are written at once."""

ROOT_DEPTH = 1
"""How far the root of a tree is indented."""

MOST_CHUNKS = 1 << 16
"""Chunks of a file above which those that are there are looked for, rather than asked for one by one."""


@dataclass(slots=True)
class Named:
    """An entry of a directory, with its node once that has been read."""

    name: bytes
    type: int
    inode: int
    node: Dumped | None = None
    text: str = ""
    """How its node is spelled, where nothing more is to be read of it: then that is all that is kept."""
    recorded: bool = True
    """Whether its node has attributes."""
    first_page: Reply = None
    """Of a directory: the first of its entries."""
    walk: Walk | None = None
    """Of a directory that has been looked into before its turn."""


@dataclass(slots=True)
class Walk:
    """A directory whose entries are being told."""

    inode: int
    listed: list[tuple[bytes, tuple[int, int]]]
    """Its entries in the order of their names: name, type, inode (L4.11)."""
    taken: int = 0
    """How many of them have been asked for."""
    asked: list[Named] = field(default_factory=list)
    """The last of those, which have not been read."""
    replies: Answer = list
    """Waits for what was asked of them."""
    ready: deque[Named] = field(default_factory=deque)
    """Those that have been read and not told yet."""
    closed: deque[Named] = field(default_factory=deque)
    """The directories among them that have not been looked into."""
    opened: int = 0
    """How many have been, and have not had their turn."""
    comma: str = ""
    """What parts the next entry from the one before."""

    def told(self, text: str, depth: int) -> str:
        """The text of the next entry in its place."""
        comma, self.comma = self.comma, ","
        return comma + indented(text, depth)


@contextmanager
def walking(volume: Core, total: int, threads: int = 0) -> Iterator[Walker]:
    """What reads the trees of a volume with so many threads: 0 for some, 1 for that of the caller only.

    A store that asks ahead needs none: then it is how many directories are looked into ahead.  `total` is
    about how many nodes there are, for who is told of the progress.
    """
    readers = threads if threads > 0 else READERS
    if volume.store.asks_ahead and readers > 1:
        yield Walker(volume, total, readers, volume.db.ask)
        return
    with aside(readers) as call:
        yield Walker(volume, total, readers, partial(call, volume.db.read))


class Walker:
    """Reads the trees of a volume.

    While the entries of a directory are told, the next of them are read, and the first of the next
    directories in it: so a walk waits for few of the round trips that it makes.
    """

    def __init__(self, volume: Core, total: int, readers: int, ask: Callable[..., Answer]) -> None:
        """With `readers` 1 nothing is read ahead; `ask` takes commands that only read."""
        self._volume = volume
        self._db = volume.db
        self._keys = volume.keys
        self._ask = ask
        self._text = NodeText(codec.escape_losing if volume.quirks else codec.escape)
        self._wide = readers if readers > 1 else 0
        """Directories of one directory that are looked into before their turn."""
        self._entries_ahead = 0
        self._directories = Numbers()
        self._done = 0
        self._total = total

    def tree(self, name: bytes, inode: int) -> Iterator[str]:
        """The text of a tree, a piece for some nodes."""
        return map("".join, heaped(self._walked(name, inode), len, PIECE))

    # -- the order ---------------------------------------------------------------------------------

    def _walked(self, name: bytes, inode: int) -> Iterator[str]:
        """The text of a tree: of each node that has no entries at once, of a directory around its own."""
        top = Named(name, DIRECTORY, inode)
        self._read([top])
        self._directories.add(inode)
        assert top.node is not None
        if not self._volume.quirks:
            # The original tells of an empty directory then.
            refuse_if(not top.recorded and inode != TRASH_INODE, errno.ENOENT)
            refuse_if(top.type != DIRECTORY, errno.ENOTDIR)
        yield indented(self._text.enter(name, top.node), ROOT_DEPTH)
        walks = [self._walk(top)]
        self._count()
        while walks:
            walk, depth = walks[-1], ROOT_DEPTH + 2 * len(walks)
            while not walk.ready and walk.asked:
                self._take(walk)
            if not walk.ready:
                walks.pop()
                yield indented(self._text.leave(), depth - 2)
                continue
            entry = walk.ready.popleft()
            if entry.type != DIRECTORY:
                yield walk.told(entry.text or self._long_file(entry), depth)
                self._count()
                continue
            inside = self._entered(walk, entry)
            if self._directories.add(entry.inode) or self._volume.quirks:
                assert entry.node is not None
                yield walk.told(self._text.enter(entry.name, entry.node), depth)
                walks.append(inside)
            else:
                # It has moved meanwhile, or is in itself: the original tells it again, if need be for ever.
                log.warning("directory %d is left out under its second name %r", entry.inode, entry.name)
            self._count()

    def _long_file(self, entry: Named) -> str:
        """A file of which more chunks are to be read."""
        assert entry.node is not None
        entry.node.chunks = [*entry.node.chunks, *self._later_chunks(entry.node)]
        return self._text.leaf(entry.name, entry.node)

    def _count(self) -> None:
        self._done += 1
        self._volume.tell("entries dumped", self._done, self._total)

    def _walk(self, directory: Named) -> Walk:
        """A directory with its entries in the order of their names (L4.11), the first asked for."""
        page = directory.first_page
        listed = self._volume.listed(directory.inode, page) if page is not None else {}
        directory.first_page = None
        walk = Walk(directory.inode, sorted(listed.items()))
        self._ask_for_more(walk)
        return walk

    def _ask_for_more(self, walk: Walk) -> None:
        """Have the next entries of a directory read."""
        some = walk.listed[walk.taken : walk.taken + BATCH]
        walk.taken += len(some)
        walk.asked = [Named(name, type, inode) for name, (type, inode) in some]
        if some:
            walk.replies = self._ask(*self._questions(walk.asked))

    def _take(self, walk: Walk) -> None:
        """Wait for the entries that have been asked for, and ask for the next."""
        batch, replies = walk.asked, walk.replies()
        self._ask_for_more(walk)
        self._read(self._told(batch, replies))
        batch = self._still_there(walk.inode, batch)
        self._spell(batch)
        walk.ready.extend(batch)
        walk.closed.extend(entry for entry in batch if entry.type == DIRECTORY)

    def _look_ahead(self, walk: Walk) -> None:
        """Have the next directories looked into, as far as their names are known and room is left."""
        while walk.closed and walk.opened < self._wide and self._entries_ahead < MOST_AHEAD:
            cursor, _ = walk.closed[0].first_page
            if cursor != b"0":
                break
            entry = walk.closed.popleft()
            entry.walk = self._walk(entry)
            self._entries_ahead += len(entry.walk.listed)
            walk.opened += 1

    def _entered(self, walk: Walk, entry: Named) -> Walk:
        """The directory whose turn it is among those of a directory."""
        inside, entry.walk = entry.walk, None
        if inside is None:
            walk.closed.popleft()
            inside = self._walk(entry)
        else:
            walk.opened -= 1
            self._entries_ahead -= len(inside.listed)
        self._look_ahead(walk)
        return inside

    def _spell(self, batch: Sequence[Named]) -> None:
        """Keep of nodes of which nothing more is to be read their text only."""
        for entry in batch:
            node = entry.node
            assert node is not None
            if entry.type != DIRECTORY and not has_more_chunks(node.attr):
                entry.text, entry.node = self._text.leaf(entry.name, node), None

    # -- the nodes ---------------------------------------------------------------------------------

    def _still_there(self, directory: int, batch: list[Named]) -> list[Named]:
        """Those of some entries, which have been read, that a dump tells of."""
        if self._volume.quirks:
            return batch
        # The original makes up a node for an entry that has gone since it was listed.
        gone = [entry for entry in batch if not entry.recorded and self._has_gone(directory, entry)]
        return [entry for entry in batch if entry not in gone]

    def _has_gone(self, directory: int, entry: Named) -> bool:
        """Whether an entry no longer leads to its node."""
        value = self._db.read_one("HGET", self._keys.dentries(directory), entry.name)
        return value is None or codec.decode_entry(value)[1] != entry.inode

    def _read(self, entries: Sequence[Named]) -> None:
        """Read the nodes of some entries, those whose type the entry tells wrongly once more (L4.13)."""
        while entries:
            entries = self._told(entries, self._db.read(*self._questions(entries)))

    def _questions(self, entries: Sequence[Named]) -> list[Command]:
        """What asks for the nodes of some entries, by the types that those tell."""
        commands: list[Command] = [("MGET", *(self._keys.attr(entry.inode) for entry in entries))]
        for entry in entries:
            commands.append(("HGETALL", self._keys.xattrs(entry.inode)))
            commands += self._own(entry)
        return commands

    def _told(self, entries: Sequence[Named], replies: Sequence[Reply]) -> list[Named]:
        """Note what was asked of nodes; those of another type than the entry told, which tells it now."""
        blobs, *rest = replies
        each = iter(rest)
        wrong = []
        for entry, blob in zip(entries, blobs, strict=True):
            entry.recorded = blob is not None
            attr = self._attr(entry, blob)
            xattrs = next(each)
            own = next(each) if entry.type in OWN else None
            if attr.type != entry.type:
                entry.type = attr.type
                wrong.append(entry)
                continue
            entry.node = node = Dumped(entry.inode, attr)
            if xattrs:
                node.xattrs = self._told_apart(entry.inode, pairs(xattrs))
            if attr.access_acl or attr.default_acl:
                node.access, node.default = self._rule(attr.access_acl), self._rule(attr.default_acl)
            if attr.type == FILE and attr.length:
                node.chunks = self._slices(entry.inode, [(0, own)])
            elif attr.type == DIRECTORY:
                entry.first_page = own
            elif attr.type == SYMLINK:
                node.target = own or b""
        return wrong

    def _own(self, entry: Named) -> list[Command]:
        """What is read of a node because of its type."""
        if entry.type == FILE:
            return [("LRANGE", self._keys.chunk(entry.inode, 0), "0", "-1")]
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

    def _told_apart(self, inode: int, xattrs: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The extended attributes of a node, unless JSON has one name for two of them: `Refused`."""
        names = {codec.as_utf8(name.decode("utf-8", "surrogateescape")) for name, _ in xattrs}
        if len(names) < len(xattrs) and not self._volume.quirks:
            raise Refused(
                f"a JSON dump cannot tell apart the extended attributes of inode {inode} "
                "whose names are no UTF-8: remove some of them"
            )
        return xattrs

    def _rule(self, id: int) -> Any:
        return self._volume.rules.get(id) if id else None

    def _later_chunks(self, node: Dumped) -> list[Chunk]:
        """The chunks of a file below its length that have slices (L4.9), but for the first.

        They are read when it is the turn of the file: there may be many.
        """
        number = -(-node.attr.length // CHUNK_SIZE)
        indexes = range(1, number) if number <= MOST_CHUNKS else self._indexes(node.inode, number)
        found: list[Chunk] = []
        for start in range(0, len(indexes), PAGE):
            some = indexes[start : start + PAGE]
            lists = self._db.read(*(("LRANGE", self._keys.chunk(node.inode, index), 0, -1) for index in some))
            found += self._slices(node.inode, zip(some, lists, strict=True))
        return found

    def _indexes(self, inode: int, number: int) -> list[int]:
        """The chunks that are there of a file with many, but for the first."""
        keys = (key for page in self._volume.store.scan(self._keys.chunks_pattern(inode)) for key in page)
        return sorted(
            {index for _, index in (self._keys.parse(key).numbers for key in keys) if 0 < index < number}
        )

    @staticmethod
    def _slices(inode: int, chunks: Iterable[tuple[int, Reply]]) -> list[Chunk]:
        """The slices of chunks that are there; none where a record of the chunk is corrupt (L4.9)."""
        found: list[Chunk] = []
        for index, records in chunks:
            try:
                found += [(index, codec.slice_numbers(records))] if records else []
            except codec.CorruptValue as corrupt:
                log.error("chunk %d of inode %d is dumped without slices: %s", index, inode, corrupt)
                found.append((index, []))
        return found


OWN = frozenset({FILE, DIRECTORY, SYMLINK})
"""The types of nodes of which more is read than attributes."""


def has_more_chunks(attr: Attr) -> bool:
    """Whether a node is a file with more than its first chunk."""
    return attr.type == FILE and attr.length > CHUNK_SIZE
