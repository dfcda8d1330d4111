"""Chunks, slices and what waits for deletion (I9-I11, I16)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from metaparity.drivers.engine import codec
from metaparity.drivers.engine.store import Command
from metaparity.drivers.types import CHUNK_SIZE, FileType

from .columns import ABSENT
from .law import GC, Fault, law
from .state import State


@law("data/chunks-belong-to-files", "I9 Q3", f"{GC}, or DEL and a count less for each slice", garbage=True)
def chunks_belong_to_files(state: State) -> Iterator[Fault]:
    """A chunk is of a file that is there, or waits for deletion."""
    for key, records in state.lost_chunks.items():
        counts = Counter(codec.slice_ref_field(one.id, one.size) for one in records if one.id)
        mends: list[Command] = [("DEL", key)]
        mends += [("HINCRBY", state.keys.slice_refs, field, -count) for field, count in counts.items()]
        yield Fault("is a chunk of a file that is gone", (key,), tuple(mends))


@law("data/chunks-are-of-files", "I9", "restoring the node from a backup")
def chunks_are_of_files(state: State) -> Iterator[Fault]:
    """Nothing but a file has chunks."""
    for inode in sorted(set(state.chunk_files) if state.chunk_files else ()):
        place = state.nodes.find(inode)
        if place != ABSENT and state.nodes.type[place] != FileType.FILE:
            key = state.keys.chunks_pattern(inode)
            yield Fault(f"node {inode} is no file and has chunks", (key,))


@law("data/records-lie-in-their-chunk", "I10", "restoring the chunk from a backup")
def records_lie_in_their_chunk(state: State) -> Iterator[Fault]:
    """A record ends within its chunk of 64 MiB."""
    for one in state.odd_records:
        if one.pos + one.len > CHUNK_SIZE:
            yield Fault(f"a record of {one.len} bytes at {one.pos} goes beyond its chunk", (one.key,))


@law("data/records-lie-in-their-slice", "I10", "restoring the chunk from a backup")
def records_lie_in_their_slice(state: State) -> Iterator[Fault]:
    """A record shows no more of a slice than the slice has."""
    for one in state.odd_records:
        if one.id and one.off + one.len > one.size:
            what = f"a record shows {one.len} bytes from {one.off} of slice {one.id}, which has {one.size}"
            yield Fault(what, (one.key,))


@law("data/slices-are-counted", "I11", "HSET or HDEL of the count")
def slices_are_counted(state: State) -> Iterator[Fault]:
    """What refers to a slice, in chunks and in the trash, is one more than its count; no count says 0."""
    key = state.keys.slice_refs
    counts: dict[tuple[int, int], int] = {}
    for field, value in state.plain("slice_refs"):
        if field == state.keys.token_max_id:
            continue  # JuiceFS 1.4.1 takes its counter of tokens for a slice of old and moves it here (L6.20)
        try:
            slice, count = codec.parse_slice_ref_field(field), int(value)
        except ValueError:
            yield Fault(f"{field!r}: {value!r} is no count of a slice", (key,))
            continue
        counts[slice] = count

    def fault(slice: tuple[int, int], used: int, count: int) -> Fault:
        field = codec.slice_ref_field(*slice)
        mend: Command = ("HSET", key, field, used - 1) if used != 1 else ("HDEL", key, field)
        what = f"slice {slice[0]} of {slice[1]} bytes is referred to {used} times, its count is {count}"
        return Fault(what, (key,), (mend,))

    for ids, sizes in state.slices.values():
        for slice, group in groupby(sorted(zip(ids, sizes, strict=True))):
            used, count = sum(1 for _ in group), counts.pop(slice, 0)
            if used != count + 1:
                yield fault(slice, used, count)
    for slice, count in counts.items():
        if count != -1:
            yield fault(slice, 0, count)


@law("data/deleted-files-are-gone", "I16", "ZREM of the member")
def deleted_files_are_gone(state: State) -> Iterator[Fault]:
    """A file whose data waits for deletion has no node any more."""
    key = state.keys.delfiles
    for inode, members in sorted(state.deleted.items()):
        if inode in state.nodes:
            what = f"the data of {inode} waits for deletion, and its node is there"
            yield Fault(what, (key, state.keys.attr(inode)), (("ZREM", key, *members),))


@law("data/deletions-are-done", "I16", f"waiting for a client, or {GC}")
def deletions_are_done(state: State) -> Iterator[Fault]:
    """No data of a deleted file waits for deletion."""
    for inode, members in sorted(state.deleted.items()):
        if inode not in state.nodes:
            yield Fault(f"the data of {members[0].decode()} waits for deletion", (state.keys.delfiles,))
