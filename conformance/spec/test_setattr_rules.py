"""Changing attributes: times, flags, what would be allowed, and all rules at once (N8.3 - N8.15)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from errno import EACCES, ENOENT, EPERM
from functools import reduce
from operator import or_
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB, GUEST, KERNEL, MEMBER
from metaparity.conformance.scenes.draws import contexts, ids, modes
from metaparity.conformance.scenes.permission import permitted
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.scenery import each_type, fresh, make
from metaparity.conformance.verbs import Window, alike, refuses, unchanged, window
from metaparity.drivers.types import ROOT, TRASH_INODE, Attr, AttrFlag, Context, FileType, SetAttr, Time
from metaparity.fixtures.volumes import Volume

MISSING = 999_999
MODE, UID, GID = SetAttr.MODE, SetAttr.UID, SetAttr.GID
ATIME, MTIME = SetAttr.ATIME, SetAttr.MTIME

each_time = pytest.mark.parametrize(
    ("name", "explicit", "now"),
    [("atime", ATIME, SetAttr.ATIME_NOW), ("mtime", MTIME, SetAttr.MTIME_NOW)],
    ids=["atime", "mtime"],
)


def timed(name: str, time: Time) -> Attr:
    """What to ask for when atime or mtime shall be this."""
    asked = Attr()
    setattr(asked, name, time)
    return asked


# -- times -----------------------------------------------------------------------------------------

TIMES: list[tuple[str, Context, int, int, int, int]] = [
    # who, context, uid of the node, mode, errno of an explicit time, errno of now
    ("superuser", ROOT, 1001, 0o000, 0, 0),
    ("owner", ALICE, 1001, 0o000, 0, 0),
    ("unchecked-owner", KERNEL, 1001, 0o000, 0, 0),
    ("member-with-w", MEMBER, 1001, 0o020, 0, 0),
    ("guest-with-w", GUEST, 1001, 0o020, 0, 0),
    ("member-without-w", MEMBER, 1001, 0o757, EACCES, EACCES),
    ("stranger-with-w", BOB, 1001, 0o002, 0, 0),
    ("stranger-without-w", BOB, 1001, 0o775, EACCES, EACCES),
    ("unchecked-stranger", replace(BOB, check_permission=False), 1001, 0o000, 0, 0),
    ("stranger-with-w-to-the-superuser", BOB, 0, 0o002, EPERM, 0),
    ("stranger-without-w-to-the-superuser", BOB, 0, 0o775, EPERM, EACCES),
    ("unchecked-to-the-superuser", KERNEL, 0, 0o000, EPERM, 0),
]

each_right = pytest.mark.parametrize(
    ("ctx", "uid", "mode", "explicit_errno", "now_errno"),
    [row[1:] for row in TIMES],
    ids=[row[0] for row in TIMES],
)


@each_time
@each_right
@clause("setattr/times-are-for-owners-and-writers", source="N8.10 D9 T10", needs="namespace")
def test_times(
    volume: Volume,
    name: str,
    explicit: SetAttr,
    now: SetAttr,
    ctx: Context,
    uid: int,
    mode: int,
    explicit_errno: int,
    now_errno: int,
) -> None:
    """The owner and who may write set times, EACCES for others; a given time on a node of the superuser
    is EPERM for all but the superuser."""
    inode = volume.file("x", mode=mode, uid=uid, gid=ALICE.gid)
    asked = timed(name, (77, 5))
    if explicit_errno:
        refuses(explicit_errno, volume.fs.setattr, inode, explicit, asked, ctx=ctx)
    else:
        assert getattr(volume.fs.setattr(inode, explicit, asked, ctx=ctx), name) == (77, 5)
    for set, time in ((now, (77, 6)), (explicit, (-1, 0)), (explicit | now, (77, 6))):
        moment = timed(name, time)
        if now_errno:
            refuses(now_errno, volume.fs.setattr, inode, set, moment, ctx=ctx)
        else:
            with window() as w:
                after = volume.fs.setattr(inode, set, moment, ctx=ctx)
            assert w.covers(getattr(after, name))
            assert getattr(after, name) == after.ctime


@each_time
@clause("setattr/the-present-time-may-be-set-by-anyone", source="N8.10", needs="namespace")
def test_equal_time(volume: Volume, name: str, explicit: SetAttr, now: SetAttr) -> None:
    """Setting the time that a node has changes nothing and needs no right, but now always does."""
    inode = volume.file("x", mode=0)
    before = volume.fs.getattr(inode)
    with unchanged(volume):
        alike(volume.fs.setattr(inode, explicit, replace(before), ctx=BOB), before)
    refuses(EACCES, volume.fs.setattr, inode, now, replace(before), ctx=BOB)


@each_time
@pytest.mark.parametrize("time", [(0, 0), (0, 1), (77, 999_999_999), (2**33, 5)], ids=str)
@clause("setattr/times-are-kept-to-the-nanosecond", source="N8.10 A1", needs="namespace")
def test_precision(volume: Volume, name: str, explicit: SetAttr, now: SetAttr, time: Time) -> None:
    """A time is kept as it was given, from the epoch on, and differs by a nanosecond."""
    inode = volume.file("x")
    for given_time in (time, (time[0], time[1] - 1 if time[1] else 1)):
        volume.fs.setattr(inode, explicit, timed(name, given_time))
        assert getattr(volume.fs.getattr(inode), name) == given_time


# -- flags and tier --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ctx", [ROOT, ALICE, BOB, KERNEL], ids=["superuser", "owner", "stranger", "unchecked"]
)
@each_type
@clause("setattr/flags-are-replaced-by-anyone", source="N8.11 D10", needs="namespace")
def test_flags(volume: Volume, type: FileType, ctx: Context) -> None:
    """Flags are replaced, also equal ones and IMMUTABLE, whoever asks; each time is a change."""
    inode = make(volume, type, "x", uid=ALICE.uid)
    volume.fs.setattr(inode, MODE, Attr(mode=0))
    for flags in (AttrFlag.IMMUTABLE, AttrFlag.APPEND, AttrFlag.APPEND, AttrFlag(63), AttrFlag(0)):
        with window() as w:
            after = volume.fs.setattr(inode, SetAttr.FLAGS, Attr(flags=flags), ctx=ctx)
        assert after.flags == flags
        assert w.covers(after.ctime)


@pytest.mark.parametrize("ctx", [ROOT, BOB], ids=["superuser", "stranger"])
@clause("setattr/the-tier-is-replaced-by-anyone", source="N8.11", needs="namespace")
def test_tier(volume: Volume, ctx: Context) -> None:
    """The storage tier is replaced, also by an equal one, whoever asks; each time is a change."""
    inode = volume.file("x", mode=0, uid=ALICE.uid)
    for tier in (3, 3, 255, 0):
        with window() as w:
            volume.fs.setattr(inode, SetAttr.TIER, Attr(tier=tier), ctx=ctx)
        after = volume.fs.getattr(inode)
        assert after.tier == tier
        assert w.covers(after.ctime)


# -- would it be allowed? --------------------------------------------------------------------------


@clause("check-setattr/a-missing-node-is-not-found", source="N8.15", needs="namespace")
def test_check_missing(volume: Volume) -> None:
    """Nothing would be allowed on an inode that does not exist: ENOENT."""
    refuses(ENOENT, volume.fs.check_setattr, MISSING, MODE, Attr(mode=0o644))


@clause("check-setattr/does-not-look-for-the-trash", source="N8.15", needs="namespace")
def test_check_trashed(volume: Volume) -> None:
    """A node in the trash, put there past the driver, is judged as any other, by its owner and mode."""
    inode = volume.file("x", uid=ALICE.uid)
    rewrite(volume, inode, parent=TRASH_INODE + 1)
    volume.fs.check_setattr(inode, MODE, Attr(mode=0o600), ctx=ALICE)
    refuses(EPERM, volume.fs.check_setattr, inode, MODE, Attr(mode=0o600), ctx=BOB)
    refuses(EPERM, volume.fs.setattr, inode, MODE, Attr(mode=0o600), ctx=ALICE)


@clause("check-setattr/the-session-root-stands-for-inode-one", source="N8.15 R1", needs="namespace")
def test_check_session_root(volume: Volume) -> None:
    """Under another session root, 1 is that root and 0 the root of the volume."""
    volume.dir("home", uid=ALICE.uid)
    volume.fs.chroot(b"home")
    volume.fs.check_setattr(1, MODE, Attr(mode=0o700), ctx=ALICE)
    refuses(EPERM, volume.fs.check_setattr, 0, MODE, Attr(mode=0o700), ctx=ALICE)


# -- all rules at once -----------------------------------------------------------------------------

NOW = (-1, -1)
"""Stands for the time of the call."""


@dataclass(slots=True)
class Outcome:
    """What the rules say: an errno, or new values of attributes and whether that is a change."""

    errno: int = 0
    changed: bool = False
    values: dict[str, Any] = field(default_factory=dict)

    def put(self, name: str, value: Any) -> None:
        self.values[name] = value
        self.changed = True


def expected(ctx: Context, node: Attr, set: SetAttr, asked: Attr) -> Outcome:
    """N8.3 to N8.11 for a node without ACL, in their order."""
    out = Outcome()
    owner = ctx.uid in (0, node.uid)
    checked = ctx.check_permission and ctx.uid != 0
    mode, requested = node.mode, asked.mode
    if set & (UID | GID):
        requested |= node.mode & 0o6000
        if node.mode & 0o6000:
            out.changed = True
            if node.type != FileType.DIRECTORY:
                left = 0o1777 if ctx.uid != 0 or node.mode & 0o010 else 0o3777
                mode &= left
                requested &= left
                out.values["mode"] = mode
    if set & GID:
        if not owner or (asked.gid != node.gid and checked and asked.gid not in ctx.gids):
            return Outcome(EPERM)
        if asked.gid != node.gid:
            out.put("gid", asked.gid)
    if set & UID and asked.uid != node.uid:
        if checked:
            return Outcome(EPERM)
        out.put("uid", asked.uid)
    if set & MODE:
        if checked and node.gid not in ctx.gids:
            requested &= 0o5777
        if requested != mode:
            sets = requested & ~mode & 0o6000
            if not owner and (sets or requested & 0o1777 != mode & 0o1777):
                return Outcome(EPERM)
            out.put("mode", requested)
    writes = owner or permitted(ctx, node.mode, node.uid, node.gid, 2)
    for name, explicit, now in (("atime", ATIME, SetAttr.ATIME_NOW), ("mtime", MTIME, SetAttr.MTIME_NOW)):
        time = getattr(asked, name)
        if set & now or (set & explicit and time[0] < 0):
            if not writes:
                return Outcome(EACCES)
            out.put(name, NOW)
        elif set & explicit and time != getattr(node, name):
            if node.uid == 0 and ctx.uid != 0:
                return Outcome(EPERM)
            if not writes:
                return Outcome(EACCES)
            out.put(name, time)
    for name, bit in (("flags", SetAttr.FLAGS), ("tier", SetAttr.TIER)):
        if set & bit:
            out.put(name, getattr(asked, name))
    return out


bits = st.lists(st.sampled_from(SetAttr), min_size=1, max_size=4).map(lambda some: reduce(or_, some))
toggles = st.one_of(st.sampled_from([0, 0o1000, 0o2000, 0o4000, 0o6000, 0o010, 0o002]), modes)
times = st.sampled_from([(100, 1), (200, 2), (0, 0), (-1, 0), (77, 5)])


def holds(w: Window, attr: Attr, node: Attr, out: Outcome) -> None:
    """The attributes are those of the node with the outcome applied."""
    values = {name: value for name, value in out.values.items() if value != NOW}
    stamped = [name for name, value in out.values.items() if value == NOW]
    if out.changed:
        stamped.append("ctime")
    alike(attr, replace(node, **values), but=stamped)
    for name in stamped:
        assert w.covers(getattr(attr, name)), f"expected {name} of now, observed {getattr(attr, name)}"


@given(
    mode=modes,
    toggle=toggles,
    uid=ids,
    gid=ids,
    ctx=contexts,
    set=bits,
    asked=st.builds(
        Attr, uid=ids, gid=ids, atime=times, mtime=times, flags=st.integers(0, 63), tier=st.integers(0, 255)
    ),
)
@pytest.mark.parametrize("who", ["anyone", "owner", "superuser", "stranger"])
@pytest.mark.parametrize("type", [FileType.FILE, FileType.DIRECTORY], ids=["file", "directory"])
@clause(
    "setattr/follows-all-rules-at-once",
    source="N8.1 N8.3 N8.4 N8.5 N8.6 N8.7 N8.9 N8.10 N8.11 N8.15",
    needs="namespace",
)
def test_all_rules(
    volume: Volume,
    type: FileType,
    who: str,
    mode: int,
    toggle: int,
    uid: int,
    gid: int,
    ctx: Context,
    set: SetAttr,
    asked: Attr,
) -> None:
    """For any node, caller and set of changes, setattr does or refuses what the rules say, and
    check_setattr says so before and writes nothing."""
    inode = volume.node(fresh(volume), type)
    caller = {"anyone": ctx.uid, "owner": uid, "superuser": 0, "stranger": 12345}[who]
    ctx = replace(ctx, uid=caller)
    asked = replace(asked, mode=mode ^ toggle)
    rewrite(
        volume,
        inode,
        type_and_mode=type << 12 | mode,
        uid=uid,
        gid=gid,
        atime=100,
        atime_ns=1,
        mtime=200,
        mtime_ns=2,
        ctime=300,
        ctime_ns=3,
    )
    node = volume.fs.getattr(inode)
    record = volume.raw.get(b"i%d" % inode)
    out = expected(ctx, node, set, asked)
    if out.errno:
        refuses(out.errno, volume.fs.check_setattr, inode, set, replace(asked), ctx=ctx)
        refuses(out.errno, volume.fs.setattr, inode, set, replace(asked), ctx=ctx)
        assert volume.raw.get(b"i%d" % inode) == record
        return
    volume.fs.check_setattr(inode, set, replace(asked), ctx=ctx)
    assert volume.raw.get(b"i%d" % inode) == record
    with window() as w:
        answered = volume.fs.setattr(inode, set, replace(asked), ctx=ctx)
    holds(w, answered, node, out)
    holds(w, volume.fs.getattr(inode), node, out)
