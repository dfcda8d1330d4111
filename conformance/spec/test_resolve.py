"""From a path to a node, walked on the server: resolve (N6)."""

from __future__ import annotations

from errno import EACCES, ENOENT, ENOTDIR, ENOTSUP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB, KERNEL
from metaparity.conformance.scenes.draws import ids, modes, names
from metaparity.conformance.scenes.permission import each_class, permitted
from metaparity.conformance.scenes.permission import modes as modes_of
from metaparity.conformance.scenes.scenery import each_type, fresh, make
from metaparity.conformance.verbs import alike, refuses, unchanged
from metaparity.drivers.types import ROOT, TRASH_INODE, AclType, Attr, Context, FileType, Rule, SetAttr
from metaparity.fixtures.volumes import Volume

MISSING = 999_999


class Tree:
    """`a` with a directory `d` that holds a file `z`, a file `f`, and a link `ln` to `d`."""

    def __init__(self, volume: Volume) -> None:
        self.root = 1
        self.a = volume.dir("a")
        self.d = volume.dir("d", self.a)
        self.z = volume.file("z", self.d)
        self.f = volume.file("f", self.a)
        self.ln = volume.symlink("ln", "d", self.a)

    def __getitem__(self, name: str) -> int:
        inode: int = getattr(self, name)
        return inode


PATHS: list[tuple[str, bytes, str | int]] = [
    ("root", b"a/d/z", "z"),
    ("root", b"/a//d/z/", "z"),
    ("root", b"a", "a"),
    ("a", b"d/z", "z"),
    ("d", b"z", "z"),
    ("root", b"a/ln", "ln"),
    ("root", b"a/ln/", "ln"),
    ("root", b"", "root"),
    ("root", b"/", "root"),
    ("d", b"//", "d"),
    ("f", b"", "f"),
    ("root", b"a/none", ENOENT),
    ("root", b"none/d/z", ENOENT),
    ("root", b"a/./d", ENOENT),
    ("root", b"a/../a", ENOENT),
    ("root", b".", ENOENT),
    ("root", b"A", ENOENT),
    ("root", b"a/f/x", ENOTDIR),
    ("f", b"x", ENOENT),
    ("root", b"a/ln/z", ENOTSUP),
    ("ln", b"z", ENOENT),
]


@pytest.mark.parametrize(
    ("start", "path", "found"), PATHS, ids=[f"{start}-{path.decode()}" for start, path, _ in PATHS]
)
@clause("resolve/follows-the-table-of-paths", source="N6.3 T39", needs="lua")
def test_paths(volume: Volume, start: str, path: bytes, found: str | int) -> None:
    """Empty parts are skipped, dots are names; files on the way are ENOTDIR, symbolic links ENOTSUP; what
    one starts from is taken for a directory."""
    tree = Tree(volume)
    with unchanged(volume):
        if isinstance(found, int):
            refuses(found, volume.fs.resolve, tree[start], path)
            return
        node = volume.fs.resolve(tree[start], path)
    assert node.inode == tree[found]
    assert node.attr is not None
    alike(node.attr, volume.fs.getattr(tree[found]))


@each_type
@clause("resolve/the-last-part-may-be-anything", source="N6.3", needs="lua")
def test_last_part(volume: Volume, type: FileType) -> None:
    """A node of any type, a symbolic link too, is itself the end of a path."""
    inode = make(volume, type, "x", volume.dir("d"))
    assert volume.fs.resolve(1, b"d/x").inode == inode


@given(parts=st.lists(names, min_size=1, max_size=4), slashes=st.integers(1, 3))
@clause("resolve/walks-names-of-any-bytes", source="N6.3 R2", needs="lua")
def test_any_names(volume: Volume, parts: list[bytes], slashes: int) -> None:
    """A path of any names, however many slashes part them, leads where one lookup after the other does."""
    parts.insert(0, fresh(volume))
    inode = 1
    for part in parts:
        inode = volume.fs.mkdir(inode, part, 0o755).inode
    assert volume.fs.resolve(1, (b"/" * slashes).join(parts)).inode == inode


@clause("resolve/a-missing-start-is-not-found", source="N6.3", needs="lua")
def test_missing_start(volume: Volume) -> None:
    """A path from an inode that does not exist is ENOENT."""
    refuses(ENOENT, volume.fs.resolve, MISSING, b"x")


# -- permission ------------------------------------------------------------------------------------


@each_class
@clause("resolve/searching-needs-x-on-the-way", source="N6.3 R3", needs="lua")
def test_permission(volume: Volume, ctx: Context, bits: str) -> None:
    """X is needed on every directory on the way but not on the end, by the bits of the caller's class."""
    tree = Tree(volume)
    for granted, mode in modes_of(bits):
        owned = Attr(mode=mode, uid=ALICE.uid, gid=ALICE.gid)
        volume.fs.setattr(tree.d, SetAttr.MODE | SetAttr.UID | SetAttr.GID, owned)
        assert volume.fs.resolve(1, b"a/d", ctx=ctx).inode == tree.d
        for start, path in ((1, b"a/d/z"), (tree.d, b"z")):
            if granted & 1:
                assert volume.fs.resolve(start, path, ctx=ctx).inode == tree.z
            else:
                refuses(EACCES, volume.fs.resolve, start, path, ctx=ctx)


@given(mode=modes, uid=ids, gid=ids, caller=ids, gids=st.lists(ids, min_size=1, max_size=3))
@clause("resolve/permission-follows-mode-owner-and-group", source="N6.3 S4.3.3", needs="lua")
def test_any_caller(volume: Volume, mode: int, uid: int, gid: int, caller: int, gids: list[int]) -> None:
    """For any mode, owner and caller, the way is open where the bits grant X, and to the superuser."""
    name = fresh(volume)
    inode = volume.file("x", volume.dir(name, mode=mode, uid=uid, gid=gid))
    ctx = Context(caller, tuple(gids))
    if permitted(ctx, mode, uid, gid, 1):
        assert volume.fs.resolve(1, name + b"/x", ctx=ctx).inode == inode
    else:
        refuses(EACCES, volume.fs.resolve, 1, name + b"/x", ctx=ctx)


@clause("resolve/the-root-is-open-to-all", source="N6.3", needs="lua")
def test_root_is_exempt(volume: Volume) -> None:
    """The root of the volume is searched whatever its mode."""
    inode = volume.file("x")
    volume.fs.setattr(1, SetAttr.MODE, Attr(mode=0))
    assert volume.fs.resolve(1, b"x", ctx=BOB).inode == inode


@pytest.mark.parametrize(
    ("path", "errno"),
    [(b"shut/none", EACCES), (b"shut/f/x", EACCES), (b"f/x", ENOTDIR), (b"ln/x", ENOTSUP)],
    ids=["absent-below", "file-below", "file", "link"],
)
@clause("resolve/the-first-obstacle-is-named", source="N6.3", needs="lua")
def test_first_obstacle(volume: Volume, path: bytes, errno: int) -> None:
    """What stands in the way first is named: type before permission, permission before absence."""
    volume.file("f", volume.dir("shut", mode=0o644))
    volume.file("f", mode=0)
    volume.symlink("ln")
    refuses(errno, volume.fs.resolve, 1, path, ctx=BOB)


# -- when the server cannot tell --------------------------------------------------------------------


@clause("resolve/an-end-without-record-is-unsupported", source="N6.3", needs="lua")
def test_dangling_end(volume: Volume) -> None:
    """Where the record of the last node is missing the answer is ENOTSUP."""
    volume.raw.delete(b"i%d" % volume.file("x"))
    refuses(ENOTSUP, volume.fs.resolve, 1, b"x")


@clause("resolve/a-directory-without-record-is-not-found", source="N6.3 S4.3.3", needs="lua")
def test_dangling_directory(volume: Volume) -> None:
    """Where the record of a directory on the way is missing its permission is unknown: ENOENT; the
    superuser needs none and passes."""
    d = volume.dir("d")
    x = volume.file("x", d)
    volume.raw.delete(b"i%d" % d)
    refuses(ENOENT, volume.fs.resolve, 1, b"d/x", ctx=ALICE)
    assert volume.fs.resolve(1, b"d/x", ctx=ROOT).inode == x


@clause("resolve/inodes-beyond-the-reach-of-scripts-are-unsupported", source="N6.3 S4.3.3", needs="lua")
def test_huge_inode(volume: Volume) -> None:
    """An inode above 2^52 - 1 on the way, which no short test makes, is ENOTSUP."""
    small = volume.dir("small")
    for inode, errno in ((2**52 - 1, ENOENT), (2**52, ENOTSUP)):
        volume.raw.hset("d1", b"d", bytes([FileType.DIRECTORY]) + inode.to_bytes(8, "big"))
        volume.raw.set(b"i%d" % inode, volume.raw.get(b"i%d" % small))
        refuses(errno, volume.fs.resolve, 1, b"d/x")


@pytest.mark.parametrize(
    "config",
    [{"record": False}, {"read_only": True}, {"case_insensitive": True}],
    ids=["unrecorded", "read-only", "ignoring-case"],
)
@clause("resolve/is-unsupported-without-scripts", source="N6.2 T40", needs="namespace", clients=2)
def test_unsupported(volume: Volume, config: dict[str, bool]) -> None:
    """A client without a recorded session, or that ignores case, does not resolve: ENOTSUP."""
    volume.file("x")
    refuses(ENOTSUP, volume.open(**config).resolve, 1, b"x")


@clause("resolve/a-lost-script-is-loaded-again", source="N6.3 S4.3.5", needs="lua")
def test_lost_script(volume: Volume) -> None:
    """After the server has lost its scripts resolve answers as before."""
    tree = Tree(volume)
    for _ in range(2):
        volume.raw.script_flush()
        assert volume.fs.resolve(1, b"a/d/z").inode == tree.z
        refuses(ENOTDIR, volume.fs.resolve, 1, b"a/f/x")


@clause("resolve/starts-at-the-root-of-the-session", source="N6.3 R1", needs="lua")
def test_session_root(volume: Volume) -> None:
    """Under another session root a path from 1 starts there, and one from 0 at the root of the volume."""
    tree = Tree(volume)
    volume.fs.chroot(b"a")
    assert volume.fs.resolve(1, b"d/z").inode == tree.z
    assert volume.fs.resolve(1, b"").inode == tree.a
    assert volume.fs.resolve(0, b"a/d/z").inode == tree.z
    refuses(ENOENT, volume.fs.resolve, 1, b"a/d/z")


# -- by force --------------------------------------------------------------------------------------

FORCED: list[tuple[bytes, str | int]] = [
    (b"a/d/z", "z"),
    (b"/a//d/z/", "z"),
    (b"a/ln", "ln"),
    (b"a/ln/z", ENOENT),
    (b"a/f/x", ENOENT),
    (b"a/none", ENOENT),
    (b"none/z", ENOENT),
]


@pytest.mark.parametrize(
    "config",
    [{}, {"record": False}, {"read_only": True}, {"case_insensitive": True}],
    ids=["recorded", "unrecorded", "read-only", "ignoring-case"],
)
@pytest.mark.parametrize(("path", "found"), FORCED, ids=[path.decode() for path, _ in FORCED])
@clause("resolve/by-force-walks-entry-by-entry", source="N6.1", needs="namespace", clients=2)
def test_force(volume: Volume, config: dict[str, bool], path: bytes, found: str | int) -> None:
    """By force any client resolves; what is no directory holds no names, so all obstacles are ENOENT."""
    tree = Tree(volume)
    client = volume.open(**config)
    if isinstance(found, int):
        refuses(found, client.resolve, 1, path, True)
        return
    node = client.resolve(1, path, True)
    assert node.inode == tree[found]
    assert node.attr is not None
    alike(node.attr, volume.fs.getattr(tree[found]))


@pytest.mark.parametrize("ctx", [ROOT, BOB, KERNEL], ids=["superuser", "stranger", "unchecked"])
@clause("resolve/by-force-asks-no-permission", source="N6.1", needs="namespace")
def test_force_permission(volume: Volume, ctx: Context) -> None:
    """By force no directory on the way is asked for X."""
    tree = Tree(volume)
    for inode in (1, tree.a, tree.d):
        volume.fs.setattr(inode, SetAttr.MODE, Attr(mode=0))
    assert volume.fs.resolve(1, b"a/d/z", True, ctx=ctx).inode == tree.z


@pytest.mark.parametrize("start", [0, 1, MISSING, TRASH_INODE, None], ids=str)
@clause("resolve/by-force-starts-at-the-root", source="N6.1", needs="namespace")
def test_force_start(volume: Volume, start: int | None) -> None:
    """By force every path starts at the root of the volume, whatever start was given."""
    tree = Tree(volume)
    parent = tree.d if start is None else start
    assert volume.fs.resolve(parent, b"a/d/z", True).inode == tree.z
    assert volume.fs.resolve(parent, b"", True).inode == 1


@clause("resolve/by-force-leaves-the-root-of-the-session", source="N6.1 S4.3.6", needs="namespace")
def test_force_session_root(volume: Volume) -> None:
    """By force a path starts at the root of the volume even under another session root."""
    tree = Tree(volume)
    volume.fs.chroot(b"a")
    assert volume.fs.resolve(1, b"a/d/z", True).inode == tree.z


@clause("resolve/answers-what-the-node-has", source="N6.3 S2.2", needs="acl")
def test_acl_of_another(volume: Volume) -> None:
    """The ACLs of a directory on the way are not answered for the node at the end, which has none; nor does a
    lookup of .. answer those of where it began."""
    volume.format(EnableACL=True)
    fs, above = volume.fs, volume.dir("above")
    below = volume.dir("below", above)
    fs.acl_set(above, AclType.DEFAULT, Rule(7, 5, 5, 0, [(1000, 7)]))
    fs.acl_set(below, AclType.ACCESS, Rule(7, 5, 5, 0, [(1000, 7)]))
    node = volume.dir("node", below)
    plain = fs.getattr(node)
    assert (plain.access_acl, plain.default_acl) == (0, 0)
    assert fs.resolve(1, b"above/below/node", force=True).attr == plain
    assert fs.lookup(below, b"..").attr == fs.getattr(above)
