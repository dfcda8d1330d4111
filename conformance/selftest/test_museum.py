"""The spec catches engines that are wrong on purpose."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from metaparity.conformance.museum import breaks, caches, dumps
from metaparity.conformance.museum.exhibit import EXHIBITS

SERVER = "local" if shutil.which("redis-server") else "embedded"


@pytest.mark.parametrize("room", [breaks, caches], ids=["engines", "caches"])
def test_each_room_has_at_least_ten_exhibits(room: ModuleType) -> None:
    assert len([spelling for spelling in EXHIBITS if spelling.startswith(f"{room.__name__}:")]) >= 10


def test_the_room_of_dumps_is_open() -> None:
    assert len([spelling for spelling in EXHIBITS if spelling.startswith(f"{dumps.__name__}:")]) >= 5


@pytest.mark.parametrize("exhibit", EXHIBITS)
def test_exhibit_is_caught(exhibit: str, tmp_path: Path) -> None:
    """The clause goes red on the broken engine; on the sound ones it is part of every run."""
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "metaparity.conformance", "run", "-n", "0"),
            *("--only", EXHIBITS[exhibit], "--server", SERVER, "--report", str(tmp_path)),
            *("--driver", exhibit),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert completed.returncode == 1, completed.stdout + completed.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    (record,) = results["records"]
    assert record["clause"] == EXHIBITS[exhibit]
    assert record["verdict"] == "failed"
