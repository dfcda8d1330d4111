"""Quotas as stored, and as a scene needs them (S2.8, N30)."""

from __future__ import annotations

import struct

from metaparity.drivers.api import Engine
from metaparity.drivers.types import Quota, QuotaType
from metaparity.fixtures.volumes import Volume

DIR, USER, GROUP = QuotaType
LIMITS = struct.Struct(">qq")
BLOCK = 4096

HASHES = {DIR: "dirQuota", USER: "userQuota", GROUP: "groupQuota"}


def stored(volume: Volume, type: QuotaType, id: int) -> Quota | None:
    """A quota in the keys; None where any part of it is missing."""
    name = HASHES[type]
    parts = [volume.raw.hget(f"{name}{part}", id) for part in ("", "UsedSpace", "UsedInodes")]
    if None in parts:
        return None
    space, inodes = LIMITS.unpack(parts[0])
    return Quota(space, inodes, int(parts[1]), int(parts[2]))


def used(volume: Volume, type: QuotaType, id: int) -> tuple[int, int]:
    """The stored usage of a quota, bytes and inodes, none where there is no record; clients settle first."""
    volume.settle()
    quota = stored(volume, type, id) or Quota()
    return quota.used_space, quota.used_inodes


def limit(fs: Engine, type: QuotaType, key: bytes | int, space: int = -1, inodes: int = -1) -> None:
    """Set a limit, in bytes and inodes, and let the client know of it."""
    fs.quota_set(type, key, Quota(space, inodes), create=True)
    fs.refresh()
