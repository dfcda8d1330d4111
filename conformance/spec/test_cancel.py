"""A call whose caller has given up (X2, T43)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from errno import EINTR, ENOENT
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.actors import ALICE
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Attr, Context, OpenFlag, SetAttr
from metaparity.fixtures.volumes import Volume


def given_up(uid: int = 0) -> Context:
    """A caller whose call is cancelled before it begins."""
    cancelled = threading.Event()
    cancelled.set()
    return Context(uid, (uid,), cancelled=cancelled)


CALLS: dict[str, Callable[[Engine, int, int, Context], Any]] = {
    "lookup": lambda fs, d, x, ctx: fs.lookup(d, b"x", ctx=ctx),
    "lookup-dot": lambda fs, d, x, ctx: fs.lookup(d, b".", ctx=ctx),
    "resolve-by-force": lambda fs, d, x, ctx: fs.resolve(1, b"d/x", True, ctx=ctx),
    "getattr": lambda fs, d, x, ctx: fs.getattr(x, ctx=ctx),
    "access": lambda fs, d, x, ctx: fs.access(x, 4, ctx=ctx),
    "setattr": lambda fs, d, x, ctx: fs.setattr(x, SetAttr.MODE, Attr(mode=0o777), ctx=ctx),
    "check-setattr": lambda fs, d, x, ctx: fs.check_setattr(x, SetAttr.MODE, Attr(mode=0), ctx=ctx),
    "readdir": lambda fs, d, x, ctx: fs.readdir(d, ctx=ctx),
    "readdir-plus": lambda fs, d, x, ctx: fs.readdir(d, True, ctx=ctx),
    "opendir": lambda fs, d, x, ctx: fs.opendir(d, ctx=ctx),
    "open": lambda fs, d, x, ctx: fs.open_file(x, OpenFlag.RDONLY, ctx=ctx),
    "chroot": lambda fs, d, x, ctx: fs.chroot(b"d", ctx=ctx),
    "chroot-to-new": lambda fs, d, x, ctx: fs.chroot(b"new", ctx=ctx),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@clause("cancel/a-call-given-up-is-interrupted", source="X2 T43", needs="open")
def test_interrupted(volume: Volume, call: Callable[[Engine, int, int, Context], Any]) -> None:
    """A cancelled call of whoever is not the superuser answers EINTR and changes nothing."""
    d = volume.dir("d", mode=0o755, uid=ALICE.uid)
    x = volume.file("x", d, uid=ALICE.uid)
    with unchanged(volume):
        refuses(EINTR, call, volume.fs, d, x, given_up(ALICE.uid))


@clause("cancel/a-cancelled-open-does-not-count", source="X2 N20.2", needs="open")
def test_open(volume: Volume) -> None:
    """A file whose opening was cancelled is not open: it goes with its name."""
    x = volume.file("x")
    refuses(EINTR, volume.fs.open_file, x, ctx=given_up())
    volume.fs.unlink(1, b"x")
    refuses(ENOENT, volume.fs.getattr, x)


@clause("cancel/a-close-is-never-given-up", source="N20.4", needs="open")
def test_close(volume: Volume) -> None:
    """A close counts even if its caller has given up: it never refuses."""
    x = volume.file("x")
    volume.fs.open_file(x)
    volume.fs.unlink(1, b"x")
    volume.fs.close_file(x, ctx=given_up())
    refuses(ENOENT, volume.fs.getattr, x)


@clause("cancel/statfs-never-refuses", source="N3.1", needs="namespace")
def test_statfs(volume: Volume) -> None:
    """statfs gives the figures that the client knows even to a caller who has given up."""
    volume.file("x")
    volume.fs.refresh()
    assert volume.fs.statfs(1, ctx=given_up()) == volume.fs.statfs(1)


@clause("cancel/the-next-call-is-served", source="X2", needs="namespace")
def test_next_call(volume: Volume) -> None:
    """After a cancelled call the client works as before, also where scripts are used."""
    x = volume.file("x")
    for _ in range(3):
        refuses(EINTR, volume.fs.lookup, 1, b"x", ctx=given_up())
        assert volume.fs.lookup(1, b"x").inode == x
        refuses(EINTR, volume.fs.setattr, x, SetAttr.MODE, Attr(mode=0), ctx=given_up())
        assert volume.fs.setattr(x, SetAttr.MODE, Attr(mode=0o600)).mode == 0o600
