"""`metaparity smoke`: passes the examples, and shows the exchange of the first step that goes wrong."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest

from ..conftest import Run
from .programs import Write

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"
TUTORIAL = EXAMPLES.parent / "writing-a-driver.md"
PYTHON = (EXAMPLES / "driver.py").read_text(encoding="utf-8")

STEPS = 14

without_node = pytest.mark.skipif(not shutil.which("node"), reason="node is not on the PATH")


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([sys.executable, str(EXAMPLES / "driver.py")], id="python"),
        pytest.param(["node", str(EXAMPLES / "driver.mjs")], id="javascript", marks=without_node),
        pytest.param([sys.executable, "-m", "metaparity.conformance", "serve", "redis"], id="redis"),
        pytest.param([sys.executable, "-m", "metaparity.conformance", "serve", "rueidis"], id="rueidis"),
    ],
)
def test_a_sound_driver_passes(metaparity: Run, command: list[str]) -> None:
    ran = metaparity("smoke", "--strict", *command)
    assert ran.code == 0, ran.out + ran.err
    lines = ran.out.splitlines()
    assert [line.split()[0] for line in lines[:STEPS]] == ["ok"] * STEPS
    assert lines[STEPS].startswith("smoke passed")


def test_the_python_example_is_short() -> None:
    assert len(PYTHON.splitlines()) <= 40


def test_the_tutorial_shows_the_example() -> None:
    assert PYTHON in TUTORIAL.read_text(encoding="utf-8")


def test_a_command_may_be_one_word(metaparity: Run) -> None:
    assert metaparity("smoke", f"{sys.executable} {EXAMPLES / 'driver.py'}").code == 0


BREAKS = {
    "hello": ('"schemes": ["toy"]', '"schemes": []', "hello answered no usable schemes"),
    "capabilities": ('"session", "namespace"]', '"namespace"]', "session is not declared"),
    "init": ('    "init"', '    "unit"', "it refused (Unsupported: "),
    "load": ('{"ok": settings}', '{"ok": {}}', "the settings that init was given, Name 'parity'"),
    "session_new": ('{"sid": 1}', '{"sid": 0}', "a session id of 1 or more"),
    "mkdir": ('make(p, "directory")', 'make(p, "file")', "type directory and mode 493"),
    "create": ('make(p, "file")', '{"errno": "EIO"}', "it refused (OSError: [Errno 5]"),
    "lookup": ('"lookup": lookup', '"lookup": lambda p: {"ok": {"inode": 77}}', "that create answered: 3"),
    "getattr": ('nodes[p["inode"]]}', "nodes[1]}", "type file, mode 416, nlink 1 and length 0"),
    "readdir": ('{".": inode, "..": p["parent"]}', "{}", 'three entries: "." 2, ".." 1, "file" 3'),
    "unlink": ('.pop(p["name"], 0)', '.pop(p["nam"], 0)', "ended with code 1"),
    "gone": ('.pop(p["name"], 0)', '.get(p["name"])', '{"errno": "ENOENT"}'),
}
"""A step, an edit of the example that breaks it, and the words of the expectation."""

PRINTED = {"capabilities": "hello", "gone": "lookup of what was unlinked"}


@pytest.mark.parametrize("step", BREAKS)
def test_the_first_fault_is_shown(metaparity: Run, tmp_path: Path, step: str) -> None:
    before, after, expected = BREAKS[step]
    assert before in PYTHON
    broken = tmp_path / "driver.py"
    broken.write_text(PYTHON.replace(before, after))
    ran = metaparity("smoke", sys.executable, str(broken))
    assert ran.code == 1, ran.out + ran.err
    report = ran.out.partition("FAILED")[2]
    name = PRINTED.get(step, step)
    assert report.splitlines()[0].strip() == name
    assert '  sent     {"jsonrpc":"2.0","id":' in report
    assert "  received " in report
    assert expected in report


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('hello', flush=True)\ntime.sleep(60)", ["received hello", "not JSON"]),
        (
            "print('cannot find my socks', file=sys.stderr)\nsys.exit(4)",
            ["ended with code 4", "cannot find my socks"],
        ),
        ("time.sleep(60)", ["received nothing", "did not answer a call of hello within 8 s"]),
        ("for line in sys.stdin: send(7, {})", ['"id": 7', "answered call 7, which was not made"]),
    ],
    ids=["garbage", "crash", "silence", "id"],
)
def test_a_program_that_speaks_no_protocol(
    metaparity: Run, write: Write, body: str, words: list[str]
) -> None:
    start = time.monotonic()
    ran = metaparity("smoke", *write(body))
    assert time.monotonic() - start < 40  # it is not waited for
    assert ran.code == 1
    assert ran.out.startswith("FAILED  hello\n")
    for word in words:
        assert word in ran.out


def test_a_program_that_does_not_end_is_shown(metaparity: Run, tmp_path: Path) -> None:
    stubborn = tmp_path / "driver.py"
    stubborn.write_text(f"{PYTHON}\nimport time\ntime.sleep(60)\n")
    ran = metaparity("smoke", sys.executable, str(stubborn))
    assert ran.code == 1
    assert "FAILED  end of stdin" in ran.out
    assert "it ended only on SIGTERM with code -15" in ran.out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], "there is no command"),
        (["./nothing"], "the program ./nothing does not exist"),
        (["./nothing 'x"], "close its quotes"),
    ],
)
def test_what_cannot_be_run(metaparity: Run, command: list[str], words: str) -> None:
    ran = metaparity("smoke", *command)
    assert ran.code == 2
    assert words in ran.err
