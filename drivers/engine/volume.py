"""Format, settings, and the life of a client (N1, N2, N38)."""

from __future__ import annotations

import errno

from ..errors import Refused, refuse_if
from ..types import (
    DIRECTORY_LENGTH,
    ROOT,
    ROOT_INODE,
    TRASH_INODE,
    Attr,
    Context,
    Event,
    FileType,
    Format,
    QuotaType,
)
from . import codec
from .core import settings
from .jobs import Jobs
from .quotas import Quotas
from .store import Command, Transaction

META_VERSION = 1
CLIENT_VERSION = "1.4.1"
QUOTA_FLUSH = 3.0
"""Seconds between two flushes of quotas (N30.11)."""

FIXED = ("Name", "BlockSize", "Compression", "Shards", "HashPrefix", "MetaVersion")
"""Settings that may not change without force (S5.8.1)."""


class Volume(Jobs, Quotas):
    """What happens to a volume as a whole."""

    def init(self, format: Format, force: bool = False) -> None:
        self.db.require_writable()

        def body(tx: Transaction) -> Format:
            (stored,) = tx.read(("GET", self.keys.setting))
            new = stored is None
            settled = format if stored is None else self._merge(stored, format, force, tx)
            now = self.now()[0]
            if settled.trash_days > 0:
                trash = codec.encode_attr(fresh_root(0o555, now))
                tx.queue(("SETNX", self.keys.attr(TRASH_INODE), trash))
            tx.queue(("SET", self.keys.setting, codec.encode_format(settled)))
            if new:
                tx.queue(self.set_attr(ROOT_INODE, fresh_root(0o777, now)))
            return settled

        settled = self.db.transact([self.keys.setting], body)
        self._format = codec.with_default_tiers(settled)

    def _merge(self, stored: bytes, wanted: Format, force: bool, tx: Transaction) -> Format:
        """The settings to store over `stored`; queues what a change of them deletes (S5.8)."""
        old = settings(stored)
        if wanted.dir_stats and not old.dir_stats:
            tx.queue(("DEL", self.keys.dir_used_inodes, self.keys.dir_used_space))
            tx.queue(*self._logged_setting(old, "INIT_ENABLE_DIRSTATS"))
        if wanted.user_group_quota and not old.user_group_quota:
            tx.queue(("DEL", *self.keys.quota(QuotaType.USER), *self.keys.quota(QuotaType.GROUP)))
            tx.queue(*self._logged_setting(old, "INIT_ENABLE_USERGROUPQUOTA"))
        kept = {name: value for name, value in old.items() if name not in codec.FORMAT_FIELDS}
        merged = Format({**kept, **wanted})
        if force:
            return merged
        for name in FIXED:
            if (old.get(name) or 0) != (wanted.get(name) or 0):
                raise Refused(
                    f"{name} of a formatted volume cannot change from {old.get(name)!r} to "
                    f"{wanted.get(name)!r}: keep it, or use force"
                )
        return merged.replace(UUID=old.uuid)

    def _logged_setting(self, old: Format, name: str) -> list[Command]:
        return self.logged(name) if self._format is not None and old.change_log else []

    def load(self, check_version: bool = False) -> Format:
        format = self.read_format()
        if check_version:
            check_client(format)
        self._format = format
        return format

    def reset(self) -> None:
        self.db.write(("FLUSHDB",))
        self._format = None

    def shutdown(self) -> None:
        self.background.stop()
        self.store.close()

    def close(self) -> None:
        self.shutdown()

    def chroot(self, path: bytes, *, ctx: Context = ROOT) -> None:
        before = self.root
        try:
            for name in filter(None, path.split(b"/")):
                self.root = self._step_down(ctx, name)
        except OSError:
            # The original stays where it has come to (Q34).
            self.root = self.root if self.quirks else before
            raise

    def _step_down(self, ctx: Context, name: bytes) -> int:
        """The directory of this name in the root of the session, made where it is missing."""
        try:
            node = self.lookup(self.root, name, check_permission=True, ctx=ctx)
        except FileNotFoundError:
            node = self.mkdir(self.root, name, 0o777, ctx=ctx)
        refuse_if(node.attr is None or node.attr.type != FileType.DIRECTORY, errno.ENOTDIR)
        return node.inode

    def settle(self) -> None:
        self.background.drain()
        self.flush_dir_stats()
        self.flush_quotas()

    def refresh(self) -> None:
        known = self._format
        self._format = None
        format = self.load()
        if known is not None and known.uuid != format.uuid:
            raise Refused(f"this database holds another volume now: {format.name!r}")
        space, inodes = self.db.read(("GET", self.keys.used_space), ("GET", self.keys.total_inodes))
        self.usage.set(codec.decode_counter(space), codec.decode_counter(inodes))
        self.load_quotas()

    def events(self) -> list[Event]:
        seen, self.object_store_events = self.object_store_events, []
        return seen

    # -- session -----------------------------------------------------------------------------------

    def session_new(self, record: bool = False) -> int:
        format = self.format
        if self.config.subdir:
            self.chroot(self.config.subdir.encode())
        if format.enable_acl:
            self.rules.load_all()
        if not self.config.read_only:
            if record:
                self.register()
                self.scripts.load()
            self.load_quotas()
            self.background.every(QUOTA_FLUSH, self.flush_quotas)
            if format.dir_stats and self.config.dir_stat_flush:
                self.background.every(self.config.dir_stat_flush, self.flush_dir_stats)
            if not self.config.no_bg_jobs:
                self.begin_jobs()
        if self.heartbeat:
            self.background.every(self.heartbeat, self._beat)
        return self.sid

    def _beat(self) -> None:
        if not self.config.read_only:
            self.session_refresh()
        self.refresh()
        if self.sid and not self.config.no_bg_jobs:
            spacing = int(0.9 * self.heartbeat)
            counter = self.keys.last_cleanup_sessions
            if self.elected(counter, "lastCleanupSessions", self.now()[0], spacing):
                self.session_cleanup()

    def session_close(self) -> None:
        self.taking.shut()
        self.background.end_periodic()
        self.settle()
        if self.sid:
            self.clean_session(self.sid)
        self.settle()  # what was open without a name is given back to its owner only now
        self.background.stop()


def fresh_root(mode: int, now: int) -> Attr:
    """The attributes of a root that has just been made, at a time in whole seconds (N1.2)."""
    stamp = (now, 0)
    return Attr(
        type=FileType.DIRECTORY,
        mode=mode,
        atime=stamp,
        mtime=stamp,
        ctime=stamp,
        nlink=2,
        length=DIRECTORY_LENGTH,
        parent=ROOT_INODE,
    )


def check_client(format: Format) -> None:
    """Raise `Refused` when a volume asks for another client version (N1.3)."""
    if format.meta_version > META_VERSION:
        raise Refused(
            f"this volume has metadata version {format.meta_version}; at most {META_VERSION} is known"
        )
    lowest, highest = format.get("MinClientVersion") or "", format.get("MaxClientVersion") or ""
    try:
        too_old = lowest and codec.compare_versions(CLIENT_VERSION, lowest) < 0
        too_new = highest and codec.compare_versions(CLIENT_VERSION, highest) > 0
    except ValueError as wrong:
        raise Refused(f"this volume asks for a client of no known version: {wrong}") from wrong
    if too_old:
        raise Refused(f"this volume asks for a client of version {lowest} at least, not {CLIENT_VERSION}")
    if too_new:
        raise Refused(f"this volume asks for a client of version {highest} at most, not {CLIENT_VERSION}")
