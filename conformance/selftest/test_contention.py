"""`metaparity contend`: what it prints, and that it sees a lock that two hold at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from metaparity.conformance.benchmark.contention import Contended, Share, table
from metaparity.conformance.command import main

SERVER = "local" if shutil.which("redis-server") else "embedded"
RACING = ["LOCKS_GRANTED_TWICE", "RANGES_RACE"]


def test_all_get_their_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "c.json"
    drivers = ["--driver", "redis", "--driver", "rueidis"]
    assert main(["contend", *drivers, "--seconds", "0.5", "--server", SERVER, "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert [[one["driver"] for one in part["shares"]] for part in found] == [["redis", "rueidis"]] * 2
    for part in found:
        assert part["counted"] == sum(one["grants"] for one in part["shares"])
        assert all(one["grants"] for one in part["shares"])
    assert capsys.readouterr().out.count("exact") == 2


def test_a_lock_that_two_hold_at_once_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    drivers = [f"--driver=metaparity.conformance.museum.locks:{name}" for name in RACING]
    assert main(["contend", *drivers, "--server", SERVER]) == 1
    assert "WRONG: two had it at once" in capsys.readouterr().out


def test_an_unknown_driver_is_a_mistake() -> None:
    assert main(["contend", "--driver", "nobody"]) == 2


def test_a_count_that_is_short_is_not_exact() -> None:
    shares = [Share("flock", name, 5, 1, 0.5, 0.5) for name in ("a", "b")]
    assert Contended(shares, 10).exact
    assert table([Contended(shares, 9)])[-1] == "flock: 9 counted in 10 grants, WRONG: two had it at once"
