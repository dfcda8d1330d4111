"""Locks on ranges of bytes: who is told of them, what may be locked, and who waits (L2, S2.10)."""

from __future__ import annotations

from errno import EAGAIN, EBADF, EINVAL, EIO, EROFS
from typing import Any, cast

import pytest

from metaparity.conformance.clause import Figures, clause
from metaparity.conformance.model.locks import Record
from metaparity.conformance.scenes import locking
from metaparity.conformance.scenes.locking import (
    EOF,
    INODE,
    OWNERS,
    PID,
    R,
    U,
    W,
    each_conflict,
    each_wanted,
    plock,
)
from metaparity.conformance.scenes.record_locks import FREE, KEY, MAX, RECORD, ask, stored
from metaparity.conformance.scenes.scenery import each_type, make
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import FileType, HeldPlock, Lock, LockType
from metaparity.fixtures.faults import Proxy
from metaparity.fixtures.volumes import Volume

each_lock_type = pytest.mark.parametrize("type", LockType, ids=lambda one: one.name)


# -- looking ---------------------------------------------------------------------------------------


@clause("plock/getlk-tells-what-is-in-the-way", source="L2.3 L2.11 N39.1", needs="plock", clients=2)
def test_getlk(volume: Volume) -> None:
    """A question is answered with the first range of another owner that is in the way, else with U and zeros;
    the own ranges are never, and shared ones only where exclusive ones are asked for."""
    fs, other = volume.fs, volume.open()
    ask(fs, 1, R, 10, 19, 5)
    ask(fs, 1, W, 30, 39, 6)
    ask(fs, 1, W, 50, 59, 7)
    questions = {
        (W, 0, EOF): Lock(R, 10, 19, 5),
        (R, 0, EOF): Lock(W, 30, 39, 6),
        (W, 19, 19): Lock(R, 10, 19, 5),
        (R, 39, 50): Lock(W, 30, 39, 6),
        (W, 40, MAX): Lock(W, 50, 59, 7),
        (W, 20, 29): FREE,
        (R, 10, 19): FREE,
        (W, 60, MAX): FREE,
    }
    with unchanged(volume):
        for (type, start, end), answer in questions.items():
            assert fs.getlk(INODE, 2, type, start, end) == answer
            assert fs.getlk(INODE, 1, type, start, end) == FREE
            others = other.getlk(INODE, 1, type, start, end)
            assert (others.type, others.start, others.end) == (answer.type, answer.start, answer.end)
        assert fs.getlk(3, 2, W, 0, EOF) == FREE


@clause("plock/a-process-is-known-to-its-session", source="L2.11 N39.1", needs="plock", clients=2)
def test_getlk_pid(volume: Volume) -> None:
    """The process of a range in the way is told to clients of its session; for others it is 0."""
    fs, other = volume.fs, volume.open()
    ask(fs, 1, W, pid=4321)
    assert fs.getlk(INODE, 2, R, 0, 9) == Lock(W, 0, EOF, 4321)
    assert other.getlk(INODE, 2, R, 0, 9) == Lock(W, 0, EOF, 0)


@clause("plock/getlk-of-an-unlock-is-free", source="L2.11", needs="plock")
def test_getlk_unlock(volume: Volume) -> None:
    """Nothing is ever in the way of an unlock: the answer is U and zeros."""
    ask(volume.fs, 1, W)
    assert volume.fs.getlk(INODE, 2, U, 5, 9) == FREE


@clause("plock/of-many-owners-one-is-named", source="L2.11", needs="plock", clients=2)
def test_getlk_many(volume: Volume) -> None:
    """Where ranges of several owners are in the way, the answer is the first of any one of them."""
    fs, other = volume.fs, volume.open()
    ask(fs, 1, R, 30, 39, 5)
    ask(fs, 1, R, 50, 59, 5)
    ask(fs, 2, R, 20, 39, 6)
    ask(other, 1, R, 10, 34, 7)
    # Which one it is is chance with some engines: it is not compared, so the call is not logged.
    found = volume.clients[-2].getlk(INODE, 3, W, 0, EOF)
    assert found in (Lock(R, 30, 39, 5), Lock(R, 20, 39, 6), Lock(R, 10, 34, 0))


@clause("plock/are-listed-with-their-holders", source="L2.14", needs="plock", clients=2)
def test_list(volume: Volume) -> None:
    """A list has every range on the inode with its session, owner and process, and none of another inode."""
    if "flock" not in volume.driver.capabilities:
        pytest.skip("locks_list is behind flock")
    fs, other = volume.fs, volume.open()
    ask(fs, 1, R, 0, 9, 5)
    ask(fs, 1, W, 20, EOF, 6)
    ask(other, OWNERS[3], R, 0, 9, 7)
    fs.setlk(3, 1, False, W, 0, 9, 8)
    fs.flock(INODE, 1, R)
    held = [HeldPlock(1, 1, R, 5, 0, 9), HeldPlock(1, 1, W, 6, 20, EOF), HeldPlock(2, OWNERS[3], R, 7, 0, 9)]
    for client in (fs, other):
        found = client.locks_list(INODE)
        assert sorted(found.plocks, key=lambda one: (one.sid, one.start)) == held
        assert [one.sid for one in found.flocks] == [1]
    fs.flock(INODE, 1, U)


@pytest.mark.parametrize("field", [b"bad", b"1_2_3", b"1_xyz", b"_1", b"1_"], ids=bytes.decode)
@clause("plock/a-holder-that-is-none-fails-the-list", source="L2.14 S2.9.2", needs="flock")
def test_list_corrupt(volume: Volume, field: bytes) -> None:
    """A field that is not a session and an owner has the whole list refused in words."""
    volume.fs.flock(INODE, 1, W)
    volume.raw.hset(KEY, field, RECORD.pack(R, 1, 0, 9))
    with unchanged(volume), pytest.raises(Refused):
        volume.fs.locks_list(INODE)


@clause("plock/owners-may-be-written-short", source="S2.9.2", needs="flock")
def test_short_owner(volume: Volume) -> None:
    """Another engine may write an owner in fewer digits: it is listed all the same."""
    volume.fs.flock(INODE, 1, R)
    volume.raw.hset(KEY, "7_9", RECORD.pack(W, 16, 100, 200))
    assert volume.fs.locks_list(INODE).plocks == [HeldPlock(7, 9, W, 16, 100, 200)]
    volume.fs.flock(INODE, 1, U)


@clause("plock/other-systems-have-other-numbers", source="L0.1 L2.12 S2.10.1", needs="plock")
def test_foreign_types(volume: Volume) -> None:
    """A range of a type that Linux does not know is in the way of exclusive ones only."""
    volume.raw.hset(KEY, "7_0000000000000009", RECORD.pack(3, 16, 0, 99))
    ask(volume.fs, 1, R, 0, 9)
    with unchanged(volume):
        refuses(EAGAIN, ask, volume.fs, 1, W, 0, 9)
    assert volume.fs.getlk(INODE, 1, W, 0, 9) == Lock(3, 0, 99, 0)


# -- what may be locked, and by whom ---------------------------------------------------------------


@each_type
@clause("plock/takes-nodes-of-any-type", source="L2.4 L1.3", needs="plock", clients=2)
def test_types(volume: Volume, type: FileType) -> None:
    """A node of any type can be locked, and is not changed by that; the lock outlives its name."""
    other, inode = volume.open(), make(volume, type, "x")
    record = volume.raw.get(f"i{inode}")
    plock(volume.fs, 1, W, inode=inode)
    assert volume.raw.get(f"i{inode}") == record
    volume.fs.remove(1, b"x")
    refuses(EAGAIN, plock, other, 1, R, inode=inode)


@pytest.mark.parametrize("inode", [0, 1, 999, 1 << 63], ids=str)
@clause("plock/needs-no-node", source="L2.4 L1.3", needs="plock", clients=2)
def test_no_node(volume: Volume, inode: int) -> None:
    """An inode can be locked whether or not there is such a node; inode 1 is the volume's root for all."""
    home = volume.dir("home")
    other = volume.open(subdir="/home")
    plock(volume.fs, 1, W, inode=inode)
    refuses(EAGAIN, plock, other, 1, W, inode=inode)
    assert other.getlk(inode, 1, W, 0, 9) == Lock(W, 0, EOF, 0)
    assert not volume.raw.exists(f"lockp{home}")


BACKWARDS = [(9, 5), (1, 0), (MAX, 0), (MAX, MAX - 1)]


@pytest.mark.parametrize(("start", "end"), BACKWARDS)
@clause("plock/a-range-does-not-end-before-it-starts", source="L2.10", needs="plock")
def test_backwards(volume: Volume, start: int, end: int) -> None:
    """A range that ends before it starts is refused with EINVAL, whether or not its owner holds any."""
    ask(volume.fs, 1, R, 0, 99)
    with unchanged(volume):
        for owner in (1, 2):
            for type in LockType:
                refuses(EINVAL, ask, volume.fs, owner, type, start, end)


@pytest.mark.parametrize(("start", "end"), BACKWARDS)
@clause("plock/nobody-asks-about-a-backward-range", source="L2.10 L2.11", needs="plock")
def test_getlk_backwards(volume: Volume, start: int, end: int) -> None:
    """A question about a range that ends before it starts is refused with EINVAL."""
    ask(volume.fs, 1, W, 0, MAX - 2)
    for type in (R, W):
        refuses(EINVAL, volume.fs.getlk, INODE, 2, type, start, end)


@pytest.mark.parametrize("type", [3, 7, 2**32 - 1])
@clause("plock/an-unknown-type-is-invalid", source="L2.12 L1.9", needs="plock")
def test_unknown_type(volume: Volume, type: int) -> None:
    """A type that is none of the three is refused with EINVAL, by a question, too."""
    ask(volume.fs, 1, R, 0, 99)
    with unchanged(volume):
        for owner in (1, 2):
            refuses(EINVAL, ask, volume.fs, owner, cast("Any", type))
            refuses(EINVAL, volume.fs.getlk, INODE, owner, cast("Any", type), 0, 9)


@pytest.mark.parametrize("length", [1, 23, 25, 47])
@clause("plock/a-damaged-list-is-an-io-error", source="L2.2", needs="plock")
def test_damaged(volume: Volume, length: int) -> None:
    """Where an owner's list is not made of records, nobody can tell what is free: EIO for who asks for a
    range or about one, and nothing is changed."""
    fs = volume.fs
    volume.raw.hset(KEY, b"7_0000000000000001", (RECORD.pack(R, 1, 0, 9) * 2)[:length])
    with unchanged(volume):
        for type in (R, W):
            refuses(EIO, ask, fs, 1, type, 100, 200)
            refuses(EIO, fs.getlk, INODE, 1, type, 100, 200)
        ask(fs, 1, U)


@clause("plock/an-own-damaged-list-is-an-io-error", source="L2.2", needs="plock")
def test_own_damaged(volume: Volume) -> None:
    """An owner whose own list is not made of records can change nothing of it: EIO."""
    fs = volume.fs
    assert fs.getlk(INODE, 1, W, 0, 9) == FREE
    volume.raw.hset(KEY, b"1_0000000000000001", b"no records")
    with unchanged(volume):
        for type in LockType:
            refuses(EIO, ask, fs, 1, type, 0, 9)


@each_wanted
@pytest.mark.parametrize("block", [False, True])
@clause("plock/a-closed-session-takes-none", source="L3.15", needs="plock", clients=2)
def test_closed(volume: Volume, wanted: LockType, block: bool) -> None:
    """A client whose session is closed is refused with EBADF, for nobody would release what it takes; to
    unlock is no mistake."""
    fs, other = volume.fs, volume.open()
    other.session_close()
    with unchanged(volume):
        refuses(EBADF, ask, other, 1, wanted, block=block)
        ask(other, 1, U)
    ask(fs, 1, W)


@clause("plock/read-only-clients-take-none", source="L2.12 L2.11 L0.3 N39.1 M2 T46", needs="plock", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client can ask what is in the way, but neither take nor release any range: EROFS."""
    ask(volume.fs, 1, W, 0, 9, 5)
    reader = volume.open(record=False, read_only=True)
    with unchanged(volume):
        for type in LockType:
            for block in (False, True):
                refuses(EROFS, ask, reader, 1, type, block=block)
        assert reader.getlk(INODE, 1, R, 0, 99) == Lock(W, 0, 9, 0)


# -- waiting ---------------------------------------------------------------------------------------


@each_conflict
@clause("plock/who-waits-gets-it-when-it-is-free", source="L2.12 L1.8", needs="plock", clients=2)
def test_wait(volume: Volume, held: LockType, wanted: LockType) -> None:
    """A caller who is willing to wait is not answered while a range stands in the way, and has theirs
    afterwards."""
    locking.waits_until_it_is_free(volume, plock, held, wanted)


@each_wanted
@clause("plock/who-gives-up-waiting-is-let-go-at-once", source="L2.12 L1.8 X2", needs="plock", clients=2)
def test_cancel(volume: Volume, wanted: LockType, record_property: Figures) -> None:
    """Of a hundred callers who give up while they wait, 99 are told EINTR within 50 ms over the interval at
    which they ask; nothing is left of their wish."""
    within = locking.gives_up_at_once(volume, plock, wanted)
    record_property(f"ms in which 99 of 100 waiting for {wanted.name} were let go", within)


@each_lock_type
@pytest.mark.parametrize("block", [False, True])
@clause("plock/who-has-given-up-takes-none", source="L2.12 L1.8 X2", needs="plock")
def test_given_up(volume: Volume, type: LockType, block: bool) -> None:
    """A caller who gave up before the call is told EINTR, waiting or not, unlocking or not."""
    locking.is_interrupted_beforehand(volume, plock, type, block)


@each_wanted
@clause("plock/who-waits-asks-at-intervals", source="L2.12 L1.8", needs="plock", clients=2)
def test_poll(volume: Volume, network: Proxy, wanted: LockType, record_property: Figures) -> None:
    """Who waits for an exclusive range asks again after 1 ms, for a shared one after 10, with at most four
    commands each time."""
    rate = locking.asks_at_intervals(volume, network, plock, wanted)
    record_property(f"commands a second while waiting for {wanted.name}", rate)


@clause("plock/all-who-wait-get-it-one-at-a-time", source="L2.12 L1.8 N42.1", needs="plock", clients=2)
def test_everyone(volume: Volume) -> None:
    """Eight callers of two clients who each wait ten times for one range all get it, and never two at once: a
    counter that it alone protects is exact."""
    locking.everyone_gets_it(volume, plock)


@clause("plock/a-part-that-is-freed-lets-in-who-waits-for-it", source="L2.12 L2.6", needs="plock", clients=2)
def test_wait_for_part(volume: Volume) -> None:
    """Who waits for a range has it as soon as that part is free, though its holder keeps the rest."""
    fs, other = volume.fs, volume.open()
    ask(fs, 1, W, 0, 99)
    with locking.waiting(
        lambda ctx: other.setlk(INODE, 1, True, R, 40, 59, PID, ctx=ctx),
        lambda ctx: other.setlk(INODE, 2, True, R, 90, 99, PID, ctx=ctx),
    ) as (first, second):
        ask(fs, 1, U, 40, 59)
        first.result()
        assert second.waits
        ask(fs, 1, R, 60, 99)
        second.result()
    assert stored(volume) == [Record(W, PID, 0, 39), Record(R, PID, 60, 99)]


@clause("plock/processes-exclude-each-other", source="L2.4 L2.12 N42.1", needs="plock", clients=2)
def test_processes(volume: Volume) -> None:
    """Three processes, of both drivers where there are two, raise a counter that only a lock protects: it is
    exact, and nothing is held afterwards."""
    locking.processes_exclude_each_other(volume, "plock")
