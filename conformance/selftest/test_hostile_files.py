"""Files that are damaged or made to harm: one error with its place, in little memory and time.

Cuts and flipped bits are tried in `stores/test_dumps.py`.  That such a file changes nothing in the database
is held by clauses (`dump/..`, `backup/..`): a load asks what is asked here before it turns to the server.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaparity.conformance.scenes.backups import assembled, field
from metaparity.drivers.engine.jsontext import BadFile
from metaparity.drivers.files import reading

from .damaged import FILE, FILES, bounded, changed, fault, pieces, tree


@pytest.mark.parametrize("kind", FILES)
def test_whole(kind: str) -> None:
    """The files that are damaged below have no fault before."""
    assert not fault(*FILES[kind])


@pytest.mark.parametrize("kind", FILES)
@given(drawn=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 40), pieces), min_size=1, max_size=4))
@settings(deadline=None)
def test_any_change(kind: str, drawn: list[tuple[int, int, bytes]]) -> None:
    """Whatever is put into a file or cut out of it, it is whole or has one fault with a place."""
    read, data = FILES[kind]
    fault(read, changed(data, drawn))


IDLE = """
import resource, sys
from metaparity.conformance.command import main
try:
    from metaparity.drivers.engine import survey, inventory
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    main()
finally:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) >> 10)
"""
"""The command, which tells at its end how many MiB it took besides those of an idle process."""

HEAVY: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "empty items": ("restore", lambda: assembled([(4, b"\x12\x00" * (8 << 20))], b""), "impossible name"),
    "unknown fields": ("restore", lambda: assembled([(4, field(99, 1) * (6 << 20))], b""), "not known"),
    "unknown fields of items": (
        "restore",
        lambda: assembled([(4, field(2, field(99, 1) * 20) * (300 << 10))], b""),
        "not known",
    ),
    "items of another kind": ("restore", lambda: assembled([(4, b"\x0a\x00" * (8 << 20))], b""), "holds"),
    "open files": (
        "restore",
        lambda: assembled([(8, field(8, field(2, b"\1" * (32 << 20))))], b""),
        "item of",
    ),
    "empty objects": ("load", lambda: tree(FILE % (', "xattrs": [' + "{}," * (5 << 20))), "parts"),
    "offsets": (
        "restore",
        lambda: assembled([], field(3, field(2, field(1, b"\1" * (32 << 20))))),
        "no footer",
    ),
}
"""Files that would take some hundred MiB if they were parsed as they come."""


@pytest.mark.parametrize("name", HEAVY)
def test_memory_of_a_process(name: str, tmp_path: Path) -> None:
    """What the process takes, libraries and all, stays far below what is promised."""
    command, made, wanted = HEAVY[name]
    path = tmp_path / "heavy"
    path.write_bytes(made())
    words = [sys.executable, "-c", IDLE, command, "--dry-run", "redis://127.0.0.1:1/0", str(path)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert wanted in ran.stderr
    assert int(ran.stdout.split()[-1]) < 100


@pytest.mark.parametrize("kind", FILES)
def test_gzip_in_gzip(kind: str, tmp_path: Path) -> None:
    """A file is unpacked once: ten times packed, it is none of ours."""
    read, data = FILES[kind]
    for _ in range(10):
        data = gzip.compress(data)
    path = tmp_path / "nested.gz"
    path.write_bytes(data)
    with bounded(), reading(str(path)) as stream, pytest.raises(BadFile):
        read(stream)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("filling", [b" ", b"\0", b"["], ids=["space", "zero", "bracket"])
def test_little_that_unpacks_to_much(kind: str, filling: bytes, tmp_path: Path) -> None:
    """256 MiB of the same byte, packed into few, are read without keeping them."""
    read, _ = FILES[kind]
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", 1) as packed:
        for _ in range(256):
            packed.write(filling * (1 << 20))
    with bounded(), reading(str(path)) as stream, pytest.raises(BadFile):
        read(stream)
