"""Follows a run from its controller and writes what the reader gets: a table, and the report directory."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pytest

from metaparity.drivers import registry
from metaparity.fixtures.provision import Provider
from metaparity.reports import results
from metaparity.reports.html import write_report
from metaparity.reports.html.prose import counted
from metaparity.reports.results import (
    Conclusion,
    Difference,
    DriverInfo,
    Footer,
    Header,
    PassedOver,
    Record,
    Results,
    Server,
    Summary,
    Verdict,
)

from ..coverage import rules
from ..laws import LAWS
from . import profiles
from .budgets import budgets
from .catalogue import catalogue
from .choices import Choices
from .rendering import shorten
from .rerun import without_password
from .tally import Lawfulness, Tally

LISTED = 20
"""Failures and differences that the terminal lists; the report has them all."""

UNKNOWN_SERVER: dict[str, Any] = {
    "kind": "none",
    "software": "",
    "version": "",
    "detail": "no test needed a server",
    "passed_over": [],
}


def now() -> str:
    """The time as ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Reporter:
    """The plugin object of the controller (or of the only process)."""

    def __init__(self, config: pytest.Config, choices: Choices, provider: Provider) -> None:
        self.config = config
        self.choices = choices
        self.provider = provider
        self.tally = Tally(choices.drivers, choices.server, choices.ledger, choices.checker)
        self.started, self.clock = now(), time.monotonic()
        self.expected: set[str] = set()
        self.broken = False
        self.results: Results | None = None

    # -- what pytest tells -------------------------------------------------------------------------

    def pytest_sessionstart(self) -> None:
        self._write(self._results(complete=False))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.expected.update(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self.expected.update(ids)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.broken = self.broken or report.failed

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object) -> None:
        self.broken = self.broken or bool(error)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.tally.add(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        self.tally.finish()
        complete = ended and not self.broken and bool(self.expected) and self.expected <= self.tally.finished
        found = self.results = self._results(complete=complete)
        self._write(found)
        if exitstatus == pytest.ExitCode.OK and found.records:
            parity = found.footer.verdict is Conclusion.PARITY
            session.exitstatus = pytest.ExitCode.OK if parity else pytest.ExitCode.TESTS_FAILED

    # -- the results -------------------------------------------------------------------------------

    def _results(self, *, complete: bool) -> Results:
        records = tuple(self.tally.records(whole=complete and self._whole_clauses()) + self._baseless())
        differences = tuple(self.tally.differences)
        return Results(
            self._header(),
            records,
            differences,
            Footer(
                complete=complete,
                finished=now(),
                seconds=round(time.monotonic() - self.clock, 3),
                verdict=results.verdict(complete, records, differences),
                summary=results.summarize(records, self.choices.drivers),
            ),
        )

    def _header(self) -> Header:
        drivers = [registry.driver(name) for name in self.choices.drivers]
        seed = profiles.seed(self.config)
        command = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
        return Header(
            metaparity=version("metaparity"),
            started=self.started,
            python=platform.python_version(),
            platform=platform.platform(),
            command=tuple(without_password(part) for part in command),
            selection=" ".join(self.choices.only) or "all",
            seed=int(seed) if seed is not None and seed.isdigit() else None,
            server=self.server(),
            drivers=tuple(
                DriverInfo(one.name, one.description, tuple(sorted(one.capabilities))) for one in drivers
            ),
        )

    def server(self) -> Server:
        """What is known of the server by now."""
        facts = self.tally.facts or self.provider.facts() or UNKNOWN_SERVER
        passed_over = tuple(PassedOver(**one) for one in facts["passed_over"])
        return Server(**{**facts, "passed_over": passed_over})

    def _whole_clauses(self) -> bool:
        """Whether pytest was left to run every test of a clause."""
        narrowed = self.config.getoption("keyword") or any("::" in arg for arg in self.config.args)
        return not narrowed

    def _baseless(self) -> list[Record]:
        ledger = self.choices.ledger
        if not ledger.pins:
            return []
        clauses = catalogue().keys() | {clause for clause, _ in self.tally.lines}
        return [
            Record(
                clause=entry.clause,
                sentence="A pinned deviation names a clause of the spec and an installed driver.",
                source="",
                needs="",
                driver=entry.driver,
                verdict=Verdict.FAILED,
                tests=0,
                seconds=0.0,
                reason=complaint,
                rerun="metaparity clauses",
                failures=(),
                figures={},
            )
            for entry, complaint in ledger.baseless(clauses, registry.drivers())
        ]

    def _write(self, found: Results) -> None:
        if self.choices.report is not None:
            write_report(found, self.choices.report, list(rules()), budgets())

    # -- the terminal ------------------------------------------------------------------------------

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        found = self.results
        if found is None or not found.records:
            return
        line = terminalreporter.write_line
        terminalreporter.section("metaparity")
        for text in (
            *server_lines(found.header.server),
            *difference_lines(found.differences),
            *failure_lines(found.records),
            *table(found.footer.summary),
        ):
            line(text)
        if self.tally.uncompared:
            line(
                f"{self.tally.uncompared} tests were not compared: "
                "they call from several threads or not at all"
            )
        for text in law_lines(self.tally.lawfulness):
            line(text)
        line(f"verdict: {found.footer.verdict.value} ({found.footer.seconds:.1f} s)")
        if self.choices.report is not None:
            line(f"report: {self.choices.report / 'index.html'}")

    def pytest_report_header(self) -> list[str]:
        lines = [
            f"metaparity: drivers {', '.join(self.choices.drivers)}; "
            f"server {without_password(self.choices.server)}; "
            f"hypothesis profile {profiles.chosen(self.config)}"
        ]
        return lines + (server_lines(self.server()) if self.provider.places else [])


def server_lines(server: Server) -> list[str]:
    """Which server it was, and why not an earlier choice."""
    return [
        f"server: {server.software} {server.version} ({server.kind} {server.detail})",
        *(f"  not {one.kind}: {one.reason}" for one in server.passed_over),
    ]


def law_lines(counts: Lawfulness) -> list[str]:
    """After how many tests the laws of the key-space were checked."""
    if not (counts.judged or counts.edited):
        return []
    tests, times = counted(counts.judged, "test", "tests"), counted(counts.volumes, "time", "times")
    edited = counted(counts.edited, "test that changes keys itself", "tests that change keys themselves")
    return [f"{len(LAWS)} laws of the key-space checked after {tests}, {times}; not after {edited}"]


def difference_lines(differences: Sequence[Difference]) -> list[str]:
    """The differences that no clause names, as far as they can be listed."""
    lines = []
    for one in differences[:LISTED]:
        lines.append(f"DIFFERENCE {one.clause}: {shorten(one.call)}")
        lines.append(f"  {one.left}: {shorten(one.left_observed)}")
        lines.append(f"  {one.right}: {shorten(one.right_observed)}")
        lines.append(f"  {one.rerun}")
    if len(differences) > LISTED:
        lines.append(f"... and {len(differences) - LISTED} differences more")
    return lines


def failure_lines(records: Sequence[Record]) -> list[str]:
    """A line for each clause that failed, as far as they can be listed."""
    failed = [record for record in records if record.verdict is Verdict.FAILED]
    lines = []
    for record in failed[:LISTED]:
        why = record.reason or ""
        for failure in record.failures[:1]:
            why = why or f"expected {failure.expected}, observed {failure.observed}"
        lines.append(f"FAILED {record.clause} on {record.driver}: {shorten(why)}")
    if len(failed) > LISTED:
        lines.append(f"... and {len(failed) - LISTED} failures more")
    return lines


def table(summary: Mapping[str, Summary]) -> list[str]:
    """Clauses by driver and verdict."""
    verdicts = [one.name for one in dataclasses.fields(Summary)]
    width = max(len(name) for name in summary)
    lines = [" ".join([" " * width, *(f"{verdict:>11}" for verdict in verdicts)])]
    for name, counts in summary.items():
        cells = [f"{getattr(counts, verdict):>11}" for verdict in verdicts]
        lines.append(" ".join([f"{name:<{width}}", *cells]))
    return lines
