"""The JSON dump of a volume (L4): read in batches, written as it is read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, BinaryIO

from ..files import OWN, replacing
from ..types import ROOT_INODE, TRASH_INODE, Format, QuotaType
from . import codec
from .accounts import UNLIMITED
from .codec.corrupt import EXACT, U64, decimal
from .collector import seldom_collected
from .core import Core
from .dumptext import head
from .dumpwalk import walking
from .store import pairs

log = logging.getLogger(__name__)

REMOVED = "removed"
"""What stands for a secret that is not told."""

SECRETS = ("SecretKey", "SessionToken")
"""What a dump tells only where that is asked for; the key for encryption it always tells (L4.3)."""


class Dumping(Core):
    """dump."""

    @seldom_collected()
    def dump(
        self,
        path: str,
        root: int = 0,
        keep_secret: bool = False,
        fast: bool = False,
        skip_trash: bool = False,
        threads: int = 0,
    ) -> None:
        if self.quirks:
            # The original reads in transactions, which a client that only reads may not begin (L4.15).
            self.db.require_writable()
        with replacing(path, OWN) as out:
            self.write_dump(out, root, keep_secret, skip_trash, threads)

    def write_dump(
        self,
        out: BinaryIO,
        root: int = 0,
        keep_secret: bool = False,
        skip_trash: bool = False,
        threads: int = 0,
    ) -> None:
        """Write a JSON dump to a stream.  Source: L4."""
        root = self.check_root(root)
        first = Head(self)
        out.write(head(first.fields(root == ROOT_INODE, keep_secret)).encode())
        trees = [(b"FSTree", root)]
        if root == ROOT_INODE and not skip_trash:
            trees.append((b"Trash", TRASH_INODE))
        with walking(self, first.inodes + 1, threads) as walker:
            for number, (name, inode) in enumerate(trees):
                out.write(b"," if number else b"")
                for text in walker.tree(name, inode):
                    out.write(text.encode())
        out.write(b"\n}\n")


class Head:
    """Reads what stands before the trees of a dump."""

    def __init__(self, volume: Core) -> None:
        self._volume = volume
        self._db = volume.db
        self._keys = volume.keys
        self.inodes = 0
        """How many the volume has, as it counts."""

    def fields(self, whole: bool, keep_secret: bool) -> dict[str, Any]:
        """What there is to tell; `whole` unless a part of the volume is dumped (L4.1)."""
        quotas = {
            "Quotas": self._limits(QuotaType.DIR),
            "UserQuotas": self._limits(QuotaType.USER) if whole else {},
            "GroupQuotas": self._limits(QuotaType.GROUP) if whole else {},
        }
        return {
            "Setting": codec.format_fields(disclosed(self._volume.format, () if keep_secret else SECRETS)),
            "Counters": self._counters(),
            "Sustained": [{"sid": sid, "inodes": inodes} for sid, inodes in sustained_inodes(self._volume)],
            "DelFiles": [
                {"inode": inode, "length": length, "expire": expire}
                for inode, length, expire in deleted_files(self._volume)
            ],
            **{name: limits for name, limits in quotas.items() if limits},
        }

    def _counters(self) -> dict[str, int]:
        """The counters as a dump tells them: the next inode and chunk rather than the last (L4.4)."""
        keys = self._keys
        names = (
            keys.used_space,
            keys.total_inodes,
            keys.next_inode,
            keys.next_chunk,
            keys.next_session,
            keys.next_trash,
            keys.txn_last_log,
        )
        space, inodes, inode, chunk, session, trash, logged = map(
            codec.decode_counter, self._db.read_one("MGET", *names)
        )
        self.inodes = inodes
        counters = {
            "usedSpace": space,
            "usedInodes": inodes,
            "nextInodes": inode + 1,
            "nextChunk": chunk + 1,
            "nextSession": session,
            "nextTrash": trash,
        }
        if self._volume.format.change_log and logged:
            counters["lastChangelog"] = logged
        return counters

    def _limits(self, type: QuotaType) -> dict[str, dict[str, int]]:
        """The limits of quotas by id, in the order of their text; records without any are left out (L4.6)."""
        found = {}
        for id, blob in sorted(pairs(self._db.read_one("HGETALL", self._keys.quota(type)[0]))):
            try:
                number, quota = decimal("its id", id, U64), codec.decode_quota(blob)
            except codec.CorruptValue as corrupt:
                log.warning("the quota of %s %r is left out: %s", type.name.lower(), id, corrupt)
                continue
            if (quota.max_space, quota.max_inodes) != (UNLIMITED, UNLIMITED):
                found[str(number)] = {"maxSpace": quota.max_space, "maxInodes": quota.max_inodes}
        return found


def disclosed(format: Format, secrets: Sequence[str]) -> Format:
    """The settings without the secrets of these names."""
    return format.replace(**{name: REMOVED for name in secrets if format.get(name)})


def sustained_inodes(volume: Core) -> list[tuple[int, list[int]]]:
    """The unlinked inodes that registered sessions have open, by session (L4.5)."""
    found = volume.db.read_one("ZRANGE", volume.keys.all_sessions, 0, -1)
    sids = [decimal("a session", sid, U64) for sid in found]
    held = volume.db.read(*(("SMEMBERS", volume.keys.sustained(sid)) for sid in sids)) if sids else []
    return [(sid, sorted(map(inode_of, inodes))) for sid, inodes in zip(sids, held, strict=True) if inodes]


def inode_of(text: bytes) -> int:
    """An inode as a key, a field or a member tells it.  Raises `CorruptValue`."""
    return decimal("an inode", text, U64)


def deleted_files(volume: Core) -> list[tuple[int, int, int]]:
    """Inode, length and time of the files whose data has to go; old forms are left out (L4.5)."""
    found = []
    for member, score in volume.db.read_one("ZRANGE", volume.keys.delfiles, 0, -1, "WITHSCORES"):
        if member.count(b":") != 1:
            log.warning("the deleted file %r is left out", member)
            continue
        if not EXACT[0] <= score <= EXACT[1]:
            raise codec.CorruptValue(f"the deleted file {member[:40]!r} has the time {score}")
        found.append((*codec.parse_delfile_member(member), int(score)))
    return found
