"""What a JSON dump says: bytes, names, secrets, parts (L4.1-L4.16)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.contents import hole, put, store
from metaparity.conformance.scenes.dumps import (
    GOLDEN,
    LONG,
    dumped,
    recorded,
    recorded_volume,
    reloaded,
    rich,
    trees,
    with_long_name,
)
from metaparity.conformance.scenes.quotas import LIMITS, USER
from metaparity.conformance.verbs import unchanged
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import CHUNK_SIZE, TRASH_INODE, FileType, Quota
from metaparity.fixtures.volumes import Volume


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a dump goes."""
    return tmp_path / "dump.json"


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
    tree = json.loads(dumped(volume.fs, path))["FSTree"]["entries"]
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
    setting = json.loads(dumped(volume.fs, path))["Setting"]
    assert {name: setting[name] for name in secrets} == {
        "SecretKey": "removed",
        "SessionToken": "removed",
        "EncryptKey": "k",
    }
    kept = json.loads(dumped(volume.fs, path, keep_secret=True))["Setting"]
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
    whole = json.loads(dumped(volume.fs, path))
    assert whole["Trash"] == {
        "attr": {**dict.fromkeys(("mode", "uid", "gid", "atime", "mtime", "ctime", "length"), 0), "nlink": 2}
        | {"inode": TRASH_INODE, "type": "directory"},
        "entries": {},
    }
    assert "Trash" not in json.loads(dumped(volume.fs, path, skip_trash=True))


@clause("dump/of-a-directory-is-a-volume-of-its-own", source="L4.6 L4.13 L4.18", needs="dump.json", clients=2)
def test_subtree(volume: Volume, path: Path) -> None:
    """A dump of a directory has neither trash nor limits of users; loaded, the directory is the root."""
    made = rich(volume)
    volume.fs.quota_set(USER, 7, Quota(1 << 30, -1))
    part = json.loads(dumped(volume.fs, path, root=made["d"]))
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
    dump = json.loads(dumped(volume.fs, path, root=root))
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
    assert len(json.loads(first)["FSTree"]["entries"]["many"]["entries"]) == 230
    assert len(json.loads(first)["FSTree"]["entries"]["big"]["chunks"]) == 6
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
    tree = json.loads(dumped(volume.fs, path))["FSTree"]["entries"]
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
    quotas = json.loads(dumped(volume.fs, path))["Quotas"]
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
    chunks = json.loads(dumped(volume.fs, path))["FSTree"]["entries"]["x"]["chunks"]
    assert [(one["index"], [slice["id"] > 0 for slice in one["slices"]]) for one in chunks] == [
        (0, [True, False])
    ]
    volume.fs.truncate(x, 0, 0)
    assert "chunks" not in json.loads(dumped(volume.fs, path))["FSTree"]["entries"]["x"]


@clause("dump/lists-open-and-deleted-files", source="L4.5", needs="dump.json")
def test_waiting(volume: Volume, path: Path) -> None:
    """Unlinked files that are open are listed by session, deleted ones with length and time."""
    x = volume.file("x")
    volume.fs.open_file(x)
    volume.fs.unlink(1, b"x")
    volume.raw.zadd("delfiles", {"77:100": 5, "78": 6, "79:1:2": 7})
    dump = json.loads(dumped(volume.fs, path))
    assert dump["Sustained"] == [{"sid": 1, "inodes": [x]}]
    assert dump["DelFiles"] == [{"inode": 77, "length": 100, "expire": 5}]


@clause("dump/a-client-that-only-reads-can-dump", source="L4.15", needs="dump.json", clients=2)
def test_read_only(volume: Volume, path: Path) -> None:
    """A read-only client dumps what others dump."""
    rich(volume)
    reader = volume.open(read_only=True)
    assert dumped(reader, path) == dumped(volume.fs, path)
