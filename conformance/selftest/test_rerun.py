"""The command that runs something again can be pasted where the run was started."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from metaparity.conformance.harness.rerun import command_line, program


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an environment of its own, in which the run of this test would be; the current one."""
    programs = tmp_path / "a clone" / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "metaparity", "pytest"):
        programs.joinpath(name).touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.chdir(tmp_path / "a clone")
    return tmp_path / "a clone"


def test_in_a_clone_it_has_the_path_of_its_environment(clone: Path) -> None:
    assert program("pytest") == ".venv/bin/pytest"
    assert shlex.split(command_line("rename/keeps", ["redis"], "auto"))[:2] == [".venv/bin/metaparity", "run"]


def test_above_a_clone_the_path_is_longer(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone.parent)
    first = shlex.split(command_line("rename/keeps", ["redis"], "auto"))[0]
    assert Path(first) == Path("a clone/.venv/bin/metaparity")


def test_what_is_on_the_path_of_commands_goes_by_its_name(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(clone / ".venv" / "bin"))
    assert program("metaparity") == "metaparity"


def test_a_path_that_leads_elsewhere_is_not_told(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clone / "work").mkdir()
    monkeypatch.chdir(clone / "work")
    assert program("metaparity") == "metaparity"
