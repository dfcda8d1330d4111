"""What a volume holds, shared by the clients that have it open."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TypeAlias

from metaparity.drivers.types import Attr, DirStat, FileType, Format, Quota, QuotaType, Rule, Session, Slice

from .locks import LockModel

PAGE = 4096
"""Bytes of space of a node without content; space is counted in whole pages (A4)."""

EntryValue: TypeAlias = tuple[int, int]
"""What a name leads to: type and inode (K1)."""


def aligned(length: int) -> int:
    """The space in bytes that a length takes: A4(n), at least one page."""
    return max(-(-length // PAGE), 1) * PAGE


def content(attr: Attr) -> int:
    """The bytes that an entry counts as content: a file's length, nothing for any other node (R9)."""
    return attr.length if attr.type == FileType.FILE else 0


def space_of(attr: Attr) -> int:
    """The bytes of space that an entry counts (R9)."""
    return aligned(content(attr))


@dataclass(slots=True)
class VolumeState:
    """A volume: nodes by inode, and what belongs to them.  `lock` is held by each primitive while it runs."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    format: Format | None = None
    nodes: dict[int, Attr] = field(default_factory=dict)
    entries: dict[int, dict[bytes, EntryValue]] = field(default_factory=dict)
    names: dict[int, dict[int, int]] = field(default_factory=dict)
    """How many names a node has in each directory, once it had a hard link (A3)."""
    targets: dict[int, bytes] = field(default_factory=dict)
    xattrs: dict[int, dict[bytes, bytes]] = field(default_factory=dict)
    chunks: dict[int, dict[int, list[Slice]]] = field(default_factory=dict)
    """The records of each chunk in the order they were written (N21.3)."""
    references: dict[tuple[int, int], int] = field(default_factory=dict)
    """How many records refer to a slice, by id and size; absent means one (N21.4)."""
    delayed: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)
    """Slices that a compaction left to the trash, by its new slice and the second it ran (N33.4)."""
    rules: dict[int, Rule] = field(default_factory=dict)
    """ACL rules by number (N29.2)."""
    stats: dict[int, DirStat] = field(default_factory=dict)
    """Statistics of directories as last flushed; absent means unknown (I13)."""
    quotas: dict[QuotaType, dict[int, Quota]] = field(
        default_factory=lambda: {type: {} for type in QuotaType}
    )
    locks: LockModel = field(default_factory=LockModel)
    sessions: dict[int, Session] = field(default_factory=dict)
    detached: dict[int, int] = field(default_factory=dict)
    """Tops of copies that have no name yet, with the second they were begun (N25.3)."""
    used_space: int = 0
    total_inodes: int = 0
    last_inode: int = 0
    """The highest inode that a client has set aside; so the slices, hours and sessions (I17)."""
    last_slice: int = 0
    last_trash: int = 0
    last_session: int = 0

    def clear(self) -> None:
        """Forget everything (N1.4)."""
        lock, fresh = self.lock, VolumeState()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))
        self.lock = lock

    def reserve_inodes(self, count: int) -> int:
        """Set aside `count` inodes never used before; the last of them (K2)."""
        self.last_inode += count
        return self.last_inode

    def reserve_slices(self, count: int) -> int:
        """Set aside `count` slice ids never used before; the last of them (K2)."""
        self.last_slice += count
        return self.last_slice
