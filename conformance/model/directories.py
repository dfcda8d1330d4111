"""Listing directories, at once and in pages (N18, N19)."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field, replace

from metaparity.drivers.errors import error
from metaparity.drivers.types import ROOT, Access, Attr, Config, Context, Entry, FileType

from .core import shown, type_only
from .renaming import Renaming
from .state import VolumeState

PAGE = 4096
"""Entries of one page of a handle (N19.3)."""


@dataclass(slots=True)
class Handle:
    """An open directory: "." and "..", then one snapshot of its entries (N19.2)."""

    inode: int
    plus: bool
    dots: list[Entry]
    snapshot: list[Entry] = field(default_factory=list)
    returned: int = 0
    """How many entries of the snapshot the reader has seen (N19.5)."""


class Directories(Renaming):
    """readdir and directory handles."""

    def __init__(self, volume: VolumeState, config: Config) -> None:
        super().__init__(volume, config)
        self._handles: dict[int, Handle] = {}

    def readdir(self, inode: int, plus: bool = False, *, ctx: Context = ROOT) -> list[Entry]:
        inode = self.check_root(inode)  # N18.1
        attr = self._readable(ctx, inode, plus)
        entries = [
            Entry(b".", inode, FileType.DIRECTORY),
            Entry(b"..", self._above(inode, attr), FileType.DIRECTORY),
            *self._entries(inode),
        ]
        if plus:
            self._fill(entries)
        self.opened(inode, attr)
        return entries

    def _readable(self, ctx: Context, inode: int, plus: bool) -> Attr:
        """The attributes of what a caller may list; a directory need not be one (N18.1)."""
        attr = self.known(inode)
        self.require_access(ctx, attr, Access.R | Access.X if plus else Access.R)
        return attr

    def _above(self, inode: int, attr: Attr) -> int:
        return inode if inode == self.root else attr.parent

    def _entries(self, inode: int) -> list[Entry]:
        return [Entry(name, child, type) for name, (type, child) in self.listed(inode).items() if name]

    def _fill(self, entries: list[Entry]) -> None:
        """Give entries the attributes of their nodes; those without record know their type (N18.2)."""
        for entry in entries:
            attr = self.volume.nodes.get(entry.inode)
            entry.attr = shown(attr) if attr else type_only(entry.type)
            entry.type = entry.attr.type

    def opendir(self, inode: int, plus: bool = False, *, ctx: Context = ROOT) -> int:
        inode = self.check_root(inode)  # N19.1
        attr = self._readable(ctx, inode, plus)
        parent = self._above(inode, attr)
        here = Entry(b".", inode, attr.type)
        above = Entry(b"..", parent, FileType.DIRECTORY)
        if plus:
            here.attr = replace(attr, parent=parent)
            above.attr = replace(here.attr) if parent == inode else shown(self.known(parent))
            above.type = above.attr.type
        number = len(self._handles) + 1
        self._handles[number] = Handle(inode, plus, [here, above])
        self.opened(inode, attr)
        return number

    def _handle(self, number: int) -> Handle:
        if number not in self._handles:
            raise error(errno.EBADF)
        return self._handles[number]

    def dir_list(self, handle: int, offset: int = 0, *, ctx: Context = ROOT) -> list[Entry]:
        opened = self._handle(handle)  # N19.3
        if not opened.snapshot:
            opened.snapshot = self._entries(opened.inode)
            if opened.plus:
                self._fill(opened.snapshot)
            if self.config.sort_dir:
                opened.snapshot.sort(key=lambda entry: entry.name)
        if offset < len(opened.dots):
            page = opened.snapshot[:PAGE]
            opened.returned = len(page)
            return opened.dots[offset:] + page
        start = offset - len(opened.dots)
        page = opened.snapshot[start : start + PAGE]
        opened.returned = max(opened.returned, start + len(page))
        return page

    def dir_read(self, handle: int, offset: int = 0) -> None:
        opened = self._handle(handle)  # N19.5
        opened.returned = offset - len(opened.dots)

    def dir_insert(self, handle: int, inode: int, name: bytes, attr: Attr) -> None:
        opened = self._handle(handle)  # N19.5
        if opened.snapshot:
            opened.snapshot.append(Entry(name, inode, attr.type, shown(attr) if opened.plus else None))

    def dir_delete(self, handle: int, name: bytes) -> None:
        snapshot = self._handle(handle).snapshot  # N19.5
        for index in range(max(self._handle(handle).returned, 0), len(snapshot)):
            if snapshot[index].name == name:
                snapshot[index] = snapshot[-1]
                snapshot.pop()
                return

    def dir_close(self, handle: int) -> None:
        opened = self._handle(handle)
        opened.snapshot, opened.returned = [], 0
