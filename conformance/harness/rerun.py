"""The one command that runs something again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from metaparity.drivers import registry

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


def command_line(clause: str, drivers: list[str], server: str, checker: str | None = None) -> str:
    """Runs a clause by the command."""
    words = ["metaparity", "run", "--only", clause, *options(drivers)]
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
    return shlex.join(["pytest", *target, *options([driver]), *environment(server, checker)])
