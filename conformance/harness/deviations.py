"""The ledger of known differences: each is pinned exactly, and gone the day it is fixed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from metaparity.drivers.errors import Mistake

from ..laws import LAWS

LEDGER = Path(__file__).parent.with_name("deviations.toml")

KINDS: dict[str, type] = {"expires": date, "sometimes": bool, "compared": bool, "own": bool, "after": list}
"""Fields that are not text."""

OPTIONAL = {"sometimes", "compared", "own"}

COPIED, COPYING = "juicefs", "compat="
"""The driver whose defects others have on request, and what is in the names of drivers that were asked."""

FAULTS = ("driver", "reference", "server", "suite")


def names_in(driver: str) -> set[str]:
    """The name of a driver, and of those that it is with parameters, of a version, or as one of a pair."""
    return {driver, *re.split(r"[+?@]", driver)}


def sides_of(driver: str) -> set[str]:
    """The drivers of a pair, `…` standing for any; a driver alone is its only side."""
    return {*driver.split("+")} - {"…"}


class BadLedger(Mistake):
    """The ledger cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A known difference of a driver, or of pairs: `…+juicefs` is whichever has JuiceFS as its second client.

    `clause` is where it shows; `what` is what the report shows as observed, `…` standing for what varies.
    `sometimes` marks what depends on the order of concurrent calls, so that a run may pass without it; `own`
    what an engine that is asked for the defects of that driver (`compat=1.4.1`) has not.
    """

    clause: str
    driver: str
    what: str
    fault: str
    why: str
    link: str
    expires: date
    sometimes: bool = False
    own: bool = False

    def expired(self, today: date) -> bool:
        """Whether it has become a failure again."""
        return today >= self.expires

    def concerns(self, driver: str) -> bool:
        """Whether it may show on a driver: its own, with parameters, of a version, or one of a pair."""
        return self.driver in names_in(driver) or self.is_due(driver)

    def is_due(self, driver: str) -> bool:
        """Whether it has to show on a driver."""
        return covers(self.driver, driver) or self._copied_by(driver)

    def shows_beside(self, driver: str) -> bool:
        """Whether a comparison with that driver is one with something else, on either side of a pair."""
        return not self.concerns(driver) and not sides_of(self.driver) & sides_of(driver)

    def _copied_by(self, driver: str) -> bool:
        return self.driver == COPIED and COPYING in driver and not self.own

    def covers(self, observed: str) -> bool:
        """Whether this is what was observed, times aside."""
        return covers(self.what, observed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation(Pin):
    """What the tests of one clause observe otherwise; `compared` marks what they do not see themselves, but
    only the comparison with a driver that it does not concern."""

    compared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenLaw(Pin):
    """A law of the key-space that any test may leave broken which called one of the primitives `after`; the
    tests of `clause` always do."""

    law: str
    after: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.law}: {self.what}"


def covers(pattern: str, observed: str) -> bool:
    """Whether a text with `…` for what varies is what was observed, times aside."""
    fixed = map(re.escape, timeless(pattern).split("…"))
    return re.fullmatch(".*".join(fixed), timeless(observed)) is not None


def timeless(text: str) -> str:
    """Text with `(seconds, nanoseconds)` of our days replaced by `(time)`, and space made single."""
    return " ".join(re.sub(r"\(\d{10}, \d{1,9}\)", "(time)", text).split())


class Ledger:
    """All pinned differences of a run."""

    def __init__(self, entries: Sequence[Deviation], today: date, laws: Sequence[BrokenLaw] = ()) -> None:
        self.entries = tuple(entries)
        self.laws = tuple(laws)
        self.today = today

    @classmethod
    def read(cls, path: Path = LEDGER, today: date | None = None) -> Ledger:
        """The ledger in a file.  Raises `BadLedger`."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as broken:
            raise BadLedger(f"the ledger {path} cannot be read: {broken}") from broken
        if document.keys() - {"deviation", "law"}:
            raise BadLedger(f"the ledger {path} may hold [[deviation]] and [[law]] entries only")
        entries = _entries(document.get("deviation", []), f"entry {{}} of the ledger {path}", Deviation)
        laws = _entries(document.get("law", []), f"law {{}} of the ledger {path}", BrokenLaw)
        return cls(entries, today or date.today(), laws)

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Every entry, of clauses and of laws."""
        return (*self.entries, *self.laws)

    def find(self, clause: str, driver: str, observed: str) -> Deviation | None:
        """The entry in force that pins what was observed."""
        for entry in self.entries:
            pinned = entry.clause == clause and entry.concerns(driver) and entry.covers(observed)
            if pinned and not entry.expired(self.today):
                return entry
        return None

    def for_clause(self, clause: str, driver: str) -> list[Pin]:
        """Every entry that a clause has to show on a driver, expired ones too."""
        return [entry for entry in self.pins if entry.clause == clause and entry.is_due(driver)]

    def find_laws(self, law: str, driver: str, what: str, called: Collection[str]) -> list[BrokenLaw]:
        """The entries in force that pin how a law was found broken after some calls."""
        return [
            entry
            for entry in self.laws
            if entry.law == law
            and entry.concerns(driver)
            and entry.covers(what)
            and not entry.expired(self.today)
            and any(one in called for one in entry.after)
        ]

    def baseless(self, clauses: Container[str], drivers: Container[str]) -> list[tuple[Pin, str]]:
        """Entries that name an unknown clause, driver or law, with the complaint."""
        found: list[tuple[Pin, str]] = []
        for entry in self.pins:
            if entry.clause not in clauses:
                found.append(
                    (entry, f"pinned deviation names an unknown clause {entry.clause!r}: correct it")
                )
            elif any(side.partition("?")[0] not in drivers for side in sides_of(entry.driver)):
                found.append(
                    (entry, f"pinned deviation names an unknown driver {entry.driver!r}: correct it")
                )
            elif isinstance(entry, BrokenLaw) and entry.law not in LAWS:
                found.append((entry, f"pinned deviation names an unknown law {entry.law!r}: correct it"))
        return found


P = TypeVar("P", bound=Pin)


def _entries(raw: Sequence[object], place: str, pin: type[P]) -> list[P]:
    return [_entry(one, place.format(number), pin) for number, one in enumerate(raw, 1)]


def _entry(raw: object, place: str, pin: type[P]) -> P:
    wanted: dict[str, type] = {one.name: KINDS.get(one.name, str) for one in fields(pin)}
    optional = OPTIONAL & wanted.keys()
    if not isinstance(raw, dict) or not wanted.keys() - optional <= raw.keys() <= wanted.keys():
        raise BadLedger(
            f"{place} must have exactly {', '.join(wanted)}; {', '.join(sorted(optional))} may be left out"
        )
    for name, kind in wanted.items():
        if name in raw and (type(raw[name]) is not kind or not raw[name]):
            raise BadLedger(f"{name} in {place} is not a {kind.__name__}")
    if raw["fault"] not in FAULTS:
        raise BadLedger(f"fault in {place} is none of {', '.join(FAULTS)}")
    given: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in raw.items()}
    return pin(**given)
