"""Moving, replacing and exchanging names (N16)."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ..errors import error, refuse_if
from ..types import (
    ROOT,
    ROOT_INODE,
    TRASH_NAME,
    Access,
    Attr,
    AttrFlag,
    Context,
    FileType,
    Node,
    QuotaType,
    RenameFlag,
    Time,
    is_trash,
)
from . import codec
from .core import optional_attr
from .files import Fate
from .permissions import FROZEN, STICKY, check_name, require_untrashed, sticky
from .removal import Removal
from .statistics import entry_space
from .store import Command, Reply, Transaction
from .trees import Summaries

Usage: TypeAlias = tuple[int, int]
"""Bytes and inodes."""

NOREPLACE, EXCHANGE, WHITEOUT, RESTORE = RenameFlag
ACCEPTED = (RenameFlag(0), NOREPLACE, EXCHANGE, NOREPLACE | RESTORE)


@dataclass(slots=True)
class Place:
    """One side of a rename: a name in a directory, and the node found there."""

    parent: int
    name: bytes
    directory: Attr
    inode: int = 0
    type: int = 0
    node: Attr | None = None
    stamped: bool = False

    @property
    def is_directory(self) -> bool:
        return self.type == FileType.DIRECTORY

    @property
    def node_of_name(self) -> tuple[bytes, int, int]:
        """The stored name with the type and inode that it leads to."""
        return self.name, self.type, self.inode


@dataclass(slots=True)
class Renamed:
    """What a committed rename did: the moved node, what was at the target, and its fate."""

    source: Place
    moved: Attr
    target: Place
    before: Attr | None = None
    fate: Fate | None = None


class Renaming(Removal, Summaries):
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
        protected = (ROOT_INODE, TRASH_NAME)
        refuse_if(protected in ((src_parent, src_name), (dst_parent, dst_name)), errno.EPERM)
        refuse_if(is_trash(dst_parent) or (is_trash(src_parent) and ctx.uid != 0), errno.EPERM)
        self.db.require_writable()
        check_name(dst_name)
        # Entries named "." or ".." could never be reached again (Q4).
        refuse_if(dst_name in codec.DOTS and not self.quirks, errno.EINVAL)
        refuse_if(flags in (WHITEOUT, WHITEOUT | NOREPLACE), errno.ENOTSUP)
        refuse_if(flags not in ACCEPTED, errno.EINVAL)
        src_parent, dst_parent = self.check_root(src_parent), self.check_root(dst_parent)
        carried = self._carried(ctx, src_parent, src_name, dst_parent)

        watched = [
            key
            for parent in (src_parent, dst_parent)
            for key in (self.keys.attr(parent), self.keys.dentries(parent))
        ]
        if is_trash(src_parent):
            # The local lock goes by the first key: restores queue behind their live directory (S1.7).
            watched[0], watched[2] = watched[2], watched[0]

        def move(trash: int) -> tuple[Node | Renamed, int]:
            def body(tx: Transaction) -> Node | Renamed:
                return self._attempt(tx, ctx, src_parent, src_name, dst_parent, dst_name, flags, trash)

            return self.transact(watched, body, ctx), trash

        done, trash = self.into_trash(dst_parent, bool(flags & EXCHANGE), move)
        if isinstance(done, Node):
            if self.quirks and done.inode == 0 and src_parent != dst_parent:
                self._move_nothing(src_parent, dst_parent, carried)
            return done
        self._account(done, flags, trash)
        self._carry(ctx, done, flags, carried)
        return Node(done.source.inode, done.moved)

    def _carried(self, ctx: Context, src_parent: int, src_name: bytes, dst_parent: int) -> Usage | None:
        """What a rename takes from one quota to another; None where the nearest quota stays the same.

        Raises EDQUOT, and what `lookup` and `summary` raise.  Source: N16.3.
        """
        left = 0 if is_trash(src_parent) else self.quota_above(src_parent)
        reached = self.quota_above(dst_parent)
        if left == reached:
            return None
        node = self.lookup(src_parent, src_name, ctx=ctx)
        usage = self._usage_of(ctx, node.inode, node.attr or Attr())
        if reached:
            self.check_directories(dst_parent, *usage)
        return usage

    def _usage_of(self, ctx: Context, inode: int, attr: Attr) -> Usage:
        """The bytes and inodes of a node and all below it."""
        if attr.type != FileType.DIRECTORY:
            return entry_space(attr), 1
        quotas = self.accounts[QuotaType.DIR]
        if inode in quotas:
            # The original leaves out what it has not flushed.
            space, inodes = quotas.total(inode, pending=not self.quirks)
            return space + codec.aligned(0), inodes + 1
        below = self.summary(inode, recursive=True, ctx=ctx)
        return below.size, below.files + below.dirs

    def _carry(self, ctx: Context, done: Renamed, flags: RenameFlag, carried: Usage | None) -> None:
        """Note in the quotas what a committed rename took from directory to directory (N16.12)."""
        source, target = done.source, done.target
        if source.is_directory:
            self.remember_parent(source.inode, target.parent)
        crossed = source.parent != target.parent
        if crossed and carried:
            self._charge(source.parent, target.parent, carried)
        if flags & EXCHANGE and target.node is not None:
            if target.is_directory and crossed:
                self.remember_parent(target.inode, source.parent)
            if crossed and carried:
                # The original moves just the directory itself (Q11).
                entry = (entry_space(target.node), 1)
                back = entry if self.quirks else self._usage_of(ctx, target.inode, target.node)
                self._charge(target.parent, source.parent, back)
        elif done.before is not None:
            self.charge_directories(target.parent, -entry_space(done.before), -1)

    def _move_nothing(self, source: int, target: int, carried: Usage | None) -> None:
        """Count a move between two names of one node, where nothing moves, as the original does (Q1)."""
        self.entry_moved(source, Attr(), -1)
        self.entry_moved(target, Attr(), 1)
        if carried:
            self._charge(source, target, carried)

    def _charge(self, source: int, target: int, usage: Usage) -> None:
        space, inodes = usage
        if not is_trash(source):
            self.charge_directories(source, -space, -inodes)
        self.charge_directories(target, space, inodes)

    def _attempt(
        self,
        tx: Transaction,
        ctx: Context,
        src_parent: int,
        src_name: bytes,
        dst_parent: int,
        dst_name: bytes,
        flags: RenameFlag,
        trash: int,
    ) -> Node | Renamed:
        now = self.now()
        here = [
            ("HGET", self.keys.dentries(src_parent), src_name),
            ("HGET", self.keys.dentries(dst_parent), dst_name),
            self.get_attr(src_parent),
            self.get_attr(dst_parent),
        ]
        guess = self._kept_places(src_parent, src_name, dst_parent, dst_name)
        ahead = self._ask_nodes(tx, *guess, trash) if guess else []
        sinks = guess is not None and guess[0].is_directory and src_parent != dst_parent
        above = self._kept_above(dst_parent) if sinks and not self.quirks else []
        tx.watch(*map(self.keys.attr, above))
        replies = tx.read(*here, *ahead, *map(self.get_attr, above))
        entries, nodes = replies[: len(here)], replies[len(here) : len(here) + len(ahead)]
        passed = dict(zip(above, replies[len(here) + len(ahead) :], strict=True))
        directories = [optional_attr(blob) for blob in entries[2:]]
        if src_parent == dst_parent:
            directories[1] = directories[0]
        source = self._place(src_parent, src_name, entries[0], directories[0])
        if not source.inode:
            raise error(errno.ENOENT)
        if src_parent == dst_parent and source.name == dst_name:
            return Node(source.inode)
        target = self._place(dst_parent, dst_name, entries[1], directories[1])
        if (target.parent, target.name) == (source.parent, source.name):
            # Only the case of the name changes: the source itself is not in its own way (N16.7).
            target = Place(dst_parent, dst_name, target.directory)
        if target.inode:
            refuse_if(bool(flags & NOREPLACE), errno.EEXIST)
            if target.inode == source.inode:
                return Node(0)
            if not flags & EXCHANGE and source.is_directory != target.is_directory:
                raise error(errno.ENOTDIR if source.is_directory else errno.EISDIR)

        if guess is None or [one.node_of_name for one in guess] != [source.node_of_name, target.node_of_name]:
            nodes = tx.read(*self._ask_nodes(tx, source, target, trash))
        children, present = self._take_nodes(nodes, source, target)
        if None in directories or source.node is None:
            raise error(errno.ENOENT)
        self._check(ctx, source, source.node, target, flags, children)
        if source.parent != target.parent and not self.quirks:
            self._refuse_cycle(tx, source, target, flags, passed)

        done = Renamed(source, source.node, target)
        moved = source.node
        moved.ctime = now
        if flags & EXCHANGE and target.node is not None:
            target.node.ctime = now
            self._enter(tx, target, target.node, source)
        else:
            tx.queue(("HDEL", self.keys.dentries(source.parent), source.name))
            if target.inode:
                self._replace(tx, done, trash, present, now)
        self._enter(tx, source, moved, target)
        self._stamp(tx, source, target, now)
        into = trash if done.fate is Fate.TRASHED else 0
        places = (src_parent, src_name, dst_parent, dst_name)
        tx.queue(*self.logged("MOVE", *places, int(flags), target.inode, into, result=source.inode, now=now))
        return done

    def _place(self, parent: int, name: bytes, entry: bytes | None, directory: Attr | None) -> Place:
        place = Place(parent, name, directory or Attr())
        if entry is not None:
            place.type, place.inode = codec.decode_entry(entry)
        elif folded := self.folded_entry(parent, name):
            place.name, place.type, place.inode = folded
        return place

    def _kept_places(
        self, src_parent: int, src_name: bytes, dst_parent: int, dst_name: bytes
    ) -> tuple[Place, Place] | None:
        """Both sides as the client believes them to be; None where it knows nothing of the source."""
        source = self.kept_entry(src_parent, src_name)
        if source is None:
            return None
        target = self.kept_entry(dst_parent, dst_name) or (0, 0)
        return (
            Place(src_parent, src_name, Attr(), type=source[0], inode=source[1]),
            Place(dst_parent, dst_name, Attr(), type=target[0], inode=target[1]),
        )

    def _kept_above(self, directory: int) -> list[int]:
        """The directories above a directory, but for the root, as the client believes them to be."""
        found: list[int] = []
        while (attr := self.kept_attr(directory)) and attr.parent not in (0, ROOT_INODE, *found):
            directory = attr.parent
            found.append(directory)
        return found

    def _ask_nodes(self, tx: Transaction, source: Place, target: Place, trash: int) -> list[Command]:
        """Watch both nodes; the commands that read them."""
        tx.watch(self.keys.attr(source.inode))
        commands = [self.get_attr(source.inode)]
        if target.inode:
            tx.watch(self.keys.attr(target.inode))
            commands.append(self.get_attr(target.inode))
            if target.is_directory:
                tx.watch(self.keys.dentries(target.inode))
            commands.append(("HLEN", self.keys.dentries(target.inode)))
            commands += self.trash_lookup(trash, target.parent, target.inode, target.name)
            commands += self.watch_hour(tx, trash)
        return commands

    def _take_nodes(self, replies: list[Reply], source: Place, target: Place) -> tuple[int, bool]:
        """Take in both nodes; the number of entries in a target directory, and whether the trash has it."""
        source.node = optional_attr(replies[0])
        if not target.inode:
            return 0, False
        target.node = optional_attr(replies[1])
        self.require_hour(replies[4:])
        return replies[2] if target.is_directory else 0, any(replies[3:4])

    def _check(
        self,
        ctx: Context,
        source: Place,
        moved: Attr,
        target: Place,
        flags: RenameFlag,
        children: int,
    ) -> None:
        """The refusals that need the nodes, in the order of N16.5."""
        for place in (source, target):
            refuse_if(place.directory.type != FileType.DIRECTORY, errno.ENOTDIR)
            if place is target and not flags & RESTORE:
                require_untrashed(place.directory)
            self.require_access(ctx, place.directory, Access.W | Access.X)
        refuse_if(source.inode in (target.parent, target.directory.parent), errno.EPERM)
        frozen = (
            source.directory.flags & FROZEN,
            target.directory.flags & AttrFlag.IMMUTABLE,
            moved.flags & FROZEN,
        )
        refuse_if(any(frozen), errno.EPERM)
        refuse_if(
            source.parent != target.parent
            and bool(source.directory.mode & STICKY)
            and ctx.uid not in (0, moved.uid)
            and (ctx.uid != source.directory.uid or source.is_directory),
            errno.EACCES,
        )
        if target.inode:
            replaced = target.node or Attr(type=target.type)
            refuse_if(bool(replaced.flags & FROZEN), errno.EPERM)
            refuse_if(not flags & EXCHANGE and children > 0, errno.ENOTEMPTY)
            refuse_if(target.node is not None and sticky(ctx, target.directory, replaced), errno.EACCES)
        refuse_if(bool(flags & EXCHANGE) and target.node is None, errno.ENOENT)
        refuse_if(sticky(ctx, source.directory, moved), errno.EACCES)

    def _refuse_cycle(
        self,
        tx: Transaction,
        source: Place,
        target: Place,
        flags: RenameFlag,
        passed: Mapping[int, bytes | None],
    ) -> None:
        """Raise EINVAL when a directory would come to lie below itself, however deep (Q2).

        `passed` has the records of directories that were read already.
        """
        if source.is_directory:
            self._refuse_ancestor(tx, source.inode, target.directory.parent, passed)
        if flags & EXCHANGE and target.is_directory:
            self._refuse_ancestor(tx, target.inode, source.parent, passed)

    def _refuse_ancestor(
        self, tx: Transaction, inode: int, directory: int, passed: Mapping[int, bytes | None]
    ) -> None:
        seen = {0, ROOT_INODE}
        while directory not in seen:
            refuse_if(directory == inode, errno.EINVAL)
            seen.add(directory)
            if directory in passed:
                blob = passed[directory]
            else:
                tx.watch(self.keys.attr(directory))
                (blob,) = tx.read(self.get_attr(directory))
            attr = optional_attr(blob)
            if attr is None:
                return
            directory = attr.parent

    def _enter(self, tx: Transaction, origin: Place, attr: Attr, place: Place) -> None:
        """Queue a node's record and its entry at `place`; counts links and parents (N16.8, N16.9)."""
        if origin.parent != place.parent:
            if origin.is_directory:
                attr.parent = place.parent
                origin.directory.nlink -= 1
                place.directory.nlink += 1
                origin.stamped = place.stamped = True
            elif attr.parent > 0:
                attr.parent = place.parent
            else:
                tx.queue(
                    self.count_parent(origin.inode, place.parent, 1),
                    self.count_parent(origin.inode, origin.parent, -1),
                )
        tx.queue(
            self.set_attr(origin.inode, attr),
            self.set_entry(place.parent, place.name, origin.type, origin.inode),
        )

    def _replace(self, tx: Transaction, done: Renamed, trash: int, present: bool, now: Time) -> None:
        """Queue what becomes of the node that the target name had (N16.10)."""
        target = done.target
        node = target.node
        # The original does not look whether the trash has the entry already (Q6).
        into = trash if self.keeps_trash_entry(node, present and not self.quirks) else 0
        node = target.node = node or Attr(type=target.type, nlink=1, parent=target.parent)
        done.before = Attr(type=target.type, length=node.length)
        if not target.is_directory:
            done.fate = self.lose_name(tx, into, target.parent, target.name, target.inode, node, now)
            return
        target.directory.nlink -= 1
        target.stamped = True
        node.ctime = now
        if into:
            self.move_to_trash(tx, into, target.parent, target.name, target.inode, node)
            done.fate = Fate.TRASHED
        else:
            tx.queue(*self.delete_directory(target.inode))
            done.fate = Fate.DELETED
        # The original leaves the statistics of the replaced directory (Q5).
        tx.queue(*self.forget_directory(target.inode, statistics=not self.quirks))

    def _stamp(self, tx: Transaction, source: Place, target: Place, now: Time) -> None:
        """Queue the records of the directories, both or one."""
        places = [target] if source.parent == target.parent else [source, target]
        always = source.stamped or target.stamped
        for place in places:
            forced = always if len(places) == 1 else place.stamped
            if not is_trash(place.parent) and self.stamp(place.directory, now, always=forced):
                tx.queue(self.set_attr(place.parent, place.directory))

    def _account(self, done: Renamed, flags: RenameFlag, trash: int) -> None:
        """Note what the commit did to statistics and usage (N16.12)."""
        source, target = done.source, done.target
        self.open_files.invalidate(source.inode)
        self.open_files.invalidate(target.inode)
        crossed = source.parent != target.parent
        if crossed:
            self.entry_moved(source.parent, done.moved, -1)
            self.entry_moved(target.parent, done.moved, 1)
        if flags & EXCHANGE and target.node is not None:
            if crossed:
                self.entry_moved(target.parent, target.node, -1)
                self.entry_moved(source.parent, target.node, 1)
            return
        if done.fate is None or done.before is None or target.node is None:
            return
        self.entry_moved(target.parent, done.before, -1)
        if done.fate is Fate.TRASHED:
            self.entry_moved(trash, done.before, 1)
        self.name_lost(done.fate, target.inode, target.node)
