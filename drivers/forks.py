"""What a child process must forget: connections and locks belong to the process that made them.

The hook runs in the child before it has a second thread, so nothing it replaces is in use there.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_hooks: weakref.WeakKeyDictionary[object, Callable[[object], None]] = weakref.WeakKeyDictionary()


def after_fork(owner: T, forget: Callable[[T], None]) -> None:
    """Have `forget(owner)` called in every child process, as long as `owner` lives."""
    _hooks[owner] = forget  # type: ignore[assignment]


def _in_child() -> None:
    for owner, forget in list(_hooks.items()):
        forget(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
