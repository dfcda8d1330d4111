"""The state of one client, and what every family of primitives leans on."""

from __future__ import annotations

import errno
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from ..api import Engine
from ..errors import Refused, error, refuse_if
from ..types import (
    ROOT,
    ROOT_INODE,
    TRASH_INODE,
    Access,
    Attr,
    Config,
    Context,
    Event,
    FileType,
    Format,
    Time,
)
from . import codec
from .background import Background
from .capabilities import BUILT
from .changelines import line, operation
from .database import FAILURES, Database
from .gate import Gate
from .ids import IdBlock
from .keys import Keys
from .openfiles import OpenFiles
from .permissions import consults_acl, permitted
from .progress import Tell, nobody
from .rules import Rules, permits
from .statistics import CachedUsage, PendingDirStats
from .store import Argument, Command, Reply, Store, Transaction, pairs

log = logging.getLogger(__name__)

T = TypeVar("T")

PAGE = 10000
"""Entries of a directory that are read at once (S4.4)."""

KEPT_PAGE = 1000
"""The same on the connection that all threads share and of which replies are kept."""

MOST_CACHED = 500
"""Nodes of one listing above which none of them is kept: they would drive out what is used."""

INODE_BLOCK = 1024
"""Inodes reserved at a time (S3.2)."""


def later_by(now: Time, then: Time, seconds: float) -> bool:
    """Whether `now` is at least `seconds` after `then`."""
    return (now[0] - then[0]) * 10**9 + now[1] - then[1] >= seconds * 10**9


ATIME_MODES = ("noatime", "relatime", "strictatime")
"""Which access times a client keeps: none, some, all (R14)."""


COMPATIBLE = ("1.4.1",)
"""Releases of JuiceFS whose known defects an engine can have as well, where parity is wanted (§9)."""


UNFINISHED = b"The load of a dump has not come to its end: load it again, or reset the database."
"""What the settings begin with during a load: no client takes it for a volume, nor formats over it.

Behind it is the name of a load, and how often that has shown that it goes on.  Without them what is there is
of several loads, or of none that goes on.
"""


def is_unfinished(setting: Reply) -> bool:
    """Whether these settings stand for a load that has not come to its end."""
    return setting is not None and setting.startswith(UNFINISHED)


def settings(stored: bytes) -> Format:
    """The settings of a volume as stored.  Raises `Refused` when they are none."""
    try:
        return codec.decode_format(stored)
    except codec.CorruptValue as corrupt:
        reason = "the load of a dump has not come to its end: load it again, or reset the database"
        raise Refused(
            f"the settings of this volume cannot be read: {reason if is_unfinished(stored) else corrupt}"
        ) from corrupt


class Core(Engine):
    """A client of one volume over a store."""

    capabilities = BUILT

    def __init__(self, store: Store, config: Config, compat: str = "") -> None:
        if compat not in ("", *COMPATIBLE):
            raise ValueError(f"compat={compat}: only compat={' or '.join(COMPATIBLE)} is known")
        if config.atime_mode not in ATIME_MODES:
            raise ValueError(f"atime_mode {config.atime_mode!r} is none of {', '.join(ATIME_MODES)}")
        self.store = store
        self.config = config
        self.quirks = bool(compat)
        self.keys = Keys(store.prefix)
        self.db = Database(store, config.read_only)
        self._changes = itertools.count(1)
        reserve = partial(self.counted, self.keys.next_inode, "nextInode", INODE_BLOCK)
        self.inodes = IdBlock(reserve, INODE_BLOCK, ROOT_INODE + 1)
        self.rules = Rules(self.db, self.keys, self.add_rule)
        self.open_files = OpenFiles(config.open_cache, config.open_cache_limit)
        self.background = Background()
        self.dir_stats = PendingDirStats()
        self.flushing = threading.Lock()
        """Held by who puts pending usage on the server: two at once would put it there twice."""
        self.usage = CachedUsage()
        self.sid = 0
        self.taking = Gate()
        """What takes a lock goes through it: nobody would release what is taken after the session."""
        self.root = ROOT_INODE
        self.object_store_events: list[Event] = []
        self._format: Format | None = None
        self._clock: Time | None = None
        self.tell: Tell = nobody
        """Is told how far dumps, backups and what is made of them have come."""
        self.checks_backups = False
        """Whether a backup is read again before it is there; the original makes what nobody can restore."""

    # -- time and settings -------------------------------------------------------------------------

    def now(self) -> Time:
        """The time of one attempt: the virtual clock's where one was set."""
        return self._clock or divmod(time.time_ns(), 10**9)

    def seconds(self) -> float:
        """The same in seconds since the epoch."""
        seconds, nanoseconds = self.now()
        return seconds + nanoseconds / 10**9

    def clock_set(self, now: Time) -> None:
        self._clock = now

    @property
    def format(self) -> Format:
        """The settings, read from the server on first use.  Raises `Refused` when there are none."""
        if self._format is None:
            self._format = self.read_format()
        return self._format

    def read_format(self) -> Format:
        """The settings now on the server (N1.3)."""
        stored = self.db.read_one("GET", self.keys.setting)
        if stored is None:
            raise Refused("database is not formatted: check its number, or make a volume in it with init")
        return codec.with_default_tiers(settings(stored))

    def transact(self, watch: Sequence[bytes], body: Callable[[Transaction], T], ctx: Context = ROOT) -> T:
        """A transaction of this volume."""
        return self.db.transact(watch, body, ctx)

    def logged(
        self, name: str, *arguments: Argument | bool, result: object = None, now: Time | None = None
    ) -> list[Command]:
        """The commands that log a mutation; none where the volume keeps no change log (S8)."""
        if not self.format.change_log:
            return []
        told = operation(name, arguments, result)
        text = line(now or self.now(), told, self.sid, next(self._changes))
        return [("RPUSH", self.keys.txn_log, text), ("INCR", self.keys.txn_last_log)]

    def counted(self, counter: bytes, name: str, amount: int) -> int:
        """Raise a counter outside of a transaction; its new value.  Raises EROFS."""
        self.db.require_writable()
        raised = self.db.write(("INCRBY", counter, amount), *self.logged("INCR_COUNTER", name, amount))
        return int(raised[0])

    def add_rule(self, value: bytes) -> int:
        """Store an encoded ACL rule; its new number.  Raises EROFS."""
        id = self.counted(self.keys.acl_max_id, "aclMaxId", 1)
        self.db.write(("HSETNX", self.keys.acl, id, value))
        return id

    # -- nodes -------------------------------------------------------------------------------------

    def check_root(self, inode: int) -> int:
        """The inode meant by a caller: 0 is the real root, 1 the root of this client (R1)."""
        if inode == 0:
            return ROOT_INODE
        return self.root if inode == ROOT_INODE else inode

    def get_attr(self, inode: int) -> Command:
        """The command that reads the attributes of an inode."""
        return ("GET", self.keys.attr(inode))

    def set_attr(self, inode: int, attr: Attr) -> Command:
        """The command that writes the attributes of an inode."""
        return ("SET", self.keys.attr(inode), codec.encode_attr(attr))

    def set_entry(self, parent: int, name: bytes, type: int, inode: int) -> Command:
        """The command that writes a directory entry."""
        return ("HSET", self.keys.dentries(parent), name, codec.encode_entry(type, inode))

    def count_parent(self, inode: int, parent: int, count: int) -> Command:
        """The command that counts names of a hard-linked inode in a directory (A3)."""
        return ("HINCRBY", self.keys.parents(inode), parent, count)

    @staticmethod
    def counted_parents(counted: Reply) -> dict[int, int]:
        """The directories and counts in a reply; what is not above zero has been left behind (A3)."""
        counts = {int(parent): codec.decode_counter(count) for parent, count in pairs(counted)}
        return {parent: count for parent, count in counts.items() if count > 0}

    def count_usage(self, space: int, inodes: int) -> tuple[Command, Command]:
        """The commands that change the volume's counters (bytes, count)."""
        return (("INCRBY", self.keys.used_space, space), ("INCRBY", self.keys.total_inodes, inodes))

    def stored_attr(self, inode: int) -> Attr:
        """The attributes as stored.  Raises ENOENT."""
        attr = optional_attr(self.db.cached_one(*self.get_attr(inode)))
        if attr is None:
            raise error(errno.ENOENT)
        return attr

    def known_attr(self, inode: int) -> Attr:
        """The attributes; made up for a root or trash root that cannot be read (N7.3).  Raises ENOENT."""
        try:
            return self.stored_attr(inode)
        except (FileNotFoundError, *FAILURES) as failure:
            if inode not in (ROOT_INODE, TRASH_INODE):
                raise
            log.warning("the attributes of inode %d are made up: %s", inode, failure)
        mode = 0o777 if inode == ROOT_INODE else 0o555
        return Attr(type=FileType.DIRECTORY, mode=mode, nlink=2, length=4096, parent=ROOT_INODE)

    def require_access_to(self, ctx: Context, inode: int, mask: int) -> None:
        """Raise EACCES (or ENOENT) unless every bit of `mask` is granted on an inode (R3)."""
        if ctx.restricted:
            self.require_access(ctx, self.known_attr(inode), mask)

    def permitted(self, ctx: Context, attr: Attr, mask: int) -> bool:
        """Whether a node grants every bit of `mask`, by its mode or its ACL (R3).  Raises ENOENT."""
        if consults_acl(ctx, attr):
            return permits(self.rules.get(attr.access_acl), ctx, attr, mask)
        return permitted(ctx, attr, mask)

    def require_access(self, ctx: Context, attr: Attr, mask: int) -> None:
        """Raise EACCES unless every bit of `mask` is granted (R3)."""
        refuse_if(not self.permitted(ctx, attr, mask), errno.EACCES)

    def require_directory(self, attr: Attr | None, ctx: Context, *, refused: int) -> Attr:
        """The attributes of a directory whose entries may be changed.

        Raises ENOENT (no record), ENOTDIR, EACCES, and EPERM when it carries one of the flags `refused`.
        """
        if attr is None:
            raise error(errno.ENOENT)
        refuse_if(attr.type != FileType.DIRECTORY, errno.ENOTDIR)
        self.require_access(ctx, attr, Access.W | Access.X)
        refuse_if(bool(attr.flags & refused), errno.EPERM)
        return attr

    def stamp(self, parent: Attr, now: Time, *, always: bool = False) -> bool:
        """Stamp a directory whose entries change; False where the throttle forbids it (R6)."""
        if always or later_by(now, parent.mtime, self.config.skip_dir_mtime):
            parent.mtime = parent.ctime = now
            return True
        return False

    def kept_attr(self, inode: int) -> Attr | None:
        """The attributes that the client keeps; None where it keeps none, or that there are none."""
        kept = self.store.known(self.get_attr(inode))
        return None if kept is None else optional_attr(kept[0])

    # -- entries -----------------------------------------------------------------------------------

    def kept_entry(self, parent: int, name: bytes) -> tuple[int, int] | None:
        """The (type, inode) that the client keeps of an entry; None where it keeps no entry.

        It may be out of date: what is done with it is checked against the server.
        """
        kept = self.store.known(("HGET", self.keys.dentries(parent), name))
        return None if kept is None or kept[0] is None else codec.decode_entry(kept[0])

    def folded_entry(self, parent: int, name: bytes) -> tuple[bytes, int, int] | None:
        """The (name, type, inode) of an entry whose name differs in case only (R15).

        None unless the client ignores case.
        """
        if not self.config.case_insensitive:
            return None
        wanted = folded(name)
        for page in self.store.hscan(self.keys.dentries(parent)):
            for candidate, value in page:
                if folded(candidate) == wanted:
                    return candidate, *codec.decode_entry(value)
        return None

    def list_entries(self, directory: int) -> dict[bytes, tuple[int, int]]:
        """Every entry of a directory: name to (type, inode)."""
        return entries_in(self.store.hscan(self.keys.dentries(directory)))

    def first_page(self, directory: int) -> Command:
        """The command whose reply `listed` wants: the first entries of a directory, mostly all of them."""
        return ("HSCAN", self.keys.dentries(directory), 0, "COUNT", KEPT_PAGE if self.store.keeps else PAGE)

    def listed(self, directory: int, first_page: Reply) -> dict[bytes, tuple[int, int]]:
        """As `list_entries`, of which the first page, kept or not, has been read."""
        cursor, flat = first_page
        pages = [list(zip(flat[::2], flat[1::2], strict=True))]
        if cursor != b"0":
            pages += self.store.hscan(self.keys.dentries(directory), PAGE, cursor)
        return entries_in(pages)

    def cached_attrs(self, inodes: Sequence[int]) -> list[Attr | None]:
        """The attributes of some inodes, kept or not, None where there is no record."""
        if not self.store.keeps or len(inodes) > MOST_CACHED:
            return self.read_attrs(inodes)
        return [optional_attr(blob) for blob in self.db.cached(*map(self.get_attr, inodes))]

    def read_attrs(self, inodes: Sequence[int], page: int = 4096) -> list[Attr | None]:
        """The attributes of many inodes, None where there is no record (S4.4)."""
        found: list[Attr | None] = []
        for start in range(0, len(inodes), page):
            keys = [self.keys.attr(inode) for inode in inodes[start : start + page]]
            found += [optional_attr(blob) for blob in self.db.read_one("MGET", *keys)]
        return found


def entries_in(pages: Iterable[list[tuple[bytes, bytes]]]) -> dict[bytes, tuple[int, int]]:
    """The entries in the pages of a scan: name to (type, inode)."""
    return {name: codec.decode_entry(value) for page in pages for name, value in page if name}


def optional_attr(blob: bytes | None) -> Attr | None:
    """The attributes in a reply, None where there is no record."""
    return None if blob is None else codec.decode_attr(blob)


def type_only(type: int) -> Attr:
    """What is known of an entry whose node has no record (S1.8)."""
    return Attr(type=type, full=False)


def folded(name: bytes) -> str:
    """A name by which names that differ in case only are equal: simple Unicode folding (R15)."""
    return "".join(map(folded_character, name.decode("utf-8", "surrogateescape")))


def folded_character(character: str) -> str:
    for fold in (character.casefold(), character.lower()):
        if len(fold) == 1:
            return fold
    return character
