"""Locks of both kinds: who takes them, who waits for them, and what both kinds have in common."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EAGAIN, EINTR
from typing import Any

import pytest

from metaparity.conformance.scenes.processes import opening, run_at_once
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import ROOT, Context, LockType
from metaparity.fixtures.faults import Proxy
from metaparity.fixtures.volumes import Volume

R, W, U = LockType.R, LockType.W, LockType.U

EOF = (1 << 63) - 1
"""The last byte of a range that reaches to the end of any file."""

PID = 7
POLL = {R: 0.01, W: 0.001}
"""Seconds after which a caller who waits asks again (L1.8)."""

SERIES = 3
"""How often a time is taken that a machine under load may spoil."""

PATIENCE = 20.0
INODE = 2
"""What is locked: it needs no node."""

OWNERS = [0, 1, 0xF000000000000001, (1 << 64) - 1]


def flock(
    fs: Engine, owner: int, type: LockType, block: bool = False, ctx: Context = ROOT, inode: int = INODE
) -> None:
    """Take or release a flock."""
    fs.flock(inode, owner, type, block, ctx=ctx)


def plock(
    fs: Engine, owner: int, type: LockType, block: bool = False, ctx: Context = ROOT, inode: int = INODE
) -> None:
    """Take or release a record lock on a whole file."""
    fs.setlk(inode, owner, block, type, 0, EOF, PID, ctx=ctx)


def take_some(fs: Engine) -> None:
    """Exclusive locks of both kinds and a shared range, on three nodes."""
    flock(fs, 1, W, inode=12)
    flock(fs, 2, W, inode=13)
    fs.setlk(12, 1, False, W, 0, 9, 5)
    fs.setlk(14, 3, False, R, 20, EOF, 6)


def share(fs: Engine) -> None:
    """Shared locks where others may hold some, too."""
    flock(fs, 1, R, inode=15)
    fs.setlk(15, 1, False, R, 0, 99, 5)


Take = Callable[..., None]

RIVALS = {
    "the same owner": (0, 1),
    "another owner": (0, 2),
    "the same owner of another session": (1, 1),
    "another owner of another session": (1, 2),
}
"""Which client asks, of two, and for which owner, where owner 1 of the first holds a lock."""

each_rival = pytest.mark.parametrize("rival", RIVALS)
each_held = pytest.mark.parametrize("held", [None, R, W], ids=["nothing held", "R held", "W held"])
each_wanted = pytest.mark.parametrize("wanted", [R, W], ids=["R wanted", "W wanted"])
each_conflict = pytest.mark.parametrize(("held", "wanted"), [(R, W), (W, R), (W, W)], ids=["RW", "WR", "WW"])


def meet(volume: Volume, take: Take, held: LockType | None, wanted: LockType, rival: str) -> None:
    """One owner holds a lock, another asks: granted, or EAGAIN and nothing changed."""
    clients = [volume.fs, volume.open()]
    if held is not None:
        take(clients[0], 1, held)
    client, owner = RIVALS[rival]
    if held is not None and W in (held, wanted) and (client, owner) != (0, 1):
        with unchanged(volume):
            refuses(EAGAIN, take, clients[client], owner, wanted)
    else:
        take(clients[client], owner, wanted)


# -- waiting ---------------------------------------------------------------------------------------


@dataclass
class Waiter:
    """A call in a thread of its own, that its caller can give up."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    outcome: Future[Any] = field(default_factory=Future)

    def begin(self, call: Callable[[Context], object]) -> None:
        """Make the call."""
        thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        thread.start()

    def _run(self, call: Callable[[Context], object]) -> None:
        try:
            self.outcome.set_result(call(Context(cancelled=self.cancelled)))
        except BaseException as error:
            self.outcome.set_exception(error)

    @property
    def waits(self) -> bool:
        """Whether there is no answer yet."""
        return not self.outcome.done()

    def result(self) -> None:
        """Return once the call has succeeded.  Raises what the call raised, and `TimeoutError`."""
        self.outcome.result(PATIENCE)


@contextmanager
def waiting(*calls: Callable[[Context], object]) -> Iterator[Sequence[Waiter]]:
    """Callers who may have to wait; whoever still does at the end gives up."""
    waiters = [Waiter() for _ in calls]
    for waiter, call in zip(waiters, calls, strict=True):
        waiter.begin(call)
    try:
        yield waiters
    finally:
        for waiter in waiters:
            waiter.cancelled.set()
        for waiter in waiters:
            waiter.outcome.exception(PATIENCE)


def waits_until_it_is_free(volume: Volume, take: Take, held: LockType, wanted: LockType) -> None:
    """A caller who waits is not answered while another holds the lock, and has it once that lets go."""
    holder, other = volume.fs, volume.open()
    take(holder, 1, held)
    with waiting(lambda ctx: take(other, 1, wanted, True, ctx)) as (waiter,):
        time.sleep(0.1)
        assert waiter.waits
        take(holder, 1, U)
        waiter.result()
    refuses(EAGAIN, take, holder, 1, W)


def gives_up_at_once(volume: Volume, take: Take, wanted: LockType) -> float:
    """Of a hundred callers who give up while they wait, 99 are told EINTR within 50 ms over the interval at
    which they ask; nothing is left of their wish.  Returns within how many ms they were."""
    holder, other = volume.fs, volume.open()
    take(holder, 1, W)

    def give_up() -> float:
        with waiting(lambda ctx: take(other, 1, wanted, True, ctx)) as (waiter,):
            time.sleep(0.003)
            began = time.monotonic()
            waiter.cancelled.set()
            refuses(EINTR, waiter.result)
            return time.monotonic() - began

    slowest: list[float] = []
    with unchanged(volume):
        # A machine that stalls holds up whoever is told, too.
        while len(slowest) < SERIES and min(slowest, default=1.0) >= 0.05 + POLL[wanted]:
            slowest.append(sorted(give_up() for _ in range(100))[98])
    take(holder, 1, U)
    take(holder, 2, W)
    assert min(slowest) < 0.05 + POLL[wanted], f"took {', '.join(f'{one:.3f} s' for one in slowest)}"
    return min(slowest) * 1000


def is_interrupted_beforehand(volume: Volume, take: Take, type: LockType, block: bool) -> None:
    """A caller who has given up already is told EINTR, whether or not the lock is free or held."""
    gone = Context(cancelled=threading.Event())
    assert gone.cancelled is not None
    gone.cancelled.set()
    take(volume.fs, 1, W)
    with unchanged(volume):
        for owner in (1, 2):
            refuses(EINTR, take, volume.fs, owner, type, block, gone)


def asks_at_intervals(volume: Volume, network: Proxy, take: Take, wanted: LockType) -> float:
    """Who waits asks again after an interval, with a transaction of at most four commands.  Returns how many
    commands a second that is."""
    holder, other = volume.fs, volume.open()
    take(holder, 1, W)
    began, before = time.monotonic(), network.commands
    with waiting(lambda ctx: take(other, 1, wanted, True, ctx)) as (waiter,):
        time.sleep(1)
        sent, passed = network.commands - before, time.monotonic() - began
        assert waiter.waits
    most = 4 * (passed / POLL[wanted] + 1)
    assert 30 <= sent <= most, f"{sent} commands in {passed:.2f} s"
    return sent / passed


def everyone_gets_it(volume: Volume, take: Take) -> None:
    """Eight callers in two clients, each of whom waits for the lock ten times to raise a counter that nothing
    else protects: all get it, and the counter is exact."""
    clients = [volume.fs, volume.open()]
    counter = 0

    def count(client: Engine, owner: int, ctx: Context) -> None:
        nonlocal counter
        for _ in range(10):
            take(client, owner, W, True, ctx)
            seen = counter
            time.sleep(0.0005)
            counter = seen + 1
            take(client, owner, U)

    callers = [
        lambda ctx, client=client, owner=owner: count(client, owner, ctx)
        for owner in range(4)
        for client in clients
    ]
    with waiting(*callers) as waiters:
        for waiter in waiters:
            waiter.result()
    assert counter == 80


COUNTER = """
import sys

import redis

from metaparity.conformance.scenes import locking
from metaparity.drivers.registry import driver
from metaparity.drivers.types import Config

name, url, server, kind, owner, count = sys.argv[1:]
take = getattr(locking, kind)
fs = driver(name).open(url, Config(no_bg_jobs=True, heartbeat=600))
fs.load()
fs.session_new(True)
raw = redis.Redis.from_url(server, protocol=2)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(count)):
    take(fs, int(owner), locking.W, True)
    raw.set("counter", int(raw.get("counter") or 0) + 1)
    take(fs, int(owner), locking.U)
fs.session_close()
fs.close()
"""
"""A client in a process of its own that raises a counter, under a lock, which nothing else protects."""


def processes_exclude_each_other(volume: Volume, kind: str) -> None:
    """Three processes, of both drivers where there are two, raise a counter that only a lock protects: it is
    exact, and no session holds anything afterwards."""
    assert volume.fs.load()
    volume.shared = True
    drivers = [volume.driver, volume.driver.partner or volume.driver, volume.driver]
    server, each = f"redis://{volume.place.address}", 60
    arguments = [
        [*opening(volume, driver), server, kind, str(owner), str(each)]
        for owner, driver in enumerate(drivers)
    ]
    run_at_once(COUNTER, arguments)
    assert int(volume.raw.get("counter")) == each * len(drivers)
    assert sorted(volume.raw.keys("lock*")) == []


# -- on the wire -----------------------------------------------------------------------------------

WRITES = {b"HSET", b"HDEL", b"SADD", b"SREM"}


def transactions(network: Proxy, call: Callable[[], object]) -> list[tuple[bytes, ...]]:
    """The commands of a call that begin, make and end transactions, without what only reads."""
    before = len(network.record())
    call()
    kept = WRITES | {b"WATCH", b"MULTI", b"EXEC"}
    said = [one for one in network.asked(before) if one.name in kept]
    return [(one.name, *one.command[1:]) for one in said]
