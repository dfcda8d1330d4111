"""The trash: where removed nodes go, what they are there, and how they go for good (R7, R8, N35)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from errno import EACCES, EBADF, ENOENT, EPERM, EROFS
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import check_empty, require_laws
from metaparity.conformance.scenes.actors import ALICE
from metaparity.conformance.scenes.contents import put, references
from metaparity.conformance.scenes.scenery import each_frozen, each_non_directory, each_type, flag, make
from metaparity.conformance.scenes.trash import ENTRY, age, filed, hours
from metaparity.conformance.verbs import given_up_after, refuses, unchanged, window
from metaparity.drivers.api import Engine
from metaparity.drivers.types import (
    TRASH_INODE,
    Attr,
    AttrFlag,
    Entry,
    FileType,
    OpenFlag,
    RenameFlag,
    SetAttr,
)
from metaparity.fixtures.volumes import Volume

FAR = 1 << 40
"""A time in seconds that no hour reaches."""


def hour_now() -> bytes:
    return datetime.now(UTC).strftime("%Y-%m-%d-%H").encode()


@pytest.fixture
def volume(volume: Volume) -> Volume:
    """A volume that keeps removed nodes for a day."""
    volume.format(TrashDays=1)
    return volume


@clause("trash/the-hour-directory-is-made-when-needed", source="R7 S3.9 A4 I20 I1", needs="trash")
def test_hour(volume: Volume) -> None:
    """The first removal makes the directory of the hour, named YYYY-MM-DD-HH in UTC: mode 0555, the
    superuser's, next to the trash root in number, and counted as a node of the volume."""
    volume.file("x")
    before = hour_now()
    volume.fs.unlink(1, b"x")
    ((name, inode),) = hours(volume).items()
    assert name in (before, hour_now())
    assert inode == TRASH_INODE + 1
    attr = volume.fs.getattr(inode)
    assert (attr.type, attr.mode, attr.uid, attr.gid, attr.nlink) == (FileType.DIRECTORY, 0o555, 0, 0, 2)
    assert (attr.parent, attr.length) == (TRASH_INODE, 4096)
    assert (volume.raw.get("usedSpace"), volume.raw.get("totalInodes")) == (b"8192", b"2")
    assert volume.raw.get("nextTrash") == b"1"


@clause("trash/one-hour-directory-serves-all", source="R7", needs="trash", clients=2)
def test_one_hour(volume: Volume) -> None:
    """Everything removed within an hour, by any client, goes to one directory."""
    other = volume.open()
    names = [b"a", b"b", b"c", b"d"]
    for name in names:
        volume.file(name)
    for number, name in enumerate(names):
        (other if number % 2 else volume.fs).unlink(1, name)
    assert len(hours(volume)) <= 2
    assert len(filed(volume)) == 4
    assert len(hours(volume)) == 1 or volume.raw.get("nextTrash") == b"2"


@clause("trash/the-trash-root-is-left-as-it-is", source="R7", needs="trash")
def test_root_unchanged(volume: Volume) -> None:
    """A new hour directory changes neither the attributes of the trash root nor its statistics."""
    before = volume.raw.get(f"i{TRASH_INODE}")
    volume.file("x")
    volume.fs.unlink(1, b"x")
    volume.fs.settle()
    assert volume.raw.get(f"i{TRASH_INODE}") == before
    assert not volume.raw.hexists("dirUsedInodes", TRASH_INODE)


@pytest.mark.parametrize("length", [1, 200, 240, 250, 255])
@clause("trash/entries-tell-where-they-were", source="R8 S3.9 T16", needs="trash")
def test_entry_name(volume: Volume, length: int) -> None:
    """An entry in the trash is named PARENT-INODE-NAME, cut to 255 bytes."""
    name = b"n" * length
    directory = volume.dir("d")
    inode = volume.file(name, directory)
    volume.fs.unlink(directory, name)
    assert filed(volume) == {(b"%d-%d-%s" % (directory, inode, name))[:255]: inode}


@each_type
@clause("trash/a-removed-node-is-kept-whole", source="N13.4 N15.4 D17 I25", needs="trash")
def test_kept(volume: Volume, type: FileType) -> None:
    """A node in the trash has what it had, but for a new ctime and its parent, which is the hour directory;
    it still takes its space."""
    inode = make(volume, type, "x")
    if type is FileType.FILE:
        put(volume.fs, inode, 0, 5000)
    before = volume.fs.getattr(inode)
    used = volume.raw.get("usedSpace"), volume.raw.get("totalInodes")
    with window() as call:
        (volume.fs.rmdir if type is FileType.DIRECTORY else volume.fs.unlink)(1, b"x")
    (hour,) = hours(volume).values()
    after = volume.fs.getattr(inode)
    assert call.covers(after.ctime)
    before.ctime, before.parent = after.ctime, hour
    assert after == before
    if type is FileType.SYMLINK:
        assert volume.fs.readlink(inode) == b"target"
    if type is FileType.FILE:
        assert len(volume.fs.read(inode, 0)) == 1
    space, inodes = (int(one) for one in used)
    assert volume.raw.mget("usedSpace", "totalInodes") == [b"%d" % (space + 4096), b"%d" % (inodes + 1)]


@clause("trash/the-hour-directory-counts-what-it-holds", source="N13.4 N27.4 I13", needs="trash")
def test_statistics(volume: Volume) -> None:
    """What comes to the trash leaves the statistics of its directory and comes to those of the hour."""
    directory = volume.dir("d")
    put(volume.fs, volume.file("x", directory), 0, 5000)
    volume.dir("e", directory)
    volume.fs.unlink(directory, b"x")
    volume.fs.rmdir(directory, b"e")
    volume.fs.settle()
    (hour,) = hours(volume).values()
    stat = volume.fs.dirstat_get(hour)
    assert (stat.length, stat.space, stat.inodes) == (5000, 8192 + 4096, 2)
    assert volume.fs.dirstat_get(directory).inodes == 0


@clause("trash/a-linked-node-counts-the-hour-as-a-parent", source="N13.4 A3 T17 N26.1", needs="trash")
def test_linked(volume: Volume) -> None:
    """Of a node with two names the one that goes counts for the hour directory; the link count stays."""
    inode = volume.file("x")
    directory = volume.dir("d")
    volume.fs.link(inode, directory, b"y")
    volume.fs.unlink(1, b"x")
    (hour,) = hours(volume).values()
    assert volume.fs.getattr(inode).nlink == 2
    assert volume.fs.parents(inode) == {directory: 1, hour: 1}


@clause("trash/the-same-entry-is-filed-once", source="N13.3 N16.10 T17 Q6", needs="trash")
def test_once(volume: Volume) -> None:
    """A name of a linked node that the trash has already goes for good, by unlink, in a batch or under a
    rename; no count is wrong afterwards."""
    fs, inode = volume.fs, volume.file("x")
    fs.link(inode, 1, b"y")
    fs.unlink(1, b"y")
    fs.link(inode, 1, b"y")
    fs.unlink(1, b"y")
    assert fs.getattr(inode).nlink == 2
    fs.link(inode, 1, b"y")
    fs.batch_unlink(1, [Entry(b"y", inode, FileType.FILE)])
    assert fs.getattr(inode).nlink == 2
    fs.link(inode, 1, b"y")
    volume.file("z")
    fs.rename(1, b"z", 1, b"y")
    assert fs.getattr(inode).nlink == 2
    assert len(filed(volume)) == 1
    fs.settle()
    require_laws(volume)


def unlinked(fs: Engine, directory: int, other: int) -> None:
    fs.unlink(directory, b"x")


def batch_unlinked(fs: Engine, directory: int, other: int) -> None:
    fs.batch_unlink(directory, [Entry(b"x", fs.lookup(directory, b"x").inode, FileType.FILE)])


def replaced(fs: Engine, directory: int, other: int) -> None:
    fs.rename(other, b"new", directory, b"x")


REMOVALS = [unlinked, batch_unlinked, replaced]
each_removal = pytest.mark.parametrize("remove", REMOVALS, ids=lambda one: one.__name__)


@each_removal
@clause("trash/every-way-to-lose-a-name-leads-there", source="N13.4 N14.4 N16.10", needs="trash")
def test_ways(volume: Volume, remove: Callable[[Engine, int, int], None]) -> None:
    """A file that is unlinked, alone or in a batch, or replaced by a rename goes to the trash."""
    directory, other = volume.dir("d"), volume.dir("e")
    inode = volume.file("x", directory)
    volume.file("new", other)
    remove(volume.fs, directory, other)
    assert filed(volume) == {b"%d-%d-x" % (directory, inode): inode}


@each_removal
@clause("trash/a-node-may-skip-it", source="N13.3 C5 T21", needs="trash")
def test_skip_flag(volume: Volume, remove: Callable[[Engine, int, int], None]) -> None:
    """A node with the flag SKIP_TRASH goes for good, however it loses its name."""
    directory, other = volume.dir("d"), volume.dir("e")
    inode = volume.file("x", directory)
    flag(volume, inode, AttrFlag.SKIP_TRASH)
    volume.file("new", other)
    remove(volume.fs, directory, other)
    assert filed(volume) == {}
    refuses(ENOENT, volume.fs.getattr, inode)


@clause("trash/children-inherit-that-they-skip-it", source="N12.3 T21", needs="trash")
def test_inherit(volume: Volume) -> None:
    """What is made in a directory with SKIP_TRASH has the flag, too; other flags are not inherited."""
    directory = volume.dir("d")
    flag(volume, directory, AttrFlag.SKIP_TRASH | AttrFlag.WINDOWS_HIDDEN)
    for type in FileType:
        inode = make(volume, type, f"n{int(type)}", directory)
        assert volume.fs.getattr(inode).flags == AttrFlag.SKIP_TRASH


@clause("trash/a-client-without-days-files-nothing", source="R7", needs="trash", clients=2)
def test_off(volume: Volume) -> None:
    """Once the days are 0 and a client knows, what it removes goes for good."""
    inode = volume.file("x")
    maker = volume.open(record=False)
    maker.init(maker.load().replace(TrashDays=0))
    volume.fs.refresh()
    volume.fs.unlink(1, b"x")
    assert hours(volume) == {}
    refuses(ENOENT, volume.fs.getattr, inode)


@clause("trash/a-foreign-hour-is-no-place-to-file", source="R7", needs="trash")
def test_bad_hour(volume: Volume) -> None:
    """Where the name of the hour leads to a node that is not in the trash nothing is removed: EBADF."""
    volume.file("x")
    inode = volume.dir("elsewhere")
    volume.raw.hset(f"d{TRASH_INODE}", hour_now(), ENTRY.pack(FileType.DIRECTORY, inode))
    with unchanged(volume):
        refuses(EBADF, volume.fs.unlink, 1, b"x")
        refuses(EBADF, volume.fs.rmdir, 1, b"elsewhere")


@each_removal
@clause("trash/an-immutable-trash-takes-no-new-hour", source="R7 N12.2 C5", needs="trash")
def test_immutable_trash(volume: Volume, remove: Callable[[Engine, int, int], None]) -> None:
    """While the trash itself is immutable no directory of an hour is made, so nothing is removed by way of
    it, no empty directory either: EPERM.  Being append-only does not hinder it."""
    directory, other = volume.dir("d"), volume.dir("e")
    inode = volume.file("x", directory)
    volume.file("new", other)
    volume.dir("empty", directory)
    flag(volume, TRASH_INODE, AttrFlag.IMMUTABLE)
    refuses(EPERM, remove, volume.fs, directory, other)
    refuses(EPERM, volume.fs.rmdir, directory, b"empty")
    assert hours(volume) == {}
    assert volume.fs.lookup(directory, b"x").inode == inode
    flag(volume, TRASH_INODE, AttrFlag.APPEND)
    remove(volume.fs, directory, other)
    assert list(filed(volume).values()) == [inode]


@clause("trash/a-removed-hour-is-made-again", source="Q21 N35.2", needs="trash", clients=2)
def test_stale_hour(volume: Volume) -> None:
    """A client that has filed in an hour directory which is cleaned away meanwhile files in a new one: no
    entry lies in a directory that is gone."""
    for name in ("a", "b", "c", "d"):
        volume.file(name)
    directory = volume.dir("e")
    volume.file("f")
    volume.fs.unlink(1, b"a")
    cleaner = volume.open()
    removals: list[Callable[[], Any]] = [
        lambda: volume.fs.unlink(1, b"b"),
        lambda: volume.fs.batch_unlink(1, [Entry(b"c", volume.fs.lookup(1, b"c").inode, FileType.FILE)]),
        lambda: volume.fs.rename(1, b"f", 1, b"d"),
        lambda: volume.fs.rmdir(1, b"e"),
    ]
    for remove in removals:
        cleaner.trash_cleanup(FAR)
        remove()
        assert len(filed(volume)) == 1
    assert volume.fs.getattr(directory).parent in hours(volume).values()


# -- nodes in the trash ----------------------------------------------------------------------------


@each_non_directory
@clause("trash/attributes-there-are-frozen", source="N8.1 T16 D17", needs="trash")
def test_frozen(volume: Volume, type: FileType) -> None:
    """The attributes of a node in the trash cannot be changed: EPERM, even for the superuser."""
    inode = make(volume, type, "x")
    volume.fs.unlink(1, b"x")
    with unchanged(volume):
        refuses(EPERM, volume.fs.setattr, inode, SetAttr.MODE, Attr(mode=0o600))
        refuses(EPERM, volume.fs.setattr, inode, SetAttr.UID, Attr(uid=7))


@clause("trash/files-there-are-read-only-for-new-handles", source="N9.1 N9.2 N20.1 T16 T19", needs="trash")
def test_files(volume: Volume) -> None:
    """A trashed file cannot be opened for writing or truncated by name; it can be read, and written through
    a handle that was open before."""
    inode = volume.file("x")
    put(volume.fs, inode, 0, 100)
    volume.fs.unlink(1, b"x")
    with unchanged(volume):
        refuses(EPERM, volume.fs.open_file, inode, OpenFlag.RDWR)
        refuses(EPERM, volume.fs.truncate, inode, 0, 10)
    volume.fs.open_file(inode, OpenFlag.RDONLY)
    put(volume.fs, inode, 100, 100)
    volume.fs.truncate(inode, 1, 10)
    assert volume.fs.getattr(inode).length == 10
    volume.fs.close_file(inode)


@clause("trash/directories-there-take-nothing-in", source="N12.2 N16.5 N17.2 T16", needs="trash")
def test_directories(volume: Volume) -> None:
    """Nothing can be made in, linked or moved into a trashed directory: ENOENT."""
    directory, file = volume.dir("d"), volume.file("x")
    volume.fs.rmdir(1, b"d")
    with unchanged(volume):
        refuses(ENOENT, volume.fs.mknod, directory, b"n", FileType.FILE, 0o644)
        refuses(ENOENT, volume.fs.mkdir, directory, b"n", 0o755)
        refuses(ENOENT, volume.fs.link, file, directory, b"n")
        refuses(ENOENT, volume.fs.rename, 1, b"x", directory, b"n")


@clause("trash/only-the-superuser-works-there", source="N13.1 N15.1 N16.1 T16", needs="trash")
def test_superuser(volume: Volume) -> None:
    """Others can neither remove what is in the trash nor move it out: EPERM; the hour directories and the
    trash itself nobody can make things in, move to or remove by name."""
    volume.dir("home", uid=1001, gid=1001, mode=0o777)
    home = volume.fs.lookup(1, b"home").inode
    volume.file("x", home, uid=1001, gid=1001)
    volume.file("y", home)
    volume.dir("d", home, uid=1001, gid=1001)
    volume.fs.unlink(home, b"x")
    volume.fs.rmdir(home, b"d")
    (hour,) = hours(volume).values()
    names = {name.rpartition(b"-")[2]: name for name in filed(volume)}
    with unchanged(volume):
        refuses(EPERM, volume.fs.unlink, hour, names[b"x"], ctx=ALICE)
        refuses(EPERM, volume.fs.rmdir, hour, names[b"d"], ctx=ALICE)
        refuses(EPERM, volume.fs.rename, hour, names[b"x"], home, b"back", ctx=ALICE)
        for place in (TRASH_INODE, hour):
            refuses(EPERM, volume.fs.mknod, place, b"n", FileType.FILE, 0o644)
            refuses(EPERM, volume.fs.rename, home, b"y", place, b"n")
            refuses(EPERM, volume.fs.link, volume.fs.lookup(home, b"y").inode, place, b"n")
        refuses(EPERM, volume.fs.rmdir, TRASH_INODE, next(iter(hours(volume))))
        refuses(EPERM, volume.fs.unlink, 1, b".trash")
        refuses(EPERM, volume.fs.rmdir, 1, b".trash")


@each_type
@clause("trash/the-superuser-takes-a-node-out", source="N16.11 N16.8 N17.4 R8", needs="trash")
def test_restore(volume: Volume, type: FileType) -> None:
    """A rename out of the hour directory brings a node back as it was, but for its ctime."""
    directory = volume.dir("d")
    inode = make(volume, type, "x", directory)
    before = volume.fs.getattr(inode)
    (volume.fs.rmdir if type is FileType.DIRECTORY else volume.fs.unlink)(directory, b"x")
    (hour,) = hours(volume).values()
    (name,) = filed(volume)
    volume.fs.rename(hour, name, directory, b"x", RenameFlag.NOREPLACE | RenameFlag.RESTORE)
    after = volume.fs.getattr(inode)
    before.ctime = after.ctime
    assert after == before
    assert filed(volume) == {}


@clause("trash/restore-reaches-into-trashed-directories", source="N16.11", needs="trash")
def test_restore_deep(volume: Volume) -> None:
    """Only a restoring rename may put a node into a directory that is in the trash itself."""
    directory = volume.dir("d")
    volume.file("x", directory)
    volume.fs.unlink(directory, b"x")
    volume.fs.rmdir(1, b"d")
    (hour,) = hours(volume).values()
    names = {name.rpartition(b"-")[2]: name for name in filed(volume)}
    with unchanged(volume):
        refuses(ENOENT, volume.fs.rename, hour, names[b"x"], directory, b"x", RenameFlag.NOREPLACE)
    volume.fs.rename(hour, names[b"x"], directory, b"x", RenameFlag.NOREPLACE | RenameFlag.RESTORE)
    volume.fs.rename(hour, names[b"d"], 1, b"d", RenameFlag.NOREPLACE | RenameFlag.RESTORE)
    assert volume.fs.lookup(directory, b"x").inode


@clause("trash/what-leaves-it-is-gone-for-good", source="N13.3 N13.7 N15.3 I23", needs="trash")
def test_gone(volume: Volume) -> None:
    """A node that is removed from the trash leaves nothing, and gives its space back."""
    fs = volume.fs
    put(fs, volume.file("x"), 0, 5000)
    volume.dir("d")
    fs.unlink(1, b"x")
    fs.rmdir(1, b"d")
    (hour,) = hours(volume).values()
    names = {name.rpartition(b"-")[2]: name for name in filed(volume)}
    fs.unlink(hour, names[b"x"])
    fs.rmdir(hour, names[b"d"])
    fs.trash_cleanup(FAR)
    fs.settle()
    assert check_empty(volume) == []


# -- cleanup ---------------------------------------------------------------------------------------


def trashed(volume: Volume, hour: bytes) -> int:
    """A trashed file whose hour directory has another name; returns the inode of that."""
    put(volume.fs, volume.file("x"), 0, 5000)
    volume.fs.unlink(1, b"x")
    return age(volume, hour)


@pytest.mark.parametrize(
    ("before", "goes"),
    [
        pytest.param(datetime(2001, 2, 3, 4, 0, 0, tzinfo=UTC), False, id="at-the-hour"),
        pytest.param(datetime(2001, 2, 3, 4, 0, 1, tzinfo=UTC), True, id="after-it"),
        pytest.param(datetime(2001, 2, 3, 3, 59, 59, tzinfo=UTC), False, id="before-it"),
        pytest.param(datetime(2030, 1, 1, tzinfo=UTC), True, id="years-after"),
    ],
)
@clause("trash/a-cleanup-takes-the-hours-before-a-time", source="N35.1", needs="trash", clients=2)
def test_cleanup(volume: Volume, before: datetime, goes: bool) -> None:
    """A cleanup removes the hour directories whose hour began before a time, with all that is in them, for
    good; a later one it leaves as it is."""
    trashed(volume, b"2001-02-03-04")
    cleaner = volume.open()
    volume.fs.settle()
    if goes:
        cleaner.trash_cleanup(int(before.timestamp()))
        volume.settle()
        assert hours(volume) == {}
        assert volume.raw.mget("usedSpace", "totalInodes") == [b"0", b"0"]
        require_laws(volume)
    else:
        with unchanged(volume):
            cleaner.trash_cleanup(int(before.timestamp()))


@clause("trash/a-cleanup-takes-the-oldest-first", source="N35.1", needs="trash")
def test_oldest(volume: Volume) -> None:
    """Hour directories go in the order of their numbers; the first that is not old enough ends the
    cleanup, though a later one were."""
    for number, name in enumerate((b"2001-01-01-00", b"2011-01-01-00", b"2002-01-01-00"), 1):
        volume.raw.hset(f"d{TRASH_INODE}", name, ENTRY.pack(FileType.DIRECTORY, TRASH_INODE + number))
        record = volume.raw.get(f"i{TRASH_INODE}")
        parent = len(record) - 17
        volume.raw.set(
            f"i{TRASH_INODE + number}",
            record[:parent] + TRASH_INODE.to_bytes(8, "big") + record[parent + 8 :],
        )
    volume.fs.trash_cleanup(int(datetime(2005, 1, 1, tzinfo=UTC).timestamp()))
    assert set(hours(volume)) == {b"2011-01-01-00", b"2002-01-01-00"}


@each_frozen
@clause("trash/a-cleanup-empties-a-frozen-trash", source="N35.1 N15.2 C5", needs="trash")
def test_cleanup_frozen(volume: Volume, frozen: AttrFlag) -> None:
    """While the trash itself is immutable or append-only its hour directories are emptied, and stay."""
    volume.file("x")
    volume.fs.unlink(1, b"x")
    kept = hours(volume)
    flag(volume, TRASH_INODE, frozen)
    volume.fs.trash_cleanup(FAR)
    assert filed(volume) == {}
    assert hours(volume) == kept
    flag(volume, TRASH_INODE, AttrFlag(0))
    volume.fs.trash_cleanup(FAR)
    assert hours(volume) == {}


@clause("trash/a-cleanup-leaves-what-is-no-hour", source="N35.1", needs="trash")
def test_unparsable(volume: Volume) -> None:
    """A directory in the trash whose name is no hour stays, with what is in it; others go."""
    inode = trashed(volume, b"no-hour")
    (name,) = filed(volume)
    volume.fs.trash_cleanup(FAR)
    assert hours(volume) == {b"no-hour": inode}
    assert set(filed(volume)) == {name}


@clause("trash/a-cleanup-frees-the-slices", source="N35.1 N13.7 S7.3", needs="trash", clients=2)
def test_cleanup_slices(volume: Volume) -> None:
    """The slices of the files that a cleanup removes are deleted."""
    trashed(volume, b"2001-02-03-04")
    cleaner = volume.open(delete_slice="record")
    cleaner.trash_cleanup(FAR)
    cleaner.settle()
    assert [(event.kind, event.size) for event in cleaner.events()] == [("delete_slice", 5000)]
    assert not volume.raw.exists("delfiles", "sliceRef")


@clause("trash/a-cleanup-needs-no-trash", source="N35.1", needs="trash")
def test_cleanup_nothing(volume: Volume) -> None:
    """Where nothing was ever removed a cleanup does nothing."""
    volume.file("x")
    volume.fs.settle()
    with unchanged(volume):
        volume.fs.trash_cleanup(FAR)


@clause("trash/a-read-only-client-cleans-nothing", source="M2 N35.1", needs="trash", clients=2)
def test_cleanup_read_only(volume: Volume) -> None:
    """A cleanup by a read-only client is refused: EROFS."""
    trashed(volume, b"2001-02-03-04")
    reader = volume.open(record=False, read_only=True)
    volume.fs.settle()
    with unchanged(volume), given_up_after(2) as ctx:
        refuses(EROFS, reader.trash_cleanup, FAR, ctx=ctx)


@clause("trash/what-cannot-be-removed-ends-the-cleanup", source="N35.1", needs="trash")
def test_stuck(volume: Volume) -> None:
    """A node that may not be removed, here an immutable one, ends the cleanup with the reason: EPERM."""
    trashed(volume, b"2001-02-03-04")
    (inode,) = filed(volume).values()
    volume.raw.setrange(f"i{inode}", 0, bytes([AttrFlag.IMMUTABLE]))
    with given_up_after(2) as ctx:
        refuses(EPERM, volume.fs.trash_cleanup, FAR, ctx=ctx)
    assert set(filed(volume).values()) == {inode}


@clause("trash/a-compacted-slice-is-kept-for-its-days", source="N33.4 N35.3 S2.7", needs="trash", clients=2)
def test_delayed(volume: Volume) -> None:
    """What a compaction replaced is kept with the trash: listed, referred to, and deleted by nobody."""
    inode = volume.file("x")
    for off in (0, 10):
        put(volume.fs, inode, off, 10)
    keeper = volume.open(delete_slice="record")
    keeper.compact(inode)
    keeper.slices_cleanup()
    keeper.settle()
    assert [event for event in keeper.events() if event.kind == "delete_slice"] == []
    assert references(volume) == {}
    (kept,) = keeper.scan_deleted(["trash_slices"])["trash_slices"]
    assert [one["size"] for one in kept["slices"]] == [10, 10]
    assert abs(kept["time"] - time.time()) < 60


@clause("trash/an-hour-that-is-full-of-strangers-is-emptied", source="N35.1 N31.2", needs="trash")
def test_many(volume: Volume) -> None:
    """A cleanup removes any number of entries, of any type, linked ones and those whose node is lost."""
    for number in range(300):
        volume.fs.mknod(1, b"n%d" % number, FileType.FIFO, 0)
    volume.symlink("link")
    inode = volume.file("x")
    volume.fs.link(inode, 1, b"y")
    lost = volume.file("lost")
    volume.fs.remove(1, b"link")
    volume.fs.unlink(1, b"x")
    volume.fs.unlink(1, b"lost")
    entries = volume.fs.readdir(1)
    volume.fs.batch_unlink(1, [one for one in entries if one.name.startswith(b"n")])
    volume.raw.delete(f"i{lost}")
    volume.fs.trash_cleanup(FAR)
    volume.settle()
    assert hours(volume) == {}
    assert volume.fs.getattr(inode).nlink == 1
    assert volume.fs.parents(inode) == {1: 1}


@clause("trash/an-unwritable-directory-keeps-its-entries", source="N13.2 R7", needs="trash")
def test_refused(volume: Volume) -> None:
    """A removal that is refused files nothing, though it may have made the hour directory."""
    directory = volume.dir("d", mode=0o755)
    volume.file("x", directory)
    refuses(EACCES, volume.fs.unlink, directory, b"x", ctx=ALICE)
    assert filed(volume) == {}
    assert volume.fs.lookup(directory, b"x").inode
