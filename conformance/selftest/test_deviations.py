"""On which drivers a pinned deviation may show, where it has to, and beside which."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from metaparity.conformance.harness.deviations import Deviation

PINNED = Deviation(
    clause="a/b",
    driver="odd",
    what="ENOENT",
    fault="driver",
    why="It does.",
    link="https://example.org/1",
    expires=date(2999, 1, 1),
)


@pytest.mark.parametrize(
    ("pinned", "other", "concerns", "due"),
    [
        ("odd", "odd", True, True),
        ("odd", "even", False, False),
        ("odd", "odd?compat=1", True, False),
        ("odd", "odd@1.4.1", True, False),
        ("odd", "even+odd", True, False),
        ("odd?compat=1", "odd", False, False),
        ("odd?compat=1", "odd?compat=1", True, True),
        ("…+odd", "even+odd", True, True),
        ("…+odd", "odd+even", False, False),
        ("…+odd", "odd", False, False),
        ("odd+…", "odd+even", True, True),
        ("odd+even", "odd+even", True, True),
        ("odd+even", "odd+third", False, False),
    ],
)
def test_a_pin_is_of_drivers(pinned: str, other: str, concerns: bool, due: bool) -> None:
    pin = replace(PINNED, driver=pinned)
    assert (pin.concerns(other), pin.is_due(other)) == (concerns, due)


@pytest.mark.parametrize(
    ("pinned", "other", "shows"),
    [
        ("odd", "even", True),
        ("odd", "odd?compat=1", False),
        ("odd", "even+odd", False),
        ("odd?compat=1", "odd", True),
        ("…+odd", "even+third", True),
        ("…+odd", "third+odd", False),
        ("…+odd", "odd+third", False),
        ("odd+even", "third+even", False),
    ],
)
def test_a_comparison_shows_it_where_neither_side_has_to_do_with_it(
    pinned: str, other: str, shows: bool
) -> None:
    assert replace(PINNED, driver=pinned).shows_beside(other) == shows
