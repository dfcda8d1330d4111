"""Drivers by name and by URL scheme; other packages add theirs through an entry point.

An entry point of the group `metaparity.drivers` names an object of type `Driver`::

    [project.entry-points."metaparity.drivers"]
    mine = "my_package:DRIVER"
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from .api import Engine
from .driver import Driver as Driver
from .driver import UnknownDriver as UnknownDriver
from .driver import UnreadyDriver as UnreadyDriver
from .types import Config

GROUP = "metaparity.drivers"

PROGRAM = "cmd:"
"""What stands before the command line of an external program."""


PAIR = "+"
"""What stands between the names of two drivers that are tried on one volume."""

_made: dict[str, Driver] = {}
"""Drivers made in this process, by spelling and by name: programs, versions, and those with parameters."""


@cache
def drivers() -> dict[str, Driver]:
    """Every installed driver by name.

    Raises `ValueError` when an entry point is not a `Driver` or two have one name.
    """
    found: dict[str, Driver] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        driver = point.load()
        if not isinstance(driver, Driver):
            raise ValueError(f"entry point {point.value!r} of group {GROUP} is not a Driver")
        if driver.name in found:
            raise ValueError(f"two installed packages provide a driver named {driver.name!r}")
        found[driver.name] = driver
    return found


def driver(name: str) -> Driver:
    """The driver of this name, the `Driver` object at `package.module:OBJECT`, or the program `cmd:COMMAND`.

    A program is started for it, asked once for its name, version and capabilities, and from then on known
    in this process by the driver's name, too.  `NAME?PARAMETER=VALUE&..` is the driver with parameters in its
    URLs, `NAME@VERSION` a version of one that has several, and `NAME+NAME` two drivers on one volume.
    Raises `UnknownDriver`, and `UnreadyDriver` for a version that is not there.
    """
    if name in drivers():
        return drivers()[name]
    if name not in _made:
        made = _make(name)
        _made[name] = _made[made.name] = made
    return _made[name]


def asked_for_as(name: str) -> str:
    """What names this driver on a command line, and in another process.  Raises as `driver` does."""
    return driver(name).spelling or name


def _make(name: str) -> Driver:
    if name.startswith(PROGRAM):
        return _program(name)
    one, separator, other = name.partition(PAIR)
    if separator:
        return _pair(driver(one), driver(other), name)
    base, separator, query = name.partition("?")
    if separator:
        return replace(driver(base), name=name, query=query)
    base, separator, version = name.partition("@")
    if separator:
        at_version = driver(base).at_version
        if at_version is None:
            raise UnknownDriver(f"the driver {base} has no versions: ask for it as {base}")
        return replace(at_version(version), name=name)
    module, separator, attribute = name.partition(":")
    if separator:
        return _driver_at(module, attribute)
    near = difflib.get_close_matches(name, drivers(), n=1)
    hint = f"did you mean {near[0]}" if near else f"choose from {', '.join(drivers())}"
    raise UnknownDriver(
        f"unknown driver {name!r}: {hint}, "
        "or name a program as cmd:COMMAND, an object as package.module:OBJECT"
    )


def _pair(one: Driver, other: Driver, name: str) -> Driver:
    def check_ready() -> None:
        one.check_ready()
        other.check_ready()

    return replace(
        one,
        name=name,
        description=f"{one.name}, and for every second client of a volume {other.name}",
        capabilities=one.capabilities & other.capabilities,
        spelling="",
        check_ready=check_ready,
        partner=other,
    )


def _program(spelling: str) -> Driver:
    from .bridge import program_driver

    found = program_driver(spelling.removeprefix(PROGRAM))
    number, name = 1, found.name
    while name in drivers() or name in _made:
        number += 1
        name = f"{found.name}-{number}"
    return replace(found, name=name)


def _driver_at(module: str, attribute: str) -> Driver:
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as missing:
        raise UnknownDriver(f"no driver at {module}:{attribute}: {missing}") from missing
    if not isinstance(found, Driver):
        raise UnknownDriver(f"{module}:{attribute} is not a Driver")
    return found


def open_engine(url: str, config: Config = Config()) -> Engine:
    """A client of the volume at `url`, by the driver that serves its scheme.  Raises as `serving` does."""
    return serving(url).open(url, config)


def serving(url: str) -> Driver:
    """The driver that serves the scheme of a URL.  Raises `UnknownDriver`."""
    scheme = url.partition("://")[0] if "://" in url else "redis"
    for candidate in drivers().values():
        if scheme in candidate.schemes:
            return candidate
    served = sorted(scheme for one in drivers().values() for scheme in one.schemes)
    raise UnknownDriver(f"no driver for {scheme}://; known schemes: {', '.join(served)}")
