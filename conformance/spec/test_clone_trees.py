"""Copies of trees by reference, and what is left of those that failed (N25, N35.5)."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from errno import EACCES, EEXIST, EINTR, ENOENT
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import check_empty, require_laws
from metaparity.conformance.scenes.actors import ALICE
from metaparity.conformance.scenes.clones import found, nodes, plant
from metaparity.conformance.scenes.contents import put, shown
from metaparity.conformance.scenes.quotas import BLOCK, DIR, limit
from metaparity.conformance.scenes.scenery import flag
from metaparity.conformance.verbs import alike, refuses
from metaparity.drivers.api import Engine
from metaparity.drivers.types import (
    ROOT,
    AclType,
    Attr,
    AttrFlag,
    Cloned,
    Context,
    FileType,
    Rule,
    SetAttr,
    Summary,
)
from metaparity.fixtures.volumes import Volume

# -- trees -----------------------------------------------------------------------------------------


def shape(fs: Engine, inode: int) -> dict[bytes, Any]:
    """What is below a directory, without inode numbers."""
    tree: dict[bytes, Any] = {}
    for entry in fs.readdir(inode, plus=True):
        if entry.name in (b".", b".."):
            continue
        attr = entry.attr
        assert attr is not None
        below = shape(fs, entry.inode) if entry.type == FileType.DIRECTORY else None
        values = {name: fs.xattr_get(entry.inode, name) for name in fs.xattr_list(entry.inode)}
        contents = shown(fs, entry.inode) if entry.type == FileType.FILE else None
        tree[entry.name] = (replace(attr, parent=0, nlink=0), values, contents, below)
    return tree


@pytest.mark.parametrize("threads", [0, 1])
@clause("clone/copies-a-tree", source="N25.3 N25.4 N25.8 T36", needs="clone")
def test_tree(volume: Volume, threads: int) -> None:
    """The copy of a directory has copies of all that is below it, special files too; every count adds up."""
    check_tree(volume, plant(volume), threads)


@pytest.mark.parametrize("threads", [2, 4, 255])
@clause("clone/copies-sub-directories-side-by-side", source="N25.3", needs="clone")
def test_threads(volume: Volume, threads: int) -> None:
    """However many threads copy a tree, the copy is the same."""
    src = plant(volume)
    for number in range(10):
        volume.file("x", volume.dir(f"d{number}", src))
    volume.fs.settle()
    with ThreadPoolExecutor(1) as aside:  # which inode a copy gets is a matter of chance here
        aside.submit(check_tree, volume, src, threads).result()


def check_tree(volume: Volume, src: int, threads: int) -> None:
    """Copy a tree and compare every node."""
    done = volume.fs.clone(1, src, 1, b"copy", True, 0, threads)
    copy = volume.fs.lookup(1, b"copy").inode
    assert shape(volume.fs, copy) == shape(volume.fs, src)
    alike(found(volume.fs), volume.fs.getattr(src))
    below = volume.fs.summary(copy, recursive=True, strict=True)
    assert done == Cloned(below.files + below.dirs, below.files + below.dirs)
    assert not volume.raw.exists("detachedNodes")
    volume.fs.settle()
    require_laws(volume)


@clause("clone/a-tree-can-be-the-callers-own", source="N25.4", needs="clone")
def test_tree_own(volume: Volume) -> None:
    """In a copy that is not preserved every node is the caller's, with the umask applied to all but symbolic
    links."""
    src = plant(volume)
    volume.fs.clone(1, src, 1, b"copy", False, 0o077, ctx=Context(5, (6,), check_permission=False))
    copy = volume.fs.lookup(1, b"copy").inode
    below = [copy]
    while below:
        attr = volume.fs.getattr(below[-1])
        assert (attr.uid, attr.gid) == (5, 6)
        assert attr.type == FileType.SYMLINK or not attr.mode & 0o077
        inode = below.pop()
        if attr.type == FileType.DIRECTORY:
            entries = volume.fs.readdir(inode)
            below += [entry.inode for entry in entries if entry.name not in (b".", b"..")]


@clause("clone/a-large-directory-is-copied-whole", source="N25.6 S4.4", needs="clone")
def test_large(volume: Volume) -> None:
    """A directory of more nodes than fit in one transaction is copied with all of them."""
    src = volume.dir("src")
    for number in range(1050):
        volume.fs.mknod(src, b"n%d" % number, FileType.FILE, 0o600)
    volume.fs.settle()
    assert volume.fs.clone(1, src, 1, b"copy") == Cloned(1051, 1051)
    copy = volume.fs.lookup(1, b"copy").inode
    assert volume.fs.summary(copy, recursive=True, strict=True) == Summary(0, 1051 * BLOCK, 1050, 1)


@clause("clone/copies-into-itself-once", source="N25.3", needs="clone")
def test_into_itself(volume: Volume) -> None:
    """A directory can be copied into itself: the copy has what was there before."""
    src = volume.dir("src")
    volume.file("x", src)
    assert volume.fs.clone(1, src, src, b"copy") == Cloned(2, 2)
    copy = volume.fs.lookup(src, b"copy").inode
    assert {entry.name for entry in volume.fs.readdir(copy)} == {b".", b"..", b"x"}


@clause("clone/a-vanished-sub-directory-is-left-out", source="N25.4", needs="clone")
def test_vanished(volume: Volume) -> None:
    """A name whose node is gone is left out of a copy, which then counts the sub-directories it has."""
    src = volume.dir("src")
    gone, kept = volume.dir("gone", src), volume.dir("kept", src)
    lost = volume.file("lost", src)
    volume.file("x", kept)
    volume.fs.settle()
    volume.raw.delete(f"i{gone}", f"i{lost}")
    volume.fs.clone(1, src, 1, b"copy", True)
    copy = volume.fs.lookup(1, b"copy")
    assert copy.attr is not None
    assert copy.attr.nlink == 3
    assert {entry.name for entry in volume.fs.readdir(copy.inode)} == {b".", b"..", b"kept"}
    attr = volume.fs.getattr(copy.inode)
    alike(attr, volume.fs.getattr(src), but=["nlink"])


@pytest.mark.parametrize("ctx", [ALICE, ROOT], ids=["by-whom-it-is-read", "whose-mode-follows-it"])
@clause("clone/a-lost-acl-leaves-nothing-out", source="N8.1 N25.4 N29.7 S1.8", needs="acl", clients=2)
def test_lost_acl(volume: Volume, ctx: Context) -> None:
    """A tree with a directory whose ACL is needed and lost is refused, ENOENT, and not copied without it."""
    volume.format(EnableACL=True)
    src = volume.dir("src", mode=0o777)
    ruled = volume.dir("ruled", src, mode=0o777)
    volume.fs.acl_set(ruled, AclType.ACCESS, Rule(7, 7, 7, 7, users=[(1003, 7)]))
    volume.fs.settle()
    volume.raw.delete("acl")
    fs = volume.open()
    volume.fs.setattr(1, SetAttr.MODE, Attr(mode=0o777))
    refuses(ENOENT, fs.clone, 1, src, 1, b"copy", False, 0o022, ctx=ctx)
    refuses(ENOENT, fs.lookup, 1, b"copy")


# -- half-way --------------------------------------------------------------------------------------


@clause("clone/a-failure-leaves-nothing", source="N25.3 N35.5 N42.5", needs="quota.user")
def test_failure(volume: Volume) -> None:
    """What was copied before a refusal deep in a tree is removed again, with all its counts."""
    volume.format(UserGroupQuota=True)
    src = plant(volume)
    deep = volume.fs.lookup(volume.fs.lookup(src, b"sub").inode, b"deep").inode
    volume.file("secret", deep, mode=0)
    volume.dir("place", mode=0o777)
    place = volume.fs.lookup(1, b"place").inode
    volume.fs.settle()
    limit(volume.fs, DIR, b"/place", 1 << 40, 1 << 20)
    volume.fs.settle()
    before = nodes(volume)
    refuses(EACCES, volume.fs.clone, 1, src, place, b"copy", True, ctx=Context(1001, (1001, 1002)))
    volume.fs.settle()
    after = nodes(volume)
    for counted in ("userQuota", "groupQuota"):  # a record of someone who has nothing may be left
        for part in ("", "UsedSpace", "UsedInodes"):
            after.pop((counted + part).encode(), None)
            before.pop((counted + part).encode(), None)
    assert after == before


@clause("clone/a-caller-that-gives-up-leaves-nothing", source="N25.7 X2", needs="clone")
def test_cancelled(volume: Volume) -> None:
    """A caller that gives up while a tree is copied gets EINTR, and what was copied is removed."""
    src = volume.dir("src")
    for number in range(60):
        below = volume.dir(f"d{number}", src)
        for other in range(5):
            volume.file(f"f{other}", below)
    volume.fs.settle()
    before = nodes(volume)
    given_up = threading.Event()
    timer = threading.Timer(0.01, given_up.set)
    timer.start()
    try:
        refuses(EINTR, volume.fs.clone, 1, src, 1, b"copy", ctx=Context(cancelled=given_up))
    finally:
        timer.cancel()
    volume.fs.settle()
    assert nodes(volume) == before


@clause("clone/appears-whole", source="N25.3", needs="clone", clients=2)
def test_appears(volume: Volume) -> None:
    """While a tree is copied its name is not there; once it is, everything below is."""
    src = volume.dir("src")
    for number in range(40):
        volume.file("x", volume.dir(f"d{number}", src))
    watcher = volume.open()
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not seen:
            over = done.is_set()
            try:
                copy = watcher.lookup(1, b"copy").inode
            except FileNotFoundError:
                if over:
                    return
                continue
            below = watcher.summary(copy, recursive=True, strict=True)
            seen.append(below.files + below.dirs)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        volume.fs.clone(1, src, 1, b"copy")
    finally:
        done.set()
        thread.join()
    assert seen == [81]


@clause("clone/a-copy-without-name-is-cleaned-up", source="N35.5 S7.5.1 N42.5", needs="clone")
def test_detached(volume: Volume) -> None:
    """A copy that never got its name, begun before a time, is removed with all below it, whatever quotas and
    counts there are above; a later one stays."""
    top = volume.dir("top")
    limit(volume.fs, DIR, b"/top", 1 << 40, 1 << 20)
    lost = volume.dir("lost", top)
    put(volume.fs, volume.file("x", volume.dir("sub", lost)), 0, 5000)
    volume.fs.settle()
    kept = nodes(volume)
    volume.raw.hdel(f"d{top}", "lost")
    volume.raw.zadd("detachedNodes", {str(lost): 1_000_000})
    volume.fs.detached_cleanup(999_999)
    assert volume.raw.exists(f"i{lost}")
    volume.fs.detached_cleanup(1_000_000)
    volume.fs.settle()
    assert not volume.raw.exists(f"i{lost}", f"d{lost}", "detachedNodes")
    assert volume.raw.mget("usedSpace", "totalInodes") == [b"4096", b"1"]
    assert volume.raw.hgetall("dirQuotaUsedInodes") == kept[b"dirQuotaUsedInodes"][1]


@clause("clone/an-immutable-copy-without-name-is-cleaned-up", source="N35.5 N42.5 N25.4", needs="clone")
def test_detached_immutable(volume: Volume) -> None:
    """A copy that never got its name is removed though what is in it can be neither changed nor unlinked."""
    lost = volume.dir("lost")
    sub = volume.dir("sub", lost)
    put(volume.fs, volume.file("x", sub), 0, 5000)
    frozen = [volume.file("y", sub), sub, lost]
    for inode, frost in zip(frozen, (AttrFlag.IMMUTABLE, AttrFlag.APPEND, AttrFlag.IMMUTABLE), strict=True):
        flag(volume, inode, frost)
    volume.fs.settle()
    volume.raw.hdel("d1", "lost")
    volume.raw.zadd("detachedNodes", {str(lost): 1})
    volume.fs.detached_cleanup(1)
    volume.fs.settle()
    assert not volume.raw.exists(*(f"i{inode}" for inode in frozen), "detachedNodes", "sliceRef")
    assert volume.raw.mget("usedSpace", "totalInodes") == [b"0", b"0"]


@clause("clone/a-lost-note-of-a-copy-goes", source="N35.5 Q22", needs="clone")
def test_lost_note(volume: Volume) -> None:
    """The note of a copy whose node is gone is removed by a cleanup."""
    volume.file("x")
    volume.raw.zadd("detachedNodes", {"999": 1})
    volume.fs.detached_cleanup(int(time.time()))
    assert not volume.raw.exists("detachedNodes")


@clause("clone/a-running-copy-is-not-lost", source="N35.5 N35.6", needs="maintenance", clients=2)
def test_running(volume: Volume) -> None:
    """A copy under way, which has no name yet, is not deleted as a lost node, however old its source is."""
    cleaner = volume.open()
    lost = volume.dir("lost")
    volume.fs.settle()
    volume.raw.hdel("d1", "lost")
    record: bytes = volume.raw.get(f"i{lost}")
    old = int(time.time()) - 7200
    volume.raw.set(f"i{lost}", record[:35] + old.to_bytes(8, "big") + record[43:])
    volume.raw.zadd("detachedNodes", {str(lost): int(time.time())})
    cleaner.slices_cleanup()
    assert volume.raw.exists(f"i{lost}")


@clause("clone/two-copies-to-one-name-have-one-winner", source="N42.2 N42.6", needs="clone", clients=2)
def test_race(volume: Volume) -> None:
    """Of two clients that copy to one name at the same time one is refused with EEXIST; nothing is lost."""
    src = volume.file("x")
    other = volume.open()
    volume.settle()  # what is counted anew at the first flush may be counted twice
    outcomes: list[int] = []

    def copy(fs: Engine) -> None:
        for number in range(20):
            try:
                fs.clone(1, src, 1, b"copy%d" % number)
                outcomes.append(0)
            except FileExistsError:
                outcomes.append(EEXIST)

    threads = [threading.Thread(target=copy, args=(fs,)) for fs in (volume.fs, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    volume.settle()
    assert sorted(outcomes) == [0] * 20 + [EEXIST] * 20


steps = st.lists(
    st.tuples(
        st.sampled_from(["make", "write", "link", "clone", "clone", "remove"]),
        st.integers(0, 2),
        st.integers(0, 3),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=15,
)


@given(steps=steps)
@clause("clone/any-history-adds-up", source="N25 I11 I12 I13 I14 I15 I23 I19", needs="quota.user")
def test_history(volume: Volume, steps: list[tuple[str, int, int, int]]) -> None:
    """After any making, writing, linking, copying and removing every law of the key-space holds, and all of
    it can be removed."""
    volume.reset()
    volume.format(UserGroupQuota=True)
    fs = volume.fs
    a = volume.dir("a")
    places = [1, a, volume.dir("b", a)]
    fs.settle()
    limit(fs, DIR, b"/a", 1 << 40, 1 << 20)
    for what, place, number, other in steps:
        name, new = b"n%d" % number, b"n%d" % ((number + 1) % 4)
        try:
            if what == "make":
                type = (FileType.FILE, FileType.DIRECTORY, FileType.FIFO)[other]
                fs.mknod(places[place], name, type, 0o755, ctx=Context(7, (8,), check_permission=False))
            elif what == "write":
                put(fs, fs.lookup(places[place], name).inode, 5000 * other, 100)
            elif what == "link":
                fs.link(fs.lookup(places[place], name).inode, places[other], new)
            elif what == "clone":
                src = fs.lookup(places[place], name).inode
                fs.clone(places[place], src, places[other], new, bool(number % 2))
            else:
                fs.remove(places[place], name)
        except OSError:
            continue
    fs.settle()
    require_laws(volume)
    fs.remove(1, b"a")
    for entry in fs.readdir(1):
        if entry.name not in (b".", b".."):
            fs.remove(1, entry.name)
    fs.settle()
    assert check_empty(volume) == []
