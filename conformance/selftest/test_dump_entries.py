"""The entries of a dump as they are read: many at once, or each field by field, which tell the same."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metaparity.drivers.engine import dumpfile, dumpnodes
from metaparity.drivers.engine.dumpfile import DumpFile
from metaparity.drivers.engine.jsontext import BadFile

from .damaged import DUMP, changed, pieces


def with_lines(drawn: list[tuple[int, int, int]]) -> bytes:
    """The dump with copies of some lines in the place of, or between, others."""
    lines = DUMP.splitlines(keepends=True)
    for source, at, replaced in drawn:
        at %= len(lines)
        lines[at : at + replaced] = [lines[source % len(lines)]]
    return b"".join(lines)


def told(data: bytes) -> tuple[list[tuple[Any, ...]], str]:
    """Everything that a dump tells, entry by entry, and what is wrong then."""
    events: list[tuple[Any, ...]] = []
    try:
        for kind, value in DumpFile(io.BytesIO(data)).events():
            if kind == "leaves":
                events += [("leaf", one.name, repr(one.node), one.offset, one.parent) for one in value]
            else:
                events.append((kind, repr(value)))
    except BadFile as bad:
        return events, str(bad)
    return events, ""


def laid_out(data: bytes, **layout: Any) -> bytes:
    """A dump as another program writes it; `layout` is that of `json.dumps`."""
    return json.dumps(json.loads(data), ensure_ascii=False, **layout).encode("utf-8", "surrogatepass")


copies = st.lists(st.tuples(st.integers(0, 1 << 10), st.integers(0, 1 << 10), st.integers(0, 2)), max_size=3)
few = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 3), pieces), max_size=1)


LAYOUTS: dict[str, Callable[[bytes], bytes]] = {
    "as written": lambda data: data,
    "no space": lambda data: laid_out(data, separators=(",", ":")),
    "one line": laid_out,
    "deep": lambda data: laid_out(data, indent=8),
    "tabs": lambda data: laid_out(data, indent="\t", separators=(" ,", " :")),
}


@given(
    drawn=copies,
    more=few,
    layout=st.sampled_from(sorted(LAYOUTS)),
    at_once=st.sampled_from([400, 4000, dumpfile.AT_ONCE]),
)
@example(drawn=[(641, 426, 0)], more=[], layout="as written", at_once=dumpfile.AT_ONCE).via(
    "attributes that came second"
)
@example(drawn=[(523, 696, 0)], more=[(56101, 2, b"\n")], layout="as written", at_once=dumpfile.AT_ONCE).via(
    "a comma too many"
)
@settings(deadline=None)
def test_entries_at_once_are_those_one_by_one(
    drawn: list[tuple[int, int, int]], more: list[tuple[int, int, bytes]], layout: str, at_once: int
) -> None:
    """Entries read at once, or each field by field: a file tells the same, faults included."""
    data = with_lines(drawn)
    with suppress(ValueError):  # of what is no JSON there is no other layout
        data = LAYOUTS[layout](data)
    data = changed(data, more)
    with mock.patch.object(dumpfile, "AT_ONCE", 0):
        one_by_one = told(data)
    with mock.patch.object(dumpfile, "AT_ONCE", at_once):
        assert told(data) == one_by_one


def volume(directories: int, files: int) -> bytes:
    """A dump without a line break.

    In the root are so many directories with so many files of any kind, and as many empty ones and files.
    """
    inodes = count(2)

    def attr(type: str) -> dict[str, Any]:
        return {"inode": next(inodes), "type": type, "mode": 420, "atime": 1700000000}

    slices = [{"id": 5, "size": 9, "len": 9}, {"id": 6, "pos": 9, "size": 9, "len": 9}]
    rule = {"owner": 6, "users": [{"id": 7, "perm": 4}], "groups": None}
    fields: list[dict[str, Any]] = [
        {},
        {"chunks": [{"index": 0, "slices": slices}, {"index": 3, "slices": slices}]},
        {"xattrs": [{"name": "user.a", "value": "1, 2"}], "posix_acl_access": rule},
    ]

    def file(number: int) -> dict[str, Any]:
        if number % 7 == 3:
            return {"attr": attr("symlink"), "symlink": "a/[b]/c"}
        return {"attr": attr("regular"), **fields[number % len(fields)]}

    def name(number: int) -> str:
        return f"{number} }}" if number % 20 == 9 else f"{number} é"

    entries: dict[str, Any] = {}
    for number in range(directories):
        inside = {name(n): file(n) for n in range(files)}
        entries |= {
            f"{number} {{": {"attr": attr("directory"), "entries": inside},
            f"{number} empty": {"attr": attr("directory"), "entries": {}},
            f"{number}": file(number),
        }
    dump = {
        "Setting": {"Name": "a"},
        "Counters": {},
        "FSTree": {"attr": attr("directory"), "entries": entries},
    }
    return json.dumps(dump, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("directories", "files"), [(1, 500), (20, 30), (200, 2)])
def test_a_dump_in_any_layout_is_read_many_entries_at_once(layout: str, directories: int, files: int) -> None:
    """As `jq` or a parser of JSON write it, a dump tells the same, and field by field of directories only."""
    data = volume(directories, files)
    events, fault = told(LAYOUTS[layout](data))
    assert not fault
    leaves = [event[:3] for event in events if event[0] == "leaf"]
    assert len(leaves) == directories * (files + 1)
    with mock.patch.object(dumpfile, "AT_ONCE", 0):
        assert leaves == [event[:3] for event in told(data)[0] if event[0] == "leaf"]
    with (
        mock.patch.object(DumpFile, "_begin", autospec=True, side_effect=DumpFile._begin) as begun,
        mock.patch.object(dumpfile, "leaves", side_effect=dumpnodes.leaves) as at_once,
    ):
        told(LAYOUTS[layout](data))
    assert begun.call_count == 1 + 2 * directories
    assert at_once.call_count <= directories * (2 + files / 8)


def test_slices_as_they_were_once_called() -> None:
    """A dump by an old version says `chunkid` where a new one says `id`."""
    old, number = re.subn(rb'\{"id":(\d+,"(?:pos|size)")', rb'{"chunkid":\1', DUMP)
    assert number > 5
    (now, _), (once, fault) = told(DUMP), told(old)
    assert not fault
    assert [event[:3] for event in once if event[0] == "leaf"] == [
        event[:3] for event in now if event[0] == "leaf"
    ]
