"""The words of open files and of what is in files."""

from __future__ import annotations

from metaparity.drivers.types import CHUNK_SIZE

from ..draw import MOMENTS, MOST_RECORDS, OFFSETS, PREVIOUS, SIZES, Call, Draw, word
from ..world import Node


@word(35)
def open_file(d: Draw) -> list[Call]:
    flags = d.one(([], ["wronly"], ["rdwr"], ["rdwr", "append"], ["wronly", "trunc"]))
    return [("open_file", {"inode": d.node("file"), "flags": flags, **d.caller()})]


@word(35)
def close_file(d: Draw) -> list[Call]:
    own = [inode for (client, inode), count in d.world.open.items() if client == d.client and count > 0]
    if not own:
        return open_file(d)
    return [("close_file", {"inode": d.world.nodes[d.one(own)].symbol})]


def writable(d: Draw, chunk: int) -> Node:
    """A file whose chunk has room for one more record."""
    most = MOST_RECORDS[d.world.config.get("compact_chunk", "record")]
    roomy = [one for one in d.world.live("file") if one.stored[chunk] < most]
    if roomy and not d.odds(6):
        return d.one(roomy)
    if d.odds(60) and (others := d.world.live("fifo", "symlink", "directory")):
        return d.one(others)
    return Node(999999, 999999, "file", gone=True) if d.odds(50) else d.directory()


@word(60)
def write(d: Draw) -> list[Call]:
    chunk = d.one((0, 0, 0, 1))
    node = writable(d, chunk)
    size = d.one((1, 100, 4096, 5000, 65536))
    piece = {"pos": 0, "id": PREVIOUS, "size": size, "off": 0, "len": size}
    params = {"inode": node.symbol, "chunk": chunk, "off": d.one(OFFSETS[:5]), "slice": piece}
    return [("new_slice", {}), ("write", {**params, "mtime": list(d.one(MOMENTS))}), *counted(d, node)]


def counted(d: Draw, node: Node) -> list[Call]:
    """What grew under several names is counted in each directory, in the background."""
    return [("settle", {})] if node.nlink > 1 or node.inode in d.world.linked else []


@word(40)
def read(d: Draw) -> list[Call]:
    node = d.known("file")
    # What lies behind the end is nobody's: whether a compaction looks at it is free.
    chunk = d.one((0, 0, 1)) if node.length > CHUNK_SIZE else 0
    # While it is open, what a client was told is kept (N23.2).
    kept = (
        [("invalidate_chunk", {"inode": node.symbol, "chunk": chunk})]
        if d.odds(50) or opened(d, node)
        else []
    )
    # The data of what is gone is deleted in the background.
    deleted: list[Call] = [("settle", {})] if node.gone else []
    # What is read in pieces is put together there, too: the next read is to find it done.
    return [*deleted, *kept, ("read", {"inode": node.symbol, "chunk": chunk}), ("settle", {})]


def opened(d: Draw, node: Node) -> bool:
    """Whether the client may have it open, or had."""
    return (d.client, node.inode) in d.world.open


@word(35)
def truncate(d: Draw) -> list[Call]:
    node = writable(d, 0)
    more = {"skip_permission": True} if d.odds(20) else {}
    call = ("truncate", {"inode": node.symbol, "length": d.one(SIZES), **more, **d.caller()})
    return [call, *counted(d, node)]


@word(30)
def fallocate(d: Draw) -> list[Call]:
    node = writable(d, 0)
    mode = d.one(([], ["keep_size"], ["punch_hole", "keep_size"], ["zero"], ["zero", "keep_size"]))
    if d.odds(8):
        mode = d.one((["punch_hole"], ["collapse"], ["insert"]))
    params = {"inode": node.symbol, "mode": mode, "off": d.one(OFFSETS), "size": d.one(SIZES[:6])}
    return [("fallocate", {**params, **d.caller()}), *counted(d, node)]


@word(15)
def copy_file_range(d: Draw) -> list[Call]:
    node = writable(d, 0)
    if node.stored[0] and d.world.config.get("compact_chunk") != "fail":
        return truncate(d)
    params = {"src": d.node("file"), "src_off": d.one(OFFSETS[:5]), "dst": node.symbol}
    params |= {"dst_off": d.one(OFFSETS), "size": d.one((0, 1, 4096, 100000, CHUNK_SIZE))}
    return [("copy_file_range", {**params, **d.caller()}), *counted(d, node)]


@word(6)
def compact(d: Draw) -> list[Call]:
    return [("compact", {"inode": d.node("file"), "threads": 1})]
