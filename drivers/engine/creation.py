"""Making nodes and names: mknod and its kin, hard links, the trash (N11, N12, N17, R7)."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from ..errors import NodeExists, error, refuse_if
from ..types import (
    DIRECTORY_LENGTH,
    MAX_SYMLINK,
    ROOT,
    ROOT_INODE,
    TRASH_INODE,
    TRASH_NAME,
    Access,
    Attr,
    AttrFlag,
    Config,
    Context,
    FileType,
    Node,
    OpenFlag,
    is_trash,
)
from . import codec
from .core import optional_attr
from .lookup import Lookup
from .permissions import (
    FROZEN,
    check_name,
    inherited_gid,
    inherited_mode,
    require_untrashed,
)
from .rules import inherited, mode_of
from .statistics import entry_space
from .store import Command, Reply, Store, Transaction

T = TypeVar("T")

NODE_SPACE = codec.aligned(0)
"""What a new node adds to the used space, in bytes."""


class Creation(Lookup):
    """Everything that adds an entry."""

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
        refuse_if(type not in FileType.__members__.values(), errno.EINVAL)
        refuse_if(is_trash(parent), errno.EPERM)
        refuse_if(parent == ROOT_INODE and name == TRASH_NAME, errno.EPERM)
        self.db.require_writable()
        refuse_if(name in codec.DOTS, errno.EEXIST)
        check_name(name)
        parent = self.check_root(parent)
        # Whatever the group of the new node will be, the original asks for group 0 (Q8).
        self.check_room(NODE_SPACE, 1, uid=ctx.uid, gid=0 if self.quirks else None, directories=[parent])
        return self._make(ctx, parent, self.inodes.take(), name, type, mode, umask, rdev, target)

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
        except NodeExists as exists:
            node = exists.node
            if flags & OpenFlag.EXCL or node.attr is None or node.attr.type != FileType.FILE:
                raise
        self.open_files.open(node.inode, node.attr)
        return node

    def symlink(self, parent: int, name: bytes, target: bytes, *, ctx: Context = ROOT) -> Node:
        refuse_if(not 0 < len(target) <= MAX_SYMLINK or b"\0" in target, errno.EINVAL)
        return self.mknod(parent, name, FileType.SYMLINK, 0o777, target=target, ctx=ctx)

    def _make(
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
        """Make a node of this inode; 0 is that of the next hour directory."""

        def body(tx: Transaction) -> tuple[int, Attr]:
            now = self.now()
            blob, entry = tx.read(self.get_attr(parent), ("HGET", self.keys.dentries(parent), name))
            directory = optional_attr(blob)
            if directory is None:
                raise error(errno.ENOENT)
            gid = inherited_gid(ctx, directory)
            # What is removed needs no quota, though the original asks for it.
            if parent != TRASH_INODE or self.quirks:
                self.check_group(gid, NODE_SPACE, 1)
            refuse_if(directory.type != FileType.DIRECTORY, errno.ENOTDIR)
            require_untrashed(directory)
            self.require_access(ctx, directory, Access.W | Access.X)
            refuse_if(bool(directory.flags & AttrFlag.IMMUTABLE), errno.EPERM)
            self._refuse_existing(tx, parent, name, entry, type)
            number = inode or self._next_hour(tx)

            node = Attr(
                flags=directory.flags & AttrFlag.SKIP_TRASH,
                type=type,
                mode=mode & ~umask & 0o7777,
                uid=ctx.uid,
                gid=gid,
                rdev=0 if type in (FileType.DIRECTORY, FileType.SYMLINK) else rdev,
                atime=now,
                mtime=now,
                ctime=now,
                nlink=1,
                parent=parent,
                tier=directory.tier,
            )
            if directory.default_acl and type != FileType.SYMLINK:
                self._inherit_acl(directory, node, mode & 0o7777)
            node.mode = inherited_mode(ctx, directory, type, node.mode)
            if type == FileType.DIRECTORY:
                node.nlink, node.length = 2, DIRECTORY_LENGTH
            elif type == FileType.SYMLINK:
                node.length = len(target)

            tx.queue(self.set_attr(number, node))
            stamped = False
            if parent != TRASH_INODE:
                if type == FileType.DIRECTORY:
                    directory.nlink += 1
                stamped = self.stamp(directory, now, always=type == FileType.DIRECTORY)
                if stamped:
                    tx.queue(self.set_attr(parent, directory))
            if type == FileType.SYMLINK:
                tx.queue(("SET", self.keys.symlink(number), target))
            tx.queue(self.set_entry(parent, name, type, number))
            if type == FileType.DIRECTORY:
                tx.queue(*(("HSET", key, number, 0) for key in self._dir_stat_keys))
            tx.queue(*self.count_usage(NODE_SPACE, 1))
            caller = (ctx.uid, ctx.gid, int(type), mode & 0o7777, umask)
            tx.queue(
                *self.logged(
                    "CREATE", parent, name, *caller, target, "linux", stamped, result=number, now=now
                )
            )
            return number, node

        watched = [self.keys.attr(parent), self.keys.dentries(parent)]
        number, node = self.transact(watched, body, ctx)
        # The original counts hour directories as the superuser's when they go, but not when they come (Q24).
        self.update_usage(NODE_SPACE, 1, None if parent == TRASH_INODE and self.quirks else node)
        if parent != TRASH_INODE:
            self.entry_moved(parent, node, 1)
            self.charge_directories(parent, NODE_SPACE, 1)
        if type == FileType.DIRECTORY:
            self.remember_parent(number, parent)
        return Node(number, node)

    def _next_hour(self, tx: Transaction) -> int:
        """The inode of a new hour directory; that of an attempt which does not commit is lost (R7)."""
        (ordinal,) = tx.read(("INCR", self.keys.next_trash))
        return TRASH_INODE + int(ordinal)

    def _inherit_acl(self, directory: Attr, node: Attr, mode: int) -> None:
        """Give a new node what the default ACL of its directory says, the umask aside (N29.8)."""
        default = self.rules.get(directory.default_acl)
        if node.type == FileType.DIRECTORY:
            node.default_acl = directory.default_acl
        if default.minimal:
            node.mode = mode & (0o7000 | mode_of(default))
            return
        rule = inherited(default, mode)
        node.access_acl = self.rules.number_of(rule)
        node.mode = mode & 0o7000 | mode_of(rule)

    @property
    def _dir_stat_keys(self) -> tuple[bytes, bytes, bytes]:
        return self.keys.dir_used_inodes, self.keys.dir_data_length, self.keys.dir_used_space

    def _refuse_existing(
        self, tx: Transaction, parent: int, name: bytes, entry: bytes | None, type: int
    ) -> None:
        """Raise EEXIST when the name is taken; for a file or directory with the node (N12.2)."""
        if entry is not None:
            kind, inode = codec.decode_entry(entry)
        elif folded := self.folded_entry(parent, name):
            _, kind, inode = folded
        else:
            return
        if type not in (FileType.FILE, FileType.DIRECTORY):
            raise error(errno.EEXIST)
        attr = optional_attr(tx.read(self.get_attr(inode))[0])
        raise NodeExists(Node(inode, attr or Attr(type=kind, parent=parent, full=False)))

    def link(self, inode: int, parent: int, name: bytes, *, ctx: Context = ROOT) -> Attr:
        refuse_if(is_trash(parent), errno.EPERM)
        refuse_if(parent == ROOT_INODE and name == TRASH_NAME, errno.EPERM)
        self.db.require_writable()
        check_name(name)
        refuse_if(name in codec.DOTS, errno.EEXIST)
        parent = self.check_root(parent)
        refuse_if(inode in (ROOT_INODE, TRASH_INODE), errno.EPERM)

        def body(tx: Transaction) -> Attr:
            now = self.now()
            blob, node_blob, entry = tx.read(
                self.get_attr(parent), self.get_attr(inode), ("HGET", self.keys.dentries(parent), name)
            )
            node = optional_attr(node_blob)
            if node is not None:
                refuse_if(node.type == FileType.DIRECTORY, errno.EPERM)
                self.check_user(node.uid, 0, 1)
                self.check_group(node.gid, 0, 1)
                self.check_directories(parent, codec.aligned(node.length), 1)
            # A node whose last name is gone cannot get a new one, as on Linux (Q13).
            if blob is None or node is None or (node.nlink == 0 and not self.quirks):
                raise error(errno.ENOENT)
            directory = codec.decode_attr(blob)
            refuse_if(directory.type != FileType.DIRECTORY, errno.ENOTDIR)
            require_untrashed(directory)
            self.require_directory(directory, ctx, refused=AttrFlag.IMMUTABLE)
            refuse_if(bool(node.flags & FROZEN), errno.EPERM)
            taken = entry is not None or self.folded_entry(parent, name) is not None
            refuse_if(taken, errno.EEXIST)

            before = node.parent
            node.parent = 0
            node.nlink += 1
            node.ctime = now
            tx.queue(self.set_entry(parent, name, node.type, inode))
            stamped = self.stamp(directory, now)
            if stamped:
                tx.queue(self.set_attr(parent, directory))
            tx.queue(self.set_attr(inode, node))
            if before > 0:
                tx.queue(self.count_parent(inode, before, 1))
            tx.queue(self.count_parent(inode, parent, 1))
            tx.queue(*self.logged("LINK", inode, parent, name, stamped, result=node.nlink, now=now))
            return node

        watched = [self.keys.attr(parent), self.keys.dentries(parent), self.keys.attr(inode)]
        node = self.transact(watched, body, ctx)
        self.open_files.invalidate(inode)
        # The original counts the target of a symbolic link as contents (Q12).
        self.entry_moved(parent, replace(node, type=FileType.FILE) if self.quirks else node, 1)
        self.charge_directories(parent, entry_space(node), 1)
        return node


class StaleHour(Exception):
    """The hour directory that this client remembers has been removed by another one."""


class Trash(Creation):
    """Where removed nodes go (R7, R8)."""

    def __init__(self, store: Store, config: Config, compat: str = "") -> None:
        super().__init__(store, config, compat)
        self._hour: tuple[bytes, int] = (b"", 0)
        self._opening = threading.Lock()

    def into_trash(self, parent: int, skip: bool, remove: Callable[[int], T]) -> T:
        """Remove something from `parent` with the hour directory for it, 0 for none.

        Raises what `trash_directory` and `remove` raise.
        """
        try:
            return remove(self.trash_directory(parent, skip))
        except StaleHour:
            self.forget_hour()
            return remove(self.trash_directory(parent, skip))

    def forget_hour(self) -> None:
        """Look for the hour directory anew the next time."""
        self._hour = b"", 0

    def watch_hour(self, tx: Transaction, trash: int) -> list[Command]:
        """The command, if any, whose reply `require_hour` wants."""
        # The original goes on filing into a directory that is gone (Q21).
        if not trash or self.quirks:
            return []
        tx.watch(self.keys.attr(trash))
        return [("EXISTS", self.keys.attr(trash))]

    @staticmethod
    def require_hour(replies: Sequence[Reply]) -> None:
        """Raise `StaleHour` when an hour directory is gone."""
        if 0 in replies:
            raise StaleHour

    def trash_directory(self, parent: int, skip: bool) -> int:
        """The hour directory for what is removed from `parent`, made when needed; 0 for none.

        Raises EBADF when the directory found is not in the trash.  Source: R7.
        """
        if skip or is_trash(parent) or self.format.trash_days <= 0:
            return 0
        self.db.require_writable()
        hour = codec.hour_name(self.now()[0])
        with self._opening:
            name, inode = self._hour
            if name != hour:
                inode = self._open_hour(hour)
                refuse_if(inode <= TRASH_INODE, errno.EBADF)
                self._hour = hour, inode
            return inode

    def _open_hour(self, hour: bytes) -> int:
        with suppress(FileNotFoundError):
            return self.find(TRASH_INODE, hour).inode
        try:
            made = self._make(ROOT, TRASH_INODE, 0, hour, FileType.DIRECTORY, 0o555)
        except NodeExists as exists:
            return exists.node.inode
        return made.inode

    def move_to_trash(
        self,
        tx: Transaction,
        trash: int,
        parent: int,
        name: bytes,
        inode: int,
        attr: Attr,
    ) -> None:
        """Queue the entry of a node in an hour directory; sets its parent (N13.4)."""
        if attr.type == FileType.DIRECTORY or attr.parent > 0:
            attr.parent = trash
        else:
            tx.queue(self.count_parent(inode, trash, 1), self.count_parent(inode, parent, -1))
        tx.queue(
            self.set_attr(inode, attr),
            self.set_entry(trash, codec.trash_name(parent, inode, name), attr.type, inode),
        )
