"""Node records as stored, read and rewritten past the driver (S2.2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from metaparity.fixtures.volumes import Volume

LAYOUT = struct.Struct(">BHIIqIqIqIIQIQ")
ACLS = struct.Struct(">II")
"""The numbers of a node's ACLs, where it has any: right after the rest (S2.2)."""

FIELDS = (
    *("flags", "type_and_mode", "uid", "gid", "atime", "atime_ns", "mtime", "mtime_ns", "ctime", "ctime_ns"),
    *("nlink", "length", "rdev", "parent"),
)


@dataclass(frozen=True, slots=True)
class Record:
    """What the laws of the key-space need to know of a node; `length` is in bytes."""

    type: int
    mode: int
    nlink: int
    length: int
    parent: int
    uid: int = 0
    gid: int = 0
    nanoseconds: tuple[int, ...] = (0, 0, 0)
    access_acl: int = 0
    default_acl: int = 0


def record_of(blob: bytes) -> Record:
    """Read a stored node.  Raises `struct.error` when it is too short."""
    fields = dict(zip(FIELDS, LAYOUT.unpack_from(blob), strict=True))
    type, mode = divmod(fields["type_and_mode"], 1 << 12)
    nlink, length, parent, uid, gid = (fields[one] for one in ("nlink", "length", "parent", "uid", "gid"))
    nanoseconds = tuple(fields[name] for name in ("atime_ns", "mtime_ns", "ctime_ns"))
    access, default = ACLS.unpack_from(blob, LAYOUT.size) if len(blob) >= LAYOUT.size + ACLS.size else (0, 0)
    return Record(type, mode, nlink, length, parent, uid, gid, nanoseconds, access, default)


def fields_of(blob: bytes) -> dict[str, int]:
    """All fields of a stored node by the names of `FIELDS`, with `access_acl`, `default_acl` and `tier`.

    Raises `struct.error` when it is too short.
    """
    fields = dict(zip(FIELDS, LAYOUT.unpack_from(blob), strict=True))
    rest = blob[LAYOUT.size : -1]  # a zero byte ends every record (S2.2.1)
    ruled = len(rest) >= ACLS.size
    access, default = ACLS.unpack_from(rest) if ruled else (0, 0)
    tier = rest[ACLS.size if ruled else 0 :]
    return {**fields, "access_acl": access, "default_acl": default, "tier": tier[0] if tier else 0}


def rewrite(volume: Volume, inode: int, **fields: int) -> None:
    """Put a node into a state that no primitive makes; `fields` are names of `FIELDS`."""
    key = b"i%d" % inode
    blob: bytes = volume.raw.get(key)
    values = {**dict(zip(FIELDS, LAYOUT.unpack_from(blob), strict=True)), **fields}
    volume.raw.set(key, LAYOUT.pack(*(values[name] for name in FIELDS)) + blob[LAYOUT.size :])


def aligned(length: int) -> int:
    """The space that so many bytes of content take (S3.6)."""
    return max(-(-length // 4096), 1) * 4096


def lengthen(volume: Volume, inode: int, length: int) -> None:
    """Give an empty file that has one name a length in bytes, all hole, and count it everywhere."""
    parent = record_of(volume.raw.get(b"i%d" % inode)).parent
    space = aligned(length) - aligned(0)
    rewrite(volume, inode, length=length)
    volume.raw.incrby("usedSpace", space)
    if volume.raw.hexists("dirUsedSpace", parent):
        volume.raw.hincrby("dirDataLength", parent, length)
        volume.raw.hincrby("dirUsedSpace", parent, space)
