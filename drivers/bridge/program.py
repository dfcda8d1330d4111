"""Calls to an external program over the driver protocol (§1-§3): many at once, each with its own answer."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from ..api import CAPABILITIES
from .failures import EngineCrashed, EngineFailure, EngineFault, EngineHung, ProtocolViolation
from .process import Ended, Process
from .validation import Validator

Json: TypeAlias = Any

PROTOCOL = 1
HELLO_WITHIN = 10.0
"""Seconds from the start of the program to its first answer."""
CANCEL_LOOK = 0.005
"""Seconds between looks at whether a waiting call was cancelled."""
SHOWN = 200
"""Bytes of a line that a failure shows."""

ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

Observer: TypeAlias = Callable[[str, bytes], None]
"""Gets every line: `sent` or `received`, and the line."""


@dataclass(frozen=True)
class Options:
    """How patient the harness is with a program.

    `timeout` is in seconds a call; `restarts` is how often a run starts a failed program again; `strict`
    validates every message both ways, which needs the package jsonschema.
    """

    timeout: float = 30.0
    restarts: int = 3
    strict: bool = False

    @classmethod
    def from_environment(cls) -> Options:
        """The defaults, or METAPARITY_TIMEOUT, METAPARITY_RESTARTS and METAPARITY_STRICT (0 or 1).

        Raises `ValueError` for a value that is none.
        """
        timeout = _variable("METAPARITY_TIMEOUT", r"\d+(\.\d+)?", "a number of seconds", "30")
        restarts = _variable("METAPARITY_RESTARTS", r"\d+", "a number", "3")
        strict = _variable("METAPARITY_STRICT", r"[01]", "0 or 1", "0")
        return cls(float(timeout), int(restarts), strict == "1")


def _variable(name: str, pattern: str, wanted: str, default: str) -> str:
    text = os.environ.get(name, default)
    if not re.fullmatch(pattern, text, re.ASCII):
        raise ValueError(f"the environment variable {name} is {text!r}: set it to {wanted}")
    return text


@dataclass(frozen=True)
class Hello:
    """What a program says of itself.  Source: protocol §3."""

    name: str
    version: str
    language: str
    capabilities: frozenset[str]
    schemes: tuple[str, ...]


@dataclass(slots=True)
class Waiter:
    """A call under way; `done` is held until there is an answer or no more hope of one."""

    method: str
    done: threading.Lock = field(default_factory=threading.Lock)
    answer: dict[str, Json] | None = None


class Program:
    """A running program.  One failure that concerns the stream of messages ends it, with all its calls."""

    def __init__(
        self, command: Sequence[str], options: Options = Options(), observe: Observer | None = None
    ) -> None:
        """Start it.  Raises `EngineCrashed` when it cannot be started."""
        self.options = options
        self._validator = Validator() if options.strict else None
        self._observe = observe
        self._state = threading.Lock()
        self._waiting: dict[int, Waiter] = {}
        self._last = 0
        self._ending = False
        self._failed: tuple[type[EngineFailure], str] | None = None
        try:
            self._process = Process(command, self._received, self._output_ended)
        except OSError as refused:
            raise EngineCrashed(f"{command[0]} could not be started: {refused.strerror}") from refused
        self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def failure(self) -> EngineFailure | None:
        """Why no more calls can be made; None while they can."""
        if self._failed is None:
            return None
        kind, reason = self._failed
        return kind(reason, self._process.stderr())

    def stderr(self) -> str:
        """The end of what the program logged."""
        return self._process.stderr()

    # -- calls -------------------------------------------------------------------------------------

    def hello(self, timeout: float = HELLO_WITHIN) -> Hello:
        """Make the handshake.  Raises `EngineFailure`."""
        result = self.request("hello", {"protocol": PROTOCOL}, timeout=timeout)
        try:
            return hello_of(result)
        except ValueError as wrong:
            raise ProtocolViolation(str(wrong), self._process.stderr()) from None

    def request(
        self,
        method: str,
        params: dict[str, Json],
        *,
        cancelled: threading.Event | None = None,
        timeout: float | None = None,
    ) -> Json:
        """The `result` of a call; while `cancelled` is set, the program is told to break it off.

        Raises `EngineFailure`, of the kind that fits: `EngineFault` concerns this call only.
        """
        validator = None if "." in method else self._validator  # the schema knows no extensions
        if validator is not None:
            validator.params(method, params)
        seconds = self.options.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        waiter = Waiter(method)
        waiter.done.acquire()
        with self._state:
            if self._failed is not None:
                self._give_up(method)
            self._last = id = self._last + 1
            self._waiting[id] = waiter
        self._send(
            {"jsonrpc": "2.0", "id": id, "method": method, "params": params}, method, seconds, deadline
        )
        self._wait(waiter, id, cancelled, seconds, deadline)
        if waiter.answer is None:
            self._give_up(method)
        if "error" in waiter.answer:
            self._raise_error(method, waiter.answer["error"])
        if validator is not None:
            validator.result(method, waiter.answer["result"])
        return waiter.answer["result"]

    def _send(self, message: dict[str, Json], method: str, seconds: float, deadline: float) -> None:
        line = ENCODE(message).encode() + b"\n"
        if self._observe is not None:
            self._observe("sent", line)
        try:
            self._process.send(line, deadline)
        except TimeoutError:
            self._fail(EngineHung, f"the program did not read a call of {method} within {seconds:g} s")
        except BrokenPipeError:
            self._process.wait(1.0)  # the reader notices its end, with the exit code
            self._fail(EngineCrashed, f"the program closed its stdin before a call of {method}")

    def _wait(
        self, waiter: Waiter, id: int, cancelled: threading.Event | None, seconds: float, deadline: float
    ) -> None:
        told = cancelled is None
        while (left := deadline - time.monotonic()) > 0:
            if not told and cancelled is not None and cancelled.is_set():
                message = {"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": id}}
                self._send(message, "$/cancel", seconds, deadline)
                told = True
            if waiter.done.acquire(timeout=left if told else min(left, CANCEL_LOOK)):
                return
        if not waiter.done.acquire(blocking=False):
            self._fail(
                EngineHung, f"the program did not answer a call of {waiter.method} within {seconds:g} s"
            )

    def _raise_error(self, method: str, error: Json) -> NoReturn:
        code, text = error["code"], error["message"]
        reason = f"{method} answered error {code}: {text}"
        raise EngineFault(reason, self._process.stderr(), code)

    def _give_up(self, method: str) -> NoReturn:
        assert self._failed is not None
        kind, reason = self._failed
        raise kind(f"{method} has no outcome: {reason}", self._process.stderr())

    # -- what comes back ---------------------------------------------------------------------------

    def _received(self, line: bytes) -> None:
        if self._observe is not None:
            self._observe("received", line)
        try:
            id, answer = parse(line)
            with self._state:
                waiter = self._waiting.pop(id, None)
                sent = 0 < id <= self._last
        except ValueError as wrong:
            self._fail(ProtocolViolation, f"{wrong}: {shown(line)}")
            return
        if waiter is not None:
            waiter.answer = answer
            waiter.done.release()
        elif sent:
            self._fail(ProtocolViolation, f"the program answered call {id} twice: {shown(line)}")
        else:
            self._fail(
                ProtocolViolation, f"the program answered call {id}, which was not made: {shown(line)}"
            )

    def _output_ended(self) -> None:
        if self._process.wait(1.0):
            self._fail(EngineCrashed, f"the program {ending(self._process.code)}")
        else:
            self._fail(EngineCrashed, "the program closed its stdout and went on running")

    def _fail(self, kind: type[EngineFailure], reason: str) -> None:
        """No more calls: what waits gets no answer.  The first reason counts."""
        with self._state:
            if self._failed is not None or (self._ending and not self._waiting):
                return
            self._failed = (kind, reason)
            waiting, self._waiting = list(self._waiting.values()), {}
        self._process.kill()  # before anyone is told, so that its last words are read
        for waiter in waiting:
            waiter.done.release()

    # -- the end -----------------------------------------------------------------------------------

    def end(self) -> tuple[Ended, int | None]:
        """End the program; how it did, and its exit code."""
        with self._state:
            self._ending = True
        how = self._process.end()
        with self._state:
            if self._failed is None:
                self._failed = (EngineCrashed, "the program was ended by the harness")
        return how, self._process.code


def parse(line: bytes) -> tuple[int, dict[str, Json]]:
    """The id and the whole of an answer.  Raises `ValueError` with what is wrong in half a sentence."""
    if not line.endswith(b"\n"):
        raise ValueError("the program sent a line without an end")
    try:
        answer = json.loads(line.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise ValueError("the program sent a line that is not JSON") from None
    if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0":
        raise ValueError('the program sent a line that is no object with "jsonrpc": "2.0"')
    id = answer.get("id")
    if type(id) is not int:
        raise ValueError("the program sent an answer whose id is not that of a call")
    if answer.keys() == {"jsonrpc", "id", "result"}:
        return id, answer
    error = answer.get("error")
    if (
        answer.keys() != {"jsonrpc", "id", "error"}
        or not isinstance(error, dict)
        or type(error.get("code")) is not int
        or not isinstance(error.get("message"), str)
    ):
        raise ValueError("the program sent an answer without either a result or an error of code and message")
    return id, answer


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def shown(line: bytes) -> str:
    """A line as a failure shows it."""
    text = line.rstrip(b"\r\n").decode(errors="backslashreplace")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(line)} bytes)"


def ending(code: int | None) -> str:
    """How a program ended, from its exit code."""
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def hello_of(result: Json) -> Hello:
    """The answer of `hello`.  Raises `ValueError`: one sentence that says what to change."""
    if not isinstance(result, dict) or not isinstance(result.get("ok"), dict):
        raise ValueError(
            f"hello answered {shown(ENCODE(result).encode())}: answer an ok with name, version, .."
        )
    said = result["ok"]
    if said.get("protocol") != PROTOCOL:
        raise ValueError(f"hello answered protocol {said.get('protocol')!r}: this harness speaks {PROTOCOL}")
    for name in ("name", "version", "language"):
        if not isinstance(said.get(name), str) or not said[name]:
            raise ValueError(f"hello answered without {name}: make it a text")
    for name in ("capabilities", "schemes"):
        texts = said.get(name)
        if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
            raise ValueError(f"hello answered without {name}: make it a list of texts")
    unknown = sorted(set(said["capabilities"]) - CAPABILITIES.keys())
    if unknown:
        known = ", ".join(CAPABILITIES)
        raise ValueError(f"hello declares unknown capabilities: {', '.join(unknown)}; choose from {known}")
    if not said["schemes"] or not all(re.fullmatch(r"[a-z][a-z0-9+.-]*", one) for one in said["schemes"]):
        raise ValueError('hello answered no usable schemes: name at least one, such as "redis"')
    return Hello(
        said["name"],
        said["version"],
        said["language"],
        frozenset(said["capabilities"]),
        tuple(said["schemes"]),
    )
