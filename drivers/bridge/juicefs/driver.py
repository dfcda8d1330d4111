"""JuiceFS as a driver, of the pinned release or any other that was built: `juicefs`, `juicefs@v1.4.0`."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...driver import Driver, UnreadyDriver
from ...types import Config
from .release import VERSION, built

if TYPE_CHECKING:
    from ...api import Engine
    from ..launcher import Launcher

SCHEME = "juicefs"
"""The scheme of its URLs here, because `redis://` is our own engine's; the adapter is told `redis://`."""

CAPABILITIES = frozenset(
    [
        "acl",
        "backup.binary",
        "cache.tracking",
        "changelog",
        "clone",
        "data",
        "dirstat",
        "dump.json",
        "flock",
        "lua",
        "maintenance",
        "namespace",
        "open",
        "plock",
        "quota.dir",
        "quota.user",
        "session",
        "tokens",
        "trash",
        "unix",
        "volume",
        "xattr",
    ]
)
"""What the adapter declares on the pinned release, known here so that nothing is started to list drivers."""


@cache
def _launcher(version: str) -> Launcher:
    from ..launcher import Launcher
    from ..program import Options

    return Launcher(lambda: [str(binary(version))], Options.from_environment())


def binary(version: str) -> Path:
    """The adapter on a version of JuiceFS.  Raises `UnreadyDriver` when it is not built."""
    found = built(version)
    if found is None:
        other = "" if version == VERSION else f" --version {version}"
        raise UnreadyDriver(
            f"the adapter for JuiceFS {version} is not built",
            f"build it (minutes, once) with metaparity build juicefs{other}",
        )
    return found


def _open_at(version: str, url: str, config: Config) -> Engine:
    return _launcher(version).open("redis" + url.removeprefix(SCHEME), config)


def _check() -> None:
    binary(VERSION)


def at_version(version: str) -> Driver:
    """The driver of a release, such as `v1.4.0`, or of a checkout, by its folder.

    It declares what its program says of itself.  Raises `UnreadyDriver`.
    """
    from ..failures import EngineFailure

    command = binary(version)
    launcher = _launcher(version)
    try:
        hello = launcher.hello()
    except EngineFailure as failure:
        raise UnreadyDriver(
            f"the adapter for JuiceFS {version} does not run ({failure})",
            f"look with metaparity smoke {command}",
        ) from failure
    return Driver(
        name=f"juicefs@{version}",
        description=f"JuiceFS {hello.version}, its engine on go-redis, from {version}",
        schemes=(SCHEME,),
        capabilities=hello.capabilities,
        open=partial(_open_at, version),
    )


DRIVER = Driver(
    name="juicefs",
    description=f"JuiceFS {VERSION.removeprefix('v')} itself (Go), its engine on go-redis",
    schemes=(SCHEME,),
    capabilities=CAPABILITIES,
    open=partial(_open_at, VERSION),
    check_ready=_check,
    at_version=at_version,
)
