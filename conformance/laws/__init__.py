"""The laws of the key-space: invariants that hold at quiescence, read past every engine (§8).

`broken` judges a database or a snapshot of its keys.  Laws that need the history of calls are not here: what
a file holds (I24) and that times do not go back (I25) are the model's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter

from metaparity.drivers.engine.progress import Tell, nobody
from metaparity.drivers.engine.store import Store
from metaparity.drivers.types import ROOT_INODE, TRASH_INODE
from metaparity.fixtures.volumes import Volume

from ..rediscli import quoted
from . import accounting, acls, counters, data, nodes, sessions, trash, tree  # noqa: F401  # which make laws
from .law import LAWS, Fault, Finding, Law
from .source import Snapshot, SnapshotSource, Source, StoreSource
from .state import State

__all__ = (
    "LAWS",
    "Fault",
    "Finding",
    "Law",
    "State",
    "broken",
    "check_empty",
    "harmful",
    "require_laws",
    "slices",
)


def broken(volume: Store | Snapshot, tell: Tell = nobody) -> list[Finding]:
    """What breaks the laws in a database, or in all of its keys; its clients must have settled before.

    A store is read with commands that change nothing, in memory of about a hundred bytes a node.  Raises
    `ServerError` and `Disconnected` where it cannot be read.  Source: I1-I22.
    """
    source: Source = StoreSource(volume, tell) if isinstance(volume, Store) else SnapshotSource(volume)
    return list(judge(State(source), tell))


def judge(state: State, tell: Tell = nobody) -> Iterator[Finding]:
    """What breaks the laws in a volume that has been read, law by law."""
    for done, law in enumerate(LAWS.values(), 1):
        tell("laws judged", done, len(LAWS))
        for fault in law.check(state):
            yield Finding(law.id, fault.what, fault.keys, fault.commands)


def harmful(findings: list[Finding]) -> list[Finding]:
    """Findings without those of garbage."""
    return [one for one in findings if not LAWS[one.law].garbage]


def require(findings: list[Finding]) -> None:
    """Raise an `AssertionError` that names the broken laws, with what breaks them, and mends it, as notes."""
    if findings:
        names = ", ".join(dict.fromkeys(one.law for one in findings))
        error = AssertionError(f"expected every law of the key-space to hold, observed {names} broken")
        for id, ones in groupby(sorted(findings, key=attrgetter("law")), key=attrgetter("law")):
            law = LAWS[id]
            error.add_note(f"{id} ({law.source}): {law.sentence}  Mended by {law.mends}.")
            for one in ones:
                error.add_note(f"    {one.what} ({quoted(one.keys)})")
                for command in one.commands:
                    error.add_note(f"        {quoted(command)}")
        raise error


def require_laws(volume: Volume) -> None:
    """Every law holds; the error names the broken ones, its notes say by which keys.

    Garbage is no matter of this: whether an engine leaves it is what clauses ask.
    """
    require(harmful(broken(volume.keyspace())))


def slices(keys: Snapshot) -> set[tuple[int, int]]:
    """The id and the size in bytes of every slice that something refers to."""
    ids = State(SnapshotSource(keys)).slices.values()
    return {slice for columns in ids for slice in zip(*columns, strict=True)}


def check_empty(volume: Volume) -> list[str]:
    """What is left of nodes in a volume from which everything was removed.  Source: I23."""
    keys = volume.keyspace()
    state = State(SnapshotSource(keys))
    left = [f"node {inode}" for inode in state.nodes.inodes if inode not in (ROOT_INODE, TRASH_INODE)]
    left += [f"{key.decode()}" for key in (b"delfiles", b"sliceRef", b"delSlices") if key in keys]
    left += [f"chunk {inode}" for inode in state.chunk_files]
    left += [f"{kind.decode()}{inode}" for kind in (b"p", b"x", b"s") for inode in state.numbers[kind]]
    left += [
        f"{name} {state.counters[name]}" for name in ("used_space", "total_inodes") if state.counters[name]
    ]
    return left + [str(one) for one in judge(state)]
