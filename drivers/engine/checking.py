"""Checking a tree, and mending what can be counted anew (N36)."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Refused
from ..types import DIRECTORY_LENGTH, ROOT, ROOT_INODE, TRASH_INODE, Attr, Context, FileType, Node
from . import codec
from .core import optional_attr
from .database import check_cancelled
from .lookup import Lookup
from .store import Transaction
from .trees import Summaries

REPAIRED_MODE = 0o755
"""The mode of a directory whose record was missing."""


class Checking(Lookup, Summaries):
    """check."""

    def check(
        self,
        path: bytes,
        repair: bool = False,
        recursive: bool = False,
        sync_dir_stat: bool = False,
        *,
        ctx: Context = ROOT,
    ) -> list[str]:
        if repair:
            self.db.require_writable()
        problems: list[str] = []
        for where, inode, attr in self._checked(ctx, path, recursive):
            if attr.type == FileType.DIRECTORY:
                problems += self._check_record(ctx, where, inode, attr, repair)
                if self.format.dir_stats:
                    problems += self._check_statistics(where, inode, repair, sync_dir_stat)
        if problems and not repair:
            raise Refused(f"{'; '.join(problems)}: check again with repair")
        if repair and sync_dir_stat and not path.strip(b"/"):
            self._count_volume(ctx, recursive)
        return problems

    def _checked(self, ctx: Context, path: bytes, recursive: bool) -> Iterator[tuple[str, int, Attr]]:
        """Every node to be checked: its path, inode and attributes, which may be of the type only.

        Raises ENOENT.
        """
        names = [name for name in path.split(b"/") if name]
        parent, node = ROOT_INODE, Node(ROOT_INODE, self.known_attr(ROOT_INODE))
        for name in names:
            parent = node.inode
            node = self.lookup_from_real_root(parent, name)
        attr = node.attr or Attr()
        if not attr.full:
            attr.parent = parent
        below = [(b"/" + b"/".join(names), node.inode, attr)]
        while below:
            check_cancelled(ctx)
            where, inode, attr = below.pop()
            yield where.decode("utf-8", "replace"), inode, attr
            if not recursive or attr.type != FileType.DIRECTORY:
                continue
            for name, child, found in self._children(inode):
                if not found.full:
                    found.parent = inode
                below.append((where.rstrip(b"/") + b"/" + name, child, found))

    # -- records -----------------------------------------------------------------------------------

    def _check_record(self, ctx: Context, where: str, inode: int, attr: Attr, repair: bool) -> Iterator[str]:
        nlink = 2 + sum(type == FileType.DIRECTORY for type, _ in self.list_entries(inode).values())
        if inode >= TRASH_INODE:
            nlink = 2
        if attr.full and attr.nlink == nlink:
            return
        if attr.full:
            yield f"nlink of {where} should be {nlink}, but got {attr.nlink}"
        else:
            yield f"attribute of {where} is missing"
        if repair:
            self._repair(ctx, inode, attr)

    def _repair(self, ctx: Context, inode: int, found: Attr) -> None:
        """Count the sub-directories of a directory anew, and make its record where there is none (N36.2)."""
        now = (self.now()[0], 0)

        def body(tx: Transaction) -> None:
            blob, entries = tx.read(self.get_attr(inode), ("HVALS", self.keys.dentries(inode)))
            attr = optional_attr(blob) or Attr(
                type=FileType.DIRECTORY,
                mode=REPAIRED_MODE,
                uid=ctx.uid,
                gid=ctx.gid,
                atime=now,
                mtime=now,
                ctime=now,
                length=DIRECTORY_LENGTH,
                parent=found.parent,
            )
            below = sum(codec.decode_entry(value)[0] == FileType.DIRECTORY for value in entries)
            attr.nlink = 2 if inode >= TRASH_INODE else 2 + below
            tx.queue(self.set_attr(inode, attr), *self.logged("REPAIRDIR", inode))

        self.transact([self.keys.attr(inode), self.keys.dentries(inode)], body, ctx)

    # -- statistics --------------------------------------------------------------------------------

    def _check_statistics(self, where: str, inode: int, repair: bool, sync: bool) -> Iterator[str]:
        stored = self.stored_stat(inode)
        if stored is None or min(stored.space, stored.inodes) < 0:
            yield f"usage stat of {where} is missing or broken"
            broken = True
        else:
            counted = self.counted_stat(inode) if sync and not repair else stored
            broken = (stored.space, stored.inodes) != (counted.space, counted.inodes)
            if broken:
                yield f"usage stat of {where} should be {counted}, but got {stored}"
        if repair and (broken or sync):
            self.recount_if_there(inode)

    def _count_volume(self, ctx: Context, recursive: bool) -> None:
        """Count the usage of the volume anew (N36.5)."""
        space = inodes = 0
        # The original counts only what it has walked: without recursion hardly anything (Q23).
        nodes = self.every_node(ctx) if recursive or not self.quirks else self.sustained_nodes()
        for attr in nodes:
            space += codec.aligned(attr.length if attr.type == FileType.FILE else 0)
            inodes += 1

        def body(tx: Transaction) -> None:
            tx.queue(("SET", self.keys.total_inodes, inodes), ("SET", self.keys.used_space, space))

        self.transact([self.keys.used_space, self.keys.total_inodes], body, ctx)
        self.usage.set(space, inodes)
