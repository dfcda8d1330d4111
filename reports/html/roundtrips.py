"""The page that says how often each call waits for the server, engine by engine."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TypeAlias

from ..results import Results
from .resources import document

PAGE = "roundtrips.html"

Costs: TypeAlias = Mapping[str, Mapping[str, str]]
"""By call, then by driver: round trips and the commands in them, cold and warm."""


def render_roundtrips(results: Results, costs: Costs) -> str:
    """The table that the clauses `budget/..` hold engines to; the drivers of the run come first."""
    known = list(dict.fromkeys(driver for by_driver in costs.values() for driver in by_driver))
    drivers = sorted(known, key=lambda driver: driver not in results.footer.summary)
    heads = "".join(f'<th scope="col">{escape(driver)}</th>' for driver in drivers)
    rows = "".join(_row(call, by_driver, drivers) for call, by_driver in costs.items())
    proofs = sorted({record.clause for record in results.records if record.clause.startswith("budget/")})
    verdicts = ", ".join(
        f"{record.driver} {record.verdict}" for record in results.records if record.clause in proofs[:1]
    )
    return document(
        title="Round trips",
        kind="tables",
        lede=(
            "How often each call waits for the server, and in brackets how many commands that takes; "
            "behind an arrow, once all was asked that the client may keep. "
            "Setting up connections is not counted."
        ),
        note=f"Held to in this run: {escape(verdicts)}." if verdicts else "Not proved in this run.",
        main=(
            '<section aria-label="Round trips of each call by driver"><table class="costs">'
            f'<thead><tr><th scope="col">Call</th>{heads}</tr></thead><tbody>{rows}</tbody></table></section>'
        ),
        others={"index.html": "Report", "results.json": "Results as JSON"},
        version=results.header.metaparity,
    )


def _row(call: str, by_driver: Mapping[str, str], drivers: list[str]) -> str:
    texts = (by_driver.get(driver, "-").replace("->", "→") for driver in drivers)
    cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
    return f'<tr><th scope="row">{escape(call)}</th>{cells}</tr>'
