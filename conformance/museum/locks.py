"""Locks and sessions, wrong on purpose, each in one place, and the clause that must go red."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from metaparity.drivers.engine import ranges
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.locks import Locking
from metaparity.drivers.engine.store import Command
from metaparity.drivers.types import (
    ROOT,
    Context,
    LockRecord,
    LockType,
)

from .exhibit import always, exhibit, never, nothing, watch_nothing

broken = partial(exhibit, __name__, "redis")

sound_flock = StoreEngine.flock
sound_laid_over = ranges.laid_over


def flock_without_index(
    self: StoreEngine, inode: int, owner: int, type: LockType, block: bool = False, *, ctx: Context = ROOT
) -> None:
    """As JuiceFS 1.4.1 does it (Q31)."""
    self.quirks = True
    try:
        sound_flock(self, inode, owner, type, block, ctx=ctx)
    finally:
        self.quirks = False


def drop_all(self: Locking, key: bytes, fields: Sequence[bytes], own: bytes) -> list[Command]:
    return [("DEL", key), ("SREM", self.keys.locked(self.sid), key)]


def lay_without_the_rest(held: Sequence[LockRecord], wanted: LockRecord) -> list[LockRecord]:
    return [one for one in sound_laid_over(held, wanted) if one.start != wanted.end + 1]


ELECTIONS_ARE_WON = broken(
    "ELECTIONS_ARE_WON",
    "every client does what one of them has to do",
    caught_by="cleanup/is-made-by-one-client-in-a-period",
    target="engine.sessions:Sessions.elected",
    wrong=always,
)
LOCKS_GRANTED_TWICE = broken(
    "LOCKS_GRANTED_TWICE",
    "nobody watches who holds a lock, so that two who ask at once both get it",
    caught_by="flock/processes-exclude-each-other",
    target="engine.transaction:Attempt._take_watches",
    wrong=watch_nothing,
)
RANGES_GRANTED_TWICE = broken(
    "RANGES_GRANTED_TWICE",
    "no range is in the way of another",
    caught_by="plock/ranges-meet-in-a-byte",
    target="engine.locks:conflict",
    wrong=never,
)
UNLOCKS_FREE_ALL = broken(
    "UNLOCKS_FREE_ALL",
    "an unlock frees what other owners hold, too",
    caught_by="flock/an-unlock-frees-its-owners-alone",
    target="engine.locks:Locking._drop",
    wrong=drop_all,
)
SHARED_LOCKS_STAY = broken(
    "SHARED_LOCKS_STAY",
    "a shared lock outlives its session",
    caught_by="session/frees-its-shared-locks-at-its-end",
    target="engine.engine:StoreEngine.flock",
    wrong=flock_without_index,
)
RANGES_LOSE_THE_REST = broken(
    "RANGES_LOSE_THE_REST",
    "what lies behind the part of a range that is replaced or freed is lost",
    caught_by="plock/ranges-split-join-and-replace-each-other",
    target="engine.locks:laid_over",
    wrong=lay_without_the_rest,
)
THE_LIVING_ARE_CLEANED = broken(
    "THE_LIVING_ARE_CLEANED",
    "a session that is refreshed while another client cleans up loses what it holds",
    caught_by="cleanup/spares-a-session-that-is-back",
    target="engine.sessions:Sessions._require_expired",
    wrong=nothing,
)
LOCKS_OUTLIVE_A_CLOSE = broken(
    "LOCKS_OUTLIVE_A_CLOSE",
    "a session that is closed leaves the lock that another thread is about to take",
    caught_by="session/a-close-leaves-no-lock-under-way",
    target="engine.gate:Gate.shut",
    wrong=nothing,
)
