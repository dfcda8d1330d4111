"""From names to nodes, and what a node says of itself (N3-N7, N11.3)."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ..errors import error, refuse_if
from ..types import (
    ROOT,
    ROOT_INODE,
    TRASH_INODE,
    TRASH_NAME,
    Access,
    Attr,
    Config,
    Context,
    FileType,
    Node,
    QuotaType,
    StatFS,
    Time,
)
from . import codec
from .accounting import Accounting
from .core import later_by, optional_attr, type_only
from .database import FAILURES
from .permissions import permitted
from .scripts import ADD_RULE, LOOKUP, RESOLVE, Scripts
from .store import Argument, Command, Reply, ServerError, Store, Transaction

log = logging.getLogger(__name__)

PIB = 1 << 50
MAX_TARGETS = 10000
"""Symlink targets kept by a client."""

MAX_SCRIPT_INODE = (1 << 52) - 1


class Lookup(Accounting):
    """Reading the namespace."""

    def __init__(self, store: Store, config: Config, compat: str = "") -> None:
        super().__init__(store, config, compat)
        self.scripts = Scripts(self.db)
        self._targets: dict[int, bytes] = {}

    def lookup(
        self, parent: int, name: bytes, check_permission: bool = False, *, ctx: Context = ROOT
    ) -> Node:
        parent = self.check_root(parent)
        searcher = ctx if check_permission and ctx.restricted else None
        if searcher is not None and (name in (b".", b"..", TRASH_NAME) or not self._scripted):
            self.require_access_to(ctx, parent, Access.X)
            searcher = None
        if name == b".." and parent != self.root:
            attr = self.known_attr(parent)
            refuse_if(attr.type != FileType.DIRECTORY, errno.ENOTDIR)
            return Node(attr.parent, self.known_attr(attr.parent))
        if name in (b".", b".."):
            return Node(parent, self.known_attr(parent))
        if parent == ROOT_INODE and name == TRASH_NAME:
            return Node(TRASH_INODE, self.known_attr(TRASH_INODE))
        node = self.find(parent, name, searcher)
        if node.attr is not None and node.attr.type == FileType.DIRECTORY:
            self.remember_parent(node.inode, parent)
        return node

    def find(self, parent: int, name: bytes, searcher: Context | None = None) -> Node:
        """The node of an entry that is not "." or "..", for a caller who has to be allowed to search.

        Raises ENOENT, EACCES.  Source: N5.5-N5.9.
        """
        dentries = self.keys.dentries(parent)
        hits = 0
        if searcher is not None and (above := self.kept_attr(parent)) is not None:
            if not self.permitted(searcher, above, Access.X):
                self.store.count_hits(1)
                raise error(errno.EACCES)
            searcher, hits = None, 1
        kept = self._kept_node(dentries, name, hits) if searcher is None else None
        if kept is not None:
            return kept
        if self._scripted and self.store.scripts_teach:
            try:
                return self._told_node(parent, name, searcher)
            except OSError as refused:
                if refused.errno != errno.ENOTSUP:
                    raise
        if searcher is not None:
            self.require_access_to(searcher, parent, Access.X)
        type, inode, attr = self._read_entry(parent, name, self.db.cached_one)
        if attr is None and self.store.keeps:  # what is kept of the two may be of two moments
            type, inode, attr = self._read_entry(parent, name, self.db.read_one)
        return Node(inode, attr or type_only(type))

    def _told_node(self, parent: int, name: bytes, searcher: Context | None) -> Node:
        """The node of an entry as the script finds it.  Raises ENOENT, EACCES, and ENOTSUP for no answer."""
        dentries = self.keys.dentries(parent)
        asked: list[Argument] = [dentries, name]
        if searcher is not None:
            asked.append(self.keys.attr(parent))
        inode, blob, above = self.scripts.run(LOOKUP, asked, [], partial(self._told, parent, name))
        if above is not None and searcher is not None:
            self.require_access(searcher, codec.decode_attr(above), Access.X)
        elif searcher is not None:
            self.require_access_to(searcher, parent, Access.X)
        if not inode:
            raise error(errno.ENOENT)
        refuse_if(blob is None, errno.ENOTSUP)
        return Node(inode, codec.decode_attr(blob))

    def _kept_node(self, dentries: bytes, name: bytes, hits: int) -> Node | None:
        """The node of an entry that the client keeps; None where it has to be asked for.  Raises ENOENT.

        `hits` are those that count where nothing has to be asked for.
        """
        kept = None if self.config.case_insensitive else self.store.known(("HGET", dentries, name))
        if kept is None:
            return None
        if kept[0] is None:
            self.store.count_hits(hits + 1)
            raise error(errno.ENOENT)
        _, inode = codec.decode_entry(kept[0])
        attr = self.kept_attr(inode)
        if attr is None:  # an entry may outlive its node here by the time between two messages
            return None
        self.store.count_hits(hits + 2)
        return Node(inode, attr)

    def _read_entry(
        self, parent: int, name: bytes, read: Callable[..., Reply]
    ) -> tuple[int, int, Attr | None]:
        """The type and inode of an entry, and the attributes if there are any.  Raises ENOENT."""
        stored = read("HGET", self.keys.dentries(parent), name)
        if stored is not None:
            type, inode = codec.decode_entry(stored)
        elif folded := self.folded_entry(parent, name):
            _, type, inode = folded
        else:
            raise error(errno.ENOENT)
        return type, inode, optional_attr(read(*self.get_attr(inode)))

    def _told(self, parent: int, name: bytes, reply: Reply | ServerError) -> list[tuple[Command, Reply]]:
        """What the reply of the lookup script says of the entry, of the node and of the directory."""
        if isinstance(reply, ServerError):
            return []
        entry = ("HGET", self.keys.dentries(parent), name)
        inode, blob, above = reply
        told = [] if above is None else [(self.get_attr(parent), above)]
        if not inode:
            return [*told, (entry, None)]
        try:
            type = codec.decode_attr(blob).type if blob is not None else None
        except codec.CorruptValue:
            type = None
        if type is None:
            return told
        return [*told, (entry, codec.encode_entry(type, inode)), (self.get_attr(inode), blob)]

    def add_rule(self, value: bytes) -> int:
        """Store an encoded ACL rule; its new number.  In one round trip where the server runs scripts."""
        if not self._scripted or self.format.change_log:
            return super().add_rule(value)
        return int(self.db.write(("EVAL", ADD_RULE, 2, self.keys.acl_max_id, self.keys.acl, value))[0])

    @property
    def _scripted(self) -> bool:
        return bool(self.sid) and not self.store.prefix and not self.config.case_insensitive

    def resolve(self, parent: int, path: bytes, force: bool = False, *, ctx: Context = ROOT) -> Node:
        if force:
            return self._walk(path)
        refuse_if(not self._scripted, errno.ENOTSUP)
        start = self.check_root(parent)
        refuse_if(start > MAX_SCRIPT_INODE, errno.ENOTSUP)
        names = list(filter(None, path.split(b"/")))
        kept = self._kept_path(start, names, ctx) if self.store.keeps else None
        if kept is not None:
            return kept
        told = partial(self._told_of_path, start, names)
        inode, blob, *_ = self.scripts.run(RESOLVE, [start, path, ctx.uid], list(ctx.gids), told)
        refuse_if(blob is None, errno.ENOTSUP)
        return Node(inode, codec.decode_attr(blob))

    def _kept_path(self, inode: int, names: Sequence[bytes], ctx: Context) -> Node | None:
        """The node at the end of a path of which the client keeps every part.

        None where anything is to be asked for, or stands in the way.
        """
        searcher = replace(ctx, check_permission=True)  # the script asks for the uid alone
        hits = len(names) + 1
        for name in names:
            if inode > ROOT_INODE and ctx.uid != 0:
                attr = self.kept_attr(inode)
                hits += 1
                if attr is None or not permitted(searcher, attr, Access.X):
                    return None
            entry = self.store.known(("HGET", self.keys.dentries(inode), name))
            if not entry or entry[0] is None:
                return None
            _, inode = codec.decode_entry(entry[0])
        attr = self.kept_attr(inode)
        if attr is None or inode > MAX_SCRIPT_INODE:
            return None
        self.store.count_hits(hits)
        return Node(inode, attr)

    def _told_of_path(
        self, inode: int, names: Sequence[bytes], reply: Reply | ServerError
    ) -> list[tuple[Command, Reply]]:
        """What the reply of the script for paths says of the entries and nodes on the way."""
        if isinstance(reply, ServerError):
            return []
        end, blob, attrs, entries = reply
        told: list[tuple[Command, Reply]] = []
        for name, attr, entry in zip(names, attrs, entries, strict=False):
            if attr is not None:
                told.append((self.get_attr(inode), attr))
            told.append((("HGET", self.keys.dentries(inode), name), entry))
            inode = int.from_bytes(entry[1:9])
        return [*told, (self.get_attr(end), blob)] if blob is not None else told

    def _walk(self, path: bytes) -> Node:
        node = Node(ROOT_INODE)
        for name in filter(None, path.split(b"/")):
            node = self.lookup_from_real_root(node.inode, name)
        return node

    def lookup_from_real_root(self, parent: int, name: bytes) -> Node:
        """As `lookup` without permissions, where 1 is the root of the volume (N6.1)."""
        if parent == ROOT_INODE and name == TRASH_NAME:
            return Node(TRASH_INODE, self.known_attr(TRASH_INODE))
        return self.find(parent, name)

    def getattr(self, inode: int, *, ctx: Context = ROOT) -> Attr:
        inode = self.check_root(inode)
        attr = self.open_files.attr(inode)
        if attr is None:
            attr = self.known_attr(inode)
            self.open_files.refresh(inode, attr)
            if attr.type == FileType.DIRECTORY:
                self.remember_parent(inode, attr.parent)
        return attr

    def access(self, inode: int, mask: int, *, ctx: Context = ROOT) -> None:
        self.require_access_to(ctx, self.check_root(inode), mask)

    def readlink(self, inode: int, *, ctx: Context = ROOT) -> bytes:
        if not self.keeps_atime:
            return self._kept_target(inode)
        blob, target = self.db.cached(self.get_attr(inode), ("GET", self.keys.symlink(inode)))
        attr = optional_attr(blob)
        if attr is None:
            raise error(errno.ENOENT)
        found = require_target(attr, target)
        self.touch_atime(inode, attr)
        return found

    def _kept_target(self, inode: int) -> bytes:
        # Targets never change and inodes are never used again, so a target is kept for good (N11.4).
        kept = self._targets.get(inode)
        if kept is not None:
            return kept
        target: bytes | None = self.db.read_one("GET", self.keys.symlink(inode))
        if not target:
            return require_target(self.stored_attr(inode), target)
        if len(self._targets) >= MAX_TARGETS:
            self._targets.clear()
        self._targets[inode] = target
        return target

    def statfs(self, inode: int = 0, *, ctx: Context = ROOT) -> StatFS:
        space, inodes = (max(value, 0) for value in self._volume_usage())
        total = max(self.format.capacity, space) if self.format.capacity else PIB
        if not self.format.capacity:
            while total * 8 < space * 10:
                total *= 2
        if self.format.inodes:
            free = max(self.format.inodes - inodes, 0)
        else:
            free = 10 << 20
            while inodes > 4 * free:
                free *= 2
        whole = StatFS(total, total - space, inodes, free)
        return self._narrowed(whole, self.check_root(inode)) if self.limits_directories else whole

    def _narrowed(self, whole: StatFS, directory: int) -> StatFS:
        """The figures of the volume less what the quotas above a directory leave of them (N3.3)."""
        quotas = self.accounts[QuotaType.DIR]
        met = [quota for one in self.directories_above(directory) if (quota := quotas.get(one))]
        if not met:
            return whole
        avail, free = whole.avail, whole.iavail
        for quota in met:
            space, inodes = max(quota.used_space, 0), max(quota.used_inodes, 0)
            if quota.max_space > 0:
                avail = min(avail, max(quota.max_space - space, 0))
            if quota.max_inodes > 0:
                free = min(free, max(quota.max_inodes - inodes, 0))
        nearest = met[0]
        return StatFS(max(nearest.used_space, 0) + avail, avail, max(nearest.used_inodes, 0), free)

    def _volume_usage(self) -> tuple[int, int]:
        """Bytes and inodes in use: as the server says, or as last known when it cannot say (N3.1)."""
        try:
            values = self.db.read(("GET", self.keys.used_space), ("GET", self.keys.total_inodes))
            space, inodes = map(codec.decode_counter, values)
        except FAILURES as failure:
            log.warning("the usage of the volume cannot be read: %s", failure)
            return self.usage.space, self.usage.inodes
        return space, inodes

    def touch_atime(self, inode: int, attr: Attr) -> None:
        """Stamp an access, in `attr` too, if the client keeps access times; failures are ignored (R14)."""
        if not self.keeps_atime or not self._atime_due(attr, self.now()):
            return

        def body(tx: Transaction) -> Time | None:
            now = self.now()
            current = optional_attr(tx.read(self.get_attr(inode))[0])
            if current is None or not self._atime_due(current, now):
                return None
            current.atime = now
            tx.queue(self.set_attr(inode, current), *self.logged("ACCESS", inode, now=now))
            return now

        try:
            stamped = self.transact([self.keys.attr(inode)], body)
        except (OSError, *FAILURES) as failure:
            log.warning("the access time of inode %d is not kept: %s", inode, failure)
            return
        if stamped is not None:
            attr.atime = stamped
            self.open_files.invalidate(inode)

    @property
    def keeps_atime(self) -> bool:
        """Whether reading stamps access times at all (R14)."""
        return self.config.atime_mode != "noatime" and not self.config.read_only

    def _atime_due(self, attr: Attr, now: Time) -> bool:
        mode = self.config.atime_mode
        if attr.mtime > attr.atime or attr.ctime > attr.atime or later_by(now, attr.atime, 24 * 3600):
            return True
        return mode == "strictatime" and later_by(now, attr.atime, 1)


def require_target(attr: Attr, target: bytes | None) -> bytes:
    """The target of a symbolic link.  Raises EINVAL (no link) and EIO (no target)."""
    refuse_if(attr.type != FileType.SYMLINK, errno.EINVAL)
    if not target:
        raise error(errno.EIO)
    return target
