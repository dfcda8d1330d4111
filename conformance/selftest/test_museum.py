"""The spec catches engines that are wrong on purpose."""

from __future__ import annotations

import json
import pkgutil
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from metaparity.conformance import museum
from metaparity.conformance.museum.exhibit import EXHIBITS

SERVER = "local" if shutil.which("redis-server") else "embedded"


ROOMS = [one.name for one in pkgutil.iter_modules(museum.__path__, f"{museum.__name__}.") if not one.ispkg]
for _room in ROOMS:
    import_module(_room)


def test_there_are_at_least_ten_exhibits_of_engines_and_of_caches() -> None:
    rooms = [spelling.partition(":")[0].rpartition(".")[2] for spelling in EXHIBITS]
    assert min(rooms.count("caches"), len(rooms) - rooms.count("caches")) >= 10


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
