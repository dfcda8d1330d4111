"""Volume counters and directory statistics in the stored keys, and the laws they obey (§8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EIO, ENOSYS, ENOTSUP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import check_empty, require_laws
from metaparity.conformance.scenes.records import aligned, lengthen
from metaparity.conformance.scenes.scenery import NON_DIRECTORIES, each_non_directory, each_type, fresh, make
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Entry, FileType, RenameFlag
from metaparity.fixtures.volumes import Volume

EXCHANGE, NOREPLACE = RenameFlag.EXCHANGE, RenameFlag.NOREPLACE
BLOCK = 4096
LENGTH = 5000


@contextmanager
def settled(volume: Volume) -> Iterator[None]:
    """What runs inside leaves a volume whose clients hold nothing back, and every law kept."""
    yield
    volume.fs.settle()
    require_laws(volume)


def usage(volume: Volume) -> tuple[int, int]:
    """The stored bytes and inodes of the volume."""
    space, inodes = volume.raw.mget("usedSpace", "totalInodes")
    return int(space or 0), int(inodes or 0)


def stored_stat(volume: Volume, directory: int) -> tuple[int, ...]:
    """The stored length, space and inodes of a directory's statistics."""
    hashes = ("dirDataLength", "dirUsedSpace", "dirUsedInodes")
    return tuple(int(volume.raw.hget(name, directory)) for name in hashes)


@clause("counters/are-absent-until-something-is-made", source="K2 N1.2 I12", needs="namespace")
def test_absent(volume: Volume) -> None:
    """A new volume has no counters; the root and the trash root are never counted."""
    volume.format(TrashDays=1)
    volume.fs.settle()
    assert not volume.raw.exists("usedSpace", "totalInodes", "nextinode", "nextTrash")
    volume.file("x")
    assert usage(volume) == (BLOCK, 1)


@each_type
@clause(
    "counters/a-node-of-any-type-takes-one-block", source="N12.6 N13.7 N13.8 N15.4 I12", needs="namespace"
)
def test_one_node(volume: Volume, type: FileType) -> None:
    """A new node of any type adds 4096 bytes and one inode, and its removal takes them back."""
    volume.file("other")
    make(volume, type, "x")
    assert usage(volume) == (2 * BLOCK, 2)
    remove = volume.fs.rmdir if type is FileType.DIRECTORY else volume.fs.unlink
    remove(1, b"x")
    assert usage(volume) == (BLOCK, 1)


class Scene:
    """Directories `s` and `t` below `top`, with what the table needs; `x` has 5000 bytes."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.top = volume.dir("top")
        self.s, self.t = volume.dir("s", self.top), volume.dir("t", self.top)
        self.x, self.y = volume.file("x", self.s), volume.file("y", self.t)
        lengthen(volume, self.x, LENGTH)
        self.link = volume.symlink("link", "a target", self.s)
        self.d, self.e = volume.dir("d", self.s), volume.dir("e", self.t)
        self.h = volume.file("h", self.s)
        volume.fs.link(self.h, self.t, b"h")


@dataclass(frozen=True)
class Account:
    """One row: a call, and by how much it changes the volume's (space, inodes) and the statistics
    (length, space, inodes) of `s` and `t`."""

    name: str
    call: Callable[[Engine, Scene], Any]
    volume: tuple[int, int] = (0, 0)
    s: tuple[int, int, int] = (0, 0, 0)
    t: tuple[int, int, int] = (0, 0, 0)


BIG = aligned(LENGTH)

ACCOUNTS = [
    Account("mknod", lambda fs, at: fs.mknod(at.s, b"n", FileType.FIFO, 0), (BLOCK, 1), (0, BLOCK, 1)),
    Account("create", lambda fs, at: fs.create(at.s, b"n", 0o644), (BLOCK, 1), (0, BLOCK, 1)),
    Account("mkdir", lambda fs, at: fs.mkdir(at.s, b"n", 0o755), (BLOCK, 1), (0, BLOCK, 1)),
    Account("symlink", lambda fs, at: fs.symlink(at.s, b"n", b"target"), (BLOCK, 1), (0, BLOCK, 1)),
    Account("create-existing", lambda fs, at: fs.create(at.s, b"x", 0o644)),
    Account("link-file", lambda fs, at: fs.link(at.x, at.t, b"n"), t=(LENGTH, BIG, 1)),
    Account("link-symlink", lambda fs, at: fs.link(at.link, at.t, b"n"), t=(0, BLOCK, 1)),
    Account("unlink-file", lambda fs, at: fs.unlink(at.s, b"x"), (-BIG, -1), (-LENGTH, -BIG, -1)),
    Account("unlink-symlink", lambda fs, at: fs.unlink(at.s, b"link"), (-BLOCK, -1), (0, -BLOCK, -1)),
    Account("unlink-one-of-two", lambda fs, at: fs.unlink(at.s, b"h"), s=(0, -BLOCK, -1)),
    Account(
        "unlink-open",
        lambda fs, at: (fs.open_file(at.x), fs.unlink(at.s, b"x")),
        s=(-LENGTH, -BIG, -1),
    ),
    Account(
        "close-unlinked",
        lambda fs, at: (fs.open_file(at.x), fs.unlink(at.s, b"x"), fs.close_file(at.x)),
        (-BIG, -1),
        (-LENGTH, -BIG, -1),
    ),
    Account(
        "batch-unlink",
        lambda fs, at: fs.batch_unlink(at.s, [Entry(b"x", at.x, 0), Entry(b"link", at.link, 0)]),
        (-BIG - BLOCK, -2),
        (-LENGTH, -BIG - BLOCK, -2),
    ),
    Account("rmdir", lambda fs, at: fs.rmdir(at.s, b"d"), (-BLOCK, -1), (0, -BLOCK, -1)),
    Account("rename-in-place", lambda fs, at: fs.rename(at.s, b"x", at.s, b"n")),
    Account(
        "rename-across",
        lambda fs, at: fs.rename(at.s, b"x", at.t, b"n"),
        s=(-LENGTH, -BIG, -1),
        t=(LENGTH, BIG, 1),
    ),
    Account(
        "rename-directory-across",
        lambda fs, at: fs.rename(at.s, b"d", at.t, b"n"),
        s=(0, -BLOCK, -1),
        t=(0, BLOCK, 1),
    ),
    Account(
        "rename-over-file",
        lambda fs, at: fs.rename(at.t, b"y", at.s, b"x"),
        (-BIG, -1),
        (-LENGTH, BLOCK - BIG, 0),
        (0, -BLOCK, -1),
    ),
    Account(
        "rename-over-directory",
        lambda fs, at: fs.rename(at.s, b"d", at.t, b"e"),
        (-BLOCK, -1),
        (0, -BLOCK, -1),
    ),
    Account(
        "rename-over-one-of-two",
        lambda fs, at: fs.rename(at.s, b"x", at.t, b"h"),
        s=(-LENGTH, -BIG, -1),
        t=(LENGTH, BIG - BLOCK, 0),
    ),
    Account("rename-to-another-name-of-it", lambda fs, at: fs.rename(at.s, b"h", at.t, b"h")),
    Account("exchange-in-place", lambda fs, at: fs.rename(at.s, b"x", at.s, b"d", EXCHANGE)),
    Account(
        "exchange-across",
        lambda fs, at: fs.rename(at.s, b"x", at.t, b"e", EXCHANGE),
        s=(-LENGTH, BLOCK - BIG, 0),
        t=(LENGTH, BIG - BLOCK, 0),
    ),
    Account(
        "remove",
        lambda fs, at: fs.remove(at.top, b"s"),
        (-BIG - 3 * BLOCK, -4),
    ),
]


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
@clause(
    "counters/volume-and-directories-follow-the-table",
    source="N12.6 N13.6 N13.7 N13.9 N14.5 N15.5 N16.12 N17.3 N27.3 R9 Q1 Q12",
    needs="dirstat",
)
def test_account(volume: Volume, account: Account) -> None:
    """Each call changes the volume's counters and the statistics of its directories by what its row says."""
    scene = Scene(volume)
    with settled(volume):
        pass
    before = usage(volume), stored_stat(volume, scene.s), stored_stat(volume, scene.t)
    with settled(volume):
        account.call(volume.fs, scene)
    assert _difference(usage(volume), before[0]) == account.volume
    if account.name != "remove":
        assert _difference(stored_stat(volume, scene.s), before[1]) == account.s
    assert _difference(stored_stat(volume, scene.t), before[2]) == account.t


def _difference(after: tuple[int, ...], before: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(new - old for new, old in zip(after, before, strict=True))


@clause("dirstat/unknown-statistics-are-counted-not-added-to", source="N27.3 I13", needs="dirstat")
def test_recount(volume: Volume) -> None:
    """A flush counts a directory anew whose statistics are not stored, such as the root of a new volume."""
    volume.file("a")
    lengthen(volume, volume.file("b"), LENGTH)
    volume.fs.settle()
    assert stored_stat(volume, 1) == (LENGTH, BLOCK + BIG, 2)
    d = volume.dir("d")
    volume.file("x", d)
    volume.fs.settle()
    volume.raw.hdel("dirUsedSpace", d)
    volume.file("y", d)
    volume.fs.settle()
    assert stored_stat(volume, d) == (0, 2 * BLOCK, 2)


@clause("dirstat/nothing-is-flushed-when-they-are-off", source="R9 N27.3", needs="namespace")
def test_statistics_off(volume: Volume) -> None:
    """Without DirStats the fields of a directory stay at the zero that it was made with."""
    volume.format(DirStats=False)
    d = volume.dir("d")
    volume.file("x", d)
    volume.fs.settle()
    assert stored_stat(volume, d) == (0, 0, 0)
    assert not volume.raw.hexists("dirUsedInodes", 1)


@clause("dirstat/two-clients-add-up", source="N27.3 R9 S3.7", needs="dirstat", clients=2)
def test_two_clients(volume: Volume) -> None:
    """What two clients did in one directory adds up, whichever settles first."""
    other = volume.open()
    d = volume.dir("d")
    for n in range(3):
        volume.fs.mknod(d, b"a%d" % n, FileType.FILE, 0o644)
        other.mknod(d, b"b%d" % n, FileType.FILE, 0o644)
    other.unlink(d, b"a0")
    other.settle()
    volume.fs.settle()
    assert stored_stat(volume, d) == (0, 5 * BLOCK, 5)


@each_non_directory
@clause("counters/a-node-is-counted-once-whatever-its-names", source="I12 I5 N17.3", needs="namespace")
def test_names(volume: Volume, type: FileType) -> None:
    """Further names of a node cost nothing, and it is given back with the last of them."""
    fs = volume.fs
    inode = make(volume, type, "x")
    for n in range(3):
        fs.link(inode, 1, b"l%d" % n)
        assert usage(volume) == (BLOCK, 1)
    for name in (b"x", b"l0", b"l1"):
        fs.unlink(1, name)
        assert usage(volume) == (BLOCK, 1)
    fs.unlink(1, b"l2")
    assert usage(volume) == (0, 0)


names = st.sampled_from([b"a", b"b", b"c"])
places = st.integers(0, 3)
STEPS = {
    "mknod": lambda fs, at, name, to, other, type: fs.mknod(
        at, name, type, 0o777 if type is FileType.SYMLINK else 0o644, target=b"target"
    ),
    "mkdir": lambda fs, at, name, to, other, type: fs.mkdir(at, name, 0o755),
    "create-and-close": lambda fs, at, name, to, other, type: fs.close_file(fs.create(at, name, 0o644).inode),
    "create": lambda fs, at, name, to, other, type: fs.create(at, name, 0o644),
    "symlink": lambda fs, at, name, to, other, type: fs.symlink(at, name, b"target"),
    "link": lambda fs, at, name, to, other, type: fs.link(fs.lookup(at, name).inode, to, other),
    "unlink": lambda fs, at, name, to, other, type: fs.unlink(at, name),
    "batch-unlink": lambda fs, at, name, to, other, type: fs.batch_unlink(
        at, [Entry(one, fs.lookup(at, one).inode, 0) for one in (name, other)]
    ),
    "rmdir": lambda fs, at, name, to, other, type: fs.rmdir(at, name),
    "rename": lambda fs, at, name, to, other, type: fs.rename(at, name, to, other),
    "noreplace": lambda fs, at, name, to, other, type: fs.rename(at, name, to, other, NOREPLACE),
    "exchange": lambda fs, at, name, to, other, type: fs.rename(at, name, to, other, EXCHANGE),
    "remove": lambda fs, at, name, to, other, type: fs.remove(at, name),
}
step = st.tuples(
    st.sampled_from(sorted(STEPS)), places, names, places, names, st.sampled_from(NON_DIRECTORIES)
)


@given(steps=st.lists(step, min_size=1, max_size=25))
@clause(
    "laws/hold-after-any-workload",
    source="I1 I2 I3 I4 I5 I6 I7 I8 I9 I12 I13 I16 I21 I23",
    needs="namespace",
)
def test_workload(volume: Volume, steps: list[tuple[Any, ...]]) -> None:
    """After any sequence of calls, refused or not, the laws of the key-space hold; and when all is removed
    nothing is left."""
    fs = volume.fs
    top = fresh(volume)
    root = fs.mkdir(1, top, 0o755).inode
    dirs = [root, *(fs.mkdir(root, name, 0o755).inode for name in (b"a", b"b"))]
    dirs.append(fs.mkdir(dirs[1], b"c", 0o755).inode)
    opened: list[int] = []
    for name, at, *rest in steps:
        try:
            made = STEPS[name](fs, dirs[at], rest[0], dirs[rest[1]], rest[2], rest[3])
        except OSError as refused:
            if refused.errno is None or refused.errno in UNEXPECTED:
                raise
        else:
            opened += [made.inode] if name == "create" else []
    fs.settle()
    require_laws(volume)
    fs.remove(1, top)
    for inode in opened:
        fs.close_file(inode)
    fs.settle()
    assert check_empty(volume) == []


UNEXPECTED = (EIO, ENOSYS, ENOTSUP)
"""What no rule of the namespace answers."""
