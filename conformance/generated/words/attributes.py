"""The words of attributes: those of a node, extended ones, and ACLs."""

from __future__ import annotations

from metaparity.drivers.types import ROOT_INODE, TRASH_INODE, Attr, Rule
from metaparity.drivers.wire import encode

from ..draw import ACL_BITS, CALLERS, MODES, MOMENTS, SET, XATTRS, Call, Draw, word
from ..world import Json, Node


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
