"""Cells: which primitive answered which errno, and which of those that rules allow were never reached."""

from __future__ import annotations

from collections.abc import Iterable

from ..harness.errnos import matrix

Cell = tuple[str, str]
"""A primitive with an errno by name, or `ok`."""

UNSPOKEN = frozenset({"chroot", "token_store", "token_update", "token_load", "token_delete"})
"""Primitives that no history calls: a client's root and tokens are no state of files."""

ELSEWHERE: dict[str, str] = {
    "EROFS": "no client of a history only reads",
    "EBADF": "the trash of a history has its record, and its sessions are open",
}
"""Errnos that no history can meet, and why."""

UNREACHED: dict[Cell, str] = {
    ("acl_set", "EINVAL"): "only a rule that no shape of the protocol has",
    ("lookup", "EINVAL"): "only without a place for the answer, which the protocol always has",
    ("remove", "ENOTDIR"): "a race: it was a directory when it was looked at",
}
"""Cells of the matrix that no history of two clients in turn can reach, and why."""


def reachable() -> frozenset[Cell]:
    """The cells of the matrix of errnos that a history can reach."""
    return frozenset(
        (primitive, errno)
        for primitive, errnos in matrix().items()
        for errno in errnos
        if primitive not in UNSPOKEN and errno not in ELSEWHERE and (primitive, errno) not in UNREACHED
    )


def missing(reached: Iterable[Cell]) -> list[Cell]:
    """The reachable cells that were not reached."""
    return sorted(reachable() - set(reached))


def report(reached: Iterable[Cell]) -> list[str]:
    """The figure, and what is missing by primitive."""
    wanted, left = reachable(), missing(reached)
    lines = [f"{len(wanted) - len(left)} of {len(wanted)} reachable cells (primitive x errno) reached"]
    by_primitive: dict[str, list[str]] = {}
    for primitive, errno in left:
        by_primitive.setdefault(primitive, []).append(errno)
    return [*lines, *(f"  not reached: {name} {' '.join(errnos)}" for name, errnos in by_primitive.items())]
