"""What calls on names, attributes and locks do one at a time, each as a pure function.

Every `step` takes a state and an operation, and gives the states that the operation may leave with its
outcome; for one without an answer, all that it may leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias, TypeVar, cast

from .checker import Key, Model
from .history import Operation, Value

S = TypeVar("S")

# -- names (N5, N12, N13, N15-N18) -----------------------------------------------------------------

Place: TypeAlias = tuple[int, bytes]
"""A name in a directory."""

Found: TypeAlias = tuple[Value, bool]
"""An inode, and whether it is a directory.  Whose inode nobody was told is the process and the start of
the call that made it."""

Names: TypeAlias = frozenset[tuple[Place, Found]]


def names_step(state: Names, one: Operation) -> Sequence[Names]:
    """Files and empty directories under names: `lookup mknod mkdir unlink rmdir rename link readdir`."""
    entries = dict(state)
    if one.call == "readdir":
        return _listed(state, cast("int", one.arguments[0]), one.outcome)
    if one.call == "lookup":
        return _seen(state, entries.get(_place(one.arguments)), one.outcome)
    outcome, after = _change(entries, one)
    if isinstance(outcome, str):
        return (state,) if not one.answered or one.outcome == outcome else ()
    if not one.answered:
        return (frozenset(after.items()),)
    if isinstance(one.outcome, str):
        return ()
    if outcome == one.outcome:
        return (frozenset(after.items()),)
    return _known(frozenset(after.items()), outcome, one.outcome)


def _place(arguments: Sequence[Value]) -> Place:
    return cast("Place", tuple(arguments[:2]))


def _change(entries: dict[Place, Found], one: Operation) -> tuple[Value, dict[Place, Found]]:
    """The outcome of a call that changes names, and the entries after it."""
    if one.call == "rename":
        return _renamed(entries, one.arguments)
    if one.call == "link":
        return _linked(entries, one.arguments[0], _place(one.arguments[1:]))
    place = _place(one.arguments)
    there = entries.get(place)
    if one.call in ("mknod", "mkdir"):
        if there is not None:
            return "EEXIST", entries
        made = one.outcome if isinstance(one.outcome, int) else (one.process, one.start)
        if any(made == inode for inode, _ in entries.values()):
            return "EIO", entries  # one inode is never made twice
        return made, entries | {place: (made, one.call == "mkdir")}
    if there is None:
        return "ENOENT", entries
    if there[1] != (one.call == "rmdir"):
        return ("EPERM" if there[1] else "ENOTDIR"), entries
    return None, _without(entries, place)


def _without(entries: dict[Place, Found], place: Place) -> dict[Place, Found]:
    return {other: found for other, found in entries.items() if other != place}


def _renamed(entries: dict[Place, Found], arguments: Sequence[Value]) -> tuple[Value, dict[Place, Found]]:
    """The refusals in the order of N16.5; two names of one file stay as they are, and 0 is the answer."""
    source, target, flag = _place(arguments), _place(arguments[2:]), arguments[4]
    moved, replaced = entries.get(source), entries.get(target)
    if moved is None:
        return "ENOENT", entries
    if source == target:
        return moved[0], entries
    if replaced is not None:
        if flag == "NOREPLACE":
            return "EEXIST", entries
        if replaced[0] == moved[0]:
            return 0, entries
        if flag != "EXCHANGE" and moved[1] != replaced[1]:
            return ("ENOTDIR" if moved[1] else "EISDIR"), entries
    elif flag == "EXCHANGE":
        return "ENOENT", entries
    after = _without(entries, source) | {target: moved}
    if flag == "EXCHANGE" and replaced is not None:
        after[source] = replaced
    return moved[0], after


def _linked(entries: dict[Place, Found], inode: Value, place: Place) -> tuple[Value, dict[Place, Found]]:
    """The answer is how many names the file has then (N17)."""
    links = [found for found in entries.values() if found[0] == inode]
    if not links:
        return "ENOENT", entries
    if links[0][1]:
        return "EPERM", entries
    if place in entries:
        return "EEXIST", entries
    return len(links) + 1, entries | {place: links[0]}


def _seen(state: Names, there: Found | None, outcome: Value) -> Sequence[Names]:
    """After a lookup: its answer tells the inode of a file whose maker was not answered."""
    expected = "ENOENT" if there is None else there[0]
    return (state,) if expected == outcome else _known(state, expected, outcome)


def _listed(state: Names, directory: int, outcome: Value) -> Sequence[Names]:
    """After a listing, which is of one moment."""
    if not isinstance(outcome, tuple):
        return ()
    there = {place[1]: found[0] for place, found in state if place[0] == directory}
    listed = dict(cast("tuple[tuple[bytes, Value], ...]", outcome))
    if there.keys() != listed.keys():
        return ()
    for name, inode in listed.items():
        if there[name] != inode:
            known = _known(state, there[name], inode)
            if not known:
                return ()
            (state,) = known
    return (state,)


def _known(state: Names, inode: Value, told: Value) -> Sequence[Names]:
    """The state once the inode of a file is told that nobody knew; no state where that cannot be it."""
    if (
        not isinstance(inode, tuple)
        or not isinstance(told, int)
        or any(told == found[0] for _, found in state)
    ):
        return ()
    return (frozenset((place, (told, found[1]) if found[0] == inode else found) for place, found in state),)


def names_keys(one: Operation) -> Iterator[Key]:
    """The names that a call concerns, a directory for all names in it, and the file that it tells of."""
    places = {"rename": (0, 2), "link": (1,), "readdir": ()}.get(one.call, (0,))
    for at in places:
        yield ("name", *one.arguments[at : at + 2])
    inodes: Iterable[Value] = ()
    if one.call == "link":
        inodes = one.arguments[:1]
    elif one.call == "readdir":
        yield ("name", one.arguments[0])
        inodes = [inode for _, inode in cast("tuple[tuple[bytes, Value], ...]", one.outcome or ())]
    elif isinstance(one.outcome, int):
        inodes = [one.outcome]
    for inode in inodes:
        if inode:
            yield ("inode", inode)


NAMES = Model(
    "names",
    frozenset(),
    names_step,
    names_keys,
    {
        "lookup": False,
        "readdir": False,
        "mknod": True,
        "mkdir": True,
        "unlink": True,
        "rmdir": True,
        "rename": True,
        "link": True,
    },
)
"""`lookup(directory, name)`, `mknod`, `mkdir`, `rename(directory, name, directory, name, flag)` = the inode;
`unlink`, `rmdir` = None; `link(inode, directory, name)` = the number of names;
`readdir(directory)` = names with inodes.  The flag is None, "NOREPLACE" or "EXCHANGE"."""

# -- attributes (N7, N8, N13, N17) -----------------------------------------------------------------

FIELDS = ("mode", "uid", "gid", "nlink")

Attributes: TypeAlias = "tuple[int, ...] | None"
"""The values of FIELDS; None before the first answer that tells them."""


def attributes_step(state: Attributes, one: Operation) -> Sequence[Attributes]:
    """One register of a file: `getattr setattr link unlink`, of which each answer but the last tells all."""
    if one.answered and one.refused:
        return ()
    if state is None:
        told = cast("Attributes", one.outcome)
        changes = one.call == "setattr" and told is not None
        return (told,) if not changes or told == _set(cast("tuple[int, ...]", told), one) else ()
    after = state
    if one.call == "setattr":
        after = _set(state, one)
    elif one.call in ("link", "unlink"):
        after = (*state[:3], state[3] + (1 if one.call == "link" else -1))
    return (after,) if not one.answered or one.call == "unlink" or one.outcome == after else ()


def _set(state: tuple[int, ...], one: Operation) -> tuple[int, ...]:
    values = dict(cast("tuple[tuple[str, int], ...]", one.arguments[1]))
    return tuple(values.get(name, value) for name, value in zip(FIELDS, state, strict=True))


def inode_key(one: Operation) -> Iterator[Key]:
    """Calls on one inode have nothing to do with those on another."""
    yield ("inode", one.arguments[0])


ATTRIBUTES = Model(
    "attributes",
    None,
    attributes_step,
    inode_key,
    {"getattr": False, "setattr": True, "link": True, "unlink": True},
)
"""`getattr(inode)`, `setattr(inode, ((field, value), ...))`, `link(inode, name)` = the values of FIELDS;
`unlink(inode, name)` = None.  The names that are linked are the caller's own."""

# -- BSD locks (L1) --------------------------------------------------------------------------------

Flocks: TypeAlias = frozenset[tuple[Value, str]]
"""Holders, each with "R" or "W"."""


def flock_step(state: Flocks, one: Operation) -> Sequence[Flocks]:
    """The lock of one inode: `flock flocks`."""
    if one.call == "flocks":
        held = isinstance(one.outcome, tuple) and frozenset(one.outcome) == state
        return (state,) if held else ()
    holder, type = one.arguments[1], cast("str", one.arguments[2])
    others = frozenset(held for held in state if held[0] != holder)
    if type == "U":
        after, granted = others, True
    else:
        granted = not others if type == "W" else all(held[1] == "R" for held in others)
        after = others | {(holder, type)}
    return _granted(state, after, granted, one)


def _granted(state: S, after: S, granted: bool, one: Operation) -> Sequence[S]:
    """The state after a request: with EAGAIN, or EINTR of one who has waited, nothing is changed."""
    if not one.answered:
        return (after,) if granted else (state,)
    if one.refused:
        return (state,) if one.outcome == "EINTR" or (one.outcome == "EAGAIN" and not granted) else ()
    return (after,) if granted else ()


FLOCK = Model("flock", frozenset(), flock_step, inode_key, {"flocks": False, "flock": True})
"""`flock(inode, holder, type)` = None; `flocks(inode)` = holders with types.  A type is "R", "W" or "U"."""

# -- record locks (L2) -----------------------------------------------------------------------------


class Run(NamedTuple):
    """Bytes `start`..`end`, both included, under one type and pid; adjacent equal ones are one."""

    start: int
    end: int
    type: str
    pid: int


Holder: TypeAlias = tuple[str, int]
"""A client and the number of an owner there."""

Records: TypeAlias = frozenset[tuple[Holder, Run]]


def record_step(state: Records, one: Operation) -> Sequence[Records]:
    """The record locks of one inode: `setlk getlk`."""
    holder = cast("Holder", one.arguments[1])
    asked = Run(*cast("tuple[int, int, str, int]", one.arguments[2:6]))
    in_the_way = [
        (other, run)
        for other, run in state
        if other != holder
        and "W" in (asked.type, run.type)
        and asked.end >= run.start
        and asked.start <= run.end
    ]
    if asked.type == "U":
        in_the_way = []
    if one.call == "getlk":
        return (state,) if _told(holder, asked, in_the_way, one.outcome) else ()
    return _granted(state, _held(state, holder, asked), not in_the_way, one)


def _held(state: Records, holder: Holder, asked: Run) -> Records:
    """The locks once a request is granted: its range is cut out of the holder's, and put in its place."""
    runs = [] if asked.type == "U" else [asked]
    for other, run in state:
        if other == holder:
            if run.start < asked.start:
                runs.append(run._replace(end=min(run.end, asked.start - 1)))
            if run.end > asked.end:
                runs.append(run._replace(start=max(run.start, asked.end + 1)))
    joined: list[Run] = []
    for run in sorted(runs):
        if joined and joined[-1].end + 1 == run.start and joined[-1][2:] == run[2:]:
            joined[-1] = joined[-1]._replace(end=run.end)
        else:
            joined.append(run)
    others = frozenset(held for held in state if held[0] != holder)
    return others | {(holder, run) for run in joined}


def _told(holder: Holder, asked: Run, in_the_way: Sequence[tuple[Holder, Run]], answer: Value) -> bool:
    """Whether `getlk` may answer so: one of the locks in the way or, as ranges may be stored in pieces
    (L2.7), a piece of one that is in the way itself; the pid is told within a client only (L2.11)."""
    if not in_the_way or not isinstance(answer, tuple):
        return answer == ("U", 0, 0, 0)
    type, start, end, pid = cast("tuple[str, int, int, int]", answer)
    return any(
        type == run.type
        and run.start <= start <= end <= run.end
        and start <= asked.end
        and end >= asked.start
        and pid == (run.pid if other[0] == holder[0] else 0)
        for other, run in in_the_way
    )


RECORDS = Model("record locks", frozenset(), record_step, inode_key, {"getlk": False, "setlk": True})
"""`setlk(inode, holder, start, end, type, pid)` = None; `getlk(inode, holder, start, end, type, pid)` = the
type, start, end and pid of a lock in the way, or ("U", 0, 0, 0)."""
