"""The trash as a scene needs it: its hour directories and what is filed in them (R7, R8, S3.9)."""

from __future__ import annotations

import struct

from metaparity.drivers.types import TRASH_INODE, FileType
from metaparity.fixtures.volumes import Volume

ENTRY = struct.Struct(">BQ")


def hours(volume: Volume) -> dict[bytes, int]:
    """The hour directories as stored: name to inode."""
    entries = volume.raw.hgetall(f"d{TRASH_INODE}")
    return {name: ENTRY.unpack(value)[1] for name, value in sorted(entries.items())}


def filed(volume: Volume) -> dict[bytes, int]:
    """What is in the trash as stored, whatever the hour: name to inode."""
    return {
        name: ENTRY.unpack(value)[1]
        for hour in hours(volume).values()
        for name, value in volume.raw.hgetall(f"d{hour}").items()
    }


def age(volume: Volume, hour: bytes) -> int:
    """Give the only hour directory another name, as if it had been made in that hour; returns its inode.

    The client that made it would go on filing there, so it is to be closed or told to forget.
    """
    ((name, inode),) = hours(volume).items()
    volume.raw.hdel(f"d{TRASH_INODE}", name)
    volume.raw.hset(f"d{TRASH_INODE}", hour, ENTRY.pack(FileType.DIRECTORY, inode))
    return inode
