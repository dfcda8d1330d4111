"""Statistics of directories on the server: flush, recount, read (N27)."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from ..errors import error, refuse_if
from ..types import ROOT, Context, DirStat, FileType
from . import codec
from .core import Core
from .statistics import contribution
from .store import Command, Transaction

BATCH = 1000
"""Directories of one pipeline of a flush (S4.4)."""


class DirStats(Core):
    """What the children of each directory add up to."""

    @property
    def _stat_keys(self) -> tuple[bytes, bytes, bytes]:
        return self.keys.dir_data_length, self.keys.dir_used_space, self.keys.dir_used_inodes

    def dirstat_get(self, inode: int, *, ctx: Context = ROOT) -> DirStat:
        inode = self.check_root(inode)
        values = self.db.read(*(("HGET", key, inode) for key in self._stat_keys))
        # The original takes a lost count of inodes for a lost directory (Q25).
        refuse_if(self.quirks and values[2] is None and None not in values[:2], errno.ENOENT)
        stat = DirStat(*(codec.decode_counter(value) for value in values))
        if None in values or min(stat.space, stat.inodes, stat.length) < 0:
            stat = self.counted_stat(inode) if self.config.read_only else self.sync_dir_stat(inode)
        return self.dir_stats.pending(inode, stat)

    def stored_stat(self, inode: int) -> DirStat | None:
        """The statistics as stored; None where any of the three is missing."""
        values = self.db.read(*(("HGET", key, inode) for key in self._stat_keys))
        return None if None in values else DirStat(*map(codec.decode_counter, values))

    def flush_dir_stats(self) -> None:
        """Put the pending changes on the server (N27.3); lost when the server fails meanwhile."""
        if self.config.read_only or not self.format.dir_stats:
            return
        with self.flushing:
            self._flush_dir_stats(self.dir_stats.take())

    def _flush_dir_stats(self, deltas: Mapping[int, DirStat]) -> None:
        if not deltas:
            return
        directories = list(deltas)
        kept = self.db.read(*(("HEXISTS", self.keys.dir_used_space, one) for one in directories))
        present = [one for one, exists in zip(directories, kept, strict=True) if exists]
        for start in range(0, len(present), BATCH):
            commands = [
                command
                for directory in present[start : start + BATCH]
                for command in self._increments(directory, deltas[directory])
            ]
            if commands:
                self.db.write(*commands)
        for directory, exists in zip(directories, kept, strict=True):
            if not exists:
                self.recount_if_there(directory)

    def _increments(self, directory: int, delta: DirStat) -> list[Command]:
        amounts = (delta.length, delta.space, delta.inodes)
        return [
            ("HINCRBY", key, directory, amount)
            for key, amount in zip(self._stat_keys, amounts, strict=True)
            if amount
        ]

    def recount_if_there(self, directory: int) -> None:
        """As `sync_dir_stat` for a directory that may be gone."""
        try:
            self.sync_dir_stat(directory)
        except FileNotFoundError:
            return

    def sync_dir_stat(self, inode: int) -> DirStat:
        """Count a directory anew and store what was found.  Raises ENOENT."""
        stat = self.counted_stat(inode)

        def body(tx: Transaction) -> None:
            (exists,) = tx.read(("EXISTS", self.keys.attr(inode)))
            if not exists:
                raise error(errno.ENOENT)
            amounts = (stat.length, stat.space, stat.inodes)
            for key, amount in zip(self._stat_keys, amounts, strict=True):
                tx.queue(("HSET", key, inode, amount))
            tx.queue(*self.logged("DIRSTAT", inode, *amounts))

        self.transact([self.keys.attr(inode)], body)
        return stat

    def counted_stat(self, inode: int) -> DirStat:
        """What the children of a directory add up to now."""
        entries = list(self.list_entries(inode).values())
        files = [child for type, child in entries if type == FileType.FILE]
        stat = DirStat(inodes=len(entries), space=codec.aligned(0) * (len(entries) - len(files)))
        for attr in self.read_attrs(files):
            length, space = contribution(attr) if attr else (0, codec.aligned(0))
            stat.length += length
            stat.space += space
        return stat
