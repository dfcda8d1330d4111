"""Clients that clean up after others: what is freed, what is spared, and by whom (L3.7-L3.9, S7.2)."""

from __future__ import annotations

import time
from collections.abc import Collection
from errno import EAGAIN, ENOENT

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.locking import R, W, flock, share, take_some, waiting
from metaparity.conformance.scenes.sessions import expire, held_by, nameless, sids
from metaparity.conformance.verbs import refuses
from metaparity.drivers.api import Engine
from metaparity.fixtures.faults import Proxy, command
from metaparity.fixtures.volumes import Volume


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


# -- clocks that differ ----------------------------------------------------------------------------


def tell_time(fs: Engine, capabilities: Collection[str], seconds: int) -> int:
    """Have a client believe that it is so many seconds later than it is, where it takes a clock from us; by
    how many it does."""
    if "clock" not in capabilities:
        return 0
    fs.clock_set((int(time.time()) + seconds, 0))
    return seconds


@pytest.mark.parametrize("ahead", [-7200, -3600, 3600, 7200])
@clause("cleanup/goes-by-the-clock-of-who-cleans", source="L3.4 L3.7 S7.2.2", needs="plock", clients=2)
def test_skew(volume: Volume, ahead: int) -> None:
    """A session that was refreshed by a clock that is ahead lives on for as much longer, with its locks; by
    one that is behind it has expired as soon as another client looks at its own clock, however lively its
    client is."""
    fs, other = volume.fs, volume.open()
    take_some(other)
    believed = tell_time(other, volume.driver.capabilities, ahead)
    other.session_refresh()
    # What the clock of the client is not told to be, its record is made to say.
    shown = volume.raw.zscore("allSessions", 2) + ahead - believed
    volume.raw.zadd("allSessions", {2: shown})
    fs.session_cleanup()
    if ahead > 0:
        assert sids(fs) == [1, 2]
        refuses(EAGAIN, flock, fs, 1, R, inode=12)
        # It is taken once the clock of who cleans has come to what it says.
        volume.raw.zadd("allSessions", {2: int(time.time())})
        fs.session_cleanup()
    assert sids(fs) == [1]
    assert held_by(volume, 2) == []
    flock(fs, 1, W, inode=12)
    if ahead < 0:
        # The next beat brings it back, still in the past, and without its locks.
        other.session_refresh()
        assert volume.fs.session_get(2, True).plocks == []
        refuses(EAGAIN, flock, other, 1, R, inode=12)
