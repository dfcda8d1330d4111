"""Commands as redis-cli reads them from a line."""

from __future__ import annotations

import re
from collections.abc import Iterable

from metaparity.drivers.engine.store import Argument

BARE = re.compile(rb"[A-Za-z0-9_.:,/+-]+")
"""Words that need no quotes."""

QUOTE, BACKSLASH = b'"\\'


def quoted(words: Iterable[Argument]) -> str:
    """A line of ASCII that redis-cli splits into these words, whatever their bytes."""
    return " ".join(_word(word if isinstance(word, bytes) else str(word).encode()) for word in words)


def _word(word: bytes) -> str:
    if BARE.fullmatch(word):
        return word.decode()
    return f'"{"".join(map(_byte, word))}"'


def _byte(byte: int) -> str:
    if byte in (QUOTE, BACKSLASH):
        return f"\\{byte:c}"
    return f"{byte:c}" if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
