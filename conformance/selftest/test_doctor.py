"""`metaparity doctor`: what it finds, what it advises, its exit code."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from metaparity.conformance.doctor import doctor
from metaparity.fixtures.servers import ServerUnavailable, container, process


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


@pytest.fixture
def no_server(no_docker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(process, "EMBEDDED", "metaparity-has-no-such-wheel")


def said(code: int) -> str:
    """What doctor prints, when it ends with this code."""
    out = io.StringIO()
    assert doctor(out) == code
    assert out.getvalue().isascii()
    return out.getvalue()


@pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server on PATH")
@pytest.mark.usefixtures("no_docker")
def test_it_says_what_is_here_and_which_server_is_taken() -> None:
    text = said(0)
    silence = "Docker does not answer at unix:///nowhere/docker.sock: No such file or directory"
    assert f"container       missing  {silence}\n" in text
    assert f"--server auto passes over container: {silence}\n" in text
    assert "--server auto takes local: Redis" in text
    for name in ("redis", "rueidis"):
        assert f"{name:<16}ok " in text


@pytest.mark.usefixtures("no_docker")
def test_it_says_how_to_build_juicefs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = said(0)
    assert "juicefs         absent   the adapter for JuiceFS v1.4.1 is not built\n" in text
    assert "-> build it (minutes, once) with metaparity build juicefs\n" in text


@pytest.mark.usefixtures("no_server")
def test_it_names_what_would_help_when_no_run_is_possible() -> None:
    text = said(3)
    assert "takes" not in text
    for remedy in (
        "sudo apt install docker.io",
        "sudo apt install redis-server",
        "pip install metaparity-has",
    ):
        assert remedy in text


def test_a_program_that_does_not_run_counts_as_missing(
    no_docker: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path_factory.mktemp("bin") / "redis-server"
    program.write_text("#!/bin/sh\necho wrong libc >&2\nexit 127\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    text = said(0)
    assert f"local           missing  {program} does not run: wrong libc\n" in text
    assert "--server auto takes embedded" in text


def test_it_finds_docker() -> None:
    try:
        container.docker_client().close()
    except ServerUnavailable as unavailable:
        pytest.skip(unavailable.reason)
    assert "--server auto takes container: Docker " in said(0)
