"""The figures as text: a block for each setting, a row for each workload, a column for each driver."""

from __future__ import annotations

from collections.abc import Iterator

from .measure import BRIDGE
from .results import REFERENCE, Cell, Results, Setting
from .staleness import Staleness


def table(results: Results) -> Iterator[str]:
    """The lines: operations a second, the median of the rounds, and the ratio to the reference."""
    for setting in results.settings:
        yield f"operations a second, {setting}"
        yield from _block(results, setting)
        yield ""
    yield from _notes(results)


def _block(results: Results, setting: Setting) -> Iterator[str]:
    columns = [
        [name, *(shown(results, results.cell(one, name, setting)) for one in results.workloads)]
        for name in results.drivers
    ]
    widths = [max(map(len, column)) for column in columns]
    for heading, *cells in zip(["", *results.workloads], *columns, strict=True):
        row = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        yield f"{heading:<16}{row}"


def shown(results: Results, cell: Cell) -> str:
    """A cell in a few characters."""
    rate = cell.rate
    if rate is None:
        return "failed" if cell.failed else "-"
    ratio = results.ratio(cell)
    mark = "*" if cell.timed == BRIDGE else ""
    return f"{rate.median:,.0f}{mark}" + (f" ({ratio:.2f}x)" if ratio is not None else "")


def _notes(results: Results) -> Iterator[str]:
    if REFERENCE in results.drivers:
        yield f"(0.50x) is half the rate of {REFERENCE} in the same run"
    cells = results.cells.values()
    if any(cell.timed == BRIDGE for cell in cells):
        yield "* timed through the driver protocol, whose own cost is in the figure"
    reasons = {
        f"{cell.workload} on {cell.driver}: {cell.failed or f'- is not offered ({cell.unsupported})'}": None
        for cell in cells
        if cell.failed or cell.unsupported
    }
    yield from reasons
    yield from stale(results)
    yield ran_on(results)


def stale(results: Results) -> Iterator[str]:
    """How long each driver that caches showed the past, a sentence each."""
    for told in results.facts["staleness"]:
        yield str(Staleness(**told))


def ran_on(results: Results) -> str:
    """On what, in one sentence."""
    facts = results.facts
    server = facts["server"]
    pings = ", ".join(
        f"{one['ping_ms']:.2f} ms" + (f" with {one['delay_ms']:g} ms of delay" if one["delay_ms"] else "")
        for one in facts["networks"]
    )
    return (
        f"{server['software']} {server['version']} ({server['kind']}), {facts['python']}, "
        f"{facts['cores']} cores; a PING takes {pings}; {facts['rounds']} x {facts['seconds']:g} s each; "
        "other load on this machine disturbs the figures"
    )
