"""Files of a volume's metadata: written whole or not at all, gzipped by their name."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from .errors import Refused

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

BUFFER = 1 << 20
"""Bytes that are written at once."""

GZIP_LEVEL = 6


def is_gzip(path: str) -> bool:
    """Whether the name of a file says that it is compressed."""
    return path.endswith(".gz")


class Unfinished(io.FileIO):
    """A file that is being written; what fails in that is told of the `target` that it is to become."""

    def __init__(self, path: Path, target: Path) -> None:
        super().__init__(path, "wb")
        self._target = target

    def write(self, data: Buffer, /) -> int:
        """As of any file.  Raises `OSError` with the name of the target."""
        try:
            return super().write(data)
        except OSError as failure:
            failure.filename = str(self._target)
            raise


class Unnamed(io.FileIO):
    """A temporary file that has no name: it is gone when it is closed."""

    def write(self, data: Buffer, /) -> int:
        """As of any file.  Raises `Refused` when there is no room for it."""
        try:
            return super().write(data)
        except OSError as failure:
            raise no_room(failure) from failure


def no_room(failure: OSError) -> Refused:
    """The refusal for want of a place for temporary files."""
    place = tempfile.tempdir or "any of the usual places"
    return Refused(
        f"no temporary file can be written in {place} ({failure.strerror}): "
        "make room there, or name a directory that has it in TMPDIR"
    )


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A stream whose bytes are the file at `path` once the block has ended well; else an older file stays.

    Raises `OSError` when the file cannot be written.
    """
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with io.BufferedWriter(Unfinished(unfinished, target), BUFFER) as file:
            if is_gzip(path):
                # No name and no time: the same volume gives the same file.
                with gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as packed:
                    yield cast("BinaryIO", packed)
            else:
                yield cast("BinaryIO", file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        remove(unfinished)


@contextmanager
def reading(path: str) -> Iterator[BinaryIO]:
    """The file at `path`, unpacked, as a stream that can be read again.

    Raises `OSError` when it cannot be read.
    """
    with open(path, "rb", buffering=BUFFER) as file:
        yield cast("BinaryIO", gzip.GzipFile(fileobj=file)) if is_gzip(path) else file


def temporary() -> BinaryIO:
    """A file to write and to read again, which is gone when it is closed.

    Raises `Refused`, as writing does, when there is no room for it.
    """
    try:
        descriptor, path = tempfile.mkstemp(prefix="metaparity-")
        os.unlink(path)
    except OSError as failure:
        raise no_room(failure) from failure
    return cast("BinaryIO", io.BufferedRandom(Unnamed(descriptor, "r+b"), BUFFER))


def remove(unfinished: Path) -> None:
    """Take away a file of which nothing is wanted, if it is there."""
    with suppress(NotADirectoryError):  # then nothing was written
        unfinished.unlink(missing_ok=True)
