"""Which reason to refuse is named when several hold: pairs of conditions from an ordered list."""

from __future__ import annotations

import errno as errnos
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest


class Reason:
    """One reason to refuse, and the settings of a scene under which it holds."""

    def __init__(self, name: str, errno: int, /, **settings: Any) -> None:
        self.name = name
        self.errno = errno
        self.settings = settings


def precedence(*order: Reason) -> list[Any]:
    """Values for `("settings", "errno")`: each reason alone, then each pair whose order can be seen.

    `order` has the reason that is named first at its head.  Reasons that set one thing to different
    values cannot hold together.
    """
    alone = [_value(reason.errno, reason) for reason in order]
    pairs = [
        _value(first.errno, first, second)
        for first, second in combinations(order, 2)
        if first.errno != second.errno and _compatible(first.settings, second.settings)
    ]
    return alone + pairs


def _compatible(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    return all(left[key] == right[key] for key in left.keys() & right.keys())


def _value(number: int, *held: Reason) -> Any:
    settings = {key: value for reason in held for key, value in reason.settings.items()}
    label = "+".join(reason.name for reason in held)
    return pytest.param(settings, number, id=f"{label}-{errnos.errorcode[number]}")
