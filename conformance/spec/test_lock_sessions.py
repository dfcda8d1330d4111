"""What becomes of locks, and of all else that a session holds, when it ends (L3, S7.2, N42.5)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from errno import EAGAIN, ENOENT
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.locking import EOF, R, U, W, flock, plock, waiting
from metaparity.conformance.scenes.sessions import expire, nameless, sids
from metaparity.conformance.verbs import refuses, soon, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import LockRecord, SessionFlock, SessionPlock
from metaparity.fixtures.faults import SETUP, Act, Frame, Proxy, Way, command
from metaparity.fixtures.volumes import Volume

each_lock_type = pytest.mark.parametrize("type", [R, W], ids=lambda one: one.name)


def held_by(volume: Volume, sid: int) -> list[bytes]:
    """Everything that a session holds by the keys: fields of locks, and its two sets."""
    return [
        *(
            key + b" " + field
            for key, (kind, value) in volume.keyspace().items()
            if kind == "hash" and key.startswith((b"lockf", b"lockp"))
            for field in value
            if field.startswith(b"%d_" % sid)
        ),
        *(key for key in (b"locked%d" % sid, b"session%d" % sid) if volume.raw.exists(key)),
    ]


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


# -- looking ---------------------------------------------------------------------------------------


@clause("session/shows-its-locks-in-detail", source="L3.11 L1.2 S2.12", needs="plock", clients=2)
def test_detail(volume: Volume) -> None:
    """With detail a session shows the locks of both kinds that it holds, without it none; others show
    theirs."""
    fs, other = volume.fs, volume.open()
    take_some(other)
    other.setlk(14, 3, False, W, 0, 4, 7)
    flock(fs, 1, W, inode=16)
    shown = fs.session_get(2, True)
    assert sorted(shown.flocks, key=repr) == [SessionFlock(12, 1, "W"), SessionFlock(13, 2, "W")]
    assert sorted(shown.plocks, key=repr) == [
        SessionPlock(12, 1, [LockRecord(W, 5, 0, 9)]),
        SessionPlock(14, 3, [LockRecord(W, 7, 0, 4), LockRecord(R, 6, 20, EOF)]),
    ]
    assert other.session_get(1, True).flocks == [SessionFlock(16, 1, "W")]
    assert [fs.session_get(sid).flocks for sid in (1, 2)] == [[], []]
    assert [(one.flocks, one.plocks) for one in fs.session_list()] == [([], []), ([], [])]


@clause("session/shows-its-shared-locks", source="L3.11 Q31", needs="flock", clients=2)
def test_detail_shared(volume: Volume) -> None:
    """A shared lock on a whole file is shown as an exclusive one is."""
    fs, other = volume.fs, volume.open()
    flock(other, 2, R)
    assert fs.session_get(2, True).flocks == [SessionFlock(2, 2, "R")]


# -- the end of a session --------------------------------------------------------------------------


def closed(volume: Volume, client: Engine) -> None:
    """A session ends as its client closes it."""
    client.session_close()


def cleaned(volume: Volume, client: Engine) -> None:
    """A session has expired, and another client cleans up."""
    expire(volume, 2)
    volume.fs.session_cleanup()


END = {"closed": closed, "cleaned up": cleaned}
each_end = pytest.mark.parametrize("end", END.values(), ids=END)
End = Callable[[Volume, Engine], None]


@each_end
@clause("session/frees-its-locks-at-its-end", source="L3.8 L3.15 L3.16 N2.3", needs="plock", clients=2)
def test_end(volume: Volume, end: End) -> None:
    """A session that is closed, or cleaned up once it has expired, lets go of all its locks, and of nobody
    else's: nor where they are on one inode, nor of a session whose number begins alike."""
    fs, other = volume.fs, volume.open()
    take_some(other)
    fs.setlk(12, 1, False, W, 10, 19, 5)
    fs.setlk(14, 1, False, R, 0, 50, 5)
    volume.raw.hset("lockp14", "22_0000000000000001", bytes(24))
    end(volume, other)
    assert held_by(volume, 2) == []
    assert held_by(volume, 1) == [b"lockp12 1_0000000000000001", b"lockp14 1_0000000000000001", b"locked1"]
    assert held_by(volume, 22) == [b"lockp14 22_0000000000000001"]
    volume.raw.hdel("lockp14", "22_0000000000000001")
    flock(fs, 9, W, inode=12)
    flock(fs, 9, W, inode=13)
    fs.setlk(12, 1, False, W, 0, EOF, 5)
    require_laws(volume)


@each_end
@clause("session/frees-its-shared-locks-at-its-end", source="L3.8 L3.15 Q31", needs="plock", clients=2)
def test_end_shared(volume: Volume, end: End) -> None:
    """What a session shared is free for others when it ends."""
    fs, other = volume.fs, volume.open()
    share(fs)
    share(other)
    end(volume, other)
    assert held_by(volume, 2) == []
    flock(fs, 1, W, inode=15)
    fs.setlk(15, 1, False, W, 0, 99, 5)
    require_laws(volume)


@each_end
@clause("session/lets-in-who-waits-at-its-end", source="L3.8 L1.8", needs="plock", clients=2)
def test_end_waiter(volume: Volume, end: End) -> None:
    """Who waits for what a session holds has it when that ends."""
    fs, other = volume.fs, volume.open()
    flock(other, 1, W)
    plock(other, 1, W)
    waiters = (lambda ctx: flock(fs, 1, W, True, ctx), lambda ctx: plock(fs, 1, R, True, ctx))
    with waiting(*waiters) as waiting_for:
        time.sleep(0.05)
        assert all(one.waits for one in waiting_for)
        end(volume, other)
        for one in waiting_for:
            one.result()


@clause("session/a-close-leaves-no-lock-under-way", source="L3.15 N42.1", needs="plock", clients=2)
def test_close_meanwhile(volume: Volume, network: Proxy) -> None:
    """A lock that another thread of the client is about to take while the session is closed is not left: it
    is refused, or freed."""
    fs, other = volume.fs, volume.open()
    held = network.trap(command("HSET", b"lockf12"))
    with waiting(lambda ctx: flock(other, 1, W, False, ctx, 12)) as (taker,):
        held.wait()
        with waiting(lambda _: other.session_close()) as (closer,):
            soon(lambda: not closer.waits, 0.2)
            held.release()
            closer.result()
            taker.outcome.exception(10)
    assert held_by(volume, 2) == []
    flock(fs, 1, W, inode=12)


@clause("session/a-crashed-client-keeps-its-locks", source="L3.8 L1.8 N42.5", needs="plock", clients=2)
def test_crash(volume: Volume) -> None:
    """The locks of a client that was let go of without closing its session are freed once that has expired
    and another client cleans up, and not before."""
    fs, other = volume.fs, volume.open()
    flock(other, 1, W)
    plock(other, 1, W)
    with unchanged(volume):
        volume.clients[-1].close()
        fs.session_cleanup()
        refuses(EAGAIN, flock, fs, 1, R)
        refuses(EAGAIN, plock, fs, 1, R)
    with waiting(lambda ctx: flock(fs, 1, W, True, ctx)) as (waiter,):
        expire(volume, 2)
        time.sleep(0.05)
        assert waiter.waits
        fs.session_cleanup()
        waiter.result()
    plock(fs, 1, W)
    assert held_by(volume, 2) == []


HOLDER = """
import sys
from metaparity.drivers import registry
from metaparity.drivers.types import Config, LockType
driver = registry.driver(sys.argv[1])
fs = driver.open(sys.argv[2], Config(no_bg_jobs=True, heartbeat=600.0))
fs.load()
sid = fs.session_new(True)
fs.flock(12, 1, LockType.W)
fs.setlk(12, 1, False, LockType.W, 0, 9, 5)
fs.create(1, b"open", 0o644)
fs.unlink(1, b"open")
print(sid, flush=True)
sys.stdin.read()
"""
"""A client in a process of its own that holds locks and an open file without name until it is killed."""


@clause("session/a-killed-process-is-cleaned-up-after", source="L3.8 N42.5", needs="plock")
def test_killed(volume: Volume) -> None:
    """What a process held that was killed is freed by the cleanup of another once its session has expired,
    and not before: locks of both kinds, and an open file without name."""
    fs, volume.shared = volume.fs, True
    name, url = volume.driver.spelling or volume.driver.name, volume.driver.url(volume.place.address)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, name, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        sid = int(process.stdout.readline())
        process.kill()
    fs.session_cleanup()
    refuses(EAGAIN, flock, fs, 1, R, inode=12)
    (kept,) = fs.session_get(sid, True).sustained
    assert fs.getattr(kept).nlink == 0
    expire(volume, sid)
    fs.session_cleanup()
    assert held_by(volume, sid) == []
    flock(fs, 1, W, inode=12)
    fs.setlk(12, 1, False, W, 0, EOF, 5)
    refuses(ENOENT, fs.getattr, kept)
    fs.settle()
    require_laws(volume)


@clause("session/a-revived-one-has-lost-its-locks", source="L3.5 S7.2.4", needs="plock", clients=2)
def test_revived(volume: Volume) -> None:
    """A session that others have cleaned up comes back without its locks, and takes new ones as before."""
    fs, sleeper = volume.fs, volume.open()
    take_some(sleeper)
    expire(volume, 2)
    fs.session_cleanup()
    sleeper.session_refresh()
    assert held_by(volume, 2) == []
    flock(fs, 1, W, inode=12)
    refuses(EAGAIN, flock, sleeper, 1, W, inode=12)
    flock(sleeper, 2, W, inode=13)
    assert fs.session_get(2, True).flocks == [SessionFlock(13, 2, "W")]
    require_laws(volume)


@clause("session/locks-of-no-session-stay", source="L3.15 L1.1", needs="plock", clients=2)
def test_unrecorded(volume: Volume) -> None:
    """A client that asked for no record holds locks as session 0, which nobody cleans up: they stay when it
    closes, and are in the way of all."""
    fs, tool = volume.fs, volume.open(record=False)
    flock(tool, 1, W)
    plock(tool, 1, W)
    assert held_by(volume, 0) == [b"lockf2 0_0000000000000001", b"lockp2 0_0000000000000001", b"locked0"]
    with unchanged(volume):
        tool.session_close()
        fs.session_cleanup()
        refuses(EAGAIN, flock, fs, 1, R)


# -- cleanup ---------------------------------------------------------------------------------------


@clause("cleanup/a-lost-lock-does-not-hold-a-session", source="L3.8 I22", needs="plock", clients=2)
def test_lost_lock(volume: Volume) -> None:
    """A session goes even where what it is said to hold is gone, or held by others only."""
    fs = volume.fs
    volume.open()
    flock(fs, 1, W, inode=12)
    volume.raw.sadd("locked2", "lockf12", "lockp13")
    expire(volume, 2)
    fs.session_cleanup()
    assert (sids(fs), held_by(volume, 2)) == ([1], [])
    assert held_by(volume, 1) == [b"lockf12 1_0000000000000001", b"locked1"]


@clause("cleanup/a-lock-that-cannot-be-freed-leaves-the-session", source="L3.8", needs="plock", clients=2)
def test_failure(volume: Volume) -> None:
    """Where a lock cannot be freed, here for its key is a string, the session stays until it can; all else is
    free."""
    fs, other = volume.fs, volume.open()
    flock(other, 1, W, inode=12)
    volume.raw.set("lockp13", "no hash")
    volume.raw.sadd("locked2", "lockp13")
    kept = nameless(volume, other)
    expire(volume, 2)
    fs.session_cleanup()
    assert 2 in sids(fs)
    flock(fs, 1, W, inode=12)
    refuses(ENOENT, fs.getattr, kept)
    assert volume.raw.smembers("locked2") == {b"lockp13"}
    volume.raw.delete("lockp13")
    fs.session_cleanup()
    assert (sids(fs), held_by(volume, 2)) == ([1], [])


@clause("cleanup/many-at-once-free-each-thing-once", source="L3.8 L3.9 N42.1", needs="plock", clients=2)
def test_two_cleaners(volume: Volume) -> None:
    """Clients that clean up at the same time free what expired sessions held, once: the counters say so; the
    living keep theirs."""
    fs, peer = volume.fs, volume.open()
    share(fs)
    mine = nameless(volume, fs, "mine")
    used = fs.statfs(1).iused
    gone = []
    for number in range(5):
        client = volume.open()
        flock(client, 1, W, inode=20 + number)
        client.setlk(15, 2, False, R, 0, 9, 5)
        gone.append(nameless(volume, client, f"x{number}"))
    expire(volume, *range(3, 8))
    with waiting(*[lambda _, one=one: one.session_cleanup() for one in (fs, peer, fs, peer)]) as cleaners:
        for cleaner in cleaners:
            cleaner.result()
    assert sids(fs) == [1, 2]
    assert [held_by(volume, sid) for sid in range(3, 8)] == [[]] * 5
    for inode in gone:
        refuses(ENOENT, fs.getattr, inode)
    assert fs.getattr(mine).nlink == 0
    assert b"lockp15 1_0000000000000001" in held_by(volume, 1)
    for client in (fs, peer):
        client.settle()
    fs.refresh()
    assert fs.statfs(1).iused == used


@clause("cleanup/spares-a-session-that-is-back", source="L3.5 L3.8", needs="plock", clients=2)
def test_back(volume: Volume, network: Proxy) -> None:
    """A session that is refreshed after another client has found it expired, and before that has taken
    anything, keeps all that it holds."""
    fs, sleeper = volume.fs, volume.open()
    take_some(sleeper)
    kept = nameless(volume, sleeper)
    expire(volume, 2)
    held = network.trap(command("SMEMBERS", b"locked2"))
    with waiting(lambda _: fs.session_cleanup()) as (cleaner,):
        held.wait()
        volume.raw.zadd("allSessions", {2: int(time.time()) + 100})
        held.release()
        cleaner.result()
    assert sorted(sids(fs)) == [1, 2]
    refuses(EAGAIN, flock, fs, 1, R, inode=12)
    assert len(fs.session_get(2, True).plocks) == 2
    assert fs.getattr(kept).nlink == 0


# -- a connection that ends at every command -------------------------------------------------------


def open_nameless(fs: Engine, name: bytes) -> int:
    """An empty file that a client keeps alive without a name."""
    inode = fs.create(1, name, 0o644).inode
    fs.unlink(1, name)
    return inode


def hold_locks(volume: Volume, fs: Engine) -> None:
    """An exclusive lock and a range, which the call is about."""
    flock(fs, 1, W, inode=12)
    fs.setlk(12, 1, False, W, 0, 99, 5)


def hold_all(volume: Volume, fs: Engine) -> None:
    """A lock, a range that is shared, and a file without name, which the call frees."""
    flock(fs, 1, W, inode=12)
    fs.setlk(15, 1, False, R, 0, 99, 5)
    open_nameless(fs, b"y")


def see_another_expire(volume: Volume, fs: Engine) -> None:
    """Another session holds what the call frees."""
    other = volume.open()
    hold_all(volume, other)
    expire(volume, 3)


def hold_nothing(volume: Volume, fs: Engine) -> None:
    """Nothing at all."""


Beforehand = Callable[[Volume, Engine], None]
Victim = tuple[Beforehand, Callable[[Engine], Any]]

VICTIMS: dict[str, Victim] = {
    "flock R": (hold_locks, lambda fs: flock(fs, 2, R, inode=13)),
    "flock W": (hold_nothing, lambda fs: flock(fs, 2, W, inode=13)),
    "flock W to R": (hold_locks, lambda fs: flock(fs, 1, R, inode=12)),
    "flock U": (hold_locks, lambda fs: flock(fs, 1, U, inode=12)),
    "setlk R": (hold_locks, lambda fs: fs.setlk(15, 2, False, R, 0, 9, 5)),
    "setlk W": (hold_nothing, lambda fs: fs.setlk(13, 2, False, W, 0, 9, 5)),
    "setlk U of a part": (hold_locks, lambda fs: fs.setlk(12, 1, False, U, 10, 19, 5)),
    "setlk U": (hold_locks, lambda fs: fs.setlk(12, 1, False, U, 0, EOF, 5)),
    "session_new": (hold_nothing, lambda fs: fs.session_new(True)),
    "session_refresh": (hold_locks, lambda fs: fs.session_refresh()),
    "session_close": (hold_all, lambda fs: fs.session_close()),
    "session_cleanup": (see_another_expire, lambda fs: fs.session_cleanup()),
}


@pytest.mark.parametrize("name", VICTIMS)
@clause(
    "cleanup/leaves-nothing-of-a-client-cut-off-at-any-command",
    source="L3.8 L2.15 N42.1 N42.5",
    needs="plock",
    clients=2,
)
def test_cut(volume: Volume, network: Proxy, name: str) -> None:
    """Whatever command a call on locks or sessions was at when its client was cut off, before or behind it,
    the cleanup of another frees all that it held, and nothing of the living."""
    volume.shared = True
    for act in (Act.CUT, Act.CUT_AFTER):
        number = 1
        while cut_off(volume, network, name, act, number):
            number += 1
        assert number > 2


def cut_off(volume: Volume, network: Proxy, name: str, act: Act, number: int) -> bool:
    """Cut a client off at a command of its call, and clean up; False when there are fewer commands."""
    beforehand, call = VICTIMS[name]
    network.mend()
    volume.reset()
    living = volume.fs
    flock(living, 1, W, inode=16)
    living.setlk(15, 1, False, R, 0, 99, 5)
    kept = open_nameless(living, b"x")
    client = volume.connect(retries=1)
    client.load()
    if name != "session_new":
        client.session_new(True)
    beforehand(volume, client)
    trap = network.trap(is_command, act, nth=number)
    with suppress(OSError, Refused):
        call(volume.clients[2])  # what it answers is chance, so it is not logged
    for _ in range(3):
        volume.raw.ping()  # what was sent before the connection ended has been carried out
    sprung = trap.sprung
    trap.release()
    for crashed in volume.clients[2:]:
        crashed.close()
    for sid in map(int, volume.raw.zrange("allSessions", 0, -1)):
        if sid != 1:
            expire(volume, sid)
    living.session_cleanup()
    living.settle()
    assert sids(living) == [1]
    assert [held_by(volume, sid) for sid in (2, 3)] == [[], []]
    locks = {b"lockf16 1_0000000000000001", b"lockp15 1_0000000000000001"}
    assert set(held_by(volume, 1)) == {*locks, b"locked1", b"session1"}
    assert living.getattr(kept).nlink == 0
    # Data that the client was about to delete is found again by the job that does so.
    volume.raw.delete("delfiles")
    require_laws(volume)
    return sprung


def is_command(frame: Frame) -> bool:
    """Whether a frame asks for something beyond a connection."""
    return frame.way is Way.COMMAND and frame.name not in SETUP
