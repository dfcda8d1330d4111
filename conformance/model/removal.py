"""Removing names and trees (N13, N14, N15, N31, N35.1)."""

from __future__ import annotations

import calendar
import errno
import time
from collections.abc import Sequence
from dataclasses import replace

from metaparity.drivers.errors import error, refuse_if
from metaparity.drivers.types import (
    ROOT,
    ROOT_INODE,
    TRASH_INODE,
    TRASH_NAME,
    Access,
    Attr,
    Context,
    Entry,
    FileType,
    Time,
    is_trash,
)

from .core import DOTS
from .openfiles import Fate
from .permissions import FROZEN, sticky
from .state import aligned, space_of
from .trash import HOUR_FORMAT, Trash

BATCH = 250
"""Names of one transaction of a batch (N14.1)."""


class Removal(Trash):
    """unlink, batch_unlink, rmdir, remove, trash_cleanup."""

    def unlink(self, parent: int, name: bytes, skip_trash: bool = False, *, ctx: Context = ROOT) -> None:
        self._refuse_protected(ctx, parent, name)  # N13.1
        self.require_writable()
        parent = self.check_root(parent)
        hour = self.hour_directory(parent, skip_trash)
        entry = self.entry(parent, name)  # N13.2
        if entry is None:
            raise error(errno.ENOENT)
        name, type, inode = entry
        refuse_if(type == FileType.DIRECTORY, errno.EPERM)
        directory = self._changeable(ctx, parent)
        attr = self.volume.nodes.get(inode)
        if attr is not None:
            refuse_if(sticky(ctx, directory, attr), errno.EACCES)
            refuse_if(bool(attr.flags & FROZEN), errno.EPERM)
        now = self.now()
        self.stamp(parent, now)
        self.take_name(hour, parent, name, inode, attr or Attr(type=type, nlink=1, parent=parent), now)

    def _refuse_protected(self, ctx: Context, parent: int, name: bytes) -> None:
        """Raise EPERM for the trash itself, and inside it for all but the superuser."""
        refuse_if(parent == ROOT_INODE and name == TRASH_NAME, errno.EPERM)
        refuse_if(is_trash(parent) and ctx.uid != 0, errno.EPERM)

    def _changeable(self, ctx: Context, parent: int) -> Attr:
        """A directory that a caller may take entries from.  Raises ENOENT, ENOTDIR, EACCES, EPERM."""
        directory = self.node(parent)
        refuse_if(directory.type != FileType.DIRECTORY, errno.ENOTDIR)
        self.require_access(ctx, directory, Access.W | Access.X)
        refuse_if(bool(directory.flags & FROZEN), errno.EPERM)
        return directory

    def take_name(self, hour: int, parent: int, name: bytes, inode: int, attr: Attr, now: Time) -> Fate:
        """Remove an entry of what is no directory, by way of the trash where it goes there (N13.3-N13.9)."""
        gone = replace(attr)
        recorded = inode in self.volume.nodes
        kept = recorded and self.keeps(hour, attr, parent, inode, name)
        self.drop_entry(parent, name)
        self.count_entry(parent, gone, -1)
        if not is_trash(parent):
            self.charge_directories(parent, -space_of(gone), -1)
        if kept:
            self.move_to_trash(hour, attr, parent, inode, name, now)
            return Fate.TRASHED
        return self.lose_name(inode, attr, parent, now)

    def batch_unlink(
        self, parent: int, entries: Sequence[Entry], skip_trash: bool = False, *, ctx: Context = ROOT
    ) -> int:
        for start in range(0, len(entries), BATCH):
            self._unlink_batch(ctx, parent, entries[start : start + BATCH], skip_trash)
        return len(entries)

    def _unlink_batch(self, ctx: Context, parent: int, entries: Sequence[Entry], skip_trash: bool) -> None:
        hour = self.hour_directory(parent, skip_trash)  # N14.2
        self.require_writable()
        directory = self._changeable(ctx, parent)
        listed = self.listed(parent)
        chosen = {  # N14.3
            entry.name: entry.inode
            for entry in entries
            for type, inode in [listed.get(entry.name, (0, 0))]
            if inode == entry.inode and type not in (0, FileType.DIRECTORY) and entry.type in (0, type)
        }
        known = [attr for inode in chosen.values() if (attr := self.volume.nodes.get(inode))]
        refuse_if(any(sticky(ctx, directory, attr) for attr in known), errno.EACCES)
        refuse_if(any(attr.flags & FROZEN for attr in known), errno.EPERM)
        now = self.now()
        self.stamp(parent, now)
        for name, inode in chosen.items():
            attr = self.volume.nodes.get(inode)
            if attr is None:  # N14.4
                self.drop_entry(parent, name)
            else:
                self.take_name(hour, parent, name, inode, attr, now)

    def rmdir(self, parent: int, name: bytes, skip_trash: bool = False, *, ctx: Context = ROOT) -> None:
        refuse_if(name == b".", errno.EINVAL)  # N15.1
        refuse_if(name == b"..", errno.ENOTEMPTY)
        refuse_if(parent == TRASH_INODE, errno.EPERM)
        self._refuse_protected(ctx, parent, name)
        self.require_writable()
        parent = self.check_root(parent)
        hour = self.hour_directory(parent, skip_trash)
        entry = self.entry(parent, name)  # N15.2
        if entry is None:
            raise error(errno.ENOENT)
        name, type, inode = entry
        refuse_if(type != FileType.DIRECTORY, errno.ENOTDIR)
        directory = self._changeable(ctx, parent)
        refuse_if(bool(self.listed(inode)), errno.ENOTEMPTY)
        victim = self.volume.nodes.get(inode)
        if victim is not None:
            refuse_if(sticky(ctx, directory, victim), errno.EACCES)
        now = self.now()
        if not is_trash(parent):
            directory.nlink -= 1
        self.stamp(parent, now, always=True)
        self.take_directory(hour, parent, name, inode, victim, now)

    def take_directory(
        self, hour: int, parent: int, name: bytes, inode: int, attr: Attr | None, now: Time
    ) -> Fate:
        """Remove the entry of an empty directory, by way of the trash where it goes there (N15.3-N15.5)."""
        kept = attr is not None and self.keeps(hour, replace(attr, nlink=1), parent, inode, name)
        self.drop_entry(parent, name)
        self.count_entry(parent, Attr(type=FileType.DIRECTORY), -1)
        self.charge_directories(parent, -aligned(0), -1)
        if attr is not None and kept:
            self.forget_directory(inode)
            self.move_to_trash(hour, attr, parent, inode, name, now)
            return Fate.TRASHED
        self.delete_directory(inode, attr)
        return Fate.DELETED

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
        refuse_if(name in DOTS, errno.EINVAL)  # N31.4
        parent = self.check_root(parent)
        self.require_access_to(ctx, parent, Access.W | Access.X)
        node = self.find(parent, name)
        if node.attr is None or node.attr.type != FileType.DIRECTORY:
            self.unlink(parent, name, skip_trash, ctx=ctx)
            return 1
        return self._remove_tree(ctx, parent, name, node.inode, skip_trash)

    def _remove_tree(self, ctx: Context, parent: int, name: bytes, inode: int, skip_trash: bool) -> int:
        removed = self.empty_directory(ctx, inode, skip_trash)
        if is_trash(inode):  # N31.5
            return removed
        self.rmdir(parent, name, skip_trash, ctx=ctx)
        return removed + 1

    def empty_directory(self, ctx: Context, directory: int, skip_trash: bool) -> int:
        """Remove everything in a directory, deepest first; how many entries went (N31.2)."""
        entries = list(self.listed(directory).items())
        if not entries:
            return 0
        self.require_access_to(ctx, directory, Access.W | Access.X)
        removed = 0
        for name, (type, inode) in entries:
            if type == FileType.DIRECTORY:
                removed += self._remove_tree(ctx, directory, name, inode, skip_trash)
        files = [Entry(name, inode, type) for name, (type, inode) in entries if type != FileType.DIRECTORY]
        return removed + self.batch_unlink(directory, files, skip_trash, ctx=ctx)

    def trash_cleanup(self, before: int, *, ctx: Context = ROOT) -> None:
        self.require_writable()  # N35.1
        for name, (_, hour) in sorted(self.listed(TRASH_INODE).items(), key=lambda entry: entry[1][1]):
            try:
                begun = calendar.timegm(time.strptime(name.decode(), HOUR_FORMAT))
            except ValueError:  # no name of an hour: left alone
                continue
            if begun >= before:
                return
            self.empty_directory(ROOT, hour, skip_trash=True)
            if self.node(TRASH_INODE).flags & FROZEN:
                continue
            self.drop_entry(TRASH_INODE, name)
            self.delete_directory(hour, self.node(hour))
