"""A volume from a binary backup (L5.14-L5.21): what writes it is kept until the file is checked whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import TypeAlias

from ..files import reading
from ..types import ROOT_INODE, TRASH_INODE, Quota, QuotaType
from . import codec
from .ahead import grouped
from .collector import seldom_collected
from .core import Core
from .inventory import NEXT, RECORD, Inventory, inventoried
from .items import Columns
from .loading import NAMES, Loading, entry
from .segments import BackupFile
from .spool import Spool
from .store import Command
from .volume import check_client

Checked: TypeAlias = tuple[str, Columns]
"""The name of a list of a batch, and its items."""

ROOM = 48 << 20
"""Bytes that are kept in memory before more go to a file: what 100 thousand files have."""

ITEM = 100
"""Bytes that an item takes besides those it has in the file."""

BATCH = 25
"""Commands that are made at once: those of attributes are long, and the server is to wait for few of them."""

NUMBER = 8
"""Bytes that a number in a list takes, of which one is enough in the file."""

INODES = 10_000
"""Inodes of a session that one command writes."""

LONG_AGO = 1
"""When the sessions of a backup have expired: no client of them is there any more (seconds)."""


def room_of(list: str, items: Columns, size: int) -> int:
    """Bytes that items take in memory, of `size` in the file."""
    numbers = sum(map(len, items[1])) if list == "sustained" else 0
    return size + ITEM * len(items[0]) + NUMBER * numbers


class Restoring(Loading):
    """restore."""

    @seldom_collected()
    def restore(self, path: str, threads: int = 0) -> None:
        before = self.look()
        found = Inventory()
        with Spool[Checked](room=ROOM) as checked:
            with reading(path) as stream:
                for segment in inventoried(BackupFile(stream), found):
                    for item in segment.lists.items():
                        checked.put(item, room_of(*item, segment.size))
                    self.tell(*found.progress)
            checked.end()
            check_client(found.format)
            with self.filling(path, before) as claim:
                claim.pour(grouped(self._commands(checked, found), BATCH))
                claim.finish(found.setting)
        self._format = codec.with_default_tiers(found.format)

    def _commands(self, checked: Iterable[Checked], found: Inventory) -> Iterator[Command]:
        """What restores lists of a backup, made while the server works on what was sent."""
        restorer = Restorer(self, found)

        def made() -> Iterator[Iterator[Command]]:
            done = 0
            for list, items in checked:
                yield restorer.commands(list, items)
                done += len(items[0])
                self.tell("items written", done, found.items)
            yield restorer.counters()

        return chain.from_iterable(made())


class Restorer:
    """Turns the lists of a backup into commands."""

    def __init__(self, volume: Core, found: Inventory) -> None:
        self._keys = volume.keys
        self._quirks = volume.quirks
        self._found = found
        self._last = Counter[str]()
        """The highest number taken, by its counter: of a volume that changes, those were read first."""

    def commands(self, list: str, items: Columns) -> Iterator[Command]:
        """The commands that restore the items of a list."""
        make: Callable[[Columns], Iterator[Command]] = getattr(self, f"make_{list}")
        return make(items)

    def make_counters(self, items: Columns) -> Iterator[Command]:
        """The counters wait for what else there is; the look at the file has noted them."""
        yield from ()

    def counters(self) -> Iterator[Command]:
        """The counters; of inodes and slices the last one is stored (L5.15)."""
        keys = self._keys
        names = keys.counters | {
            # The original keeps the number of the last line of the log under a key that nobody reads.
            "lastChangelog": keys.prefix + b"lastChangelog" if self._quirks else keys.txn_last_log,
        }
        stored = {key: value - (key in NEXT) for key, value in self._found.counters.items()}
        if not self._quirks:
            # The original stores what it is told, and gives the numbers of what is there to what is new.
            stored |= {key: last for key, last in self._last.items() if last > stored.get(key, 0)}
        for key, value in stored.items():
            yield "SET", names[key], value

    def _there_is(self, counter: str, number: int) -> None:
        """Note that a number is taken."""
        self._last[counter] = max(self._last[counter], number)

    def _there_are_inodes(self, inodes: Sequence[int]) -> None:
        """Note that inodes are taken, some of which are in the trash."""
        last = max(inodes, default=0)
        if last >= TRASH_INODE:
            self._there_is("nextTrash", last - TRASH_INODE)
            last = max((inode for inode in inodes if inode < TRASH_INODE), default=0)
        if last > ROOT_INODE:
            self._there_is("nextInode", last)

    def make_nodes(self, items: Columns) -> Iterator[Command]:
        """Attributes as they were."""
        inodes, blobs = items
        self._there_are_inodes(inodes)
        keys = map(self._keys.attr, inodes)
        for some in grouped(zip(keys, blobs, strict=True), NAMES):
            yield "MSET", *chain.from_iterable(some)

    def make_edges(self, items: Columns) -> Iterator[Command]:
        """Entries, many of one directory at once."""
        parent, entries = 0, list[bytes]()
        for directory, inode, name, type in zip(*items, strict=True):
            if entries and (directory != parent or len(entries) == 2 * NAMES):
                yield "HSET", self._keys.dentries(parent), *entries
                entries = []
            parent = directory
            entries += name, entry(type, inode)
        if entries:
            yield "HSET", self._keys.dentries(parent), *entries

    def make_chunks(self, items: Columns) -> Iterator[Command]:
        """Records, each an element of the list."""
        inodes, indexes, slices = items
        self._there_is("nextChunk", codec.last_id(b"".join(slices)))
        keys = map(self._keys.chunk, inodes, indexes)
        if {*map(len, slices)} == {RECORD}:
            return zip(repeat("RPUSH"), keys, slices, strict=False)
        return chain.from_iterable(map(pushed, keys, slices))

    def make_slice_refs(self, items: Columns) -> Iterator[Command]:
        """References less one."""
        for id, size, refs in zip(*items, strict=True):
            self._there_is("nextChunk", id)
            yield "HSET", self._keys.slice_refs, codec.slice_ref_field(id, size), refs - 1

    def make_symlinks(self, items: Columns) -> Iterator[Command]:
        """Targets."""
        for inode, target in zip(*items, strict=True):
            yield "SET", self._keys.symlink(inode), target

    def make_sustained(self, items: Columns) -> Iterator[Command]:
        """What sessions had open, which have expired: the next client cleans up after them."""
        for sid, inodes in zip(*items, strict=True):
            self._there_is("nextSession", sid)
            self._there_are_inodes(inodes)
            for some in grouped(inodes, INODES):
                yield "SADD", self._keys.sustained(sid), *some
            if not self._quirks:
                # The original leaves these files to no one (L5.21).
                yield "ZADD", self._keys.all_sessions, LONG_AGO, sid

    def make_deleted_files(self, items: Columns) -> Iterator[Command]:
        """Files whose data has to go."""
        for inode, length, expire in zip(*items, strict=True):
            self._there_are_inodes([inode])
            yield "ZADD", self._keys.delfiles, expire, codec.delfile_member(inode, length)

    def make_xattrs(self, items: Columns) -> Iterator[Command]:
        """Extended attributes."""
        for inode, name, value in zip(*items, strict=True):
            yield "HSET", self._keys.xattrs(inode), name, value

    def make_acls(self, items: Columns) -> Iterator[Command]:
        """Rules, and the highest of their numbers."""
        for id, data in zip(*items, strict=True):
            yield "HSET", self._keys.acl, id, data
        if items[0]:
            yield "SET", self._keys.acl_max_id, self._found.last_acl

    def make_dir_stats(self, items: Columns) -> Iterator[Command]:
        """Statistics of directories."""
        keys = self._keys
        hashes = keys.dir_data_length, keys.dir_used_space, keys.dir_used_inodes
        for inode, *numbers in zip(*items, strict=True):
            for hash, number in zip(hashes, numbers, strict=True):
                yield "HSET", hash, inode, number

    def make_dir_quotas(self, items: Columns) -> Iterator[Command]:
        """Quotas of the kind that each tells."""
        for *quota, type in zip(*items, strict=True):
            yield from self._make_quota(QuotaType(type), *quota)

    def make_user_quotas(self, items: Columns) -> Iterator[Command]:
        """Quotas of users."""
        for *quota, _ in zip(*items, strict=True):
            yield from self._make_quota(QuotaType.USER, *quota)

    def make_group_quotas(self, items: Columns) -> Iterator[Command]:
        """Quotas of groups."""
        for *quota, _ in zip(*items, strict=True):
            yield from self._make_quota(QuotaType.GROUP, *quota)

    def _make_quota(
        self, type: QuotaType, key: int, max_space: int, max_inodes: int, used_space: int, used_inodes: int
    ) -> Iterator[Command]:
        limits, space, inodes = self._keys.quota(type)
        yield "HSET", limits, key, codec.encode_quota(Quota(max_space, max_inodes))
        yield "HSET", space, key, used_space
        yield "HSET", inodes, key, used_inodes

    def make_parents(self, items: Columns) -> Iterator[Command]:
        """How many names nodes have in directories."""
        for inode, parent, count in zip(*items, strict=True):
            yield "HSET", self._keys.parents(inode), parent, count

    def make_change_lines(self, items: Columns) -> Iterator[Command]:
        """Lines of the change log are not restored (L5.17)."""
        yield from ()


def pushed(key: bytes, slices: bytes) -> Iterator[Command]:
    """The commands that make a chunk of its records."""
    records = [slices[at : at + RECORD] for at in range(0, len(slices), RECORD)]
    for some in grouped(records, NAMES):
        yield "RPUSH", key, *some
