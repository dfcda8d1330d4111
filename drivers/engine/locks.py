"""Locks: of whole files, and of ranges of bytes (L1, L2).

The inode is taken as it is: a lock needs no node, and inode 1 is the root of the volume for every client.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from functools import partial

from ..errors import Refused, refuse_if
from ..types import ROOT, Context, HeldFlock, HeldPlock, Lock, LockRecord, Locks, LockType
from . import codec
from .core import Core
from .database import pause
from .ranges import conflict, laid_over
from .store import Check, Command, Transaction, nothing, pairs

READ_POLL, WRITE_POLL = 0.01, 0.001
"""Seconds between two attempts of a caller who waits, by what he asks for (L1.8)."""

TYPES = tuple(LockType)


class Locking(Core):
    """The primitives of locks.  Who holds one is a session and an owner."""

    def flock(
        self, inode: int, owner: int, type: LockType, block: bool = False, *, ctx: Context = ROOT
    ) -> None:
        self.db.require_writable()
        self._require_known(type)
        name = "R" if type == LockType.R else "U" if type == LockType.U else "W"
        key, own = self.keys.flocks(inode), codec.lock_field(self.sid, owner)

        def take(tx: Transaction) -> None:
            (held,) = tx.read(("HGETALL", key))
            others = [codec.decode_flock(value) for field, value in pairs(held) if field != own]
            refuse_if(bool(others) and (name == "W" or "W" in others), errno.EAGAIN)
            # The original does not index shared locks, so that they outlive their session (Q31).
            indexed = name == "W" or not self.quirks
            tx.queue(("HSET", key, own, name), *(self._index(key) if indexed else ()), *logged())

        def release(tx: Transaction) -> None:
            (fields,) = tx.read(("HKEYS", key))
            tx.queue(*self._drop(key, fields, own), *logged())

        logged = partial(self.logged, "FLOCK", inode, owner, name)
        if type == LockType.U:
            self.transact([key], release, ctx)
        else:
            self._obtain(key, take, type, block, ctx)

    def setlk(
        self,
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
        self.db.require_writable()
        self._require_known(type, start, end)
        name = "W" if type == LockType.W else "U" if type == LockType.U else "R"
        key, own = self.keys.plocks(inode), codec.lock_field(self.sid, owner)
        wanted = LockRecord(type, pid, start, end)

        def take(tx: Transaction) -> None:
            (held,) = tx.read(("HGETALL", key))
            owners = {field: codec.decode_plocks(value) for field, value in pairs(held)}
            mine = owners.pop(own, [])
            in_the_way = any(conflict(wanted, one) for records in owners.values() for one in records)
            refuse_if(in_the_way, errno.EAGAIN)
            tx.queue(self._keep(key, own, laid_over(mine, wanted)), *self._index(key), *logged())

        def release(tx: Transaction) -> None:
            held, fields = tx.read(("HGET", key, own), ("HKEYS", key))
            if not held:
                return
            left = laid_over(codec.decode_plocks(held), wanted)
            tx.queue(*([self._keep(key, own, left)] if left else self._drop(key, fields, own)), *logged())

        logged = partial(self.logged, "SETLK", inode, owner, name, start, end, pid)
        if type == LockType.U:
            self.transact([key], release, ctx)
        else:
            self._obtain(key, take, type, block, ctx)

    def getlk(
        self, inode: int, owner: int, type: LockType, start: int, end: int, *, ctx: Context = ROOT
    ) -> Lock:
        self._require_known(type, start, end)
        free = Lock(LockType.U, 0, 0, 0)
        if type == LockType.U:
            return free
        own, wanted = codec.lock_field(self.sid, owner), LockRecord(type, 0, start, end)
        in_the_way = [
            (one.start, field, one)
            for field, value in pairs(self.db.read_one("HGETALL", self.keys.plocks(inode)))
            for one in codec.decode_plocks(value)
            if field != own and conflict(wanted, one)
        ]
        if not in_the_way:
            return free
        _, field, first = min(in_the_way, key=lambda found: found[:2])
        # A process is known to the clients of its own session only.
        pid = first.pid if is_of(self.sid, field) else 0
        return Lock(first.type, first.start, first.end, pid)

    def locks_list(self, inode: int, *, ctx: Context = ROOT) -> Locks:
        flocks, plocks = self.db.read(
            ("HGETALL", self.keys.flocks(inode)), ("HGETALL", self.keys.plocks(inode))
        )
        try:
            return Locks(
                [
                    HeldPlock(*holder, one.type, one.pid, one.start, one.end)
                    for holder, records in [
                        (codec.parse_lock_field(field), codec.decode_plocks(value))
                        for field, value in pairs(plocks)
                    ]
                    for one in records
                ],
                [
                    HeldFlock(*codec.parse_lock_field(field), codec.decode_flock(value))
                    for field, value in pairs(flocks)
                ],
            )
        except codec.CorruptValue as corrupt:
            raise Refused(f"the locks on inode {inode} cannot be listed: {corrupt}") from corrupt

    def release_locks(self, key: bytes, sid: int, check: Check = nothing) -> None:
        """Release all that a session holds in a hash of locks of either kind (L3.8), if `check` has no
        objection."""

        def body(tx: Transaction) -> None:
            check(tx)
            (fields,) = tx.read(("HKEYS", key))
            held = [field for field in fields if is_of(sid, field)]
            tx.queue(*([("HDEL", key, *held)] if held else ()), ("SREM", self.keys.locked(sid), key))

        self.transact([key], body)

    # -- inside ------------------------------------------------------------------------------------

    def _obtain(
        self, key: bytes, take: Callable[[Transaction], None], type: int, block: bool, ctx: Context
    ) -> None:
        """Take a lock; with `block`, as soon as it is free (L1.8).  Raises EBADF, EAGAIN, EINTR."""
        while True:
            try:
                with self.taking:
                    return self.transact([key], take, ctx)
            except BlockingIOError:
                if not block:
                    raise
            pause(WRITE_POLL if type == LockType.W else READ_POLL, ctx)

    def _require_known(self, type: int, start: int = 0, end: int = 0) -> None:
        """Raise EINVAL for an unknown type, and for a range that ends before it starts.

        The original takes both: an unknown flock for an exclusive one, an unknown record as it is (L1.9,
        L2.10, L2.12).
        """
        refuse_if(not self.quirks and (type not in TYPES or start > end), errno.EINVAL)

    @staticmethod
    def _keep(key: bytes, own: bytes, records: Sequence[LockRecord]) -> Command:
        return ("HSET", key, own, codec.encode_plocks(records))

    def _index(self, key: bytes) -> list[Command]:
        """The command that has the session know of a lock, for whoever cleans up after it (L1.2)."""
        return [("SADD", self.keys.locked(self.sid), key)]

    def _drop(self, key: bytes, fields: Sequence[bytes], own: bytes) -> list[Command]:
        """The commands that release all that an owner holds, and forget the key with the session's last."""
        # The original forgets it with the last owner of any session, or not at all (Q32).
        others = [field for field in fields if self.quirks or is_of(self.sid, field)]
        last = others == [own]
        return [("HDEL", key, own), *([("SREM", self.keys.locked(self.sid), key)] if last else ())]


def is_of(sid: int, field: bytes) -> bool:
    """Whether a field of a hash of locks is of a session."""
    return field.partition(b"_")[0] == b"%d" % sid
