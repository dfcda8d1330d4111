"""The names of all keys (S1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """What a key name says: its kind and the numbers in it; kind `unknown` for a foreign key."""

    kind: str
    numbers: tuple[int, ...] = ()


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


class Keys:
    def __init__(self, prefix: bytes = b"") -> None:
        self.prefix = prefix
        for name, key in PLAIN.items():
            setattr(self, name, prefix + key)
        self.legacy_sessions = b"sessions"

    def __getattr__(self, name: str) -> bytes:
        raise AttributeError(name)

    def attr(self, inode: int) -> bytes:
        return b"%si%d" % (self.prefix, inode)

    def dentries(self, inode: int) -> bytes:
        return b"%sd%d" % (self.prefix, inode)

    def parents(self, inode: int) -> bytes:
        return b"%sp%d" % (self.prefix, inode)

    def symlink(self, inode: int) -> bytes:
        return b"%ss%d" % (self.prefix, inode)

    def xattrs(self, inode: int) -> bytes:
        return b"%sx%d" % (self.prefix, inode)

    def chunk(self, inode: int, index: int) -> bytes:
        return b"%sc%d_%d" % (self.prefix, inode, index)

    def flocks(self, inode: int) -> bytes:
        return b"%slockf%d" % (self.prefix, inode)

    def plocks(self, inode: int) -> bytes:
        return b"%slockp%d" % (self.prefix, inode)

    def sustained(self, sid: int) -> bytes:
        return b"%ssession%d" % (self.prefix, sid)

    def locked(self, sid: int) -> bytes:
        return b"%slocked%d" % (self.prefix, sid)

    def parse(self, key: bytes) -> Key:
        for kind, head in (("flocks", b"lockf"), ("plocks", b"lockp")):
            if key.startswith(self.prefix + head):
                return Key(kind, (int(key[len(self.prefix + head):]),))
        return Key("unknown")
