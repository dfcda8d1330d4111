"""Clients whose sessions end, and what they leave."""

from __future__ import annotations

import time

from metaparity.drivers.api import Engine
from metaparity.fixtures.volumes import Volume

from .records import lengthen


def expire(volume: Volume, *sids: int) -> None:
    """Let sessions have expired a second ago."""
    volume.raw.zadd("allSessions", dict.fromkeys(sids, int(time.time()) - 1))


def sids(fs: Engine) -> list[int]:
    """The sessions that are registered, by expiry."""
    return [session.sid for session in fs.session_list()]


def held_by(volume: Volume, sid: int) -> list[bytes]:
    """Everything that a session holds by the keys: fields of locks, and its two sets."""
    return [
        *(
            key + b" " + field
            for key, (kind, value) in volume.keyspace().items()
            if kind == "hash" and key.startswith((b"lockf", b"lockp"))
            for field in value
            if field.startswith(b"%d_" % sid)
        ),
        *(key for key in (b"locked%d" % sid, b"session%d" % sid) if volume.raw.exists(key)),
    ]


def nameless(volume: Volume, fs: Engine, name: str = "x") -> int:
    """A file of 5000 bytes that a client keeps alive without a name."""
    inode = volume.file(name)
    lengthen(volume, inode, 5000)
    fs.open_file(inode)
    fs.unlink(1, name.encode())
    assert volume.fs.getattr(inode).nlink == 0
    return inode
