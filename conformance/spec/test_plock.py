"""Locks on ranges of bytes: who gets one, how ranges split and join, and what is stored (L2, S2.10)."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from errno import EAGAIN, EBADF, EINVAL, EIO, EROFS
from importlib.resources import files
from typing import Any, cast

import pytest

from metaparity.conformance.clause import clause
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
    each_held,
    each_rival,
    each_wanted,
    plock,
)
from metaparity.conformance.scenes.scenery import each_type, make
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import FileType, HeldPlock, Lock, LockType
from metaparity.fixtures.faults import Proxy
from metaparity.fixtures.volumes import Volume

KEY = b"lockp%d" % INODE
RECORD = struct.Struct(">IIQQ")
MAX = (1 << 64) - 1
FREE = Lock(U, 0, 0, 0)
NAMES = {"R": R, "W": W, "U": U}

each_lock_type = pytest.mark.parametrize("type", LockType, ids=lambda one: one.name)


def stored(volume: Volume, sid: int = 1, owner: int = 1) -> list[Record]:
    """The records of an owner by the keys: type, pid, first and last byte."""
    value = volume.raw.hget(KEY, b"%d_%016X" % (sid, owner)) or b""
    return [Record(LockType(type), pid, start, end) for type, pid, start, end in RECORD.iter_unpack(value)]


def index(volume: Volume, sid: int) -> set[bytes]:
    """The keys in which a session holds locks, as it knows them."""
    return set(volume.raw.smembers(f"locked{sid}"))


def ask(
    fs: Engine,
    owner: int,
    type: LockType,
    start: int = 0,
    end: int = EOF,
    pid: int = PID,
    block: bool = False,
) -> None:
    """Take or release a range."""
    fs.setlk(INODE, owner, block, type, start, end, pid)


def spoken(text: str) -> list[Record]:
    """Ranges as the reference writes them: `W10[0,3f] R1[40,EOF]`, in hex, to the end of any file."""
    found = []
    for word in text.split():
        head, _, tail = word.partition("[")
        start, end = (EOF if part == "EOF" else int(part, 16) for part in tail.rstrip("]").split(","))
        found.append(Record(NAMES[head[0]], int(head[1:]), start, end))
    return found


# -- who gets it -----------------------------------------------------------------------------------


@each_rival
@each_held
@each_wanted
@clause("plock/readers-share-and-a-writer-is-alone", source="L2.3 L2.4 L1.10 N39.1", needs="plock", clients=2)
def test_matrix(volume: Volume, held: LockType | None, wanted: LockType, rival: str) -> None:
    """Any number of owners share a range, or one has it exclusively; who cannot is told EAGAIN.  An owner of
    another session is another, though of the same number; an owner is never in their own way."""
    locking.meet(volume, plock, held, wanted, rival)


MEETINGS = {
    "ends before": (50, 99, False),
    "touches the first byte": (50, 100, True),
    "touches the last byte": (199, 250, True),
    "begins behind": (200, 250, False),
    "is inside": (120, 130, True),
    "is its first byte": (100, 100, True),
    "is its last byte": (199, 199, True),
    "is the same": (100, 199, True),
    "is around": (0, EOF, True),
    "is of one byte before": (99, 99, False),
    "is all that follows": (200, MAX, False),
}


@pytest.mark.parametrize(("start", "end", "meets"), MEETINGS.values(), ids=MEETINGS)
@each_conflict
@clause("plock/ranges-meet-in-a-byte", source="L2.1 L2.3 L2.4", needs="plock", clients=2)
def test_ranges(volume: Volume, held: LockType, wanted: LockType, start: int, end: int, meets: bool) -> None:
    """Two ranges are in each other's way where they have a byte in common: the first and the last byte belong
    to a range."""
    fs, other = volume.fs, volume.open()
    ask(fs, 1, held, 100, 199)
    if meets:
        with unchanged(volume):
            refuses(EAGAIN, ask, other, 1, wanted, start, end)
            refuses(EAGAIN, ask, fs, 2, wanted, start, end)
    else:
        ask(other, 1, wanted, start, end)
        refuses(EAGAIN, ask, fs, 1, W, start, end)


@clause("plock/an-owner-without-conflict-keeps-the-rest", source="L2.3 L2.4", needs="plock", clients=2)
def test_part(volume: Volume) -> None:
    """Who may not have a range exclusively for a part of it is shared keeps what they have."""
    fs, other = volume.fs, volume.open()
    ask(fs, 1, R, 0, 99)
    ask(other, 1, R, 50, 149)
    with unchanged(volume):
        refuses(EAGAIN, ask, fs, 1, W, 0, 99)
    ask(fs, 1, W, 0, 49)
    refuses(EAGAIN, ask, other, 1, R, 49, 49)
    ask(other, 1, R, 50, 149)


@each_held
@pytest.mark.parametrize("block", [False, True])
@clause("plock/an-unlock-frees-its-owners-alone", source="L2.5 L2.12 N39.1", needs="plock", clients=2)
def test_unlock(volume: Volume, held: LockType | None, block: bool) -> None:
    """An unlock always succeeds and never waits: it frees what its own owner has, whatever the process, and
    where that is nothing it changes nothing."""
    fs, other = volume.fs, volume.open()
    if held is not None:
        ask(fs, 1, held, pid=20)
    with unchanged(volume):
        ask(fs, 2, U, block=block)
        ask(other, 1, U, block=block)
    ask(fs, 1, U, pid=99, block=block)
    assert not volume.raw.exists(KEY, "locked1")
    ask(other, 1, W)


# -- how ranges change -----------------------------------------------------------------------------

EXAMPLES = {
    "unlocked in the middle": ("W10[0,63] U0[1e,27]", "W10[0,1d] W10[28,63]"),
    "upgraded in the middle": ("R1[0,2ffff] W1[10000,20000]", "R1[0,ffff] W1[10000,20000] R1[20001,2ffff]"),
    "by several processes": (
        "R1[0,2ffff] W1[10000,20000] W10[0,ffff] W20[2000,ffff]",
        "W10[0,1fff] W20[2000,ffff] W1[10000,20000] R1[20001,2ffff]",
    ),
    "unlocked whole": ("R1[0,2ffff] W1[10000,20000] W20[2000,ffff] U0[0,2ffff]", ""),
    "a gap filled": ("W5[0,9] W5[14,1d] W5[a,13]", "W5[0,13] W5[14,1d]"),
    "neighbours": ("W5[0,9] W5[a,13]", "W5[0,13]"),
    "neighbours of two processes": ("W5[0,9] W6[a,13]", "W5[0,9] W6[a,13]"),
    "neighbours of two types": ("W5[0,9] R5[a,13]", "W5[0,9] R5[a,13]"),
    "over several and their gaps": ("R1[a,13] W1[1e,27] W2[5,32]", "W2[5,13] W2[14,27] W2[28,32]"),
    "over the ends of two": ("W5[0,9] W5[14,1d] W5[5,19]", "W5[0,9] W5[a,19] W5[1a,1d]"),
    "shared inside the whole file": ("W7[0,EOF] R7[64,c7]", "W7[0,63] R7[64,c7] W7[c8,EOF]"),
    "the whole file freed": ("W7[0,EOF] R7[64,c7] U0[0,EOF]", ""),
    "unlocked outside": ("W5[a,13] U5[50,60]", "W5[a,13]"),
    "unlocked from the left": ("W5[a,13] U5[0,e]", "W5[f,13]"),
    "unlocked from the right": ("W5[a,13] U5[f,EOF]", "W5[a,e]"),
    "of one byte": ("W5[7,7] W5[8,8] U0[7,7]", "W5[8,8]"),
    "the same again": ("R5[a,13] R5[a,13]", "R5[a,13]"),
    "the same for another process": ("R5[a,13] R6[a,13]", "R6[a,13]"),
    "beyond the end of any file": (
        "W5[0,8000000000000000] U0[0,EOF]",
        "W5[8000000000000000,8000000000000000]",
    ),
}


@pytest.mark.parametrize(("asked", "left"), EXAMPLES.values(), ids=EXAMPLES)
@clause("plock/ranges-split-join-and-replace-each-other", source="L2.6 L2.7 L2.8", needs="plock")
def test_examples(volume: Volume, asked: str, left: str) -> None:
    """What an owner asks for replaces what they had there: ranges are cut, and neighbours of one type and
    process are joined, in pairs; the last that is unlocked takes the record along."""
    for one in spoken(asked):
        ask(volume.fs, 1, one.type, one.start, one.end, one.pid)
    assert stored(volume) == spoken(left)
    assert bool(volume.raw.exists(KEY)) == bool(left)
    assert index(volume, 1) == ({KEY} if left else set())


RECORDED = files("metaparity.fixtures.golden").joinpath("plock-vectors.json").read_text("utf-8")
VECTORS: dict[str, list[Any]] = {}
for _vector in json.loads(RECORDED)["vectors"]:
    # What ends at the last byte, or before it starts, has clauses of its own.
    if _vector["op"] == "update" and _vector["request"][2] <= _vector["request"][3] < (1 << 64) - 1:
        VECTORS.setdefault(_vector["name"].partition(".")[0], []).append(_vector)


@pytest.mark.parametrize("name", VECTORS)
@clause("plock/any-list-changes-as-recorded", source="L2.1 L2.6 L2.7 S2.10", needs="plock")
def test_vectors(volume: Volume, name: str) -> None:
    """A recorded list of an owner's ranges and a request give the recorded list, byte for byte."""
    fs, field = volume.fs, b"1_0000000000000001"
    for vector in VECTORS[name]:
        volume.raw.hset(KEY, field, packed(vector["records"]))
        type, pid, start, end = vector["request"]
        fs.setlk(INODE, 1, False, type, start, end, pid)
        assert (volume.raw.hget(KEY, field) or b"") == packed(vector["result"])


def packed(records: Sequence[Sequence[int]]) -> bytes:
    return b"".join(RECORD.pack(*one) for one in records)


@clause("plock/a-range-may-end-at-the-last-byte", source="L2.6 L2.9", needs="plock")
def test_last_byte(volume: Volume) -> None:
    """The last byte that a number of 64 bits can name is a byte like others: what ends there is replaced, cut
    and freed."""
    fs = volume.fs
    for _ in range(2):
        ask(fs, 1, W, 0, MAX)
        assert stored(volume) == [Record(W, PID, 0, MAX)]
    ask(fs, 1, R, 100, MAX)
    assert stored(volume) == [Record(W, PID, 0, 99), Record(R, PID, 100, MAX)]
    ask(fs, 1, U, MAX, MAX)
    assert stored(volume) == [Record(W, PID, 0, 99), Record(R, PID, 100, MAX - 1)]
    ask(fs, 1, U, 0, MAX)
    assert not volume.raw.exists(KEY, "locked1")


# -- what is stored --------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", OWNERS, ids=hex)
@clause("plock/is-stored-by-session-and-owner", source="L2.1 S2.10 S2.10.2", needs="plock", clients=2)
def test_stored(volume: Volume, owner: int) -> None:
    """A hash of the inode has a field for each holder, the session and the owner in 16 hex digits, with 24
    bytes for each range: type, process, first and last byte."""
    fs, other = volume.fs, volume.open()
    ask(fs, owner, W, 0x2000, 0xFFFF, 20)
    ask(other, owner, R, 0x10000, EOF, 4321)
    assert volume.raw.hgetall(KEY) == {
        b"1_%016X" % owner: bytes.fromhex("00000001000000140000000000002000000000000000ffff"),
        b"2_%016X" % owner: bytes.fromhex("00000000000010e100000000000100007fffffffffffffff"),
    }
    for client in (fs, other):
        ask(client, owner, U)
    assert not volume.raw.exists(KEY)


@pytest.mark.parametrize("pid", [0, 1, 2**31, 2**32 - 1])
@clause("plock/any-process-is-stored", source="L2.1", needs="plock")
def test_pid(volume: Volume, pid: int) -> None:
    """The number of the process is kept as it is given, in 32 bits."""
    ask(volume.fs, 1, W, 1, 2, pid)
    assert stored(volume) == [Record(W, pid, 1, 2)]


@each_wanted
@clause("plock/the-session-knows-of-its-locks", source="L1.2 L2.4 L2.5 I22", needs="plock", clients=2)
def test_index(volume: Volume, wanted: LockType) -> None:
    """The set of the session has the key of what it locks, of either type, until it has let go of all."""
    fs, other = volume.fs, volume.open()
    ask(fs, 1, wanted, 0, 9)
    ask(fs, 2, wanted, 20, 29)
    assert (index(volume, 1), index(volume, 2)) == ({KEY}, set())
    ask(fs, 1, U, 0, 4)
    ask(fs, 1, U, 5, 9)
    assert index(volume, 1) == {KEY}
    ask(fs, 2, U)
    assert not volume.raw.exists("locked1")
    other.setlk(3, 1, False, wanted, 0, 9, 1)
    assert index(volume, 2) == {b"lockp3"}


@clause("plock/the-session-forgets-with-its-last-owner", source="L2.5 Q32", needs="plock", clients=2)
def test_index_forgets(volume: Volume) -> None:
    """The key leaves the set with the session's last owner, whatever other sessions hold."""
    fs = volume.fs
    volume.raw.hset(KEY, "11_0000000000000001", RECORD.pack(R, 1, 0, 9))
    ask(fs, 1, R)
    ask(fs, 1, U)
    assert index(volume, 1) == set()
    assert stored(volume, 11) == [Record(R, 1, 0, 9)]


@clause("plock/is-one-transaction", source="L2.15 L2.16 N42.1", needs="plock")
def test_wire(volume: Volume, network: Proxy) -> None:
    """Ranges and their index change in one transaction that watches the hash; a refusal begins none, and an
    unlock that leaves a part does not touch the index."""
    fs, own, watch = volume.fs, b"1_0000000000000001", (b"WATCH", KEY)

    def sent(*arguments: Any) -> list[tuple[bytes, ...]]:
        return locking.transactions(network, lambda: ask(fs, *arguments))

    def kept(start: int, end: int) -> tuple[bytes, ...]:
        return (b"HSET", KEY, own, RECORD.pack(W, PID, start, end))

    assert sent(1, W, 0, 99) == [watch, (b"MULTI",), kept(0, 99), (b"SADD", b"locked1", KEY), (b"EXEC",)]
    assert locking.transactions(network, lambda: refuses(EAGAIN, ask, fs, 2, R)) == [watch]
    assert sent(2, U) == [watch]
    assert sent(1, U, 0, 49) == [watch, (b"MULTI",), kept(50, 99), (b"EXEC",)]
    freed = [watch, (b"MULTI",), (b"HDEL", KEY, own), (b"SREM", b"locked1", KEY), (b"EXEC",)]
    assert sent(1, U) == freed


@clause("plock/leaves-a-line-in-the-log", source="L0.5 S8.2", needs="plock")
def test_log(volume: Volume) -> None:
    """A volume with a change log has a line for each range that is granted or freed."""
    volume.format(ChangeLog=True)
    fs = volume.fs
    before = volume.raw.llen("txnLog")
    ask(fs, 1, U)
    ask(fs, 1, R, 0, 9, 5)
    ask(fs, 1, W, 5, EOF, 6)
    refuses(EAGAIN, ask, fs, 2, W)
    ask(fs, 1, U, 0, 3, 8)
    ask(fs, 1, U, 0, EOF, 0)
    lines = [line.split(b"|")[1] for line in volume.raw.lrange("txnLog", before, -1)]
    assert lines == [
        b"SETLK(2,1,R,0,9,5)",
        b"SETLK(2,1,W,5,%d,6)" % EOF,
        b"SETLK(2,1,U,0,3,8)",
        b"SETLK(2,1,U,0,%d,0)" % EOF,
    ]


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
def test_cancel(volume: Volume, wanted: LockType) -> None:
    """Of a hundred callers who give up while they wait, 99 are told EINTR within 50 ms over the interval at
    which they ask; nothing is left of their wish."""
    locking.gives_up_at_once(volume, plock, wanted)


@each_lock_type
@pytest.mark.parametrize("block", [False, True])
@clause("plock/who-has-given-up-takes-none", source="L2.12 L1.8 X2", needs="plock")
def test_given_up(volume: Volume, type: LockType, block: bool) -> None:
    """A caller who gave up before the call is told EINTR, waiting or not, unlocking or not."""
    locking.is_interrupted_beforehand(volume, plock, type, block)


@each_wanted
@clause("plock/who-waits-asks-at-intervals", source="L2.12 L1.8", needs="plock", clients=2)
def test_poll(volume: Volume, network: Proxy, wanted: LockType) -> None:
    """Who waits for an exclusive range asks again after 1 ms, for a shared one after 10, with at most four
    commands each time."""
    locking.asks_at_intervals(volume, network, plock, wanted)


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
