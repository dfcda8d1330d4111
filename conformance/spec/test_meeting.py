"""Clients of one volume that take turns: what each does, the others see (N42.3)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EIO, ENOENT, ENOSYS, ENOTSUP
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.drivers.api import Engine
from metaparity.drivers.errors import error
from metaparity.drivers.types import Attr, FileType, RenameFlag, SetAttr
from metaparity.fixtures.volumes import Volume

CHANGES: dict[str, Callable[..., Any]] = {
    "mknod": lambda fs, at, name, to, other: fs.mknod(at, name, FileType.FILE, 0o644),
    "mkdir": lambda fs, at, name, to, other: fs.mkdir(1, name, 0o755),
    "symlink": lambda fs, at, name, to, other: fs.symlink(at, name, other),
    "link": lambda fs, at, name, to, other: fs.link(regular(fs, at, name), to, other),
    "chmod": lambda fs, at, name, to, other: fs.setattr(
        regular(fs, at, name), SetAttr.MODE, Attr(mode=0o600 + len(other))
    ),
    "unlink": lambda fs, at, name, to, other: fs.unlink(at, name),
    "rmdir": lambda fs, at, name, to, other: fs.rmdir(1, name),
    "rename": lambda fs, at, name, to, other: fs.rename(1, name, 1, other, RenameFlag.NOREPLACE),
    "move": lambda fs, at, name, to, other: (
        regular(fs, at, name) and fs.rename(at, name, to, other, RenameFlag.NOREPLACE)
    ),
}
"""Calls that change something below the root, whose directories hold no directories."""

UNEXPECTED = (EIO, ENOSYS, ENOTSUP)
"""What no rule of the namespace answers."""

names = st.sampled_from([b"a", b"bb", b"ccc"])
turns = st.tuples(st.integers(0, 1), st.sampled_from(sorted(CHANGES)), names, names, names, names)


def regular(fs: Engine, parent: int, name: bytes) -> int:
    """The inode of a regular file.  Raises ENOENT for anything else."""
    node = fs.lookup(parent, name)
    if node.attr is None or node.attr.type != FileType.FILE:
        raise error(ENOENT)
    return node.inode


def directory(fs: Engine, name: bytes) -> int:
    """A directory of the root, or the root where the name has none."""
    try:
        node = fs.lookup(1, name)
    except FileNotFoundError:
        return 1
    return node.inode if node.attr is not None and node.attr.type == FileType.DIRECTORY else 1


def view(fs: Engine) -> dict[bytes, tuple[int, Attr | None]]:
    """Every path of two levels with its inode and attributes, as a client sees it."""
    found: dict[bytes, tuple[int, Attr | None]] = {}
    for entry in fs.readdir(1, plus=True):
        found[entry.name] = (entry.inode, entry.attr)
        if entry.type == FileType.DIRECTORY and entry.name not in (b".", b".."):
            for inner in fs.readdir(entry.inode, plus=True):
                node = fs.lookup(entry.inode, inner.name)
                assert (node.inode, node.attr) == (inner.inode, inner.attr)
                found[entry.name + b"/" + inner.name] = (inner.inode, inner.attr)
    return found


@given(turns=st.lists(turns, min_size=1, max_size=15))
@clause("meeting/each-sees-what-the-other-did", source="N42.3 I2 I5", needs="namespace", clients=2)
def test_turns(volume: Volume, turns: list[tuple[int, str, bytes, bytes, bytes, bytes]]) -> None:
    """Of two clients that take turns, each sees what the other did as soon as that has returned, and goes on
    from there; the laws hold at the end."""
    volume.reset()
    # The first flush counts the root, with what other clients still hold back: that must be over (N27.2).
    volume.file("first")
    volume.fs.settle()
    clients = [volume.fs, volume.open()]
    for turn, change, place, name, to, other in turns:
        fs = clients[turn]
        try:
            CHANGES[change](fs, directory(fs, place), name, directory(fs, to), other)
        except OSError as refused:
            if refused.errno in UNEXPECTED:
                raise
        mine, theirs = view(fs), view(clients[1 - turn])
        assert mine == theirs, f"expected {mine}, observed {theirs}"
    for client in clients:
        client.settle()
    require_laws(volume)


@clause("meeting/a-new-client-begins-where-others-are", source="N2.1 N12.6 L3.2", needs="session", clients=2)
def test_numbers(volume: Volume) -> None:
    """Clients that join in turn get sessions and inodes that nobody has had, and see the whole tree."""
    sessions, inodes = set(), []
    for number in range(4):
        client = volume.fs if number == 0 else volume.open()
        sessions |= {one.sid for one in client.session_list()}
        assert len(sessions) == number + 1
        inodes.append(client.mkdir(1, b"%d" % number, 0o755).inode)
        listed = {entry.name for entry in client.readdir(1)}
        assert listed == {b".", b"..", *(b"%d" % one for one in range(number + 1))}
    assert len(set(inodes)) == 4
