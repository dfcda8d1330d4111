"""What is counted: the volume, its directories, quotas and owners (I12-I15)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from metaparity.drivers.engine.keys import PLAIN
from metaparity.drivers.engine.store import Command
from metaparity.drivers.types import ROOT_INODE, TRASH_INODE, QuotaType

from .columns import ABSENT
from .law import REPAIR, Fault, law
from .state import STATISTICS, TOLD, State


@law(
    "accounting/volume-usage-is-counted",
    "I12",
    f"SET of the counter, or {REPAIR} --sync-dir-stat",
)
def volume_usage_is_counted(state: State) -> Iterator[Fault]:
    """usedSpace and totalInodes are the sums over all nodes but the roots, in the trash, too."""
    space = inodes = 0
    for place, inode in enumerate(state.nodes.inodes):
        if inode not in (ROOT_INODE, TRASH_INODE):
            space += state.space_of(place)
            inodes += 1
    for name, wanted in (("used_space", space), ("total_inodes", inodes)):
        found, key = state.counters[name] or 0, state.full(PLAIN[name])
        if found != wanted:
            yield Fault(
                f"{PLAIN[name].decode()} is {found} instead of {wanted}", (key,), (("SET", key, wanted),)
            )


@law("accounting/directory-statistics-are-exact", "I13", f"HSET of the statistics, or {REPAIR}")
def directory_statistics_are_exact(state: State) -> Iterator[Fault]:
    """The statistics of a directory are the sums over its entries; there are all three of them or none."""
    if not state.format.dir_stats:
        return
    columns = ("told", *TOLD, "length", "space", "entries")
    for inode, told, *figures in state.directories.rows(*columns):
        found, wanted = figures[:3], figures[3:]
        if inode == TRASH_INODE or told == 0 or (told == 7 and found == wanted):
            continue
        missing = [PLAIN[name].decode() for bit, name in enumerate(STATISTICS) if not told >> bit & 1]
        lacks = f" (without {', '.join(missing)})" if missing else ""
        keys = tuple(state.full(PLAIN[name]) for name in STATISTICS)
        mends = tuple(("HSET", key, inode, value) for key, value in zip(keys, wanted, strict=True))
        yield Fault(f"directory {inode} has statistics {found}{lacks} instead of {wanted}", keys, mends)


@law("accounting/statistics-belong-to-directories", "I13 I23", "HDEL of the statistics")
def statistics_belong_to_directories(state: State) -> Iterator[Fault]:
    """Statistics are of a directory that is there."""
    keys = tuple(state.full(PLAIN[name]) for name in STATISTICS)
    for inode in sorted(state.lost_statistics - {TRASH_INODE}):
        mends = tuple(("HDEL", key, inode) for key in keys)
        yield Fault(f"{inode} is no directory that is there, and has statistics", keys, mends)


@law(
    "accounting/directory-quotas-are-exact",
    "I14",
    "HSET of the usage, or juicefs quota check --path PATH --repair",
)
def directory_quotas_are_exact(state: State) -> Iterator[Fault]:
    """A quota of a directory counts every name below it, in bytes and in inodes, itself left out."""
    if not state.format.dir_stats:
        return
    usage = _usage(state, QuotaType.DIR)
    if not usage:
        return
    directories = state.directories
    totals = {inode: [0, 0] for inode in usage}
    reached = state.way_up({*usage, ROOT_INODE, TRASH_INODE})
    for place, end in enumerate(reached):
        if end in totals and not (end == ROOT_INODE and directories.inodes[place] >= TRASH_INODE):
            totals[end][0] += directories.space[place]
            totals[end][1] += directories.entries[place]
    own = {inode: tuple(total) for inode, total in totals.items()}
    for inode, (space, entries) in own.items():
        seen, above = {inode}, inode
        while (above := _above(state, reached, above)) and above not in seen:
            seen.add(above)
            if above in totals:
                totals[above][0] += space
                totals[above][1] += entries
    for inode, found in sorted(usage.items()):
        if inode not in directories:
            yield Fault(f"{inode} is no directory and has a quota", _quota_keys(state, QuotaType.DIR))
        elif list(found) != totals[inode]:
            what = f"the quota of directory {inode} counts {found} instead of {tuple(totals[inode])}"
            yield _recount(state, QuotaType.DIR, inode, what, *totals[inode])


def _above(state: State, reached: array[int], inode: int) -> int:
    """The next directory with a quota, or root, above one; 0 at a root."""
    node = state.nodes.find(inode)
    if inode in (ROOT_INODE, TRASH_INODE) or node == ABSENT:
        return 0
    place = state.directories.find(state.nodes.parent[node])
    return reached[place] if place != ABSENT else 0


@law("accounting/owners-are-charged", "I15", "HSET of the usage, or juicefs quota check --repair")
def owners_are_charged(state: State) -> Iterator[Fault]:
    """Where users and groups are counted, the usage of each is the sum over the nodes that it owns."""
    if not state.format.user_group_quota:
        return
    for type, column in ((QuotaType.USER, state.nodes.uid), (QuotaType.GROUP, state.nodes.gid)):
        totals: dict[int, list[int]] = {}
        for place, inode in enumerate(state.nodes.inodes):
            if inode not in (ROOT_INODE, TRASH_INODE):
                total = totals.setdefault(column[place], [0, 0])
                total[0] += state.space_of(place)
                total[1] += 1
        usage = _usage(state, type)
        for id in sorted(usage.keys() | totals.keys()):
            found, wanted = usage.get(id, (0, 0)), tuple(totals.get(id, (0, 0)))
            if found != wanted:
                what = f"{type.name.lower()} {id} is charged {found} instead of {wanted}"
                yield _recount(state, type, id, what, *wanted)


def _usage(state: State, type: QuotaType) -> dict[int, tuple[int, int]]:
    """The space in bytes and the inodes that quotas of a kind count, by their ids."""
    kind = type.name.lower()
    spaces, inodes = state.amounts(f"{kind}_quota_used_space"), state.amounts(f"{kind}_quota_used_inodes")
    return {id: (spaces.get(id, 0), inodes.get(id, 0)) for id in spaces.keys() | inodes.keys()}


def _quota_keys(state: State, type: QuotaType) -> tuple[bytes, bytes]:
    _, space, inodes = state.keys.quota(type)
    return space, inodes


def _recount(state: State, type: QuotaType, id: int, what: str, space: int, inodes: int) -> Fault:
    keys = _quota_keys(state, type)
    mends: tuple[Command, ...] = (("HSET", keys[0], id, space), ("HSET", keys[1], id, inodes))
    return Fault(what, keys, mends)
