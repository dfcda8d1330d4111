"""Text files that are either the old ones or the new ones, never half of each."""

from __future__ import annotations

from pathlib import Path

from metaparity.drivers.files import replacing


def replace(path: Path, text: str) -> None:
    """Put `text` at `path` as UTF-8; whatever fails on the way, an older file stays as it was.

    Lone surrogates, which stand for bytes of a name that are not UTF-8, become `\\udcXX`.
    Raises `OSError` when the directory cannot be written.
    """
    with replacing(str(path)) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
