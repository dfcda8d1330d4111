"""The binary backup and its restore: segments, what they hold, and a volume that lives on (L5)."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from errno import ENOENT
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.backups import (
    BOTH_HOLD,
    EOS,
    NAMES,
    Segments,
    assembled,
    backed_up,
    contents,
    field,
    footer,
    items,
    segments,
    wire,
)
from metaparity.conformance.scenes.contents import put, records
from metaparity.conformance.scenes.draws import modes, names, types
from metaparity.conformance.scenes.dumps import (
    GOLDEN,
    LONG,
    dumped,
    keys_of,
    made_by_hand,
    recorded_volume,
    reloaded,
    restored,
    rich,
    trees,
    with_long_name,
)
from metaparity.conformance.scenes.holdings import Held, differing, full
from metaparity.conformance.scenes.quotas import DIR, LIMITS, USER
from metaparity.conformance.verbs import refuses, soon, unchanged
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import FileType, LockType, Quota
from metaparity.fixtures.volumes import Volume


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a backup goes."""
    return tmp_path / "backup.bin"


# -- what a backup holds -----------------------------------------------------------------------------

EACH_ITEM = [name for name in NAMES if name not in ("symlink", "format")]


@pytest.mark.parametrize("name", ["backup.bin", "backup-secret.bin"])
@clause(
    "backup/of-the-recorded-volume-is-the-recorded-one",
    source="L5.1 L5.3 L5.4 L5.5 L5.6 L5.9 L5.10 L5.12 L5.13",
    needs="backup.binary",
)
def test_recorded(volume: Volume, path: Path, name: str) -> None:
    """A backup of a recorded volume holds, item by item, what that of JuiceFS holds, in as many segments."""
    backup = backed_up(recorded_volume(volume), path, keep_secret="secret" in name)
    wanted = GOLDEN.joinpath(name).read_bytes().replace(b"\x1a\x03\xef\xbf\xbd", b"\x1a\x03\xef\xbf\xbe")
    assert segments(backup)[0] == segments(wanted)[0]
    found, expected = contents(backup), contents(wanted)
    for kind in EACH_ITEM:
        assert found[kind] == expected[kind], kind
    assert sorted(kind for kind, _ in segments(backup)) == sorted(kind for kind, _ in segments(wanted))


@clause("backup/ends-with-where-its-segments-are", source="L5.1 L5.2 L5.7", needs="backup.binary")
def test_footer(volume: Volume, path: Path) -> None:
    """The settings come first, counters next; the footer tells where each segment is and what it holds."""
    rich(volume)
    backup = backed_up(volume.fs, path)
    parts = segments(backup)
    assert [kind for kind, _ in parts[:2]] == [1, 2]
    began = len(assembled(parts, b""))
    assert backup[began - 4 : began] == EOS.to_bytes(4)
    told = sorted(wire(backup[began:-8]), key=repr)
    assert told == sorted(wire(footer(parts)[:-8]), key=repr)
    assert int.from_bytes(backup[-8:]) == len(backup) - 8 - began


@clause("backup/of-a-name-in-gz-is-gzipped", source="L4.16 L5.19", needs="backup.binary", clients=2)
def test_gzip(volume: Volume, path: Path) -> None:
    """A file whose name ends with .gz holds the same, gzipped, and is restored like any other."""
    rich(volume)
    plain, packed = contents(backed_up(volume.fs, path)), path.with_name("backup.bin.gz")
    assert contents(gzip.decompress(backed_up(volume.fs, packed))) == plain
    assert contents(backed_up(restored(volume, packed), path)) == plain


@clause("backup/keeps-every-target", source="L5.11", needs="backup.binary", clients=2)
def test_targets(volume: Volume, path: Path) -> None:
    """Targets of symbolic links come back as they were, though they look spelled."""
    targets = {
        volume.symlink(f"l{number}", target): target for number, target in enumerate((b"%41", b"\xff%2"))
    }
    backed_up(volume.fs, path)
    fs = restored(volume, path)
    assert {inode: fs.readlink(inode) for inode in targets} == targets


@clause("backup/keeps-names-of-any-length", source="L5.9 N25.1", needs="backup.binary", clients=2)
def test_long_name(volume: Volume, path: Path) -> None:
    """A name that is longer than most calls take, as a copy may have, comes back from a restore."""
    inode = with_long_name(volume)
    backed_up(volume.fs, path)
    assert restored(volume, path).lookup(1, LONG).inode == inode


@clause("backup/names-of-attributes-have-to-be-text", source="L5.11", needs="backup.binary")
def test_odd_attribute(volume: Volume, path: Path) -> None:
    """An extended attribute whose name is no UTF-8 cannot be backed up, and an older file stays as it was."""
    volume.fs.xattr_set(volume.file("x"), b"user.\xff", b"v")
    path.write_bytes(b"older")
    with pytest.raises(Refused):
        volume.fs.backup(str(path))
    assert [one.read_bytes() for one in path.parent.iterdir()] == [b"older"]


@clause("backup/leaves-out-quotas-that-are-none", source="L5.10", needs="backup.binary")
def test_no_quotas(volume: Volume, path: Path) -> None:
    """The quota of what is no number, or whose record has another length, is left out; others are told."""
    limits = LIMITS.pack(1 << 30, 100)
    volume.raw.hset("dirQuota", mapping={"1": limits, "0": limits[1:], "x": limits, "-2": limits})
    volume.raw.hset("dirQuotaUsedInodes", mapping={"y": 1, "1_0": 1, "-3": 1})
    assert [dict(wire(item.data)) for item in items(backed_up(volume.fs, path), "quota")] == [
        {1: 1, 2: 1 << 30, 3: 100}
    ]


@clause("backup/tells-secrets-only-when-asked", source="L5.12", needs="backup.binary")
def test_secrets(volume: Volume, path: Path) -> None:
    """Secret key, session token and the key to encrypt are "removed" unless they are asked for."""
    secrets = {"SecretKey": "s", "SessionToken": "t", "EncryptKey": "k"}
    volume.format(**secrets)
    for keep_secret in (False, True):
        ((_, data),) = wire(segments(backed_up(volume.fs, path, keep_secret))[0][1])
        assert isinstance(data, bytes)
        setting = json.loads(data)
        wanted = secrets if keep_secret else dict.fromkeys(secrets, "removed")
        assert {name: setting[name] for name in secrets} == wanted


@clause("backup/parts-what-is-large", source="L5.8", needs="backup.binary")
def test_many(volume: Volume, path: Path) -> None:
    """Chunks go a thousand into a segment; whatever the number of threads, each item is there once."""
    with volume.raw.pipeline(transaction=False) as pipe:
        for number in range(1051):
            pipe.rpush(f"c{100 + number}_1", bytes(24))
        pipe.execute()
    for threads in (1, 10):
        backup = backed_up(volume.fs, path, threads=threads)
        assert len([kind for kind, _ in segments(backup) if kind == NAMES.index("chunk") + 1]) == 2
        assert len(items(backup, "chunk")) == 1051


@clause("backup/changes-nothing", source="L5.7", needs="backup.binary", clients=2)
def test_unchanged(volume: Volume, path: Path) -> None:
    """A backup leaves every key as it was; a client that only reads makes the same."""
    rich(volume)
    with unchanged(volume):
        first = backed_up(volume.fs, path)
    assert contents(backed_up(volume.open(record=False, read_only=True), path)) == contents(first)


# -- what a restore makes of it -----------------------------------------------------------------------

LOADED = {"loaded-bin.json": "backup.bin", "loaded-bin-secret.json": "backup-secret.bin"}
OWN_CLAUSES = (b"nextinode", b"lastChangelog", b"txnLastLog", b"allSessions", b"aclMaxId", b"s9", b"s34")
"""Keys of which the original leaves something that is not right: each has a clause of its own."""


@pytest.mark.parametrize("name", LOADED)
@clause("backup/restores-to-the-recorded-keys", source="L5.15 L5.21 S7.11", needs="backup.binary")
def test_recorded_restore(volume: Volume, path: Path, name: str) -> None:
    """A recorded backup is restored to the keys that JuiceFS made of it."""
    path.write_bytes(GOLDEN.joinpath(LOADED[name]).read_bytes())
    made_by_hand(volume)
    restored(volume, path)

    def kept(keys: dict[bytes, object]) -> dict[bytes, object]:
        return {key: value for key, value in keys.items() if key not in OWN_CLAUSES}

    found = kept(volume.keyspace())
    wanted = kept(keys_of(name, lost=True))
    assert found == wanted


@clause("backup/restores-to-itself", source="L5.21 N40.3", needs="backup.binary", clients=2)
def test_identity(volume: Volume, path: Path) -> None:
    """A backup of what was restored from a backup holds the same."""
    rich(volume, UserGroupQuota=True)
    first = backed_up(volume.fs, path)
    assert contents(backed_up(restored(volume, path), path)) == contents(first)


@clause("backup/is-restored-by-another-client", source="L5.21 L5.22", needs="backup.binary", clients=2)
def test_exchange(volume: Volume, path: Path) -> None:
    """What one client backs up another restores; both see the same volume as before."""
    full(volume)
    held = Held(volume.keyspace())
    before = dumped(volume.fs, path.with_name("before.json"), keep_secret=True)
    backed_up(volume.fs, path)
    loader = restored(volume, path)
    assert differing(held, Held(volume.keyspace()), "binary") == {}
    goes_on = volume.open()
    assert dumped(loader, path, keep_secret=True) == dumped(goes_on, path, keep_secret=True)
    assert trees(path.read_bytes()) == trees(before)


@clause("backup/leaves-a-volume-in-order", source="L5.21 L5.15", needs="backup.binary", clients=2)
def test_laws(volume: Volume, path: Path) -> None:
    """A restore of a volume in order is in order: nothing is counted anew, and nothing has to be."""
    rich(volume, UserGroupQuota=True)
    volume.fs.quota_set(USER, 7, Quota(1 << 30, 100))
    volume.fs.quota_set(DIR, b"/d", Quota(1 << 30, 100))
    backed_up(volume.fs, path)
    restored(volume, path)
    require_laws(volume)


COUNTED = re.compile(rb"c\d+_\d+|sliceRef|next|usedSpace|totalInodes")


@clause("backup/keeps-records-and-counts", source="L5.15 L5.10 L5.9", needs="backup.binary", clients=2)
def test_counts(volume: Volume, path: Path) -> None:
    """Chunks are lists of records, references and counters what they were, neither more nor less."""
    made = rich(volume)
    kept = {key: value for key, value in volume.keyspace().items() if COUNTED.match(key)}
    before = records(volume, made["x"])
    backed_up(volume.fs, path)
    fs = restored(volume, path)
    after = volume.keyspace()
    assert {key: after.get(key) for key in kept} == kept
    assert records(volume, made["x"]) == before
    assert fs.read(made["x"], 0)


@clause("backup/goes-on-after-a-restore", source="L5.21", needs="backup.binary", clients=2)
def test_goes_on(volume: Volume, path: Path) -> None:
    """After a restore, no new inode, slice or session has a number that is or was taken."""
    made = rich(volume)
    sid = max(session.sid for session in volume.fs.session_list())
    backed_up(volume.fs, path)
    inodes = {int(key[1:]) for key in volume.raw.keys("i[0-9]*")}
    restored(volume, path)
    fs = volume.open()
    assert fs.mknod(1, b"new", FileType.FILE, 0o644).inode not in inodes
    assert fs.new_slice() > made["slice"]
    assert max(session.sid for session in fs.session_list()) > sid
    volume.fs.close()


def without_counts(backup: bytes) -> bytes:
    """A backup whose counters were read before anything was there, as of a volume that changes."""
    parts = segments(backup)
    kind, counters = parts[1]
    lowest: dict[int | bytes, bytes] = {b"nextInode": field(2, 1), b"nextChunk": field(2, 1)}
    told = [(number, dict(wire(item))[1]) for number, item in wire(counters) if isinstance(item, bytes)]
    parts[1] = kind, b"".join(field(list, field(1, key) + lowest.get(key, b"")) for list, key in told)
    return assembled(parts)


@clause("backup/counters-lead-past-what-is-there", source="L5.15 L4.21", needs="backup.binary", clients=2)
def test_low_counters(volume: Volume, path: Path) -> None:
    """Where counters are behind the items of a backup, no number of these is given to anything new."""
    rich(volume)
    held = volume.file("held")
    volume.fs.open_file(held)
    volume.fs.unlink(1, b"held", True)
    volume.file("last")
    backup = backed_up(volume.fs, path)
    inodes = {int(key[1:]) for key in volume.raw.keys("i[0-9]*")}
    stored = [record for key in volume.raw.keys("c*") for record in volume.raw.lrange(key, 0, -1)]
    slices = [int.from_bytes(record[4:12]) for record in stored]
    sids = {sid for item in items(backup, "sustained") for number, sid in wire(item.data) if number == 1}
    path.write_bytes(without_counts(backup))
    made_by_hand(volume)
    restored(volume, path)
    fs = volume.open()
    again = {
        "inode": fs.mknod(1, b"new", FileType.FILE, 0o644).inode in inodes,
        "slice": fs.new_slice() <= max(slices),
        "session": {session.sid for session in fs.session_list()} == sids,
    }
    assert [what for what, taken in again.items() if taken] == []


@clause("backup/open-files-go-with-their-sessions", source="L5.21", needs="backup.binary", clients=2)
def test_sustained(volume: Volume, path: Path) -> None:
    """Unlinked files that were open when the backup was made go when the next client cleans up."""
    held = volume.file("held")
    put(volume.fs, held, 0, 100)
    volume.fs.open_file(held)
    volume.fs.unlink(1, b"held")
    backed_up(volume.fs, path)
    restored(volume, path)
    again = path.with_name("again.bin")
    fs = volume.open()
    assert items(backed_up(fs, again), "sustained") == items(path.read_bytes(), "sustained") != []
    fs.session_cleanup()
    assert soon(lambda: not volume.raw.exists(f"i{held}", f"c{held}_0"), 3)


@clause("backup/the-log-goes-on", source="L5.15", needs="backup.binary", clients=2)
def test_log(volume: Volume, path: Path) -> None:
    """The lines of the change log go on with the number that comes next."""
    volume.format(ChangeLog=True)
    volume.file("x")
    last = int(volume.raw.get("txnLastLog"))
    assert last > 0
    backed_up(volume.fs, path)
    restored(volume, path)
    assert int(volume.raw.get("txnLastLog") or 0) == last


whole_names = names.filter(lambda name: "\ufffd".encode() not in name)
targets = (
    st.binary(min_size=1, max_size=60)
    .filter(lambda target: not {0, ord("%")} & set(target))
    .filter(lambda target: "\ufffd".encode() not in target)
)
nodes = st.lists(st.tuples(whole_names, types, modes, targets, st.integers(0, 9)), max_size=12)


@given(nodes)
@clause("backup/any-tree-comes-back", source="L5.21 L4.18 N40.3", needs="backup.binary", clients=2)
def test_any_tree(volume: Volume, tmp_path_factory: pytest.TempPathFactory, drawn: list[Any]) -> None:
    """Any tree is the same after a backup and a restore, and then after a dump and a load."""
    volume.reset()
    folder = tmp_path_factory.mktemp("files")
    made, taken = [1], set()
    for name, type, mode, target, number in drawn:
        parent = made[number % len(made)]
        if (parent, name) in taken:
            continue
        taken.add((parent, name))
        inode = (
            volume.symlink(name, target, parent)
            if type is FileType.SYMLINK
            else volume.node(name, type, parent, mode)
        )
        if type is FileType.DIRECTORY:
            made.append(inode)
        elif type is FileType.FILE and number:
            put(volume.fs, inode, number << 20, number * 100)
            volume.fs.xattr_set(inode, b"user.target", target)
    volume.fs.settle()
    first = dumped(volume.fs, folder / "first.json", keep_secret=True)
    backed_up(volume.fs, folder / "backup.bin")
    second = dumped(restored(volume, folder / "backup.bin"), folder / "second.json", keep_secret=True)
    assert second == first
    third = dumped(reloaded(volume, folder / "second.json"), folder / "third.json", keep_secret=True)
    assert trees(third) == trees(first)


# -- what each format leaves out ------------------------------------------------------------------------


def filled(volume: Volume) -> dict[str, int]:
    """A volume that has something of everything that a format may leave out, too."""
    made = rich(volume, ChangeLog=True, UserGroupQuota=True)
    held = volume.file("held", made["e"])  # where nothing goes to the trash
    put(volume.fs, held, 0, 100)
    volume.fs.open_file(held)
    volume.fs.unlink(made["e"], b"held")
    volume.fs.flock(made["x"], 1, LockType.W)
    volume.raw.hset("delSlices", "7_1", bytes(12))
    volume.raw.zadd("detachedNodes", {"999": 1})
    volume.raw.zadd("delfiles", {"998:100": 5})
    volume.raw.rpush("c998_0", bytes(24))
    return made


LEFT_OUT = {
    "json": ("sessionInfos", "allSessions", "session1", "lock*", "delSlices", "detachedNodes", "c998_0"),
    "binary": ("sessionInfos", "lock*", "delSlices", "detachedNodes"),
}
ONLY_BINARY = ("session1", "c998_0")
"""Keys that a backup keeps and a dump does not."""


@pytest.mark.parametrize("format", LEFT_OUT)
@clause(
    "backup/each-format-leaves-out-what-it-says",
    source="L4.16 L4.21 L5.17",
    needs="backup.binary",
    clients=2,
)
def test_left_out(volume: Volume, path: Path, format: str) -> None:
    """Neither format keeps sessions, locks or what waits for a cleanup; a backup keeps what was open."""
    filled(volume)
    lines = {*volume.raw.lrange("txnLog", 0, -1)}
    assert lines
    for pattern in LEFT_OUT["json"]:
        assert volume.raw.keys(pattern), pattern
    if format == "json":
        dumped(volume.fs, path)
        reloaded(volume, path)
    else:
        backed_up(volume.fs, path)
        restored(volume, path)
    for pattern in LEFT_OUT[format]:
        assert not volume.raw.keys(pattern), pattern
    assert volume.raw.exists(*ONLY_BINARY) == (0 if format == "json" else len(ONLY_BINARY))
    assert volume.raw.zscore("delfiles", "998:100") == 5
    assert not lines & {*volume.raw.lrange("txnLog", 0, -1)}


@clause(
    "backup/a-dump-between-two-backups-loses-nothing-both-hold",
    source="L4.18 L4.19 L4.22 L4.24 L5.21",
    needs="backup.binary",
    clients=2,
)
def test_conversions(volume: Volume, path: Path) -> None:
    """From a backup to a dump and back, nothing is lost that both formats hold."""
    full(volume)
    held = Held(volume.keyspace())
    first = backed_up(volume.fs, path)
    fs = restored(volume, path)
    between = dumped(fs, path.with_name("between.json"), keep_secret=True)
    fs = reloaded(volume, path.with_name("between.json"))
    assert differing(held, Held(volume.keyspace()), "json") == {}
    last = backed_up(fs, path)
    for kind in BOTH_HOLD:
        assert items(last, kind) == items(first, kind), kind
    assert len(items(last, "node")) == len(items(first, "node"))
    again = dumped(restored(volume, path), path.with_name("again.json"), keep_secret=True)
    assert trees(again) == trees(between)
    assert differing(held, Held(volume.keyspace()), "json") == {}


# -- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["volume", "foreign"])
@clause("backup/is-restored-into-an-empty-database-only", source="L5.14", needs="backup.binary")
def test_not_empty(volume: Volume, path: Path, kind: str) -> None:
    """A database that holds anything is refused, and nothing in it changes."""
    rich(volume)
    backed_up(volume.fs, path)
    if kind == "foreign":
        volume.raw.flushdb()
        volume.raw.set("foo", "bar")
    with unchanged(volume), pytest.raises(Refused, match="not empty"):
        volume.fs.restore(str(path))


BAD = sorted(
    entry.name
    for entry in GOLDEN.joinpath("bad").iterdir()
    if entry.name.startswith("bin-") and not entry.name.startswith("bin-into-")
)


@pytest.mark.parametrize("name", BAD)
@clause(
    "backup/a-file-that-is-no-whole-backup-is-refused",
    source="L5.16 L5.17 L5.18 L5.19 L5.2",
    needs="backup.binary",
)
def test_bad(volume: Volume, path: Path, name: str) -> None:
    """A file that is cut, has what is unknown or twice, or is no backup is refused; nothing is written."""
    path.write_bytes(GOLDEN.joinpath("bad", name).read_bytes())
    volume.raw.flushdb()
    client = volume.connect()
    with unchanged(volume), pytest.raises(Refused):
        client.restore(str(path))


def with_item(name: str, list: int, *fields: int | bytes) -> Callable[[Segments], Segments]:
    """One more segment with one item, whose fields are given in their order."""
    item = b"".join(field(number, value) for number, value in enumerate(fields, 1))

    def twist(parts: Segments) -> Segments:
        return [*parts, (NAMES.index(name) + 1, field(list, item))]

    return twist


def without(name: str) -> Callable[[Segments], Segments]:
    """No segment of a kind."""
    return lambda parts: [part for part in parts if part[0] != NAMES.index(name) + 1]


TWISTED: dict[str, Callable[[Segments], Segments]] = {
    "entry-to-nowhere": with_item("edge", 2, 1, 999, b"lost", 1),
    "entry-of-nowhere": with_item("edge", 2, 999, 2, b"lost", 1),
    "entry-of-a-file": with_item("edge", 2, 4, 2, b"lost", 1),
    "entry-of-another-type": with_item("edge", 2, 1, 2, b"other", 1),
    "second-name-of-a-directory": with_item("edge", 2, 1, 2, b"again", 2),
    "root-below": with_item("edge", 2, 1, 1, b"root", 2),
    "second-entry": with_item("edge", 2, 1, 2, b"d", 2),
    "slash": with_item("edge", 2, 1, 4, b"a/b", 1),
    "node-twice": with_item("node", 1, 1, bytes([0, 0x21]) + bytes(70)),
    "short-node": with_item("node", 1, 999, bytes(10)),
    "node-of-no-type": with_item("node", 1, 999, bytes(72)),
    "rule-twice": with_item("acl", 12, 1, bytes(16)),
    "unknown-counter": with_item("counter", 13, b"nextTime", 1),
    "time-that-is-not-kept": with_item("delFile", 9, 77, 5, (1 << 63) - 1),
    "quota-of-no-type": with_item("quota", 11, 1, 1, 1, 1, 1, 3),
    "no-settings": without("format"),
    "no-counters": without("counter"),
    "no-nodes": without("node"),
}


@pytest.mark.parametrize("name", TWISTED)
@clause("backup/whose-items-do-not-fit-together-is-refused", source="L5.16 L5.18", needs="backup.binary")
def test_twisted(volume: Volume, path: Path, name: str) -> None:
    """Nodes twice, entries to or of nowhere, a directory under two names, no settings: nothing is written."""
    rich(volume)
    path.write_bytes(assembled(TWISTED[name](segments(backed_up(volume.fs, path)))))
    volume.raw.flushdb()
    with unchanged(volume), pytest.raises(Refused):
        volume.fs.restore(str(path))


@clause("backup/whose-directories-are-a-ring-is-refused", source="L5.16", needs="backup.binary")
def test_ring(volume: Volume, path: Path) -> None:
    """Two directories, each inside of the other, are refused before anything is written."""
    a = volume.dir("a")
    b = volume.dir("b", a)
    volume.raw.hdel("d1", "a")
    volume.raw.hset(f"d{b}", "a", bytes([2]) + a.to_bytes(8))
    backed_up(volume.fs, path)
    volume.raw.flushdb()
    with unchanged(volume), pytest.raises(Refused):
        volume.fs.restore(str(path))


@clause("backup/to-or-from-nowhere-is-refused", source="L5.1", needs="backup.binary")
def test_no_file(volume: Volume, path: Path) -> None:
    """A backup into a folder that is not there is refused, and so is a restore from no file."""
    refuses(ENOENT, volume.fs.backup, str(path.with_name("none") / "backup.bin"))
    volume.raw.flushdb()
    with unchanged(volume):
        refuses(ENOENT, volume.fs.restore, str(path))
