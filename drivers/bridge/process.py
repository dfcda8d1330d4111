"""A child process with three pipes that nothing outlives: lines out, lines in, the end of its stderr."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum

STDERR_KEPT = 64 << 10
"""Bytes of stderr that are kept: the last ones."""

LINE_LIMIT = 256 << 20
"""Bytes of one line; a longer one is not read to its end."""

PATIENCE = 2.0
"""Seconds that a program gets after the end of its stdin, and again after SIGTERM."""

# Waits for the end of its stdin, which the kernel closes however we die, and then ends the process group of
# a program that did not end by itself.  It is in that group, so nobody else can be given the group's number.
GUARD = f'read -r _; sleep {PATIENCE:g}; kill -9 -"$0"'


class NoProgram(ValueError):
    """The command names nothing that can be run."""


class Ended(Enum):
    """How a program ended after the end of its stdin."""

    ITSELF = "by itself"
    TERMINATED = "only on SIGTERM"
    KILLED = "only on SIGKILL"


def split(command: str) -> list[str]:
    """The words of a command line; the first one names a program that exists.  Raises `NoProgram`."""
    try:
        words = shlex.split(command)
    except ValueError as bad:
        raise NoProgram(
            f"the command {command!r} cannot be split into words ({bad}): close its quotes"
        ) from None
    if not words:
        raise NoProgram("there is no command: name a program, such as ./my-engine")
    found = shutil.which(words[0])
    if found is None:
        what = "is not executable" if os.path.isfile(words[0]) else "does not exist"
        raise NoProgram(
            f"the program {words[0]} {what}: give the path of an executable file or a name on the PATH"
        )
    return [os.path.abspath(found), *words[1:]]


class Process:
    """A running program, read from `start` on: `on_line` gets each line of its stdout, `on_end` is called
    once after the last."""

    def __init__(
        self, command: Sequence[str], on_line: Callable[[bytes], None], on_end: Callable[[], None]
    ) -> None:
        """Raises `OSError` when it cannot be started."""
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for us: the program ends with its stdin
        )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, str(self._child.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=self._child.pid,
        )
        assert self._child.stdin is not None
        self._input = self._child.stdin
        os.set_blocking(self._input.fileno(), False)
        self._writing = threading.Lock()
        self._stderr = bytearray()
        self._on_line, self._on_end = on_line, on_end
        self._threads = [
            threading.Thread(target=run, name=f"{run.__name__}-{self.pid}", daemon=True)
            for run in (self._reap, self._log, self._read)
        ]

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._child.returncode

    # -- pipes -------------------------------------------------------------------------------------

    def send(self, line: bytes, deadline: float) -> None:
        """Write a line.  Raises `TimeoutError` when the program does not read until `deadline` (monotonic
        seconds), `BrokenPipeError` when it is gone."""
        if not self._writing.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        try:
            rest = memoryview(line)
            while rest:
                if self._input.closed:
                    raise BrokenPipeError
                try:
                    rest = rest[os.write(self._input.fileno(), rest) :]
                except BlockingIOError:
                    self._wait_for_room(deadline)
        finally:
            self._writing.release()

    def _wait_for_room(self, deadline: float) -> None:
        poll = select.poll()
        poll.register(self._input.fileno(), select.POLLOUT)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise TimeoutError

    def stderr(self) -> str:
        """The end of what the program logged."""
        return bytes(self._stderr).decode(errors="backslashreplace")

    def _read(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as source:
            while line := source.readline(LINE_LIMIT):
                self._on_line(line)
            self._on_end()

    def _log(self) -> None:
        assert self._child.stderr is not None
        with self._child.stderr as source:
            while block := os.read(source.fileno(), 1 << 16):
                self._stderr += block
                del self._stderr[:-STDERR_KEPT]

    def _reap(self) -> None:
        self._child.wait()
        self._signal(signal.SIGKILL)  # whatever it started ends with it, and so do the pipes
        self._guard.communicate()

    # -- the end -----------------------------------------------------------------------------------

    def wait(self, seconds: float) -> bool:
        """Whether the program has ended, after at most so many seconds, and all it wrote was read."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return self._child.returncode is not None

    def kill(self) -> None:
        """End the program, and what it started, at once."""
        self._signal(signal.SIGKILL)
        self.wait(PATIENCE)
        self._close_input()

    def end(self) -> Ended:
        """End the program: first by the end of its stdin, then by signals."""
        self._close_input()
        how = Ended.ITSELF
        for number, next in ((signal.SIGTERM, Ended.TERMINATED), (signal.SIGKILL, Ended.KILLED)):
            if self.wait(PATIENCE):
                break
            self._signal(number)
            how = next
        self.wait(PATIENCE)
        return how

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)

    def _close_input(self) -> None:
        if self._writing.acquire(timeout=PATIENCE):
            self._input.close()
            self._writing.release()
