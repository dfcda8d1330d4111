"""The table of what dumps keep in docs/dump.md is the one that the clauses go through."""

from __future__ import annotations

from pathlib import Path

from metaparity.conformance.scenes.holdings import ROWS

PAGE = Path(__file__).parents[2] / "docs" / "dump.md"
ODD = [
    "names of xattrs that are no UTF-8",
    "each such byte becomes U+FFFD; refused where two of a node become one",
    "refused",
]
"""The line that has clauses of its own, because it may be refused."""


def test_table() -> None:
    """The page has a line for each that the clauses go through, with what each format makes of it."""
    _, _, rest = PAGE.read_text("utf-8").partition("\n## What is kept\n")
    section, _, _ = rest.partition("\n## ")
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    assert lines[2:] == [*([name, row.json, row.binary] for name, row in ROWS.items()), ODD]
