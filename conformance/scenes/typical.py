"""A typical call of each primitive, on nodes that no other call has touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metaparity.drivers.api import Engine
from metaparity.drivers.types import (
    ROOT_INODE,
    AclType,
    Attr,
    Entry,
    FallocateMode,
    FileType,
    LockType,
    Quota,
    QuotaType,
    RenameFlag,
    Rule,
    SetAttr,
    Slice,
)
from metaparity.fixtures.volumes import Volume

from .actors import BOB

RULE = Rule(7, 5, 7, 1, users=[(1001, 4)])
QUOTA = Quota(1 << 40, 1 << 20)
MANY = 100


def refused(call: Callable[..., object], *arguments: object) -> None:
    """Make a call that finds nothing."""
    try:
        call(*arguments)
    except OSError:
        return
    raise AssertionError("there was to be nothing of this name")


class Scene:
    """A directory `d` with a file `f` (100 bytes, an xattr, an ACL), files `x` and `y` and `z`, which has a
    second name, a symbolic link `s` and empty directories `e` and `g`; and a directory `o`.
    """

    def __init__(self, volume: Volume, number: int) -> None:
        """`number` tells it from other scenes of the volume."""
        fs = volume.fs
        self.name = b"scene%d" % number
        self.top = fs.mkdir(ROOT_INODE, self.name, 0o755).inode
        self.d = fs.mkdir(self.top, b"d", 0o755).inode
        self.o = fs.mkdir(self.top, b"o", 0o755).inode
        self.e = fs.mkdir(self.d, b"e", 0o755).inode
        self.g = fs.mkdir(self.d, b"g", 0o755).inode
        self.f, self.x, self.y, self.z = (
            fs.mknod(self.d, name, FileType.FILE, 0o644).inode for name in (b"f", b"x", b"y", b"z")
        )
        fs.link(self.z, self.d, b"z2")
        self.s = fs.symlink(self.d, b"s", b"target").inode
        fs.write(self.f, 0, 0, Slice(0, fs.new_slice(), MANY, 0, MANY), (1, 1))
        fs.xattr_set(self.f, b"a", b"1")
        fs.acl_set(self.f, AclType.ACCESS, RULE)
        self.rule = Rule(7, 5, 7, 1, users=[(2000 + number, 4)])
        self.token = fs.token_store(b"token")

    def look_around(self, fs: Engine) -> None:
        """What a kernel has done before a change: looked up every name, and the one that is to be."""
        for parent, name in (
            (ROOT_INODE, self.name),
            *((self.top, name) for name in (b"d", b"o")),
            *((self.d, name) for name in (b"e", b"g", b"f", b"x", b"y", b"z", b"z2", b"s")),
        ):
            fs.getattr(fs.lookup(parent, name).inode)
        for parent in (self.d, self.o):
            refused(fs.lookup, parent, b"n")


def fill(fs: Engine, at: Scene, type: FileType = FileType.FILE) -> list[Entry]:
    """A hundred nodes in the directory `o`, files if nothing else is asked for."""
    return [
        Entry(name, fs.mknod(at.o, name, type, 0o644).inode, type)
        for name in (b"n%03d" % number for number in range(MANY))
    ]


def fill_with_pipes(fs: Engine, at: Scene) -> list[Entry]:
    """A hundred nodes of which nothing is deleted in the background, which would mix with the call."""
    return fill(fs, at, FileType.FIFO)


def look_at_all(fs: Engine, at: Scene, made: list[Entry]) -> None:
    """Look up each of the hundred files, as `ls -l` does."""
    at.look_around(fs)
    for entry in made:
        fs.lookup(at.o, entry.name)


def dig(fs: Engine, at: Scene) -> None:
    """A file five names below the root of the volume, three of them in `o`."""
    below = fs.mkdir(fs.mkdir(at.o, b"a", 0o755).inode, b"b", 0o755).inode
    fs.mknod(below, b"c", FileType.FILE, 0o644)


def limit(fs: Engine, at: Scene) -> None:
    """A quota on `o`."""
    fs.quota_set(QuotaType.DIR, b"/" + at.name + b"/o", QUOTA)
    fs.refresh()


def open_and_read(fs: Engine, at: Scene) -> None:
    """What a reader of a small file asks for."""
    fs.open_file(at.f)
    fs.read(at.f, 0)
    fs.read(at.f, 0)
    fs.close_file(at.f)


def make_and_settle(fs: Engine, at: Scene) -> None:
    """A change of statistics, put on the server."""
    fs.mknod(at.o, b"n", FileType.FILE, 0o644)
    fs.settle()


def take_range(fs: Engine, at: Scene) -> None:
    """A range of `f`, held by owner 1."""
    fs.setlk(at.f, 1, False, LockType.W, 0, 9, 1)


def nothing(*_: object) -> None:
    """No preparation."""


def look_around(fs: Engine, at: Scene, made: Any) -> None:
    """Look up every name of the scene."""
    at.look_around(fs)


Prepare = Callable[[Engine, Scene], Any]
Made = Callable[[Engine, Scene, Any], Any]


@dataclass(frozen=True)
class Call:
    """A typical call: the method, what is typical about it, and the call on a scene.

    `prepare` makes more than every scene has, and its result is given to the others; `warm` is what has been
    asked before where a client knows all that it may know: by default the call itself for what only reads,
    and every name of the scene for what changes something.
    """

    method: str
    case: str
    call: Made
    prepare: Prepare = nothing
    warm: Made = look_around

    @property
    def id(self) -> str:
        """The method and the case, as they are spelled in the table."""
        return f"{self.method}: {self.case}" if self.case else self.method


def reads(method: str, case: str, call: Made, prepare: Prepare = nothing) -> Call:
    """A call that changes nothing."""
    return Call(method, case, call, prepare, warm=call)


CALLS = [
    reads("lookup", "", lambda fs, at, _: fs.lookup(at.d, b"f")),
    reads("lookup", "as a user", lambda fs, at, _: fs.lookup(at.d, b"f", True, ctx=BOB)),
    reads("lookup", "an absent name", lambda fs, at, _: refused(fs.lookup, at.d, b"absent")),
    reads("resolve", "five names", lambda fs, at, _: fs.resolve(ROOT_INODE, at.name + b"/o/a/b/c"), dig),
    reads("getattr", "", lambda fs, at, _: fs.getattr(at.f)),
    reads("access", "", lambda fs, at, _: fs.access(at.x, 4, ctx=BOB)),
    reads("readlink", "", lambda fs, at, _: fs.readlink(at.s)),
    reads("readdir", "100 names", lambda fs, at, _: fs.readdir(at.o), fill),
    reads("readdir", "100 with attributes", lambda fs, at, _: fs.readdir(at.o, plus=True), fill),
    reads("parents", "", lambda fs, at, _: fs.parents(at.s)),
    reads("parents", "of two names", lambda fs, at, _: fs.parents(at.z)),
    reads("paths", "three names", lambda fs, at, _: fs.paths(at.f)),
    reads("summary", "of a file", lambda fs, at, _: fs.summary(at.f)),
    reads("statfs", "", lambda fs, at, _: fs.statfs(ROOT_INODE)),
    reads("dirstat_get", "", lambda fs, at, _: fs.dirstat_get(at.d)),
    reads("xattr_get", "", lambda fs, at, _: fs.xattr_get(at.f, b"a")),
    reads("xattr_list", "", lambda fs, at, _: fs.xattr_list(at.f)),
    reads("acl_get", "", lambda fs, at, _: fs.acl_get(at.f, AclType.ACCESS)),
    reads("quota_get", "", lambda fs, at, _: fs.quota_get(QuotaType.DIR, b"/" + at.name + b"/o"), limit),
    reads("open_file", "", lambda fs, at, _: fs.open_file(at.f)),
    reads("open_file", "read, read, close", lambda fs, at, _: open_and_read(fs, at)),
    reads("read", "", lambda fs, at, _: fs.read(at.f, 0)),
    reads("token_load", "", lambda fs, at, _: fs.token_load(at.token)),
    reads("changelog_scan", "no log", lambda fs, at, _: fs.changelog_scan()),
    Call("setattr", "mode", lambda fs, at, _: fs.setattr(at.x, SetAttr.MODE, Attr(mode=0o600))),
    Call("mknod", "file", lambda fs, at, _: fs.mknod(at.d, b"n", FileType.FILE, 0o644)),
    Call("mkdir", "", lambda fs, at, _: fs.mkdir(at.d, b"n", 0o755)),
    Call("create", "", lambda fs, at, _: fs.create(at.d, b"n", 0o644)),
    Call("symlink", "", lambda fs, at, _: fs.symlink(at.d, b"n", b"target")),
    Call(
        "mknod",
        "below a default ACL",
        lambda fs, at, _: fs.mknod(at.o, b"n", FileType.FILE, 0o644),
        lambda fs, at: fs.acl_set(at.o, AclType.DEFAULT, RULE),
    ),
    Call("mknod", "below a quota", lambda fs, at, _: fs.mknod(at.o, b"n", FileType.FILE, 0o644), limit),
    Call("link", "", lambda fs, at, _: fs.link(at.x, at.d, b"n")),
    Call("unlink", "the only name", lambda fs, at, _: fs.unlink(at.d, b"x")),
    Call("unlink", "one of two names", lambda fs, at, _: fs.unlink(at.d, b"z")),
    Call("rmdir", "", lambda fs, at, _: fs.rmdir(at.d, b"e")),
    Call("rename", "in one directory", lambda fs, at, _: fs.rename(at.d, b"x", at.d, b"n")),
    Call("rename", "to another directory", lambda fs, at, _: fs.rename(at.d, b"x", at.o, b"n")),
    Call("rename", "a directory to another", lambda fs, at, _: fs.rename(at.d, b"e", at.o, b"n")),
    Call("rename", "over a file", lambda fs, at, _: fs.rename(at.d, b"x", at.d, b"y")),
    Call("rename", "over a directory", lambda fs, at, _: fs.rename(at.d, b"e", at.d, b"g")),
    Call("rename", "exchange", lambda fs, at, _: fs.rename(at.d, b"x", at.d, b"y", RenameFlag.EXCHANGE)),
    Call("batch_unlink", "100 names", lambda fs, at, made: fs.batch_unlink(at.o, made), fill, look_at_all),
    Call("truncate", "", lambda fs, at, _: fs.truncate(at.f, 0, 50)),
    Call("fallocate", "", lambda fs, at, _: fs.fallocate(at.f, FallocateMode.ZERO, 0, 10)),
    Call("write", "growing", lambda fs, at, _: fs.write(at.f, 0, MANY, Slice(0, 1, 9, 0, 9), (1, 1))),
    Call("copy_file_range", "one chunk", lambda fs, at, _: fs.copy_file_range(at.f, 0, at.x, 0, 50)),
    Call("xattr_set", "", lambda fs, at, _: fs.xattr_set(at.f, b"b", b"1")),
    Call("xattr_remove", "", lambda fs, at, _: fs.xattr_remove(at.f, b"a")),
    Call("acl_set", "a known rule", lambda fs, at, _: fs.acl_set(at.x, AclType.ACCESS, RULE)),
    Call("acl_set", "a new rule", lambda fs, at, _: fs.acl_set(at.x, AclType.ACCESS, at.rule)),
    Call("close_file", "", lambda fs, at, _: fs.close_file(at.f), lambda fs, at: fs.open_file(at.f)),
    Call("new_slice", "", lambda fs, at, _: fs.new_slice()),
    Call("compact", "a file of one chunk", lambda fs, at, _: fs.compact(at.f)),
    Call(
        "quota_set",
        "directory",
        lambda fs, at, _: fs.quota_set(QuotaType.DIR, b"/" + at.name + b"/o", QUOTA),
    ),
    Call("clone", "a file", lambda fs, at, _: fs.clone(at.d, at.f, at.o, b"n")),
    Call("clone", "a directory of 100", lambda fs, at, _: fs.clone(at.top, at.o, at.d, b"n"), fill),
    Call("remove", "a file", lambda fs, at, _: fs.remove(at.d, b"x")),
    Call("remove", "a directory of 100", lambda fs, at, _: fs.remove(at.top, b"o"), fill_with_pipes),
    Call("trash_cleanup", "nothing to do", lambda fs, at, _: fs.trash_cleanup(0)),
    Call("token_store", "", lambda fs, at, _: fs.token_store(b"token")),
    Call("flock", "", lambda fs, at, _: fs.flock(at.f, 1, LockType.W)),
    Call(
        "flock",
        "unlock",
        lambda fs, at, _: fs.flock(at.f, 1, LockType.U),
        lambda fs, at: fs.flock(at.f, 1, LockType.W),
    ),
    Call("setlk", "", lambda fs, at, _: fs.setlk(at.f, 1, False, LockType.W, 0, 9, 1)),
    Call("setlk", "unlock", lambda fs, at, _: fs.setlk(at.f, 1, False, LockType.U, 0, 9, 1), take_range),
    Call(
        "setlk", "unlock a part", lambda fs, at, _: fs.setlk(at.f, 1, False, LockType.U, 0, 4, 1), take_range
    ),
    reads("getlk", "", lambda fs, at, _: fs.getlk(at.f, 2, LockType.R, 0, 9), take_range),
    Call("session_refresh", "", lambda fs, at, _: fs.session_refresh()),
    Call("refresh", "", lambda fs, at, _: fs.refresh()),
    Call("settle", "after a mknod", lambda fs, at, _: make_and_settle(fs, at)),
]
