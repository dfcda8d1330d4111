"""The values that callers and engines exchange: driver protocol §4, storage S2.

Every integer is a Python `int`; sizes are bytes; times are `(seconds, nanoseconds)` since the epoch;
names, symlink targets and xattr values are `bytes`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any, TypeAlias

Time: TypeAlias = tuple[int, int]
"""`(seconds, nanoseconds)`; nanoseconds are 0..999999999."""

ROOT_INODE = 1
TRASH_INODE = 0x7FFFFFFF10000000
TRASH_NAME = b".trash"
CHUNK_SIZE = 1 << 26
MAX_NAME = 255
MAX_SYMLINK = 4096
DIRECTORY_LENGTH = 4096
ACL_UNSET = 0xFFFF


def is_trash(inode: int) -> bool:
    """True for the trash root and the hour directories below it.  Source: S3.5."""
    return inode >= TRASH_INODE


class FileType(IntEnum):
    """Node types as stored (S2.1)."""

    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3
    FIFO = 4
    BLOCKDEV = 5
    CHARDEV = 6
    SOCKET = 7


class AttrFlag(IntFlag):
    """Node flags (C5)."""

    IMMUTABLE = 1
    APPEND = 2
    WINDOWS_HIDDEN = 4
    WINDOWS_SYSTEM = 8
    WINDOWS_ARCHIVE = 16
    SKIP_TRASH = 32


class SetAttr(IntFlag):
    """Which attributes `setattr` changes (C4)."""

    MODE = 1
    UID = 2
    GID = 4
    SIZE = 8
    ATIME = 16
    MTIME = 32
    CTIME = 64
    ATIME_NOW = 128
    MTIME_NOW = 256
    CTIME_NOW = 512
    TIER = 1024
    FLAGS = 32768


class RenameFlag(IntFlag):
    """Flags of `rename` (C4); RESTORE is internal to the trash."""

    NOREPLACE = 1
    EXCHANGE = 2
    WHITEOUT = 4
    RESTORE = 32


class FallocateMode(IntFlag):
    """Modes of `fallocate` (C6)."""

    KEEP_SIZE = 1
    PUNCH_HOLE = 2
    COLLAPSE = 8
    ZERO = 16
    INSERT = 32


class OpenFlag(IntFlag):
    """Open flags with their Linux values (protocol §1)."""

    RDONLY = 0
    WRONLY = 0o1
    RDWR = 0o2
    EXEC = 0x20
    CREAT = 0o100
    EXCL = 0o200
    TRUNC = 0o1000
    APPEND = 0o2000


class Access(IntFlag):
    """Permission bits asked of `access`."""

    R = 4
    W = 2
    X = 1


class LockType(IntEnum):
    """Lock kinds with the numbers that Linux writers store (S2.10.1)."""

    R = 0
    W = 1
    U = 2


class QuotaType(IntEnum):
    """Whose usage a quota limits (C7)."""

    DIR = 0
    USER = 1
    GROUP = 2


class AclType(IntEnum):
    """The two ACLs a node may have (N29.3)."""

    ACCESS = 1
    DEFAULT = 2


@dataclass(frozen=True, slots=True)
class Context:
    """Who calls (X1): `gids[0]` is the primary group.

    `cancelled`, when set, makes the call answer EINTR (X2).
    """

    uid: int = 0
    gids: tuple[int, ...] = (0,)
    pid: int = 1
    check_permission: bool = True
    cancelled: threading.Event | None = field(default=None, compare=False)

    @property
    def gid(self) -> int:
        """The primary group, 0 where none was given."""
        return self.gids[0] if self.gids else 0

    @property
    def restricted(self) -> bool:
        """Whether permissions hold the caller back: not root, nor whom the kernel has checked already (X1)."""
        return self.uid != 0 and self.check_permission


ROOT = Context()
"""The superuser: the context of a call that names none."""


@dataclass(slots=True)
class Attr:
    """The attributes of a node (A1, S2.2).

    `mode` has 12 bits; `length` is in bytes (4096 for directories, the target's length for symlinks);
    `parent` 0 means "more than one name: see the parent counts".  `full` is False when only the type
    is known because the node's record is missing (S1.8).
    """

    flags: int = 0
    type: int = 0
    mode: int = 0
    uid: int = 0
    gid: int = 0
    rdev: int = 0
    atime: Time = (0, 0)
    mtime: Time = (0, 0)
    ctime: Time = (0, 0)
    nlink: int = 0
    length: int = 0
    parent: int = 0
    access_acl: int = 0
    default_acl: int = 0
    tier: int = 0
    full: bool = True


@dataclass(slots=True)
class Node:
    """An inode and its attributes; inode 0 without attributes where a call did nothing (N16.5)."""

    inode: int
    attr: Attr | None = None


@dataclass(slots=True)
class Entry:
    """A directory entry; `attr` only where the caller asked for attributes."""

    name: bytes
    inode: int
    type: int
    attr: Attr | None = None


@dataclass(slots=True)
class Slice:
    """A piece of a chunk: `len` bytes at `off` of slice object `id` (of `size` bytes), placed at `pos`.

    `id` 0 is a hole.  All but `id` are bytes; `pos` is relative to the chunk (S2.4).
    """

    pos: int
    id: int
    size: int
    off: int
    len: int


@dataclass(slots=True)
class StatFS:
    """Volume usage: bytes and inodes (N3)."""

    total: int
    avail: int
    iused: int
    iavail: int


@dataclass(slots=True)
class Summary:
    """What lies below a node: bytes of content, bytes of space, counts (N32)."""

    length: int = 0
    size: int = 0
    files: int = 0
    dirs: int = 0


@dataclass(slots=True)
class DirStat:
    """What the direct children of a directory add up to (S3.7)."""

    length: int = 0
    space: int = 0
    inodes: int = 0


@dataclass(slots=True)
class Tree:
    """A summary with its children, largest first (N32.4)."""

    inode: int
    path: str
    type: int
    size: int
    files: int
    dirs: int
    children: list[Tree] = field(default_factory=list)


@dataclass(slots=True)
class SessionInfo:
    """What a session says of itself (S2.12)."""

    version: str = ""
    host: str = ""
    ip_addrs: list[str] = field(default_factory=list)
    mount_point: str = ""
    mount_time: str = ""
    pid: int = 0


@dataclass(slots=True)
class LockRecord:
    """One record lock: bytes `start`..`end`, both included (S2.10)."""

    type: int
    pid: int
    start: int
    end: int


@dataclass(slots=True)
class SessionFlock:
    """A flock held by a session."""

    inode: int
    owner: int
    type: str


@dataclass(slots=True)
class SessionPlock:
    """Record locks held by one owner of a session."""

    inode: int
    owner: int
    records: list[LockRecord]


@dataclass(slots=True)
class Session:
    """A registered session; `expire` is in seconds since the epoch (L3)."""

    sid: int
    expire: int
    info: SessionInfo
    sustained: list[int] = field(default_factory=list)
    flocks: list[SessionFlock] = field(default_factory=list)
    plocks: list[SessionPlock] = field(default_factory=list)


@dataclass(slots=True)
class Rule:
    """A POSIX ACL; 65535 stands for an absent entry (S2.11)."""

    owner: int = ACL_UNSET
    group: int = ACL_UNSET
    mask: int = ACL_UNSET
    other: int = ACL_UNSET
    users: list[tuple[int, int]] = field(default_factory=list)
    groups: list[tuple[int, int]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """No named entry and nothing set (N29.1)."""
        return self.minimal and (self.owner, self.group, self.other) == (ACL_UNSET,) * 3

    @property
    def minimal(self) -> bool:
        """No named entry and no mask (N29.1)."""
        return not self.users and not self.groups and self.mask == ACL_UNSET


@dataclass(slots=True)
class Quota:
    """Limits and usage in bytes and inodes; a limit of -1 is none (N30)."""

    max_space: int = -1
    max_inodes: int = -1
    used_space: int = 0
    used_inodes: int = 0


@dataclass(slots=True)
class Event:
    """What the engine asked of the object store: `delete_slice` or `compact_chunk` (protocol §4)."""

    kind: str
    id: int
    size: int = 0
    slices: list[Slice] = field(default_factory=list)


@dataclass(slots=True)
class Lock:
    """Answer of `getlk`: the first conflict, or type U."""

    type: int
    start: int
    end: int
    pid: int


@dataclass(slots=True)
class HeldPlock:
    """One record lock and its holder."""

    sid: int
    owner: int
    type: int
    pid: int
    start: int
    end: int


@dataclass(slots=True)
class HeldFlock:
    """One flock and its holder."""

    sid: int
    owner: int
    type: str


@dataclass(slots=True)
class Locks:
    """All locks on an inode."""

    plocks: list[HeldPlock] = field(default_factory=list)
    flocks: list[HeldFlock] = field(default_factory=list)


@dataclass(slots=True)
class Copied:
    """Answer of `copy_file_range`: bytes copied, and the destination's length after it."""

    copied: int
    length: int


@dataclass(slots=True)
class Cloned:
    """Progress of `clone`: nodes copied of nodes found."""

    count: int
    total: int


@dataclass(slots=True)
class CacheStats:
    """Counters of a client-side cache."""

    hits: int
    misses: int
    invalidations: int
    entries: int
    bytes: int
    evictions: int = 0


class Format(Mapping[str, Any]):
    """The settings of a volume (S5.7): a mapping with the stored JSON field names.

    Fields that this version does not know are kept (S9.4.12).
    """

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields: dict[str, Any] = dict(fields)

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def __iter__(self) -> Any:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __repr__(self) -> str:
        return f"Format({self.fields!r})"

    def replace(self, **changes: Any) -> Format:
        """A copy with some fields changed."""
        return Format({**self.fields, **changes})

    @property
    def name(self) -> str:
        return str(self.get("Name", ""))

    @property
    def uuid(self) -> str:
        return str(self.get("UUID", ""))

    @property
    def trash_days(self) -> int:
        return int(self.get("TrashDays") or 0)

    @property
    def capacity(self) -> int:
        """Bytes; 0 is unlimited."""
        return int(self.get("Capacity") or 0)

    @property
    def inodes(self) -> int:
        """Count; 0 is unlimited."""
        return int(self.get("Inodes") or 0)

    @property
    def meta_version(self) -> int:
        return int(self.get("MetaVersion") or 0)

    @property
    def dir_stats(self) -> bool:
        return bool(self.get("DirStats"))

    @property
    def user_group_quota(self) -> bool:
        return bool(self.get("UserGroupQuota"))

    @property
    def enable_acl(self) -> bool:
        return bool(self.get("EnableACL"))

    @property
    def change_log(self) -> bool:
        return bool(self.get("ChangeLog"))


@dataclass(frozen=True, slots=True)
class Config:
    """How a client behaves (protocol §3): times and periods are seconds.

    `heartbeat` 0 stops the refresh loop.  `delete_slice` and `compact_chunk` say what the object
    store answers: `ok`, `fail`, or `record` (ok, and listed by `events`).
    """

    read_only: bool = False
    no_bg_jobs: bool = False
    heartbeat: float = 12.0
    dir_stat_flush: float = 1.0
    skip_dir_mtime: float = 0.0
    atime_mode: str = "noatime"
    open_cache: float = 0.0
    open_cache_limit: int = 0
    case_insensitive: bool = False
    sort_dir: bool = False
    max_deletes: int = 2
    subdir: str = ""
    mount_point: str = ""
    retries: int = 10
    delete_slice: str = "ok"
    compact_chunk: str = "ok"
