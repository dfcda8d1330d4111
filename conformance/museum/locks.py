"""Locks and sessions, wrong on purpose, each in one place, and the clause that must go red."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from metaparity.drivers.engine import codec, ranges
from metaparity.drivers.engine.database import Database
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.locks import Locking
from metaparity.drivers.engine.sessions import Sessions
from metaparity.drivers.engine.store import Check, Command, Reply, ServerError, Transaction
from metaparity.drivers.engine.store import nothing as no_check
from metaparity.drivers.errors import error
from metaparity.drivers.types import (
    ROOT,
    Context,
    LockRecord,
    LockType,
)

from .exhibit import always, exhibit, never, no_commands, nothing, watch_nothing

broken = partial(exhibit, __name__, "redis")

sound_flock = StoreEngine.flock
sound_drop = Locking._drop
sound_release = Locking.release_locks
sound_cleanup = StoreEngine.session_cleanup
sound_refresh = Sessions.session_refresh
sound_register = Sessions.register
sound_read = Database.read
sound_joined = ranges.joined
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


def drop_without_index(self: Locking, key: bytes, fields: Sequence[bytes], own: bytes) -> list[Command]:
    return [("HDEL", key, own)]


def drop_what_is_stored(self: Locking, key: bytes, fields: Sequence[bytes], own: bytes) -> list[Command]:
    return [("HSET", key, own, b""), *sound_drop(self, key, fields, own)[1:]]


def flock_in_two_steps(
    self: StoreEngine, inode: int, owner: int, type: LockType, block: bool = False, *, ctx: Context = ROOT
) -> None:
    """As if a client lived to the end of its call."""
    vars(self)["_index"] = no_commands
    sound_flock(self, inode, owner, type, block, ctx=ctx)
    if type != LockType.U:
        self.db.write(("SADD", self.keys.locked(self.sid), self.keys.flocks(inode)))


def flock_against_oneself(
    self: StoreEngine, inode: int, owner: int, type: LockType, block: bool = False, *, ctx: Context = ROOT
) -> None:
    mine = [one for one in self.locks_list(inode).flocks if (one.sid, one.owner) == (self.sid, owner)]
    if type != LockType.U and any(one.type == "W" for one in mine):
        raise error(errno.EAGAIN)
    sound_flock(self, inode, owner, type, block, ctx=ctx)


def flock_checked_ahead(
    self: StoreEngine, inode: int, owner: int, type: LockType, block: bool = False, *, ctx: Context = ROOT
) -> None:
    others = [one for one in self.locks_list(inode).flocks if (one.sid, one.owner) != (self.sid, owner)]
    if type == LockType.U or block:
        sound_flock(self, inode, owner, type, block, ctx=ctx)
        return
    if others and (type == LockType.W or any(one.type == "W" for one in others)):
        raise error(errno.EAGAIN)
    self.db.write(("HSET", self.keys.flocks(inode), codec.lock_field(self.sid, owner), LockType(type).name))


def setlk_checked_ahead(
    self: StoreEngine,
    inode: int,
    owner: int,
    block: bool,
    type: LockType,
    start: int,
    end: int,
    pid: int,
    *,
    ctx: Context = ROOT,
) -> None:
    if self.getlk(inode, owner, type, start, end).type != LockType.U:
        raise error(errno.EAGAIN)
    key, own = self.keys.plocks(inode), codec.lock_field(self.sid, owner)
    held = codec.decode_plocks(self.db.read_one("HGET", key, own) or b"")
    self.db.write(self._keep(key, own, sound_laid_over(held, LockRecord(type, pid, start, end))))


def join_whatever_process(records: Iterator[LockRecord]) -> list[LockRecord]:
    found = list(records)
    return sound_joined(replace(one, pid=found[0].pid) for one in found)


def join_all(records: Iterator[LockRecord]) -> list[LockRecord]:
    """As if what was joined could grow (L2.7)."""
    before: list[LockRecord] = []
    after = list(records)
    while before != after:
        before, after = after, sound_joined(iter(after))
    return after


def signed_field(sid: int, owner: int) -> bytes:
    return b"%d_%d" % (sid, owner - (1 << 64) if owner >> 63 else owner)


def release_quietly(self: Locking, key: bytes, sid: int, check: Check = no_check) -> None:
    with suppress(OSError, ServerError):
        sound_release(self, key, sid, check)


def release_all(self: Locking, key: bytes, sid: int, check: Check = no_check) -> None:
    self.db.write(("DEL", key), ("SREM", self.keys.locked(sid), key))


def refresh_in_a_transaction(self: Sessions) -> None:
    sessions = [self.keys.session_infos, self.keys.all_sessions]

    def body(tx: Transaction) -> None:
        tx.read(("HEXISTS", self.keys.session_infos, self.sid))
        tx.queue(("ZADD", self.keys.all_sessions, self._expiry(), self.sid))

    self.db.transact(sessions, body)


def refresh_with_what_is_now(self: Sessions) -> None:
    self._said = self._info()
    sound_refresh(self)


def register_without_expiry(self: Sessions) -> None:
    sound_register(self)
    self.db.write(("ZREM", self.keys.all_sessions, self.sid))


def flock_that_changes_something(
    self: StoreEngine, inode: int, owner: int, type: LockType, block: bool = False, *, ctx: Context = ROOT
) -> None:
    key, own = self.keys.flocks(inode), codec.lock_field(self.sid, owner)
    if self.db.read_one("HGET", key, own) == type.name.encode():
        raise error(errno.EIO)
    sound_flock(self, inode, owner, type, block, ctx=ctx)


def read_from_nowhere(self: Database, *commands: Command) -> list[Reply]:
    return sound_read(self, *(tuple(b"" if part == "-inf" else part for part in one) for one in commands))


def refresh_expiry_only(self: Sessions) -> None:
    self.db.write(("ZADD", self.keys.all_sessions, self._expiry(), self.sid))


def clean_up_ahead(self: StoreEngine) -> None:
    """As if it were three minutes later."""
    self.clock_set((int(time.time()) + 200, 0))
    sound_cleanup(self)


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
LOCKS_ARE_CHECKED_AHEAD = broken(
    "LOCKS_ARE_CHECKED_AHEAD",
    "whether a lock is free is looked up ahead of taking it, so that two who ask at once both get it",
    caught_by="linearizable/flocks",
    target="engine.engine:StoreEngine.flock",
    wrong=flock_checked_ahead,
)
RANGES_ARE_CHECKED_AHEAD = broken(
    "RANGES_ARE_CHECKED_AHEAD",
    "whether a range is free is looked up ahead of taking it, so that two who ask at once both get it",
    caught_by="linearizable/record-locks",
    target="engine.engine:StoreEngine.setlk",
    wrong=setlk_checked_ahead,
)
RANGES_RACE = broken(
    "RANGES_RACE",
    "nobody watches who holds a range, so that two processes that ask at once both get it",
    caught_by="plock/processes-exclude-each-other",
    target="engine.transaction:Attempt._take_watches",
    wrong=watch_nothing,
)
THE_INDEX_KEEPS_ALL = broken(
    "THE_INDEX_KEEPS_ALL",
    "a session never forgets where it has held a lock (B136)",
    caught_by="flock/the-session-knows-of-an-exclusive-lock",
    target="engine.locks:Locking._drop",
    wrong=drop_without_index,
)
THE_INDEX_COMES_LATER = broken(
    "THE_INDEX_COMES_LATER",
    "a session is told of its lock once it holds it",
    caught_by="cleanup/leaves-nothing-of-a-process-killed-at-any-command",
    target="engine.engine:StoreEngine.flock",
    wrong=flock_in_two_steps,
)
OWN_LOCKS_ARE_IN_THE_WAY = broken(
    "OWN_LOCKS_ARE_IN_THE_WAY",
    "who holds a lock exclusively is refused to share it (B137)",
    caught_by="flock/a-writer-can-become-a-reader",
    target="engine.engine:StoreEngine.flock",
    wrong=flock_against_oneself,
)
PROCESSES_ARE_ONE = broken(
    "PROCESSES_ARE_ONE",
    "neighbouring ranges are joined whatever their processes (B140)",
    caught_by="plock/ranges-split-join-and-replace-each-other",
    target="engine.ranges:joined",
    wrong=join_whatever_process,
)
RANGES_GROW_TOGETHER = broken(
    "RANGES_GROW_TOGETHER",
    "what was joined is joined again with what follows, so that other bytes are stored",
    caught_by="plock/ranges-split-join-and-replace-each-other",
    target="engine.ranges:joined",
    wrong=join_all,
)
EMPTY_LISTS_STAY = broken(
    "EMPTY_LISTS_STAY",
    "who frees their last range is left with an empty list (B141)",
    caught_by="plock/an-unlock-frees-its-owners-alone",
    target="engine.locks:Locking._drop",
    wrong=drop_what_is_stored,
)
OWNERS_ARE_SIGNED = broken(
    "OWNERS_ARE_SIGNED",
    "an owner is written as a signed number (B142)",
    caught_by="plock/is-stored-by-session-and-owner",
    target="engine.codec:lock_field",
    wrong=signed_field,
)
FAILURES_ARE_FORGOTTEN = broken(
    "FAILURES_ARE_FORGOTTEN",
    "the record of a session goes although a lock of it could not be freed (B146)",
    caught_by="cleanup/a-lock-that-cannot-be-freed-leaves-the-session",
    target="engine.sessions:Sessions.release_locks",
    wrong=release_quietly,
)
CLEANUPS_FREE_ALL = broken(
    "CLEANUPS_FREE_ALL",
    "the cleanup of a session frees what others hold on the same files",
    caught_by="session/frees-its-locks-at-its-end",
    target="engine.sessions:Sessions.release_locks",
    wrong=release_all,
)
THE_REVIVED_ARE_NAMELESS = broken(
    "THE_REVIVED_ARE_NAMELESS",
    "a session that comes back says no more who it is (B148)",
    caught_by="session/a-lost-description-comes-back",
    target="engine.engine:StoreEngine.session_refresh",
    wrong=refresh_expiry_only,
)
CLOCKS_RUN_AHEAD = broken(
    "CLOCKS_RUN_AHEAD",
    "who cleans up takes sessions that have minutes to live (B145)",
    caught_by="cleanup/takes-expired-sessions-only",
    target="engine.engine:StoreEngine.session_cleanup",
    wrong=clean_up_ahead,
)
HEARTBEATS_COLLIDE = broken(
    "HEARTBEATS_COLLIDE",
    "a refresh watches the records that all other clients refresh (B149)",
    caught_by="session/refreshes-are-not-in-each-others-way",
    target="engine.engine:StoreEngine.session_refresh",
    wrong=refresh_in_a_transaction,
)
THE_REVIVED_ARE_YOUNG = broken(
    "THE_REVIVED_ARE_YOUNG",
    "a session that comes back says that it has just begun (B149)",
    caught_by="session/a-revived-one-says-what-it-said",
    target="engine.engine:StoreEngine.session_refresh",
    wrong=refresh_with_what_is_now,
)
THE_FIRST_BEAT_COMES_LATE = broken(
    "THE_FIRST_BEAT_COMES_LATE",
    "a session has no expiry until its first refresh (B147)",
    caught_by="session/lives-five-heartbeats",
    target="engine.engine:StoreEngine.register",
    wrong=register_without_expiry,
)
ASKING_AGAIN_FAILS = broken(
    "ASKING_AGAIN_FAILS",
    "who asks for the lock that they hold is told of a failure, as nothing changed (B143)",
    caught_by="flock/asking-again-changes-nothing",
    target="engine.engine:StoreEngine.flock",
    wrong=flock_that_changes_something,
)
EXPIRIES_LACK_AN_END = broken(
    "EXPIRIES_LACK_AN_END",
    "expired sessions are asked for without a lowest expiry (B150)",
    caught_by="cleanup/asks-for-expiries-from-either-end",
    target="engine.database:Database.read",
    wrong=read_from_nowhere,
)
