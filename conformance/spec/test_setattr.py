"""Changing attributes: what changes, and who may change mode and owner (N8.1 - N8.9)."""

from __future__ import annotations

from dataclasses import replace
from errno import ENOENT, EPERM, EROFS

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB, GUEST, KERNEL, MEMBER
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.scenery import each_frozen, each_type, flag, make
from metaparity.conformance.verbs import alike, refuses, unchanged, window
from metaparity.drivers.types import ROOT, TRASH_INODE, Attr, AttrFlag, Context, FileType, SetAttr
from metaparity.fixtures.volumes import Volume

MISSING = 999_999
MODE, UID, GID = SetAttr.MODE, SetAttr.UID, SetAttr.GID
GROUP = ALICE.gid

each_kind = pytest.mark.parametrize("type", [FileType.FILE, FileType.DIRECTORY], ids=["file", "directory"])
"""The types that the rules of mode and owner tell apart."""

each_set = pytest.mark.parametrize(
    ("set", "asked"),
    [
        pytest.param(MODE, Attr(mode=0o750), id="mode"),
        pytest.param(UID, Attr(uid=8), id="uid"),
        pytest.param(GID, Attr(gid=8), id="gid"),
        pytest.param(SetAttr.ATIME, Attr(atime=(77, 5)), id="atime"),
        pytest.param(SetAttr.MTIME, Attr(mtime=(77, 5)), id="mtime"),
        pytest.param(SetAttr.ATIME_NOW, Attr(), id="atime-now"),
        pytest.param(SetAttr.MTIME_NOW, Attr(), id="mtime-now"),
        pytest.param(SetAttr.FLAGS, Attr(flags=AttrFlag.SKIP_TRASH), id="flags"),
        pytest.param(SetAttr.TIER, Attr(tier=2), id="tier"),
    ],
)
"""One change of each kind, to a value that no new node has."""

FIELD = {
    SetAttr.MODE: "mode",
    SetAttr.UID: "uid",
    SetAttr.GID: "gid",
    SetAttr.ATIME: "atime",
    SetAttr.MTIME: "mtime",
    SetAttr.ATIME_NOW: "atime",
    SetAttr.MTIME_NOW: "mtime",
    SetAttr.FLAGS: "flags",
    SetAttr.TIER: "tier",
}


def owned(volume: Volume, type: FileType = FileType.FILE, mode: int = 0o644) -> int:
    """A node of Alice and her group whose mode is exactly this."""
    inode = make(volume, type, "x", uid=ALICE.uid, gid=GROUP)
    volume.fs.setattr(inode, MODE, Attr(mode=mode))
    return inode


# -- what changes ----------------------------------------------------------------------------------


@each_type
@each_set
@clause("setattr/changes-what-is-named-and-ctime", source="N8.1 N8.14 N41", needs="namespace")
def test_change(volume: Volume, type: FileType, set: SetAttr, asked: Attr) -> None:
    """A change sets the one attribute and ctime to now, answers with the new record, touches no other key."""
    inode = make(volume, type, "x", volume.dir("d"))
    field = FIELD[set]
    before, keys = volume.fs.getattr(inode), volume.keyspace()
    with window() as w:
        answered = volume.fs.setattr(inode, set, replace(asked))
    after = volume.fs.getattr(inode)
    alike(answered, after)
    alike(after, before, but=(field, "ctime"))
    assert w.covers(after.ctime)
    now = set & (SetAttr.ATIME_NOW | SetAttr.MTIME_NOW)
    assert w.covers(getattr(after, field)) if now else getattr(after, field) == getattr(asked, field)
    here = volume.keyspace()
    assert {key for key in keys.keys() | here.keys() if keys.get(key) != here.get(key)} == {b"i%d" % inode}


SAME = MODE | UID | GID | SetAttr.ATIME | SetAttr.MTIME


@each_type
@pytest.mark.parametrize("set", [SetAttr(0), MODE, UID, GID, SetAttr.ATIME, SetAttr.MTIME, SAME], ids=str)
@clause("setattr/equal-values-change-nothing", source="N8.1 N8.9 N8.10", needs="namespace")
def test_no_change(volume: Volume, type: FileType, set: SetAttr) -> None:
    """Asked for what is already so, setattr succeeds with the present record and leaves even ctime."""
    inode = owned(volume, type)
    before = volume.fs.getattr(inode)
    with unchanged(volume):
        alike(volume.fs.setattr(inode, set, replace(before), ctx=ALICE), before)


@pytest.mark.parametrize("set", [SetAttr.SIZE, SetAttr.CTIME, SetAttr.CTIME_NOW], ids=str)
@clause("setattr/size-and-ctime-are-not-its-business", source="N8.2", needs="namespace")
def test_ignored_bits(volume: Volume, set: SetAttr) -> None:
    """SIZE, CTIME and CTIME_NOW are ignored, alone and beside a change."""
    inode = volume.file("x")
    asked = Attr(length=9, ctime=(77, 5), mode=0o600)
    with unchanged(volume):
        volume.fs.setattr(inode, set, replace(asked))
    with window() as w:
        after = volume.fs.setattr(inode, set | MODE, asked)
    assert (after.length, after.mode) == (0, 0o600)
    assert w.covers(after.ctime)


@clause("setattr/one-call-changes-many", source="N8.1", needs="namespace")
def test_many(volume: Volume) -> None:
    """All attributes may change in one call, which has one ctime."""
    inode = volume.file("x")
    asked = Attr(mode=0o7654, uid=1, gid=2, atime=(3, 4), mtime=(5, 6), flags=AttrFlag.WINDOWS_SYSTEM, tier=7)
    volume.fs.setattr(inode, SAME | SetAttr.FLAGS | SetAttr.TIER, replace(asked))
    after = volume.fs.getattr(inode)
    kept = ("type", "ctime", "nlink", "length", "parent")
    alike(after, asked, but=kept)


@clause("setattr/a-refused-change-changes-nothing", source="N8.1", needs="namespace")
def test_refused_wholly(volume: Volume) -> None:
    """Of several changes all are refused where one is."""
    inode = owned(volume)
    with unchanged(volume):
        refuses(EPERM, volume.fs.setattr, inode, MODE | UID, Attr(mode=0o600, uid=BOB.uid), ctx=ALICE)


# -- which node ------------------------------------------------------------------------------------


@each_set
@clause("setattr/a-missing-node-is-not-found", source="N8.1", needs="namespace")
def test_missing(volume: Volume, set: SetAttr, asked: Attr) -> None:
    """No attribute of an inode that does not exist is changed: ENOENT."""
    refuses(ENOENT, volume.fs.setattr, MISSING, set, asked)


@each_set
@clause("setattr/a-node-in-the-trash-is-fixed", source="N8.1", needs="namespace")
def test_trashed(volume: Volume, set: SetAttr, asked: Attr) -> None:
    """A node that lies in a directory of the trash, put there past the driver, is EPERM to all."""
    inode = owned(volume)
    rewrite(volume, inode, parent=TRASH_INODE + 1)
    with unchanged(volume):
        refuses(EPERM, volume.fs.setattr, inode, set, asked)
        refuses(EPERM, volume.fs.setattr, inode, SetAttr(0), asked, ctx=BOB)


@clause("setattr/hours-and-linked-nodes-are-not-fixed", source="N8.1 A3 A4", needs="namespace")
def test_not_trashed(volume: Volume) -> None:
    """A directory of the trash itself changes, and a node with several names, whose parent is 0, too."""
    hour = volume.dir("hour")
    rewrite(volume, hour, parent=TRASH_INODE)
    assert volume.fs.setattr(hour, MODE, Attr(mode=0o500)).mode == 0o500
    file = volume.file("f")
    volume.fs.link(file, 1, b"g")
    assert volume.fs.setattr(file, MODE, Attr(mode=0o500)).mode == 0o500


@clause("setattr/the-session-root-stands-for-inode-one", source="N8.1 R1", needs="namespace", clients=2)
def test_session_root(volume: Volume) -> None:
    """Under another session root, 1 is that root and 0 the root of the volume."""
    home = volume.dir("home")
    volume.fs.chroot(b"home")
    volume.fs.setattr(1, MODE, Attr(mode=0o711))
    volume.fs.setattr(0, MODE, Attr(mode=0o722))
    other = volume.open()
    assert (other.getattr(home).mode, other.getattr(1).mode) == (0o711, 0o722)


@pytest.mark.parametrize("inode", [1, MISSING], ids=["root", "missing"])
@each_set
@clause("setattr/a-read-only-client-changes-nothing", source="N8.1 M2", needs="namespace")
def test_read_only(volume: Volume, set: SetAttr, asked: Attr, inode: int) -> None:
    """A read-only client answers EROFS whatever is asked, even of a missing inode."""
    client = volume.open(read_only=True)
    with unchanged(volume):
        refuses(EROFS, client.setattr, inode, set, asked)


@each_frozen
@each_type
@clause("setattr/immutable-nodes-still-change", source="N8.12 D10", needs="namespace")
def test_frozen(volume: Volume, type: FileType, frozen: AttrFlag) -> None:
    """Neither IMMUTABLE nor APPEND keeps mode, owner, times and flags from changing."""
    inode = owned(volume, type)
    flag(volume, inode, frozen)
    volume.fs.setattr(inode, MODE, Attr(mode=0o600), ctx=ALICE)
    volume.fs.setattr(inode, SetAttr.ATIME | SetAttr.MTIME, Attr(atime=(7, 0), mtime=(8, 0)), ctx=ALICE)
    volume.fs.setattr(inode, UID | GID, Attr(uid=BOB.uid, gid=BOB.gid))
    attr = volume.fs.setattr(inode, SetAttr.FLAGS, Attr(flags=0), ctx=BOB)
    assert (attr.mode, attr.uid, attr.gid, attr.atime, attr.mtime, attr.flags) == (
        *(0o600, BOB.uid, BOB.gid, (7, 0), (8, 0)),
        0,
    )


# -- owner and group -------------------------------------------------------------------------------

OWNERS: list[tuple[str, Context, SetAttr, Attr, int]] = [
    ("superuser-gives-away", ROOT, UID | GID, Attr(uid=8, gid=9), 0),
    ("owner-keeps", ALICE, UID | GID, Attr(uid=ALICE.uid, gid=GROUP), 0),
    ("owner-gives-away", ALICE, UID, Attr(uid=8), EPERM),
    ("owner-to-own-group", Context(ALICE.uid, (5, 9)), GID, Attr(gid=9), 0),
    ("owner-to-other-group", ALICE, GID, Attr(gid=9), EPERM),
    ("member-same-group", MEMBER, GID, Attr(gid=GROUP), EPERM),
    ("guest-same-group", GUEST, GID, Attr(gid=GROUP), EPERM),
    ("stranger-same-group", BOB, GID, Attr(gid=GROUP), EPERM),
    ("stranger-takes-group", BOB, GID, Attr(gid=BOB.gid), EPERM),
    ("stranger-same-owner", BOB, UID, Attr(uid=ALICE.uid), 0),
    ("stranger-takes", BOB, UID, Attr(uid=BOB.uid), EPERM),
    ("unchecked-owner-gives-away", KERNEL, UID | GID, Attr(uid=8, gid=9), 0),
    ("unchecked-stranger-takes", replace(BOB, check_permission=False), UID, Attr(uid=BOB.uid), 0),
    ("unchecked-stranger-group", replace(BOB, check_permission=False), GID, Attr(gid=GROUP), EPERM),
]


@each_kind
@pytest.mark.parametrize(
    ("ctx", "set", "asked", "errno"), [row[1:] for row in OWNERS], ids=[row[0] for row in OWNERS]
)
@clause("setattr/owners-choose-among-their-groups", source="N8.5 N8.6 T10", needs="namespace")
def test_owner(volume: Volume, type: FileType, ctx: Context, set: SetAttr, asked: Attr, errno: int) -> None:
    """Only the owner sets the group, to one of theirs; only the superuser gives a node away."""
    inode = owned(volume, type)
    if errno:
        with unchanged(volume):
            refuses(errno, volume.fs.setattr, inode, set, asked, ctx=ctx)
        return
    after = volume.fs.setattr(inode, set, replace(asked), ctx=ctx)
    assert after.uid == (asked.uid if set & UID else ALICE.uid)
    assert after.gid == (asked.gid if set & GID else GROUP)


CLEARED: list[tuple[int, Context, int]] = [
    (0o6664, ROOT, 0o2664),
    (0o6674, ROOT, 0o0674),
    (0o7777, ROOT, 0o1777),
    (0o4644, ROOT, 0o0644),
    (0o2644, ROOT, 0o2644),
    (0o2755, ROOT, 0o0755),
    (0o6664, ALICE, 0o0664),
    (0o6775, ALICE, 0o0775),
    (0o7644, ALICE, 0o1644),
    (0o6664, KERNEL, 0o0664),
]

each_chown = pytest.mark.parametrize("set", [UID, GID, UID | GID], ids=["uid", "gid", "both"])


@each_chown
@pytest.mark.parametrize(("mode", "ctx", "cleared"), CLEARED, ids=[f"{m:o}-{c.uid}" for m, c, _ in CLEARED])
@clause("setattr/naming-an-owner-clears-setuid-and-setgid", source="N8.4 T9 D8", needs="namespace")
def test_cleared_bits(volume: Volume, set: SetAttr, mode: int, ctx: Context, cleared: int) -> None:
    """Any chown, even to the same owner, is a change and clears setuid, and setgid unless the superuser
    does it to a file that its group may not execute."""
    inode = owned(volume, mode=mode)
    with window() as w:
        after = volume.fs.setattr(inode, set, Attr(uid=ALICE.uid, gid=GROUP), ctx=ctx)
    assert after.mode == cleared
    assert w.covers(after.ctime)


@each_chown
@pytest.mark.parametrize("ctx", [ROOT, ALICE], ids=["superuser", "owner"])
@pytest.mark.parametrize("mode", [0o6775, 0o7664, 0o4644, 0o2755], ids=oct)
@clause("setattr/directories-keep-setuid-and-setgid", source="N8.4", needs="namespace")
def test_directory_keeps_bits(volume: Volume, set: SetAttr, ctx: Context, mode: int) -> None:
    """A chown of a directory with such bits leaves them, but is a change."""
    inode = owned(volume, FileType.DIRECTORY, mode)
    with window() as w:
        after = volume.fs.setattr(inode, set, Attr(uid=ALICE.uid, gid=GROUP), ctx=ctx)
    assert after.mode == mode
    assert w.covers(after.ctime)


TOGETHER: list[tuple[FileType, int, int, Context, int]] = [
    (FileType.FILE, 0o0666, 0o6775, ROOT, 0o6775),
    (FileType.FILE, 0o4644, 0o0600, ROOT, 0o0600),
    (FileType.FILE, 0o2644, 0o0600, ROOT, 0o2600),
    (FileType.FILE, 0o6644, 0o1600, ROOT, 0o3600),
    (FileType.FILE, 0o2654, 0o0600, ROOT, 0o0600),
    (FileType.FILE, 0o6644, 0o7600, ALICE, 0o1600),
    (FileType.DIRECTORY, 0o6755, 0o0700, ROOT, 0o6700),
    (FileType.DIRECTORY, 0o2755, 0o1700, ALICE, 0o3700),
]


@pytest.mark.parametrize(
    ("type", "mode", "asked", "ctx", "result"),
    TOGETHER,
    ids=[f"{type.name.lower()}-{mode:o}-{asked:o}-{ctx.uid}" for type, mode, asked, ctx, _ in TOGETHER],
)
@clause("setattr/a-chown-carries-special-bits-into-a-chmod", source="N8.3 N8.4 T9", needs="namespace")
def test_together(volume: Volume, type: FileType, mode: int, asked: int, ctx: Context, result: int) -> None:
    """With an owner named, the new mode takes over present setuid and setgid, then loses what is cleared."""
    inode = owned(volume, type, mode)
    wanted = Attr(mode=asked, uid=ALICE.uid, gid=GROUP)
    assert volume.fs.setattr(inode, MODE | UID | GID, wanted, ctx=ctx).mode == result


# -- mode ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ctx", "kept"),
    [
        (ROOT, True),
        (ALICE, True),
        (Context(ALICE.uid, (8, GROUP)), True),
        (Context(ALICE.uid, (8,)), False),
        (Context(ALICE.uid, (8,), check_permission=False), True),
    ],
    ids=["superuser", "owner-member", "owner-guest", "owner-outside", "unchecked-outside"],
)
@clause("setattr/setgid-is-for-members-of-the-group", source="N8.7", needs="namespace")
def test_setgid(volume: Volume, ctx: Context, kept: bool) -> None:
    """An owner outside the node's group does not get setgid, silently; the rest of the mode is set."""
    inode = owned(volume)
    assert volume.fs.setattr(inode, MODE, Attr(mode=0o2750), ctx=ctx).mode == (0o2750 if kept else 0o750)


@clause("setattr/setgid-asks-for-the-group-before-the-change", source="N8.7", needs="namespace")
def test_setgid_with_a_new_group(volume: Volume) -> None:
    """With a new group in the same call, it is membership in the old one that setgid asks for."""
    inode = owned(volume)
    outside = Context(ALICE.uid, (8,))
    after = volume.fs.setattr(inode, MODE | GID, Attr(mode=0o2750, gid=8), ctx=outside)
    assert (after.mode, after.gid) == (0o750, 8)
    rewrite(volume, inode, gid=GROUP)
    both = Context(ALICE.uid, (GROUP, 8))
    assert volume.fs.setattr(inode, MODE | GID, Attr(mode=0o2750, gid=8), ctx=both).mode == 0o2750


@each_kind
@pytest.mark.parametrize("ctx", [BOB, MEMBER, replace(BOB, check_permission=False)], ids=lambda c: str(c.uid))
@clause("setattr/others-may-only-clear-setuid-and-setgid", source="N8.9 D9 T10", needs="namespace")
def test_special_bits_by_others(volume: Volume, type: FileType, ctx: Context) -> None:
    """Who is not the owner may clear setuid and setgid, and change no other bit of the mode: EPERM."""
    inode = owned(volume, type)
    drops = ctx.check_permission and GROUP not in ctx.gids
    for before in range(8):
        for asked in range(8):
            volume.fs.setattr(inode, MODE, Attr(mode=before << 9 | 0o644))
            wanted = asked & ~2 if drops else asked
            if wanted & 1 == before & 1 and not wanted & ~before:
                after = volume.fs.setattr(inode, MODE, Attr(mode=asked << 9 | 0o644), ctx=ctx)
                assert after.mode == wanted << 9 | 0o644
            else:
                refuses(EPERM, volume.fs.setattr, inode, MODE, Attr(mode=asked << 9 | 0o644), ctx=ctx)


@pytest.mark.parametrize("bit", [1 << n for n in range(9)], ids=oct)
@clause("setattr/others-change-no-permission-bit", source="N8.9 T10", needs="namespace")
def test_permission_bits_by_others(volume: Volume, bit: int) -> None:
    """No single permission bit is set or cleared by who is not the owner: EPERM; the owner changes all."""
    inode = owned(volume, mode=0o7525)
    for cleared in (0, 0o6000):
        asked = Attr(mode=(0o7525 ^ bit) & ~cleared)
        with unchanged(volume):
            refuses(EPERM, volume.fs.setattr, inode, MODE, asked, ctx=BOB)
    assert volume.fs.setattr(inode, MODE, Attr(mode=0o7525 ^ bit), ctx=ALICE).mode == 0o7525 ^ bit
