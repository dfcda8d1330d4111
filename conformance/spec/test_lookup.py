"""From a name to a node: lookup (N5)."""

from __future__ import annotations

from errno import EACCES, ENOENT, ENOTDIR
from typing import Any

import pytest
from hypothesis import given

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB, KERNEL
from metaparity.conformance.scenes.draws import names
from metaparity.conformance.scenes.permission import each_class
from metaparity.conformance.scenes.permission import modes as modes_of
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.scenery import TYPES, each_non_directory, each_type, fresh, make
from metaparity.conformance.verbs import alike, refuses, unchanged
from metaparity.drivers.types import ROOT, TRASH_INODE, Attr, Context, FileType, Node, SetAttr
from metaparity.fixtures.volumes import Volume

MISSING = 999_999

TRASH_ATTR = Attr(type=FileType.DIRECTORY, mode=0o555, nlink=2, length=4096, parent=1)
"""What the trash shows that was never made (N7.3)."""

each_path = pytest.mark.parametrize("record", [True, False], ids=["scripted", "plain"])
"""With a recorded session lookup may be one script on the server, without one it never is (N5.9)."""


def attr_of(node: Node) -> Attr:
    assert node.attr is not None
    return node.attr


@each_path
@each_type
@clause("lookup/gives-inode-and-attributes", source="N5.5 N5.9", needs="namespace", clients=2)
def test_found(volume: Volume, type: FileType, record: bool) -> None:
    """The node behind a name comes with the attributes that getattr gives."""
    inode = make(volume, type, "x", volume.dir("d", mode=0), uid=ALICE.uid, gid=BOB.uid)
    client = volume.open(record=record)
    with unchanged(volume):
        found = client.lookup(volume.fs.lookup(1, b"d").inode, b"x")
    assert found.inode == inode
    alike(attr_of(found), volume.fs.getattr(inode))


@each_path
@given(name=names)
@clause("lookup/finds-a-name-of-any-bytes", source="N5.5 N5.9 R2", needs="namespace", clients=2)
def test_any_name(volume: Volume, record: bool, name: bytes) -> None:
    """Any bytes that name an entry find it, and the name with one more byte does not."""
    client = volume.fs if record else volume.open(record=False)
    parent = volume.dir(fresh(volume))
    inode = volume.file(name, parent)
    assert client.lookup(parent, name).inode == inode
    refuses(ENOENT, client.lookup, parent, name + b"x")


ABSENT = {
    "absent": (1, b"absent"),
    "empty": (1, b""),
    "with-slash": (1, b"d/x"),
    "300-bytes": (1, b"n" * 300),
    "other-case": (1, b"D"),
    "missing-parent": (MISSING, b"x"),
    "file-as-parent": (None, b"x"),
}


@each_path
@pytest.mark.parametrize(("parent", "name"), ABSENT.values(), ids=ABSENT)
@clause("lookup/what-is-not-there-is-not-found", source="N5.5 D1", needs="namespace", clients=2)
def test_absent(volume: Volume, record: bool, parent: int | None, name: bytes) -> None:
    """A name without entry is ENOENT, be it empty or too long, the parent missing or no directory."""
    volume.file("x", volume.dir("d"))
    client = volume.open(record=record)
    refuses(ENOENT, client.lookup, volume.file("f") if parent is None else parent, name)


@each_path
@each_type
@clause("lookup/an-entry-without-record-shows-its-type", source="N5.6 N5.9 D23", needs="namespace", clients=2)
def test_dangling(volume: Volume, type: FileType, record: bool) -> None:
    """An entry whose node's record is missing is found, with nothing known but its type."""
    inode = make(volume, type, "x")
    client = volume.open(record=record)
    volume.raw.delete(b"i%d" % inode)
    assert client.lookup(1, b"x") == Node(inode, Attr(type=type, full=False))


@each_path
@clause(
    "lookup/inodes-beyond-the-reach-of-scripts-are-found", source="N5.9 S4.3.2", needs="namespace", clients=2
)
def test_huge_inode(volume: Volume, record: bool) -> None:
    """An inode above 2^52 - 1, which no short test makes, is found as any other."""
    client = volume.open(record=record)
    small = volume.file("x", mode=0o640)
    for inode in (2**52 - 1, 2**52, 2**53 + 1, TRASH_INODE - 1):
        volume.raw.hset("d1", b"x", bytes([FileType.FILE]) + inode.to_bytes(8, "big"))
        volume.raw.set(b"i%d" % inode, volume.raw.get(b"i%d" % small))
        found = client.lookup(1, b"x")
        assert found.inode == inode
        assert attr_of(found).mode == 0o640


@clause("lookup/a-lost-script-is-loaded-again", source="N5.9 S4.3.5", needs="lua")
def test_lost_script(volume: Volume) -> None:
    """After the server has lost its scripts lookup answers as before, and what runs one has put it back."""
    inode, other, third = volume.file("x"), volume.file("y"), volume.file("z")
    assert volume.fs.lookup(1, b"x").inode == inode
    volume.raw.script_flush()
    assert volume.fs.lookup(1, b"y").inode == other  # not a name that the client may know by now
    assert volume.fs.resolve(1, b"z").inode == third
    assert volume.raw.info("memory")["number_of_cached_scripts"] > 0


# -- permission ------------------------------------------------------------------------------------


@each_class
@clause("lookup/searching-needs-x-where-it-is-checked", source="N5.1 R3", needs="namespace")
def test_permission(volume: Volume, ctx: Context, bits: str) -> None:
    """With the check, X on the parent decides; without it, nothing does."""
    d = volume.dir("d", uid=ALICE.uid, gid=ALICE.gid)
    inode = volume.file("x", d)
    for granted, mode in modes_of(bits):
        volume.fs.setattr(d, SetAttr.MODE, Attr(mode=mode))
        if granted & 1:
            assert volume.fs.lookup(d, b"x", True, ctx=ctx).inode == inode
        else:
            refuses(EACCES, volume.fs.lookup, d, b"x", True, ctx=ctx)
        assert volume.fs.lookup(d, b"x", False, ctx=ctx).inode == inode


@pytest.mark.parametrize("name", [b"absent", b".", b"..", b""], ids=repr)
@clause("lookup/no-permission-is-said-before-not-found", source="N5.1", needs="namespace")
def test_permission_first(volume: Volume, name: bytes) -> None:
    """Where X is missing EACCES is the answer for any name, even for the dots and for names not there."""
    d = volume.dir("d", mode=0o766)
    refuses(EACCES, volume.fs.lookup, d, name, True, ctx=BOB)


@clause("lookup/a-missing-parent-has-no-permissions", source="N5.1 R3", needs="namespace")
def test_permission_of_a_missing_parent(volume: Volume) -> None:
    """A checked lookup in a missing directory is ENOENT, and in a file without X EACCES."""
    refuses(ENOENT, volume.fs.lookup, MISSING, b"x", True, ctx=BOB)
    refuses(EACCES, volume.fs.lookup, volume.file("f", mode=0o666), b"x", True, ctx=BOB)


@pytest.mark.parametrize("ctx", [ROOT, KERNEL], ids=["superuser", "unchecked"])
@clause("lookup/the-unchecked-search-everywhere", source="N5.1 R3", needs="namespace")
def test_unchecked(volume: Volume, ctx: Context) -> None:
    """The superuser and whom the kernel checks find names in a directory that grants nothing."""
    d = volume.dir("d", mode=0)
    inode = volume.file("x", d)
    assert volume.fs.lookup(d, b"x", True, ctx=ctx).inode == inode


# -- dots and the trash ----------------------------------------------------------------------------


@each_type
@clause("lookup/dot-is-the-node-itself", source="N5.3 T5", needs="namespace")
def test_dot(volume: Volume, type: FileType) -> None:
    """`.` is the node itself, even one that is no directory."""
    inode = make(volume, type, "x")
    found = volume.fs.lookup(inode, b".")
    assert found.inode == inode
    alike(attr_of(found), volume.fs.getattr(inode))


@clause("lookup/dot-dot-is-the-directory-above", source="N5.2", needs="namespace")
def test_dot_dot(volume: Volume) -> None:
    """`..` of a directory is the one that holds it, with its attributes, also after a move."""
    above, elsewhere = volume.dir("above", mode=0o711), volume.dir("elsewhere", mode=0o722)
    d = volume.dir("d", above)
    for parent in (above, elsewhere):
        found = volume.fs.lookup(d, b"..")
        assert found.inode == parent
        alike(attr_of(found), volume.fs.getattr(parent))
        volume.fs.rename(above, b"d", elsewhere, b"d")
        above = elsewhere


@clause("lookup/dot-dot-of-the-root-is-the-root", source="N5.2 T5", needs="namespace")
def test_dot_dot_of_the_root(volume: Volume) -> None:
    """`..` of the root is the root, with its links counted."""
    volume.dir("d")
    found = volume.fs.lookup(1, b"..")
    assert (found.inode, attr_of(found).nlink) == (1, 3)


@each_non_directory
@clause("lookup/only-directories-have-a-directory-above", source="N5.2 T5", needs="namespace")
def test_dot_dot_of_no_directory(volume: Volume, type: FileType) -> None:
    """`..` of any other node is ENOTDIR."""
    refuses(ENOTDIR, volume.fs.lookup, make(volume, type, "x"), b"..")


@pytest.mark.parametrize("name", [b".", b".."], ids=repr)
@clause("lookup/a-missing-inode-has-no-dots", source="N5.2 N5.3", needs="namespace")
def test_dots_of_a_missing_inode(volume: Volume, name: bytes) -> None:
    """`.` and `..` of an inode that does not exist are ENOENT."""
    refuses(ENOENT, volume.fs.lookup, MISSING, name)


@clause("lookup/dot-dot-leads-to-no-missing-record", source="N5.2", needs="namespace")
def test_dot_dot_without_record(volume: Volume) -> None:
    """`..` is ENOENT where the directory above has lost its record, which no call brings about."""
    above = volume.dir("above")
    d = volume.dir("d", above)
    volume.raw.delete(b"i%d" % above)
    refuses(ENOENT, volume.fs.lookup, d, b"..")


@clause("lookup/dot-dot-of-a-trashed-directory-is-its-hour", source="N5.2 A4", needs="namespace")
def test_dot_dot_of_a_trashed_directory(volume: Volume) -> None:
    """`..` of a directory in the trash, put there past the driver, is the directory of its hour."""
    hour = TRASH_INODE + 1
    d, model = volume.dir("d"), volume.dir("model", mode=0o555)
    volume.raw.set(b"i%d" % hour, volume.raw.get(b"i%d" % model))
    rewrite(volume, d, parent=hour)
    found = volume.fs.lookup(d, b"..")
    assert (found.inode, attr_of(found).mode) == (hour, 0o555)


@each_path
@pytest.mark.parametrize("days", [0, 1])
@clause("lookup/the-trash-is-always-found-in-the-root", source="N5.4 N7.3", needs="namespace", clients=2)
def test_trash(volume: Volume, days: int, record: bool) -> None:
    """`.trash` in the root is the trash, whether it was made or not, and in no other directory."""
    volume.format(TrashDays=days)
    client = volume.open(record=record)
    for root in (1, 0):
        found = client.lookup(root, b".trash")
        assert found.inode == TRASH_INODE
        alike(attr_of(found), TRASH_ATTR, but=("atime", "mtime", "ctime") if days else ())
    refuses(ENOENT, client.lookup, volume.dir("d"), b".trash")


# -- session root ----------------------------------------------------------------------------------


@each_path
@clause(
    "lookup/starts-at-the-root-of-the-session", source="N5.1 N5.2 N5.4 R1 T41", needs="namespace", clients=2
)
def test_session_root(volume: Volume, record: bool) -> None:
    """Under another session root 1 means that root, with neither a way up nor a trash, and 0 the real one."""
    home = volume.dir("home")
    inner, outer = volume.dir("x", home), volume.file("x")
    client = volume.open(record=record)
    client.chroot(b"home")
    assert client.lookup(1, b"x").inode == inner
    assert client.lookup(0, b"x").inode == outer
    assert client.lookup(1, b"..").inode == client.lookup(1, b".").inode == home
    assert client.lookup(home, b"..").inode == home
    assert client.lookup(inner, b"..").inode == home
    assert client.lookup(0, b".trash").inode == TRASH_INODE
    refuses(ENOENT, client.lookup, 1, b".trash")


# -- ignoring case ---------------------------------------------------------------------------------

SAME = [
    ("Readme", "rEADME"),
    ("É", "é"),
    ("Ж", "ж"),
    ("σ", "ς"),
    ("k", "\u212a"),
    ("ß", "\u1e9e"),
    ("µ", "μ"),
]
OTHER = [("ss", "ß"), ("i", "\u0131"), ("I", "\u0130"), ("a", "aa"), ("e", "é"), ("\ufb01", "fi")]


@pytest.mark.parametrize(("name", "asked"), [*SAME, *((b, a) for a, b in SAME)])
@clause("lookup/case-may-be-ignored", source="N5.7 R15", needs="namespace", clients=2)
def test_ignored_case(volume: Volume, name: str, asked: str) -> None:
    """A client that ignores case finds a name that differs by simple Unicode case folding only."""
    inode = volume.file(name)
    client = volume.open(case_insensitive=True)
    found = client.lookup(1, asked.encode())
    assert found.inode == inode
    alike(attr_of(found), volume.fs.getattr(inode))
    refuses(ENOENT, volume.fs.lookup, 1, asked.encode())


@pytest.mark.parametrize(("name", "asked"), [*OTHER, *((b, a) for a, b in OTHER)])
@clause("lookup/ignoring-case-is-simple-folding", source="N5.7 R15", needs="namespace", clients=2)
def test_simple_folding(volume: Volume, name: str, asked: str) -> None:
    """Ignoring case neither expands a character, drops an accent, nor folds as one language does."""
    volume.file(name)
    refuses(ENOENT, volume.open(case_insensitive=True).lookup, 1, asked.encode())


@clause("lookup/the-exact-name-comes-first", source="N5.7 R15", needs="namespace", clients=2)
def test_exact_name_first(volume: Volume) -> None:
    """A client that ignores case still finds the exact name if there is one, else one of those that fit."""
    inodes = {name: volume.file(name) for name in ("foo", "Foo", "FOO")}
    client = volume.open(case_insensitive=True)
    assert {name: client.lookup(1, name.encode()).inode for name in inodes} == inodes
    assert client.lookup(1, b"fOO").inode in inodes.values()


@each_type
@clause("lookup/ignoring-case-finds-entries-without-record", source="N5.7", needs="namespace", clients=2)
def test_ignored_case_dangling(volume: Volume, type: FileType) -> None:
    """An entry found by ignoring case whose node's record is missing shows its type alone."""
    inode = make(volume, type, "x")
    volume.raw.delete(b"i%d" % inode)
    client = volume.open(case_insensitive=True)
    assert client.lookup(1, b"X") == Node(inode, Attr(type=type, full=False))


@clause("lookup/both-ways-answer-alike", source="N5.9", needs="lua", clients=2)
def test_ways_agree(volume: Volume) -> None:
    """A recorded session, whose lookup is a script, and one that is not answer every question alike."""
    d = volume.dir("d", mode=0o710, uid=ALICE.uid)
    for type in TYPES:
        make(volume, type, type.name, d)
    volume.raw.delete(b"i%d" % volume.file("dangling", d))
    plain = volume.open(record=False)
    questions: list[tuple[int, bytes]] = [
        (parent, name)
        for parent in (1, d, MISSING, volume.fs.lookup(d, b"FILE").inode)
        for name in (*(type.name.encode() for type in TYPES), b"d", b"dangling", b".", b"..", b".trash", b"")
    ]
    for check in (True, False):
        for parent, name in questions:
            for ctx in (ROOT, ALICE, BOB):
                asked = (parent, name, check)
                assert answer(volume.fs.lookup, *asked, ctx=ctx) == answer(plain.lookup, *asked, ctx=ctx)


def answer(call: Any, *args: Any, ctx: Context) -> Any:
    """What a call answers: its value, or its errno."""
    try:
        return call(*args, ctx=ctx)
    except OSError as refused:
        return refused.errno
