"""Parity: the same test shows the same observations, and leaves the same keys, on every driver."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from metaparity.fixtures.recording import HEAD, Log

from . import keyspaces
from .rendering import Normal

SHOWN = 400
"""Characters of one observation that travel to the report."""

ROWS = 400
"""Keys and fields that travel; of a larger database the digest does."""

AT_END = "the keys at the end"
"""How a difference of keys begins, where a call would be."""

LISTED = 4
"""Keys that a difference names."""


@dataclass(frozen=True, slots=True)
class Observations:
    """What one test showed on one driver, small enough to send.

    `seen` has the first calls with their outcomes; the digests cover every call that is kept.  `states` has
    a digest of all keys at the end of each example, `rows` the keys at the end of the last.
    """

    seen: list[list[str]]
    count: int
    calls: str
    outcomes: str
    states: list[str]
    rows: dict[str, str]

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def observed(log: Log, states: Sequence[Mapping[bytes, Any]]) -> Observations | None:
    """The observations of a test; None where several threads called,
    for their order is chance, or none did.

    `states` are all keys at the end of each example.
    """
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
    found = [keyspaces.rows(keys, normal) for keys in states]
    last = found[-1] if found and len(found[-1]) <= ROWS else {}
    digests = [keyspaces.digest(rows) for rows in found]
    return Observations(seen, log.count, calls.hexdigest()[:16], outcomes.hexdigest()[:16], digests, last)


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
    if left.calls == right.calls and left.states != right.states:
        return _different_keys(left, right)
    return None


def _different_keys(left: Observations, right: Observations) -> tuple[str, str, str]:
    """Which keys two drivers left differently after the same calls with the same answers."""
    differing = [
        index for index, pair in enumerate(zip(left.states, right.states, strict=False)) if len(set(pair)) > 1
    ]
    keys = sorted(key for key in left.rows | right.rows if left.rows.get(key) != right.rows.get(key))
    if differing and not keys:
        first = differing[0]
        where = f"{AT_END} of example {first + 1} of {len(left.states)}"
        return where, f"digest {left.states[first]}", f"digest {right.states[first]}"
    more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    shown = [
        "; ".join(f"{key} = {side.rows.get(key, 'nothing')}" for key in keys[:LISTED]) + more
        for side in (left, right)
    ]
    return AT_END, shown[0], shown[1]
