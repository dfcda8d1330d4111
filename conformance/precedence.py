"""Which reason to refuse is named when several hold: pairs of conditions from an ordered list."""

from __future__ import annotations

import errno as errnos
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest

Order = Sequence[tuple[str, int]]
"""Conditions with their errno, the one that is named first at the head."""


def precedence(order: Order, *exclusive: set[str], impossible: Sequence[set[str]] = ()) -> list[Any]:
    """Values for `("conditions", "errno")`: each condition alone, then each pair that tells an order.

    Conditions of one `exclusive` set cannot hold together, nor can the pairs in `impossible`.
    """
    alone = [_value({condition}, number) for condition, number in order]
    pairs = [
        _value({first, second}, number)
        for (first, number), (second, other) in combinations(order, 2)
        if number != other
        and not any({first, second} <= group for group in exclusive)
        and {first, second} not in impossible
    ]
    return alone + pairs


def _value(conditions: set[str], number: int) -> Any:
    return pytest.param(conditions, number, id=f"{'+'.join(sorted(conditions))}-{errnos.errorcode[number]}")
