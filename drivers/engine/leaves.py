"""Nodes without entries as a dump has them, read at once and within their limits by msgspec (L4.7-L4.9)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from ..types import Attr, Slice
from . import codec
from .dumptext import DIRECTORY, FILE, SYMLINK, TYPE_NAMES, Dumped

TYPES = {name: type for type, name in TYPE_NAMES.items()}

U8: TypeAlias = Annotated[int, Meta(ge=0, le=255)]
U16: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
U32: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
I64: TypeAlias = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Natural: TypeAlias = Annotated[int, Meta(ge=0)]
"""A number that still has to be compared with `MOST`: msgspec knows no limit as high."""

MOST = (1 << 64) - 1


class AttrShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    inode: Natural
    type: str
    flags: U8 = 0
    mode: U16 = 0
    uid: U32 = 0
    gid: U32 = 0
    atime: I64 = 0
    mtime: I64 = 0
    ctime: I64 = 0
    atimensec: U32 = 0
    mtimensec: U32 = 0
    ctimensec: U32 = 0
    nlink: U32 = 0
    length: Natural = 0
    rdev: U32 = 0
    tier: U8 = 0


class SliceShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: Natural = 0
    chunkid: Natural = 0
    pos: U32 = 0
    size: U32 = 0
    off: U32 = 0
    len: U32 = 0


class ChunkShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    index: U32 = 0
    slices: list[SliceShape] | None = None


class LeafShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    attr: AttrShape
    chunks: list[ChunkShape] | None = None
    symlink: str | None = None


DECODER = msgspec.json.Decoder(LeafShape)


def leaf(text: str) -> Dumped | None:
    """The node in a text; None where it is not a usual one: then it is read field by field.

    Usual are files and symbolic links without ACLs and extended attributes, and what has only attributes.
    """
    try:
        shape = DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return None
    told = shape.attr
    inode, type, length = told.inode, TYPES.get(told.type, DIRECTORY), told.length
    if (
        type == DIRECTORY
        or not 0 < inode <= MOST
        or length > MOST
        or (shape.chunks is not None and type != FILE)
        or (shape.symlink is not None and type != SYMLINK)
    ):
        return None
    attr = Attr(
        told.flags,
        type,
        told.mode & 0xFFF,
        told.uid,
        told.gid,
        told.rdev,
        (told.atime, told.atimensec),
        (told.mtime, told.mtimensec),
        (told.ctime, told.ctimensec),
        told.nlink,
        length,
        tier=told.tier,
    )
    node = Dumped(inode, attr)
    if shape.chunks:
        for chunk in shape.chunks:
            slices = [
                Slice(one.pos, one.id or one.chunkid, one.size, one.off, one.len)
                for one in chunk.slices or ()
            ]
            if any(one.id > MOST for one in slices):
                return None
            node.chunks.append((chunk.index, slices))
        if len(node.chunks) > 1 and len({index for index, _ in node.chunks}) < len(node.chunks):
            return None
    if shape.symlink is not None:
        node.target = codec.unescape(shape.symlink)
    return node
