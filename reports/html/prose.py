"""The sentences of the page: what a run amounts to, in words."""

from __future__ import annotations

from collections.abc import Sequence

from ..results import Conclusion, Results, Verdict, instant

SYMBOLS = {
    Verdict.PASSED: "✓",
    Verdict.FAILED: "✕",
    Verdict.DEVIATED: "≈",
    Verdict.UNSUPPORTED: "–",
    Verdict.SKIPPED: "○",
}
"""A sign for each verdict, so that colour is never the only one."""

HEADLINES = {
    Conclusion.PARITY: "Parity",
    Conclusion.DIFFERENCES: "Differences",
    Conclusion.INCOMPLETE: "Incomplete run",
}

PLACES = {
    "container": "in a container",
    "local": "from this machine",
    "embedded": "from the embedded wheel",
    "url": "at the given address",
}


def headline(results: Results) -> str:
    """The verdict, with the drivers where they can be said to agree."""
    names = [driver.name for driver in results.header.drivers]
    if results.footer.verdict is not Conclusion.PARITY:
        return HEADLINES[results.footer.verdict]
    if not any(summary.passed + summary.deviated for summary in results.footer.summary.values()):
        return "Nothing was examined"
    return f"{joined(names)} agree" if len(names) > 1 else HEADLINES[Conclusion.PARITY]


def lede(results: Results) -> str:
    """What the verdict rests on, in two sentences."""
    failed = {name: summary.failed for name, summary in results.footer.summary.items() if summary.failed}
    on_each = [f"{counted(count, 'clause', 'clauses')} failed on {name}" for name, count in failed.items()]
    so_far = "" if results.footer.complete else " so far"
    verdict = f"{joined(on_each) or 'No clause failed'}{so_far}{_deviations(results)}."
    return f"{verdict} {_differences(results)}".strip()


def _deviations(results: Results) -> str:
    """How many clauses deviate as the ledger pins them, so that no verdict hides them."""
    pinned = {name: one.deviated for name, one in results.footer.summary.items() if one.deviated}
    on_each = [f"{count} on {name}" for name, count in pinned.items()]
    return f", but for deviations that are pinned with their reasons: {joined(on_each)}" if on_each else ""


def _differences(results: Results) -> str:
    if results.differences:
        calls = counted(len(results.differences), "call was", "calls were")
        return f"{calls} answered differently by two drivers."
    if len(results.header.drivers) > 1 and results.footer.complete:
        return "The drivers answered every compared call alike and left the same keys."
    return ""


def ran_on(results: Results) -> str:
    """Server, place, day and length of the run, in one line."""
    server = results.header.server
    place = PLACES.get(server.kind, "")
    name = f"{server.software.capitalize()} {server.version} {place}".strip()
    where = f"{name} ({server.detail})" if name and server.detail else name or server.detail
    return " · ".join((where, day(results.header.started), duration(results.footer.seconds)))


def passed_over(results: Results) -> list[str]:
    """Why the server is not an earlier choice."""
    choices = results.header.server.passed_over
    return [f"Tried {choice.kind} first: {choice.reason.rstrip('.')}." for choice in choices]


def day(started: str) -> str:
    """The day of a time as the results have it."""
    return f"{instant(started):%d %B %Y}".lstrip("0")


def duration(seconds: float) -> str:
    """A length of time as a reader says it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def counted(number: int, one: str, many: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number:,} {one if number == 1 else many}"


def joined(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
