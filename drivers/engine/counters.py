"""What an engine counts of itself: plain integers, which cost little until somebody asks (docs/metrics.md).

Lock discipline.  Each object has one `lock` for its numbers; nothing happens under it but counting.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from time import perf_counter_ns

from ..errors import Refused
from ..forks import after_fork

DURATIONS = [step * 10**power for power in range(4, 10) for step in (1, 2, 5)] + [10**10]
"""Upper bounds of the durations that are counted together: nanoseconds, 10 µs to 10 s."""

BATCHES = [1 << power for power in range(11)]
"""Upper bounds of the numbers of commands that are counted together."""


class Counted:
    """Numbers that many threads add to with `lock` held."""

    def __init__(self) -> None:
        self._unlock()
        after_fork(self, Counted._unlock)

    def _unlock(self) -> None:
        """A new lock: a child process may have got the old one closed for good."""
        self.lock = threading.Lock()


class Call:
    """All calls of one primitive."""

    __slots__ = ("errors", "nanoseconds", "took")

    def __init__(self) -> None:
        self.took = [0] * (len(DURATIONS) + 1)
        """Calls by duration: up to each bound, and longer than all."""
        self.nanoseconds = 0
        """What all of them took together."""
        self.errors: Counter[int | str] = Counter()
        """Calls that failed: by errno, `refused` (in words) or the name of an exception."""


class Calls(Counted):
    """The calls of an engine's primitives."""

    def __init__(self) -> None:
        super().__init__()
        self.by_primitive: dict[str, Call] = {}

    def ended(self, primitive: str, began: int, failure: BaseException | None = None) -> None:
        """Count a call that began at a time of `perf_counter_ns` and ends now."""
        took = perf_counter_ns() - began
        place = bisect_left(DURATIONS, took)
        with self.lock:
            call = self.by_primitive.get(primitive)
            if call is None:
                call = self.by_primitive[primitive] = Call()
            call.took[place] += 1
            call.nanoseconds += took
            if failure is not None:
                call.errors[_kind(failure)] += 1


class Transactions(Counted):
    """The attempts of an engine's transactions, and why some were not the last."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts = 0
        self.conflicts = 0
        """Attempts that found a watched key changed."""
        self.retries: Counter[str] = Counter()
        """Attempts that the server refused for the time being, by the code of its error."""

    def attempted(self) -> None:
        """Count an attempt that begins."""
        with self.lock:
            self.attempts += 1

    def conflicted(self) -> None:
        """Count a conflict."""
        with self.lock:
            self.conflicts += 1

    def retried(self, code: str) -> None:
        """Count a refusal after which the transaction begins anew."""
        with self.lock:
            self.retries[code] += 1


class Traffic(Counted):
    """What goes over connections of one kind."""

    def __init__(self) -> None:
        super().__init__()
        self.dialled = 0
        """Connections made."""
        self.lost = 0
        """Connections that ended before this client closed them, or were of no use after a failure."""
        self.batches = [0] * (len(BATCHES) + 1)
        """Sends by the number of commands in them: up to each bound, and more than all."""
        self.commands = 0
        self.bytes = 0

    def connected(self) -> None:
        """Count a connection made."""
        with self.lock:
            self.dialled += 1

    def disconnected(self) -> None:
        """Count a connection lost."""
        with self.lock:
            self.lost += 1

    def sent(self, commands: int, size: int) -> None:
        """Count a send: how many commands, and bytes."""
        with self.lock:
            self.batches[bisect_left(BATCHES, commands)] += 1
            self.commands += commands
            self.bytes += size


def _kind(failure: BaseException) -> int | str:
    if isinstance(failure, OSError) and failure.errno is not None:
        return failure.errno
    return "refused" if isinstance(failure, Refused) else type(failure).__name__
