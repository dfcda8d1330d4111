"""ACL rules: how they and the mode follow each other (N8.8, N29.5, N29.8)."""

from __future__ import annotations

from dataclasses import replace

from metaparity.drivers.types import ACL_UNSET, Rule


def mode_of(rule: Rule) -> int:
    """The permission bits of a node with this rule: the mask shows as those of the group."""
    group = rule.group if rule.minimal else rule.mask
    return (rule.owner & 7) << 6 | (group & 7) << 3 | rule.other & 7


def with_mode(rule: Rule, mode: int) -> Rule:
    """The rule after a chmod: the bits of the group go to the mask (N8.8)."""
    changed = replace(rule, owner=moved(rule.owner, mode >> 6), other=moved(rule.other, mode))
    if rule.minimal:
        changed.group = moved(rule.group, mode >> 3)
    else:
        changed.mask = moved(rule.mask, mode >> 3)
    return changed


def moved(permissions: int, bits: int) -> int:
    """Permissions with three new bits; what stands above these stays, as in an entry that was unset."""
    return permissions & ~7 | bits & 7


def filled(rule: Rule, mode: int) -> Rule:
    """The rule, with what it leaves unset taken from the mode (N29.5)."""
    owner, group, other = (
        bits & 7 if given == ACL_UNSET else given
        for given, bits in ((rule.owner, mode >> 6), (rule.group, mode >> 3), (rule.other, mode))
    )
    return replace(rule, owner=owner, group=group, other=other)


def inherited(default: Rule, mode: int) -> Rule:
    """The access rule of a new node below a directory with this default rule (N29.8)."""
    return replace(
        default,
        owner=mode >> 6 & default.owner & 7,
        mask=mode >> 3 & default.mask & 7,
        other=mode & default.other & 7,
    )
