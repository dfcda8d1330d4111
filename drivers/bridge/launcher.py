"""The program behind a driver: started when needed, shared by all clients of a process, ended with it."""

from __future__ import annotations

import atexit
import itertools
import re
import threading
from collections.abc import Callable

from ..api import Engine
from ..driver import Driver, UnknownDriver
from ..types import Config
from .engine import BridgeEngine
from .failures import EngineFailure, ProtocolViolation
from .process import split
from .program import Hello, Options, Program


class Launcher:
    """Starts a program, and starts it again after a failure, a bounded number of times."""

    def __init__(self, command: Callable[[], list[str]], options: Options) -> None:
        """`command` is asked for the words of the command line when the program is started."""
        self.options = options
        self._command = command
        self._lock = threading.Lock()
        self._clients = itertools.count(1)
        self._program: Program | None = None
        self._hello: Hello | None = None
        self._starts = 0
        self._last: EngineFailure | None = None
        atexit.register(self.end)

    def open(self, url: str, config: Config) -> Engine:
        """A new client.  Raises `EngineFailure`, and what `BridgeEngine` raises."""
        with self._lock:
            program, hello = self._running()
        return BridgeEngine(program, hello, f"client{next(self._clients)}", url, config)

    def hello(self) -> Hello:
        """What the program says of itself.  Raises `EngineFailure`."""
        with self._lock:
            return self._running()[1]

    def _running(self) -> tuple[Program, Hello]:
        if self._program is not None and self._hello is not None and self._program.failure is None:
            return self._program, self._hello
        if self._starts > self.options.restarts and self._last is not None:
            reason = f"the program failed {self._starts} times and is not started again; the last time: "
            raise type(self._last)(reason + self._last.reason, self._last.stderr)
        if self._program is not None and self._program.failure is not None:
            self._last = self._program.failure
        self._starts += 1
        try:
            self._program = Program(self._command(), self.options)
            hello = self._program.hello()
            if self._hello is not None and hello != self._hello:
                raise ProtocolViolation(f"hello answered {hello} after a restart, but {self._hello} before")
        except EngineFailure as failure:
            self._last = failure
            self.end()
            raise
        self._hello = hello
        return self._program, hello

    def end(self) -> None:
        """End the program, if it runs."""
        if self._program is not None:
            self._program.end()


def program_driver(command: str) -> Driver:
    """The driver of a command line, named after what its program says of itself.

    Raises `UnknownDriver` when the program cannot be run or does not speak the protocol.
    """
    try:
        words = split(command)
        launcher = Launcher(lambda: words, Options.from_environment())
        hello = launcher.hello()
    except ValueError as wrong:
        raise UnknownDriver(f"no driver at cmd:{command}: {wrong}") from None
    except EngineFailure as failure:
        raise UnknownDriver(
            f"no driver at cmd:{command}: {failure}\ntry it alone: metaparity smoke {command}"
        ) from failure
    return Driver(
        name=re.sub(r"[^\w.-]+", "-", f"{hello.name}-{hello.version}", flags=re.ASCII),
        description=f"{hello.name} {hello.version}, an external program ({hello.language})",
        schemes=hello.schemes,
        capabilities=hello.capabilities,
        open=launcher.open,
        spelling=f"cmd:{command}",
    )
