"""What is leaked, pending or delayed: found, listed and cleaned; and checks of trees (N34, N35, N36)."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from errno import EINTR, ENOENT, EROFS
from threading import Event as Flag
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.contents import put, references, shown, store
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.scenery import each_type, make
from metaparity.conformance.scenes.trash import filed, hours
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import CHUNK_SIZE, Attr, Context, FileType, Slice
from metaparity.fixtures.volumes import Volume

RECORDING: dict[str, Any] = {"delete_slice": "record"}
LONG_AGO = int(time.time()) - 2 * 3600
STATISTICS = ("dirDataLength", "dirUsedSpace", "dirUsedInodes")


def deleted(fs: Engine) -> set[tuple[int, int]]:
    """The slices that the object store was asked to delete since last asked."""
    fs.settle()
    return {(event.id, event.size) for event in fs.events() if event.kind == "delete_slice"}


def refused(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The call is refused for a reason that has no errno; returns the reason."""
    with pytest.raises(Refused) as refusal:
        call(*args, **kwargs)
    return str(refusal.value)


# -- slices ----------------------------------------------------------------------------------------


@clause("slices/the-list-has-every-record", source="N34.1", needs="maintenance")
def test_list(volume: Volume) -> None:
    """The list has for each inode the slice of every record of every chunk, as often as it is referred to;
    holes are left out."""
    x, y = volume.file("x"), volume.file("y")
    one = put(volume.fs, x, 0, 100)
    two = put(volume.fs, x, CHUNK_SIZE, 200)
    volume.fs.copy_file_range(x, 0, y, 0, 50)
    volume.fs.copy_file_range(x, 0, y, 50, 50)
    volume.fs.truncate(x, 1, CHUNK_SIZE + 300)
    listed = volume.fs.slices_list()
    assert sorted((s.id, s.size) for s in listed.pop(x)) == [(one, 100), (two, 200)]
    assert [(s.id, s.size) for s in listed.pop(y)] == [(one, 100), (one, 100)]
    assert listed == {}


@clause("slices/the-list-leaves-corrupt-chunks-out", source="N34.1 S1.8", needs="maintenance")
def test_list_corrupt(volume: Volume) -> None:
    """A chunk with a record that is not 24 bytes is left out; others are listed."""
    x, y = volume.file("x"), volume.file("y")
    put(volume.fs, x, 0, 100)
    one = put(volume.fs, y, 0, 100)
    volume.raw.rpush(f"c{x}_0", "no record")
    assert {inode: [s.id for s in found] for inode, found in volume.fs.slices_list().items()} == {y: [one]}


@clause("slices/the-list-shows-pending-and-delayed", source="N34.1", needs="maintenance")
def test_list_pending(volume: Volume) -> None:
    """Asked to, the list has under inode 0 the slices whose count is below 0; under inode 1 it has those that
    the trash keeps."""
    volume.format(TrashDays=1)
    assert volume.fs.load()
    volume.raw.hset("sliceRef", mapping={"k5_10": -1, "k6_10": 0, "k7_10": 3})
    volume.raw.hset("delSlices", "9_1700000000", struct.pack(">QIQI", 1, 10, 2, 20))
    delayed = [Slice(0, 1, 10, 0, 0), Slice(0, 2, 20, 0, 0)]
    assert volume.fs.slices_list() == {1: delayed}
    assert volume.fs.slices_list(pending=True) == {0: [Slice(0, 5, 10, 0, 0)], 1: delayed}


@clause("slices/the-list-changes-nothing", source="N34.1", needs="maintenance")
def test_list_only(volume: Volume) -> None:
    """Listing without deleting leaves every key as it is, whatever there is to clean."""
    inode = volume.file("x")
    volume.fs.settle()
    store(volume, 999, 0, [Slice(0, 77, 5, 0, 5)])
    volume.raw.hset("sliceRef", mapping={"k5_10": -1, "k6_10": 0})
    rewrite(volume, inode, ctime=LONG_AGO)
    volume.raw.hdel("d1", "x")
    with unchanged(volume):
        volume.fs.slices_list(pending=True)


@clause("slices/a-cleanup-deletes-unreferenced-ones", source="N35.6 S7.5", needs="maintenance", clients=2)
def test_clean(volume: Volume) -> None:
    """A cleanup asks the object store to delete each slice whose count is below 0 and forgets it; a count
    of 0 it forgets, others it leaves."""
    cleaner = volume.open(**RECORDING)
    volume.raw.hset("sliceRef", mapping={"k5_10": -1, "k6_20": -3, "k7_10": 0, "k8_10": 2})
    cleaner.slices_cleanup()
    assert deleted(cleaner) == {(5, 10), (6, 20)}
    assert references(volume) == {b"k8_10": 2}


@pytest.mark.parametrize("field", ["k5", "x", "k0_10", "k5_0", "k5_10_2", "kx_10"])
@clause("slices/a-cleanup-leaves-odd-counts-alone", source="N35.6", needs="maintenance", clients=2)
def test_clean_odd(volume: Volume, field: str) -> None:
    """What is no count of a slice, or of one without id or bytes, is left alone."""
    cleaner = volume.open(**RECORDING)
    volume.raw.hset("sliceRef", mapping={field: -1, "k6_10": -1})
    cleaner.slices_cleanup()
    assert deleted(cleaner) == {(6, 10)}
    assert volume.raw.hgetall("sliceRef") == {field.encode(): b"-1"}


@clause("slices/a-failed-deletion-is-remembered", source="N35.7 S7.3.3", needs="maintenance", clients=2)
def test_failed(volume: Volume) -> None:
    """A slice that the object store fails to delete keeps its count, and a later cleanup deletes it."""
    volume.raw.hset("sliceRef", "k5_10", -1)
    volume.open(delete_slice="fail").slices_cleanup()
    assert references(volume) == {b"k5_10": -1}
    cleaner = volume.open(**RECORDING)
    cleaner.slices_cleanup()
    assert deleted(cleaner) == {(5, 10)}
    assert references(volume) == {}


@clause("slices/no-deleters-delete-nothing", source="N35.7 S7.3.3", needs="maintenance", clients=2)
def test_no_deleters(volume: Volume) -> None:
    """A client without deleters asks for no deletion."""
    volume.raw.hset("sliceRef", "k5_10", -1)
    cleaner = volume.open(max_deletes=0, **RECORDING)
    cleaner.slices_cleanup()
    assert deleted(cleaner) == set()
    assert references(volume) == {b"k5_10": -1}


@each_type
@pytest.mark.parametrize("old", [True, False], ids=["old", "young"])
@clause("slices/a-cleanup-deletes-lost-nodes", source="N35.6 S7.5.1", needs="maintenance", clients=2)
def test_lost_node(volume: Volume, type: FileType, old: bool) -> None:
    """A node that no directory refers to is deleted with all that is its own, once nobody has changed it for
    an hour; a younger one may just be being made."""
    cleaner = volume.open(**RECORDING)
    inode = make(volume, type, "x")
    volume.file("kept")
    expected = set()
    if type is FileType.FILE:
        expected = {(put(volume.fs, inode, 0, 5000), 5000)}
    volume.fs.settle()
    volume.raw.hdel("d1", "x")
    if type is FileType.DIRECTORY:
        rewrite(volume, 1, nlink=2)
    if old:
        rewrite(volume, inode, ctime=LONG_AGO)
    cleaner.slices_cleanup()
    assert deleted(cleaner) == (expected if old else set())
    assert volume.raw.exists(f"i{inode}") == (not old)
    if old:
        assert not volume.raw.exists(f"x{inode}", f"s{inode}", f"c{inode}_0", "delfiles")
        volume.raw.hset("dirUsedSpace", 1, 4096)
        volume.raw.hset("dirUsedInodes", 1, 1)
        volume.raw.hset("dirDataLength", 1, 0)
        require_laws(volume)


@clause("slices/a-cleanup-deletes-lost-trees", source="N35.6", needs="maintenance")
def test_lost_tree(volume: Volume) -> None:
    """With a lost directory goes all that is in it."""
    top = volume.dir("top")
    inodes = [top, volume.dir("sub", top), volume.file("file", top)]
    inodes.append(volume.file("deep", inodes[1]))
    volume.fs.settle()
    volume.raw.hdel("d1", "top")
    rewrite(volume, 1, nlink=2)
    rewrite(volume, top, ctime=LONG_AGO)
    volume.fs.slices_cleanup()
    volume.fs.settle()
    assert not volume.raw.exists(*(f"i{inode}" for inode in inodes), f"d{top}")
    assert volume.raw.mget("usedSpace", "totalInodes") == [b"0", b"0"]


@clause("slices/a-cleanup-spares-open-files", source="N35.6", needs="maintenance", clients=2)
def test_spared(volume: Volume) -> None:
    """A file without names that some session still has open is not lost, however long ago it was
    unlinked."""
    cleaner = volume.open(**RECORDING)
    inode = volume.file("x")
    put(volume.fs, inode, 0, 100)
    volume.fs.open_file(inode)
    volume.fs.unlink(1, b"x")
    rewrite(volume, inode, ctime=LONG_AGO)
    cleaner.slices_cleanup()
    assert deleted(cleaner) == set()
    assert volume.fs.getattr(inode).length == 100
    assert len(shown(volume.fs, inode)) == 1


@clause("slices/a-cleanup-spares-the-trash", source="N35.6", needs="maintenance")
def test_spare_trash(volume: Volume) -> None:
    """Nodes in the trash have names there and are not lost."""
    volume.format(TrashDays=1)
    inode = volume.file("x")
    volume.fs.unlink(1, b"x")
    rewrite(volume, inode, ctime=LONG_AGO)
    volume.fs.slices_cleanup()
    assert list(filed(volume).values()) == [inode]
    assert volume.fs.getattr(inode)


@clause("slices/a-cleanup-deletes-chunks-of-nobody", source="N35.6 Q3", needs="maintenance", clients=2)
def test_lost_chunks(volume: Volume) -> None:
    """The chunks of a node that is gone are deleted, and the slices that nothing else refers to; also that
    of a shrunk file which its deletion did not reach."""
    cleaner = volume.open(**RECORDING)
    inode = volume.file("x")
    far = put(volume.fs, inode, 3 * CHUNK_SIZE, 100)
    volume.fs.truncate(inode, 0, 10)
    volume.fs.unlink(1, b"x")
    volume.fs.settle()
    store(volume, 999, 0, [Slice(0, 77, 5, 0, 5), Slice(5, 78, 6, 0, 6), Slice(11, 0, 0, 0, 9)])
    volume.raw.hset("sliceRef", "k78_6", 1)
    cleaner.slices_cleanup()
    assert (77, 5) in deleted(cleaner)
    assert not volume.raw.exists("c999_0", f"c{inode}_3")
    assert references(volume).get(b"k%d_100" % far) is None


@clause("slices/a-cleanup-deletes-corrupt-chunks", source="N35.6 S1.8", needs="maintenance", clients=2)
def test_lost_corrupt(volume: Volume) -> None:
    """A corrupt chunk of a node that is gone is deleted; its slices, which cannot be told, are not."""
    cleaner = volume.open(**RECORDING)
    store(volume, 999, 0, [Slice(0, 77, 5, 0, 5)])
    volume.raw.rpush("c999_0", "no record")
    cleaner.slices_cleanup()
    assert deleted(cleaner) == set()
    assert not volume.raw.exists("c999_0")


@pytest.mark.parametrize(
    ("value", "kept"), [("0", None), ("-1", None), ("2", 2), ("10", 10)], ids=["none", "less", "two", "ten"]
)
@clause("slices/a-cleanup-moves-old-counts", source="S1.5 N35.6 S7.5.1", needs="maintenance")
def test_legacy(volume: Volume, value: str, kept: int | None) -> None:
    """A count that an old client kept in a key of its own comes to the others; one that is not above zero
    goes."""
    assert volume.fs.load()
    volume.raw.set("k55_10", value)
    volume.fs.slices_cleanup()
    volume.fs.settle()
    assert references(volume).get(b"k55_10") == kept
    assert volume.raw.get("k55_10") in (None, b"0")


@clause("slices/a-cleanup-may-be-repeated", source="N35.6 N42.4", needs="maintenance", clients=2)
def test_repeat(volume: Volume) -> None:
    """A second cleanup finds nothing more to do."""
    cleaner = volume.open(**RECORDING)
    volume.raw.hset("sliceRef", mapping={"k5_10": -1, "k7_10": 0})
    store(volume, 999, 0, [Slice(0, 77, 5, 0, 5)])
    cleaner.slices_cleanup()
    assert deleted(cleaner) == {(5, 10), (77, 5)}
    with unchanged(volume):
        cleaner.slices_cleanup()
    assert deleted(cleaner) == set()


@clause("slices/a-listing-may-clean-first", source="N34.1", needs="maintenance", clients=2)
def test_list_delete(volume: Volume) -> None:
    """A list that is asked to delete cleans first, and shows what is left."""
    cleaner = volume.open(**RECORDING)
    inode = volume.file("x")
    one = put(volume.fs, inode, 0, 100)
    store(volume, 999, 0, [Slice(0, 77, 5, 0, 5)])
    volume.raw.hset("sliceRef", "k5_10", -1)
    listed = cleaner.slices_list(pending=False, delete=True)
    assert {inode: [s.id for s in found] for inode, found in listed.items()} == {inode: [one]}
    assert deleted(cleaner) == {(5, 10), (77, 5)}


@clause("slices/read-only-clients-clean-nothing", source="M2 N35.6", needs="maintenance", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client lists, and cleans nothing."""
    volume.file("x")
    volume.settle()
    volume.raw.hset("sliceRef", mapping={"k5_10": -1, "k7_10": 0})
    store(volume, 999, 0, [Slice(0, 77, 5, 0, 5)])
    reader = volume.open(record=False, read_only=True)
    with unchanged(volume):
        assert reader.slices_list(pending=True) == {0: [Slice(0, 5, 10, 0, 0)], 999: [Slice(0, 77, 5, 0, 0)]}


# -- what was removed ------------------------------------------------------------------------------


@clause("deleted/slices-of-the-trash-are-listed", source="N34.2 S2.7", needs="maintenance")
def test_trash_slices(volume: Volume) -> None:
    """What a compaction left to the trash is listed with the time of that."""
    volume.format(TrashDays=1)
    assert volume.fs.load()
    volume.raw.hset("delSlices", "9_1700000000", struct.pack(">QIQI", 1, 10, 2, 20))
    (found,) = volume.fs.scan_deleted(["trash_slices"])["trash_slices"]
    assert found["time"] == 1700000000
    assert [(one["id"], one["size"]) for one in found["slices"]] == [(1, 10), (2, 20)]


@clause("deleted/slices-that-wait-are-listed", source="N34.2", needs="maintenance")
def test_pending_slices(volume: Volume) -> None:
    """A slice whose count is below 0 is listed, others are not."""
    assert volume.fs.load()
    volume.raw.hset("sliceRef", mapping={"k5_10": -1, "k6_10": 0, "k7_10": 3})
    assert volume.fs.scan_deleted(["pending_slices"]) == {"pending_slices": [{"id": 5, "size": 10}]}


@clause("deleted/hours-of-the-trash-are-listed", source="N34.2", needs="maintenance")
def test_trash_files(volume: Volume) -> None:
    """With directory statistics each hour directory is listed with the bytes and number of what is in it."""
    volume.format(TrashDays=1)
    put(volume.fs, volume.file("x"), 0, 5000)
    volume.dir("d")
    volume.fs.unlink(1, b"x")
    volume.fs.rmdir(1, b"d")
    volume.fs.settle()
    ((name, inode),) = hours(volume).items()
    (found,) = volume.fs.scan_deleted(["trash_files"])["trash_files"]
    assert (found["inode"], found["size"], found["count"]) == (inode, 5000, 2)
    assert time.strftime("%Y-%m-%d-%H", time.gmtime(found["time"])).encode() == name


@clause("deleted/files-of-the-trash-are-listed", source="N34.2", needs="maintenance")
def test_trash_files_one_by_one(volume: Volume) -> None:
    """Without directory statistics each file in the trash is listed for itself."""
    volume.format(TrashDays=1, DirStats=False)
    x, y = volume.file("x"), volume.file("y")
    put(volume.fs, x, 0, 5000)
    volume.dir("d")
    volume.fs.unlink(1, b"x")
    volume.fs.unlink(1, b"y")
    volume.fs.rmdir(1, b"d")
    found = volume.fs.scan_deleted(["trash_files"])["trash_files"]
    assert sorted((one["inode"], one["size"], one["count"]) for one in found) == [(x, 5000, 1), (y, 0, 1)]


@clause("deleted/files-that-wait-are-listed", source="N34.2 S1.4", needs="maintenance")
def test_pending_files(volume: Volume) -> None:
    """A file whose data waits for deletion is listed with its bytes and the time of its removal; a record of
    an old form is not."""
    assert volume.fs.load()
    volume.raw.zadd("delfiles", {"99:1000": 12345, "98": 5, "97:1:2": 6})
    assert volume.fs.scan_deleted(["pending_files"]) == {
        "pending_files": [{"inode": 99, "size": 1000, "time": 12345}]
    }
    volume.raw.delete("delfiles")


@clause("deleted/only-what-is-asked-for-is-listed", source="N34.2 protocol §5", needs="maintenance")
def test_kinds(volume: Volume) -> None:
    """The answer has the kinds that were asked for, empty where there is nothing."""
    kinds = ["trash_slices", "pending_slices", "trash_files", "pending_files"]
    volume.file("x")
    volume.fs.settle()
    with unchanged(volume):
        assert volume.fs.scan_deleted(kinds) == {kind: [] for kind in kinds}
        for kind in kinds:
            assert volume.fs.scan_deleted([kind]) == {kind: []}
        assert volume.fs.scan_deleted([]) == {}


@clause(
    "deleted/slices-of-the-trash-are-let-go-of-by-age",
    source="N34.2 N35.3 S2.7",
    needs="maintenance",
    clients=2,
)
def test_release_trash_slices(volume: Volume) -> None:
    """Slices that a compaction left to the trash before a time lose a reference, those without one are
    deleted, and what came later stays."""
    volume.format(TrashDays=1)
    client = volume.open(**RECORDING)
    old, young = struct.pack(">QIQI", 1, 10, 2, 20), struct.pack(">QI", 3, 30)
    volume.raw.hset("delSlices", mapping={"9_1000": old, "9_2000": young})
    volume.raw.hset("sliceRef", "k2_20", 4)
    found = client.scan_deleted(["trash_slices"], 2000)["trash_slices"]
    assert sorted(one["time"] for one in found) == [1000, 2000]
    assert deleted(client) == {(1, 10)}
    assert volume.raw.hgetall("delSlices") == {b"9_2000": young}
    assert volume.raw.hgetall("sliceRef") == {b"k2_20": b"3"}


@clause(
    "deleted/files-that-wait-are-deleted-by-age", source="N34.2 N35.4 L6.8", needs="maintenance", clients=2
)
def test_delete_pending_files(volume: Volume) -> None:
    """The data of files that wait since before a time is deleted, that of others stays."""
    client = volume.open(**RECORDING)
    record = struct.pack(">IQIII", 0, 7, 10, 0, 10)
    for inode in (98, 99):
        volume.raw.rpush(f"c{inode}_0", record)
    volume.raw.hset("sliceRef", "k7_10", 1)
    volume.raw.zadd("delfiles", {"98:10": 1000, "99:10": 2000})
    found = client.scan_deleted(["pending_files"], 2000)["pending_files"]
    assert sorted(one["inode"] for one in found) == [98, 99]
    assert volume.raw.zrange("delfiles", 0, -1) == [b"99:10"]
    assert volume.raw.keys("c9*") == [b"c99_0"]
    assert volume.raw.hgetall("sliceRef") == {b"k7_10": b"0"}
    volume.raw.delete("delfiles")


@clause("deleted/what-is-not-asked-for-stays", source="N34.2", needs="maintenance", clients=2)
def test_scan_other_kinds(volume: Volume) -> None:
    """A time lets go of nothing of the kinds that were not asked for, and never of trashed files or of slices
    that wait."""
    volume.format(TrashDays=1)
    client = volume.open(**RECORDING)
    volume.file("x")
    volume.fs.unlink(1, b"x")
    volume.fs.settle()
    volume.raw.hset("delSlices", "9_1000", struct.pack(">QI", 1, 10))
    volume.raw.hset("sliceRef", "k5_10", -1)
    volume.raw.zadd("delfiles", {"98:10": 1000})
    with unchanged(volume):
        client.scan_deleted(["trash_files", "pending_slices"], 1 << 40)
    volume.raw.delete("delfiles")


@clause("deleted/read-only-clients-let-go-of-nothing", source="M2 N34.2", needs="maintenance", clients=2)
def test_scan_read_only(volume: Volume) -> None:
    """A read-only client lists what waits; asked to let go of any it is refused with EROFS."""
    volume.format(TrashDays=1)
    assert volume.fs.load()
    volume.raw.hset("delSlices", "9_1000", struct.pack(">QI", 1, 10))
    reader = volume.open(record=False, read_only=True)
    with unchanged(volume):
        assert len(reader.scan_deleted(["trash_slices"])["trash_slices"]) == 1
        refuses(EROFS, reader.scan_deleted, ["trash_slices"], 2000)


# -- checks ----------------------------------------------------------------------------------------


def tree(volume: Volume) -> tuple[int, int, int]:
    """`/d/e` with a file in each; the inodes of both directories and of the lower file."""
    d = volume.dir("d")
    e = volume.dir("e", d)
    volume.file("f", d)
    file = volume.file("f", e)
    volume.fs.settle()
    volume.fs.dirstat_get(1)
    return d, e, file


@pytest.mark.parametrize("path", [b"/", b"/d", b"/d/e", b"/d/e/f", b"//d/", b""])
@clause("check/a-sound-tree-has-no-problem", source="N36.1 N36.2", needs="maintenance")
def test_sound(volume: Volume, path: bytes) -> None:
    """A check of a tree in which everything adds up finds nothing and changes nothing."""
    tree(volume)
    with unchanged(volume):
        for recursive in (False, True):
            for sync in (False, True):
                assert volume.fs.check(path or b"/", recursive=recursive, sync_dir_stat=sync) == []
        assert volume.fs.check(path or b"/", repair=True, recursive=True) == []


@pytest.mark.parametrize("path", [b"/none", b"/d/none", b"/d/f/none"])
@clause("check/a-missing-path-is-an-error", source="N36.1", needs="maintenance")
def test_missing(volume: Volume, path: bytes) -> None:
    """A path that leads nowhere is refused with ENOENT."""
    tree(volume)
    with unchanged(volume):
        for repair in (False, True):
            refuses(ENOENT, volume.fs.check, path, repair=repair)


@pytest.mark.parametrize("nlink", [0, 2, 9, 2**32 - 1])
@clause("check/a-wrong-link-count-is-mended", source="N36.2", needs="maintenance")
def test_nlink(volume: Volume, nlink: int) -> None:
    """A directory whose link count is not 2 and one for each sub-directory is found, and mended where that
    is asked for; nothing else of it changes."""
    d, _, _ = tree(volume)
    before = volume.keyspace()
    rewrite(volume, d, nlink=nlink)
    with unchanged(volume):
        assert "/d" in refused(volume.fs.check, b"/d")
    assert len(volume.fs.check(b"/d", repair=True)) == 1
    assert volume.keyspace() == before
    assert volume.fs.check(b"/d") == []


@clause("check/recursion-decides-how-deep-it-looks", source="N36.1", needs="maintenance")
def test_recursive(volume: Volume) -> None:
    """Without recursion only the node itself is looked at, with it everything below."""
    _, e, _ = tree(volume)
    rewrite(volume, e, nlink=9)
    assert volume.fs.check(b"/d") == []
    with unchanged(volume):
        assert volume.fs.check(b"/d", repair=True) == []
    for path in (b"/", b"/d", b"/d/e"):
        assert "/d/e" in refused(volume.fs.check, path, recursive=True)
    assert len(volume.fs.check(b"/", repair=True, recursive=True)) == 1
    assert volume.fs.getattr(e).nlink == 2


@clause("check/a-lost-directory-is-made-again", source="N36.2", needs="maintenance")
def test_lost(volume: Volume) -> None:
    """A directory whose record is missing gets a new one: the caller's, mode 0755, with the links and the
    parent that its entries say."""
    d, e, _ = tree(volume)
    volume.dir("g", e)
    volume.fs.settle()
    volume.raw.delete(f"i{e}")
    with unchanged(volume):
        assert "/d/e" in refused(volume.fs.check, b"/d", recursive=True)
    start = int(time.time())
    caller = Context(7, (8,))
    assert volume.fs.check(b"/d", repair=True, recursive=True, ctx=caller)
    attr = volume.fs.getattr(e)
    assert start <= attr.ctime[0] <= time.time()
    assert attr == Attr(
        type=FileType.DIRECTORY,
        mode=0o755,
        uid=7,
        gid=8,
        atime=attr.atime,
        mtime=attr.mtime,
        ctime=attr.ctime,
        nlink=3,
        length=4096,
        parent=d,
    )
    require_laws(volume)


@pytest.mark.parametrize("hash", ["dirUsedSpace", "dirUsedInodes"])
@clause("check/negative-statistics-are-counted-anew", source="N36.3", needs="maintenance")
def test_negative(volume: Volume, hash: str) -> None:
    """Statistics below zero are found and, where that is asked for, counted anew."""
    d, _, _ = tree(volume)
    before = volume.keyspace()
    volume.raw.hset(hash, d, -1)
    with unchanged(volume):
        refused(volume.fs.check, b"/d")
    assert volume.fs.check(b"/d", repair=True)
    assert volume.keyspace() == before


@clause("check/missing-statistics-are-counted", source="N36.3 Q33", needs="maintenance")
def test_no_statistics(volume: Volume) -> None:
    """Missing statistics are found, whether they are compared or not, and counted where that is asked for."""
    d, _, _ = tree(volume)
    before = volume.keyspace()
    for hash in STATISTICS:
        volume.raw.hdel(hash, d)
    with unchanged(volume):
        refused(volume.fs.check, b"/d")
    assert volume.fs.check(b"/d", repair=True)
    assert volume.keyspace() == before


@clause("check/missing-statistics-can-be-compared", source="N36.3 Q33", needs="maintenance")
def test_compare_missing(volume: Volume) -> None:
    """A check that compares statistics reports missing ones as it does wrong ones."""
    d, _, _ = tree(volume)
    for hash in STATISTICS:
        volume.raw.hdel(hash, d)
    with unchanged(volume):
        refused(volume.fs.check, b"/d", sync_dir_stat=True)


@pytest.mark.parametrize("hash", ["dirUsedSpace", "dirUsedInodes"])
@clause("check/statistics-are-compared-when-asked", source="N36.3", needs="maintenance")
def test_compared(volume: Volume, hash: str) -> None:
    """Statistics that are merely wrong are found by a check that compares them, and mended by one that
    counts them anew; the length alone is not compared."""
    d, _, _ = tree(volume)
    before = volume.keyspace()
    volume.raw.hset(hash, d, 77 * 4096)
    assert volume.fs.check(b"/d") == []
    with unchanged(volume):
        refused(volume.fs.check, b"/d", sync_dir_stat=True)
        assert volume.fs.check(b"/d", repair=True) == []
    volume.raw.hset("dirDataLength", d, 5)
    volume.fs.check(b"/d", repair=True, sync_dir_stat=True)
    assert volume.keyspace() == before


@clause("check/the-usage-of-the-volume-is-counted-anew", source="N36.5 I12", needs="maintenance")
def test_volume(volume: Volume) -> None:
    """A recursive repair of the root with statistics sets the usage of the volume to what its nodes take:
    linked files once, the trash and open files without names included."""
    volume.format(TrashDays=1)
    fs = volume.fs
    _, _, file = tree(volume)
    put(fs, file, 0, 5000)
    fs.link(file, 1, b"again")
    volume.symlink("link")
    volume.file("gone")
    fs.unlink(1, b"gone")
    held = volume.file("held")
    put(fs, held, 0, 9000)
    fs.open_file(held)
    fs.unlink(1, b"held", skip_trash=True)
    volume.fs.settle()
    right = volume.raw.mget("usedSpace", "totalInodes")
    volume.raw.mset({"usedSpace": 1, "totalInodes": 1})
    fs.check(b"/", repair=True, recursive=True, sync_dir_stat=True)
    assert volume.raw.mget("usedSpace", "totalInodes") == right
    require_laws(volume)


@clause("check/the-usage-is-never-counted-by-halves", source="N36.5 Q23", needs="maintenance")
def test_volume_flat(volume: Volume) -> None:
    """A repair of the root that does not look below leaves the usage of the volume right."""
    tree(volume)
    right = volume.raw.mget("usedSpace", "totalInodes")
    volume.fs.check(b"/", repair=True, sync_dir_stat=True)
    assert volume.raw.mget("usedSpace", "totalInodes") == right


@clause("check/only-the-root-counts-the-volume", source="N36.5", needs="maintenance")
def test_volume_other(volume: Volume) -> None:
    """A repair of another directory, or without statistics, leaves the usage of the volume alone."""
    tree(volume)
    volume.raw.mset({"usedSpace": 1, "totalInodes": 1})
    volume.fs.check(b"/d", repair=True, recursive=True, sync_dir_stat=True)
    volume.fs.check(b"/", repair=True, recursive=True)
    volume.fs.check(b"/", recursive=True, sync_dir_stat=True)
    assert volume.raw.mget("usedSpace", "totalInodes") == [b"1", b"1"]


@clause("check/without-statistics-only-records-count", source="N36.3", needs="maintenance")
def test_off(volume: Volume) -> None:
    """On a volume without directory statistics a check looks at link counts only."""
    volume.format(DirStats=False)
    d = volume.dir("d")
    volume.raw.hset("dirUsedInodes", d, -1)
    with unchanged(volume):
        volume.fs.check(b"/", recursive=True, sync_dir_stat=True)
    assert volume.fs.check(b"/", recursive=True) == []
    rewrite(volume, d, nlink=9)
    refused(volume.fs.check, b"/", recursive=True)


@clause("check/read-only-clients-mend-nothing", source="M2 N36", needs="maintenance", clients=2)
def test_check_read_only(volume: Volume) -> None:
    """A read-only client checks, and mends nothing."""
    d, _, _ = tree(volume)
    volume.settle()
    rewrite(volume, d, nlink=9)
    reader = volume.open(record=False, read_only=True)
    with unchanged(volume):
        refused(reader.check, b"/d")
        with pytest.raises((OSError, Refused)) as refusal:
            reader.check(b"/d", repair=True)
    assert getattr(refusal.value, "errno", EROFS) == EROFS


GIVEN_UP = Flag()
GIVEN_UP.set()
CALLS: dict[str, Callable[[Engine, Context], Any]] = {
    "slices_list": lambda fs, ctx: fs.slices_list(ctx=ctx),
    "scan_deleted": lambda fs, ctx: fs.scan_deleted(["trash_files"], ctx=ctx),
    "check": lambda fs, ctx: fs.check(b"/", recursive=True, ctx=ctx),
    "trash_cleanup": lambda fs, ctx: fs.trash_cleanup(1 << 40, ctx=ctx),
    "slices_cleanup": lambda fs, ctx: fs.slices_cleanup(ctx=ctx),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@clause("maintenance/a-caller-that-gave-up-gets-nothing", source="X2 N35.1", needs="maintenance")
def test_cancelled(volume: Volume, call: Callable[[Engine, Context], Any]) -> None:
    """Each call whose caller has given up already answers EINTR and does nothing."""
    volume.format(TrashDays=1)
    volume.file("x")
    volume.fs.unlink(1, b"x")
    volume.fs.settle()
    with unchanged(volume):
        refuses(EINTR, call, volume.fs, Context(cancelled=GIVEN_UP))
