"""Formatting a volume, its settings, and where a client begins (N1, N38)."""

from __future__ import annotations

import errno

from metaparity.drivers.errors import Refused, refuse_if
from metaparity.drivers.types import (
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
    Time,
)

from .acls import Acls
from .attributes import Attributes
from .locking import Locking
from .quotas import Quotas
from .xattrs import Xattrs

META_VERSION = 1
CLIENT_VERSION = "1.4.1"
FIXED = ("Name", "BlockSize", "Compression", "Shards", "HashPrefix", "MetaVersion")
"""Settings that may not change without force (N1.1)."""

KNOWN = frozenset(
    {
        *("Name", "UUID", "Storage", "StorageClass", "Tiers"),
        *("Bucket", "AccessKey", "SecretKey", "SessionToken", "BlockSize"),
        *("Compression", "Shards", "HashPrefix", "Capacity", "Inodes"),
        *("EncryptKey", "EncryptAlgo", "KeyEncrypted", "UploadLimit", "DownloadLimit"),
        *("TrashDays", "MetaVersion", "MinClientVersion", "MaxClientVersion", "DirStats"),
        *("UserGroupQuota", "EnableACL", "RangerRestUrl", "RangerService", "ChangeLog"),
        *("ChangeLogMaxAge", "ChangeLogMaxLines", "KerbConf"),
    }
)
"""The settings of this version: only others outlive a new format without them (S9.4.12)."""


class Lifecycle(Quotas, Attributes, Acls, Xattrs, Locking):
    """init, load, reset, shutdown, chroot, settle, refresh, events."""

    def init(self, format: Format, force: bool = False) -> None:
        self.require_writable()
        stored, now = self.volume.format, (self.now()[0], 0)
        if stored is not None:
            format = self._merged(stored, format, force)
        if format.trash_days > 0:  # N1.2
            self.volume.nodes.setdefault(TRASH_INODE, fresh_root(0o555, now))
        if stored is None:
            self.volume.nodes[ROOT_INODE] = fresh_root(0o777, now)
        self.volume.format = self._format = format

    def _merged(self, stored: Format, wanted: Format, force: bool) -> Format:
        """The settings to store over others; what they turn on begins anew (N1.1)."""
        if not force:
            for name in FIXED:
                if (stored.get(name) or 0) != (wanted.get(name) or 0):
                    raise Refused(f"{name} of a formatted volume cannot change: keep it, or use force")
            wanted = wanted.replace(UUID=stored.uuid)
        if wanted.dir_stats and not stored.dir_stats:
            self.volume.stats.clear()
        if wanted.user_group_quota and not stored.user_group_quota:
            self.volume.quotas[QuotaType.USER].clear()
            self.volume.quotas[QuotaType.GROUP].clear()
        return Format({**{name: stored[name] for name in stored if name not in KNOWN}, **wanted})

    def load(self, check_version: bool = False) -> Format:
        format = self.stored_format()  # N1.3
        if format.get("Tiers") is None:
            standard = {"ID": 0, "StorageClass": format.get("StorageClass") or "", "Tag": ""}
            format = format.replace(Tiers={"0": standard})
        if check_version:
            require_client(format)
        self._format = format
        return Format({**format})

    def reset(self) -> None:
        self.volume.clear()
        self._format = None

    def shutdown(self) -> None:
        """Nothing runs in the background (N1.4)."""

    def chroot(self, path: bytes, *, ctx: Context = ROOT) -> None:
        before = self.root
        try:
            for name in filter(None, path.split(b"/")):  # N38.1
                try:
                    node = self.lookup(self.root, name, True, ctx=ctx)
                except FileNotFoundError:
                    node = self.mkdir(self.root, name, 0o777, ctx=ctx)
                refuse_if(node.attr is None or node.attr.type != FileType.DIRECTORY, errno.ENOTDIR)
                self.root = node.inode
        except OSError:
            self.root = before  # a refused call leaves the root where it was (Q34)
            raise

    def settle(self) -> None:
        self.flush_stats()
        self.flush_quotas()

    def refresh(self) -> None:
        known, self._format = self._format, None  # N1.5
        if known is not None and known.uuid != self.format.uuid:
            raise Refused(f"this database holds another volume now: {self.format.name!r}")
        self.space, self.count = self.volume.used_space, self.volume.total_inodes
        self.load_quotas()

    def events(self) -> list[Event]:
        asked, self.asked = self.asked, []
        return asked


def fresh_root(mode: int, now: Time) -> Attr:
    """The attributes of a root that has just been made (N1.2)."""
    return Attr(
        type=FileType.DIRECTORY,
        mode=mode,
        atime=now,
        mtime=now,
        ctime=now,
        nlink=2,
        length=DIRECTORY_LENGTH,
        parent=ROOT_INODE,
    )


def require_client(format: Format) -> None:
    """Raise `Refused` when a volume asks for another client version (N1.3)."""
    if format.meta_version > META_VERSION:
        raise Refused(f"this volume has metadata version {format.meta_version}; {META_VERSION} is known")
    lowest, highest = format.get("MinClientVersion"), format.get("MaxClientVersion")
    if lowest and numbers(CLIENT_VERSION) < numbers(lowest):
        raise Refused(f"this volume asks for a client of version {lowest} at least, not {CLIENT_VERSION}")
    if highest and numbers(CLIENT_VERSION) > numbers(highest):
        raise Refused(f"this volume asks for a client of version {highest} at most, not {CLIENT_VERSION}")


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, what follows a dash left out."""
    return tuple(int(part) for part in version.partition("-")[0].split("."))
