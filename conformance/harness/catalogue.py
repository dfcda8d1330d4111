"""All clauses of the spec, and how a reader names some of them."""

from __future__ import annotations

import difflib
import pkgutil
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from metaparity.drivers.errors import Mistake

from .. import spec
from ..clause import Clause
from .deviations import Ledger
from .smoke import SMOKE


class UnknownClause(Mistake):
    """A pattern matches no clause."""


def modules() -> Iterator[ModuleType]:
    """Every module of the spec."""
    for info in pkgutil.walk_packages(spec.__path__, f"{spec.__name__}."):
        if info.name.rpartition(".")[2].startswith("test_"):
            yield import_module(info.name)


@cache
def catalogue() -> dict[str, Clause]:
    """Every clause by its id, sorted.  Raises `Mistake` where two have one id."""
    found: dict[str, Clause] = {}
    for one in sorted(homes(), key=lambda one: one.id):
        if found.setdefault(one.id, one) != one:
            raise Mistake(f"two clauses have the id {one.id}: {found[one.id].sentence} {one.sentence}")
    return found


@cache
def homes() -> dict[Clause, str]:
    """The module that each clause is proved in."""
    return {one: module.__name__ for module in modules() for _, one in _clauses(module)}


@cache
def proofs() -> dict[str, list[str]]:
    """The tests of each clause, by its id."""
    found: dict[str, list[str]] = {}
    for module in modules():
        for test, one in _clauses(module):
            found.setdefault(one.id, []).append(f"{module.__name__.rpartition('.')[2]}::{test}")
    return found


def modules_of(patterns: Sequence[str]) -> list[str]:
    """The modules of the clauses that are meant, sorted."""
    chosen = set(selected(patterns, catalogue()))
    return sorted({module for one, module in homes().items() if one.id in chosen})


def _clauses(module: ModuleType) -> Iterator[tuple[str, Clause]]:
    """The tests of a module with the clauses that they prove."""
    for name, value in vars(module).items():
        if name.startswith("test_"):
            for mark in _marks(value):
                if mark.name == "clause":
                    yield name, mark.args[0]


def _marks(test: object) -> Iterator[pytest.Mark]:
    """The marks of a test and of its parameters."""
    for mark in getattr(test, "pytestmark", ()):
        yield mark
        if mark.name == "parametrize":
            for value in mark.args[1]:
                for decorator in getattr(value, "marks", ()):
                    yield getattr(decorator, "mark", decorator)


def matches(pattern: str, id: str) -> bool:
    """Whether a clause is meant: by its id, its family, a glob, `smoke`, or `pinned`."""
    if pattern == "smoke":
        return id in SMOKE
    if pattern == "pinned":
        return id in pinned()
    return pattern in (id, id.partition("/")[0]) or fnmatchcase(id, pattern)


@cache
def pinned() -> frozenset[str]:
    """The clauses on which the suite's own ledger pins a difference of some driver.  Raises `BadLedger`."""
    return frozenset(pin.clause for pin in Ledger.read().pins)


def selected(patterns: Sequence[str], ids: Iterable[str]) -> list[str]:
    """The ids that one of the patterns means; all of them when there is no pattern."""
    return [id for id in ids if not patterns or any(matches(pattern, id) for pattern in patterns)]


def require_known(patterns: Sequence[str]) -> None:
    """Raise `UnknownClause` for the first pattern that means no clause."""
    ids = list(catalogue()) if patterns else []
    for pattern in patterns:
        if selected([pattern], ids):
            continue
        families = sorted({id.partition("/")[0] for id in ids})
        near = difflib.get_close_matches(pattern, ids if "/" in pattern else families, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}" if near else "`metaparity clauses` lists them all"
        raise UnknownClause(f"no clause matches {pattern!r}: {hint}")


@cache
def untested(what: str = "untested") -> dict[str, str]:
    """The rules of the reference that no clause proves, with the reason.

    With `parts`, rules that a clause proves but for the part named.
    """
    text = Path(__file__).parent.with_name("untested.toml").read_text(encoding="utf-8")
    return {rule: " ".join(reason.split()) for rule, reason in tomllib.loads(text)[what].items()}
