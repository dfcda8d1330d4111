"""Every numbered rule that this spec answers for is proved by a clause or listed with a reason."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from metaparity.conformance.harness.catalogue import catalogue, untested

SECTIONS: dict[str, int] = tomllib.loads(files("metaparity.conformance").joinpath("rules.toml").read_text())[
    "rules"
]

RULES = [f"{section}.{number}" for section, last in SECTIONS.items() for number in range(1, last + 1)]


def sources() -> set[str]:
    """Every rule that is the source of a clause."""
    return {rule for clause in catalogue().values() for rule in clause.source.replace(",", " ").split()}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_rule_is_proved_or_listed(section: str) -> None:
    of_section = {rule for rule in RULES if rule.startswith(f"{section}.")}
    assert of_section - sources() - untested().keys() == set()


def test_only_rules_without_a_clause_are_listed() -> None:
    assert untested().keys() & sources() == set()
    assert untested().keys() <= set(RULES)


def test_every_listed_rule_has_a_reason() -> None:
    assert all(len(reason.split()) >= 4 for reason in untested().values())


def test_parts_belong_to_proved_rules() -> None:
    assert untested("parts").keys() <= sources()
