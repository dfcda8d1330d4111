"""Traces in files: one in a `.json`, one a line in a `.jsonl` or `.jsonl.gz`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path

from metaparity.drivers.files import replacing

from .form import BadTrace, Json, Trace
from .recordings import from_recording


def load(path: Path | Traversable) -> Trace:
    """The trace in a JSON file, in the form of protocol §7 or of a golden recording.

    Raises `BadTrace`, `OSError`.
    """
    try:
        return _trace(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as wrong:
        raise BadTrace(f"{path}: {_sentence(wrong)}") from wrong


def load_all(path: Path) -> Iterator[Trace]:
    """Every trace in a file, by its name.  Raises `BadTrace`, `OSError`."""
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        yield load(path)
        return
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        try:
            for line in filter(str.strip, lines):
                yield _trace(json.loads(line))
        except (ValueError, EOFError, gzip.BadGzipFile) as wrong:
            raise BadTrace(f"{path}: {_sentence(wrong)}") from wrong


def save(trace: Trace, path: Path) -> None:
    """Write a trace to a file, whole or not at all.  Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(str(path)) as file:
        file.write(json.dumps(trace.document(), indent=1).encode())


def _trace(document: Json) -> Trace:
    recorded = isinstance(document, dict) and isinstance(document.get("trace"), dict)
    return from_recording(document) if recorded else Trace.of(document)


def _sentence(wrong: Exception) -> str:
    return str(wrong) if isinstance(wrong, BadTrace) else f"it is not JSON ({wrong})"
