"""Removing names and trees (N13, N14, N15, N31)."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

from ..errors import error, refuse_if
from ..types import (
    ROOT,
    ROOT_INODE,
    TRASH_INODE,
    TRASH_NAME,
    Access,
    Attr,
    Context,
    Entry,
    FileType,
    QuotaType,
    is_trash,
)
from . import codec
from .core import optional_attr
from .database import check_cancelled
from .files import Fate, Files
from .permissions import FROZEN, sticky
from .statistics import entry_space
from .store import Command, Reply, Transaction

Wanted: TypeAlias = Callable[[Transaction, bytes, int], list[Command]]
"""Watches what a removal needs of the node of an entry (name, inode), and gives the commands that read it."""
Found: TypeAlias = tuple[bytes, Attr | None, int, int, list[Reply]]
"""The stored name, the attributes of the directory, the type and inode of the entry, and what was wanted."""

BATCH = 250
"""Names of one transaction of a batch (S4.4)."""

DEFAULT_THREADS, MAX_THREADS = 50, 255


class Removal(Files):
    """Everything that takes an entry away, but for rename."""

    def unlink(self, parent: int, name: bytes, skip_trash: bool = False, *, ctx: Context = ROOT) -> None:
        self._refuse_protected(ctx, parent, name)
        self.db.require_writable()
        parent = self.check_root(parent)
        self.into_trash(parent, skip_trash, lambda trash: self._unlink(ctx, parent, name, trash))

    def _unlink(self, ctx: Context, parent: int, name: bytes, trash_here: int) -> None:
        def wanted(tx: Transaction, found: bytes, inode: int) -> list[Command]:
            tx.watch(self.keys.attr(inode))
            in_trash = self.trash_lookup(trash_here, parent, inode, found)
            return [self.get_attr(inode), *in_trash, *self.watch_hour(tx, trash_here)]

        def body(tx: Transaction) -> tuple[Fate, int, Attr, Attr]:
            now = self.now()
            found, directory, type, inode, replies = self._find(tx, parent, name, wanted, directory=False)
            blob, *rest = replies
            present, there = (rest[:1], rest[1:]) if trash_here else ([], rest)
            self.require_hour(there)
            above = self.require_directory(directory, ctx, refused=FROZEN)
            node = optional_attr(blob)
            if node is not None:
                refuse_if(sticky(ctx, above, node), errno.EACCES)
                refuse_if(bool(node.flags & FROZEN), errno.EPERM)
            trash = trash_here if self.keeps_trash_entry(node, any(present)) else 0
            node = node or Attr(type=type, nlink=1, parent=parent)
            length = node.length

            tx.queue(("HDEL", self.keys.dentries(parent), found))
            stamped = not is_trash(parent) and self.stamp(above, now)
            if stamped:
                tx.queue(self.set_attr(parent, above))
            fate = self.lose_name(tx, trash, parent, found, inode, node, now)
            kept = fate is Fate.SUSTAINED
            tx.queue(*self.logged("UNLINK", parent, name, trash, kept, stamped, result=inode, now=now))
            return fate, inode, node, Attr(type=type, length=length)

        watched = [self.keys.attr(parent), self.keys.dentries(parent)]
        fate, inode, node, lost = self.transact(watched, body, ctx)
        self.name_lost(fate, inode, node)
        self.entry_left(parent, lost)
        if fate is Fate.TRASHED:
            self.entry_moved(trash_here, lost, 1)

    def batch_unlink(
        self, parent: int, entries: Sequence[Entry], skip_trash: bool = False, *, ctx: Context = ROOT
    ) -> int:
        held_back = []
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            remove = partial(self._unlink_batch, ctx, parent, batch)
            # The original counts at the end, and nothing when a later batch fails (Q29).
            held_back += self.into_trash(parent, skip_trash, remove)
            if not self.quirks:
                self._count_lost(parent, held_back)
                held_back = []
        self._count_lost(parent, held_back)
        return len(entries)

    def _count_lost(self, parent: int, lost: Sequence[tuple[int, Attr]]) -> None:
        """Note what a batch took from a directory, and what is now in which hour directory, 0 for none."""
        for hour, gone in lost:
            self.entry_left(parent, gone)
            if hour:
                self.entry_moved(hour, gone, 1)

    def _unlink_batch(
        self, ctx: Context, parent: int, entries: Sequence[Entry], trash_here: int
    ) -> list[tuple[int, Attr]]:
        """Remove some names; the hour directory that each went to, 0 for none, and what it was."""
        dentries = self.keys.dentries(parent)

        def body(tx: Transaction) -> list[tuple[Fate, int, Attr, Attr]]:
            now = self.now()
            blob, stored = tx.read(
                self.get_attr(parent), ("HMGET", dentries, *(entry.name for entry in entries))
            )
            above = self.require_directory(optional_attr(blob), ctx, refused=FROZEN)
            chosen = list(self._still_there(entries, stored))
            # The directory is stamped even when no entry is left to remove.
            stamped = not is_trash(parent) and self.stamp(above, now)
            if stamped:
                tx.queue(self.set_attr(parent, above))
            names = [name for name, _, _ in chosen]
            removed = ",".join(str(inode) for _, _, inode in chosen)
            told = self.logged("UNLINKBATCH", parent, *names, trash_here, stamped, result=removed, now=now)
            tx.queue(*told)
            if not chosen:
                return []
            inodes = sorted({inode for _, _, inode in chosen})
            tx.watch(*(self.keys.attr(inode) for inode in inodes))
            lookups = [
                command
                for name, _, inode in chosen
                for command in self.trash_lookup(trash_here, parent, inode, name)
            ]
            blobs, *rest = tx.read(
                ("MGET", *(self.keys.attr(inode) for inode in inodes)),
                *lookups,
                *self.watch_hour(tx, trash_here),
            )
            present, there = rest[: len(lookups)], rest[len(lookups) :]
            self.require_hour(there)
            nodes = {inode: optional_attr(blob) for inode, blob in zip(inodes, blobs, strict=True)}
            known = [node for node in nodes.values() if node is not None]
            refuse_if(any(sticky(ctx, above, node) for node in known), errno.EACCES)
            refuse_if(any(node.flags & FROZEN for node in known), errno.EPERM)

            tx.queue(("HDEL", dentries, *(name for name, _, _ in chosen)))
            lost = []
            already_there = present or [0] * len(chosen)
            for (name, type, inode), already in zip(chosen, already_there, strict=True):
                node = nodes[inode]
                if node is None:
                    continue
                gone = Attr(type=type, length=node.length)
                trash = trash_here if self.keeps_trash_entry(node, bool(already)) else 0
                fate = self.lose_name(tx, trash, parent, name, inode, node, now)
                lost.append((fate, inode, node, gone))
            return lost

        lost = self.transact([self.keys.attr(parent), dentries], body, ctx)
        for fate, inode, node, _ in lost:
            self.name_lost(fate, inode, node)
        return [(trash_here if fate is Fate.TRASHED else 0, gone) for fate, _, _, gone in lost]

    @staticmethod
    def _still_there(
        entries: Sequence[Entry], stored: Sequence[bytes | None]
    ) -> list[tuple[bytes, int, int]]:
        """The (name, type, inode) of given entries that are as given and no directory (N14.3)."""
        chosen = {}
        for entry, value in zip(entries, stored, strict=True):
            if value is None:
                continue
            type, inode = codec.decode_entry(value)
            if inode == entry.inode and type != FileType.DIRECTORY and entry.type in (0, type):
                chosen[entry.name] = (entry.name, type, inode)
        return list(chosen.values())

    def rmdir(self, parent: int, name: bytes, skip_trash: bool = False, *, ctx: Context = ROOT) -> None:
        refuse_if(name == b".", errno.EINVAL)
        refuse_if(name == b"..", errno.ENOTEMPTY)
        refuse_if(parent == TRASH_INODE, errno.EPERM)
        self._refuse_protected(ctx, parent, name)
        self.db.require_writable()
        parent = self.check_root(parent)
        trash = self.into_trash(
            parent, skip_trash, lambda trash: self.remove_directory(ctx, parent, name, trash)
        )
        gone = Attr(type=FileType.DIRECTORY)
        self.entry_moved(parent, gone, -1)
        # The original also counts a directory that leaves the trash as gone from the root (Q30).
        self.charge_directories(parent, -codec.aligned(0), -1)
        if trash:
            self.entry_moved(trash, gone, 1)

    def remove_directory(self, ctx: Context, parent: int, name: bytes, trash_here: int) -> int:
        """Remove an empty directory; returns the hour directory it is in now, 0 where it is gone."""

        def wanted(tx: Transaction, found: bytes, inode: int) -> list[Command]:
            tx.watch(self.keys.attr(inode), self.keys.dentries(inode))
            entries: Command = ("HLEN", self.keys.dentries(inode))
            return [self.get_attr(inode), entries, *self.watch_hour(tx, trash_here)]

        def body(tx: Transaction) -> tuple[bool, Attr | None]:
            now = self.now()
            found, directory, _, inode, replies = self._find(tx, parent, name, wanted, directory=True)
            blob, children, *there = replies
            self.require_hour(there)
            above = self.require_directory(directory, ctx, refused=FROZEN)
            refuse_if(children > 0, errno.ENOTEMPTY)
            victim = optional_attr(blob)
            if victim is not None:
                refuse_if(sticky(ctx, above, victim), errno.EACCES)
            trashed = bool(trash_here) and self.keeps_trash_entry(victim, False)

            tx.queue(("HDEL", self.keys.dentries(parent), found))
            if not is_trash(parent):
                above.nlink -= 1
                self.stamp(above, now, always=True)
                tx.queue(self.set_attr(parent, above))
            if trashed and victim is not None:
                victim.ctime = now
                self.move_to_trash(tx, trash_here, parent, found, inode, victim)
            else:
                tx.queue(*self.delete_directory(inode))
            tx.queue(*self.forget_directory(inode))
            into = trash_here if trashed else 0
            tx.queue(*self.logged("RMDIR", parent, name, into, result=inode, now=now))
            return trashed, victim

        watched = [self.keys.attr(parent), self.keys.dentries(parent)]
        trashed, victim = self.transact(watched, body, ctx)
        if trashed:
            return trash_here
        self.update_usage(-codec.aligned(0), -1, victim)
        return 0

    def entry_left(self, parent: int, gone: Attr) -> None:
        """Note in statistics and quotas that a directory has lost an entry (N13.9)."""
        self.entry_moved(parent, gone, -1)
        if not is_trash(parent):
            self.charge_directories(parent, -entry_space(gone), -1)

    def delete_directory(self, inode: int) -> list[Command]:
        """The commands that delete an empty directory's record."""
        return [
            ("DEL", self.keys.attr(inode)),
            ("DEL", self.keys.xattrs(inode)),
            *self.count_usage(-codec.aligned(0), -1),
        ]

    def forget_directory(self, inode: int, *, statistics: bool = True) -> list[Command]:
        """The commands that delete the statistics and quota of a directory (N15.3)."""
        kept = (self.keys.dir_data_length, self.keys.dir_used_space, self.keys.dir_used_inodes)
        hashes = (*(kept if statistics else ()), *self.keys.quota(QuotaType.DIR))
        return [("HDEL", key, inode) for key in hashes]

    def delete_tree(self, ctx: Context, inode: int) -> bool:
        """Delete a directory that no entry leads to, with all below it; False where it is gone."""
        if self.db.read_one(*self.get_attr(inode)) is None:
            return False
        self.detached.add(inode)
        try:
            try:
                self._empty(ctx, inode, True, None)
            except PermissionError:
                if self.quirks:  # the original leaves what cannot be changed, and all above it
                    raise
                self._thaw(inode)
                self._empty(ctx, inode, True, None)
        finally:
            self.detached.discard(inode)

        def body(tx: Transaction) -> Attr | None:
            attr = optional_attr(tx.read(self.get_attr(inode))[0])
            if attr is not None:
                tx.queue(*self.delete_directory(inode), *self.forget_directory(inode))
                tx.queue(("ZREM", self.keys.detached_nodes, inode), *self.logged("CLEANUP", inode))
            return attr

        attr = self.transact([self.keys.attr(inode), self.keys.dentries(inode)], body)
        if attr is not None:
            self.update_usage(-codec.aligned(0), -1, attr)
        return True

    def _thaw(self, directory: int) -> None:
        """Let all that is in a directory which nobody sees be deleted: a copy has the flags of its source."""

        def body(inode: int, tx: Transaction) -> None:
            attr = optional_attr(tx.read(self.get_attr(inode))[0])
            if attr is not None and attr.flags & FROZEN:
                attr.flags &= ~FROZEN
                tx.queue(self.set_attr(inode, attr))

        self.transact([self.keys.attr(directory)], partial(body, directory))
        for type, inode in self.list_entries(directory).values():
            if type == FileType.DIRECTORY:
                self._thaw(inode)
            else:
                self.transact([self.keys.attr(inode)], partial(body, inode))

    def _refuse_protected(self, ctx: Context, parent: int, name: bytes) -> None:
        """Raise EPERM for the trash itself, and for others than the superuser inside it (N13.1)."""
        refuse_if(parent == ROOT_INODE and name == TRASH_NAME, errno.EPERM)
        refuse_if(is_trash(parent) and ctx.uid != 0, errno.EPERM)

    def _find(self, tx: Transaction, parent: int, name: bytes, wanted: Wanted, *, directory: bool) -> Found:
        """An entry, its directory, and the replies to what is wanted of its node, which is asked for at once
        where the client believes to know the node.

        Raises ENOENT, and EPERM or ENOTDIR when it leads to a directory, or to none, against `directory`.
        """
        here = [("HGET", self.keys.dentries(parent), name), self.get_attr(parent)]
        guess = self.kept_entry(parent, name)
        ahead = wanted(tx, name, guess[1]) if guess else []
        entry, blob, *replies = tx.read(*here, *ahead)
        if entry is not None:
            found, type, inode = name, *codec.decode_entry(entry)
        elif folded := self.folded_entry(parent, name):
            found, type, inode = folded
        else:
            raise error(errno.ENOENT)
        if (type == FileType.DIRECTORY) != directory:
            raise error(errno.ENOTDIR if directory else errno.EPERM)
        if (found, (type, inode)) != (name, guess):
            replies = tx.read(*wanted(tx, found, inode))
        return found, optional_attr(blob), type, inode, replies

    def trash_lookup(self, trash: int, parent: int, inode: int, name: bytes) -> list[Command]:
        """The command, if any, that tells whether the trash has this very entry (N13.3)."""
        if not trash:
            return []
        return [("HEXISTS", self.keys.dentries(trash), codec.trash_name(parent, inode, name))]

    # -- trees -------------------------------------------------------------------------------------

    def remove(
        self,
        parent: int,
        name: bytes,
        skip_trash: bool = False,
        threads: int = 0,
        *,
        ctx: Context = ROOT,
    ) -> int:
        # The original empties the directory before it refuses to remove it by this name (N31.4).
        refuse_if(name in codec.DOTS and not (self.quirks and name == b"."), errno.EINVAL)
        parent = self.check_root(parent)
        self.require_access_to(ctx, parent, Access.W | Access.X)
        node = self.lookup(parent, name, ctx=ctx)
        if node.attr is None or node.attr.type != FileType.DIRECTORY:
            self.unlink(parent, name, skip_trash, ctx=ctx)
            return 1
        threads = DEFAULT_THREADS if threads <= 0 else min(threads, MAX_THREADS)
        with ThreadPoolExecutor(threads) as pool:
            return self._remove_tree(ctx, parent, name, node.inode, skip_trash, pool)

    def _remove_tree(
        self,
        ctx: Context,
        parent: int,
        name: bytes,
        inode: int,
        skip_trash: bool,
        pool: ThreadPoolExecutor | None = None,
    ) -> int:
        removed = 0
        while True:
            removed += self._empty(ctx, inode, skip_trash, pool)
            if is_trash(inode):
                return removed
            try:
                self.rmdir(parent, name, skip_trash, ctx=ctx)
            except OSError as refused:
                if refused.errno != errno.ENOTEMPTY:
                    raise
                # Filled meanwhile; the original goes on for ever where another directory has its name by now.
                self._require_named(parent, name, inode)
            else:
                return removed + 1

    def _require_named(self, parent: int, name: bytes, inode: int) -> None:
        """Raise ENOENT where a name has gone, or gone to another node."""
        refuse_if(self.find(parent, name).inode != inode, errno.ENOENT)

    def _empty(self, ctx: Context, directory: int, skip_trash: bool, pool: ThreadPoolExecutor | None) -> int:
        """Remove everything in a directory, sub-directories in parallel when given a pool (N31.2)."""
        removed = 0
        while entries := self.list_entries(directory):
            check_cancelled(ctx)
            self.require_access_to(ctx, directory, Access.W | Access.X)
            below = [(name, inode) for name, (type, inode) in entries.items() if type == FileType.DIRECTORY]
            files = [
                Entry(name, inode, type)
                for name, (type, inode) in entries.items()
                if type != FileType.DIRECTORY
            ]

            def empty_one(entry: tuple[bytes, int]) -> int:
                try:
                    return self._remove_tree(ctx, directory, entry[0], entry[1], skip_trash)
                except FileNotFoundError:
                    return 0

            removed += sum(pool.map(empty_one, below) if pool else map(empty_one, below))
            removed += self.batch_unlink(directory, files, skip_trash, ctx=ctx)
            if directory == TRASH_INODE:
                break
        return removed
