"""Parity: the same test shows the same observations on every driver."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from metaparity.fixtures.recording import HEAD, Log

from .rendering import Normal

SHOWN = 400
"""Characters of one observation that travel to the report."""


@dataclass(frozen=True, slots=True)
class Observations:
    """What one test showed on one driver, small enough to send.

    `seen` has the first calls with their outcomes; the digests cover every call that is kept.
    """

    seen: list[list[str]]
    count: int
    calls: str
    outcomes: str

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def observed(log: Log) -> Observations | None:
    """The observations of a test; None where several threads called,
    for their order is chance, or none did."""
    kept = log.kept()
    if len({call.thread for call in kept}) != 1:
        return None
    normal = Normal(kept[0].start, kept[-1].end)
    calls, outcomes = hashlib.sha256(), hashlib.sha256()
    seen: list[list[str]] = []
    for call in kept:
        made, answered = normal.call(call), normal.outcome(call)
        calls.update(made.encode("utf-8", "surrogatepass"))
        outcomes.update(answered.encode("utf-8", "surrogatepass"))
        if len(seen) < HEAD:
            seen.append([made[:SHOWN], _shortened(answered)])
    return Observations(seen, log.count, calls.hexdigest()[:16], outcomes.hexdigest()[:16])


def _shortened(text: str) -> str:
    if len(text) <= SHOWN:
        return text
    return f"{text[:SHOWN]}… ({hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]})"


def first_difference(left: Observations, right: Observations) -> tuple[str, str, str] | None:
    """The first call that both drivers were asked and answered differently, with the two answers.

    Only the calls up to the first that differs are comparable: what follows depends on it.
    """
    for (call, one), (other_call, other) in zip(left.seen, right.seen, strict=False):
        if call != other_call:
            return None
        if one != other:
            return call, one, other
    if left.calls == right.calls and left.outcomes != right.outcomes:
        return (
            f"one of the calls after the first {HEAD}",
            f"digest {left.outcomes}",
            f"digest {right.outcomes}",
        )
    return None
