"""A read-only client reads everything and changes nothing (M2)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EROFS
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import TRASH_INODE, Attr, Format, OpenFlag, SetAttr
from metaparity.fixtures.volumes import FORMAT, Volume

READS: dict[str, Callable[[Engine, int, int], Any]] = {
    "lookup": lambda fs, d, x: (fs.lookup(1, b"d"), fs.lookup(d, b".."), fs.lookup(1, b".trash")),
    "resolve-by-force": lambda fs, d, x: fs.resolve(1, b"d/x", True),
    "getattr": lambda fs, d, x: (fs.getattr(1), fs.getattr(x), fs.getattr(TRASH_INODE)),
    "access": lambda fs, d, x: fs.access(x, 7),
    "check-setattr": lambda fs, d, x: fs.check_setattr(x, SetAttr.MODE, Attr(mode=0)),
    "readdir": lambda fs, d, x: sorted(entry.name for entry in fs.readdir(d, True)),
    "opendir": lambda fs, d, x: sorted(entry.name for entry in fs.dir_list(fs.opendir(d), 0)),
    "open": lambda fs, d, x: (fs.open_file(x, OpenFlag.RDONLY), fs.close_file(x)),
    "parents": lambda fs, d, x: (fs.parents(x), fs.paths(x)),
    "statfs": lambda fs, d, x: fs.statfs(1),
    "summary": lambda fs, d, x: fs.summary(1, True, True),
    "session-list": lambda fs, d, x: (fs.session_list(), fs.session_get(1, True)),
    "refresh": lambda fs, d, x: fs.refresh(),
    "load": lambda fs, d, x: dict(fs.load(True)),
}

WRITES: dict[str, Callable[[Engine, int, int], Any]] = {
    "setattr": lambda fs, d, x: fs.setattr(x, SetAttr.MODE, Attr(mode=0o600)),
    "setattr-equal": lambda fs, d, x: fs.setattr(x, SetAttr.MODE, fs.getattr(x)),
    "setattr-missing": lambda fs, d, x: fs.setattr(404, SetAttr.MODE, Attr(mode=0o600)),
    "open-for-writing": lambda fs, d, x: fs.open_file(x, OpenFlag.RDWR),
    "open-missing": lambda fs, d, x: fs.open_file(404, OpenFlag.WRONLY),
    "chroot-to-new": lambda fs, d, x: fs.chroot(b"new"),
    "init": lambda fs, d, x: fs.init(Format({**FORMAT, "Capacity": 2**40})),
    "init-by-force": lambda fs, d, x: fs.init(FORMAT.replace(Name="new"), True),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@clause("read-only/reads-as-any-other", source="M2 T42 T46", needs="namespace", clients=2)
def test_reads(volume: Volume, read: Callable[[Engine, int, int], Any]) -> None:
    """A read-only client answers every question as another client does, and leaves no trace."""
    d = volume.dir("d")
    x = volume.file("x", d)
    wanted = read(volume.fs, d, x)
    volume.fs.settle()
    client = volume.open(read_only=True)
    with unchanged(volume):
        assert read(client, d, x) == wanted


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@clause(
    "read-only/attributes-and-settings-do-not-change",
    source="M2 N8.1 N20.1 T42 T46",
    needs="namespace",
    clients=2,
)
def test_writes(volume: Volume, write: Callable[[Engine, int, int], Any]) -> None:
    """Whatever would change a node or the settings is EROFS on a read-only client."""
    d = volume.dir("d")
    x = volume.file("x", d)
    client = volume.open(read_only=True)
    with unchanged(volume):
        refuses(EROFS, write, client, d, x)
    assert volume.fs.load().name == FORMAT.name
