"""The figures as one HTML page with plots in it; it loads nothing, and works from a file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from importlib.resources import files

from metaparity.reports.html.resources import document

from .measure import BRIDGE
from .results import REFERENCE, Cell, Results, Setting
from .table import ran_on, stale
from .workloads import WORKLOADS

PAGE = "benchmark.html"

LABELS, BARS, VALUES = 175, 215, 150
"""Widths in a plot of rates, in its own units: names, bars, figures."""
ROW = 20
COLOURS = 5
DECADE = 150
"""Width of a factor of ten in the plot of ratios."""


def render(results: Results) -> str:
    """The page."""
    return document(
        title="What the primitives cost",
        kind="benchmark",
        lede=(
            "Operations a second of one client. A bar is the median of the rounds, the line across its end "
            "goes from the slowest to the fastest; each plot has a scale of its own. "
            f"Drivers: {', '.join(results.drivers)}."
        ),
        note=f"{escape(ran_on(results))}.",
        main=(
            "".join(_setting(results, setting) for setting in results.settings)
            + "".join(f"<p>{escape(line)}.</p>" for line in stale(results))
        ),
        version=str(results.facts["metaparity"]),
        style=files(__package__).joinpath("page.css").read_text("utf-8"),
    )


def _setting(results: Results, setting: Setting) -> str:
    title = str(setting)
    parts = [f'<section class="setting" aria-label="{escape(title)}"><h2>{escape(title.capitalize())}</h2>']
    if REFERENCE in results.drivers and len(results.drivers) > 1:
        parts += [f"<h3>Rate by that of {REFERENCE}</h3>", _figure("", _ratios(results, setting))]
    for heading, changes in (("Reads", False), ("Changes", True)):
        names = [name for name in results.workloads if WORKLOADS[name].changes is changes]
        if names:
            plots = "".join(_rates(results, name, setting) for name in names)
            parts.append(f'<h3>{heading}</h3><div class="charts">{plots}</div>')
    return "".join([*parts, _figures(results, setting), "</section>"])


def _figures(results: Results, setting: Setting) -> str:
    """Every figure of a setting, as a table."""
    heads = ("slowest", "median", "fastest", "p50 µs", "p99 µs", "CPU µs a call", "most MB")
    head = "".join(f'<th scope="col">{one}</th>' for one in ("", "", *heads))
    rows = "".join(
        f'<tr><th scope="row">{escape(workload)}</th><td>{escape(driver)}</td>'
        + "".join(f"<td>{one}</td>" for one in _row(results.cell(workload, driver, setting)))
        + "</tr>"
        for workload in results.workloads
        for driver in results.drivers
    )
    return f"<details><summary>All figures</summary><table><tr>{head}</tr>{rows}</table></details>"


def _row(cell: Cell) -> Iterator[str]:
    told = cell.to_json()
    rate = told["rate"] or dict.fromkeys(("low", "median", "high"))
    figures = (*rate.values(), told["p50_us"], told["p99_us"], told["cpu_us"], told["memory_mb"])
    for one, decimals in zip(figures, (0, 0, 0, 1, 1, 1, 0), strict=True):
        yield "-" if one is None else f"{one:,.{decimals}f}"


def _figure(caption: str, plot: str) -> str:
    return f"<figure>{f'<figcaption>{caption}</figcaption>' if caption else ''}{plot}</figure>"


def _rates(results: Results, workload: str, setting: Setting) -> str:
    """Bars of one workload, one for each driver."""
    cells = [results.cell(workload, driver, setting) for driver in results.drivers]
    most = max((cell.rate.high for cell in cells if cell.rate is not None), default=1.0)
    bars = "".join(_bar(results, cell, place, most) for place, cell in enumerate(cells))
    case = WORKLOADS[workload].case
    caption = f"<b>{escape(workload)}</b>" + (f", {escape(case)}" if case else "")
    return _figure(caption, _svg(LABELS + BARS + VALUES, ROW * len(cells), f"Rates of {workload}", bars))


def _bar(results: Results, cell: Cell, place: int, most: float) -> str:
    top = place * ROW
    middle = top + ROW / 2
    label = _text(LABELS - 8, middle, cell.driver, "end")
    rate = cell.rate
    if rate is None:
        reason = "failed" if cell.failed else "not offered"
        return label + _text(LABELS + 4, middle, reason, "start", "quiet")
    low, end, high = (LABELS + BARS * one / most for one in (rate.low, rate.median, rate.high))
    ratio = results.ratio(cell)
    told = f"{rate.median:,.0f}/s" + (f" · {ratio:.2f}x" if ratio is not None else "")
    told += " (by the protocol)" if cell.timed == BRIDGE else ""
    whisker = f"M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 3}v6M{high:.1f} {middle - 3}v6"
    return (
        f'{label}<rect class="d{place % COLOURS}" x="{LABELS}" y="{top + 3}" width="{end - LABELS:.1f}" '
        f'height="{ROW - 6}"/><path class="whisker" d="{whisker}"/>{_text(high + 8, middle, told, "start")}'
    )


def _ratios(results: Results, setting: Setting) -> str:
    """A dot for each workload and driver on a logarithmic scale."""
    found = [
        (row, place, ratio)
        for row, workload in enumerate(results.workloads)
        for place, driver in enumerate(results.drivers)
        if (ratio := results.ratio(results.cell(workload, driver, setting))) is not None
    ]
    decades = [math.log10(ratio) for *_, ratio in found]
    first = math.floor(min([-1.0, *decades]))
    last = math.ceil(max([1.0, *decades]))
    width, height = DECADE * (last - first), ROW * len(results.workloads)

    def across(decade: float) -> float:
        return LABELS + (decade - first) * DECADE

    marks = [
        f'<path class="{"one" if decade == 0 else "grid"}" d="M{across(decade)} 0V{height}"/>'
        + _text(across(decade), height + 12, f"{10.0**decade:g}x", "middle", "quiet")
        for decade in range(first, last + 1)
    ]
    names = [
        _text(LABELS - 8, (row + 0.5) * ROW, workload, "end")
        for row, workload in enumerate(results.workloads)
    ]
    dots = [
        f'<circle class="d{place % COLOURS}" cx="{across(math.log10(ratio)):.1f}" cy="{(row + 0.5) * ROW}" '
        f'r="5"><title>{escape(results.drivers[place])}: {ratio:.2f}x</title></circle>'
        for row, place, ratio in found
    ]
    key = "".join(_key(results, LABELS, height + 34))
    return _svg(
        LABELS + width + 40, height + 50, f"Ratios to {REFERENCE}", "".join([*marks, *names, *dots]) + key
    )


def _key(results: Results, left: float, middle: float) -> Iterator[str]:
    for place, driver in enumerate(results.drivers):
        if driver != REFERENCE:
            yield f'<circle class="d{place % COLOURS}" cx="{left}" cy="{middle}" r="5"/>'
            yield _text(left + 10, middle, driver, "start")
            left += 30 + 7 * len(driver)


def _svg(width: float, height: float, title: str, content: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{content}</svg>'
    )


def _text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" dominant-baseline="central"{style}>'
        f"{escape(words)}</text>"
    )
