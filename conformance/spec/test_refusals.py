"""Refusals that many primitives share, as tables (primitives §6)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from errno import EACCES, EEXIST, EINTR, EINVAL, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY, EPERM, EROFS
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE, BOB, KERNEL
from metaparity.conformance.scenes.scenery import each_frozen, flag
from metaparity.conformance.verbs import given_up_after, refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import ROOT, TRASH_INODE, AttrFlag, Context, Entry, FileType
from metaparity.fixtures.volumes import Volume

MISSING = 999_999

ADDING: dict[str, Callable[..., Any]] = {
    "mknod": lambda fs, spare, parent, name, ctx: fs.mknod(parent, name, FileType.FIFO, 0o644, ctx=ctx),
    "mkdir": lambda fs, spare, parent, name, ctx: fs.mkdir(parent, name, 0o755, ctx=ctx),
    "create": lambda fs, spare, parent, name, ctx: fs.create(parent, name, 0o644, ctx=ctx),
    "symlink": lambda fs, spare, parent, name, ctx: fs.symlink(parent, name, b"target", ctx=ctx),
    "link": lambda fs, spare, parent, name, ctx: fs.link(spare, parent, name, ctx=ctx),
    "rename-to": lambda fs, spare, parent, name, ctx: fs.rename(1, b"spare", parent, name, ctx=ctx),
}
"""Calls that add a name, given a file `spare` in the root."""

TAKING: dict[str, Callable[..., Any]] = {
    "unlink": lambda fs, file, parent, name, ctx: fs.unlink(parent, name, ctx=ctx),
    "batch-unlink": lambda fs, file, parent, name, ctx: fs.batch_unlink(
        parent, [Entry(name, file, FileType.FILE)], ctx=ctx
    ),
    "rmdir": lambda fs, file, parent, name, ctx: fs.rmdir(parent, name, ctx=ctx),
    "remove": lambda fs, file, parent, name, ctx: fs.remove(parent, name, ctx=ctx),
    "rename-from": lambda fs, file, parent, name, ctx: fs.rename(parent, name, 1, b"elsewhere", ctx=ctx),
}
"""Calls that take a name away, given the file behind it."""

OLD = {"rmdir": b"empty"}
"""What each taking call takes from `d`; a file called `old` where nothing is said."""


class Scene:
    """A file `spare` in the root, and a directory `d` that holds a file `old` and a directory `empty`."""

    def __init__(self, volume: Volume, mode: int = 0o777) -> None:
        self.spare = volume.file("spare")
        self.d = volume.dir("d", mode=mode)
        self.old = volume.file("old", self.d, uid=ALICE.uid, gid=ALICE.gid)
        self.empty = volume.dir("empty", self.d, uid=ALICE.uid, gid=ALICE.gid)

    def call(
        self, fs: Engine, op: str, parent: int, name: bytes | None = None, ctx: Context = ROOT
    ) -> Callable[[], Any]:
        """The call of a table row, ready to be made."""
        if op in ADDING:
            return lambda: ADDING[op](fs, self.spare, parent, b"new" if name is None else name, ctx)
        taken = OLD.get(op, b"old") if name is None else name
        return lambda: TAKING[op](fs, self.old, parent, taken, ctx)


def each(ops: Iterable[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("op", list(ops))


def rows(table: dict[int, Iterable[str]]) -> pytest.MarkDecorator:
    """Every call of a table of errno to calls."""
    return pytest.mark.parametrize(
        ("op", "errno"), [(op, errno) for errno, ops in table.items() for op in ops]
    )


EVERY = [*ADDING, *TAKING]


@each(EVERY)
@clause(
    "refusal/a-missing-parent-is-not-found", source="N12.2 N13.2 N14.2 N15.2 N16.5 N17.2", needs="namespace"
)
def test_missing_parent(volume: Volume, op: str) -> None:
    """A call on a directory that does not exist is refused with ENOENT."""
    refuses(ENOENT, Scene(volume).call(volume.fs, op, MISSING))


@rows({ENOTDIR: [*ADDING, "batch-unlink"], ENOENT: ["unlink", "rmdir", "remove", "rename-from"]})
@clause("refusal/a-file-is-no-parent", source="N12.2 N13.2 N14.2 N15.2 N16.5 N17.2", needs="namespace")
def test_file_as_parent(volume: Volume, op: str, errno: int) -> None:
    """A file as parent is refused with ENOTDIR where a name is added, while there is no name to take."""
    scene = Scene(volume)
    refuses(errno, scene.call(volume.fs, op, scene.spare))


@each(EVERY)
@pytest.mark.parametrize("mode", [0o555, 0o666, 0o733], ids=oct)
@clause(
    "refusal/a-parent-must-grant-write-and-search",
    source="R3 N12.2 N13.2 N14.2 N15.2 N16.5 N17.2 N31.1",
    needs="namespace",
)
def test_access_to_the_parent(volume: Volume, op: str, mode: int) -> None:
    """Entries change only where the mode grants both W and X to the caller; else EACCES."""
    scene = Scene(volume, mode)
    call = scene.call(volume.fs, op, scene.d, ctx=BOB)
    if mode == 0o733:
        call()
    else:
        refuses(EACCES, call)


@each(EVERY)
@clause("refusal/permissions-are-the-kernels-when-it-checks", source="X1 R3", needs="namespace")
def test_kernel_checks(volume: Volume, op: str) -> None:
    """A caller whose permissions the kernel checks may change a directory that grants nothing."""
    scene = Scene(volume, 0)
    scene.call(volume.fs, op, scene.d, ctx=KERNEL)()


@each(EVERY)
@clause("refusal/a-read-only-client-changes-nothing", source="M2", needs="namespace", clients=2)
def test_read_only(volume: Volume, op: str) -> None:
    """Every mutator of a read-only client is refused with EROFS."""
    scene = Scene(volume)
    reader = volume.open(read_only=True)
    with unchanged(volume):
        refuses(EROFS, scene.call(reader, op, scene.d))


@each(EVERY)
@clause("refusal/a-cancelled-call-is-interrupted", source="X2", needs="namespace")
def test_cancelled(volume: Volume, op: str) -> None:
    """A call whose context is already cancelled answers EINTR and changes nothing."""
    scene = Scene(volume)
    cancelled = threading.Event()
    cancelled.set()
    with unchanged(volume):
        refuses(EINTR, scene.call(volume.fs, op, scene.d, ctx=Context(cancelled=cancelled)))


@each(EVERY)
@clause(
    "refusal/an-immutable-directory-keeps-its-entries",
    source="N12.2 N13.2 N14.2 N15.2 N16.5 N17.2",
    needs="namespace",
)
def test_immutable_parent(volume: Volume, op: str) -> None:
    """Not even the superuser adds or takes a name in an IMMUTABLE directory: EPERM."""
    scene = Scene(volume)
    flag(volume, scene.d, AttrFlag.IMMUTABLE)
    with unchanged(volume):
        refuses(EPERM, scene.call(volume.fs, op, scene.d))


@each(ADDING)
@clause("refusal/an-append-only-directory-accepts-names", source="N12.2 N16.5 N17.2 D10", needs="namespace")
def test_append_only_parent_accepts(volume: Volume, op: str) -> None:
    """A name may be added to an APPEND directory."""
    scene = Scene(volume)
    flag(volume, scene.d, AttrFlag.APPEND)
    scene.call(volume.fs, op, scene.d)()
    assert volume.fs.lookup(scene.d, b"new").inode


@each(TAKING)
@clause(
    "refusal/an-append-only-directory-gives-no-name-away",
    source="N13.2 N14.2 N15.2 N16.5 D10",
    needs="namespace",
)
def test_append_only_parent_keeps(volume: Volume, op: str) -> None:
    """No name may be taken from an APPEND directory: EPERM."""
    scene = Scene(volume)
    flag(volume, scene.d, AttrFlag.APPEND)
    with unchanged(volume):
        refuses(EPERM, scene.call(volume.fs, op, scene.d))


@each(["unlink", "batch-unlink", "remove", "rename-from"])
@each_frozen
@clause("refusal/a-frozen-node-keeps-its-names", source="N13.2 N14.2 N16.5", needs="namespace")
def test_frozen_node(volume: Volume, op: str, frozen: AttrFlag) -> None:
    """The name of an IMMUTABLE or APPEND node cannot be taken: EPERM."""
    scene = Scene(volume)
    flag(volume, scene.old, frozen)
    with unchanged(volume):
        refuses(EPERM, scene.call(volume.fs, op, scene.d))


@each(TAKING)
@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
@clause(
    "refusal/a-sticky-directory-protects-the-nodes-of-others",
    source="R5 D2 N13.2 N14.2 N15.2 N16.5",
    needs="namespace",
)
def test_sticky_stranger(volume: Volume, op: str, checked: bool) -> None:
    """In a sticky directory EACCES answers who owns neither it nor the node, even with checks off."""
    scene = Scene(volume, 0o1777)
    stranger = Context(BOB.uid, BOB.gids, check_permission=checked)
    with unchanged(volume):
        refuses(EACCES, scene.call(volume.fs, op, scene.d, ctx=stranger))


@each(TAKING)
@pytest.mark.parametrize("owner", ["node", "directory", "nobody"])
@clause("refusal/a-sticky-directory-yields-to-owners", source="R5 N13.2 N14.2 N15.2 N16.5", needs="namespace")
def test_sticky_owner(volume: Volume, op: str, owner: str) -> None:
    """In a sticky directory the node's owner, the directory's owner and the superuser take names."""
    fs = volume.fs
    parent = volume.dir("sticky", mode=0o1777, uid=BOB.uid)
    file = volume.file("old", parent, uid=ALICE.uid)
    volume.dir("empty", parent, uid=ALICE.uid)
    ctx = {"node": ALICE, "directory": BOB, "nobody": ROOT}[owner]
    name = OLD.get(op, b"old")
    TAKING[op](fs, file, parent, name, ctx)
    refuses(ENOENT, fs.lookup, parent, name)


@rows({EPERM: [*ADDING, "unlink", "rmdir", "rename-from"]})
@clause(
    "refusal/the-name-of-the-trash-is-reserved", source="N12.1 N13.1 N15.1 N16.1 N17.1", needs="namespace"
)
def test_trash_name(volume: Volume, op: str, errno: int) -> None:
    """`.trash` in the root is neither made, replaced, moved nor removed: EPERM."""
    scene = Scene(volume)
    with unchanged(volume):
        refuses(errno, scene.call(volume.fs, op, 1, b".trash"))


@each([*ADDING, "unlink", "rmdir", "rename-from"])
@clause(
    "refusal/the-name-of-the-trash-is-free-elsewhere",
    source="N12.1 N13.1 N15.1 N16.1 N17.1",
    needs="namespace",
)
def test_trash_name_elsewhere(volume: Volume, op: str) -> None:
    """`.trash` is an ordinary name in any directory but the root."""
    scene = Scene(volume)
    if op == "rmdir":
        volume.dir(".trash", scene.d)
    elif op in TAKING:
        volume.file(".trash", scene.d)
    scene.call(volume.fs, op, scene.d, b".trash")()


@each(ADDING)
@pytest.mark.parametrize("parent", [TRASH_INODE, TRASH_INODE + 1], ids=["trash", "hour"])
@clause("refusal/nothing-is-made-in-the-trash", source="N12.1 N16.1 N17.1", needs="namespace")
def test_nothing_is_made_in_the_trash(volume: Volume, op: str, parent: int) -> None:
    """Not even the superuser adds a name to the trash or one of its directories: EPERM."""
    scene = Scene(volume)
    with unchanged(volume):
        refuses(EPERM, scene.call(volume.fs, op, parent))


@each(["unlink", "rmdir", "rename-from"])
@clause("refusal/only-the-superuser-takes-from-the-trash", source="N13.1 N15.1 N16.1", needs="namespace")
def test_only_the_superuser_takes_from_the_trash(volume: Volume, op: str) -> None:
    """Whoever is not the superuser is refused with EPERM in a directory of the trash."""
    scene = Scene(volume)
    refuses(EPERM, scene.call(volume.fs, op, TRASH_INODE + 1, ctx=ALICE))
    refuses(ENOENT, scene.call(volume.fs, op, TRASH_INODE + 1, ctx=ROOT))


DOT_ERRNO: dict[tuple[str, bytes], int] = {
    **{(op, name): EEXIST for op in ADDING if op != "rename-to" for name in (b".", b"..")},
    ("rename-to", b"."): EINVAL,
    ("rename-to", b".."): EINVAL,
    ("unlink", b"."): ENOENT,
    ("unlink", b".."): ENOENT,
    ("rename-from", b"."): ENOENT,
    ("rename-from", b".."): ENOENT,
    ("rmdir", b"."): EINVAL,
    ("rmdir", b".."): ENOTEMPTY,
    ("remove", b"."): EINVAL,
    ("remove", b".."): EINVAL,
}


@pytest.mark.parametrize(
    ("op", "name", "errno"),
    [pytest.param(op, name, errno, id=f"{op}-{name.decode()}") for (op, name), errno in DOT_ERRNO.items()],
)
@clause(
    "refusal/dot-names-are-no-entries", source="N12.1 N13.1 N15.1 N16.2 N17.1 N31.4 D5 Q4", needs="namespace"
)
def test_dot_names(volume: Volume, op: str, name: bytes, errno: int) -> None:
    """`.` and `..` are never entries that can be made, moved or removed."""
    scene = Scene(volume)
    with unchanged(volume), given_up_after(2) as ctx:
        refuses(errno, scene.call(volume.fs, op, scene.d, name, ctx))


@rows({EINVAL: ADDING, ENOENT: ["unlink", "rmdir", "remove", "rename-from"]})
@pytest.mark.parametrize("name", [b"", b"/", b"a/b", b"a\0b", b"\0"], ids=repr)
@clause("refusal/impossible-names-are-invalid", source="R2 N12.1 N13.1 N16.1 N17.1", needs="namespace")
def test_impossible_names(volume: Volume, op: str, errno: int, name: bytes) -> None:
    """An empty name, or one with `/` or NUL, is refused where it would be made and absent elsewhere."""
    scene = Scene(volume)
    with unchanged(volume):
        refuses(errno, scene.call(volume.fs, op, scene.d, name))


@each(["mknod", "mkdir", "create", "symlink", "link"])
@pytest.mark.parametrize("name", [b"old", b"empty"], ids=["file", "directory"])
@clause("refusal/a-taken-name-exists", source="N12.2 N17.2", needs="namespace")
def test_taken_name(volume: Volume, op: str, name: bytes) -> None:
    """A name that is taken, by whatever, is refused with EEXIST; create takes an existing file."""
    scene = Scene(volume)
    call = scene.call(volume.fs, op, scene.d, name)
    if (op, name) == ("create", b"old"):
        assert call().inode == scene.old
        return
    with unchanged(volume):
        refuses(EEXIST, call)


@each(["mknod", "mkdir", "create", "symlink"])
@pytest.mark.parametrize("limit", [{"Inodes": 4}, {"Capacity": 4 * 4096}], ids=["inodes", "capacity"])
@clause("refusal/a-full-volume-has-no-space", source="N12.1 R12", needs="namespace")
def test_full_volume(volume: Volume, op: str, limit: dict[str, int]) -> None:
    """A node that would pass the volume's limit of bytes or inodes is refused with ENOSPC."""
    volume.format(**limit)
    scene = Scene(volume)
    volume.fs.refresh()
    with unchanged(volume):
        refuses(ENOSPC, scene.call(volume.fs, op, scene.d))
    volume.fs.unlink(scene.d, b"old")
    scene.call(volume.fs, op, scene.d)()


@each(["link", "rename-to"])
@clause("refusal/a-full-volume-still-takes-names", source="N17.1 N16.5", needs="namespace")
def test_full_volume_takes_names(volume: Volume, op: str) -> None:
    """A name that needs no new node is not held to the volume's limits."""
    volume.format(Inodes=4)
    scene = Scene(volume)
    volume.fs.refresh()
    scene.call(volume.fs, op, scene.d)()


@clause("refusal/limits-hold-from-the-first-refresh", source="R12", needs="namespace", clients=2)
def test_limits_hold_from_the_first_refresh(volume: Volume) -> None:
    """A new client knows no usage until its first refresh, so it may pass a limit once."""
    volume.format(Inodes=3)
    for name in ("a", "b", "c"):
        volume.file(name)
    late = volume.open()
    late.create(1, b"beyond", 0o644)
    late.refresh()
    refuses(ENOSPC, late.create, 1, b"further", 0o644)
