"""Who pays for what a call uses: directories, users, groups and the volume (R9-R12, N30.2)."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable, Iterator

from ..errors import refuse_if
from ..types import ROOT_INODE, Attr, Config, QuotaType, is_trash
from .accounts import Accounts
from .core import Core
from .database import FAILURES
from .store import Store

log = logging.getLogger(__name__)

MAX_PARENTS = 100_000
"""Directories whose parent a client remembers."""


class Accounting(Core):
    """What every change of the namespace or of contents asks before, and tells after."""

    def __init__(self, store: Store, config: Config, compat: str = "") -> None:
        super().__init__(store, config, compat)
        self.accounts = {type: Accounts() for type in QuotaType}
        self.detached: set[int] = set()
        """Directories that are being copied or cleaned away: no quota above them is concerned."""
        self._known_parents: dict[int, int] = {}

    # -- before a call -----------------------------------------------------------------------------

    def check_room(
        self,
        space: int,
        inodes: int,
        *,
        uid: int | None = None,
        gid: int | None = None,
        directories: Iterable[int] = (),
    ) -> None:
        """Raise EDQUOT or ENOSPC when there is no room for so many more bytes and inodes.

        Asked are, in this order, the user, the group, the volume and all directories above (R12).
        """
        if space <= 0 and inodes <= 0:
            return
        if uid is not None:
            self.check_user(uid, space, inodes)
        if gid is not None:
            self.check_group(gid, space, inodes)
        capacity, limit = self.format.capacity, self.format.inodes
        refuse_if(space > 0 and 0 < capacity < self.usage.space + space, errno.ENOSPC)
        refuse_if(inodes > 0 and 0 < limit < self.usage.inodes + inodes, errno.ENOSPC)
        for directory in directories:
            self.check_directories(directory, space, inodes)

    def check_group(self, gid: int, space: int, inodes: int) -> None:
        """Raise EDQUOT when a group has no room."""
        if self.format.user_group_quota:
            refuse_if(self.accounts[QuotaType.GROUP].exceeded(gid, space, inodes), errno.EDQUOT)

    def check_user(self, uid: int, space: int, inodes: int) -> None:
        """Raise EDQUOT when a user has no room."""
        if self.format.user_group_quota:
            refuse_if(self.accounts[QuotaType.USER].exceeded(uid, space, inodes), errno.EDQUOT)

    def check_directories(self, directory: int, space: int, inodes: int) -> None:
        """Raise EDQUOT when a quota on a directory or above it has no room (R10, R12)."""
        quotas = self.accounts[QuotaType.DIR]
        if self.limits_directories:
            exceeded = (quotas.exceeded(one, space, inodes) for one in self.directories_above(directory))
            refuse_if(any(exceeded), errno.EDQUOT)

    # -- after a call ------------------------------------------------------------------------------

    def update_usage(self, space: int, inodes: int, owner: Attr | None = None) -> None:
        """Note a committed change of the volume's usage, and of that of a node's user and group (R11)."""
        self.usage.add(space, inodes)
        if owner is not None:
            self.charge_user(owner.uid, space, inodes)
            self.charge_group(owner.gid, space, inodes)

    def charge_user(self, uid: int, space: int, inodes: int) -> None:
        """Note that a user has more, or less, bytes and inodes."""
        if self.format.user_group_quota:
            self.accounts[QuotaType.USER].add(uid, space, inodes, create=True)

    def charge_group(self, gid: int, space: int, inodes: int) -> None:
        """Note that a group has more, or less, bytes and inodes."""
        if self.format.user_group_quota:
            self.accounts[QuotaType.GROUP].add(gid, space, inodes, create=True)

    def charge_directories(self, directory: int, space: int, inodes: int) -> None:
        """Note that there is more, or less, below a directory and all above it (R10)."""
        if self.limits_directories:
            for one in self.directories_above(directory):
                self.accounts[QuotaType.DIR].add(one, space, inodes, create=False)

    def entry_moved(self, directory: int, attr: Attr, count: int) -> None:
        """Note in a directory's statistics that entries of a node came to it, or went (R9)."""
        if self.format.dir_stats:
            self.dir_stats.entry(directory, attr, count)

    def contents_changed(self, directory: int, length: int, space: int) -> None:
        """Note that the files in a directory grew or, negative, shrank (bytes, bytes; N21.6)."""
        if self.format.dir_stats:
            self.dir_stats.add(directory, length, space, 0)
        self.charge_directories(directory, space, 0)

    # -- directories -------------------------------------------------------------------------------

    @property
    def limits_directories(self) -> bool:
        """Whether any directory has a quota."""
        return self.format.dir_stats and bool(self.accounts[QuotaType.DIR])

    def quota_above(self, directory: int) -> int:
        """The nearest directory with a quota, a directory itself first; 0 for none."""
        if not self.limits_directories:
            return 0
        quotas = self.accounts[QuotaType.DIR]
        return next((one for one in self.directories_above(directory) if one in quotas), 0)

    def directories_above(self, directory: int) -> Iterator[int]:
        """A directory and those above it, up to the root.

        What lies in the trash is nobody's any more: its directories end at the trash.
        """
        seen: set[int] = set()
        while directory not in seen:
            if not self.quirks and (is_trash(directory) or directory in self.detached):
                return
            yield directory
            if directory == ROOT_INODE:
                return
            seen.add(directory)
            above = self._parent_of(directory)
            if above is None:
                return
            directory = above

    def remember_parent(self, inode: int, parent: int) -> None:
        """Note where a directory lies; used to find quotas only (N5.8, N7.4, S7.7.6)."""
        if len(self._known_parents) >= MAX_PARENTS:
            self._known_parents.clear()
        self._known_parents[inode] = parent

    def _parent_of(self, directory: int) -> int | None:
        known = self._known_parents.get(directory)
        if known is not None:
            return known
        try:
            parent = self.known_attr(directory).parent
        except (OSError, *FAILURES) as failure:
            log.warning("the quotas above inode %d cannot be found: %s", directory, failure)
            return None
        self.remember_parent(directory, parent)
        return parent
