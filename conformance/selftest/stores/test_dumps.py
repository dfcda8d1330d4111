"""Dumps and loads of our engines: what was recorded, byte for byte, and files that are damaged."""

from __future__ import annotations

import errno
import gzip
import io
import json
import random
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from metaparity.conformance.scenes.backups import assembled, contents, field, segments
from metaparity.conformance.scenes.dumps import GOLDEN, document, put_keys
from metaparity.conformance.traces.form import Trace
from metaparity.conformance.traces.keys import keyspace_differences, recorded_keys
from metaparity.drivers.engine import codec, dumpfile
from metaparity.drivers.engine.inventory import Check, Inventory, inventory
from metaparity.drivers.engine.jsontext import BadFile
from metaparity.drivers.engine.schema import messages
from metaparity.drivers.engine.spool import Spool
from metaparity.drivers.engine.survey import survey
from metaparity.drivers.files import reading
from metaparity.fixtures.volumes import FORMAT, keyspace

from .conftest import LocalServer, OpenEngine

DUMPS: dict[str, dict[str, Any]] = {
    "dump-secret.json": {"keep_secret": True},
    "dump.json": {},
    "dump-fast.json": {"fast": True},
    "dump-skip-trash.json": {"keep_secret": True, "skip_trash": True},
    "dump-subtree.json": {"keep_secret": True, "root": 2},
}


@pytest.mark.parametrize("name", DUMPS)
def test_dump_as_recorded(engine: OpenEngine, server: LocalServer, tmp_path: Path, name: str) -> None:
    """With the defects, every recorded dump of the recorded volume comes out byte for byte."""
    put_keys(server.raw, recorded_keys(document("rich-source.json")["keyspace"]))
    client = engine("1.4.1")
    client.load()
    client.dump(str(tmp_path / "dump"), **DUMPS[name])
    assert (tmp_path / "dump").read_bytes() == GOLDEN.joinpath(name).read_bytes()


LOADS = {
    "loaded-json-secret.json": "dump-secret.json",
    "loaded-json.json": "dump.json",
    "loaded-subtree.json": "dump-subtree.json",
    "loaded-skip-trash.json": "dump-skip-trash.json",
}


def differences(server: LocalServer, recorded: Any) -> list[str]:
    """How the keys differ from recorded ones, the lines of the log apart."""
    log = [place for place in recorded.get("volatile", []) if place["key"] == "txnLog"]
    trace = Trace("load", {}, {}, [], keyspace=recorded["keyspace"], volatile=log)
    return keyspace_differences(trace, keyspace(server.raw))


@pytest.mark.parametrize("name", LOADS)
def test_load_as_recorded(engine: OpenEngine, server: LocalServer, name: str) -> None:
    """With the defects, every recorded dump loads to the recorded keys, none more and none less."""
    engine("1.4.1").load_dump(str(GOLDEN.joinpath(LOADS[name])))
    assert differences(server, document(name)) == []


@pytest.mark.parametrize("name", ["loaded-json-secret.json", "loaded-subtree.json"])
def test_load_of_chunks_in_turns(engine: OpenEngine, server: LocalServer, name: str) -> None:
    """A dump loads to the same keys where each chunk is told by itself, as when a file has very many."""
    with mock.patch.multiple(dumpfile, MANY=1, AT_ONCE=0):
        engine("1.4.1").load_dump(str(GOLDEN.joinpath(LOADS[name])))
    assert differences(server, document(name)) == []


def test_load_of_a_document_made_by_hand(engine: OpenEngine, server: LocalServer, tmp_path: Path) -> None:
    """Odd numbers of links, lengths and the root, and slices of an old form are put right."""
    recorded = document("handmade.json")
    (tmp_path / "dump").write_text(json.dumps(recorded["document"]))
    engine("1.4.1").load_dump(str(tmp_path / "dump"))
    assert differences(server, recorded) == []


@pytest.mark.parametrize("name", ["loaded-json-secret.json", "loaded-subtree.json"])
def test_load_of_members_in_another_order(
    engine: OpenEngine, server: LocalServer, tmp_path: Path, name: str
) -> None:
    """A dump loads to the same keys where settings and quotas follow the trees, as when names are sorted."""
    dump = json.loads(GOLDEN.joinpath(LOADS[name]).read_text("utf-8"))
    turned = dict(sorted(dump.items(), reverse=True))
    for order in (dict(sorted(dump.items())), turned):
        server.raw.flushall()
        (tmp_path / "dump").write_text(json.dumps(order))
        engine("1.4.1").load_dump(str(tmp_path / "dump"))
        assert differences(server, document(name)) == []


def test_records_of_one_slice_with_several_sizes(
    engine: OpenEngine, server: LocalServer, tmp_path: Path
) -> None:
    """References are counted for a slice and a size: what comes once has none, whichever came first."""
    dump = json.loads(GOLDEN.joinpath("dump-secret.json").read_text("utf-8"))
    attr = dump["FSTree"]["attr"]

    def file(inode: int, *slices: tuple[int, int]) -> dict[str, Any]:
        records = [{"id": id, "size": size, "len": size} for id, size in slices]
        own = {**attr, "inode": inode, "type": "regular", "length": 100}
        return {"attr": own, "chunks": [{"index": 0, "slices": records}]}

    entries = {"a": file(900, (77, 10), (78, 5)), "b": file(901, (77, 20), (78, 5)), "c": file(902, (77, 20))}
    tree = {"attr": attr, "entries": entries}
    (tmp_path / "dump").write_text(json.dumps({**dump, "FSTree": tree}))
    engine("").load_dump(str(tmp_path / "dump"))
    found = server.raw.hgetall("sliceRef")
    assert (found.get(b"k77_10"), found[b"k77_20"], found[b"k78_5"]) == (None, b"1", b"1")


def test_dump_of_what_was_loaded_as_recorded(engine: OpenEngine, tmp_path: Path) -> None:
    """A dump of a recorded dump that was loaded is the recorded one."""
    client = engine("1.4.1")
    client.load_dump(str(GOLDEN.joinpath("dump-secret.json")))
    client.dump(str(tmp_path / "dump"), keep_secret=True)
    wanted = GOLDEN.joinpath("redump-after-load-json-secret.json").read_text("utf-8")
    lines = (tmp_path / "dump").read_text("utf-8").split("\n")
    changed = [pair for pair in zip(lines, wanted.split("\n"), strict=False) if pair[0] != pair[1]]
    assert changed == []


def vectors() -> list[dict[str, Any]]:
    """The recorded spellings that say something: those of bytes, and those of text."""
    text = GOLDEN.parent.joinpath("escape-vectors.json").read_text("utf-8")  # type: ignore[attr-defined]
    return [one for one in json.loads(text)["vectors"] if one.get("hex") != "7f"]


@pytest.mark.parametrize("vector", vectors(), ids=lambda one: one["escaped"] or "empty")
def test_spelling(vector: dict[str, Any]) -> None:
    """Every recorded spelling of bytes and meaning of text."""
    if "hex" in vector:
        assert codec.escape_losing(bytes.fromhex(vector["hex"])) == vector["escaped"]
    else:
        meant = vector["unescaped"]
        wanted = b"\xb9\xfb" if isinstance(meant, dict) else meant.encode()
        assert codec.unescape(vector["escaped"]) == wanted


def test_every_byte_is_spelled() -> None:
    """What is spelled means the same again, whatever the bytes."""
    for name in (bytes(range(256)), "\ufffd\u00fc\U0001f600".encode(), b"%41%", b"\xed\xa0\x80"):
        assert codec.unescape(codec.escape(name)) == name


# -- binary backups ---------------------------------------------------------------------------------------

BACKUPS = {"backup.bin": False, "backup-secret.bin": True}


@pytest.mark.parametrize("name", BACKUPS)
def test_backup_as_recorded(engine: OpenEngine, server: LocalServer, tmp_path: Path, name: str) -> None:
    """With the defects, a backup of the recorded volume has the recorded items, in as many segments."""
    put_keys(server.raw, recorded_keys(document("rich-source.json")["keyspace"]))
    client = engine("1.4.1")
    client.load()
    client.backup(str(tmp_path / "backup"), keep_secret=BACKUPS[name])
    backup, wanted = (tmp_path / "backup").read_bytes(), GOLDEN.joinpath(name).read_bytes()
    assert contents(backup) == contents(wanted)
    assert sorted(kind for kind, _ in segments(backup)) == sorted(kind for kind, _ in segments(wanted))
    assert len(backup) == len(wanted)


@pytest.mark.parametrize("name", BACKUPS)
def test_restore_as_recorded(engine: OpenEngine, server: LocalServer, name: str) -> None:
    """With the defects, a recorded backup is restored to the recorded keys, none more and none less."""
    engine("1.4.1").restore(str(GOLDEN.joinpath(name)))
    assert differences(server, document(name.replace("backup", "loaded-bin").replace(".bin", ".json"))) == []


def test_what_waits_is_measured_in_bytes(engine: OpenEngine, tmp_path: Path) -> None:
    """Values, and numbers that take more memory than bytes of the file, count for what they take."""
    attribute = field(5, field(1, 1) + field(2, b"user.large") + field(3, b"x" * 1_000_000))
    session = field(8, field(1, 99) + field(2, b"\7" * 100_000))
    whole = segments(GOLDEN.joinpath("backup.bin").read_bytes())
    (tmp_path / "backup").write_bytes(assembled([*whole, (10, attribute), (8, session)]))
    with mock.patch.object(Spool, "put", autospec=True, side_effect=Spool.put) as put:
        engine("").restore(str(tmp_path / "backup"))
    sizes = {len(item[1][0]): size for _, (_, item, size), _ in put.mock_calls if item[0] == "xattrs"}
    assert sizes[1] > 1_000_000
    assert [size for _, (_, item, size), _ in put.mock_calls if item[0] == "sustained"][-1] > 800_000


def test_dump_of_what_was_restored_as_recorded(engine: OpenEngine, tmp_path: Path) -> None:
    """A dump of a recorded backup that was restored is the recorded one."""
    client = engine("1.4.1")
    client.restore(str(GOLDEN.joinpath("backup-secret.bin")))
    client.dump(str(tmp_path / "dump"), keep_secret=True)
    assert (tmp_path / "dump").read_bytes() == GOLDEN.joinpath(
        "redump-after-load-bin-secret.json"
    ).read_bytes()


def cuts() -> list[int]:
    """Where a backup is cut: at and around every border of its segments, and at 200 other bytes."""
    whole = GOLDEN.joinpath("backup.bin").read_bytes()
    borders, at = [0], 0
    for _, data in segments(whole):
        at += 12 + len(data)
        borders.append(at)
    around = {border + step for border in borders for step in (-1, 0, 1, 4, 11, 12)}
    chance = random.Random(5)
    return sorted({cut for cut in around if 0 <= cut < len(whole)} | {*chance.sample(range(len(whole)), 200)})


@pytest.mark.parametrize("cut", cuts())
def test_a_cut_backup_is_refused(cut: int) -> None:
    """A backup that is cut anywhere is refused with the offset; one with a changed bit is read or refused."""
    whole = GOLDEN.joinpath("backup.bin").read_bytes()
    with pytest.raises(BadFile, match=r"at byte \d+$") as bad:
        inventory(io.BytesIO(whole[:cut]))
    assert 0 <= bad.value.offset <= cut
    for bit in range(8):
        flipped = bytearray(whole)
        flipped[cut] ^= 1 << bit
        with suppress(BadFile):
            inventory(io.BytesIO(flipped))


@pytest.mark.parametrize("length", [1 << 27, 1 << 32, 1 << 63, (1 << 64) - 1])
def test_a_long_length_takes_no_memory(length: int) -> None:
    """What a file says of its length is believed only as far as there are bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(BadFile):
            inventory(io.BytesIO(b"\0\0\0\3" + length.to_bytes(8) + bytes(100)))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_schema_as_it_is_read() -> None:
    """What is read of the schema at run time: all messages, and the numbers of the format."""
    batch = messages()["Batch"]
    assert [field.number for field in batch.DESCRIPTOR.fields] == list(range(1, 17))
    assert batch.DESCRIPTOR.fields_by_name["group_quotas"].number == 16
    assert len(messages()) == 19
    node = messages()["Node"](inode=300, data=b"x")
    assert node.SerializeToString() == bytes.fromhex("08ac02120178")


@pytest.mark.parametrize("act", ["dump", "backup"])
def test_one_connection_is_enough(engine: OpenEngine, server: LocalServer, tmp_path: Path, act: str) -> None:
    """A pool of one is never waited for by the call that has its connection, for large directories, too."""
    client = engine("&pool-size=1&pool-timeout=1s")
    client.restore(str(GOLDEN.joinpath("backup-secret.bin")))
    entries = ((f"n{number}", bytes([1]) + (1000 + number).to_bytes(8)) for number in range(3000))
    server.raw.hset("d1", items=[part for entry in entries for part in entry])
    client.load()
    getattr(client, act)(str(tmp_path / "file"))
    assert (tmp_path / "file").stat().st_size > 3000
    server.raw.flushall()
    client.load_dump(str(GOLDEN.joinpath("dump-secret.json")))
    assert client.load().name == "golden"


@pytest.mark.parametrize("name", ["dump-secret.json", "backup-secret.bin"])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, name: str) -> None:
    """Whatever bit is flipped, the file is as it was, or one thing is wrong with it."""
    whole = GOLDEN.joinpath(name).read_bytes()
    packed = gzip.compress(whole, mtime=0)
    chance = random.Random(7)
    refused = 0
    for _ in range(300):
        flipped = bytearray(packed)
        flipped[chance.randrange(len(packed))] ^= 1 << chance.randrange(8)
        (tmp_path / "file.gz").write_bytes(flipped)
        with reading(str(tmp_path / "file.gz")) as stream:
            try:
                (survey if name.endswith("json") else inventory)(stream)
            except BadFile:
                refused += 1
    assert refused > 250


DAMAGES: dict[str, tuple[Any, ...]] = {
    "session": ("ZADD", "allSessions", 5, "abc"),
    "rule": ("HSET", "acl", "abc", "x"),
    "statistics": ("HSET", "dirDataLength", "abc", 5),
    "names": ("HSET", "p2", "abc", 1),
    "time": ("ZADD", "delfiles", "inf", "7:6"),
    "sustained": ("SADD", "session1", "abc"),
}
"""What makes a record of a volume of no use."""


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("act", ["dump", "backup"])
def test_of_a_damaged_volume(
    engine: OpenEngine, server: LocalServer, tmp_path: Path, act: str, damage: str
) -> None:
    """What cannot be dumped is one error, EIO, and no file; or it has no place in this kind of file."""
    client = engine("")
    client.restore(str(GOLDEN.joinpath("backup-secret.bin")))
    server.raw.zadd("allSessions", {"1": 1})
    server.raw.execute_command(*DAMAGES[damage])  # type: ignore[no-untyped-call]
    client.load()
    write = getattr(client, act)
    if act == "dump" and damage in ("rule", "statistics", "names"):
        write(str(tmp_path / "file"))
        return
    with pytest.raises(OSError, match=r"not a decimal number|has the time inf") as failure:
        write(str(tmp_path / "file"))
    assert failure.value.errno == errno.EIO
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("apart", [False, True])
def test_a_file_that_adds_up_to_too_much(apart: bool) -> None:
    """A file of 2^62 bytes under four names, in one directory or in one each, is seen before a load."""
    dump = json.loads(GOLDEN.joinpath("dump-secret.json").read_text("utf-8"))
    attr = dump["FSTree"]["attr"]
    file = {"attr": {**attr, "inode": 900, "type": "regular", "length": 1 << 62}}

    def folder(inode: int, entries: dict[str, Any]) -> dict[str, Any]:
        return {"attr": {**attr, "inode": inode}, "entries": entries}

    if apart:
        inside = {f"d{number}": folder(1000 + number, {"f": file}) for number in range(4)}
    else:
        inside = {f"f{number}": file for number in range(4)}
    tree = {"attr": attr, "entries": {"top": folder(2000, inside)}}
    with pytest.raises(BadFile, match="what is in directory 2000 takes more than"):
        survey(io.BytesIO(json.dumps({**dump, "FSTree": tree}).encode()))


@pytest.mark.parametrize("counter", ["nextInode", "nextChunk"])
def test_a_counter_that_has_none_before_it(counter: str) -> None:
    """The last inode and slice are stored, the next ones told."""
    with pytest.raises(BadFile, match=f"the counter {counter} is -9223372036854775808"):
        Check(Inventory()).look_at_counters(counter, -1 << 63)


# -- files ------------------------------------------------------------------------------------------


def test_gzip_by_name(engine: OpenEngine, server: LocalServer, tmp_path: Path) -> None:
    """A name that ends with .gz is that of a compressed file, both ways."""
    source = GOLDEN.joinpath("dump-secret.json").read_bytes()
    (tmp_path / "in.json.gz").write_bytes(gzip.compress(source))
    client = engine("1.4.1")
    client.load_dump(str(tmp_path / "in.json.gz"))
    client.dump(str(tmp_path / "plain"), keep_secret=True)
    client.dump(str(tmp_path / "out.json.gz"), keep_secret=True)
    packed = (tmp_path / "out.json.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "plain").read_bytes()


def test_failed_dump_leaves_the_older_file(engine: OpenEngine, server: LocalServer, tmp_path: Path) -> None:
    """A dump that fails on its way changes no file and leaves none of its own."""
    path = tmp_path / "dump.json"
    path.write_text("older")
    client = engine("")
    client.init(FORMAT)
    server.raw.delete("d1")
    server.raw.set("d1", "no hash")
    with pytest.raises(OSError, match="WRONGTYPE"):
        client.dump(str(path))
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("dump.json", "older")]


@pytest.mark.parametrize("seed", range(200))
def test_a_cut_dump_is_refused(seed: int) -> None:
    """A dump that is cut anywhere is refused with the offset; one with a changed bit is read or refused."""
    whole = GOLDEN.joinpath("dump-secret.json").read_bytes()
    chance = random.Random(seed)
    cut = chance.randrange(len(whole) - 2)
    with pytest.raises(BadFile, match=r"at byte \d+$") as bad:
        survey(io.BytesIO(whole[:cut]))
    assert 0 <= bad.value.offset <= cut
    flipped = bytearray(whole)
    flipped[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    with suppress(BadFile):
        survey(io.BytesIO(flipped))


HOSTILE = {
    "deep": b'{"Setting":' + b"[" * 200_000,
    "long-text": b'{"Setting":{"Name":"' + b"a" * (20 << 20),
    "long-number": b'{"Counters":{"usedSpace":' + b"9" * 10_000 + b"}}",
    "bad-utf-8": b'{"Setting":{"Name":"\xff"}}',
    "half-a-character": b'{"Setting":{"Name":"\xc3',
    "infinity": b'{"Counters":{"usedSpace":Infinity}}',
    "gzip-in-gzip": gzip.compress(gzip.compress(b"{}")),
    "nul": b"\0" * 100,
    "two-commas": b'{"Counters":{},,"Setting":{}}',
    "trailing-comma": b'{"Counters":{},}',
    "a-list": b"[]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused(name: str) -> None:
    """What is no dump is refused with the offset, in little memory."""
    with pytest.raises(BadFile, match=r"at byte \d+$"):
        survey(io.BytesIO(HOSTILE[name]))


class Generated(io.RawIOBase):
    """A stream of pieces that are made as they are read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._held) < size and (piece := next(self._pieces, b"")):
            self._held += piece
        taken, self._held = self._held[:size], self._held[size:]
        return taken


def large_dump(directories: int) -> Iterator[bytes]:
    """A dump of directories of a hundred files with a slice each."""
    times = '"mode":420,"uid":0,"gid":0,"atime":1,"mtime":1,"ctime":1,"nlink":1'
    yield b'{"Setting":{"Name":"n","UUID":"u"},"Counters":{},'
    yield b'"FSTree":{"attr":{"inode":1,"type":"directory"},"entries":{'
    for number in range(directories):
        first = 2 + 101 * number
        files = ",".join(
            f'"f{inode}":{{"attr":{{"inode":{inode},"type":"regular",{times},"length":9}},'
            f'"chunks":[{{"index":0,"slices":[{{"id":{inode},"size":9,"len":9}}]}}]}}'
            for inode in range(first + 1, first + 101)
        )
        comma = "," if number else ""
        attr = f'{{"inode":{first},"type":"directory",{times}}}'
        yield f'{comma}"d{first}":{{"attr":{attr},"entries":{{{files}}}}}'.encode()
    yield b"}}}"


@pytest.mark.parametrize("directories", [20, 200])
def test_memory_does_not_grow_with_a_dump(directories: int) -> None:
    """However many nodes a dump has, the same few megabytes are enough to check it."""
    tracemalloc.start()
    try:
        found = survey(Generated(large_dump(directories)))  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.inodes == 101 * directories
    assert peak < 6 << 20
