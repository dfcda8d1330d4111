"""Optimistic transactions on one connection: WATCH, reads, MULTI/EXEC (S4.1).

Nothing is sent before it has to be.  WATCH travels with the first reads, MULTI with the queued commands
and EXEC, so a transaction whose keys are known costs two round trips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from .store import Command, Conflict, Disconnected, Lost, Reply, ServerError, Transaction

T = TypeVar("T")


class Channel(Protocol):
    """A connection that belongs to one caller.  A broken one refuses every further call."""

    def exchange(self, commands: Sequence[Command]) -> list[Reply | ServerError]:
        """Send all commands at once and return their replies in order.  Raises `Disconnected`."""

    def alive(self) -> bool:
        """Whether the server has kept the connection open since its last use.  Does not wait."""

    def unwatch(self) -> None:
        """Send UNWATCH without waiting for its reply; does nothing on a broken connection."""


def checked(replies: list[Reply | ServerError]) -> list[Reply]:
    """The replies.  Raises the first error among them."""
    for reply in replies:
        if isinstance(reply, ServerError):
            raise reply
    return replies


class Attempt:
    """One attempt of a transaction: the `Transaction` that a body gets."""

    def __init__(self, channel: Channel, watch: Sequence[bytes]) -> None:
        self.replies: list[Reply] = []
        self.watching = False
        self.queued: list[Command] = []
        self.sent = False
        """Whether what was queued is on its way, so that it may have been done."""
        self.reads = 0
        """How often the server was asked: replies to different questions are of different moments."""
        self._channel = channel
        self._pending = list(watch)

    def watch(self, *keys: bytes) -> None:
        """Watch more keys: they travel ahead of the next `read`."""
        self._pending += keys

    def read(self, *commands: Command) -> list[Reply]:
        """Replies in order, one round trip."""
        watches = self._take_watches()
        self.reads += 1
        return checked(self._channel.exchange([*watches, *commands]))[len(watches) :]

    def queue(self, *commands: Command) -> None:
        """Add commands to the MULTI/EXEC that ends the attempt."""
        self.queued += commands

    def commit(self) -> None:
        """Run what was queued, if anything.

        Raises `Conflict` when a watched key changed, `Lost` when nothing can have been done, and
        `ServerError`: that of EXEC when the server refused a command before it ran anything, else the first
        error among the replies.
        """
        if not self.queued:
            return
        if not self.reads and not self._channel.alive():
            raise Lost("the server has closed the connection while it was idle")
        ahead = [*self._take_watches(), ("MULTI",)]
        self.sent = True
        try:
            answers = self._channel.exchange([*ahead, *self.queued, ("EXEC",)])
        except Lost as lost:  # what was queued may have been done
            raise Disconnected(str(lost)) from lost
        self.watching = False
        outcome = answers[-1]
        if outcome is None:
            raise Conflict
        if isinstance(outcome, ServerError):
            raise outcome from next((one for one in answers[:-1] if isinstance(one, ServerError)), None)
        checked(answers[: len(ahead)])
        self.replies = outcome
        checked(outcome)

    def confirm(self) -> None:
        """Raise `Conflict` when a watched key changed, where what was read is of more than one moment."""
        if self.reads > 1 and self.watching:
            outcome = self._channel.exchange([("MULTI",), ("EXEC",)])[-1]
            self.watching = False
            if outcome is None:
                raise Conflict

    def _take_watches(self) -> list[Command]:
        """The WATCH that has to be sent first, if any."""
        if not self._pending:
            return []
        watch: Command = ("WATCH", *self._pending)
        self._pending = []
        self.watching = True
        return [watch]


def run_attempt(
    channel: Channel,
    watch: Sequence[bytes],
    body: Callable[[Transaction], T],
    changed: Callable[[Sequence[Command]], object] | None = None,
) -> T:
    """Run `body` and commit what it queued; afterwards nothing is watched on the channel.

    A body that refuses, fails, or finds nothing to do, gives an answer, too: where it rests on reads of more
    than one moment, nothing watched may have changed.  `changed` is called with what may have been done,
    whatever has become of it, before this returns.  Raises `Conflict`, `ServerError`, `Disconnected`, and
    anything the body raises.
    """
    attempt = Attempt(channel, watch)
    try:
        try:
            result = body(attempt)
        except Exception:
            attempt.confirm()
            raise
        if attempt.queued:
            attempt.commit()
        else:
            attempt.confirm()
    finally:
        if attempt.sent and changed is not None:
            changed(attempt.queued)
        if attempt.watching:
            channel.unwatch()
    return result
