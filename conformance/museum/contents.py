"""Contents of files, wrong on purpose, each in one place, and the clause that must go red."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from metaparity.drivers.engine import assembly
from metaparity.drivers.engine.data import Data
from metaparity.drivers.engine.store import Command
from metaparity.drivers.types import (
    Slice,
)

from .exhibit import exhibit, no_commands

broken = partial(exhibit, __name__, "redis")

sound_assemble = assembly.assemble
sound_refer = Data._refer


def refer_without_counting(self: Data, inode: int, piece: Slice, at: int) -> Iterator[Command]:
    return (command for command in sound_refer(self, inode, piece, at) if command[0] == "RPUSH")


def first_wins(records: Sequence[Slice]) -> list[Slice]:
    return sound_assemble(records[::-1])


TRUNCATE_FORGETS = broken(
    "TRUNCATE_FORGETS",
    "a truncate sets the length and zeroes nothing, so that old bytes come back",
    caught_by="truncate/what-was-cut-off-does-not-come-back",
    target="engine.data:Data._mask",
    wrong=no_commands,
)
COPIES_UNCOUNTED = broken(
    "COPIES_UNCOUNTED",
    "a copy does not count its references, so that slices in use are deleted",
    caught_by="copy/a-slice-lives-as-long-as-something-refers-to-it",
    target="engine.data:Data._refer",
    wrong=refer_without_counting,
)
OLD_MERGED_OVER_NEW = broken(
    "OLD_MERGED_OVER_NEW",
    "a compaction lets the older of two overlapping slices win",
    caught_by="compact/nothing-but-holes-becomes-one-byte",
    target="engine.assembly:assemble",
    wrong=first_wins,
)
