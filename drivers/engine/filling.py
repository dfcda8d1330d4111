"""The database that a load fills: empty first, then of one load alone, a volume at the end (L4.17, L4.26)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple, TypeAlias, TypeVar
from uuid import uuid4

from ..errors import Refused
from .core import UNFINISHED, Core, is_unfinished
from .database import ATTEMPTS, FAILURES, retryable
from .store import Command, Conflict, Disconnected, Reply, ServerError, Transaction
from .volume import Volume

T = TypeVar("T")

Commands: TypeAlias = Sequence[Command]

GUARDED = 20_000
"""Arguments of commands after which a load looks again whether the database is still its own."""

BEAT = 0.5
"""Seconds after which a load shows again that it goes on."""

QUIET = 2.0
"""Seconds without a beat, or a new key, after which a load is taken for one that does not go on."""

GLANCE = 0.05
"""Seconds between looks at it."""

PATIENCE = 0.2
"""Seconds to wait for a beat under way, which may need a server that is silent."""

UNKNOWN = (OSError, Refused, *FAILURES)
"""What a server raises that cannot be asked."""


class Seen(NamedTuple):
    """A database at a time."""

    size: int
    setting: bytes | None

    @property
    def unfinished(self) -> bool:
        """Whether a load has begun."""
        return is_unfinished(self.setting)


class Taken(NamedTuple):
    """What others have done to a database, and what to do now."""

    what: str
    advice: str


AGAIN = "load it again, or reset the database"
EMPTIED = Taken("the database has been emptied meanwhile", AGAIN)
SHARED = Taken("another load was under way in this database at the same time", AGAIN)
REPLACED = Taken("another volume has come into this database", "look at that one with metaparity fsck")


def seen_by(tx: Transaction, key: bytes) -> Seen:
    """The database now; `key` is that of the settings."""
    return Seen(*tx.read(("DBSIZE",), ("GET", key)))


def fillable(seen: Seen) -> Seen:
    """A database that may be filled.  Raises `Refused`."""
    if seen.size and not seen.unfinished:
        raise Refused("the database is not empty: load into an empty one, or reset this one first (FLUSHDB)")
    return seen


def require_abandoned(now: Seen, before: Seen) -> None:
    """Raise `Refused` when a load has gone on."""
    if now != before:
        raise Refused("another load is under way in this database: wait for its end, or end it")


class Claim:
    """A database that is filled by one load, whose name is in the settings."""

    def __init__(self, volume: Core) -> None:
        self._db = volume.db
        self._key = volume.keys.setting
        self._name = b"%s (%s" % (UNFINISHED, uuid4().hex.encode())
        self._beats = 0
        self._stored: bytes | None = self._name
        """The settings when they were last looked at; since they are another's, what they were first."""
        self._setting: bytes | None = None
        """What the settings are to be at the end, once that is written, unless it is known to have failed."""
        self.ended = False
        """Whether the database is a volume."""

    def take(self, before: Seen) -> None:
        """Take an empty database, or one that was so `before`, in which a load has not gone on since."""

        def body(tx: Transaction) -> None:
            now = fillable(seen_by(tx, self._key))
            if now.unfinished:
                require_abandoned(now, before)
                tx.queue(("FLUSHDB",))
            tx.queue(self._mark())

        self._attempt(body)

    def pour(self, batches: Iterable[Commands]) -> None:
        """Send many commands, each batch made ready while the server works on those before.

        Raises `Refused` soon after another load has taken the database.
        """
        self._db.pour(map(self._db.store.packed, self._guarded(batches)), self._look)

    def finish(self, setting: bytes) -> None:
        """Store the settings of the volume.  Raises `Refused` when the database is another's."""
        self._setting = setting

        def body(tx: Transaction) -> bool:
            stored = self._ask(tx)
            mine = self._marked(stored)
            if mine:
                tx.queue(("SET", self._key, setting))
            return mine

        try:
            self.ended = self._attempt(body)
        except Disconnected:
            # The reply may be all that was lost.
            if self._db.read_one("GET", self._key) != setting:
                self._setting = None
                raise
            self.ended = True
        except Exception:
            self._setting = None
            raise
        self._require()

    def hold(self) -> None:
        """Show that the load goes on.  What is another's too, or was emptied, is a volume for nobody then."""

        def body(tx: Transaction) -> None:
            stored = self._ask(tx)
            if self.ended:
                return
            if self._marked(stored):
                tx.queue(self._mark())
            elif stored is None or is_unfinished(stored):
                tx.queue(("SET", self._key, UNFINISHED))

        self._attempt(body)

    @property
    def ending(self) -> bool:
        """Whether the settings are being written, or nobody knows what became of that."""
        return self._setting is not None and not self.ended and not self.taken

    @property
    def taken(self) -> Taken | None:
        """What others have done to the database, as far as that is known."""
        if self._stored is None:
            return EMPTIED
        if self._marked(self._stored) or self._stored == self._setting:
            return None
        return SHARED if is_unfinished(self._stored) else REPLACED

    def _mark(self) -> Command:
        """The command that shows whose the database is, another time."""
        self._beats += 1
        return "SET", self._key, b"%s, %d)" % (self._name, self._beats)

    def _marked(self, stored: bytes | None) -> bool:
        """Whether these settings show that the database is this load's."""
        return stored is not None and stored.startswith(self._name)

    def _ask(self, tx: Transaction) -> bytes | None:
        """The settings now, which are noted."""
        stored: bytes | None
        (stored,) = tx.read(("GET", self._key))
        self._learn(stored)
        return stored

    def _learn(self, stored: bytes | None) -> None:
        """Note what the settings are; of what others have done the first is told."""
        if not self.taken:
            self._stored = stored

    def _attempt(self, body: Callable[[Transaction], T]) -> T:
        """Run a transaction on the settings.  A full server is told at once, other than by `Database`."""
        for _ in range(ATTEMPTS):
            try:
                return self._db.store.attempt([self._key], body)
            except Conflict as conflict:
                failure: Exception = conflict
            except ServerError as refused:
                failure = refused.__cause__ if isinstance(refused.__cause__, ServerError) else refused
                if not retryable(failure):
                    raise failure from None
                time.sleep(GLANCE)
        raise failure

    def _guarded(self, batches: Iterable[Commands]) -> Iterator[Commands]:
        """The batches, the mark asked for every so often."""
        left = 0
        for batch in batches:
            if left <= 0:
                yield [("GET", self._key)]
                left = GUARDED
            left -= sum(map(len, batch))
            yield batch

    def _look(self, replies: Sequence[Reply]) -> None:
        """Look for the mark among the replies: those of what is poured are numbers and OK."""
        for reply in {*replies} - {b"OK"}:
            if not isinstance(reply, int):
                self._learn(reply)
                self._require()

    def _require(self) -> None:
        """Raise `Refused` when the database is another's."""
        if taken := self.taken:
            raise Refused(taken.what)


@contextmanager
def held(claim: Claim) -> Iterator[None]:
    """A block during which a load shows that it goes on, whatever it is at."""
    ending = threading.Event()

    def beat() -> None:
        while not ending.wait(BEAT):
            with suppress(*UNKNOWN):
                claim.hold()

    thread = threading.Thread(target=beat, name="metaparity load", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(PATIENCE)


class Filling(Volume):
    """What a load does first and last."""

    def look(self) -> Seen:
        """The database, which a load is to fill.  Raises EROFS, and `Refused` when it holds anything else."""
        self.db.require_writable()
        # On a connection that the load goes on with, where `read` would need one more.
        return fillable(self.store.attempt([], lambda tx: seen_by(tx, self.keys.setting)))

    @contextmanager
    def filling(self, path: str, before: Seen) -> Iterator[Claim]:
        """A block that fills the database, which was so `before`, from the file at `path`.

        Raises `Refused` when the database is not empty or is being filled, and when the block fails: it is
        no volume for anyone then.  Ctrl-C says the same.
        """
        self._watch(before)
        claim = Claim(self)
        claim.take(before)
        try:
            with self._explained(path, claim), held(claim):
                yield claim
        except KeyboardInterrupt as interrupt:
            if claim.ended:
                raise
            raise KeyboardInterrupt(self._in_part(path, claim, "interrupted")) from interrupt

    def _watch(self, before: Seen) -> None:
        """Wait until a load that has begun is known not to go on.  Raises `Refused` when it does."""
        since = time.monotonic()
        while before.unfinished and time.monotonic() < since + QUIET:
            time.sleep(GLANCE)
            require_abandoned(self.look(), before)

    @contextmanager
    def _explained(self, path: str, claim: Claim) -> Iterator[None]:
        """A block whose failure is told with what it has left."""
        try:
            yield
        except UNKNOWN as failure:
            if not isinstance(failure, Disconnected):
                with suppress(*UNKNOWN):
                    claim.hold()
            raise Refused(self._in_part(path, claim, failure)) from failure

    def _in_part(self, path: str, claim: Claim, reason: object) -> str:
        """Forget what the volume was to be; what to say of it."""
        self._format = None
        what, advice = claim.taken or (reason, AGAIN)
        if claim.ending:
            return f"{path} may be loaded in part only ({what}): look at it with metaparity fsck, or {AGAIN}"
        return f"{path} is loaded in part only ({what}): {advice}"
