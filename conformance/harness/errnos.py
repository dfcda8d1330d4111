"""The matrix of errnos: which refusals a primitive has."""

from __future__ import annotations

import errno
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ANYWHERE = frozenset({"EINTR", "EIO", "ETIMEDOUT"})
"""What any call may answer: its caller gave it up, or the server failed it."""


@cache
def matrix() -> dict[str, frozenset[str]]:
    """By primitive, the errnos that it may refuse a call with."""
    text = Path(__file__).parent.with_name("errnos.toml").read_text(encoding="utf-8")
    return {primitive: frozenset(errnos.split()) for primitive, errnos in tomllib.loads(text).items()}


def outside(refusals: Iterable[tuple[str, int]]) -> list[str]:
    """The refusals, primitive and errno, that the matrix does not have, as a reader is told of them."""
    return [
        f"{primitive} refused with {name}"
        for primitive, number in sorted(refusals)
        if (name := errno.errorcode.get(number, str(number))) not in ANYWHERE
        and primitive in matrix()
        and name not in matrix()[primitive]
    ]
