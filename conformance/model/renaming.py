"""Moving, replacing and exchanging names (N16)."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from metaparity.drivers.errors import error, refuse_if
from metaparity.drivers.types import (
    ROOT,
    ROOT_INODE,
    TRASH_NAME,
    Access,
    Attr,
    AttrFlag,
    Context,
    FileType,
    Node,
    RenameFlag,
    Time,
    is_trash,
)

from .accounting import DIR
from .core import DOTS, shown
from .permissions import FROZEN, STICKY, check_name, sticky, trashed
from .state import PAGE, space_of
from .trees import Trees

NOREPLACE, EXCHANGE, WHITEOUT, RESTORE = RenameFlag
ACCEPTED = (RenameFlag(0), NOREPLACE, EXCHANGE, NOREPLACE | RESTORE)


@dataclass(slots=True)
class Place:
    """One side of a rename: a name in a directory, and what it leads to; inode 0 where it is free."""

    parent: int
    name: bytes
    type: int = 0
    inode: int = 0

    @property
    def is_directory(self) -> bool:
        return self.type == FileType.DIRECTORY


class Renaming(Trees):
    """rename."""

    def rename(
        self,
        src_parent: int,
        src_name: bytes,
        dst_parent: int,
        dst_name: bytes,
        flags: RenameFlag = RenameFlag(0),
        *,
        ctx: Context = ROOT,
    ) -> Node:
        protected = (ROOT_INODE, TRASH_NAME)  # N16.1
        refuse_if(protected in ((src_parent, src_name), (dst_parent, dst_name)), errno.EPERM)
        refuse_if(is_trash(dst_parent) or (is_trash(src_parent) and ctx.uid != 0), errno.EPERM)
        self.require_writable()
        check_name(dst_name)
        refuse_if(dst_name in DOTS, errno.EINVAL)  # such an entry could not be reached again (Q4)
        refuse_if(flags in (WHITEOUT, WHITEOUT | NOREPLACE), errno.ENOTSUP)
        refuse_if(flags not in ACCEPTED, errno.EINVAL)
        src_parent, dst_parent = self.check_root(src_parent), self.check_root(dst_parent)
        carried = self._carried(ctx, src_parent, src_name, dst_parent)  # N16.3
        hour = self.hour_directory(dst_parent, bool(flags & EXCHANGE))  # N16.4

        source = self._place(src_parent, src_name)  # N16.5
        if not source.inode:
            raise error(errno.ENOENT)
        if src_parent == dst_parent and source.name == dst_name:
            return Node(source.inode)
        target = self._place(dst_parent, dst_name)
        if (target.parent, target.name) == (source.parent, source.name):  # N16.7
            target = Place(dst_parent, dst_name)
        if target.inode:
            refuse_if(bool(flags & NOREPLACE), errno.EEXIST)
            if target.inode == source.inode:
                return Node(0)
            if not flags & EXCHANGE and source.is_directory != target.is_directory:
                raise error(errno.ENOTDIR if source.is_directory else errno.EISDIR)
        self._require_movable(ctx, source, target, flags)
        self._refuse_cycle(source, target, flags)
        self._move(ctx, source, target, flags, hour, carried)
        return Node(source.inode, shown(self.node(source.inode)))

    def _place(self, parent: int, name: bytes) -> Place:
        entry = self.entry(parent, name)
        return Place(parent, *entry) if entry else Place(parent, name)

    def _require_movable(self, ctx: Context, source: Place, target: Place, flags: RenameFlag) -> None:
        """Raise what refuses a rename once both names are known (N16.5)."""
        below, above = self.node(source.parent), self.node(target.parent)
        moved = self.node(source.inode)
        refuse_if(below.type != FileType.DIRECTORY, errno.ENOTDIR)
        self.require_access(ctx, below, Access.W | Access.X)
        refuse_if(above.type != FileType.DIRECTORY, errno.ENOTDIR)
        refuse_if(trashed(above) and not flags & RESTORE, errno.ENOENT)
        self.require_access(ctx, above, Access.W | Access.X)
        refuse_if(source.inode in (target.parent, above.parent), errno.EPERM)
        frozen = below.flags & FROZEN or above.flags & AttrFlag.IMMUTABLE or moved.flags & FROZEN
        refuse_if(bool(frozen), errno.EPERM)
        stranger = ctx.uid not in (0, moved.uid) and (ctx.uid != below.uid or source.is_directory)
        crossing = source.parent != target.parent
        refuse_if(crossing and bool(below.mode & STICKY) and stranger, errno.EACCES)
        if target.inode:
            replaced = self.volume.nodes.get(target.inode)
            refuse_if(replaced is not None and bool(replaced.flags & FROZEN), errno.EPERM)
            refuse_if(not flags & EXCHANGE and bool(self.listed(target.inode)), errno.ENOTEMPTY)
            refuse_if(replaced is not None and sticky(ctx, above, replaced), errno.EACCES)
        if flags & EXCHANGE:
            self.node(target.inode)
        refuse_if(sticky(ctx, below, moved), errno.EACCES)

    def _refuse_cycle(self, source: Place, target: Place, flags: RenameFlag) -> None:
        """Raise EINVAL where a directory would come to lie below itself (Q2)."""
        if source.parent == target.parent:
            return
        if source.is_directory:
            refuse_if(source.inode in self._chain(target.parent), errno.EINVAL)
        if flags & EXCHANGE and target.is_directory:
            refuse_if(target.inode in self._chain(source.parent), errno.EINVAL)

    def _chain(self, directory: int) -> set[int]:
        """A directory and all above it, of the trash too."""
        found = set[int]()
        while directory in self.volume.nodes and directory not in found:
            found.add(directory)
            directory = self.volume.nodes[directory].parent
        return found

    # -- the move ----------------------------------------------------------------------------------

    def _move(
        self,
        ctx: Context,
        source: Place,
        target: Place,
        flags: RenameFlag,
        hour: int,
        carried: tuple[int, int] | None,
    ) -> None:
        """Carry a rename out; nothing refuses any more (N16.8-N16.12)."""
        now = self.now()
        moved = self.node(source.inode)
        crossing = source.parent != target.parent
        if crossing and carried:
            self._pass_on(source.parent, target.parent, carried)
        if flags & EXCHANGE:
            other = self.node(target.inode)
            if crossing and carried:
                self._pass_on(target.parent, source.parent, self._usage_of(ctx, target.inode, other))
            other.ctime = now
            self._enter(target, source, other)
        else:
            self.drop_entry(source.parent, source.name)
            if target.inode:
                self._replace(target, hour, now)
        moved.ctime = now
        self._enter(source, target, moved)
        self._stamp(source, target, flags, now)
        self.open_files.distrust(source.inode)
        self.open_files.distrust(target.inode)

    def _enter(self, origin: Place, place: Place, attr: Attr) -> None:
        """Give a node the name of the other place, with what that changes in link counts (N16.8, N16.9)."""
        self.add_entry(place.parent, place.name, origin.type, origin.inode)
        if origin.parent == place.parent:
            return
        if origin.is_directory:
            if not is_trash(origin.parent):
                self.volume.nodes[origin.parent].nlink -= 1
            self.volume.nodes[place.parent].nlink += 1
            attr.parent = place.parent
        elif attr.parent:
            attr.parent = place.parent
        else:
            self.count_name(origin.inode, place.parent, 1)
            self.count_name(origin.inode, origin.parent, -1)
        self.count_entry(origin.parent, attr, -1)
        self.count_entry(place.parent, attr, 1)

    def _replace(self, target: Place, hour: int, now: Time) -> None:
        """Take away what the target name had (N16.10)."""
        attr = self.volume.nodes.get(target.inode)
        if not target.is_directory:
            lost = attr or Attr(type=target.type, nlink=1, parent=target.parent)
            self.take_name(hour, target.parent, target.name, target.inode, lost, now)
            return
        self.volume.nodes[target.parent].nlink -= 1
        self.take_directory(hour, target.parent, target.name, target.inode, attr, now)

    def _stamp(self, source: Place, target: Place, flags: RenameFlag, now: Time) -> None:
        """Stamp both directories, always where a directory came or went (N41)."""
        crossing = source.parent != target.parent
        arrives = crossing and source.is_directory
        leaves = target.is_directory and (crossing if flags & EXCHANGE else True)
        self.stamp(target.parent, now, always=arrives or leaves)
        if crossing:
            self.stamp(source.parent, now, always=arrives or (leaves and bool(flags & EXCHANGE)))

    # -- quotas ------------------------------------------------------------------------------------

    def _carried(
        self, ctx: Context, src_parent: int, src_name: bytes, dst_parent: int
    ) -> tuple[int, int] | None:
        """What changes from one quota to another, bytes and inodes; None where the nearest stays (N16.3)."""
        left = next(self.limited_above(src_parent), 0)
        reached = next(self.limited_above(dst_parent), 0)
        if left == reached:
            return None
        node = self.lookup(src_parent, src_name, ctx=ctx)
        usage = self._usage_of(ctx, node.inode, node.attr or Attr())
        if reached:
            self.check_directories(dst_parent, *usage)
        return usage

    def _usage_of(self, ctx: Context, inode: int, attr: Attr) -> tuple[int, int]:
        """The bytes and inodes of a node and all below it."""
        if attr.type != FileType.DIRECTORY:
            return space_of(attr), 1
        if inode in self.quotas[DIR]:
            space, inodes = self.used(DIR, inode)
            return space + PAGE, inodes + 1
        below = self.summary(inode, recursive=True, ctx=ctx)
        return below.size, below.files + below.dirs

    def _pass_on(self, source: int, target: int, usage: tuple[int, int]) -> None:
        space, inodes = usage
        self.charge_directories(source, -space, -inodes)
        self.charge_directories(target, space, inodes)
