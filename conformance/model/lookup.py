"""From names to nodes, and what a node says of itself (N4-N7, N11.3, R14)."""

from __future__ import annotations

import errno
from dataclasses import replace

from metaparity.drivers.errors import error, refuse_if
from metaparity.drivers.types import (
    ROOT,
    ROOT_INODE,
    TRASH_INODE,
    TRASH_NAME,
    Access,
    Attr,
    Config,
    Context,
    FileType,
    Node,
)

from .accounting import Accounting
from .core import elapsed, shown, type_only
from .permissions import grants, mode_bits
from .state import VolumeState

LARGEST_SCRIPTED = (1 << 52) - 1
"""The largest inode that a script on the server can count with (N5.9)."""

ATIME_MODES = ("noatime", "relatime", "strictatime")
"""Which access times a client keeps: none, some, all (R14)."""

DAY = 24 * 3600


class Lookup(Accounting):
    """lookup, resolve, getattr, access, readlink."""

    def __init__(self, volume: VolumeState, config: Config) -> None:
        super().__init__(volume, config)
        if config.atime_mode not in ATIME_MODES:
            raise ValueError(f"atime_mode {config.atime_mode!r} is none of {', '.join(ATIME_MODES)}")
        self._read_targets: dict[int, bytes] = {}

    def lookup(
        self, parent: int, name: bytes, check_permission: bool = False, *, ctx: Context = ROOT
    ) -> Node:
        parent = self.check_root(parent)
        if check_permission:
            self.require_access_to(ctx, parent, Access.X)
        if name == b".." and parent != self.root:  # N5.2
            attr = self.known(parent)
            refuse_if(attr.type != FileType.DIRECTORY, errno.ENOTDIR)
            return Node(attr.parent, shown(self.known(attr.parent)))
        if name in (b".", b".."):  # N5.3
            return Node(parent, shown(self.known(parent)))
        return self.find(parent, name)

    def find(self, parent: int, name: bytes) -> Node:
        """The node of an entry; of one without record the type (N5.4-N5.6).  Raises ENOENT."""
        if parent == ROOT_INODE and name == TRASH_NAME:
            return Node(TRASH_INODE, shown(self.known(TRASH_INODE)))
        entry = self.entry(parent, name)
        if entry is None:
            raise error(errno.ENOENT)
        _, type, inode = entry
        attr = self.volume.nodes.get(inode)
        return Node(inode, shown(attr) if attr else type_only(type))

    def resolve(self, parent: int, path: bytes, force: bool = False, *, ctx: Context = ROOT) -> Node:
        names = list(filter(None, path.split(b"/")))
        if force:  # N6.1
            node = Node(ROOT_INODE)
            for name in names:
                node = self.find(node.inode, name)
            return node
        refuse_if(not self.sid or self.config.case_insensitive, errno.ENOTSUP)  # N6.2
        inode, type = self.check_root(parent), int(FileType.DIRECTORY)
        refuse_if(inode > LARGEST_SCRIPTED, errno.ENOTSUP)
        for name in names:  # N6.3
            refuse_if(type == FileType.SYMLINK or inode > LARGEST_SCRIPTED, errno.ENOTSUP)
            refuse_if(type != FileType.DIRECTORY, errno.ENOTDIR)
            if inode != ROOT_INODE and ctx.uid != 0:
                refuse_if(not grants(mode_bits(ctx, self.node(inode)), Access.X), errno.EACCES)
            if name not in self.listed(inode):
                raise error(errno.ENOENT)
            type, inode = self.listed(inode)[name]
        refuse_if(inode > LARGEST_SCRIPTED or inode not in self.volume.nodes, errno.ENOTSUP)
        return Node(inode, shown(self.node(inode)))

    def getattr(self, inode: int, *, ctx: Context = ROOT) -> Attr:
        return shown(self.known(self.check_root(inode)))

    def access(self, inode: int, mask: int, *, ctx: Context = ROOT) -> None:
        self.require_access_to(ctx, self.check_root(inode), mask)

    def readlink(self, inode: int, *, ctx: Context = ROOT) -> bytes:
        if not self.keeps_atime and inode in self._read_targets:  # N11.4
            return self._read_targets[inode]
        target = self.volume.targets.get(inode, b"")  # N11.3
        if self.keeps_atime or not target:
            attr = self.node(inode)
            refuse_if(attr.type != FileType.SYMLINK, errno.EINVAL)
            refuse_if(not target, errno.EIO)
            self.touch_atime(attr)
        else:
            self._read_targets[inode] = target
        return target

    # -- access times ------------------------------------------------------------------------------

    @property
    def keeps_atime(self) -> bool:
        """Whether reading stamps access times at all (R14)."""
        return self.config.atime_mode != "noatime" and not self.config.read_only

    def touch_atime(self, attr: Attr) -> bool:
        """Stamp an access of a node where one is due; whether it was (R14)."""
        if not self.keeps_atime:
            return False
        now = self.now()
        changed = attr.mtime > attr.atime or attr.ctime > attr.atime
        age = elapsed(attr.atime, now)
        strict = self.config.atime_mode == "strictatime"
        if not (changed or age >= DAY or (strict and age >= 1)):
            return False
        attr.atime = now
        return True

    def opened(self, inode: int, attr: Attr) -> Attr:
        """A copy of the attributes with which a node was read, its access stamped (R14)."""
        found = replace(attr)
        node = self.volume.nodes.get(inode)
        if node is not None and self.touch_atime(node):
            found.atime = node.atime
        return found
