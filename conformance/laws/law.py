"""What a law is, and what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from metaparity.drivers.engine.store import Command

from .state import State


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where a law does not hold."""

    what: str
    """What is there, and what should be."""
    keys: tuple[bytes, ...]
    """The keys that break the law."""
    commands: tuple[Command, ...] = ()
    """What would mend it on the server, in order; nothing where no command can know what is right."""


REPAIR = "juicefs fsck --path / --recursive --repair"
GC = "juicefs gc --delete"
"""Commands of JuiceFS that mend what several laws tell of."""

Check: TypeAlias = Callable[[State], Iterator[Fault]]


@dataclass(frozen=True, slots=True)
class Law:
    """An invariant of the key-space at quiescence."""

    id: str
    """Its name, made of words; it never changes its meaning."""
    sentence: str
    source: str
    mends: str
    """What mends it, in words."""
    check: Check
    garbage: bool = False
    """Whether what breaks it only takes up room until it is collected: engines may leave it (Q3)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A law that does not hold, and where."""

    law: str
    what: str
    keys: tuple[bytes, ...]
    commands: tuple[Command, ...] = ()

    def __str__(self) -> str:
        return f"{self.law}: {self.what}"


LAWS: dict[str, Law] = {}
"""Every law by its id, in the order of their families."""


def law(id: str, source: str, mends: str, garbage: bool = False) -> Callable[[Check], Check]:
    """Make a law of a function that yields its faults; its docstring is the sentence."""

    def register(check: Check) -> Check:
        sentence = " ".join((check.__doc__ or "").split())
        if not sentence or id in LAWS:
            raise ValueError(f"the law {id} needs a sentence and an id of its own")
        LAWS[id] = Law(id, sentence, source, mends, check, garbage)
        return check

    return register
