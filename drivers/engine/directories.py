"""Listing directories, at once and in pages (N18, N19)."""

from __future__ import annotations

import errno
import itertools
import threading
from dataclasses import replace

from ..errors import error
from ..types import ROOT, Access, Attr, Config, Context, Entry, FileType
from .core import optional_attr, type_only
from .database import FAILURES
from .renaming import Renaming
from .store import Reply, Store

PAGE = 4096
"""Entries of one page of a handle (S4.4)."""


class Handle:
    """An open directory: "." and "..", then one snapshot of its entries (N19.2)."""

    def __init__(self, inode: int, plus: bool, dots: list[Entry]) -> None:
        self.inode = inode
        self.plus = plus
        self.dots = dots
        self.lock = threading.Lock()
        self.snapshot: list[Entry] = []
        self.returned = 0

    def page(self, offset: int) -> list[Entry]:
        """The entries from `offset` on: the dots that remain and one page more (N19.3)."""
        if offset < len(self.dots):
            page = self.snapshot[:PAGE]
            entries = self.dots[offset:] + page
            self.returned = len(page)
        else:
            start = offset - len(self.dots)
            entries = self.snapshot[start : start + PAGE]
            self.returned = max(self.returned, start + len(entries))
        return entries


class Directories(Renaming):
    """readdir and directory handles."""

    def __init__(self, store: Store, config: Config, compat: str = "") -> None:
        super().__init__(store, config, compat)
        self._handles: dict[int, Handle] = {}
        self._numbers = itertools.count(1)

    def readdir(self, inode: int, plus: bool = False, *, ctx: Context = ROOT) -> list[Entry]:
        inode = self.check_root(inode)
        attr, page = self._opened(inode)
        self._require_readable(ctx, attr, plus)
        dots = [
            Entry(b".", inode, FileType.DIRECTORY),
            Entry(b"..", self._above(inode, attr), FileType.DIRECTORY),
        ]
        entries = dots + self._entries(inode, page)
        if plus:
            self._fill(entries)
        self.touch_atime(inode, attr)
        return entries

    def opendir(self, inode: int, plus: bool = False, *, ctx: Context = ROOT) -> int:
        inode = self.check_root(inode)
        attr = self.known_attr(inode)
        self._require_readable(ctx, attr, plus)
        handle = Handle(inode, plus, self._dots(inode, attr, plus))
        number = next(self._numbers)
        self._handles[number] = handle
        self.touch_atime(inode, attr)
        return number

    def dir_list(self, handle: int, offset: int = 0, *, ctx: Context = ROOT) -> list[Entry]:
        opened = self._handle(handle)
        with opened.lock:
            if not opened.snapshot:
                page = self.db.cached_one(*self.first_page(opened.inode))
                opened.snapshot = self._entries(opened.inode, page)
                if opened.plus:
                    self._fill(opened.snapshot)
                if self.config.sort_dir:
                    opened.snapshot.sort(key=lambda entry: entry.name)
            return opened.page(offset)

    def dir_read(self, handle: int, offset: int = 0) -> None:
        opened = self._handle(handle)
        with opened.lock:
            opened.returned = offset - len(opened.dots)

    def dir_insert(self, handle: int, inode: int, name: bytes, attr: Attr) -> None:
        opened = self._handle(handle)
        with opened.lock:
            if opened.snapshot:
                opened.snapshot.append(Entry(name, inode, attr.type, attr if opened.plus else None))

    def dir_delete(self, handle: int, name: bytes) -> None:
        opened = self._handle(handle)
        with opened.lock:
            snapshot = opened.snapshot
            for index in range(max(opened.returned, 0), len(snapshot)):
                if snapshot[index].name == name:
                    # The order of what is still to come is free, so the last entry fills the gap.
                    snapshot[index] = snapshot[-1]
                    snapshot.pop()
                    return

    def dir_close(self, handle: int) -> None:
        opened = self._handle(handle)
        with opened.lock:
            opened.snapshot = []
            opened.returned = 0

    def _handle(self, number: int) -> Handle:
        try:
            return self._handles[number]
        except KeyError:
            raise error(errno.EBADF) from None

    def _opened(self, inode: int) -> tuple[Attr, Reply]:
        """The attributes of a directory, made up as in `known_attr`, and its first page."""
        page = self.first_page(inode)
        try:
            blob, entries = self.db.cached(self.get_attr(inode), page)
            attr = optional_attr(blob)
        except FAILURES:
            attr, entries = self.known_attr(inode), self.db.cached_one(*page)
        return attr or self.known_attr(inode), entries

    def _require_readable(self, ctx: Context, attr: Attr, plus: bool) -> None:
        if ctx.restricted:
            self.require_access(ctx, attr, Access.R | Access.X if plus else Access.R)

    def _above(self, inode: int, attr: Attr) -> int:
        return inode if inode == self.root else attr.parent

    def _dots(self, inode: int, attr: Attr, plus: bool) -> list[Entry]:
        """What a handle begins with; a session root is its own parent in the attributes, too (N19.1)."""
        parent = self._above(inode, attr)
        if not plus:
            return [Entry(b".", inode, attr.type), Entry(b"..", parent, FileType.DIRECTORY)]
        attr = replace(attr, parent=parent)
        above = attr if parent == inode else self.known_attr(parent)
        return [Entry(b".", inode, attr.type, attr), Entry(b"..", parent, above.type, above)]

    def _entries(self, inode: int, page: Reply) -> list[Entry]:
        return [Entry(name, child, type) for name, (type, child) in self.listed(inode, page).items()]

    def _fill(self, entries: list[Entry]) -> None:
        """Give entries the attributes of their nodes; those without a record know their type (N18.2)."""
        for entry, attr in zip(entries, self.cached_attrs([one.inode for one in entries]), strict=True):
            entry.attr = attr or type_only(entry.type)
            entry.type = entry.attr.type
