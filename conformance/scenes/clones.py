"""Trees to be copied, and what a copy changes."""

from __future__ import annotations

from typing import Any

from metaparity.conformance.scenes.contents import put
from metaparity.conformance.scenes.scenery import make
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Attr, FileType
from metaparity.fixtures.volumes import Volume


def plant(volume: Volume, name: str = "src") -> int:
    """A tree with every type, files with contents, an empty directory and a deep one; returns its inode."""
    fs = volume.fs
    top = volume.dir(name, mode=0o2750, uid=1001, gid=1001)
    deep = volume.dir("deep", volume.dir("sub", top))
    volume.dir("empty", top)
    for place in (top, deep):
        for type in FileType:
            if type is not FileType.DIRECTORY:
                inode = make(volume, type, f"n{int(type)}", place, 1002, 1002)
                fs.xattr_set(inode, b"a", b"%d" % int(type))
        put(fs, fs.lookup(place, b"n1").inode, 0, 5000)
    fs.link(fs.lookup(top, b"n1").inode, deep, b"again")
    fs.settle()
    return top


def nodes(volume: Volume) -> dict[bytes, Any]:
    """Every key but those of numbers reserved and of counts of 0 of a slice, which say nothing."""
    keys = volume.keyspace()
    for key in (b"nextinode", b"nextchunk"):
        keys.pop(key, None)
    kind, counts = keys.pop(b"sliceRef", ("hash", {}))
    if left := {field: count for field, count in counts.items() if int(count)}:
        keys[b"sliceRef"] = (kind, left)
    return keys


def found(fs: Engine, name: bytes = b"copy", parent: int = 1) -> Attr:
    """The attributes of what a name leads to."""
    node = fs.lookup(parent, name)
    assert node.attr is not None
    return node.attr
