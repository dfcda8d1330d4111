"""The state of one client, and the routines that the reference shares between primitives (§0)."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from dataclasses import replace

from metaparity.drivers.api import Engine
from metaparity.drivers.errors import Refused, error, refuse_if
from metaparity.drivers.types import (
    DIRECTORY_LENGTH,
    ROOT_INODE,
    TRASH_INODE,
    Attr,
    Config,
    Context,
    Event,
    FileType,
    Format,
    Rule,
    Time,
    is_trash,
)

from .permissions import consults_rule, granted_by, permitted
from .state import EntryValue, VolumeState

DOTS = (b".", b"..")
BILLION = 10**9


class Ids:
    """Numbers from `lowest` on that a client hands out from blocks it sets aside on the volume (K2)."""

    def __init__(self, reserve: Callable[[int], int], block: int, lowest: int) -> None:
        self._reserve = reserve
        self._block = block
        self._next = self._lowest = lowest
        self._last = 0

    @property
    def empty(self) -> bool:
        """Whether the next number asks for a new block."""
        return self._next > self._last

    def take(self) -> int:
        """A number never used before."""
        if self.empty:
            self._last = self._reserve(self._block)
            self._next = max(self._last - self._block + 1, self._lowest)
        self._next += 1
        return self._next - 1


class Core(Engine):
    """A client of one volume in this process."""

    def __init__(self, volume: VolumeState, config: Config) -> None:
        self.volume = volume
        self.config = config
        self.root = ROOT_INODE
        self.sid = 0
        self.ended = False
        """Whether the session was closed: nobody would release what is taken now."""
        self.inodes = Ids(volume.reserve_inodes, 1024, ROOT_INODE + 1)
        self.slices = Ids(volume.reserve_slices, 4096, 1)
        self.asked: list[Event] = []
        """What the object store was asked since the last `events`."""
        self._format: Format | None = None
        self._clock: Time | None = None

    # -- time and settings -------------------------------------------------------------------------

    def now(self) -> Time:
        """The time of this call: the virtual clock's where one was set."""
        return self._clock or divmod(time.time_ns(), BILLION)

    def clock_set(self, now: Time) -> None:
        self._clock = now

    @property
    def format(self) -> Format:
        """The settings as this client loaded them.  Raises `Refused` where there are none (N1.3)."""
        if self._format is None:
            self._format = self.stored_format()
        return self._format

    def stored_format(self) -> Format:
        """The settings now on the volume.  Raises `Refused` where there are none (N1.3)."""
        if self.volume.format is None:
            raise Refused("database is not formatted: format it with init first")
        return self.volume.format

    def require_writable(self) -> None:
        """Raise EROFS on a read-only client (M2)."""
        refuse_if(self.config.read_only, errno.EROFS)

    # -- nodes -------------------------------------------------------------------------------------

    def check_root(self, inode: int) -> int:
        """The inode that a caller means: 0 is the real root, 1 the root of this session (R1)."""
        if inode == 0:
            return ROOT_INODE
        return self.root if inode == ROOT_INODE else inode

    def node(self, inode: int) -> Attr:
        """The attributes of a node, to be changed in place.  Raises ENOENT."""
        attr = self.volume.nodes.get(inode)
        if attr is None:
            raise error(errno.ENOENT)
        return attr

    def known(self, inode: int) -> Attr:
        """The attributes of a node; a root that has no record is made up (N7.3).  Raises ENOENT."""
        if inode in (ROOT_INODE, TRASH_INODE) and inode not in self.volume.nodes:
            mode = 0o777 if inode == ROOT_INODE else 0o555
            return Attr(
                type=FileType.DIRECTORY, mode=mode, nlink=2, length=DIRECTORY_LENGTH, parent=ROOT_INODE
            )
        return self.node(inode)

    def permits(self, ctx: Context, attr: Attr, mask: int) -> bool:
        """Whether a node grants a caller every bit of `mask` (R3)."""
        if not consults_rule(ctx, attr):
            return permitted(ctx, attr, mask)
        return granted_by(self.rule(attr.access_acl), ctx, attr, mask)

    def require_access(self, ctx: Context, attr: Attr, mask: int) -> None:
        """Raise EACCES unless a node grants every bit of `mask` (R3)."""
        refuse_if(not self.permits(ctx, attr, mask), errno.EACCES)

    def require_access_to(self, ctx: Context, inode: int, mask: int) -> None:
        """As `require_access`; whoever may do anything need not name a node.  Raises ENOENT, EACCES (R3)."""
        if ctx.uid != 0 and ctx.check_permission:
            self.require_access(ctx, self.known(inode), mask)

    def number_of(self, rule: Rule) -> int:
        """The number of a rule; equal rules have one number (N29.2)."""
        for number, known in self.volume.rules.items():
            if known == rule:
                return number
        number = max(self.volume.rules, default=0) + 1
        self.volume.rules[number] = copied(rule)
        return number

    def rule(self, number: int) -> Rule:
        """The rule of a number.  Raises ENOENT (N8.1)."""
        if number not in self.volume.rules:
            raise error(errno.ENOENT)
        return self.volume.rules[number]

    # -- entries -----------------------------------------------------------------------------------

    def listed(self, directory: int) -> dict[bytes, EntryValue]:
        """The entries of a directory: name to type and inode; none where there is no such directory."""
        return self.volume.entries.get(directory, {})

    def entry(self, parent: int, name: bytes) -> tuple[bytes, int, int] | None:
        """The stored name, type and inode of an entry, found without case where that is asked for (R15)."""
        entries = self.listed(parent)
        if name in entries:
            return name, *entries[name]
        if self.config.case_insensitive:
            for found, value in entries.items():
                if folded(found) == folded(name):
                    return found, *value
        return None

    def add_entry(self, parent: int, name: bytes, type: int, inode: int) -> None:
        """Give a node a name."""
        self.volume.entries.setdefault(parent, {})[name] = (type, inode)

    def drop_entry(self, parent: int, name: bytes) -> None:
        """Take a name away."""
        del self.volume.entries[parent][name]

    def count_name(self, inode: int, parent: int, count: int) -> None:
        """Count names of a hard-linked node in a directory (A3)."""
        counts = self.volume.names.setdefault(inode, {})
        counts[parent] = counts.get(parent, 0) + count

    def stamp(self, directory: int, now: Time, *, always: bool = False) -> None:
        """Stamp a directory whose entries change; those of the trash never are (R6, N13.9)."""
        attr = self.volume.nodes[directory]
        if is_trash(directory):
            return
        if always or elapsed(attr.mtime, now) >= self.config.skip_dir_mtime:
            attr.mtime = attr.ctime = now


def elapsed(then: Time, now: Time) -> float:
    """Seconds between two times."""
    return ((now[0] - then[0]) * BILLION + now[1] - then[1]) / BILLION


def shown(attr: Attr) -> Attr:
    """Attributes as a caller gets them: a copy that later calls do not change."""
    return replace(attr)


def copied(rule: Rule) -> Rule:
    """A rule that shares nothing with another."""
    return replace(rule, users=[*rule.users], groups=[*rule.groups])


def type_only(type: int) -> Attr:
    """What is known of an entry whose node has no record (N5.6)."""
    return Attr(type=type, full=False)


def folded(name: bytes) -> str:
    """A name without case, by simple folding: each character stays one (R15)."""
    text = name.decode("utf-8", "surrogateescape")
    return "".join(
        next((form for form in (one.casefold(), one.lower()) if len(form) == 1), one) for one in text
    )
