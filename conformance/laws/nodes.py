"""What a node is made of, and what it has besides (I4, I8, I9, I21)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from metaparity.drivers.types import DIRECTORY_LENGTH, MAX_SYMLINK, FileType

from .columns import ABSENT
from .law import Fault, law
from .state import State
from .tree import LENGTH

MODE = 1
"""Where type and mode are in a node's attributes (S2.2)."""
NANOSECONDS = (19, 31, 43)


@law("nodes/values-can-be-read", "S1.8 S2", "restoring the key from a backup, or DEL")
def values_can_be_read(state: State) -> Iterator[Fault]:
    """Every key is of its type, and every value of it of its form."""
    for name, (found, wanted) in sorted(state.source.mistyped.items()):
        yield Fault(f"is a {found}, not a {wanted}", (state.full(name),))
    for key, what in state.unreadable:
        yield Fault(what, (key,))


@law("nodes/types-are-known", "I2 I21", "restoring the node from a backup")
def types_are_known(state: State) -> Iterator[Fault]:
    """A node is of one of the seven types."""
    for inode, type in state.nodes.rows("type"):
        if not FileType.FILE <= type <= FileType.SOCKET:
            yield Fault(f"node {inode} is of type {type}", (state.keys.attr(inode),))


@law("nodes/lengths-fit-the-type", "I4 A2", "SETRANGE of the length")
def lengths_fit_the_type(state: State) -> Iterator[Fault]:
    """A directory is 4096 bytes long; FIFOs, sockets and devices have no length."""
    for inode, type, length in state.nodes.rows("type", "length"):
        if type in (FileType.FILE, FileType.SYMLINK):
            continue
        wanted = DIRECTORY_LENGTH if type == FileType.DIRECTORY else 0
        if length != wanted:
            key = state.keys.attr(inode)
            mend = ("SETRANGE", key, LENGTH, struct.pack(">Q", wanted))
            yield Fault(f"node {inode} of type {type} is {length} bytes long, not {wanted}", (key,), (mend,))


@law("nodes/links-have-targets", "I8", "SETRANGE of the length; without target, removal of the link")
def links_have_targets(state: State) -> Iterator[Fault]:
    """A symbolic link has a target of 1 to 4096 bytes, as many as its length; no other node has one."""
    nodes, targets = state.nodes, state.numbers[b"s"]
    for name, target in state.source.strings(state.named(b"s")):
        inode, key = int(name[1:]), state.full(name)
        place = nodes.find(inode)
        if place == ABSENT:
            continue  # the matter of nothing-outlives-its-node
        length = nodes.length[place]
        if nodes.type[place] != FileType.SYMLINK:
            yield Fault(f"node {inode} is no symbolic link and has a target", (key,), (("DEL", key),))
        elif not 1 <= len(target) <= MAX_SYMLINK or b"\0" in target:
            yield Fault(f"symbolic link {inode} has an impossible target of {len(target)} bytes", (key,))
        elif len(target) != length:
            attr = state.keys.attr(inode)
            mend = ("SETRANGE", attr, LENGTH, struct.pack(">Q", len(target)))
            yield Fault(
                f"symbolic link {inode} of length {length} has {len(target)} bytes", (attr, key), (mend,)
            )
    for inode, type in nodes.rows("type"):
        if type == FileType.SYMLINK and not state.has(targets, inode):
            yield Fault(f"symbolic link {inode} has no target", (state.keys.symlink(inode),))


@law("nodes/nothing-outlives-its-node", "I9", "DEL of what is left")
def nothing_outlives_its_node(state: State) -> Iterator[Fault]:
    """Extended attributes, targets and counts of parents are of a node that is there."""
    for kind, what in ((b"p", "counts of parents"), (b"x", "extended attributes"), (b"s", "a target")):
        for inode in state.numbers[kind]:
            if inode not in state.nodes:
                key = state.full(b"%s%d" % (kind, inode))
                yield Fault(f"node {inode} is gone and has {what}", (key,), (("DEL", key),))


@law("nodes/modes-of-links-are-0777", "I21", "SETRANGE of the mode")
def modes_of_links_are_0777(state: State) -> Iterator[Fault]:
    """The mode of a symbolic link is 0777."""
    for inode, type, mode in state.nodes.rows("type", "mode"):
        if type == FileType.SYMLINK and mode != 0o777:
            key = state.keys.attr(inode)
            mend = ("SETRANGE", key, MODE, struct.pack(">H", FileType.SYMLINK << 12 | 0o777))
            yield Fault(f"symbolic link {inode} has mode {mode:o}", (key,), (mend,))


@law("nodes/times-are-possible", "I21", "SETRANGE of the nanoseconds")
def times_are_possible(state: State) -> Iterator[Fault]:
    """The nanoseconds of a time are less than a second."""
    for inode, nanoseconds in state.odd_times:
        key = state.keys.attr(inode)
        mends = tuple(
            ("SETRANGE", key, place, bytes(4))
            for place, one in zip(NANOSECONDS, nanoseconds, strict=True)
            if one >= 10**9
        )
        yield Fault(f"node {inode} has times with {nanoseconds} ns", (key,), mends)
