"""Which JuiceFS an adapter is built on, and where the built ones are kept."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

MODULE = "github.com/juicedata/juicefs"
VERSION = "v1.4.1"
"""The release that the adapter is written for; its go.mod and go.sum pin it."""

BINARY = "juicefs-adapter"
SOURCE = Path(__file__).parent
PATTERNS = ("*.go", "*.s", "go.mod", "go.sum")


def sources() -> list[Path]:
    """The files that the adapter is made of."""
    return sorted(file for pattern in PATTERNS for file in SOURCE.glob(pattern))


def cache_folder() -> Path:
    """Where built adapters are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metaparity" / "juicefs"


def checkout(version: str) -> Path | None:
    """The folder of a JuiceFS checkout, where that is what `version` names."""
    return Path(version).resolve() if Path(version).is_dir() else None


def kept(version: str) -> Path:
    """Where the adapter on a version is kept once it is built; another source has another place."""
    folder = checkout(version)
    label = version if folder is None else f"checkout-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
    digest = hashlib.sha256()
    for file in sources():
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return cache_folder() / f"{label}-{digest.hexdigest()[:12]}" / BINARY


def built(version: str) -> Path | None:
    """The adapter on a version of JuiceFS; None when it is not built."""
    place = kept(version)
    return place if place.is_file() else None
