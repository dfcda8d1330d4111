"""Keys that are lost, cut short or of another type: what reads one refuses and changes nothing (S1.8).

What only writes to such a key is not tried: Redis takes nothing back when one command of a transaction fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from errno import EIO, ENOENT
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import BOB
from metaparity.conformance.scenes.contents import put
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import (
    AclType,
    Attr,
    Entry,
    FallocateMode,
    FileType,
    OpenFlag,
    RenameFlag,
    Rule,
    SetAttr,
    Slice,
)
from metaparity.fixtures.volumes import Volume

RULE = Rule(6, 4, 4, 0, [(7, 4)], [])


@dataclass(frozen=True)
class Scene:
    """A file `x` of one slice and an empty directory `e` in the directory `d`; beside it a directory `o` with
    a file `y`.
    """

    d: int
    x: int
    e: int
    o: int
    y: int


def scene(volume: Volume) -> Scene:
    volume.format(EnableACL=True)
    d, o = volume.dir("d"), volume.dir("o")
    x = volume.file("x", d)
    made = Scene(d, x, volume.dir("e", d), o, volume.file("y", o))
    put(volume.fs, x, 0, 100)
    put(volume.fs, made.y, 0, 100)
    volume.fs.xattr_set(x, b"a", b"1")
    volume.settle()
    return made


Call = Callable[[Engine, Scene], Any]

OF_A_NODE: dict[str, Call] = {
    "getattr": lambda fs, s: fs.getattr(s.x),
    "setattr": lambda fs, s: fs.setattr(s.x, SetAttr.MODE, Attr(mode=0o600)),
    "check_setattr": lambda fs, s: fs.check_setattr(s.x, SetAttr.MODE, Attr(mode=0o600)),
    "access": lambda fs, s: fs.access(s.x, 4, ctx=BOB),
    "open_file": lambda fs, s: fs.open_file(s.x, OpenFlag.RDWR),
    "truncate": lambda fs, s: fs.truncate(s.x, 0, 5),
    "fallocate": lambda fs, s: fs.fallocate(s.x, FallocateMode(0), 0, 500),
    "write": lambda fs, s: fs.write(s.x, 0, 0, Slice(0, 99, 5, 0, 5), (1, 0)),
    "copy_file_range-from": lambda fs, s: fs.copy_file_range(s.x, 0, s.y, 0, 50),
    "copy_file_range-to": lambda fs, s: fs.copy_file_range(s.y, 0, s.x, 0, 50),
    "link": lambda fs, s: fs.link(s.x, s.o, b"new"),
    "xattr_list": lambda fs, s: fs.xattr_list(s.x),
    "acl_set": lambda fs, s: fs.acl_set(s.x, AclType.ACCESS, RULE),
    "acl_get": lambda fs, s: fs.acl_get(s.x, AclType.ACCESS),
    "clone": lambda fs, s: fs.clone(s.d, s.x, s.o, b"new"),
    "clone-of-a-directory": lambda fs, s: fs.clone(s.d, s.e, s.o, b"new"),
    "summary": lambda fs, s: fs.summary(s.x),
    "tree_summary": lambda fs, s: fs.tree_summary(s.x),
    "readdir": lambda fs, s: fs.readdir(s.e),
    "opendir": lambda fs, s: fs.opendir(s.e),
}
"""Calls on a node, `x` or `e`, whose record they read."""

IN_A_DIRECTORY: dict[str, Call] = {
    "lookup": lambda fs, s: fs.lookup(s.d, b"x", True, ctx=BOB),
    "mknod": lambda fs, s: fs.mknod(s.d, b"new", FileType.FILE, 0o644),
    "mkdir": lambda fs, s: fs.mkdir(s.d, b"new", 0o755),
    "create": lambda fs, s: fs.create(s.d, b"new", 0o644),
    "symlink": lambda fs, s: fs.symlink(s.d, b"new", b"target"),
    "link": lambda fs, s: fs.link(s.y, s.d, b"new"),
    "unlink": lambda fs, s: fs.unlink(s.d, b"x"),
    "rmdir": lambda fs, s: fs.rmdir(s.d, b"e"),
    "rename-from": lambda fs, s: fs.rename(s.d, b"x", s.o, b"new"),
    "rename-to": lambda fs, s: fs.rename(s.o, b"y", s.d, b"new"),
    "readdir": lambda fs, s: fs.readdir(s.d),
    "opendir": lambda fs, s: fs.opendir(s.d),
    "remove": lambda fs, s: fs.remove(s.d, b"e"),
    "batch_unlink": lambda fs, s: fs.batch_unlink(s.d, [Entry(b"x", s.x, FileType.FILE)]),
    "clone": lambda fs, s: fs.clone(s.o, s.y, s.d, b"new"),
}
"""Calls on names in the directory `d` that read its record."""

OF_AN_ENTRY: dict[str, Call] = {
    "lookup": lambda fs, s: fs.lookup(s.d, b"x"),
    "resolve": lambda fs, s: fs.resolve(1, b"d/x", True),
    "mknod": lambda fs, s: fs.mknod(s.d, b"x", FileType.FILE, 0o644),
    "mkdir": lambda fs, s: fs.mkdir(s.d, b"x", 0o755),
    "create": lambda fs, s: fs.create(s.d, b"x", 0o644),
    "symlink": lambda fs, s: fs.symlink(s.d, b"x", b"target"),
    "unlink": lambda fs, s: fs.unlink(s.d, b"x"),
    "rmdir": lambda fs, s: fs.rmdir(s.d, b"x"),
    "rename-from": lambda fs, s: fs.rename(s.d, b"x", s.o, b"new"),
    "rename-to": lambda fs, s: fs.rename(s.o, b"y", s.d, b"x"),
    "exchange": lambda fs, s: fs.rename(s.o, b"y", s.d, b"x", RenameFlag.EXCHANGE),
    "remove": lambda fs, s: fs.remove(s.d, b"x"),
    "readdir": lambda fs, s: fs.readdir(s.d),
    "dir_list": lambda fs, s: fs.dir_list(fs.opendir(s.d)),
    "batch_unlink": lambda fs, s: fs.batch_unlink(s.d, [Entry(b"x", s.x, FileType.FILE)]),
    "clone": lambda fs, s: fs.clone(1, s.d, s.o, b"new"),
    "summary": lambda fs, s: fs.summary(s.d, True, True),
    "tree_summary": lambda fs, s: fs.tree_summary(s.d),
}
"""Calls that read the entry `x` of `d`."""

OF_A_CHUNK: dict[str, Call] = {
    "read": lambda fs, s: fs.read(s.x, 0),
    "copy_file_range": lambda fs, s: fs.copy_file_range(s.x, 0, s.y, 0, 50),
    "clone": lambda fs, s: fs.clone(s.d, s.x, s.o, b"new"),
}
"""Calls that read the chunk of `x`."""

OF_XATTRS: dict[str, Call] = {
    "xattr_get": lambda fs, s: fs.xattr_get(s.x, b"a"),
    "xattr_list": lambda fs, s: fs.xattr_list(s.x),
    "xattr_set": lambda fs, s: fs.xattr_set(s.x, b"a", b"2"),
    "xattr_remove": lambda fs, s: fs.xattr_remove(s.x, b"a"),
    "clone": lambda fs, s: fs.clone(s.d, s.x, s.o, b"new"),
}
"""Calls that read or write the extended attributes of `x`."""


def each(calls: dict[str, Call]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("call", calls.values(), ids=calls)


def spoilt(volume: Volume, key: str) -> None:
    """Make a key one of another type."""
    volume.raw.delete(key)
    if key.startswith("i"):
        volume.raw.rpush(key, "of another type")
    else:
        volume.raw.set(key, "of another type")


def require_refusal(volume: Volume, errno: int, call: Call, made: Scene) -> None:
    """The call is refused with an errno and leaves every key as it is."""
    with unchanged(volume):
        refuses(errno, call, volume.fs, made)


@each(OF_A_NODE)
@clause("damage/a-lost-node-is-not-found", source="S1.8 §6", needs="acl")
def test_lost(volume: Volume, call: Call) -> None:
    """Every primitive that works on a node refuses with ENOENT where its record is lost."""
    made = scene(volume)
    volume.raw.delete(*(f"i{inode}" for inode in (made.x, made.e)))
    require_refusal(volume, ENOENT, call, made)


@each(OF_A_NODE)
@clause("damage/a-short-record-is-an-io-error", source="S1.8 S2.2", needs="acl")
def test_short(volume: Volume, call: Call) -> None:
    """Every primitive that reads the record of a node refuses with EIO where it is too short to be one."""
    made = scene(volume)
    for inode in (made.x, made.e):
        volume.raw.set(f"i{inode}", b"short")
    require_refusal(volume, EIO, call, made)


@each(IN_A_DIRECTORY)
@clause("damage/a-directory-with-a-short-record-is-an-io-error", source="S1.8 S2.2", needs="acl")
def test_short_directory(volume: Volume, call: Call) -> None:
    """Every primitive that reads the record of a directory for what is in it refuses with EIO where it is too
    short to be one."""
    made = scene(volume)
    volume.raw.set(f"i{made.d}", b"short")
    require_refusal(volume, EIO, call, made)


@each(OF_AN_ENTRY)
@clause("damage/an-entry-of-another-length-is-an-io-error", source="S1.8", needs="acl")
def test_entry(volume: Volume, call: Call) -> None:
    """Every primitive that reads an entry refuses with EIO where it is not of 9 bytes."""
    made = scene(volume)
    volume.raw.hset(f"d{made.d}", "x", b"short")
    require_refusal(volume, EIO, call, made)


@clause("damage/a-short-rule-is-an-io-error", source="S1.8 S2.11 N29.7", needs="acl", clients=2)
def test_rule(volume: Volume) -> None:
    """Who needs a rule of an ACL that is too short to be one is refused with EIO; others go on."""
    made = scene(volume)
    other = volume.open()
    volume.fs.acl_set(made.x, AclType.ACCESS, RULE)
    volume.settle()
    volume.raw.hset("acl", 1, b"short")
    with unchanged(volume):
        refuses(EIO, other.acl_get, made.x, AclType.ACCESS)
        refuses(EIO, other.access, made.x, 4, ctx=BOB)
        other.getattr(made.x)
        other.access(made.y, 4, ctx=BOB)


@each(OF_A_NODE)
@clause("damage/a-record-of-another-type-is-an-io-error", source="S1.8 S4.1.8", needs="acl")
def test_node_type(volume: Volume, call: Call) -> None:
    """Every primitive that reads the record of a node refuses with EIO where its key is no string."""
    made = scene(volume)
    for inode in (made.x, made.e):
        spoilt(volume, f"i{inode}")
    require_refusal(volume, EIO, call, made)


@each(OF_AN_ENTRY)
@clause("damage/entries-of-another-type-are-an-io-error", source="S1.3 S4.1.8", needs="acl")
def test_entries_type(volume: Volume, call: Call) -> None:
    """Every primitive that reads an entry refuses with EIO where the key of the entries is no hash."""
    made = scene(volume)
    spoilt(volume, f"d{made.d}")
    require_refusal(volume, EIO, call, made)


@each(OF_A_CHUNK)
@clause("damage/a-chunk-of-another-type-is-an-io-error", source="S1.4 S4.1.8", needs="acl")
def test_chunk_type(volume: Volume, call: Call) -> None:
    """Every primitive that reads a chunk refuses with EIO where its key is no list."""
    made = scene(volume)
    spoilt(volume, f"c{made.x}_0")
    require_refusal(volume, EIO, call, made)


@each(OF_XATTRS)
@clause("damage/xattrs-of-another-type-are-an-io-error", source="S1.3 S4.1.8", needs="acl")
def test_xattrs_type(volume: Volume, call: Call) -> None:
    """Every primitive on extended attributes refuses with EIO where their key is no hash."""
    made = scene(volume)
    spoilt(volume, f"x{made.x}")
    require_refusal(volume, EIO, call, made)
