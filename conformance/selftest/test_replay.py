"""A replay says what differs, and only that: traces against a small engine with known faults."""

from __future__ import annotations

import copy
import errno
import json
import time
from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaparity.conformance.generated.steering import MODEL
from metaparity.conformance.model import forget_volume
from metaparity.conformance.spec import test_traces
from metaparity.conformance.traces.files import load
from metaparity.conformance.traces.form import BadTrace, Trace, missing, needed_methods
from metaparity.conformance.traces.keys import keyspace_differences
from metaparity.conformance.traces.replay import replay
from metaparity.drivers import registry, wire
from metaparity.drivers.api import PRIMITIVES, Engine
from metaparity.drivers.errors import NodeExists, Refused, error
from metaparity.drivers.types import ROOT, Attr, Context, Entry, FileType, Format, Node, Time

GOLDEN = files("metaparity.fixtures.golden")

NAME = attrgetter("name")


class Disk:
    """What the clients of one volume share."""

    def __init__(self, first: int = 2) -> None:
        self.next = first
        self.nodes = {1: Attr(type=FileType.DIRECTORY, mode=0o777, nlink=2, length=4096, parent=1)}
        self.entries: dict[int, dict[bytes, int]] = {1: {}}
        self.format: Format | None = None


def now() -> Time:
    return divmod(time.time_ns(), 10**9)


class Fake(Engine):
    """Directories in memory, as small as the traces below need it."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    def init(self, format: Format, force: bool = False) -> None:
        self.disk.format = format

    def load(self, check_version: bool = False) -> Format:
        if self.disk.format is None:
            raise Refused("not formatted")
        return self.disk.format

    def session_new(self, record: bool = False) -> int:
        return 1

    def mkdir(self, parent: int, name: bytes, mode: int = 0, umask: int = 0, *, ctx: Context = ROOT) -> Node:
        directory = self.disk.entries[parent]
        if name in directory:
            raise NodeExists(self.lookup(parent, name))
        inode = directory[name] = self.disk.next
        self.disk.next += 1
        self.disk.entries[inode] = {}
        stamp = now()
        attr = Attr(0, 2, mode & ~umask, ctx.uid, ctx.gid, 0, stamp, stamp, stamp, 2, 4096, parent)
        self.disk.nodes[inode] = attr
        self.disk.nodes[parent].nlink += 1
        return Node(inode, attr)

    def rmdir(self, parent: int, name: bytes, skip_trash: bool = False, *, ctx: Context = ROOT) -> None:
        if name not in self.disk.entries[parent]:
            raise error(errno.ENOENT)
        del self.disk.entries[parent][name]

    def lookup(
        self, parent: int, name: bytes, check_permission: bool = False, *, ctx: Context = ROOT
    ) -> Node:
        if name not in self.disk.entries[parent]:
            raise error(errno.ENOENT)
        inode = self.disk.entries[parent][name]
        return Node(inode, self.disk.nodes[inode])

    def parents(self, inode: int, *, ctx: Context = ROOT) -> dict[int, int]:
        return {self.disk.nodes[inode].parent: 1}

    def readdir(self, inode: int, plus: bool = False, *, ctx: Context = ROOT) -> list[Entry]:
        return [Entry(name, child, 2) for name, child in reversed(self.disk.entries[inode].items())]


def attr(**changes: Any) -> dict[str, Any]:
    times = dict.fromkeys(("atime", "mtime", "ctime"), "during")
    return {"type": "directory", "mode": 493, "nlink": 2, "length": 4096, "parent": 1, **times, **changes}


def step(method: str, params: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    return {"client": "a", "method": method, "params": params, "result": result}


OLD = {"atime": "before", "mtime": "before", "ctime": "before"}
STEPS = [
    step("mkdir", {"parent": 1, "name": "d", "mode": 493}, {"ok": {"inode": 2, "attr": attr()}}),
    step(
        "mkdir",
        {"parent": {"$": "0.ok.inode"}, "name": "e", "mode": 511, "umask": 18},
        {"ok": {"inode": 3, "attr": attr(parent={"$": "0.ok.inode"})}},
    ),
    step("lookup", {"parent": 1, "name": "d"}, {"ok": {"inode": 2, "attr": attr(nlink=3, **OLD)}}),
    step("lookup", {"parent": 1, "name": "x"}, {"errno": "ENOENT"}),
    step("parents", {"inode": 3}, {"ok": {"2": 1}}),
    step(
        "mkdir",
        {"parent": 1, "name": "d"},
        {"errno": "EEXIST", "node": {"inode": {"$": "0.ok.inode"}, "attr": {"ctime": {"$t": 0}}}},
    ),
    step("mkdir", {"parent": 1, "name": "f"}, {"ok": {"inode": {"$new": "f"}, "attr": {"$any": True}}}),
    step(
        "readdir",
        {"inode": 1},
        {"ok": [{"name": "d", "inode": 2}, {"name": "f", "inode": {"$new": "f"}, "type": "directory"}]},
    ),
    step("lookup", {"parent": 1, "name": "f"}, {"ok": {"inode": {"$nz": True}, "attr": {"nlink": 2}}}),
]


def trace(tmp_path: Path, steps: list[dict[str, Any]]) -> Trace:
    path = tmp_path / "trace.json"
    document = {"name": "t", "protocol": 1, "volume": {"Name": "v"}, "clients": {"a": {}}, "steps": steps}
    path.write_text(json.dumps(document))
    return load(path)


def fields(tmp_path: Path, steps: list[dict[str, Any]], engine: Engine) -> list[str]:
    """The steps and fields that a replay finds different."""
    found = replay(trace(tmp_path, steps), lambda: engine)
    return [f"{one.step} {one.field}" for one in found]


@pytest.mark.parametrize("first", [2, 3, 700])
def test_an_engine_that_does_the_same_has_no_mismatch(tmp_path: Path, first: int) -> None:
    assert fields(tmp_path, STEPS, Fake(Disk(first))) == []


VALUES: list[Any] = [
    *(None, True, -1, 7, 1 << 70, 0.5, "", "text", [], {}, [1], {"ok": {}}, {"ok": 5}, {"errno": 5}),
    *({"$": "0.ok"}, {"$": 5}, {"$": "0.ok.inode.x"}, {"$new": [1]}, {"$cat": 5}, {"$cat": [{"$map": []}]}),
    *({"$map": [1]}, {"$map": [[{}, 1]]}, {"$t": 99}, {"$t": True}, {"$nz": 0}, {"$odd": 1}),
    *({"base64": "!"}, {"base64": 5}),
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a document, with each key or index in it."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from places(one)


@given(data=st.data())
@settings(deadline=None)
def test_any_change_of_a_trace(data: st.DataObject) -> None:
    """Whatever is put in the place of something in a trace, it is replayed, or one sentence says why not."""
    document = {"name": "t", "protocol": 1, "volume": {"Name": "v"}, "clients": {"a": {}}, "steps": STEPS}
    document = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 2))):
        every = [*places(document)]
        container, key = every[data.draw(st.integers(0, len(every) - 1))]
        if isinstance(container, dict) and data.draw(st.booleans()):
            del container[key]
        else:
            container[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
    bad = ""
    driver = registry.driver(MODEL)
    url = driver.url("memory:1/0")
    forget_volume(url)
    try:
        replay(Trace.of(document), lambda **config: driver.open(url, wire.config(config)))
    except BadTrace as found:
        bad = str(found)
    assert "\n" not in bad


class WrongMode(Fake):
    def mkdir(self, *args: Any, **kwargs: Any) -> Node:
        node = super().mkdir(*args, **kwargs)
        assert node.attr is not None
        node.attr.mode ^= 1
        return node


class StaleClock(Fake):
    def mkdir(self, *args: Any, **kwargs: Any) -> Node:
        node = super().mkdir(*args, **kwargs)
        assert node.attr is not None
        node.attr.ctime = (node.attr.ctime[0] - 1, 0)
        return node


class TouchingLookup(Fake):
    def lookup(self, *args: Any, **kwargs: Any) -> Node:
        node = super().lookup(*args, **kwargs)
        assert node.attr is not None
        node.attr.atime = now()
        return node


class WrongInode(Fake):
    def lookup(self, *args: Any, **kwargs: Any) -> Node:
        return Node(super().lookup(*args, **kwargs).inode + 1, super().lookup(*args, **kwargs).attr)


class NoAttributes(Fake):
    def lookup(self, *args: Any, **kwargs: Any) -> Node:
        return Node(super().lookup(*args, **kwargs).inode)


class TypeOnly(Fake):
    def lookup(self, *args: Any, **kwargs: Any) -> Node:
        return Node(super().lookup(*args, **kwargs).inode, Attr(type=2, full=False))


class WrongErrno(Fake):
    def lookup(self, parent: int, name: bytes, *args: Any, **kwargs: Any) -> Node:
        if name == b"x":
            raise error(errno.EIO)
        return super().lookup(parent, name)


class BareExists(Fake):
    def mkdir(self, parent: int, name: bytes, *args: Any, **kwargs: Any) -> Node:
        if name in self.disk.entries[parent]:
            raise error(errno.EEXIST)
        return super().mkdir(parent, name, *args, **kwargs)


class OneMoreParent(Fake):
    def parents(self, inode: int, *, ctx: Context = ROOT) -> dict[int, int]:
        return {**super().parents(inode), 9: 1}


class LostEntry(Fake):
    def readdir(self, *args: Any, **kwargs: Any) -> list[Entry]:
        return super().readdir(*args, **kwargs)[1:]


class OneMoreEntry(Fake):
    def readdir(self, *args: Any, **kwargs: Any) -> list[Entry]:
        return [*super().readdir(*args, **kwargs), Entry(b"z", 9, 2)]


class SameInodeTwice(Fake):
    def mkdir(self, *args: Any, **kwargs: Any) -> Node:
        node = super().mkdir(*args, **kwargs)
        return Node(2, node.attr)


class Raising(Fake):
    def lookup(self, *args: Any, **kwargs: Any) -> Node:
        raise IndexError("what no engine may raise")


@pytest.mark.parametrize(
    ("engine", "found"),
    [
        (Raising, ["2 result"]),
        (WrongMode, ["0 ok.attr.mode", "1 ok.attr.mode", "2 ok.attr.mode"]),
        (StaleClock, ["0 ok.attr.ctime", "1 ok.attr.ctime", "5 node.attr.ctime"]),
        (TouchingLookup, ["2 ok.attr.atime"]),
        (WrongInode, ["2 ok.inode", "5 node.inode"]),
        (NoAttributes, ["2 ok.attr", "5 node.attr", "8 ok.attr"]),
        (WrongErrno, ["3 result"]),
        (BareExists, ["5 node"]),
        (OneMoreParent, ["4 ok.9"]),
        (LostEntry, ["7 ok.1"]),
        (OneMoreEntry, ["7 ok.2"]),
        (SameInodeTwice, ["1 ok.inode"]),
    ],
)
def test_a_fault_is_found_where_it_is(tmp_path: Path, engine: type[Fake], found: list[str]) -> None:
    assert fields(tmp_path, STEPS, engine(Disk()))[: len(found)] == found


def test_attributes_that_are_not_full_are_no_attributes(tmp_path: Path) -> None:
    assert "2 ok.attr.full" in fields(tmp_path, STEPS, TypeOnly(Disk()))


def test_a_mismatch_tells_the_call_and_both_values(tmp_path: Path) -> None:
    mismatch = replay(trace(tmp_path, STEPS), lambda: WrongMode(Disk()))[0]
    text = 'step 0: mkdir({"parent": 1, "name": "d", "mode": 493}): ok.attr.mode: expected 493, observed 492'
    assert str(mismatch) == text


def test_another_kind_of_outcome_ends_the_replay(tmp_path: Path) -> None:
    steps = [
        step("rmdir", {"parent": 1, "name": "x"}, {"ok": {}}),
        step("lookup", {"parent": 1, "name": "x"}, {"ok": {}}),
    ]
    assert fields(tmp_path, steps, Fake(Disk())) == ["0 result"]


def test_refusals_in_words_are_compared_as_such(tmp_path: Path) -> None:
    class Unformatted(Fake):
        def load(self, check_version: bool = False) -> Format:
            raise Refused("some words")

    steps = [
        step("init", {"format": {"Name": "v"}}, {"ok": {}}),
        step("load", {}, {"refused": "other words"}),
    ]
    assert fields(tmp_path, steps, Unformatted(Disk())) == []
    assert fields(tmp_path, steps, Fake(Disk())) == ["1 result"]


def test_what_is_not_offered_is_a_mismatch(tmp_path: Path) -> None:
    steps = [
        step("statfs", {}, {"ok": {}}),
        step("mkdir", {"parent": 1, "name": "d", "color": 1}, {"ok": {}}),
    ]
    found = replay(trace(tmp_path, steps[:1]), lambda: Fake(Disk()))
    assert found[0].observed == {"unsupported": "statfs"}
    assert fields(tmp_path, steps[1:], Fake(Disk())) == ["0 result"]


def test_explicit_times_and_bytes_are_compared(tmp_path: Path) -> None:
    known = attr(nlink=2, atime=[5, 6], mtime=[5, 6], ctime=[5, 6])
    steps = [
        step("mkdir", {"parent": 1, "name": {"base64": "ZA=="}, "mode": 493}, {"ok": {"inode": 2}}),
        step("lookup", {"parent": 1, "name": "d"}, {"ok": {"inode": 2, "attr": known}}),
    ]
    disk = Disk()
    engine = Fake(disk)

    def set_times() -> None:
        node = disk.nodes[2]
        node.atime = node.mtime = node.ctime = (5, 6)

    assert replay(trace(tmp_path, steps), lambda: engine, {1: set_times}) == []
    assert fields(tmp_path, steps, Fake(Disk())) == ["1 ok.attr.atime", "1 ok.attr.mtime", "1 ok.attr.ctime"]


def test_symbols_are_joined_and_mapped(tmp_path: Path) -> None:
    joined = {"$cat": [{"$": "0.ok.inode"}, "-", {"$": "0.ok.inode"}, "-x"]}
    steps = [
        step("mkdir", {"parent": 1, "name": "d"}, {"ok": {"inode": 2}}),
        step("mkdir", {"parent": 1, "name": joined}, {"ok": {"inode": 3}}),
        step("lookup", {"parent": 1, "name": "700-700-x"}, {"ok": {"inode": 3}}),
        step("mkdir", {"parent": 3, "name": "<hour>"}, {"ok": {"inode": 4}}),
        step(
            "lookup", {"parent": 3, "name": time.strftime("%Y-%m-%d-%H", time.gmtime())}, {"ok": {"inode": 4}}
        ),
        step("parents", {"inode": 4}, {"ok": {"$map": [[{"$": "1.ok.inode"}, 1]]}}),
    ]
    assert fields(tmp_path, steps, Fake(Disk(700))) == []


def test_clients_can_be_opened_and_closed_by_steps(tmp_path: Path) -> None:
    closed: list[int] = []

    class Closing(Fake):
        def close(self) -> None:
            closed.append(id(self))

    disk = Disk()
    steps = [step("close", {}, {"ok": {}}), step("open", {}, {"ok": {}}), *STEPS[:1]]
    found = replay(trace(tmp_path, steps), lambda: Closing(disk))
    assert found == []
    assert len(closed) == 1


def vector(name: str) -> Trace:
    return load(GOLDEN / "vectors" / f"{name}.json")


def test_needs_are_methods_and_settings() -> None:
    base = frozenset({"volume", "session", "namespace", "open"})
    assert needed_methods(vector("T01")) == {"init", "load", "session_new", "mkdir"}
    assert missing(vector("T01"), base) == []
    assert missing(vector("T17"), base) == ["trash"]
    assert missing(vector("M13"), base) == ["changelog"]
    assert missing(vector("T44"), base) == ["xattr"]
    assert missing(vector("T50"), base) == ["quota.user"]
    assert missing(vector("L05"), base) == ["x_set_if_small"]


def test_every_recording_has_a_clause() -> None:
    for folder, table in (("vectors", test_traces.VECTORS), ("keyspace", test_traces.KEYSPACES)):
        recorded = {entry.name.removesuffix(".json") for entry in (GOLDEN / folder).iterdir()}
        assert recorded == table.keys()
    ids = [parameter.marks[0].args[0].id for parameter in test_traces.traces()]
    assert len(ids) == len(set(ids))


OUTSIDE = {
    ("T49", "summary"): "into",
    ("quotas", "quota_list"): "all",
    ("trash", "scan_deleted"): "kinds",
}
"""Recorded calls that the protocol does not have, and what their refusal names."""


@pytest.mark.parametrize("trace", [parameter.values[0] for parameter in test_traces.traces()], ids=NAME)
def test_every_recorded_call_fits_the_protocol(trace: Trace) -> None:
    for one in trace.steps:
        if one.method not in PRIMITIVES:
            assert one.method.startswith("x_")
            continue
        params = json.loads(json.dumps(one.params), object_hook=lambda found: 5 if "$" in found else found)
        outside = OUTSIDE.get((trace.name, one.method))
        result = wire.attempt(partial(accepted, one.method, params))
        assert result == {"ok": {}} or (outside is not None and outside in str(result))


def accepted(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """`{"ok": {}}` where the parameters fit a method, else why not."""
    try:
        wire.arguments(method, params)
    except wire.BadParams as bad:
        return {"bad": str(bad)}
    return {"ok": {}}


def keys(**changes: Any) -> dict[bytes, tuple[str, Any]]:
    """The key space of a trace below, with some values changed."""
    found: dict[bytes, tuple[str, Any]] = {
        b"i1": ("string", b"\x00\x01\x02\x03"),
        b"d1": ("hash", {b"a\xff": b"\x01"}),
        b"allSessions": ("zset", [(b"1", 77.0)]),
        b"sessionInfos": ("hash", {b"1": b"{}"}),
        b"delfiles": ("set", {b"x", b"y"}),
        b"txnLog": ("list", [b"now"]),
    }
    return {**found, **{name.encode(): value for name, value in changes.items()}}


KEYS = Trace(
    "t",
    {},
    {},
    [],
    {
        "i1": {"type": "string", "value": {"base64": "AP//Aw=="}},
        "d1": {"type": "hash", "value": {"base64:Yf8=": {"base64": "AQ=="}}},
        "allSessions": {"type": "zset", "value": [["1", 5]]},
        "sessionInfos": {"type": "hash", "value": {"1": "{other}"}},
        "delfiles": {"type": "set", "value": ["y", "x"]},
        "txnLog": {"type": "list", "value": ["then"]},
    },
    [
        {"key": "i1", "what": "atime", "offset": 1, "length": 2},
        {"key": "allSessions", "what": "score", "field": "1"},
        {"key": "sessionInfos", "what": "session info", "field": "1"},
        {"key": "txnLog", "what": "times", "index": "all"},
    ],
)


def test_key_spaces_are_equal_outside_volatile_places() -> None:
    assert keyspace_differences(KEYS, keys()) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("i1", ("string", b"\x01\x01\x02\x03")),
        ("i1", ("string", b"\x00\x01\x02\x03\x00")),
        ("i1", ("hash", {b"a": b"b"})),
        ("d1", ("hash", {b"a\xff": b"\x02"})),
        ("d1", ("hash", {b"a\xff": b"\x01", b"b": b"\x01"})),
        ("allSessions", ("zset", [(b"2", 77.0)])),
        ("sessionInfos", ("hash", {})),
        ("delfiles", ("set", {b"x"})),
        ("txnLog", ("list", [b"now", b"later"])),
        ("extra", ("string", b"")),
    ],
)
def test_other_differences_of_a_key_are_found(key: str, value: tuple[str, Any]) -> None:
    found = keyspace_differences(KEYS, keys(**{key: value}))
    assert len(found) == 1
    assert found[0].startswith(f"b'{key}': expected")


def test_a_missing_key_is_found() -> None:
    observed = keys()
    del observed[b"delfiles"]
    assert len(keyspace_differences(KEYS, observed)) == 1


def test_a_configuration_is_checked_before_it_is_used(tmp_path: Path) -> None:
    with pytest.raises(wire.BadParams):
        replay(
            Trace("t", {}, {"a": {"atime_mode": "sometimes"}}, []),
            lambda **config: Fake(Disk()),
        )


class Dumping(Fake):
    def dump(self, path: str, *args: Any, **kwargs: Any) -> None:
        Path(path).write_text("a dump")

    def load_dump(self, path: str) -> None:
        Path(path).read_text()


@pytest.mark.parametrize("path", ["d.json", "../d.json", "{there}/d.json"])
def test_files_that_a_trace_names_stay_with_the_replay(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(there)
    named = {"path": path.format(there=there)}
    steps = [step(method, named, {"ok": {}}) for method in ("dump", "load_dump")]
    assert fields(tmp_path, steps, Dumping(Disk())) == []
    assert [one.name for one in tmp_path.rglob("*.json")] == ["trace.json"]
