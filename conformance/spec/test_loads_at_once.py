"""Two loads into one database at the same time (L4.17, L5.14)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.dumps import on_empty
from metaparity.drivers.api import Engine
from metaparity.drivers.engine.keys import Keys
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import TRASH_INODE
from metaparity.fixtures.volumes import Volume

ROUNDS = 12

Call: TypeAlias = Callable[[Engine, str], None]
"""Makes or takes the file at a path."""


@clause("dump/two-loads-at-once-do-not-mix", source="L4.17", needs="dump.json", clients=2)
def test_loads(volume: Volume, tmp_path: Path) -> None:
    """Of two loads into one database at the same time at most one ends well, with its own nodes alone."""
    at_once(volume, tmp_path, lambda fs, path: fs.dump(path), lambda fs, path: fs.load_dump(path))


@clause("backup/two-restores-at-once-do-not-mix", source="L5.14", needs="backup.binary", clients=2)
def test_restores(volume: Volume, tmp_path: Path) -> None:
    """Of two restores into one database at the same time at most one ends well, with its own nodes alone."""
    at_once(volume, tmp_path, lambda fs, path: fs.backup(path), lambda fs, path: fs.restore(path))


def at_once(volume: Volume, folder: Path, save: Call, fill: Call) -> None:
    """Fill the database from two files at the same time, several times, each with a client of its own."""
    volume.format(TrashDays=0)
    for number in range(50):
        volume.file(f"common{number}")
    files, wanted = list[str](), list[set[int]]()
    for name in ("one", "other"):
        volume.dir(name)
        volume.fs.settle()
        save(volume.fs, str(folder / name))
        files.append(str(folder / name))
        wanted.append(nodes(volume))
        volume.fs.rmdir(1, name.encode())
    assert len(wanted[0] - wanted[1]) == len(wanted[1] - wanted[0]) == 1
    clients = [on_empty(volume), volume.connect()]
    for _ in range(ROUNDS):
        volume.raw.flushdb()
        together = threading.Barrier(2)

        def filled(which: int, together: threading.Barrier = together) -> bool:
            together.wait(timeout=10)
            try:
                fill(clients[which], files[which])
            except Refused:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            ended = [*pool.map(filled, (0, 1))]
        mixed = all(ended) or (any(ended) and nodes(volume) != wanted[ended.index(True)])
        assert not mixed, "both ended well, or one did with nodes of the other"


def nodes(volume: Volume) -> set[int]:
    """The inodes of all nodes but the trash, which a load may make."""
    keys = map(Keys().parse, volume.raw.scan_iter("i*", count=1000))
    return {key.numbers[0] for key in keys if key.kind == "attr"} - {TRASH_INODE}
