"""When reading stamps atime: open, readdir, opendir (R14, N18.4, N19.1, N20.2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from errno import EACCES
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import BOB
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Context, OpenFlag
from metaparity.fixtures.volumes import Volume

HOUR = 3600

READING: dict[str, Callable[..., Any]] = {
    "open": lambda fs, inode, **who: fs.open_file(inode, **who),
    "open-for-writing": lambda fs, inode, **who: fs.open_file(inode, OpenFlag.RDWR, **who),
    "readdir": lambda fs, inode, **who: fs.readdir(inode, **who),
    "readdir-plus": lambda fs, inode, **who: fs.readdir(inode, True, **who),
    "opendir": lambda fs, inode, **who: fs.opendir(inode, **who),
    "opendir-plus": lambda fs, inode, **who: fs.opendir(inode, True, **who),
}

PLAIN = ["open", "readdir", "opendir"]
each_plain_reading = pytest.mark.parametrize("read", [READING[name] for name in PLAIN], ids=PLAIN)
each_reading = pytest.mark.parametrize("read", READING.values(), ids=READING)

# Seconds before now of atime, mtime and ctime, and the modes in which reading then stamps.
STATES: dict[str, tuple[float, float, float, str]] = {
    "behind-mtime": (20, 10, 30, "relatime strictatime"),
    "behind-ctime": (20, 30, 10, "relatime strictatime"),
    "a-day-old": (25 * HOUR, 26 * HOUR, 26 * HOUR, "relatime strictatime"),
    "not-a-day-old": (23 * HOUR, 26 * HOUR, 26 * HOUR, "strictatime"),
    "seconds-old": (2, 30, 30, "strictatime"),
    "equal-to-both": (20, 20, 20, "strictatime"),
    "fresh": (-0.5, 30, 30, ""),
    "of-tomorrow": (-24 * HOUR, 30, 30, ""),
    "of-tomorrow-behind-mtime": (-24 * HOUR, -25 * HOUR, 30, "relatime strictatime"),
}


def age(volume: Volume, inode: int, *seconds: float) -> None:
    """Set atime, mtime and ctime to so many seconds before now, past the driver: no call sets ctime."""
    fields: dict[str, int] = {}
    now = time.time_ns()
    for name, ago in zip(("atime", "mtime", "ctime"), seconds, strict=True):
        fields[name], fields[f"{name}_ns"] = divmod(now - int(ago * 10**9), 10**9)
    rewrite(volume, inode, **fields)


def node(volume: Volume, read: Callable[..., Any]) -> int:
    """A file for the calls that open, a directory for those that list."""
    return volume.file("x") if read in (READING["open"], READING["open-for-writing"]) else volume.dir("x")


@clause("atime/an-unknown-mode-is-refused", source="protocol §3", needs="volume")
def test_unknown_mode(volume: Volume) -> None:
    """A client is not opened with a way to keep access times that nobody knows."""
    with pytest.raises(ValueError, match="atime_mode"):
        volume.connect(atime_mode="no-such-mode")


@each_plain_reading
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("mode", ["noatime", "relatime", "strictatime"])
@clause("atime/is-stamped-as-the-mode-says", source="R14 N18.4 N19.1 N20.2 T32 D12", needs="open", clients=2)
def test_modes(
    volume: Volume, mode: str, state: tuple[float, float, float, str], read: Callable[..., Any]
) -> None:
    """relatime stamps what is behind mtime or ctime or a day old, strictatime also what is a second old,
    noatime nothing; and nothing but atime changes."""
    inode = node(volume, read)
    client = volume.open(atime_mode=mode)
    age(volume, inode, *state[:3])
    before = volume.fs.getattr(inode)
    with window() as w:
        read(client, inode)
    after = volume.fs.getattr(inode)
    if mode in state[3].split():
        assert w.covers(after.atime)
        alike(after, before, but=("atime",))
    else:
        alike(after, before)


@pytest.mark.parametrize("mode", ["relatime", "strictatime"])
@clause("atime/an-open-answers-the-time-it-stamped", source="N20.2 R14 T32", needs="open", clients=2)
def test_answered(volume: Volume, mode: str) -> None:
    """The attributes that open answers have the atime that it stamped."""
    inode = volume.file("x")
    age(volume, inode, 20, 10, 10)
    attr = volume.open(atime_mode=mode).open_file(inode)
    alike(attr, volume.fs.getattr(inode))


@each_reading
@clause("atime/a-refused-call-does-not-stamp", source="N18.4 N19.1 N20.2", needs="open", clients=2)
def test_refused(volume: Volume, read: Callable[..., Any]) -> None:
    """Where reading is refused no time is stamped."""
    inode = node(volume, read)
    client = volume.open(atime_mode="strictatime")
    age(volume, inode, 20, 10, 10)
    rewrite(volume, inode, uid=7, gid=7)
    forbid(client, volume, inode)
    with unchanged(volume):
        refuses(EACCES, read, client, inode, ctx=BOB)


def forbid(client: Engine, volume: Volume, inode: int) -> None:
    """Take all rights away without a stamp."""
    type = client.getattr(inode).type
    rewrite(volume, inode, type_and_mode=type << 12)


@each_plain_reading
@clause("atime/a-read-only-client-does-not-stamp", source="R14", needs="open", clients=2)
def test_read_only(volume: Volume, read: Callable[..., Any]) -> None:
    """A read-only client reads without stamping."""
    inode = node(volume, read)
    client = volume.open(atime_mode="strictatime", read_only=True)
    age(volume, inode, 20, 10, 10)
    with unchanged(volume):
        read(client, inode)


@each_reading
@clause("atime/a-reader-need-not-write", source="R14", needs="open", clients=2)
def test_reader(volume: Volume, read: Callable[..., Any]) -> None:
    """Whoever may read stamps atime, also without a right to write."""
    inode = node(volume, read)
    age(volume, inode, 20, 10, 10)
    type = volume.fs.getattr(inode).type
    rewrite(volume, inode, type_and_mode=type << 12 | 0o555)
    kernel = Context(BOB.uid, BOB.gids, check_permission=read is not READING["open-for-writing"])
    with window() as w:
        read(volume.open(atime_mode="relatime"), inode, ctx=kernel)
    assert w.covers(volume.fs.getattr(inode).atime)
