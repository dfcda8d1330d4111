"""Files of metadata: volumes worth dumping, recorded ones, and what a dump says."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import redis

from metaparity.conformance.traces.keys import recorded_keys
from metaparity.drivers.api import Engine
from metaparity.drivers.types import (
    CHUNK_SIZE,
    AclType,
    Attr,
    AttrFlag,
    FileType,
    Quota,
    QuotaType,
    Rule,
    SetAttr,
)
from metaparity.fixtures.volumes import Volume

from .contents import put

GOLDEN = files("metaparity.fixtures.golden").joinpath("dump")
LOST = "\ufffd".encode()
"""A name that the original does not keep (L4.12)."""
KEPT = "\ufffe".encode()
"""A name much like it that it keeps."""

LAST_RULE = b"aclMaxId"
"""What the original restores depends on what else its process has restored (L5.15)."""

LONG = b"n" * 300
"""A name that only a copy may have: its length is not limited (N25.1)."""


def document(name: str) -> Any:
    """A recorded JSON document."""
    return json.loads(GOLDEN.joinpath(name).read_text("utf-8"))


def recorded(name: str) -> bytes:
    """A recorded file; with the name that is kept where there was the one that is not."""
    return GOLDEN.joinpath(name).read_bytes().replace(b'"%EF": {', b'"' + KEPT + b'": {')


def keys_of(name: str, lost: bool = False) -> dict[bytes, Any]:
    """A recorded key space, in the form of `Volume.keyspace`; with the name that is kept, or the lost one."""

    def value(kind: str, held: Any) -> Any:
        if kind == "hash" and not lost:
            return {KEPT if field in (LOST, b"\xef") else field: one for field, one in held.items()}
        return [*held.items()] if kind == "zset" else held

    keys = recorded_keys(document(name)["keyspace"])
    return {key: (kind, value(kind, held)) for key, (kind, held) in keys.items()}


def put_keys(raw: redis.Redis, keys: dict[bytes, Any]) -> None:
    """Fill a database with keys and nothing else, past every driver."""
    raw.flushdb()
    with raw.pipeline(transaction=False) as pipe:
        for key, (kind, value) in keys.items():
            if kind == "string":
                pipe.set(key, value)
            elif kind == "hash":
                pipe.hset(key, mapping=value)
            elif kind == "zset":
                pipe.zadd(key, dict(value))
            elif kind == "set":
                pipe.sadd(key, *value)
            else:
                pipe.rpush(key, *value)
        pipe.execute()


def made_by_hand(volume: Volume) -> None:
    """Tell that what the test puts into the database need not be in order: no law is asked at its end."""
    volume.raw.edited = True


def recorded_volume(volume: Volume) -> Engine:
    """A client of the recorded source of all recorded dumps."""
    made_by_hand(volume)
    put_keys(volume.raw, keys_of("rich-source.json"))
    client = volume.connect()
    client.load()
    return client


def rich(volume: Volume, **settings: Any) -> dict[str, int]:
    """Make a volume that has something of everything a dump tells; the inodes by name."""
    volume.format(**{"TrashDays": 1, "EnableACL": True, "SecretKey": "secret", **settings})
    fs = volume.fs
    d = volume.dir("d")
    e = volume.dir(b"e \xff%41", d)
    x, y = volume.file("x", d), volume.file("y \u00fc", e, uid=7, gid=8)
    fs.link(x, e, b"x2")
    fs.link(x, 1, b"x3")
    slices = put(fs, x, 0, 100), put(fs, x, CHUNK_SIZE + 5, 4096), put(fs, x, 50, 10)
    fs.copy_file_range(x, 0, y, 0, 200)
    volume.symlink("s", b"a b\xfe", d)
    volume.node("fifo", FileType.FIFO, e)
    fs.mknod(e, b"dev", FileType.CHARDEV, 0o600, rdev=0x801)
    fs.xattr_set(x, b"user.<x>", b'\x00v %\xff"')
    fs.xattr_set(d, b"user.d", b"")
    fs.acl_set(y, AclType.ACCESS, Rule(7, 5, 6, 1, [(1001, 4)], [(5, 2), (6, 1)]))
    fs.acl_set(e, AclType.DEFAULT, Rule(7, 5, 0xFFFF, 1))
    fs.setattr(e, SetAttr.FLAGS, Attr(flags=AttrFlag.SKIP_TRASH))
    fs.settle()
    fs.quota_set(QuotaType.DIR, b"/d", Quota(1 << 40, 1000))
    gone = volume.file("gone", d)
    put(fs, gone, 0, 10)
    fs.unlink(d, b"gone")
    fs.clone(d, x, 1, b"copy", True)
    fs.settle()
    fs.refresh()
    return {"d": d, "e": e, "x": x, "y": y, "gone": gone, "slice": max(slices)}


def with_long_name(volume: Volume) -> int:
    """The inode of a file whose name is `LONG`."""
    inode = volume.file("x")
    entry = volume.raw.hget("d1", "x")
    volume.raw.hset("d1", LONG, entry)
    volume.raw.hdel("d1", "x")
    return inode


def dumped(fs: Engine, path: Path, **options: Any) -> bytes:
    """What a dump of a volume holds."""
    fs.dump(str(path), **options)
    return path.read_bytes()


def reloaded(volume: Volume, path: Path) -> Engine:
    """A new client that has filled the database, emptied before, from a dump."""
    loader = on_empty(volume)
    loader.load_dump(str(path))
    return loader


def restored(volume: Volume, path: Path) -> Engine:
    """The same from a binary backup."""
    loader = on_empty(volume)
    volume.not_kept.add(LAST_RULE)
    loader.restore(str(path))
    return loader


def on_empty(volume: Volume) -> Engine:
    """A new client of the database, emptied; the others are closed."""
    for client in volume.clients:
        client.close()
    volume.raw.flushdb()
    return volume.connect()


def trees(dump: bytes) -> bytes:
    """What a dump says of the nodes."""
    return dump[dump.index(b'\n  "FSTree": {') :]


def without_counters(dump: bytes) -> bytes:
    """A dump without what is counted anew by a load."""
    return re.sub(rb'"Counters": \{[^}]*\}', b"", dump)
