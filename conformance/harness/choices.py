"""What a run was asked for, checked before anything is started."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import pytest

from metaparity.drivers import registry
from metaparity.drivers.errors import Unfit
from metaparity.drivers.registry import PAIR, UnknownDriver

from .deviations import LEDGER, Ledger

DEFAULT_DRIVERS = ("redis", "rueidis")


class UnusableReport(Unfit):
    """Nothing can be written to the report directory."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of a run; `report` is None where no report was asked for."""

    drivers: tuple[str, ...]
    server: str
    only: tuple[str, ...]
    report: Path | None
    ledger: Ledger
    checker: str | None

    @classmethod
    def of(cls, config: pytest.Config) -> Choices:
        """Read and check the options.  Raises `UnknownDriver`, `UnreadyDriver`, `BadLedger`."""
        option = config.getoption
        report = option("report")
        return cls(
            known_drivers(option("driver") or DEFAULT_DRIVERS, option("pairs")),
            option("server"),
            tuple(option("only") or ()),
            Path(os.path.abspath(report)) if report else None,
            Ledger.read(Path(option("deviations") or LEDGER)),
            known_checker(option("check_with")),
        )


def known_drivers(names: Sequence[str], pairs: bool = False) -> tuple[str, ...]:
    """The names, each once; `package.module:OBJECT` names a driver that is not installed.

    An external program (`cmd:COMMAND`) goes by the name of its driver from here on.  With `pairs`, every
    ordered pair of them instead.  Raises `UnknownDriver`, `UnreadyDriver`.
    """
    known = [(name, registry.driver(name)) for name in names]
    for _, driver in known:
        driver.check_ready()
    chosen = tuple(dict.fromkeys(driver.name if driver.spelling else name for name, driver in known))
    if not pairs:
        return chosen
    if len(chosen) == 1:
        raise UnknownDriver(f"{chosen[0]} alone makes no pair: name another --driver, too")
    return tuple(f"{one}{PAIR}{other}" for one, other in permutations(chosen, 2))


def known_checker(name: str | None) -> str | None:
    """The driver whose check looks at every volume.  Raises `UnknownDriver`, `UnreadyDriver`."""
    if name is None:
        return None
    (known,) = known_drivers([name])
    if "maintenance" not in registry.driver(known).capabilities:
        raise UnknownDriver(
            f"the driver {known} has no check: name one that declares maintenance, as juicefs does"
        )
    return known


def require_writable(directory: Path, option: str = "--report") -> None:
    """Make the directory that an option names if need be.  Raises `UnusableReport`."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as refused:
        raise UnusableReport(
            f"nothing can be written to {directory} ({refused.strerror}): "
            f"name a directory that you may write to with {option}"
        ) from refused
