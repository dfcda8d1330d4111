"""Extended attributes: set, read, listed, removed, and how long they live (N28)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EEXIST, EINVAL, ENODATA, ENOENT, EROFS
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.laws import check_empty
from metaparity.conformance.scenes.actors import BOB
from metaparity.conformance.scenes.scenery import each_frozen, each_type, flag, fresh, make
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import AttrFlag, Context, FileType
from metaparity.fixtures.volumes import Volume

CREATE, REPLACE = 1, 2

NAMES = {
    "one byte": b"a",
    "namespaced": b"user.comment",
    "255 bytes": b"n" * 255,
    "256 bytes": b"n" * 256,
    "300 bytes": b"n" * 300,
    "no UTF-8": b"user.\xff\xfe\x80",
    "slash and NUL": b"a/b\0c",
    "dot": b".",
}
VALUES = {"empty": b"", "NUL": b"\0", "no UTF-8": b"\xff\xfe", "64 KiB and one": b"v" * 65537}


def stored(volume: Volume, inode: int) -> dict[bytes, bytes]:
    """The extended attributes of an inode in the keys."""
    return dict(volume.raw.hgetall(f"x{inode}"))


@each_type
@clause("xattr/is-read-as-it-was-set", source="N28.1 N28.2 S1.3", needs="xattr")
def test_set(volume: Volume, type: FileType) -> None:
    """A node of any type keeps values under names, to be read and listed by anyone."""
    inode = make(volume, type, "x")
    volume.fs.xattr_set(inode, b"user.a", b"one")
    volume.fs.xattr_set(inode, b"user.b", b"two")
    assert volume.fs.xattr_get(inode, b"user.a", ctx=BOB) == b"one"
    assert sorted(volume.fs.xattr_list(inode, ctx=BOB)) == [b"user.a", b"user.b"]
    assert stored(volume, inode) == {b"user.a": b"one", b"user.b": b"two"}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@clause("xattr/takes-any-name-and-value", source="N28.1 N28.3 S3.8", needs="xattr")
def test_any(volume: Volume, name: bytes, value: bytes) -> None:
    """A name may have any bytes but none, a value any bytes of any number: limits are those of the mount."""
    inode = volume.file("x")
    volume.fs.xattr_set(inode, name, value)
    assert volume.fs.xattr_get(inode, name) == value
    assert volume.fs.xattr_list(inode) == [name]
    volume.fs.xattr_remove(inode, name)
    assert volume.fs.xattr_list(inode) == []
    assert not volume.raw.exists(f"x{inode}")


@clause("xattr/every-name-is-listed-once", source="N28.2", needs="xattr")
def test_list(volume: Volume) -> None:
    """A list has every name once, however many there are and how often each was set, and no name of another
    node."""
    inode, other = volume.file("x"), volume.file("y")
    names = [b"user.%d" % number for number in range(700)]
    for name in (*names, *names[:100]):
        volume.fs.xattr_set(inode, name, b"v")
    volume.fs.xattr_set(other, b"user.other", b"v")
    assert sorted(volume.fs.xattr_list(inode)) == sorted(names)


@clause("xattr/a-removed-one-goes-alone", source="N28.2", needs="xattr")
def test_remove(volume: Volume) -> None:
    """Removing takes the one name from the one node; the last takes its record, too."""
    inode, other = volume.file("x"), volume.file("y")
    for node in (inode, other):
        for name in (b"a", b"b"):
            volume.fs.xattr_set(node, name, b"v")
    volume.fs.xattr_remove(inode, b"a")
    assert stored(volume, inode) == {b"b": b"v"}
    volume.fs.xattr_remove(inode, b"b")
    assert not volume.raw.exists(f"x{inode}")
    assert stored(volume, other) == {b"a": b"v", b"b": b"v"}


@clause("xattr/is-replaced-or-created-as-the-flags-say", source="N28.1 C6 T44", needs="xattr")
def test_flags(volume: Volume) -> None:
    """Without flags a value is created or replaced; CREATE refuses an existing one with EEXIST, REPLACE a
    missing one with ENODATA."""
    fs, inode = volume.fs, volume.file("x")
    with unchanged(volume):
        refuses(ENODATA, fs.xattr_set, inode, b"a", b"1", REPLACE)
    fs.xattr_set(inode, b"a", b"1", CREATE)
    with unchanged(volume):
        refuses(EEXIST, fs.xattr_set, inode, b"a", b"2", CREATE)
    fs.xattr_set(inode, b"a", b"3", REPLACE)
    assert fs.xattr_get(inode, b"a") == b"3"
    fs.xattr_set(inode, b"a", b"4")
    fs.xattr_set(inode, b"b", b"5")
    assert stored(volume, inode) == {b"a": b"4", b"b": b"5"}


@pytest.mark.parametrize("flags", [3, 4, 5, 8, 255])
@clause("xattr/unknown-flags-are-refused", source="N28.1 T44", needs="xattr")
def test_unknown_flags(volume: Volume, flags: int) -> None:
    """Any flags but 0, CREATE and REPLACE are refused with EINVAL."""
    inode = volume.file("x")
    volume.fs.xattr_set(inode, b"a", b"1")
    with unchanged(volume):
        refuses(EINVAL, volume.fs.xattr_set, inode, b"a", b"2", flags)
        refuses(EINVAL, volume.fs.xattr_set, inode, b"b", b"2", flags)


@clause("xattr/no-name-is-no-attribute", source="N28.1 N28.2", needs="xattr")
def test_empty_name(volume: Volume) -> None:
    """An empty name can be neither set nor removed (EINVAL), and names nothing (ENODATA)."""
    inode = volume.file("x")
    with unchanged(volume):
        refuses(EINVAL, volume.fs.xattr_set, inode, b"", b"1")
        refuses(EINVAL, volume.fs.xattr_remove, inode, b"")
        refuses(ENODATA, volume.fs.xattr_get, inode, b"")


@clause("xattr/a-missing-one-is-no-data", source="N28.2", needs="xattr")
def test_missing(volume: Volume) -> None:
    """A name that was never set or was removed answers ENODATA, on any node and on none."""
    fs, inode = volume.fs, volume.file("x")
    fs.xattr_set(inode, b"a", b"1")
    fs.xattr_remove(inode, b"a")
    with unchanged(volume):
        for node in (inode, 999):
            refuses(ENODATA, fs.xattr_get, node, b"a")
            refuses(ENODATA, fs.xattr_remove, node, b"a")
        assert fs.xattr_list(inode) == []
        refuses(ENOENT, fs.xattr_list, 999)


@clause("xattr/needs-no-node", source="N28.1 D7", needs="xattr")
def test_no_node(volume: Volume) -> None:
    """A value can be set and read where there is no node; a list is refused with ENOENT all the same."""
    volume.fs.xattr_set(999, b"a", b"1")
    assert volume.fs.xattr_get(999, b"a") == b"1"
    refuses(ENOENT, volume.fs.xattr_list, 999)
    volume.fs.xattr_remove(999, b"a")
    assert not volume.raw.exists("x999")


@each_type
@clause("xattr/leaves-the-node-as-it-is", source="N28.1 D7 N8.12", needs="xattr")
def test_no_ctime(volume: Volume, type: FileType) -> None:
    """No call on extended attributes changes any attribute of the node, its ctime neither."""
    inode = make(volume, type, "x")
    before = volume.raw.get(f"i{inode}")
    volume.fs.xattr_set(inode, b"a", b"1")
    volume.fs.xattr_get(inode, b"a")
    volume.fs.xattr_list(inode)
    volume.fs.xattr_remove(inode, b"a")
    assert volume.raw.get(f"i{inode}") == before


@each_frozen
@clause("xattr/flags-and-permissions-stop-nothing", source="N28.1 N8.12 D10", needs="xattr")
def test_frozen(volume: Volume, frozen: AttrFlag) -> None:
    """Anyone may set and remove them on any node, be it immutable, append-only or another's."""
    inode = volume.file("x", mode=0)
    flag(volume, inode, frozen)
    volume.fs.xattr_set(inode, b"a", b"1", ctx=BOB)
    volume.fs.xattr_remove(inode, b"a", ctx=BOB)


@clause("xattr/of-the-root-of-the-session", source="N28.1 N28.2 R1", needs="xattr", clients=2)
def test_root(volume: Volume) -> None:
    """Inode 1 means the root of the session, inode 0 that of the volume, in every call."""
    home = volume.dir("home")
    inside = volume.open(subdir="/home")
    inside.xattr_set(1, b"a", b"home")
    inside.xattr_set(0, b"a", b"root")
    assert (stored(volume, home), stored(volume, 1)) == ({b"a": b"home"}, {b"a": b"root"})
    assert inside.xattr_get(1, b"a") == b"home"
    assert inside.xattr_list(1) == [b"a"]
    inside.xattr_remove(1, b"a")
    assert (stored(volume, home), stored(volume, 1)) == ({}, {b"a": b"root"})


@clause("xattr/dies-with-the-last-name", source="N28.4 N13.5 N13.6 N13.7 T44", needs="xattr")
def test_lifetime(volume: Volume) -> None:
    """Values survive as long as the node has a name, and go with the last, even while the file is open."""
    fs, inode = volume.fs, volume.file("x")
    fs.xattr_set(inode, b"a", b"1")
    fs.link(inode, 1, b"y")
    fs.rename(1, b"x", 1, b"z")
    fs.unlink(1, b"z")
    assert fs.xattr_get(inode, b"a") == b"1"
    fs.open_file(inode)
    fs.unlink(1, b"y")
    refuses(ENODATA, fs.xattr_get, inode, b"a")
    fs.close_file(inode)


def unlinked(fs: Engine) -> None:
    fs.unlink(1, b"x")


def removed(fs: Engine) -> None:
    fs.remove(1, b"x")


def replaced(fs: Engine) -> None:
    fs.mknod(1, b"new", FileType.FILE, 0o644)
    fs.rename(1, b"new", 1, b"x")
    fs.unlink(1, b"x")


@pytest.mark.parametrize("lose", [unlinked, removed, replaced], ids=lambda one: one.__name__)
@clause("xattr/nothing-is-left-of-a-gone-node", source="N28.4 N13.8 N16.10 I9 I23", needs="xattr")
def test_nothing_left(volume: Volume, lose: Callable[[Engine], Any]) -> None:
    """A node that is removed or replaced takes its values along."""
    for type in FileType:
        if type is FileType.DIRECTORY:
            continue
        inode = make(volume, type, "x")
        volume.fs.xattr_set(inode, b"a", b"1")
        lose(volume.fs)
        assert not volume.raw.exists(f"x{inode}")
    directory = volume.dir("d")
    volume.fs.xattr_set(directory, b"a", b"1")
    volume.fs.rmdir(1, b"d")
    volume.fs.settle()
    assert check_empty(volume) == []


@each_type
@clause("xattr/stays-in-the-trash", source="N28.4 N13.4 N15.4", needs="trash")
def test_trash(volume: Volume, type: FileType) -> None:
    """A node in the trash keeps its values, which may still be changed."""
    volume.format(TrashDays=1)
    inode = make(volume, type, "x")
    volume.fs.xattr_set(inode, b"a", b"1")
    (volume.fs.rmdir if type is FileType.DIRECTORY else volume.fs.unlink)(1, b"x")
    assert volume.fs.xattr_get(inode, b"a") == b"1"
    volume.fs.xattr_set(inode, b"b", b"2")
    assert stored(volume, inode) == {b"a": b"1", b"b": b"2"}


@clause("xattr/others-see-it-at-once", source="N28.2", needs="xattr", clients=2)
def test_clients(volume: Volume) -> None:
    """What one client sets or removes the others see with their next call."""
    other, inode = volume.open(), volume.file("x")
    volume.fs.xattr_set(inode, b"a", b"1")
    assert other.xattr_get(inode, b"a") == b"1"
    other.xattr_set(inode, b"a", b"2")
    assert volume.fs.xattr_get(inode, b"a") == b"2"
    volume.fs.xattr_remove(inode, b"a")
    refuses(ENODATA, other.xattr_get, inode, b"a")


@clause("xattr/read-only-clients-change-none", source="N28.1 N28.2 M2 T42", needs="xattr", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client reads and lists; to set or remove is EROFS, before anything else is looked at."""
    inode = volume.file("x")
    volume.fs.xattr_set(inode, b"a", b"1")
    volume.settle()
    reader = volume.open(record=False, read_only=True)
    with unchanged(volume):
        assert reader.xattr_get(inode, b"a") == b"1"
        assert reader.xattr_list(inode) == [b"a"]
        for name, flags in ((b"a", 0), (b"a", CREATE), (b"", 0), (b"a", 9)):
            refuses(EROFS, reader.xattr_set, inode, name, b"2", flags)
        for name in (b"a", b"b", b""):
            refuses(EROFS, reader.xattr_remove, inode, name)


names = st.binary(min_size=1, max_size=300)
values = st.binary(max_size=300)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["set", "create", "replace", "remove"]), st.integers(0, 3), values),
        max_size=12,
    ),
    keys=st.lists(names, min_size=4, max_size=4, unique=True),
)
@clause("xattr/any-history-is-that-of-a-dictionary", source="N28.1 N28.2", needs="xattr")
def test_history(volume: Volume, steps: list[tuple[str, int, bytes]], keys: list[bytes]) -> None:
    """After any calls the values are those of a dictionary that was treated the same."""
    fs = volume.fs
    inode = fs.mknod(1, fresh(volume), FileType.FILE, 0o644, ctx=Context()).inode
    model: dict[bytes, bytes] = {}
    for what, number, value in steps:
        name = keys[number]
        if what == "remove":
            if name in model:
                fs.xattr_remove(inode, name)
                del model[name]
            else:
                refuses(ENODATA, fs.xattr_remove, inode, name)
            continue
        if what == "create" and name in model:
            refuses(EEXIST, fs.xattr_set, inode, name, value, CREATE)
        elif what == "replace" and name not in model:
            refuses(ENODATA, fs.xattr_set, inode, name, value, REPLACE)
        else:
            fs.xattr_set(inode, name, value, {"create": CREATE, "replace": REPLACE}.get(what, 0))
            model[name] = value
    assert sorted(fs.xattr_list(inode)) == sorted(model)
    assert {name: fs.xattr_get(inode, name) for name in model} == model
