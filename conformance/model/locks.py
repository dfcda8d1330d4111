"""Locks: who is granted one, and what is kept of it (L1, L2), until the session ends (L3.8)."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from metaparity.drivers.errors import refuse_if
from metaparity.drivers.types import HeldFlock, HeldPlock, Lock, Locks, LockType

R, W, U = TYPES = tuple(LockType)

FREE = Lock(U, 0, 0, 0)
"""What `getlk` answers where nothing is in the way."""

LAST = (1 << 64) - 1
"""The last byte that a range can name."""

RECORD = struct.Struct(">IIQQ")


@dataclass(frozen=True, order=True)
class Holder:
    """Who holds a lock: owners of the same number in two sessions are two (L1.10)."""

    sid: int
    owner: int

    @property
    def field(self) -> bytes:
        """The field of the hash of an inode's locks (L1.1)."""
        return b"%d_%016X" % (self.sid, self.owner)


@dataclass(frozen=True)
class Record:
    """Bytes `start`..`end`, both included, and what a process has there (L2.1)."""

    type: LockType
    pid: int
    start: int
    end: int

    def meets(self, other: Record) -> bool:
        """Whether both have a byte in common."""
        return self.end >= other.start and self.start <= other.end

    def forbids(self, wanted: Record) -> bool:
        """Whether it is in the way of what another owner asks for (L2.3); nothing is in the way of an
        unlock."""
        return wanted.type is not U and W in (self.type, wanted.type) and self.meets(wanted)

    def continues(self, other: Record) -> bool:
        """Whether it is the same thing as another and begins behind its last byte."""
        return (self.type, self.pid, self.start) == (other.type, other.pid, other.end + 1)


@dataclass
class LockModel:
    """The locks of a volume.  Calls are made for a session, 0 for none, and raise `OSError`.

    Whoever waits is refused with EAGAIN, as who does not: when to ask again is up to the caller (L1.8).
    """

    flocks: dict[int, dict[Holder, LockType]] = field(default_factory=dict)
    """For each inode what is held, R or W."""

    records: dict[int, dict[Holder, list[Record]]] = field(default_factory=dict)
    """For each inode what each owner has, by start."""

    def flock(self, sid: int, inode: int, owner: int, type: LockType) -> None:
        """Take, change or release the lock of an inode (L1.4-L1.6).

        Raises EAGAIN where others hold it, unless all share it; EINVAL for an unknown type.
        """
        refuse_if(type not in TYPES, errno.EINVAL)
        held, me = self.flocks.setdefault(inode, {}), Holder(sid, owner)
        if type is U:
            held.pop(me, None)
            return
        others = [other for holder, other in held.items() if holder != me]
        refuse_if(bool(others) and W in (type, *others), errno.EAGAIN)
        held[me] = type

    def setlk(self, sid: int, inode: int, owner: int, type: LockType, start: int, end: int, pid: int) -> None:
        """Take, change or release a range of an inode's bytes (L2.4, L2.5).

        Raises EAGAIN where something of another owner is in the way; EINVAL for an unknown type, and for a
        range that ends before it starts.
        """
        wanted, me = asked(type, pid, start, end), Holder(sid, owner)
        refuse_if(any(self.in_the_way(inode, me, wanted)), errno.EAGAIN)
        held = self.records.setdefault(inode, {})
        held[me] = laid_over(held.get(me, []), wanted)
        if not held[me]:
            del held[me]

    def getlk(self, sid: int, inode: int, owner: int, type: LockType, start: int, end: int) -> list[Lock]:
        """Every answer that is right: the first record in the way of any one owner, with its process where
        that is of the own session (L2.11).

        Raises EINVAL as `setlk` does.
        """
        wanted = asked(type, 0, start, end)
        first: dict[Holder, Record] = {}
        for holder, record in self.in_the_way(inode, Holder(sid, owner), wanted):
            first.setdefault(holder, record)
        return [
            Lock(one.type, one.start, one.end, one.pid if holder.sid == sid else 0)
            for holder, one in first.items()
        ] or [FREE]

    def in_the_way(self, inode: int, me: Holder, wanted: Record) -> Iterator[tuple[Holder, Record]]:
        """What others hold that forbids a request."""
        for holder, records in self.records.get(inode, {}).items():
            for one in records:
                if holder != me and one.forbids(wanted):
                    yield holder, one

    def locks_list(self, inode: int) -> Locks:
        """All that is held on an inode, by holder (L2.14)."""
        return Locks(
            [
                HeldPlock(holder.sid, holder.owner, one.type, one.pid, one.start, one.end)
                for holder, records in sorted(self.records.get(inode, {}).items())
                for one in records
            ],
            [
                HeldFlock(holder.sid, holder.owner, type.name)
                for holder, type in sorted(self.flocks.get(inode, {}).items())
            ],
        )

    def end_session(self, sid: int) -> None:
        """Release all that a session holds, and nothing of others (L3.8)."""
        for inode, flocks in self.flocks.items():
            self.flocks[inode] = {one: type for one, type in flocks.items() if one.sid != sid}
        for inode, records in self.records.items():
            self.records[inode] = {one: own for one, own in records.items() if one.sid != sid}

    # -- what the server keeps ---------------------------------------------------------------------

    def keys(self) -> dict[bytes, dict[bytes, bytes]]:
        """The hashes of all inodes on which something is held (L1.1, L2.1); the last field takes its hash
        along (L1.7)."""
        flocks = {
            b"lockf%d" % inode: {holder.field: type.name.encode() for holder, type in held.items()}
            for inode, held in self.flocks.items()
        }
        records = {
            b"lockp%d" % inode: {holder.field: packed(own) for holder, own in held.items()}
            for inode, held in self.records.items()
        }
        return {key: fields for key, fields in (flocks | records).items() if fields}

    def index(self, sid: int) -> set[bytes]:
        """The keys in which a session holds something, as its set has them (L1.2)."""
        own = b"%d_" % sid
        return {key for key, fields in self.keys().items() if any(one.startswith(own) for one in fields)}


def asked(type: LockType, pid: int, start: int, end: int) -> Record:
    """A request.  Raises EINVAL for an unknown type and for a range that ends before it starts."""
    refuse_if(type not in TYPES or not start <= end <= LAST, errno.EINVAL)
    return Record(type, pid, start, end)


def packed(records: Sequence[Record]) -> bytes:
    """The records of an owner as they are stored (L2.1)."""
    return b"".join(RECORD.pack(one.type, one.pid, one.start, one.end) for one in records)


def laid_over(held: Sequence[Record], wanted: Record) -> list[Record]:
    """What an owner has once a request is granted (L2.6); `held` is by start and does not overlap."""
    records = list(held)
    rest = wanted
    for number, old in enumerate(held):
        if rest.start > wanted.end:
            break
        # 1. What is asked for begins in a gap ahead of the old record.
        if rest.start < old.start <= wanted.end:
            records.append(replace(rest, end=old.start - 1))
            rest = replace(rest, start=old.start)
        # 2. It begins inside: the left part stays as it was.
        if old.start < rest.start <= old.end:
            records.append(replace(old, end=rest.start - 1))
            old = replace(old, start=rest.start)
        # 3. From here on the old record becomes what is asked for, and keeps what lies behind.
        if rest.start == old.start:
            records[number] = replace(wanted, start=old.start, end=min(old.end, wanted.end))
            if old.end > wanted.end:
                records.append(replace(old, start=wanted.end + 1))
            rest = replace(rest, start=records[number].end + 1)
    if rest.start <= wanted.end:
        records.append(rest)
    return joined(sorted(records, key=lambda one: one.start))


def joined(records: list[Record]) -> list[Record]:
    """Freed parts are dropped, and neighbours become one, in pairs: one that has grown is not compared with
    what follows it (L2.7)."""
    waiting, found = list(records), list[Record]()
    while waiting:
        one = waiting.pop(0)
        if one.type is U:
            continue
        if waiting and waiting[0].continues(one):
            one = replace(one, end=waiting.pop(0).end)
        found.append(one)
    return found
