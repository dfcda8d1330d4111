"""The record locks of one owner: how a request changes them (L2.6), and what stands in its way (L2.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..types import LockRecord, LockType


def conflict(wanted: LockRecord, held: LockRecord) -> bool:
    """Whether a record of another owner stands in the way of a request (L2.3)."""
    return LockType.W in (wanted.type, held.type) and held.start <= wanted.end and wanted.start <= held.end


def laid_over(held: Sequence[LockRecord], wanted: LockRecord) -> list[LockRecord]:
    """The records that an owner has once a request is laid over those held, by start (L2.6).

    Where the request ends and begins is kept piece by piece, and neighbours are joined as `joined` does it:
    other clients compare bytes.
    """
    pieces = sorted(_pieces(held, wanted), key=lambda one: one.start)
    return joined(one for one in pieces if one.type != LockType.U and one.start <= one.end)


def _pieces(held: Sequence[LockRecord], wanted: LockRecord) -> Iterator[LockRecord]:
    start = wanted.start
    for one in held:
        if start > wanted.end or one.start > wanted.end or one.end < start:
            yield one
            continue
        if start < one.start:
            yield replace(wanted, start=start, end=one.start - 1)
        elif one.start < start:
            yield replace(one, end=start - 1)
        end = min(one.end, wanted.end)
        yield replace(wanted, start=max(start, one.start), end=end)
        if one.end > wanted.end:
            yield replace(one, start=wanted.end + 1)
        start = end + 1
    if start <= wanted.end:
        yield replace(wanted, start=start)


def joined(records: Iterator[LockRecord]) -> list[LockRecord]:
    """Neighbours of one type and pid become one, in pairs: what was joined grows no more (L2.7)."""
    found: list[LockRecord] = []
    grown = False
    for one in records:
        last = found[-1] if found else None
        touches = last is not None and (last.type, last.pid, last.end + 1) == (one.type, one.pid, one.start)
        if touches and not grown:
            found[-1] = replace(found[-1], end=one.end)
        else:
            found.append(one)
        grown = touches and not grown
    return found
