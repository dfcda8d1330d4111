"""What a load makes of a JSON dump: keys, counters, a volume that lives on (L4.18-L4.27)."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.contents import hole, put, store
from metaparity.conformance.scenes.dumps import (
    document,
    dumped,
    keys_of,
    made_by_hand,
    recorded,
    reloaded,
    rich,
    trees,
    without_counters,
)
from metaparity.conformance.scenes.holdings import Held, differing, full
from metaparity.conformance.scenes.quotas import DIR, GROUP, USER, stored
from metaparity.conformance.verbs import unchanged
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import TRASH_INODE, FileType, Quota
from metaparity.fixtures.volumes import FORMAT, Volume


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a dump goes."""
    return tmp_path / "dump.json"


LOADED = {
    "loaded-json-secret.json": "dump-secret.json",
    "loaded-json.json": "dump.json",
    "loaded-subtree.json": "dump-subtree.json",
    "loaded-skip-trash.json": "dump-skip-trash.json",
    "handmade.json": "",
}

OWN_CLAUSES = re.compile(rb"(user|group)Quota.*|dirQuota.*|nextinode|txn.*|i%d" % TRASH_INODE)
"""Keys of which the original leaves something that is not right: each has a clause of its own."""


def but_own(keys: dict[bytes, Any]) -> dict[bytes, Any]:
    """The keys of a load, without those that have clauses of their own."""
    kept = {key: value for key, value in keys.items() if not OWN_CLAUSES.fullmatch(key)}
    if b"sliceRef" in kept:
        kind, counts = kept[b"sliceRef"]
        kept[b"sliceRef"] = kind, {field: count for field, count in counts.items() if field != b"k0_0"}
    return kept


@pytest.mark.parametrize("name", LOADED)
@clause(
    "dump/loads-to-the-recorded-keys",
    source="L4.18 L4.19 L4.20 L4.21 L4.22 L4.23 L4.27",
    needs="dump.json",
)
def test_recorded_load(volume: Volume, path: Path, name: str) -> None:
    """A recorded dump loads to the keys that JuiceFS made of it."""
    source = LOADED[name]
    path.write_bytes(recorded(source) if source else json.dumps(document(name)["document"]).encode())
    made_by_hand(volume)
    reloaded(volume, path)
    assert but_own(volume.keyspace()) == but_own(keys_of(name))


@clause(
    "dump/loads-and-dumps-to-itself", source="N40.3 S7.11 L4.18 L4.19 L4.21", needs="dump.json", clients=2
)
def test_identity(volume: Volume, path: Path) -> None:
    """A dump of what was loaded from a dump is that dump, but for the counters, which are counted anew."""
    rich(volume)
    first = dumped(volume.fs, path, keep_secret=True)
    second = dumped(reloaded(volume, path), path, keep_secret=True)
    assert without_counters(second) == without_counters(first)
    assert dumped(reloaded(volume, path), path, keep_secret=True) == second


WAYS: dict[str, dict[str, Any]] = {
    "slow": {"threads": 1},
    "fast": {"fast": True, "threads": 1},
    "fast-by-threads": {"fast": True, "threads": 4},
}


@pytest.mark.parametrize("way", WAYS)
@clause(
    "dump/is-loaded-by-another-client",
    source="L4.14 L4.18 L4.19 L4.20 L4.21 L4.22 L4.23 L4.24",
    needs="dump.json",
    clients=2,
)
def test_exchange(volume: Volume, path: Path, way: str) -> None:
    """What one client dumps, fast or not, another loads; a third goes on with it, and the dumps of all are
    equal."""
    full(volume)
    before = Held(volume.keyspace())
    first = dumped(volume.fs, path, keep_secret=True, **WAYS[way])
    loader = reloaded(volume, path)
    assert differing(before, Held(volume.keyspace()), "json") == {}
    goes_on = volume.open()
    again = dumped(goes_on, path.with_name("again.json"), keep_secret=True, **WAYS[way])
    assert trees(again) == trees(first)
    loader.load()
    assert dumped(loader, path, keep_secret=True) == again


@clause("dump/leaves-a-volume-in-order", source="L4.19 L4.22 L4.24", needs="dump.json", clients=2)
def test_laws(volume: Volume, path: Path) -> None:
    """A load of a volume in order is in order: links, statistics, quotas, references, counters."""
    rich(volume, UserGroupQuota=True)
    volume.fs.quota_set(USER, 7, Quota(1 << 30, 100))
    dumped(volume.fs, path)
    reloaded(volume, path)
    require_laws(volume)


@clause("dump/counts-what-owners-have", source="L4.24", needs="dump.json", clients=2)
def test_owners(volume: Volume, path: Path) -> None:
    """Where users and groups are counted they are counted after a load, though none has a limit."""
    volume.format(UserGroupQuota=True)
    volume.file("x", uid=7, gid=8)
    volume.fs.settle()
    before = stored(volume, USER, 7), stored(volume, GROUP, 8)
    dumped(volume.fs, path)
    reloaded(volume, path)
    assert (stored(volume, USER, 7), stored(volume, GROUP, 8)) == before


@clause("dump/does-not-refer-to-holes", source="L4.22", needs="dump.json", clients=2)
def test_holes(volume: Volume, path: Path) -> None:
    """Records of holes, which have no slice, count as no references."""
    for name in ("x", "y"):
        inode = volume.file(name)
        put(volume.fs, inode, 0, 100)
        store(volume, inode, 0, [hole(50)])
    dumped(volume.fs, path)
    reloaded(volume, path)
    assert not volume.raw.hgetall("sliceRef")


@clause("dump/limits-only-what-is-there", source="L4.24 L4.6", needs="dump.json", clients=2)
def test_absent_quota(volume: Volume, path: Path) -> None:
    """A dump of a part names the limits of all directories; those that are not in the part are not loaded."""
    part, other = volume.dir("part"), volume.dir("other")
    inside = volume.dir("inside", part)
    for limited in (b"/other", b"/part/inside"):
        volume.fs.quota_set(DIR, limited, Quota(1 << 30, 100))
    assert json.loads(dumped(volume.fs, path, root=part))["Quotas"].keys() == {str(other), str(inside)}
    reloaded(volume, path)
    assert stored(volume, DIR, inside) == Quota(1 << 30, 100, 0, 0)
    assert stored(volume, DIR, other) is None


@clause("dump/goes-on-after-a-load", source="L4.21", needs="dump.json", clients=2)
def test_goes_on(volume: Volume, path: Path) -> None:
    """After a load, no new inode, slice or session has a number that is taken."""
    made = rich(volume)
    dumped(volume.fs, path)
    inodes = {int(key[1:]) for key in volume.raw.keys("i[0-9]*")}
    reloaded(volume, path)
    one, two = volume.open(), volume.open()
    new = {client.mknod(1, name, FileType.FILE, 0o644).inode for client, name in ((one, b"n"), (two, b"m"))}
    assert len(new) == 2
    assert not new & inodes
    assert one.new_slice() > made["slice"]
    assert len({session.sid for session in one.session_list()}) == 2
    one.unlink(made["d"], b"x")
    assert one.lookup(made["e"], b"x2").attr is not None


@clause("dump/keeps-clear-of-deleted-files", source="L4.21 L4.22", needs="dump.json", clients=2)
def test_deleted(volume: Volume, path: Path) -> None:
    """No new file gets the number of one whose data still has to go: it would lose its own."""
    volume.file("x")
    volume.raw.zadd("delfiles", {"77:100": 5})
    dumped(volume.fs, path)
    fs = reloaded(volume, path)
    assert volume.raw.zrange("delfiles", 0, -1, withscores=True) == [(b"77:100", 5.0)]
    assert fs.mknod(1, b"new", FileType.FILE, 0o644).inode > 77


@clause("dump/without-trash-loads-a-volume-with-one", source="L4.13 L4.18", needs="dump.json", clients=2)
def test_trash_again(volume: Volume, path: Path) -> None:
    """A volume that keeps removed files keeps them after a load of a dump without the trash, too."""
    rich(volume)
    dumped(volume.fs, path, skip_trash=True)
    fs = reloaded(volume, path)
    fs.session_new(True)
    inode = fs.lookup(1, b"x3").inode
    fs.unlink(1, b"x3")
    (hour,) = [entry for entry in fs.readdir(TRASH_INODE) if entry.name not in (b".", b"..")]
    assert inode in {entry.inode for entry in fs.readdir(hour.inode)}


@clause("dump/an-unfinished-load-is-no-volume", source="L4.26", needs="dump.json", clients=2)
def test_unfinished(volume: Volume) -> None:
    """While the settings say that a load is not finished, nobody takes it for a volume or formats over it."""
    rich(volume)
    said = "The load of a dump has not come to its end: load it again, or reset the database."
    for forced, setting in product((False, True), (said, f"{said} (its name)")):
        volume.raw.set("setting", setting)
        client = volume.connect()
        with unchanged(volume):
            with pytest.raises(Refused):
                client.load()
            with pytest.raises(Refused):
                client.init(FORMAT, forced)
        client.close()
