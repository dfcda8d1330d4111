"""Open files, and what becomes of a node that loses a name (N13.3-N13.8, N20, N23, R13)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from metaparity.drivers.errors import refuse_if
from metaparity.drivers.types import (
    ROOT,
    Access,
    Attr,
    AttrFlag,
    Config,
    Context,
    Event,
    FileType,
    OpenFlag,
    QuotaType,
    Slice,
    Time,
)

from .core import elapsed, shown
from .lookup import Lookup
from .permissions import trashed
from .state import VolumeState, aligned, space_of

ACCESS_BY_MODE = (Access.R, Access.W, Access.R | Access.W, Access(0))
"""What each access mode asks for; the fourth, which has no name, asks for nothing (N20.1)."""

WRITING = OpenFlag.WRONLY | OpenFlag.RDWR
ALL_CHUNKS, ATTR_ONLY = 0xFFFFFFFF, 0xFFFFFFFE
"""Chunk indexes of `invalidate_chunk` that stand for something else (N23.1)."""


@dataclass(slots=True)
class OpenFile:
    """One file of the table; a closed one stays in it."""

    references: int = 0
    mtime: Time | None = None
    attr: Attr | None = None
    trusted_from: Time | None = None
    """When the attributes were read; None once something has changed."""
    chunks: dict[int, list[Slice]] = field(default_factory=dict)


class OpenFiles:
    """The files that this client has or had open: references, attributes, assembled chunks (R13)."""

    def __init__(self, expire: float, now: Callable[[], Time]) -> None:
        """Attributes are trusted for `expire` seconds."""
        self._expire = expire
        self._now = now
        self._files: dict[int, OpenFile] = {}
        self.unlinked: set[int] = set()

    def open(self, inode: int, attr: Attr | None) -> None:
        """Count a reference (N20.2)."""
        self._files.setdefault(inode, OpenFile()).references += 1
        if attr is not None:
            self.refresh(inode, attr)

    def close(self, inode: int) -> bool:
        """Drop a reference; True when it was the last one of an unlinked file (N20.4)."""
        file = self._files.get(inode)
        if file is None:
            return False
        file.references = max(file.references - 1, 0)
        if file.references or inode not in self.unlinked:
            return False
        self.unlinked.discard(inode)
        del self._files[inode]
        return True

    def is_open(self, inode: int) -> bool:
        """Whether this client holds a reference."""
        return inode in self._files and self._files[inode].references > 0

    def trusted(self, inode: int) -> Attr | None:
        """Attributes read so lately that they are not asked for again (N7.1)."""
        file = self._files.get(inode)
        if file is None or file.attr is None or file.trusted_from is None:
            return None
        fresh = elapsed(file.trusted_from, self._now()) < self._expire
        return replace(file.attr) if fresh else None

    def refresh(self, inode: int, attr: Attr) -> None:
        """Note attributes just read; another mtime drops the chunks (N7.4)."""
        file = self._files.get(inode)
        if file is None:
            return
        if file.mtime != attr.mtime:
            file.chunks.clear()
        file.mtime, file.attr, file.trusted_from = attr.mtime, replace(attr), self._now()

    def distrust(self, inode: int, chunk: int = ATTR_ONLY) -> None:
        """Trust the attributes no more, and forget one chunk, `ALL_CHUNKS` or none (N23.1)."""
        file = self._files.get(inode)
        if file is None:
            return
        file.trusted_from = None
        if chunk == ALL_CHUNKS:
            file.chunks.clear()
        else:
            file.chunks.pop(chunk, None)

    def chunks(self, inode: int) -> dict[int, list[Slice]] | None:
        """The assembled chunks kept of a file; None outside the table (N23.2)."""
        file = self._files.get(inode)
        return None if file is None else file.chunks


class Fate(Enum):
    """What became of a node that lost a name."""

    TRASHED = auto()
    NAMED = auto()
    SUSTAINED = auto()
    DELETED = auto()


class Opening(Lookup):
    """open_file and close_file; the end of files."""

    def __init__(self, volume: VolumeState, config: Config) -> None:
        super().__init__(volume, config)
        self.open_files = OpenFiles(config.open_cache, self.now)

    def getattr(self, inode: int, *, ctx: Context = ROOT) -> Attr:
        inode = self.check_root(inode)
        attr = self.open_files.trusted(inode)
        if attr is None:
            attr = shown(self.known(inode))
            self.open_files.refresh(inode, attr)
        return attr

    def open_file(self, inode: int, flags: OpenFlag = OpenFlag.RDONLY, *, ctx: Context = ROOT) -> Attr:
        changing = flags & (WRITING | OpenFlag.TRUNC | OpenFlag.APPEND)
        refuse_if(self.config.read_only and bool(changing), errno.EROFS)  # N20.1
        meant = self.check_root(inode)
        attr = self.open_files.trusted(inode)
        if attr is None:
            attr = self.known(meant)
            wanted = ACCESS_BY_MODE[flags & 3]
            execute = wanted == Access.R and flags & OpenFlag.EXEC
            self.require_access(ctx, attr, Access.X if execute else wanted)
            writes = bool(flags & WRITING)
            refuse_if(writes and (bool(attr.flags & AttrFlag.IMMUTABLE) or trashed(attr)), errno.EPERM)
            if attr.flags & AttrFlag.APPEND:
                refuse_if(writes and not flags & OpenFlag.APPEND, errno.EPERM)
                refuse_if(bool(flags & OpenFlag.TRUNC), errno.EPERM)
            self.open_files.open(inode, attr)
        else:
            self.open_files.open(inode, None)
        return self.opened(meant, attr)

    def close_file(self, inode: int, *, ctx: Context = ROOT) -> None:
        if self.open_files.close(inode):
            self.delete_sustained(self.sid, inode)

    # -- the end of a name -------------------------------------------------------------------------

    def lose_name(self, inode: int, attr: Attr, parent: int, now: Time) -> Fate:
        """Count an entry that is gone for good, of a node that is no directory (N13.5-N13.8)."""
        self.open_files.distrust(inode)
        attr.ctime = now
        attr.nlink -= 1
        if attr.nlink > 0:
            if attr.parent == 0:
                self.count_name(inode, parent, -1)
            return Fate.NAMED
        self.volume.xattrs.pop(inode, None)
        self.volume.names.pop(inode, None)
        if attr.type == FileType.FILE and self.sid and self.open_files.is_open(inode):
            self.open_files.unlinked.add(inode)
            self.volume.sessions[self.sid].sustained.append(inode)
            return Fate.SUSTAINED
        self.delete_node(inode, attr)
        return Fate.DELETED

    def delete_node(self, inode: int, attr: Attr) -> None:
        """Delete a node that is no directory, and its content (N13.7, N13.8)."""
        self.volume.nodes.pop(inode, None)
        self.volume.targets.pop(inode, None)
        self.count_usage(-space_of(attr), -1, attr)
        self.delete_content(inode)

    def delete_sustained(self, sid: int, inode: int) -> None:
        """Delete a file without names that a session kept alive (N20.8)."""
        session = self.volume.sessions.get(sid)
        if session is not None and inode in session.sustained:
            session.sustained.remove(inode)
        attr = self.volume.nodes.get(inode)
        if attr is not None:
            self.delete_node(inode, attr)

    def delete_content(self, inode: int) -> None:
        """Delete the chunks of a node that is gone, and the slices that nothing else refers to (N42.4)."""
        for records in self.volume.chunks.pop(inode, {}).values():
            for record in records:
                if record.id:
                    self.release_slice(record.id, record.size)

    def release_slice(self, id: int, size: int) -> None:
        """Count one reference to a slice less; the last one deletes it (N35.7)."""
        left = self.volume.references.pop((id, size), 1) - 1
        if left > 0 or not self.config.max_deletes:
            self.volume.references[id, size] = left
            return
        if self.config.delete_slice == "record":
            self.asked.append(Event("delete_slice", id, size))
        if self.config.delete_slice == "fail":
            self.volume.references[id, size] = 0

    # -- the end of a directory --------------------------------------------------------------------

    def delete_directory(self, inode: int, attr: Attr | None) -> None:
        """Delete an empty directory (N15.4)."""
        self.volume.nodes.pop(inode, None)
        self.volume.xattrs.pop(inode, None)
        self.forget_directory(inode)
        self.count_usage(-aligned(0), -1, attr)

    def forget_directory(self, inode: int) -> None:
        """Drop the statistics and the quota of a directory that leaves the tree (N15.3)."""
        self.volume.stats.pop(inode, None)
        self.volume.entries.pop(inode, None)
        self.volume.quotas[QuotaType.DIR].pop(inode, None)
