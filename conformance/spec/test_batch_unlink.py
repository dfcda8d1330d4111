"""Removing many names of one directory: batch_unlink (N14)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, ENOENT, ENOTDIR, EPERM, EROFS
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.actors import ALICE, BOB
from metaparity.conformance.scenes.precedence import Reason, precedence
from metaparity.conformance.scenes.records import lengthen
from metaparity.conformance.scenes.scenery import NON_DIRECTORIES, each_non_directory, flag, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Attr, AttrFlag, Context, DirStat, Entry, FileType, SetAttr
from metaparity.fixtures.volumes import Volume

BATCH = 250


def files(volume: Volume, parent: int, count: int) -> list[Entry]:
    """So many empty files in a directory, as entries."""
    return [
        Entry(b"f%03d" % n, volume.fs.mknod(parent, b"f%03d" % n, FileType.FILE, 0o644).inode, FileType.FILE)
        for n in range(count)
    ]


def names(fs: Engine, directory: int) -> set[bytes]:
    """The names in a directory."""
    return {entry.name for entry in fs.readdir(directory)} - {b".", b".."}


@pytest.mark.parametrize(
    ("settings", "errno"),
    precedence(
        Reason("read-only", EROFS, read_only=True),
        Reason("no-parent", ENOENT, parent=404),
        Reason("file-parent", ENOTDIR, parent=None, parent_type=FileType.FILE),
        Reason("unwritable", EACCES, parent=None, mode=0o555),
        Reason("frozen-parent", EPERM, parent=None, frozen_parent=True),
        Reason("sticky", EACCES, parent=None, parent_type=FileType.DIRECTORY, mode=0o1777),
        Reason("frozen", EPERM, parent=None, parent_type=FileType.DIRECTORY, frozen=True),
    ),
)
@clause(
    "batch-unlink/the-first-reason-to-refuse-is-named", source="N14.1 N14.2", needs="namespace", clients=2
)
def test_precedence(volume: Volume, settings: dict[str, Any], errno: int) -> None:
    """When several reasons to refuse a batch hold, the errno is that of the first in the rule's order."""

    def arrange(
        parent: int | None = None,
        parent_type: FileType = FileType.DIRECTORY,
        mode: int = 0o777,
        read_only: bool = False,
        frozen: bool = False,
        frozen_parent: bool = False,
    ) -> Callable[[], int]:
        d = make(volume, parent_type, "d")
        entries = [Entry(b"x", 0, FileType.FILE)]
        if parent_type is FileType.DIRECTORY:
            entries = [
                Entry(name, volume.file(name, d, uid=ALICE.uid), FileType.FILE) for name in (b"x", b"y")
            ]
        if frozen:
            flag(volume, entries[1].inode, AttrFlag.IMMUTABLE)
        volume.fs.setattr(d, SetAttr.MODE, Attr(mode=mode))
        if frozen_parent:
            flag(volume, d, AttrFlag.APPEND)
        client = volume.open(read_only=read_only)
        return lambda: client.batch_unlink(d if parent is None else parent, entries, ctx=BOB)

    refuses(errno, arrange(**settings))


@clause("batch-unlink/an-empty-batch-does-nothing", source="N14.1", needs="namespace", clients=2)
def test_empty_batch(volume: Volume) -> None:
    """No entries, no refusal: the answer is 0 even for a missing directory or a read-only client."""
    volume.file("x")
    reader = volume.open(read_only=True)
    with unchanged(volume):
        assert volume.fs.batch_unlink(404, []) == 0
        assert reader.batch_unlink(1, []) == 0


@clause("batch-unlink/removes-every-type", source="N14.4 N13.7 N13.8", needs="namespace")
def test_every_type(volume: Volume) -> None:
    """One batch removes nodes of every type but directories, and nothing of them is left."""
    fs = volume.fs
    d = volume.dir("d")
    entries = [Entry(type.name.encode(), make(volume, type, type.name, d), type) for type in NON_DIRECTORIES]
    for entry in entries:
        volume.raw.hset(b"x%d" % entry.inode, "user.a", "1")
    assert fs.batch_unlink(d, entries) == len(entries)
    fs.settle()
    assert names(fs, d) == set()
    assert not volume.raw.exists(*(f"{head}{entry.inode}" for head in "isx" for entry in entries))
    require_laws(volume)


@clause("batch-unlink/several-names-of-one-node-go-together", source="N14.4", needs="namespace")
def test_names_of_one_node(volume: Volume) -> None:
    """Names of one node in a batch each take a link; the last takes the node."""
    fs = volume.fs
    d = volume.dir("d")
    kept, gone = volume.file("kept", d), volume.file("gone", d)
    for n in range(2):
        fs.link(kept, d, b"kept%d" % n)
        fs.link(gone, d, b"gone%d" % n)
    batch = [Entry(name, gone, 0) for name in (b"gone", b"gone0", b"gone1")]
    batch += [Entry(name, kept, 0) for name in (b"kept", b"kept0")]
    with window() as w:
        assert fs.batch_unlink(d, batch) == 5
    fs.settle()
    refuses(ENOENT, fs.getattr, gone)
    attr = fs.getattr(kept)
    assert (attr.nlink, fs.parents(kept), names(fs, d)) == (1, {d: 1}, {b"kept1"})
    assert w.covers(attr.ctime)


@clause("batch-unlink/an-open-file-outlives-its-names", source="N14.4 N13.6", needs="open")
def test_open_file(volume: Volume) -> None:
    """A file open in this client is kept until it is closed, also when a batch takes all its names."""
    fs = volume.fs
    inode = volume.file("x")
    fs.link(inode, 1, b"y")
    fs.open_file(inode)
    before = fs.getattr(inode)
    fs.batch_unlink(1, [Entry(b"x", inode, 0), Entry(b"y", inode, 0)])
    alike(fs.getattr(inode), before, but=("nlink", "ctime"))
    assert fs.getattr(inode).nlink == 0
    fs.close_file(inode)
    refuses(ENOENT, fs.getattr, inode)


def mismatches(volume: Volume, d: int) -> dict[str, Entry]:
    x, other, sub = volume.file("x", d), volume.file("other", d), volume.dir("sub", d)
    return {
        "absent": Entry(b"none", x, FileType.FILE),
        "another-inode": Entry(b"x", other, FileType.FILE),
        "a-directory": Entry(b"sub", sub, FileType.DIRECTORY),
        "a-directory-of-no-type": Entry(b"sub", sub, 0),
        "another-type": Entry(b"x", x, FileType.FIFO),
    }


@pytest.mark.parametrize(
    "mismatch", ["absent", "another-inode", "a-directory", "a-directory-of-no-type", "another-type"]
)
@clause("batch-unlink/entries-that-do-not-match-are-skipped-and-counted", source="N14.3", needs="namespace")
def test_mismatches(volume: Volume, mismatch: str) -> None:
    """An entry that is absent, leads elsewhere, is a directory or has another type stays, and counts; the
    directory is stamped."""
    fs = volume.fs
    d = volume.dir("d")
    entry = mismatches(volume, d)[mismatch]
    before = volume.keyspace()
    with window() as call:
        assert fs.batch_unlink(d, [entry]) == 1
    after = volume.keyspace()
    assert {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)} == {b"i%d" % d}
    assert call.covers(fs.getattr(d).mtime)
    good = Entry(b"good", volume.file("good", d), 0)
    assert fs.batch_unlink(d, [entry, good]) == 2
    assert names(fs, d) == {b"x", b"other", b"sub"}


@pytest.mark.parametrize("count", [BATCH, BATCH + 1, 2 * BATCH + 3])
@clause("batch-unlink/any-number-of-names", source="N14.1", needs="namespace")
def test_many(volume: Volume, count: int) -> None:
    """A list longer than one transaction is removed to the end."""
    fs = volume.fs
    d = volume.dir("d")
    entries = files(volume, d, count)
    kept = volume.file("kept", d)
    assert fs.batch_unlink(d, entries) == count
    fs.settle()
    assert [entry.inode for entry in fs.readdir(d) if entry.name == b"kept"] == [kept]
    assert names(fs, d) == {b"kept"}


@pytest.mark.parametrize("position", [0, BATCH - 1, BATCH, BATCH + 9])
@clause("batch-unlink/a-refusal-keeps-its-batch-and-what-follows", source="N14.1 N14.2", needs="namespace")
def test_refused_batch(volume: Volume, position: int) -> None:
    """A frozen node refuses all 250 entries of its transaction; earlier transactions stay done."""
    fs = volume.fs
    d = volume.dir("d")
    entries = files(volume, d, BATCH + 10)
    flag(volume, entries[position].inode, AttrFlag.IMMUTABLE)
    refuses(EPERM, fs.batch_unlink, d, entries)
    assert len(names(fs, d)) == (BATCH + 10 if position < BATCH else 10)


@clause("batch-unlink/statistics-follow", source="N14.5 N14.4", needs="dirstat")
def test_statistics(volume: Volume) -> None:
    """The directory's statistics lose what the removed entries had, each name of a linked file."""
    fs = volume.fs
    d = volume.dir("d")
    inode = volume.file("a", d)
    lengthen(volume, inode, 5000)
    for name in (b"b", b"c"):
        fs.link(inode, d, name)
    volume.symlink("s", "target", d)
    fs.settle()
    assert fs.dirstat_get(d) == DirStat(15000, 3 * 8192 + 4096, 4)
    fs.batch_unlink(d, [Entry(b"a", inode, 0), Entry(b"b", inode, 0)])
    fs.settle()
    assert fs.dirstat_get(d) == DirStat(5000, 8192 + 4096, 2)


@clause("batch-unlink/a-refused-batch-leaves-statistics-alone", source="N14.5", needs="dirstat")
def test_statistics_of_a_refused_batch(volume: Volume) -> None:
    """A batch that is refused changes no statistics."""
    fs = volume.fs
    d = volume.dir("d")
    entries = files(volume, d, 3)
    flag(volume, entries[2].inode, AttrFlag.APPEND)
    fs.settle()
    refuses(EPERM, fs.batch_unlink, d, entries)
    fs.settle()
    assert fs.dirstat_get(d) == DirStat(0, 3 * 4096, 3)


@each_non_directory
@clause("batch-unlink/entries-without-record-go-uncounted", source="N14.4", needs="namespace")
def test_entry_without_record(volume: Volume, type: FileType) -> None:
    """An entry whose record is missing leaves the directory, and no counter changes."""
    fs = volume.fs
    d = volume.dir("d")
    inode = make(volume, type, "x", d)
    fs.settle()
    volume.raw.delete(b"i%d" % inode)
    counters = ("usedSpace", "totalInodes")
    before = volume.raw.mget(counters)
    assert fs.batch_unlink(d, [Entry(b"x", inode, type)]) == 1
    assert volume.raw.mget(counters) == before
    assert names(fs, d) == set()


@clause("batch-unlink/inode-one-is-the-real-root", source="N14.1", needs="namespace")
def test_session_root(volume: Volume) -> None:
    """Under another session root, parent 1 still means the root of the volume."""
    home = volume.dir("home")
    inner, outer = volume.file("x", home), volume.file("x")
    volume.fs.chroot(b"home")
    assert volume.fs.batch_unlink(1, [Entry(b"x", inner, 0), Entry(b"x", outer, 0)]) == 2
    assert volume.fs.lookup(home, b"x").inode == inner
    refuses(ENOENT, volume.fs.lookup, 0, b"x")


@pytest.mark.parametrize("uid", [0, ALICE.uid, BOB.uid])
@clause("batch-unlink/one-protected-node-refuses-the-batch", source="N14.2 R5", needs="namespace")
def test_sticky(volume: Volume, uid: int) -> None:
    """In a sticky directory one node of another owner refuses the whole batch with EACCES."""
    d = volume.dir("d", mode=0o1777)
    mine, foreign = volume.file("mine", d, uid=BOB.uid), volume.file("foreign", d, uid=ALICE.uid)
    entries = [Entry(b"mine", mine, 0), Entry(b"foreign", foreign, 0)]
    ctx = Context(uid, (uid,))
    if uid:
        with unchanged(volume):
            refuses(EACCES, volume.fs.batch_unlink, d, entries, ctx=ctx)
    else:
        assert volume.fs.batch_unlink(d, entries, ctx=ctx) == 2
