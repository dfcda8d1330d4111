"""Bytes to and from a server over one socket, with deadlines.

A plain socket blocks, and wakes who waits each `NAP` seconds to look at the deadline: that takes one system
call to receive, not two.  With TLS it does not block.  One thread may send while another receives.  An
`SSLSocket` must not be used by two threads at once, so with TLS one lock is held around `send` and `recv`;
waiting happens outside it, which lets the sender in while the receiver has nothing to read.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from contextlib import AbstractContextManager
from typing import Any

BUFFER = 1 << 16
NAP = 0.5
"""Seconds between looks at the deadline, and at a TLS socket: a record taken in by the sender makes no
descriptor readable."""
CROSSED_NAP = 0.01
"""Seconds to wait when TLS wants to read before it can send, or the reverse."""


def wire_of(connection: Any) -> Wire:
    """The socket of a connection of redis-py, which lets go of it."""
    # The one private attribute we need; without it redis-py forgets the socket and leaves it open.
    sock, connection._sock = connection._sock, None
    return Wire(sock)


class Wire:
    """A connected socket.  All errors are `OSError`s; an end of the stream is an `EOFError`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ssl = sock if isinstance(sock, ssl.SSLSocket) else None
        self._turn: AbstractContextManager[object] = contextlib.nullcontext()
        sock.setblocking(self._ssl is None)
        if self._ssl is None:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", 0, int(NAP * 1e6)))
        else:
            self._turn = threading.Lock()
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(sock, select.POLLOUT)

    def send(self, data: bytes, timeout: float) -> None:
        """Send all of `data`.  Raises `TimeoutError` when nothing could be sent for `timeout` seconds."""
        rest = memoryview(data)
        deadline = time.monotonic() + timeout
        while rest:
            try:
                with self._turn:
                    sent = self._sock.send(rest)
            except (BlockingIOError, ssl.SSLWantWriteError):
                if not self._wait(self._writable, deadline):
                    raise TimeoutError(f"the server took no data for {timeout:g} s") from None
            except ssl.SSLWantReadError:
                self._nap(self._readable, deadline, f"the server took no data for {timeout:g} s")
            else:
                rest = rest[sent:]
                deadline = time.monotonic() + timeout if rest else deadline

    def receive(self, timeout: float | None) -> bytes:
        """The bytes that are there, after waiting for the first.

        Raises `TimeoutError` after `timeout` seconds (None waits for ever) and `EOFError`.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            if not self._ready(deadline):
                raise TimeoutError("no reply in time")
            try:
                with self._turn:
                    data = self._sock.recv(BUFFER)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            except ssl.SSLWantWriteError:
                self._nap(self._writable, deadline, "no reply in time")
                continue
            if not data:
                raise EOFError("the server closed the connection")
            return data

    def readable(self) -> bool:
        """Whether `receive` has something to do: bytes, or the end of the stream."""
        return self._pending() or bool(self._readable.poll(0))

    def shutdown(self) -> None:
        """End the stream both ways: whoever waits on it wakes up."""
        with contextlib.suppress(OSError):  # the peer may have ended it first
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the descriptor.  The stream stays open where a parent process still holds it."""
        self._sock.close()

    def _ready(self, deadline: float | None) -> bool:
        """Whether `recv` may be called, which may wait a `NAP`; False when the deadline has passed."""
        if self._ssl is not None:
            return self._pending() or self._wait(self._readable, deadline)
        late = deadline is not None and deadline - time.monotonic() < NAP
        return not late or self._wait(self._readable, deadline)

    def _pending(self) -> bool:
        if self._ssl is None:
            return False
        with self._turn:
            return self._ssl.pending() > 0

    def _wait(self, poll: select.poll, deadline: float | None) -> bool:
        """Wait for a descriptor; False when the deadline has passed."""
        left = None if deadline is None else deadline - time.monotonic()
        if self._ssl is not None:
            nap = NAP if left is None else min(left, NAP)
            return bool(poll.poll(max(nap, 0) * 1000)) or left is None or left > NAP
        return bool(poll.poll(None if left is None else max(left, 0) * 1000))

    @staticmethod
    def _nap(poll: select.poll, deadline: float | None, reason: str) -> None:
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError(reason)
        poll.poll(CROSSED_NAP * 1000)
