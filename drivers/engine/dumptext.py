"""The text of a JSON dump (L4.1-L4.12): its head, and a tree whose nodes come one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..types import Attr, FileType, Rule, Slice
from . import codec

STEP = "  "
COMPACT = (",", ":")

FILE, DIRECTORY, SYMLINK = FileType.FILE, FileType.DIRECTORY, FileType.SYMLINK
"""By names of their own: to find a member in its enumeration takes long, and each node has a type."""

TYPE_NAMES: dict[int, str] = {
    FILE: "regular",
    DIRECTORY: "directory",
    SYMLINK: "symlink",
    FileType.FIFO: "fifo",
    FileType.BLOCKDEV: "blockdev",
    FileType.CHARDEV: "chardev",
    FileType.SOCKET: "socket",
}
"""How a dump calls the types of nodes (L4.8)."""


@dataclass(slots=True)
class Dumped:
    """A node as a dump shows it under each of its names."""

    inode: int
    attr: Attr
    xattrs: list[tuple[bytes, bytes]] = field(default_factory=list)
    access: Rule | None = None
    default: Rule | None = None
    chunks: list[tuple[int, list[Slice]]] = field(default_factory=list)
    target: bytes = b""


def head(fields: dict[str, Any]) -> str:
    """The part before the trees: `fields` in their order, and the comma that leads on."""
    return codec.json_text(fields, indent=2).removesuffix("\n}") + ","


def attr_text(inode: int, attr: Attr) -> str:
    """The attributes of a node on one line (L4.8)."""
    (at, atn), (mt, mtn), (ct, ctn) = attr.atime, attr.mtime, attr.ctime
    kind = TYPE_NAMES.get(attr.type, "unknown")
    return (
        f'{{"inode":{inode}{_some("flags", attr.flags)},"type":"{kind}","mode":{attr.mode}'
        f',"uid":{attr.uid},"gid":{attr.gid},"atime":{at},"mtime":{mt},"ctime":{ct}'
        f"{_some('atimensec', atn)}{_some('mtimensec', mtn)}{_some('ctimensec', ctn)}"
        f',"nlink":{attr.nlink},"length":{attr.length if attr.type == FILE else 0}'
        f"{_some('rdev', attr.rdev)}{_some('tier', attr.tier)}}}"
    )


def _some(name: str, value: int) -> str:
    """A field that is left out when it is zero."""
    return f',"{name}":{value}' if value else ""


def rule_fields(rule: Rule) -> dict[str, Any]:
    """An ACL rule (L4.10)."""

    def named(entries: Iterable[tuple[int, int]]) -> list[dict[str, int]] | None:
        return [{"id": id, "perm": permissions} for id, permissions in entries] or None

    return {
        "owner": rule.owner,
        "group": rule.group,
        "other": rule.other,
        "mask": rule.mask,
        "users": named(rule.users),
        "groups": named(rule.groups),
    }


def chunk_text(index: int, slices: Sequence[Slice]) -> str:
    """A chunk with its slices as they are stored (L4.9)."""
    listed = ",".join(
        f'{{"id":{one.id}{_some("pos", one.pos)},"size":{one.size}{_some("off", one.off)},"len":{one.len}}}'
        for one in slices
    )
    return f'{{"index":{index},"slices":[{listed}]}}'


class TreeText:
    """The nodes of one tree, in the order of the walk: `enter`, `leaf` and `leave` give the text of each."""

    def __init__(self, escape: Callable[[bytes], str]) -> None:
        """`escape` spells names and values."""
        self._escape = escape
        self._depth = 1
        self._first = True

    def enter(self, name: bytes, node: Dumped) -> str:
        """The begin of a directory, up to its entries."""
        text = self._begin(name, node) + f',\n{STEP * (self._depth + 1)}"entries": {{'
        self._depth += 2
        self._first = True
        return text

    def leave(self) -> str:
        """The end of the directory entered last."""
        self._depth -= 2
        self._first = False
        return f"\n{STEP * (self._depth + 1)}}}\n{STEP * self._depth}}}"

    def leaf(self, name: bytes, node: Dumped) -> str:
        """A node that has no entries."""
        text = self._begin(name, node)
        margin = ",\n" + STEP * (self._depth + 1)
        chunks = [chunk_text(index, slices) for index, slices in node.chunks]
        if len(chunks) == 1:
            text += f'{margin}"chunks": [{chunks[0]}]'
        elif chunks:
            inner = "\n" + STEP * (self._depth + 2)
            text += f'{margin}"chunks": [{inner}' + f",{inner}".join(chunks) + f"{margin[1:]}]"
        self._first = False
        return text + f"\n{STEP * self._depth}}}"

    def _begin(self, name: bytes, node: Dumped) -> str:
        """What every node has, behind the comma that parts it from the one before."""
        comma = "" if self._first else ","
        margin = STEP * (self._depth + 1)
        text = f'{comma}\n{STEP * self._depth}"{self._escape(name)}": {{\n{margin}"attr": '
        text += attr_text(node.inode, node.attr)
        margin = ",\n" + margin
        if node.target:
            text += f'{margin}"symlink": "{self._escape(node.target)}"'
        if node.xattrs:
            listed = [
                {"name": name.decode("utf-8", "surrogateescape"), "value": self._escape(value)}
                for name, value in sorted(node.xattrs)
            ]
            text += f'{margin}"xattrs": {codec.json_text(listed, separators=COMPACT)}'
        for title, rule in (("posix_acl_access", node.access), ("posix_acl_default", node.default)):
            if rule is not None:
                text += f'{margin}"{title}": {codec.json_text(rule_fields(rule), separators=COMPACT)}'
        return text
