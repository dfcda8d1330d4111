"""Dumps and backups, wrong on purpose, each in one place, and the clause that must go red."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from metaparity.drivers.engine import codec
from metaparity.drivers.engine.restoring import Restorer
from metaparity.drivers.engine.store import Command
from metaparity.drivers.types import (
    Format,
)

from .exhibit import exhibit

broken = partial(exhibit, __name__, "redis")

sound_counters = Restorer.make_counters


def chunks_as_strings(self: Restorer, items: Sequence[Any]) -> Iterator[Command]:
    return (("SET", self._keys.chunk(item.inode, item.index), item.slices) for item in items)


def references_as_counted(self: Restorer, items: Sequence[Any]) -> Iterator[Command]:
    for item in items:
        yield "HSET", self._keys.slice_refs, codec.slice_ref_field(item.id, item.size), item.refs


def counters_as_told(self: Restorer, items: Sequence[Any]) -> Iterator[Command]:
    next_ones = [self._keys.next_inode, self._keys.next_chunk]
    for name, key, value in sound_counters(self, items):
        yield name, key, int(value) + (key in next_ones)


def all_disclosed(format: Format, secrets: Sequence[str]) -> Format:
    return format


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
    target="engine.restoring:Restorer.make_counters",
    wrong=counters_as_told,
)
SECRETS_TOLD = broken(
    "SECRETS_TOLD",
    "a dump tells the keys of the object store to whoever reads it",
    caught_by="dump/tells-secrets-only-when-asked",
    target="engine.dumping:disclosed",
    wrong=all_disclosed,
)
