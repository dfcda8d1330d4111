"""What the workloads find: made by one engine for all, past the wire that is measured over."""

from __future__ import annotations

from metaparity.drivers import registry
from metaparity.drivers.api import Engine
from metaparity.drivers.types import ROOT_INODE, FileType, Slice
from metaparity.fixtures.provision import Place
from metaparity.fixtures.volumes import FORMAT

from .workloads import BLOCK, CONFIG, LISTED, PATH, Spot


def prepare(place: Place, threads: int) -> list[Spot]:
    """Format the database, make the scene in it with one engine for all; returns a spot for each thread."""
    driver = registry.driver("redis")
    with place.connect() as raw:
        raw.flushdb()
    fs = driver.open(driver.url(place.address), CONFIG)
    fs.init(FORMAT)
    fs.load()
    fs.session_new()
    above = ROOT_INODE
    for name in PATH.split(b"/"):
        above = fs.mkdir(above, name, 0o755).inode
    listed = fs.mkdir(ROOT_INODE, b"listed", 0o755).inode
    for number in range(LISTED):
        fs.mknod(listed, b"file-%d" % number, FileType.FILE, 0o644)
    spots = [_spot(fs, number, listed) for number in range(threads)]
    fs.session_close()
    fs.close()
    return spots


def _spot(fs: Engine, number: int, listed: int) -> Spot:
    directory = fs.mkdir(ROOT_INODE, b"thread-%d" % number, 0o755).inode
    file = fs.mknod(directory, b"f", FileType.FILE, 0o644).inode
    fs.write(file, 0, 0, Slice(0, fs.new_slice(), BLOCK, 0, BLOCK), (1, 1))
    fs.xattr_set(file, b"a", b"1")
    fs.mknod(directory, b"a", FileType.FILE, 0o644)
    symlink = fs.symlink(directory, b"s", b"target").inode
    return Spot(directory, file, symlink, listed)
