"""The names of all keys, and what a key name says (S1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..types import QuotaType

PLAIN = {
    "setting": b"setting",
    "next_inode": b"nextinode",
    "next_chunk": b"nextchunk",
    "next_session": b"nextsession",
    "next_trash": b"nextTrash",
    "used_space": b"usedSpace",
    "total_inodes": b"totalInodes",
    "acl_max_id": b"aclMaxId",
    "token_max_id": b"krbTokenMaxId",
    "txn_last_log": b"txnLastLog",
    "all_sessions": b"allSessions",
    "session_infos": b"sessionInfos",
    "delfiles": b"delfiles",
    "detached_nodes": b"detachedNodes",
    "slice_refs": b"sliceRef",
    "delayed_slices": b"delSlices",
    "dir_data_length": b"dirDataLength",
    "dir_used_space": b"dirUsedSpace",
    "dir_used_inodes": b"dirUsedInodes",
    "dir_quota": b"dirQuota",
    "dir_quota_used_space": b"dirQuotaUsedSpace",
    "dir_quota_used_inodes": b"dirQuotaUsedInodes",
    "user_quota": b"userQuota",
    "user_quota_used_space": b"userQuotaUsedSpace",
    "user_quota_used_inodes": b"userQuotaUsedInodes",
    "group_quota": b"groupQuota",
    "group_quota_used_space": b"groupQuotaUsedSpace",
    "group_quota_used_inodes": b"groupQuotaUsedInodes",
    "acl": b"acl",
    "tokens": b"krbToken",
    "txn_log": b"txnLog",
    "last_cleanup_sessions": b"lastCleanupSessions",
    "last_cleanup_files": b"lastCleanupFiles",
    "last_cleanup_trash": b"lastCleanupTrash",
    "next_cleanup_slices": b"nextCleanupSlices",
    "last_cleanup_changelog": b"lastCleanupChangelog",
}
"""The keys of a volume as a whole, by our names (S1.2-S1.4).

Three counters are lower case though the API calls them nextInode, nextChunk and nextSession.
"""

NUMBERED = {
    "attr": b"i%d",
    "dentries": b"d%d",
    "parents": b"p%d",
    "symlink": b"s%d",
    "xattrs": b"x%d",
    "chunk": b"c%d_%d",
    "flocks": b"lockf%d",
    "plocks": b"lockp%d",
    "sustained": b"session%d",
    "locked": b"locked%d",
    "legacy_slice_ref": b"k%d_%d",
}
"""The keys that carry inode, session, chunk or slice numbers, in decimal."""

LEGACY_SESSIONS = b"sessions"
"""The one key that never carries the prefix (S1.1)."""

SCANNED = {
    "attr": b"i*",
    "dentries": b"d[0-9]*",
    "chunk": b"c*_*",
    "sustained": b"session[0-9]*",
    "legacy_slice_ref": b"k*",
}
"""What finds all keys of a kind, and others too: a key that a scan answers has to be parsed (S1.6)."""

NUMBER = rb"(0|[1-9][0-9]{0,19})"
MOST = (1 << 64) - 1
PATTERNS = {kind: re.compile(shape.replace(b"%d", NUMBER)) for kind, shape in NUMBERED.items()}
LINES = {
    kind: re.compile(rb"^" + pattern.pattern + rb"$", re.MULTILINE) for kind, pattern in PATTERNS.items()
}
KINDS = {key: kind for kind, key in PLAIN.items()}


@dataclass(frozen=True, slots=True)
class Key:
    """What a key name says: its kind, and the numbers in it in the order of the name.

    The kind of a key that is none of ours is `unknown`.
    """

    kind: str
    numbers: tuple[int, ...] = ()


class Keys:
    """The key names of one volume, which all start with `prefix` (S1.1).

    The plain keys of `PLAIN` are attributes.
    """

    setting: bytes
    next_inode: bytes
    next_chunk: bytes
    next_session: bytes
    next_trash: bytes
    used_space: bytes
    total_inodes: bytes
    acl_max_id: bytes
    token_max_id: bytes
    txn_last_log: bytes
    all_sessions: bytes
    session_infos: bytes
    delfiles: bytes
    detached_nodes: bytes
    slice_refs: bytes
    delayed_slices: bytes
    dir_data_length: bytes
    dir_used_space: bytes
    dir_used_inodes: bytes
    dir_quota: bytes
    dir_quota_used_space: bytes
    dir_quota_used_inodes: bytes
    user_quota: bytes
    user_quota_used_space: bytes
    user_quota_used_inodes: bytes
    group_quota: bytes
    group_quota_used_space: bytes
    group_quota_used_inodes: bytes
    acl: bytes
    tokens: bytes
    txn_log: bytes
    last_cleanup_sessions: bytes
    last_cleanup_files: bytes
    last_cleanup_trash: bytes
    next_cleanup_slices: bytes
    last_cleanup_changelog: bytes

    def __init__(self, prefix: bytes = b"") -> None:
        self.prefix = prefix
        self.legacy_sessions = LEGACY_SESSIONS
        for name, key in PLAIN.items():
            setattr(self, name, prefix + key)

    def attr(self, inode: int) -> bytes:
        """The attributes of an inode: a string (S2.2)."""
        return b"%si%d" % (self.prefix, inode)

    def dentries(self, inode: int) -> bytes:
        """The entries of a directory: a hash of name to (type, inode) (S2.3)."""
        return b"%sd%d" % (self.prefix, inode)

    def parents(self, inode: int) -> bytes:
        """How many names a hard-linked inode has in each directory: a hash (A3)."""
        return b"%sp%d" % (self.prefix, inode)

    def symlink(self, inode: int) -> bytes:
        """The target of a symbolic link: a string."""
        return b"%ss%d" % (self.prefix, inode)

    def xattrs(self, inode: int) -> bytes:
        """The extended attributes of an inode: a hash."""
        return b"%sx%d" % (self.prefix, inode)

    def chunk(self, inode: int, index: int) -> bytes:
        """The slice records of one 64 MiB chunk: a list (S2.4)."""
        return b"%sc%d_%d" % (self.prefix, inode, index)

    def flocks(self, inode: int) -> bytes:
        """The BSD locks on an inode: a hash (S2.9)."""
        return b"%slockf%d" % (self.prefix, inode)

    def plocks(self, inode: int) -> bytes:
        """The record locks on an inode: a hash (S2.10)."""
        return b"%slockp%d" % (self.prefix, inode)

    def sustained(self, sid: int) -> bytes:
        """The unlinked inodes that a session still has open: a set (S1.4)."""
        return b"%ssession%d" % (self.prefix, sid)

    def locked(self, sid: int) -> bytes:
        """The lock keys in which a session holds something: a set of key names (S1.4)."""
        return b"%slocked%d" % (self.prefix, sid)

    def legacy_slice_ref(self, id: int, size: int) -> bytes:
        """Where old clients counted references of a slice: a string (S1.5)."""
        return b"%sk%d_%d" % (self.prefix, id, size)

    def scan_pattern(self, kind: str) -> bytes:
        """The SCAN pattern that finds all keys of a kind of `SCANNED` (S1.6)."""
        return self.prefix + SCANNED[kind]

    def quota(self, type: QuotaType) -> tuple[bytes, bytes, bytes]:
        """The limits, used space and used inodes of quotas of a kind: hashes (S1.3)."""
        if type is QuotaType.DIR:
            return self.dir_quota, self.dir_quota_used_space, self.dir_quota_used_inodes
        if type is QuotaType.USER:
            return self.user_quota, self.user_quota_used_space, self.user_quota_used_inodes
        return self.group_quota, self.group_quota_used_space, self.group_quota_used_inodes

    @property
    def counters(self) -> dict[str, bytes]:
        """The counters by the names that a binary backup gives them (L5.9)."""
        return {
            "usedSpace": self.used_space,
            "totalInodes": self.total_inodes,
            "nextInode": self.next_inode,
            "nextChunk": self.next_chunk,
            "nextSession": self.next_session,
            "nextTrash": self.next_trash,
        }

    def chunks_pattern(self, inode: int) -> bytes:
        """The SCAN pattern that finds the chunks of one inode (S1.7)."""
        return b"%sc%d_*" % (self.prefix, inode)

    @property
    def everything_pattern(self) -> bytes:
        """The SCAN pattern that finds every key of the volume but the legacy sessions (S1.6)."""
        return self.prefix + b"*"

    def parse(self, key: bytes) -> Key:
        """What a key name says; never raises (S1.6)."""
        if key == LEGACY_SESSIONS:
            return Key("legacy_sessions")
        if not key.startswith(self.prefix):
            return Key("unknown")
        name = key[len(self.prefix) :]
        if name in KINDS:
            return Key(KINDS[name])
        for kind in PATTERNS:
            if numbers := self.numbers(kind, key):
                return Key(kind, numbers)
        return Key("unknown")

    def numbers(self, kind: str, key: bytes) -> tuple[int, ...]:
        """The numbers in a key of a kind of `NUMBERED` that begins with the prefix; none in any other key."""
        match = PATTERNS[kind].fullmatch(key, len(self.prefix))
        numbers = tuple(map(int, match.groups())) if match else ()
        return numbers if max(numbers, default=0) <= MOST else ()

    def numbers_of(self, kind: str, keys: Sequence[bytes]) -> list[Sequence[int]]:
        """The first numbers of all keys that are of a kind of `NUMBERED`, then the second ones.

        All keys begin with the prefix.
        """
        pattern, at = LINES[kind], len(self.prefix)
        text = b"\n".join([key[at:] for key in keys] if at else keys)
        # One search for all: a match of each key takes twice as long.
        found = pattern.findall(text)
        if len(found) == len(keys) == text.count(b"\n") + 1:
            groups = [found] if pattern.groups == 1 else zip(*found, strict=True)
            numbers = [[*map(int, group)] for group in groups]
            if max(map(max, numbers)) <= MOST:
                return [*numbers]
        every = [some for key in keys if (some := self.numbers(kind, key))]
        return [*zip(*every, strict=True)] or [()] * pattern.groups
