"""How a sound engine is spoilt in one place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from metaparity.drivers.api import Engine
from metaparity.drivers.engine.store import Command
from metaparity.drivers.engine.transaction import Attempt
from metaparity.drivers.registry import Driver, driver
from metaparity.drivers.types import Config


@dataclass(frozen=True, slots=True)
class Exhibit:
    """How a fault must be seen: the clause that goes red, and what the engine lets out if that is the fault.

    Without `raises` an exception that is no answer of an engine is a crash, which shows no fault.
    """

    caught_by: str
    raises: type[Exception] | None = None


EXHIBITS: dict[str, Exhibit] = {}
"""How each broken driver is spelled, and how its fault must be seen."""

PACKAGE = "metaparity.drivers"


def nothing(*args: Any, **kwargs: Any) -> None:
    """In place of something that was to be done."""


def never(*args: Any, **kwargs: Any) -> bool:
    """In place of a condition."""
    return False


def always(*args: Any, **kwargs: Any) -> bool:
    """In place of a condition."""
    return True


def no_commands(*args: Any, **kwargs: Any) -> Iterator[Command]:
    """In place of what was to be written."""
    return iter(())


def watch_nothing(self: Attempt) -> list[Command]:
    """As if nobody else could write meanwhile."""
    return []


def exhibit(
    module: str,
    sound: str,
    name: str,
    fault: str,
    *,
    caught_by: str,
    target: str,
    wrong: Any,
    raises: type[Exception] | None = None,
) -> Driver:
    """A spoilt driver that the clause `caught_by` must catch: the object `name` of `module`.

    `raises` is for a fault that is seen by an exception no engine should let out.  Raises `AttributeError` as
    `spoilt` does.
    """
    spelling = f"{module}:{name}"
    EXHIBITS[spelling] = Exhibit(caught_by, raises)
    # Clauses that open it in another process have to name it there.
    return replace(spoilt(sound, name, fault, target, wrong), spelling=spelling)


def spoilt(sound: str, name: str, fault: str, target: str, wrong: Any) -> Driver:
    """The driver `sound` with one definition replaced, `package.module:name` or `package.module:Class.name`.

    Opening it spoils the engine of the whole process, so each runs in a process of its own.  Raises
    `AttributeError` where there is no such definition.
    """
    base = driver(sound)
    place, _, path = target.partition(":")
    *outer, attribute = path.split(".")
    owner: Any = import_module(f"{PACKAGE}.{place}")
    for part in outer:
        owner = getattr(owner, part)
    getattr(owner, attribute)  # what is not there cannot be spoilt

    def open_broken(url: str, config: Config) -> Engine:
        setattr(owner, attribute, wrong)
        return base.open(url, config)

    return Driver(
        name=f"museum-{name.lower().replace('_', '-')}",
        description=fault,
        schemes=base.schemes,
        capabilities=base.capabilities,
        open=open_broken,
    )
