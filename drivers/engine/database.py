"""Commands under the engine's rules: transactions that retry, failures that become errnos (S4.1)."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import SystemRandom
from typing import TypeVar

from ..errors import error
from ..types import ROOT, Context
from .codec import CorruptValue
from .counters import Transactions
from .store import (
    Answer,
    Command,
    Conflict,
    Disconnected,
    Look,
    Packed,
    Reply,
    ServerError,
    Store,
    Transaction,
)

T = TypeVar("T")

ATTEMPTS = 50
"""How often a transaction is tried (S4.1.3)."""

SLOTS = [threading.Lock() for _ in range(1024)]
"""Callers of one process that touch the same key queue here instead of conflicting (S4.2)."""

CHANCE = SystemRandom()
"""For how long to wait; the numbers of `random` belong to the program, which may have seeded them."""

RETRIED_CODES = frozenset({"LOADING", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK"})
RETRIED_TEXTS = ("Conn is in a bad state", "EXECABORT")
RETRIED_REPLIES = ("ERR DISABLE", "ERR NOWRITE", "ERR NOREAD")


def slot_of(key: bytes) -> int:
    """The local lock of a key: FNV-1, 32 bits, modulo 1024 (S4.2)."""
    digest = 2166136261
    for byte in key:
        digest = (digest * 16777619 & 0xFFFFFFFF) ^ byte
    return digest % len(SLOTS)


def retryable(failure: ServerError) -> bool:
    """Whether a transaction that failed so is worth another attempt (S4.1.5)."""
    text = str(failure)
    return (
        failure.code in RETRIED_CODES
        or text == "ERR max number of clients reached"
        or any(part in text for part in RETRIED_TEXTS)
        or text.startswith(RETRIED_REPLIES)
    )


def as_errno(failure: Exception) -> OSError:
    """The errno of a failure that is no refusal (S4.1.8): ENOSPC for a full server, else EIO."""
    number = errno.ENOSPC if isinstance(failure, ServerError) and failure.code == "OOM" else errno.EIO
    return OSError(number, f"{type(failure).__name__}: {failure}")


FAILURES = (ServerError, Disconnected, Conflict, CorruptValue)
"""What `as_errno` turns into an errno."""


def check_cancelled(ctx: Context) -> None:
    """Raise EINTR when the caller has given up (X2)."""
    if ctx.cancelled is not None and ctx.cancelled.is_set():
        raise error(errno.EINTR)


def pause(seconds: float, ctx: Context) -> None:
    """Wait, but no longer than until the caller gives up."""
    if ctx.cancelled is None:
        time.sleep(seconds)
    else:
        ctx.cancelled.wait(seconds)


class Database:
    """The engine's view of a store."""

    def __init__(self, store: Store, read_only: bool) -> None:
        self.store = store
        self.read_only = read_only
        self.transactions = Transactions()

    def read(self, *commands: Command) -> list[Reply]:
        """Replies in order, one round trip."""
        return self.store.read(*commands)

    def read_one(self, *command: bytes | str | int) -> Reply:
        """The reply of one command."""
        return self.store.read(command)[0]

    def ask(self, *commands: Command) -> Answer:
        """What waits for the replies, once; a store that `asks_ahead` has them under way by then."""
        return self.store.ask(*commands)

    def cached(self, *commands: Command) -> list[Reply]:
        """As `read`, from what the client keeps where it keeps it; never in a transaction."""
        return self.store.cached(*commands)

    def cached_one(self, *command: bytes | str | int) -> Reply:
        """The reply of one command, kept or not."""
        return self.store.cached(command)[0]

    def write(self, *commands: Command) -> list[Reply]:
        """As `read` for commands that write outside a transaction.  Raises EROFS."""
        self.require_writable()
        return self.store.pipeline(*commands)

    def stream(self, batches: Iterable[Sequence[Command]], ahead: int) -> Iterator[list[Reply]]:
        """The replies to each batch of commands, of which so many are asked ahead."""
        return self.store.stream(batches, ahead)

    def pour(self, batches: Iterable[Packed], look: Look) -> None:
        """Write many commands; `look` gets the replies, some at a time.  Raises EROFS."""
        self.require_writable()
        self.store.pour(batches, look)

    def require_writable(self) -> None:
        """Raise EROFS on a read-only client (M2)."""
        if self.read_only:
            raise error(errno.EROFS)

    def transact(self, watch: Sequence[bytes], body: Callable[[Transaction], T], ctx: Context = ROOT) -> T:
        """Run `body` until its attempt commits, at most 50 times; it starts from scratch each time.

        Raises EROFS, EINTR, what the body raises, and the last failure when all attempts conflict.
        Source: S4.1, S4.2.
        """
        self.require_writable()
        with SLOTS[slot_of(watch[0])]:
            for attempt in range(ATTEMPTS):
                check_cancelled(ctx)
                self.transactions.attempted()
                try:
                    return self.store.attempt(watch, body)
                except Conflict as conflict:
                    self.transactions.conflicted()
                    failure: Exception = conflict
                except ServerError as refused:
                    if not retryable(refused):
                        raise
                    self.transactions.retried(refused.code)
                    failure = refused
                pause(CHANCE.randrange((attempt + 1) ** 2) / 1000, ctx)
        raise failure
