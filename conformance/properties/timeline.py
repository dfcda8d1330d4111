"""A page that shows who did what when, and which calls no order explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from importlib.metadata import version

from metaparity.reports.html.resources import document

from .checker import Answer, Result, Window
from .history import History, Operation, shown

STEP, LANE, BAR, NAMES = 30, 46, 36, 90
"""Pixels: an event, a lane, a bar in it, and the names of the lanes."""

AROUND = 12
"""How many events are shown ahead of a window, and behind it."""


def render_timeline(title: str, history: History, result: Result) -> str:
    """The page: a lane for each process, a bar for each call, the window marked and its last call filled.

    From left to right each begin and each end takes the same room, as it is their order that counts.
    """
    times = sorted({moment for one in history for moment in (one.start, one.end) if moment < math.inf})
    first, last = _around(times, result.window)
    inside = [one for one in history if one.end >= first and one.start <= last]
    events = [moment for moment in times if first <= moment <= last]
    return document(
        title=title,
        kind="timeline",
        lede=_verdict(result),
        note=f"{len(inside)} of {len(history)} calls are shown, by the order of their begins and ends; "
        f"they took {(last - first) / 1e6:.3f} of {(times[-1] - times[0]) / 1e6 if times else 0:.3f} ms.",
        main=_drawing(inside, events, result.window) + _table(result.window),
        others={},
        version=version("metaparity"),
    )


def _verdict(result: Result) -> str:
    if result.window is None:
        return (
            f"The history is {result.answer.value}."
            if result.answer is not Answer.UNKNOWN
            else ("Whether the history is linearizable is not known: the time was up.")
        )
    calls = len(result.window.operations)
    return (
        f"No order of the calls explains the outcomes of {calls if calls > 1 else 'one'} of them, "
        "whatever became of the others. An order may put a call anywhere between its begin and its end."
    )


def _around(times: Sequence[float], window: Window | None) -> tuple[float, float]:
    """The first and the last moment to be shown."""
    if not times:
        return 0, 0
    if window is None:
        return times[0], times[-1]
    begin = times.index(min(one.start for one in window.operations))
    end = times.index(max(one.end for one in window.operations))
    return times[max(begin - AROUND, 0)], times[min(end + AROUND, len(times) - 1)]


def _drawing(operations: Sequence[Operation], events: Sequence[float], window: Window | None) -> str:
    lanes = {name: row for row, name in enumerate(sorted({one.process for one in operations}))}
    at = {moment: NAMES + STEP * (number + 1) for number, moment in enumerate(events)}
    width, height = NAMES + STEP * (len(events) + 2), LANE * len(lanes) + 10
    needed = window.operations if window is not None else ()
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" aria-label="Calls of each process over time">'
    ]
    if needed:
        left = at[min(one.start for one in needed)]
        right = at[max(one.end for one in needed)]
        parts.append(f'<rect class="window" x="{left}" y="0" width="{right - left}" height="{height}"/>')
    for name, row in lanes.items():
        y = LANE * row + LANE // 2 + 5
        parts.append(f'<line x1="{NAMES}" x2="{width}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="lane" x="0" y="{y + 4}">{escape(name)}</text>')
    last = max(needed, key=lambda one: one.end, default=None)
    for one in operations:
        kind = "call" if one not in needed else "call needed last" if one is last else "call needed"
        left = at.get(one.start, NAMES)
        right = at.get(one.end, width)
        parts.append(_bar(one, kind, left, LANE * lanes[one.process] + 10, right - left))
    return f'<section aria-label="Timeline" class="lanes">{"".join(parts)}</svg></section>'


def _bar(one: Operation, kind: str, x: float, y: int, width: float) -> str:
    """A call between its begin and its end; what does not fit is in its title."""
    kind += "" if one.answered else " unanswered"
    outcome = shown(one.outcome) if one.answered else "unanswered"
    return (
        f'<svg class="{kind}" x="{x}" y="{y}" width="{width}" height="{BAR}">'
        f"<title>{escape(f'{one.process}: {one}')}</title>"
        f'<rect x="1" y="1" width="{max(width - 2, 1)}" height="{BAR - 2}" rx="4"/>'
        f'<text x="6" y="15">{escape(f"{one.call} {one.taken}")}</text>'
        f'<text x="6" y="29">{escape(outcome)}</text></svg>'
    )


def _table(window: Window | None) -> str:
    if window is None:
        return ""
    return (
        f'<section aria-label="The calls that no order explains"><pre>{escape(str(window))}</pre></section>'
    )
