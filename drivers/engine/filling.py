"""The database that a load fills: empty first, then of one load alone, a volume at the end (L4.17, L4.26)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple, TypeAlias
from uuid import uuid4

from ..errors import Refused
from .core import Core
from .database import FAILURES
from .store import Command, Disconnected, Reply, Transaction
from .volume import Volume

Commands: TypeAlias = Sequence[Command]

UNFINISHED = b"The load of a dump has not come to its end: load it again, or reset the database."
"""What the settings begin with meanwhile: no client takes it for a volume, nor formats over it.

A name behind it is that of the load.  Without one nobody's is going on: what is there is of several.
"""

GUARDED = 1000
"""Commands after which a load looks again whether the database is still its own."""

QUIET = 1.0
"""Seconds without a new key after which a load that has not come to its end is none any more."""

GLANCE = 0.05
"""Seconds between looks at it."""


class Seen(NamedTuple):
    """A database at a time."""

    size: int
    setting: bytes | None
    time: float
    """By the monotonic clock."""

    @property
    def unfinished(self) -> bool:
        """Whether a load has begun."""
        return is_unfinished(self.setting)


def is_unfinished(setting: Reply) -> bool:
    """Whether these settings stand for a load that has not come to its end."""
    return setting is not None and setting.startswith(UNFINISHED)


class Claim:
    """A database that is filled by one load, whose name is in the settings."""

    def __init__(self, volume: Core, mark: bytes) -> None:
        """`mark` is what the settings are meanwhile."""
        self._db = volume.db
        self._key = volume.keys.setting
        self._mark = mark

    def pour(self, batches: Iterable[Commands]) -> None:
        """Send many commands, each batch made ready while the server works on those before.

        Raises `Refused` soon after another load has taken the database.
        """
        self._db.pour(map(self._db.store.packed, self._guarded(batches)), self._look)

    def finish(self, setting: bytes) -> None:
        """Store the settings of the volume.  Raises `Refused` when the database is another's."""

        def body(tx: Transaction) -> bytes | None:
            stored: bytes | None
            (stored,) = tx.read(("GET", self._key))
            if stored == self._mark:
                tx.queue(("SET", self._key, setting))
            return stored

        self._require(self._db.transact([self._key], body))

    def leave(self) -> str:
        """Give up the database: what two have filled is for neither a volume.  What others did to it."""
        return self._taken(self._db.transact([self._key], self._spoil))

    def _guarded(self, batches: Iterable[Commands]) -> Iterator[Commands]:
        """The batches, the mark asked for every so often."""
        left = 0
        for batch in batches:
            if left <= 0:
                yield [("GET", self._key)]
                left = GUARDED
            left -= len(batch)
            yield batch

    def _look(self, replies: Sequence[Reply]) -> None:
        """Look for a mark among the replies: those of what is poured are numbers and OK."""
        for reply in {*replies} - {self._mark, b"OK"}:
            if not isinstance(reply, int):
                self._require(reply)

    def _require(self, stored: bytes | None) -> None:
        """Raise `Refused` when these settings are not the mark."""
        if taken := self._taken(stored):
            raise Refused(taken)

    def _taken(self, stored: bytes | None) -> str:
        """What others have done to a database that has these settings; nothing when they are the mark."""
        if stored == self._mark:
            return ""
        if stored is None:
            return "the database has been emptied meanwhile"
        if is_unfinished(stored):
            return "another load was under way in this database at the same time"
        return "another volume has come into this database: look at it with metaparity fsck"

    def _spoil(self, tx: Transaction) -> bytes | None:
        stored: bytes | None
        (stored,) = tx.read(("GET", self._key))
        if is_unfinished(stored) and stored != self._mark:
            tx.queue(("SET", self._key, UNFINISHED))
        return stored


def why(claim: Claim, failure: Exception) -> object:
    """Why a load has failed: what others have done to its database comes first."""
    if not isinstance(failure, Disconnected):
        with suppress(*FAILURES):
            return claim.leave() or failure
    return failure


class Filling(Volume):
    """What a load does first and last."""

    def look(self) -> Seen:
        """The database, which a load is to fill.  Raises EROFS, and `Refused` when it holds anything else."""
        self.db.require_writable()
        size, setting = self.db.read(("DBSIZE",), ("GET", self.keys.setting))
        return self._fillable(Seen(size, setting, time.monotonic()))

    @contextmanager
    def filling(self, path: str, before: Seen) -> Iterator[Claim]:
        """A block that fills the database, which was so `before`, from the file at `path`.

        Raises `Refused` when the database is not empty or is being filled, and when the block fails: it is
        no volume for anyone then.  Ctrl-C says the same.
        """
        while before.unfinished and time.monotonic() < before.time + QUIET:
            time.sleep(GLANCE)
            self._require_abandoned(self.look(), before)
        mark = b"%s (%s)" % (UNFINISHED, uuid4().hex.encode())
        self.db.transact([self.keys.setting], lambda tx: self._claim(tx, before, mark))
        claim = Claim(self, mark)
        try:
            yield claim
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(self._in_part(path, "interrupted")) from interrupt
        except (OSError, Refused, *FAILURES) as failure:
            raise Refused(self._in_part(path, why(claim, failure))) from failure

    def _in_part(self, path: str, reason: object) -> str:
        """Forget what the volume was to be; what to say of it."""
        self._format = None
        return f"{path} is loaded in part only ({reason}): load it again, or reset the database"

    def _claim(self, tx: Transaction, before: Seen, mark: bytes) -> None:
        """Take an empty database, or one in which a load did not come to its end."""
        size, setting = tx.read(("DBSIZE",), ("GET", self.keys.setting))
        now = self._fillable(Seen(size, setting, before.time))
        if now.unfinished:
            self._require_abandoned(now, before)
            tx.queue(("FLUSHDB",))
        tx.queue(("SET", self.keys.setting, mark))

    @staticmethod
    def _require_abandoned(now: Seen, before: Seen) -> None:
        """Raise `Refused` when a load has gone on."""
        if (now.size, now.setting) != (before.size, before.setting):
            raise Refused("another load is under way in this database: wait for its end, or end it")

    @staticmethod
    def _fillable(seen: Seen) -> Seen:
        """A database that may be filled.  Raises `Refused`."""
        if seen.size and not seen.unfinished:
            raise Refused("the database is not empty: load into an empty one, or reset this one first")
        return seen
