"""Attributes of nodes, wrong on purpose, each in one place, and the clause that must go red."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from metaparity.drivers.engine import codec, rules
from metaparity.drivers.engine.attributes import Change
from metaparity.drivers.types import (
    Attr,
    Context,
    FileType,
    Rule,
)

from .exhibit import exhibit, nothing

broken = partial(exhibit, __name__, "redis")

sound_apply = Change.apply
sound_encode = codec.encode_attr
sound_permits = rules.permits


def change_always(self: Change) -> Attr | None:
    self.changed = True
    return sound_apply(self)


def encode_with_two_links(attr: Attr) -> bytes:
    return sound_encode(replace(attr, nlink=2) if attr.type == FileType.DIRECTORY else attr)


def encode_without_pad(attr: Attr) -> bytes:
    return sound_encode(attr)[:-1]


def permits_beyond_the_mask(rule: Rule, ctx: Context, attr: Attr, mask: int) -> bool:
    return sound_permits(replace(rule, mask=7), ctx, attr, mask)


CTIME_ALWAYS_MOVES = broken(
    "CTIME_ALWAYS_MOVES",
    "setattr that changes nothing moves ctime",
    caught_by="setattr/equal-values-change-nothing",
    target="engine.attributes:Change.apply",
    wrong=change_always,
)
PAD_BYTE_MISSING = broken(
    "PAD_BYTE_MISSING",
    "attribute blobs lack the zero byte at their end",
    caught_by="trace/keys-namespace",
    target="engine.codec:encode_attr",
    wrong=encode_without_pad,
)
SUBDIRECTORIES_UNCOUNTED = broken(
    "SUBDIRECTORIES_UNCOUNTED",
    "a directory is stored with two links, whatever it holds",
    caught_by="effects/times-links-and-parents-follow-the-table",
    target="engine.codec:encode_attr",
    wrong=encode_with_two_links,
)
XATTR_CREATE_REPLACES = broken(
    "XATTR_CREATE_REPLACES",
    "setting an extended attribute with CREATE replaces it",
    caught_by="xattr/is-replaced-or-created-as-the-flags-say",
    target="engine.xattrs:CREATE",
    wrong=99,
)
ACL_MASK_IGNORED = broken(
    "ACL_MASK_IGNORED",
    "named users and groups have their bits whatever the mask says",
    caught_by="acl/decides-who-may-do-what",
    target="engine.core:permits",
    wrong=permits_beyond_the_mask,
)
ACL_NOT_INHERITED = broken(
    "ACL_NOT_INHERITED",
    "a default ACL means nothing to new nodes",
    caught_by="acl/is-inherited-by-new-nodes",
    target="engine.creation:Creation._inherit_acl",
    wrong=nothing,
)
