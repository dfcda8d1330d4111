"""Nodes as a JSON dump tells them, and what the storage format has for them (L4.7-L4.10).

Those that are no directories are read many at once, within their limits, by msgspec.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence, Set
from itertools import pairwise
from operator import attrgetter
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from ..types import Attr, Rule
from . import codec
from .dumptext import DIRECTORY, FILE, SYMLINK, TYPE_NAMES
from .jsontext import size

TYPES = {name: type for type, name in TYPE_NAMES.items()}

U8: TypeAlias = Annotated[int, Meta(ge=0, le=255)]
U16: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
U32: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
I64: TypeAlias = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Inode: TypeAlias = Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]
Id: TypeAlias = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
"""Numbers of which a counter holds the last."""
Length: TypeAlias = Annotated[int, Meta(ge=0)]
"""A number that still has to be compared with `LONGEST`: msgspec knows no limit as high."""

LONGEST = (1 << 64) - 1

plain = codec.PLAIN.pack
record = codec.RECORD.pack
"""As `codec.encode_attr` and `codec.encode_slice`, of numbers that are known to fit."""


class AttrShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    inode: Inode
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
    length: Length = 0
    rdev: U32 = 0
    tier: U8 = 0


class SliceShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: Id = 0
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


class NodeShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A node, of a directory what comes before its entries."""

    attr: AttrShape
    chunks: list[ChunkShape] | None = None
    symlink: str | None = None
    xattrs: list[XattrShape] | None = None
    posix_acl_access: RuleShape | None = None
    posix_acl_default: RuleShape | None = None


class Child(msgspec.Struct, gc=False):
    """A node under one of its names; `offset` is where it begins in the file."""

    name: bytes
    node: NodeShape
    type: int
    inode: int
    offset: int
    parent: int
    fields: Set[str] = frozenset()
    """What has been told of the node so far."""
    inside: bool = False
    """Whether its entries are being read."""
    again: bool = False
    """Whether the node has come under another name before."""


DECODER = msgspec.json.Decoder(dict[str, NodeShape])

NODE = re.compile(r'\{[ \t\n\r]*+"attr"[ \t\n\r]*+:')
OBJECT = r"\{[^{}]*+\}"
for _ in range(2):
    OBJECT = rf"\{{[^{{}}]*+(?:{OBJECT}[^{{}}]*+)*+\}}"
LEAF = re.compile(OBJECT)
"""A node with objects in it that have others, as chunks have slices."""

FIELDS = [(name, attrgetter(name)) for name in NodeShape.__struct_fields__]


def whole_leaves(text: str) -> tuple[list[int], int]:
    """Where the nodes begin that a text has first, as far as none has entries, and where the last one ends.

    The layout may be any.  A brace in a text of theirs may hide those behind it.
    """
    before, directory, _ = text.partition('"entries"')
    begins = [found.start() for found in NODE.finditer(before)]
    if directory:
        del begins[-1:]
    if begins and not balanced(text, begins[0], begins[-1]):
        # Somewhere the directory ends that they are in.
        last = next(place for place, around in enumerate(pairwise(begins)) if not balanced(text, *around))
        del begins[last + 1 :]
    while begins:
        if whole := LEAF.match(text, begins[-1]):
            return begins, whole.end()
        begins.pop()
    return [], 0


def balanced(text: str, begin: int, end: int) -> bool:
    """Whether a part of a text has as many braces of either kind."""
    return text.count("{", begin, end) == text.count("}", begin, end)


def leaves(text: str, begins: Sequence[int], parent: int, offset: int) -> list[Child]:
    """The entries in a text, behind the comma that parts them from others; `begins` are those of their nodes.

    `offset` is where the text begins in the file, in bytes.  Nothing where not all of them are usual ones:
    then they are read field by field, which tells what is wrong.  Usual is what is no directory, and has each
    of its fields once.
    """
    try:
        shapes = DECODER.decode(f"{{{text.removeprefix(',')}}}")
    except (msgspec.DecodeError, UnicodeError):
        return []
    names = codec.unescape_all([*shapes])
    if len(begins) != len(names) or not codec.possible_names(names) or not told_once(text, shapes.values()):
        return []
    some, before = [], 0
    for name, shape, at in zip(names, shapes.values(), begins, strict=True):
        type = TYPES.get(shape.attr.type, DIRECTORY)
        if type == DIRECTORY or not _possible(shape, type):
            return []
        offset += size(text[before:at])
        before = at
        some.append(Child(name, shape, type, shape.attr.inode, offset, parent))
    return some


def told_once(text: str, shapes: Collection[NodeShape]) -> bool:
    """Whether no field of a node comes twice in the text: the last would have been kept."""
    if "\\" in text:  # may hide the name of a field
        return False
    types = Counter([shape.attr.type for shape in shapes])
    for name, field in FIELDS:
        number = len(shapes) - [*map(field, shapes)].count(None)
        # A field may be called as a type is, as that of symbolic links.
        if number and text.count(f'"{name}"') != number + types[name]:
            return False
    return True


def _possible(shape: NodeShape, type: int) -> bool:
    """Whether a node has what its type may have, each once, within the limits that msgspec does not know."""
    attr, chunks = shape.attr, shape.chunks
    if attr.length > LONGEST or (shape.symlink is not None and type != SYMLINK):
        return False
    if repeated(shape.xattrs):
        return False
    if chunks is None:
        return True
    return type == FILE and (len(chunks) == 1 or len({chunk.index for chunk in chunks}) == len(chunks))


def repeated(xattrs: Collection[XattrShape] | None) -> bool:
    """Whether two extended attributes have one name, as it is stored."""
    return xattrs is not None and len({codec.as_utf8(one.name) for one in xattrs}) < len(xattrs)


def blob(child: Child, nlink: int, length: int, access: int, default: int) -> bytes:
    """The attributes as stored (S2.2): with the number of names, the length, and the numbers of ACLs."""
    told = child.node.attr
    if not told.tier and not access and not default:
        return plain(
            told.flags,
            child.type << 12 | told.mode & 0xFFF,
            told.uid,
            told.gid,
            told.atime,
            told.atimensec,
            told.mtime,
            told.mtimensec,
            told.ctime,
            told.ctimensec,
            nlink,
            length,
            told.rdev,
            child.parent,
        )
    attr = Attr(
        flags=told.flags,
        type=child.type,
        mode=told.mode & 0xFFF,
        uid=told.uid,
        gid=told.gid,
        rdev=told.rdev,
        atime=(told.atime, told.atimensec),
        mtime=(told.mtime, told.mtimensec),
        ctime=(told.ctime, told.ctimensec),
        nlink=nlink,
        length=length,
        parent=child.parent,
        access_acl=access,
        default_acl=default,
        tier=told.tier,
    )
    return codec.encode_attr(attr)


def records(chunk: ChunkShape) -> list[bytes]:
    """The slices of a chunk as stored (S2.4)."""
    return [record(one.pos, one.id, one.size, one.off, one.len) for one in chunk.slices or ()]


def rule(shape: RuleShape) -> Rule:
    """An ACL."""
    users, groups = ([(one.id, one.perm) for one in named or ()] for named in (shape.users, shape.groups))
    return Rule(shape.owner, shape.group, shape.mask, shape.other, users, groups)
