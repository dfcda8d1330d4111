"""Follows a run from its controller and writes what the reader gets: a table, and the report directory."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pytest

from metaparity.drivers import registry
from metaparity.fixtures.provision import Provider

from . import profiles
from .catalogue import catalogue
from .choices import Choices
from .rendering import shorten
from .rerun import without_password
from .tally import Tally

SCHEMA = "metaparity-results-1"
LISTED = 20
"""Failures and differences that the terminal lists; the report has them all."""

SUMMARY = ("passed", "failed", "deviated", "unsupported", "skipped")
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
        self.tally = Tally(choices.drivers, choices.server, choices.ledger)
        self.started, self.clock = now(), time.monotonic()
        self.expected: set[str] = set()
        self.broken = False
        self.results: dict[str, Any] | None = None

    # -- what pytest tells -------------------------------------------------------------------------

    def pytest_sessionstart(self) -> None:
        self._write(self._document(complete=False))

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
        complete = ended and not self.broken and bool(self.expected) and self.expected <= self.tally.finished
        self.results = self._document(complete=complete)
        self._write(self.results)
        if exitstatus == pytest.ExitCode.OK and self.results["records"]:
            verdict = self.results["footer"]["verdict"]
            session.exitstatus = pytest.ExitCode.OK if verdict == "parity" else pytest.ExitCode.TESTS_FAILED

    # -- the results -------------------------------------------------------------------------------

    def _document(self, *, complete: bool) -> dict[str, Any]:
        records = self.tally.records(whole=complete and self._whole_clauses()) + self._baseless()
        differs = self.tally.differences or any(record["verdict"] == "failed" for record in records)
        summary = {
            name: {
                verdict: sum(r["driver"] == name and r["verdict"] == verdict for r in records)
                for verdict in SUMMARY
            }
            for name in self.choices.drivers
        }
        return {
            "schema": SCHEMA,
            "header": self._header(),
            "records": records,
            "differences": self.tally.differences,
            "footer": {
                "complete": complete,
                "finished": now(),
                "seconds": round(time.monotonic() - self.clock, 3),
                "verdict": "incomplete" if not complete else "differences" if differs else "parity",
                "summary": summary,
            },
        }

    def _header(self) -> dict[str, Any]:
        drivers = [registry.driver(name) for name in self.choices.drivers]
        seed = profiles.seed(self.config)
        return {
            "metaparity": version("metaparity"),
            "started": self.started,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "command": [without_password(part) for part in (os.path.basename(sys.argv[0]), *sys.argv[1:])],
            "selection": " ".join(self.choices.only) or "all",
            "seed": int(seed) if seed is not None and seed.isdigit() else None,
            "server": self.facts(),
            "drivers": [
                {
                    "name": driver.name,
                    "description": driver.description,
                    "capabilities": sorted(driver.capabilities),
                }
                for driver in drivers
            ],
        }

    def facts(self) -> dict[str, Any]:
        """What is known of the server by now."""
        return self.tally.facts or self.provider.facts() or UNKNOWN_SERVER

    def _whole_clauses(self) -> bool:
        """Whether pytest was left to run every test of a clause."""
        narrowed = self.config.getoption("keyword") or any("::" in arg for arg in self.config.args)
        return not narrowed

    def _baseless(self) -> list[dict[str, Any]]:
        if not self.choices.ledger.entries:
            return []
        return [
            {
                "clause": entry.clause,
                "sentence": "A pinned deviation names a clause of the spec and an installed driver.",
                "source": "",
                "needs": "",
                "driver": entry.driver,
                "verdict": "failed",
                "tests": 0,
                "seconds": 0.0,
                "reason": complaint,
                "rerun": "metaparity clauses",
                "failures": [],
            }
            for entry, complaint in self.choices.ledger.baseless(
                {**catalogue(), **{clause: None for clause, _ in self.tally.lines}}, registry.drivers()
            )
        ]

    def _write(self, results: dict[str, Any]) -> None:
        directory = self.choices.report
        if directory is None:
            return
        unfinished = directory / "results.json.part"
        unfinished.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        unfinished.replace(directory / "results.json")

    # -- the terminal ------------------------------------------------------------------------------

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        results = self.results
        if results is None or not results["records"]:
            return
        line = terminalreporter.write_line
        terminalreporter.section("metaparity")
        for text in server_lines(results["header"]["server"]):
            line(text)
        for one in results["differences"][:LISTED]:
            line(f"DIFFERENCE {one['clause']}: {one['call']}")
            line(f"  {one['left']}: {one['left_observed']}")
            line(f"  {one['right']}: {one['right_observed']}")
            line(f"  {one['rerun']}")
        for text in failure_lines(results["records"]):
            line(text)
        for text in table(results["footer"]["summary"]):
            line(text)
        if self.tally.uncompared:
            line(
                f"{self.tally.uncompared} tests were not compared: "
                "they call from several threads or not at all"
            )
        line(f"verdict: {results['footer']['verdict']} ({results['footer']['seconds']:.1f} s)")
        if self.choices.report is not None:
            line(f"report: {self.choices.report / 'index.html'}")

    def pytest_report_header(self) -> list[str]:
        lines = [
            f"metaparity: drivers {', '.join(self.choices.drivers)}; "
            f"server {without_password(self.choices.server)}; "
            f"hypothesis profile {profiles.chosen(self.config)}"
        ]
        facts = self.provider.facts()
        return lines + (server_lines(facts) if facts else [])


def failure_lines(records: list[dict[str, Any]]) -> list[str]:
    """A line for each clause that failed, as far as they can be listed."""
    failed = [record for record in records if record["verdict"] == "failed"]
    lines = []
    for record in failed[:LISTED]:
        first = next(iter(record["failures"]), None)
        why = record["reason"] or (
            f"expected {first['expected']}, observed {first['observed']}" if first else ""
        )
        lines.append(f"FAILED {record['clause']} on {record['driver']}: {shorten(why)}")
    if len(failed) > LISTED:
        lines.append(f"... and {len(failed) - LISTED} more")
    return lines


def server_lines(facts: dict[str, Any]) -> list[str]:
    """Which server it was, and why not an earlier choice."""
    at = f" at {facts['detail']}" if facts["detail"] else ""
    return [
        f"server: {facts['software']} {facts['version']} ({facts['kind']}){at}",
        *(f"  not {one['kind']}: {one['reason']}" for one in facts["passed_over"]),
    ]


def table(summary: dict[str, dict[str, int]]) -> list[str]:
    """Clauses by driver and verdict."""
    width = max(len(name) for name in summary)
    lines = [" ".join([" " * width, *(f"{verdict:>11}" for verdict in SUMMARY)])]
    for name, counts in summary.items():
        lines.append(" ".join([f"{name:<{width}}", *(f"{counts[verdict]:>11}" for verdict in SUMMARY)]))
    return lines
