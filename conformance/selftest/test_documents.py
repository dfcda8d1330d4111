"""What the documents say of clauses is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from metaparity.conformance.harness.catalogue import catalogue
from metaparity.conformance.laws import LAWS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FAMILIES = {id.partition("/")[0] for id in catalogue()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_clause_that_is_named_exists(document: Path) -> None:
    named = re.findall(r"`([a-z-]+)/([a-z0-9-]+)`", document.read_text("utf-8"))
    clauses = {f"{family}/{words}" for family, words in named if family in FAMILIES}
    assert clauses <= catalogue().keys() | LAWS.keys()


def test_every_law_is_told() -> None:
    """Each in the table of its family, in its own words."""
    page = (ROOT / "docs" / "laws.md").read_text("utf-8")
    told = re.findall(r"^## .*|^\| `.*", page, re.M)
    families = {
        id.partition("/")[0]: [law for law in LAWS.values() if law.id.startswith(id.partition("/")[0] + "/")]
        for id in LAWS
    }
    for family, laws in families.items():
        title = f"## {family.capitalize()}"
        rows = [f"| `{law.id}` | {law.sentence} | {law.source} | {law.mends} |" for law in laws]
        start = told.index(title)
        assert told[start + 1 : start + 1 + len(rows)] == rows
    assert sum(line.startswith("|") for line in told) == len(LAWS)
    assert set(re.findall(r"What breaks `(.*)`\nis garbage", page)) == {
        law.id for law in LAWS.values() if law.garbage
    }


def test_every_difference_of_juicefs_that_is_named_is_pinned() -> None:
    rows = re.findall(
        r"^\| .* \| `([a-z0-9/-]+)` \|$", (ROOT / "docs" / "juicefs.md").read_text("utf-8"), re.M
    )
    ledger = tomllib.loads((ROOT / "conformance" / "deviations.toml").read_text("utf-8"))
    pinned = {one["clause"] for one in ledger["deviation"] if one["driver"] == "juicefs"}
    assert len(rows) > 20
    assert set(rows) <= pinned
