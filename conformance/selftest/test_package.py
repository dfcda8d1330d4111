"""The distribution: what the wheel holds, and that it works where nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("drivers", "fixtures", "conformance", "reports")
DATA = (
    *(".json", ".toml", ".css", ".js", ".html", ".typed", ".go", ".s", ".mod", ".sum"),
    *(".proto", ".bin", ".gz"),
)
UNSHIPPED = "conformance/selftest/"
"""What only a checkout needs: the tests of the suite itself."""


def run(*command: str | Path, cwd: Path) -> str:
    """The output of a command that must succeed, run without the variables of this test run."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "COV"))
    }
    completed = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, source = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source")
    # Built from a copy: a build in the checkout would pack what an earlier one left behind.
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, source, cwd=folder)
    (built,) = folder.glob("metaparity-*.whl")
    return built


def sources() -> set[str]:
    """Every file of the checkout that belongs into the wheel, by its path there."""
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            inside = path.relative_to(ROOT).as_posix()
            if path.is_file() and path.suffix in (".py", *DATA) and not inside.startswith(UNSHIPPED):
                found.add(f"metaparity/{inside}")
    return found


def test_wheel_holds_every_module_and_all_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("metaparity/")}
    assert packed == sources()


def test_packages_are_listed_one_by_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])
    present = {".".join(Path(path).parent.parts) for path in sources() if path.endswith("/__init__.py")}
    assert listed == present


def test_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "environment", cwd=tmp_path)
    run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    modules = sorted(
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in sources()
        if path.endswith(".py") and not path.endswith("__main__.py")
    )
    imports = "import importlib\n" + "".join(f"importlib.import_module({name!r})\n" for name in modules)
    run(python, "-c", imports, cwd=tmp_path)
    options = ("--only", "smoke", "-p", "no:cacheprovider", "-q")
    printed = run(python, "-m", "pytest", "--pyargs", "metaparity.conformance", *options, cwd=tmp_path)
    assert "verdict: parity" in printed
    command = tmp_path / "environment" / "bin" / "metaparity"
    assert run(command, "drivers", cwd=tmp_path).count("redis") >= 2
