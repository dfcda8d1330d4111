"""What has been removed and waits for its deletion: found, listed, deleted (N34, N35, S7.5)."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..errors import Refused
from ..types import ROOT, ROOT_INODE, TRASH_INODE, Attr, Context, FileType, Slice
from . import codec
from .core import optional_attr
from .database import FAILURES, check_cancelled
from .removal import Removal
from .store import Command, Transaction
from .trees import Summaries

log = logging.getLogger(__name__)

LEAK_AGE = 3600
"""Seconds for which a node without a name may be one that is just being made (N35.6)."""

PENDING, DELAYED = 0, ROOT_INODE
"""Whose slices `slices_list` says those are that wait for deletion, and that the trash keeps (N34.1)."""


class Cleanup(Removal, Summaries):
    """The primitives that clean, and those that list what there is to clean."""

    # -- trash -------------------------------------------------------------------------------------

    def trash_cleanup(self, before: int, *, ctx: Context = ROOT) -> None:
        self.db.require_writable()
        superuser = replace(ROOT, cancelled=ctx.cancelled)
        for hour, name, inode in self._hours():
            if hour >= before:
                return
            check_cancelled(ctx)
            self._empty(superuser, inode, True, None)
            try:
                self.remove_directory(superuser, TRASH_INODE, name, 0)
            except FileNotFoundError:  # another client was faster
                continue
            except OSError as refused:
                if refused.errno not in (errno.EPERM, errno.ENOTEMPTY):
                    raise
                log.warning("%s stays in the trash: %s", name.decode(), refused)
                continue
            self.forget_hour()

    def _hours(self) -> Iterator[tuple[int, bytes, int]]:
        """The first second, name and inode of every hour directory, oldest first."""
        entries = sorted(self.list_entries(TRASH_INODE).items(), key=lambda entry: entry[1][1])
        for name, (_, inode) in entries:
            try:
                yield codec.parse_hour_name(name), name, inode
            except codec.CorruptValue as corrupt:
                log.warning("left in the trash: %s", corrupt)

    # -- slices ------------------------------------------------------------------------------------

    def slices_cleanup(self, *, ctx: Context = ROOT) -> None:
        self.db.require_writable()
        self._delete_leaked_nodes(ctx)
        self.background.drain()  # else the next passes delete what is being deleted
        self._delete_leaked_chunks(ctx)
        self._move_legacy_references(ctx)
        self.clean_references(ctx)

    def _delete_leaked_nodes(self, ctx: Context) -> None:
        """Delete nodes that no directory refers to and that nobody has changed for an hour."""
        cutoff = self.now()[0] - LEAK_AGE
        found = {ROOT_INODE, TRASH_INODE}
        for directory in self._scan("dentries"):
            check_cancelled(ctx)
            found.update(inode for _, inode in self.list_entries(directory[0]).values())
        # The original also deletes a file that someone has had open for an hour since it lost its name.
        spared = set() if self.quirks else {*self.sustained_inodes(), *self._detached_inodes()}
        for (inode,), attr in self._scan_nodes():
            check_cancelled(ctx)
            if inode not in found and attr.ctime[0] < cutoff and inode not in spared:
                self._logged_deletion(f"node {inode}", lambda inode=inode: self._delete_leaked(ctx, inode))

    def _detached_inodes(self) -> list[int]:
        return [int(inode) for inode in self.db.read_one("ZRANGE", self.keys.detached_nodes, 0, -1)]

    def _delete_leaked(self, ctx: Context, inode: int) -> None:
        attr = optional_attr(self.db.read_one(*self.get_attr(inode)))
        if attr is None:
            return
        if attr.type == FileType.FILE or self.quirks:
            self.delete_sustained(0, inode)
            return
        if attr.type == FileType.DIRECTORY:
            self.delete_tree(replace(ROOT, cancelled=ctx.cancelled), inode)
            return

        def body(tx: Transaction) -> bool:
            if tx.read(self.get_attr(inode))[0] is None:
                return False
            tx.queue(*self.delete_directory(inode))
            tx.queue(("DEL", self.keys.symlink(inode), self.keys.parents(inode)))
            return True

        if self.transact([self.keys.attr(inode)], body):
            self.update_usage(-codec.aligned(0), -1, attr)

    def _delete_leaked_chunks(self, ctx: Context) -> None:
        """Delete the chunks of nodes that are gone."""
        for page in self._scan_pages("chunk"):
            check_cancelled(ctx)
            nodes = self.db.read(*(("EXISTS", self.keys.attr(inode)) for inode, _ in page))
            for chunk, exists in zip(page, nodes, strict=True):
                if not exists:
                    key = self.keys.chunk(*chunk)
                    self._logged_deletion(f"chunk {chunk}", lambda key=key: self.delete_chunk(key))

    def _move_legacy_references(self, ctx: Context) -> None:
        """Count what old clients counted in a key of its own (S1.5)."""
        for page in self._scan_pages("legacy_slice_ref"):
            check_cancelled(ctx)
            for id, size in page:
                key = self.keys.legacy_slice_ref(id, size)
                field = codec.slice_ref_field(id, size)

                def body(tx: Transaction, key: bytes = key, field: bytes = field) -> None:
                    count = codec.decode_counter(tx.read(("GET", key))[0])
                    if count > 0:
                        tx.queue(("HINCRBY", self.keys.slice_refs, field, count), ("DECRBY", key, count))
                    else:
                        tx.queue(("DEL", key))

                self.transact([key], body)

    def clean_references(self, ctx: Context = ROOT) -> None:
        """Delete the slices that nothing refers to, and counts that say nothing (N35.6)."""
        for page in self.store.hscan(self.keys.slice_refs):
            for field, value in page:
                check_cancelled(ctx)
                count = self._reference(field, value)
                if count is None:
                    continue
                id, size, references = count
                if references < 0:
                    self.delete_slice(id, size)
                elif references == 0:
                    self.drop_marker(id, size)

    def release_delayed(
        self, before: int, operation: str = "CLEANUP_DELAYED_SLICES", ctx: Context = ROOT
    ) -> int:
        """Let go of the slices that a compaction before a time left to the trash; how many (N35.3).

        `operation` is how the change log calls it.
        """
        released = 0
        for page in self.store.hscan(self.keys.delayed_slices):
            for field, _ in page:
                check_cancelled(ctx)
                if codec.parse_delayed_slices_field(field)[1] < before:
                    released += self._release(field, operation)
        return released

    def _release(self, field: bytes, operation: str) -> int:
        def body(tx: Transaction) -> tuple[Transaction, list[tuple[int, int]]]:
            (value,) = tx.read(("HGET", self.keys.delayed_slices, field))
            slices = [] if value is None else codec.decode_delayed_slices(value)
            commands: list[Command] = [
                ("HINCRBY", self.keys.slice_refs, codec.slice_ref_field(id, size), -1) for id, size in slices
            ]
            if value is not None:
                tx.queue(*commands, ("HDEL", self.keys.delayed_slices, field))
                told = codec.parse_delayed_slices_field(field)
                tx.queue(*self.logged(operation, *told))
            return tx, slices

        tx, slices = self.transact([self.keys.delayed_slices], body)
        for (id, size), references in zip(slices, tx.replies, strict=False):
            if references < 0:
                self.delete_slice(id, size)
        return len(slices)

    # -- files -------------------------------------------------------------------------------------

    def delete_pending_files(self, before: int, limit: int) -> int:
        """Delete the data of files that were removed up to a time, at most so many; how many (N35.4)."""
        members = self.db.read_one("ZRANGEBYSCORE", self.keys.delfiles, "-inf", before, "LIMIT", 0, limit)
        for member in members:
            self._logged_deletion(f"data {member!r}", lambda member=member: self._delete_member(member))
        return len(members)

    def _delete_member(self, member: bytes) -> None:
        inode, length = codec.parse_delfile_member(member)
        self.delete_data(inode, length, member)

    # -- lists -------------------------------------------------------------------------------------

    def slices_list(
        self, pending: bool = False, delete: bool = False, *, ctx: Context = ROOT
    ) -> dict[int, list[Slice]]:
        if delete:
            self.slices_cleanup(ctx=ctx)
        listed: dict[int, list[Slice]] = {}
        for page in self._scan_pages("chunk"):
            check_cancelled(ctx)
            chunks = self.db.read(*(("LRANGE", self.keys.chunk(*chunk), 0, -1) for chunk in page))
            for (inode, _), records in zip(page, chunks, strict=True):
                for one in self.readable(records):
                    if one.id:
                        listed.setdefault(inode, []).append(whole(one.id, one.size))
        if pending and (waiting := list(self._pending_slices())):
            listed[PENDING] = [whole(id, size) for id, size in waiting]
        if self.format.trash_days > 0:
            for _, slices in self._delayed_slices():
                listed.setdefault(DELAYED, []).extend(whole(id, size) for id, size in slices)
        return listed

    def scan_deleted(self, kinds: Sequence[str], before: int = 0, *, ctx: Context = ROOT) -> dict[str, Any]:
        scans = {
            "trash_slices": self._shown_trash_slices,
            "pending_slices": self._shown_pending_slices,
            "trash_files": self._shown_trash_files,
            "pending_files": self._shown_pending_files,
        }
        for kind in kinds:
            if kind not in scans:
                raise Refused(f"{kind!r} is nothing to scan for: choose from {', '.join(scans)}")
        if before:
            self.db.require_writable()
        found = {kind: scans[kind](ctx) for kind in kinds}
        if before and "trash_slices" in kinds:
            self.release_delayed(before, "CLEANUP_TRASH_SLICES", ctx)
        if before and self.config.max_deletes:
            for file in found.get("pending_files", ()):
                if file["time"] < before:
                    check_cancelled(ctx)
                    self.delete_data(file["inode"], file["size"])
        return found

    def _shown_trash_slices(self, ctx: Context) -> list[dict[str, Any]]:
        return [
            {"slices": [shown(whole(id, size)) for id, size in slices], "time": seconds}
            for seconds, slices in self._delayed_slices()
        ]

    def _shown_pending_slices(self, ctx: Context) -> list[dict[str, Any]]:
        return [{"id": id, "size": size} for id, size in self._pending_slices()]

    def _shown_trash_files(self, ctx: Context) -> list[dict[str, Any]]:
        found = []
        for hour, _, inode in self._hours():
            check_cancelled(ctx)
            if self.format.dir_stats:
                stat = self.dirstat_get(inode, ctx=ctx)
                found.append({"inode": inode, "size": stat.length, "time": hour, "count": stat.inodes})
                continue
            children = [child for _, child in self.list_entries(inode).values()]
            found += [
                {"inode": child, "size": attr.length, "time": hour, "count": 1}
                for child, attr in zip(children, self.read_attrs(children), strict=True)
                if attr is not None and attr.type == FileType.FILE
            ]
        return found

    def _shown_pending_files(self, ctx: Context) -> list[dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        for member, score in self.db.read_one("ZRANGE", self.keys.delfiles, 0, -1, "WITHSCORES"):
            if member.count(b":") != 1:
                continue
            inode, length = codec.parse_delfile_member(member)
            found.setdefault(inode, {"inode": inode, "size": length, "time": int(score)})
        return list(found.values())

    def _pending_slices(self) -> Iterator[tuple[int, int]]:
        """The slices that nothing refers to any more."""
        for page in self.store.hscan(self.keys.slice_refs):
            for field, value in page:
                count = self._reference(field, value)
                if count is not None and count[2] < 0:
                    yield count[:2]

    def _delayed_slices(self) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """When a compaction left slices to the trash, and which."""
        for page in self.store.hscan(self.keys.delayed_slices):
            for field, value in page:
                try:
                    seconds = codec.parse_delayed_slices_field(field)[1]
                    yield seconds, codec.decode_delayed_slices(value)
                except codec.CorruptValue as corrupt:
                    log.warning("delayed slices are left out: %s", corrupt)

    # -- common ------------------------------------------------------------------------------------

    @staticmethod
    def _reference(field: bytes, value: bytes) -> tuple[int, int, int] | None:
        """The id, size and count of a slice; None for a field that is no slice of any bytes."""
        try:
            id, size = codec.parse_slice_ref_field(field)
            count = codec.decode_counter(value)
        except codec.CorruptValue as corrupt:
            log.warning("a slice reference is left alone: %s", corrupt)
            return None
        return (id, size, count) if id and size else None

    def _scan_pages(self, kind: str) -> Iterator[list[tuple[int, ...]]]:
        """The numbers in the keys of a kind, page by page; a key may come twice."""
        for page in self.store.scan(self.keys.scan_pattern(kind)):
            parsed = [self.keys.parse(key) for key in page]
            numbers = [key.numbers for key in parsed if key.kind == kind]
            if numbers:
                yield numbers

    def _scan(self, kind: str) -> Iterator[tuple[int, ...]]:
        for page in self._scan_pages(kind):
            yield from page

    def _scan_nodes(self) -> Iterator[tuple[tuple[int, ...], Attr]]:
        for page in self._scan_pages("attr"):
            for numbers, attr in zip(page, self.read_attrs([inode for (inode,) in page]), strict=True):
                if attr is not None:
                    yield numbers, attr

    @staticmethod
    def _logged_deletion(what: str, delete: Any) -> None:
        """Delete one thing; a failure is logged and stops nothing else (N35.6)."""
        try:
            delete()
        except (OSError, *FAILURES) as failure:
            log.warning("%s is not deleted and tried again: %s", what, failure)


def whole(id: int, size: int) -> Slice:
    """A slice as it is listed: which part of it is used is not told (N34.1)."""
    return Slice(0, id, size, 0, 0)


def shown(one: Slice) -> dict[str, int]:
    """A slice as plain data."""
    return {"pos": one.pos, "id": one.id, "size": one.size, "off": one.off, "len": one.len}
