"""What is timed: one call of the engine an operation, on a scene that is the same for every engine.

`drivers/bridge/juicefs/bench.go` has the same workloads under the same names, in Go.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from metaparity.drivers.api import Engine
from metaparity.drivers.errors import error
from metaparity.drivers.types import (
    ROOT_INODE,
    Attr,
    Config,
    Context,
    FileType,
    LockType,
    SetAttr,
    Slice,
)

Step: TypeAlias = Callable[[int], Any]
"""The operation with a number; every thread counts from 0."""

CONFIG = Config(no_bg_jobs=True)
"""How the clients are opened that are timed: as by default, but for jobs that come round once an hour."""

PATH = b"p1/p2/p3/p4/p5"
LISTED = 100
"""Entries of the directory that is listed."""
BLOCK = 4096
"""Bytes of a write."""
WRITES = 50
"""Writes to a chunk, fewer than make an engine compact it."""
SEARCHER = Context(1000, (1000,))
"""Who asks for access: the superuser is let in unasked."""


@dataclass(frozen=True)
class Spot:
    """Where a thread works: a directory of its own with a file and a symlink, and one that all list."""

    directory: int
    file: int
    symlink: int
    listed: int


@dataclass(frozen=True)
class Workload:
    """A name, what is typical about it, whether it changes anything, and the operation of one thread.

    `refill` makes what an operation uses up, outside of the time that counts.
    """

    name: str
    case: str
    changes: bool
    start: Callable[[Engine, Spot], Step]
    refill: Callable[[Engine, Spot], Step] | None = None


def absent(fs: Engine, at: Spot) -> Step:
    def step(number: int) -> None:
        try:
            fs.lookup(at.directory, b"absent")
        except FileNotFoundError:
            return
        raise error(errno.EEXIST)

    return step


def open_and_close(fs: Engine, at: Spot) -> Step:
    def step(number: int) -> None:
        fs.open_file(at.file)
        fs.close_file(at.file)

    return step


def lock_and_unlock(fs: Engine, at: Spot) -> Step:
    def step(number: int) -> None:
        fs.flock(at.file, 1, LockType.W)
        fs.flock(at.file, 1, LockType.U)

    return step


def write(fs: Engine, at: Spot) -> Step:
    def step(number: int) -> None:
        chunk, place = divmod(number, WRITES)
        slice = Slice(0, number + 1, BLOCK, 0, BLOCK)
        fs.write(at.file, chunk, place * BLOCK, slice, (1, 1))

    return step


def make_file(fs: Engine, at: Spot) -> Step:
    return lambda number: fs.mknod(at.directory, b"n%d" % number, FileType.FILE, 0o644)


def make_directory(fs: Engine, at: Spot) -> Step:
    return lambda number: fs.mkdir(at.directory, b"n%d" % number, 0o755)


WORKLOADS = {
    one.name: one
    for one in (
        Workload("getattr", "a file", False, lambda fs, at: lambda _: fs.getattr(at.file)),
        Workload(
            "lookup", "a name that is there", False, lambda fs, at: lambda _: fs.lookup(at.directory, b"f")
        ),
        Workload("lookup-absent", "a name that is not", False, absent),
        Workload(
            "resolve", "a path of five names", False, lambda fs, at: lambda _: fs.resolve(ROOT_INODE, PATH)
        ),
        Workload("access", "of a user", False, lambda fs, at: lambda _: fs.access(at.file, 4, ctx=SEARCHER)),
        Workload("open-close", "open_file and close_file", False, open_and_close),
        Workload(
            "readdir",
            f"{LISTED} entries with attributes",
            False,
            lambda fs, at: lambda _: fs.readdir(at.listed, True),
        ),
        Workload("xattr_get", "", False, lambda fs, at: lambda _: fs.xattr_get(at.file, b"a")),
        Workload("readlink", "", False, lambda fs, at: lambda _: fs.readlink(at.symlink)),
        Workload("read", "a chunk of one slice", False, lambda fs, at: lambda _: fs.read(at.file, 0)),
        Workload(
            "setattr",
            "mode",
            True,
            lambda fs, at: lambda n: fs.setattr(at.file, SetAttr.MODE, Attr(mode=(0o600, 0o644)[n % 2])),
        ),
        Workload("write", f"{BLOCK} bytes behind the end", True, write),
        Workload("mknod", "a file", True, make_file),
        Workload("mkdir", "", True, make_directory),
        Workload(
            "unlink",
            "last name",
            True,
            lambda fs, at: lambda n: fs.unlink(at.directory, b"n%d" % n),
            make_file,
        ),
        Workload(
            "rmdir", "", True, lambda fs, at: lambda n: fs.rmdir(at.directory, b"n%d" % n), make_directory
        ),
        Workload(
            "rename",
            "in place",
            True,
            lambda fs, at: (
                lambda n: fs.rename(at.directory, (b"a", b"b")[n % 2], at.directory, (b"b", b"a")[n % 2])
            ),
        ),
        Workload("link", "", True, lambda fs, at: lambda n: fs.link(at.file, at.directory, b"n%d" % n)),
        Workload("xattr_set", "", True, lambda fs, at: lambda n: fs.xattr_set(at.file, b"b", b"%d" % n)),
        Workload("flock", "lock and unlock", True, lock_and_unlock),
        Workload(
            "truncate",
            "to and fro",
            True,
            lambda fs, at: lambda n: fs.truncate(at.file, 0, (BLOCK, 2 * BLOCK)[n % 2]),
        ),
    )
}
"""By name, reads first."""
