"""`metaparity coverage`: which rule is proved by which clauses, and which clause by which tests."""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

from metaparity.reports.html import Rule

from .harness.catalogue import catalogue, proofs, untested
from .harness.exits import USAGE, complain


@cache
def numbered_rules() -> tuple[str, ...]:
    """Every numbered rule that the spec answers for, in the order of the reference."""
    text = files("metaparity.conformance").joinpath("rules.toml").read_text(encoding="utf-8")
    document = tomllib.loads(text)
    return tuple(
        f"{name}{separator}{number}"
        for table, separator in (("rules", "."), ("lists", ""))
        for name, last in document[table].items()
        for number in range(1, last + 1)
    )


def proved() -> dict[str, list[str]]:
    """Every rule that is the source of a clause, with the ids of the clauses."""
    found: dict[str, list[str]] = {}
    for clause in catalogue().values():
        for rule in rules_of(clause.source):
            found.setdefault(rule, []).append(clause.id)
    return found


def rules_of(source: str) -> list[str]:
    """The rules in the source of a clause, which may speak of a section of the protocol."""
    return re.findall(r"protocol §\d+|[A-Z]+\d+(?:\.\d+)*", source)


def uncovered() -> list[str]:
    """Numbered rules without a clause and without a reason."""
    answered = proved().keys() | untested().keys()
    return [rule for rule in numbered_rules() if rule not in answered]


def coverage(options: argparse.Namespace) -> int:
    """Print the table; returns 0 when every rule is proved or listed with a reason, else 1."""
    lines = clause_lines() if options.clauses else rule_lines()
    chosen = [line for line in lines if not options.only or _chosen(line[0], options.only)]
    if not chosen:
        return complain(f"no rule or clause begins with {' or '.join(options.only)}", USAGE)
    for name, more in chosen:
        print(name, *(f"    {one}" for one in more), sep="\n")
    missing = uncovered()
    listed = [rule for rule in numbered_rules() if rule in untested()]
    tests = sum(map(len, proofs().values()))
    print(
        f"{len(numbered_rules())} numbered rules: {len(listed)} without a clause for a reason, "
        f"{len(missing)} uncovered; {len(catalogue())} clauses, {tests} tests"
    )
    return 1 if missing else 0


def rules() -> Iterator[Rule]:
    """Every rule that is proved or has to be, as the report shows it."""
    by_rule, reasons, parts = proved(), untested(), untested("parts")
    for name in sorted({*numbered_rules(), *by_rule}, key=_natural):
        told = reasons.get(name, "") if name not in by_rule else parts.get(name, "")
        yield Rule(name, by_rule.get(name, []), told)


def rule_lines() -> list[tuple[str, list[str]]]:
    """Each rule with the clauses that prove it, or the reason why none does."""
    lines = []
    for rule in rules():
        told = list(rule.clauses)
        if told and rule.reason:
            told.append(f"in part: {rule.reason}")
        lines.append((rule.name, told or [f"no clause: {rule.reason or 'and no reason'}"]))
    return lines


def clause_lines() -> list[tuple[str, list[str]]]:
    """Each clause with its sources and the tests that prove it."""
    return [
        (one.id, [f"source {one.source}", *(f"test   {test}" for test in proofs()[one.id])])
        for one in catalogue().values()
    ]


def _chosen(name: str, beginnings: Iterable[str]) -> bool:
    return any(name == one or name.startswith((f"{one}.", f"{one}/")) for one in beginnings)


def _natural(rule: str) -> list[tuple[int, str]]:
    """A key that puts N2 before N10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.findall(r"\d+|\D+", rule)]
