"""The spec catches engines that are wrong on purpose, each by its fault and not by a crash of its own."""

from __future__ import annotations

import builtins
import pkgutil
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from metaparity.conformance import museum
from metaparity.conformance.museum.exhibit import EXHIBITS, Exhibit
from metaparity.reports import results
from metaparity.reports.results import Failure, Verdict

from .conftest import PATIENCE

SERVER = "local" if shutil.which("redis-server") else "embedded"

ANSWERS = frozenset({"refused", "unsupported"})
"""What a failure begins with where the engine has answered, though not by an errno."""

ROOMS = [one.name for one in pkgutil.iter_modules(museum.__path__, f"{museum.__name__}.") if not one.ispkg]
for _room in ROOMS:
    import_module(_room)


OUTDATED = """
from metaparity.conformance.museum.exhibit import spoilt

DRIVER = spoilt("redis", "OUTDATED", "any name will do", "engine.creation:check_name", lambda name, size: 0)
"""
"""A driver with a replacement that takes other arguments than what it replaces."""


def failures_of(driver: str, clause: str, folder: Path) -> tuple[Failure, ...]:
    """What the results have of a clause that goes red on a driver."""
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "metaparity.conformance", "run", "-n", "0"),
            *("--only", clause, "--server", SERVER, "--report", str(folder), "--driver", driver),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert completed.returncode == 1, completed.stdout + completed.stderr
    (record,) = results.read(folder / "results.json").records
    assert (record.clause, record.verdict) == (clause, Verdict.FAILED)
    return record.failures


def crashes(failures: Iterable[Failure]) -> set[str]:
    """Names of the exceptions that tests ended by, or were shown, and that are no answers of an engine."""
    return {name for one in failures for name in _exceptions(one) if not _is_answer(name)}


def _exceptions(failure: Failure) -> Iterator[str]:
    ended_by = re.match(r"(\w+): ", failure.observed)
    if failure.expected == "success" and ended_by:
        yield ended_by[1]
    # Assertions show what was caught in a thread, or what the engine answered beside another.
    yield from re.findall(r"\b[A-Z]\w*(?:Error|Exception)\b(?=[:(])", failure.observed)


def _is_answer(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return name in ANSWERS or (isinstance(kind, type) and issubclass(kind, (AssertionError, OSError)))


def unforeseen(exhibit: Exhibit, failures: Iterable[Failure]) -> set[str]:
    """Names of the exceptions that were seen of an exhibit and not declared, or declared and not seen."""
    return crashes(failures) ^ ({exhibit.raises.__name__} if exhibit.raises else set())


def test_there_are_at_least_ten_exhibits_of_engines_and_of_caches() -> None:
    rooms = [spelling.partition(":")[0].rpartition(".")[2] for spelling in EXHIBITS]
    assert min(rooms.count("caches"), len(rooms) - rooms.count("caches")) >= 10


@pytest.mark.parametrize("spelling", EXHIBITS)
def test_exhibit_is_caught(spelling: str, tmp_path: Path) -> None:
    """The clause goes red on the broken engine, by its fault; on the sound ones it is part of every run."""
    exhibit = EXHIBITS[spelling]
    assert not unforeseen(exhibit, failures_of(spelling, exhibit.caught_by, tmp_path))


def test_a_crash_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that only crashes makes the clause red, too, and that shows nothing."""
    (tmp_path / "outdated.py").write_text(OUTDATED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    clause = "mkdir/equals-mknod-of-a-directory"
    failures = failures_of("outdated:DRIVER", clause, tmp_path / "report")
    assert unforeseen(Exhibit(clause), failures) == {"TypeError"}
    assert unforeseen(Exhibit(clause, raises=TypeError), failures) == set()
    assert unforeseen(Exhibit(clause, raises=struct.error), failures) == {"TypeError", "error"}


def failure(expected: str, observed: str) -> Failure:
    return Failure("test", "call", "call", expected, observed, (), "text", "rerun")


@pytest.mark.parametrize(
    ("expected", "observed", "found"),
    [
        ("success", "TypeError: written() takes 1 positional argument but 2 were given", {"TypeError"}),
        ("success", "error: unpack requires a buffer of 9 bytes", {"error"}),
        ("success", "ServerError: WRONGTYPE Operation against a key", {"ServerError"}),
        ("success", "FlakyFailure: Inconsistent results from replaying a test case!", {"FlakyFailure"}),
        ("not failed", "assert [KeyError(b'i2')] == []", {"KeyError"}),
        ("ENOENT", "AttributeError: 'NoneType' object has no attribute 'nlink'", {"AttributeError"}),
        ("success", "EIO", set()),
        ("success", "TimeoutError: timed out", set()),
        ("success", "unsupported: no changelog", set()),
        ("success", "refused: the database is not empty", set()),
        ("ENOENT", "success: Node(inode=2)", set()),
        ("no key to change", "b'i2': None -> b'x'", set()),
        ("not failed", "assert [PermissionError(13, 'Permission denied')] == []", set()),
    ],
)
def test_crashes_are_told_from_answers(expected: str, observed: str, found: set[str]) -> None:
    """What no engine answers is a crash, wherever it is told; assertions and errnos show a fault."""
    assert crashes([failure("EPERM", "EACCES"), failure(expected, observed)]) == found


def test_what_is_declared_has_to_be_seen() -> None:
    assert unforeseen(Exhibit("clause", raises=struct.error), [failure("success", "EIO")]) == {"error"}
