"""What a client caches of the files it has open (N7.1, N7.4, N20.1, N20.2, N23, S7.7)."""

from __future__ import annotations

import time
from collections.abc import Callable
from errno import EACCES, EROFS

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import BOB
from metaparity.conformance.scenes.contents import piece, put, shown
from metaparity.conformance.verbs import alike, refuses
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Attr, FallocateMode, OpenFlag, SetAttr, Slice
from metaparity.fixtures.volumes import Volume

ALL_CHUNKS, ATTR_ONLY = 0xFFFFFFFF, 0xFFFFFFFE


def chmod(fs: Engine, inode: int, mode: int) -> None:
    fs.setattr(inode, SetAttr.MODE, Attr(mode=mode))


@clause(
    "cache/attributes-of-open-files-are-trusted-for-a-while",
    source="N7.1 N20.1 N23.3 S7.7.2",
    needs="data",
    clients=2,
)
def test_trusted(volume: Volume) -> None:
    """With open_cache the attributes of a file that was opened are answered as they were, until they
    expire; by a client without open_cache, and of files that were not opened, as they are."""
    caching, plain = volume.open(open_cache=2.0), volume.open()
    opened, other = volume.file("x", mode=0o600), volume.file("y", mode=0o600)
    for client in (caching, plain):
        client.open_file(opened)
    for inode in (opened, other):
        chmod(volume.fs, inode, 0o640)
    assert caching.getattr(opened).mode == 0o600
    assert caching.getattr(other).mode == 0o640
    assert plain.getattr(opened).mode == 0o640
    time.sleep(3.1)
    assert caching.getattr(opened).mode == 0o640


@clause("cache/a-cached-open-asks-for-no-rights", source="N20.1", needs="data", clients=2)
def test_cached_open(volume: Volume) -> None:
    """An open that is answered from the table asks for no rights and counts as an open; a read-only client
    still refuses to write."""
    inode = volume.file("x", mode=0o600)
    caching, reader = volume.open(open_cache=60.0), volume.open(open_cache=60.0, read_only=True)
    refuses(EACCES, caching.open_file, inode, ctx=BOB)
    caching.open_file(inode)
    alike(caching.open_file(inode, OpenFlag.RDWR, ctx=BOB), volume.fs.getattr(inode))
    reader.open_file(inode)
    refuses(EROFS, reader.open_file, inode, OpenFlag.RDWR)
    caching.close_file(inode)
    caching.unlink(1, b"x")
    assert caching.getattr(inode).nlink == 0
    caching.close_file(inode)


CHANGES: dict[str, Callable[[Engine, int], object]] = {
    "setattr": lambda fs, inode: chmod(fs, inode, 0o640),
    "write": lambda fs, inode: put(fs, inode, 0, 10),
    "truncate": lambda fs, inode: fs.truncate(inode, 0, 10),
    "fallocate": lambda fs, inode: fs.fallocate(inode, off=0, size=10),
    "link": lambda fs, inode: fs.link(inode, 1, b"y"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@clause("cache/a-client-sees-its-own-changes", source="N23.1 S7.7.3", needs="data", clients=2)
def test_own_changes(volume: Volume, change: Callable[[Engine, int], object]) -> None:
    """What a client itself changes in an open file shows in its next getattr."""
    inode, client = volume.file("x", mode=0o600), volume.open(open_cache=60.0)
    client.open_file(inode)
    client.getattr(inode)
    change(client, inode)
    alike(client.getattr(inode), volume.open().getattr(inode))


@pytest.mark.parametrize("chunk", [0, ALL_CHUNKS, ATTR_ONLY])
@clause("cache/invalidation-ends-trust-in-attributes", source="N23.1", needs="data", clients=2)
def test_invalidated_attr(volume: Volume, chunk: int) -> None:
    """Invalidating any chunk, all of them or the attributes alone has the attributes read again."""
    inode, client = volume.file("x", mode=0o600), volume.open(open_cache=60.0)
    client.open_file(inode)
    chmod(volume.fs, inode, 0o640)
    client.invalidate_chunk(inode, chunk)
    assert client.getattr(inode).mode == 0o640


def replace_contents(volume: Volume, inode: int) -> Slice:
    """Change a chunk past the driver, the times of its file too little to be seen; what it shows then."""
    volume.raw.delete(b"c%d_0" % inode)
    volume.raw.rpush(
        b"c%d_0" % inode, bytes(4) + (77).to_bytes(8) + (9).to_bytes(4) + bytes(4) + (9).to_bytes(4)
    )
    return piece(77, 9)


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@clause("cache/chunks-of-the-table-are-kept", source="N22.1 N23.2 S7.7.2 R13 S7.7", needs="data", clients=2)
def test_kept_chunks(volume: Volume, closed: bool) -> None:
    """A chunk that was read of a file in the table is answered from there, after the last close too."""
    inode, client = volume.file("x"), volume.open()
    id = put(volume.fs, inode, 0, 10)
    client.open_file(inode)
    assert shown(client, inode) == [piece(id, 10)]
    if closed:
        client.close_file(inode)
    replace_contents(volume, inode)
    assert shown(client, inode) == [piece(id, 10)]


@clause("cache/chunks-of-other-files-are-not-kept", source="N23.2", needs="data", clients=2)
def test_not_in_table(volume: Volume) -> None:
    """A chunk of a file that was never opened is read anew each time."""
    inode, client = volume.file("x"), volume.open()
    put(volume.fs, inode, 0, 10)
    client.read(inode, 0)
    new = replace_contents(volume, inode)
    assert shown(client, inode) == [new]


@pytest.mark.parametrize(("chunk", "kept"), [(0, False), (ALL_CHUNKS, False), (1, True), (ATTR_ONLY, True)])
@clause("cache/invalidation-of-chunks", source="N23.1", needs="data", clients=2)
def test_invalidated_chunk(volume: Volume, chunk: int, kept: bool) -> None:
    """Invalidation forgets the chunk it names, or all; the index for attributes forgets none."""
    inode, client = volume.file("x"), volume.open()
    id = put(volume.fs, inode, 0, 10)
    client.open_file(inode)
    client.read(inode, 0)
    new = replace_contents(volume, inode)
    client.invalidate_chunk(inode, chunk)
    assert shown(client, inode) == [piece(id, 10) if kept else new]


@clause("cache/invalidation-of-anything", source="N23.1", needs="data")
def test_invalidate_unknown(volume: Volume) -> None:
    """Invalidating what is not cached, or does not exist, succeeds."""
    volume.fs.invalidate_chunk(99, 0)
    volume.fs.invalidate_chunk(volume.file("x"), ALL_CHUNKS)


@pytest.mark.parametrize("how", ["getattr", "open"])
@clause("cache/a-new-mtime-drops-the-chunks", source="N7.4 N20.2 N23.2 S7.7.3", needs="data", clients=2)
def test_new_mtime(volume: Volume, how: str) -> None:
    """Another client's write shows after the attributes were read again or the file opened again; until
    then the chunk is answered as it was."""
    inode, client = volume.file("x"), volume.open()
    old = put(volume.fs, inode, 0, 10)
    client.open_file(inode)
    client.read(inode, 0)
    id = volume.fs.new_slice()
    volume.fs.write(inode, 0, 0, Slice(0, id, 20, 0, 20), (99, 99))
    assert shown(client, inode) == [piece(old, 10)]
    client.getattr(inode) if how == "getattr" else client.open_file(inode)
    assert shown(client, inode) == [piece(id, 20)]


@pytest.mark.parametrize("how", ["getattr", "open"])
@clause("cache/an-old-mtime-keeps-the-chunks", source="N20.2 N23.2", needs="data", clients=2)
def test_same_mtime(volume: Volume, how: str) -> None:
    """Where the mtime is what it was, getattr and open keep the cached chunks."""
    inode, client = volume.file("x"), volume.open()
    id = put(volume.fs, inode, 0, 10)
    client.open_file(inode)
    client.read(inode, 0)
    replace_contents(volume, inode)
    client.getattr(inode) if how == "getattr" else client.open_file(inode)
    assert shown(client, inode) == [piece(id, 10)]


OWN_DATA: dict[str, Callable[[Engine, int], object]] = {
    "write": lambda fs, inode: put(fs, inode, 5, 10),
    "truncate": lambda fs, inode: fs.truncate(inode, 0, 5),
    "fallocate": lambda fs, inode: fs.fallocate(inode, FallocateMode.ZERO, 0, 5),
    "copy": lambda fs, inode: fs.copy_file_range(inode, 0, inode, 20, 10),
    "compact": lambda fs, inode: (put(fs, inode, 10, 10), fs.read(inode, 0), fs.compact(inode)),
}


@pytest.mark.parametrize("change", OWN_DATA.values(), ids=OWN_DATA)
@clause("cache/a-client-reads-its-own-changes", source="N21.5 N23.2 S7.7.3", needs="data", clients=2)
def test_own_data(volume: Volume, change: Callable[[Engine, int], object]) -> None:
    """What a client itself did to the contents of an open file shows in its next read."""
    inode, client = volume.file("x"), volume.open()
    put(client, inode, 0, 10)
    client.open_file(inode)
    client.read(inode, 0)
    change(client, inode)
    client.settle()
    assert shown(client, inode) == shown(volume.open(), inode)
