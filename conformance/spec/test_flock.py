"""Locks on whole files: who gets one, who waits, and what is stored of it (L1, S2.9)."""

from __future__ import annotations

from errno import EAGAIN, EBADF, EINVAL, EROFS
from typing import Any, cast

import pytest

from metaparity.conformance.clause import Figures, clause
from metaparity.conformance.scenes import locking
from metaparity.conformance.scenes.locking import (
    INODE,
    OWNERS,
    R,
    U,
    W,
    each_conflict,
    each_held,
    each_rival,
    each_wanted,
    flock,
)
from metaparity.conformance.scenes.scenery import each_type, make
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.types import FileType, HeldFlock, LockType
from metaparity.fixtures.faults import Proxy
from metaparity.fixtures.volumes import Volume

KEY = b"lockf%d" % INODE
each_lock_type = pytest.mark.parametrize("type", LockType, ids=lambda one: one.name)


def stored(volume: Volume) -> dict[bytes, bytes]:
    """Who holds which lock, by the keys."""
    return dict(volume.raw.hgetall(KEY))


def index(volume: Volume, sid: int) -> set[bytes]:
    """The keys in which a session holds locks, as it knows them."""
    return set(volume.raw.smembers(f"locked{sid}"))


# -- who gets it -----------------------------------------------------------------------------------


@each_rival
@each_held
@each_wanted
@clause(
    "flock/readers-share-and-a-writer-is-alone",
    source="L1.4 L1.5 L1.10 L1.13 N39.1",
    needs="flock",
    clients=2,
)
def test_matrix(volume: Volume, held: LockType | None, wanted: LockType, rival: str) -> None:
    """Any number of owners hold a shared lock, or one an exclusive one; who cannot is told EAGAIN.  An owner
    of another session is another, though of the same number; who holds a lock may ask for the other type."""
    locking.meet(volume, flock, held, wanted, rival)


@clause("flock/of-many-readers-none-can-become-the-writer", source="L1.5", needs="flock", clients=2)
def test_upgrade(volume: Volume) -> None:
    """Where others share the lock an upgrade is refused, and the shared lock stays; alone it is granted."""
    one, other = volume.fs, volume.open()
    flock(one, 1, R)
    flock(other, 1, R)
    with unchanged(volume):
        refuses(EAGAIN, flock, one, 1, W)
        refuses(EAGAIN, flock, other, 1, W)
    flock(other, 1, U)
    flock(one, 1, W)
    refuses(EAGAIN, flock, other, 1, R)


@clause("flock/a-writer-can-become-a-reader", source="L1.5", needs="flock", clients=2)
def test_downgrade(volume: Volume) -> None:
    """A holder who asks for less lets others in; the session knows of the lock as before."""
    one, other = volume.fs, volume.open()
    flock(one, 1, W)
    flock(one, 1, R)
    assert stored(volume) == {b"1_0000000000000001": b"R"}
    assert index(volume, 1) == {KEY}
    flock(other, 1, R)
    refuses(EAGAIN, flock, one, 1, W)


@each_wanted
@clause("flock/asking-again-changes-nothing", source="L1.5 L2.15", needs="flock")
def test_again(volume: Volume, wanted: LockType) -> None:
    """Who holds a lock and asks for the same is granted it, and let go of it once it is free."""
    flock(volume.fs, 1, wanted)
    with unchanged(volume):
        flock(volume.fs, 1, wanted)
    flock(volume.fs, 1, U)
    assert stored(volume) == {}


@each_held
@pytest.mark.parametrize("block", [False, True])
@clause("flock/an-unlock-frees-its-owners-alone", source="L1.6 N39.1", needs="flock", clients=2)
def test_unlock(volume: Volume, held: LockType | None, block: bool) -> None:
    """An unlock always succeeds and never waits: it frees what its own owner has, if anything, and nobody
    else's."""
    fs, other = volume.fs, volume.open()
    if held is not None:
        flock(fs, 1, held)
        with unchanged(volume):
            flock(fs, 2, U, block)
            flock(other, 1, U, block)
    flock(fs, 1, U, block)
    assert stored(volume) == {}
    flock(other, 1, W)


# -- what is stored --------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", OWNERS, ids=hex)
@clause("flock/is-stored-by-session-and-owner", source="L1.1 L1.7 S2.9", needs="flock", clients=2)
def test_stored(volume: Volume, owner: int) -> None:
    """A hash of the inode has a field for each holder, the session and the owner in 16 hex digits, with R or
    W; it goes with the last."""
    fs, other = volume.fs, volume.open()
    flock(fs, owner, R)
    flock(other, owner, R)
    assert stored(volume) == {b"1_%016X" % owner: b"R", b"2_%016X" % owner: b"R"}
    flock(other, owner, U)
    flock(fs, owner, W)
    assert stored(volume) == {b"1_%016X" % owner: b"W"}
    flock(fs, owner, U)
    assert not volume.raw.exists(KEY)


@clause("flock/the-session-knows-of-an-exclusive-lock", source="L1.2 L1.5 L1.7 I22", needs="flock", clients=2)
def test_index(volume: Volume) -> None:
    """The set of the session has the key of what it locks exclusively, until it lets go of it."""
    fs, other = volume.fs, volume.open()
    flock(fs, 1, W)
    flock(other, 1, W, inode=3)
    assert (index(volume, 1), index(volume, 2)) == ({KEY}, {b"lockf3"})
    flock(fs, 1, U)
    assert not volume.raw.exists("locked1")
    assert index(volume, 2) == {b"lockf3"}


@clause("flock/the-session-knows-of-a-shared-lock", source="L1.2 L1.4 Q31 I22", needs="flock")
def test_index_shared(volume: Volume) -> None:
    """The set of the session has the key of what it shares, too, until it lets go of it."""
    flock(volume.fs, 1, R)
    assert index(volume, 1) == {KEY}
    flock(volume.fs, 1, U)
    assert not volume.raw.exists("locked1")


@clause("flock/the-session-forgets-with-its-last-owner", source="L1.6 Q32", needs="flock", clients=2)
def test_index_forgets(volume: Volume) -> None:
    """The key leaves the set with the session's last owner, whatever other sessions hold: a number that only
    begins alike is another session."""
    fs = volume.fs
    volume.raw.hset(KEY, "11_0000000000000001", "R")
    flock(fs, 1, W, inode=3)
    flock(fs, 1, R)
    flock(fs, 2, R)
    volume.raw.sadd("locked1", KEY)
    flock(fs, 1, U)
    assert index(volume, 1) == {KEY, b"lockf3"}
    flock(fs, 2, U)
    assert index(volume, 1) == {b"lockf3"}
    assert stored(volume) == {b"11_0000000000000001": b"R"}


@clause("flock/is-one-transaction", source="L1.12 L2.15 N42.1", needs="flock")
def test_wire(volume: Volume, network: Proxy) -> None:
    """A lock and its index change in one transaction that watches the hash; what is refused begins none."""
    fs, own = volume.fs, b"1_0000000000000001"
    watch = (b"WATCH", KEY)
    locked = locking.transactions(network, lambda: flock(fs, 1, W))
    assert locked == [
        watch,
        (b"MULTI",),
        (b"HSET", KEY, own, b"W"),
        (b"SADD", b"locked1", KEY),
        (b"EXEC",),
    ]
    assert locking.transactions(network, lambda: refuses(EAGAIN, flock, fs, 2, R)) == [watch]
    released = locking.transactions(network, lambda: flock(fs, 1, U))
    assert released == [watch, (b"MULTI",), (b"HDEL", KEY, own), (b"SREM", b"locked1", KEY), (b"EXEC",)]


@clause("flock/leaves-a-line-in-the-log", source="L0.5 S8.2", needs="flock")
def test_log(volume: Volume) -> None:
    """A volume with a change log has a line for each lock that is granted and each unlock."""
    volume.format(ChangeLog=True)
    fs = volume.fs
    before = volume.raw.llen("txnLog")
    flock(fs, (1 << 64) - 1, R)
    flock(fs, (1 << 64) - 1, W)
    refuses(EAGAIN, flock, fs, 2, W)
    flock(fs, (1 << 64) - 1, U)
    lines = [line.split(b"|") for line in volume.raw.lrange("txnLog", before, -1)]
    assert [told for _, told, _ in lines] == [
        b"FLOCK(2,18446744073709551615,%s)" % kind for kind in (b"R", b"W", b"U")
    ]


@clause("flock/are-listed-with-their-holders", source="L2.14", needs="flock", clients=2)
def test_list(volume: Volume) -> None:
    """A list has every flock on the inode with its session and owner, and none of another inode."""
    fs, other = volume.fs, volume.open()
    assert fs.locks_list(INODE).flocks == []
    for client, owner in ((fs, 1), (fs, OWNERS[3]), (other, 1)):
        flock(client, owner, R)
    flock(fs, 9, W, inode=3)
    held = [HeldFlock(1, 1, "R"), HeldFlock(1, OWNERS[3], "R"), HeldFlock(2, 1, "R")]
    for client in (fs, other):
        found = client.locks_list(INODE)
        assert sorted(found.flocks, key=lambda one: (one.sid, one.owner)) == held
        assert found.plocks == []
    assert fs.locks_list(3).flocks == [HeldFlock(1, 9, "W")]


# -- what may be locked, and by whom ---------------------------------------------------------------


@each_type
@clause("flock/takes-nodes-of-any-type", source="L1.3", needs="flock", clients=2)
def test_types(volume: Volume, type: FileType) -> None:
    """A node of any type can be locked, and is not changed by that; the lock outlives its name."""
    other, inode = volume.open(), make(volume, type, "x")
    record = volume.raw.get(f"i{inode}")
    flock(volume.fs, 1, W, inode=inode)
    assert volume.raw.get(f"i{inode}") == record
    volume.fs.remove(1, b"x")
    refuses(EAGAIN, flock, other, 1, R, inode=inode)


@pytest.mark.parametrize("inode", [0, 1, 999, 1 << 63], ids=str)
@clause("flock/needs-no-node", source="L1.3", needs="flock", clients=2)
def test_no_node(volume: Volume, inode: int) -> None:
    """An inode can be locked whether or not there is such a node."""
    fs, other = volume.fs, volume.open()
    flock(fs, 1, W, inode=inode)
    assert volume.raw.hgetall(f"lockf{inode}") == {b"1_0000000000000001": b"W"}
    refuses(EAGAIN, flock, other, 1, W, inode=inode)


@clause("flock/inode-1-is-the-root-of-the-volume", source="L1.3", needs="flock", clients=2)
def test_chroot(volume: Volume) -> None:
    """Whatever directory is its root, inode 1 means the root of the volume when a client locks it."""
    volume.dir("home")
    inside = volume.open(subdir="/home")
    flock(inside, 1, W, inode=1)
    refuses(EAGAIN, flock, volume.fs, 1, R, inode=1)
    assert volume.raw.exists("lockf1")


@pytest.mark.parametrize("type", [3, 7, 2**32 - 1])
@clause("flock/an-unknown-type-is-invalid", source="L1.9", needs="flock")
def test_unknown_type(volume: Volume, type: int) -> None:
    """A type that is none of the three is refused with EINVAL and changes nothing."""
    flock(volume.fs, 1, R)
    with unchanged(volume):
        for owner in (1, 2):
            refuses(EINVAL, flock, volume.fs, owner, cast("Any", type))


@each_wanted
@pytest.mark.parametrize("block", [False, True])
@clause("flock/a-closed-session-takes-none", source="L3.15", needs="flock", clients=2)
def test_closed(volume: Volume, wanted: LockType, block: bool) -> None:
    """A client whose session is closed is refused with EBADF, for nobody would release what it takes; to
    unlock is no mistake."""
    fs, other = volume.fs, volume.open()
    other.session_close()
    with unchanged(volume):
        refuses(EBADF, flock, other, 1, wanted, block)
        flock(other, 1, U)
    flock(fs, 1, W)


@clause("flock/read-only-clients-take-none", source="L1.13 L0.3 N39.1 M2 T46", needs="flock", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client can list locks, but neither take nor release any: EROFS."""
    flock(volume.fs, 1, W)
    reader = volume.open(record=False, read_only=True)
    with unchanged(volume):
        for type in LockType:
            for block in (False, True):
                refuses(EROFS, flock, reader, 1, type, block)
        assert reader.locks_list(INODE).flocks == [HeldFlock(1, 1, "W")]


# -- waiting ---------------------------------------------------------------------------------------


@each_conflict
@clause("flock/who-waits-gets-it-when-it-is-free", source="L1.8", needs="flock", clients=2)
def test_wait(volume: Volume, held: LockType, wanted: LockType) -> None:
    """A caller who waits is not answered while a lock stands in the way, and has theirs afterwards."""
    locking.waits_until_it_is_free(volume, flock, held, wanted)


@each_wanted
@clause("flock/who-gives-up-waiting-is-let-go-at-once", source="L1.8 X2", needs="flock", clients=2)
def test_cancel(volume: Volume, wanted: LockType, record_property: Figures) -> None:
    """Of a hundred callers who give up while they wait, 99 are told EINTR within 50 ms over the interval at
    which they ask; nothing is left of their wish."""
    within = locking.gives_up_at_once(volume, flock, wanted)
    record_property(f"ms in which 99 of 100 waiting for {wanted.name} were let go", within)


@each_lock_type
@pytest.mark.parametrize("block", [False, True])
@clause("flock/who-has-given-up-takes-none", source="L1.8 X2", needs="flock")
def test_given_up(volume: Volume, type: LockType, block: bool) -> None:
    """A caller who gave up before the call is told EINTR, waiting or not, unlocking or not."""
    locking.is_interrupted_beforehand(volume, flock, type, block)


@each_wanted
@clause("flock/who-waits-asks-at-intervals", source="L1.8 S2.9.1", needs="flock", clients=2)
def test_poll(volume: Volume, network: Proxy, wanted: LockType, record_property: Figures) -> None:
    """Who waits for an exclusive lock asks again after 1 ms, for a shared one after 10, with at most four
    commands each time."""
    rate = locking.asks_at_intervals(volume, network, flock, wanted)
    record_property(f"commands a second while waiting for {wanted.name}", rate)


@clause("flock/all-who-wait-get-it-one-at-a-time", source="L1.5 L1.8 N42.1", needs="flock", clients=2)
def test_everyone(volume: Volume) -> None:
    """Eight callers of two clients who each wait ten times for the exclusive lock all get it, and never two
    at once: a counter that it alone protects is exact."""
    locking.everyone_gets_it(volume, flock)


@clause("flock/processes-exclude-each-other", source="L1.5 L1.8 N42.1", needs="flock", clients=2)
def test_processes(volume: Volume) -> None:
    """Three processes, of both drivers where there are two, raise a counter that only a lock protects: it is
    exact, and nothing is held afterwards."""
    locking.processes_exclude_each_other(volume, "flock")
