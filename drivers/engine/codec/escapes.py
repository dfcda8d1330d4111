"""Names and values as text: how a JSON dump spells bytes (L4.12)."""

from __future__ import annotations

import re
from collections.abc import Sequence

SPELLED = re.compile('[\x00-\x20%"\\\\\udc80-\udcff]')
HALVES = re.compile("[\ud800-\udfff]")
SPELLING = re.compile(rb"%([0-9A-F]{2})")


def _spell(found: re.Match[str]) -> str:
    return f"%{ord(found[0]) & 0xFF:02X}"


def escape(value: bytes) -> str:
    """Bytes as text: `%XX` stands for what is no UTF-8, for `%`, `"`, `\\`, and what is not above the space.

    Source: L4.12.
    """
    return SPELLED.sub(_spell, value.decode("utf-8", "surrogateescape"))


def escape_losing(value: bytes) -> str:
    """As `escape`, but a character U+FFFD becomes `%EF`, as in JuiceFS 1.4.1: two bytes are lost (L4.12)."""
    return escape(value).replace("\ufffd", "%EF")


def as_utf8(text: str) -> bytes:
    """Text as Go reads it from JSON: half a surrogate pair counts as U+FFFD."""
    return HALVES.sub("\ufffd", text).encode()


def unescape(text: str) -> bytes:
    """The bytes that a text stands for; a `%` that begins no spelling stands for itself.

    Source: L4.12.
    """
    return unescape_bytes(as_utf8(text))


def unescape_all(texts: Sequence[str]) -> list[bytes]:
    """As `unescape`, of many texts in which no line ends."""
    return [*map(unescape_bytes, as_utf8("\n".join(texts)).split(b"\n"))] if texts else []


def unescape_bytes(value: bytes) -> bytes:
    """As `unescape`, of text in UTF-8 or of any bytes."""
    return SPELLING.sub(lambda found: bytes([int(found[1], 16)]), value) if b"%" in value else value
