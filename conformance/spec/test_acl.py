"""POSIX ACLs: how they and the mode follow each other, what they grant, what they pass on (N29)."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from errno import EACCES, EINVAL, ENODATA, ENOENT, EPERM, EROFS
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB, GUEST, KERNEL, MEMBER
from metaparity.conformance.scenes.records import rewrite
from metaparity.conformance.scenes.scenery import each_type, flag, fresh, make
from metaparity.conformance.verbs import refuses, unchanged, window
from metaparity.drivers.types import (
    ACL_UNSET,
    TRASH_INODE,
    AclType,
    Attr,
    AttrFlag,
    Context,
    FileType,
    OpenFlag,
    Rule,
    SetAttr,
)
from metaparity.fixtures.volumes import Volume

ACCESS, DEFAULT = AclType
EMPTY = Rule()
FULL = Rule(7, 5, 7, 1, users=[(1002, 6)], groups=[(1004, 4)])

each_type_of_acl = pytest.mark.parametrize("type", list(AclType), ids=["access", "default"])


@pytest.fixture
def volume(volume: Volume) -> Volume:
    """A volume whose clients know of ACLs."""
    volume.format(EnableACL=True)
    return volume


def encoded(rule: Rule) -> bytes:
    """A rule as stored (S2.11), written from the reference."""
    head = struct.pack(">HHHH", rule.owner, rule.group, rule.mask, rule.other)
    for named in (rule.users, rule.groups):
        head += struct.pack(">I", len(named)) + b"".join(struct.pack(">IH", *entry) for entry in named)
    return head


def ids(volume: Volume, inode: int) -> tuple[int, int]:
    """The numbers of the access and default rules of a node."""
    attr = volume.fs.getattr(inode)
    return attr.access_acl, attr.default_acl


# -- setting ---------------------------------------------------------------------------------------


@each_type_of_acl
@pytest.mark.parametrize("node", list(FileType), ids=lambda one: one.name.lower())
@clause("acl/is-read-as-it-was-set", source="N29.3 N29.5 N29.7 S2.11 D19", needs="acl")
def test_set_on_any(volume: Volume, type: AclType, node: FileType) -> None:
    """A node of any type may have an access and a default ACL, each a rule that is kept under a number."""
    inode = make(volume, node, "x")
    with window() as call:
        volume.fs.acl_set(inode, type, FULL)
    assert volume.fs.acl_get(inode, type, ctx=BOB) == FULL
    assert ids(volume, inode) == ((1, 0) if type is ACCESS else (0, 1))
    assert volume.raw.hgetall("acl") == {b"1": encoded(FULL)}
    assert volume.raw.get("aclMaxId") == b"1"
    assert call.covers(volume.fs.getattr(inode).ctime)


@clause("acl/equal-rules-have-one-number", source="N29.2 S2.11", needs="acl")
def test_interned(volume: Volume) -> None:
    """Equal rules, of access and default ACLs alike, are stored once; another order of entries is another
    rule; a number is never given up."""
    fs = volume.fs
    x, y = volume.file("x"), volume.file("y")
    swapped = replace(FULL, users=[(1002, 6), (1003, 4)])
    fs.acl_set(x, ACCESS, FULL)
    fs.acl_set(y, ACCESS, FULL)
    fs.acl_set(y, DEFAULT, FULL)
    assert (ids(volume, x), ids(volume, y)) == ((1, 0), (1, 1))
    fs.acl_set(x, ACCESS, swapped)
    fs.acl_set(x, DEFAULT, replace(swapped, users=swapped.users[::-1]))
    assert ids(volume, x) == (2, 3)
    fs.acl_set(x, ACCESS, EMPTY)
    fs.unlink(1, b"y")
    fs.acl_set(x, ACCESS, FULL)
    assert ids(volume, x) == (1, 3)
    assert volume.raw.get("aclMaxId") == b"3"


@each_type_of_acl
@clause("acl/entries-of-any-order-and-number-are-kept", source="N29.1 N29.9 S2.11", needs="acl")
def test_odd_entries(volume: Volume, type: AclType) -> None:
    """Entries that are not in order, or are repeated, are kept as they are; of two for one user the first
    decides, of two for one group any that suffices."""
    rule = Rule(7, 0, 7, 0, [(1003, 4), (1002, 0), (1002, 6)], [(1004, 2), (1001, 0), (1004, 4), (1001, 1)])
    inode = volume.file("x")
    volume.fs.acl_set(inode, type, rule)
    assert volume.fs.acl_get(inode, type) == rule
    assert volume.raw.hget("acl", 1) == encoded(rule)
    if type is DEFAULT:
        return
    with unchanged(volume):
        refuses(EACCES, volume.fs.access, inode, 4, ctx=BOB)
        volume.fs.access(inode, 4, ctx=MEMBER)
        volume.fs.access(inode, 1, ctx=ALICE)
        volume.fs.access(inode, 2, ctx=GUEST)
        volume.fs.access(inode, 4, ctx=GUEST)
        refuses(EACCES, volume.fs.access, inode, 6, ctx=GUEST)


@clause("acl/clients-share-the-rules", source="N29.2 S2.11 S7.2.1", needs="acl", clients=2)
def test_clients(volume: Volume) -> None:
    """A client that begins later takes the numbers that are there, and reads rules it has not seen."""
    x, y = volume.file("x"), volume.file("y")
    early = volume.open()
    volume.fs.acl_set(x, ACCESS, FULL)
    late = volume.open()
    late.acl_set(y, DEFAULT, FULL)
    assert (ids(volume, x), ids(volume, y)) == ((1, 0), (0, 1))
    assert early.acl_get(x, ACCESS) == late.acl_get(y, DEFAULT) == FULL
    other = replace(FULL, other=4)
    late.acl_set(x, ACCESS, other)
    assert early.acl_get(x, ACCESS) == volume.fs.acl_get(x, ACCESS) == other


@pytest.mark.parametrize(
    ("mode", "rule", "wanted"),
    [
        pytest.param(0o7644, FULL, 0o7771, id="mask-is-the-group"),
        pytest.param(0o644, replace(FULL, mask=0), 0o701, id="no-mask-bits"),
        pytest.param(0o640, Rule(mask=5, users=[(7, 4)]), 0o650, id="unset-from-the-mode"),
        pytest.param(0o640, Rule(users=[(7, 4)]), 0o670, id="unset-mask-is-all"),
        pytest.param(0o4640, Rule(mask=2), 0o4620, id="only-a-mask"),
    ],
)
@clause("acl/sets-the-mode", source="N29.5 I18", needs="acl")
def test_mode(volume: Volume, mode: int, rule: Rule, wanted: int) -> None:
    """An access ACL sets the permission bits to its owner, mask and others, and takes what it leaves unset
    from them; the other bits of the mode stay."""
    inode = volume.file("x", mode=mode)
    volume.fs.acl_set(inode, ACCESS, rule)
    assert volume.fs.getattr(inode).mode == wanted
    stored = volume.fs.acl_get(inode, ACCESS)
    kept = (mode >> 6 & 7, mode >> 3 & 7, mode & 7)
    for value, asked, bits in zip(
        (stored.owner, stored.group, stored.other), (rule.owner, rule.group, rule.other), kept, strict=True
    ):
        assert value == (bits if asked == ACL_UNSET else asked)
    assert (stored.mask, stored.users, stored.groups) == (rule.mask, rule.users, rule.groups)


@clause("acl/a-minimal-access-rule-is-a-mode", source="N29.5 I18 T30 N29.1", needs="acl")
def test_minimal(volume: Volume) -> None:
    """An access rule without named entries and mask takes the ACL away and becomes the permission bits."""
    inode = volume.file("x", mode=0o4777)
    volume.fs.acl_set(inode, ACCESS, FULL)
    volume.fs.acl_set(inode, ACCESS, Rule(6, 4, ACL_UNSET, 1))
    assert ids(volume, inode) == (0, 0)
    assert volume.fs.getattr(inode).mode == 0o4641
    refuses(ENODATA, volume.fs.acl_get, inode, ACCESS)


@clause("acl/a-default-rule-leaves-the-mode", source="N29.5", needs="acl")
def test_default(volume: Volume) -> None:
    """A default ACL, a minimal one too, is stored and changes no mode; what it leaves unset is taken from
    that."""
    inode = volume.dir("d", mode=0o750)
    for rule, wanted in (
        (FULL, FULL),
        (Rule(6, 4, ACL_UNSET, 1), Rule(6, 4, ACL_UNSET, 1)),
        (Rule(users=[(7, 4)]), Rule(7, 5, ACL_UNSET, 0, users=[(7, 4)])),
    ):
        volume.fs.acl_set(inode, DEFAULT, rule)
        assert volume.fs.acl_get(inode, DEFAULT) == wanted
        assert volume.fs.getattr(inode).mode == 0o750


@each_type_of_acl
@clause("acl/an-empty-rule-takes-it-away", source="N29.5 D19 N29.1", needs="acl")
def test_empty(volume: Volume, type: AclType) -> None:
    """An empty rule takes the ACL of its type away and leaves the other, and the mode."""
    inode = volume.dir("d", mode=0o700)
    for one in AclType:
        volume.fs.acl_set(inode, one, FULL)
    mode = volume.fs.getattr(inode).mode
    volume.fs.acl_set(inode, type, EMPTY)
    refuses(ENODATA, volume.fs.acl_get, inode, type)
    assert volume.fs.acl_get(inode, DEFAULT if type is ACCESS else ACCESS) == FULL
    assert volume.fs.getattr(inode).mode == mode


@each_type_of_acl
@clause("acl/what-changes-nothing-stamps-nothing", source="N29.6", needs="acl")
def test_same(volume: Volume, type: AclType) -> None:
    """An ACL that is as it was already leaves the node untouched, its ctime too."""
    inode = volume.file("x")
    volume.fs.settle()
    with unchanged(volume):
        volume.fs.acl_set(inode, type, EMPTY)
    volume.fs.acl_set(inode, type, FULL)
    before = volume.raw.get(f"i{inode}")
    volume.fs.acl_set(inode, type, FULL)
    assert volume.raw.get(f"i{inode}") == before


@each_type_of_acl
@pytest.mark.parametrize(
    ("ctx", "mode"),
    [
        pytest.param(ALICE, 0o2771, id="owner-in-the-group"),
        pytest.param(Context(1001, (5,)), 0o771, id="owner-outside"),
        pytest.param(Context(), 0o2771, id="superuser"),
    ],
)
@clause("acl/set-by-a-stranger-to-the-group-clears-setgid", source="N29.4", needs="acl")
def test_setgid(volume: Volume, type: AclType, ctx: Context, mode: int) -> None:
    """An owner who is not in the group of the node clears its setgid bit, with a default ACL as well."""
    inode = volume.file("x", mode=0o2771, uid=1001, gid=1001)
    volume.fs.acl_set(inode, type, FULL, ctx=ctx)
    assert volume.fs.getattr(inode).mode == mode


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("type", [0, 3, 4, 255])
@clause("acl/there-are-two-types", source="N29.3 N29.7", needs="acl")
def test_types(volume: Volume, type: int) -> None:
    """Any other type than access and default is EINVAL to set and ENODATA to get."""
    inode = volume.file("x")
    volume.fs.acl_set(inode, ACCESS, FULL)
    with unchanged(volume):
        refuses(EINVAL, volume.fs.acl_set, inode, type, FULL)
        refuses(ENODATA, volume.fs.acl_get, inode, type)


@each_type_of_acl
@clause("acl/only-the-owner-sets-it", source="N29.3 N8.12", needs="acl")
def test_owner(volume: Volume, type: AclType) -> None:
    """Others than the owner and the superuser are refused with EPERM, whatever a kernel has checked; so is
    anyone for an immutable node, but not for one that is append-only."""
    inode = volume.file("x", mode=0o666, uid=1001)
    for ctx in (BOB, MEMBER, replace(KERNEL, uid=1002)):
        with unchanged(volume):
            refuses(EPERM, volume.fs.acl_set, inode, type, FULL, ctx=ctx)
    flag(volume, inode, AttrFlag.APPEND)
    volume.fs.acl_set(inode, type, FULL, ctx=ALICE)
    flag(volume, inode, AttrFlag.IMMUTABLE)
    with unchanged(volume):
        refuses(EPERM, volume.fs.acl_set, inode, type, EMPTY, ctx=ALICE)
        refuses(EPERM, volume.fs.acl_set, inode, type, EMPTY)


@pytest.mark.parametrize("inode", [0, TRASH_INODE, TRASH_INODE + 1])
@clause("acl/the-trash-has-none", source="N29.3", needs="acl")
def test_special(volume: Volume, inode: int) -> None:
    """Inode 0 and the directories of the trash can be given none: EPERM."""
    volume.fs.settle()
    with unchanged(volume):
        refuses(EPERM, volume.fs.acl_set, inode, ACCESS, FULL)


@each_type_of_acl
@clause("acl/a-missing-node-has-none", source="N29.3 N29.7", needs="acl")
def test_missing(volume: Volume, type: AclType) -> None:
    """Where there is no node there is no ACL: ENOENT."""
    volume.fs.settle()
    with unchanged(volume):
        refuses(ENOENT, volume.fs.acl_set, 999, type, FULL)
        refuses(ENOENT, volume.fs.acl_get, 999, type)


@clause("acl/a-node-without-one-has-no-data", source="N29.7", needs="acl")
def test_none(volume: Volume) -> None:
    """A node that has no ACL of the type asked for answers ENODATA."""
    inode = volume.file("x")
    volume.fs.acl_set(inode, ACCESS, FULL)
    with unchanged(volume):
        refuses(ENODATA, volume.fs.acl_get, inode, DEFAULT)


@clause("acl/read-only-clients-set-none", source="N29.3 M2", needs="acl", clients=2)
def test_read_only(volume: Volume) -> None:
    """A read-only client reads ACLs; to set one is EROFS."""
    inode = volume.file("x")
    volume.fs.acl_set(inode, ACCESS, FULL)
    volume.settle()
    reader = volume.open(record=False, read_only=True)
    with unchanged(volume):
        assert reader.acl_get(inode, ACCESS) == FULL
        refuses(EROFS, reader.acl_set, inode, ACCESS, EMPTY)
        refuses(EROFS, reader.acl_set, 999, ACCESS, FULL)


@clause("acl/inode-1-is-the-root-of-the-session", source="R1 Q27", needs="acl", clients=2)
def test_root(volume: Volume) -> None:
    """Inode 1 means the root of the session, as in calls on attributes."""
    home = volume.dir("home")
    inside = volume.open(subdir="/home")
    inside.acl_set(1, ACCESS, FULL)
    assert ids(volume, home) == (1, 0)
    assert inside.acl_get(1, ACCESS) == FULL
    assert ids(volume, 1) == (0, 0)


@each_type_of_acl
@clause("acl/a-lost-rule-is-an-error", source="N8.1 N29.7 S1.8", needs="acl", clients=2)
def test_lost_rule(volume: Volume, type: AclType) -> None:
    """A number whose rule is missing answers ENOENT where the rule is needed: to read it, to check access
    by it, to change the mode that follows it, to make nodes below it."""
    directory = volume.dir("d", mode=0o770, uid=1001, gid=1001)
    volume.fs.acl_set(directory, type, FULL)
    volume.raw.delete("acl")
    fs = volume.open()
    refuses(ENOENT, fs.acl_get, directory, type)
    if type is ACCESS:
        refuses(ENOENT, fs.access, directory, 4, ctx=ALICE)
        refuses(ENOENT, fs.setattr, directory, SetAttr.MODE, Attr(mode=0o700))
    else:
        refuses(ENOENT, fs.mknod, directory, b"n", FileType.FILE, 0o644)


@clause("acl/is-kept-whether-the-volume-knows-it-or-not", source="N29.3", needs="acl", clients=2)
def test_disabled(volume: Volume) -> None:
    """The setting EnableACL decides nothing here: a client sets, reads and follows ACLs without it."""
    maker = volume.open(record=False)
    maker.init(maker.load().replace(EnableACL=False))
    fs = volume.open()
    inode = fs.mknod(1, b"x", FileType.FILE, 0o600).inode
    fs.acl_set(inode, ACCESS, FULL)
    assert fs.acl_get(inode, ACCESS) == FULL
    fs.access(inode, 6, ctx=BOB)


@clause("acl/is-listed-as-an-xattr", source="N28.2", needs="acl")
def test_listed(volume: Volume) -> None:
    """A list of extended attributes names the ACLs a node has, and no call on those reads or sets them."""
    inode = volume.dir("d")
    volume.fs.acl_set(inode, DEFAULT, FULL)
    assert volume.fs.xattr_list(inode) == [b"system.posix_acl_default"]
    volume.fs.acl_set(inode, ACCESS, FULL)
    assert sorted(volume.fs.xattr_list(inode)) == [b"system.posix_acl_access", b"system.posix_acl_default"]
    refuses(ENODATA, volume.fs.xattr_get, inode, b"system.posix_acl_access")
    assert not volume.raw.exists(f"x{inode}")


# -- chmod -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o000, 0o555, 0o4627, 0o7777])
@clause("acl/follows-the-mode", source="N8.8 N29.10 I18 T30", needs="acl")
def test_chmod(volume: Volume, mode: int) -> None:
    """A chmod sets owner, mask and others of the access rule, under a number of its own; group and named
    entries stay."""
    inode = volume.file("x")
    volume.fs.acl_set(inode, ACCESS, FULL)
    assert volume.fs.setattr(inode, SetAttr.MODE, Attr(mode=mode)).mode == mode
    rule = volume.fs.acl_get(inode, ACCESS)
    wanted = replace(FULL, owner=mode >> 6 & 7, mask=mode >> 3 & 7, other=mode & 7)
    assert rule == wanted
    assert volume.raw.hget("acl", 1) == encoded(FULL)
    assert ids(volume, inode) == (2, 0)


@clause("acl/a-chmod-to-the-same-mode-moves-the-ctime", source="N8.8", needs="acl")
def test_chmod_same(volume: Volume) -> None:
    """A chmod by the owner of a node with an ACL counts as a change though the mode stays."""
    inode = volume.file("x", uid=1001)
    volume.fs.acl_set(inode, ACCESS, FULL)
    mode = volume.fs.getattr(inode).mode
    with window() as call:
        volume.fs.setattr(inode, SetAttr.MODE, Attr(mode=mode), ctx=ALICE)
    assert call.covers(volume.fs.getattr(inode).ctime)
    assert ids(volume, inode) == (1, 0)


@pytest.mark.parametrize("mode", [0o777, 0o700, 0o4771])
@clause("acl/does-not-give-the-mode-away", source="N8.9 Q10", needs="acl")
def test_chmod_others(volume: Volume, mode: int) -> None:
    """An ACL lets nobody but the owner and the superuser change the mode: EPERM."""
    inode = volume.file("x", uid=1001)
    volume.fs.acl_set(inode, ACCESS, FULL)
    with unchanged(volume):
        refuses(EPERM, volume.fs.setattr, inode, SetAttr.MODE, Attr(mode=mode), ctx=BOB)


@clause("acl/other-changes-leave-it", source="N8.8", needs="acl")
def test_other_changes(volume: Volume) -> None:
    """A change of owner, times or flags leaves the rule as it is."""
    inode = volume.file("x")
    volume.fs.acl_set(inode, ACCESS, FULL)
    volume.fs.setattr(inode, SetAttr.UID | SetAttr.GID, Attr(uid=5, gid=6))
    volume.fs.setattr(inode, SetAttr.ATIME, Attr(atime=(1, 1)))
    flag(volume, inode, AttrFlag.WINDOWS_HIDDEN)
    assert ids(volume, inode) == (1, 0)
    assert volume.fs.acl_get(inode, ACCESS) == FULL
    assert volume.raw.get("aclMaxId") == b"1"


# -- inheritance -----------------------------------------------------------------------------------


@each_type
@pytest.mark.parametrize("asked", [0o777, 0o640, 0o4222])
@clause("acl/is-inherited-by-new-nodes", source="N29.8 N12.4 N11.1 T30", needs="acl")
def test_inherit(volume: Volume, type: FileType, asked: int) -> None:
    """A new node below a default rule gets an access rule that grants what both the rule and the mode asked
    for grant, the umask aside; a directory gets the default rule, too; a symbolic link gets neither."""
    directory = volume.dir("d")
    rule = Rule(7, 5, 6, 3, users=[(1002, 6)], groups=[(1004, 4)])
    volume.fs.acl_set(directory, DEFAULT, rule)
    if type is FileType.SYMLINK:
        inode = volume.fs.symlink(directory, b"n", b"target").inode
        assert ids(volume, inode) == (0, 0)
        assert volume.fs.getattr(inode).mode == 0o777
        return
    inode = volume.fs.mknod(directory, b"n", type, asked, 0o077).inode
    wanted = replace(rule, owner=asked >> 6 & 7, mask=asked >> 3 & 6, other=asked & 3)
    assert volume.fs.acl_get(inode, ACCESS) == wanted
    mode = asked & 0o7000 | wanted.owner << 6 | wanted.mask << 3 | wanted.other
    assert volume.fs.getattr(inode).mode == mode
    if type is FileType.DIRECTORY:
        assert volume.fs.acl_get(inode, DEFAULT) == rule
    else:
        refuses(ENODATA, volume.fs.acl_get, inode, DEFAULT)


@pytest.mark.parametrize("asked", [0o777, 0o222, 0o4640])
@clause("acl/a-minimal-default-limits-the-mode", source="N29.8 T30", needs="acl")
def test_inherit_minimal(volume: Volume, asked: int) -> None:
    """Below a minimal default rule a new node has no access ACL, and of the mode asked for what the rule
    grants, the umask aside; a directory inherits the rule."""
    directory = volume.dir("d")
    rule = Rule(5, 4, ACL_UNSET, 1)
    volume.fs.acl_set(directory, DEFAULT, rule)
    file = volume.fs.mknod(directory, b"f", FileType.FILE, asked, 0o077)
    below = volume.fs.mkdir(directory, b"e", asked, 0o077)
    for node in (file, below):
        assert ids(volume, node.inode)[0] == 0
        assert volume.fs.getattr(node.inode).mode == asked & 0o7541
    assert volume.fs.acl_get(below.inode, DEFAULT) == rule


@clause("acl/an-access-rule-is-not-inherited", source="N29.8", needs="acl")
def test_not_inherited(volume: Volume) -> None:
    """A directory's access rule means nothing to what is made in it."""
    directory = volume.dir("d")
    volume.fs.acl_set(directory, ACCESS, FULL)
    inode = volume.fs.mknod(directory, b"f", FileType.FILE, 0o666, 0o022).inode
    assert ids(volume, inode) == (0, 0)
    assert volume.fs.getattr(inode).mode == 0o644


@clause("acl/setgid-is-inherited-beside-it", source="N29.8 R4 N12.4", needs="acl")
def test_inherit_setgid(volume: Volume) -> None:
    """Below a setgid directory with a default rule new nodes get group and setgid as well."""
    directory = volume.dir("d", mode=0o2777, gid=60)
    volume.fs.acl_set(directory, DEFAULT, FULL)
    below = volume.fs.mkdir(directory, b"e", 0o755, ctx=ALICE)
    assert below.attr is not None
    assert (below.attr.gid, below.attr.mode) == (60, 0o2751)


# -- access ----------------------------------------------------------------------------------------


def granted(rule: Rule, mode: int, uid: int, gid: int, ctx: Context, mask: int) -> bool:
    """Whether an access rule grants `mask`, written from the reference (N29.9)."""
    if ctx.uid == 0 or not ctx.check_permission:
        return True
    if mode & 0o070 == 0:
        shift = 6 if ctx.uid == uid else 3 if gid in ctx.gids else 0
        return mode >> shift & mask == mask
    if ctx.uid == uid:
        return rule.owner & mask == mask
    users = dict(reversed(rule.users))
    if ctx.uid in users:
        return users[ctx.uid] & rule.mask & mask == mask
    matching = [rule.group] if gid in ctx.gids else []
    matching += [bits for group, bits in rule.groups if group in ctx.gids]
    if matching:
        return any(bits & rule.mask & mask == mask for bits in matching)
    return rule.other & mask == mask


def rules() -> st.SearchStrategy[Rule]:
    bits = st.integers(0, 7)
    named = st.lists(st.tuples(st.integers(1001, 1004), bits), max_size=3)
    return st.builds(Rule, owner=bits, group=bits, mask=bits, other=bits, users=named, groups=named)


callers = st.sampled_from([ALICE, BOB, MEMBER, GUEST, KERNEL, Context(1003, (9,)), Context(5, (5,))])


@settings(max_examples=100)
@given(rule=rules(), ctx=callers, mask=st.integers(1, 7))
@clause("acl/decides-who-may-do-what", source="N29.9 R3 N4.1 T31", needs="acl")
def test_access(volume: Volume, rule: Rule, ctx: Context, mask: int) -> None:
    """The owner has the owner's bits; a named user theirs within the mask; members of any group that is
    named or owns the node what one of these grants within the mask; everyone else the others' bits.  Where
    the group has no bit in the mode the rule is not asked."""
    inode = volume.file(fresh(volume), uid=1001, gid=1001)
    volume.fs.acl_set(inode, ACCESS, rule)
    mode = volume.fs.getattr(inode).mode
    if granted(rule, mode, 1001, 1001, ctx, mask):
        volume.fs.access(inode, mask, ctx=ctx)
    else:
        refuses(EACCES, volume.fs.access, inode, mask, ctx=ctx)


@clause("acl/holds-in-every-call", source="N29.9 R3 N12.2 N13.2 N15.2 N16.5 N17.2 N18.1 N20.1", needs="acl")
def test_everywhere(volume: Volume) -> None:
    """What an ACL grants or refuses to a named user counts wherever permissions are checked."""
    fs = volume.fs
    directory = volume.dir("d", mode=0o700)
    file = volume.file("f", directory, mode=0o600)
    volume.dir("e", directory)
    for bits, allowed in ((7, True), (5, False)):
        rule = Rule(7, 0, 7, 0, users=[(1002, bits)])
        fs.acl_set(directory, ACCESS, rule)
        fs.acl_set(file, ACCESS, replace(rule, users=[(1002, bits & 5 if not allowed else 7)]))
        assert fs.lookup(directory, b"f", True, ctx=BOB).inode == file
        assert fs.readdir(directory, ctx=BOB)
        calls: list[tuple[Any, ...]] = [
            (fs.mknod, directory, b"n", FileType.FILE, 0o644),
            (fs.link, file, directory, b"l"),
            (fs.rename, directory, b"n" if allowed else b"f", directory, b"m"),
            (fs.unlink, directory, b"m" if allowed else b"f"),
            (fs.rmdir, directory, b"e"),
            (fs.open_file, file, OpenFlag.RDWR),
            (fs.truncate, file, 0, 5 if allowed else 6),
        ]
        for call, *arguments in calls:
            if allowed:
                call(*arguments, ctx=BOB)
            else:
                refuses(EACCES, call, *arguments, ctx=BOB)
        fs.settle()  # a hard-linked file is counted in the background, where it has its names then
        if allowed:
            fs.unlink(directory, b"l")
            fs.mkdir(directory, b"e", 0o755)


# -- recorded --------------------------------------------------------------------------------------


def recorded(op: str) -> list[Any]:
    """The cases of a kind that were recorded from the real engine."""
    text = files("metaparity.fixtures.golden").joinpath("acl-vectors.json").read_text(encoding="utf-8")
    return [pytest.param(case, id=case["name"]) for case in json.loads(text)["vectors"] if case["op"] == op]


def rule_of(fields: dict[str, Any]) -> Rule:
    owner, group, mask, other = (fields.get(one, ACL_UNSET) for one in ("owner", "group", "mask", "other"))
    users, groups = ([(id, perm) for id, perm in fields.get(name, [])] for name in ("users", "groups"))
    return Rule(owner, group, mask, other, users, groups)


def settable(case: dict[str, Any]) -> bool:
    """Whether a default ACL takes a recorded rule as it is."""
    rule = rule_of(case["rule"])
    return not rule.empty and ACL_UNSET not in (rule.owner, rule.group, rule.other)


@pytest.mark.parametrize("case", [one for one in recorded("encode") if settable(one.values[0])])
@clause("acl/rules-are-encoded-as-recorded", source="S2.11", needs="acl")
def test_encoding(volume: Volume, case: dict[str, Any]) -> None:
    """A rule is stored in the bytes that were recorded, and read from them."""
    inode = volume.dir("d")
    rule = rule_of(case["rule"])
    volume.fs.acl_set(inode, DEFAULT, rule)
    assert volume.raw.hget("acl", 1) == bytes.fromhex(case["hex"])
    assert volume.fs.acl_get(inode, DEFAULT) == rule


@pytest.mark.parametrize("case", recorded("set"))
@clause("acl/sets-and-follows-the-mode-as-recorded", source="N29.5 N8.8", needs="acl")
def test_recorded_set(volume: Volume, case: dict[str, Any]) -> None:
    """An access ACL, and then a chmod, leave the modes and rules that were recorded."""
    inode = volume.file("x", mode=case["mode"])
    volume.fs.acl_set(inode, ACCESS, rule_of(case["rule"]))
    for mode, rule in (("mode_after", "rule_after"), ("mode_after_chmod", "rule_after_chmod")):
        assert volume.fs.getattr(inode).mode == case[mode]
        if case[rule] is None:
            refuses(ENODATA, volume.fs.acl_get, inode, ACCESS)
        else:
            assert volume.fs.acl_get(inode, ACCESS) == rule_of(case[rule])
        volume.fs.setattr(inode, SetAttr.MODE, Attr(mode=case["chmod"]))


@pytest.mark.parametrize("case", recorded("inherit"))
@clause("acl/is-inherited-as-recorded", source="N29.8", needs="acl")
def test_recorded_inherit(volume: Volume, case: dict[str, Any]) -> None:
    """A new node below a default rule has the mode and the rules that were recorded."""
    directory = volume.dir("d")
    volume.fs.acl_set(directory, DEFAULT, rule_of(case["default_rule"]))
    type = FileType[case["type"].upper()]
    target = b"t" if type is FileType.SYMLINK else b""
    node = volume.fs.mknod(directory, b"n", type, case["mode"], case["umask"], target=target)
    assert volume.fs.getattr(node.inode).mode == case["mode_after"]
    for kind, wanted in ((ACCESS, case["access"]), (DEFAULT, case["default"])):
        if wanted is None:
            refuses(ENODATA, volume.fs.acl_get, node.inode, kind)
        else:
            assert volume.fs.acl_get(node.inode, kind) == rule_of(wanted)


@pytest.mark.parametrize("case", recorded("access"))
@clause("acl/grants-as-recorded", source="N29.9", needs="acl")
def test_recorded_access(volume: Volume, case: dict[str, Any]) -> None:
    """A caller is granted and refused what was recorded."""
    inode = volume.file("x", uid=case["uid"], gid=case["gid"])
    volume.fs.acl_set(inode, ACCESS, rule_of(case["rule"]))
    rewrite(volume, inode, type_and_mode=FileType.FILE << 12 | case["mode"])
    ctx = Context(case["ctx"]["uid"], tuple(case["ctx"]["gids"]))
    if case["errno"]:
        refuses(EACCES, volume.fs.access, inode, case["mask"], ctx=ctx)
    else:
        volume.fs.access(inode, case["mask"], ctx=ctx)
