"""Who is granted what: the rule of permission, written from the reference (R3)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from metaparity.conformance.scenes.actors import ALICE, BOB, GUEST, MEMBER
from metaparity.drivers.types import Context

SHIFTS = {"owner": 6, "group": 3, "other": 0}

CLASSES: dict[str, tuple[Context, str]] = {
    "owner": (ALICE, "owner"),
    "primary-group": (MEMBER, "group"),
    "further-group": (GUEST, "group"),
    "other": (BOB, "other"),
}
"""Callers by what they are to a node of Alice and her group, with the bits that decide for them."""

each_class = pytest.mark.parametrize(
    ("ctx", "bits"), [pytest.param(*value, id=name) for name, value in CLASSES.items()]
)


def granting(bits: str, granted: int) -> int:
    """The mode whose bits for one class are `granted`, and the opposite for the others."""
    mode = sum((7 - granted) << shift for shift in SHIFTS.values())
    return mode ^ (7 << SHIFTS[bits])


def modes(bits: str) -> Iterator[tuple[int, int]]:
    """Every (granted, mode) of one class."""
    return ((granted, granting(bits, granted)) for granted in range(8))


def permitted(ctx: Context, mode: int, uid: int, gid: int, mask: int) -> bool:
    """Whether a node of this mode and owner grants every bit of `mask` to the caller."""
    if ctx.uid == 0 or not ctx.check_permission:
        return True
    shift = SHIFTS["owner" if ctx.uid == uid else "group" if gid in ctx.gids else "other"]
    return mode >> shift & mask == mask
