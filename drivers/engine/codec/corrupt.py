"""What a codec says of a value that cannot be one."""

from __future__ import annotations

import re
import struct
from typing import TypeAlias

Limits: TypeAlias = tuple[int, int]
"""The least and the greatest number."""

U8: Limits = (0, (1 << 8) - 1)
U16: Limits = (0, (1 << 16) - 1)
U32: Limits = (0, (1 << 32) - 1)
U64: Limits = (0, (1 << 64) - 1)
I64: Limits = (-1 << 63, (1 << 63) - 1)
U63: Limits = (0, (1 << 63) - 1)
"""Of numbers of which a counter holds the last."""
EXACT: Limits = (-1 << 53, 1 << 53)
"""Of whole numbers that a score keeps as they are: it is a floating point number."""

DECIMAL = re.compile(rb"-?[0-9]{1,20}")


class CorruptValue(ValueError):
    """A stored value is not of the form its key promises; the text says what, and how it differs."""


def require_length(what: str, value: bytes, length: int) -> None:
    """Raise `CorruptValue` unless the value has exactly so many bytes."""
    if len(value) != length:
        raise CorruptValue(f"{what} has {len(value)} bytes, not {length}")


def require_multiple(what: str, value: bytes, length: int) -> None:
    """Raise `CorruptValue` unless the value is a whole number of records of so many bytes."""
    if len(value) % length:
        raise CorruptValue(f"{what} has {len(value)} bytes, which is no multiple of {length}")


def decimal(what: str, text: bytes, limits: Limits) -> int:
    """A number in ASCII decimal.  Raises `CorruptValue` for another text or a number outside the limits."""
    least, greatest = limits
    if DECIMAL.fullmatch(text) and least <= (number := int(text)) <= greatest:
        return number
    raise CorruptValue(f"{what} is not a decimal number from {least} to {greatest}: {text[:40]!r}")


def require_within(what: str, number: int, limits: Limits) -> int:
    """The number itself.  Raises `ValueError` when it is outside the limits."""
    least, greatest = limits
    if least <= number <= greatest:
        return number
    raise ValueError(f"{what} is not from {least} to {greatest}: {number}")


def pack(what: str, layout: struct.Struct, *values: int) -> bytes:
    """The values in their fixed layout.  Raises `ValueError` when one does not fit."""
    try:
        return layout.pack(*values)
    except struct.error as misfit:
        raise ValueError(f"{what} does not fit its {layout.size} bytes ({misfit}): {values}") from None
