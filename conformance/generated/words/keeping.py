"""The words of copies, of the trash, and of the settings that keep it."""

from __future__ import annotations

from metaparity.drivers.types import ROOT_INODE, TRASH_INODE, Attr
from metaparity.drivers.wire import encode

from ...traces.form import THIS_HOUR
from ..draw import ODD_NAMES, Call, Draw, word
from .names import lookup


@word(14)
def clone(d: Draw) -> list[Call]:
    (parent, name), node = d.free(), d.known("file", "directory")
    if node.inode == ROOT_INODE:
        return lookup(d)
    name = d.one(ODD_NAMES) if d.odds(4) else name
    links = d.world.links(node.inode)
    source = d.world.nodes[links[0][0]].symbol if links and links[0][0] in d.world.nodes else ROOT_INODE
    params = {"src_parent": source, "src": node.symbol, "dst_parent": parent, "dst_name": name}
    how = {"preserve": d.odds(50), "umask": d.one((0, 0o022, 0o077)), "threads": 1}
    return [("clone", {**params, **how, **d.caller()})]


@word(24)
def trashed(d: Draw) -> list[Call]:
    """Look at what was removed, and take it back."""
    if not d.world.filed:
        return [("lookup", {"parent": TRASH_INODE, "name": THIS_HOUR})]
    parent, inode, name = d.one(d.world.filed[-6:])
    nodes = d.world.nodes
    if not isinstance(name, str) or parent not in nodes or inode not in nodes:
        return [("readdir", {"inode": TRASH_INODE})]
    plain = nodes[inode] if nodes[inode].type in ("file", "directory") else nodes[ROOT_INODE]
    filed = {"$cat": [nodes[parent].symbol, "-", nodes[inode].symbol, "-", name]}
    hour: list[Call] = [("lookup", {"parent": TRASH_INODE, "name": THIS_HOUR})]
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
