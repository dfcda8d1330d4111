"""Limits of directories, users and groups: set, read, checked, flushed (N30)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from ..errors import Refused
from ..types import ROOT, ROOT_INODE, Context, FileType, Quota, QuotaType
from . import codec
from .accounts import UNLIMITED
from .directories import Directories
from .store import Command, Transaction
from .trees import Paths, Summaries

log = logging.getLogger(__name__)

OWNERS = (QuotaType.USER, QuotaType.GROUP)
UMASK = 0o022
"""Applies to directories that are made to have a quota."""

NO_LIMITS = codec.encode_quota(Quota())
REMEDY = "repair it with check and repair"


class Quotas(Directories, Paths, Summaries):
    """The primitives of quotas, and what a client does about them by itself."""

    def quota_set(
        self,
        type: QuotaType,
        key: bytes | int,
        quota: Quota,
        strict: bool = False,
        create: bool = False,
        *,
        ctx: Context = ROOT,
    ) -> dict[str, Quota]:
        id = self._id_of(type, key, create, ctx)
        first = self._enable(type)
        limits = replace(quota, used_space=UNLIMITED, used_inodes=UNLIMITED)
        created = self._store_quota(type, id, limits)
        if created and type is QuotaType.DIR:
            self._store_quota(type, id, self._used_below(id, strict, ctx))
        elif first:
            self.quota_scan(ctx=ctx)
        return self._answer(key, self._stored_quota(type, id))

    def quota_get(self, type: QuotaType, key: bytes | int, *, ctx: Context = ROOT) -> dict[str, Quota]:
        return self._answer(key, self._stored_quota(type, self._id_of(type, key, False, ctx)))

    def quota_delete(self, type: QuotaType, key: bytes | int, *, ctx: Context = ROOT) -> dict[str, Quota]:
        id = self._id_of(type, key, False, ctx)
        limits, space, inodes = self.keys.quota(type)
        self.db.require_writable()

        def body(tx: Transaction) -> None:
            if type is QuotaType.DIR:
                tx.queue(*(("HDEL", hash, id) for hash in (limits, space, inodes)))
            else:
                tx.queue(("HSET", limits, id, NO_LIMITS))
            tx.queue(*self.logged("DELQUOTA", int(type), id))

        self.db.transact([limits], body, ctx)
        return {}

    def quota_list(self, type: QuotaType | None = None, *, ctx: Context = ROOT) -> dict[str, Quota]:
        found: dict[str, Quota] = {}
        for kind in QuotaType if type is None else [type]:
            for id, quota in self._load(kind).items():
                if (quota.max_space, quota.max_inodes) != (UNLIMITED, UNLIMITED):
                    found[self._label(kind, id, ctx)] = quota
        return found

    def _label(self, type: QuotaType, id: int, ctx: Context) -> str:
        if type is not QuotaType.DIR:
            return f"{'uid' if type is QuotaType.USER else 'gid'}:{id}"
        paths = self.paths(id, ctx=ctx)
        return paths[0].decode("utf-8", "replace") if paths else f"inode:{id}"

    def quota_check(
        self,
        type: QuotaType,
        key: bytes | int,
        strict: bool = False,
        repair: bool = False,
        *,
        ctx: Context = ROOT,
    ) -> dict[str, Quota]:
        if type is not QuotaType.DIR:
            return self._check_owners(type, repair, ctx)
        id = self._id_of(type, key, False, ctx)
        stored = self._stored_quota(type, id)
        if stored is None:
            raise Refused(f"no quota for inode {id} path {self._text(key)}: set one first")
        used = self._used_below(id, strict, ctx)
        right = replace(stored, used_space=used.used_space, used_inodes=used.used_inodes)
        if right != stored:
            if not repair:
                raise Refused(f"the usage of the quota of {self._text(key)} is wrong: {REMEDY}")
            self._store_quota(type, id, used)
        return self._answer(key, right)

    def _check_owners(self, type: QuotaType, repair: bool, ctx: Context) -> dict[str, Quota]:
        """Compare the usage of all users and groups; mend both kinds (N30.8)."""
        used = self._usage_by_owner(ctx)
        stored = {kind: self._load(kind) for kind in OWNERS}
        wrong = [
            self._label(kind, id, ctx)
            for kind in OWNERS
            for id in {**used[kind], **stored[kind]}
            if not self._agrees(used[kind].get(id), stored[kind].get(id))
        ]
        if wrong and not repair:
            raise Refused(f"the usage of {', '.join(sorted(wrong))} is wrong: {REMEDY}")
        if repair:
            for kind in OWNERS:
                self._zero_usage(kind)
                for id, quota in used[kind].items():
                    self._store_quota(kind, id, quota)
        if self.quirks:
            # The original answers what was right before, of both kinds: a group hides the user of its number.
            return {
                str(id): stored[kind][id]
                for kind in OWNERS
                for id in used[kind]
                if self._agrees(used[kind][id], stored[kind].get(id))
            }
        return {str(id): quota for id, quota in self._load(type).items() if id in used[type]}

    @staticmethod
    def _agrees(used: Quota | None, stored: Quota | None) -> bool:
        """Whether what was counted and what is stored say the same; a missing record says nothing."""
        if used is not None and stored is None:
            return False
        one, other = used or Quota(), stored or Quota()
        return (one.used_space, one.used_inodes) == (other.used_space, other.used_inodes)

    def _zero_usage(self, type: QuotaType) -> None:
        limits, space, inodes = self.keys.quota(type)
        ids = [id for page in self.store.hscan(limits) for id, _ in page]
        if ids:
            self.db.write(*(("HSET", hash, id, 0) for id in ids for hash in (space, inodes)))

    def quota_scan(self, *, ctx: Context = ROOT) -> None:
        self.db.require_writable()
        used = self._usage_by_owner(ctx)
        with self.flushing:
            for type in OWNERS:
                for id, quota in used[type].items():
                    self._store_quota(type, id, quota)
                self.accounts[type].reset()
                self.accounts[type].load(self._load(type), keep=True)

    def _usage_by_owner(self, ctx: Context) -> dict[QuotaType, dict[int, Quota]]:
        """What every user and every group has (N30.10), limits left as they are."""
        used: dict[QuotaType, dict[int, Quota]] = {type: {} for type in OWNERS}
        for attr in self.every_node(ctx):
            for type, id in zip(OWNERS, (attr.uid, attr.gid), strict=True):
                quota = used[type].setdefault(id, Quota())
                if self.quirks and attr.type not in (FileType.FILE, FileType.DIRECTORY):
                    continue
                quota.used_space += codec.aligned(attr.length if attr.type == FileType.FILE else 0)
                quota.used_inodes += 1
        return used

    # -- records -----------------------------------------------------------------------------------

    def _enable(self, type: QuotaType) -> bool:
        """Turn on what quotas of a kind need, where it is off; whether it was (N30.5)."""
        setting = "DirStats" if type is QuotaType.DIR else "UserGroupQuota"
        if self.format.get(setting):
            return False
        self.init(self.format.replace(**{setting: True}))
        return True

    def _store_quota(self, type: QuotaType, id: int, quota: Quota) -> bool:
        """Store limits and usage, each only where it is not negative; whether there was no record."""
        limits, space, inodes = self.keys.quota(type)

        def body(tx: Transaction) -> bool:
            (blob,) = tx.read(("HGET", limits, id))
            kept = Quota() if blob is None else codec.decode_quota(blob)
            if quota.max_space >= 0:
                kept.max_space = quota.max_space
            if quota.max_inodes >= 0:
                kept.max_inodes = quota.max_inodes
            tx.queue(("HSET", limits, id, codec.encode_quota(kept)))
            for hash, used in ((space, quota.used_space), (inodes, quota.used_inodes)):
                if used >= 0 or blob is None:
                    tx.queue(("HSET", hash, id, max(used, 0)))
            tx.queue(*self.logged("SETQUOTA", int(type), id, quota.max_space, quota.max_inodes))
            return blob is None

        return self.db.transact([self.keys.attr(id), limits], body)

    def _stored_quota(self, type: QuotaType, id: int) -> Quota | None:
        """A quota as stored; None where any part of it is missing (S1.8)."""
        blob, space, inodes = self.db.read(*(("HGET", hash, id) for hash in self.keys.quota(type)))
        if None in (blob, space, inodes):
            return None
        try:
            limits = codec.decode_quota(blob)
            return replace(
                limits, used_space=codec.decode_counter(space), used_inodes=codec.decode_counter(inodes)
            )
        except codec.CorruptValue as corrupt:
            raise Refused(f"the quota of {type.name.lower()} {id} cannot be read: {corrupt}") from corrupt

    def _load(self, type: QuotaType) -> dict[int, Quota]:
        """All quotas of a kind that have a count of inodes; damaged ones are left out (S7.4.2)."""
        enabled = self.format.dir_stats if type is QuotaType.DIR else self.format.user_group_quota
        if not enabled:
            return {}
        limits, space, inodes = self.keys.quota(type)
        counted = {id: count for page in self.store.hscan(inodes) for id, count in page}
        if not counted:
            return {}
        blobs, spaces = self.db.read(("HMGET", limits, *counted), ("HMGET", space, *counted))
        found = {}
        for (id, count), blob, used in zip(counted.items(), blobs, spaces, strict=True):
            try:
                quota = Quota() if blob is None else codec.decode_quota(blob)
                quota.used_space = codec.decode_counter(used)
                quota.used_inodes = codec.decode_counter(count)
                found[int(id)] = quota
            except ValueError as corrupt:
                log.warning("the quota of %s %r is left out: %s", type.name.lower(), id, corrupt)
        return found

    def load_quotas(self) -> None:
        """Take over the quotas on the server (S7.4.2)."""
        with self.flushing:
            for type, accounts in self.accounts.items():
                accounts.load(self._load(type), keep=type is not QuotaType.DIR)

    def flush_quotas(self) -> None:
        """Put the pending usage on the server (N30.11); what cannot be put there waits for the next time."""
        if self.config.read_only:
            return
        with self.flushing:
            for type, accounts in self.accounts.items():
                changes = accounts.pending()
                if not changes:
                    continue
                for id in self._add_usage(type, changes):
                    accounts.drop(id)
                accounts.flushed(changes)

    def _add_usage(self, type: QuotaType, changes: Mapping[int, tuple[int, int]]) -> list[int]:
        """Add usage to what is stored; the directories whose quota has been deleted meanwhile."""
        limits, space, inodes = self.keys.quota(type)
        creates = type is not QuotaType.DIR or self.quirks

        def body(tx: Transaction) -> list[int]:
            there = (
                [True] * len(changes) if creates else tx.read(*(("HEXISTS", limits, id) for id in changes))
            )
            gone = []
            for (id, (more_space, more_inodes)), exists in zip(changes.items(), there, strict=True):
                if not exists:
                    gone.append(id)
                    continue
                commands: list[Command] = [
                    ("HINCRBY", space, id, more_space),
                    ("HINCRBY", inodes, id, more_inodes),
                ]
                tx.queue(*([("HSETNX", limits, id, NO_LIMITS)] if creates else []), *commands)
            return gone

        return self.db.transact([limits], body)

    # -- common ------------------------------------------------------------------------------------

    def _id_of(self, type: QuotaType, key: bytes | int, create: bool, ctx: Context) -> int:
        """The inode or id that a key means.  Raises `Refused`."""
        if type is not QuotaType.DIR:
            text = self._text(key)
            if not (text.isascii() and text.isdecimal()):
                raise Refused(f"{text!r} is no id of a user or group: give a number")
            return int(text)
        if isinstance(key, int):
            raise Refused(f"{key} is no path: a directory is given by its path from the root of the volume")
        inode = ROOT_INODE
        for name in filter(None, key.split(b"/")):
            inode = self._directory_in(inode, name, key, create, ctx)
        return inode

    def _directory_in(self, parent: int, name: bytes, path: bytes, create: bool, ctx: Context) -> int:
        try:
            try:
                node = self.find(parent, name)
            except FileNotFoundError:
                if not create:
                    raise
                node = self.mkdir(parent, name, 0o777, UMASK, ctx=ctx)
        except OSError as refused:
            raise Refused(
                f"the directory {self._text(path)} cannot be found: {refused.strerror}"
            ) from refused
        if node.attr is None or node.attr.type != FileType.DIRECTORY:
            raise Refused(f"{self._text(path)} is no directory: only directories have quotas")
        return node.inode

    def _used_below(self, inode: int, strict: bool, ctx: Context) -> Quota:
        """What lies below a directory, itself not counted (N30.3)."""
        total = self.summary(inode, True, strict, ctx=ctx)
        return Quota(used_space=total.size - codec.aligned(0), used_inodes=total.files + total.dirs - 1)

    def _answer(self, key: bytes | int, quota: Quota | None) -> dict[str, Quota]:
        return {} if quota is None else {self._text(key): quota}

    @staticmethod
    def _text(key: bytes | int) -> str:
        return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
