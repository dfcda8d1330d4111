"""What the records of a chunk show a reader, and which are worth merging (N22, N33)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

from metaparity.drivers.types import CHUNK_SIZE, Slice

GOOD_HEAD = 1 << 20
"""A first record at least so long, in bytes, may be left as it is (N33.2)."""


def end_of(piece: Slice) -> int:
    """Where a piece ends in its chunk."""
    return piece.pos + piece.len


def part(piece: Slice, start: int, end: int) -> Slice:
    """What of a piece lies between two positions of its chunk."""
    start, end = max(start, piece.pos), min(end, end_of(piece))
    return replace(piece, pos=start, off=piece.off + start - piece.pos, len=end - start)


def assemble(records: Sequence[Slice]) -> list[Slice]:
    """The pieces of a chunk from its start, without gaps: later records win (N22.3)."""
    pieces: list[Slice] = []
    for record in records:
        first = bisect_left(pieces, record.pos, key=end_of)
        last = bisect_right(pieces, end_of(record), key=start_of)
        whole = [piece for piece in pieces[first:last] if not overlaps(piece, record)]
        cut = [piece for piece in pieces[first:last] if overlaps(piece, record)]
        end = end_of(record)
        left = [part(piece, piece.pos, record.pos) for piece in cut[:1] if piece.pos < record.pos]
        right = [part(piece, end, end_of(piece)) for piece in cut[-1:] if end_of(piece) > end]
        pieces[first:last] = sorted([*whole, *left, record, *right], key=start_of)
    return list(without_gaps(pieces))


def overlaps(one: Slice, other: Slice) -> bool:
    """Whether two pieces share a byte, or one of no bytes lies within the other."""
    return one.pos < end_of(other) and other.pos < end_of(one)


def start_of(piece: Slice) -> int:
    """Where a piece begins in its chunk."""
    return piece.pos


def without_gaps(pieces: Sequence[Slice]) -> Iterator[Slice]:
    """Pieces with the holes before and between them."""
    at = 0
    for piece in pieces:
        if piece.pos > at:
            yield Slice(at, 0, 0 if at else piece.pos, 0, piece.pos - at)
        yield piece
        at = end_of(piece)


def merge(records: Sequence[Slice]) -> list[Slice]:
    """The pieces of the one slice that can stand for records: no holes at its ends (N33.3)."""
    pieces = assemble(records)
    while len(pieces) > 1 and not pieces[0].id:
        pieces.pop(0)
    while len(pieces) > 1 and not pieces[-1].id:
        pieces.pop()
    if len(pieces) == 1 and not pieces[0].id:
        pieces = [replace(pieces[0], len=1)]
    return pieces


def good_heads(records: Sequence[Slice]) -> int:
    """How many records at the head of a chunk a compaction leaves alone (N33.2)."""
    kept = 0
    while kept < len(records):
        first, rest = records[kept], records[kept:]
        pieces = merge(rest)
        intact = pieces[0] == replace(first, size=pieces[0].size)
        small = first.len < GOOD_HEAD or first.len * 5 < sum(piece.len for piece in pieces)
        if small or not intact or first in rest[1:]:
            break
        kept += 1
    return kept


def borders(start: int, end: int) -> Iterator[tuple[int, int]]:
    """A range of a file cut where chunks meet."""
    while start < end:
        cut = min(end, (start // CHUNK_SIZE + 1) * CHUNK_SIZE)
        yield start, cut
        start = cut
