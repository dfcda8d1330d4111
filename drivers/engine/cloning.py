"""Copies of files and trees, by reference (N25), and what is left of those that failed (N35.5)."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ..errors import error, refuse_if
from ..types import (
    CHUNK_SIZE,
    ROOT,
    ROOT_INODE,
    TRASH_NAME,
    Access,
    Attr,
    AttrFlag,
    Cloned,
    Context,
    FileType,
    Time,
    is_trash,
)
from . import codec
from .compaction import Compaction
from .core import optional_attr
from .database import FAILURES, check_cancelled
from .permissions import check_name, require_untrashed
from .renaming import Renaming
from .rules import with_mode
from .statistics import entry_space
from .store import Command, Reply, Transaction, pairs

log = logging.getLogger(__name__)

BATCH = 1000
"""Nodes that are not directories, of one transaction (S4.4)."""

PRESERVE = 2
"""The mode of a copy that keeps its attributes, as it is logged (C6)."""

CHUNKS = 1000
"""Chunks of one round trip."""


class Vanished(FileNotFoundError):
    """The node to be copied is gone, which is no failure below the top of a tree."""

    def __init__(self) -> None:
        super().__init__(errno.ENOENT, os.strerror(errno.ENOENT))


@dataclass(slots=True)
class Copying:
    """One call of clone: for whom, how, and how far it came.  Safe for many threads."""

    ctx: Context
    preserve: bool
    umask: int
    count: int = 0
    space: int = 0
    failed: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Raise EINTR when the caller has given up, or another part of the tree has failed."""
        check_cancelled(self.ctx)
        refuse_if(self.failed.is_set(), errno.EINTR)

    def copied(self, attr: Attr) -> None:
        """Count one more copy."""
        with self.lock:
            self.count += 1
            self.space += entry_space(attr)

    def copy_of(self, source: Attr, parent: int, now: Time) -> Attr:
        """The attributes of a copy (N25.4)."""
        copy = replace(source, parent=parent)
        if not self.preserve:
            copy.uid, copy.gid = self.ctx.uid, self.ctx.gid
            copy.mode &= ~self.umask
            copy.atime = copy.mtime = copy.ctime = now
        return copy


@dataclass(frozen=True, slots=True)
class Source:
    """A node that is copied: its inode, attributes and extended attributes, and the inode of the copy."""

    inode: int
    attr: Attr
    values: Reply
    copy: int


class Cloning(Compaction, Renaming):
    """clone, detached_cleanup."""

    def clone(
        self,
        src_parent: int,
        src: int,
        dst_parent: int,
        dst_name: bytes,
        preserve: bool = False,
        umask: int = 0,
        threads: int = 0,
        *,
        ctx: Context = ROOT,
    ) -> Cloned:
        refuse_if(any(is_trash(inode) for inode in (src, src_parent, dst_parent)), errno.EPERM)
        refuse_if(dst_parent == ROOT_INODE and dst_name == TRASH_NAME, errno.EPERM)
        self.db.require_writable()
        refuse_if(not dst_name, errno.ENOENT)
        if not self.quirks:  # the original makes entries that nobody can reach again (Q4)
            refuse_if(dst_name in codec.DOTS, errno.EEXIST)
            check_name(dst_name)
        dst_parent = self.check_root(dst_parent)
        source = self.stored_attr(src)
        self.require_access(ctx, source, Access.R)
        self.require_access_to(ctx, dst_parent, Access.W | Access.X)
        self._refuse_taken(dst_parent, dst_name)
        below = self.summary(src, recursive=True, ctx=ctx)
        total = below.files + below.dirs
        self.check_room(below.size, total, uid=ctx.uid, gid=ctx.gid, directories=[dst_parent])
        copying = Copying(ctx, preserve, umask)
        inode = self.inodes.take()
        if source.type == FileType.DIRECTORY:
            copy = self._clone_tree(copying, src, dst_parent, dst_name, inode, max(threads, 1))
        else:
            copy = self._copy_node(copying, src, dst_parent, dst_name, inode, top=True)[1]
        self._count_top(dst_parent, inode, copy)
        if self.quirks:
            self.charge_directories(dst_parent, below.size, total)
        else:
            self.charge_directories(dst_parent, copying.space, copying.count)
        return Cloned(copying.count, total)

    def _refuse_taken(self, parent: int, name: bytes) -> None:
        try:
            self.find(parent, name)
        except FileNotFoundError:
            return
        raise error(errno.EEXIST)

    def _count_top(self, parent: int, inode: int, copy: Attr) -> None:
        """Count the copy in the statistics of its directory."""
        # The original counts the length of whatever it is as contents (Q12).
        self.entry_moved(parent, replace(copy, type=FileType.FILE) if self.quirks else copy, 1)
        if copy.type == FileType.DIRECTORY:
            self.remember_parent(inode, parent)

    # -- trees -------------------------------------------------------------------------------------

    def _clone_tree(
        self, copying: Copying, src: int, parent: int, name: bytes, inode: int, threads: int
    ) -> Attr:
        """Copy a directory and all below it where nobody sees it, then give it its name (N25.3)."""
        self.detached.add(inode)
        try:
            source, copy = self._copy_node(copying, src, parent, name, inode, top=True)
            try:
                with ThreadPoolExecutor(threads) as pool:
                    self._copy_children(copying, src, source, inode, pool)
                self._attach(copying.ctx, parent, name, inode)
            except BaseException:
                self._give_up(inode)
                raise
        finally:
            self.detached.discard(inode)
        return copy

    def _give_up(self, inode: int) -> None:
        try:
            self._delete_detached(inode)
        except (OSError, *FAILURES) as failure:
            log.warning("what was copied to inode %d stays until it is cleaned up: %s", inode, failure)

    def _copy_children(
        self, copying: Copying, src: int, source: Attr, dst: int, pool: ThreadPoolExecutor | None
    ) -> None:
        """Copy what is in a directory; sub-directories in parallel when given a pool."""
        self.require_access(copying.ctx, source, Access.R | Access.X)
        entries = self.list_entries(src)
        below = [(name, child) for name, (type, child) in entries.items() if type == FileType.DIRECTORY]
        rest = [(name, child) for name, (type, child) in entries.items() if type != FileType.DIRECTORY]

        def copy_one(entry: tuple[bytes, int]) -> bool:
            try:
                return self._copy_directory(copying, entry[1], dst, entry[0])
            except BaseException:
                copying.failed.set()
                raise

        for start in range(0, len(rest), BATCH):
            copying.check()
            self._copy_batch(copying, dst, rest[start : start + BATCH])
        there = sum(pool.map(copy_one, below) if pool else map(copy_one, below))
        if 2 + there != source.nlink:
            self._correct_links(dst, 2 + there)

    def _copy_directory(self, copying: Copying, src: int, parent: int, name: bytes) -> bool:
        """Copy a sub-directory; False where it vanished meanwhile."""
        copying.check()
        inode = self.inodes.take()
        try:
            source, copy = self._copy_node(copying, src, parent, name, inode, top=False)
        except FileNotFoundError as missing:
            # The original leaves out, too, what has lost its ACL.
            if self.quirks or isinstance(missing, Vanished):
                return False
            raise
        self._count_child(parent, copy)
        self.remember_parent(inode, parent)
        self._copy_children(copying, src, source, inode, None)
        return True

    def _count_child(self, parent: int, copy: Attr) -> None:
        # The original copies the statistics of the source, with what is not copied and less what is pending.
        if not self.quirks:
            self.entry_moved(parent, copy, 1)

    def _correct_links(self, inode: int, nlink: int) -> None:
        def body(tx: Transaction) -> None:
            attr = optional_attr(tx.read(self.get_attr(inode))[0])
            if attr is not None:
                attr.nlink = nlink
                tx.queue(self.set_attr(inode, attr))

        self.transact([self.keys.attr(inode)], body)

    def _attach(self, ctx: Context, parent: int, name: bytes, inode: int) -> None:
        """Give a finished copy its name (N25.3)."""

        def body(tx: Transaction) -> None:
            blob, taken = tx.read(self.get_attr(parent), ("HEXISTS", self.keys.dentries(parent), name))
            directory = optional_attr(blob)
            if directory is None:
                raise error(errno.ENOENT)
            refuse_if(directory.type != FileType.DIRECTORY, errno.ENOTDIR)
            require_untrashed(directory)
            refuse_if(bool(directory.flags & AttrFlag.IMMUTABLE), errno.EPERM)
            refuse_if(bool(taken), errno.EEXIST)
            directory.nlink += 1
            directory.mtime = directory.ctime = now = self.now()
            tx.queue(
                self.set_entry(parent, name, FileType.DIRECTORY, inode),
                self.set_attr(parent, directory),
                ("ZREM", self.keys.detached_nodes, inode),
                *self.logged("ATTACH", inode, parent, name, now=now),
            )

        self.transact([self.keys.attr(parent), self.keys.dentries(parent)], body, ctx)

    # -- nodes -------------------------------------------------------------------------------------

    def _copy_node(
        self, copying: Copying, src: int, parent: int, name: bytes, inode: int, *, top: bool
    ) -> tuple[Attr, Attr]:
        """Copy one node without what is below it; its attributes and those of the copy (N25.2)."""

        def body(tx: Transaction) -> tuple[Attr, Attr]:
            now = self.now()
            place = [self.get_attr(parent), ("HEXISTS", self.keys.dentries(parent), name)] if top else []
            blob, values, *there = tx.read(self.get_attr(src), ("HGETALL", self.keys.xattrs(src)), *place)
            source = self._readable_source(copying.ctx, blob)
            copy = self._copied(copying, source, parent, now)
            directory = self._require_place(copying.ctx, *there) if top else None
            belongings = self._belongings(tx, [Source(src, source, values, inode)])
            tx.queue(self.set_attr(inode, copy), *self.count_usage(entry_space(copy), 1), *belongings)
            if top and source.type == FileType.DIRECTORY:
                tx.queue(("ZADD", self.keys.detached_nodes, now[0], inode))
            else:
                tx.queue(self.set_entry(parent, name, source.type, inode))
                if directory is not None:
                    directory.mtime = directory.ctime = now
                    tx.queue(self.set_attr(parent, directory))
            how = (PRESERVE if copying.preserve else 0, copying.umask, top)
            tx.queue(*self.logged("CLONE", src, parent, name, inode, *how, result=inode, now=now))
            return source, copy

        watched = [self.keys.attr(src), self.keys.xattrs(src)]
        if top:
            watched += [self.keys.attr(parent), self.keys.dentries(parent)]
        source, copy = self.transact(watched, body, copying.ctx)
        copying.copied(copy)
        # The original charges the owner of the source (Q17).
        self.update_usage(entry_space(copy), 1, source if self.quirks else copy)
        return source, copy

    def _copied(self, copying: Copying, source: Attr, parent: int, now: Time) -> Attr:
        """The attributes of a copy.  Raises ENOENT for an access ACL that is not there."""
        copy = copying.copy_of(source, parent, now)
        self._unlink_copy(copy)
        # The original masks the mode of a symbolic link, and leaves the ACL what the umask took.
        if not self.quirks:
            self._follow_mode(source, copy)
        return copy

    def _unlink_copy(self, copy: Attr) -> None:
        """A copy has one name; the original forgets that of all but files with several (Q16)."""
        if not self.quirks and copy.type != FileType.DIRECTORY:
            copy.nlink = 1
        elif copy.type == FileType.FILE:
            copy.nlink = min(copy.nlink, 1)

    def _follow_mode(self, source: Attr, copy: Attr) -> None:
        """The mode of a symbolic link stays 0777 (I21), and an access ACL says what the mode does (I18)."""
        if copy.type == FileType.SYMLINK:
            copy.mode = source.mode
        if copy.access_acl and copy.mode != source.mode:
            rule = with_mode(self.rules.get(copy.access_acl), copy.mode)
            copy.access_acl = self.rules.number_of(rule)

    def _readable_source(self, ctx: Context, blob: bytes | None) -> Attr:
        source = optional_attr(blob)
        if source is None:
            raise Vanished
        self.require_access(ctx, source, Access.R)
        return source

    def _require_place(self, ctx: Context, blob: bytes | None, taken: int) -> Attr:
        """The directory that a copy is to come to.  Raises ENOENT, ENOTDIR, EPERM, EEXIST, EACCES."""
        directory = optional_attr(blob)
        if directory is None:
            raise error(errno.ENOENT)
        refuse_if(directory.type != FileType.DIRECTORY, errno.ENOTDIR)
        refuse_if(bool(directory.flags & AttrFlag.IMMUTABLE), errno.EPERM)
        refuse_if(bool(taken), errno.EEXIST)
        self.require_access(ctx, directory, Access.W | Access.X)
        return directory

    def _copy_batch(self, copying: Copying, dst: int, entries: Sequence[tuple[bytes, int]]) -> None:
        """Copy nodes that are no directories; those that vanished are left out (N25.6)."""
        inodes = [self.inodes.take() for _ in entries]
        sources = [child for _, child in entries]

        def body(tx: Transaction) -> list[Attr]:
            now = self.now()
            tx.watch(*(self.keys.attr(child) for child in sources))
            tx.watch(*(self.keys.xattrs(child) for child in sources))
            above, taken, blobs, *values = tx.read(
                self.get_attr(dst),
                ("HMGET", self.keys.dentries(dst), *(name for name, _ in entries)),
                ("MGET", *(self.keys.attr(child) for child in sources)),
                *(("HGETALL", self.keys.xattrs(child)) for child in sources),
            )
            self.require_directory(optional_attr(above), copying.ctx, refused=AttrFlag.IMMUTABLE)
            refuse_if(any(taken), errno.EEXIST)
            copies: list[Attr] = []
            copied: list[Source] = []
            space = 0
            for (name, child), inode, blob, kept in zip(entries, inodes, blobs, values, strict=True):
                if blob is None:
                    continue
                source = self._readable_source(copying.ctx, blob)
                # The original leaves special files out (Q19).
                if source.type == FileType.DIRECTORY or (self.quirks and is_special(source)):
                    continue
                copy = self._copied(copying, source, dst, now)
                tx.queue(self.set_attr(inode, copy), self.set_entry(dst, name, copy.type, inode))
                space += entry_space(copy)
                copies.append(copy)
                copied.append(Source(child, source, kept, inode))
            if copies:
                tx.queue(*self._belongings(tx, copied), *self.count_usage(space, len(copies)))
            return copies

        watched = [self.keys.attr(dst), self.keys.dentries(dst)]
        for copy in self.transact(watched, body, copying.ctx):
            copying.copied(copy)
            self.update_usage(entry_space(copy), 1, copy)
            self._count_child(dst, copy)
            if self.quirks:  # and counts them once more at the end (Q18)
                self.charge_directories(dst, entry_space(copy), 1)

    def _belongings(self, tx: Transaction, sources: Sequence[Source]) -> Iterator[Command]:
        """The commands that copy what belongs to nodes: values, statistics, targets, chunks.

        Raises ENOENT for a symbolic link without target, and EIO for a corrupt chunk.
        """
        chunks: list[tuple[bytes, bytes]] = []
        for one in sources:
            if values := pairs(one.values):
                yield ("HSET", self.keys.xattrs(one.copy), *(part for pair in values for part in pair))
            if one.attr.type == FileType.DIRECTORY:
                yield from self._statistics_of(tx, one.inode, one.copy)
            elif one.attr.type == FileType.FILE and one.attr.length:
                indexes = self.chunk_indexes(one.inode, 0, one.attr.length // CHUNK_SIZE + 1)
                chunks += [(self.keys.chunk(one.inode, at), self.keys.chunk(one.copy, at)) for at in indexes]
        yield from self._targets_of(tx, [one for one in sources if one.attr.type == FileType.SYMLINK])
        yield from self._contents_of(tx, chunks)

    def _targets_of(self, tx: Transaction, links: Sequence[Source]) -> Iterator[Command]:
        if not links:
            return
        found = tx.read(*(("GET", self.keys.symlink(one.inode)) for one in links))
        for one, target in zip(links, found, strict=True):
            if target is None:
                raise error(errno.ENOENT)
            yield ("SET", self.keys.symlink(one.copy), target)

    def _statistics_of(self, tx: Transaction, src: int, inode: int) -> Iterator[Command]:
        keys = (self.keys.dir_used_inodes, self.keys.dir_data_length, self.keys.dir_used_space)
        if not self.quirks:
            yield from (("HSET", key, inode, 0) for key in keys)
            return
        kept = tx.read(*(("HGET", key, src) for key in keys))
        if None not in kept:
            yield from (("HSET", key, inode, value) for key, value in zip(keys, kept, strict=True))

    def _contents_of(self, tx: Transaction, chunks: Sequence[tuple[bytes, bytes]]) -> Iterator[Command]:
        """The commands that copy chunks, given as the keys of each and of its copy."""
        for start in range(0, len(chunks), CHUNKS):
            page = chunks[start : start + CHUNKS]
            # A compaction rewrites a chunk without touching the node.
            tx.watch(*(chunk for chunk, _ in page))
            found = tx.read(*(("LRANGE", chunk, 0, -1) for chunk, _ in page))
            for (_, copy), records in zip(page, found, strict=True):
                if not records:
                    continue
                yield ("RPUSH", copy, *records)
                for one in self.decoded(records):
                    if one.id:
                        field = codec.slice_ref_field(one.id, one.size)
                        yield ("HINCRBY", self.keys.slice_refs, field, 1)

    # -- what failed -------------------------------------------------------------------------------

    def detached_cleanup(self, before: int, *, ctx: Context = ROOT) -> None:
        self.db.require_writable()
        for member in self.db.read_one("ZRANGEBYSCORE", self.keys.detached_nodes, "-inf", before):
            check_cancelled(ctx)
            self._give_up(int(member))

    def _delete_detached(self, inode: int) -> None:
        """Delete a copy that has no name, with all below it (N35.5)."""
        if not self.delete_tree(ROOT, inode) and not self.quirks:  # which leaves what is gone (Q22)
            self.db.write(("ZREM", self.keys.detached_nodes, inode))


def is_special(attr: Attr) -> bool:
    """Whether a node is neither file nor directory nor symbolic link."""
    return attr.type not in (FileType.FILE, FileType.DIRECTORY, FileType.SYMLINK)
