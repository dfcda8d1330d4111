"""Rules of access and the modes beside them (I18)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from metaparity.drivers.engine import codec
from metaparity.drivers.types import Rule

from .law import Fault, law
from .nodes import MODE
from .state import State


def _rules(state: State) -> dict[int, Rule | None]:
    """Every stored rule by its number; None for one that cannot be read."""
    found: dict[int, Rule | None] = {}
    for id, blob in state.rules.items():
        try:
            found[id] = codec.decode_rule(blob)
        except codec.CorruptValue:
            found[id] = None
    return found


@law("acls/rules-can-be-read", "I18 S2.11", "restoring the rule from a backup")
def rules_can_be_read(state: State) -> Iterator[Fault]:
    """Every stored rule is of the form of one."""
    for id, rule in _rules(state).items():
        if rule is None:
            yield Fault(f"rule {id} cannot be read", (state.keys.acl,))


@law("acls/rules-are-there", "I18", "setting the ACL of the node again")
def rules_are_there(state: State) -> Iterator[Fault]:
    """The rule of every ACL of a node is stored."""
    for inode, *ids in state.ruled:
        for id in ids:
            if id and id not in state.rules:
                yield Fault(
                    f"node {inode} has ACL {id}, which is missing", (state.keys.attr(inode), state.keys.acl)
                )


@law("acls/modes-follow-rules", "I18", "SETRANGE of the mode")
def modes_follow_rules(state: State) -> Iterator[Fault]:
    """The mode of a node is that of its access ACL: owner, mask (of a minimal one: group), and others."""
    rules, nodes = _rules(state), state.nodes
    for inode, access, _ in state.ruled:
        rule = rules.get(access)
        if rule is None:
            continue
        place = nodes.find(inode)
        mode = nodes.mode[place]
        group = rule.group if rule.minimal else rule.mask  # one with names that is not set bars nothing
        wanted = (rule.owner & 7) << 6 | (group & 7) << 3 | rule.other & 7
        if mode & 0o777 != wanted:
            key = state.keys.attr(inode)
            right = struct.pack(">H", nodes.type[place] << 12 | (mode & 0o7000) | wanted)
            what = f"node {inode} has mode {mode & 0o777:o}, its ACL {access} says {wanted:o}"
            yield Fault(what, (key,), (("SETRANGE", key, MODE, right),))


@law("acls/access-rules-say-more-than-modes", "I18", "removing the ACL of the node")
def access_rules_say_more_than_modes(state: State) -> Iterator[Fault]:
    """No access ACL is minimal: one without named users, groups and mask is a mode."""
    rules = _rules(state)
    for inode, access, _ in state.ruled:
        rule = rules.get(access)
        if rule is not None and rule.minimal:
            yield Fault(f"node {inode} has access ACL {access}, which is minimal", (state.keys.attr(inode),))
