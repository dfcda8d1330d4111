"""The items of a segment, some at a time: parsed, two bytes of a file can take sixty of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NoReturn

from .jsontext import BadFile
from .schema import messages

FEW = 1 << 20
"""Bytes that cannot hold too many items: a segment that JuiceFS writes of a Redis has seldom more."""

WHOLE = 1 << 23
"""Bytes that are parsed at once, unless one item has more."""

ITEMS = 1 << 18
"""Items that are parsed at once, where there are more bytes than `FEW`."""

MOST = 1 << 24
"""Bytes that an item may have: what a chunk of 700 thousand slices takes."""

MOST_NUMBERS = 1 << 22
"""Bytes that an item may have which is a list of numbers: some 700 thousand open files of one session."""

NUMBERS = ("sustained",)
"""The lists of such items."""

BYTES = 2
"""The wire type of what has a length (L5.3)."""

WIRE_TYPES = 6
LONGEST = 10
"""Bytes that a number has at most."""


def pieces(
    take: Callable[[int], bytes], length: int, name: str, lists: Sequence[str], began: int
) -> Iterator[bytes]:
    """The bytes of a segment in pieces of whole items; at least one piece, be it empty.

    `take` gives the next so many bytes of the segment, which has `length` and begins at the byte `began`.
    Raises `BadFile` for what is no item of these lists, or is too large.
    """
    walk = Walk(name, lists, began)
    left, data = length, b""
    while True:
        more = min(left, walk.whole)
        data += take(more)
        left -= more
        if not left and walk.fit_at_once(data):
            yield data
            return
        at = 0
        while (end := walk.end_of_items(data, at)) > at:
            yield data[at:end]
            at = end
        data = data[at:]
        if not left:
            if data:
                raise walk.undecodable()
            return


class Walk:
    """Finds where the items of a segment end, which is of these lists and begins at the byte `began`."""

    def __init__(self, name: str, lists: Sequence[str], began: int) -> None:
        self._name = name
        self._began = began
        self._tags = tags_of(*lists)
        self._short = {tag for tag in self._tags if tag < 0x80}
        numbers = any(list in NUMBERS for list in lists)
        self.whole = FEW if numbers else WHOLE
        self._most = MOST_NUMBERS if numbers else MOST

    def fit_at_once(self, data: bytes) -> bool:
        """Whether a segment can be parsed at once."""
        if len(data) <= FEW:
            return True
        # The first byte of a tag, also where it is written with more bytes than it needs.
        firsts = {bytes([tag & 0x7F | more]) for tag in self._tags for more in (0, 0x80)}
        return len(data) <= self.whole and sum(map(data.count, firsts)) <= ITEMS

    def end_of_items(self, data: bytes, at: int) -> int:
        """Where the items end that begin at a place and are parsed together; the same where none is whole."""
        begin, limit = at, len(data)
        for _ in range(ITEMS):
            if at + 1 < limit and data[at] in self._short and data[at + 1] < 0x80:
                end = at + 2 + data[at + 1]
            else:
                end = self._end_of_item(data, at)
            if end > limit or (at > begin and end - begin > self.whole):
                break
            at = end
        return at

    def require_known(self, data: bytes) -> NoReturn:
        """Raise what is wrong with a segment that has unknown fields, or items of another kind."""
        at = 0
        while (end := self.end_of_items(data, at)) > at:
            at = end
        raise self._bad("has fields that are not known")

    def undecodable(self) -> BadFile:
        """The error that the bytes of the segment are no items."""
        return self._bad("cannot be decoded")

    def _end_of_item(self, data: bytes, at: int) -> int:
        """Where the item at a place ends; behind the data where not all of it is there."""
        tag, at = self._number(data, at)
        if at > len(data):
            return at
        if tag not in self._tags:
            raise self._other(tag)
        size, at = self._number(data, at)
        if size > self._most:
            raise self._bad(f"has an item of {size} bytes, of which at most {self._most} are read")
        return at + size

    def _number(self, data: bytes, at: int) -> tuple[int, int]:
        """The number at a place, and where it ends; behind the data where not all of it is there."""
        number = 0
        for place, byte in enumerate(data[at : at + LONGEST]):
            number |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return number, at + place + 1
        if len(data) - at >= LONGEST:
            raise self.undecodable()
        return 0, len(data) + 1

    def _other(self, tag: int) -> BadFile:
        """The error that there is a field that is none of the lists."""
        number, type = divmod(tag, 8)
        if not number or type >= WIRE_TYPES:
            return self.undecodable()
        found = messages()["Batch"].DESCRIPTOR.fields_by_number.get(number)
        if found is None or type != BYTES:
            return self._bad("has fields that are not known")
        return self._bad(f"holds {found.name}")

    def _bad(self, what: str) -> BadFile:
        return BadFile(f"the segment {self._name} {what}", self._began)


@cache
def tags_of(*lists: str) -> frozenset[int]:
    """What stands before the items of lists of a batch."""
    fields = messages()["Batch"].DESCRIPTOR.fields_by_name
    return frozenset(fields[list].number << 3 | BYTES for list in lists)
