"""A program and its calls: overlap, cancellation, and every way in which it can fail."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from metaparity.conformance.verbs import soon
from metaparity.drivers.bridge import (
    BridgeEngine,
    EngineCrashed,
    EngineFailure,
    EngineFault,
    EngineHung,
    Options,
    Program,
    ProtocolViolation,
)
from metaparity.drivers.bridge.process import STDERR_KEPT, Ended
from metaparity.drivers.errors import NodeExists, Refused, Unsupported
from metaparity.drivers.types import Attr, Context, LockType, Node

from .conftest import Start, alive

Client = Callable[..., BridgeEngine]

LOOKUPS = """
for id, method, params in calls():
    send(id, {result})
"""


def answering(result: str) -> str:
    return LOOKUPS.replace("{result}", result)


def test_a_failure_is_no_refusal() -> None:
    for kind in (EngineFailure, EngineCrashed, EngineHung, ProtocolViolation, EngineFault):
        assert not issubclass(kind, (OSError, Refused))


def test_arguments_and_values_travel(client: Client) -> None:
    fs = client(answering('{"ok": {"inode": params["parent"], "attr": {"uid": params["ctx"]["uid"]}}}'))
    big = (1 << 64) - 1
    assert fs.lookup(big, b"n", ctx=Context(uid=7)) == Node(big, Attr(uid=7))
    assert fs.lookup(parent=3, name=b"n", check_permission=True, ctx=Context(uid=8)).inode == 3


def test_bytes_that_are_not_utf8_travel(client: Client) -> None:
    fs = client(answering('{"ok": params["target"] if "target" in params else {"base64": "/wA="}}'))
    assert fs.readlink(1) == b"\xff\x00"


def test_defaults_are_left_out(client: Client) -> None:
    fs = client(answering('{"refused": json.dumps(params, sort_keys=True)}'))
    with pytest.raises(Refused, match=r'^{"client": "one", "inode": 1}$'):
        fs.getattr(1)


@pytest.mark.parametrize(
    "call",
    [
        lambda fs: fs.getattr(1, 2),
        lambda fs: fs.getattr(1, inode=1),
        lambda fs: fs.getattr(nodes=1),
        lambda fs: fs.lookup(1),
    ],
    ids=["many", "twice", "unknown", "few"],
)
def test_a_call_that_python_would_refuse(client: Client, call: Callable[[BridgeEngine], object]) -> None:
    fs = client(answering('{"ok": {"inode": 1}}'))
    with pytest.raises(TypeError):
        call(fs)


def test_refusals(client: Client) -> None:
    fs = client(answering('{1: {"errno": "EDQUOT"}, 2: {"unsupported": "no"}, 3: {"refused": "unknown"}, '
                          '4: {"errno": "EEXIST", "node": {"inode": 9}}}[params["inode"]]'))  # fmt: skip
    with pytest.raises(OSError) as quota:  # noqa: PT011
        fs.getattr(1)
    assert quota.value.errno == errno.EDQUOT
    with pytest.raises(Unsupported, match="no"):
        fs.getattr(2)
    with pytest.raises(Refused, match="unknown"):
        fs.getattr(3)
    with pytest.raises(NodeExists) as exists:
        fs.getattr(4)
    assert exists.value.node == Node(9)


def test_answers_come_in_any_order(client: Client) -> None:
    fs = client("""
held = []
for id, method, params in calls():
    held.append((id, params["inode"]))
    if len(held) == 8:
        for id, inode in reversed(held):
            send(id, {"ok": {"length": inode * 10}})
""")
    with ThreadPoolExecutor(8) as pool:
        lengths = list(pool.map(lambda inode: fs.getattr(inode).length, range(1, 9)))
    assert lengths == [10, 20, 30, 40, 50, 60, 70, 80]


def test_many_threads(client: Client) -> None:
    fs = client(answering('{"ok": {"length": params["inode"]}}'))

    def work(first: int) -> bool:
        return all(fs.getattr(inode).length == inode for inode in range(first, first + 300))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(0, 8000, 1000)))


def test_a_cancelled_call_answers_eintr(client: Client) -> None:
    fs = client("""
waiting = None
for id, method, params in calls():
    if method == "$/cancel":
        assert params == {"id": waiting}
        send(waiting, {"errno": "EINTR"})
    else:
        waiting = id
""")
    cancelled = threading.Event()
    timer = threading.Timer(0.1, cancelled.set)
    start = time.monotonic()
    timer.start()
    with pytest.raises(InterruptedError):
        fs.flock(1, 1, LockType.W, True, ctx=Context(cancelled=cancelled))
    assert 0.1 <= time.monotonic() - start < 2
    timer.join()


def test_a_call_cancelled_before_it_is_made_is_not_made(client: Client) -> None:
    fs = client("""
asked = 0
for id, method, params in calls():
    asked += 1
    send(id, {"ok": {"length": asked}})
""")
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(InterruptedError):
        fs.getattr(1, ctx=Context(cancelled=cancelled))
    assert fs.getattr(1).length == 1


def test_a_silent_program_hangs_and_is_stopped(client: Client) -> None:
    fs = client(
        "for id, method, params in calls(): print('thinking', file=sys.stderr, flush=True)", timeout=0.3
    )
    with pytest.raises(EngineHung, match=r"getattr within 0\.3 s.*\n.*thinking"):
        fs.getattr(1)
    with pytest.raises(EngineHung, match="mkdir has no outcome"):
        fs.mkdir(1, b"d")
    fs.close()


def test_a_program_that_does_not_read_hangs(client: Client) -> None:
    body = """
for id, method, params in calls():
    send(id, {"ok": {}})
    time.sleep(60)
"""
    fs = client(body, timeout=0.5)
    fs.getattr(1)
    start = time.monotonic()
    with pytest.raises(EngineHung, match="did not read a call of xattr_set"):
        fs.xattr_set(1, b"n", b"v" * 1_000_000)
    assert time.monotonic() - start < 5


def test_a_crash_fails_every_call_that_waits(client: Client) -> None:
    fs = client("""
for number, (id, method, params) in enumerate(calls()):
    if number == 3:
        print("panic: out of ideas", file=sys.stderr, flush=True)
        os._exit(7)
""")

    def outcome(inode: int) -> str:
        with pytest.raises(EngineCrashed) as crash:
            fs.getattr(inode)
        return str(crash.value)

    with ThreadPoolExecutor(4) as pool:
        for said in pool.map(outcome, range(4)):
            assert "ended with code 7" in said
            assert "panic: out of ideas" in said
    assert "ended with code 7" in outcome(5)


def test_a_crash_by_signal(client: Client) -> None:
    fs = client("for _ in calls(): os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(EngineCrashed, match="ended by SIGSEGV"):
        fs.getattr(1)


def test_a_crash_between_calls_is_told_at_the_end(client: Client) -> None:
    fs = client("""
for id, method, params in calls():
    send(id, {"ok": {}})
    os._exit(1)
""")
    fs.getattr(1)
    with pytest.raises(EngineCrashed, match="code 1"):
        fs.close()


def test_a_closed_stdout_is_a_crash(client: Client) -> None:
    fs = client("for _ in calls(): os.close(1); time.sleep(60)")
    with pytest.raises(EngineCrashed, match="closed its stdout"):
        fs.getattr(1)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"hello", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"jsonrpc": "2.0", "id": 1, "result": NaN}', "not JSON"),
        (b"[1]", "no object with"),
        (b'{"id": 3, "result": {"ok": {}}}', "no object with"),
        (b'{"jsonrpc": "2.0", "result": {"ok": {}}}', "not that of a call"),
        (b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "x"}}', "not that of a call"),
        (b'{"jsonrpc": "2.0", "id": 3}', "either a result or an error"),
        (b'{"jsonrpc": "2.0", "id": 3, "error": "x"}', "either a result or an error"),
        (
            b'{"jsonrpc": "2.0", "id": 3, "result": {}, "error": {"code": 1, "message": "x"}}',
            "either a result",
        ),
        (b'{"jsonrpc": "2.0", "id": 99, "result": {"ok": {}}}', "answered call 99, which was not made"),
        (b'{"jsonrpc": "2.0", "id": 2, "result": {"ok": {}}}', "answered call 2 twice"),
    ],
)
def test_garbage_ends_the_program(client: Client, line: bytes, complaint: str) -> None:
    fs = client(f"for _ in calls(): os.write(1, {line + b'%s' % bytes([10])!r})")
    with pytest.raises(ProtocolViolation, match=complaint):
        fs.getattr(1)
    with pytest.raises(ProtocolViolation, match=complaint):
        fs.getattr(2)


@pytest.mark.parametrize(
    "result",
    [
        '{"ok": {"inode": -1, "attr": 7}}',
        '{"ok": {}}',
        '{"ok": {"inode": 1.5}}',
        '{"ok": {"inode": 1, "color": "red"}}',
        '{"ok": {"inode": 1}, "errno": "EIO"}',
        '{"errno": "ENONSENSE"}',
        '{"errno": 2}',
        "[]",
    ],
)
def test_a_value_without_its_shape_concerns_one_call(client: Client, result: str) -> None:
    fs = client(answering(f'{result} if method == "lookup" else {{"ok": {{}}}}'))
    with pytest.raises(ProtocolViolation, match="lookup answered what has not its shape"):
        fs.lookup(1, b"n")
    assert fs.getattr(1) == Attr()
    fs.close()


def test_an_error_concerns_one_call(client: Client) -> None:
    fs = client("""
for id, method, params in calls():
    if method == "lookup":
        send(id, error={"code": -32603, "message": "nil dereference"})
    else:
        send(id, {"ok": {}})
""")
    with pytest.raises(EngineFault, match="lookup answered error -32603: nil dereference"):
        fs.lookup(1, b"n")
    assert fs.getattr(1) == Attr()


def test_the_end_of_a_flood_of_stderr_is_kept(client: Client) -> None:
    fs = client("""
for id, method, params in calls():
    sys.stderr.write("x" * 3_000_000 + "the end")
    sys.stderr.flush()
    os._exit(1)
""")
    with pytest.raises(EngineCrashed) as crash:
        fs.getattr(1)
    assert len(crash.value.stderr) == STDERR_KEPT
    assert crash.value.stderr.endswith("the end")


def test_the_end_of_stdin_ends_a_program(start: Start) -> None:
    program = start("for _ in calls(): pass")
    program.hello()
    assert program.end() == (Ended.ITSELF, 0)
    with pytest.raises(EngineCrashed, match="ended by the harness"):
        program.request("getattr", {})


@pytest.mark.parametrize(
    ("ignore", "how"),
    [("pass", Ended.TERMINATED), ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", Ended.KILLED)],
    ids=["stdin", "sigterm"],
)
def test_a_program_that_will_not_end_is_made_to(start: Start, ignore: str, how: Ended) -> None:
    program = start(f"{ignore}\nfor _ in calls(): pass\ntime.sleep(60)")
    program.hello()
    assert program.end()[0] is how
    assert soon(lambda: not alive(program.pid))


def test_what_a_program_started_ends_with_it(start: Start) -> None:
    program = start("""
import subprocess
subprocess.Popen(["sleep", "60"])
for _ in calls(): pass
""")
    program.hello()
    assert program.end()[0] is Ended.ITSELF
    assert soon(lambda: not alive(program.pid))


def test_a_program_that_cannot_be_started_says_why() -> None:
    with pytest.raises(EngineCrashed, match="/nonexistent could not be started: No such file"):
        Program(["/nonexistent"], Options())


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        ('{"unsupported": "old"}', "hello answered"),
        ('{"ok": {**HELLO, "protocol": 2}}', "protocol 2: this harness speaks 1"),
        ('{"ok": {**HELLO, "name": ""}}', "without name"),
        ('{"ok": {**HELLO, "capabilities": "all"}}', "without capabilities"),
        ('{"ok": {**HELLO, "capabilities": ["namespace", "magic"]}}', "unknown capabilities: magic"),
        ('{"ok": {**HELLO, "schemes": []}}', "no usable schemes"),
        ('{"ok": {**HELLO, "schemes": ["no scheme"]}}', "no usable schemes"),
    ],
)
def test_a_wrong_hello_is_refused(start: Start, result: str, complaint: str) -> None:
    program = start(f"for line in sys.stdin: send(json.loads(line)['id'], {result})")
    with pytest.raises(ProtocolViolation, match=complaint):
        program.hello()


def test_strict_finds_what_decoding_lets_pass(client: Client) -> None:
    lenient = answering('{"errno": "EWOULDBLOCK"}')
    with pytest.raises(BlockingIOError):
        client(lenient).getattr(1)
    with pytest.raises(ProtocolViolation, match="result of getattr does not fit the schema"):
        client(lenient, strict=True).getattr(1)


def test_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Options.from_environment() == Options(30.0, 3, False)
    monkeypatch.setenv("METAPARITY_TIMEOUT", "2.5")
    monkeypatch.setenv("METAPARITY_RESTARTS", "0")
    monkeypatch.setenv("METAPARITY_STRICT", "1")
    assert Options.from_environment() == Options(2.5, 0, True)
    monkeypatch.setenv("METAPARITY_TIMEOUT", "soon")
    with pytest.raises(ValueError, match="METAPARITY_TIMEOUT is 'soon': set it to a number of seconds"):
        Options.from_environment()
