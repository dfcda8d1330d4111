"""Changing the attributes of a node (N8)."""

from __future__ import annotations

import errno
from dataclasses import replace

from ..errors import error, refuse_if
from ..types import ROOT, Access, Attr, Context, FileType, Rule, SetAttr, Time
from .accounting import Accounting
from .core import optional_attr
from .permissions import SETGID, SETUID, trashed
from .rules import mode_of, with_mode
from .statistics import entry_space
from .store import Command, Transaction

SPECIAL = SETUID | SETGID
OWNERSHIP = SetAttr.UID | SetAttr.GID


class Change:
    """One `setattr` worked out on a copy of the current attributes (N8.3-N8.11)."""

    def __init__(
        self,
        ctx: Context,
        current: Attr,
        wanted: Attr,
        set: SetAttr,
        now: Time,
        *,
        writable: bool,
        rule: Rule | None = None,
        anyone: bool = False,
    ) -> None:
        """`writable` is whether the caller may write to the node, `rule` its access ACL, and `anyone` whether
        the mode of a node with an ACL may be changed by all.
        """
        self.ctx = ctx
        self.writable = writable
        self.rule = rule
        self.anyone = anyone
        self.current = current
        self.wanted = replace(wanted)
        self.set = set
        self.now = now
        self.result = replace(current)
        self.changed = False

    def apply(self) -> Attr | None:
        """The new attributes, None where nothing changes.  Raises EPERM, EACCES."""
        if self.set & OWNERSHIP:
            self._keep_or_clear_special_bits()
        if self.set & SetAttr.GID:
            self._set_gid()
        if self.set & SetAttr.UID:
            self._set_uid()
        if self.set & SetAttr.MODE:
            self._set_mode()
        self._set_time("atime", SetAttr.ATIME, SetAttr.ATIME_NOW)
        self._set_time("mtime", SetAttr.MTIME, SetAttr.MTIME_NOW)
        if self.set & SetAttr.FLAGS:
            self._assign("flags", self.wanted.flags)
        if self.set & SetAttr.TIER:
            self._assign("tier", self.wanted.tier)
        if not self.changed:
            return None
        self.result.ctime = self.now
        return self.result

    @property
    def _owner(self) -> bool:
        return self.ctx.uid in (0, self.current.uid)

    def _assign(self, name: str, value: int | Time) -> None:
        setattr(self.result, name, value)
        self.changed = True

    def _keep_or_clear_special_bits(self) -> None:
        if self.set & SetAttr.MODE:
            self.wanted.mode |= self.current.mode & SPECIAL
        if not self.current.mode & SPECIAL:
            return
        self.changed = True
        if self.current.type == FileType.DIRECTORY:
            return
        both = self.ctx.uid != 0 or self.current.mode & 0o010
        cleared = SPECIAL if both else SETUID
        self.result.mode &= ~cleared
        self.wanted.mode &= ~cleared

    def _set_gid(self) -> None:
        ctx, gid = self.ctx, self.wanted.gid
        refuse_if(not self._owner, errno.EPERM)
        if gid == self.current.gid:
            return
        refuse_if(ctx.restricted and gid not in ctx.gids, errno.EPERM)
        self._assign("gid", gid)

    def _set_uid(self) -> None:
        if self.wanted.uid == self.current.uid:
            return
        refuse_if(self.ctx.restricted, errno.EPERM)
        self._assign("uid", self.wanted.uid)

    def _set_mode(self) -> None:
        ctx, before = self.ctx, self.result.mode
        mode = self.wanted.mode & 0o7777
        if ctx.restricted and self.current.gid not in ctx.gids:
            mode &= ~SETGID
        if self.rule is not None and (self.anyone or (mode == before and self._owner)):
            self._follow(mode)
            return
        if mode == before:
            return
        # Without ownership one may only take setuid and setgid away (N8.9).
        only_clears = (mode ^ before) & ~SPECIAL == 0 and mode & ~before & SPECIAL == 0
        refuse_if(not self._owner and not only_clears, errno.EPERM)
        self._follow(mode)

    def _follow(self, mode: int) -> None:
        """Set the mode, and let the ACL follow it (N8.8)."""
        if self.rule is not None:
            self.rule = with_mode(self.rule, mode)
            mode = mode & 0o7000 | mode_of(self.rule)
        self._assign("mode", mode)

    def _set_time(self, name: str, explicit: SetAttr, now: SetAttr) -> None:
        wanted: Time = getattr(self.wanted, name)
        if self.set & now or (self.set & explicit and wanted[0] < 0):
            self._require_time_access()
            self._assign(name, self.now)
        elif self.set & explicit and wanted != getattr(self.current, name):
            refuse_if(self.current.uid == 0 and self.ctx.uid != 0, errno.EPERM)
            self._require_time_access()
            self._assign(name, wanted)

    def _require_time_access(self) -> None:
        refuse_if(not self._owner and not self.writable, errno.EACCES)


class Attributes(Accounting):
    """setattr and the question whether it would be allowed."""

    def setattr(self, inode: int, set: SetAttr, attr: Attr, *, ctx: Context = ROOT) -> Attr:
        inode = self.check_root(inode)

        def body(tx: Transaction) -> tuple[Attr, Attr]:
            current = optional_attr(tx.read(self.get_attr(inode))[0])
            if current is None:
                raise error(errno.ENOENT)
            refuse_if(trashed(current), errno.EPERM)
            change = self._change(ctx, current, attr, set, current.access_acl)
            changed = change.apply()
            if changed is None:
                return current, current
            if change.rule is not None:
                changed.access_acl = self.rules.number_of(change.rule)
            tx.queue(self.set_attr(inode, changed), *self._logged_change(inode, set, changed))
            return current, changed

        before, after = self.transact([self.keys.attr(inode)], body, ctx)
        self.open_files.invalidate(inode)
        self._move_usage(before, after)
        return after

    def _logged_change(self, inode: int, set: SetAttr, attr: Attr) -> list[Command]:
        times = (attr.atime[0], attr.mtime[0], attr.atime[1], attr.mtime[1], *attr.ctime)
        owner = (attr.uid, attr.gid, attr.mode, attr.flags)
        return self.logged("SETATTR", inode, int(set), 0, *owner, *times, attr.access_acl, now=attr.ctime)

    def _move_usage(self, before: Attr, after: Attr) -> None:
        """Give the usage of a node to its new user and group (N8.13)."""
        # The original leaves the usage of what is neither file nor directory where it was (Q7).
        if self.quirks and after.type not in (FileType.FILE, FileType.DIRECTORY):
            return
        space = entry_space(after)
        if after.uid != before.uid:
            self.charge_user(before.uid, -space, -1)
            self.charge_user(after.uid, space, 1)
        if after.gid != before.gid:
            self.charge_group(before.gid, -space, -1)
            self.charge_group(after.gid, space, 1)

    def check_setattr(self, inode: int, set: SetAttr, attr: Attr, *, ctx: Context = ROOT) -> None:
        current = self.stored_attr(self.check_root(inode))
        self._change(ctx, current, attr, set, 0).apply()

    def _change(self, ctx: Context, current: Attr, wanted: Attr, set: SetAttr, acl: int) -> Change:
        return Change(
            ctx,
            current,
            wanted,
            set,
            self.now(),
            writable=self.permitted(ctx, current, Access.W),
            rule=self.rules.get(acl) if acl else None,
            # The original lets anyone change the mode of a node with an ACL (Q10).
            anyone=self.quirks,
        )
