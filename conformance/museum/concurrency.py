"""Concurrent calls, wrong on purpose, each in one place, and the clause that must go red."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial

from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.store import Command, Reply
from metaparity.drivers.redis.store import RedisStore
from metaparity.drivers.types import (
    ROOT,
    Context,
    FileType,
    Node,
    RenameFlag,
)

from .exhibit import exhibit, nothing, watch_nothing

broken = partial(exhibit, __name__, "redis")

sound_rename = StoreEngine.rename


def cached_for_a_moment(self: RedisStore, *commands: Command) -> list[Reply]:
    """As if a copy that nobody tells of changes were good for ten milliseconds."""
    copies: dict[tuple[Command, ...], tuple[float, list[Reply]]] = self.__dict__.setdefault("copies", {})
    kept, replies = copies.get(commands, (0.0, []))
    if time.monotonic() - kept > 0.01:
        replies = self.read(*commands)
        copies[commands] = time.monotonic(), replies
    return replies


def rename_in_two_steps(
    self: StoreEngine,
    src_parent: int,
    src_name: bytes,
    dst_parent: int,
    dst_name: bytes,
    flags: RenameFlag = RenameFlag(0),
    *,
    ctx: Context = ROOT,
) -> Node:
    """As if what is replaced could be removed ahead."""
    if not flags:
        with suppress(OSError):
            source = self.lookup(src_parent, src_name, ctx=ctx)
            target = self.lookup(dst_parent, dst_name, ctx=ctx)
            if source.inode != target.inode and source.attr is not None:
                remove = self.rmdir if source.attr.type == FileType.DIRECTORY else self.unlink
                remove(dst_parent, dst_name, ctx=ctx)
    return sound_rename(self, src_parent, src_name, dst_parent, dst_name, flags, ctx=ctx)


UPDATES_LOST = broken(
    "UPDATES_LOST",
    "transactions watch no key, so that of two changes at once one is lost",
    caught_by="concurrency/clients-of-two-processes-lose-nothing",
    target="engine.transaction:Attempt._take_watches",
    wrong=watch_nothing,
)
CHANGES_OVERTAKE_EACH_OTHER = broken(
    "CHANGES_OVERTAKE_EACH_OTHER",
    "a transaction writes over what has changed since it read",
    caught_by="linearizable/attributes",
    target="engine.transaction:Attempt._take_watches",
    wrong=watch_nothing,
)
READS_ARE_STALE = broken(
    "READS_ARE_STALE",
    "reads are answered from a copy that is ten milliseconds old",
    caught_by="linearizable/attributes",
    target="redis.store:RedisStore.cached",
    wrong=cached_for_a_moment,
)
CALLS_HAVE_NO_ORDER = broken(
    "CALLS_HAVE_NO_ORDER",
    "transactions watch no key, so that what two processes were shown has happened in no order",
    caught_by="generated/calls-at-once-have-an-order",
    target="engine.transaction:Attempt._take_watches",
    wrong=watch_nothing,
)
RENAMES_ARE_TWO_STEPS = broken(
    "RENAMES_ARE_TWO_STEPS",
    "a rename first removes what it replaces",
    caught_by="linearizable/replaced-names",
    target="engine.engine:StoreEngine.rename",
    wrong=rename_in_two_steps,
)
REFUSALS_ARE_HASTY = broken(
    "REFUSALS_ARE_HASTY",
    "a refusal rests on reads of several moments",
    caught_by="linearizable/replaced-names",
    target="engine.transaction:Attempt.confirm",
    wrong=nothing,
)
