"""Limits of directories, users and groups (N30)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from metaparity.drivers.errors import Refused
from metaparity.drivers.types import (
    ROOT,
    ROOT_INODE,
    TRASH_INODE,
    Attr,
    Context,
    FileType,
    Quota,
    QuotaType,
)

from .accounting import DIR, GROUP, USER
from .cloning import Cloning
from .state import PAGE, space_of

UMASK = 0o022
"""Applies to directories that are made to have a quota (N30.4)."""

NONE = -1
OWNERS = (USER, GROUP)


class Quotas(Cloning):
    """quota_set, quota_get, quota_delete, quota_list, quota_check, quota_scan."""

    def quota_set(
        self,
        type: QuotaType,
        key: bytes | int,
        quota: Quota,
        strict: bool = False,
        create: bool = False,
        *,
        ctx: Context = ROOT,
    ) -> dict[str, Quota]:
        self.require_writable()
        id = self._id_of(type, key, create, ctx)
        setting = "DirStats" if type is DIR else "UserGroupQuota"  # N30.5
        first = not self.format.get(setting)
        if first:
            self.init(self.format.replace(**{setting: True}))
        created = id not in self.volume.quotas[type]
        stored = self.volume.quotas[type].setdefault(id, Quota())
        if quota.max_space >= 0:
            stored.max_space = quota.max_space
        if quota.max_inodes >= 0:
            stored.max_inodes = quota.max_inodes
        if created and type is DIR:
            stored.used_space, stored.used_inodes = self._used_below(id, strict)
        elif first:
            self.quota_scan(ctx=ctx)
        return {text_of(key): replace(stored)}

    def quota_get(self, type: QuotaType, key: bytes | int, *, ctx: Context = ROOT) -> dict[str, Quota]:
        stored = self.volume.quotas[type].get(self._id_of(type, key, False, ctx))  # N30.6
        return {text_of(key): replace(stored)} if stored else {}

    def quota_delete(self, type: QuotaType, key: bytes | int, *, ctx: Context = ROOT) -> dict[str, Quota]:
        id = self._id_of(type, key, False, ctx)  # N30.6
        self.require_writable()
        stored = self.volume.quotas[type]
        if type is DIR:
            stored.pop(id, None)
        elif id in stored:
            stored[id].max_space = stored[id].max_inodes = NONE
        return {}

    def quota_list(self, type: QuotaType | None = None, *, ctx: Context = ROOT) -> dict[str, Quota]:
        return {  # N30.7
            self._label(kind, id): replace(quota)
            for kind in (QuotaType if type is None else [type])
            for id, quota in self.volume.quotas[kind].items()
            if (quota.max_space, quota.max_inodes) != (NONE, NONE)
        }

    def _label(self, type: QuotaType, id: int) -> str:
        if type is not DIR:
            return f"{'uid' if type is USER else 'gid'}:{id}"
        paths = self.paths(id)
        return paths[0].decode("utf-8", "replace") if paths else f"inode:{id}"

    def quota_check(
        self,
        type: QuotaType,
        key: bytes | int,
        strict: bool = False,
        repair: bool = False,
        *,
        ctx: Context = ROOT,
    ) -> dict[str, Quota]:
        if type is not DIR:  # N30.8
            return self._check_owners(type, repair)
        id = self._id_of(type, key, False, ctx)
        stored = self.volume.quotas[type].get(id)
        if stored is None:
            raise Refused(f"no quota for {text_of(key)}: set one first")
        used = self._used_below(id, strict)
        if used != (stored.used_space, stored.used_inodes):
            if not repair:
                raise Refused(f"the usage of the quota of {text_of(key)} is wrong: repair it")
            self.require_writable()
            stored.used_space, stored.used_inodes = used
        return {text_of(key): replace(stored)}

    def _check_owners(self, type: QuotaType, repair: bool) -> dict[str, Quota]:
        used = self._usage_by_owner()
        wrong = any(
            used[kind].get(id, (0, 0)) != (quota.used_space, quota.used_inodes)
            for kind in OWNERS
            for id, quota in ({id: Quota() for id in used[kind]} | self.volume.quotas[kind]).items()
        )
        if wrong and not repair:
            raise Refused("the usage of users and groups is wrong: repair it")
        if repair:
            self.require_writable()
            for kind in OWNERS:
                for quota in self.volume.quotas[kind].values():
                    quota.used_space = quota.used_inodes = 0
            self._store_usage(used)
        return {str(id): replace(quota) for id, quota in self.volume.quotas[type].items() if id in used[type]}

    def quota_scan(self, *, ctx: Context = ROOT) -> None:
        self.require_writable()  # N30.10
        self._store_usage(self._usage_by_owner())
        for type in OWNERS:
            self.charges[type].clear()
            self.quotas[type] = {id: replace(quota) for id, quota in self.volume.quotas[type].items()}

    def _store_usage(self, used: dict[QuotaType, dict[int, tuple[int, int]]]) -> None:
        for type in OWNERS:
            for id, (space, inodes) in used[type].items():
                quota = self.volume.quotas[type].setdefault(id, Quota())
                quota.used_space, quota.used_inodes = space, inodes

    def _usage_by_owner(self) -> dict[QuotaType, dict[int, tuple[int, int]]]:
        """The bytes and inodes of every user and every group, of nodes of all types (Q7)."""
        used: dict[QuotaType, dict[int, tuple[int, int]]] = {type: {} for type in OWNERS}
        for attr in self._every_node():
            for type, id in ((USER, attr.uid), (GROUP, attr.gid)):
                space, inodes = used[type].get(id, (0, 0))
                used[type][id] = (space + space_of(attr), inodes + 1)
        return used

    def _every_node(self) -> Iterator[Attr]:
        for inode, attr in self.volume.nodes.items():
            if inode not in (ROOT_INODE, TRASH_INODE):
                yield attr

    # -- keys --------------------------------------------------------------------------------------

    def _id_of(self, type: QuotaType, key: bytes | int, create: bool, ctx: Context) -> int:
        """The inode or id that a key means (N30.4).  Raises `Refused`."""
        if type is not DIR:
            text = text_of(key)
            if not (text.isascii() and text.isdecimal()):
                raise Refused(f"{text!r} is no id of a user or group: give a number")
            return int(text)
        if isinstance(key, int):
            raise Refused(f"{key} is no path: give the path of a directory from the root of the volume")
        inode = ROOT_INODE
        for name in filter(None, key.split(b"/")):
            inode = self._step(inode, name, key, create, ctx)
        return inode

    def _step(self, parent: int, name: bytes, path: bytes, create: bool, ctx: Context) -> int:
        try:
            entry = self.entry(parent, name)
            if entry is None and create:
                return self.mkdir(parent, name, 0o777, UMASK, ctx=ctx).inode
            node = self.find(parent, name)
        except OSError as refused:
            raise Refused(f"the directory {text_of(path)} cannot be found: {refused.strerror}") from refused
        if node.attr is None or node.attr.type != FileType.DIRECTORY:
            raise Refused(f"{text_of(path)} is no directory: only directories have quotas")
        return node.inode

    def _used_below(self, inode: int, strict: bool) -> tuple[int, int]:
        """The bytes and inodes below a directory, itself not counted (N30.3)."""
        total = self.summary(inode, True, strict)
        return total.size - PAGE, total.files + total.dirs - 1


def text_of(key: bytes | int) -> str:
    """A key as answers show it."""
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
