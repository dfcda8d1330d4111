"""Nodes and their names: attributes, directory entries, the trash, sizes (S2.2, S2.3, S3.6, S3.9)."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Iterable, Sequence

from ...types import MAX_NAME, Attr
from .corrupt import CorruptValue, pack, require_length, require_within

HEAD = struct.Struct(">BHIIqIqIqIIQI")
"""Flags, type and mode, uid, gid, three times, nlink, length, rdev."""

PLAIN = struct.Struct(HEAD.format + "Qx")
"""The whole blob of a node without a tier and ACLs: the head, the parent and a zero byte."""

PARENT = struct.Struct(">Q")
ACLS = struct.Struct(">II")
ENTRY = struct.Struct(">BQ")
PAD = b"\0"
"""One zero byte ends every attribute blob (S2.2.1)."""

DOTS = frozenset({b".", b".."})
MODE = (0, 0xFFFF)
TYPE = (0, 15)
BYTE = (0, 255)
BLOCK = 4096
HOUR = "%Y-%m-%d-%H"
EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)


def encode_attr(attr: Attr) -> bytes:
    """The blob of a node's attributes: 72 bytes, 73 with a tier, 80 with ACLs, 81 with both.

    A mode is cut to its 12 bits.  Raises `ValueError` for a field out of the range of its bytes.
    Source: S2.2.
    """
    mode = require_within("a mode", attr.mode, MODE) & 0xFFF
    plain = pack(
        "an attribute",
        PLAIN,
        attr.flags,
        require_within("a type", attr.type, TYPE) << 12 | mode,
        attr.uid,
        attr.gid,
        *attr.atime,
        *attr.mtime,
        *attr.ctime,
        attr.nlink,
        attr.length,
        attr.rdev,
        attr.parent,
    )
    if not attr.tier and not attr.access_acl and not attr.default_acl:
        return plain
    blob = plain[: -len(PAD)]
    tier = bytes([require_within("a tier", attr.tier, BYTE)]) if attr.tier else b""
    if not attr.access_acl and not attr.default_acl:
        return blob + tier + PAD
    acls = pack("a pair of ACL ids", ACLS, attr.access_acl, attr.default_acl)
    if (attr.access_acl + attr.default_acl) & 0xFFFFFFFF == 0:
        # Room is made for ids whose 32-bit sum is zero, but they are not written (S2.2.5).
        return blob + tier + PAD * len(acls) + PAD
    return blob + acls + tier + PAD


def decode_attr(blob: bytes) -> Attr:
    """The attributes in a blob of any version.

    Raises `CorruptValue` when it ends before its fixed fields do.  Source: S2.2.2, S2.2.4.
    """
    if len(blob) < HEAD.size:
        raise CorruptValue(f"an attribute blob has {len(blob)} bytes, not at least {HEAD.size}")
    flags, kind, uid, gid, at, atn, mt, mtn, ct, ctn, nlink, length, rdev = HEAD.unpack_from(blob)
    attr = Attr(
        flags, kind >> 12, kind & 0xFFF, uid, gid, rdev, (at, atn), (mt, mtn), (ct, ctn), nlink, length
    )
    at_byte = HEAD.size
    if len(blob) - at_byte >= PARENT.size:
        (attr.parent,) = PARENT.unpack_from(blob, at_byte)
        at_byte += PARENT.size
    if len(blob) - at_byte >= ACLS.size:
        attr.access_acl, attr.default_acl = ACLS.unpack_from(blob, at_byte)
        at_byte += ACLS.size
    if len(blob) > at_byte:
        attr.tier = blob[at_byte]
    return attr


def encode_entry(type: int, inode: int) -> bytes:
    """The value of a directory entry, 9 bytes.

    Raises `ValueError` unless the type is unsigned of 8 bits and the inode of 64.  Source: S2.3.
    """
    return pack("a directory entry", ENTRY, type, inode)


def decode_entry(value: bytes) -> tuple[int, int]:
    """The type and inode of a directory entry.  Raises `CorruptValue`.  Source: S2.3."""
    require_length("a directory entry", value, ENTRY.size)
    type, inode = ENTRY.unpack(value)
    return type, inode


def possible_names(names: Sequence[bytes]) -> bool:
    """Whether all of these can be names of entries."""
    every = b"".join(names)
    return all(names) and b"/" not in every and b"\0" not in every and DOTS.isdisjoint(names)


def aligned(length: int) -> int:
    """The space that so many bytes of content take, at least one 4 KiB block.  Source: S3.6."""
    return max(-(-length // BLOCK), 1) * BLOCK


def space_of(lengths: Iterable[int]) -> int:
    """The space that contents of so many bytes each take together."""
    return BLOCK * sum([-(-length // BLOCK) or 1 for length in lengths])


def trash_name(parent: int, inode: int, name: bytes) -> bytes:
    """The name of an entry in the trash: where it was and what it was, cut to 255 bytes.  Source: R8."""
    return (b"%d-%d-%s" % (parent, inode, name))[:MAX_NAME]


def hour_name(seconds: int) -> bytes:
    """The name of the trash directory of a time (seconds since the epoch), in UTC.  Source: S3.9."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    # strftime does not pad years before 1000
    return moment.isoformat()[:13].replace("T", "-").encode()


def parse_hour_name(name: bytes) -> int:
    """The first second of the hour that a trash directory is named for.  Raises `CorruptValue`."""
    try:
        hour = datetime.datetime.strptime(name.decode("ascii"), HOUR).replace(tzinfo=datetime.UTC)
    except ValueError:
        hour = EPOCH
    seconds = int(hour.timestamp())
    # strptime is content with fewer digits
    if hour_name(seconds) != name:
        raise CorruptValue(f"{name[:40]!r} is not the name of a trash directory (YYYY-MM-DD-HH)")
    return seconds
