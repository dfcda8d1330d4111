"""Numbers are given out once (I17)."""

from __future__ import annotations

from collections.abc import Iterator

from metaparity.drivers.engine.keys import PLAIN
from metaparity.drivers.types import TRASH_INODE

from .law import Fault, law
from .state import State


@law("counters/inodes-are-reserved", "I17", "SET of the counter")
def inodes_are_reserved(state: State) -> Iterator[Fault]:
    """No node has a number above nextinode."""
    # The root is not given out, and what waits for deletion had a number, too.
    ordinary = (inode for inode in reversed(state.nodes.inodes) if inode < TRASH_INODE)
    yield from _reserved(state, "next_inode", max(next(ordinary, 1), *state.deleted, 1), 1)


@law("counters/slices-are-reserved", "I17", "SET of the counter")
def slices_are_reserved(state: State) -> Iterator[Fault]:
    """No slice has a number above nextchunk."""
    yield from _reserved(state, "next_chunk", state.highest_slice)


@law("counters/sessions-are-reserved", "I17", "SET of the counter")
def sessions_are_reserved(state: State) -> Iterator[Fault]:
    """No session has a number above nextsession."""
    yield from _reserved(state, "next_session", max(state.registered, default=0))


@law("counters/hours-are-reserved", "I17 I20", "SET of the counter")
def hours_are_reserved(state: State) -> Iterator[Fault]:
    """No directory of the trash has a number above nextTrash."""
    last = state.nodes.inodes[-1] if len(state.nodes) else 0
    yield from _reserved(state, "next_trash", max(last - TRASH_INODE, 0))


@law("counters/rules-are-reserved", "I17", "SET of the counter")
def rules_are_reserved(state: State) -> Iterator[Fault]:
    """No ACL rule has a number above aclMaxId."""
    yield from _reserved(state, "acl_max_id", max(state.rules, default=0))


def _reserved(state: State, counter: str, highest: int, first: int = 0) -> Iterator[Fault]:
    """The fault of a counter below the highest number there is; up to `first` nothing is given out."""
    found, key = state.counters[counter] or 0, state.full(PLAIN[counter])
    if highest > max(found, first):
        what = f"{PLAIN[counter].decode()} is {found}, and there is number {highest}"
        yield Fault(what, (key,), (("SET", key, highest),))
