"""A volume from a binary backup (L5.14-L5.21): what writes it is kept until the file is checked whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

from ..files import reading
from ..types import Quota, QuotaType
from . import codec
from .core import Core
from .inventory import RECORD, Inventory, inventoried
from .loading import NAMES, Loading, entry
from .segments import BackupFile, Segment
from .spool import Spool
from .store import Command, Packed
from .volume import check_client

LONG_AGO = 1
"""When the sessions of a backup have expired: no client of them is there any more (seconds)."""


class Restoring(Loading):
    """restore."""

    def restore(self, path: str, threads: int = 0) -> None:
        self.db.require_writable()
        found = Inventory()
        with Spool[Packed]() as commands:
            with reading(path) as stream:
                self.keep(commands, chain.from_iterable(self._commands(BackupFile(stream), found)))
            check_client(found.format)
            with self.filling(path):
                self.send(commands)
                self.db.write(("SET", self.keys.setting, found.setting))
        self._format = codec.with_default_tiers(found.format)

    def _commands(self, file: BackupFile, found: Inventory) -> Iterator[Iterator[Command]]:
        """What restores each segment of a backup but for the settings, which come last."""
        restorer = Restorer(self, found)
        for segment in inventoried(file, found):
            yield from restorer.commands(segment)
            self.tell("items checked", found.items, 0)


class Restorer:
    """Turns the segments of a backup into commands."""

    def __init__(self, volume: Core, found: Inventory) -> None:
        self._keys = volume.keys
        self._quirks = volume.quirks
        self._found = found

    def commands(self, segment: Segment) -> Iterator[Iterator[Command]]:
        """The commands that restore each list of a segment; the settings come last, by themselves."""
        for list, items in segment.lists():
            make: Callable[[Sequence[Any]], Iterator[Command]] = getattr(self, f"make_{list}")
            yield make(items)

    def make_counters(self, items: Sequence[Any]) -> Iterator[Command]:
        """The counters; of inodes and slices the last one is stored (L5.15)."""
        keys = self._keys
        names = keys.counters | {
            # The original keeps the number of the last line of the log under a key that nobody reads.
            "lastChangelog": keys.prefix + b"lastChangelog" if self._quirks else keys.txn_last_log,
        }
        for item in items:
            yield "SET", names[item.key], item.value - (item.key in ("nextInode", "nextChunk"))

    def make_nodes(self, items: Sequence[Any]) -> Iterator[Command]:
        """Attributes as they were."""
        attr = self._keys.attr
        for start in range(0, len(items), NAMES):
            some = [(attr(item.inode), item.data) for item in items[start : start + NAMES]]
            yield "MSET", *chain.from_iterable(some)

    def make_edges(self, items: Sequence[Any]) -> Iterator[Command]:
        """Entries, many of one directory at once."""
        parent, entries = 0, list[bytes]()
        for item in items:
            directory = item.parent
            if entries and (directory != parent or len(entries) == 2 * NAMES):
                yield "HSET", self._keys.dentries(parent), *entries
                entries = []
            parent = directory
            entries += item.name, entry(item.type, item.inode)
        if entries:
            yield "HSET", self._keys.dentries(parent), *entries

    def make_chunks(self, items: Sequence[Any]) -> Iterator[Command]:
        """Records, each an element of the list."""
        chunk = self._keys.chunk
        for item in items:
            key, data = chunk(item.inode, item.index), item.slices
            if len(data) == RECORD:
                yield "RPUSH", key, data
                continue
            records = [data[at : at + RECORD] for at in range(0, len(data), RECORD)]
            for start in range(0, len(records), NAMES):
                yield "RPUSH", key, *records[start : start + NAMES]

    def make_slice_refs(self, items: Sequence[Any]) -> Iterator[Command]:
        """References less one."""
        for item in items:
            yield "HSET", self._keys.slice_refs, codec.slice_ref_field(item.id, item.size), item.refs - 1

    def make_symlinks(self, items: Sequence[Any]) -> Iterator[Command]:
        """Targets."""
        for item in items:
            yield "SET", self._keys.symlink(item.inode), item.target

    def make_sustained(self, items: Sequence[Any]) -> Iterator[Command]:
        """What sessions had open, which have expired: the next client cleans up after them."""
        for item in items:
            yield "SADD", self._keys.sustained(item.sid), *item.inodes
            if not self._quirks:
                # The original leaves these files to no one (L5.21).
                yield "ZADD", self._keys.all_sessions, LONG_AGO, item.sid

    def make_deleted_files(self, items: Sequence[Any]) -> Iterator[Command]:
        """Files whose data has to go."""
        for item in items:
            yield "ZADD", self._keys.delfiles, item.expire, codec.delfile_member(item.inode, item.length)

    def make_xattrs(self, items: Sequence[Any]) -> Iterator[Command]:
        """Extended attributes."""
        for item in items:
            yield "HSET", self._keys.xattrs(item.inode), item.name, item.value

    def make_acls(self, items: Sequence[Any]) -> Iterator[Command]:
        """Rules, and the highest of their numbers."""
        for item in items:
            yield "HSET", self._keys.acl, item.id, item.data
        if items:
            yield "SET", self._keys.acl_max_id, self._found.last_acl

    def make_dir_stats(self, items: Sequence[Any]) -> Iterator[Command]:
        """Statistics of directories."""
        for item in items:
            yield "HSET", self._keys.dir_data_length, item.inode, item.data_length
            yield "HSET", self._keys.dir_used_space, item.inode, item.used_space
            yield "HSET", self._keys.dir_used_inodes, item.inode, item.used_inodes

    def make_dir_quotas(self, items: Sequence[Any]) -> Iterator[Command]:
        """Quotas of the kind that each tells."""
        for item in items:
            yield from self._make_quota(QuotaType(item.type), item)

    def make_user_quotas(self, items: Sequence[Any]) -> Iterator[Command]:
        """Quotas of users."""
        for item in items:
            yield from self._make_quota(QuotaType.USER, item)

    def make_group_quotas(self, items: Sequence[Any]) -> Iterator[Command]:
        """Quotas of groups."""
        for item in items:
            yield from self._make_quota(QuotaType.GROUP, item)

    def _make_quota(self, type: QuotaType, item: Any) -> Iterator[Command]:
        limits, space, inodes = self._keys.quota(type)
        yield "HSET", limits, item.key, codec.encode_quota(Quota(item.max_space, item.max_inodes))
        yield "HSET", space, item.key, item.used_space
        yield "HSET", inodes, item.key, item.used_inodes

    def make_parents(self, items: Sequence[Any]) -> Iterator[Command]:
        """How many names nodes have in directories."""
        for item in items:
            yield "HSET", self._keys.parents(item.inode), item.parent, item.count

    def make_change_lines(self, items: Sequence[Any]) -> Iterator[Command]:
        """Lines of the change log are not restored (L5.17)."""
        yield from ()
