"""The primitives of locks over the model of locks (L1, L2); inodes are taken as they are (N39.1)."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

from metaparity.drivers.errors import refuse_if
from metaparity.drivers.types import ROOT, Context, Lock, Locks, LockType

from .core import Core

POLL = 0.001
"""Seconds between two attempts of a caller who waits (L1.8)."""


class Locking(Core):
    """flock, setlk, getlk, locks_list."""

    def flock(
        self, inode: int, owner: int, type: LockType, block: bool = False, *, ctx: Context = ROOT
    ) -> None:
        self.require_writable()
        type = known(type)
        self._obtain(lambda: self.volume.locks.flock(self.sid, inode, owner, type), type, block, ctx)

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
        self.require_writable()
        type = known(type)

        def take() -> None:
            self.volume.locks.setlk(self.sid, inode, owner, type, start, end, pid)

        self._obtain(take, type, block, ctx)

    def _obtain(self, take: Callable[[], None], type: LockType, block: bool, ctx: Context) -> None:
        """Ask for a lock; whoever waits lets others in between two attempts, until it gives up (L1.8).

        Raises EAGAIN, EINTR, and EBADF for a lock that nobody would release: the session is over.
        """
        while True:
            refuse_if(ctx.cancelled is not None and ctx.cancelled.is_set(), errno.EINTR)
            with self.volume.lock:
                refuse_if(self.ended and type != LockType.U, errno.EBADF)
                try:
                    return take()
                except BlockingIOError:
                    if not block:
                        raise
            time.sleep(POLL)

    def getlk(
        self, inode: int, owner: int, type: LockType, start: int, end: int, *, ctx: Context = ROOT
    ) -> Lock:
        found = self.volume.locks.getlk(self.sid, inode, owner, known(type), start, end)
        return min(found, key=lambda lock: lock.start)  # any of them is right (L2.11)

    def locks_list(self, inode: int, *, ctx: Context = ROOT) -> Locks:
        return self.volume.locks.locks_list(inode)


def known(type: int) -> LockType:
    """A kind of lock that may be given as its number.  Raises EINVAL."""
    refuse_if(type not in tuple(LockType), errno.EINVAL)
    return LockType(type)
