"""`metaparity smoke CMD`: do the basics of a driver work?  Shows the exchange of the first that does not.

The steps are what every clause needs before it can ask anything: the handshake, a client, a formatted volume,
a session, and one turn through the name space.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from metaparity.drivers import wire
from metaparity.drivers.bridge.failures import EngineFailure, ProtocolViolation
from metaparity.drivers.bridge.process import Ended, split
from metaparity.drivers.bridge.program import Hello, Options, Program
from metaparity.drivers.types import Entry, FileType, Node
from metaparity.fixtures.provision import Place, Provider, ServerUnavailable
from metaparity.fixtures.volumes import FORMAT

from .harness.exits import ENVIRONMENT, USAGE, complain
from .harness.rerun import program

START = 8.0
"""Seconds for a program to start and answer its first call."""
BUDGET = 8.0
"""Seconds for all other calls together."""
PATIENCE = 3.0
"""Seconds for one call."""
NEEDED = ("volume", "session", "namespace")
"""Capabilities without which no clause can begin."""
QUICK = ("local", "embedded", "container")
"""Kinds of server by how soon they answer."""
SHOWN = 2000
"""Bytes of a line that are shown."""


class Wrong(Exception):
    """A step did not go as it must; the text says what was expected."""


@dataclass
class Transcript:
    """The lines exchanged since the last step was done."""

    lines: list[tuple[str, bytes]] = field(default_factory=list)

    def note(self, direction: str, line: bytes) -> None:
        self.lines.append((direction, line))

    def __str__(self) -> str:
        shown = [f"  {direction:<9}{_text(line)}" for direction, line in self.lines]
        if not any(direction == "received" for direction, _ in self.lines):
            shown.append("  received nothing")
        return "\n".join(shown)


def _text(line: bytes) -> str:
    text = line.rstrip(b"\n").decode(errors="backslashreplace")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(line)} bytes)"


class Check:
    """The steps, on one program."""

    def __init__(self, program: Program, transcript: Transcript, address: str) -> None:
        self.program = program
        self.transcript = transcript
        self.address = address
        self.until = 0.0
        self.hello: Hello | None = None
        self.directory = self.file = 0

    def steps(self) -> dict[str, Callable[[], None]]:
        """What is asked, in order, by the name that is printed."""
        return {
            "hello": self._hello,
            "open": self._open,
            "init": self._init,
            "load": self._load,
            "session_new": self._session_new,
            "mkdir": self._mkdir,
            "create": self._create,
            "lookup": self._lookup,
            "getattr": self._getattr,
            "readdir": self._readdir,
            "unlink": self._unlink,
            "lookup of what was unlinked": self._lookup_again,
            "close": self._close,
            "end of stdin": self._end,
        }

    def _request(self, method: str, **params: Any) -> Any:
        left = min(PATIENCE, self.until - time.monotonic())
        return self.program.request(method, params, timeout=max(left, 0.1))

    def _call(self, method: str, **params: Any) -> Any:
        """The value of a primitive that must succeed."""
        result = self._request(method, client="smoke", **params)
        try:
            return wire.value_of(method, result)
        except wire.Malformed as malformed:
            raise Wrong(f"a value of the shape of protocol §5 ({malformed})") from None
        except Exception as refusal:
            raise Wrong(f'{{"ok": ...}}, but it refused ({type(refusal).__name__}: {refusal})') from None

    def _empty(self, method: str, **params: Any) -> None:
        if self._request(method, client="smoke", **params) != {"ok": {}}:
            raise Wrong('{"ok": {}}')

    def _hello(self) -> None:
        hello = self.hello = self.program.hello(START)
        self.until = time.monotonic() + BUDGET
        missing = [name for name in NEEDED if name not in hello.capabilities]
        if missing:
            raise Wrong(f"the capabilities that every clause needs: {', '.join(missing)} is not declared")

    def _open(self) -> None:
        assert self.hello is not None
        url = f"{self.hello.schemes[0]}://{self.address}"
        self._empty("open", url=url, config={"no_bg_jobs": True, "heartbeat": 600.0})

    def _init(self) -> None:
        self._call("init", format=wire.encode(FORMAT), force=False)

    def _load(self) -> None:
        settings = self._call("load")
        for name in ("Name", "UUID"):
            if settings.get(name) != FORMAT[name]:
                raise Wrong(f"the settings that init was given, {name} {FORMAT[name]!r} among them")

    def _session_new(self) -> None:
        if self._call("session_new", record=True) < 1:
            raise Wrong("a session id of 1 or more")

    def _mkdir(self) -> None:
        made = self._call("mkdir", parent=1, name="smoke", mode=0o755)
        self.directory = self._node(made, FileType.DIRECTORY, 0o755)

    def _create(self) -> None:
        made = self._call("create", parent=self.directory, name="file", mode=0o640)
        self.file = self._node(made, FileType.FILE, 0o640)
        if self.file == self.directory:
            raise Wrong("an inode of its own for the file")

    def _node(self, node: Node, type: FileType, mode: int) -> int:
        seen = node.attr
        if node.inode < 2 or seen is None or (seen.type, seen.mode) != (type, mode):
            raise Wrong(f"an inode above 1, with an attr of type {type.name.lower()} and mode {mode}")
        return node.inode

    def _lookup(self) -> None:
        if self._call("lookup", parent=self.directory, name="file").inode != self.file:
            raise Wrong(f"the inode that create answered: {self.file}")

    def _getattr(self) -> None:
        seen = self._call("getattr", inode=self.file)
        if (seen.type, seen.mode, seen.nlink, seen.length) != (FileType.FILE, 0o640, 1, 0):
            raise Wrong(f"type file, mode {0o640}, nlink 1 and length 0")

    def _readdir(self) -> None:
        entries: list[Entry] = self._call("readdir", inode=self.directory)
        if sorted((one.name, one.inode) for one in entries) != [
            (b".", self.directory),
            (b"..", 1),
            (b"file", self.file),
        ]:
            raise Wrong(f'three entries: "." {self.directory}, ".." 1, "file" {self.file}, in any order')

    def _unlink(self) -> None:
        self._call("unlink", parent=self.directory, name="file")

    def _lookup_again(self) -> None:
        result = self._request("lookup", client="smoke", parent=self.directory, name="file")
        if not isinstance(result, dict) or result.get("errno") != "ENOENT" or "ok" in result:
            raise Wrong('{"errno": "ENOENT"}')

    def _close(self) -> None:
        self._empty("close")

    def _end(self) -> None:
        how, code = self.program.end()
        if how is not Ended.ITSELF or code != 0:
            seen = "" if how is Ended.ITSELF else f" {how.value}"
            raise Wrong(
                f"the program to end with code 0 at the end of its stdin; it ended{seen} with code {code}"
            )


def smoke(command: str, strict: bool = False) -> int:
    """Ask the basics of a program; returns 0 when all is well, 1 for a step that is not, 2 for what
    is no program, 3 for the environment."""
    try:
        words = split(command)
    except ValueError as wrong:
        return complain(wrong, USAGE)
    try:
        provider, place = _server()
    except ServerUnavailable as missing:
        return complain(missing, ENVIRONMENT)
    transcript = Transcript()
    try:
        program = Program(words, Options(strict=strict), transcript.note)
    except (EngineFailure, ValueError) as failure:
        provider.close()
        return complain(failure, ENVIRONMENT)
    try:
        return _run(Check(program, transcript, place.address))
    finally:
        program.end()
        provider.close()


def _server() -> tuple[Provider, Place]:
    """The server that answers soonest.  Raises `ServerUnavailable`, with every reason."""
    reasons = []
    for kind in QUICK:
        provider = Provider(kind)
        try:
            return provider, provider.place()
        except ServerUnavailable as missing:
            provider.close()
            reasons.append(missing)
    raise reasons[0]


def _run(check: Check) -> int:
    started = time.monotonic()
    for name, step in check.steps().items():
        try:
            step()
        except (Wrong, EngineFailure) as wrong:
            print(f"FAILED  {name}\n{check.transcript}")
            print(f"  expected {_expected(wrong, check.program)}")
            print(_stderr(check.program.stderr()))
            return 1
        print(f"ok      {name}{_detail(check, name)}")
        check.transcript.lines.clear()  # what comes unasked before the next step is shown with it
    spec = f"{program('metaparity')} run --driver"
    print(f"smoke passed in {time.monotonic() - started:.1f} s: run the spec with {spec}")
    return 0


def _expected(wrong: Wrong | EngineFailure, program: Program) -> str:
    if isinstance(wrong, Wrong):
        return str(wrong)
    reason = (program.failure or wrong).reason
    if isinstance(wrong, ProtocolViolation):
        return f"what docs/protocol.md allows: {reason}"
    return f"an answer: {reason}"


def _detail(check: Check, name: str) -> str:
    if name != "hello" or check.hello is None:
        return ""
    said = check.hello
    return f"    {said.name} {said.version} ({said.language}): {', '.join(sorted(said.capabilities))}"


def _stderr(text: str) -> str:
    lines = text.strip().splitlines()[-20:]
    return "\n".join(["  stderr", *(f"    {line}" for line in lines)]) if lines else "  stderr   empty"
