"""Extended attributes (N28)."""

from __future__ import annotations

import errno

from ..errors import error, refuse_if
from ..types import ROOT, Context
from .core import Core, optional_attr
from .store import Transaction

CREATE, REPLACE = 1, 2
FLAGS = (0, CREATE, REPLACE)

ACCESS_NAME, DEFAULT_NAME = b"system.posix_acl_access", b"system.posix_acl_default"
"""What ACLs are listed as; they are kept elsewhere (N28.2)."""


class Xattrs(Core):
    """The primitives of extended attributes, which know nothing of the node they belong to."""

    def xattr_get(self, inode: int, name: bytes, *, ctx: Context = ROOT) -> bytes:
        value: bytes | None = self.db.cached_one("HGET", self.keys.xattrs(self.check_root(inode)), name)
        if value is None:
            raise error(errno.ENODATA)
        return value

    def xattr_list(self, inode: int, *, ctx: Context = ROOT) -> list[bytes]:
        inode = self.check_root(inode)
        names, blob = self.db.cached(("HKEYS", self.keys.xattrs(inode)), self.get_attr(inode))
        attr = optional_attr(blob)
        if attr is None:
            raise error(errno.ENOENT)
        acls = ((attr.access_acl, ACCESS_NAME), (attr.default_acl, DEFAULT_NAME))
        return [*names, *(name for id, name in acls if id)]

    def xattr_set(
        self, inode: int, name: bytes, value: bytes, flags: int = 0, *, ctx: Context = ROOT
    ) -> None:
        self.db.require_writable()
        refuse_if(not name or flags not in FLAGS, errno.EINVAL)
        inode = self.check_root(inode)
        key = self.keys.xattrs(inode)

        def body(tx: Transaction) -> None:
            if flags:
                (exists,) = tx.read(("HEXISTS", key, name))
                refuse_if(flags == CREATE and exists, errno.EEXIST)
                refuse_if(flags == REPLACE and not exists, errno.ENODATA)
            tx.queue(("HSET", key, name, value), *self.logged("SETXATTR", inode, name, value, flags))

        self.transact([key], body, ctx)

    def xattr_remove(self, inode: int, name: bytes, *, ctx: Context = ROOT) -> None:
        self.db.require_writable()
        refuse_if(not name, errno.EINVAL)
        inode = self.check_root(inode)
        key = self.keys.xattrs(inode)

        def body(tx: Transaction) -> None:
            (exists,) = tx.read(("HEXISTS", key, name))
            refuse_if(not exists, errno.ENODATA)
            tx.queue(("HDEL", key, name), *self.logged("REMOVEXATTR", inode, name))

        self.transact([key], body, ctx)
