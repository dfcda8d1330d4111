"""ACL rules: what they grant, how they and the mode follow each other, and their numbers (N29, S2.11)."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import replace

from ..errors import error
from ..types import ACL_UNSET, Attr, Context, Rule
from . import codec
from .database import Database
from .keys import Keys
from .store import pairs


def permits(rule: Rule, ctx: Context, attr: Attr, mask: int) -> bool:
    """Whether a rule grants every bit of `mask` on a node (N29.9)."""

    def granted(permissions: int) -> bool:
        return permissions & mask & 7 == mask

    if ctx.uid == attr.uid:
        return granted(rule.owner)
    for uid, permissions in rule.users:
        if uid == ctx.uid:
            return granted(permissions & rule.mask)
    classes = [rule.group] if attr.gid in ctx.gids else []
    classes += [permissions for gid, permissions in rule.groups if gid in ctx.gids]
    if classes:
        return any(granted(permissions & rule.mask) for permissions in classes)
    return granted(rule.other)


def mode_of(rule: Rule) -> int:
    """The permission bits that a node with this rule has: those of the group are the mask."""
    group = rule.group if rule.minimal else rule.mask
    return (rule.owner & 7) << 6 | (group & 7) << 3 | rule.other & 7


def with_mode(rule: Rule, mode: int) -> Rule:
    """The rule after a chmod (N8.8)."""
    changed = replace(rule, owner=_bits(rule.owner, mode >> 6), other=_bits(rule.other, mode))
    if rule.minimal:
        changed.group = _bits(rule.group, mode >> 3)
    else:
        changed.mask = _bits(rule.mask, mode >> 3)
    return changed


def _bits(permissions: int, wanted: int) -> int:
    return permissions & ~7 & ACL_UNSET | wanted & 7


def filled(rule: Rule, mode: int) -> Rule:
    """The rule with what it leaves unset taken from the mode (N29.5)."""
    return replace(
        rule,
        owner=mode >> 6 & 7 if rule.owner == ACL_UNSET else rule.owner,
        group=mode >> 3 & 7 if rule.group == ACL_UNSET else rule.group,
        other=mode & 7 if rule.other == ACL_UNSET else rule.other,
    )


def inherited(default: Rule, mode: int) -> Rule:
    """The access rule of a new node below a default rule (N29.8)."""
    return replace(
        default,
        owner=mode >> 6 & 7 & default.owner,
        mask=mode >> 3 & 7 & default.mask,
        other=mode & 7 & default.other,
    )


class Rules:
    """The rules of a volume by number, as far as this client knows them.  Safe for many threads.

    A rule never changes under its number (N29.2).
    """

    def __init__(self, database: Database, keys: Keys, add: Callable[[bytes], int]) -> None:
        """`add` stores an encoded rule under a new number of the server."""
        self._db = database
        self._add = add
        self._keys = keys
        self._lock = threading.Lock()
        self._by_id: dict[int, Rule | None] = {}
        self._ids: dict[bytes, int] = {}

    def load_all(self) -> None:
        """Take over every rule on the server (S7.2.1)."""
        for id, value in pairs(self._db.read_one("HGETALL", self._keys.acl)):
            self._keep(int(id), value)

    def get(self, id: int) -> Rule:
        """The rule of a number.  Raises ENOENT, and `CorruptValue`."""
        known = self._by_id.get(id)
        if known is None:
            value = self._db.read_one("HGET", self._keys.acl, id)
            if value is None:
                raise error(errno.ENOENT)
            known = self._keep(id, value)
        return replace(known)

    def number_of(self, rule: Rule) -> int:
        """The number of a rule, a new one where this client knows none (S2.11.3)."""
        value = codec.encode_rule(rule)
        self._load_missing()
        if value not in self._ids:
            self._keep(self._add(value), value)
        return self._ids[value]

    def _load_missing(self) -> None:
        """Read the rules whose numbers are below one that is known."""
        with self._lock:
            missing = [id for id in range(1, max(self._by_id, default=0)) if id not in self._by_id]
        if not missing:
            return
        for id, value in zip(missing, self._db.read_one("HMGET", self._keys.acl, *missing), strict=True):
            if value is None:
                self._by_id[id] = None
            else:
                self._keep(id, value)

    def _keep(self, id: int, value: bytes) -> Rule:
        rule = codec.decode_rule(value)
        with self._lock:
            self._by_id[id] = rule
            self._ids.setdefault(value, id)
        return rule
