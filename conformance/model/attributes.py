"""Changing the attributes of a node (N8)."""

from __future__ import annotations

import errno
from dataclasses import replace

from metaparity.drivers.errors import refuse_if
from metaparity.drivers.types import ROOT, Access, Attr, Context, FileType, Rule, SetAttr

from .accounting import GROUP, USER
from .core import Core, shown
from .directories import Directories
from .permissions import SETGID, SETUID, trashed
from .rules import mode_of, with_mode
from .state import space_of

SPECIAL = SETUID | SETGID
OWNERSHIP = SetAttr.UID | SetAttr.GID


class Change:
    """One setattr, worked out on a copy of the current attributes (N8.3-N8.11)."""

    def __init__(self, client: Core, ctx: Context, current: Attr, set: SetAttr, wanted: Attr) -> None:
        self.client = client
        self.ctx = ctx
        self.current = current
        self.set = set
        self.wanted = replace(wanted)
        self.result = replace(current)
        self.now = client.now()
        self.changed = False
        self.rule: Rule | None = None
        """The access rule that the node is to have, where the mode moves it."""

    def apply(self) -> Attr | None:
        """The new attributes, None where nothing changes.  Raises EPERM, EACCES."""
        if self.set & OWNERSHIP:
            self._special_bits()
        if self.set & SetAttr.GID:
            self._gid()
        if self.set & SetAttr.UID:
            self._uid()
        if self.set & SetAttr.MODE:
            self._mode()
        self._time("atime", SetAttr.ATIME, SetAttr.ATIME_NOW)
        self._time("mtime", SetAttr.MTIME, SetAttr.MTIME_NOW)
        if self.set & SetAttr.FLAGS:  # N8.11
            self.result.flags, self.changed = self.wanted.flags, True
        if self.set & SetAttr.TIER:
            self.result.tier, self.changed = self.wanted.tier, True
        if not self.changed:
            return None
        self.result.ctime = self.now
        return self.result

    @property
    def _owner(self) -> bool:
        return self.ctx.uid in (0, self.current.uid)

    @property
    def _checked(self) -> bool:
        return self.ctx.check_permission and self.ctx.uid != 0

    def _special_bits(self) -> None:
        """What a change of owner does to setuid and setgid (N8.3, N8.4)."""
        special = self.current.mode & SPECIAL
        if self.set & SetAttr.MODE:
            self.wanted.mode |= special
        if not special:
            return
        self.changed = True
        if self.current.type == FileType.DIRECTORY:
            return
        cleared = SPECIAL if self.ctx.uid != 0 or self.current.mode & 0o010 else SETUID
        self.result.mode &= ~cleared
        self.wanted.mode &= ~cleared

    def _gid(self) -> None:
        gid = self.wanted.gid  # N8.5
        refuse_if(not self._owner, errno.EPERM)
        if gid != self.current.gid:
            refuse_if(self._checked and gid not in self.ctx.gids, errno.EPERM)
            self.result.gid, self.changed = gid, True

    def _uid(self) -> None:
        if self.wanted.uid != self.current.uid:  # N8.6
            refuse_if(self._checked, errno.EPERM)
            self.result.uid, self.changed = self.wanted.uid, True

    def _mode(self) -> None:
        mode, before = self.wanted.mode & 0o7777, self.result.mode
        if self._checked and self.current.gid not in self.ctx.gids:  # N8.7
            mode &= ~SETGID
        if self.current.access_acl and mode == before and self._owner:
            self._set_mode(mode)  # the rule follows an equal mode, too
        elif mode != before:  # N8.9, for nodes with an ACL as well (Q10)
            clears_only = (mode ^ before) & ~SPECIAL == 0 and mode & ~before & SPECIAL == 0
            refuse_if(not self._owner and not clears_only, errno.EPERM)
            self._set_mode(mode)

    def _set_mode(self, mode: int) -> None:
        """Set the mode, and let an access rule follow it (N8.8)."""
        if self.current.access_acl:
            self.rule = with_mode(self.client.rule(self.current.access_acl), mode)
            mode = mode & 0o7000 | mode_of(self.rule)
        self.result.mode, self.changed = mode, True

    def _time(self, name: str, given: SetAttr, now: SetAttr) -> None:
        wanted = getattr(self.wanted, name)  # N8.10
        if self.set & now or (self.set & given and wanted[0] < 0):
            wanted = self.now
        elif not self.set & given or wanted == getattr(self.current, name):
            return
        else:
            refuse_if(self.current.uid == 0 and self.ctx.uid != 0, errno.EPERM)
        writable = self._owner or self.client.permits(self.ctx, self.current, Access.W)
        refuse_if(not writable, errno.EACCES)
        setattr(self.result, name, wanted)
        self.changed = True


class Attributes(Directories):
    """setattr and check_setattr."""

    def setattr(self, inode: int, set: SetAttr, attr: Attr, *, ctx: Context = ROOT) -> Attr:
        inode = self.check_root(inode)  # N8.1
        self.require_writable()
        current = self.node(inode)
        refuse_if(trashed(current), errno.EPERM)
        change = Change(self, ctx, current, set, attr)
        changed = change.apply()
        self.open_files.distrust(inode)
        if changed is None:
            return shown(current)
        if change.rule is not None:
            changed.access_acl = self.number_of(change.rule)
        self.volume.nodes[inode] = changed
        self._move_usage(current, changed)
        return shown(changed)

    def _move_usage(self, before: Attr, after: Attr) -> None:
        """Give the usage of a node of any type to its new user and group (N8.13, Q7)."""
        space = space_of(after)
        for type, old, new in ((USER, before.uid, after.uid), (GROUP, before.gid, after.gid)):
            if old != new:
                self.charge_owner(type, old, -space, -1)
                self.charge_owner(type, new, space, 1)

    def check_setattr(self, inode: int, set: SetAttr, attr: Attr, *, ctx: Context = ROOT) -> None:
        current = replace(self.node(self.check_root(inode)))  # N8.15
        Change(self, ctx, current, set, attr).apply()
