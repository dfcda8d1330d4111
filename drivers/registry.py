"""Drivers by name and by URL scheme; other packages add theirs through an entry point.

An entry point of the group `metaparity.drivers` names an object of type `Driver`::

    [project.entry-points."metaparity.drivers"]
    mine = "my_package:DRIVER"
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from .api import CAPABILITIES, Engine
from .types import Config

GROUP = "metaparity.drivers"

PROGRAM = "cmd:"
"""What stands before the command line of an external program."""


class UnknownDriver(ValueError):
    """No driver has this name or serves this URL scheme."""


@dataclass(frozen=True)
class Driver:
    """A registered way to open an engine.

    `open(url, config)` returns a client of the volume at a Redis URL; nothing is read or written
    before its first call.  `schemes[0]` is what the suite puts before `://` in the URLs it makes.
    """

    name: str
    description: str
    schemes: tuple[str, ...]
    capabilities: frozenset[str]
    open: Callable[[str, Config], Engine] = field(repr=False)
    spelling: str = ""
    """How to ask for it where that is not its name: `cmd:COMMAND`."""

    def __post_init__(self) -> None:
        unknown = sorted(self.capabilities - CAPABILITIES.keys())
        if unknown:
            raise ValueError(f"driver {self.name!r} declares unknown capabilities: {', '.join(unknown)}")

    def url(self, address: str) -> str:
        """This driver's URL for a server address such as `127.0.0.1:6379/3`."""
        return f"{self.schemes[0]}://{address}"


_programs: dict[str, Driver] = {}
"""External programs of this process, by spelling and by name."""


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
    in this process by the driver's name, too.  Raises `UnknownDriver`.
    """
    if name in drivers():
        return drivers()[name]
    if name in _programs:
        return _programs[name]
    if name.startswith(PROGRAM):
        return _program(name)
    module, separator, attribute = name.partition(":")
    if separator:
        return _driver_at(module, attribute)
    near = difflib.get_close_matches(name, drivers(), n=1)
    hint = f"did you mean {near[0]}" if near else f"choose from {', '.join(drivers())}"
    raise UnknownDriver(
        f"unknown driver {name!r}: {hint}, "
        "or name a program as cmd:COMMAND, an object as package.module:OBJECT"
    )


def _program(spelling: str) -> Driver:
    from .bridge import program_driver

    found = program_driver(spelling.removeprefix(PROGRAM))
    number, name = 1, found.name
    while name in drivers() or name in _programs:
        number += 1
        name = f"{found.name}-{number}"
    found = replace(found, name=name)
    _programs[spelling] = _programs[name] = found
    return found


def _driver_at(module: str, attribute: str) -> Driver:
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as missing:
        raise UnknownDriver(f"no driver at {module}:{attribute}: {missing}") from missing
    if not isinstance(found, Driver):
        raise UnknownDriver(f"{module}:{attribute} is not a Driver")
    return found


def open_engine(url: str, config: Config = Config()) -> Engine:
    """A client of the volume at `url`, by the driver that serves its scheme.  Raises `UnknownDriver`."""
    scheme = url.partition("://")[0] if "://" in url else "redis"
    for candidate in drivers().values():
        if scheme in candidate.schemes:
            return candidate.open(url, config)
    served = sorted(scheme for one in drivers().values() for scheme in one.schemes)
    raise UnknownDriver(f"no driver for {scheme}://; known schemes: {', '.join(served)}")
