"""What each primitive does to times, links and parents, as one table (N41, R6)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from errno import ENOENT
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.verbs import alike, refuses, window
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Attr, Entry, FileType, OpenFlag, RenameFlag, SetAttr
from metaparity.fixtures.volumes import Volume

EXCHANGE = RenameFlag.EXCHANGE


class Scene:
    """Directories `s` and `t`, each with a file, a directory and a name of the linked file `h`."""

    def __init__(self, volume: Volume) -> None:
        self.s, self.t = volume.dir("s"), volume.dir("t")
        self.x, self.y = volume.file("x", self.s), volume.file("y", self.t)
        self.d, self.e = volume.dir("d", self.s), volume.dir("e", self.t)
        self.d2 = volume.dir("d2", self.s)
        self.h = volume.file("h", self.s)
        volume.fs.link(self.h, self.t, b"h")

    def attrs(self, fs: Engine) -> dict[str, Attr | None]:
        """The attributes of every node by its name here; None for one that is gone."""
        found: dict[str, Attr | None] = {}
        for name, inode in {"root": 1, **vars(self)}.items():
            try:
                found[name] = fs.getattr(inode)
            except FileNotFoundError:
                found[name] = None
        return found


THROTTLED, ALWAYS = "throttled", "always"


@dataclass(frozen=True)
class Effect:
    """One row: a call, and what it changes; whatever is not named stays as it was."""

    name: str
    call: Callable[[Engine, Scene], Any]
    stamps: Mapping[str, str] = field(default_factory=dict)
    """Directories whose mtime and ctime become now, and whether the throttle applies."""
    ctimes: str = ""
    """Nodes whose ctime becomes now."""
    links: Mapping[str, int] = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)
    """Nodes with a new parent, by the name of that parent; "" is 0."""
    gone: str = ""


BOTH = {"s": THROTTLED, "t": THROTTLED}
BOTH_ALWAYS = {"s": ALWAYS, "t": ALWAYS}
S, T = {"s": THROTTLED}, {"t": THROTTLED}

EFFECTS = [
    Effect("mknod", lambda fs, at: fs.mknod(at.s, b"new", FileType.FIFO, 0o644), S),
    Effect("create", lambda fs, at: fs.create(at.s, b"new", 0o644), S),
    Effect("symlink", lambda fs, at: fs.symlink(at.s, b"new", b"target"), S),
    Effect("mkdir", lambda fs, at: fs.mkdir(at.s, b"new", 0o755), {"s": ALWAYS}, links={"s": 1}),
    Effect("create-existing", lambda fs, at: fs.create(at.s, b"x", 0o600)),
    Effect("link", lambda fs, at: fs.link(at.x, at.t, b"new"), T, "x", {"x": 1}, {"x": ""}),
    Effect("link-again", lambda fs, at: fs.link(at.h, at.t, b"new"), T, "h", {"h": 1}),
    Effect("unlink", lambda fs, at: fs.unlink(at.s, b"x"), S, gone="x"),
    Effect("unlink-one-of-two", lambda fs, at: fs.unlink(at.s, b"h"), S, "h", {"h": -1}),
    Effect("unlink-open", lambda fs, at: (fs.open_file(at.x), fs.unlink(at.s, b"x")), S, "x", {"x": -1}),
    Effect("batch-unlink", lambda fs, at: fs.batch_unlink(at.s, [Entry(b"x", at.x, 0)]), S, gone="x"),
    Effect(
        "batch-unlink-one-of-two",
        lambda fs, at: fs.batch_unlink(at.t, [Entry(b"h", at.h, 0)]),
        T,
        "h",
        {"h": -1},
    ),
    Effect("rmdir", lambda fs, at: fs.rmdir(at.s, b"d"), {"s": ALWAYS}, links={"s": -1}, gone="d"),
    Effect("rename-file", lambda fs, at: fs.rename(at.s, b"x", at.s, b"new"), S, "x"),
    Effect(
        "rename-file-across", lambda fs, at: fs.rename(at.s, b"x", at.t, b"new"), BOTH, "x", moves={"x": "t"}
    ),
    Effect("rename-linked-across", lambda fs, at: fs.rename(at.s, b"h", at.t, b"new"), BOTH, "h"),
    Effect("rename-directory", lambda fs, at: fs.rename(at.s, b"d", at.s, b"new"), S, "d"),
    Effect(
        "rename-directory-across",
        lambda fs, at: fs.rename(at.s, b"d", at.t, b"new"),
        BOTH_ALWAYS,
        "d",
        {"s": -1, "t": 1},
        {"d": "t"},
    ),
    Effect(
        "rename-over-file-across",
        lambda fs, at: fs.rename(at.s, b"x", at.t, b"y"),
        BOTH,
        "x",
        moves={"x": "t"},
        gone="y",
    ),
    Effect(
        "rename-over-one-of-two",
        lambda fs, at: fs.rename(at.s, b"x", at.s, b"h"),
        S,
        "x h",
        {"h": -1},
    ),
    Effect(
        "rename-over-directory",
        lambda fs, at: fs.rename(at.s, b"d", at.s, b"d2"),
        {"s": ALWAYS},
        "d",
        {"s": -1},
        gone="d2",
    ),
    Effect(
        "rename-over-directory-across",
        lambda fs, at: fs.rename(at.s, b"d", at.t, b"e"),
        BOTH_ALWAYS,
        "d",
        {"s": -1},
        {"d": "t"},
        gone="e",
    ),
    Effect("rename-to-itself", lambda fs, at: fs.rename(at.s, b"x", at.s, b"x")),
    Effect("rename-to-another-name-of-it", lambda fs, at: fs.rename(at.s, b"h", at.t, b"h")),
    Effect("exchange-files", lambda fs, at: fs.rename(at.s, b"x", at.s, b"h", EXCHANGE), S, "x h"),
    Effect("exchange-directories", lambda fs, at: fs.rename(at.s, b"d", at.s, b"d2", EXCHANGE), S, "d d2"),
    Effect(
        "exchange-file-and-directory", lambda fs, at: fs.rename(at.s, b"x", at.s, b"d", EXCHANGE), S, "x d"
    ),
    Effect(
        "exchange-files-across",
        lambda fs, at: fs.rename(at.s, b"x", at.t, b"y", EXCHANGE),
        BOTH,
        "x y",
        moves={"x": "t", "y": "s"},
    ),
    Effect(
        "exchange-directories-across",
        lambda fs, at: fs.rename(at.s, b"d", at.t, b"e", EXCHANGE),
        BOTH_ALWAYS,
        "d e",
        moves={"d": "t", "e": "s"},
    ),
    Effect(
        "exchange-file-and-directory-across",
        lambda fs, at: fs.rename(at.s, b"x", at.t, b"e", EXCHANGE),
        BOTH_ALWAYS,
        "x e",
        {"s": 1, "t": -1},
        {"x": "t", "e": "s"},
    ),
    Effect("setattr", lambda fs, at: fs.setattr(at.x, SetAttr.FLAGS, Attr()), ctimes="x"),
    Effect("setattr-without-change", lambda fs, at: fs.setattr(at.x, SetAttr.MODE, Attr(mode=0o644))),
    Effect("open", lambda fs, at: (fs.open_file(at.x, OpenFlag.RDWR), fs.close_file(at.x))),
    Effect("readdir", lambda fs, at: fs.readdir(at.s, plus=True)),
    Effect("lookup", lambda fs, at: (fs.lookup(at.s, b"x"), fs.access(at.x, 6), fs.statfs(at.s))),
    Effect("paths", lambda fs, at: (fs.parents(at.h), fs.paths(at.h))),
    Effect(
        "summary", lambda fs, at: (fs.summary(1, True, True), fs.summary(1, True), fs.tree_summary(1, 3, 3))
    ),
]

each_effect = pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.name)


def observe(fs: Engine, effect: Effect, scene: Scene, *, throttled: bool) -> None:
    """Make the call of a row and hold every node to it."""
    before = scene.attrs(fs)
    with window() as w:
        effect.call(fs, scene)
    after = scene.attrs(fs)
    for name, old in before.items():
        new = after[name]
        if name in effect.gone.split():
            assert new is None, f"expected {name} to be gone, observed {new!r}"
            continue
        assert old is not None
        assert new is not None, f"expected {name} to stay, observed ENOENT"
        kind = effect.stamps.get(name)
        stamped = kind == ALWAYS or (kind == THROTTLED and not throttled)
        touched = name in effect.ctimes.split()
        changing = {"nlink": name in effect.links, "parent": name in effect.moves}
        changing |= {"mtime": stamped, "ctime": stamped or touched}
        alike(new, old, but=[one for one, changes in changing.items() if changes])
        if stamped:
            assert w.covers(new.mtime), f"expected {name}.mtime of now, observed {new.mtime}"
            assert new.mtime == new.ctime
        if touched:
            assert w.covers(new.ctime), f"expected {name}.ctime of now, observed {new.ctime}"
        if name in effect.links:
            assert new.nlink == old.nlink + effect.links[name]
        if name in effect.moves:
            assert new.parent == (vars(scene)[effect.moves[name]] if effect.moves[name] else 0)


@each_effect
@clause(
    "effects/times-links-and-parents-follow-the-table",
    source="N41 N12.5 N13.9 N15.3 N16.8 N16.9 N17.3",
    needs="namespace",
)
def test_effect(volume: Volume, effect: Effect) -> None:
    """Each call changes the times, links and parents that its row names, and nothing else of any node."""
    observe(volume.fs, effect, Scene(volume), throttled=False)


@each_effect
@clause("effects/recent-directories-are-not-stamped-again", source="R6 N41 D11", needs="namespace", clients=2)
def test_throttle(volume: Volume, effect: Effect) -> None:
    """With a throttle, a directory stamped recently is stamped again only where its links may change."""
    scene = Scene(volume)
    observe(volume.open(skip_dir_mtime=3600.0), effect, scene, throttled=True)


def set_mtime(volume: Volume, scene: Scene, seconds_from_now: float) -> None:
    stamp = int(time.time() + seconds_from_now), 123_456_789
    for directory in (scene.s, scene.t):
        volume.fs.setattr(directory, SetAttr.MTIME, Attr(mtime=stamp))


@each_effect
@clause(
    "effects/older-directories-are-stamped-despite-a-throttle", source="R6 N41", needs="namespace", clients=2
)
def test_elapsed_throttle(volume: Volume, effect: Effect) -> None:
    """A directory whose mtime is at least the throttle's period ago is stamped."""
    scene = Scene(volume)
    set_mtime(volume, scene, -100.0)
    observe(volume.open(skip_dir_mtime=60.0), effect, scene, throttled=False)


@each_effect
@clause("effects/directories-of-the-future-are-not-stamped", source="R6 N41 D11", needs="namespace")
def test_future(volume: Volume, effect: Effect) -> None:
    """A directory whose mtime lies in the future keeps mtime and ctime, unless its links may change."""
    scene = Scene(volume)
    set_mtime(volume, scene, 3600.0)
    observe(volume.fs, effect, scene, throttled=True)


@clause(
    "effects/the-two-directories-of-a-move-are-stamped-apart", source="R6 N16.8", needs="namespace", clients=2
)
def test_throttled_apart(volume: Volume) -> None:
    """Of the two directories of a move, the throttle may spare one and not the other."""
    fs = volume.open(skip_dir_mtime=60.0)
    s, t = volume.dir("s"), volume.dir("t")
    volume.file("x", s)
    fs.setattr(t, SetAttr.MTIME, Attr(mtime=(1_000_000_000, 0)))
    before = fs.getattr(s)
    with window() as w:
        fs.rename(s, b"x", t, b"y")
    alike(fs.getattr(s), before)
    assert w.covers(fs.getattr(t).mtime)


@clause("effects/one-moment-stamps-all", source="N41", needs="namespace")
def test_one_moment(volume: Volume) -> None:
    """Everything that one call stamps has one and the same time."""
    fs = volume.fs
    s, t = volume.dir("s"), volume.dir("t")
    x, y = volume.file("x", s), volume.file("y", t)
    fs.rename(s, b"x", t, b"y", EXCHANGE)
    assert len({fs.getattr(x).ctime, fs.getattr(y).ctime, fs.getattr(s).mtime, fs.getattr(t).ctime}) == 1


@clause("effects/an-access-time-is-never-touched-by-names", source="N41 D12", needs="namespace", clients=2)
def test_atime(volume: Volume) -> None:
    """No call that changes names changes an atime, also where reading would."""
    fs = volume.open(atime_mode="strictatime")
    s = volume.dir("s")
    x = volume.file("x", s)
    before = fs.getattr(s).atime, fs.getattr(x).atime
    fs.link(x, s, b"again")
    fs.rename(s, b"x", s, b"y")
    fs.unlink(s, b"again")
    fs.mkdir(s, b"d", 0o755)
    fs.rmdir(s, b"d")
    assert (fs.getattr(s).atime, fs.getattr(x).atime) == before
    fs.unlink(s, b"y")
    refuses(ENOENT, fs.getattr, x)
