"""A virtual clock: what a client stamps is the time that it was told (protocol §6)."""

from __future__ import annotations

from metaparity.conformance.clause import clause
from metaparity.conformance.verbs import window
from metaparity.drivers.types import TRASH_INODE, Attr, FileType, SetAttr, Time
from metaparity.fixtures.volumes import Volume

THEN: Time = (1600000000, 123456789)
"""2020-09-13 12:26:40 UTC."""


def later(seconds: int) -> Time:
    return THEN[0] + seconds, THEN[1]


@clause("clock/what-a-client-stamps-is-its-time", source="protocol §6 R13", needs="clock")
def test_stamps(volume: Volume) -> None:
    """A client stamps what it makes and changes with the time that it was told, until it is told another."""
    fs = volume.fs
    fs.clock_set(THEN)
    made = fs.mkdir(1, b"d", 0o755)
    assert made.attr is not None
    assert (made.attr.atime, made.attr.mtime, made.attr.ctime) == (THEN, THEN, THEN)
    fs.clock_set(later(60))
    fs.mknod(made.inode, b"f", FileType.FILE, 0o644)
    attr = fs.getattr(made.inode)
    assert (attr.atime, attr.mtime, attr.ctime) == (THEN, later(60), later(60))
    fs.clock_set(later(-60))
    attr = fs.setattr(made.inode, SetAttr.MTIME_NOW, Attr())
    assert (attr.atime, attr.mtime, attr.ctime) == (THEN, later(-60), later(-60))


@clause("clock/each-client-has-its-own", source="protocol §6", needs="clock", clients=2)
def test_clients(volume: Volume) -> None:
    """The time of one client is not that of another, which goes by the time that it is."""
    fs, other = volume.fs, volume.open()
    fs.clock_set(THEN)
    with window() as now:
        made = other.mkdir(1, b"d", 0o755)
    assert made.attr is not None
    assert now.covers(made.attr.ctime)
    changed = fs.setattr(made.inode, SetAttr.MODE, Attr(mode=0o700))
    assert (changed.mtime, changed.ctime) == (made.attr.mtime, THEN)


@clause("clock/what-is-removed-is-kept-by-its-hour", source="protocol §6 R7", needs="clock")
def test_hours(volume: Volume) -> None:
    """What is removed goes to the directory of the hour that it is for the client, and no longer to that of
    the hour before once this has passed."""
    volume.format(TrashDays=1)
    fs = volume.fs
    for name in (b"a", b"b", b"c"):
        fs.mknod(1, name, FileType.FILE, 0o644)
    for name, time in ((b"a", THEN), (b"b", (1600001999, 999999999)), (b"c", (1600002000, 0))):
        fs.clock_set(time)
        fs.unlink(1, name)
    kept = {entry.name: entry.inode for entry in fs.readdir(TRASH_INODE) if entry.name not in (b".", b"..")}
    assert sorted(kept) == [b"2020-09-13-12", b"2020-09-13-13"]
    there = [fs.readdir(kept[hour]) for hour in sorted(kept)]
    assert [[entry.name.rpartition(b"-")[2] for entry in one[2:]] for one in there] == [[b"a", b"b"], [b"c"]]
