"""A JSON dump as it is read (L4.18): checked value by value, told as a sequence of events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, TypeAlias, TypeVar

from ..types import ROOT_INODE, TRASH_INODE, Format
from . import codec
from .codec.corrupt import EXACT, I64, U8, U16, U32, U63, U64
from .dumpnodes import (
    TYPES,
    AttrShape,
    Child,
    ChunkShape,
    NamedShape,
    NodeShape,
    RuleShape,
    SliceShape,
    XattrShape,
    leaves,
    repeated,
    whole_leaves,
)
from .dumptext import DIRECTORY, FILE, SYMLINK, TYPE_NAMES
from .jsontext import JsonText, size
from .numbersets import Numbers

T = TypeVar("T")

Limits: TypeAlias = Mapping[str, tuple[int, int]]
"""The numbers that an object may hold, by their names."""

ATTR: Limits = {
    "inode": (1, U63[1]),
    "flags": U8,
    "mode": U16,
    "uid": U32,
    "gid": U32,
    "atime": I64,
    "mtime": I64,
    "ctime": I64,
    "atimensec": U32,
    "mtimensec": U32,
    "ctimensec": U32,
    "nlink": U32,
    "length": U64,
    "rdev": U32,
    "tier": U8,
}
SLICE: Limits = {"chunkid": U63, "id": U63, "pos": U32, "size": U32, "off": U32, "len": U32}
COUNTERS: Limits = dict.fromkeys(
    (
        "usedSpace",
        "usedInodes",
        "nextInodes",
        "nextChunk",
        "nextSession",
        "nextTrash",
        "nextCleanupSlices",
        "lastChangelog",
    ),
    I64,
)
DELETED: Limits = {"inode": U63, "length": U64, "expire": EXACT}
QUOTA: Limits = {"maxSpace": I64, "maxInodes": I64}
RULE: Limits = {"owner": U16, "group": U16, "other": U16, "mask": U16}
NAMED: Limits = {"id": U32, "perm": U16}

MOST_SETTING = 1 << 20
"""Characters that the settings may have; they are a page of text."""

MOST_QUOTAS = 1 << 19
"""Quotas of each kind; of so many a client of JuiceFS reads all every few seconds."""

MOST_DEPTH = 1 << 17
"""Directories in each other; JuiceFS indents each, so that a dump of so many would have 100 GB of spaces."""

MANY = 1 << 12
"""Chunks of a file, and slices in them, that are told before its end."""

AT_ONCE = 1 << 14
"""Characters of entries that are read at once."""

TREES = {"FSTree": ROOT_INODE, "Trash": TRASH_INODE}
"""The trees of a dump, with the inode that the root of each has in the volume (L4.18)."""


Event: TypeAlias = tuple[str, Any]
"""What comes next in a dump, and its value.

`Setting` (Format), `Counters` (dict), `Sustained` (sid, inodes), `DelFiles` (inode, length, expire), the
three kinds of quotas (id, most bytes, most inodes); `enter` and `leave` with a `Child`, of which all is known
when it is left; `leaves` with a list of some that are no directories; before those, `chunks` with a file that
has very many, of which it has some now.
"""


class DumpFile:
    """The events of a JSON dump.  Raises `BadFile` at the first thing that is wrong."""

    def __init__(self, stream: BinaryIO) -> None:
        self._json = JsonText(stream)
        self._unusual = 0
        """The byte up to which entries are read field by field."""

    @property
    def offset(self) -> int:
        """How many bytes have been read, without gzip."""
        return self._json.offset

    def events(self) -> Iterator[Event]:
        """Everything in the file, in its order."""
        json = self._json
        json.take("{")
        told: set[str] = set()
        while (name := json.member(not told)) is not None:
            if name in told:
                raise json.bad(f"a second {name}")
            told.add(name)
            read = self._readers().get(name)
            if read is None:
                raise json.bad(f"the unknown field {name[:40]!r}")
            yield from read(name)
        for name in ("Setting", "Counters", "FSTree"):
            if name not in told:
                raise json.bad(f"the dump ends without {name}")
        json.end()

    def _readers(self) -> dict[str, Callable[[str], Iterator[Event]]]:
        return {
            "Setting": self._setting,
            "Counters": self._counters,
            "Sustained": self._sustained,
            "DelFiles": self._deleted,
            "Quotas": self._quotas,
            "UserQuotas": self._quotas,
            "GroupQuotas": self._quotas,
            "ChangeLog": self._change_log,
            "FSTree": self._tree,
            "Trash": self._tree,
        }

    # -- the head ----------------------------------------------------------------------------------

    def _setting(self, name: str) -> Iterator[Event]:
        offset = self._json.offset
        value = self._json.value(MOST_SETTING)
        try:
            if not isinstance(value, dict):
                raise codec.CorruptValue("the setting is not a JSON object")
            # As stored and read again: what is written is what the file says.
            yield name, codec.decode_format(codec.encode_format(Format(value)))
        except ValueError as misfit:
            raise self._json.bad(f"the setting is of no use ({misfit})", offset) from None

    def _counters(self, name: str) -> Iterator[Event]:
        yield name, self._numbers("the counters", self._json.value(), COUNTERS)

    def _sustained(self, name: str) -> Iterator[Event]:
        for item in self._json.items():
            sid = self._numbers("a session", _without(item, "inodes"), {"sid": U64})
            inodes = item.get("inodes") or []
            if not isinstance(inodes, list) or not all(_is_number(one, U64) for one in inodes):
                raise self._json.bad_value("the inodes of a session are no list of numbers")
            yield name, (sid.get("sid", 0), inodes)

    def _deleted(self, name: str) -> Iterator[Event]:
        for item in self._json.items():
            found = self._numbers("a deleted file", item, DELETED)
            yield name, (found.get("inode", 0), found.get("length", 0), found.get("expire", 0))

    def _quotas(self, name: str) -> Iterator[Event]:
        ids: set[int] = set()
        for text, value in self._json.members():
            if not (text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) <= U64[1]):
                raise self._json.bad_value(f"{text[:40]!r} is no id of a quota")
            if int(text) in ids:
                raise self._json.bad_value(f"there is a second quota of {text}")
            ids.add(int(text))
            if len(ids) > MOST_QUOTAS:
                raise self._json.bad_value(f"more than {MOST_QUOTAS} {name}")
            quota = self._numbers(f"the quota of {text}", value, QUOTA)
            yield name, (int(text), quota.get("maxSpace", 0), quota.get("maxInodes", 0))

    def _change_log(self, name: str) -> Iterator[Event]:
        for _ in self._json.items():
            pass  # the number of the last line begins anew with the volume (L4.21)
        yield from ()

    # -- a tree ------------------------------------------------------------------------------------

    def _tree(self, name: str) -> Iterator[Event]:
        """A directory, before and after its entries; the depth of the tree takes no stack."""
        top = self._begin(name.encode(), 0)
        if top.type != DIRECTORY:
            raise self._json.bad(f"the root of {name} is no directory", top.offset)
        if name == "FSTree":
            top.inode = ROOT_INODE  # it was another where the dump is of a part of a volume (L4.18)
        elif top.inode != TRASH_INODE:
            raise self._json.bad(f"the root of {name} has inode {top.inode}", top.offset)
        top.parent = ROOT_INODE
        yield "enter", top
        open_ones = [top]
        first = True
        while open_ones:
            child = open_ones[-1]
            if child.inside and (some := self._leaves(child.inode, first)):
                first = False
                yield "leaves", some
                continue
            key = self._json.member(first and child.inside)
            first = False
            if key is None:
                if child.inside:
                    child.inside = False
                    continue
                open_ones.pop()
                yield ("leave", child) if child.type == DIRECTORY else ("leaves", [child])
            elif child.inside:
                entry = self._begin(self._entry_name(key), child.inode)
                open_ones.append(entry)
                if len(open_ones) > MOST_DEPTH:
                    raise self._json.bad(f"more than {MOST_DEPTH} directories in each other", entry.offset)
                if entry.type == DIRECTORY:
                    yield "enter", entry
            else:
                if key in child.fields:
                    raise self._json.bad(f"a second {key[:40]!r} of one node")
                child.fields = child.fields | {key}
                if key == "entries" and child.type == DIRECTORY:
                    self._json.take("{")
                    child.inside = first = True
                elif key == "chunks" and child.type == FILE:
                    for _ in self._chunks(child):
                        yield "chunks", child
                else:
                    self._take_field(child, key, self._json.value())

    def _leaves(self, parent: int, first: bool) -> list[Child]:
        """The next entries of a directory, read at once; none where one is a directory, or is not usual."""
        if self._json.offset < self._unusual:
            return []
        text = self._json.ahead(AT_ONCE)
        if not text.startswith('"' if first else ","):
            return []
        begins, end = whole_leaves(text)
        if not begins:
            return []
        members = text[:end]
        some = leaves(members, begins, parent, self._json.offset)
        if some:
            self._json.skip(len(members))
        else:
            self._unusual = self._json.offset + size(members)
        return some

    def _begin(self, name: bytes, parent: int) -> Child:
        """A node up to its attributes, which come first."""
        offset = self._json.offset
        self._json.take("{")
        if self._json.member(True) != "attr":
            raise self._json.bad("expected the attributes of a node first")
        attr = self._attr(self._json.value())
        return Child(name, NodeShape(attr), TYPES[attr.type], attr.inode, offset, parent, {"attr"})

    def _entry_name(self, key: str) -> bytes:
        name = codec.unescape(key)
        if not codec.possible_names([name]):
            raise self._json.bad(f"the impossible name {name[:40]!r}")
        return name

    def _attr(self, value: Any) -> AttrShape:
        if not isinstance(value, dict):
            raise self._json.bad_value("attributes are no object")
        if str(value.get("type")) not in TYPES:
            raise self._json.bad_value(f"a node of the unknown type {str(value.get('type'))[:40]!r}")
        self._numbers("an attribute", {"inode": 0, **_without(value, "type")}, ATTR)
        return AttrShape(**value)

    def _chunks(self, child: Child) -> Iterator[None]:
        """The chunks of a file, which are those of `child` in turns; its last ones stay."""
        json, indexes = self._json, Numbers()
        chunks, number = list[ChunkShape](), 0
        child.node.chunks = chunks
        for item in json.items():
            chunk = self._chunk(item)
            if not indexes.add(chunk.index):
                raise json.bad_value(f"inode {child.inode} has a chunk twice")
            chunks.append(chunk)
            number += 1 + len(chunk.slices or ())
            if number >= MANY:
                yield
                chunks.clear()
                number = 0

    def _take_field(self, child: Child, key: str, value: Any) -> None:
        """A field of a node that is neither its attributes, nor its entries or chunks."""
        node = child.node
        if key == "symlink" and child.type == SYMLINK:
            if not isinstance(value, str):
                raise self._json.bad_value("the target of a symbolic link is no text")
            node.symlink = value
        elif key == "xattrs":
            node.xattrs = self._each("extended attributes", value, self._xattr)
            if repeated(node.xattrs):
                raise self._json.bad_value(f"inode {child.inode} has an extended attribute twice")
        elif key == "posix_acl_access":
            node.posix_acl_access = self._rule(value)
        elif key == "posix_acl_default":
            node.posix_acl_default = self._rule(value)
        else:
            raise self._json.bad_value(f"a {TYPE_NAMES[child.type]} has no field {key[:40]!r}")

    def _each(self, what: str, value: Any, read: Callable[[Any], T]) -> list[T] | None:
        """What `read` makes of each element of a list; None of null."""
        if value is None:
            return None
        if not isinstance(value, list):
            raise self._json.bad_value(f"{what} are no list")
        return [*map(read, value)]

    def _chunk(self, item: Any) -> ChunkShape:
        index = self._numbers("a chunk", _without(item, "slices"), {"index": U32}).get("index", 0)
        return ChunkShape(index, self._each("the slices of a chunk", item.get("slices"), self._slice))

    def _slice(self, value: Any) -> SliceShape:
        numbers = self._numbers("a slice", value, SLICE)
        legacy = numbers.pop("chunkid", 0)
        return SliceShape(**{**numbers, "id": numbers.get("id") or legacy})

    def _xattr(self, item: Any) -> XattrShape:
        if not isinstance(item, dict) or item.keys() != {"name", "value"}:
            raise self._json.bad_value("an extended attribute has not a name and a value")
        if not all(isinstance(text, str) for text in item.values()) or not item["name"]:
            raise self._json.bad_value("an extended attribute is no text")
        return XattrShape(**item)

    def _rule(self, value: Any) -> RuleShape | None:
        if value is None:
            return None
        numbers = self._numbers("an ACL", _without(value, "users", "groups"), RULE)
        users, groups = (
            self._each("the entries of an ACL", value.get(kind), self._named) for kind in ("users", "groups")
        )
        return RuleShape(**numbers, users=users, groups=groups)

    def _named(self, value: Any) -> NamedShape:
        return NamedShape(**self._numbers("an entry of an ACL", value, NAMED))

    def _numbers(self, what: str, value: Any, limits: Limits) -> dict[str, int]:
        """An object that holds nothing but numbers, each within its limits."""
        if not isinstance(value, dict):
            raise self._json.bad_value(f"{what} is no object")
        for name, number in value.items():
            if name not in limits:
                raise self._json.bad_value(f"{what} has an unknown field {name[:40]!r}")
            if not _is_number(number, limits[name]):
                least, greatest = limits[name]
                raise self._json.bad_value(f"{name} of {what} is no number from {least} to {greatest}")
        return value


def _is_number(value: Any, limits: tuple[int, int]) -> bool:
    return type(value) is int and limits[0] <= value <= limits[1]


def _without(value: Any, *names: str) -> Any:
    """An object without some of its members; anything else as it is."""
    return (
        {name: one for name, one in value.items() if name not in names} if isinstance(value, dict) else value
    )
