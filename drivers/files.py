"""Files of a volume's metadata: written whole or not at all, gzipped by their name."""

from __future__ import annotations

import errno
import gzip
import io
import os
import re
import secrets
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from .errors import Refused

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

BUFFER = 1 << 20
"""Bytes that are written at once."""

OWN = 0o600
"""The mode of a new file that tells secrets, or names that are not for everybody."""

GZIP_LEVEL = 6

GZIP = b"\x1f\x8b"
"""What every compressed file begins with."""

OPEN = re.compile(r"/dev/std(out|err)|/(?:dev|proc/self)/fd/([0-9]{1,9})")
"""The names of what is open already: opened once more, a file would be overwritten from its begin."""


def is_gzip(path: str) -> bool:
    """Whether the name of a file says that it is compressed."""
    return path.endswith(".gz")


def unfinished_name(name: str) -> str:
    """What a file is called while it is written, which has room for a long name of wide characters."""
    return f".{name[:50]}.{secrets.token_hex(8)}.part"


def finished_name(name: str) -> str | None:
    """What a file is to be called, the begin of it if that is long, which is being written under this name.

    None where it is no such name.  Who was killed leaves the file.
    """
    found = re.fullmatch(r"\.(.{1,50})\.[0-9a-f]{16}\.part", name, re.DOTALL)
    return found[1] if found else None


@contextmanager
def told_of(path: str) -> Iterator[None]:
    """A block in which what fails is told of a file, whatever name it has meanwhile."""
    try:
        yield
    except OSError as failure:
        raise OSError(failure.errno, failure.strerror, path) from failure


class Written(io.FileIO):
    """A file at a place, or one that is open; what fails in it is told of the `path` that was asked for."""

    def __init__(self, place: Path | str | int, path: str, mode: str, permissions: int = 0o666) -> None:
        def opened(name: str, flags: int) -> int:
            return os.open(name, flags, permissions)

        with told_of(path):
            super().__init__(place, mode, opener=opened)
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
def replacing(
    path: str, mode: int = 0o666, check: Callable[[BinaryIO], object] | None = None
) -> Iterator[BinaryIO]:
    """A stream whose bytes are the file at `path` once the block has ended well; else an older file stays.

    A new file has the mode of the older one, or without one `mode` less the umask.  A link stays, and what it
    leads to is replaced.  What is no file, like a pipe or a terminal, is written to as it is, and so is what
    is open already.  A file, unpacked, is shown to `check` before it takes its place, which it does not where
    that raises.  Raises `OSError` with the path when it cannot be written.
    """
    if name := OPEN.fullmatch(path):
        number = int(name[2] or {"out": 1, "err": 2}[name[1]])
        with told_of(path):
            number = os.dup(number)
        with stream(Written(number, path, "wb"), path) as out:
            yield out
        return
    older = status(path)
    if older is not None and not stat.S_ISREG(older.st_mode):
        with stream(Written(path, path, "wb"), path) as out:
            yield out
        return
    target = Path(os.path.realpath(path))
    unfinished = target.with_name(unfinished_name(target.name))
    permissions = mode if older is None else stat.S_IMODE(older.st_mode)
    file = Written(unfinished, path, "xb", permissions)
    try:
        with stream(file, path) as out:
            if older is not None:
                with told_of(path):
                    os.fchmod(file.fileno(), permissions)
            yield out
        if check is not None:
            with io.BufferedReader(io.FileIO(unfinished), BUFFER) as made:
                check(unpacked(made, is_gzip(path)))
        with told_of(path):
            unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def stream(file: Written, path: str) -> Iterator[BinaryIO]:
    """What is written to a file, which is compressed when the name of the `path` says so.

    It is on its disk when the block has ended well.  When it fails nothing more is written: half of a file
    is not to look like a whole one, and a pipe may take no more.
    """
    with io.BufferedWriter(file, BUFFER) as buffered:
        packed: gzip.GzipFile | None = None
        try:
            if is_gzip(path):
                # No name and no time: the same volume gives the same file.
                packed = gzip.GzipFile("", "wb", GZIP_LEVEL, buffered, mtime=0)
                yield cast("BinaryIO", packed)
                packed.close()
            else:
                yield cast("BinaryIO", buffered)
            buffered.flush()
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                with told_of(path):
                    os.fsync(file.fileno())
        except BaseException:
            file.close()
            if packed is not None and packed.fileobj is not None:  # an end is not made twice
                packed.fileobj = io.BytesIO()  # for its end, which it writes wherever it is let go
                packed.close()
            raise


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


class Unpacked(gzip.GzipFile):
    """A gzipped file as it is read.  All that is wrong with it is an `OSError` or an `EOFError`."""

    def read(self, size: int | None = -1) -> bytes:
        """As of any file."""
        try:
            return super().read(size)
        except gzip.BadGzipFile as wrong:
            if self.tell():
                raise
            raise gzip.BadGzipFile("it is not gzipped: give it a name that does not end with .gz") from wrong
        except zlib.error as wrong:
            raise gzip.BadGzipFile(str(wrong)) from wrong


def unpacked(file: BinaryIO, gzipped: bool) -> BinaryIO:
    """What is in a file."""
    return cast("BinaryIO", Unpacked(fileobj=file)) if gzipped else file


@contextmanager
def reading(path: str) -> Iterator[BinaryIO]:
    """The file at `path`, unpacked, as a stream; of a file it can be read again.

    Whether it is gzipped a file has to tell by its name; what is none, like a pipe, tells by its first bytes.

    Raises `OSError` when it cannot be read.
    """
    with io.BufferedReader(io.FileIO(path), BUFFER) as file:
        gzipped = is_gzip(path)
        if not gzipped and file.peek(len(GZIP)).startswith(GZIP):
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is gzipped: give it a name that ends with .gz", path)
            gzipped = True
        yield unpacked(file, gzipped)


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
