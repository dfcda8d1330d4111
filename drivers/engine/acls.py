"""POSIX ACLs of nodes (N29)."""

from __future__ import annotations

import errno

from ..errors import error, refuse_if
from ..types import ROOT, TRASH_INODE, AclType, Attr, AttrFlag, Context, Rule
from . import codec
from .core import Core, optional_attr
from .permissions import SETGID
from .rules import filled, mode_of
from .store import Transaction


class Acls(Core):
    """acl_set and acl_get."""

    def acl_set(self, inode: int, type: AclType, rule: Rule, *, ctx: Context = ROOT) -> None:
        refuse_if(type not in AclType.__members__.values(), errno.EINVAL)
        refuse_if(not 0 < inode < TRASH_INODE, errno.EPERM)
        self.db.require_writable()
        inode = self._meant(inode)

        def body(tx: Transaction) -> None:
            attr = optional_attr(tx.read(self.get_attr(inode))[0])
            if attr is None:
                raise error(errno.ENOENT)
            refuse_if(ctx.uid not in (0, attr.uid), errno.EPERM)
            refuse_if(bool(attr.flags & AttrFlag.IMMUTABLE), errno.EPERM)
            before = attr.mode, acl_of(attr, type)
            self._apply(attr, type, rule, ctx)
            if (attr.mode, acl_of(attr, type)) != before:
                attr.ctime = self.now()
                whole = codec.encode_rule(rule if rule.empty else filled(rule, attr.mode))
                tx.queue(self.set_attr(inode, attr), *self.logged("SETFACL", inode, type, whole))

        self.transact([self.keys.attr(inode)], body, ctx)
        self.open_files.invalidate(inode)

    def _apply(self, attr: Attr, type: AclType, rule: Rule, ctx: Context) -> None:
        """Give a node an ACL, or take it away, with what that does to its mode (N29.4, N29.5)."""
        if ctx.uid != 0 and attr.gid not in ctx.gids:
            attr.mode &= ~SETGID
        if rule.empty:
            set_acl(attr, type, 0)
            return
        whole = filled(rule, attr.mode)
        if rule.minimal and type == AclType.ACCESS:
            whole = rule
            set_acl(attr, type, 0)
        else:
            set_acl(attr, type, self.rules.number_of(whole))
        if type == AclType.ACCESS:
            attr.mode = attr.mode & 0o7000 | mode_of(whole)

    def acl_get(self, inode: int, type: AclType, *, ctx: Context = ROOT) -> Rule:
        attr = self.stored_attr(self._meant(inode))
        id = acl_of(attr, type) if type in AclType.__members__.values() else 0
        if not id:
            raise error(errno.ENODATA)
        return self.rules.get(id)

    def _meant(self, inode: int) -> int:
        # The original takes inode 1 for the real root, whatever the root of the session (Q27).
        return inode if self.quirks else self.check_root(inode)


def acl_of(attr: Attr, type: int) -> int:
    """The number of a node's ACL of a type, 0 for none."""
    return attr.access_acl if type == AclType.ACCESS else attr.default_acl


def set_acl(attr: Attr, type: int, id: int) -> None:
    """Give a node the ACL of this number."""
    if type == AclType.ACCESS:
        attr.access_acl = id
    else:
        attr.default_acl = id
