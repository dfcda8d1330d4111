"""Quotas as records: set, read, deleted, listed, checked and counted anew (N30, S2.8)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EDQUOT, EROFS
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.contents import put
from metaparity.conformance.scenes.quotas import BLOCK, DIR, GROUP, HASHES, LIMITS, USER, limit, stored, used
from metaparity.conformance.scenes.scenery import make
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import Context, FileType, Quota, QuotaType
from metaparity.fixtures.volumes import Volume

OWNERS = [pytest.param(USER, id="user"), pytest.param(GROUP, id="group")]
each_owner = pytest.mark.parametrize("type", OWNERS)


def refused(call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """The call is refused for a reason that has no errno."""
    with pytest.raises(Refused):
        call(*args, **kwargs)


@clause("quota/of-a-directory-begins-with-what-is-below", source="N30.3 N30.5 S2.8 S1.7", needs="quota.dir")
def test_set(volume: Volume) -> None:
    """A new quota of a directory has its limits, and the space and number of all names below: a hard link
    counts for each, the directory itself not at all."""
    top = volume.dir("top")
    sub, file = volume.dir("sub", top), volume.file("file", top)
    put(volume.fs, file, 0, 5000)
    volume.fs.link(file, sub, b"again")
    volume.fs.settle()
    wanted = Quota(1 << 20, 10, 2 * 2 * BLOCK + BLOCK, 3)
    assert volume.fs.quota_set(DIR, b"/top", Quota(1 << 20, 10), strict=True) == {"/top": wanted}
    assert stored(volume, DIR, top) == wanted
    assert volume.raw.hget("dirQuota", top) == LIMITS.pack(1 << 20, 10)


@pytest.mark.parametrize("strict", [False, True])
@clause("quota/of-a-directory-counts-fast-or-strictly", source="N30.5 N32.2", needs="quota.dir")
def test_strict(volume: Volume, strict: bool) -> None:
    """What is below is summed up from directory statistics or, strictly, node by node."""
    top = volume.dir("top")
    volume.file("file", top)
    volume.fs.settle()
    volume.raw.hset("dirUsedSpace", top, 10 * BLOCK)
    volume.fs.quota_set(DIR, b"/top", Quota(), strict=strict)
    assert used(volume, DIR, top) == (BLOCK if strict else 10 * BLOCK, 1)


@pytest.mark.parametrize("type", [DIR, USER, GROUP], ids=["dir", "user", "group"])
@clause("quota/a-negative-limit-keeps-the-old-one", source="N30.5", needs="quota.user")
def test_keep(volume: Volume, type: QuotaType) -> None:
    """Setting a quota again replaces each limit that is not negative and keeps the other and the usage."""
    top = volume.dir("top")
    key: bytes | int = b"/top" if type is DIR else 7
    id = top if type is DIR else 7
    limit(volume.fs, type, key, 100 * BLOCK, 20)
    volume.node("x", parent=top, uid=7, gid=7)
    before = used(volume, type, id)
    assert before == (BLOCK, 1)
    for quota, wanted in (
        (Quota(-1, 30), (100 * BLOCK, 30)),
        (Quota(50 * BLOCK, -1), (50 * BLOCK, 30)),
        (Quota(-5, -7), (50 * BLOCK, 30)),
        (Quota(0, 0), (0, 0)),
    ):
        volume.fs.quota_set(type, key, quota)
        assert stored(volume, type, id) == Quota(*wanted, *before)


@pytest.mark.parametrize(
    ("path", "create"),
    [
        pytest.param(b"/none", False, id="missing"),
        pytest.param(b"/top/none", False, id="missing-below"),
        pytest.param(b"/file", False, id="file"),
        pytest.param(b"/file/none", True, id="below-a-file"),
        pytest.param(b"/link", True, id="symlink"),
    ],
)
@clause("quota/only-a-directory-has-one", source="N30.4", needs="quota.dir")
def test_no_directory(volume: Volume, path: bytes, create: bool) -> None:
    """A quota of a path that leads to no directory is refused, and nothing changes."""
    volume.dir("top")
    volume.file("file")
    volume.symlink("link", b"top")
    with unchanged(volume):
        refused(volume.fs.quota_set, DIR, path, Quota(-1, 1), create=create)
        refused(volume.fs.quota_get, DIR, path)
        refused(volume.fs.quota_delete, DIR, path)
        refused(volume.fs.quota_check, DIR, path)


@clause("quota/can-make-its-directory", source="N30.4", needs="quota.dir")
def test_create(volume: Volume) -> None:
    """Asked to create, missing directories on the path are made."""
    volume.fs.quota_set(DIR, b"/a/b//c/", Quota(-1, 5), create=True)
    inode = 1
    for name in (b"a", b"b", b"c"):
        node = volume.fs.lookup(inode, name)
        assert node.attr is not None
        assert node.attr.type == FileType.DIRECTORY
        inode = node.inode
    assert stored(volume, DIR, inode) == Quota(-1, 5, 0, 0)


@clause("quota/paths-begin-at-the-real-root", source="N30.4 R1", needs="quota.dir", clients=2)
def test_real_root(volume: Volume) -> None:
    """A path leads from the root of the volume, whatever the root of the session."""
    top = volume.dir("top")
    volume.dir("sub", top)
    volume.settle()
    inside = volume.open(subdir="/top")
    inside.quota_set(DIR, b"/top", Quota(-1, 5))
    assert stored(volume, DIR, top) == Quota(-1, 5, BLOCK, 1)
    refused(inside.quota_set, DIR, b"/sub", Quota(-1, 5))


@pytest.mark.parametrize("path", [b"/", b"", b"//"])
@clause("quota/the-root-may-have-one", source="N30.4 N30.3", needs="quota.dir")
def test_root(volume: Volume, path: bytes) -> None:
    """The root may have a quota like any other directory."""
    volume.file("x")
    volume.fs.settle()
    volume.fs.quota_set(DIR, path, Quota(-1, 5), strict=True)
    assert stored(volume, DIR, 1) == Quota(-1, 5, BLOCK, 1)


@each_owner
@pytest.mark.parametrize("key", [b"bob", b"-1", b"", b"1.5"])
@clause("quota/users-and-groups-are-numbers", source="N30.4", needs="quota.user")
def test_number(volume: Volume, type: QuotaType, key: bytes) -> None:
    """What is no number is no user and no group."""
    volume.format(UserGroupQuota=True)
    assert volume.fs.load()
    with unchanged(volume):
        refused(volume.fs.quota_set, type, key, Quota(-1, 1))
        refused(volume.fs.quota_get, type, key)
        refused(volume.fs.quota_delete, type, key)


@clause("quota/of-a-directory-turns-statistics-on", source="N30.5", needs="quota.dir")
def test_enable_directories(volume: Volume) -> None:
    """The first quota of a directory turns the statistics of directories on for the volume."""
    volume.format(DirStats=False)
    volume.dir("top")
    volume.fs.quota_set(DIR, b"/top", Quota(-1, 5))
    assert volume.fs.load()["DirStats"] is True
    assert b'"DirStats":true' in volume.raw.get("setting").replace(b" ", b"")


@each_owner
@clause("quota/of-a-user-counts-everyone-first", source="N30.5 N30.10", needs="quota.user")
def test_enable_owners(volume: Volume, type: QuotaType) -> None:
    """The first quota of a user or group turns counting on and counts what every one of them has."""
    volume.node("x", uid=7, gid=8)
    volume.dir("d", uid=7, gid=9)
    put(volume.fs, volume.fs.lookup(1, b"x").inode, 0, 5000)
    volume.fs.quota_set(type, 7, Quota(-1, 50))
    assert volume.fs.load()["UserGroupQuota"] is True
    assert used(volume, USER, 7) == (3 * BLOCK, 2)
    assert used(volume, GROUP, 8) == (2 * BLOCK, 1)
    assert used(volume, GROUP, 9) == (BLOCK, 1)
    assert stored(volume, type, 7) == Quota(-1, 50, *used(volume, type, 7))


@clause("quota/an-absent-one-is-nothing", source="N30.6", needs="quota.user")
def test_absent(volume: Volume) -> None:
    """A quota that was never set answers nothing, and to delete it is no error."""
    volume.format(UserGroupQuota=True)
    volume.dir("top")
    for type, key in ((DIR, b"/top"), (USER, 7), (GROUP, 7)):
        assert volume.fs.quota_get(type, key) == {}
        volume.fs.quota_delete(type, key)
    assert volume.fs.quota_list() == {}


@clause("quota/a-directory-forgets-a-deleted-one", source="N30.6 S7.4.4", needs="quota.dir")
def test_delete_directory(volume: Volume) -> None:
    """Deleting the quota of a directory deletes its limits and its usage."""
    top = volume.dir("top")
    volume.fs.settle()  # or the root is counted with what is held back (N27.2)
    volume.fs.quota_set(DIR, b"/top", Quota(-1, 5))
    volume.fs.quota_set(DIR, b"/", Quota(-1, 50))
    assert volume.fs.quota_delete(DIR, b"/top") == {}
    assert [volume.raw.hexists(name, top) for name in ("dirQuota", "dirQuotaUsedSpace")] == [False, False]
    assert volume.fs.quota_get(DIR, b"/top") == {}
    assert stored(volume, DIR, 1) is not None


@each_owner
@clause("quota/a-deleted-one-still-counts-its-owner", source="N30.6 S7.4.4", needs="quota.user")
def test_delete_owner(volume: Volume, type: QuotaType) -> None:
    """Deleting the quota of a user or group lifts the limits and keeps the usage, which goes on."""
    limit(volume.fs, type, 7, 100 * BLOCK, 1)
    volume.node("x", uid=7, gid=7)
    volume.fs.settle()
    volume.fs.quota_delete(type, 7)
    assert stored(volume, type, 7) == Quota(-1, -1, BLOCK, 1)
    volume.fs.refresh()
    volume.node("y", uid=7, gid=7)
    assert used(volume, type, 7) == (2 * BLOCK, 2)


@clause("quota/a-deleted-one-does-not-come-back", source="N30.6 Q20 S7.4.1", needs="quota.dir", clients=2)
def test_no_resurrection(volume: Volume) -> None:
    """A client that has counted under the quota of a directory brings no record of it back once it is
    deleted."""
    top = volume.dir("top")
    limit(volume.fs, DIR, b"/top", -1, 5)
    volume.file("x", top)
    volume.open().quota_delete(DIR, b"/top")
    volume.fs.settle()
    assert not any(volume.raw.hexists(f"dirQuota{part}", top) for part in ("", "UsedSpace", "UsedInodes"))


@clause("quota/the-list-shows-what-has-limits", source="N30.7", needs="quota.user")
def test_list(volume: Volume) -> None:
    """The list has every quota that limits anything, under its path, `uid:` or `gid:`; a kind may be
    asked for."""
    volume.fs.quota_set(DIR, b"/a/b", Quota(-1, 5), create=True)
    volume.fs.quota_set(DIR, b"/c", Quota(), create=True)
    volume.fs.quota_set(USER, 7, Quota(BLOCK, -1))
    volume.fs.quota_set(GROUP, 8, Quota(0, 0))
    volume.fs.settle()
    everything = volume.fs.quota_list()
    assert everything.keys() == {"/a/b", "uid:7", "gid:8"}
    assert everything["/a/b"] == Quota(-1, 5, 0, 0)
    assert everything["uid:7"] == Quota(BLOCK, -1, 0, 0)
    for type, name in ((DIR, "/a/b"), (USER, "uid:7"), (GROUP, "gid:8")):
        assert volume.fs.quota_list(type) == {name: everything[name]}


@clause("quota/the-list-names-a-lost-directory", source="N30.7", needs="quota.dir")
def test_list_lost(volume: Volume) -> None:
    """A quota whose directory has no path any more is listed by its inode."""
    volume.fs.quota_set(DIR, b"/gone", Quota(-1, 5), create=True)
    inode = volume.fs.lookup(1, b"gone").inode
    volume.raw.delete("d1", f"i{inode}")
    assert volume.fs.quota_list().keys() == {f"inode:{inode}"}


@pytest.mark.parametrize(
    ("spoil", "shown"),
    [
        pytest.param(lambda raw, top: raw.hdel("dirQuotaUsedInodes", top), False, id="no-inodes"),
        pytest.param(lambda raw, top: raw.hset("dirQuotaUsedInodes", top, "x"), False, id="bad-inodes"),
        pytest.param(lambda raw, top: raw.hset("dirQuota", top, b"short"), False, id="bad-limits"),
        pytest.param(lambda raw, top: raw.hdel("dirQuotaUsedSpace", top), True, id="no-space"),
        pytest.param(lambda raw, top: raw.hset("dirQuotaUsedInodes", "x", 1), True, id="bad-id"),
    ],
)
@clause("quota/a-damaged-record-is-left-out", source="N30.9 S1.8 S7.4.2", needs="quota.dir")
def test_damaged(volume: Volume, spoil: Callable[[Any, int], None], shown: bool) -> None:
    """A record without a count of inodes, or with limits that are not 16 bytes, limits nothing and is not
    listed; others stay."""
    volume.fs.quota_set(DIR, b"/top", Quota(-1, 1), create=True)
    volume.fs.quota_set(DIR, b"/", Quota(-1, 100))
    top = volume.fs.lookup(1, b"top").inode
    spoil(volume.raw, top)
    assert ("/top" in volume.fs.quota_list()) == shown
    assert "/" in volume.fs.quota_list()
    volume.fs.refresh()
    volume.file("one", top)
    if shown:
        with unchanged(volume):
            refuses(EDQUOT, volume.fs.mknod, top, b"two", FileType.FILE, 0o644)
    else:
        volume.file("two", top)


@pytest.mark.parametrize("length", [0, 1, 15, 17])
@clause("quota/limits-of-another-length-are-refused", source="S1.8 S2.8", needs="quota.dir")
def test_bad_limits(volume: Volume, length: int) -> None:
    """Limits that are not 16 bytes are refused when asked for, and are no quota where a usage is missing."""
    volume.fs.quota_set(DIR, b"/top", Quota(-1, 1), create=True)
    top = volume.fs.lookup(1, b"top").inode
    volume.raw.hset("dirQuota", top, b"\xff" * length)
    with unchanged(volume):
        refused(volume.fs.quota_get, DIR, b"/top")
    volume.raw.hdel("dirQuotaUsedSpace", top)
    with unchanged(volume):
        assert volume.fs.quota_get(DIR, b"/top") == {}


@clause("quota/a-check-finds-a-wrong-usage", source="N30.8", needs="quota.dir")
def test_check(volume: Volume) -> None:
    """A check accepts a usage that agrees, refuses one that does not, and mends it when asked to."""
    top = volume.dir("top")
    refused(volume.fs.quota_check, DIR, b"/top")
    volume.fs.quota_set(DIR, b"/top", Quota(1 << 20, 9))
    volume.file("x", top)
    volume.fs.settle()
    right = Quota(1 << 20, 9, BLOCK, 1)
    volume.raw.hset("dirQuotaUsedInodes", top, 1)
    volume.raw.hset("dirQuotaUsedSpace", top, BLOCK)
    assert volume.fs.quota_check(DIR, b"/top", strict=True) == {"/top": right}
    for name, wrong in (("dirQuotaUsedInodes", 5), ("dirQuotaUsedSpace", 0)):
        volume.raw.hset(name, top, wrong)
        with unchanged(volume):
            refused(volume.fs.quota_check, DIR, b"/top", strict=True)
        assert volume.fs.quota_check(DIR, b"/top", strict=True, repair=True) == {"/top": right}
        assert stored(volume, DIR, top) == right


@each_owner
@clause("quota/a-check-finds-a-wrong-owner", source="N30.8", needs="quota.user")
def test_check_owners(volume: Volume, type: QuotaType) -> None:
    """A check compares all users and groups, whichever is asked for, and mends them all."""
    volume.format(UserGroupQuota=True)
    volume.node("x", uid=7, gid=8)
    volume.fs.settle()
    volume.fs.quota_check(type, 99)
    for kind, id in ((USER, 7), (GROUP, 8)):
        volume.raw.hset(f"{HASHES[kind]}UsedInodes", id, 5)
        with unchanged(volume):
            refused(volume.fs.quota_check, type, 99)
        volume.fs.quota_check(type, 99, repair=True)
        assert stored(volume, kind, id) == Quota(-1, -1, BLOCK, 1)
    volume.fs.quota_check(type, 99)


@each_owner
@clause("quota/a-check-finds-a-usage-of-nobody", source="N30.8", needs="quota.user")
def test_check_nobody(volume: Volume, type: QuotaType) -> None:
    """A usage of someone who has nothing is wrong, and becomes none."""
    volume.format(UserGroupQuota=True)
    assert volume.fs.load()
    volume.raw.hset(HASHES[type], 9, LIMITS.pack(BLOCK, -1))
    volume.raw.hset(f"{HASHES[type]}UsedSpace", 9, 3 * BLOCK)
    volume.raw.hset(f"{HASHES[type]}UsedInodes", 9, 3)
    with unchanged(volume):
        refused(volume.fs.quota_check, type, 0)
    volume.fs.quota_check(type, 0, repair=True)
    assert stored(volume, type, 9) == Quota(BLOCK, -1, 0, 0)


def own_everything(volume: Volume) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Nodes of every type and several owners; what each user and group has: space, inodes."""
    fs = volume.fs
    users: dict[int, list[int]] = {}
    groups: dict[int, list[int]] = {}
    for number, type in enumerate(FileType):
        uid, gid = 7 + number % 2, 7 + number % 3
        inode = make(volume, type, f"n{number}", uid=uid, gid=gid)
        space = BLOCK
        if type is FileType.FILE:
            put(fs, inode, 0, 9000)
            fs.link(inode, 1, b"again")
            space = 3 * BLOCK
        for owners, id in ((users, uid), (groups, gid)):
            entry = owners.setdefault(id, [0, 0])
            entry[0] += space
            entry[1] += 1
    return users, groups


@clause("quota/a-scan-counts-every-node-of-its-owner", source="N30.10 Q7", needs="quota.user")
def test_scan(volume: Volume) -> None:
    """A scan counts for its user and group each node once, of whatever type, however many names it has."""
    volume.format(UserGroupQuota=True)
    users, groups = own_everything(volume)
    volume.settle()
    for name in ("UsedSpace", "UsedInodes"):
        for hash in HASHES.values():
            volume.raw.delete(f"{hash}{name}")
    volume.fs.quota_scan()
    for type, owners in ((USER, users), (GROUP, groups)):
        for id, (space, inodes) in owners.items():
            assert used(volume, type, id) == (space, inodes)


@clause("quota/a-scan-counts-the-trash-and-the-open", source="N30.10", needs="quota.user")
def test_scan_trash(volume: Volume) -> None:
    """A scan also counts what is in the trash, the hour directory as the superuser's, and a file that only a
    session keeps alive."""
    volume.format(UserGroupQuota=True, TrashDays=1)
    for name in ("trashed", "open"):
        put(volume.fs, volume.node(name, uid=7, gid=7), 0, 5000)
    volume.fs.unlink(1, b"trashed")
    inode = volume.fs.lookup(1, b"open").inode
    volume.fs.open_file(inode)
    volume.fs.unlink(1, b"open", skip_trash=True)
    volume.settle()
    volume.raw.delete("userQuotaUsedSpace", "userQuotaUsedInodes")
    volume.fs.quota_scan()
    assert used(volume, USER, 7) == (4 * BLOCK, 2)
    assert used(volume, USER, 0) == (BLOCK, 1)


@clause("quota/a-scan-keeps-the-limits", source="N30.10", needs="quota.user")
def test_scan_limits(volume: Volume) -> None:
    """A scan leaves every limit as it is, and what was pending is not counted twice."""
    limit(volume.fs, USER, 7, 100 * BLOCK, 1)
    volume.node("x", uid=7)
    volume.fs.quota_scan()
    volume.settle()
    assert stored(volume, USER, 7) == Quota(100 * BLOCK, 1, BLOCK, 1)
    volume.fs.refresh()
    refuses(EDQUOT, volume.fs.mknod, 1, b"y", FileType.FILE, 0o644, ctx=Context(7, (7,)))


@clause("quota/read-only-clients-set-none", source="M2 N30", needs="quota.user", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client reads quotas and changes none."""
    limit(volume.fs, USER, 7, -1, 5)
    volume.fs.quota_set(DIR, b"/top", Quota(-1, 5), create=True)
    volume.settle()
    reader = volume.open(record=False, read_only=True)
    with unchanged(volume):
        assert reader.quota_get(USER, 7) == {"7": Quota(-1, 5, 0, 0)}
        assert reader.quota_list().keys() == {"/top", "uid:7"}
        refuses(EROFS, reader.quota_set, USER, 7, Quota(-1, 6))
        refuses(EROFS, reader.quota_set, DIR, b"/top", Quota(-1, 6))


@clause("quota/reformatting-begins-to-count-anew", source="S5.8 N1.1", needs="quota.user", clients=2)
def test_reformat(volume: Volume) -> None:
    """A volume that turns the counting of users and groups on again forgets what was counted before."""
    limit(volume.fs, USER, 7, -1, 5)
    volume.settle()
    other = volume.open(record=False)
    format = other.load()
    other.init(format.replace(UserGroupQuota=False))
    assert stored(volume, USER, 7) is not None
    other.init(format.replace(UserGroupQuota=True))
    assert stored(volume, USER, 7) is None
