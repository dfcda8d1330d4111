"""What each format keeps, counts anew and leaves out, line by line of the table in docs/dump.md (L4, L5)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.backups import backed_up
from metaparity.conformance.scenes.dumps import dumped, reloaded, restored, without_counters
from metaparity.conformance.scenes.holdings import ROWS, Fate, Held, differing, everything, full
from metaparity.fixtures.volumes import Volume

RULES = "numbers of ACLs"
"""The line that only a client shows which knows of no rules yet: it has a clause of its own."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a dump goes."""
    return tmp_path / "dump"


def held(volume: Volume) -> Held:
    """What a volume holds."""
    return Held(volume.keyspace())


@pytest.mark.parametrize("line", [line for line in ROWS if line != RULES])
@clause(
    "backup/each-format-keeps-what-the-table-says",
    source="L4.16 L4.18 L4.19 L4.20 L4.21 L4.22 L4.23 L4.24 L5.9 L5.10 L5.13 L5.15",
    needs="backup.binary",
)
def test_table(volume: Volume, path: Path, line: str) -> None:
    """Each line of the table a format keeps as it is stored, counts anew, or leaves out."""
    row, made, fs = ROWS[line], everything(volume), volume.fs
    anew = (row.anew or row.of)(held(volume))
    row.spoil(volume, made)
    stored = row.of(held(volume))
    assert stored, "there is something to keep"
    assert "counted anew" not in (row.json, row.binary) or stored != anew, "the two can be told apart"
    dumped(fs, path, keep_secret=True)
    backed_up(fs, path.with_name("backup"))
    loads: list[tuple[Fate, Callable[[str], None], Path]] = [
        (row.json, fs.load_dump, path),
        (row.binary, fs.restore, path.with_name("backup")),
    ]
    for fate, load, file in loads:
        volume.raw.flushdb()
        load(str(file))
        after = row.of(held(volume))
        if fate == "no":
            assert [key for key, value in stored.items() if after.get(key) == value] == [], file.name
        else:
            assert after == (stored if fate == "yes" else anew), file.name


@clause("dump/numbers-acls-as-it-meets-them", source="L4.20 L5.10", needs="backup.binary", clients=2)
def test_rules(volume: Volume, path: Path) -> None:
    """ACLs are numbered anew by a load, equal ones as one, in the order of the dump; a restore keeps their
    numbers."""
    everything(volume)
    before, row = held(volume), ROWS[RULES]
    assert row.of(before) != before.rules_met()
    dumped(volume.fs, path, keep_secret=True)
    backed_up(volume.fs, path.with_name("backup"))
    reloaded(volume, path)
    assert row.of(held(volume)) == before.rules_met()
    restored(volume, path.with_name("backup"))
    assert row.of(held(volume)) == row.of(before)


@clause(
    "dump/a-backup-between-two-dumps-loses-nothing",
    source="L4.18 L4.19 L4.20 L4.21 L4.22 L4.23 L4.24 L5.21",
    needs="backup.binary",
    clients=2,
)
def test_conversions(volume: Volume, path: Path) -> None:
    """From a dump to a backup and back, nothing is lost: what was loaded comes back to the last counter."""
    full(volume)
    before = held(volume)
    first = dumped(volume.fs, path, keep_secret=True)
    fs = reloaded(volume, path)
    loaded = held(volume)
    second = dumped(fs, path, keep_secret=True)
    backed_up(fs, path)
    fs = restored(volume, path)
    assert differing(before, loaded, "json") == {}
    assert differing(loaded, held(volume), "binary") == {}
    assert without_counters(second) == without_counters(first)
    assert dumped(fs, path, keep_secret=True) == second
