"""How a command ends that could not do what it was asked."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

USAGE, ENVIRONMENT, INTERRUPTED = 2, 3, 130
"""Exit codes: asked for something wrong, cannot be done here, ended by Ctrl-C."""

ENDINGS = (signal.SIGTERM, signal.SIGHUP)
"""What ends a program from outside: by `kill`, a supervisor, or with its terminal."""


@contextmanager
def interruptible() -> Iterator[None]:
    """A block that these signals end as Ctrl-C does: what it has begun is undone, what it has started stops.

    One that is ignored, as nohup has it, stays so.  Elsewhere than in the main thread nothing changes.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    taken = [number for number in ENDINGS if main and signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def complain(sentence: object, code: int) -> int:
    """Say on stderr what is wrong; returns the exit code."""
    print(f"metaparity: {sentence}", file=sys.stderr)
    return code
