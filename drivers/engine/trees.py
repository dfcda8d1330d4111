"""From nodes back to names, and what lies below a node (N26, N32)."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from ..types import (
    ROOT,
    ROOT_INODE,
    TRASH_INODE,
    TRASH_NAME,
    Attr,
    Context,
    FileType,
    Summary,
    Tree,
)
from . import codec
from .core import optional_attr, type_only
from .database import check_cancelled
from .dirstats import DirStats
from .lookup import MAX_SCRIPT_INODE, Lookup
from .scripts import ABOVE
from .store import Command, Reply, ServerError

OUTSIDE = b"path not shown because it's outside of the mounted root"
"""Stands for a path that leaves the root of the session (N26.2)."""


class Paths(Lookup):
    """parents and paths."""

    def parents(self, inode: int, *, ctx: Context = ROOT) -> dict[int, int]:
        if inode in (ROOT_INODE, TRASH_INODE):
            return {ROOT_INODE: 1}
        attr = optional_attr(self.db.cached_one(*self.get_attr(inode)))
        if attr is None:
            return {}
        if attr.parent:
            return {attr.parent: 1}
        return self.counted_parents(self.db.cached_one("HGETALL", self.keys.parents(inode)))

    def paths(self, inode: int, *, ctx: Context = ROOT) -> list[bytes]:
        if inode == ROOT_INODE:
            return [b"/"]
        if inode == self.root:
            return [OUTSIDE]
        if inode == TRASH_INODE:
            return [b"/" + TRASH_NAME]
        return [path for parent in self.parents(inode, ctx=ctx) for path in self._paths_in(parent, inode)]

    def _paths_in(self, directory: int, inode: int) -> list[bytes]:
        """The paths of a node in one directory; none when the way up is broken."""
        way = self._way_up(directory)
        if way[-1] not in (self.root, ROOT_INODE, TRASH_INODE):
            return []
        if way[-1] == ROOT_INODE != self.root:
            return [OUTSIDE]
        pages = self.db.cached(*map(self.first_page, way))
        names = [TRASH_NAME] if way[-1] == TRASH_INODE else []
        here, *above = [self.listed(one, page) for one, page in zip(way, pages, strict=True)]
        for child, entries in reversed([*zip(way, above, strict=False)]):
            found = names_of(child, entries)
            if not found:
                return []
            names.append(found[0])
        path = b"".join(b"/" + name for name in names)
        return [path + b"/" + name for name in names_of(inode, here)]

    def _way_up(self, directory: int) -> list[int]:
        """A directory and those above it, up to the root of the session or volume, the trash, or a break."""
        way = [directory]
        told: dict[int, Attr] = {}
        hits = 0
        while way[-1] not in (self.root, ROOT_INODE, TRASH_INODE):
            attr = told.get(way[-1])
            if attr is None and (attr := self.kept_attr(way[-1])) is not None:
                hits += 1
            if attr is None:
                told |= self._told_above(way[-1])
                attr = told.get(way[-1])
            if attr is None or attr.parent in way:
                break
            way.append(attr.parent)
        if hits and not told:
            self.store.count_hits(hits)
        return way

    def _told_above(self, directory: int) -> dict[int, Attr]:
        """The attributes of a directory, and of those above it where the server tells them in one reply."""
        if self._scripted and self.store.scripts_teach and directory <= MAX_SCRIPT_INODE:
            try:
                blobs = self.scripts.run(ABOVE, [directory], [], partial(self._told_way, directory))
            except OSError as refused:
                if refused.errno != errno.ENOTSUP:
                    raise
            else:
                attrs = map(codec.decode_attr, blobs)
                return {inode: attr for (inode, _), attr in zip(way_of(directory, blobs), attrs, strict=True)}
        attr = optional_attr(self.db.cached_one(*self.get_attr(directory)))
        return {} if attr is None else {directory: attr}

    def _told_way(self, directory: int, reply: Reply | ServerError) -> list[tuple[Command, Reply]]:
        if isinstance(reply, ServerError):
            return []
        return [(self.get_attr(inode), blob) for inode, blob in way_of(directory, reply)]


def way_of(directory: int, blobs: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """The inode of each record of a way up from a directory."""
    for blob in blobs:
        yield directory, blob
        directory = codec.decode_attr(blob).parent


def names_of(inode: int, entries: Mapping[bytes, tuple[int, int]]) -> list[bytes]:
    """The names by which entries lead to a node."""
    return [name for name, (_, found) in entries.items() if found == inode]


class Summaries(DirStats):
    """summary and tree_summary."""

    def summary(
        self, inode: int, recursive: bool = False, strict: bool = False, *, ctx: Context = ROOT
    ) -> Summary:
        inode = self.check_root(inode)
        total = Summary()
        attr = self.known_attr(inode)
        if attr.type != FileType.DIRECTORY:
            self._add_entry(total, attr)
            return total
        total.dirs, total.size = 1, codec.aligned(0)
        fast = self.format.dir_stats and not strict
        below = [(inode, attr)]
        while below:
            check_cancelled(ctx)
            directory, above = below.pop()
            if fast:
                stat = self.dirstat_get(directory, ctx=ctx)
                total.size += stat.space
                total.length += stat.length
                if above.nlink <= 2:
                    # No sub-directories, so the statistics tell the number of files, too (N32.2).
                    total.files += stat.inodes
                    continue
            for _, child, found in self._children(directory):
                if not fast:
                    self._add_size(total, found)
                if found.type != FileType.DIRECTORY:
                    total.files += 1
                    continue
                total.dirs += 1
                if recursive:
                    below.append((child, found))
        return total

    def tree_summary(
        self, inode: int, depth: int = 0, top: int = 0, strict: bool = False, *, ctx: Context = ROOT
    ) -> Tree:
        inode = self.check_root(inode)
        return self._tree(ctx, b"", inode, self.known_attr(inode), depth, top, strict)

    def _tree(
        self,
        ctx: Context,
        path: bytes,
        inode: int,
        attr: Attr,
        depth: int,
        top: int,
        strict: bool,
    ) -> Tree:
        text = path.decode("utf-8", "replace")
        if attr.type != FileType.DIRECTORY or depth <= 0:
            total = self.summary(inode, True, strict, ctx=ctx)
            return Tree(inode, text, attr.type, total.size, total.files, total.dirs)
        check_cancelled(ctx)
        children = []
        for name, child, found in self._children(inode):
            below = path + b"/" + name if path else name
            children.append(self._tree(ctx, below, child, found, depth - 1, top, strict))
        children.sort(key=lambda tree: -tree.size)
        whole = Tree(
            inode,
            text,
            attr.type,
            codec.aligned(0) + sum(tree.size for tree in children),
            sum(tree.files for tree in children),
            1 + sum(tree.dirs for tree in children),
            children[:top] if top > 0 else children,
        )
        if rest := children[len(whole.children) :]:
            remainder = (path + b"/..." if path else b"...").decode("utf-8", "replace")
            whole.children.append(
                Tree(
                    0,
                    remainder,
                    FileType.FILE,
                    sum(tree.size for tree in rest),
                    sum(tree.files for tree in rest),
                    sum(tree.dirs for tree in rest),
                )
            )
        return whole

    def every_node(self, ctx: Context) -> Iterator[Attr]:
        """Every node once, of the trash too, and those that only sessions keep alive; but not the roots."""
        below, seen = [ROOT_INODE, TRASH_INODE], set[int]()
        while below:
            check_cancelled(ctx)
            entries = list(self.list_entries(below.pop()).values())
            found = self.read_attrs([inode for _, inode in entries])
            for (_, inode), attr in zip(entries, found, strict=True):
                if attr is None or inode in seen:
                    continue
                if attr.type == FileType.DIRECTORY:
                    below.append(inode)
                if attr.nlink > 1:
                    seen.add(inode)
                yield attr
        yield from self.sustained_nodes()

    def sustained_nodes(self) -> Iterator[Attr]:
        """The files without names that sessions keep alive."""
        for attr in self.read_attrs(list(self.sustained_inodes())):
            if attr is not None:
                yield attr

    def sustained_inodes(self) -> Iterator[int]:
        """The inodes of those files."""
        for page in self.store.scan(self.keys.scan_pattern("sustained")):
            for key in page:
                if self.keys.parse(key).kind == "sustained":
                    yield from map(int, self.db.read_one("SMEMBERS", key))

    def _children(self, directory: int) -> list[tuple[bytes, int, Attr]]:
        entries = self.list_entries(directory)
        attrs = self.read_attrs([inode for _, inode in entries.values()])
        return [
            (name, inode, attr or type_only(type))
            for (name, (type, inode)), attr in zip(entries.items(), attrs, strict=True)
        ]

    def _add_entry(self, total: Summary, attr: Attr) -> None:
        total.files += 1
        self._add_size(total, attr)

    @staticmethod
    def _add_size(total: Summary, attr: Attr) -> None:
        if attr.type == FileType.DIRECTORY:
            total.size += codec.aligned(0)
            return
        total.size += codec.aligned(attr.length)
        if attr.type == FileType.FILE:
            total.length += attr.length
