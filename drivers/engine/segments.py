"""The layout of a binary backup (L5.1-L5.3): segments, their end, and a footer that tells where they are."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError

from .items import Columns, columns, usual_columns
from .jsontext import BadFile
from .pieces import Walk, pieces
from .schema import has_unknown, messages, overlaid

MAGIC = 0x747083
"""The mark of the footer; in the place of a kind it ends the segments."""

VERSION = 1

KINDS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("format", ()),
    2: ("counter", ("counters",)),
    3: ("node", ("nodes",)),
    4: ("edge", ("edges",)),
    5: ("chunk", ("chunks",)),
    6: ("sliceRef", ("slice_refs",)),
    7: ("symlink", ("symlinks",)),
    8: ("sustained", ("sustained",)),
    9: ("delFile", ("deleted_files",)),
    10: ("xattr", ("xattrs",)),
    11: ("acl", ("acls",)),
    12: ("stat", ("dir_stats",)),
    13: ("quota", ("dir_quotas", "user_quotas", "group_quotas")),
    14: ("parent", ("parents",)),
    15: ("changeLog", ("change_lines",)),
}
"""The kinds of segments by their numbers: the name in the footer, and the lists of a batch that one fills."""

NUMBERS = {name: number for number, (name, _) in KINDS.items()}
LISTS = dict(KINDS.values())

KIND = struct.Struct(">I")
LENGTH = struct.Struct(">Q")

MOST = 1 << 40
"""Bytes that one segment may have: JuiceFS writes all references that a TiKV holds into one."""

MOST_SETTING = 1 << 20
"""Bytes that the settings may have; they are a page of text."""

SMALL = 16
"""Items below which a segment is a small one."""

MOST_SMALL = 1 << 18
"""Small segments that a file may have: of an SQL database, JuiceFS writes one for each 100 thousand ids."""

PIECE = 1 << 20
LATER_BYTES = bytes(range(0x80, 0x100))
"""What a number on the wire has before its last byte."""


@dataclass
class Info:
    """The segments of a kind: where each begins, and how many items they have."""

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    number: int = 0


def footer_of(infos: dict[str, Info]) -> bytes:
    """The end of a file with these segments, behind the mark that ends them."""
    footer = messages()["Footer"](magic=MAGIC, version=VERSION)
    for name, info in infos.items():
        entry = footer.infos.add(key=name)
        entry.value.offset.extend(info.offsets)
        entry.value.num = info.number
    data: bytes = footer.SerializeToString()
    return data + LENGTH.pack(len(data))


class SegmentWriter:
    """Writes segments to a stream."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._offset = 0
        self._infos: dict[str, Info] = {}

    def format(self, data: bytes) -> None:
        """Write the settings."""
        self._segment("format", messages()["Format"](data=data), 1)

    def batch(self, name: str, batch: Any) -> int:
        """Write a batch of items of one kind, be it empty; how many there are."""
        number = sum(len(getattr(batch, list)) for list in LISTS[name])
        self._segment(name, batch, number)
        return number

    def end(self) -> None:
        """Write what ends a backup."""
        self._out.write(KIND.pack(MAGIC) + footer_of(self._infos))

    def _segment(self, name: str, message: Any, number: int) -> None:
        info = self._infos.setdefault(name, Info())
        info.offsets.append(self._offset)
        info.number += number
        data = message.SerializeToString()
        self._out.write(KIND.pack(NUMBERS[name]) + LENGTH.pack(len(data)))
        self._out.write(data)
        self._offset += KIND.size + LENGTH.size + len(data)


@dataclass(slots=True)
class Segment:
    """A segment as read, or some of its items: its kind, its lists, and the byte at which it begins."""

    name: str
    lists: dict[str, Columns]
    setting: bytes
    """The settings, in the segment that has them."""
    offset: int
    size: int
    """How many bytes of the file it is."""


def segment_items(segment: Segment) -> int:
    """How many items a segment has; the settings are one."""
    return sum(len(columns[0]) for columns in segment.lists.values()) if segment.lists else 1


class BackupFile:
    """The segments of a stream.  Raises `BadFile` at the first thing that is wrong."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.offset = 0
        """How many bytes have been read, without gzip."""
        self.infos: dict[str, Info] = {}

    def segments(self) -> Iterator[Segment]:
        """Every segment, a large one in pieces; after the last, the footer has to say the same of them."""
        small = 0
        while (head := self._head()) is not None:
            name, length, began = head
            info = self.infos.setdefault(name, Info())
            info.offsets.append(began)
            before = info.number
            for segment in self._pieces(name, length, began):
                info.number += segment_items(segment)
                yield segment
            small += info.number - before < SMALL
            if small > MOST_SMALL:
                raise BadFile(f"more than {MOST_SMALL} segments of fewer than {SMALL} items", began)
        self._footer()

    def _head(self) -> tuple[str, int, int] | None:
        """The kind of the next segment, its length, and where it begins; None at their end."""
        began = self.offset
        (number,) = KIND.unpack(self._exactly(KIND.size, "the kind of a segment"))
        if number == MAGIC:
            return None
        if number not in KINDS:
            if not began and KIND.pack(number).startswith(b"{"):
                raise BadFile("this is no binary backup (a JSON dump is for load): text", began)
            raise BadFile(f"a segment of the unknown kind {number}: this is no binary backup", began)
        name, lists = KINDS[number]
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size, f"the length of a segment {name}"))
        most = MOST if lists else MOST_SETTING
        if length > most:
            raise BadFile(f"a segment {name} of {length} bytes, of which at most {most} are read", began)
        return name, length, began

    def _pieces(self, name: str, length: int, began: int) -> Iterator[Segment]:
        """The segment that follows, in pieces."""
        what, lists = f"a segment {name} of {length} bytes", LISTS[name]
        if not lists:
            yield self._setting(name, self._exactly(length, what), began)
            return
        for data in pieces(lambda number: self._exactly(number, what), length, name, lists, began):
            yield self._items(name, data, began)

    def _setting(self, name: str, data: bytes, began: int) -> Segment:
        message = messages()["Format"]()
        try:
            message.ParseFromString(data)
        except DecodeError:
            raise BadFile(f"the segment {name} cannot be decoded", began) from None
        if has_unknown(message):
            raise BadFile(f"the segment {name} has fields that are not known", began)
        return Segment(name, {}, message.data, began, len(data))

    def _items(self, name: str, data: bytes, began: int) -> Segment:
        lists = LISTS[name]
        # All items laid over each other have what any of them has: one look is enough, and takes no memory.
        try:
            if has_unknown(overlaid(*lists).FromString(data)):
                Walk(name, lists, began).require_known(data)
            message = messages()["Batch"].FromString(data)
        except DecodeError:
            raise BadFile(f"the segment {name} cannot be decoded", began) from None
        usual = message.SerializeToString() == data
        found = usual_columns(message, data, lists) if usual else columns(message, lists)
        return Segment(name, found, b"", began, len(data))

    def _footer(self) -> None:
        began = self.offset
        offsets = sum(len(info.offsets) for info in self.infos.values())
        # Each number has ten bytes at most, and one before it where it is written as a field of its own.
        most = 1024 + 11 * offsets
        data = self._upto(most + 1)
        if len(data) > most:
            what = f"more than {most} bytes after {offsets} segments"
            raise BadFile(f"{what}: this is no footer of theirs, or something follows it", began)
        if len(data) < LENGTH.size or LENGTH.unpack(data[-LENGTH.size :])[0] != len(data) - LENGTH.size:
            raise BadFile("the file ends without its footer, or something follows it", began)
        if len(data.translate(None, LATER_BYTES)) > 1024 + 2 * offsets:
            raise BadFile(f"a footer of more numbers than {offsets} segments need", began)
        footer = messages()["Footer"]()
        try:
            footer.ParseFromString(data[: -LENGTH.size])
        except DecodeError:
            raise BadFile("the footer cannot be decoded", began) from None
        if footer.magic != MAGIC:
            raise BadFile(f"the footer has the mark {footer.magic} instead of {MAGIC}", began)
        if footer.version != VERSION:
            raise BadFile(f"this is version {footer.version} of the format, of which 1 is known", began)
        if has_unknown(footer):
            raise BadFile("the footer has fields that are not known", began)
        told = {entry.key: Info(array("Q", entry.value.offset), entry.value.num) for entry in footer.infos}
        for name in sorted(told.keys() | self.infos.keys()):
            if told.get(name) != self.infos.get(name):
                raise BadFile(f"the footer tells other segments {name} than the file has", began)

    def _exactly(self, number: int, what: str) -> bytes:
        data = self._upto(number)
        if len(data) < number:
            raise BadFile(f"the file ends in {what}", self.offset)
        return data

    def _upto(self, number: int) -> bytes:
        """As many bytes, fewer at the end of the file; never more memory than there are bytes."""
        pieces = []
        while number:
            try:
                piece = self._stream.read(min(number, PIECE))
            except (EOFError, OSError, ValueError) as failure:
                raise BadFile(f"the file cannot be read on ({failure})", self.offset) from failure
            if not piece:
                break
            pieces.append(piece)
            number -= len(piece)
            self.offset += len(piece)
        return b"".join(pieces)
