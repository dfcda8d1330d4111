"""A clause: one sentence of the spec with a permanent id; the test is its proof."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import pytest

from metaparity.drivers.api import CAPABILITIES

F = TypeVar("F", bound=Callable[..., object])

Figures: TypeAlias = Callable[[str, float], None]
"""The fixture `record_property` of a test that counts its work: a name, and a number for the report."""

ID = re.compile(r"[a-z][a-z-]*/[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Clause:
    """What a report says of a clause.

    `source` names the rule in the reference, `needs` the capability that makes an engine answerable,
    `clients` is 2 where several clients of the volume meet, which then may be of different drivers.
    """

    id: str
    sentence: str
    source: str
    needs: str
    clients: int = 1


def clause(id: str, *, source: str, needs: str, clients: int = 1) -> Callable[[F], F]:
    """Make a test function the proof of a clause; its docstring is the sentence.

    Raises `ValueError` for an id that is not words, an unknown capability or a missing docstring.
    """
    if not ID.fullmatch(id):
        raise ValueError(f"clause id {id!r} is not of the form family/sentence-in-words")
    if needs not in CAPABILITIES:
        raise ValueError(f"clause {id} needs an unknown capability {needs!r}")

    def mark(test: F) -> F:
        if not test.__doc__:
            raise ValueError(f"clause {id} has no sentence: give {test.__name__} a docstring")
        sentence = " ".join(test.__doc__.split())
        marked: F = pytest.mark.clause(Clause(id, sentence, source, needs, clients))(test)
        return marked

    return mark


def clause_of(item: pytest.Item) -> Clause | None:
    """The clause that a collected test proves, if any."""
    marker = item.get_closest_marker("clause")
    if marker is None:
        return None
    found = marker.args[0]
    assert isinstance(found, Clause)
    return found
