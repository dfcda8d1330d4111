"""Formatting, settings and the life of a client (N1, N2.4)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.records import record_of, rewrite
from metaparity.conformance.verbs import alike, unchanged
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import TRASH_INODE, Attr, FileType, SetAttr
from metaparity.fixtures.volumes import FORMAT, Volume

TRASH = b"i%d" % TRASH_INODE
STATS = (b"dirDataLength", b"dirUsedSpace", b"dirUsedInodes")


def stored(volume: Volume) -> dict[str, Any]:
    """The settings on the server."""
    found: dict[str, Any] = json.loads(volume.raw.get("setting"))
    return found


# -- init ------------------------------------------------------------------------------------------


@clause("init/a-new-volume-is-settings-and-a-root", source="N1.2 K2", needs="volume", clients=2)
def test_new_volume(volume: Volume) -> None:
    """Formatting stores the settings as JSON and a root that is open to all, and starts no counter."""
    start = int(time.time())
    volume.connect().init(FORMAT)
    assert sorted(volume.keyspace()) == [b"i1", b"setting"]
    found = stored(volume)
    assert {name: found[name] for name in FORMAT if FORMAT[name]} == {k: v for k, v in FORMAT.items() if v}
    root = volume.fs.getattr(1)
    wanted = Attr(type=FileType.DIRECTORY, mode=0o777, nlink=2, length=4096, parent=1)
    alike(root, wanted, but=("atime", "mtime", "ctime"))
    assert start <= root.atime[0] == root.mtime[0] == root.ctime[0] <= time.time()


@clause("init/trash-days-make-the-trash", source="N1.2 A4", needs="volume", clients=2)
def test_trash(volume: Volume) -> None:
    """With trash days the trash is made too, closed to writing, its times in whole seconds."""
    volume.connect().init(FORMAT.replace(TrashDays=1))
    assert sorted(volume.keyspace()) == sorted([b"i1", TRASH, b"setting"])
    attr = volume.connect().getattr(TRASH_INODE)
    wanted = Attr(type=FileType.DIRECTORY, mode=0o555, nlink=2, length=4096, parent=1)
    alike(attr, wanted, but=("atime", "mtime", "ctime"))
    assert attr.atime == attr.mtime == attr.ctime
    assert attr.ctime[1] == 0


@clause("init/the-trash-is-made-when-first-wanted", source="N1.2", needs="volume")
def test_late_trash(volume: Volume) -> None:
    """Trash days set later make the trash then, and once made it is not made again."""
    fs = volume.fs
    assert not volume.raw.exists(TRASH)
    fs.init(FORMAT.replace(TrashDays=1))
    assert record_of(volume.raw.get(TRASH)).mode == 0o555
    rewrite(volume, TRASH_INODE, nlink=7, mtime=123)
    with unchanged(volume):
        fs.init(FORMAT.replace(TrashDays=1))


@clause("init/settings-change-without-touching-nodes", source="N1.1 N1.2", needs="volume")
def test_changed_settings(volume: Volume) -> None:
    """Settings that may change are stored; the root and all other nodes stay as they are."""
    fs = volume.fs
    fs.setattr(1, SetAttr.MODE, Attr(mode=0o700))
    volume.file("x")
    before = volume.keyspace()
    fs.init(FORMAT.replace(Capacity=2**40, Inodes=1000, MaxClientVersion="9.9.9"))
    found = stored(volume)
    assert (found["Capacity"], found["Inodes"], found["MaxClientVersion"]) == (2**40, 1000, "9.9.9")
    after = volume.keyspace()
    assert before.pop(b"setting") != after.pop(b"setting")
    assert after == before


FIXED: list[tuple[str, Any]] = [
    ("Name", "another"),
    ("BlockSize", 1024),
    ("Compression", "lz4"),
    ("Shards", 4),
    ("HashPrefix", True),
    ("MetaVersion", 0),
]

each_fixed = pytest.mark.parametrize(("setting", "value"), FIXED, ids=[name for name, _ in FIXED])


@each_fixed
@clause("init/some-settings-never-change", source="N1.1 S5.8", needs="volume")
def test_fixed(volume: Volume, setting: str, value: Any) -> None:
    """Name, block size, compression, shards, hash prefix and version of a volume do not change."""
    fs = volume.fs
    with unchanged(volume), pytest.raises(Refused):
        fs.init(FORMAT.replace(**{setting: value}))


@each_fixed
@clause("init/force-changes-every-setting", source="N1.1", needs="volume")
def test_forced(volume: Volume, setting: str, value: Any) -> None:
    """By force every setting is overwritten."""
    volume.fs.init(FORMAT.replace(**{setting: value, "UUID": "forced"}), True)
    found = stored(volume)
    assert found["UUID"] == "forced"
    assert (found.get(setting) or 0) == value


@clause("init/the-identity-of-a-volume-stays", source="N1.1", needs="volume")
def test_uuid(volume: Volume) -> None:
    """Another UUID is silently ignored where nothing is forced."""
    volume.fs.init(FORMAT.replace(UUID="another", Capacity=2**30))
    found = stored(volume)
    assert (found["UUID"], found["Capacity"]) == (FORMAT.uuid, 2**30)


@pytest.mark.parametrize(
    ("before", "after", "dropped"),
    [(False, True, True), (True, True, False), (True, False, False), (False, False, False)],
    ids=["on", "kept-on", "off", "kept-off"],
)
@clause("init/directory-statistics-start-anew-when-enabled", source="N1.1", needs="volume")
def test_statistics(volume: Volume, before: bool, after: bool, dropped: bool) -> None:
    """When statistics go from off to on, those of space and inodes are dropped and those of length kept."""
    volume.format(DirStats=before)
    fs = volume.fs
    volume.dir("d")
    fs.init(FORMAT.replace(DirStats=after))
    assert [volume.raw.exists(key) for key in STATS] == [1, *[0 if dropped else 1] * 2]


USAGE = [f"{kind}Quota{part}" for kind in ("user", "group") for part in ("", "UsedSpace", "UsedInodes")]


@pytest.mark.parametrize("before", [False, True], ids=["on", "kept-on"])
@clause("init/user-and-group-usage-starts-anew-when-enabled", source="N1.1", needs="volume")
def test_usage(volume: Volume, before: bool) -> None:
    """When usage of users and groups is first counted, what an older client left of it is dropped."""
    volume.format(UserGroupQuota=before)
    for key in USAGE:
        volume.raw.hset(key, "7", "1")
    client = volume.connect()
    client.load()
    client.init(FORMAT.replace(UserGroupQuota=True))
    assert [volume.raw.exists(key) for key in USAGE] == [int(before)] * 6


# -- load, refresh, reset, shutdown ----------------------------------------------------------------


@clause("load/answers-the-settings", source="N1.3", needs="volume")
def test_load(volume: Volume) -> None:
    """load answers the settings as they were stored, whatever else a newer version has stored there."""
    volume.format(Capacity=2**40)
    kept = stored(volume)
    volume.raw.set("setting", json.dumps({**kept, "FromTheFuture": [1, {"a": "b"}]}))
    found = volume.connect().load()
    assert {name: found[name] for name in kept if name != "Tiers"} == {
        name: value for name, value in kept.items() if name != "Tiers"
    }


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("setting", [None, b"", b"{", b"no json", b"[1]"], ids=repr)
@clause("load/needs-a-formatted-database", source="N1.3", needs="volume")
def test_load_unformatted(volume: Volume, setting: bytes | None, check: bool) -> None:
    """Without settings, or with settings that are not JSON, load is refused in words."""
    if setting is not None:
        volume.raw.set("setting", setting)
    client = volume.connect()
    with unchanged(volume), pytest.raises(Refused):
        client.load(check)


VERSIONS: list[tuple[str, dict[str, Any], bool]] = [
    ("no-limits", {"MinClientVersion": "", "MaxClientVersion": ""}, True),
    ("older-than-this", {"MinClientVersion": "1.1.0-A", "MaxClientVersion": "99.0.0"}, True),
    ("newer-metadata", {"MetaVersion": 2}, False),
    ("newer-client", {"MinClientVersion": "99.0.0"}, False),
    ("older-client", {"MinClientVersion": "", "MaxClientVersion": "0.9.0"}, False),
]


@pytest.mark.parametrize(("fields", "fits"), [row[1:] for row in VERSIONS], ids=[row[0] for row in VERSIONS])
@clause("load/the-version-is-checked-where-asked", source="N1.3", needs="volume")
def test_versions(volume: Volume, fields: dict[str, Any], fits: bool) -> None:
    """A volume that asks for another version of the client or of the metadata is refused if that is asked."""
    volume.format(**fields)
    client = volume.connect()
    assert client.load().name == FORMAT.name
    if fits:
        client.load(True)
    else:
        with pytest.raises(Refused):
            client.load(True)


@clause("refresh/brings-changed-settings", source="N1.5 S7.2.4", needs="volume", clients=2)
def test_refresh(volume: Volume) -> None:
    """A client goes by its settings until a refresh brings those that another one has stored."""
    late = volume.open()
    assert late.statfs(1).total == 2**50
    volume.fs.init(FORMAT.replace(Capacity=2**30, Inodes=50))
    late.refresh()
    assert (late.statfs(1).total, late.statfs(1).iavail) == (2**30, 50)


@clause("reset/leaves-nothing", source="N1.4", needs="volume", clients=2)
def test_reset(volume: Volume) -> None:
    """reset deletes every key, and the database can be formatted again."""
    fs = volume.fs
    volume.file("x", volume.dir("d"))
    fs.reset()
    assert volume.raw.dbsize() == 0
    volume.connect().init(FORMAT.replace(Name="next"))
    assert volume.connect().load().name == "next"


@clause("settle/brings-statistics-to-the-server", source="N2.4 R9", needs="dirstat")
def test_settle(volume: Volume) -> None:
    """What a client holds back of the statistics of directories is on the server after settle."""
    fs, d = volume.fs, volume.dir("d")
    volume.file("x", d)
    assert volume.raw.hget("dirUsedInodes", d) == b"0"
    fs.settle()
    assert [volume.raw.hget(key, d) for key in STATS] == [b"0", b"4096", b"1"]
    with unchanged(volume):
        fs.settle()


@clause("settle/a-read-only-client-has-nothing-to-bring", source="N2.4", needs="volume")
def test_settle_read_only(volume: Volume) -> None:
    """settle of a read-only client succeeds and changes nothing."""
    client = volume.open(read_only=True)
    with unchanged(volume):
        client.settle()


@clause(
    "shutdown/flushes-nothing-and-ends-no-session",
    source="N1.4",
    needs="dirstat",
    clients=2,
    breaks={"accounting/directory-statistics-are-exact": "what the client held back is lost"},
)
def test_shutdown(volume: Volume) -> None:
    """A client that shuts down leaves its session registered and what it held back unsaid."""
    client, d = volume.open(), volume.dir("d")
    client.create(d, b"x", 0o644)
    with unchanged(volume):
        client.shutdown()
    assert volume.raw.hget("dirUsedInodes", d) == b"0"
    assert volume.fs.session_get(1).sid == 1
