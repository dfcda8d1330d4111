"""What a quota refuses, in which order, and when a client knows of it (N30.1, N30.2, R12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.contents import put
from metaparity.conformance.scenes.quotas import BLOCK, DIR, GROUP, USER, limit, used
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Attr, Context, FileType, Quota, QuotaType, SetAttr, Slice
from metaparity.fixtures.volumes import Volume

OWNER = Context(7, (8,), check_permission=False)
"""Whose quotas are tried: user 7, group 8."""


@dataclass(frozen=True)
class Use:
    """A call below `/top` that takes space or inodes, made by and on what belongs to `OWNER`."""

    name: str
    call: Callable[[Engine, Scene], Any]


class Scene:
    """A directory `/top` with a file of 4096 bytes, another file and a directory outside."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.top = volume.dir("top", mode=0o777)
        self.out = volume.dir("out", mode=0o777)
        self.file = volume.file("file", self.top, uid=7, gid=8)
        self.other = volume.file("other", self.out, uid=7, gid=8)
        self.sub = volume.dir("sub", self.out, uid=7, gid=8)
        put(volume.fs, self.file, 0, BLOCK)
        self.slice = volume.fs.new_slice()

    def grow(self, fs: Engine) -> None:
        fs.write(self.file, 0, BLOCK, Slice(0, self.slice, 1, 0, 1), (1, 1))


MAKES = [
    Use("mknod", lambda fs, at: fs.mknod(at.top, b"n", FileType.FIFO, 0o644, ctx=OWNER)),
    Use("create", lambda fs, at: fs.create(at.top, b"n", 0o644, ctx=OWNER)),
    Use("mkdir", lambda fs, at: fs.mkdir(at.top, b"n", 0o755, ctx=OWNER)),
    Use("symlink", lambda fs, at: fs.symlink(at.top, b"n", b"target", ctx=OWNER)),
]
GROWS = [
    Use("write", lambda fs, at: at.grow(fs)),
    Use("truncate", lambda fs, at: fs.truncate(at.file, 0, BLOCK + 1)),
    Use("fallocate", lambda fs, at: fs.fallocate(at.file, off=0, size=BLOCK + 1)),
    Use("copy", lambda fs, at: fs.copy_file_range(at.file, 0, at.file, BLOCK, 1)),
]
LINK = Use("link", lambda fs, at: fs.link(at.other, at.top, b"n", ctx=OWNER))
MOVES = [
    Use("rename", lambda fs, at: fs.rename(at.out, b"other", at.top, b"n", ctx=OWNER)),
    Use("rename-directory", lambda fs, at: fs.rename(at.out, b"sub", at.top, b"n", ctx=OWNER)),
]


def uses(*chosen: list[Use]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "use", [pytest.param(use, id=use.name) for group in chosen for use in group]
    )


@uses(MAKES, GROWS, [LINK], MOVES)
@clause("quota/a-directory-refuses-space-it-has-not", source="N30.1 N30.2 N16.3 N17.1 R12", needs="quota.dir")
def test_directory_space(volume: Volume, use: Use) -> None:
    """What would take a directory beyond the space of its quota is refused with EDQUOT and changes nothing;
    what just fits is done."""
    at = Scene(volume)
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", space=2 * BLOCK - 1)
    with unchanged(volume):
        refuses(EDQUOT, use.call, volume.fs, at)
    limit(volume.fs, DIR, b"/top", space=2 * BLOCK)
    use.call(volume.fs, at)
    assert used(volume, DIR, at.top)[0] == 2 * BLOCK


@uses(MAKES, [LINK], MOVES)
@clause(
    "quota/a-directory-refuses-inodes-it-has-not", source="N30.1 N30.2 N16.3 N17.1 R12", needs="quota.dir"
)
def test_directory_inodes(volume: Volume, use: Use) -> None:
    """What would take a directory beyond the inodes of its quota is refused with EDQUOT; what just fits is
    done."""
    at = Scene(volume)
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", inodes=1)
    with unchanged(volume):
        refuses(EDQUOT, use.call, volume.fs, at)
    limit(volume.fs, DIR, b"/top", inodes=2)
    use.call(volume.fs, at)
    assert used(volume, DIR, at.top)[1] == 2


@uses(GROWS)
@clause("quota/growth-takes-no-inode", source="N30.2 R12", needs="quota.dir")
def test_growth(volume: Volume, use: Use) -> None:
    """A file may grow where no inode is left."""
    at = Scene(volume)
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", inodes=1)
    use.call(volume.fs, at)


OWNERS = [pytest.param(USER, 7, id="user"), pytest.param(GROUP, 8, id="group")]


@uses(MAKES, GROWS)
@pytest.mark.parametrize(("type", "id"), OWNERS)
@clause(
    "quota/an-owner-is-refused-space",
    source="N30.1 N30.2 N9.1 N10.2 N12.2 N21.2 N24.1 R12",
    needs="quota.user",
)
def test_owner_space(volume: Volume, type: QuotaType, id: int, use: Use) -> None:
    """What would take a user or a group beyond the space of its quota is refused with EDQUOT and changes
    nothing; what just fits is done."""
    at = Scene(volume)
    limit(volume.fs, type, id, space=4 * BLOCK - 1)
    with unchanged(volume):
        refuses(EDQUOT, use.call, volume.fs, at)
    limit(volume.fs, type, id, space=4 * BLOCK)
    use.call(volume.fs, at)
    assert used(volume, type, id)[0] == 4 * BLOCK


@uses(MAKES)
@pytest.mark.parametrize(("type", "id"), OWNERS)
@clause("quota/an-owner-is-refused-inodes", source="N30.1 N30.2 N12.2 R12", needs="quota.user")
def test_owner_inodes(volume: Volume, type: QuotaType, id: int, use: Use) -> None:
    """What would take a user or a group beyond the inodes of its quota is refused with EDQUOT; what just
    fits is done."""
    at = Scene(volume)
    limit(volume.fs, type, id, inodes=3)
    with unchanged(volume):
        refuses(EDQUOT, use.call, volume.fs, at)
    limit(volume.fs, type, id, inodes=4)
    use.call(volume.fs, at)
    assert used(volume, type, id)[1] == 4


@pytest.mark.parametrize(("type", "id"), OWNERS)
@clause("quota/a-link-needs-an-inode-of-the-owner", source="N17.1", needs="quota.user")
def test_link_owner(volume: Volume, type: QuotaType, id: int) -> None:
    """A new name is refused where the owner of the node has no inode left, though it takes none."""
    at = Scene(volume)
    limit(volume.fs, type, id, inodes=3)
    with unchanged(volume):
        refuses(EDQUOT, LINK.call, volume.fs, at)
    limit(volume.fs, type, id, inodes=4)
    LINK.call(volume.fs, at)
    assert used(volume, type, id)[1] == 3


@pytest.mark.parametrize("limited", [0, -1])
@uses(MAKES[:1], GROWS[:1])
@clause("quota/zero-and-less-limit-nothing", source="R12", needs="quota.user")
def test_no_limit(volume: Volume, limited: int, use: Use) -> None:
    """A limit of 0 or -1 is none, for a directory, a user and a group."""
    at = Scene(volume)
    for type, key in ((DIR, b"/top"), (USER, 7), (GROUP, 8)):
        limit(volume.fs, type, key, limited, limited)
    use.call(volume.fs, at)


@clause("quota/the-group-is-that-of-the-new-node", source="N12.2 N30.2 Q8", needs="quota.user")
def test_inherited_group(volume: Volume) -> None:
    """A new node is counted for, and refused by, the group that it gets, be it inherited from a setgid
    directory; no other group has a say."""
    shared = volume.dir("shared", mode=0o2777, gid=60)
    volume.dir("plain", mode=0o777)
    limit(volume.fs, GROUP, 60, inodes=1)
    refuses(EDQUOT, volume.fs.mknod, shared, b"x", FileType.FILE, 0o644, ctx=OWNER)
    volume.fs.mknod(volume.fs.lookup(1, b"plain").inode, b"x", FileType.FILE, 0o644, ctx=OWNER)
    assert used(volume, GROUP, 8) == (BLOCK, 1)


@clause("quota/group-zero-stops-nobody-else", source="Q8", needs="quota.user")
def test_group_zero(volume: Volume) -> None:
    """Where group 0 has nothing left, other groups may still make nodes."""
    volume.dir("open", mode=0o777)
    limit(volume.fs, GROUP, 0, inodes=1)
    refuses(EDQUOT, volume.fs.mknod, 1, b"x", FileType.FILE, 0o644)
    volume.fs.mknod(volume.fs.lookup(1, b"open").inode, b"x", FileType.FILE, 0o644, ctx=OWNER)


@clause("quota/every-directory-above-has-a-say", source="R10 R12 T34", needs="quota.dir")
def test_above(volume: Volume) -> None:
    """A quota holds for everything below its directory, however deep, and the tightest on the way decides."""
    top = volume.dir("top")
    middle = volume.dir("middle", top)
    low = volume.dir("low", middle)
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", inodes=4)
    limit(volume.fs, DIR, b"/top/middle/low", inodes=1)
    volume.file("one", low)
    refuses(EDQUOT, volume.fs.mknod, low, b"two", FileType.FILE, 0o644)
    volume.file("two", middle)
    refuses(EDQUOT, volume.fs.mknod, middle, b"three", FileType.FILE, 0o644)
    volume.file("outside")
    assert used(volume, DIR, top) == (4 * BLOCK, 4)
    assert used(volume, DIR, low) == (BLOCK, 1)


@clause("quota/users-come-before-the-volume-and-directories-after", source="R12 N30.2", needs="quota.user")
def test_order(volume: Volume) -> None:
    """A full user or group answers EDQUOT although the volume is full, too; a full volume answers ENOSPC
    although the directory is full."""
    volume.format(Capacity=6 * BLOCK)
    at = Scene(volume)
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", space=BLOCK)
    volume.raw.set("usedSpace", 6 * BLOCK)
    volume.fs.refresh()
    refuses(ENOSPC, at.grow, volume.fs)
    for type, id in ((USER, 7), (GROUP, 8)):
        limit(volume.fs, type, id, space=BLOCK)
        refuses(EDQUOT, at.grow, volume.fs)
        limit(volume.fs, type, id, space=0)


@clause("quota/the-group-of-a-new-node-comes-last", source="N12.1 N12.2", needs="quota.user")
def test_group_last(volume: Volume) -> None:
    """For a new node the full volume is named before the full group, which is known only once the directory
    is."""
    volume.format(Inodes=1)
    top = volume.dir("top", mode=0o777)
    limit(volume.fs, GROUP, 8, space=1)
    refuses(ENOSPC, volume.fs.mknod, top, b"x", FileType.FILE, 0o644, ctx=OWNER)


@clause("quota/comes-before-the-name", source="D3 N12.1 N17.1", needs="quota.dir")
def test_before_existence(volume: Volume) -> None:
    """A full directory answers EDQUOT for a name that is taken, and for one below no directory."""
    top = volume.dir("top")
    file = volume.file("x", top)
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", inodes=1)
    refuses(EDQUOT, volume.fs.mknod, top, b"x", FileType.FILE, 0o644)
    refuses(EDQUOT, volume.fs.link, file, top, b"x")
    refuses(EDQUOT, volume.fs.mknod, file, b"y", FileType.FILE, 0o644)


@clause("quota/what-shrinks-is-never-refused", source="R12", needs="quota.user")
def test_shrinking(volume: Volume) -> None:
    """Where everything is full a file may shrink, be overwritten, renamed in place and removed."""
    at = Scene(volume)
    volume.fs.settle()
    for type, key in ((DIR, b"/top"), (USER, 7), (GROUP, 8)):
        limit(volume.fs, type, key, 1, 1)
    volume.fs.write(at.file, 0, 0, Slice(0, at.slice, 1, 0, 1), (1, 1))
    volume.fs.truncate(at.file, 0, 1)
    volume.fs.rename(at.top, b"file", at.top, b"renamed")
    volume.fs.rename(at.top, b"renamed", at.out, b"renamed")
    volume.fs.unlink(at.out, b"renamed")


@clause("quota/a-chown-is-never-refused", source="N8.13 N30.2", needs="quota.user")
def test_chown(volume: Volume) -> None:
    """A node may be given to a user and a group that have nothing left."""
    inode = volume.file("x")
    limit(volume.fs, USER, 7, inodes=1)
    limit(volume.fs, GROUP, 8, inodes=1)
    volume.node("own", uid=7, gid=8)
    volume.fs.setattr(inode, SetAttr.UID | SetAttr.GID, Attr(uid=7, gid=8))
    assert used(volume, USER, 7) == used(volume, GROUP, 8) == (2 * BLOCK, 2)


@clause("quota/a-client-knows-its-own-use-at-once", source="R12 N42.2 D18", needs="quota.dir", clients=2)
def test_own_use(volume: Volume) -> None:
    """What a client has used counts for it before it is flushed; for another client after that and a
    refresh."""
    top = volume.dir("top")
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", inodes=2)
    late = volume.open()
    volume.file("one", top)
    volume.file("two", top)
    refuses(EDQUOT, volume.fs.mknod, top, b"three", FileType.FILE, 0o644)
    volume.fs.settle()
    late.refresh()
    refuses(EDQUOT, late.mknod, top, b"three", FileType.FILE, 0o644)
    late.unlink(top, b"one")
    late.mknod(top, b"three", FileType.FILE, 0o644)


@clause("quota/limits-reach-others-with-a-refresh", source="R12 S7.2.4", needs="quota.dir", clients=2)
def test_refresh(volume: Volume) -> None:
    """A client learns of a new quota, of other limits and of their end when it refreshes."""
    top = volume.dir("top")
    other = volume.open()
    volume.fs.settle()
    other.quota_set(DIR, b"/top", Quota(max_inodes=1))
    volume.fs.refresh()
    volume.file("one", top)
    refuses(EDQUOT, volume.fs.mknod, top, b"two", FileType.FILE, 0o644)
    other.quota_set(DIR, b"/top", Quota(max_inodes=2))
    volume.fs.refresh()
    volume.file("two", top)
    refuses(EDQUOT, volume.fs.mknod, top, b"three", FileType.FILE, 0o644)
    other.quota_delete(DIR, b"/top")
    volume.fs.refresh()
    volume.file("three", top)


@clause("quota/a-session-begins-with-the-limits", source="S7.2.1", needs="quota.dir", clients=2)
def test_session(volume: Volume) -> None:
    """A client knows the quotas when its session begins."""
    top = volume.dir("top")
    volume.file("one", top)
    volume.fs.settle()
    volume.fs.quota_set(DIR, b"/top", Quota(max_inodes=1))
    refuses(EDQUOT, volume.open().mknod, top, b"two", FileType.FILE, 0o644)


@clause(
    "quota/without-statistics-directories-limit-nothing", source="N30.1 R10", needs="quota.dir", clients=2
)
def test_statistics_off(volume: Volume) -> None:
    """A volume whose directory statistics are off again enforces no quota of a directory."""
    top = volume.dir("top")
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", inodes=1)
    maker = volume.open(record=False)
    maker.init(maker.load().replace(DirStats=False))
    volume.fs.refresh()
    volume.file("one", top)
    volume.file("two", top)


@clause("quota/the-trash-needs-no-quota", source="R7 N30.2", needs="trash")
def test_trash(volume: Volume) -> None:
    """What is removed goes to the trash although the superuser's group and the directory are full."""
    volume.format(TrashDays=1, UserGroupQuota=True)
    top = volume.dir("top")
    volume.file("x", top)
    volume.fs.settle()
    limit(volume.fs, GROUP, 0, inodes=1)
    limit(volume.fs, DIR, b"/", inodes=1)
    volume.fs.unlink(top, b"x")
    assert not volume.raw.hexists(f"d{top}", "x")


@clause("quota/a-moved-tree-needs-room-for-all-of-it", source="N16.3 T35", needs="quota.dir")
def test_tree(volume: Volume) -> None:
    """A directory moved below a quota is refused unless all that is in it fits; within one quota it is
    never refused."""
    tree = volume.dir("tree")
    low = volume.dir("low", tree)
    put(volume.fs, volume.file("file", low), 0, 5000)
    top = volume.dir("top")
    a, b = volume.dir("a", top), volume.dir("b", top)
    volume.fs.settle()
    for space, inodes, fits in ((5 * BLOCK, 5, False), (6 * BLOCK - 1, 9, False), (6 * BLOCK, 5, True)):
        limit(volume.fs, DIR, b"/top", space, inodes)
        if not fits:
            with unchanged(volume):
                refuses(EDQUOT, volume.fs.rename, 1, b"tree", a, b"tree")
    volume.fs.rename(1, b"tree", a, b"tree")
    assert used(volume, DIR, top) == (6 * BLOCK, 5)
    volume.fs.rename(a, b"tree", b, b"tree")
    volume.fs.rename(b, b"tree", 1, b"tree")
    assert used(volume, DIR, top) == (2 * BLOCK, 2)


@clause("quota/a-nested-quota-asks-those-above-again", source="N16.3 T35", needs="quota.dir")
def test_nested(volume: Volume) -> None:
    """A move into a nested quota is refused where the outer one has not room for it a second time."""
    top = volume.dir("top")
    tree, sub = volume.dir("tree", top), volume.dir("sub", top)
    volume.file("file", tree)
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", inodes=4)
    limit(volume.fs, DIR, b"/top/sub", inodes=100)
    with unchanged(volume):
        refuses(EDQUOT, volume.fs.rename, top, b"tree", sub, b"tree")
    limit(volume.fs, DIR, b"/top", inodes=5)
    volume.fs.rename(top, b"tree", sub, b"tree")
    assert used(volume, DIR, top) == (3 * BLOCK, 3)
    assert used(volume, DIR, sub) == (2 * BLOCK, 2)


@clause("quota/a-tree-with-its-own-quota-moves-as-counted", source="N16.3", needs="quota.dir")
def test_own_quota(volume: Volume) -> None:
    """A moved directory that has a quota of its own takes along what that has counted, pending use too."""
    top = volume.dir("top")
    tree = volume.dir("tree")
    volume.fs.settle()
    limit(volume.fs, DIR, b"/top", inodes=10)
    limit(volume.fs, DIR, b"/tree", inodes=10)
    volume.file("one", tree)
    volume.fs.settle()
    volume.file("two", tree)
    volume.fs.rename(1, b"tree", top, b"tree")
    assert used(volume, DIR, top) == (3 * BLOCK, 3)
    assert used(volume, DIR, tree) == (2 * BLOCK, 2)
