"""Idle connections, last used first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..engine.counters import Traffic
from ..engine.store import Disconnected
from ..forks import after_fork
from .connection import Connection
from .dial import Dialler


class Pool:
    """Connections to one server.  May be used from many threads.

    There are at most `pool_size` of the address; a caller that finds them all busy waits for one, but for a
    thread that has one already: it would wait for itself, and gets another, which is not kept.

    `_lock` guards the lists and the count; it is never held while a connection does anything.  A signal
    could leave it held if it were entered through the condition `_freed`, which is Python code.
    """

    def __init__(self, dialler: Dialler, traffic: Traffic) -> None:
        self._dialler = dialler
        self._traffic = traffic
        self._closed = False
        self._mine = threading.local()
        self._idle: list[Connection]
        self._busy: set[Connection]
        self._extra: set[Connection]
        self._start_empty()
        after_fork(self, Pool._forget)

    @contextmanager
    def connection(self, *, fresh: bool = False, probed: bool = True) -> Iterator[Connection]:
        """A connection for the length of a block; `fresh` asks for a new one.

        One that has been idle is looked at first, whether the server has kept it, unless the caller does
        without, which saves a system call.  Raises what `Dialler.dial` does, and `Disconnected` when none is
        free in time.
        """
        connection = self._take(fresh, probed)
        self._mine.held = self._held + 1
        try:
            yield connection
        finally:
            self._mine.held -= 1
            self._give_back(connection)

    @contextmanager
    def extra(self) -> Iterator[Connection]:
        """A new connection beyond the limit, for a block that makes other calls meanwhile.

        Raises what `Dialler.dial` does.
        """
        moves = self._dialler.moves
        connection = Connection(self._dialler.dial(), self._dialler.address, self._traffic)
        self._traffic.connected()
        with self._lock:
            self._extra.add(connection)
            outdated = self._closed or self._dialler.moves != moves
        try:
            if outdated:
                raise Disconnected("this client has been closed, or the master has moved")
            yield connection
        finally:
            with self._lock:
                self._extra.discard(connection)
            connection.close()

    def close(self) -> None:
        """Close idle connections and make the calls under way on others fail; there are no new ones."""
        self._closed = True
        self.drop()

    def drop(self) -> None:
        """Close idle connections and make the calls under way on others fail."""
        with self._lock:
            idle, self._idle = self._idle, []
            busy = [*self._busy, *self._extra]
            self._freed.notify_all()
        for connection in idle:
            connection.close()
        for connection in busy:
            connection.interrupt()

    def _start_empty(self) -> None:
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._idle = []
        self._busy = set()
        self._extra = set()
        self._dialling = 0

    def _forget(self) -> None:
        """Leave the connections to the parent process."""
        connections = [*self._idle, *self._busy, *self._extra]
        self._start_empty()
        for connection in connections:
            connection.close()

    @property
    def _held(self) -> int:
        """Connections that this thread has."""
        held: int = getattr(self._mine, "held", 0)
        return held

    def _take(self, fresh: bool, probed: bool) -> Connection:
        while (idle := self._reserve()) is not None:
            if not probed or idle.alive():
                if not fresh:
                    return idle
            else:
                self._traffic.disconnected()
            self._discard(idle)
        moves = self._dialler.moves
        try:
            connection = Connection(self._dialler.dial(), self._dialler.address, self._traffic)
        except BaseException:
            with self._lock:
                self._dialling -= 1
                self._freed.notify()
            raise
        self._traffic.connected()
        with self._lock:
            self._dialling -= 1
            self._busy.add(connection)
            if not self._closed and self._dialler.moves == moves:
                return connection
        self._discard(connection)
        return self._take(fresh, probed)  # the master has moved meanwhile, or the pool is closed

    def _reserve(self) -> Connection | None:
        """An idle connection, or None and the right to dial one."""
        limit, patience = self._dialler.address.pool_size, self._dialler.address.pool_timeout
        deadline = time.monotonic() + patience
        with self._lock:
            while True:
                if self._closed:
                    raise Disconnected("this client has been closed")
                if self._idle:
                    connection = self._idle.pop()
                    self._busy.add(connection)
                    return connection
                if self._held or len(self._busy) + self._dialling < limit:
                    self._dialling += 1
                    return None
                if not self._freed.wait(deadline - time.monotonic()):
                    raise Disconnected(f"all {limit} connections were busy for {patience:g} s")

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            self._busy.discard(connection)
            open_, usable = not self._closed, connection.usable
            others = len(self._idle) + len(self._busy) + self._dialling
            kept = open_ and usable and others < self._dialler.address.pool_size
            if kept:
                self._idle.append(connection)
            self._freed.notify()
        if kept:
            return
        if open_ and not usable:
            self._traffic.disconnected()
        connection.close()

    def _discard(self, connection: Connection) -> None:
        connection.close()
        with self._lock:
            self._busy.discard(connection)
            self._freed.notify()
