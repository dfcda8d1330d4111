"""POSIX ACLs of nodes (N29)."""

from __future__ import annotations

import errno
from dataclasses import replace

from metaparity.drivers.errors import error, refuse_if
from metaparity.drivers.types import ROOT, TRASH_INODE, AclType, Attr, AttrFlag, Context, Rule

from .core import copied
from .openfiles import Opening
from .permissions import SETGID
from .rules import filled, mode_of


class Acls(Opening):
    """acl_set and acl_get."""

    def acl_set(self, inode: int, type: AclType, rule: Rule, *, ctx: Context = ROOT) -> None:
        refuse_if(type not in AclType.__members__.values(), errno.EINVAL)  # N29.3
        refuse_if(not 0 < inode < TRASH_INODE, errno.EPERM)
        self.require_writable()
        inode = self.check_root(inode)  # as every other call does (Q27)
        attr = self.node(inode)
        refuse_if(ctx.uid not in (0, attr.uid), errno.EPERM)
        refuse_if(bool(attr.flags & AttrFlag.IMMUTABLE), errno.EPERM)
        before = replace(attr)
        if ctx.uid != 0 and attr.gid not in ctx.gids:  # N29.4
            attr.mode &= ~SETGID
        self._apply(attr, type, rule)
        if attr != before:  # N29.6
            attr.ctime = self.now()
        self.open_files.distrust(inode)

    def _apply(self, attr: Attr, type: AclType, rule: Rule) -> None:
        """Give a node an ACL, or take it away, with what that does to its mode (N29.5)."""
        if rule.empty:
            set_number(attr, type, 0)
            return
        whole = filled(rule, attr.mode)
        if rule.minimal and type == AclType.ACCESS:
            whole = rule
            set_number(attr, type, 0)
        else:
            set_number(attr, type, self.number_of(whole))
        if type == AclType.ACCESS:
            attr.mode = attr.mode & 0o7000 | mode_of(whole)

    def acl_get(self, inode: int, type: AclType, *, ctx: Context = ROOT) -> Rule:
        attr = self.node(self.check_root(inode))  # N29.7
        numbers = {AclType.ACCESS: attr.access_acl, AclType.DEFAULT: attr.default_acl}
        number = numbers.get(type, 0)
        if not number:
            raise error(errno.ENODATA)
        return copied(self.rule(number))


def set_number(attr: Attr, type: AclType, number: int) -> None:
    """Give a node the ACL of this number, 0 for none."""
    if type == AclType.ACCESS:
        attr.access_acl = number
    else:
        attr.default_acl = number
