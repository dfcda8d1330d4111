"""The driver protocol over pipes: overlapping calls, cancelling, bad lines, and every way to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metaparity.drivers.api import Engine
from metaparity.drivers.errors import Refused, error
from metaparity.drivers.registry import Driver
from metaparity.drivers.serve import ORDINARY, serve
from metaparity.drivers.types import ROOT, Attr, Config, Context, LockType, Node

LIMIT = 10.0
"""Seconds after which a missing answer is a failure."""


class Fake(Engine):
    """An engine whose calls last as long as a test wants."""

    capabilities = frozenset({"namespace", "flock"})

    def __init__(self, url: str, config: Config) -> None:
        if url == "bad":
            raise ValueError("this is no URL: write redis://HOST:PORT/DB")
        self.config = config
        self.gate = threading.Event()
        self.held = threading.Condition()
        self.owner: int | None = None
        self.closed = False

    def lookup(
        self, parent: int, name: bytes, check_permission: bool = False, *, ctx: Context = ROOT
    ) -> Node:
        if name == b"slow":
            self.gate.wait(LIMIT)
        elif name == b"open":
            self.gate.set()
        elif name == b"broken":
            print("this must not reach the caller")
            raise ZeroDivisionError("engine bug")
        elif name == b"signal":
            time.sleep(0.2)  # until the main thread waits for the next request
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        return Node(ctx.uid + 10, Attr(type=1))

    def load(self, check_version: bool = False) -> Any:
        raise Refused("database is not formatted")

    def flock(
        self, inode: int, owner: int, type: LockType, block: bool = False, *, ctx: Context = ROOT
    ) -> None:
        assert ctx.cancelled is not None
        with self.held:
            if type == LockType.U:
                self.owner = None
                return
            while self.owner not in (None, owner):
                if not block:
                    raise error(11)
                if ctx.cancelled.is_set():
                    raise error(4)
                self.held.wait(0.005)
            self.owner = owner

    def close(self) -> None:
        self.closed = True


ENGINES: list[Fake] = []


def open_fake(url: str, config: Config) -> Engine:
    ENGINES.append(Fake(url, config))
    return ENGINES[-1]


FAKE = Driver("fake", "for tests", ("fake",), Fake.capabilities, open_fake)


class Session:
    """A caller at the other end of two pipes."""

    def __init__(self) -> None:
        self.source, stdin = os.pipe()
        stdout, self.sink = os.pipe()
        self.stdin = os.fdopen(stdin, "wb", buffering=0)
        self.stdout = os.fdopen(stdout, "rb")
        self.status: int | None = None
        self.server = threading.Thread(target=self._serve)
        self.server.start()

    def _serve(self) -> None:
        with os.fdopen(self.source, "rb") as source, os.fdopen(self.sink, "wb") as sink:
            self.status = serve(FAKE, source, sink)

    def write(self, line: bytes) -> None:
        self.stdin.write(line + b"\n")

    def ask(self, id: Any, method: str, **params: Any) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).encode())

    def answer(self) -> dict[str, Any]:
        message = json.loads(self.stdout.readline())
        assert message.pop("jsonrpc") == "2.0"
        return dict(message)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.ask("one", method, **params)
        message = self.answer()
        assert message.pop("id") == "one"
        return message

    def end(self) -> None:
        if not self.stdin.closed:
            self.stdin.close()
        self.server.join(LIMIT)
        assert not self.server.is_alive()
        assert self.status == 0


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session()
    assert session.call("open", client="a", url="fake://") == {"result": {"ok": {}}}
    yield session
    session.end()
    session.stdout.close()


def test_hello_introduces_the_driver(session: Session) -> None:
    hello = session.call("hello", protocol=1)["result"]["ok"]
    assert hello["capabilities"] == ["flock", "namespace"]
    assert (hello["protocol"], hello["name"], hello["language"]) == (1, "fake", "python")
    assert hello["schemes"] == ["fake"]
    assert "unsupported" in session.call("hello", protocol=2)["result"]
    assert "unsupported" in session.call("hello", protocol=1, color="red")["result"]


def test_answers_come_in_any_order(session: Session) -> None:
    session.ask(1, "lookup", client="a", parent=1, name="slow")
    session.ask(2, "lookup", client="a", parent=1, name="quick", ctx={"uid": 7})
    assert session.answer()["result"]["ok"]["inode"] == 17
    session.ask(3, "lookup", client="a", parent=1, name="open")
    assert {session.answer()["id"], session.answer()["id"]} == {1, 3}


def test_reading_goes_on_while_every_thread_waits(session: Session) -> None:
    waiting = ORDINARY + 1
    for id in range(waiting):
        session.ask(id, "lookup", client="a", parent=1, name="slow")
    assert "ok" in session.call("hello", protocol=1)["result"]
    ENGINES[-1].gate.set()
    assert {session.answer()["id"] for _ in range(waiting)} == set(range(waiting))


def test_blocked_locks_leave_room_for_their_release(session: Session) -> None:
    assert session.call("flock", client="a", inode=1, owner=1, type="W") == {"result": {"ok": {}}}
    waiting = range(2, ORDINARY + 10)
    for owner in waiting:
        session.ask(owner, "flock", client="a", inode=1, owner=2, type="W", block=True)
    session.ask(1, "flock", client="a", inode=1, owner=1, type="U")
    answers = [session.answer() for _ in range(len(waiting) + 1)]
    assert all(answer["result"] == {"ok": {}} for answer in answers)


def test_a_blocked_lock_can_be_cancelled(session: Session) -> None:
    session.call("flock", client="a", inode=1, owner=1, type="W")
    session.ask(7, "flock", client="a", inode=1, owner=2, type="W", block=True)
    session.write(b'{"jsonrpc":"2.0","method":"$/cancel","params":{"id":7}}')
    answer = session.answer()
    assert (answer["id"], answer["result"]["errno"]) == (7, "EINTR")
    session.write(b'{"jsonrpc":"2.0","method":"$/cancel","params":{"id":7}}')
    assert session.call("flock", client="a", inode=1, owner=2, type="W")["result"]["errno"] == "EAGAIN"


@pytest.mark.parametrize(
    ("line", "code", "id"),
    [
        (b"{", -32700, None),
        (b"\xff\xfe", -32700, None),
        (b'{"id":1,"x":NaN}', -32700, None),
        (b"[" * 100_000, -32700, None),
        (b"[1]", -32600, None),
        (b'{"id":1,"method":"hello"}', -32600, 1),
        (b'{"jsonrpc":"2.0","id":1}', -32600, 1),
        (b'{"jsonrpc":"2.0","id":[1],"method":"hello"}', -32600, None),
        (b'{"jsonrpc":"2.0","method":"hello"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"fly"}', -32601, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"hello","params":[1]}', -32602, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"getattr","params":{"client":"a"}}', -32602, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"getattr","params":{"client":"b","inode":1}}', -32602, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"open","params":{"client":"a","url":"fake://"}}', -32602, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"open","params":{"client":"b","url":"bad"}}', -32602, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"$/cancel","params":{}}', -32602, 1),
    ],
)
def test_a_bad_line_is_answered_and_the_next_one_works(
    session: Session, line: bytes, code: int, id: int | None
) -> None:
    session.write(line)
    answer = session.answer()
    assert (answer["error"]["code"], answer["id"]) == (code, id)
    assert answer["error"]["message"]
    assert session.call("lookup", client="a", parent=1, name="x")["result"]["ok"]["inode"] == 10


def test_what_is_not_offered_is_unsupported(session: Session) -> None:
    for answer in (
        session.call("lookup", client="a", parent=1, name="x", follow=True),
        session.call("open", client="b", url="fake://", config={"color": 1}),
        session.call("close", client="a", force=True),
        session.call("xattr_list", client="a", inode=1),
    ):
        assert answer["result"].keys() == {"unsupported"}


def test_a_refusal_in_words(session: Session) -> None:
    assert session.call("load", client="a") == {"result": {"refused": "database is not formatted"}}


def test_an_engine_that_fails_is_reported_and_serves_on(
    session: Session, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = session.call("lookup", client="a", parent=1, name="broken")
    assert answer["error"] == {"code": -32603, "message": "ZeroDivisionError: engine bug"}
    assert "ok" in session.call("lookup", client="a", parent=1, name="x")["result"]


def test_an_id_is_used_once_at_a_time(session: Session) -> None:
    session.ask(5, "lookup", client="a", parent=1, name="slow")
    session.ask(5, "lookup", client="a", parent=1, name="x")
    assert session.answer()["error"]["code"] == -32600
    session.ask(6, "lookup", client="a", parent=1, name="open")
    assert {session.answer()["id"], session.answer()["id"]} == {5, 6}


def test_configurations_reach_the_engine(session: Session) -> None:
    session.call("open", client="b", url="fake://", config={"read_only": True, "heartbeat": 600})
    assert ENGINES[-1].config == Config(read_only=True, heartbeat=600.0)


def test_close_lets_go_of_the_client(session: Session) -> None:
    engine = ENGINES[-1]
    assert session.call("close", client="a") == {"result": {"ok": {}}}
    assert engine.closed
    assert session.call("lookup", client="a", parent=1, name="x")["error"]["code"] == -32602


def test_the_end_of_input_finishes_calls_and_cancels_locks(session: Session) -> None:
    engine = ENGINES[-1]
    session.call("flock", client="a", inode=1, owner=1, type="W")
    session.ask(1, "flock", client="a", inode=1, owner=2, type="W", block=True)
    session.ask(2, "lookup", client="a", parent=1, name="slow")
    session.stdin.close()
    assert session.answer() == {"id": 1, "result": {"errno": "EINTR", "detail": os.strerror(4)}}
    engine.gate.set()
    assert session.answer()["id"] == 2
    session.end()
    assert engine.closed
    assert session.stdout.readline() == b""


def test_a_caller_that_went_away_ends_it(session: Session) -> None:
    session.stdout.close()
    session.ask(1, "hello", protocol=1)
    session.server.join(LIMIT)
    assert session.status == 0
    assert ENGINES[-1].closed


PROGRAM = """
import sys
from metaparity.drivers.serve import serve
sys.path.insert(0, {folder!r})
from {module} import FAKE
sys.exit(serve(FAKE, sys.stdin.buffer, sys.stdout.buffer))
"""


def start() -> subprocess.Popen[bytes]:
    here = Path(__file__)
    program = PROGRAM.format(folder=str(here.parent), module=here.stem)
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"open","params":{"client":"a","url":"fake://"}}\n')
    child.stdin.flush()
    assert json.loads(child.stdout.readline())["result"] == {"ok": {}}
    return child


def test_sigterm_ends_the_program_in_order() -> None:
    child = start()
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=LIMIT)
    assert (child.returncode, errors) == (0, b"")


def test_sigterm_is_seen_by_whichever_thread_the_system_gives_it_to() -> None:
    """Python runs a handler in the main thread only, and that may just have begun to wait."""
    child = start()
    assert child.stdin is not None
    child.stdin.write(
        b'{"jsonrpc":"2.0","id":2,"method":"lookup","params":{"client":"a","parent":1,"name":"signal"}}\n'
    )
    child.stdin.flush()
    try:
        assert child.wait(LIMIT) == 0
    finally:
        child.kill()
        child.communicate()


def test_the_program_prints_answers_only() -> None:
    child = start()
    request = b'{"jsonrpc":"2.0","id":%d,"method":"lookup","params":{"client":"a","parent":1,"name":"%s"}}\n'
    output, errors = child.communicate(request % (2, b"broken") + request % (3, b"x"), timeout=LIMIT)
    assert child.returncode == 0
    assert {json.loads(line)["id"] for line in output.splitlines()} == {2, 3}
    assert b"this must not reach the caller" in errors
    assert b"ZeroDivisionError" in errors


def test_a_broken_pipe_ends_the_program_quietly() -> None:
    child = start()
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.close()
    child.stdin.write(b'{"jsonrpc":"2.0","id":2,"method":"hello","params":{"protocol":1}}\n')
    child.stdin.flush()
    assert child.wait(LIMIT) == 0
    assert child.stderr is not None
    assert child.stderr.read() == b""
    child.stdin.close()
    child.stderr.close()


def test_a_file_can_be_served(tmp_path: Path) -> None:
    requests = tmp_path / "requests"
    requests.write_bytes(b'{"jsonrpc":"2.0","id":1,"method":"hello","params":{"protocol":1}}')
    answers = tmp_path / "answers"
    began = time.monotonic()
    with requests.open("rb") as stdin, answers.open("wb") as stdout:
        assert serve(FAKE, stdin, stdout) == 0
    assert json.loads(answers.read_bytes())["result"]["ok"]["name"] == "fake"
    assert time.monotonic() - began < LIMIT
