"""Every numbered rule that this spec answers for is proved by a clause or listed with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metaparity.conformance.coverage import numbered_rules, proved, uncovered
from metaparity.conformance.harness import catalogue as catalogue_module
from metaparity.conformance.harness.catalogue import catalogue, homes, proofs, untested
from metaparity.drivers.errors import Mistake

from .conftest import Run

SECTIONS = sorted({rule.partition(".")[0] for rule in numbered_rules()})


@pytest.mark.parametrize("section", SECTIONS)
def test_every_rule_is_proved_or_listed(section: str) -> None:
    assert [rule for rule in uncovered() if rule.startswith(f"{section}.")] == []


def test_only_rules_without_a_clause_are_listed() -> None:
    assert untested().keys() & proved().keys() == set()
    assert untested().keys() <= set(numbered_rules())


def test_every_listed_rule_has_a_reason() -> None:
    assert all(len(reason.split()) >= 4 for reason in untested().values())


def test_parts_belong_to_proved_rules() -> None:
    assert untested("parts").keys() <= proved().keys()


def test_an_id_is_of_one_clause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes an id that is there is told so, where the other clause would hide the new one."""
    one = next(iter(homes()))
    other = replace(one, sentence="Something else.")
    monkeypatch.setattr(catalogue_module, "homes", lambda: {one: "here", other: "there"})
    catalogue.cache_clear()
    try:
        with pytest.raises(Mistake, match=f"two clauses have the id {one.id}: .*Something else"):
            catalogue()
    finally:
        catalogue.cache_clear()


def test_every_clause_has_a_test_and_the_command_shows_both_ways(metaparity: Run) -> None:
    assert proofs().keys() == catalogue().keys()
    ran = metaparity("coverage", "N16")
    assert ran.code == 0
    assert "\nN16.5\n    " in ran.out
    assert "    rename/two-names-of-one-node-stay\n" in ran.out
    assert "N17" not in ran.out
    assert " 0 uncovered; " in ran.out
    ran = metaparity("coverage", "--clauses", "rename")
    assert "rename/moves-a-node-of-any-type\n    source N16" in ran.out
    assert "\n    test   test_rename::test_" in ran.out
    assert metaparity("coverage", "Z99").code == 2
