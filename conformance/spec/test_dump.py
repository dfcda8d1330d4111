"""The JSON dump and its load: bytes, names, secrets, parts, and a volume that lives on (L4)."""

from __future__ import annotations

import gzip
import json
import re
from errno import ENOENT
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.contents import hole, put, store
from metaparity.conformance.scenes.dumps import (
    GOLDEN,
    LONG,
    document,
    dumped,
    keys_of,
    made_by_hand,
    recorded,
    recorded_volume,
    reloaded,
    rich,
    trees,
    with_long_name,
    without_counters,
)
from metaparity.conformance.scenes.holdings import Held, differing, full
from metaparity.conformance.scenes.quotas import DIR, GROUP, LIMITS, USER, stored
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import CHUNK_SIZE, TRASH_INODE, FileType, Quota
from metaparity.fixtures.volumes import FORMAT, Volume


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a dump goes."""
    return tmp_path / "dump.json"


def parsed(dump: bytes) -> Any:
    return json.loads(dump)


# -- what a dump says --------------------------------------------------------------------------------

RECORDED: dict[str, dict[str, Any]] = {
    "dump-secret.json": {"keep_secret": True},
    "dump.json": {},
    "dump-fast-secret.json": {"keep_secret": True, "fast": True},
    "dump-fast.json": {"fast": True, "threads": 4},
    "dump-skip-trash.json": {"keep_secret": True, "skip_trash": True},
    "dump-subtree.json": {"keep_secret": True, "root": 2},
}


@pytest.mark.parametrize("name", RECORDED)
@clause(
    "dump/of-the-recorded-volume-is-the-recorded-one",
    source="L4.1 L4.2 L4.3 L4.4 L4.5 L4.6 L4.7 L4.8 L4.9 L4.10 L4.11 L4.13",
    needs="dump.json",
)
def test_recorded(volume: Volume, path: Path, name: str) -> None:
    """A dump of a recorded volume is, byte for byte, the one that JuiceFS made of it."""
    fs = recorded_volume(volume)
    assert dumped(fs, path, **RECORDED[name]).split(b"\n") == recorded(name).split(b"\n")


@clause("dump/changes-nothing", source="L4.15", needs="dump.json")
def test_unchanged(volume: Volume, path: Path) -> None:
    """A dump leaves every key as it was."""
    rich(volume)
    with unchanged(volume):
        dumped(volume.fs, path)


@clause("dump/spells-names-as-recorded", source="L4.12", needs="dump.json")
def test_names(volume: Volume, path: Path) -> None:
    """Names and targets are spelled with %XX where a byte is no text or has a meaning."""
    vectors = json.loads(GOLDEN.joinpath("..", "escape-vectors.json").read_text("utf-8"))["vectors"]
    names = {
        bytes.fromhex(one["hex"]): one["escaped"] for one in vectors if one.get("hex") and one["escaped"]
    }
    del names["\ufffd".encode()]
    for number, name in enumerate(names):
        volume.symlink(name.replace(b"/", b"%2F"), name)
        volume.fs.xattr_set(volume.file(f"file {number}"), b"user.k", name)
    tree = parsed(dumped(volume.fs, path))["FSTree"]["entries"]
    for number, (name, spelled) in enumerate(names.items()):
        assert tree[spelled.replace("/", "%252F")]["symlink"] == spelled, name
        assert tree[f"file%20{number}"]["xattrs"] == [{"name": "user.k", "value": spelled}], name


@clause("dump/keeps-every-name", source="L4.12 L4.11", needs="dump.json", clients=2)
def test_replacement_character(volume: Volume, path: Path) -> None:
    """Every name, target and value comes back from a load, that of U+FFFD, too."""
    name = "a\ufffdb".encode()
    inode = volume.file(name)
    volume.fs.xattr_set(inode, b"user.k", name)
    link = volume.symlink("link", name)
    dumped(volume.fs, path)
    fs = reloaded(volume, path)
    assert fs.lookup(1, name).inode == inode
    assert (fs.readlink(link), fs.xattr_get(inode, b"user.k")) == (name, name)


@clause("dump/keeps-names-of-any-length", source="L4.12 N25.1", needs="dump.json", clients=2)
def test_long_name(volume: Volume, path: Path) -> None:
    """A name that is longer than most calls take, as a copy may have, comes back from a load."""
    inode = with_long_name(volume)
    dumped(volume.fs, path)
    assert reloaded(volume, path).lookup(1, LONG).inode == inode


@clause("dump/tells-secrets-only-when-asked", source="L4.3", needs="dump.json")
def test_secrets(volume: Volume, path: Path) -> None:
    """Secret key and session token are "removed" unless they are asked for; the key to encrypt is kept."""
    secrets = {"SecretKey": "s", "SessionToken": "t", "EncryptKey": "k"}
    volume.format(**secrets)
    setting = parsed(dumped(volume.fs, path))["Setting"]
    assert {name: setting[name] for name in secrets} == {
        "SecretKey": "removed",
        "SessionToken": "removed",
        "EncryptKey": "k",
    }
    kept = parsed(dumped(volume.fs, path, keep_secret=True))["Setting"]
    assert {name: kept[name] for name in secrets} == secrets


@clause("dump/escapes-text-as-go-does", source="L4.1 L4.10", needs="dump.json")
def test_go_text(volume: Volume, path: Path) -> None:
    """Settings and names of extended attributes have the escapes of Go, for < and > and & as well."""
    odd = "<&>'\u2028\u2029\x7f\t\x01\u00fc"
    volume.format(Bucket=odd)
    volume.fs.xattr_set(volume.file("x"), b"user." + odd.encode(), b"<v>")
    dump = dumped(volume.fs, path)
    spelled = rb"\u003c\u0026\u003e'\u2028\u2029" + b"\x7f" + rb"\t\u0001" + "\u00fc".encode()
    assert b'"Bucket": "' + spelled + b'"' in dump
    assert b'"name":"user.' + spelled + rb'","value":"\u003cv\u003e"' in dump


@clause("dump/leaves-out-the-trash-when-asked", source="L4.13", needs="dump.json")
def test_skip_trash(volume: Volume, path: Path) -> None:
    """The trash is a tree of its own, written even when there is none, and left out when asked."""
    volume.file("x")
    whole = parsed(dumped(volume.fs, path))
    assert whole["Trash"] == {
        "attr": {**dict.fromkeys(("mode", "uid", "gid", "atime", "mtime", "ctime", "length"), 0), "nlink": 2}
        | {"inode": TRASH_INODE, "type": "directory"},
        "entries": {},
    }
    assert "Trash" not in parsed(dumped(volume.fs, path, skip_trash=True))


@clause("dump/of-a-directory-is-a-volume-of-its-own", source="L4.6 L4.13 L4.18", needs="dump.json", clients=2)
def test_subtree(volume: Volume, path: Path) -> None:
    """A dump of a directory has neither trash nor limits of users; loaded, the directory is the root."""
    made = rich(volume)
    volume.fs.quota_set(USER, 7, Quota(1 << 30, -1))
    part = parsed(dumped(volume.fs, path, root=made["d"]))
    assert part.keys() & {"Trash", "UserQuotas", "GroupQuotas"} == set()
    fs = reloaded(volume, path)
    assert fs.lookup(1, b"x").inode == made["x"]
    attr = fs.getattr(1)
    assert (attr.type, attr.parent, attr.nlink) == (FileType.DIRECTORY, 1, 3)


@clause("dump/of-what-is-no-directory-is-refused", source="L4.13", needs="dump.json")
def test_no_directory(volume: Volume, path: Path) -> None:
    """A dump of a part that is no directory is ENOTDIR, of what is not there ENOENT; no file is made."""
    x = volume.file("x")
    with pytest.raises(NotADirectoryError):
        volume.fs.dump(str(path), root=x)
    with pytest.raises(FileNotFoundError):
        volume.fs.dump(str(path), root=x + 1)
    assert not path.exists()


@pytest.mark.parametrize("root", [0, 1])
@clause("dump/root-0-is-the-real-root", source="L4.13", needs="dump.json")
def test_root(volume: Volume, path: Path, root: int) -> None:
    """Root 0 is the root of the volume, root 1 that of the client."""
    made = rich(volume)
    volume.fs.chroot(b"d")
    dump = parsed(dumped(volume.fs, path, root=root))
    assert dump["FSTree"]["attr"]["inode"] == (made["d"] if root else 1)
    assert ("Trash" in dump) == (root == 0)


@clause("dump/is-the-same-for-any-number-of-threads", source="L4.14", needs="dump.json")
def test_threads(volume: Volume, path: Path) -> None:
    """However many threads read, and fast or not, the dump is the same."""
    d = volume.dir("many")
    for number in range(230):
        volume.file(f"f{number}", d)
    big = volume.file("big")
    for chunk in range(6):
        put(volume.fs, big, chunk * CHUNK_SIZE, 10 + chunk)
    first = dumped(volume.fs, path, threads=1)
    assert len(parsed(first)["FSTree"]["entries"]["many"]["entries"]) == 230
    assert len(parsed(first)["FSTree"]["entries"]["big"]["chunks"]) == 6
    for options in ({"threads": 10}, {"threads": 3, "fast": True}):
        assert dumped(volume.fs, path, **options) == first


@clause("dump/of-a-name-in-gz-is-gzipped", source="L4.16", needs="dump.json", clients=2)
def test_gzip(volume: Volume, path: Path) -> None:
    """A file whose name ends with .gz holds the same, gzipped, and is loaded like any other."""
    rich(volume)
    plain, packed = dumped(volume.fs, path), path.with_name("dump.json.gz")
    assert gzip.decompress(dumped(volume.fs, packed)) == plain
    assert trees(dumped(reloaded(volume, packed), path)) == trees(plain)


@clause("dump/of-a-damaged-volume-goes-on", source="L4.9 L4.13", needs="dump.json")
def test_damage(volume: Volume, path: Path) -> None:
    """A node without attributes has zeros, one of another type is what it is, a bad chunk is empty."""
    lost, other, bad = volume.file("lost"), volume.dir("other"), volume.file("bad")
    put(volume.fs, bad, 0, 10)
    volume.raw.delete(f"i{lost}")
    volume.raw.hset("d1", "other", b"\x01" + other.to_bytes(8))
    volume.raw.rpush(f"c{bad}_0", b"short")
    tree = parsed(dumped(volume.fs, path))["FSTree"]["entries"]
    assert tree["lost"]["attr"]["nlink"] == 1
    assert tree["lost"]["attr"]["mtime"] == 0
    assert tree["other"]["attr"]["type"] == "directory"
    assert tree["bad"]["chunks"] == [{"index": 0, "slices": []}]


@clause("dump/leaves-out-quotas-that-are-none", source="L4.6", needs="dump.json")
def test_no_quotas(volume: Volume, path: Path) -> None:
    """The quota of what is no number, or whose record has another length, is left out; others are told."""
    limits = LIMITS.pack(1 << 30, 100)
    volume.raw.hset(
        "dirQuota", mapping={"1": limits, "0": limits[1:], "x": limits, "-2": limits, "1_0": limits}
    )
    quotas = parsed(dumped(volume.fs, path))["Quotas"]
    assert quotas == {"1": {"maxSpace": 1 << 30, "maxInodes": 100}}


@clause("dump/names-of-attributes-are-told-apart", source="L4.12", needs="dump.json")
def test_odd_attributes(volume: Volume, path: Path) -> None:
    """Where two names of attributes of a node are no UTF-8 and become one in JSON, no dump is made."""
    x = volume.file("x")
    volume.fs.xattr_set(x, b"user.\xff", b"v")
    volume.fs.xattr_set(x, b"user.\xfe", b"w")
    with pytest.raises(Refused):
        volume.fs.dump(str(path))
    assert not path.exists()


@clause("dump/leaves-out-chunks-beyond-the-length", source="L4.9", needs="dump.json")
def test_beyond(volume: Volume, path: Path) -> None:
    """Only chunks below the length of a file are told, as they are stored: holes, too."""
    x = volume.file("x")
    put(volume.fs, x, 0, 100)
    store(volume, x, 0, [hole(50)])
    store(volume, x, 1, [hole(50)])
    chunks = parsed(dumped(volume.fs, path))["FSTree"]["entries"]["x"]["chunks"]
    assert [(one["index"], [slice["id"] > 0 for slice in one["slices"]]) for one in chunks] == [
        (0, [True, False])
    ]
    volume.fs.truncate(x, 0, 0)
    assert "chunks" not in parsed(dumped(volume.fs, path))["FSTree"]["entries"]["x"]


@clause("dump/lists-open-and-deleted-files", source="L4.5", needs="dump.json")
def test_waiting(volume: Volume, path: Path) -> None:
    """Unlinked files that are open are listed by session, deleted ones with length and time."""
    x = volume.file("x")
    volume.fs.open_file(x)
    volume.fs.unlink(1, b"x")
    volume.raw.zadd("delfiles", {"77:100": 5, "78": 6, "79:1:2": 7})
    dump = parsed(dumped(volume.fs, path))
    assert dump["Sustained"] == [{"sid": 1, "inodes": [x]}]
    assert dump["DelFiles"] == [{"inode": 77, "length": 100, "expire": 5}]


@clause("dump/a-client-that-only-reads-can-dump", source="L4.15", needs="dump.json", clients=2)
def test_read_only(volume: Volume, path: Path) -> None:
    """A read-only client dumps what others dump."""
    rich(volume)
    reader = volume.open(read_only=True)
    assert dumped(reader, path) == dumped(volume.fs, path)


# -- what a load makes of it -------------------------------------------------------------------------

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
    assert parsed(dumped(volume.fs, path, root=part))["Quotas"].keys() == {str(other), str(inside)}
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


# -- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["volume", "foreign"])
@clause("dump/is-loaded-into-an-empty-database-only", source="L4.17", needs="dump.json")
def test_not_empty(volume: Volume, path: Path, kind: str) -> None:
    """A database that holds anything is refused, and nothing in it changes."""
    rich(volume)
    dumped(volume.fs, path)
    if kind == "foreign":
        volume.raw.flushdb()
        volume.raw.set("foo", "bar")
    with unchanged(volume), pytest.raises(Refused, match="not empty"):
        volume.fs.load_dump(str(path))


BAD = sorted(
    entry.name
    for entry in GOLDEN.joinpath("bad").iterdir()
    if entry.name.startswith("json-") and not entry.name.startswith(("json-into-", "json-min", "json-newer"))
)


@pytest.mark.parametrize("name", BAD)
@clause("dump/a-file-that-is-no-whole-dump-is-refused", source="L4.25 L4.26", needs="dump.json")
def test_bad(volume: Volume, path: Path, name: str) -> None:
    """A file that is cut, has what is unknown, or is no dump at all is refused before anything is written."""
    path = path.with_name(name)
    path.write_bytes(GOLDEN.joinpath("bad", name).read_bytes())
    volume.raw.flushdb()
    client = volume.connect()
    with unchanged(volume), pytest.raises(Refused):
        client.load_dump(str(path))


def doubled_directory(dump: Any) -> None:
    entries = dump["FSTree"]["entries"]
    entries["again"] = entries["d"]


def directory_in_itself(dump: Any) -> None:
    entries = dump["FSTree"]["entries"]
    entries["d"]["entries"]["loop"] = {**entries["d"], "entries": {}}


def root_below(dump: Any) -> None:
    dump["FSTree"]["entries"]["loop"] = {"attr": dump["FSTree"]["attr"], "entries": {}}


def file_as_directory(dump: Any) -> None:
    entries = dump["FSTree"]["entries"]
    entries["again"] = {"attr": {**entries["d"]["attr"], "type": "regular"}}


def slash(dump: Any) -> None:
    entries = dump["FSTree"]["entries"]
    entries["a/b"] = entries["x3"]


def wide_slice(dump: Any) -> None:
    dump["FSTree"]["entries"]["x3"]["chunks"][0]["slices"][0]["size"] = 1 << 32


def no_inode(dump: Any) -> None:
    del dump["FSTree"]["entries"]["x3"]["attr"]["inode"]


def file_as_fifo(dump: Any) -> None:
    entries = dump["FSTree"]["entries"]
    entries["again"] = {"attr": {**entries["x3"]["attr"], "type": "fifo"}}


def attribute_twice(dump: Any) -> None:
    entries = dump["FSTree"]["entries"]
    entries["again"] = {**entries["x3"], "xattrs": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}
    entries["again"]["attr"] = {**entries["x3"]["attr"], "inode": 1 << 40}


def last_inode(dump: Any) -> None:
    dump["FSTree"]["entries"]["x3"]["attr"]["inode"] = 1 << 63


def last_slice(dump: Any) -> None:
    dump["FSTree"]["entries"]["x3"]["chunks"][0]["slices"][0]["id"] = 1 << 63


def too_long(dump: Any) -> None:
    dump["FSTree"]["entries"]["x3"]["attr"]["length"] = (1 << 64) - 1


def too_long_together(dump: Any) -> None:
    entries = dump["FSTree"]["entries"]
    attr = {**entries["x3"]["attr"], "inode": 1 << 40, "length": 1 << 62}
    entries["d"]["entries"].update({name: {"attr": attr} for name in "qrs"})


def never_deleted(dump: Any) -> None:
    dump["DelFiles"] = [{"inode": 77, "length": 5, "expire": (1 << 63) - 1}]


TWISTED = [
    doubled_directory,
    directory_in_itself,
    root_below,
    file_as_directory,
    file_as_fifo,
    attribute_twice,
    slash,
    wide_slice,
    no_inode,
    last_inode,
    last_slice,
    too_long,
    too_long_together,
    never_deleted,
]


@pytest.mark.parametrize("twist", TWISTED, ids=lambda twist: twist.__name__)
@clause("dump/whose-nodes-do-not-fit-together-is-refused", source="L4.25", needs="dump.json")
def test_twisted(volume: Volume, path: Path, twist: Any) -> None:
    """A directory under two names, one in itself, impossible names, numbers and sums: nothing is written."""
    rich(volume)
    dump = parsed(dumped(volume.fs, path))
    twist(dump)
    path.write_text(json.dumps(dump))
    volume.raw.flushdb()
    with unchanged(volume), pytest.raises(Refused):
        volume.fs.load_dump(str(path))


@pytest.mark.parametrize(
    "change",
    [{"MetaVersion": 2}, {"MinClientVersion": "9.0.0"}, {"MinClientVersion": "zzz"}],
    ids=["meta", "client", "unknown"],
)
@clause("dump/of-a-newer-volume-is-refused", source="L4.25", needs="dump.json")
def test_newer(volume: Volume, path: Path, change: dict[str, Any]) -> None:
    """A dump whose settings ask for a newer client is refused before anything is written."""
    rich(volume)
    dump = parsed(dumped(volume.fs, path))
    dump["Setting"].update(change)
    path.write_text(json.dumps(dump))
    volume.raw.flushdb()
    with unchanged(volume), pytest.raises(Refused):
        volume.fs.load_dump(str(path))


@clause("dump/to-or-from-nowhere-is-refused", source="L4.15", needs="dump.json")
def test_no_file(volume: Volume, path: Path) -> None:
    """A dump into a folder that is not there is refused, and so is the load of a file that is not there."""
    refuses(ENOENT, volume.fs.dump, str(path.with_name("none") / "dump.json"))
    volume.raw.flushdb()
    with unchanged(volume):
        refuses(ENOENT, volume.fs.load_dump, str(path))
