"""What a decoder says of a value that cannot be one."""

from __future__ import annotations


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


def decimal(what: str, text: bytes) -> int:
    """A number in ASCII decimal, with a sign or without.  Raises `CorruptValue`."""
    digits = text[1:] if text[:1] == b"-" else text
    if not digits.isdigit():
        raise CorruptValue(f"{what} is not a decimal number: {text!r}")
    return int(text)
