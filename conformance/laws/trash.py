"""The trash is in order (I20)."""

from __future__ import annotations

from collections.abc import Iterator

from metaparity.drivers.types import TRASH_INODE, FileType

from .law import Fault, law
from .state import State, in_order


@law("trash/hours-are-named", "I20", "a new name for the directory, of the form 2026-01-31-23")
def hours_are_named(state: State) -> Iterator[Fault]:
    """What lies in the root of the trash is named for an hour."""
    for entry in state.odd:
        if entry.parent == TRASH_INODE and not in_order(entry.parent, entry.name, entry.inode):
            yield Fault(
                f"the trash has {entry.name!r}, which is no hour", (state.keys.dentries(TRASH_INODE),)
            )


@law("trash/hours-are-directories-of-the-trash", "I20", "moving the node out of the root of the trash")
def hours_are_directories(state: State) -> Iterator[Fault]:
    """What lies in the root of the trash is a directory with an inode of the trash, as nothing else has."""
    for inode, type, parent in state.nodes.rows("type", "parent"):
        inside = inode > TRASH_INODE
        if inside and (type != FileType.DIRECTORY or parent != TRASH_INODE):
            what = f"{inode} of type {type} has an inode of the trash and parent {parent}"
            yield Fault(what, (state.keys.attr(inode),))
        elif not inside and parent == TRASH_INODE:
            what = f"{inode} lies in the root of the trash and has an inode of the volume"
            yield Fault(what, (state.keys.attr(inode),))


@law("trash/names-tell-where-things-were", "I20", "HDEL and HSET with the name PARENT-INODE-NAME")
def names_tell_where_things_were(state: State) -> Iterator[Fault]:
    """What lies in an hour of the trash is named for its old directory, its inode and its old name."""
    for entry in state.odd:
        if entry.parent > TRASH_INODE and not in_order(entry.parent, entry.name, entry.inode):
            key = state.keys.dentries(entry.parent)
            yield Fault(f"hour {entry.parent} has {entry.inode} under the name {entry.name!r}", (key,))
