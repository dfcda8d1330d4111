"""Sessions, what they keep open and what they hold (I5, I16, I22)."""

from __future__ import annotations

from collections.abc import Iterator

from metaparity.drivers.types import FileType

from .columns import ABSENT
from .law import GC, Fault, law
from .state import State, whole


@law("sessions/sustained-files-are-unlinked", "I5 I16", "SREM of the member")
def sustained_files_are_unlinked(state: State) -> Iterator[Fault]:
    """What a session keeps open without name is a file that is there, with neither link nor name."""
    nodes = state.nodes
    for inode, sids in sorted(state.sustained.items()):
        place = nodes.find(inode)
        keys = tuple(state.keys.sustained(sid) for sid in sorted(sids))
        mends = tuple(("SREM", key, inode) for key in keys)
        if place == ABSENT:
            yield Fault(f"{inode} is kept open and is gone", keys, mends)
        elif nodes.type[place] != FileType.FILE:
            yield Fault(f"{inode} is kept open and of type {nodes.type[place]}", keys, mends)
        elif nodes.names[place]:
            yield Fault(f"{inode} is kept open without name and has {nodes.names[place]} names", keys, mends)


@law("sessions/keepers-are-registered", "I16", f"{GC}, then SREM of the members")
def keepers_are_registered(state: State) -> Iterator[Fault]:
    """Only a registered session keeps files open."""
    for sid in sorted({sid for sids in state.sustained.values() for sid in sids} - state.registered):
        yield Fault(f"session {sid} is gone and keeps files open", (state.keys.sustained(sid),))


@law("sessions/locks-are-indexed", "I22", "SADD to the index of the session")
def locks_are_indexed(state: State) -> Iterator[Fault]:
    """The session of every lock knows of it."""
    holders, known = _locks(state)
    for sid, key in sorted(holders - known):
        index = state.keys.locked(sid)
        what = f"session {sid} holds {key.decode()} and does not know it"
        yield Fault(what, (key, index), (("SADD", index, key),))


@law("sessions/indexed-locks-are-held", "I22", "SREM from the index of the session")
def indexed_locks_are_held(state: State) -> Iterator[Fault]:
    """A session holds every lock that it knows of."""
    holders, known = _locks(state)
    for sid, key in sorted(known - holders):
        index = state.keys.locked(sid)
        what = f"session {sid} does not hold {key.decode('utf-8', 'backslashreplace')}"
        yield Fault(what, (index,), (("SREM", index, key),))


@law("sessions/holders-are-registered", "I22", "HDEL of the lock")
def holders_are_registered(state: State) -> Iterator[Fault]:
    """Only a registered session holds locks; clients without session are number 0."""
    for kind in (b"lockf", b"lockp"):
        for name, fields in state.source.hashes(state.named(kind)):
            key = state.full(name)
            for field, _ in fields:
                sid = _holder(field)
                if sid is not None and sid and sid not in state.registered:
                    what = f"session {sid} is gone and holds {key.decode()}"
                    mends = (("HDEL", key, field), ("SREM", state.keys.locked(sid), key))
                    yield Fault(what, (key,), mends)


def _holder(field: bytes) -> int | None:
    """The session in the field of a lock; None where there is none."""
    sid = field.partition(b"_")[0]
    return int(sid) if whole(sid) else None


def _locks(state: State) -> tuple[set[tuple[int, bytes]], set[tuple[int, bytes]]]:
    """Which session holds which lock key, and which session knows of which."""
    holders = {
        (sid, state.full(name))
        for kind in (b"lockf", b"lockp")
        for name, fields in state.source.hashes(state.named(kind))
        for field, _ in fields
        if (sid := _holder(field)) is not None
    }
    known = {
        (int(name[len(b"locked") :]), key)
        for name, members in state.source.sets(state.named(b"locked"))
        for key in members
    }
    return holders, known
