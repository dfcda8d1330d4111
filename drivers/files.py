"""Files of a volume's metadata: written whole or not at all, gzipped by their name."""

from __future__ import annotations

import errno
import gzip
import io
import os
import secrets
import stat
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

GZIP = b"\x1f\x8b"
"""What every compressed file begins with."""

OPEN = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/")
"""What the names of files begin with that somebody has open already, and goes on to use."""


def is_gzip(path: str) -> bool:
    """Whether the name of a file says that it is compressed."""
    return path.endswith(".gz")


@contextmanager
def told_of(path: str) -> Iterator[None]:
    """A block in which what fails is told of a file, whatever name it has meanwhile."""
    try:
        yield
    except OSError as failure:
        failure.filename, failure.filename2 = path, None
        raise


class Written(io.FileIO):
    """A file at a place; what fails in writing it is told of the `path` that was asked for."""

    def __init__(self, place: Path | str, path: str, mode: str) -> None:
        with told_of(path):
            super().__init__(place, mode)
        self._path = path

    def write(self, data: Buffer, /) -> int:
        """As of any file.  Raises `OSError` with the path."""
        with told_of(self._path):
            return super().write(data)


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

    A new file has the mode of the older one.  A link stays, and what it leads to is replaced.  What is no
    file, like a pipe or a terminal, is written to as it is.  Raises `OSError` with the path when it cannot
    be written.
    """
    older = status(path)
    if path.startswith(OPEN) or (older is not None and not stat.S_ISREG(older.st_mode)):
        with io.BufferedWriter(Written(path, path, "wb"), BUFFER) as file, packed(path, file) as out:
            yield out
        return
    target = Path(os.path.realpath(path))
    # The name may be as long as any, and its characters four bytes.
    unfinished = target.with_name(f".{target.name[:50]}.{secrets.token_hex(8)}.part")
    try:
        with io.BufferedWriter(Written(unfinished, path, "xb"), BUFFER) as file:
            with packed(path, file) as out:
                yield out
            file.flush()
            with told_of(path):
                if older is not None:
                    os.fchmod(file.fileno(), stat.S_IMODE(older.st_mode))
                os.fsync(file.fileno())
        with told_of(path):
            unfinished.replace(target)
    finally:
        remove(unfinished)


def status(path: str) -> os.stat_result | None:
    """What is at a path, links followed; None when a file can be made there.

    Raises `OSError` when it can be no file.
    """
    if path and not os.path.basename(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    try:
        found = os.stat(path)
    except FileNotFoundError:
        if not path:
            raise
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return found


@contextmanager
def packed(path: str, file: io.BufferedWriter[Written]) -> Iterator[BinaryIO]:
    """What is written to a file, which is compressed when the name of the `path` says so."""
    if not is_gzip(path):
        yield cast("BinaryIO", file)
        return
    # No name and no time: the same volume gives the same file.
    with gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as out:
        yield cast("BinaryIO", out)


@contextmanager
def reading(path: str) -> Iterator[BinaryIO]:
    """The file at `path`, unpacked, as a stream that can be read again.

    Raises `OSError` when it cannot be read.
    """
    with io.BufferedReader(io.FileIO(path), BUFFER) as file:
        if not is_gzip(path) and file.peek(len(GZIP))[: len(GZIP)] == GZIP:
            raise OSError(errno.EINVAL, "it is gzipped: give it a name that ends with .gz", path)
        yield cast("BinaryIO", gzip.GzipFile(fileobj=file) if is_gzip(path) else file)


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
