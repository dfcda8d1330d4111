"""Numbers that are given as text to an option of a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from metaparity.drivers.errors import Mistake

T = TypeVar("T", int, float)

MOST_THREADS = 64
"""Threads that a command may be told to have."""


class BadArgument(Mistake):
    """An option has a value that cannot be."""


def numbers(
    option: str, text: str, kind: Callable[[str], T], least: T, most: T, count: int | None = None
) -> list[T]:
    """The numbers in a list such as `1,8,32`, each once.  Raises `BadArgument`."""
    try:
        found = list(dict.fromkeys(map(kind, text.split(","))))
    except ValueError:
        found = []
    if not found or len(found) != (count or len(found)) or not all(least <= one <= most for one in found):
        wanted = "a number" if count == 1 else "numbers with commas between them"
        raise BadArgument(f"{option} {text} cannot be: give {wanted}, from {least:g} to {most:g}")
    return found
