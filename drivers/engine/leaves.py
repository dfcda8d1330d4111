"""Nodes without entries as a dump has them, many at once and within their limits by msgspec (L4.7-L4.10)."""

from __future__ import annotations

import re
from collections.abc import Collection
from operator import attrgetter
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from ..types import Attr, Rule, Slice
from . import codec
from .dumptext import DIRECTORY, FILE, STEP, SYMLINK, TYPE_NAMES, Child, Dumped

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


class XattrShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: Annotated[str, Meta(min_length=1)]
    value: str


class NamedShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: U32 = 0
    perm: U16 = 0


class RuleShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    owner: U16 = 0
    group: U16 = 0
    other: U16 = 0
    mask: U16 = 0
    users: list[NamedShape] | None = None
    groups: list[NamedShape] | None = None


class LeafShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    attr: AttrShape
    chunks: list[ChunkShape] | None = None
    symlink: str | None = None
    xattrs: list[XattrShape] | None = None
    posix_acl_access: RuleShape | None = None
    posix_acl_default: RuleShape | None = None


DECODER = msgspec.json.Decoder(dict[str, LeafShape])
FIELDS = [(f'"{name}"', attrgetter(name)) for name in LeafShape.__struct_fields__]


def end_of_leaves(text: str, margin: str) -> int:
    """Where the entries end that begin a text, as far as none is a directory; 0 where the first is one.

    They are found by how dumps are laid out: `margin` is what stands before each entry.
    """
    directory = text.find(f'\n{margin}{STEP}"entries": {{')
    before = len(text) if directory < 0 else directory
    end = text.find(f"\n{margin.removesuffix(STEP)}}}", 0, before)
    if end >= 0:
        return end
    if directory >= 0:
        return max(text.rfind(f',\n{margin}"', 0, directory), 0)
    whole, ended, _ = text.rpartition(f"\n{margin}}},")
    return len(whole + ended) - len(",") if ended else 0


def leaves(text: str, margin: str, parent: int, offset: int) -> list[Child]:
    """The entries in a text that `end_of_leaves` has found, behind the comma that parts them from others.

    `offset` is where the text begins in the file, in bytes.  Nothing where not all of them are usual ones:
    then they are read field by field, which tells what is wrong.  Usual is what is no directory, and has its
    attributes first and each of its fields once.
    """
    try:
        shapes = DECODER.decode(f"{{{text.removeprefix(',')}}}")
    except (msgspec.DecodeError, UnicodeError):
        return []
    begin = f'\n{margin}"[^"\n]*": (?={{\n{margin}{STEP}"attr": )'
    begins = [found.end() for found in re.finditer(begin, text)]
    names = codec.unescape_all([*shapes])
    if len(begins) != len(names) or not codec.possible_names(names) or not told_once(text, shapes.values()):
        return []
    some, before = [], 0
    for name, shape, at in zip(names, shapes.values(), begins, strict=True):
        if (node := _node(shape)) is None:
            return []
        offset += len(text[before:at].encode())
        before = at
        some.append(Child(name, node, offset, parent))
    return some


def told_once(text: str, shapes: Collection[LeafShape]) -> bool:
    """Whether no field of a node comes twice in the text: the last would have been kept."""
    if "\\" in text:  # may hide the name of a field
        return False
    for name, field in FIELDS:
        number = len(shapes) - [*map(field, shapes)].count(None)
        if number and text.count(name) != number:
            return False
    return True


def _node(shape: LeafShape) -> Dumped | None:
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
    chunks = []
    for chunk in shape.chunks or ():
        slices = [
            Slice(one.pos, one.id or one.chunkid, one.size, one.off, one.len) for one in chunk.slices or ()
        ]
        chunks.append((chunk.index, slices))
    if max([one.id for _, slices in chunks for one in slices], default=0) > MOST:
        return None
    if len(chunks) > 1 and len(dict(chunks)) < len(chunks):
        return None
    return Dumped(
        inode,
        attr,
        [(codec.as_utf8(one.name), codec.unescape(one.value)) for one in shape.xattrs or ()],
        _rule(shape.posix_acl_access),
        _rule(shape.posix_acl_default),
        chunks,
        codec.unescape(shape.symlink) if shape.symlink else b"",
    )


def _rule(shape: RuleShape | None) -> Rule | None:
    if shape is None:
        return None
    users, groups = ([(one.id, one.perm) for one in named or ()] for named in (shape.users, shape.groups))
    return Rule(shape.owner, shape.group, shape.mask, shape.other, users, groups)
