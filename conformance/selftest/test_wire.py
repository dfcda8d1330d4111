"""JSON and Python say the same: round trips of every type, examples from the protocol, what is refused."""

from __future__ import annotations

import dataclasses
import errno
import functools
import inspect
import json
import types
import typing
from collections.abc import Sequence
from enum import IntEnum, IntFlag
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaparity.drivers import wire
from metaparity.drivers.api import PRIMITIVES, Engine
from metaparity.drivers.errors import NodeExists, Refused, Unsupported
from metaparity.drivers.types import (
    Attr,
    Config,
    Context,
    Entry,
    FileType,
    Format,
    LockType,
    Node,
    OpenFlag,
    Rule,
    SetAttr,
    Slice,
)

SIGNED = st.integers(-(1 << 63), (1 << 64) - 1)
NAMED_INTEGERS = {"type": st.sampled_from(FileType) | st.integers(0, 255)}


@functools.cache
def values(hint: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Any value of a type hint."""
    plain: dict[Any, st.SearchStrategy[Any]] = {
        int: NAMED_INTEGERS.get(name, SIGNED),
        bool: st.booleans(),
        str: st.text(max_size=8),
        bytes: st.binary(max_size=8) | st.text(max_size=4).map(lambda text: text.encode("utf-8", "replace")),
        float: st.floats(0, 1e9),
        Any: st.none() | st.integers(0, 9) | st.text(max_size=3),
        type(None): st.none(),
        Format: st.dictionaries(st.text(max_size=5), st.integers() | st.booleans() | st.text()).map(Format),
        Context: st.builds(
            Context, uid=SIGNED, gids=st.lists(SIGNED, max_size=3).map(tuple), check_permission=st.booleans()
        ),
    }
    if hint in plain:
        return plain[hint]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (list, Sequence):
        return st.lists(st.deferred(lambda: values(parts[0])), max_size=2)
    if origin is tuple:
        return st.tuples(*map(values, parts))
    if origin is dict:
        keys = st.integers(0, 1 << 63) if parts[0] is int else st.text(max_size=5)
        return st.dictionaries(keys, values(parts[1]), max_size=2)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, parts))
    if issubclass(hint, IntFlag):
        return st.sets(st.sampled_from(list(hint.__members__.values()))).map(
            lambda bits: hint(sum(set(map(int, bits))))
        ) | st.integers(0, (1 << 64) - 1).map(hint)
    if issubclass(hint, IntEnum):
        return st.sampled_from(hint) | st.integers(100, 200)
    hints = typing.get_type_hints(hint)
    fields = {field.name: values(hints[field.name], field.name) for field in dataclasses.fields(hint)}
    return st.builds(hint, **fields)


def plain(value: Any) -> Any:
    """A `Format` as its fields, so that values compare by content."""
    return value.fields if isinstance(value, Format) else value


def travel(value: Any) -> Any:
    """What arrives of a JSON value that was written to a line and read again."""
    line = json.dumps(value)
    assert "\n" not in line
    return json.loads(line)


@pytest.mark.parametrize("method", PRIMITIVES)
@settings(max_examples=25)
@given(data=st.data())
def test_arguments_come_back(method: str, data: st.DataObject) -> None:
    function = getattr(Engine, method)
    hints = typing.get_type_hints(function)
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    sent = {
        name: data.draw(values(hints[name], name if method == "mknod" else ""), label=name) for name in names
    }
    received = wire.arguments(method, travel(wire.params(method, **sent)))
    assert {name: plain(value) for name, value in received.items()} == {
        name: plain(value) for name, value in sent.items()
    }


@pytest.mark.parametrize("method", [name for name in PRIMITIVES if name != "read"])
@settings(max_examples=25)
@given(data=st.data())
def test_results_come_back(method: str, data: st.DataObject) -> None:
    returned = data.draw(values(typing.get_type_hints(getattr(Engine, method))["return"]))
    result = travel(wire.outcome(method, lambda: returned))
    assert plain(wire.value_of(method, result)) == plain(returned)


def test_read_has_no_positions() -> None:
    result = wire.answer("read", [Slice(pos=7, id=3, size=100, off=2, len=50)])
    assert result == {"ok": [{"id": 3, "size": 100, "off": 2, "len": 50}]}
    assert wire.value_of("read", result) == [Slice(0, 3, 100, 2, 50)]


@given(values(Config))
def test_configurations_come_back(config: Config) -> None:
    sent = dataclasses.replace(config, atime_mode="relatime", delete_slice="record", compact_chunk="fail")
    assert wire.config(travel(wire.encode(sent))) == sent


@pytest.mark.parametrize(
    ("method", "value", "result"),
    [
        ("settle", None, {}),
        ("session_new", 7, {"sid": 7}),
        ("readlink", b"\xff", {"base64": "/w=="}),
        ("readlink", "é/x".encode(), "é/x"),
        ("opendir", 3, {"handle": 3}),
        ("batch_unlink", 2, {"count": 2}),
        ("xattr_list", [b"a", b"\x80"], ["a", {"base64": "gA=="}]),
        ("parents", {1: 2, (1 << 64) - 1: 1}, {"1": 2, "18446744073709551615": 1}),
        ("changelog_scan", [(9, "line")], [[9, "line"]]),
        ("rename", Node(0), {"inode": 0}),
        ("load", Format({"Name": "x", "Later": [1]}), {"Name": "x", "Later": [1]}),
        ("acl_get", Rule(7, 4, users=[(9, 4)]), {"owner": 7, "group": 4, "mask": 65535, "other": 65535,
                                                 "users": [[9, 4]], "groups": []}),
        ("readdir", [Entry(b"d", 5, FileType.DIRECTORY)], [{"name": "d", "inode": 5, "type": "directory"}]),
        ("readdir", [Entry(b"d", 5, 99)], [{"name": "d", "inode": 5, "type": 99}]),
        (
            "getattr",
            Attr(flags=32, type=1, mode=0o640, uid=1, gid=2, rdev=3, atime=(-5, 6), mtime=(7, 8),
                 ctime=(9, 0), nlink=1, length=(1 << 64) - 1, parent=4, access_acl=5, default_acl=6, tier=7),
            {"flags": 32, "type": "file", "mode": 416, "uid": 1, "gid": 2, "rdev": 3, "atime": [-5, 6],
             "mtime": [7, 8], "ctime": [9, 0], "nlink": 1, "length": (1 << 64) - 1, "parent": 4,
             "access_acl": 5, "default_acl": 6, "tier": 7},
        ),
    ],
)  # fmt: skip
def test_values_have_the_shape_of_the_protocol(method: str, value: Any, result: Any) -> None:
    assert wire.answer(method, value) == {"ok": result}


def test_attributes_say_when_they_are_not_full() -> None:
    assert "full" not in wire.encode(Attr())
    assert wire.encode(Attr(full=False))["full"] is False
    assert wire.decode(Attr, {"type": "fifo", "full": False}) == Attr(type=FileType.FIFO, full=False)


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("lookup", {"parent": 1, "name": {"base64": "YQ=="}}, {"parent": 1, "name": b"a"}),
        ("setattr", {"inode": 5, "set": ["mode", "atime_now"], "attr": {"mode": 4}},
         {"inode": 5, "set": SetAttr.MODE | SetAttr.ATIME_NOW, "attr": Attr(mode=4)}),
        ("setattr", {"inode": 5, "set": 129, "attr": {}},
         {"inode": 5, "set": SetAttr.MODE | SetAttr.ATIME_NOW, "attr": Attr()}),
        ("open_file", {"inode": 5, "flags": ["rdwr", "append", "exec"]},
         {"inode": 5, "flags": OpenFlag.RDWR | OpenFlag.APPEND | OpenFlag.EXEC}),
        ("open_file", {"inode": 5, "flags": ["rdonly"]}, {"inode": 5, "flags": 0}),
        ("mknod", {"parent": 1, "name": "x", "type": "socket"}, {"parent": 1, "name": b"x", "type": 7}),
        ("mknod", {"parent": 1, "name": "x", "type": 8}, {"parent": 1, "name": b"x", "type": 8}),
        ("flock", {"inode": 5, "owner": (1 << 64) - 1, "type": "W"},
         {"inode": 5, "owner": (1 << 64) - 1, "type": LockType.W}),
        ("setlk", {"inode": 5, "owner": 1, "type": "U", "start": 0, "end": 9},
         {"inode": 5, "owner": 1, "type": LockType.U, "start": 0, "end": 9, "block": False, "pid": 0}),
        ("access", {"inode": 5, "mask": 4, "ctx": {"uid": 7, "gids": [7, 8]}},
         {"inode": 5, "mask": 4, "ctx": Context(7, (7, 8), 1, True)}),
        ("quota_get", {"type": "user", "key": 6}, {"type": 1, "key": 6}),
        ("quota_get", {"type": "dir", "key": "/q"}, {"type": 0, "key": b"/q"}),
        ("write", {"inode": 5, "chunk": 0, "off": 9, "slice": {"id": 1, "size": 4, "off": 0, "len": 4}},
         {"inode": 5, "chunk": 0, "off": 9, "slice": Slice(0, 1, 4, 0, 4)}),
    ],
)  # fmt: skip
def test_both_forms_of_a_parameter_are_taken(
    method: str, params: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert wire.arguments(method, params) == expected


@pytest.mark.parametrize(
    ("method", "params", "text"),
    [
        ("lookup", {"parent": 1}, "lookup needs the parameter 'name'"),
        ("lookup", {"parent": "1", "name": "x"}, 'parent: expected an integer of 64 bits, not "1"'),
        ("lookup", {"parent": 1.0, "name": "x"}, "parent: expected an integer"),
        ("lookup", {"parent": True, "name": "x"}, "parent: expected an integer"),
        ("lookup", {"parent": 1 << 64, "name": "x"}, "parent: expected an integer"),
        ("lookup", {"parent": None, "name": "x"}, "parent: expected an integer"),
        ("lookup", {"parent": 1, "name": 5}, "name: expected a UTF-8 text"),
        ("lookup", {"parent": 1, "name": "\ud800"}, "name: expected a UTF-8 text"),
        ("lookup", {"parent": 1, "name": {"base64": "!"}}, "name: expected a UTF-8 text"),
        (
            "lookup",
            {"parent": 1, "name": "x", "check_permission": 1},
            "check_permission: expected true or false",
        ),
        ("mknod", {"parent": 1, "name": "x", "type": "door"}, "type: expected an integer or one of file"),
        ("open_file", {"inode": 1, "flags": ["sync"]}, "flags: expected an integer or a list of rdonly"),
        ("open_file", {"inode": 1, "flags": -1}, "flags: expected an integer or a list of rdonly"),
        ("setattr", {"inode": 1, "set": [], "attr": {"atime": [1]}}, "attr: atime: expected a list of 2"),
        ("getattr", {"inode": 1, "ctx": {"gids": [0, "x"]}}, "ctx: gids: 1: expected an integer"),
        ("init", {"format": []}, "format: expected an object"),
        (
            "batch_unlink",
            {"parent": 1, "entries": [{"name": "x"}]},
            "entries: 0: Entry needs the field 'inode'",
        ),
    ],
)
def test_bad_parameters_are_refused_in_one_sentence(method: str, params: dict[str, Any], text: str) -> None:
    with pytest.raises(wire.BadParams) as refusal:
        wire.arguments(method, params)
    assert text in str(refusal.value)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("lookup", {"parent": 1, "name": "x", "follow": True}),
        ("session_list", {"ctx": {}}),
        ("setattr", {"inode": 1, "set": [], "attr": {"color": 1}}),
        ("getattr", {"inode": 1, "ctx": {"cancelled": None}}),
    ],
)
def test_unknown_parameters_are_unsupported(method: str, params: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        wire.arguments(method, params)


def test_a_configuration_is_checked() -> None:
    assert wire.config({"heartbeat": 600, "read_only": True}) == Config(heartbeat=600.0, read_only=True)
    with pytest.raises(Unsupported, match="color"):
        wire.config({"color": 1})
    with pytest.raises(wire.BadParams, match="atime_mode: expected one of noatime, relatime, strictatime"):
        wire.config({"atime_mode": "sometimes"})
    with pytest.raises(wire.BadParams, match="heartbeat: expected a number"):
        wire.config({"heartbeat": True})


def refuse(error: BaseException) -> dict[str, Any]:
    def call() -> None:
        raise error

    return wire.outcome("settle", call)


def test_refusals_have_one_name_each() -> None:
    assert refuse(OSError(errno.EOPNOTSUPP, "x"))["errno"] == "ENOTSUP"
    assert refuse(OSError(errno.EWOULDBLOCK, "x"))["errno"] == "EAGAIN"
    assert refuse(OSError(errno.ENODATA, "x"))["errno"] == "ENODATA"
    assert refuse(Unsupported("no clock")) == {"unsupported": "no clock"}
    assert refuse(Refused("not formatted")) == {"refused": "not formatted"}
    node = refuse(NodeExists(Node(5, Attr(type=2))))
    assert (node["errno"], node["node"]["inode"], node["node"]["attr"]["type"]) == ("EEXIST", 5, "directory")


@pytest.mark.parametrize("number", sorted(set(errno.errorcode)))
def test_an_errno_comes_back(number: int) -> None:
    with pytest.raises(OSError, match="why") as raised:
        wire.value_of("settle", travel(refuse(OSError(number, "why"))))
    assert raised.value.errno == number
    assert not isinstance(raised.value, Unsupported)


def test_other_refusals_come_back() -> None:
    with pytest.raises(NodeExists) as exists:
        wire.value_of("mkdir", travel(refuse(NodeExists(Node(5, Attr(type=2))))))
    assert exists.value.node == Node(5, Attr(type=2))
    with pytest.raises(Refused, match="not formatted"):
        wire.value_of("load", {"refused": "not formatted"})
    with pytest.raises(Unsupported, match="no clock"):
        wire.value_of("clock_set", {"unsupported": "no clock"})


def test_a_failure_without_errno_is_no_outcome() -> None:
    with pytest.raises(ZeroDivisionError):
        wire.outcome("settle", lambda: 1 // 0)
    with pytest.raises(OSError, match="lost"):
        refuse(OSError("lost"))


@pytest.mark.parametrize(
    "result",
    [None, {}, {"ok": {}, "errno": "EIO"}, {"errno": "ENONSENSE"}, {"errno": 5}, {"errno": "errorcode"},
     {"ok": 5}, {"ok": {"handle": "x"}}, {"ok": {"handle": 1, "more": 2}}, {"refused": 5}],
)  # fmt: skip
def test_what_is_no_result_is_malformed(result: Any) -> None:
    with pytest.raises(wire.Malformed):
        wire.value_of("opendir", result)
