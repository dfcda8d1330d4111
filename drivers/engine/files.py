"""Open files, nodes that lose their last name, and the deletion of their data (N13, N20, S7.3)."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from enum import Enum, auto

from ..errors import refuse_if
from ..types import (
    CHUNK_SIZE,
    ROOT,
    Access,
    Attr,
    AttrFlag,
    Context,
    Event,
    FileType,
    OpenFlag,
    Slice,
    Time,
)
from . import codec
from .core import optional_attr
from .creation import Trash
from .permissions import trashed
from .store import Check, Command, Transaction, nothing

ACCESS_BY_MODE = (Access.R, Access.W, Access.R | Access.W, Access(0))
"""What each access mode of open asks for; the fourth, which has no name, asks for nothing."""

# Plain numbers: arithmetic of flags takes longer than a lookup in the cache.
WRITING = int(OpenFlag.WRONLY | OpenFlag.RDWR)
CHANGING = WRITING | int(OpenFlag.TRUNC | OpenFlag.APPEND)
EXECUTING = int(OpenFlag.EXEC)
PIPELINE = 1000

LONG = 10000
"""Chunks from which a range of them is scanned rather than enumerated (S1.7)."""


class Fate(Enum):
    """What became of a node that lost a name."""

    TRASHED = auto()
    NAMED = auto()
    SUSTAINED = auto()
    DELETED = auto()


class Files(Trash):
    """The life of a node after its names."""

    def open_file(self, inode: int, flags: OpenFlag = OpenFlag.RDONLY, *, ctx: Context = ROOT) -> Attr:
        refuse_if(self.config.read_only and bool(int(flags) & CHANGING), errno.EROFS)
        attr = self.open_files.reopen(inode)
        if attr is None:
            attr = self._open_checked(inode, int(flags), ctx)
        self.touch_atime(inode, attr)
        return attr

    def _open_checked(self, inode: int, flags: int, ctx: Context) -> Attr:
        attr = self.known_attr(self.check_root(inode))
        wanted = ACCESS_BY_MODE[flags & 3]
        if wanted == Access.R and flags & EXECUTING:
            wanted = Access.X
        self.require_access(ctx, attr, wanted)
        if attr.flags or flags & WRITING:
            self._refuse_protected_contents(attr, flags)
        self.open_files.open(inode, attr)
        return attr

    @staticmethod
    def _refuse_protected_contents(attr: Attr, flags: int) -> None:
        writes = bool(flags & WRITING)
        refuse_if(writes and bool(attr.flags & AttrFlag.IMMUTABLE or trashed(attr)), errno.EPERM)
        if attr.flags & AttrFlag.APPEND:
            refuse_if(writes and not flags & OpenFlag.APPEND, errno.EPERM)
            refuse_if(bool(flags & OpenFlag.TRUNC), errno.EPERM)

    def close_file(self, inode: int, *, ctx: Context = ROOT) -> None:
        if self.open_files.close(inode):
            self.delete_sustained(self.sid, inode)

    def lose_name(
        self, tx: Transaction, trash: int, parent: int, name: bytes, inode: int, node: Attr, now: Time
    ) -> Fate:
        """Queue what happens to a non-directory when an entry of it goes; changes `node` (N13.4-N13.8)."""
        node.ctime = now
        if trash:
            self.move_to_trash(tx, trash, parent, name, inode, node)
            return Fate.TRASHED
        linked = node.parent == 0
        node.nlink -= 1
        if node.nlink > 0:
            tx.queue(self.set_attr(inode, node))
            if linked:
                tx.queue(self.count_parent(inode, parent, -1))
            return Fate.NAMED
        fate = Fate.DELETED
        if node.type == FileType.FILE and self.sid and self.open_files.is_open(inode):
            fate = Fate.SUSTAINED
            tx.queue(self.set_attr(inode, node), ("SADD", self.keys.sustained(self.sid), inode))
        elif node.type == FileType.FILE:
            tx.queue(*self._delete_file(inode, node.length, now))
        else:
            if node.type == FileType.SYMLINK:
                tx.queue(("DEL", self.keys.symlink(inode)))
            tx.queue(("DEL", self.keys.attr(inode)), *self.count_usage(-codec.aligned(0), -1))
        tx.queue(("DEL", self.keys.xattrs(inode)))
        if linked:
            tx.queue(("DEL", self.keys.parents(inode)))
        return fate

    def name_lost(self, fate: Fate, inode: int, node: Attr) -> None:
        """Finish what `lose_name` queued, after the commit."""
        self.open_files.invalidate(inode)
        if fate is Fate.SUSTAINED and not self.open_files.unlinked(inode):
            self.delete_sustained(self.sid, inode)
        elif fate is Fate.DELETED:
            length = node.length if node.type == FileType.FILE else 0
            self.update_usage(-codec.aligned(length), -1, node)
            if node.type == FileType.FILE:
                self.background.submit(lambda: self.delete_data(inode, length))

    def keeps_trash_entry(self, node: Attr | None, present: bool) -> bool:
        """Whether a removed node goes to the trash, not away for good (N13.3).

        `present` tells that the hour directory has this very entry already.
        """
        if node is None or node.flags & AttrFlag.SKIP_TRASH:
            return False
        return not (node.nlink > 1 and present)

    def _delete_file(self, inode: int, length: int, now: Time) -> list[Command]:
        return [
            ("ZADD", self.keys.delfiles, now[0], codec.delfile_member(inode, length)),
            ("DEL", self.keys.attr(inode)),
            *self.count_usage(-codec.aligned(length), -1),
        ]

    def delete_sustained(self, sid: int, inode: int, check: Check = nothing) -> None:
        """Delete a file without names that session `sid` kept alive (N20.8), if `check` has no objection."""

        def body(tx: Transaction) -> Attr | None:
            check(tx)
            attr = optional_attr(tx.read(self.get_attr(inode))[0])
            if attr is not None:
                tx.queue(*self._delete_file(inode, attr.length, self.now()))
            tx.queue(("SREM", self.keys.sustained(sid), inode), *self.logged("DELSUSTAINED", sid, inode))
            return attr

        attr = self.transact([self.keys.attr(inode)], body)
        if attr is not None:
            self.update_usage(-codec.aligned(attr.length), -1, attr)
            self.background.submit(lambda: self.delete_data(inode, attr.length))

    # -- data --------------------------------------------------------------------------------------

    def delete_data(self, inode: int, length: int, member: bytes | None = None) -> None:
        """Delete the chunks of a file that is gone, then its record in `delfiles` (S7.3.1).

        `member` is that record, where it is not of the usual form (S1.5).
        """
        indexes = self.chunk_indexes(inode, 0, self.chunk_count(length))
        for start in range(0, len(indexes), PIPELINE):
            chunks = [self.keys.chunk(inode, index) for index in indexes[start : start + PIPELINE]]
            lengths = self.db.read(*(("LLEN", chunk) for chunk in chunks))
            for chunk, records in zip(chunks, lengths, strict=True):
                if records:
                    self.delete_chunk(chunk)
        self.db.write(("ZREM", self.keys.delfiles, member or codec.delfile_member(inode, length)))

    @staticmethod
    def chunk_count(length: int) -> int:
        """How many chunks so many bytes take."""
        return -(-length // CHUNK_SIZE)

    def chunk_indexes(self, inode: int, start: int, end: int) -> Sequence[int]:
        """Where chunks of a file from `start` to before `end` may be: of a long range, where they are."""
        if end - start < LONG:
            return range(start, max(start, end))
        keys = [key for page in self.store.scan(self.keys.chunks_pattern(inode)) for key in page]
        found = {self.keys.parse(key).numbers[-1] for key in keys}
        return sorted(index for index in found if start <= index < end)

    def delete_chunk(self, chunk: bytes) -> None:
        """Delete a chunk, and the slices that nothing else refers to."""

        def body(tx: Transaction) -> tuple[Transaction, list[tuple[int, int]]]:
            (records,) = tx.read(("LRANGE", chunk, 0, -1))
            slices = [(one.id, one.size) for one in self.readable(records) if one.id]
            tx.queue(("DEL", chunk))
            for id, size in slices:
                field = codec.slice_ref_field(id, size)
                tx.queue(("HINCRBY", self.keys.slice_refs, field, -1))
            if records:
                tx.queue(*self.logged("DELCHUNK", *self.keys.parse(chunk).numbers))
            return tx, slices

        tx, slices = self.transact([chunk], body)
        for (id, size), references in zip(slices, tx.replies[1:], strict=False):
            if references < 0:
                self.delete_slice(id, size)

    @staticmethod
    def readable(records: list[bytes]) -> list[Slice]:
        """The slices of a chunk; none of a corrupt one."""
        # The slices of a corrupt chunk are unknown: only its list can go (S1.8).
        try:
            return codec.decode_slices(records)
        except codec.CorruptValue:
            return []

    def delete_slice(self, id: int, size: int) -> None:
        """Ask the object store to delete a slice; forget its references when it has (S7.3.3)."""
        if not id or not self.config.max_deletes:
            return
        if self.config.delete_slice == "record":
            self.object_store_events.append(Event("delete_slice", id, size))
        if self.config.delete_slice != "fail":
            field = codec.slice_ref_field(id, size)
            self.db.write(("HDEL", self.keys.slice_refs, field), *self.logged("DELETESLICE", id, size))

    def drop_marker(self, id: int, size: int) -> None:
        """Delete the count of a slice that has just one reference (S2.5.2)."""
        field = codec.slice_ref_field(id, size)

        def body(tx: Transaction) -> None:
            if tx.read(("HGET", self.keys.slice_refs, field))[0] == b"0":
                tx.queue(("HDEL", self.keys.slice_refs, field))

        self.transact([self.keys.slice_refs], body)
