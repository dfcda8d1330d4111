"""JuiceFS as a driver: its names, its build (with a Go made of shell), and that what is declared is so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from metaparity.drivers import registry
from metaparity.drivers.bridge import Options, Program
from metaparity.drivers.bridge.juicefs.driver import CAPABILITIES
from metaparity.drivers.bridge.juicefs.release import VERSION, built, kept
from metaparity.drivers.registry import UnknownDriver
from metaparity.drivers.types import Config, Format

from ..conftest import Run

needs_adapter = pytest.mark.skipif(
    built(VERSION) is None, reason=f"JuiceFS {VERSION} is not built: metaparity build juicefs"
)

GO = """#!/bin/sh
echo "$1 $2" >> "$GO_LOG"
case "$1" in
env) echo go0.1 ;;
build)
    [ -z "$GO_FAILS" ] || { echo "./main.go:1: $GO_FAILS" >&2; exit 1; }
    echo "go: downloading some/module v1" >&2
    while [ "$1" != -o ]; do shift; done
    echo built > "$2" ;;
esac
"""


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A go command that logs what it is asked; the cache of adapters is empty."""
    command = tmp_path / "bin" / "go"
    command.parent.mkdir()
    command.write_text(GO)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("GO_LOG", str(tmp_path / "go.log"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return command


def test_parameters_of_a_url_make_another_driver() -> None:
    plain, cached = registry.driver("juicefs"), registry.driver("juicefs?client-cache=true")
    assert plain.url("127.0.0.1:6379/3") == "juicefs://127.0.0.1:6379/3"
    assert cached.url("127.0.0.1:6379/3") == "juicefs://127.0.0.1:6379/3?client-cache=true"
    assert (plain.name, cached.name) == ("juicefs", "juicefs?client-cache=true")
    assert registry.driver("rueidis?cache-ttl=0").schemes == registry.driver("rueidis").schemes


def test_some_drivers_have_no_versions() -> None:
    with pytest.raises(UnknownDriver, match="the driver redis has no versions"):
        registry.driver("redis@v1.0")


@pytest.mark.usefixtures("go")
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("juicefs", "metaparity build juicefs"),
        ("juicefs?client-cache=true", "metaparity build juicefs"),
        ("juicefs@v1.2.3", "metaparity build juicefs --version v1.2.3"),
    ],
)
def test_a_run_says_how_to_build_what_is_missing(metaparity: Run, name: str, command: str) -> None:
    ran = metaparity("run", "--driver", name)
    assert ran.code == 3
    assert ran.err.endswith(f"is not built: build it (minutes, once) with {command}\n")
    assert len(ran.err.splitlines()) == 1


def test_a_version_is_built_once(go: Path, metaparity: Run, tmp_path: Path) -> None:
    first, second = metaparity("build", "juicefs"), metaparity("build", "juicefs")
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.out == second.out == f"{kept(VERSION)}\n"
    assert kept(VERSION).read_text() == "built\n"
    assert f"juicefs {VERSION}: downloading some/module v1\n" in first.err
    assert second.err == f"juicefs {VERSION}: built before\n"
    assert (tmp_path / "go.log").read_text().count("build") == 1
    assert [one.name for one in kept(VERSION).parent.parent.iterdir()] == [kept(VERSION).parent.name]


def test_a_build_that_fails_leaves_nothing(
    go: Path, metaparity: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO_FAILS", "undefined: meta.Meta")
    ran = metaparity("build", "juicefs")
    assert ran.code == 3
    assert "this JuiceFS has another interface" in ran.err
    assert "undefined: meta.Meta" in ran.err
    assert list(kept(VERSION).parent.parent.iterdir()) == []


@pytest.mark.usefixtures("go")
def test_without_go_it_says_how_to_get_it(metaparity: Run) -> None:
    ran = metaparity("build", "juicefs", "--go", "/nowhere/go")
    assert ran.code == 3
    assert "cannot run /nowhere/go: No such file or directory: install Go" in ran.err


@pytest.mark.usefixtures("go")
def test_a_version_must_be_one(metaparity: Run) -> None:
    ran = metaparity("build", "juicefs", "--version", "../elsewhere")
    assert ran.code == 2
    assert "neither a version such as v1.4.0 nor the folder of a checkout" in ran.err


@pytest.mark.skipif(
    built(VERSION) is None, reason=f"JuiceFS {VERSION} is not built: metaparity build juicefs"
)
def test_the_adapter_declares_what_is_known_of_it(server_url: str) -> None:
    """And it formats, loads and lists a volume."""
    program = Program([str(built(VERSION))], Options())
    try:
        hello = program.hello()
    finally:
        program.end()
    assert hello.capabilities == CAPABILITIES
    assert (hello.name, hello.version) == ("juicefs", VERSION.removeprefix("v"))
    engine = registry.driver("juicefs").open(
        "juicefs" + server_url.removeprefix("redis"), Config(no_bg_jobs=True)
    )
    engine.init(
        Format({"Name": "t", "UUID": "5f0c7f6e-3f1b-4d43-9d5c-0a4f6f1d2b77", "Storage": "file"}), True
    )
    assert engine.load().name == "t"
    made = engine.mkdir(1, b"d", 0o755)
    assert {entry.name: entry.inode for entry in engine.readdir(1)}[b"d"] == made.inode
    engine.reset()
    engine.close()


MADE = """
from metaparity.conformance.clause import clause

@clause("toy/makes-a-directory", source="N12.8", needs="namespace", breaks=%r)
def test_make(volume):
    \"\"\"A directory is made.\"\"\"
    volume.fs.mkdir(1, b"a", 0o755)
"""
UNCOUNTED = "metaparity.conformance.museum.attributes:SUBDIRECTORIES_UNCOUNTED"
SAID = {"tree/directories-count-directories": "its parent is not to count it"}


@needs_adapter
@pytest.mark.parametrize(("name", "breaks", "code"), [("redis", {}, 0), (UNCOUNTED, SAID, 1)])
def test_its_check_is_a_second_opinion(toys: Run, name: str, breaks: dict[str, str], code: int) -> None:
    """It finds what the clause does not ask about, and what the laws are told to leave alone."""
    text, drivers = MADE % breaks, (name,)
    assert toys(text, drivers=drivers).code == 0
    ran = toys(text, "--check-with", "juicefs", drivers=drivers)
    assert ran.code == code, ran.out
    assert ("expected  juicefs to find no fault" in ran.out) == bool(code)


def test_a_checker_needs_a_check(metaparity: Run, tmp_path: Path) -> None:
    (tmp_path / "checkless.py").write_text(
        "from metaparity.drivers.driver import Driver\n"
        "DRIVER = Driver('checkless', 'has no check', ('redis',), frozenset({'volume'}), None)\n"
    )
    ran = metaparity("run", "--check-with", "checkless:DRIVER")
    assert ran.code == 2
    assert "has no check" in ran.err
