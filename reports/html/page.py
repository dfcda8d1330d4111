"""Puts the page together: what stands still is written here, what moves is built by `report.js`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from .. import files
from ..results import Conclusion, Results, Verdict, instant, read, write
from . import coverage, roundtrips
from .prose import SYMBOLS, day, headline, lede, passed_over, ran_on
from .resources import policy, resource

PAGE = "index.html"
DATA = "results.json"

ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Characters of JSON that could end a script element or a line of it."""


def render(results: Results) -> str:
    """The report as one HTML document: it loads nothing, and works from a file."""
    theme, script = resource("theme.js"), resource("report.js")
    return Template(resource("template.html")).substitute(
        policy=policy(theme, script),
        title=escape(f"{headline(results)} · metaparity"),
        style=resource("report.css"),
        theme=theme,
        script=script,
        conclusion=results.footer.verdict.value,
        headline=escape(headline(results)),
        lede=escape(lede(results)),
        ran_on=escape(ran_on(results)),
        passed_over="".join(f"<p>{escape(line)}</p>" for line in passed_over(results)),
        banner=_banner(results),
        tallies="".join(_tally(results, driver) for driver in results.footer.summary),
        facts=_facts(results),
        version=escape(results.header.metaparity),
        data=embedded(results),
    )


def write_report(
    results: Results, directory: Path, rules: Sequence[coverage.Rule], costs: roundtrips.Costs
) -> Path:
    """Write `results.json`, `coverage.html`, `roundtrips.html` and `index.html`; returns the last.

    `rules` are those of the reference, `costs` what calls may cost.  Raises `OSError`.
    """
    write(results, directory / DATA)
    files.replace(directory / coverage.PAGE, coverage.render_coverage(results, rules))
    files.replace(directory / roundtrips.PAGE, roundtrips.render_roundtrips(results, costs))
    page = directory / PAGE
    files.replace(page, render(results))
    return page


def render_file(results_json: Path) -> Path:
    """Write the page beside a `results.json`; returns the page.  Raises `OSError` and `InvalidResults`."""
    page = results_json.with_name(PAGE)
    files.replace(page, render(read(results_json)))
    return page


def embedded(results: Results) -> str:
    """The results as JSON that may stand inside a script element."""
    text = json.dumps(results.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escaped in ESCAPES.items():
        text = text.replace(character, escaped)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _banner(results: Results) -> str:
    if results.footer.verdict is not Conclusion.INCOMPLETE:
        return ""
    return (
        '<aside class="banner" role="alert"><strong>This run did not finish.</strong> '
        "It ended before every selected test had reported, so nothing on this page says whether the "
        "drivers agree. Run it again to the end:"
        f"<code>{escape(shlex.join(results.header.command))}</code></aside>"
    )


def _tally(results: Results, driver: str) -> str:
    summary = results.footer.summary[driver]
    counts = {verdict: int(getattr(summary, verdict)) for verdict in Verdict}
    total = sum(counts.values())
    always = (Verdict.PASSED, Verdict.FAILED)
    shown = [verdict for verdict in Verdict if counts[verdict] or verdict in always]
    bar = "".join(f'<i class="{v}" style="flex-grow:{counts[v]}"></i>' for v in shown if counts[v])
    legend = "".join(f"<li>{_legend(verdict, counts[verdict])}</li>" for verdict in shown)
    clauses = "clause" if total == 1 else "clauses"
    return (
        f'<article class="tally"><h2>{escape(driver)}</h2><p class="total">{total:,} {clauses}</p>'
        f'<div class="bar" aria-hidden="true">{bar}</div><ul>{legend}</ul></article>'
    )


def _legend(verdict: Verdict, count: int) -> str:
    """A number of clauses; those there are can be followed to the matrix."""
    text = f'<b>{count:,}</b> <span aria-hidden="true">{SYMBOLS[verdict]}</span> {verdict}'
    if not count:
        return f'<span class="zero">{text}</span>'
    return f'<a class="{verdict}" href="#matrix" data-verdict="{verdict}">{text}</a>'


def _facts(results: Results) -> str:
    header = results.header
    rows = [
        ("Started", f"{day(header.started)}, {instant(header.started):%H:%M:%S} UTC"),
        ("Command", f"<code>{escape(shlex.join(header.command))}</code>"),
        ("Selection", escape(header.selection)),
        ("Seed", "not fixed" if header.seed is None else str(header.seed)),
        ("Python", escape(header.python)),
        ("Platform", escape(header.platform)),
    ]
    for driver in header.drivers:
        chips = "".join(f"<li>{escape(name)}</li>" for name in driver.capabilities)
        rows.append(
            (
                f"Driver {escape(driver.name)}",
                f'{escape(driver.description)}<ul class="capabilities">{chips}</ul>',
            )
        )
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
