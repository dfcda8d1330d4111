"""Faults that history has seen, seeded for the exam of the generated runs, each in one place.

The other rooms have a clause that catches each exhibit; here nothing but generated histories may find them.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from metaparity.drivers.engine.data import Data
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.files import Files
from metaparity.drivers.engine.locks import Locking
from metaparity.drivers.engine.store import Command
from metaparity.drivers.types import Attr, LockType, Node, OpenFlag, SetAttr

from .exhibit import spoilt

seeded = partial(spoilt, "redis")

sound_create = StoreEngine.create
sound_flock: Any = StoreEngine.flock
sound_lose_name = Files.lose_name
sound_open = StoreEngine.open_file
sound_parents = StoreEngine.parents
sound_readlink = StoreEngine.readlink
sound_resize: Any = Data._resize
sound_setattr = StoreEngine.setattr
sound_setlk: Any = StoreEngine.setlk
sound_write: Any = StoreEngine.write
sound_queue_drop: Any = Locking._drop


def create_only_new(self: StoreEngine, *args: Any, **kwargs: Any) -> Node:
    """As if O_EXCL had been asked for."""
    kwargs["flags"] = OpenFlag.EXCL
    return sound_create(self, *args[:4], **kwargs)


def open_anything(self: StoreEngine, inode: int, *args: Any, **kwargs: Any) -> Attr:
    """As if what cannot be read were there."""
    try:
        return sound_open(self, inode, *args, **kwargs)
    except OSError as refused:
        if refused.errno != errno.ENOENT:
            raise
        return Attr(full=False)


def readlink_or_nothing(self: StoreEngine, *args: Any, **kwargs: Any) -> bytes:
    """As if no target meant no node."""
    try:
        return sound_readlink(self, *args, **kwargs)
    except OSError as refused:
        if refused.errno == errno.EINVAL:
            raise OSError(errno.ENOENT, "no target") from None
        raise


def parents_from_the_record(self: StoreEngine, inode: int, **kwargs: Any) -> dict[int, int]:
    """As if every node had one name."""
    found = sound_parents(self, inode, **kwargs)
    return found if sum(found.values()) < 2 else {}


def setattr_but_zero(self: StoreEngine, inode: int, set: SetAttr, attr: Attr, **kwargs: Any) -> Attr:
    """As if zero meant that nothing was asked for."""
    if SetAttr.UID in set and attr.uid == 0:
        set &= ~SetAttr.UID
    return sound_setattr(self, inode, set, attr, **kwargs)


def write_now(self: StoreEngine, *args: Any, **kwargs: Any) -> None:
    """As if the time of the flush were that of the write."""
    kwargs["mtime"] = divmod(time.time_ns(), 10**9)
    sound_write(self, *args[:4], **kwargs)


def resize_silently(self: Data, tx: Any, inode: int, attr: Attr, length: int, mtime: Any = None) -> Any:
    """As if the contents had not changed."""
    return sound_resize(self, tx, inode, attr, length, attr.mtime if mtime is None else mtime)


def lose_name_with_attributes(
    self: Files, tx: Any, trash: int, parent: int, name: bytes, inode: int, *rest: Any
) -> Any:
    """As if extended attributes were of a name."""
    tx.queue(("DEL", self.keys.xattrs(inode)))
    return sound_lose_name(self, tx, trash, parent, name, inode, *rest)


def setlk_by_nobody(self: StoreEngine, *args: Any, **kwargs: Any) -> None:
    """As if all ranges were of one process."""
    if "pid" in kwargs:
        kwargs["pid"] = 1
    sound_setlk(self, *args, **kwargs)


def flock_refuses_itself(
    self: StoreEngine, inode: int, owner: int, type: LockType, *args: Any, **kwargs: Any
) -> None:
    """As if the own lock were in the way."""
    held = [one for one in self.locks_list(inode).flocks if (one.sid, one.owner) == (self.sid, owner)]
    if type == LockType.R and any(one.type == "W" for one in held):
        raise OSError(errno.EAGAIN, "held")
    sound_flock(self, inode, owner, type, *args, **kwargs)


def drop_from_the_file(self: Locking, *args: Any, **kwargs: Any) -> Iterator[Command]:
    """As if a session had nothing to forget."""
    return (one for one in sound_queue_drop(self, *args, **kwargs) if one[0] != "SREM")


CREATE_WANTS_NEW = seeded(
    "CREATE_WANTS_NEW",
    "a create of an existing file is refused",
    "engine.engine:StoreEngine.create",
    create_only_new,
)
OPEN_FINDS_NOTHING = seeded(
    "OPEN_FINDS_NOTHING",
    "a node that is gone can be opened",
    "engine.engine:StoreEngine.open_file",
    open_anything,
)
READLINK_MEANS_NOTHING = seeded(
    "READLINK_MEANS_NOTHING",
    "what is no link does not exist",
    "engine.engine:StoreEngine.readlink",
    readlink_or_nothing,
)
PARENTS_OF_ONE_NAME = seeded(
    "PARENTS_OF_ONE_NAME",
    "a linked node has no parents",
    "engine.engine:StoreEngine.parents",
    parents_from_the_record,
)
ZERO_IS_UNSET = seeded(
    "ZERO_IS_UNSET", "nothing can be given to user 0", "engine.engine:StoreEngine.setattr", setattr_but_zero
)
WRITES_ARE_NOW = seeded(
    "WRITES_ARE_NOW", "the time of a write is that of its flush", "engine.engine:StoreEngine.write", write_now
)
GROWTH_IS_SILENT = seeded(
    "GROWTH_IS_SILENT", "fallocate and truncate leave mtime", "engine.data:Data._resize", resize_silently
)
XATTRS_GO_WITH_A_NAME = seeded(
    "XATTRS_GO_WITH_A_NAME",
    "removing one of several names removes the extended attributes",
    "engine.files:Files.lose_name",
    lose_name_with_attributes,
)
PIDS_ARE_ONE = seeded(
    "PIDS_ARE_ONE",
    "ranges of different processes are joined",
    "engine.engine:StoreEngine.setlk",
    setlk_by_nobody,
)
DOWNGRADES_CONFLICT = seeded(
    "DOWNGRADES_CONFLICT",
    "a writer cannot become a reader",
    "engine.engine:StoreEngine.flock",
    flock_refuses_itself,
)
SESSIONS_REMEMBER = seeded(
    "SESSIONS_REMEMBER",
    "an unlock leaves the file with its session",
    "engine.locks:Locking._drop",
    drop_from_the_file,
)
TRASH_IS_OPEN = seeded(
    "TRASH_IS_OPEN", "what is in the trash can be changed", "engine.attributes:trashed", lambda attr: False
)
