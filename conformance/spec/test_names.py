"""Names are bytes: whatever is neither `/` nor NUL comes back as it was given (R2)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EEXIST, EINVAL, ENOENT
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.scenery import fresh
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Entry, FileType
from metaparity.fixtures.volumes import Volume

binary = st.binary(min_size=1, max_size=255)
text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).map(str.encode)
valid = (binary | text).filter(lambda name: not set(name) & set(b"/\0") and name not in (b".", b".."))
"""Names that must work."""

invalid = st.one_of(
    st.just(b""),
    st.tuples(st.binary(max_size=20), st.sampled_from([b"/", b"\0"]), st.binary(max_size=20)).map(b"".join),
)
"""Names that cannot be entries."""

MAKERS: dict[str, Callable[[Engine, int, bytes], Any]] = {
    "mknod": lambda fs, parent, name: fs.mknod(parent, name, FileType.FIFO, 0o644),
    "mkdir": lambda fs, parent, name: fs.mkdir(parent, name, 0o755),
    "create": lambda fs, parent, name: fs.create(parent, name, 0o644),
    "symlink": lambda fs, parent, name: fs.symlink(parent, name, b"target"),
    "link": lambda fs, parent, name: fs.link(fs.lookup(parent, b"spare").inode, parent, name),
    "rename": lambda fs, parent, name: fs.rename(parent, b"spare", parent, name),
}


def listed(fs: Engine, directory: int) -> dict[bytes, int]:
    """The entries of a directory but the dots."""
    return {entry.name: entry.inode for entry in fs.readdir(directory) if entry.name not in (b".", b"..")}


@given(name=valid, other=valid)
@example(name=b"\xff\xfe", other=b"\x80")
@example(name=b"n" * 255, other=b"m" * 300)
@example(name="é".encode(), other="e\u0301".encode())
@example(name=b" ", other=b"\n")
@example(name=b"...", other=b".x")
@example(name=b"Case", other=b"case")
@clause("names/any-bytes-come-back-unchanged", source="R2 N12.1 N13.1 N16.1 N17.1 D6", needs="namespace")
def test_round_trip(volume: Volume, name: bytes, other: bytes) -> None:
    """A name of any bytes is created, found, listed, moved, linked and removed as it was given, and no
    other name is taken for it."""
    fs = volume.fs
    d = fs.mkdir(1, fresh(volume), 0o755).inode
    inode = fs.mknod(d, name, FileType.FILE, 0o644).inode
    assert fs.lookup(d, name).inode == inode
    assert listed(fs, d) == {name: inode}
    if other != name:
        refuses(ENOENT, fs.lookup, d, other)
        fs.link(inode, d, other)
        assert listed(fs, d) == {name: inode, other: inode}
        fs.unlink(d, name)
        assert listed(fs, d) == {other: inode}
        fs.rename(d, other, d, name)
    assert listed(fs, d) == {name: inode}
    refuses(EEXIST, fs.mkdir, d, name, 0o755)
    assert fs.batch_unlink(d, [Entry(name, inode, FileType.FILE)]) == 1
    inode = fs.mkdir(d, name, 0o755).inode
    assert [path.rpartition(b"/")[2] for path in fs.paths(inode)] == [name]
    fs.rmdir(d, name)
    assert fs.symlink(d, name, b"target").inode
    assert fs.remove(d, name) == 1
    assert listed(fs, d) == {}


@pytest.mark.parametrize("length", [1, 254, 255, 256, 300, 4096])
@clause("names/have-no-longest", source="R2 D6", needs="namespace")
def test_length(volume: Volume, length: int) -> None:
    """Names longer than 255 bytes are names like any other here."""
    fs = volume.fs
    name = bytes(48 + n % 200 for n in range(length))
    inode = fs.mknod(1, name, FileType.FILE, 0o644).inode
    assert fs.lookup(1, name).inode == inode
    assert listed(fs, 1) == {name: inode}
    longer = name + b"\xff"
    fs.rename(1, name, 1, longer)
    assert listed(fs, 1) == {longer: inode}
    fs.unlink(1, longer)
    assert listed(fs, 1) == {}


@given(name=invalid)
@pytest.mark.parametrize("maker", MAKERS)
@clause("names/with-slash-or-nul-are-invalid", source="R2 N12.1 N16.1 N17.1", needs="namespace")
def test_invalid(volume: Volume, maker: str, name: bytes) -> None:
    """No primitive makes an empty name or one that holds `/` or NUL: EINVAL, and nothing changes."""
    fs = volume.fs
    # An engine that makes one has it afterwards: another example would meet it in the same directory.
    d = fs.mkdir(1, fresh(volume), 0o755).inode
    fs.mknod(d, b"spare", FileType.FILE, 0o644)
    with unchanged(volume):
        refuses(EINVAL, MAKERS[maker], fs, d, name)


@given(name=valid, where=st.integers(0, 255), byte=st.integers(1, 255))
@clause("names/differ-by-any-byte", source="R2", needs="namespace")
def test_distinct(volume: Volume, name: bytes, where: int, byte: int) -> None:
    """Two names that differ in one byte are two names."""
    where %= len(name)
    other = name[:where] + bytes([byte]) + name[where + 1 :]
    if other in (name, b".", b"..") or b"/" in other:
        return
    fs = volume.fs
    d = fs.mkdir(1, fresh(volume), 0o755).inode
    left, right = (fs.mknod(d, one, FileType.FILE, 0o644).inode for one in (name, other))
    assert listed(fs, d) == {name: left, other: right}
