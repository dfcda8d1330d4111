"""How a signal ends a command: as Ctrl-C does, wherever it comes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDINGS = (signal.SIGTERM, signal.SIGHUP)
"""What ends a program from outside: by `kill`, a supervisor, or with its terminal."""

NUDGE = signal.SIGURG
"""What interrupts a wait and says nothing: who does not expect it ignores it."""

NUDGES = (0.1, 1.0)
"""Seconds after a signal at which the main thread surely is past the moment in which one is lost."""


@contextmanager
def interruptible() -> Iterator[None]:
    """A block that these signals end as Ctrl-C does: what it has begun is undone, what it has started stops.

    One that is ignored, as nohup has it, stays so.  Elsewhere than in the main thread nothing changes.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in ENDINGS if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        with _awakened():
            yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _awakened() -> Iterator[None]:
    """A block of the main thread in which no wait goes on when a signal came just before it.

    The interpreter looks for signals, and a little later waits: one that comes between the two would be seen
    when the wait has ended, which takes as long as a silent server does.
    """
    main = threading.get_ident()
    reading, writing = os.pipe()

    def nudge() -> None:
        with open(reading, "rb", buffering=0) as signals:
            while number := signals.read(1):
                if number[0] == NUDGE:
                    continue
                for pause in NUDGES:
                    time.sleep(pause)
                    signal.pthread_kill(main, NUDGE)

    os.set_blocking(writing, False)
    handler = signal.signal(NUDGE, lambda *_: None)
    told = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=nudge, name="metaparity signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(told)
        signal.signal(NUDGE, handler)
        os.close(writing)
