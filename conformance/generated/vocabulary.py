"""The words of a generated history: the primitives that show or change the state, and how their arguments
are drawn.

Names are half there and half fresh, nodes are mostly known and sometimes gone, of the wrong type or in the
trash; callers are the superuser, owners, members of groups and strangers.  What a word draws may take several
calls: a write needs a slice first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from metaparity.drivers.api import PRIMITIVES
from metaparity.drivers.types import CHUNK_SIZE, ROOT_INODE, TRASH_INODE, Attr, Context, Rule, Time
from metaparity.drivers.wire import encode

from .steering import CLIENTS as CLIENTS
from .world import Json, Name, Node, World

T = TypeVar("T")

Call = tuple[str, dict[str, Json]]
"""A method with its parameters."""

CALLERS: tuple[Context, ...] = (
    Context(1000, (1000, 2000)),
    Context(1001, (1001,)),
    Context(1002, (1002, 1000, 2000)),
    Context(1000, (1000,), check_permission=False),
    Context(0, (0,), check_permission=False),
)
"""Who calls besides the superuser."""

NAMES: tuple[Name, ...] = ("a", "b", "c", "d", "e", "f", "A", "é", ".hidden", {"base64": "/w=="})
ODD_NAMES: tuple[Name, ...] = ("", ".", "..", "a/b", "a\0b", "n" * 255, "n" * 256, ".trash")
TYPES = ("file", "directory", "symlink", "fifo", "blockdev", "chardev", "socket")
MODES = (0o777, 0o755, 0o700, 0o644, 0o600, 0o1777, 0o2775, 0o4755, 0o444, 0o000)
MOMENTS: tuple[Time, ...] = ((1000000000, 5), (1000000000, 999999999), (4102444800, 0), (0, 0))
"""Times that callers ask for, none of them near the clock."""
SIZES = (0, 1, 4096, 4097, 100000, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE - 7)
OFFSETS = (0, 1, 4095, 4096, 50000, CHUNK_SIZE - 10)
XATTRS = ("user.a", "user.b", "trusted.c", "")
EDGES = (0, 1, 5, 6, 10, 64, 1 << 40, (1 << 63) - 1)
ACL_BITS = (0, 1, 4, 5, 6, 7)
FOCUSED = 0.9
"""How likely a node is one that everything is about, where there are such."""
FEW = 3
"""Names that are as good as any then."""
SET = ("mode", "uid", "gid", "flags", "atime", "mtime", "ctime", "atime_now", "mtime_now", "ctime_now")
MOST_RECORDS = {"record": 2, "fail": 12}
"""Records of a chunk beyond which engines compact when they please (N22.6), by what comes of it."""


@dataclass
class Draw:
    """What a word draws from: chance, and what is believed to be there."""

    chance: random.Random
    world: World
    client: str

    def one(self, choices: Sequence[T]) -> T:
        return choices[self.chance.randrange(len(choices))]

    def odds(self, percent: float) -> bool:
        return self.chance.random() * 100 < percent

    def caller(self) -> dict[str, Json]:
        """Who calls: half the time the superuser."""
        return {} if self.odds(50) else {"ctx": encode(self.one(CALLERS))}

    # -- nodes -------------------------------------------------------------------------------------

    def node(self, *types: str) -> Json:
        """The symbol of a node, mostly one of these types that is there."""
        return self.known(*types).symbol

    def known(self, *types: str) -> Node:
        """A node, mostly one of these types that is there."""
        roll = self.chance.random()
        focus = [self.world.nodes[one] for one in self.world.focus]
        if roll < FOCUSED and (near := [one for one in focus if not types or one.type in types]):
            return self.one(near)
        # Below what is gone, quotas are found or not: refusals differ with what a client remembers.
        if (
            roll < 0.04
            and not self.world.limited
            and (gone := [one for one in self.world.nodes.values() if one.gone])
        ):
            return self.one(gone[-8:])
        if roll < 0.05:
            return Node(999999, 999999, "file", gone=True)
        if roll < 0.06 and self.world.trash:
            return self.world.nodes[TRASH_INODE]
        recent = [one for one in self.world.recent if not types or one.type in types]
        if roll > 0.55 and (there := [one for one in recent if not one.gone and one.inode < TRASH_INODE]):
            return self.one(there)
        among = self.world.live() if roll < 0.12 else self.world.live(*types)
        return self.one(among or self.world.live())

    def directory(self) -> Node:
        """A directory, often the root."""
        if self.world.focus:
            return self.known("directory")
        return self.world.nodes[ROOT_INODE] if self.odds(25) else self.known("directory")

    # -- names -------------------------------------------------------------------------------------

    def fresh(self, directory: Node) -> Name:
        """A name that is not believed to be there, or an impossible one now and then."""
        if self.odds(6):
            return self.one(ODD_NAMES)
        taken = self.world.names.get(directory.inode, {})
        if self.world.focus:
            return self.one(NAMES[:FEW])
        free = [name for name in NAMES if str(name) not in taken]
        return self.one(free) if free else f"n{self.chance.randrange(100)}"

    def place(self, *types: str) -> tuple[Json, Name]:
        """A directory and a name in it that is believed to be there, of one of these types if any."""
        nodes = self.world.nodes
        entries = [one for one in self.world.entries() if one[0] in nodes]
        entries = [one for one in entries if one[2] in self.world.focus] or entries
        fitting = [one for one in entries if not types or (one[2] in nodes and nodes[one[2]].type in types)]
        if not entries or self.odds(6):
            directory = self.directory()
            return directory.symbol, self.fresh(directory)
        parent, name, _ = self.one(fitting if fitting and not self.odds(8) else entries)
        return nodes[parent].symbol, name

    def at(self, parent: Json, name: Name) -> Node | None:
        """The node that is believed to be at a place."""
        directory = next((one for one in self.world.nodes.values() if one.symbol == parent), None)
        return None if directory is None else self.world.at(directory.inode, name)

    def free(self) -> tuple[Json, Name]:
        """A directory and a name that is not believed to be there; one time in five one that is."""
        if self.odds(20):
            return self.place()
        directory = self.directory()
        return directory.symbol, self.fresh(directory)

    def half(self) -> tuple[Json, Name]:
        """A place that is taken half of the time."""
        return self.place() if self.odds(50) else self.free()

    def skip(self) -> dict[str, Json]:
        """Past the trash now and then."""
        return {"skip_trash": True} if self.odds(8) else {}


Word = Callable[[Draw], list[Call]]
WORDS: dict[str, tuple[int, Word]] = {}
"""Every word with its weight, in a thousand or so."""


def word(weight: int) -> Callable[[Word], Word]:
    """Take a function into the vocabulary under its name."""

    def take(draw: Word) -> Word:
        WORDS[draw.__name__.rstrip("_")] = (weight, draw)
        return draw

    return take


# -- names -----------------------------------------------------------------------------------------


@word(60)
def mknod(d: Draw) -> list[Call]:
    parent, name = d.free()
    type = d.one(("file", "file", "file", *TYPES)) if not d.odds(1) else 9
    more: dict[str, Json] = {"rdev": d.one((0, 259))} if type in ("blockdev", "chardev") else {}
    more |= {"target": d.one(("t", "a/b"))} if type == "symlink" else {}
    mode, umask = (0o777, 0) if type == "symlink" else (d.one(MODES), d.one((0, 0o022, 0o077)))
    params = {"parent": parent, "name": name, "type": type, "mode": mode, "umask": umask}
    return [("mknod", {**params, **more, **d.caller()})]


@word(55)
def mkdir(d: Draw) -> list[Call]:
    parent, name = d.free()
    params = {"parent": parent, "name": name, "mode": d.one(MODES), "umask": d.one((0, 0o022))}
    return [("mkdir", {**params, **d.caller()})]


@word(40)
def create(d: Draw) -> list[Call]:
    parent, name = d.half()
    params = {"parent": parent, "name": name, "mode": d.one(MODES), "umask": d.one((0, 0o022))}
    return [("create", {**params, "flags": d.one(([], ["rdwr"], ["excl"])), **d.caller()})]


@word(20)
def symlink(d: Draw) -> list[Call]:
    parent, name = d.free()
    target = d.one(("a", "a/b", "../c", "/d", "x" * 4096, "x" * 4097, "")) if d.odds(20) else "a"
    return [("symlink", {"parent": parent, "name": name, "target": target, **d.caller()})]


@word(15)
def readlink(d: Draw) -> list[Call]:
    return [("readlink", {"inode": d.node("symlink"), **d.caller()})]


@word(35)
def link(d: Draw) -> list[Call]:
    parent, name = d.free()
    return [("link", {"inode": d.node("file", "fifo"), "parent": parent, "name": name, **d.caller()})]


@word(50)
def unlink(d: Draw) -> list[Call]:
    parent, name = d.place("file", "symlink", "fifo")
    removed: list[Call] = [("unlink", {"parent": parent, "name": name, **d.skip(), **d.caller()})]
    node = d.at(parent, name)
    # What belongs to a node and not to its name is still there.
    left = node is not None and node.nlink > 1 and any(node is one for one, _ in d.world.xattrs)
    return [*removed, ("xattr_list", {"inode": node.symbol})] if node is not None and left else removed


@word(30)
def rmdir(d: Draw) -> list[Call]:
    parent, name = (d.directory().symbol, ".") if d.odds(3) else d.place("directory")
    return [("rmdir", {"parent": parent, "name": name, **d.skip(), **d.caller()})]


@word(75)
def rename(d: Draw) -> list[Call]:
    (src_parent, src_name), (dst_parent, dst_name) = d.place(), d.half()
    flags = d.one(([], [], [], ["noreplace"], ["exchange"], ["exchange"]))
    if d.odds(2):
        flags = d.one((["whiteout"], ["noreplace", "exchange"]))
    params = {"src_parent": src_parent, "src_name": src_name, "dst_parent": dst_parent, "dst_name": dst_name}
    return [("rename", {**params, "flags": flags, **d.caller()})]


@word(10)
def batch_unlink(d: Draw) -> list[Call]:
    directory = d.known("directory") if d.odds(80) else d.known()
    if directory.type != "directory" or directory.gone:
        entry = {"name": "a", "inode": d.node("file"), "type": "file"}
        return [("batch_unlink", {"parent": directory.symbol, "entries": [entry], **d.caller()})]
    names = list(d.world.names.get(directory.inode, {}).values())
    nodes = d.world.nodes
    entries = [
        {"name": name, "inode": nodes[inode].symbol, "type": nodes[inode].type}
        for name, inode in names[: d.chance.randrange(1, 5)]
        if inode in nodes and (nodes[inode].type != "directory" or d.odds(10))
    ]
    return [("batch_unlink", {"parent": directory.symbol, "entries": entries, **d.skip(), **d.caller()})]


@word(8)
def remove(d: Draw) -> list[Call]:
    parent, name = (d.directory().symbol, ".") if d.odds(4) else d.place()
    symbols = {one.inode: one.symbol for one in d.world.nodes.values()}
    inode = next((i for p, n, i in d.world.entries() if symbols.get(p) == parent and n == name), 0)
    # In which order a tree is emptied is free: what is gone when a caller is refused, too.
    alone = bool(inode) and not d.world.names.get(inode)
    caller = d.caller() if alone else {}
    if not alone and any(node.flags & 3 for node in d.world.live()):
        return lookup(d)
    return [("remove", {"parent": parent, "name": name, "threads": 1, **d.skip(), **caller})]


@word(60)
def lookup(d: Draw) -> list[Call]:
    parent, name = d.half()
    checked = {"check_permission": True} if d.odds(50) else {}
    return [("lookup", {"parent": parent, "name": name, **checked, **d.caller()})]


@word(10)
def lookup_dots(d: Draw) -> list[Call]:
    params = {"parent": d.node("directory"), "name": d.one((".", "..")), "check_permission": d.odds(50)}
    return [("lookup", {**params, **d.caller()})]


@word(15)
def resolve(d: Draw) -> list[Call]:
    node = d.known("directory")
    path = d.world.path(node.inode) or "/"
    more = d.one(("", "/a", "/a/b", "/b/../a"))
    params = {"parent": ROOT_INODE, "path": (path + more).lstrip("/"), "force": d.odds(50)}
    return [("resolve", {**params, **d.caller()})]


@word(50)
def getattr_(d: Draw) -> list[Call]:
    return [("getattr", {"inode": d.node(), **d.caller()})]


@word(25)
def access(d: Draw) -> list[Call]:
    ruled = [one for one in d.world.live() if one.acl]
    node = d.one(ruled) if ruled and d.odds(40) else d.known()
    return [("access", {"inode": node.symbol, "mask": d.chance.randrange(8), **d.caller()})]


@word(40)
def readdir(d: Draw) -> list[Call]:
    return [("readdir", {"inode": d.node("directory"), "plus": d.odds(50), **d.caller()})]


@word(10)
def opendir(d: Draw) -> list[Call]:
    return [("opendir", {"inode": d.node("directory"), "plus": d.odds(50), **d.caller()})]


@word(12)
def handle(d: Draw) -> list[Call]:
    own = [symbol for client, symbol in d.world.handles if client == d.client]
    if not own:
        return opendir(d)
    handle = d.one(own)
    return d.one(
        (
            [("dir_list", {"handle": handle})],
            [("dir_list", {"handle": handle})],
            [("dir_read", {"handle": handle, "offset": d.one((0, 1, 3))})],
            [("dir_close", {"handle": handle})],
        )
    )


@word(20)
def parents(d: Draw) -> list[Call]:
    return [("parents", {"inode": d.node()})]


@word(12)
def paths(d: Draw) -> list[Call]:
    return [("paths", {"inode": d.node()})]


# -- attributes ------------------------------------------------------------------------------------


@word(90)
def setattr_(d: Draw) -> list[Call]:
    node = d.known()
    free = SET[node.type == "symlink" :]  # no kernel asks for the mode of one
    if node.inode in (ROOT_INODE, TRASH_INODE):  # nobody is charged for them, but for a change of hands
        free = tuple(bit for bit in free if bit not in ("uid", "gid"))
    some = d.one((1, 1, 1, 2, 3))
    bits = list(dict.fromkeys(d.one(free[: len(free) // 2] if d.odds(30) else free) for _ in range(some)))
    attr = Attr(
        mode=d.one(MODES),
        uid=d.one((0, 0, 1000, 1001, 1002)),
        gid=d.one((0, 1000, 1001, 2000)),
        flags=d.one((0, 0, 0, 1, 2, 32)),
        atime=d.one(MOMENTS),
        mtime=d.one(MOMENTS),
        ctime=d.one(MOMENTS),
    )
    method = "check_setattr" if d.odds(15) else "setattr"
    # Who may give nodes away is the superuser.
    caller = {} if "uid" in bits and d.odds(50) else d.caller()
    return [(method, {"inode": node.symbol, "set": bits, "attr": encode(attr), **caller})]


@word(12)
def xattr_set(d: Draw) -> list[Call]:
    # What is set on a node that is gone stays (N28.1): no kernel asks for it, and a law would find it.
    there = [(node, name) for node, name in d.world.xattrs if not node.gone]
    linked = [one for one in d.world.live("file") if one.nlink > 1]
    other = d.one(linked) if linked and d.odds(30) else d.known()
    node, name = d.one(there) if there and d.odds(40) else (other, d.one(XATTRS))
    if not d.world.links(node.inode):
        node = d.world.nodes[ROOT_INODE]
    params = {"inode": node.symbol, "name": name, "value": d.one(("", "v", "w" * 300))}
    return [("xattr_set", {**params, "flags": d.one((0, 0, 1, 2, 3)), **d.caller()})]


@word(12)
def xattr_get(d: Draw) -> list[Call]:
    return [("xattr_get", {**attribute(d), **d.caller()})]


@word(8)
def xattr_list(d: Draw) -> list[Call]:
    return [("xattr_list", {"inode": d.node(), **d.caller()})]


@word(6)
def xattr_remove(d: Draw) -> list[Call]:
    return [("xattr_remove", {**attribute(d), **d.caller()})]


def attribute(d: Draw) -> dict[str, Json]:
    """An extended attribute that was set, or any."""
    if d.world.xattrs and d.odds(60):
        node, name = d.one(d.world.xattrs)
        return {"inode": node.symbol, "name": name}
    return {"inode": d.node(), "name": d.one(XATTRS)}


@word(25)
def acl_set(d: Draw) -> list[Call]:

    def bits() -> int:
        return d.one(ACL_BITS)

    named = d.odds(70)
    rule = Rule(
        bits(),
        bits(),
        bits() if named else 0xFFFF,
        bits(),
        [(d.one((1000, 1001)), bits())] if named else [],
        [(d.one((1000, 2000)), bits())] if named and d.odds(50) else [],
    )
    if d.odds(15):
        rule = Rule()
    elif d.odds(8):
        rule = Rule(7, 7, 0xFFFF, 7, [(1000, 7)])  # named, and no mask
    type = d.one(("access", "default"))
    # No kernel asks for one of anything else.
    there = d.known("file", "directory")
    if there.type not in ("file", "directory"):
        there = d.one(d.world.live("directory"))
    node = there if not d.odds(4) else Node(999999, 999999, "file", gone=True)
    call = ("acl_set", {"inode": node.symbol, "type": type, "rule": encode(rule), **d.caller()})
    asked = ("access", {"inode": node.symbol, "mask": d.one((1, 2, 4)), "ctx": encode(d.one(CALLERS[:3]))})
    return [call, asked] if d.odds(50) else [call]


@word(10)
def acl_get(d: Draw) -> list[Call]:
    type = d.one(("access", "default"))
    return [("acl_get", {"inode": d.node("file", "directory"), "type": type, **d.caller()})]


# -- open files and data ---------------------------------------------------------------------------


@word(35)
def open_file(d: Draw) -> list[Call]:
    flags = d.one(([], ["wronly"], ["rdwr"], ["rdwr", "append"], ["wronly", "trunc"]))
    return [("open_file", {"inode": d.node("file"), "flags": flags, **d.caller()})]


@word(35)
def close_file(d: Draw) -> list[Call]:
    own = [inode for (client, inode), count in d.world.open.items() if client == d.client and count > 0]
    if not own:
        return open_file(d)
    return [("close_file", {"inode": d.world.nodes[d.one(own)].symbol})]


def writable(d: Draw, chunk: int) -> Node:
    """A file whose chunk has room for one more record."""
    most = MOST_RECORDS[d.world.config.get("compact_chunk", "record")]
    roomy = [one for one in d.world.live("file") if one.stored[chunk] < most]
    if roomy and not d.odds(6):
        return d.one(roomy)
    if d.odds(40) and (others := d.world.live("fifo", "symlink", "directory")):
        return d.one(others)
    return Node(999999, 999999, "file", gone=True) if d.odds(50) else d.directory()


@word(60)
def write(d: Draw) -> list[Call]:
    chunk = d.one((0, 0, 0, 1))
    node = writable(d, chunk)
    size = d.one((1, 100, 4096, 5000, 65536))
    piece = {"pos": 0, "id": PREVIOUS, "size": size, "off": 0, "len": size}
    params = {"inode": node.symbol, "chunk": chunk, "off": d.one(OFFSETS[:5]), "slice": piece}
    return [("new_slice", {}), ("write", {**params, "mtime": list(d.one(MOMENTS))}), *counted(d, node)]


def counted(d: Draw, node: Node) -> list[Call]:
    """What grew under several names is counted in each directory, in the background."""
    return [("settle", {})] if node.nlink > 1 or node.inode in d.world.linked else []


PREVIOUS = {"$": "previous"}
"""Stands for the id that the call before has answered."""


@word(40)
def read(d: Draw) -> list[Call]:
    node = d.known("file")
    # What lies behind the end is nobody's: whether a compaction looks at it is free.
    chunk = d.one((0, 0, 1)) if node.length > CHUNK_SIZE else 0
    # While it is open, what a client was told is kept (N23.2).
    kept = (
        [("invalidate_chunk", {"inode": node.symbol, "chunk": chunk})]
        if d.odds(50) or opened(d, node)
        else []
    )
    # What is read in pieces is put together in the background: the next read is to find it done.
    return [*kept, ("read", {"inode": node.symbol, "chunk": chunk}), ("settle", {})]


def opened(d: Draw, node: Node) -> bool:
    """Whether the client may have it open, or had."""
    return (d.client, node.inode) in d.world.open


@word(35)
def truncate(d: Draw) -> list[Call]:
    node = writable(d, 0)
    more = {"skip_permission": True} if d.odds(20) else {}
    call = ("truncate", {"inode": node.symbol, "length": d.one(SIZES), **more, **d.caller()})
    return [call, *counted(d, node)]


@word(20)
def fallocate(d: Draw) -> list[Call]:
    node = writable(d, 0)
    mode = d.one(([], ["keep_size"], ["punch_hole", "keep_size"], ["zero"], ["zero", "keep_size"]))
    if d.odds(8):
        mode = d.one((["punch_hole"], ["collapse"], ["insert"]))
    params = {"inode": node.symbol, "mode": mode, "off": d.one(OFFSETS), "size": d.one(SIZES[:6])}
    return [("fallocate", {**params, **d.caller()}), *counted(d, node)]


@word(15)
def copy_file_range(d: Draw) -> list[Call]:
    node = writable(d, 0)
    if node.stored[0] and d.world.config.get("compact_chunk") != "fail":
        return truncate(d)
    params = {"src": d.node("file"), "src_off": d.one(OFFSETS[:5]), "dst": node.symbol}
    params |= {"dst_off": d.one(OFFSETS), "size": d.one((0, 1, 4096, 100000, CHUNK_SIZE))}
    return [("copy_file_range", {**params, **d.caller()}), *counted(d, node)]


@word(6)
def compact(d: Draw) -> list[Call]:
    return [("compact", {"inode": d.node("file"), "threads": 1})]


# -- accounts --------------------------------------------------------------------------------------


def settled() -> list[Call]:
    """Everything that both clients hold back is on the server, and both know of it."""
    return [("settle@c1", {}), ("settle@c2", {}), ("refresh@c1", {}), ("refresh@c2", {})]


@word(12)
def statfs(d: Draw) -> list[Call]:
    return [*settled(), ("statfs", {"inode": d.node("directory")})]


@word(12)
def dirstat_get(d: Draw) -> list[Call]:
    node = d.known("directory")
    known = (
        node if node.type == "directory" or node.inode not in d.world.nodes else d.world.nodes[ROOT_INODE]
    )  # not of files (Q25)
    return [*settled(), ("dirstat_get", {"inode": known.symbol})]


@word(8)
def summary(d: Draw) -> list[Call]:
    params = {"inode": d.node("directory"), "recursive": d.odds(70), "strict": d.odds(50)}
    return [*settled(), ("summary", params)]


@word(5)
def tree_summary(d: Draw) -> list[Call]:
    node = d.known("directory")
    # Below an hour of the trash names have numbers in them: which of many of one size are shown is free.
    depth = d.one((1, 2, 3)) if node.inode < TRASH_INODE else 1
    params = {"inode": node.symbol, "depth": depth, "top": 100, "strict": d.odds(50)}
    return [*settled(), ("tree_summary", params)]


def quota_of(d: Draw) -> tuple[str, Json]:
    """Whose quota: of a directory, a user or a group."""
    if d.world.limited and d.odds(40):
        return d.one(d.world.limited)
    if d.world.settings.get("UserGroupQuota") and d.odds(50):
        return d.one((("user", 1000), ("user", 1001), ("group", 1000), ("group", 2000)))
    return "dir", d.world.path(d.known("directory").inode) or "/none"


@word(10)
def quota_set(d: Draw) -> list[Call]:
    type, key = quota_of(d)
    space, inodes = d.one((-1, 1 << 40, 1 << 20, 20000)), d.one((-1, 1 << 20, 10, 3))
    quota = {"max_space": space, "max_inodes": inodes, "used_space": 0, "used_inodes": 0}
    return [*settled(), ("quota_set", {"type": type, "key": key, "quota": quota}), *settled()]


@word(6)
def quota_get(d: Draw) -> list[Call]:
    type, key = quota_of(d)
    return [*settled(), ("quota_get", {"type": type, "key": key})]


@word(4)
def quota_delete(d: Draw) -> list[Call]:
    # One of an owner that has none leaves half a record, which no limit that is set later can fill.
    if not d.world.limited:
        return quota_get(d)
    type, key = d.one(d.world.limited)
    return [*settled(), ("quota_delete", {"type": type, "key": key}), *settled()]


@word(4)
def quota_list(d: Draw) -> list[Call]:
    return [*settled(), ("quota_list", {})]


@word(4)
def quota_check(d: Draw) -> list[Call]:
    type, key = quota_of(d)
    return [*settled(), ("quota_check", {"type": type, "key": key, "strict": True})]


# -- copies, trash, settings -----------------------------------------------------------------------


@word(14)
def clone(d: Draw) -> list[Call]:
    (parent, name), node = d.free(), d.known("file", "directory")
    if node.inode == ROOT_INODE:
        return lookup(d)
    name = d.one(ODD_NAMES) if d.odds(4) else name
    links = d.world.links(node.inode)
    source = d.world.nodes[links[0][0]].symbol if links and links[0][0] in d.world.nodes else ROOT_INODE
    params = {"src_parent": source, "src": node.symbol, "dst_parent": parent, "dst_name": name}
    # The mode of a copy is masked, its ACL is not, and that of a symbolic link is, too: laws would find it.
    umask = 0 if node.acl or node.type != "file" else 0o022
    return [("clone", {**params, "preserve": d.odds(50), "umask": umask, "threads": 1, **d.caller()})]


@word(24)
def trashed(d: Draw) -> list[Call]:
    """Look at what was removed, and take it back."""
    if not d.world.filed:
        return [("lookup", {"parent": TRASH_INODE, "name": "<hour>"})]
    parent, inode, name = d.one(d.world.filed[-6:])
    nodes = d.world.nodes
    if not isinstance(name, str) or parent not in nodes or inode not in nodes:
        return [("readdir", {"inode": TRASH_INODE})]
    plain = nodes[inode] if nodes[inode].type in ("file", "directory") else nodes[ROOT_INODE]
    filed = {"$cat": [nodes[parent].symbol, "-", nodes[inode].symbol, "-", name]}
    hour: list[Call] = [("lookup", {"parent": TRASH_INODE, "name": "<hour>"})]
    within = {"$": "previous.inode"}
    return d.one(
        (
            [*hour, ("lookup", {"parent": within, "name": filed})],
            [*hour, ("readdir", {"inode": within, "plus": True})],
            [
                *hour,
                (
                    "rename",
                    {
                        "src_parent": within,
                        "src_name": filed,
                        "dst_parent": nodes[parent].symbol,
                        "dst_name": name,
                        "flags": ["noreplace", "restore"],
                    },
                ),
            ],
            [("setattr", {"inode": plain.symbol, "set": ["mode"], "attr": encode(Attr(mode=0o604))})],
            [("setattr", {"inode": plain.symbol, "set": ["mode"], "attr": encode(Attr(mode=0o604))})],
            [*hour, ("unlink", {"parent": within, "name": filed, **d.caller()})],
            [*hour, ("rmdir", {"parent": within, "name": filed, **d.caller()})],
        )
    )


@word(4)
def settings(d: Draw) -> list[Call]:
    """The trash is turned on or off."""
    days = 0 if d.world.trash else 1
    changed = {**d.world.settings, "TrashDays": days}
    return [("init@c1", {"format": changed}), ("refresh@c1", {}), ("refresh@c2", {})]


# -- virtual time ----------------------------------------------------------------------------------

BEGIN: Time = (1600000000, 123456789)
"""When virtual time begins."""
LATER: tuple[Time, ...] = ((0, 1), (1, 0), (59, 999999999), (3599, 0), (3600, 0), (86401, 0), (2 * 86400, 5))
"""How much later it may be: within the second, at the end of an hour, a day after a file was read."""


@word(12)
def clock(d: Draw) -> list[Call]:
    """It is later, for both clients."""
    if d.world.now is None:
        return []
    return [*clocks(later(d.world.now, d.one(LATER)))]


def clocks(now: Time) -> list[Call]:
    """The clocks of both clients are set."""
    return [("clock_set@c1", {"now": list(now)}), ("clock_set@c2", {"now": list(now)})]


def later(now: Time, by: Time) -> Time:
    seconds, nanoseconds = divmod(now[1] + by[1], 10**9)
    return now[0] + by[0] + seconds, nanoseconds


@word(6)
def trash_cleanup(d: Draw) -> list[Call]:
    """What was removed long ago goes for good."""
    if d.world.now is None:
        return []
    before = d.world.now[0] - d.one((0, 3600, 7200, 86400))
    return [*settled(), ("trash_cleanup", {"before": before}), *settled()]


# -- locks and sessions ----------------------------------------------------------------------------


@word(30)
def flock(d: Draw) -> list[Call]:
    """A request, or two by the same owner: the second replaces the first, or gives it up."""
    inode, owner = d.node("file"), d.one((1, 2, 3))
    types = [d.one(("R", "W", "U")) if not d.odds(2) else 9 for _ in range(d.one((1, 2)))]
    return [("flock", {"inode": inode, "owner": owner, "type": type}) for type in types]


def bounds(d: Draw) -> tuple[int, int]:
    """The first and the last byte of a range, now and then the other way round."""
    start, end = sorted(d.chance.choices(EDGES, k=2))
    return (end, start) if d.odds(4) else (start, end)


@word(35)
def setlk(d: Draw) -> list[Call]:
    start, end = bounds(d)
    type = d.one(("R", "W", "U")) if not d.odds(2) else 9
    params = {"inode": d.node("file"), "owner": d.one((1, 2, 3)), "type": type}
    return [("setlk", {**params, "block": False, "start": start, "end": end, "pid": d.one((1, 2))})]


@word(20)
def getlk(d: Draw) -> list[Call]:
    start, end = bounds(d)
    params = {"inode": d.node("file"), "owner": d.one((1, 2, 3)), "type": d.one(("R", "W"))}
    return [("getlk", {**params, "start": start, "end": end})]


@word(12)
def locks_list(d: Draw) -> list[Call]:
    return [("locks_list", {"inode": d.node("file")})]


@word(2)
def session(d: Draw) -> list[Call]:
    """A client ends its session in order, and begins another."""
    return [("session", {"config": d.world.config})]


COMPOSED = {"session": "session"}
"""Words that a lane takes as one, with the capability that they need."""


def methods(name: str) -> set[str]:
    """The methods that a word has ever called on an empty volume."""
    chance, (_, draw) = random.Random(name), WORDS[name]
    calls = [call for _ in range(40) for call in draw(Draw(chance, World({}), "c1"))]
    return {method.partition("@")[0] for method, _ in calls}


def offered(capabilities: frozenset[str]) -> dict[str, int]:
    """The words that drivers with these capabilities understand, with their weights.

    A word is left out where one of the calls that it has ever drawn is beyond them.
    """
    kept = {}
    for name, (weight, _) in WORDS.items():
        needed = {COMPOSED.get(one) or PRIMITIVES[one].capability for one in methods(name)}
        if needed <= capabilities:
            kept[name] = weight
    for name, capability in NEEDED.items():
        if capability not in capabilities:
            kept.pop(name, None)
    return kept


NEEDED = {
    "clock": "clock",
    "trash_cleanup": "clock",
    "trashed": "trash",
    "settings": "trash",
    "handle": "namespace",
    "close_file": "open",
}
"""What words need beyond the calls that they draw on an empty volume."""
