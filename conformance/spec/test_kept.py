"""What each format keeps, counts anew and leaves out, line by line of the table in docs/dump.md (L4, L5)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.backups import backed_up
from metaparity.conformance.scenes.dumps import dumped, reloaded, restored, without_counters
from metaparity.conformance.scenes.holdings import (
    IDLE_RULES,
    LAST_RULE,
    ROWS,
    RULES,
    Fate,
    Held,
    differing,
    everything,
    full,
)
from metaparity.drivers.types import AclType, Rule
from metaparity.fixtures.volumes import Volume

OF_RULES = RULES, IDLE_RULES, LAST_RULE
"""Lines that have clauses of their own, with a client that has met no rule before."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a dump goes."""
    return tmp_path / "dump"


def held(volume: Volume) -> Held:
    """What a volume holds."""
    return Held(volume.keyspace())


@pytest.mark.parametrize("line", [line for line in ROWS if line not in OF_RULES])
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
    volume.not_kept.add(b"aclMaxId")  # which has a clause of its own
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
    """ACLs that nodes have are numbered anew by a load, in the order of the dump; a restore keeps all of them
    under their numbers."""
    everything(volume)
    before, numbers, idle = held(volume), ROWS[RULES].of, ROWS[IDLE_RULES].of
    assert numbers(before) != before.rules_met()
    assert idle(before)
    dumped(volume.fs, path, keep_secret=True)
    backed_up(volume.fs, path.with_name("backup"))
    reloaded(volume, path)
    loaded = held(volume)
    assert (numbers(loaded), idle(loaded)) == (before.rules_met(), {})
    assert ROWS[LAST_RULE].of(loaded) == {"acl_max_id": max(map(max, before.rules_met().values()))}
    restored(volume, path.with_name("backup"))
    again = held(volume)
    assert (numbers(again), idle(again)) == (numbers(before), idle(before))


@clause("dump/odd-names-of-attributes-are-replaced", source="L4.10", needs="dump.json", clients=2)
def test_odd_attribute(volume: Volume, path: Path) -> None:
    """In the name of an extended attribute each byte that is no UTF-8 comes back from a load as U+FFFD."""
    inode = volume.file("x")
    volume.fs.xattr_set(inode, b"user.\xff\xfeb", b"v\xff")
    dumped(volume.fs, path)
    reloaded(volume, path)
    assert volume.raw.hgetall(f"x{inode}") == {"user.\ufffd\ufffdb".encode(): b"v\xff"}


@clause("backup/keeps-the-number-of-the-last-acl", source="L5.15", needs="backup.binary", clients=2)
def test_last_rule(volume: Volume, path: Path) -> None:
    """After a restore the number of the last ACL is that of the backup, whatever was restored before."""
    for number in (3, 1):
        volume.reset()
        volume.format(EnableACL=True)
        x = volume.file("x")
        for perm in range(number):
            volume.fs.acl_set(x, AclType.ACCESS, Rule(6, 4, 5, 0, [(1001, perm)], []))
        backed_up(volume.fs, path)
        restored(volume, path)
        assert ROWS[LAST_RULE].of(held(volume)) == {"acl_max_id": number}


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
