"""The few verbs that clauses are written with."""

from __future__ import annotations

import dataclasses
import errno as errnos
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from metaparity.drivers.types import Attr, Context, Time
from metaparity.fixtures.volumes import Volume


def refuses(errno: int, call: Callable[..., Any], *args: Any, **kwargs: Any) -> OSError:
    """The call is refused with this errno; returns the error."""
    wanted = errnos.errorcode[errno]
    refusal = None
    try:
        value = call(*args, **kwargs)
    except OSError as error:
        refusal = error
    assert refusal is not None, f"expected {wanted}, observed success: {value!r}"
    got = errnos.errorcode.get(refusal.errno or 0, str(refusal.errno))
    assert refusal.errno == errno, f"expected {wanted}, observed {got}"
    return refusal


def soon(look: Callable[[], bool], seconds: float = 8.0) -> bool:
    """Whether something is so within some seconds: what happens by itself, or takes effect after a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if look():
            return True
        time.sleep(0.02)
    return look()


@contextmanager
def given_up_after(seconds: float) -> Iterator[Context]:
    """The superuser, who gives up a call that takes longer: EINTR, where an engine would go on for ever."""
    cancelled = threading.Event()
    timer = threading.Timer(seconds, cancelled.set)
    timer.start()
    try:
        yield Context(cancelled=cancelled)
    finally:
        timer.cancel()


@contextmanager
def unchanged(volume: Volume) -> Iterator[None]:
    """What runs inside leaves every key of the volume as it was."""
    before = volume.state()
    yield
    after = volume.state()
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    assert not changed, "expected no key to change, observed " + ", ".join(
        f"{key!r}: {before.get(key)!r} -> {after.get(key)!r}" for key in changed
    )


class Window:
    """The time that passed inside a `window()` block."""

    def __init__(self) -> None:
        self.start = time.time_ns()
        self.end: int | None = None

    def covers(self, stamp: Time) -> bool:
        """Whether a stamp fell inside; a block still open ends now."""
        end = self.end if self.end is not None else time.time_ns()
        return self.start <= stamp[0] * 10**9 + stamp[1] <= end


@contextmanager
def window() -> Iterator[Window]:
    """Times the calls inside: a stamp of "now" must be covered by the window."""
    opened = Window()
    yield opened
    opened.end = time.time_ns()


def alike(left: Attr, right: Attr, *, but: Sequence[str] = ()) -> None:
    """Two attribute records agree in every field except those named."""
    differing = [
        f"{field.name}: {getattr(left, field.name)!r} != {getattr(right, field.name)!r}"
        for field in dataclasses.fields(Attr)
        if field.name not in but and getattr(left, field.name) != getattr(right, field.name)
    ]
    assert not differing, "expected equal attributes, observed " + ", ".join(differing)
