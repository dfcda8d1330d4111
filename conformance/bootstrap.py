"""Set-up for a fresh clone: an environment of its own in `.venv`, then the command that was asked for.

Runs on a Python without any package: `python3 conformance run` and `python3 conformance test`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
USAGE = """usage: python3 conformance run [OPTION...]    set up, run both engines, write report/
       python3 conformance test [OPTION...]   set up, pass the tests (options go to pytest)
       python3 conformance COMMAND [...]      set up, then `metaparity COMMAND ...` (doctor, clauses, ...)"""


class SetupFailed(Exception):
    """The environment cannot be made; the text says what to do."""


def main(arguments: list[str]) -> int:
    """Set up and go on as the command; returns 0 for help, 2 for wrong usage, 3 when the set-up fails."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    try:
        python = environment(development=arguments[0] == "test")
    except SetupFailed as failure:
        print(f"metaparity: {failure}", file=sys.stderr)
        return 3
    if arguments[0] == "test":
        os.chdir(ROOT)
        return become([str(python), "-m", "pytest", "-n", "auto", *arguments[1:]])
    return become([str(python), "-m", "metaparity.conformance", *arguments])


def become(command: list[str]) -> NoReturn:
    """Go on as another program, which then gets every signal itself."""
    sys.stdout.flush()
    os.execv(command[0], command)


def environment(development: bool) -> Path:
    """The Python of `.venv`, made or brought up to date where needed.  Raises `SetupFailed`."""
    if sys.version_info < OLDEST:
        raise SetupFailed(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is {sys.version.split()[0]}: "
            "run the command with a newer one, for example python3.12"
        )
    folder = ROOT / ".venv"
    python = folder / "bin" / "python"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    plain, full = folder / "installed", folder / "installed-dev"
    stamp = full if development else plain
    # What the tests need holds all that a run needs.
    if python.exists() and any(one.exists() and one.read_text() == wanted for one in (stamp, full)):
        return python
    what = f"{ROOT}[dev]" if development else str(ROOT)
    print(f"metaparity: setting up {folder.name} (a minute, once)", flush=True)
    install = make(folder, python)
    completed = subprocess.run([*install, "install", "--quiet", "-e", what], check=False)
    if completed.returncode:
        raise SetupFailed("the packages could not be installed: see the lines above")
    stamp.write_text(wanted)
    return python


def make(folder: Path, python: Path) -> list[str]:
    """Create the environment and return the command that installs into it.

    Debian and Ubuntu ship Python without `ensurepip`: then their own pip, or uv, does it from outside.
    """
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    if has_module("ensurepip") or (on_debian_as_root() and install_ensurepip()):
        create(folder)
        return pip
    if has_module("pip"):
        create(folder, "--without-pip")
        return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    if uv := shutil.which("uv"):
        create(folder, "--without-pip")
        return [uv, "pip", "--python", str(python)]
    raise SetupFailed(
        "this Python can make no environment: install its venv package first, "
        "on Debian and Ubuntu with: sudo apt install python3-venv"
    )


def has_module(name: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True).returncode == 0


def create(folder: Path, *options: str) -> None:
    if folder.is_file():
        # tox leaves a file of this name that points to an environment of its own.
        folder.unlink()
    command = [sys.executable, "-m", "venv", "--clear", *options, str(folder)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise SetupFailed(f"no environment could be made: {(completed.stderr or completed.stdout).strip()}")


def on_debian_as_root() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_ensurepip() -> bool:
    """Install the package that Debian keeps `ensurepip` in, saying so."""
    print("metaparity: installing python3-venv with apt-get", flush=True)
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "python3-venv"]):
        if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
            return False
    return has_module("ensurepip")
