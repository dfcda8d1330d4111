"""Who may do what: mode bits, rules, the sticky bit, inherited groups (R2-R5, N29.9)."""

from __future__ import annotations

import errno

from metaparity.drivers.errors import refuse_if
from metaparity.drivers.types import TRASH_INODE, Attr, AttrFlag, Context, FileType, Rule

SETUID, SETGID, STICKY = 0o4000, 0o2000, 0o1000
GROUP_CLASS = 0o070
FROZEN = AttrFlag.IMMUTABLE | AttrFlag.APPEND


def check_name(name: bytes) -> None:
    """Raise EINVAL for what cannot be a name; its length is not checked (R2)."""
    refuse_if(not name or b"/" in name or b"\0" in name, errno.EINVAL)


def permitted(ctx: Context, attr: Attr, mask: int) -> bool:
    """Whether the mode of a node grants a caller every bit of `mask` (R3)."""
    return ctx.uid == 0 or not ctx.check_permission or grants(mode_bits(ctx, attr), mask)


def consults_rule(ctx: Context, attr: Attr) -> bool:
    """Whether the access rule of a node, not its mode, decides what a caller may do (R3, N29.9)."""
    ruled = attr.access_acl != 0 and attr.mode & GROUP_CLASS != 0
    return ruled and ctx.uid != 0 and ctx.check_permission


def mode_bits(ctx: Context, attr: Attr) -> int:
    """The bits of a mode that concern a caller: the owner's, the group's, or the others'."""
    if ctx.uid == attr.uid:
        return attr.mode >> 6
    return attr.mode >> 3 if attr.gid in ctx.gids else attr.mode


def granted_by(rule: Rule, ctx: Context, attr: Attr, mask: int) -> bool:
    """Whether a rule grants a caller every bit of `mask` (N29.9)."""
    if ctx.uid == attr.uid:
        return grants(rule.owner, mask)
    for uid, bits in rule.users:
        if uid == ctx.uid:
            return grants(bits & rule.mask, mask)
    matching = [rule.group] if attr.gid in ctx.gids else []
    matching += [bits for gid, bits in rule.groups if gid in ctx.gids]
    if matching:
        return any(grants(bits & rule.mask, mask) for bits in matching)
    return grants(rule.other, mask)


def grants(bits: int, mask: int) -> bool:
    """Whether every bit of `mask` is there."""
    return mask & ~bits & 7 == 0


def trashed(attr: Attr) -> bool:
    """Whether a node lies in an hour directory; those themselves do not (§0 *trashed node*)."""
    return attr.parent > TRASH_INODE


def sticky(ctx: Context, directory: Attr, victim: Attr) -> bool:
    """Whether the sticky bit of a directory protects an entry from a caller, whoever checks (R5)."""
    return bool(directory.mode & STICKY) and ctx.uid not in (0, directory.uid, victim.uid)


def inherited_gid(ctx: Context, directory: Attr) -> int:
    """The group of a new node (R4)."""
    return directory.gid if directory.mode & SETGID else ctx.gid


def inherited_mode(ctx: Context, directory: Attr, type: int, mode: int) -> int:
    """The mode of a new node below a directory that may be setgid (R4)."""
    if not directory.mode & SETGID:
        return mode
    if type == FileType.DIRECTORY:
        return mode | SETGID
    executable = mode & SETGID and mode & 0o010
    stranger = ctx.uid != 0 and ctx.check_permission and directory.gid not in ctx.gids
    return mode & ~SETGID if executable and stranger else mode
