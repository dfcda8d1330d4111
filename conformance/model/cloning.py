"""Copies of files and trees, by reference (N25, N35.5)."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

from metaparity.drivers.errors import refuse_if
from metaparity.drivers.types import (
    ROOT,
    ROOT_INODE,
    TRASH_NAME,
    Access,
    Attr,
    AttrFlag,
    Cloned,
    Context,
    DirStat,
    FileType,
    Time,
    is_trash,
)

from .contents import Contents
from .core import DOTS
from .permissions import FROZEN, check_name, trashed
from .rules import with_mode
from .state import space_of


@dataclass(slots=True)
class Copying:
    """One clone: for whom, how, and how far it came."""

    ctx: Context
    preserve: bool
    umask: int
    now: Time
    count: int = 0
    space: int = 0


class Cloning(Contents):
    """clone, detached_cleanup."""

    def clone(
        self,
        src_parent: int,
        src: int,
        dst_parent: int,
        dst_name: bytes,
        preserve: bool = False,
        umask: int = 0,
        threads: int = 0,
        *,
        ctx: Context = ROOT,
    ) -> Cloned:
        refuse_if(any(is_trash(inode) for inode in (src, src_parent, dst_parent)), errno.EPERM)  # N25.1
        refuse_if(dst_parent == ROOT_INODE and dst_name == TRASH_NAME, errno.EPERM)
        self.require_writable()
        refuse_if(not dst_name, errno.ENOENT)
        refuse_if(dst_name in DOTS, errno.EEXIST)  # such an entry could not be reached again (Q4)
        check_name(dst_name)
        dst_parent = self.check_root(dst_parent)
        source = self.node(src)
        self.require_access(ctx, source, Access.R)
        self.require_access_to(ctx, dst_parent, Access.W | Access.X)
        refuse_if(self.entry(dst_parent, dst_name) is not None, errno.EEXIST)
        below = self.summary(src, recursive=True, ctx=ctx)
        total = below.files + below.dirs
        self.check_room(below.size, total, ctx.uid, ctx.gid, [dst_parent])
        inode = self.inodes.take()

        directory = self.node(dst_parent)  # N25.2, N25.3
        refuse_if(directory.type != FileType.DIRECTORY, errno.ENOTDIR)
        refuse_if(bool(directory.flags & AttrFlag.IMMUTABLE), errno.EPERM)
        self.require_access(ctx, directory, Access.W | Access.X)
        copying = Copying(ctx, preserve, umask, self.now())
        self._require_copyable(copying, src, dst_parent)
        is_directory = source.type == FileType.DIRECTORY
        refuse_if(is_directory and trashed(directory), errno.ENOENT)

        self._copy(copying, src, inode, dst_parent, dst_name)
        directory.nlink += is_directory
        self.stamp(dst_parent, copying.now, always=True)
        self.charge_directories(dst_parent, copying.space, copying.count)
        return Cloned(copying.count, total)

    def _require_copyable(self, copying: Copying, src: int, parent: int) -> None:
        """Raise EACCES for what a caller may not read of a tree, or not write of its copy (N25.8)."""
        source = self.node(src)
        self.require_access(copying.ctx, source, Access.R)
        if source.type != FileType.DIRECTORY:
            return
        self.require_access(copying.ctx, source, Access.R | Access.X)
        entries = self.listed(src)
        if any(type != FileType.DIRECTORY for type, _ in entries.values()):
            copy = self._copied(copying, source, parent)
            refuse_if(bool(copy.flags & AttrFlag.IMMUTABLE), errno.EPERM)
            self.require_access(copying.ctx, copy, Access.W | Access.X)
        for _, inode in entries.values():
            if inode in self.volume.nodes:
                self._require_copyable(copying, inode, src)

    def _copied(self, copying: Copying, source: Attr, parent: int) -> Attr:
        """The attributes of a copy (N25.4); a copy has one name, whatever it is (Q16)."""
        copy = replace(source, parent=parent)
        if source.type != FileType.DIRECTORY:
            copy.nlink = 1
        if copying.preserve:
            return copy
        copy.uid, copy.gid = copying.ctx.uid, copying.ctx.gid
        copy.atime = copy.mtime = copy.ctime = copying.now
        if source.type != FileType.SYMLINK:  # a link grants nothing: its mode is that of all links
            copy.mode &= ~copying.umask
        if source.access_acl and copy.mode != source.mode:  # as after a chmod (N8.8)
            copy.access_acl = self.number_of(with_mode(self.rule(source.access_acl), copy.mode))
        return copy

    def _copy(self, copying: Copying, src: int, inode: int, parent: int, name: bytes) -> None:
        """Copy a node of any type, and all below it, to a new inode (N25.4-N25.6, Q19)."""
        source = self.node(src)
        entries = dict(self.listed(src))
        copy = self.volume.nodes[inode] = self._copied(copying, source, parent)
        self._copy_belongings(src, inode, copy)
        copying.count += 1
        copying.space += space_of(copy)
        self.count_usage(space_of(copy), 1, copy)
        self.count_entry(parent, copy, 1)
        if copy.type == FileType.DIRECTORY:
            copy.nlink = 2
            # Sub-directories come last, as where the rest is copied in batches (N25.3).
            for child, (type, below) in sorted(
                entries.items(), key=lambda one: one[1][0] == FileType.DIRECTORY
            ):
                if below in self.volume.nodes:
                    self._copy(copying, below, self.inodes.take(), inode, child)
                    copy.nlink += type == FileType.DIRECTORY
        self.add_entry(parent, name, copy.type, inode)  # last: a copy below its source is none of it

    def _copy_belongings(self, src: int, inode: int, copy: Attr) -> None:
        """Copy extended attributes, target and content of a node."""
        if values := self.volume.xattrs.get(src):
            self.volume.xattrs.setdefault(inode, {}).update(values)  # set before it was there, maybe (D7)
        if copy.type == FileType.DIRECTORY:
            self.volume.stats[inode] = DirStat()
        if copy.type == FileType.SYMLINK:
            self.volume.targets[inode] = self.volume.targets[src]
        if copy.type == FileType.FILE and copy.length:
            chunks = self.volume.chunks.get(src, {})
            self.volume.chunks[inode] = {index: [*records] for index, records in chunks.items()}
            for records in chunks.values():
                for record in records:
                    self.hold_slice(record.id, record.size)

    def detached_cleanup(self, before: int, *, ctx: Context = ROOT) -> None:
        self.require_writable()  # N35.5
        for inode, begun in list(self.volume.detached.items()):
            if begun > before:
                continue
            if inode in self.volume.nodes:
                self._thaw(inode)
                self.empty_directory(ROOT, inode, skip_trash=True)
                self.delete_directory(inode, self.node(inode))
            self.volume.detached.pop(inode, None)

    def _thaw(self, inode: int) -> None:
        """Copies have the flags of their sources (N25.4), which keep nothing that nobody sees."""
        self.volume.nodes[inode].flags &= ~FROZEN
        for _, below in self.volume.entries.get(inode, {}).values():
            self._thaw(below)
