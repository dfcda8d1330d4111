"""Adds up what the tests reported: one record for a clause and a driver, and the differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import pytest

from metaparity.reports.results import Difference, Failure, KeyChange, Record, Verdict

from .choices import DEFAULT_DRIVERS
from .deviations import Deviation, Ledger, Pin
from .lawfulness import EXCUSES
from .parity import AT_END, Observations, first_difference
from .rerun import command_line

SEVERITY = (Verdict.FAILED, Verdict.DEVIATED, Verdict.SKIPPED, Verdict.UNSUPPORTED, Verdict.PASSED)
"""From worst to best: the verdict of a clause is the worst of its tests."""

JUDGED = (Verdict.PASSED, Verdict.DEVIATED, Verdict.FAILED)
"""Verdicts of clauses that ran, so that a pinned deviation must have shown."""

TEXT = 6000
"""Characters of a failure's full text that a result keeps."""


@dataclass(slots=True)
class Outcome:
    """A test on one driver, over its phases."""

    verdict: Verdict = Verdict.PASSED
    reason: str | None = None
    failures: list[Failure] = field(default_factory=list)
    figures: list[tuple[str, float]] = field(default_factory=list)
    seconds: float = 0.0

    def worsen(self, verdict: Verdict, reason: str | None) -> None:
        if SEVERITY.index(verdict) < SEVERITY.index(self.verdict):
            self.verdict, self.reason = verdict, reason


@dataclass(slots=True)
class Line:
    """Everything about one clause on one driver."""

    clause: dict[str, Any]
    driver: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    pinned: set[Pin] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    """Laws that were found broken as the clause says, or as an excuse does."""


@dataclass(slots=True)
class Lawfulness:
    """How many tests were held to the laws of the key-space."""

    judged: int = 0
    volumes: int = 0
    """How often that was, for a test may make several."""
    edited: int = 0
    """Tests that changed keys past their driver, so that they were not."""


class Tally:
    """The state of a run, fed with one report at a time."""

    def __init__(
        self, drivers: Sequence[str], server: str, ledger: Ledger, checker: str | None = None
    ) -> None:
        self.drivers = list(drivers)
        self.server = server
        self.checker = checker
        self.ledger = ledger
        self.lines: dict[tuple[str, str], Line] = {}
        self.differences: list[Difference] = []
        self.facts: dict[str, Any] | None = None
        self.uncompared = 0
        self.lawfulness = Lawfulness()
        self.beside: dict[tuple[str, str], set[str]] = {}
        """The drivers that a clause on a driver was compared with."""
        self.finished: set[str] = set()
        self._waiting: dict[str, dict[str, dict[str, Any]]] = {}

    def add(self, report: pytest.TestReport) -> None:
        """Take in a report; those without our data are not about a clause."""
        if report.when == "teardown":
            self.finished.add(report.nodeid)
        data: dict[str, Any] | None = getattr(report, "metaparity", None)
        if data is None:
            return
        if data.get("server"):
            self.facts = data["server"]
        key = (data["clause"]["id"], data["driver"])
        line = self.lines.setdefault(key, Line(data["clause"], data["driver"]))
        outcome = line.outcomes.setdefault(report.nodeid, Outcome())
        outcome.seconds += report.duration
        self._judge(line, outcome, report, data)
        if report.when == "call":
            outcome.figures += [(name, value) for name, value in report.user_properties if is_figure(value)]
        if report.when == "call" and report.passed:
            self._compare(data)
        if data["laws"] is not None:
            self._take_laws(line, outcome, data["laws"])

    def _take_laws(self, line: Line, outcome: Outcome, found: dict[str, Any]) -> None:
        """Count what was held to the laws of the key-space, and what explains those that are broken."""
        counts = self.lawfulness
        counts.volumes += found["judged"]
        counts.judged += bool(found["judged"])
        counts.edited += not found["judged"] and bool(found["edited"])
        line.broken.update(found["declared"], found["excused"])
        for place in found["pinned"]:
            pin = self.ledger.laws[place]
            line.pinned.add(pin)
            outcome.worsen(Verdict.DEVIATED, f"{pin}: {pin.why} ({pin.link})")

    def _judge(self, line: Line, outcome: Outcome, report: pytest.TestReport, data: dict[str, Any]) -> None:
        if report.failed:
            finding = data["finding"]
            rerun = command_line(line.clause["id"], [line.driver], self.server, self.checker)
            outcome.worsen(Verdict.FAILED, None)
            outcome.failures.append(
                Failure(
                    test=data["test"],
                    phase=finding["phase"],
                    call=finding["call"],
                    expected=finding["expected"],
                    observed=finding["observed"],
                    keys=tuple(KeyChange(**row) for row in finding["keys"]),
                    text=report.longreprtext[-TEXT:],
                    rerun=rerun,
                    trace=finding["trace"] or None,
                )
            )
        elif data.get("deviated"):
            pin = self.ledger.find(line.clause["id"], line.driver, data["deviated"])
            if pin is not None:
                line.pinned.add(pin)
                outcome.worsen(Verdict.DEVIATED, f"{pin.what}: {pin.why} ({pin.link})")
        elif report.skipped:
            reason = _skip_reason(report)
            unsupported = reason.startswith("unsupported: ")
            outcome.worsen(
                Verdict.UNSUPPORTED if unsupported else Verdict.SKIPPED, reason.removeprefix("unsupported: ")
            )

    # -- parity ------------------------------------------------------------------------------------

    def _compare(self, data: dict[str, Any]) -> None:
        if data["observations"] is None:
            self.uncompared += 1
            return
        others = self._waiting.setdefault(data["pair"], {})
        others[data["driver"]] = data
        if len(others) == len(self.drivers):
            self._compare_all(self._waiting.pop(data["pair"]))

    def finish(self) -> None:
        """Compare the tests that some of the drivers did not run, among the others."""
        for others in self._waiting.values():
            self._compare_all(others)
        self._waiting.clear()

    def _compare_all(self, by_driver: dict[str, dict[str, Any]]) -> None:
        left, *others = (by_driver[name] for name in self.drivers if name in by_driver)
        for right in others:
            self._compare_two(left, right)

    def _compare_two(self, left: dict[str, Any], right: dict[str, Any]) -> None:
        clause = left["clause"]["id"]
        for side, beside in ((left, right), (right, left)):
            self.beside.setdefault((clause, side["driver"]), set()).add(beside["driver"])
        found = first_difference(Observations(**left["observations"]), Observations(**right["observations"]))
        if found is None:
            return
        call, one, other = found
        for side, observed in ((left, one), (right, other)):
            pin = self.ledger.find(clause, side["driver"], observed)
            if pin is not None:
                line = self.lines[clause, side["driver"]]
                line.pinned.add(pin)
                line.outcomes[side["test"]].worsen(Verdict.DEVIATED, f"{pin.what}: {pin.why} ({pin.link})")
                return
        if call.startswith(AT_END) and any(side["laws"]["pinned"] for side in (left, right)):
            return  # who breaks a law leaves other keys
        self.differences.append(
            Difference(
                clause=clause,
                test=left["pair"],
                left=left["driver"],
                right=right["driver"],
                call=call,
                left_observed=one,
                right_observed=other,
                rerun=command_line(clause, [left["driver"], right["driver"]], self.server, self.checker),
            )
        )

    # -- the end -----------------------------------------------------------------------------------

    def records(self, *, whole: bool) -> list[Record]:
        """One record for each clause and driver, by clause; `whole` when no test of a clause was left out."""
        order = {name: number for number, name in enumerate(self.drivers)}
        keys = sorted(self.lines, key=lambda key: (key[0], order.get(key[1], len(order))))
        return [self._record(self.lines[key], whole) for key in keys]

    def _record(self, line: Line, whole: bool) -> Record:
        outcomes = line.outcomes.values()
        worst = min(outcomes, key=lambda outcome: SEVERITY.index(outcome.verdict))
        verdict, reason = worst.verdict, worst.reason
        complaints = self._complaints(line) if whole and verdict in JUDGED else []
        if complaints:
            verdict, reason = Verdict.FAILED, "; ".join(complaints)
        return Record(
            clause=line.clause["id"],
            sentence=line.clause["sentence"],
            source=line.clause["source"],
            needs=line.clause["needs"],
            driver=line.driver,
            verdict=verdict,
            tests=len(outcomes),
            seconds=round(sum(outcome.seconds for outcome in outcomes), 4),
            reason=reason,
            rerun=command_line(line.clause["id"], [line.driver], self.server, self.checker),
            failures=tuple(failure for outcome in outcomes for failure in outcome.failures),
            figures=together(figure for outcome in outcomes for figure in outcome.figures),
        )

    def _complaints(self, line: Line) -> list[str]:
        """Why the ledger's entries for this line do not hold."""
        found = []
        clause = line.clause["id"]
        for pin in self.ledger.for_clause(clause, line.driver):
            if pin.expired(self.ledger.today):
                found.append(
                    f"the pinned deviation {pin.what!r} expired on {pin.expires}: fix it or renew it"
                )
            elif pin not in line.pinned and not pin.sometimes and self._could_show(pin):
                found.append(f"the pinned deviation {pin.what!r} was not observed: correct or remove it")
        return found + self._needless(line) if line.driver in DEFAULT_DRIVERS else found

    def _needless(self, line: Line) -> list[str]:
        """Laws that a clause or an excuse says are broken here, and that none of our engines breaks."""
        clause = line.clause["id"]
        ours = [self.lines[clause, name] for name in DEFAULT_DRIVERS if (clause, name) in self.lines]
        broken = {law for one in ours for law in one.broken}
        said = [law for law, _ in line.clause["breaks"]]
        said += [str(excuse) for excuse in EXCUSES if excuse.clause == clause]
        return [
            f"the law {law} is said to be broken here and is not: correct or remove that"
            for law in said
            if law not in broken
        ]

    def _could_show(self, pin: Pin) -> bool:
        """Whether what is pinned had to be seen: some of it shows only beside other drivers."""
        others = self.beside.get((pin.clause, pin.driver), set())
        compared = isinstance(pin, Deviation) and pin.compared
        return not compared or any(pin.shows_beside(other) for other in others)


def is_figure(value: object) -> TypeGuard[float]:
    """Whether a property that a test has recorded (`record_property`) is one of its figures."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def together(figures: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The figures of several tests by name: of whole numbers the sum, of others the largest."""
    found: dict[str, float] = {}
    for name, value in figures:
        if isinstance(value, int):
            found[name] = found.get(name, 0) + value
        else:
            found[name] = max(found.get(name, value), value)
    return dict(sorted(found.items()))


def _skip_reason(report: pytest.TestReport) -> str:
    """Why a test was skipped, or why it was to fail: that reason pytest keeps in `wasxfail`."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(getattr(report, "wasxfail", "") or report.longreprtext)
