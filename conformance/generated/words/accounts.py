"""The words of accounts: sums, statistics of directories, quotas."""

from __future__ import annotations

from metaparity.drivers.types import ROOT_INODE, TRASH_INODE

from ..draw import Call, Draw, word
from ..world import Json


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
