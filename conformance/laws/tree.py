"""Names and nodes: each leads to the other (I1-I7)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from metaparity.drivers.engine.store import Command
from metaparity.drivers.types import ROOT_INODE, TRASH_INODE, FileType

from .columns import ABSENT
from .law import GC, REPAIR, Fault, law
from .state import Entry, State, possible

ROOTS = (ROOT_INODE, TRASH_INODE)
NLINK, LENGTH, PARENT = 47, 51, 63
"""Where a node's number of links, its length and its parent are in its attributes (S2.2)."""


def set_nlink(state: State, inode: int, nlink: int) -> Command:
    """The command that gives a node another number of links."""
    return ("SETRANGE", state.keys.attr(inode), NLINK, struct.pack(">I", nlink))


def set_parent(state: State, inode: int, parent: int) -> Command:
    """The command that gives a node another parent; 0 says that its parents are counted."""
    return ("SETRANGE", state.keys.attr(inode), PARENT, struct.pack(">Q", parent))


def drop(state: State, entry: Entry) -> Command:
    """The command that takes an entry out of its directory."""
    return ("HDEL", state.keys.dentries(entry.parent), entry.name)


@law("tree/roots-are-directories", "I1", "restoring the root from a backup")
def roots_are_directories(state: State) -> Iterator[Fault]:
    """The root is a directory whose parent is itself; so is the root of the trash, below it."""
    nodes = state.nodes
    for inode in ROOTS:
        place, key = nodes.find(inode), state.keys.attr(inode)
        if place == ABSENT:
            needed = inode == ROOT_INODE or state.format.trash_days > 0
            if needed or (len(nodes) and nodes.inodes[-1] > TRASH_INODE):
                yield Fault(f"the root {inode} is missing", (key,))
        elif nodes.type[place] != FileType.DIRECTORY:
            yield Fault(f"the root {inode} is of type {nodes.type[place]}", (key,))
        elif nodes.parent[place] != ROOT_INODE:
            what = f"the root {inode} has parent {nodes.parent[place]}"
            yield Fault(what, (key,), (set_parent(state, inode, ROOT_INODE),))


@law(
    "tree/entries-lie-in-directories", "I2", f"{REPAIR}, which makes the directory anew; or HDEL of the entry"
)
def entries_lie_in_directories(state: State) -> Iterator[Fault]:
    """Every entry lies in a node that is a directory."""
    for entry in state.odd:
        if entry.parent not in state.directories:
            what = f"{entry.name!r} lies in {entry.parent}, which is no directory"
            # Where the record is lost, the names are what a new one is made of.
            mends = (drop(state, entry),) if entry.parent in state.nodes else ()
            yield Fault(what, (state.keys.dentries(entry.parent),), mends)


@law("tree/entries-lead-to-nodes", "I2", f"HDEL of the entry; of a directory that has entries, {REPAIR}")
def entries_lead_to_nodes(state: State) -> Iterator[Fault]:
    """Every entry leads to a node that is there."""
    for entry in state.odd:
        if entry.inode not in state.nodes:
            what = f"{entry.name!r} in {entry.parent} leads to {entry.inode}, which is missing"
            keys = (state.keys.dentries(entry.parent), state.keys.attr(entry.inode))
            # What lies in a directory whose record is lost can still be saved under its name.
            lost = state.has(state.numbers[b"d"], entry.inode)
            yield Fault(what, keys, () if lost else (drop(state, entry),))


@law("tree/entries-tell-the-type", "I2", "HSET of the entry with the type of its node")
def entries_tell_the_type(state: State) -> Iterator[Fault]:
    """The type that an entry tells is that of its node."""
    for entry in state.odd:
        place = state.nodes.find(entry.inode)
        if place != ABSENT and state.nodes.type[place] != entry.type:
            type = state.nodes.type[place]
            key = state.keys.dentries(entry.parent)
            what = (
                f"{entry.name!r} in {entry.parent} tells type {entry.type}, its node {entry.inode} is {type}"
            )
            yield Fault(what, (key,), (("HSET", key, entry.name, struct.pack(">BQ", type, entry.inode)),))


@law("tree/names-are-possible", "I2", "renaming the entry with HDEL and HSET, to a name that you choose")
def names_are_possible(state: State) -> Iterator[Fault]:
    """The name of an entry is not empty and has no slash and no NUL."""
    for entry in state.odd:
        if not possible(entry.name):
            what = f"{entry.name!r} in {entry.parent} is no name"
            yield Fault(what, (state.keys.dentries(entry.parent),))


@law("tree/nodes-have-names", "I3", f"giving the node a name, or {GC}")
def nodes_have_names(state: State) -> Iterator[Fault]:
    """Every node but the roots has a name, or is kept open by a session, or is an unfinished copy."""
    for inode, names in state.ordinary("names"):
        if not names and inode not in state.sustained and inode not in state.detached:
            yield Fault(f"node {inode} has no name", (state.keys.attr(inode),))


@law("tree/directories-have-one-name", "I4", "SETRANGE of the parent; HDEL of all names but one")
def directories_have_one_name(state: State) -> Iterator[Fault]:
    """A directory has one name, in its parent; the roots have none."""
    for inode, type, parent, names in state.nodes.rows("type", "parent", "names"):
        if type != FileType.DIRECTORY:
            continue
        astray = state.misplaced.get(inode, [])
        if names == (0 if inode in ROOTS else 1) and not astray:
            continue
        if not names and (inode in ROOTS or inode in state.detached):
            continue
        if not names:
            continue  # which is the matter of nodes-have-names
        mends = (set_parent(state, inode, astray[0]),) if names == 1 and len(astray) == 1 else ()
        places = f"and names elsewhere in {astray}" if astray else f"and {names} names"
        keys = (state.keys.attr(inode), *(state.keys.dentries(one) for one in astray))
        yield Fault(
            f"directory {inode} has parent {parent} {places}", keys, mends if inode not in ROOTS else ()
        )


@law("tree/directories-count-directories", "I4", "SETRANGE of nlink")
def directories_count_directories(state: State) -> Iterator[Fault]:
    """The nlink of a directory is 2 and the number of directories in it; in the trash's own it is 2."""
    for inode, below in state.directories.rows("below"):
        nlink = state.nodes.nlink[state.nodes.find(inode)]
        wanted = 2 if inode >= TRASH_INODE else 2 + below
        if nlink != wanted:
            what = f"directory {inode} has nlink {nlink} instead of {wanted}"
            yield Fault(what, (state.keys.attr(inode),), (set_nlink(state, inode, wanted),))


@law("tree/links-are-counted", "I5", "SETRANGE of nlink")
def links_are_counted(state: State) -> Iterator[Fault]:
    """The nlink of a node that is no directory is the number of its names, in the trash, too."""
    for inode, type, nlink, names in state.nodes.rows("type", "nlink", "names"):
        if type != FileType.DIRECTORY and nlink != names and (names or inode in state.sustained):
            what = f"node {inode} has nlink {nlink} and {names} names"
            yield Fault(what, (state.keys.attr(inode),), (set_nlink(state, inode, names),))


@law("tree/parents-are-known", "I6", "SETRANGE of the parent, DEL of the counts")
def parents_are_known(state: State) -> Iterator[Fault]:
    """A node that is no directory and has a parent has one name, in that parent, and no counts of parents."""
    counted = state.numbers[b"p"]
    for inode, type, parent, names in state.ordinary("type", "parent", "names"):
        if type == FileType.DIRECTORY or not parent or inode in state.sustained:
            continue
        astray = state.misplaced.get(inode, [])
        if names > 1 or astray:
            where = f" and names in {astray}" if astray else f" and {names} names there"
            mends = (set_parent(state, inode, astray[0]),) if names == 1 else ()
            yield Fault(f"node {inode} has parent {parent}{where}", (state.keys.attr(inode),), mends)
        if state.has(counted, inode):
            key = state.keys.parents(inode)
            yield Fault(f"node {inode} has parent {parent} and counts of parents", (key,), (("DEL", key),))


@law("tree/parents-are-counted", "I6", "HSET of the counts")
def parents_are_counted(state: State) -> Iterator[Fault]:
    """A node without parent counts its names in each directory; counts of zero or less say nothing."""
    nodes = state.nodes
    found = set[int]()
    for name, fields in state.source.hashes(state.named(b"p")):
        inode, key = int(name[1:]), state.full(name)
        place = nodes.find(inode)
        if place == ABSENT or nodes.parent[place] or inode in state.sustained:
            continue  # the matter of other laws
        found.add(place)
        counts: dict[int, int] = {}
        for field, value in fields:
            count = state.number_in(name, field, value)
            if count is not None and count > 0:
                counts[int(field)] = count
        wanted = state.parents_of(inode)
        if counts != wanted:
            differing = sorted(
                parent for parent in counts.keys() | wanted.keys() if counts.get(parent) != wanted.get(parent)
            )
            mends = tuple(("HSET", key, parent, wanted.get(parent, 0)) for parent in differing)
            yield Fault(f"node {inode} counts its names as {counts}, they are {wanted}", (key,), mends)
    for place, (inode, type, parent, names) in enumerate(nodes.rows("type", "parent", "names")):
        if parent or type == FileType.DIRECTORY or not names or inode in state.sustained or place in found:
            continue
        key, wanted = state.keys.parents(inode), state.parents_of(inode)
        mends = tuple(("HSET", key, one, count) for one, count in wanted.items())
        yield Fault(f"node {inode} does not count its names, which are {wanted}", (key,), mends)


@law("tree/ways-up-end-at-a-root", "I7", "moving the directory out of the circle by hand")
def ways_up_end_at_a_root(state: State) -> Iterator[Fault]:
    """Following the parents of a directory leads to a root, or to the top of an unfinished copy."""
    reached = state.way_up({*ROOTS, *state.detached})
    for inode, end in zip(state.directories.inodes, reached, strict=True):
        if not end:
            yield Fault(f"the way up from directory {inode} ends at no root", (state.keys.attr(inode),))


@law("tree/copies-are-finished", "I19", f"{GC}, or ZREM where the node is gone")
def copies_are_finished(state: State) -> Iterator[Fault]:
    """No copy of a directory waits for its name."""
    for inode in sorted(state.detached):
        key = state.keys.detached_nodes
        if inode in state.nodes:
            yield Fault(f"the copy {inode} has no name", (key, state.keys.attr(inode)))
        else:
            yield Fault(f"the copy {inode} is gone", (key,), (("ZREM", key, inode),))
