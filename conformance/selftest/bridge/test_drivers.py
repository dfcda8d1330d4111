"""`cmd:COMMAND` as a driver: names, runs, restarts, and nothing left behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from metaparity.conformance.verbs import soon
from metaparity.drivers import registry
from metaparity.drivers.bridge import EngineCrashed, Launcher, Options, ProtocolViolation
from metaparity.drivers.registry import UnknownDriver
from metaparity.drivers.types import Attr, Config

from ..conftest import Run
from .conftest import alive
from .programs import Write

OURS = f"cmd:{shlex.quote(sys.executable)} -m metaparity.conformance serve redis"

DYING = """
for id, method, params in calls():
    if method == "getattr":
        os._exit(5)
    send(id, {"ok": {"inode": os.getpid()}})
"""


def cmd(words: list[str]) -> str:
    return f"cmd:{shlex.join(words)}"


def test_a_driver_is_named_after_its_hello(write: Write) -> None:
    body = """
HELLO.update(name="my engine", version="1.2 beta")
for _ in calls(): pass
"""
    first, second = cmd(write(body)), cmd(write(body))
    driver = registry.driver(first)
    assert driver.name == "my-engine-1.2-beta"
    assert driver.description == "my engine 1.2 beta, an external program (python)"
    assert driver.schemes == ("fake",)
    assert driver.capabilities == {"volume", "namespace", "flock"}
    assert driver.spelling == first
    assert registry.driver(first) is registry.driver(driver.name) is driver
    assert registry.driver(second).name == "my-engine-1.2-beta-2"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.exit('no libc for you')", ["ended with code 1", "no libc for you", "metaparity smoke "]),
        ("HELLO['capabilities'] = ['magic']\nfor _ in calls(): pass", ["unknown capabilities: magic"]),
    ],
    ids=["crash", "capability"],
)
def test_no_driver_without_a_hello(write: Write, body: str, words: list[str]) -> None:
    spelling = cmd(write(body))
    with pytest.raises(UnknownDriver) as unknown:
        registry.driver(spelling)
    for word in (f"no driver at {spelling}: ", *words):
        assert word in str(unknown.value)


def test_no_driver_without_a_program() -> None:
    with pytest.raises(UnknownDriver, match=r"no driver at cmd:\./none: the program \./none does not exist"):
        registry.driver("cmd:./none")


def test_a_program_is_shared_and_started_again_a_few_times(write: Write) -> None:
    words = write(DYING)
    launcher = Launcher(lambda: words, Options(restarts=2))
    seen = set()
    for _ in range(3):
        one, two = launcher.open("fake://", Config()), launcher.open("fake://", Config())
        pids = {one.lookup(1, b"n").inode, two.lookup(1, b"n").inode}
        assert len(pids) == 1
        seen |= pids
        with pytest.raises(EngineCrashed, match="code 5"):
            one.getattr(1)
        with pytest.raises(EngineCrashed, match="code 5"):
            two.lookup(1, b"n")
        one.close()
    assert len(seen) == 3
    with pytest.raises(
        EngineCrashed, match=r"failed 3 times and is not started again; the last time: .*code 5"
    ):
        launcher.open("fake://", Config())
    assert soon(lambda: not any(alive(pid) for pid in seen))


def test_a_program_that_never_says_hello_is_not_tried_for_ever(write: Write) -> None:
    words = write("sys.exit(1)")
    asked: list[int] = []

    def ask() -> list[str]:
        asked.append(1)
        return words

    launcher = Launcher(ask, Options(restarts=1))
    for _ in range(4):
        with pytest.raises(EngineCrashed):
            launcher.open("fake://", Config())
    assert len(asked) == 2


def test_another_hello_after_a_restart_is_refused(write: Write, tmp_path: Path) -> None:
    words = write("""
HELLO["version"] = str(os.getpid())
for _ in calls(): os._exit(1)
""")
    launcher = Launcher(lambda: words, Options())
    with pytest.raises(EngineCrashed):
        launcher.open("fake://", Config()).getattr(1)
    with pytest.raises(ProtocolViolation, match="after a restart"):
        launcher.open("fake://", Config())


def test_a_url_that_is_refused_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="open answered error -32602"):
        registry.driver(OURS).open("http://nowhere", Config())


def test_values_are_those_of_the_engine_in_this_process(server_url: str) -> None:
    url = server_url
    outcomes = []
    for name in ("redis", OURS):
        engine = registry.driver(name).open(url, Config(no_bg_jobs=True, heartbeat=600.0))
        outcomes.append(engine.getattr(1))
        engine.close()
    for outcome in outcomes:
        assert isinstance(outcome, Attr)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    ("families", "options", "least"),
    [(("mkdir", "link", "rmdir", "names"), (), 25), (("mkdir", "names"), ("--strict",), 6)],
    ids=["plain", "strict"],
)
def test_a_run_on_a_program_and_on_the_engine_in_it(
    metaparity: Run, families: tuple[str, ...], options: tuple[str, ...], least: int
) -> None:
    """The same verdicts, and no difference, on two workers."""
    only = [word for family in families for word in ("--only", f"{family}/*")]
    ran = metaparity("run", "--driver", "redis", "--driver", OURS, *options, *only, "-n", "2")
    assert ran.code == 0, ran.out + ran.err
    drivers = [one["name"] for one in ran.results["header"]["drivers"]]
    assert drivers[0] == "redis"
    assert drivers[1].startswith("redis-")
    verdicts = ran.verdicts()
    clauses = {clause for clause, _ in verdicts}
    assert len(clauses) >= least
    assert all(verdicts[clause, drivers[1]] == verdicts[clause, "redis"] for clause in clauses)
    assert {verdicts[clause, "redis"] for clause in clauses} >= {"passed"}
    assert ran.results["differences"] == []
    rerun = next(one["rerun"] for one in ran.results["records"] if one["driver"] == drivers[1])
    assert shlex.split(rerun)[5:6] == [OURS]


def test_a_run_needs_a_program_that_speaks(metaparity: Run) -> None:
    ran = metaparity("run", "--driver", "cmd:cat")
    assert ran.code == 2
    assert "no driver at cmd:cat: hello has no outcome" in ran.err


HOLD = """
import sys, time
from metaparity.drivers import registry
registry.driver(sys.argv[1])
print("ready", flush=True)
{end}
"""


@pytest.mark.parametrize(
    ("end", "number"),
    [
        ("", None),
        ("raise SystemExit(3)", None),
        ("time.sleep(60)", signal.SIGINT),
        ("time.sleep(60)", signal.SIGKILL),
    ],
    ids=["success", "failure", "Ctrl-C", "SIGKILL"],
)
def test_nothing_is_left_behind(
    write: Write, tmp_path: Path, end: str, number: signal.Signals | None
) -> None:
    """Not even of a program that minds neither the end of its stdin nor SIGTERM."""
    mark = tmp_path / "pid"
    words = write(f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({str(mark)!r}, "w").write(str(os.getpid()))
for _ in calls(): pass
time.sleep(60)
""")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(end=end), cmd(words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        if number is not None:
            os.kill(holder.pid, number)
    pid = int(mark.read_text())
    assert soon(lambda: not alive(pid))
