"""JSON dumps that are not loaded, and databases into which none is (L4.15, L4.17, L4.25, L4.26)."""

from __future__ import annotations

import json
from errno import ENOENT
from pathlib import Path
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.dumps import GOLDEN, dumped, rich
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.errors import Refused
from metaparity.fixtures.volumes import Volume


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a dump goes."""
    return tmp_path / "dump.json"


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
    dump = json.loads(dumped(volume.fs, path))
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
    dump = json.loads(dumped(volume.fs, path))
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
