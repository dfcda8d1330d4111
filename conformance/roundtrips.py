"""`metaparity roundtrips`: how often each primitive of a driver waits for the server."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from metaparity.drivers import registry
from metaparity.drivers.api import PRIMITIVES, Engine
from metaparity.drivers.errors import Unsupported
from metaparity.drivers.registry import Driver, UnknownDriver, UnreadyDriver
from metaparity.drivers.types import (
    ROOT_INODE,
    AclType,
    Attr,
    Entry,
    FallocateMode,
    FileType,
    LockType,
    Quota,
    QuotaType,
    RenameFlag,
    Rule,
    SetAttr,
    Slice,
)
from metaparity.fixtures.provision import BadServerChoice, Place, Provider, ServerUnavailable
from metaparity.fixtures.tap import Tap
from metaparity.fixtures.volumes import Volume

from .harness.choices import DEFAULT_DRIVERS, known_drivers
from .harness.exits import ENVIRONMENT, USAGE, complain


@dataclass(frozen=True)
class Sample:
    """A typical call: the method, what is typical about it, and the call on a scene."""

    method: str
    case: str
    call: Callable[[Engine, Scene], Any]


class Scene:
    """Nodes that the calls need; each sample has names of its own, so that none is in another's way."""

    def __init__(self, volume: Volume) -> None:
        fs = volume.fs
        self.d, self.e = volume.dir("d"), volume.dir("e")
        self.f = fs.mknod(self.d, b"f", FileType.FILE, 0o644).inode
        self.s = fs.symlink(self.d, b"s", b"target").inode
        for name in (b"unlink", b"rename", b"over", b"replaced", b"left", b"right", b"opened", b"copied"):
            fs.mknod(self.d, name, FileType.FILE, 0o644)
        for name in (b"rmdir", b"moved", b"tree", b"removed"):
            fs.mkdir(self.d, name, 0o755)
        fs.mknod(fs.lookup(self.d, b"tree").inode, b"x", FileType.FILE, 0o644)
        self.b = [Entry(b"b%d" % number, 0, 0) for number in range(100)]
        for entry in self.b:
            entry.inode = fs.mknod(self.e, entry.name, FileType.FILE, 0o644).inode
        fs.write(self.f, 0, 0, Slice(0, fs.new_slice(), 100, 0, 100), (1, 1))
        fs.xattr_set(self.f, b"a", b"1")
        self.opened = fs.lookup(self.d, b"opened").inode
        fs.open_file(self.opened)
        fs.settle()


READS = frozenset(
    {
        *("lookup", "resolve", "getattr", "access", "readlink", "readdir", "parents", "paths", "summary"),
        *("statfs", "read", "xattr_get", "xattr_list", "acl_get", "dirstat_get", "quota_get", "token_load"),
    }
)
"""What is asked twice: a client that caches may know the answer then."""


@dataclass(frozen=True)
class Trips:
    """How often a call waits for the server; `warm`, when it was just made before."""

    cold: int
    warm: int

    def __str__(self) -> str:
        return str(self.cold) if self.cold == self.warm else f"{self.cold}->{self.warm}"


LARGE = Quota(1 << 40, 1 << 20)
NAMED = Rule(7, 5, 7, 1, users=[(1001, 4)])

SAMPLES = [
    Sample("lookup", "a name that is there", lambda fs, at: fs.lookup(at.d, b"f")),
    Sample("resolve", "a path of two names", lambda fs, at: fs.resolve(ROOT_INODE, b"d/f")),
    Sample("getattr", "", lambda fs, at: fs.getattr(at.f)),
    Sample("setattr", "mode", lambda fs, at: fs.setattr(at.f, SetAttr.MODE, Attr(mode=0o600))),
    Sample("access", "of the superuser", lambda fs, at: fs.access(at.f, 4)),
    Sample("mknod", "file", lambda fs, at: fs.mknod(at.d, b"n1", FileType.FILE, 0o644)),
    Sample("mkdir", "", lambda fs, at: fs.mkdir(at.d, b"n2", 0o755)),
    Sample("create", "", lambda fs, at: fs.create(at.d, b"n3", 0o644)),
    Sample("symlink", "", lambda fs, at: fs.symlink(at.d, b"n4", b"target")),
    Sample("readlink", "", lambda fs, at: fs.readlink(at.s)),
    Sample("link", "", lambda fs, at: fs.link(at.f, at.d, b"n5")),
    Sample("unlink", "last name", lambda fs, at: fs.unlink(at.d, b"unlink")),
    Sample("batch_unlink", "100 names", lambda fs, at: fs.batch_unlink(at.e, at.b)),
    Sample("rmdir", "", lambda fs, at: fs.rmdir(at.d, b"rmdir")),
    Sample("rename", "in place", lambda fs, at: fs.rename(at.d, b"rename", at.d, b"n6")),
    Sample("rename", "over a file", lambda fs, at: fs.rename(at.d, b"over", at.d, b"replaced")),
    Sample("rename", "directory across", lambda fs, at: fs.rename(at.d, b"moved", at.e, b"moved")),
    Sample(
        "rename", "exchange", lambda fs, at: fs.rename(at.d, b"left", at.d, b"right", RenameFlag.EXCHANGE)
    ),
    Sample("readdir", "with attributes", lambda fs, at: fs.readdir(at.d, plus=True)),
    Sample("parents", "", lambda fs, at: fs.parents(at.s)),
    Sample("paths", "", lambda fs, at: fs.paths(at.s)),
    Sample("remove", "a directory with a file", lambda fs, at: fs.remove(at.d, b"tree")),
    Sample("summary", "of a file", lambda fs, at: fs.summary(at.f)),
    Sample("statfs", "", lambda fs, at: fs.statfs(ROOT_INODE)),
    Sample("open_file", "", lambda fs, at: fs.open_file(at.f)),
    Sample("close_file", "", lambda fs, at: fs.close_file(at.f)),
    Sample("new_slice", "", lambda fs, at: fs.new_slice()),
    Sample("write", "growing", lambda fs, at: fs.write(at.f, 0, 100, Slice(0, 1, 100, 0, 100), (1, 1))),
    Sample("read", "", lambda fs, at: fs.read(at.opened, 0)),
    Sample("truncate", "", lambda fs, at: fs.truncate(at.f, 0, 50)),
    Sample("fallocate", "", lambda fs, at: fs.fallocate(at.f, FallocateMode.ZERO, 0, 10)),
    Sample("copy_file_range", "one chunk", lambda fs, at: fs.copy_file_range(at.f, 0, at.opened, 0, 50)),
    Sample("compact", "a file of one chunk", lambda fs, at: fs.compact(at.opened)),
    Sample("xattr_get", "", lambda fs, at: fs.xattr_get(at.f, b"a")),
    Sample("xattr_set", "", lambda fs, at: fs.xattr_set(at.f, b"b", b"1")),
    Sample("xattr_list", "", lambda fs, at: fs.xattr_list(at.f)),
    Sample("xattr_remove", "", lambda fs, at: fs.xattr_remove(at.f, b"b")),
    Sample("acl_set", "a new rule", lambda fs, at: fs.acl_set(at.d, AclType.DEFAULT, NAMED)),
    Sample("acl_get", "a known rule", lambda fs, at: fs.acl_get(at.d, AclType.DEFAULT)),
    Sample("mknod", "below a default ACL", lambda fs, at: fs.mknod(at.d, b"n7", FileType.FILE, 0o644)),
    Sample("dirstat_get", "", lambda fs, at: fs.dirstat_get(at.d)),
    Sample(
        "quota_set", "directory", lambda fs, at: fs.quota_set(QuotaType.DIR, b"/e", Quota(1 << 40, 1 << 20))
    ),
    Sample("quota_get", "", lambda fs, at: fs.quota_get(QuotaType.DIR, b"/e")),
    Sample("refresh", "", lambda fs, at: fs.refresh()),
    Sample("mknod", "below a quota", lambda fs, at: fs.mknod(at.e, b"n8", FileType.FILE, 0o644)),
    Sample("clone", "a file", lambda fs, at: fs.clone(at.d, at.f, at.e, b"n9")),
    Sample("trash_cleanup", "nothing to do", lambda fs, at: fs.trash_cleanup(0)),
    Sample("token_store", "", lambda fs, at: fs.token_store(b"token")),
    Sample("token_load", "", lambda fs, at: fs.token_load(1)),
    Sample("changelog_scan", "no log", lambda fs, at: fs.changelog_scan()),
    Sample("flock", "", lambda fs, at: fs.flock(at.f, 1, LockType.W)),
    Sample("setlk", "", lambda fs, at: fs.setlk(at.f, 1, False, LockType.W, 0, 9, 1)),
    Sample("getlk", "", lambda fs, at: fs.getlk(at.f, 1, LockType.W, 0, 9)),
    Sample("session_refresh", "", lambda fs, at: fs.session_refresh()),
    Sample("settle", "pending statistics", lambda fs, at: fs.settle()),
]
"""In the order in which they are made: later ones find what earlier ones left."""


def roundtrips(options: argparse.Namespace) -> int:
    """Print the table; returns 0, and 2 and 3 as `run` does."""
    try:
        drivers = [registry.driver(name) for name in known_drivers(options.driver or DEFAULT_DRIVERS)]
        provider = Provider(options.server, options.allow_flush)
    except (UnknownDriver, BadServerChoice) as mistake:
        return complain(mistake, USAGE)
    except UnreadyDriver as unready:
        return complain(unready, ENVIRONMENT)
    try:
        place = provider.place()
        columns = [dict(measured(driver, place)) for driver in drivers]
    except ServerUnavailable as unavailable:
        return complain(unavailable, ENVIRONMENT)
    finally:
        provider.close()
    for line in table([driver.name for driver in drivers], columns):
        print(line)
    print(
        f"round trips on {place.software} {place.version} ({place.kind}); 1->0 is one, and none when asked "
        "again; - is not offered by the driver"
    )
    return 0


def measured(driver: Driver, place: Place) -> Iterator[tuple[Sample, Trips]]:
    """The round trips of each sample that a driver offers."""
    tap = Tap(*place.endpoint)
    try:
        with place.connect() as raw:
            volume = Volume(driver, place.by_way_of(tap.port), raw)
            volume.reset()
            try:
                yield from _samples(driver, volume, tap)
            finally:
                volume.close()
                raw.flushdb()
    finally:
        tap.close()


def _samples(driver: Driver, volume: Volume, tap: Tap) -> Iterator[tuple[Sample, Trips]]:
    volume.format(EnableACL=True)
    scene = Scene(volume)
    for sample in SAMPLES:
        if PRIMITIVES[sample.method].capability not in driver.capabilities:
            continue
        if sample.method != "settle":
            volume.fs.settle()
        if "cache.tracking" in driver.capabilities:
            volume.fs.cache_drop()
        counts = []
        try:
            for _ in range(2 if sample.method in READS else 1):
                before = tap.trips
                sample.call(volume.fs, scene)
                counts.append(tap.trips - before)
        except Unsupported:
            continue
        yield sample, Trips(counts[0], counts[-1])


def table(names: list[str], columns: list[dict[Sample, Trips]]) -> Iterator[str]:
    """One line for each sample, one column for each driver."""
    widths = [max(len(name), 4) for name in names]
    heads = "  ".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    yield f"{'primitive':<18}{'case':<26}{heads}"
    for sample in SAMPLES:
        cells = [str(column.get(sample, "-")) for column in columns]
        row = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        yield f"{sample.method:<18}{sample.case:<26}{row}"
