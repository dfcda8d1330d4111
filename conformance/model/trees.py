"""From nodes back to names, and what lies below a node (N3, N26, N27, N32)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from metaparity.drivers.types import (
    ROOT,
    ROOT_INODE,
    TRASH_INODE,
    TRASH_NAME,
    Attr,
    Context,
    DirStat,
    FileType,
    StatFS,
    Summary,
    Tree,
)

from .accounting import DIR
from .core import type_only
from .removal import Removal
from .state import PAGE, aligned, content

OUTSIDE = b"path not shown because it's outside of the mounted root"
"""Stands for a path that leaves the root of the session (N26.2)."""

UNLIMITED_SPACE = 1 << 50
UNLIMITED_INODES = 10 << 20


class Trees(Removal):
    """parents, paths, statfs, dirstat_get, summary, tree_summary."""

    def parents(self, inode: int, *, ctx: Context = ROOT) -> dict[int, int]:
        if inode in (ROOT_INODE, TRASH_INODE):  # N26.1
            return {ROOT_INODE: 1}
        attr = self.volume.nodes.get(inode)
        if attr is None:
            return {}
        if attr.parent:
            return {attr.parent: 1}
        return {parent: count for parent, count in self.volume.names.get(inode, {}).items() if count > 0}

    def paths(self, inode: int, *, ctx: Context = ROOT) -> list[bytes]:
        if inode == ROOT_INODE:  # N26.2
            return [b"/"]
        if inode == self.root:
            return [OUTSIDE]
        if inode == TRASH_INODE:
            return [b"/" + TRASH_NAME]
        found = []
        for parent in self.parents(inode):
            above = self._path_of(parent)
            if above == OUTSIDE:
                found.append(OUTSIDE)
            elif above is not None:
                found += [above + b"/" + name for name in self._names_in(parent, inode)]
        return found

    def _path_of(self, directory: int) -> bytes | None:
        """The path of a directory without a slash at its end; None where the way up is broken."""
        path = b""
        while directory != self.root:
            if directory == ROOT_INODE:
                return OUTSIDE
            if directory == TRASH_INODE:
                return b"/" + TRASH_NAME + path
            attr = self.volume.nodes.get(directory)
            names = self._names_in(attr.parent, directory) if attr else []
            if attr is None or not names:
                return None
            path = b"/" + names[0] + path
            directory = attr.parent
        return path

    def _names_in(self, parent: int, inode: int) -> list[bytes]:
        return [name for name, (_, found) in self.listed(parent).items() if found == inode]

    # -- figures -----------------------------------------------------------------------------------

    def statfs(self, inode: int = 0, *, ctx: Context = ROOT) -> StatFS:
        space, inodes = max(self.volume.used_space, 0), max(self.volume.total_inodes, 0)  # N3.2
        total, free = self.format.capacity, self.format.inodes
        total = max(total, space) if total else UNLIMITED_SPACE
        while not self.format.capacity and total * 8 < space * 10:
            total *= 2
        free = max(free - inodes, 0) if free else UNLIMITED_INODES
        while not self.format.inodes and inodes > 4 * free:
            free *= 2
        avail = total - space
        nearest = None
        for directory in self.limited_above(self.check_root(inode)):  # N3.3
            quota = self.quotas[DIR][directory]
            used_space, used_inodes = max(quota.used_space, 0), max(quota.used_inodes, 0)
            nearest = nearest or (used_space, used_inodes)
            if quota.max_space > 0:
                avail = min(avail, max(quota.max_space - used_space, 0))
            if quota.max_inodes > 0:
                free = min(free, max(quota.max_inodes - used_inodes, 0))
        if nearest is not None:
            total, inodes = nearest[0] + avail, nearest[1]
        return StatFS(total, avail, inodes, free)

    def dirstat_get(self, inode: int, *, ctx: Context = ROOT) -> DirStat:
        inode = self.check_root(inode)  # N27.1
        stat = self.volume.stats.get(inode)
        if stat is None or min(stat.length, stat.space, stat.inodes) < 0:
            stat = self.counted_stat(inode)
            if not self.config.read_only:
                self.node(inode)
                self.volume.stats[inode] = stat
        more = self.pending.get(inode, DirStat())
        return DirStat(stat.length + more.length, stat.space + more.space, stat.inodes + more.inodes)

    # -- summaries ---------------------------------------------------------------------------------

    def summary(
        self, inode: int, recursive: bool = False, strict: bool = False, *, ctx: Context = ROOT
    ) -> Summary:
        inode = self.check_root(inode)  # N32.1
        attr = self.known(inode)
        if attr.type != FileType.DIRECTORY:
            return Summary(content(attr), aligned(attr.length), 1, 0)
        total = Summary(size=PAGE, dirs=1)
        fast = self.format.dir_stats and not strict  # N32.2
        below = [(inode, attr)]
        while below:
            directory, above = below.pop()
            if fast:
                stat = self.dirstat_get(directory)
                total.length += stat.length
                total.size += stat.space
                if above.nlink <= 2:
                    total.files += stat.inodes
                    continue
            for _, child, found in self._children(directory):
                if not fast:
                    total.length += content(found)
                    total.size += aligned(found.length)
                if found.type != FileType.DIRECTORY:
                    total.files += 1
                    continue
                total.dirs += 1
                if recursive:
                    below.append((child, found))
        return total

    def _children(self, directory: int) -> Iterator[tuple[bytes, int, Attr]]:
        for name, (type, inode) in self.listed(directory).items():
            yield name, inode, self.volume.nodes.get(inode) or type_only(type)

    def tree_summary(
        self, inode: int, depth: int = 0, top: int = 0, strict: bool = False, *, ctx: Context = ROOT
    ) -> Tree:
        inode = self.check_root(inode)  # N32.4
        return self._tree(b"", inode, self.known(inode), depth, top, strict)

    def _tree(self, path: bytes, inode: int, attr: Attr, depth: int, top: int, strict: bool) -> Tree:
        text = path.decode("utf-8", "replace")
        if attr.type != FileType.DIRECTORY or depth <= 0:
            total = self.summary(inode, True, strict)
            return Tree(inode, text, attr.type, total.size, total.files, total.dirs)
        children = [
            self._tree(path + b"/" + name if path else name, child, found, depth - 1, top, strict)
            for name, child, found in self._children(inode)
        ]
        children.sort(key=lambda tree: -tree.size)
        whole = added(Tree(inode, text, attr.type, PAGE, 0, 1), children)
        kept = children[:top] if top > 0 else children
        rest = children[len(kept) :]
        if rest:
            remainder = (path + b"/..." if path else b"...").decode("utf-8", "replace")
            kept = [*kept, added(Tree(0, remainder, FileType.FILE, 0, 0, 0), rest)]
        return replace(whole, children=kept)


def added(tree: Tree, parts: list[Tree]) -> Tree:
    """A summary with what others add up to."""
    return replace(
        tree,
        size=tree.size + sum(part.size for part in parts),
        files=tree.files + sum(part.files for part in parts),
        dirs=tree.dirs + sum(part.dirs for part in parts),
    )
