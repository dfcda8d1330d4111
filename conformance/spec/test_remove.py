"""Removing a tree: remove (N31)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from errno import EACCES, EINTR, ENOENT, EPERM, EROFS

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import check_empty, require_laws
from metaparity.conformance.scenes.actors import ALICE
from metaparity.conformance.scenes.precedence import Reason, precedence
from metaparity.conformance.scenes.records import lengthen
from metaparity.conformance.scenes.scenery import each_frozen, each_non_directory, flag, make
from metaparity.conformance.verbs import given_up_after, refuses, soon, unchanged
from metaparity.drivers.types import TRASH_INODE, Attr, AttrFlag, Context, FileType, RenameFlag, SetAttr
from metaparity.fixtures.volumes import Volume


def plant(volume: Volume, name: str = "top", parent: int = 1) -> int:
    """A tree of 3 directories and 9 other nodes, one of them with two names."""
    top = volume.dir(name, parent)
    left, _empty = volume.dir("left", top), volume.dir("empty", top)
    for directory in (top, left):
        for type in (FileType.FILE, FileType.SYMLINK, FileType.FIFO, FileType.SOCKET):
            make(volume, type, type.name, directory)
    linked = volume.file("linked", left)
    volume.fs.link(linked, top, b"linked")
    lengthen(volume, volume.fs.lookup(left, b"FILE").inode, 70_000_000)
    return top


MANY = 300
"""Entries of a directory that is not removed in a moment."""

NAMES_IN_PLANT = 13
"""Three directories, eight nodes with one name, one with two."""


@each_non_directory
@clause("remove/one-name-of-a-node-that-is-no-directory", source="N31.1", needs="namespace")
def test_no_directory(volume: Volume, type: FileType) -> None:
    """Anything but a directory is unlinked and counts as one."""
    make(volume, type, "x")
    assert volume.fs.remove(1, b"x") == 1
    volume.fs.settle()
    assert check_empty(volume) == []


@pytest.mark.parametrize("threads", [-1, 0, 1, 2, 255, 10_000])
@clause("remove/a-tree-goes-with-all-that-is-in-it", source="N31.1 N31.2 I23", needs="namespace")
def test_tree(volume: Volume, threads: int) -> None:
    """A directory goes with everything below it, every name counts as one, and nothing is left behind,
    however many threads may work."""
    plant(volume)
    assert volume.fs.remove(1, b"top", threads=threads) == NAMES_IN_PLANT
    volume.fs.settle()
    assert check_empty(volume) == []


@clause("remove/large-directories-are-emptied", source="N31.2", needs="namespace")
def test_large_directory(volume: Volume) -> None:
    """A directory with many files and many directories is emptied to the end."""
    fs = volume.fs
    top = volume.dir("top")
    for n in range(60):
        fs.mkdir(top, b"d%d" % n, 0o755)
    for n in range(600):
        fs.mknod(top, b"f%d" % n, FileType.FILE, 0o644)
    assert fs.remove(1, b"top") == 661
    fs.settle()
    assert check_empty(volume) == []


@clause("remove/a-deep-tree-goes", source="N31.2", needs="namespace")
def test_deep_tree(volume: Volume) -> None:
    """A chain of directories deeper than the number of workers is removed."""
    parent = 1
    for _ in range(60):
        parent = volume.fs.mkdir(parent, b"d", 0o755).inode
    assert volume.fs.remove(1, b"d", threads=2) == 60
    volume.fs.settle()
    assert check_empty(volume) == []


@clause("remove/names-elsewhere-stay", source="N31.2 N14.4", needs="namespace")
def test_names_elsewhere(volume: Volume) -> None:
    """A node with a name outside the tree keeps it; what lies beside the tree is untouched."""
    fs = volume.fs
    top = plant(volume)
    plant(volume, "beside")
    kept = fs.lookup(top, b"linked").inode
    fs.link(kept, 1, b"kept")
    assert fs.remove(1, b"top") == NAMES_IN_PLANT
    fs.settle()
    assert (fs.getattr(kept).nlink, fs.parents(kept)) == (1, {1: 1})
    assert fs.remove(1, b"beside") == NAMES_IN_PLANT
    fs.settle()
    require_laws(volume)


@pytest.mark.parametrize(
    ("settings", "errno"),
    precedence(
        Reason("unwritable", EACCES, mode=0o555),
        Reason("absent", ENOENT, name=b"absent"),
        Reason("read-only", EROFS, read_only=True),
    ),
)
@clause("remove/the-first-reason-to-refuse-is-named", source="N31.1", needs="namespace", clients=2)
def test_precedence(volume: Volume, settings: dict[str, object], errno: int) -> None:
    """An unwritable parent is named before an absent name, and that before a read-only client."""
    d = volume.dir("d")
    volume.file("x", d)
    volume.fs.setattr(d, SetAttr.MODE, Attr(mode=0o555 if "mode" in settings else 0o777))
    client = volume.open(read_only="read_only" in settings)
    with unchanged(volume):
        refuses(errno, client.remove, d, b"absent" if "name" in settings else b"x", ctx=ALICE)


@pytest.mark.parametrize("ctx", [Context(), ALICE], ids=["superuser", "alice"])
@clause("remove/a-missing-parent-is-not-found", source="N31.1", needs="namespace")
def test_missing_parent(volume: Volume, ctx: Context) -> None:
    """A parent that does not exist is ENOENT for anyone."""
    refuses(ENOENT, volume.fs.remove, 404, b"x", ctx=ctx)


@pytest.mark.parametrize("threads", [1, 8])
@clause("remove/an-unwritable-directory-keeps-its-entries", source="N31.2", needs="namespace")
def test_unwritable_below(volume: Volume, threads: int) -> None:
    """A directory below that the caller may not write stays with its entries: EACCES."""
    fs = volume.fs
    top = volume.dir("top", uid=ALICE.uid)
    foreign = volume.dir("foreign", top)
    inside = volume.file("inside", foreign)
    refuses(EACCES, fs.remove, 1, b"top", threads=threads, ctx=ALICE)
    assert fs.lookup(foreign, b"inside").inode == inside
    assert fs.lookup(top, b"foreign").inode == foreign


@clause("remove/an-empty-directory-needs-no-right-on-itself", source="N31.2", needs="namespace")
def test_empty_directory(volume: Volume) -> None:
    """An empty directory of another owner that grants nothing is removed by who may write its parent."""
    volume.dir("empty", volume.dir("d", uid=ALICE.uid), mode=0)
    assert volume.fs.remove(1, b"d", ctx=ALICE) == 2


@each_frozen
@clause("remove/a-frozen-node-below-stops-it", source="N31.2 N14.2", needs="namespace")
def test_frozen_below(volume: Volume, frozen: AttrFlag) -> None:
    """A frozen file below is refused with EPERM and stays, with the directories above it."""
    fs = volume.fs
    below = volume.dir("below", volume.dir("top"))
    inode = volume.file("x", below)
    flag(volume, inode, frozen)
    refuses(EPERM, fs.remove, 1, b"top")
    assert fs.paths(inode) == [b"/top/below/x"]


@clause("remove/cancelled-before-it-began-keeps-the-tree", source="N31.2 X2", needs="namespace")
def test_cancelled(volume: Volume) -> None:
    """A cancelled removal of a tree answers EINTR and leaves it as it was."""
    plant(volume)
    cancelled = threading.Event()
    cancelled.set()
    with unchanged(volume):
        refuses(EINTR, volume.fs.remove, 1, b"top", ctx=Context(cancelled=cancelled))


@clause("remove/a-directory-that-loses-its-name-is-not-found", source="N31.1", needs="namespace", clients=2)
def test_name_lost(volume: Volume) -> None:
    """While a directory is being removed another takes its name: both stay, the first empty, and ENOENT."""
    inode, other = volume.dir("d"), volume.dir("other")
    for number in range(MANY):
        volume.dir(f"d{number}", inode)
    volume.file("kept", other)
    mover = volume.open()
    with given_up_after(3) as ctx, ThreadPoolExecutor(1) as pool:
        removal = pool.submit(refuses, ENOENT, volume.fs.remove, 1, b"d", threads=1, ctx=ctx)
        assert soon(lambda: bool(volume.raw.hlen(b"d%d" % inode) < MANY))
        mover.rename(1, b"d", 1, b"other", RenameFlag.EXCHANGE)
        removal.result()
    assert volume.fs.lookup(1, b"other").inode == inode
    assert len(volume.fs.readdir(inode)) == 2
    assert volume.fs.lookup(1, b"d").inode == other
    assert [entry.name for entry in volume.fs.readdir(other)][2:] == [b"kept"]


@clause("remove/what-comes-meanwhile-goes-too-and-counts", source="N31.1 N31.2", needs="namespace", clients=2)
def test_filled(volume: Volume) -> None:
    """While another client makes files in the directory it is emptied again; each entry counts once, so does
    the directory."""
    inode = volume.dir("d")
    maker = volume.open()

    def fill() -> int:
        """Make files until there are many or their directory is gone; how many there were."""
        for made in range(MANY):
            try:
                maker.mknod(inode, b"f%d" % made, FileType.FILE, 0o644)
            except FileNotFoundError:
                return made
        return MANY

    with given_up_after(10) as ctx, ThreadPoolExecutor(1) as pool:
        filling = pool.submit(fill)
        assert soon(lambda: len(volume.fs.readdir(inode)) > 10)
        removed = volume.fs.remove(1, b"d", ctx=ctx)
    assert removed == filling.result() + 1


@clause("remove/the-session-root-stands-for-inode-one", source="N31.1 R1", needs="namespace")
def test_session_root(volume: Volume) -> None:
    """Under another session root, parent 1 means that root."""
    home = volume.dir("home")
    plant(volume, "x", home)
    beside = plant(volume, "x")
    volume.fs.chroot(b"home")
    assert volume.fs.remove(1, b"x") == NAMES_IN_PLANT
    assert volume.fs.lookup(0, b"x").inode == beside
    refuses(ENOENT, volume.fs.lookup, home, b"x")


@clause("remove/with-the-trash-on-every-node-is-an-entry-of-it", source="N31.3", needs="trash")
def test_to_trash(volume: Volume) -> None:
    """With the trash on each node of the tree becomes an entry of the hour's directory, unless skipped."""
    volume.format(TrashDays=1)
    fs = volume.fs
    plant(volume)
    fs.remove(1, b"top")
    assert len(fs.readdir(TRASH_INODE + 1)) == 2 + NAMES_IN_PLANT
    top = plant(volume)
    fs.remove(1, b"top", skip_trash=True)
    refuses(ENOENT, fs.getattr, top)
    assert len(fs.readdir(TRASH_INODE + 1)) == 2 + NAMES_IN_PLANT


@clause("remove/the-trash-is-emptied-and-kept", source="N31.5", needs="trash")
def test_empty_trash(volume: Volume) -> None:
    """Removing `.trash` empties the directories of the hours and keeps them (T20)."""
    volume.format(TrashDays=1)
    fs = volume.fs
    plant(volume)
    fs.remove(1, b"top")
    fs.remove(1, b".trash")
    fs.settle()
    assert [entry.name for entry in fs.readdir(TRASH_INODE + 1)] == [b".", b".."]
    assert volume.raw.mget("usedSpace", "totalInodes") == [b"4096", b"1"]
