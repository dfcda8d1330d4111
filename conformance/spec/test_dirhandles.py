"""Listing a directory in pages: opendir and its handle (N19)."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.draws import names
from metaparity.conformance.scenes.scenery import fresh
from metaparity.conformance.verbs import alike
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Attr, Entry, FileType, SetAttr
from metaparity.fixtures.volumes import Volume

DOTS = [b".", b".."]
PAGE = 4096


def named(entries: list[Entry]) -> list[bytes]:
    return [entry.name for entry in entries]


def fill(volume: Volume, directory: int, count: int) -> set[bytes]:
    """Put so many entries into a directory past the driver, all names of one file."""
    value = bytes([FileType.FILE]) + volume.file(fresh(volume)).to_bytes(8, "big")
    wanted = {b"entry-%05d" % n for n in range(count)}
    if wanted:
        volume.raw.hset(b"d%d" % directory, mapping=dict.fromkeys(wanted, value))
    return wanted


def pages(fs: Engine, handle: int) -> list[list[Entry]]:
    """Every page from the start to the end."""
    found: list[list[Entry]] = []
    while page := fs.dir_list(handle, sum(map(len, found))):
        found.append(page)
    return found


@pytest.mark.parametrize("plus", [False, True], ids=["plain", "plus"])
@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 5])
@clause("handle/pages-hold-4096-entries", source="N19.2 N19.3", needs="namespace")
def test_pages(volume: Volume, count: int, plus: bool) -> None:
    """The first page has the dots and 4096 entries, each further one 4096, and all come exactly once."""
    d = volume.dir("d")
    wanted = fill(volume, d, count)
    found = pages(volume.fs, volume.fs.opendir(d, plus))
    sizes = [min(PAGE, count - start) for start in range(0, count, PAGE)] or [0]
    assert [len(page) for page in found] == [sizes[0] + 2, *sizes[1:]]
    assert named(found[0])[:2] == DOTS
    listed = [name for page in found for name in named(page)][2:]
    assert len(listed) == len(wanted)
    assert set(listed) == wanted


@clause("handle/any-offset-continues-the-sequence", source="N19.2 N19.3", needs="namespace")
def test_offsets(volume: Volume) -> None:
    """A page may start anywhere, again and backwards: at each offset the sequence goes on as it did."""
    d = volume.dir("d")
    fill(volume, d, 20)
    handle = volume.fs.opendir(d)
    whole = volume.fs.dir_list(handle, 0)
    for offset in (0, 1, 2, 3, 21, 10, 2, 1, 0):
        assert volume.fs.dir_list(handle, offset) == whole[offset:]


@pytest.mark.parametrize("beyond", [0, 1, 7, 10**6])
@pytest.mark.parametrize("count", [0, 1, 5])
@clause("handle/beyond-the-end-there-is-nothing", source="N19.3 Q28", needs="namespace")
def test_beyond(volume: Volume, count: int, beyond: int) -> None:
    """At the end of the sequence, and at any offset past it, the page is empty."""
    d = volume.dir("d")
    fill(volume, d, count)
    handle = volume.fs.opendir(d)
    assert len(volume.fs.dir_list(handle, 0)) == count + 2
    assert volume.fs.dir_list(handle, count + 2 + beyond) == []
    assert volume.fs.dir_list(volume.fs.opendir(d), count + 2 + beyond) == []


@clause("handle/the-first-page-takes-the-snapshot", source="N19.3", needs="namespace")
def test_snapshot(volume: Volume) -> None:
    """What a handle lists is fixed by its first page, not by its opening, nor by what happens later."""
    d = volume.dir("d")
    handle = volume.fs.opendir(d, True)
    inode = volume.file("x", d, mode=0o600)
    first = volume.fs.dir_list(handle, 0)
    assert named(first) == [*DOTS, b"x"]
    volume.file("y", d)
    volume.fs.setattr(inode, SetAttr.MODE, Attr(mode=0o640))
    volume.fs.unlink(d, b"x")
    assert volume.fs.dir_list(handle, 0) == first
    assert first[2].attr is not None
    assert first[2].attr.mode == 0o600
    assert named(volume.fs.dir_list(volume.fs.opendir(d), 0)) == [*DOTS, b"y"]


@clause("handle/an-empty-directory-is-read-again", source="N19.4 Q28", needs="namespace")
def test_empty(volume: Volume) -> None:
    """A handle of an empty directory has no snapshot: entries made later are listed."""
    d = volume.dir("d")
    handle = volume.fs.opendir(d)
    assert named(volume.fs.dir_list(handle, 0)) == DOTS
    volume.file("x", d)
    assert named(volume.fs.dir_list(handle, 2)) == [b"x"]
    volume.file("y", d)
    assert named(volume.fs.dir_list(handle, 2)) == [b"x"]


@given(chosen=st.sets(names, min_size=2, max_size=30))
@clause("handle/entries-may-be-sorted-by-bytes", source="N19.3", needs="namespace", clients=2)
def test_sorted(volume: Volume, chosen: set[bytes]) -> None:
    """A client that sorts directories lists entries by the bytes of their names, after the dots."""
    client = volume.open(sort_dir=True)
    d = volume.dir(fresh(volume))
    for name in sorted(chosen, reverse=True):
        client.mknod(d, name, FileType.FIFO, 0o644)
    assert named(client.dir_list(client.opendir(d), 0)) == [*DOTS, *sorted(chosen)]


@clause("handle/sorted-pages-follow-each-other", source="N19.3", needs="namespace", clients=2)
def test_sorted_pages(volume: Volume) -> None:
    """Sorting goes over the whole directory, not page by page."""
    client = volume.open(sort_dir=True)
    d = volume.dir("d")
    wanted = fill(volume, d, PAGE + 100)
    listed = [name for page in pages(client, client.opendir(d)) for name in named(page)]
    assert listed == [*DOTS, *sorted(wanted)]


# -- a handle that is told of changes ----------------------------------------------------------------


class Told:
    """A handle of a directory with the entries a to e, sorted, that has its snapshot."""

    def __init__(self, volume: Volume) -> None:
        self.fs = volume.open(sort_dir=True)
        self.d = volume.dir("d")
        for name in "abcde":
            volume.file(name, self.d)
        self.handle = self.fs.opendir(self.d)
        assert self.names() == [*DOTS, b"a", b"b", b"c", b"d", b"e"]

    def names(self, offset: int = 0) -> list[bytes]:
        return named(self.fs.dir_list(self.handle, offset))


@clause("handle/an-inserted-entry-comes-last", source="N19.5", needs="namespace", clients=2)
def test_insert(volume: Volume) -> None:
    """An entry that a handle is told of is appended, even where entries are sorted."""
    told = Told(volume)
    attr = Attr(type=FileType.FIFO, mode=0o600)
    told.fs.dir_insert(told.handle, 4711, b"aa", attr)
    (entry,) = told.fs.dir_list(told.handle, 7)
    assert (entry.name, entry.inode, entry.type) == (b"aa", 4711, FileType.FIFO)
    assert told.names() == [*DOTS, b"a", b"b", b"c", b"d", b"e", b"aa"]


@clause("handle/an-inserted-entry-shows-its-attributes", source="N19.5", needs="namespace")
def test_insert_plus(volume: Volume) -> None:
    """An entry inserted into a handle with plus shows the attributes that it was told with."""
    d = volume.dir("d")
    volume.file("x", d)
    handle = volume.fs.opendir(d, True)
    volume.fs.dir_list(handle, 0)
    attr = volume.fs.getattr(volume.file("y", d, mode=0o640, uid=7))
    volume.fs.dir_insert(handle, 4711, b"y", attr)
    (entry,) = volume.fs.dir_list(handle, 3)
    assert entry.attr is not None
    alike(entry.attr, attr)


@clause("handle/without-snapshot-nothing-is-inserted", source="N19.5", needs="namespace")
def test_insert_without_snapshot(volume: Volume) -> None:
    """A handle that has listed nothing yet ignores an insertion: its first page reads the directory."""
    d = volume.dir("d")
    volume.file("x", d)
    fresh_handle, empty_handle = volume.fs.opendir(d), volume.fs.opendir(volume.dir("empty"))
    volume.fs.dir_list(empty_handle, 0)
    for handle in (fresh_handle, empty_handle):
        volume.fs.dir_insert(handle, 4711, b"ghost", Attr(type=FileType.FILE))
    assert named(volume.fs.dir_list(fresh_handle, 0)) == [*DOTS, b"x"]
    assert named(volume.fs.dir_list(empty_handle, 0)) == DOTS


@pytest.mark.parametrize("read", [0, 2, 3, 4])
@clause("handle/an-entry-not-yet-read-can-go", source="N19.5", needs="namespace", clients=2)
def test_delete(volume: Volume, read: int) -> None:
    """A deleted entry that the reader has not come to goes; the last entry takes its place."""
    told = Told(volume)
    told.fs.dir_read(told.handle, read)
    told.fs.dir_delete(told.handle, b"c")
    assert told.names() == [*DOTS, b"a", b"b", b"e", b"d"]


@pytest.mark.parametrize("read", [5, 6, 7])
@clause("handle/an-entry-already-read-keeps-its-place", source="N19.5", needs="namespace", clients=2)
def test_delete_behind_the_reader(volume: Volume, read: int) -> None:
    """A deleted entry that the reader has passed stays, so that no offset shifts."""
    told = Told(volume)
    told.fs.dir_read(told.handle, read)
    told.fs.dir_delete(told.handle, b"c")
    assert told.names() == [*DOTS, b"a", b"b", b"c", b"d", b"e"]


@clause("handle/the-last-entry-goes-by-itself", source="N19.5", needs="namespace", clients=2)
def test_delete_last(volume: Volume) -> None:
    """The last entry goes without another taking its place, and an unknown name changes nothing."""
    told = Told(volume)
    told.fs.dir_read(told.handle, 2)
    told.fs.dir_delete(told.handle, b"e")
    told.fs.dir_delete(told.handle, b"nobody")
    told.fs.dir_delete(told.handle, b"e")
    assert told.names() == [*DOTS, b"a", b"b", b"c", b"d"]


@clause("handle/an-inserted-entry-can-go-again", source="N19.5", needs="namespace", clients=2)
def test_insert_then_delete(volume: Volume) -> None:
    """Insertion and deletion of the same name, and deletion of a moved entry, leave the others in place."""
    told = Told(volume)
    told.fs.dir_read(told.handle, 2)
    told.fs.dir_insert(told.handle, 4711, b"f", Attr(type=FileType.FILE))
    told.fs.dir_delete(told.handle, b"f")
    told.fs.dir_delete(told.handle, b"b")
    told.fs.dir_delete(told.handle, b"e")
    assert told.names() == [*DOTS, b"a", b"d", b"c"]


@clause("handle/closing-drops-the-snapshot", source="N19.5", needs="namespace", clients=2)
def test_close(volume: Volume) -> None:
    """After a close the next page reads the directory anew, and the mark of the reader is gone."""
    told = Told(volume)
    told.fs.dir_read(told.handle, 7)
    volume.fs.unlink(told.d, b"c")
    assert b"c" in told.names()
    told.fs.dir_close(told.handle)
    assert told.names() == [*DOTS, b"a", b"b", b"d", b"e"]
    told.fs.dir_close(told.handle)
    told.names()
    told.fs.dir_read(told.handle, 2)
    told.fs.dir_delete(told.handle, b"a")
    assert told.names() == [*DOTS, b"e", b"b", b"d"]


@clause("handle/handles-are-apart", source="N19.3 N19.5", needs="namespace", clients=2)
def test_apart(volume: Volume) -> None:
    """What one handle is told does not show in another of the same directory."""
    told = Told(volume)
    other = told.fs.opendir(told.d)
    assert other != told.handle
    before = told.fs.dir_list(other, 0)
    told.fs.dir_read(told.handle, 2)
    told.fs.dir_delete(told.handle, b"a")
    told.fs.dir_insert(told.handle, 4711, b"f", Attr(type=FileType.FILE))
    assert told.fs.dir_list(other, 0) == before
    told.fs.dir_close(told.handle)
    assert told.fs.dir_list(other, 0) == before


@clause("handle/what-stays-is-listed-at-least-once", source="N19.6 N18.2", needs="namespace")
def test_lasting_entries(volume: Volume) -> None:
    """Whatever comes and goes between pages, every entry that exists throughout is listed."""
    fs, d = volume.fs, volume.dir("d")
    lasting = fill(volume, d, 2 * PAGE)
    leaving = [b"leaving-%d" % n for n in range(50)]
    for name in leaving:
        fs.mknod(d, name, FileType.FIFO, 0o644)
    handle = fs.opendir(d)
    seen: Counter[bytes] = Counter()
    offset = 0
    while page := fs.dir_list(handle, offset):
        seen.update(named(page))
        offset += len(page)
        fs.dir_read(handle, offset)
        for name in leaving[:10]:
            fs.unlink(d, name)
            fs.dir_delete(handle, name)
        del leaving[:10]
        if offset < PAGE + 10:
            node = fs.mknod(d, b"new-%d" % offset, FileType.FIFO, 0o644)
            assert node.attr is not None
            fs.dir_insert(handle, node.inode, b"new-%d" % offset, node.attr)
    assert lasting <= seen.keys()
