"""The one command that runs something again."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metaparity.drivers import registry

if TYPE_CHECKING:
    import pytest

PACKAGE = Path(__file__).resolve().parent.parent


def without_password(server: str) -> str:
    """A choice of server that may be published."""
    return re.sub(r"://[^@/]*@", "://USER:PASSWORD@", server)


def options(drivers: Sequence[str]) -> list[str]:
    """What has to be given for drivers of this run; a pair is run with its reverse."""
    singles = [single for name in drivers for single in name.split(registry.PAIR)]
    found = [] if singles == list(drivers) else ["--pairs"]
    for name in dict.fromkeys(singles):
        found += ["--driver", registry.asked_for_as(name)]
    return found


def environment(server: str, checker: str | None) -> list[str]:
    """What has to be given of the server and of the second opinion of this run."""
    return ["--server", without_password(server), *(["--check-with", checker] if checker else [])]


def program(name: str) -> str:
    """How a program of this environment is called from the current directory.

    By its path where it is below that directory and not on the path of commands, as in a clone.
    """
    here, beside = Path.cwd(), Path(sys.executable).with_name(name)
    if beside.is_file() and beside.is_relative_to(here) and shutil.which(name) != str(beside):
        return str(beside.relative_to(here))
    return name


def command_line(clause: str, drivers: list[str], server: str, checker: str | None = None) -> str:
    """Runs a clause by the command."""
    words = [program("metaparity"), "run", "--only", clause, *options(drivers)]
    return shlex.join(words + environment(server, checker))


def plain_line(item: pytest.Item, driver: str, server: str, checker: str | None = None) -> str:
    """Runs a test by plain pytest, from anywhere."""
    _, _, inside = item.nodeid.partition("::")
    path = item.path.resolve()
    if path.is_relative_to(PACKAGE):
        module = ".".join(("metaparity.conformance", *path.relative_to(PACKAGE).with_suffix("").parts))
        target = ["--pyargs", f"{module}::{inside}"]
    else:
        target = [item.nodeid]
    return shlex.join([program("pytest"), *target, *options([driver]), *environment(server, checker)])
