"""What clauses are set in: nodes of every type, flags, names not used before."""

from __future__ import annotations

import pytest

from metaparity.drivers.types import Attr, AttrFlag, Context, FileType, SetAttr
from metaparity.fixtures.volumes import Volume, as_bytes

TYPES = tuple(FileType)
NON_DIRECTORIES = tuple(type for type in TYPES if type is not FileType.DIRECTORY)
FROZEN = (AttrFlag.IMMUTABLE, AttrFlag.APPEND)


def _name(value: FileType | AttrFlag) -> str:
    return (value.name or str(value)).lower()


each_type = pytest.mark.parametrize("type", TYPES, ids=_name)
each_non_directory = pytest.mark.parametrize("type", NON_DIRECTORIES, ids=_name)
each_frozen = pytest.mark.parametrize("frozen", FROZEN, ids=_name)


def make(
    volume: Volume, type: FileType, name: str | bytes, parent: int = 1, uid: int = 0, gid: int = 0
) -> int:
    """Make a node of a type, a symbolic link with its target; returns the inode."""
    if type is FileType.SYMLINK:
        owner = Context(uid, (gid,), check_permission=False)
        return volume.fs.symlink(parent, as_bytes(name), b"target", ctx=owner).inode
    return volume.node(name, type, parent, 0o755 if type is FileType.DIRECTORY else 0o644, uid, gid)


def flag(volume: Volume, inode: int, flags: AttrFlag) -> None:
    """Set the flags of a node as the superuser."""
    volume.fs.setattr(inode, SetAttr.FLAGS, Attr(flags=flags))


def fresh(volume: Volume) -> bytes:
    """A name that this test has not used before, the same in every run."""
    return b"n%d" % volume.log.count
