"""Schedules that break caches, each forced on the wire (S6.1.11).

The clients here speak to the server over a network that holds back what it is told to.  The reader is asked
past the log of the test, which would have a client that caches take in what it was told ahead of each call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from errno import EIO, ENOENT
from typing import Any, TypeVar

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.contents import put
from metaparity.conformance.verbs import refuses, soon
from metaparity.drivers.api import Engine
from metaparity.drivers.types import CHUNK_SIZE, AclType, Attr, FallocateMode, FileType, Rule, SetAttr, Slice
from metaparity.fixtures.faults import Act, Frame, Match, Proxy, Trap, Way, push, reply
from metaparity.fixtures.volumes import Volume

T = TypeVar("T")


@pytest.fixture
def threads(network: Proxy) -> Iterator[ThreadPoolExecutor]:
    """Callers besides the test, whom nothing keeps waiting at its end."""
    with ThreadPoolExecutor(4) as pool:
        yield pool
        network.mend()


def reader(volume: Volume) -> Engine:
    """A client whose calls are not logged; skips the test where nothing is kept."""
    inode = volume.dir("kept")
    logged = volume.open()
    for _ in range(2):
        logged.getattr(inode)
    if "cache.tracking" not in logged.capabilities or logged.cache_stats().entries == 0:
        pytest.skip("the cache of this client is off")
    return volume.clients[-1]


def record(inode: int) -> bytes:
    """The key of the attributes of a node."""
    return b"i%d" % inode


def answer(inode: int) -> Match:
    """The reply to whatever asks for the attributes of a node."""
    return reply("GET", record(inode))


def chmod(fs: Engine, inode: int, mode: int) -> None:
    fs.setattr(inode, SetAttr.MODE, Attr(mode=mode))


def mode(fs: Engine, inode: int) -> int:
    return fs.getattr(inode).mode & 0o777


@clause(
    "coherence/an-answer-that-a-change-overtook-is-not-kept",
    source="S6.1.11",
    needs="cache.tracking",
    clients=2,
)
def test_overtaken(volume: Volume, network: Proxy, threads: ThreadPoolExecutor) -> None:
    """A client that was answered before a change, and is told of it after the answer, shows the change
    next."""
    fs, behind = volume.fs, reader(volume)
    x = volume.file("x", mode=0o644)
    held = network.trap(answer(x))
    asked = threads.submit(mode, behind, x)
    held.wait()
    chmod(fs, x, 0o600)
    held.release()
    assert asked.result() in (0o644, 0o600)
    behind.cache_stats()
    assert mode(behind, x) == 0o600


@clause("coherence/who-asks-has-been-told", source="S6.1.11", needs="cache.tracking", clients=2)
def test_told(volume: Volume, network: Proxy, threads: ThreadPoolExecutor) -> None:
    """A client that is asked about its cache while the word of a change is on its way answers when the word
    has come, and shows the change next."""
    fs, behind = volume.fs, reader(volume)
    x = volume.file("x", mode=0o644)
    mode(behind, x)
    held = holding(network, record(x), fs, behind)
    chmod(fs, x, 0o600)
    wait_if_told(held)
    asked = threads.submit(behind.cache_stats)
    assert not soon(asked.done, 0.1)
    held.release()
    asked.result()
    assert mode(behind, x) == 0o600


@clause(
    "coherence/an-own-change-outlives-an-older-answer",
    source="S6.1.11",
    needs="cache.tracking",
    clients=2,
)
def test_own_change(volume: Volume, network: Proxy, threads: ThreadPoolExecutor) -> None:
    """A change that a client makes while an answer to another of its threads is under way is what it shows
    from then on, though the answer, which is older, comes after it."""
    behind = reader(volume)
    x = volume.file("x", mode=0o644)
    volume.fs.settle()
    behind.cache_drop()
    held = network.trap(answer(x))
    asked = threads.submit(mode, behind, x)
    held.wait()
    changed = threads.submit(chmod, behind, x, 0o600)
    assert soon(lambda: volume.raw.get(record(x))[1:3] == bytes([0x11, 0x80]), 5.0)
    held.release()
    changed.result()
    assert mode(behind, x) == 0o600
    assert asked.result() in (0o644, 0o600)
    assert mode(behind, x) == 0o600


@clause("coherence/those-who-miss-one-thing-ask-once", source="S6.1.11", needs="cache.tracking", clients=2)
def test_single_flight(volume: Volume, network: Proxy, threads: ThreadPoolExecutor) -> None:
    """Of several threads that want what is not cached, one asks the server, and all have its answer."""
    behind = reader(volume)
    x = volume.file("x", mode=0o644)
    behind.cache_drop()
    held = network.trap(answer(x))
    before = len(network.record())
    asked = [threads.submit(mode, behind, x) for _ in range(4)]
    held.wait()
    assert not soon(lambda: len(questions(network, before, record(x))) > 1, 0.2)
    held.release()
    assert [one.result() for one in asked] == [0o644] * 4
    assert len(questions(network, before, record(x))) == 1


def questions(network: Proxy, since: int, key: bytes) -> list[Frame]:
    """The commands on a key."""
    return [one for one in network.asked(since) if key in one.command]


@clause(
    "coherence/an-answer-older-than-a-flush-is-not-kept", source="S6.1.6", needs="cache.tracking", clients=2
)
def test_flush(volume: Volume, network: Proxy, threads: ThreadPoolExecutor) -> None:
    """A client whose question was answered before the database was emptied shows nothing of it afterwards."""
    behind = reader(volume)
    x = volume.file("x")
    behind.cache_drop()
    held = network.trap(answer(x))
    asked = threads.submit(mode, behind, x)
    held.wait()
    volume.raw.flushdb()
    held.release()
    asked.result()
    behind.cache_stats()
    assert failure(behind, x) == ENOENT


@clause("coherence/out-of-reach-nothing-is-shown", source="S6.1.8", needs="cache.tracking", clients=2)
def test_out_of_reach(volume: Volume, network: Proxy) -> None:
    """While its server cannot be reached a client shows nothing that it kept, but says EIO; back in reach it
    shows what was changed meanwhile."""
    behind = reader(volume)
    x = volume.file("x", mode=0o644)
    assert mode(behind, x) == 0o644
    network.refuse()
    chmod_past(volume, x, 0o600)
    assert soon(lambda: failure(behind, x) == EIO, 5.0)
    assert failure(behind, x) == EIO
    network.refuse(False)
    assert soon(lambda: failure(behind, x) == 0, 5.0)
    assert mode(behind, x) == 0o600


def chmod_past(volume: Volume, inode: int, mode: int) -> None:
    """Change the mode of a file past every client."""
    blob = bytearray(volume.raw.get(record(inode)))
    blob[1:3] = (FileType.FILE << 12 | mode).to_bytes(2, "big")
    volume.raw.set(record(inode), bytes(blob))


def failure(fs: Engine, inode: int) -> int:
    """The errno of a getattr, 0 for none."""
    try:
        fs.getattr(inode)
    except OSError as refused:
        return refused.errno or 0
    return 0


@clause("coherence/a-cut-answer-is-nobodys", source="S6.1.8", needs="cache.tracking", clients=2)
def test_cut(volume: Volume, network: Proxy) -> None:
    """A client whose connection ends before the answer to a question shows what is there when it asks
    again."""
    behind = reader(volume)
    x = volume.file("x", mode=0o644)
    behind.cache_drop()
    cut = network.trap(answer(x), Act.CUT)
    failure(behind, x)
    cut.wait()
    chmod(volume.fs, x, 0o600)
    assert soon(lambda: failure(behind, x) == 0, 5.0)
    behind.cache_stats()
    assert mode(behind, x) == 0o600


@clause("coherence/what-the-server-forgets-it-tells", source="S6.1.2", needs="cache.tracking", clients=2)
def test_overflow(volume: Volume, network: Proxy) -> None:
    """A server that has no room to remember what a client has read (tracking-table-max-keys) tells it to
    forget: changes are seen of all that it read."""
    behind = reader(volume)
    files = [volume.file(f"f{number}", mode=0o644) for number in range(50)]
    before = volume.raw.config_get("tracking-table-max-keys")
    volume.raw.config_set("tracking-table-max-keys", 5)
    try:
        for inode in files:
            behind.getattr(inode)
        for inode in files:
            chmod(volume.fs, inode, 0o600)
        behind.cache_stats()
        assert [mode(behind, inode) for inode in files] == [0o600] * len(files)
    finally:
        for name, value in before.items():
            volume.raw.config_set(name, value)


@clause("coherence/half-told-is-never-half-shown", source="S6.1.11", needs="cache.tracking", clients=2)
def test_torn(volume: Volume, network: Proxy, threads: ThreadPoolExecutor) -> None:
    """A client that was told of one of the keys that a rename changed shows the name with the old node and
    its attributes, or with the new ones, and never a mixture."""
    fs, behind = volume.fs, reader(volume)
    d = volume.dir("d")
    x, y = volume.file("x", d, mode=0o600), volume.file("y", d, mode=0o644)
    for _ in range(2):
        behind.lookup(d, b"x")
        behind.getattr(y)
    for key in (record(x), record(y), b"d%d" % d):
        held = holding(network, key, fs, behind)
        fs.rename(d, b"y", d, b"x")
        wait_if_told(held)
        asked = threads.submit(behind.lookup, d, b"x")
        soon(asked.done, 0.2)
        held.release()
        node = asked.result()
        assert (node.inode, node.attr and node.attr.mode) in {(x, 0o600), (y, 0o644)}
        behind.cache_stats()
        assert behind.lookup(d, b"x").inode == y
        x, y = y, volume.file("y", d, mode=0o644)
        chmod(fs, x, 0o600)
        for _ in range(2):
            behind.lookup(d, b"x")
            behind.getattr(y)


TOGETHER: dict[str, tuple[bytes, Callable[[Engine, int], list[Any]]]] = {
    "attributes": (b"x%d", lambda fs, x: fs.xattr_list(x)),
    "contents": (b"c%d_0", lambda fs, x: fs.read(x, 0)),
}
"""What is read along with the record of a node: its key, and the call."""


@pytest.mark.parametrize("known", ["kept", "under-way"])
@pytest.mark.parametrize("what", TOGETHER)
@clause("coherence/one-answer-is-of-one-moment", source="S6.1.11", needs="cache.tracking", clients=2)
def test_one_moment(
    volume: Volume, network: Proxy, threads: ThreadPoolExecutor, what: str, known: str
) -> None:
    """A client that keeps the record of a file, or is being told it, and asks for what belongs to it when
    the file is removed, shows that as it was, or that there is no file, and never a file without it."""
    fs, behind = volume.fs, reader(volume)
    x = volume.file("x")
    fs.xattr_set(x, b"user.a", b"1")
    put(fs, x, 0, 100)
    key, call = TOGETHER[what]
    whole = call(fs, x)
    volume.settle()
    behind.cache_drop()
    if known == "kept":
        behind.getattr(x)
        held = network.trap(asks(key % x))
        asked = threads.submit(call, behind, x)
    else:
        held = network.trap(answer(x))
        threads.submit(behind.getattr, x)
    held.wait()
    fs.unlink(1, b"x", True)
    volume.settle()
    assert not volume.raw.exists(record(x), key % x)
    if known == "under-way":
        before = len(network.record())
        asked = threads.submit(call, behind, x)
        assert soon(lambda: bool(questions(network, before, key % x)), 5.0)
    held.release()
    with suppress(FileNotFoundError):
        assert asked.result() == whole


def asks(key: bytes) -> Match:
    """The sending of any command on a key."""
    return lambda frame: frame.way is Way.COMMAND and key in frame.command[1:]


def holding(network: Proxy, key: bytes, *clients: Engine) -> Trap:
    """Have every word of a change of this key held, once the clients have heard of the changes before."""
    for client in clients:
        client.cache_stats()
    return network.trap(push(key), every=True)


def wait_if_told(trap: Trap) -> None:
    """Wait a moment for a push, of which not every driver is told by itself."""
    soon(lambda: trap.sprung, 0.2)


def untold(threads: ThreadPoolExecutor, held: Trap, call: Callable[[], T]) -> Future[T]:
    """What became of a call that a client began, and ended where it could, while a push to it was held."""
    wait_if_told(held)
    begun = threads.submit(call)
    soon(begun.done, 0.5)
    held.release()
    wait([begun])
    return begun


Change = Callable[[Engine, int], object]

ON_A_NAME: dict[str, Change] = {
    "unlink": lambda fs, d: fs.unlink(d, b"x"),
    "rename": lambda fs, d: fs.rename(d, b"x", d, b"z"),
    "rename-over": lambda fs, d: fs.rename(d, b"w", d, b"x"),
    "rename-to-a-directory": lambda fs, d: fs.rename(d, b"x", 1, b"z"),
    "link": lambda fs, d: fs.link(fs.lookup(d, b"w").inode, d, b"z"),
    "remove-of-the-directory": lambda fs, d: fs.remove(1, b"d"),
}


LEAVING = ("rename", "rename-to-a-directory", "link")
"""Those after which the node still has a name."""


@pytest.mark.parametrize("name", ON_A_NAME)
@clause("coherence/a-change-meets-what-is-there", source="S6.1.10", needs="cache.tracking", clients=2)
def test_stale_names(volume: Volume, network: Proxy, threads: ThreadPoolExecutor, name: str) -> None:
    """A client that has not yet been told that a name leads to another node changes the node that is there,
    and leaves alone the one that it knew."""
    fs, behind = volume.fs, reader(volume)
    d = volume.dir("d")
    volume.file("w", d)
    x, y = volume.file("x", d), volume.file("y", d)
    fs.link(x, 1, b"other")
    for known_name in (b"w", b"x", b"y"):
        behind.getattr(behind.lookup(d, known_name).inode)
    volume.settle()
    held = holding(network, b"d%d" % d, fs, behind)
    fs.rename(d, b"y", d, b"x")
    untold(threads, held, lambda: ON_A_NAME[name](behind, d)).result()
    for client in (fs, behind):
        client.settle()
    known = fs.lookup(1, b"other")
    assert (known.inode, known.attr and known.attr.nlink) == (x, 1)
    require_laws(volume)
    behind.cache_stats()
    assert seen(behind, d) == seen(volume.open(), d)
    assert (y in seen(fs, d).values()) == (name in LEAVING)


def seen(fs: Engine, d: int) -> dict[bytes, int]:
    """Every name that a client shows in two directories, and the inode that it leads to."""
    found = {}
    for directory in (1, d):
        for name in (b"w", b"x", b"y", b"z", b"other"):
            with suppress(FileNotFoundError, NotADirectoryError):
                found[b"%d/" % directory + name] = fs.lookup(directory, name).inode
    return found


ON_A_FILE: dict[str, Change] = {
    "chmod": lambda fs, x: chmod(fs, x, 0o600),
    "truncate": lambda fs, x: fs.truncate(x, 0, 50),
    "write": lambda fs, x: put(fs, x, 0, 50),
    "fallocate": lambda fs, x: fs.fallocate(x, FallocateMode(0), 0, 50),
    "copy_file_range": lambda fs, x: fs.copy_file_range(fs.lookup(1, b"full").inode, 0, x, 0, 50),
    "acl_set": lambda fs, x: fs.acl_set(x, AclType.ACCESS, Rule(6, 4, 4, 0, [(7, 4)], [])),
}

BY_ANOTHER: dict[str, tuple[Change, Callable[[Engine, int], bool]]] = {
    "chown": (lambda fs, x: fs.setattr(x, SetAttr.UID, Attr(uid=7)), lambda fs, x: fs.getattr(x).uid == 7),
    "link": (lambda fs, x: fs.link(x, 1, b"other"), lambda fs, x: fs.getattr(x).nlink == 2),
    "rename": (
        lambda fs, x: fs.rename(1, b"x", fs.lookup(1, b"d").inode, b"x"),
        lambda fs, x: fs.parents(x) == {fs.lookup(1, b"d").inode: 1},
    ),
    "unlink": (lambda fs, x: fs.unlink(1, b"x"), lambda fs, x: failure(fs, x) == ENOENT),
}
"""What another client does to the file `x`, and whether it shows."""


@pytest.mark.parametrize("first", BY_ANOTHER)
@pytest.mark.parametrize("change", ON_A_FILE)
@clause("coherence/a-change-keeps-what-others-changed", source="S6.1.10", needs="cache.tracking", clients=2)
def test_stale_attributes(
    volume: Volume, network: Proxy, threads: ThreadPoolExecutor, change: str, first: str
) -> None:
    """A client that has not yet been told that another gave a file an owner or a second name, moved it or
    removed it, changes the file that is there: what the other did lasts."""
    volume.format(EnableACL=True)
    fs, behind = volume.fs, reader(volume)
    volume.dir("d")
    put(fs, volume.file("full"), 0, 100)
    x = volume.file("x")
    behind.getattr(x)
    held = holding(network, record(x), fs, behind)
    do, shows = BY_ANOTHER[first]
    do(fs, x)
    changed = untold(threads, held, lambda: ON_A_FILE[change](behind, x))
    behind.settle()
    lasts = shows(volume.open(), x)
    assert lasts, f"expected the {first} of another client to last, observed it undone"
    if first == "unlink":
        refuses(ENOENT, changed.result)
    else:
        changed.result()


@clause("coherence/a-removed-directory-is-empty-there", source="S6.1.10", needs="cache.tracking", clients=2)
def test_stale_directory(volume: Volume, network: Proxy, threads: ThreadPoolExecutor) -> None:
    """A client that knows a directory as empty, under a name that now leads to another one that is not, does
    not remove it."""
    fs, behind = volume.fs, reader(volume)
    d = volume.dir("d")
    volume.dir("e", d)
    full = volume.dir("full", d)
    volume.file("in-it", full)
    behind.getattr(behind.lookup(d, b"e").inode)
    held = holding(network, b"d%d" % d, fs, behind)
    fs.rename(d, b"full", d, b"e")
    removed = untold(threads, held, lambda: behind.rmdir(d, b"e"))
    with pytest.raises(OSError, match="not empty"):
        removed.result()
    assert fs.lookup(d, b"e").inode == full


@clause("coherence/a-copy-is-of-what-is-there", source="S6.1.10", needs="cache.tracking", clients=2)
def test_stale_length(volume: Volume, network: Proxy, threads: ThreadPoolExecutor) -> None:
    """A client that knows an older length of a file copies all that is there now."""
    fs, behind = volume.fs, reader(volume)
    x, y = volume.file("x"), volume.file("y")
    fs.write(x, 0, 0, Slice(0, fs.new_slice(), 100, 0, 100), (1, 1))
    behind.getattr(x)
    held = holding(network, record(x), fs, behind)
    second = fs.new_slice()
    fs.write(x, 1, 0, Slice(0, second, 200, 0, 200), (1, 1))
    copied = untold(threads, held, lambda: behind.copy_file_range(x, 0, y, 0, 2 * CHUNK_SIZE))
    assert copied.result().copied == CHUNK_SIZE + 200
    assert [one.id for one in fs.read(y, 1) if one.id] == [second]
