"""What becomes of locks, and of all else that a session holds, when it ends (L3, S7.2, N42.5)."""

from __future__ import annotations

import time
from collections.abc import Callable
from errno import EAGAIN

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.locking import EOF, R, W, flock, plock, share, take_some, waiting
from metaparity.conformance.scenes.sessions import expire, held_by
from metaparity.conformance.verbs import refuses, soon, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import LockRecord, SessionFlock, SessionPlock
from metaparity.fixtures.faults import Proxy, command
from metaparity.fixtures.volumes import Volume

each_lock_type = pytest.mark.parametrize("type", [R, W], ids=lambda one: one.name)


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
