"""`Store` on one shared connection; transactions, scans and bulk work have connections of their own."""

from __future__ import annotations

import threading

from ..engine.store import Command, Disconnected, Reply
from ..engine.transaction import checked
from ..redis.connection import Lost
from ..redis.forks import after_fork
from ..redis.store import RedisStore
from ..url import Address
from .mux import Mux

BULK = 500
"""Commands in one call above which it would hold up the other threads."""


class RueidisStore(RedisStore):
    """The database at an address.  What is not a plain call works as in `RedisStore`, with its pool.

    `_dialling` is held by the thread that connects; the others wait for what it finds.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._closed = False
        self._mux: Mux | None = None
        self._dialling = threading.Lock()
        self._refusals = 0
        after_fork(self, RueidisStore._forget)

    def read(self, *commands: Command) -> list[Reply]:
        """Replies in order, one round trip; asked once more when the connection ended before any came."""
        if len(commands) > BULK:
            return self._read_pooled(commands)
        try:
            return checked(self._shared().exchange(commands))
        except Lost:
            return checked(self._shared().exchange(commands))

    def pipeline(self, *commands: Command) -> list[Reply]:
        """Replies in order; sent once, never repeated."""
        if len(commands) > BULK:
            return super().pipeline(*commands)
        return checked(self._shared().exchange(commands))

    def close(self) -> None:
        """Close every connection and end the reader; calls under way raise `Disconnected`."""
        self._closed = True
        if self._mux is not None:
            self._mux.close()
        super().close()

    def _shared(self) -> Mux:
        """The shared connection, made anew when it was lost."""
        mux = self._mux
        if mux is not None and mux.alive:
            return mux
        refusals = self._refusals
        with self._dialling:
            if self._closed:
                raise Disconnected("this client has been closed")
            if self._mux is not None and self._mux.alive:
                return self._mux
            if self._refusals != refusals:
                raise Disconnected(f"cannot connect to {self._dialler.address}: another call has just tried")
            try:
                mux = self._mux = Mux(self._dialler.dial(), self._dialler.address)
            except Exception:
                self._refusals += 1
                raise
            if self._closed:  # meanwhile
                mux.close()
            return mux

    def _forget(self) -> None:
        """Leave the connection and its thread to the parent process."""
        mux, self._mux = self._mux, None
        self._dialling = threading.Lock()
        if mux is not None:
            mux.abandon()
