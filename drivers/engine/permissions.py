"""Who may do what: mode bits, the sticky bit, inherited groups (R2-R5)."""

from __future__ import annotations

import errno

from ..errors import refuse_if
from ..types import TRASH_INODE, Attr, AttrFlag, Context, FileType

SETUID, SETGID, STICKY = 0o4000, 0o2000, 0o1000
FROZEN = AttrFlag.IMMUTABLE | AttrFlag.APPEND


def check_name(name: bytes) -> None:
    """Raise EINVAL for a name that cannot be an entry; the length is not limited here (R2)."""
    refuse_if(not name or b"/" in name or b"\0" in name, errno.EINVAL)


def consults_acl(ctx: Context, attr: Attr) -> bool:
    """Whether the ACL of a node, not its mode bits, decides what the caller may do (R3, N29.9)."""
    return bool(attr.access_acl and attr.mode & 0o070 and ctx.restricted)


def permitted(ctx: Context, attr: Attr, mask: int) -> bool:
    """Whether the mode bits of a node grant every bit of `mask` (R3)."""
    if not ctx.restricted:
        return True
    if ctx.uid == attr.uid:
        granted = attr.mode >> 6
    elif attr.gid in ctx.gids:
        granted = attr.mode >> 3
    else:
        granted = attr.mode
    return mask & ~granted & 7 == 0


def trashed(attr: Attr) -> bool:
    """Whether a node lies in an hour directory of the trash; those themselves do not (A4)."""
    return attr.parent > TRASH_INODE


def require_untrashed(attr: Attr) -> None:
    """Raise ENOENT for a directory that lies in the trash (N12.2)."""
    refuse_if(trashed(attr), errno.ENOENT)


def sticky(ctx: Context, parent: Attr, victim: Attr) -> bool:
    """Whether the sticky bit of a directory protects an entry from the caller (R5)."""
    return bool(ctx.uid != 0 and parent.mode & STICKY and ctx.uid != parent.uid and ctx.uid != victim.uid)


def inherited_gid(ctx: Context, parent: Attr) -> int:
    """The group of a new node (R4)."""
    return parent.gid if parent.mode & SETGID else ctx.gid


def inherited_mode(ctx: Context, parent: Attr, type: int, mode: int) -> int:
    """The mode of a new node after the rules of setgid directories (R4)."""
    if not parent.mode & SETGID:
        return mode
    if type == FileType.DIRECTORY:
        return mode | SETGID
    asked = SETGID | 0o010
    if mode & asked == asked and ctx.restricted and parent.gid not in ctx.gids:
        return mode & ~SETGID
    return mode
