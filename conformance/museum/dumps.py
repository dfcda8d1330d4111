"""Dumps and backups, wrong on purpose, each in one place, and the clause that must go red."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from metaparity.drivers.engine import codec
from metaparity.drivers.engine.filling import Claim, Filling, Seen
from metaparity.drivers.engine.items import Columns
from metaparity.drivers.engine.restoring import Restorer
from metaparity.drivers.engine.store import Command
from metaparity.drivers.types import Format

from .exhibit import exhibit, nothing

broken = partial(exhibit, __name__, "redis")

sound_counters = Restorer.counters


def chunks_as_strings(self: Restorer, items: Columns) -> Iterator[Command]:
    for inode, index, slices in zip(*items, strict=True):
        yield "SET", self._keys.chunk(inode, index), slices


def references_as_counted(self: Restorer, items: Columns) -> Iterator[Command]:
    for id, size, refs in zip(*items, strict=True):
        yield "HSET", self._keys.slice_refs, codec.slice_ref_field(id, size), refs


def counters_as_told(self: Restorer) -> Iterator[Command]:
    next_ones = [self._keys.next_inode, self._keys.next_chunk]
    for name, key, value in sound_counters(self):
        yield name, key, int(value) + (key in next_ones)


def all_disclosed(format: Format, secrets: Sequence[str]) -> Format:
    return format


def any_database(seen: Seen) -> Seen:
    """As if every database were empty."""
    return seen._replace(size=0, setting=None)


class Unclaimed(Claim):
    """As if nobody else could be there."""

    taken = None

    def finish(self, setting: bytes) -> None:
        self._db.write(("SET", self._key, setting))


@contextmanager
def unclaimed(self: Filling, path: str, before: Seen) -> Iterator[Claim]:
    yield Unclaimed(self)


def no_commands(self: Any, items: Sequence[Any]) -> Iterator[Command]:
    """As if there were none."""
    yield from ()


CHUNKS_AS_STRINGS = broken(
    "CHUNKS_AS_STRINGS",
    "a restore writes the records of a chunk as one string",
    caught_by="backup/keeps-records-and-counts",
    target="engine.restoring:Restorer.make_chunks",
    wrong=chunks_as_strings,
)
REFERENCES_ONE_TOO_MANY = broken(
    "REFERENCES_ONE_TOO_MANY",
    "a restore stores all references of a slice where all but one are stored",
    caught_by="backup/leaves-a-volume-in-order",
    target="engine.restoring:Restorer.make_slice_refs",
    wrong=references_as_counted,
)
COUNTERS_ONE_TOO_HIGH = broken(
    "COUNTERS_ONE_TOO_HIGH",
    "a restore stores the next inode and slice where the last one is stored",
    caught_by="backup/restores-to-the-recorded-keys",
    target="engine.restoring:Restorer.counters",
    wrong=counters_as_told,
)
SECRETS_TOLD = broken(
    "SECRETS_TOLD",
    "a dump tells the keys of the object store to whoever reads it",
    caught_by="dump/tells-secrets-only-when-asked",
    target="engine.dumping:disclosed",
    wrong=all_disclosed,
)
OTHERS_ARE_OVERWRITTEN = broken(
    "OTHERS_ARE_OVERWRITTEN",
    "a load does not ask whether the database is empty",
    caught_by="dump/is-loaded-into-an-empty-database-only",
    target="engine.filling:fillable",
    wrong=any_database,
)
LOADS_MIX = broken(
    "LOADS_MIX",
    "a load asks whether the database is empty at its begin, and not who else fills it then",
    caught_by="dump/two-loads-at-once-do-not-mix",
    target="engine.filling:Filling.filling",
    wrong=unclaimed,
)
NEWER_IS_LOADED = broken(
    "NEWER_IS_LOADED",
    "a load does not ask whether this client may use the volume",
    caught_by="dump/of-a-newer-volume-is-refused",
    target="engine.loading:check_client",
    wrong=nothing,
)
A_CHARACTER_IS_LOST = broken(
    "A_CHARACTER_IS_LOST",
    "a dump spells U+FFFD with one of its three bytes",
    caught_by="dump/keeps-every-name",
    target="engine.codec:escape",
    wrong=codec.escape_losing,
)
FOOTERS_ARE_UNREAD = broken(
    "FOOTERS_ARE_UNREAD",
    "a restore does not ask whether the file has its end",
    caught_by="backup/a-file-that-is-no-whole-backup-is-refused",
    target="engine.segments:BackupFile._footer",
    wrong=nothing,
)
RINGS_ARE_RESTORED = broken(
    "RINGS_ARE_RESTORED",
    "a restore does not ask whether directories are inside of themselves",
    caught_by="backup/whose-directories-are-a-ring-is-refused",
    target="engine.inventory:Check._no_cycles",
    wrong=nothing,
)
OPEN_FILES_ARE_FORGOTTEN = broken(
    "OPEN_FILES_ARE_FORGOTTEN",
    "a restore leaves unlinked files to no session",
    caught_by="backup/each-format-leaves-out-what-it-says",
    target="engine.restoring:Restorer.make_sustained",
    wrong=no_commands,
)
