"""The text of a JSON dump (L4.1-L4.12): its head, and a tree whose nodes come one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..types import Attr, FileType, Rule
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


Chunk: TypeAlias = tuple[int, Sequence[codec.SliceNumbers]]
"""A chunk of a file: its index, and its slices."""


@dataclass(slots=True)
class Dumped:
    """A node as a dump shows it under each of its names."""

    inode: int
    attr: Attr
    xattrs: Sequence[tuple[bytes, bytes]] = ()
    access: Rule | None = None
    default: Rule | None = None
    chunks: Sequence[Chunk] = ()
    target: bytes = b""


def head(fields: dict[str, Any]) -> str:
    """The part before the trees: `fields` in their order, and the comma that leads on."""
    return codec.json_text(fields, indent=2).removesuffix("\n}") + ","


def attr_text(inode: int, attr: Attr) -> str:
    """The attributes of a node on one line; most are left out when they are zero (L4.8)."""
    (at, atn), (mt, mtn), (ct, ctn) = attr.atime, attr.mtime, attr.ctime
    text = f'{{"inode":{inode}'
    if attr.flags:
        text += f',"flags":{attr.flags}'
    text += (
        f',"type":"{TYPE_NAMES.get(attr.type, "unknown")}","mode":{attr.mode}'
        f',"uid":{attr.uid},"gid":{attr.gid},"atime":{at},"mtime":{mt},"ctime":{ct}'
    )
    if atn:
        text += f',"atimensec":{atn}'
    if mtn:
        text += f',"mtimensec":{mtn}'
    if ctn:
        text += f',"ctimensec":{ctn}'
    text += f',"nlink":{attr.nlink},"length":{attr.length if attr.type == FILE else 0}'
    if attr.rdev:
        text += f',"rdev":{attr.rdev}'
    if attr.tier:
        text += f',"tier":{attr.tier}'
    return text + "}"


def rule_text(rule: Rule) -> str:
    """An ACL rule (L4.10)."""

    def named(entries: Iterable[tuple[int, int]]) -> list[dict[str, int]] | None:
        return [{"id": id, "perm": permissions} for id, permissions in entries] or None

    fields = {
        "owner": rule.owner,
        "group": rule.group,
        "other": rule.other,
        "mask": rule.mask,
        "users": named(rule.users),
        "groups": named(rule.groups),
    }
    return codec.json_text(fields, separators=COMPACT)


def chunk_text(index: int, slices: Iterable[codec.SliceNumbers]) -> str:
    """A chunk with its slices as they are stored (L4.9)."""
    return f'{{"index":{index},"slices":[{",".join([slice_text(*one) for one in slices])}]}}'


def slice_text(pos: int, id: int, size: int, off: int, length: int) -> str:
    """A slice; places are left out when they are zero (L4.9)."""
    text = f'{{"id":{id}'
    if pos:
        text += f',"pos":{pos}'
    text += f',"size":{size}'
    if off:
        text += f',"off":{off}'
    return text + f',"len":{length}}}'


def indented(text: str, depth: int) -> str:
    """The text of a node so deep in a tree.  Until its turn it is not indented: it would take more memory."""
    return text.replace("\n", "\n" + STEP * depth)


class NodeText:
    """The text of nodes, not indented, without the comma that parts each from the one before."""

    def __init__(self, escape: Callable[[bytes], str]) -> None:
        """`escape` spells names and values."""
        self._escape = escape

    def enter(self, name: bytes, node: Dumped) -> str:
        """The begin of a directory, up to its entries, which are two steps deeper."""
        return f'{self._begin(name, node)},\n{STEP}"entries": {{'

    def leave(self) -> str:
        """The end of a directory, behind its entries."""
        return f"\n{STEP}}}\n}}"

    def leaf(self, name: bytes, node: Dumped) -> str:
        """A node that has no entries."""
        text = self._begin(name, node)
        if node.chunks:
            chunks = [chunk_text(*chunk) for chunk in node.chunks]
            if len(chunks) == 1:
                text += f',\n{STEP}"chunks": [{chunks[0]}]'
            else:
                inner = f"\n{STEP}{STEP}"
                text += f',\n{STEP}"chunks": [{inner}{f",{inner}".join(chunks)}\n{STEP}]'
        return text + "\n}"

    def _begin(self, name: bytes, node: Dumped) -> str:
        """What every node has."""
        text = f'\n"{self._escape(name)}": {{\n{STEP}"attr": {attr_text(node.inode, node.attr)}'
        if node.target:
            text += f',\n{STEP}"symlink": "{self._escape(node.target)}"'
        if node.xattrs:
            listed = [
                {"name": name.decode("utf-8", "surrogateescape"), "value": self._escape(value)}
                for name, value in sorted(node.xattrs)
            ]
            text += f',\n{STEP}"xattrs": {codec.json_text(listed, separators=COMPACT)}'
        if node.access is not None:
            text += f',\n{STEP}"posix_acl_access": {rule_text(node.access)}'
        if node.default is not None:
            text += f',\n{STEP}"posix_acl_default": {rule_text(node.default)}'
        return text
