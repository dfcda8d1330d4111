"""The words of names: what makes them, removes them, and looks at them."""

from __future__ import annotations

from metaparity.drivers.types import ROOT_INODE

from ..draw import MODES, TYPES, Call, Draw, word
from ..world import Json


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
    if not alone and d.world.frozen:
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
