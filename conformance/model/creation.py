"""Everything that adds an entry: mknod and its kin, hard links (N11, N12, N17)."""

from __future__ import annotations

import errno
from dataclasses import replace

from metaparity.drivers.errors import NodeExists, error, refuse_if
from metaparity.drivers.types import (
    DIRECTORY_LENGTH,
    MAX_SYMLINK,
    ROOT,
    ROOT_INODE,
    TRASH_INODE,
    TRASH_NAME,
    Access,
    Attr,
    AttrFlag,
    Context,
    DirStat,
    FileType,
    Node,
    OpenFlag,
    is_trash,
)

from .accounting import GROUP, USER
from .core import DOTS, shown, type_only
from .openfiles import Opening
from .permissions import FROZEN, check_name, inherited_gid, inherited_mode, trashed
from .rules import inherited, mode_of
from .state import PAGE, aligned, space_of


class Creation(Opening):
    """mknod, mkdir, create, symlink, link."""

    def mknod(
        self,
        parent: int,
        name: bytes,
        type: int,
        mode: int = 0,
        umask: int = 0,
        rdev: int = 0,
        target: bytes = b"",
        *,
        ctx: Context = ROOT,
    ) -> Node:
        refuse_if(type not in FileType.__members__.values(), errno.EINVAL)  # N12.1
        refuse_if(is_trash(parent), errno.EPERM)
        refuse_if(parent == ROOT_INODE and name == TRASH_NAME, errno.EPERM)
        self.require_writable()
        refuse_if(name in DOTS, errno.EEXIST)
        check_name(name)
        parent = self.check_root(parent)
        self.check_room(PAGE, 1, ctx.uid, None, [parent])  # the right group is asked below (Q8)
        inode = self.inodes.take()
        self._require_place(ctx, parent, name, type)
        return self.make(ctx, parent, inode, name, type, mode, umask, rdev, target)

    def _require_place(self, ctx: Context, parent: int, name: bytes, type: int) -> None:
        """Raise what refuses a new node (N12.2)."""
        directory = self.node(parent)
        self.check_owner(GROUP, inherited_gid(ctx, directory), PAGE, 1)
        refuse_if(directory.type != FileType.DIRECTORY, errno.ENOTDIR)
        refuse_if(trashed(directory), errno.ENOENT)
        self.require_access(ctx, directory, Access.W | Access.X)
        refuse_if(bool(directory.flags & AttrFlag.IMMUTABLE), errno.EPERM)
        entry = self.entry(parent, name)
        if entry is None:
            return
        if type not in (FileType.FILE, FileType.DIRECTORY):
            raise error(errno.EEXIST)
        _, found, inode = entry
        attr = self.volume.nodes.get(inode)
        raise NodeExists(Node(inode, shown(attr) if attr else replace(type_only(found), parent=parent)))

    def make(
        self,
        ctx: Context,
        parent: int,
        inode: int,
        name: bytes,
        type: int,
        mode: int,
        umask: int = 0,
        rdev: int = 0,
        target: bytes = b"",
    ) -> Node:
        """Make a node and its entry; nothing refuses any more (N12.3-N12.6)."""
        directory, now = self.volume.nodes[parent], self.now()
        attr = Attr(
            flags=directory.flags & AttrFlag.SKIP_TRASH,
            type=type,
            mode=mode & ~umask & 0o7777,
            uid=ctx.uid,
            gid=inherited_gid(ctx, directory),
            rdev=0 if type in (FileType.DIRECTORY, FileType.SYMLINK) else rdev,
            atime=now,
            mtime=now,
            ctime=now,
            nlink=1,
            parent=parent,
            tier=directory.tier,
        )
        if directory.default_acl and type != FileType.SYMLINK:
            self._inherit_rule(directory, attr, mode & 0o7777)
        attr.mode = inherited_mode(ctx, directory, type, attr.mode)
        if type == FileType.DIRECTORY:
            attr.nlink, attr.length = 2, DIRECTORY_LENGTH
            self.volume.stats[inode] = DirStat()
        elif type == FileType.SYMLINK:
            attr.length = len(target)
            self.volume.targets[inode] = target
        self.volume.nodes[inode] = attr
        self.add_entry(parent, name, type, inode)
        self.count_usage(PAGE, 1, attr)
        if parent != TRASH_INODE:  # an hour directory leaves the trash root alone (R7)
            directory.nlink += type == FileType.DIRECTORY
            self.stamp(parent, now, always=type == FileType.DIRECTORY)
            self.count_entry(parent, attr, 1)
            self.charge_directories(parent, PAGE, 1)
        return Node(inode, shown(attr))

    def _inherit_rule(self, directory: Attr, attr: Attr, mode: int) -> None:
        """Give a new node what the default rule of its directory says, the umask aside (N29.8)."""
        default = self.rule(directory.default_acl)
        if attr.type == FileType.DIRECTORY:
            attr.default_acl = directory.default_acl
        if default.minimal:
            attr.mode = mode & (0o7000 | mode_of(default))
            return
        rule = inherited(default, mode)
        attr.access_acl = self.number_of(rule)
        attr.mode = mode & 0o7000 | mode_of(rule)

    def mkdir(self, parent: int, name: bytes, mode: int = 0, umask: int = 0, *, ctx: Context = ROOT) -> Node:
        return self.mknod(parent, name, FileType.DIRECTORY, mode, umask, ctx=ctx)

    def create(
        self,
        parent: int,
        name: bytes,
        mode: int = 0,
        umask: int = 0,
        flags: OpenFlag = OpenFlag.RDONLY,
        *,
        ctx: Context = ROOT,
    ) -> Node:
        try:
            node = self.mknod(parent, name, FileType.FILE, mode, umask, ctx=ctx)
        except NodeExists as exists:  # N12.9
            node = exists.node
            if flags & OpenFlag.EXCL or node.attr is None or node.attr.type != FileType.FILE:
                raise
        self.open_files.open(node.inode, node.attr)
        return node

    def symlink(self, parent: int, name: bytes, target: bytes, *, ctx: Context = ROOT) -> Node:
        refuse_if(not 0 < len(target) <= MAX_SYMLINK or b"\0" in target, errno.EINVAL)  # N11.1
        return self.mknod(parent, name, FileType.SYMLINK, 0o777, target=target, ctx=ctx)

    def link(self, inode: int, parent: int, name: bytes, *, ctx: Context = ROOT) -> Attr:
        refuse_if(is_trash(parent), errno.EPERM)  # N17.1
        refuse_if(parent == ROOT_INODE and name == TRASH_NAME, errno.EPERM)
        self.require_writable()
        check_name(name)
        refuse_if(name in DOTS, errno.EEXIST)
        parent = self.check_root(parent)
        refuse_if(inode in (ROOT_INODE, TRASH_INODE), errno.EPERM)
        attr = self.node(inode)
        refuse_if(attr.type == FileType.DIRECTORY, errno.EPERM)
        self.check_owner(USER, attr.uid, 0, 1)
        self.check_owner(GROUP, attr.gid, 0, 1)
        self.check_directories(parent, aligned(attr.length), 1)
        refuse_if(attr.nlink == 0, errno.ENOENT)  # its last name is gone (Q13)

        directory = self.node(parent)  # N17.2
        refuse_if(directory.type != FileType.DIRECTORY, errno.ENOTDIR)
        refuse_if(trashed(directory), errno.ENOENT)
        self.require_access(ctx, directory, Access.W | Access.X)
        refuse_if(bool(directory.flags & AttrFlag.IMMUTABLE), errno.EPERM)
        refuse_if(bool(attr.flags & FROZEN), errno.EPERM)
        refuse_if(self.entry(parent, name) is not None, errno.EEXIST)

        now = self.now()  # N17.3
        if attr.parent:
            self.count_name(inode, attr.parent, 1)
        self.count_name(inode, parent, 1)
        attr.parent, attr.nlink, attr.ctime = 0, attr.nlink + 1, now
        self.add_entry(parent, name, attr.type, inode)
        self.stamp(parent, now)
        self.open_files.distrust(inode)
        self.count_entry(parent, attr, 1)
        self.charge_directories(parent, space_of(attr), 1)
        return shown(attr)
