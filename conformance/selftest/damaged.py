"""Files that are damaged or made to harm, and what is found wrong with them, in little memory and time."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeAlias

from hypothesis import strategies as st

from metaparity.conformance.scenes.dumps import GOLDEN
from metaparity.drivers.engine.inventory import inventory
from metaparity.drivers.engine.jsontext import BadFile
from metaparity.drivers.engine.survey import survey

Read: TypeAlias = Callable[[BinaryIO], object]

DUMP = GOLDEN.joinpath("dump-secret.json").read_bytes()
BACKUP = GOLDEN.joinpath("backup-secret.bin").read_bytes()
FILES: dict[str, tuple[Read, bytes]] = {"dump": (survey, DUMP), "backup": (inventory, BACKUP)}

MOST_MEMORY = 32 << 20
MOST_SECONDS = 20.0


@contextmanager
def bounded() -> Iterator[None]:
    """A block that takes little memory and time."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        yield
        assert time.monotonic() - began < MOST_SECONDS
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


def fault(read: Read, data: bytes) -> str:
    """What is wrong with a file; nothing if it is whole.  Any other error than `BadFile` is raised."""
    bad = None
    try:
        read(io.BytesIO(data))
    except BadFile as found:
        bad = found
    if bad is None:
        return ""
    assert 0 <= bad.offset <= len(data), bad
    assert f"at byte {bad.offset}" in str(bad)
    assert "\n" not in str(bad)
    assert len(str(bad)) < 400
    return str(bad)


def changed(data: bytes, drawn: list[tuple[int, int, bytes]]) -> bytes:
    """A file with some pieces replaced by others."""
    for at, length, piece in drawn:
        at %= len(data) + 1
        data = data[:at] + piece + data[at + length :]
    return data


pieces = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [b"{", b"}", b'"', b"[", b",", b"null", b"1e9", b"\xff", b"\x00\x74\x70\x83", b"\x7f" * 8]
    ),
)


def tree(entries: str, more: str = "") -> bytes:
    """A dump with these entries in its root."""
    root = '{"attr": {"inode":1,"type":"directory"}, "entries": {' + entries + "}" + more + "}"
    document = json.loads(DUMP)
    head = json.dumps({"Setting": document["Setting"], "Counters": {}})[:-1]
    return (head + ', "FSTree": ' + root + "}").encode()


FILE = '"x": {"attr": {"inode":2,"type":"regular"}%s}'
"""An entry, with room for more of its fields."""
