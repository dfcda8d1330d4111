"""Open files, and files that outlive their last name: open, close (N20)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, ENOENT, EPERM, EROFS
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB, KERNEL
from metaparity.conformance.scenes.draws import contexts, ids, modes
from metaparity.conformance.scenes.permission import each_class, permitted
from metaparity.conformance.scenes.permission import modes as modes_of
from metaparity.conformance.scenes.precedence import Reason, precedence
from metaparity.conformance.scenes.records import lengthen, rewrite
from metaparity.conformance.scenes.scenery import NON_DIRECTORIES, each_type, flag, fresh, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.api import Engine
from metaparity.drivers.types import (
    ROOT,
    TRASH_INODE,
    Attr,
    AttrFlag,
    Context,
    Entry,
    FileType,
    OpenFlag,
    SetAttr,
)
from metaparity.fixtures.volumes import Volume

MISSING = 999_999
RDONLY, WRONLY, RDWR, EXEC = OpenFlag.RDONLY, OpenFlag.WRONLY, OpenFlag.RDWR, OpenFlag.EXEC
TRUNC, APPEND = OpenFlag.TRUNC, OpenFlag.APPEND

NEEDS = {RDONLY: 4, WRONLY: 2, RDWR: 6, EXEC: 1}
"""What each access mode asks of the node (N20.1)."""

# -- who may open ----------------------------------------------------------------------------------


@each_class
@clause("open/asks-for-the-bits-of-its-mode", source="N20.1 R3", needs="open")
def test_permission(volume: Volume, ctx: Context, bits: str) -> None:
    """Reading needs R, or X for execution, writing W, both R and W; else EACCES."""
    inode = volume.file("x", uid=ALICE.uid, gid=ALICE.gid)
    for granted, mode in modes_of(bits):
        volume.fs.setattr(inode, SetAttr.MODE, Attr(mode=mode))
        for flags, mask in NEEDS.items():
            if mask & ~granted:
                refuses(EACCES, volume.fs.open_file, inode, flags, ctx=ctx)
            else:
                volume.fs.open_file(inode, flags, ctx=ctx)


@given(
    mode=modes,
    uid=ids,
    gid=ids,
    ctx=contexts,
    flags=st.sampled_from([RDONLY, WRONLY, RDWR]),
    more=st.sampled_from([OpenFlag(0), OpenFlag.CREAT, OpenFlag.EXCL, TRUNC, APPEND, TRUNC | APPEND]),
)
@clause("open/follows-mode-owner-and-group", source="N20.1 N20.3 R3", needs="open")
def test_any_caller(
    volume: Volume, mode: int, uid: int, gid: int, ctx: Context, flags: OpenFlag, more: OpenFlag
) -> None:
    """For any mode, owner and caller, the access mode alone decides, whatever other flags are given."""
    inode = volume.file(fresh(volume), mode=mode, uid=uid, gid=gid)
    if permitted(ctx, mode, uid, gid, NEEDS[flags]):
        attr = volume.fs.open_file(inode, flags | more, ctx=ctx)
        alike(attr, volume.fs.getattr(inode))
    else:
        refuses(EACCES, volume.fs.open_file, inode, flags | more, ctx=ctx)


@pytest.mark.parametrize("ctx", [ROOT, KERNEL], ids=["superuser", "unchecked"])
@pytest.mark.parametrize("flags", NEEDS, ids=int)
@clause("open/the-unchecked-open-everything", source="N20.1 R3", needs="open")
def test_unchecked(volume: Volume, ctx: Context, flags: OpenFlag) -> None:
    """The superuser and whom the kernel checks open a file that grants nothing."""
    volume.fs.open_file(volume.file("x", mode=0, uid=7), flags, ctx=ctx)


@pytest.mark.parametrize("ctx", [ROOT, KERNEL, BOB], ids=["superuser", "unchecked", "stranger"])
@clause("open/access-mode-three-asks-for-nothing", source="N20.1", needs="open")
def test_mode_three(volume: Volume, ctx: Context) -> None:
    """The access mode that is neither reading, writing nor both (3) needs no permission, but writes."""
    inode = volume.file("x", mode=0)
    volume.fs.open_file(inode, OpenFlag(3), ctx=ctx)
    flag(volume, inode, AttrFlag.IMMUTABLE)
    refuses(EPERM, volume.fs.open_file, inode, OpenFlag(3), ctx=ctx)


@pytest.mark.parametrize(
    ("settings", "errno"),
    precedence(
        Reason("read-only", EROFS, read_only=True, flags=RDWR),
        Reason("missing", ENOENT, missing=True),
        Reason("unreadable", EACCES, mode=0o700),
        Reason("immutable", EPERM, set=AttrFlag.IMMUTABLE, flags=RDWR),
        Reason("trashed", EPERM, trashed=True, flags=RDWR),
        Reason("append-only", EPERM, set=AttrFlag.APPEND, flags=RDWR),
    ),
)
@clause("open/the-first-reason-to-refuse-is-named", source="N20.1", needs="open", clients=2)
def test_precedence(volume: Volume, settings: dict[str, Any], errno: int) -> None:
    """When several reasons to refuse hold, the errno is that of the first in the rule's order."""

    def arrange(
        read_only: bool = False,
        missing: bool = False,
        mode: int = 0o777,
        set: int = 0,
        trashed: bool = False,
        flags: OpenFlag = RDONLY,
    ) -> Callable[[], Attr]:
        inode = volume.file("x", mode=mode)
        flag(volume, inode, AttrFlag(set))
        if trashed:
            rewrite(volume, inode, parent=TRASH_INODE + 1)
        client = volume.open(read_only=read_only)
        return lambda: client.open_file(MISSING if missing else inode, flags, ctx=BOB)

    refuses(errno, arrange(**settings))


@pytest.mark.parametrize("flags", [WRONLY, RDWR, TRUNC, APPEND, WRONLY | TRUNC | APPEND], ids=str)
@pytest.mark.parametrize("inode", [1, MISSING], ids=["root", "missing"])
@clause("open/a-read-only-client-opens-for-reading", source="N20.1 M2 T42", needs="open", clients=2)
def test_read_only(volume: Volume, flags: OpenFlag, inode: int) -> None:
    """On a read-only client any flag that writes is EROFS, even for a missing inode; RDONLY is not."""
    file = volume.file("x")
    client = volume.open(read_only=True)
    refuses(EROFS, client.open_file, inode, flags)
    alike(client.open_file(file, RDONLY), volume.fs.getattr(file))
    client.close_file(file)


@pytest.mark.parametrize("inode", [MISSING, TRASH_INODE + 1], ids=["ordinary", "hour"])
@pytest.mark.parametrize("ctx", [ROOT, BOB], ids=["superuser", "stranger"])
@clause("open/a-missing-node-is-not-found", source="N20.1", needs="open")
def test_missing(volume: Volume, inode: int, ctx: Context) -> None:
    """An inode that does not exist is ENOENT, and is not open afterwards."""
    refuses(ENOENT, volume.fs.open_file, inode, ctx=ctx)


FROZEN: list[tuple[AttrFlag, OpenFlag, bool]] = [
    (AttrFlag.IMMUTABLE, RDONLY, True),
    (AttrFlag.IMMUTABLE, EXEC, True),
    (AttrFlag.IMMUTABLE, RDONLY | TRUNC, True),
    (AttrFlag.IMMUTABLE, WRONLY, False),
    (AttrFlag.IMMUTABLE, RDWR, False),
    (AttrFlag.IMMUTABLE, WRONLY | APPEND, False),
    (AttrFlag.APPEND, RDONLY, True),
    (AttrFlag.APPEND, WRONLY, False),
    (AttrFlag.APPEND, RDWR, False),
    (AttrFlag.APPEND, WRONLY | APPEND, True),
    (AttrFlag.APPEND, RDWR | APPEND, True),
    (AttrFlag.APPEND, RDONLY | TRUNC, False),
    (AttrFlag.APPEND, WRONLY | APPEND | TRUNC, False),
    (AttrFlag.SKIP_TRASH | AttrFlag.WINDOWS_SYSTEM, RDWR | TRUNC, True),
]


@pytest.mark.parametrize(("set", "flags", "opens"), FROZEN, ids=[f"{a.name}-{b:o}" for a, b, _ in FROZEN])
@clause("open/frozen-files-open-as-their-flags-allow", source="N20.1 T22 D10", needs="open")
def test_frozen(volume: Volume, set: AttrFlag, flags: OpenFlag, opens: bool) -> None:
    """An IMMUTABLE file is not opened for writing, an APPEND file only with APPEND and without TRUNC,
    not even by the superuser: EPERM."""
    inode = volume.file("x")
    flag(volume, inode, set)
    if opens:
        volume.fs.open_file(inode, flags)
    else:
        refuses(EPERM, volume.fs.open_file, inode, flags)


@pytest.mark.parametrize("flags", [WRONLY, RDWR, WRONLY | APPEND], ids=str)
@clause("open/files-in-the-trash-are-only-read", source="N20.1 T19", needs="open")
def test_trashed(volume: Volume, flags: OpenFlag) -> None:
    """A file in the trash, put there past the driver, opens for reading and is EPERM for writing."""
    inode = volume.file("x")
    rewrite(volume, inode, parent=TRASH_INODE + 1)
    volume.fs.open_file(inode, RDONLY)
    refuses(EPERM, volume.fs.open_file, inode, flags)


@clause("open/the-hours-of-the-trash-are-not-in-an-hour", source="N20.1 A4", needs="open")
def test_hour(volume: Volume) -> None:
    """What lies in the trash itself, as its directories do, is not refused by the rule for trashed files."""
    hour = volume.dir("hour")
    rewrite(volume, hour, parent=TRASH_INODE)
    volume.fs.open_file(hour, RDWR)


@each_type
@pytest.mark.parametrize("flags", [RDONLY, RDWR | TRUNC], ids=["reading", "writing"])
@clause("open/opens-any-type-and-changes-nothing", source="N20.2 N20.3 D14", needs="open")
def test_types(volume: Volume, type: FileType, flags: OpenFlag) -> None:
    """A node of any type opens; its attributes are answered and not even TRUNC changes it."""
    inode = make(volume, type, "x")
    if type is FileType.FILE:
        lengthen(volume, inode, 9000)
    with unchanged(volume):
        attr = volume.fs.open_file(inode, flags)
        volume.fs.close_file(inode)
    alike(attr, volume.fs.getattr(inode))


@clause("open/inode-one-answers-the-session-root", source="N20.1 N7.1 R1", needs="open")
def test_session_root(volume: Volume) -> None:
    """Under another session root, opening 1 answers the attributes of that root."""
    home = volume.dir("home", mode=0o711)
    volume.fs.chroot(b"home")
    alike(volume.fs.open_file(1), volume.fs.getattr(home))


# -- references ------------------------------------------------------------------------------------


@pytest.mark.parametrize("opens", [1, 2, 3])
@clause("open/every-open-needs-its-close", source="N20.2 N20.4", needs="open")
def test_references(volume: Volume, opens: int) -> None:
    """A file without names lives until it was closed as often as it was opened, in whatever mode."""
    inode = volume.file("x")
    for flags in [RDONLY, RDWR, WRONLY][:opens]:
        volume.fs.open_file(inode, flags)
    volume.fs.unlink(1, b"x")
    for _ in range(opens):
        assert volume.fs.getattr(inode).nlink == 0
        volume.fs.close_file(inode)
    refuses(ENOENT, volume.fs.getattr, inode)


@clause("open/a-refused-open-does-not-count", source="N20.2", needs="open")
def test_refused(volume: Volume) -> None:
    """A file whose opening was refused is not open: it goes with its name."""
    inode = volume.file("x", mode=0o600)
    refuses(EACCES, volume.fs.open_file, inode, ctx=BOB)
    volume.fs.unlink(1, b"x")
    refuses(ENOENT, volume.fs.getattr, inode)


@pytest.mark.parametrize("inode", [0, 1, 2, MISSING, TRASH_INODE])
@clause("close/never-refuses", source="N20.4", needs="open")
def test_close(volume: Volume, inode: int) -> None:
    """Closing what was never opened, or does not exist, succeeds and changes nothing."""
    volume.file("x")
    with unchanged(volume):
        volume.fs.close_file(inode, ctx=BOB)
        volume.fs.close_file(inode)


@clause("close/too-many-closes-are-forgotten", source="N20.4", needs="open")
def test_too_many_closes(volume: Volume) -> None:
    """Closes beyond the opens do not count against a later open."""
    inode = volume.file("x")
    volume.fs.open_file(inode)
    for _ in range(3):
        volume.fs.close_file(inode)
    volume.fs.open_file(inode)
    volume.fs.unlink(1, b"x")
    assert volume.fs.getattr(inode).nlink == 0
    volume.fs.close_file(inode)
    refuses(ENOENT, volume.fs.getattr, inode)


@clause("close/a-closed-file-keeps-its-names", source="N20.4", needs="open")
def test_close_named(volume: Volume) -> None:
    """Closing a file that has a name left changes nothing, also after it lost one of two."""
    inode = volume.file("x")
    volume.fs.link(inode, 1, b"y")
    volume.fs.open_file(inode)
    volume.fs.unlink(1, b"x")
    with unchanged(volume):
        volume.fs.close_file(inode)
    assert volume.fs.lookup(1, b"y").inode == inode


# -- files without names ---------------------------------------------------------------------------

LOSING: dict[str, Callable[[Engine, int], Any]] = {
    "unlink": lambda fs, inode: fs.unlink(1, b"x"),
    "batch-unlink": lambda fs, inode: fs.batch_unlink(1, [Entry(b"x", inode, FileType.FILE)]),
    "rename-over": lambda fs, inode: fs.rename(1, b"spare", 1, b"x"),
    "remove": lambda fs, inode: fs.remove(1, b"x"),
}

each_loss = pytest.mark.parametrize("lose", LOSING.values(), ids=LOSING)


@each_loss
@clause("sustained/a-nameless-open-file-is-kept-until-its-close", source="N20.6 N20.8 L3.10", needs="open")
def test_sustained(volume: Volume, lose: Callable[[Engine, int], Any]) -> None:
    """An open file that loses its last name, however, keeps its record with no link and its old parent;
    the session lists it and the volume counts it, until the last close."""
    fs, inode = volume.fs, volume.file("x", mode=0o640, uid=7)
    volume.file("spare")
    lengthen(volume, inode, 5000)
    before, used = fs.open_file(inode), fs.statfs(1)
    with window() as w:
        lose(fs, inode)
    attr = fs.getattr(inode)
    alike(attr, before, but=("nlink", "ctime"))
    assert (attr.nlink, attr.parent, w.covers(attr.ctime)) == (0, 1, True)
    assert fs.session_get(1, True).sustained == [inode]
    assert fs.statfs(1) == used
    fs.close_file(inode)
    refuses(ENOENT, fs.getattr, inode)
    assert fs.session_get(1, True).sustained == []
    left = fs.statfs(1)
    assert (left.avail - used.avail, used.iused - left.iused) == (8192, 1)


@clause("sustained/a-nameless-file-still-changes-and-opens", source="N20.6", needs="open")
def test_still_a_node(volume: Volume) -> None:
    """A file without names can still be changed, and opened once more."""
    fs, inode = volume.fs, volume.file("x")
    fs.open_file(inode)
    fs.unlink(1, b"x")
    assert fs.setattr(inode, SetAttr.MODE, Attr(mode=0o600)).mode == 0o600
    fs.open_file(inode, RDWR)
    fs.close_file(inode)
    assert fs.getattr(inode).nlink == 0
    fs.close_file(inode)
    refuses(ENOENT, fs.getattr, inode)


@each_loss
@pytest.mark.parametrize(
    "type", [type for type in NON_DIRECTORIES if type is not FileType.FILE], ids=lambda t: t.name.lower()
)
@clause("sustained/only-files-outlive-their-names", source="N20.7", needs="open")
def test_only_files(volume: Volume, lose: Callable[[Engine, int], Any], type: FileType) -> None:
    """An open node of any other type goes with its last name."""
    fs, inode = volume.fs, make(volume, type, "x")
    volume.file("spare")
    fs.open_file(inode)
    if lose is LOSING["batch-unlink"]:
        fs.batch_unlink(1, [Entry(b"x", inode, type)])
    else:
        lose(fs, inode)
    refuses(ENOENT, fs.getattr, inode)
    assert fs.session_get(1, True).sustained == []
    fs.close_file(inode)
    assert fs.statfs(1).iused == 1


@each_loss
@clause("sustained/needs-a-recorded-session", source="N2.2 N20.6", needs="open", clients=2)
def test_unrecorded(volume: Volume, lose: Callable[[Engine, int], Any]) -> None:
    """Without a recorded session an open file goes with its last name."""
    inode = volume.file("x")
    volume.file("spare")
    client = volume.open(record=False)
    client.open_file(inode)
    lose(client, inode)
    refuses(ENOENT, client.getattr, inode)
    assert not volume.raw.keys("session[0-9]*")
    client.settle()
    with unchanged(volume):
        client.close_file(inode)


@clause("sustained/another-client-does-not-keep-it", source="N13.11 D13", needs="open", clients=2)
def test_other_client(volume: Volume) -> None:
    """A file open only in another client goes with its last name; the close there changes nothing."""
    other, inode = volume.open(), volume.file("x")
    other.open_file(inode)
    volume.fs.unlink(1, b"x")
    refuses(ENOENT, other.getattr, inode)
    volume.fs.settle()
    with unchanged(volume):
        other.close_file(inode)


@clause("sustained/each-client-keeps-its-own", source="N20.4 N20.8", needs="open", clients=2)
def test_two_clients(volume: Volume) -> None:
    """The file lives as long as the client that took its last name holds it, whatever others close."""
    other, inode = volume.open(), volume.file("x")
    volume.fs.open_file(inode)
    other.open_file(inode)
    volume.fs.unlink(1, b"x")
    other.close_file(inode)
    assert other.getattr(inode).nlink == 0
    volume.fs.close_file(inode)
    refuses(ENOENT, other.getattr, inode)


@clause("sustained/content-goes-after-the-last-close", source="N20.8 N13.6 S7.3.1", needs="open")
def test_content(volume: Volume) -> None:
    """Content, put there past the driver, stays while the file is open and is deleted after its close."""
    fs, inode = volume.fs, volume.file("x")
    lengthen(volume, inode, 4096)
    chunk = b"c%d_0" % inode
    volume.raw.rpush(chunk, bytes(4) + (9).to_bytes(8, "big") + b"\0\0\x10\0\0\0\0\0\0\0\x10\0")
    fs.open_file(inode)
    fs.unlink(1, b"x")
    fs.settle()
    assert volume.raw.llen(chunk) == 1
    assert not volume.raw.exists("delfiles")
    fs.close_file(inode)
    fs.settle()
    assert not volume.raw.exists(chunk, "delfiles", "sliceRef", "session1")


@clause("sustained/a-record-that-is-gone-is-not-deleted-twice", source="N20.8 L3.9", needs="open")
def test_lost_record(volume: Volume) -> None:
    """Where the record is gone at the last close, here past the driver, no counter changes."""
    fs, inode = volume.fs, volume.file("x")
    fs.open_file(inode)
    fs.unlink(1, b"x")
    volume.raw.delete(b"i%d" % inode)
    used = fs.statfs(1)
    fs.close_file(inode)
    fs.settle()
    assert fs.statfs(1) == used
    assert not volume.raw.exists("delfiles")
