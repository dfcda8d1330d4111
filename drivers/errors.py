"""How a primitive says no, the three kinds of refusal of driver protocol §2; and how a command does."""

from __future__ import annotations

import errno
import os

from .types import Node


class Mistake(ValueError):
    """What a user asked for cannot be meant; the text says in one sentence what to give instead."""


class Unfit(Exception):
    """What was asked for cannot be done here; the text says in one sentence why, and what to do."""


class Unsupported(OSError):
    """This engine does not offer the primitive or the argument; `errno` is ENOTSUP."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.ENOTSUP, reason)
        self.reason = reason


class NodeExists(FileExistsError):
    """EEXIST that carries the node in the way (N12.2)."""

    def __init__(self, node: Node) -> None:
        super().__init__(errno.EEXIST, os.strerror(errno.EEXIST))
        self.node = node


class Refused(Exception):
    """A refusal whose rule has no errno; the text says why and what to do."""


def error(number: int) -> OSError:
    """The `OSError` of an errno, of the subclass Python gives it."""
    return OSError(number, os.strerror(number))


def refuse_if(condition: bool, number: int) -> None:
    """Raise `OSError(number)` when the condition holds."""
    if condition:
        raise error(number)
