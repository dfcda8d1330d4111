"""The ledger of known differences: each is pinned exactly, and gone the day it is fixed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Container, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path

LEDGER = Path(__file__).parent.with_name("deviations.toml")

KINDS: dict[str, type] = {"expires": date, "sometimes": bool, "compared": bool, "own": bool}
"""Fields that are not text."""

OPTIONAL = {"sometimes", "compared", "own"}

COPIED, COPYING = "juicefs", "compat="
"""The driver whose defects others have on request, and what is in the names of drivers that were asked."""

FAULTS = ("driver", "reference", "server", "suite")


def names_in(driver: str) -> set[str]:
    """The name of a driver, and of those that it is with parameters, of a version, or as one of a pair."""
    return {driver, *re.split(r"[+?@]", driver)}


class BadLedger(ValueError):
    """The ledger cannot be read."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One pinned difference; `what` is what the report shows as observed, `…` standing for what varies.

    `sometimes` marks what depends on the order of concurrent calls, so that a run may pass without it;
    `compared` what no clause sees, but only the comparison with a driver that it does not concern; `own` what
    an engine that is asked for the defects of that driver (`compat=1.4.1`) has not.
    """

    clause: str
    driver: str
    what: str
    fault: str
    why: str
    link: str
    expires: date
    sometimes: bool = False
    compared: bool = False
    own: bool = False

    def expired(self, today: date) -> bool:
        """Whether it has become a failure again."""
        return today >= self.expires

    def concerns(self, driver: str) -> bool:
        """Whether it may show on a driver: its own, with parameters, of a version, or one of a pair."""
        return self.driver in names_in(driver) or self._copied_by(driver)

    def is_due(self, driver: str) -> bool:
        """Whether it has to show on a driver."""
        return self.driver == driver or self._copied_by(driver)

    def _copied_by(self, driver: str) -> bool:
        return self.driver == COPIED and COPYING in driver and not self.own

    def covers(self, observed: str) -> bool:
        """Whether this is what was observed, times aside."""
        fixed = map(re.escape, timeless(self.what).split("…"))
        return re.fullmatch(".*".join(fixed), timeless(observed)) is not None


def timeless(text: str) -> str:
    """Text with `(seconds, nanoseconds)` of our days replaced by `(time)`, and space made single."""
    return " ".join(re.sub(r"\(\d{10}, \d{1,9}\)", "(time)", text).split())


class Ledger:
    """All pinned differences of a run."""

    def __init__(self, entries: Sequence[Deviation], today: date) -> None:
        self.entries = tuple(entries)
        self.today = today

    @classmethod
    def read(cls, path: Path = LEDGER, today: date | None = None) -> Ledger:
        """The ledger in a file.  Raises `BadLedger`."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as broken:
            raise BadLedger(f"the ledger {path} cannot be read: {broken}") from broken
        if document.keys() - {"deviation"}:
            raise BadLedger(f"the ledger {path} may hold [[deviation]] entries only")
        entries = [_entry(path, number, raw) for number, raw in enumerate(document.get("deviation", []), 1)]
        return cls(entries, today or date.today())

    def find(self, clause: str, driver: str, observed: str) -> Deviation | None:
        """The entry in force that pins what was observed."""
        for entry in self.entries:
            pinned = entry.clause == clause and entry.concerns(driver) and entry.covers(observed)
            if pinned and not entry.expired(self.today):
                return entry
        return None

    def for_clause(self, clause: str, driver: str) -> list[Deviation]:
        """Every entry for a clause on a driver, expired ones too."""
        return [entry for entry in self.entries if entry.clause == clause and entry.is_due(driver)]

    def baseless(self, clauses: Container[str], drivers: Container[str]) -> list[tuple[Deviation, str]]:
        """Entries that name an unknown clause or driver, with the complaint."""
        found = []
        for entry in self.entries:
            if entry.clause not in clauses:
                found.append(
                    (entry, f"pinned deviation names an unknown clause {entry.clause!r}: correct it")
                )
            elif entry.driver.partition("?")[0] not in drivers:
                found.append(
                    (entry, f"pinned deviation names an unknown driver {entry.driver!r}: correct it")
                )
        return found


def _entry(path: Path, number: int, raw: object) -> Deviation:
    wanted: dict[str, type] = {one.name: KINDS.get(one.name, str) for one in fields(Deviation)}
    if not isinstance(raw, dict) or not wanted.keys() - OPTIONAL <= raw.keys() <= wanted.keys():
        raise BadLedger(
            f"entry {number} of the ledger {path} must have exactly {', '.join(wanted)}; "
            f"{', '.join(sorted(OPTIONAL))} may be left out"
        )
    for name, kind in wanted.items():
        if name in raw and (type(raw[name]) is not kind or not raw[name]):
            raise BadLedger(f"{name} in entry {number} of the ledger {path} is not a {kind.__name__}")
    if raw["fault"] not in FAULTS:
        raise BadLedger(f"fault in entry {number} of the ledger {path} is none of {', '.join(FAULTS)}")
    return Deviation(**raw)
