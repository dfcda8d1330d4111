"""Who pays for what a call uses: directories, users, groups and the volume (R9-R12, N30.2).

A client charges its own view of the quotas at once, and the volume when it settles; `refresh` takes the
volume's view over.  The same holds for the statistics of directories.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from dataclasses import replace

from metaparity.drivers.errors import refuse_if
from metaparity.drivers.types import (
    ROOT_INODE,
    Attr,
    Config,
    DirStat,
    FileType,
    Quota,
    QuotaType,
    is_trash,
)

from .core import Core
from .state import VolumeState, aligned, content, space_of

USER, GROUP, DIR = QuotaType.USER, QuotaType.GROUP, QuotaType.DIR


class Accounting(Core):
    """What a change asks before it happens, and tells afterwards."""

    def __init__(self, volume: VolumeState, config: Config) -> None:
        super().__init__(volume, config)
        self.space, self.count = -1, -1
        """The volume's usage as this client knows it: unknown until the first refresh (R12)."""
        self.quotas: dict[QuotaType, dict[int, Quota]] = {type: {} for type in QuotaType}
        """Limits, and usage as the volume had it when this client looked."""
        self.charges: dict[QuotaType, dict[int, tuple[int, int]]] = {type: {} for type in QuotaType}
        """Bytes and inodes that the volume does not know of yet."""
        self.pending: dict[int, DirStat] = {}
        """What the volume does not know yet of the statistics of directories."""

    # -- before a call -----------------------------------------------------------------------------

    def check_room(
        self, space: int, inodes: int, uid: int | None, gid: int | None, directories: Iterable[int]
    ) -> None:
        """Raise EDQUOT or ENOSPC: asked are user, group, volume, and all directories above (R12)."""
        if space <= 0 and inodes <= 0:
            return
        if uid is not None:
            self.check_owner(USER, uid, space, inodes)
        if gid is not None:
            self.check_owner(GROUP, gid, space, inodes)
        capacity, limit = self.format.capacity, self.format.inodes
        refuse_if(space > 0 and 0 < capacity < self.space + space, errno.ENOSPC)
        refuse_if(inodes > 0 and 0 < limit < self.count + inodes, errno.ENOSPC)
        for directory in directories:
            self.check_directories(directory, space, inodes)

    def check_owner(self, type: QuotaType, id: int, space: int, inodes: int) -> None:
        """Raise EDQUOT when a user or group has no room (R12)."""
        refuse_if(self.format.user_group_quota and self._exceeds(type, id, space, inodes), errno.EDQUOT)

    def check_directories(self, directory: int, space: int, inodes: int) -> None:
        """Raise EDQUOT when a quota on a directory or above it has no room (R12)."""
        for one in self.limited_above(directory):
            refuse_if(self._exceeds(DIR, one, space, inodes), errno.EDQUOT)

    def _exceeds(self, type: QuotaType, id: int, space: int, inodes: int) -> bool:
        quota = self.quotas[type].get(id)
        if quota is None:
            return False
        used_space, used_inodes = self.used(type, id)
        return (space > 0 and 0 < quota.max_space < used_space + space) or (
            inodes > 0 and 0 < quota.max_inodes < used_inodes + inodes
        )

    def used(self, type: QuotaType, id: int) -> tuple[int, int]:
        """Bytes and inodes under a quota as this client knows them."""
        quota = self.quotas[type][id]
        space, inodes = self.charges[type].get(id, (0, 0))
        return quota.used_space + space, quota.used_inodes + inodes

    # -- after a call ------------------------------------------------------------------------------

    def count_usage(self, space: int, inodes: int, owner: Attr | None = None) -> None:
        """Count what a change takes of the volume, and of the node's user and group (R11)."""
        self.volume.used_space += space
        self.volume.total_inodes += inodes
        self.space += space
        self.count += inodes
        if owner is not None:
            self.charge_owner(USER, owner.uid, space, inodes)
            self.charge_owner(GROUP, owner.gid, space, inodes)

    def charge_owner(self, type: QuotaType, id: int, space: int, inodes: int) -> None:
        """Charge a user or group, which gets an unlimited quota where it had none (R11)."""
        if self.format.user_group_quota:
            self.quotas[type].setdefault(id, Quota())
            self._charge(type, id, space, inodes)

    def charge_directories(self, directory: int, space: int, inodes: int) -> None:
        """Charge every quota on a directory and above it (R10)."""
        for one in self.limited_above(directory):
            self._charge(DIR, one, space, inodes)

    def _charge(self, type: QuotaType, id: int, space: int, inodes: int) -> None:
        before = self.charges[type].get(id, (0, 0))
        self.charges[type][id] = (before[0] + space, before[1] + inodes)

    def count_entry(self, directory: int, attr: Attr, count: int) -> None:
        """Count an entry that came to a directory, or (negative) went (R9)."""
        self.count_stat(directory, count * content(attr), count * space_of(attr), count)

    def count_stat(self, directory: int, length: int, space: int, inodes: int) -> None:
        """Add to the statistics of a directory (R9)."""
        if not self.format.dir_stats:
            return
        stat = self.pending.setdefault(directory, DirStat())
        stat.length += length
        stat.space += space
        stat.inodes += inodes

    # -- directories -------------------------------------------------------------------------------

    def above(self, directory: int) -> Iterator[int]:
        """A directory and those above it up to the root; the trash, and what has no name, end the way."""
        while not is_trash(directory) and directory not in self.volume.detached:
            yield directory
            attr = self.volume.nodes.get(directory)
            if directory == ROOT_INODE or attr is None:
                return
            directory = attr.parent

    def limited_above(self, directory: int) -> Iterator[int]:
        """Those of the directories above that have a quota (R10)."""
        if self.format.dir_stats and self.quotas[DIR]:
            yield from (one for one in self.above(directory) if one in self.quotas[DIR])

    # -- settling ----------------------------------------------------------------------------------

    def flush_stats(self) -> None:
        """Put the pending statistics on the volume; what has none there is counted anew (N27.3)."""
        if self.config.read_only or not self.format.dir_stats:
            return
        pending, self.pending = self.pending, {}
        for directory, more in pending.items():
            stat = self.volume.stats.get(directory)
            if stat is not None:
                stat.length += more.length
                stat.space += more.space
                stat.inodes += more.inodes
            elif directory in self.volume.nodes:
                self.volume.stats[directory] = self.counted_stat(directory)

    def counted_stat(self, directory: int) -> DirStat:
        """What the entries of a directory add up to now (N27.2)."""
        stat = DirStat()
        for type, inode in self.listed(directory).values():
            attr = self.volume.nodes.get(inode) or Attr(type=type)
            stat.inodes += 1
            stat.length += content(attr) if type == FileType.FILE else 0
            stat.space += space_of(attr) if type == FileType.FILE else aligned(0)
        return stat

    def flush_quotas(self) -> None:
        """Put the pending charges on the volume: a deleted directory quota stays deleted (N30.11)."""
        if self.config.read_only:
            return
        for type, charges in self.charges.items():
            stored = self.volume.quotas[type]
            for id, (space, inodes) in charges.items():
                if not (space or inodes):
                    continue
                if type is DIR and id not in stored:
                    self.quotas[type].pop(id, None)
                    continue
                for quota in (stored.setdefault(id, Quota()), self.quotas[type].get(id)):
                    if quota is not None:
                        quota.used_space += space
                        quota.used_inodes += inodes
            charges.clear()

    def load_quotas(self) -> None:
        """Take over the quotas of the volume; users and groups that it has not are kept (N1.5)."""
        enabled = {
            DIR: self.format.dir_stats,
            USER: self.format.user_group_quota,
            GROUP: self.format.user_group_quota,
        }
        for type, stored in self.volume.quotas.items():
            found = {id: replace(quota) for id, quota in stored.items()} if enabled[type] else {}
            if type is DIR:
                self.quotas[type] = found
                self.charges[type] = {id: one for id, one in self.charges[type].items() if id in found}
            else:
                self.quotas[type].update(found)
