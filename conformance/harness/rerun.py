"""The one command that runs something again."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from metaparity.drivers import registry

PACKAGE = Path(__file__).resolve().parent.parent


def without_password(server: str) -> str:
    """A choice of server that may be published."""
    return re.sub(r"://[^@/]*@", "://USER:PASSWORD@", server)


def spelling(driver: str) -> str:
    """What `--driver` has to be given for a driver of this run."""
    return registry.driver(driver).spelling or driver


def command_line(clause: str, drivers: list[str], server: str) -> str:
    """Runs a clause by the command."""
    parts = ["metaparity", "run", "--only", clause]
    for driver in drivers:
        parts += ["--driver", spelling(driver)]
    return shlex.join([*parts, "--server", without_password(server)])


def plain_line(item: pytest.Item, driver: str, server: str) -> str:
    """Runs a test by plain pytest, from anywhere."""
    _, _, inside = item.nodeid.partition("::")
    path = item.path.resolve()
    if path.is_relative_to(PACKAGE):
        module = ".".join(("metaparity.conformance", *path.relative_to(PACKAGE).with_suffix("").parts))
        target = ["--pyargs", f"{module}::{inside}"]
    else:
        target = [item.nodeid]
    return shlex.join(["pytest", *target, "--driver", spelling(driver), "--server", without_password(server)])
