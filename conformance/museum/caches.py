"""Caches that are wrong on purpose, each in one place, and the clause that must go red."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from metaparity.drivers.engine.removal import Found, Removal, Wanted
from metaparity.drivers.engine.store import Command, Reply, ServerError, Transaction
from metaparity.drivers.rueidis.cache import Cache, Flight
from metaparity.drivers.rueidis.mux import Mux
from metaparity.drivers.rueidis.store import RueidisStore

from .exhibit import exhibit, nothing

broken = partial(exhibit, __name__, "rueidis")

sound_invalidated = Cache.invalidated
sound_drop = Cache._drop
sound_connected = RueidisStore._connected
sound_exchange = Mux.exchange
sound_read = Cache.read
sound_cached = RueidisStore.cached
sound_find = Removal._find
sound_attempt = RueidisStore.attempt


def invalidate_some(self: Cache, keys: Iterable[bytes] | None) -> None:
    """As if a flushed database changed nothing."""
    if keys is not None:
        sound_invalidated(self, keys)


def drop_values(self: Cache, key: bytes) -> None:
    """As if the fields of a hash were not of its key."""
    if key[:1] not in (b"d", b"x"):
        sound_drop(self, key)


def drop_present(self: Cache, key: bytes) -> None:
    """As if what is absent stayed absent."""
    absent = {command: kept for command, kept in self._kept.get(key, {}).items() if kept[0] is None}
    sound_drop(self, key)
    if absent:
        self._kept[key] = absent
        self.entries += len(absent)


def connected_with_the_old_cache(self: RueidisStore) -> Mux:
    """As if what was read on one connection was told of on the next."""
    mux = sound_connected(self)
    mux.cache = self.__dict__.setdefault("first_cache", mux.cache)
    return mux


def connected_untold(self: RueidisStore) -> Mux:
    """As if the server told of changes unasked."""
    address = self._dialler.address
    cache = Cache(address.cache_size, address.cache_ttl, self.counters)
    return Mux(self._dialler.dial(), address, self._shared_traffic, cache)


def subscribed_to_attributes(*args: Any) -> Any:
    """As if only the records of nodes ever changed."""
    commands, *rest = args[1:]
    if commands and commands[0][:2] == ("CLIENT", "TRACKING"):
        commands = [("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "i")]
    return sound_exchange(args[0], commands, *rest)


def forget_what_is_kept(self: Cache, keys: Iterable[bytes] | None) -> None:
    """As if what is under way were newer than a change of the client itself."""
    with self._lock:
        for key in list(self._kept) if keys is None else keys:
            sound_drop(self, key)


def read_alone(
    self: Cache, commands: Sequence[Command], send: Callable[[list[Flight]], object]
) -> list[Reply | ServerError] | None:
    """As if nobody else were asking."""
    self._flights.clear()
    return sound_read(self, commands, send)


def believe(self: Cache, before: Sequence[tuple[Command, Reply]]) -> bool:
    """As if nothing changed while the rest of an answer is under way."""
    return True


def cached_without_a_look(self: RueidisStore, *commands: Command) -> list[Reply]:
    """As if what was kept were good without the connection that vouches for it."""
    mux = self._mux
    kept = mux.cache.known(commands) if mux is not None and mux.cache is not None else None
    return sound_cached(self, *commands) if kept is None else kept


def find_as_known(
    self: Removal, tx: Transaction, parent: int, name: bytes, wanted: Wanted, *, directory: bool
) -> Found:
    """As if a name led where the client believes."""
    guess = self.kept_entry(parent, name)
    found, above, type, inode, replies = sound_find(self, tx, parent, name, wanted, directory=directory)
    if guess is not None and guess[1] != inode:
        type, inode = guess
        replies = tx.read(*wanted(tx, name, inode))
    return found, above, type, inode, replies


def attempt_on_what_is_kept(
    self: RueidisStore, watch: Sequence[bytes], body: Callable[[Transaction], object]
) -> object:
    """As if a key that changed before it was watched were a conflict, too."""

    def believing(tx: Any) -> object:
        sound_read = tx.read

        def read(*commands: Command) -> list[Reply]:
            kept = self.known(*commands)
            return sound_read(*commands) if kept is None else kept

        tx.read = read
        return body(tx)

    return sound_attempt(self, watch, believing)


PUSHES_ARE_IGNORED = broken(
    "PUSHES_ARE_IGNORED",
    "what the server says of changed keys is not heard",
    caught_by="coherence/others-read-a-change-once-they-are-told",
    target="rueidis.cache:Cache.invalidated",
    wrong=nothing,
)
OWN_WRITES_ARE_LEFT = broken(
    "OWN_WRITES_ARE_LEFT",
    "a client's own changes are left to what the server says of them",
    caught_by="coherence/a-writer-is-never-behind-itself",
    target="rueidis.cache:Cache.forget",
    wrong=nothing,
)
FLUSHES_ARE_IGNORED = broken(
    "FLUSHES_ARE_IGNORED",
    "the word that all keys have changed is taken for none",
    caught_by="coherence/a-flushed-database-takes-the-cache-along",
    target="rueidis.cache:Cache.invalidated",
    wrong=invalidate_some,
)
FIELDS_ARE_LEFT = broken(
    "FIELDS_ARE_LEFT",
    "cached fields of a hash outlive a change of the hash",
    caught_by="coherence/others-read-a-change-once-they-are-told",
    target="rueidis.cache:Cache._drop",
    wrong=drop_values,
)
ABSENCE_IS_FOR_EVER = broken(
    "ABSENCE_IS_FOR_EVER",
    "a name that was absent stays absent",
    caught_by="coherence/others-read-a-change-once-they-are-told",
    target="rueidis.cache:Cache._drop",
    wrong=drop_present,
)
CACHES_OUTLIVE_CONNECTIONS = broken(
    "CACHES_OUTLIVE_CONNECTIONS",
    "what was cached before a connection was lost is shown after it",
    caught_by="coherence/a-lost-connection-takes-the-cache-along",
    target="rueidis.store:RueidisStore._connected",
    wrong=connected_with_the_old_cache,
)
TRACKING_IS_OFF = broken(
    "TRACKING_IS_OFF",
    "the server is not asked to tell of changes",
    caught_by="coherence/others-read-a-change-once-they-are-told",
    target="rueidis.store:RueidisStore._connected",
    wrong=connected_untold,
)
A_PREFIX_IS_MISSING = broken(
    "A_PREFIX_IS_MISSING",
    "the server is asked to tell of changes to some keys only",
    caught_by="coherence/others-read-a-change-once-they-are-told",
    target="rueidis.mux:Mux.exchange",
    wrong=subscribed_to_attributes,
)
ANSWERS_OUTLIVE_CHANGES = broken(
    "ANSWERS_OUTLIVE_CHANGES",
    "an answer that was under way when the client changed what it tells of is kept",
    caught_by="coherence/an-own-change-outlives-an-older-answer",
    target="rueidis.cache:Cache.forget",
    wrong=forget_what_is_kept,
)
EACH_ASKS = broken(
    "EACH_ASKS",
    "all who miss one thing ask for it",
    caught_by="coherence/those-who-miss-one-thing-ask-once",
    target="rueidis.cache:Cache.read",
    wrong=read_alone,
)
ANSWERS_ARE_PATCHED = broken(
    "ANSWERS_ARE_PATCHED",
    "what was kept is shown with what has come since",
    caught_by="coherence/one-answer-is-of-one-moment",
    target="rueidis.cache:Cache._still",
    wrong=believe,
)
OUT_OF_REACH_IS_UNNOTICED = broken(
    "OUT_OF_REACH_IS_UNNOTICED",
    "what was kept is shown while the server cannot be reached",
    caught_by="coherence/out-of-reach-nothing-is-shown",
    target="rueidis.store:RueidisStore.cached",
    wrong=cached_without_a_look,
)
NAMES_ARE_TRUSTED = broken(
    "NAMES_ARE_TRUSTED",
    "a removal takes the node that the client believes to have the name",
    caught_by="coherence/a-change-meets-what-is-there",
    target="engine.removal:Removal._find",
    wrong=find_as_known,
)
TRANSACTIONS_READ_WHAT_IS_KEPT = broken(
    "TRANSACTIONS_READ_WHAT_IS_KEPT",
    "what a change starts from is read from the cache",
    caught_by="coherence/a-change-keeps-what-others-changed",
    target="rueidis.store:RueidisStore.attempt",
    wrong=attempt_on_what_is_kept,
)
