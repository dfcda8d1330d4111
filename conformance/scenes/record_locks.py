"""Record locks: how tests ask for them, and how they are stored (L2.1)."""

from __future__ import annotations

import struct

from metaparity.conformance.model.locks import Record
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Lock, LockType
from metaparity.fixtures.volumes import Volume

from .locking import EOF, INODE, PID, U

KEY = b"lockp%d" % INODE
RECORD = struct.Struct(">IIQQ")
MAX = (1 << 64) - 1
"""The last byte that a range can name."""

FREE = Lock(U, 0, 0, 0)
"""What `getlk` answers where nothing is in the way."""


def stored(volume: Volume, sid: int = 1, owner: int = 1) -> list[Record]:
    """The records of an owner by the keys: type, pid, first and last byte."""
    value = volume.raw.hget(KEY, b"%d_%016X" % (sid, owner)) or b""
    return [Record(LockType(type), pid, start, end) for type, pid, start, end in RECORD.iter_unpack(value)]


def index(volume: Volume, sid: int) -> set[bytes]:
    """The keys in which a session holds locks, as it knows them."""
    return set(volume.raw.smembers(f"locked{sid}"))


def ask(
    fs: Engine,
    owner: int,
    type: LockType,
    start: int = 0,
    end: int = EOF,
    pid: int = PID,
    block: bool = False,
) -> None:
    """Take or release a range."""
    fs.setlk(INODE, owner, block, type, start, end, pid)
