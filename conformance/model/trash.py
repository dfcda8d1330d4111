"""Where removed nodes go: the hour directories of the trash (R7, R8, N13.4)."""

from __future__ import annotations

import errno
import time

from metaparity.drivers.errors import refuse_if
from metaparity.drivers.types import ROOT, TRASH_INODE, Attr, AttrFlag, FileType, Time, is_trash

from .creation import Creation

HOUR_FORMAT = "%Y-%m-%d-%H"
NAME_LIMIT = 255


class Trash(Creation):
    """Finding, making and filling hour directories."""

    def hour_directory(self, parent: int, skip: bool) -> int:
        """The hour directory for what is removed from `parent`, made when missing; 0 for none (R7)."""
        if skip or is_trash(parent) or self.format.trash_days <= 0:
            return 0
        self.require_writable()
        name = time.strftime(HOUR_FORMAT, time.gmtime(self.now()[0])).encode()
        entry = self.entry(TRASH_INODE, name)
        if entry is not None:
            refuse_if(entry[2] <= TRASH_INODE, errno.EBADF)
            return entry[2]
        refuse_if(bool(self.node(TRASH_INODE).flags & AttrFlag.IMMUTABLE), errno.EPERM)
        self.volume.last_trash += 1
        hour = TRASH_INODE + self.volume.last_trash
        self.make(ROOT, TRASH_INODE, hour, name, FileType.DIRECTORY, 0o555)
        return hour

    def keeps(self, hour: int, attr: Attr, parent: int, inode: int, name: bytes) -> bool:
        """Whether a node goes to the trash, not away for good (N13.3).

        The last name of an hour is kept once: a hard link removed, made and removed again is gone.
        """
        if not hour or attr.flags & AttrFlag.SKIP_TRASH:
            return False
        return not (attr.nlink > 1 and trash_name(parent, inode, name) in self.listed(hour))

    def move_to_trash(self, hour: int, attr: Attr, parent: int, inode: int, name: bytes, now: Time) -> None:
        """Give a node that has lost its name one in the trash (N13.4, N15.4)."""
        self.open_files.distrust(inode)
        attr.ctime = now
        if attr.parent:
            attr.parent = hour
        else:
            self.count_name(inode, hour, 1)
            self.count_name(inode, parent, -1)
        self.add_entry(hour, trash_name(parent, inode, name), attr.type, inode)
        self.count_entry(hour, attr, 1)


def trash_name(parent: int, inode: int, name: bytes) -> bytes:
    """The name that an entry has in the trash (R8)."""
    return (f"{parent}-{inode}-".encode() + name)[:NAME_LIMIT]
