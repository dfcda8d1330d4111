"""Dumps and backups that lie, each in one place, and the clause that must go red."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from metaparity.drivers.engine import codec
from metaparity.drivers.engine.loading import UNFINISHED, Loading
from metaparity.drivers.engine.store import Command, Transaction

from .exhibit import exhibit, nothing

broken = partial(exhibit, __name__, "redis")


def claim_any_database(self: Loading, tx: Transaction) -> None:
    """As if every database were empty."""
    tx.queue(("SET", self.keys.setting, UNFINISHED))


def no_commands(self: Any, items: Sequence[Any]) -> Iterator[Command]:
    """As if there were none."""
    yield from ()


OTHERS_ARE_OVERWRITTEN = broken(
    "OTHERS_ARE_OVERWRITTEN",
    "a load does not ask whether the database is empty",
    caught_by="dump/is-loaded-into-an-empty-database-only",
    target="engine.loading:Loading._claim_database",
    wrong=claim_any_database,
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
