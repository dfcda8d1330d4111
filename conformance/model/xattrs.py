"""Extended attributes, which know nothing of the node they belong to (N28)."""

from __future__ import annotations

import errno

from metaparity.drivers.errors import error, refuse_if
from metaparity.drivers.types import ROOT, Context

from .core import Core

CREATE, REPLACE = 1, 2
ACCESS_NAME, DEFAULT_NAME = b"system.posix_acl_access", b"system.posix_acl_default"
"""What ACLs are listed as; they are kept elsewhere (N28.2)."""


class Xattrs(Core):
    """xattr_get, xattr_list, xattr_set, xattr_remove."""

    def xattr_get(self, inode: int, name: bytes, *, ctx: Context = ROOT) -> bytes:
        values = self.volume.xattrs.get(self.check_root(inode), {})  # N28.2
        if name not in values:
            raise error(errno.ENODATA)
        return values[name]

    def xattr_list(self, inode: int, *, ctx: Context = ROOT) -> list[bytes]:
        inode = self.check_root(inode)  # N28.2
        attr = self.node(inode)
        names = list(self.volume.xattrs.get(inode, {}))
        return names + [ACCESS_NAME] * bool(attr.access_acl) + [DEFAULT_NAME] * bool(attr.default_acl)

    def xattr_set(
        self, inode: int, name: bytes, value: bytes, flags: int = 0, *, ctx: Context = ROOT
    ) -> None:
        self.require_writable()  # N28.1
        refuse_if(not name or flags not in (0, CREATE, REPLACE), errno.EINVAL)
        inode = self.check_root(inode)
        present = name in self.volume.xattrs.get(inode, {})
        refuse_if(flags == CREATE and present, errno.EEXIST)
        refuse_if(flags == REPLACE and not present, errno.ENODATA)
        self.volume.xattrs.setdefault(inode, {})[name] = value

    def xattr_remove(self, inode: int, name: bytes, *, ctx: Context = ROOT) -> None:
        self.require_writable()  # N28.2
        refuse_if(not name, errno.EINVAL)
        values = self.volume.xattrs.get(self.check_root(inode), {})
        refuse_if(name not in values, errno.ENODATA)
        del values[name]
