"""The page that says which clauses prove which rule of the reference, and which rules a clause proves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from ..results import Record, Results
from .prose import SYMBOLS, counted
from .resources import document

PAGE = "coverage.html"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the reference: the ids of the clauses that prove it, and what is to be said where some part
    of it, or all, is not proved.
    """

    name: str
    clauses: Sequence[str]
    reason: str = ""


def render_coverage(results: Results, rules: Sequence[Rule]) -> str:
    """The page as one HTML document, with the verdicts of a run."""
    verdicts: dict[str, list[Record]] = {}
    for record in results.records:
        verdicts.setdefault(record.clause, []).append(record)
    unproved = [rule for rule in rules if not rule.clauses]
    proved = "".join(_rule(rule, verdicts) for rule in rules)
    proofs = "".join(_clause(records) for _, records in sorted(verdicts.items()))
    return document(
        title="Rules and clauses",
        kind="tables",
        lede=(
            f"{counted(len(rules), 'rule', 'rules')} of the reference, "
            f"{len(unproved)} of them without a clause for a reason. "
            f"{counted(len(verdicts), 'clause', 'clauses')} ran on {', '.join(results.footer.summary)}."
        ),
        note=(
            "A mark is the verdict of one driver. "
            '<a href="#clauses">The other way round: clauses and their rules</a>'
        ),
        main=(
            f'<section id="rules" aria-label="Rules with the clauses that prove them"><table>{proved}</table>'
            '</section>\n<section id="clauses" aria-labelledby="clauses-title">'
            f'<h2 id="clauses-title">Clauses</h2><table>{proofs}</table></section>'
        ),
        others={"index.html": "Report", "results.json": "Results as JSON"},
        version=results.header.metaparity,
    )


def _rule(rule: Rule, verdicts: dict[str, list[Record]]) -> str:
    proofs = "".join(f"<li>{_proof(clause, verdicts.get(clause, []))}</li>" for clause in rule.clauses)
    reason = f'<li class="reason">{escape(rule.reason)}</li>' if rule.reason else ""
    return (
        f'<tr id="{escape(rule.name)}"><th scope="row">{escape(rule.name)}</th>'
        f"<td><ul>{proofs}{reason}</ul></td></tr>"
    )


def _proof(clause: str, records: Sequence[Record]) -> str:
    link = f'<a class="id" href="index.html#{quote(clause, errors="backslashreplace")}">{escape(clause)}</a>'
    if not records:
        return f'{link} <span class="absent">not selected</span>'
    return link + "".join(_verdicts(records))


def _verdicts(records: Sequence[Record]) -> Iterator[str]:
    for one in records:
        told = f"{one.driver}: {one.verdict}"
        yield f' <span class="verdict {one.verdict}" title="{escape(told)}">{SYMBOLS[one.verdict]}</span>'


def _clause(records: Sequence[Record]) -> str:
    first = records[0]
    sources = " ".join(f'<a href="#{escape(rule)}">{escape(rule)}</a>' for rule in first.source.split())
    return (
        f'<tr><th scope="row">{_proof(first.clause, records)}</th>'
        f"<td>{escape(first.sentence)}<br><span>{sources}</span></td></tr>"
    )
