"""What a generator believes of a volume: enough to draw half of what it names from what is there.

It learns from the answers of one engine. Where it is wrong, a step is refused that was meant to succeed,
which is drawn often enough on purpose: nothing is ever judged by it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from metaparity.drivers.types import ROOT_INODE, TRASH_INODE, Time

from ..model.permissions import FROZEN

Json: TypeAlias = Any
Name: TypeAlias = Any
"""A name as the protocol writes it: a text, or an object with base64."""
Call: TypeAlias = tuple[str, dict[str, Json]]
"""A method with its parameters."""

LOCKING = frozenset({"flock", "setlk"})


@dataclass(frozen=True)
class Step:
    """One call with its symbols: `{"$": "12.ok.inode"}` in `params` is what step 12 answered there."""

    number: int
    client: str
    method: str
    params: dict[str, Json]
    word: int = 0
    """The step that its word begins with: a history is shrunk word by word."""

    def needs(self) -> set[int]:
        """The steps whose answers its parameters are made of."""
        return set(_referred(self.params))


def _referred(value: Json) -> Iterator[int]:
    if isinstance(value, dict):
        if value.keys() == {"$"}:
            yield int(value["$"].partition(".")[0])
            return
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _referred(one)


@dataclass
class Node:
    """A node that was answered."""

    inode: int
    symbol: Json
    type: str
    mode: int = 0
    uid: int = 0
    gid: int = 0
    length: int = 0
    flags: int = 0
    nlink: int = 1
    acl: bool = False
    gone: bool = False
    stored: Counter[int] = field(default_factory=Counter)
    """How many records were added to each chunk."""


def key(name: Name) -> str:
    """A name as something that can be looked up."""
    return name if isinstance(name, str) else json.dumps(name)


RECENT = 5
"""How many nodes are recent."""

LONG = 64
"""Bytes of a name above which Redis lists a directory in an order of its own (hash-max-listpack-value)."""

PLACES = (("parent", "name"), ("src_parent", "src_name"), ("dst_parent", "dst_name"))
"""The parameters that are a directory and a name in it."""

MAKING = frozenset({"mknod", "mkdir", "create", "symlink"})
ATTRIBUTES = ("mode", "uid", "gid", "length", "flags", "nlink")


class World:
    """The nodes and names of a volume, what is open, and the settings, as far as answers have told."""

    def __init__(self, settings: dict[str, Json], config: dict[str, Json] | None = None) -> None:
        self.settings = dict(settings)
        self.config = dict(config or {})
        self.nodes: dict[int, Node] = {
            ROOT_INODE: Node(ROOT_INODE, ROOT_INODE, "directory", 0o777),
            TRASH_INODE: Node(TRASH_INODE, TRASH_INODE, "directory", 0o555),
        }
        self.names: dict[int, dict[str, tuple[Name, int]]] = {ROOT_INODE: {}}
        """By directory, each name with the inode it leads to, 0 where that was not told."""
        self.filed: list[tuple[int, int, Name]] = []
        """What may be in the trash: directory, inode and name."""
        self.recent: list[Node] = []
        """What was last spoken of: histories that stay with few nodes show more."""
        self.focus: frozenset[int] = frozenset()
        """The nodes that everything is about for a while, if there are any."""
        self.now: Time | None = None
        """The virtual time, where there is one."""
        self.trashed: set[int] = set()
        """Nodes that lost a name while the trash was on."""
        self.linked: set[int] = set()
        """Nodes that ever had several names."""
        self.rules: dict[tuple[int, str], tuple[str, Json]] = {}
        """By node and type the ACL that was last set, with the client that set it."""
        self.scattered: set[int] = set()
        """Directories that ever had a long name."""
        self.moved = False
        """Whether a directory, or what may be one, was ever moved."""
        self.frozen_copies = False
        """Whether there may be copies that nobody was told of and that are immutable or append-only."""
        self.open: Counter[tuple[str, int]] = Counter()
        self.handles: list[tuple[str, Json]] = []
        self.xattrs: list[tuple[Node, str]] = []
        self.limited: list[tuple[str, Json]] = []
        """Quotas that were set: kind and key."""
        self.lockers: dict[int, set[str]] = {}
        """Which clients ever asked for a lock of a node."""

    @property
    def trash(self) -> bool:
        """Whether what is removed is kept."""
        return bool(self.settings.get("TrashDays"))

    @property
    def frozen(self) -> bool:
        """Whether any node may be immutable or append-only."""
        return self.frozen_copies or any(node.flags & FROZEN for node in self.live())

    def live(self, *types: str) -> list[Node]:
        """The nodes of these types that have a name, the trash left out."""
        return [
            one
            for one in self.nodes.values()
            if not one.gone and one.inode < TRASH_INODE and (not types or one.type in types)
        ]

    def entries(self) -> list[tuple[int, Name, int]]:
        """Every name that is believed to be there: directory, name, inode."""
        return [
            (parent, name, inode) for parent, names in self.names.items() for name, inode in names.values()
        ]

    def at(self, parent: int, name: Name) -> Node | None:
        """The node of a name, where both are known."""
        _, inode = self.names.get(parent, {}).get(key(name), (None, 0))
        return self.nodes.get(inode)

    def links(self, inode: int) -> list[tuple[int, Name]]:
        """The names of a node."""
        return [(parent, name) for parent, name, one in self.entries() if one == inode]

    def above(self, inode: int) -> Iterator[int]:
        """A directory and those it is in, upwards, as far as is known."""
        seen: set[int] = set()
        while inode not in seen:
            seen.add(inode)
            yield inode
            inode = next((parent for parent, _, one in self.entries() if one == inode), inode)

    def below(self, inode: int) -> Iterator[int]:
        """A node and all that is in it, as far as is known."""
        seen, waiting = set(), [inode]
        while waiting:
            inode = waiting.pop()
            if inode not in seen:
                seen.add(inode)
                yield inode
                waiting += [child for _, child in self.names.get(inode, {}).values()]

    def path(self, inode: int) -> str | None:
        """The path of a directory; None where it is not known or cannot be written as text."""
        parts: list[str] = []
        while inode != ROOT_INODE:
            place = next(((parent, name) for parent, name, one in self.entries() if one == inode), None)
            if place is None or not isinstance(place[1], str) or len(parts) > 40:
                return None
            parts.append(place[1])
            inode = place[0]
        return "/" + "/".join(reversed(parts))

    def named(self, symbol: Json) -> Node | None:
        """The node that a parameter names."""
        return next((one for one in self.nodes.values() if one.symbol == symbol), None)

    # -- learning ----------------------------------------------------------------------------------

    def said(self, client: str, calls: Sequence[Call]) -> None:
        """Take in calls before they are answered: what another says at once is drawn by then."""
        for method, params in calls:
            if method in LOCKING and (node := self.named(params["inode"])) is not None:
                self.lockers.setdefault(node.inode, set()).add(client)

    def learn(self, step: Step, params: dict[str, Json], result: dict[str, Json]) -> None:
        """Take note of an answer; `params` are those that were sent, without symbols."""
        if "ok" not in result:
            if (
                step.method == "remove"
                and params
                and (top := self.at(params["parent"], params["name"])) is not None
            ):
                self._gone(top.inode)  # who knows what is left of it
            return
        answer = result["ok"]
        for name in ("inode", "src", "dst"):
            if (node := self.nodes.get(params.get(name, 0))) is not None and node.inode != ROOT_INODE:
                self.recent = [*[one for one in self.recent if one is not node][-RECENT:], node]
        for parent, name in PLACES:
            if name in params and len(key(params[name]).encode()) > LONG:
                self.scattered.add(params[parent])
        learn = getattr(self, f"_after_{step.method}", None)
        if step.method in MAKING or step.method == "lookup":
            self._node(step, params["parent"], params["name"], answer)
        if learn is not None:
            learn(step, params, answer)

    def _node(self, step: Step, parent: int, name: Name, answer: Json) -> None:
        inode, attr = answer["inode"], answer.get("attr") or {}
        known = self.nodes.get(inode)
        if known is None:
            symbol = {"$": f"{step.number}.ok.inode"}
            known = self.nodes[inode] = Node(inode, symbol, attr.get("type", "file"))
        named = parent < TRASH_INODE and name not in (".", "..")  # what is in the trash may be deleted there
        if named:
            known.gone = False
        self._attributes(known, attr)
        if named and inode < TRASH_INODE:
            self.names.setdefault(parent, {})[key(name)] = (name, inode)

    @staticmethod
    def _attributes(node: Node, attr: Json) -> None:
        for field_name in ATTRIBUTES:
            setattr(node, field_name, attr.get(field_name, getattr(node, field_name)))
        node.acl = node.acl or bool(attr.get("access_acl"))

    def _after_create(self, step: Step, params: Json, answer: Json) -> None:
        self.open[step.client, answer["inode"]] += 1

    def _after_getattr(self, step: Step, params: Json, answer: Json) -> None:
        if params["inode"] in self.nodes:
            self._attributes(self.nodes[params["inode"]], answer)

    _after_setattr = _after_truncate = _after_getattr

    def _after_acl_set(self, step: Step, params: Json, answer: Json) -> None:
        self.rules[params["inode"], params["type"]] = step.client, params["rule"]
        if params["inode"] in self.nodes and params["type"] == "access":
            self.nodes[params["inode"]].acl = True

    def _after_link(self, step: Step, params: Json, answer: Json) -> None:
        self.linked.add(params["inode"])
        self._after_getattr(step, params, answer)
        self.names.setdefault(params["parent"], {})[key(params["name"])] = (params["name"], params["inode"])

    def _lost(self, parent: int, name: Name) -> None:
        _, inode = self.names.get(parent, {}).pop(key(name), (None, 0))
        if inode in self.nodes:
            self._file(parent, inode, name)
            if not self.links(inode):
                self._gone(inode)

    def _file(self, parent: int, inode: int, name: Name) -> None:
        self.filed.append((parent, inode, name))
        del self.filed[:-20]
        if self.trash:
            self.trashed.add(inode)

    def _gone(self, inode: int) -> None:
        self.nodes[inode].gone = True
        for name, child in list(self.names.pop(inode, {}).values()):
            if child in self.nodes and not self.links(child):
                self._file(inode, child, name)
                self._gone(child)

    def _after_unlink(self, step: Step, params: Json, answer: Json) -> None:
        self._lost(params["parent"], params["name"])

    _after_rmdir = _after_remove = _after_unlink

    def _after_batch_unlink(self, step: Step, params: Json, answer: Json) -> None:
        for entry in params["entries"]:
            self._lost(params["parent"], entry["name"])

    def _after_rename(self, step: Step, params: Json, answer: Json) -> None:
        source = self.names.setdefault(params["src_parent"], {})
        target = self.names.setdefault(params["dst_parent"], {})
        moved, there = source.get(key(params["src_name"])), target.get(key(params["dst_name"]))
        known = [self.nodes.get(one[1]) for one in (moved, there) if one is not None]
        self.moved |= any(node is None or node.type == "directory" for node in known)
        if moved is None or answer.get("inode") == 0 or (there is not None and there[1] == moved[1]):
            return
        if "exchange" in params.get("flags", ()) and there is not None:
            source[key(params["src_name"])] = (params["src_name"], there[1])
        else:
            self._lost(params["dst_parent"], params["dst_name"])
            source.pop(key(params["src_name"]), None)
        target[key(params["dst_name"])] = (params["dst_name"], moved[1])

    def _after_clone(self, step: Step, params: Json, answer: Json) -> None:
        self.frozen_copies = self.frozen
        self.names.setdefault(params["dst_parent"], {})[key(params["dst_name"])] = (params["dst_name"], 0)

    def _after_readdir(self, step: Step, params: Json, answer: Json) -> None:
        if params["inode"] >= TRASH_INODE:
            return
        told = {key(one["name"]): (one["name"], one["inode"]) for one in answer}
        # A server may list in an order of its own, and a seed has to draw the same from each.
        self.names[params["inode"]] = {name: told[name] for name in sorted(told) if name not in (".", "..")}

    def _after_open_file(self, step: Step, params: Json, answer: Json) -> None:
        self.open[step.client, params["inode"]] += 1

    def _after_close_file(self, step: Step, params: Json, answer: Json) -> None:
        self.open[step.client, params["inode"]] -= 1

    def _after_session(self, step: Step, params: Json, answer: Json) -> None:
        self.open = Counter({key: count for key, count in self.open.items() if key[0] != step.client})
        self.handles = [one for one in self.handles if one[0] != step.client]

    def _after_clock_set(self, step: Step, params: Json, answer: Json) -> None:
        self.now = params["now"][0], params["now"][1]

    def _after_opendir(self, step: Step, params: Json, answer: Json) -> None:
        self.handles.append((step.client, {"$": f"{step.number}.ok.handle"}))
        del self.handles[:-4]

    def _after_write(self, step: Step, params: Json, answer: Json) -> None:
        self._stored(params["inode"], params["chunk"])

    def _after_fallocate(self, step: Step, params: Json, answer: Json) -> None:
        self._stored(params["inode"], *range(params["off"] >> 26, (params["off"] + params["size"] >> 26) + 1))

    def _after_copy_file_range(self, step: Step, params: Json, answer: Json) -> None:
        end = params["dst_off"] + params["size"]
        self._stored(params["dst"], *range(params["dst_off"] >> 26, (end >> 26) + 1), count=3)

    def _stored(self, inode: int, *chunks: int, count: int = 1) -> None:
        if inode in self.nodes:
            self.nodes[inode].stored.update(dict.fromkeys(chunks, count))

    def _after_xattr_set(self, step: Step, params: Json, answer: Json) -> None:
        self.xattrs.append((self.nodes[params["inode"]], params["name"]))
        del self.xattrs[:-6]

    def _after_quota_set(self, step: Step, params: Json, answer: Json) -> None:
        if params["type"] != "dir":
            self.settings["UserGroupQuota"] = True
        self.limited.append((params["type"], params["key"]))
        del self.limited[:-6]

    def _after_init(self, step: Step, params: Json, answer: Json) -> None:
        self.settings.update(params["format"])


HOUR = re.compile(r"\d{4}-\d\d-\d\d-\d\d")
