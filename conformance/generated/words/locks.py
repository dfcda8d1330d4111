"""The words of locks and sessions."""

from __future__ import annotations

from ..draw import EDGES, Call, Draw, word


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
