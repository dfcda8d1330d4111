"""The command: what it lists, what it refuses, and that a refusal is one sentence and changes nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest
import redis

from metaparity.conformance.command import main
from metaparity.conformance.harness.catalogue import catalogue, selected
from metaparity.conformance.harness.deviations import LEDGER
from metaparity.conformance.harness.smoke import SMOKE
from metaparity.fixtures.provision import Place

from .conftest import Ran, Run


def refused(ran: Ran, code: int, *words: str) -> None:
    """A run that ended before it began: one sentence on stderr, and nothing else."""
    assert ran.code == code, ran.err
    assert ran.err.count("\n") == 1, ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    for word in words:
        assert word in ran.err


def test_help_needs_no_heavy_imports() -> None:
    program = (
        "import sys; from metaparity.conformance.command import parser; parser().format_help();"
        "print(sorted({'pytest', 'redis', 'hypothesis', 'testcontainers', 'docker'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("words", [[], ["run"], ["smoke"], ["restore"], ["fsck"]])
def test_help_ends_with_the_exit_codes(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*words, "--help"])
    assert end.value.code == 0
    *_, last = capsys.readouterr().out.strip().split("\n\n")
    for code in ("0 done", "1 differences", "2 wrong", "3 cannot", "130 ended"):
        assert code in last


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("metaparity 0.")


def test_drivers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drivers"]) == 0
    out = capsys.readouterr().out
    assert "redis: " in out
    assert "rueidis: " in out
    assert "namespace" in out


def test_clauses_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clauses", "--only", "capabilities"]) == 0
    out = capsys.readouterr().out
    assert "capabilities/undeclared-primitives-are-refused\n    Every primitive" in out
    assert "trace/" not in out


def test_untested_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clauses", "--untested"]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_an_unknown_clause_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clauses", "--only", "capabilitys"]) == 2
    assert "did you mean capabilities" in capsys.readouterr().err


def test_smoke_names_clauses_of_the_spec() -> None:
    assert catalogue().keys() >= SMOKE
    assert set(selected(["smoke"], catalogue())) == SMOKE


def test_pinned_names_the_clauses_of_the_ledger() -> None:
    ledger = tomllib.loads(LEDGER.read_text())
    named = {pin["clause"] for kind in ("deviation", "law") for pin in ledger[kind]}
    assert 1 < len(named) < len(catalogue())
    assert set(selected(["pinned"], catalogue())) == named


def test_serve_refuses_an_unknown_driver(metaparity: Run) -> None:
    refused(metaparity("serve", "radis"), 2, "unknown driver 'radis'", "did you mean redis")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--driver", "radis"], ["unknown driver 'radis'", "did you mean redis"]),
        (["--only", "capabilities/undeclared"], ["no clause matches", "did you mean capabilities/"]),
        (["--only", "qqq"], ["no clause matches 'qqq'", "metaparity clauses"]),
        (["--server", "nowhere"], ["--server 'nowhere'", "embedded"]),
        (["--server", "http://127.0.0.1:1/0"], ["redis://"]),
        (["--server", "redis://127.0.0.1:port/0"], ["redis://"]),
        (["--server", "redis://127.0.0.1:6379/zero"], ["redis://"]),
        (["-n", "many"], ["-n 'many'"]),
        (["--profile", "slow"], ["--profile", "--help"]),
        (["--nonsense"], ["--nonsense", "metaparity run --help"]),
        (["extra"], ["extra", "metaparity run --help"]),
    ],
)
def test_wrong_usage_is_refused(
    metaparity: Run, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    refused(metaparity("run", *arguments), 2, *words)
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_server_is_refused(metaparity: Run) -> None:
    refused(metaparity("run", "--server", "redis://127.0.0.1:1/0"), 3, "127.0.0.1:1")


def test_a_wrong_password_is_refused(metaparity: Run, place: Place) -> None:
    url = f"redis://:wrong@{place.address.rpartition('/')[0]}/9"
    with place.connect() as admin:
        admin.config_set("requirepass", "right")
        try:
            refused(metaparity("run", "--server", url), 3, "password")
        finally:
            admin.config_set("requirepass", "")


def test_a_database_with_keys_is_refused_and_kept(metaparity: Run, server_url: str) -> None:
    with redis.Redis.from_url(server_url) as mine:
        mine.set("precious", "1")
        try:
            refused(metaparity("run", "--server", server_url), 3, "1 key", "--allow-flush")
            assert mine.get("precious") == b"1"
        finally:
            mine.flushdb()


def test_plain_pytest_refuses_it_as_well(toys: Run, server_url: str) -> None:
    with redis.Redis.from_url(server_url) as mine:
        mine.set("precious", "1")
        try:
            ran = toys("def test_one(fs):\n    pass\n")
            assert ran.code == 3
            assert "--allow-flush" in ran.err
            assert mine.get("precious") == b"1"
            assert toys("def test_one(fs):\n    pass\n", "--allow-flush").code == 0
            assert mine.dbsize() == 0
        finally:
            mine.flushdb()


def test_a_directory_that_cannot_be_written_is_refused(metaparity: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(metaparity("run", "--report", "file/report"), 3, "--report")


class OldRedis(StreamRequestHandler):
    """Answers like a server that is too old."""

    def handle(self) -> None:
        while head := self.rfile.readline():
            words = []
            for _ in range(int(head[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2].upper())
            self.wfile.write(self.answer(words[0]))

    def answer(self, command: bytes) -> bytes:
        if command == b"INFO":
            text = b"# Server\r\nredis_version:3.2.12\r\n"
            return b"$%d\r\n%s\r\n" % (len(text), text)
        known = {b"PING": b"+PONG\r\n", b"SELECT": b"+OK\r\n", b"DBSIZE": b":0\r\n"}
        return known.get(command, b"-ERR unknown command\r\n")


@pytest.fixture
def old_redis() -> Iterator[int]:
    """The port of a server that says it is Redis 3.2."""
    with ThreadingTCPServer(("127.0.0.1", 0), OldRedis) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


def test_a_server_that_is_too_old_is_refused(metaparity: Run, old_redis: int) -> None:
    refused(metaparity("run", "--server", f"redis://127.0.0.1:{old_redis}/0"), 3, "3.2.12", "4.0")


def test_a_run_on_a_given_server_leaves_it_empty(metaparity: Run, server_url: str) -> None:
    ran = metaparity("run", "--only", "capabilities", "-n", "0", "--server", server_url)
    assert ran.code == 0, ran.out + ran.err
    assert "redis " in ran.out
    assert ran.results["footer"]["verdict"] == "parity"
    assert ran.results["header"]["server"]["kind"] == "url"
    assert {path.name for path in ran.folder.iterdir()} == {"report"}
    with redis.Redis.from_url(server_url) as mine:
        assert mine.dbsize() == 0
