"""How far a long call has come, for whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Progress: TypeAlias = tuple[str, int, int]
"""What is done (`entries dumped`), how many of it, and how many there will be, 0 if that is unknown."""

Tell: TypeAlias = Callable[[str, int, int], object]
"""Is told of `Progress`."""


def nobody(what: str, done: int, total: int) -> None:
    """Nobody wants to know."""


def told(items: Iterable[T], tell: Tell, what: str, total: Callable[[], int]) -> Iterator[T]:
    """The items; of each it is told that it is done when the next one is asked for."""
    for done, item in enumerate(items, 1):
        yield item
        tell(what, done, total())
