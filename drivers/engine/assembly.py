"""What the records of a chunk show a reader, and which of them are worth merging (N22, N33)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..types import Slice

GOOD_HEAD = 1 << 20
"""A first record at least so long, in bytes, may be left as it is (N33.2)."""


def assemble(records: Sequence[Slice]) -> list[Slice]:
    """The pieces that a chunk consists of, from its start and without gaps; later records win.

    Each piece has its position in the chunk.  Source: N22.2, N22.3.
    """
    pieces: list[Slice] = []
    starts: list[int] = []
    for record in records:
        end = record.pos + record.len
        first, last = bisect_left(starts, record.pos), bisect_left(starts, end)
        put = [record]
        if last and _end(pieces[last - 1]) > end:
            put.append(part(pieces[last - 1], end, _end(pieces[last - 1])))
        if first and _end(pieces[first - 1]) > record.pos:
            first -= 1
            put.insert(0, part(pieces[first], pieces[first].pos, record.pos))
        pieces[first : max(first, last)] = put
        starts[first : max(first, last)] = [piece.pos for piece in put]
    whole: list[Slice] = []
    at = 0
    for piece in pieces:
        if piece.pos > at:
            # Holes in front have a size and others none, as the original answers them (N22.4).
            whole.append(Slice(at, 0, 0 if whole else piece.pos, 0, piece.pos - at))
        whole.append(piece)
        at = _end(piece)
    return whole


def part(piece: Slice, start: int, end: int) -> Slice:
    """What of a piece lies between two positions of its chunk."""
    start, end = max(start, piece.pos), min(end, _end(piece))
    return replace(piece, pos=start, off=piece.off + start - piece.pos, len=end - start)


def _end(piece: Slice) -> int:
    return piece.pos + piece.len


@dataclass(frozen=True, slots=True)
class Merge:
    """One slice that can stand for many: `size` bytes at `pos` of the chunk, made of `pieces`."""

    pos: int
    pieces: list[Slice]

    @property
    def size(self) -> int:
        """Bytes of the new slice."""
        return sum(piece.len for piece in self.pieces)


def merge(records: Sequence[Slice]) -> Merge:
    """The records as one slice, without the holes at its ends; one zero byte where all is hole (N33.3)."""
    pieces = assemble(records)
    first, end = 0, len(pieces)
    while first < end - 1 and not pieces[first].id:
        first += 1
    while end - 1 > first and not pieces[end - 1].id:
        end -= 1
    kept = pieces[first:end]
    if len(kept) == 1 and not kept[0].id:
        kept = [replace(kept[0], len=1)]
    return Merge(kept[0].pos if kept else 0, kept)


def good_heads(records: Sequence[Slice]) -> int:
    """How many records at the head of a chunk are left out of a compaction (N33.2)."""
    kept = 0
    while kept < len(records):
        first, rest = records[kept], records[kept:]
        merged = merge(rest)
        intact = merged.pieces[0] == replace(first, size=merged.pieces[0].size)
        if first.len < GOOD_HEAD or first.len * 5 < merged.size or not intact or first in rest[1:]:
            break
        kept += 1
    return kept
