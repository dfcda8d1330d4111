"""Binary backups as tests read and write them, past every driver: by the layout of the file alone (L5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from metaparity.drivers.api import Engine

EOS = 0x747083
KIND = struct.Struct(">I")
LENGTH = struct.Struct(">Q")

NAMES = (
    *("format", "counter", "node", "edge", "chunk", "sliceRef", "symlink", "sustained"),
    *("delFile", "xattr", "acl", "stat", "quota", "parent", "changeLog"),
)
"""The kinds of segments, from 1 on."""

BOTH_HOLD = ("edge", "chunk", "symlink", "xattr", "parent", "sliceRef", "quota", "delFile")
"""The kinds of segments that a dump tells, too, or of which it tells what they are counted from."""

Segments: TypeAlias = list[tuple[int, bytes]]
"""The kind and the content of each segment of a file."""


@dataclass(frozen=True)
class Item:
    """An item of a segment: the number of its list, and its bytes on the wire."""

    list: int
    data: bytes


def backed_up(fs: Engine, path: Path, keep_secret: bool = True, threads: int = 1) -> bytes:
    """What a backup of a volume holds."""
    fs.backup(str(path), threads, keep_secret)
    return path.read_bytes()


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    number %= 1 << 64
    data = b""
    while number > 0x7F:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


def field(number: int, value: int | bytes) -> bytes:
    """A field as protobuf writes it: a number, or anything that has a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def wire(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields in a message."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            yield key >> 3, number()
            continue
        assert key & 7 == 2, f"wire type {key & 7}"
        length = number()
        yield key >> 3, data[at : at + length]
        at += length


def segments(backup: bytes) -> Segments:
    """The segments of a file, up to their end."""
    found, at = [], 0
    while (kind := KIND.unpack_from(backup, at)[0]) != EOS:
        (length,) = LENGTH.unpack_from(backup, at + 4)
        found.append((kind, backup[at + 12 : at + 12 + length]))
        at += 12 + length
    return found


def items(backup: bytes, name: str) -> list[Item]:
    """The items in all segments of a kind, in an order of their own: that of a file is open."""
    kind = NAMES.index(name) + 1
    found = [
        Item(number, value)
        for one, data in segments(backup)
        for number, value in wire(data)
        if one == kind and isinstance(value, bytes)
    ]
    return sorted(found, key=lambda item: (item.list, item.data))


def contents(backup: bytes) -> dict[str, list[Item]]:
    """All items of a file by their kind, for comparison."""
    return {name: items(backup, name) for name in NAMES}


def footer(parts: Sequence[tuple[int, bytes]], version: int = 1, magic: int = EOS) -> bytes:
    """The footer of a file with these segments."""
    offsets: dict[int, list[int]] = {}
    numbers: dict[int, int] = {}
    at = 0
    for kind, data in parts:
        offsets.setdefault(kind, []).append(at)
        numbers[kind] = numbers.get(kind, 0) + (1 if kind == 1 else len([*wire(data)]))
        at += 12 + len(data)
    message = field(1, magic) + field(2, version)
    for kind, places in offsets.items():
        info = field(1, b"".join(map(varint, places))) + (field(2, numbers[kind]) if numbers[kind] else b"")
        message += field(3, field(1, NAMES[kind - 1].encode()) + field(2, info))
    return message + LENGTH.pack(len(message))


def assembled(parts: Sequence[tuple[int, bytes]], end: bytes | None = None) -> bytes:
    """A file of segments; with its right footer, or with another end."""
    body = b"".join(KIND.pack(kind) + LENGTH.pack(len(data)) + data for kind, data in parts)
    return body + KIND.pack(EOS) + (footer(parts) if end is None else end)
