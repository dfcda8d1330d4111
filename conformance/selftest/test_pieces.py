"""The items of a segment in pieces are those of the segment; no piece takes much memory when it is parsed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.scenes.backups import EOS, KIND, LENGTH, field, varint
from metaparity.drivers.engine import pieces, segments
from metaparity.drivers.engine.items import columns
from metaparity.drivers.engine.jsontext import BadFile
from metaparity.drivers.engine.schema import messages
from metaparity.drivers.engine.segments import LISTS, NUMBERS, BackupFile, Segment

from .test_items import ALL, items, read

LINKS, OPEN = NUMBERS["symlink"], NUMBERS["sustained"]


END = KIND.pack(EOS)
"""The end of a file whose footer is not looked at."""


@contextmanager
def small(whole: int, number: int, most: int = 1000) -> Iterator[None]:
    """A block in which few bytes and items are parsed at once."""
    with (
        mock.patch.object(BackupFile, "_footer"),
        mock.patch.multiple(pieces, FEW=1, WHOLE=whole, ITEMS=number, MOST=most, MOST_NUMBERS=most),
    ):
        yield


def told(kind: int, data: bytes) -> list[Segment]:
    """The pieces of the one segment of a file."""
    return [*BackupFile(BytesIO(KIND.pack(kind) + LENGTH.pack(len(data)) + data + END)).segments()]


@pytest.mark.parametrize("list", ALL)
@given(data=st.data(), whole=st.integers(1, 40), number=st.integers(1, 3))
def test_in_pieces_as_at_once(list: str, data: st.DataObject, whole: int, number: int) -> None:
    """A segment has the items that protobuf reads, however it is cut, or it is refused at any size."""
    batch = data.draw(items(list))
    kind = next(kind for kind, lists in LISTS.items() if list in lists)
    known = read(batch)
    known.DiscardUnknownFields()
    with small(whole, number):
        if known.ByteSize() < read(batch).ByteSize():
            with pytest.raises(BadFile, match="not known"):
                told(NUMBERS[kind], batch)
            return
        found = told(NUMBERS[kind], batch)
    assert {piece.offset for piece in found} == {0}
    assert sum(piece.size for piece in found) == len(batch)
    wanted = columns(known, [list])[list]
    for place, column in enumerate(wanted):
        assert [value for piece in found for value in piece.lists[list][place]] == [*column]


def test_pieces_are_small() -> None:
    """No piece has more items than are parsed at once, nor more bytes where it has several items."""
    links = [field(7, field(1, inode) + field(2, b"x" * (inode % 7))) for inode in range(1, 100)]
    with small(whole=30, number=100):
        assert max(piece.size for piece in told(LINKS, b"".join(links))) == 30
    with small(whole=10000, number=7):
        assert [len(piece.lists["symlinks"][0]) for piece in told(LINKS, b"".join(links))] == [7] * 14 + [1]


@pytest.mark.parametrize("tag", [b"\x3a", b"\xba\x00", b"\xba\x80\x00"])
@pytest.mark.parametrize("length", [b"\x02", b"\x82\x00"])
def test_numbers_that_are_longer_than_needed(tag: bytes, length: bytes) -> None:
    """However the begin of an item is written, items are counted."""
    with small(whole=10000, number=5):
        found = told(LINKS, (tag + length + field(1, 9)) * 12)
    assert [[*piece.lists["symlinks"][0]] for piece in found] == [[9] * 5, [9] * 5, [9] * 2]


def test_an_item_larger_than_a_piece() -> None:
    """It is a piece of its own."""
    targets = [b"a", b"b" * 100, b"c"]
    with small(whole=10, number=100):
        found = told(LINKS, b"".join(field(7, field(2, target)) for target in targets))
    assert [[*piece.lists["symlinks"][1]] for piece in found] == [[target] for target in targets]


FAULTS = {
    "an item of too many bytes": (LINKS, field(7, field(2, b"x" * 2000)), "has an item of 2003 bytes"),
    "an item longer than its segment": (LINKS, field(7, b"") * 9 + b"\x3a\x05\x12", "cannot be decoded"),
    "a length without an end": (LINKS, field(7, b"") * 9 + b"\x3a" + b"\x80" * 20, "cannot be decoded"),
    "half a tag": (LINKS, field(7, b"") * 9 + b"\xba", "cannot be decoded"),
    "no tag": (LINKS, field(7, b"") * 9 + b"\x00\x00", "cannot be decoded"),
    "a wire type that there is not": (LINKS, field(7, b"") * 9 + b"\x3f\x00", "cannot be decoded"),
    "an item of another kind": (LINKS, field(7, b"") * 9 + field(2, b""), "holds edges"),
    "a field that is unknown": (LINKS, field(7, b"") * 9 + field(99, 1), "not known"),
    "a list as a number": (LINKS, field(7, b"") * 9 + field(7, 1), "not known"),
    "an unknown field in an item": (LINKS, field(7, b"") * 9 + field(7, field(9, 1)), "not known"),
    "a session of too many open files": (OPEN, field(8, field(2, varint(1) * 2000)), "has an item of 2003"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("number", [5, 100])
def test_faults(name: str, number: int) -> None:
    """What is no item is told, whether the segment is parsed at once or in pieces."""
    kind, data, wanted = FAULTS[name]
    with small(whole=number * 10, number=number), pytest.raises(BadFile, match=wanted) as bad:
        told(kind, data)
    assert bad.value.offset == 0


def test_items_of_another_kind_are_not_parsed() -> None:
    """They take no more memory than their bytes: they are found by their place."""
    items = {key: value for key, value in messages().items() if key != "Batch"}
    with (
        mock.patch.object(segments, "messages", return_value=items),
        pytest.raises(BadFile, match="holds edges"),
    ):
        told(LINKS, field(2, b"") * 1000)
