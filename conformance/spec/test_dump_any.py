"""Dumps and backups of what generated histories leave: whatever was done, it all comes back (L4, L5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from metaparity.conformance.clause import Figures, clause
from metaparity.conformance.generated.history import generate
from metaparity.conformance.generated.lanes import Lane
from metaparity.conformance.generated.steering import pins_of
from metaparity.conformance.generated.verdict import told as said
from metaparity.conformance.generated.vocabulary import offered
from metaparity.conformance.harness import profiles
from metaparity.conformance.laws import require_laws
from metaparity.conformance.plugin import CHOICES
from metaparity.conformance.scenes.backups import (
    BOTH_HOLD,
    NAMES,
    Item,
    backed_up,
    contents,
    items,
    segments,
    wire,
)
from metaparity.conformance.scenes.dumps import LAST_RULE, dumped, reloaded, restored, trees, without_counters
from metaparity.conformance.scenes.holdings import Held, differing
from metaparity.conformance.scenes.records import Record, record_of
from metaparity.drivers.api import Engine
from metaparity.drivers.registry import driver
from metaparity.drivers.types import CHUNK_SIZE, TRASH_INODE
from metaparity.fixtures.volumes import Volume

VOLUMES = {"quick": (5, 300), "nightly": (40, 600)}
"""How many volumes there are, and the steps of the history of each, by profile."""

TOLD = {2, 3, 4, 5}
"""The fields of the item of a quota that tell limits and usage."""
NO_LIMIT = (1 << 64) - 1
OF_DIRECTORIES = 11
"""The list of the quotas of directories: those of owners stand in others."""


KINDS = [kind for kind in BOTH_HOLD if kind not in ("parent", "sliceRef")]
"""What is compared: parents follow from the entries and references from the chunks, which the laws ask."""


def held(backup: bytes, kind: str) -> list[Item]:
    """The items of a kind that a dump can tell, too: chunks within the length of a file, limits of
    directories that are there, and owners who own something or have a limit."""
    found, there = items(backup, kind), nodes(backup)
    if kind == "chunk":
        return [
            one for one in found if number(one, 1) in there and starts(one) < there[number(one, 1)].length
        ]
    if kind == "quota":
        return [
            one
            for one in found
            if (
                number(one, 1) in there and has_limit(one)
                if one.list == OF_DIRECTORIES
                else has_usage_or_limit(one)
            )
        ]
    return found


def has_limit(quota: Item) -> bool:
    """Whether the item of a quota limits anything: where it does not, a dump leaves it out (L4.6)."""
    return (number(quota, 2), number(quota, 3)) != (NO_LIMIT, NO_LIMIT)


def has_usage_or_limit(owner: Item) -> bool:
    """Whether the item of a quota tells of more than that there is an owner."""
    return any(value != NO_LIMIT for field, value in wire(owner.data) if field in TOLD)


def kinds(backup: bytes) -> list[int]:
    """The kinds of the segments of a backup: the settings and counters first, the order of others is open."""
    found = [kind for kind, _ in segments(backup)]
    return found[:2] + sorted(found[2:])


def number(one: Item, field: int) -> int:
    """A number that an item has in a field."""
    value = dict(wire(one.data)).get(field, 0)
    assert isinstance(value, int)
    return value


def starts(chunk: Item) -> int:
    """Where in its file a chunk begins, in bytes."""
    return number(chunk, 2) * CHUNK_SIZE


def nodes(backup: bytes) -> dict[int, Record]:
    """The nodes by inode, without that of the trash: a load makes one where there is none (L4.13)."""
    found = {number(one, 1): dict(wire(one.data))[2] for one in items(backup, "node")}
    return {inode: record_of(bytes(blob)) for inode, blob in found.items() if inode != TRASH_INODE}


BUILDERS = frozenset(
    {
        *("mknod", "mkdir", "create", "symlink", "link", "write", "copy_file_range", "clone"),
        *("xattr_set", "acl_set", "quota_set"),
    }
)
"""Words that are said more often than others, so that there is something to dump."""
MORE_OFTEN = 6

Each = Callable[[Callable[[Engine], None]], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file goes."""
    return tmp_path / "file"


@pytest.fixture
def each(volume: Volume, pytestconfig: pytest.Config, record_property: Figures) -> Each:
    """Looks at one volume after the other, each with a client that has begun on it once all others had ended
    their sessions.

    What any driver of the run is steered around, or cannot do, is left out for all: they have the same
    volumes.
    """
    drivers = pytestconfig.stash[CHOICES].drivers
    pins = pins_of(drivers)
    common = frozenset.intersection(*(driver(name).capabilities for name in drivers))
    count, steps = VOLUMES[profiles.chosen(pytestconfig)]
    first = int(pytestconfig.getoption("hypothesis_seed", None) or 0)

    words = {
        word: weight * MORE_OFTEN if word in BUILDERS else weight for word, weight in offered(common).items()
    }

    def look(at: Callable[[Engine], None]) -> None:
        volume.keeping = False  # how often a client stores the same rule of access is its own business
        lane = Lane(volume.driver.name, replace(volume.driver, capabilities=common), volume.place)
        try:
            for seed in range(first, first + count):
                volume.reset()
                made = generate([lane], seed, steps, pins, words=words)
                assert made.disagreement is None, "\n".join([f"seed {seed}:", *said(made.disagreement)])
                for client in lane.clients.values():
                    client.settle()
                    client.session_close()
                    client.settle()
                lane.close_clients()
                client = volume.connect()
                client.load()
                at(client)
                record_property("volumes", 1)
        finally:
            lane.close()

    return look


@clause("dump/any-volume-loads-to-itself", source="L4.18 L4.19 L4.22 L4.24", needs="dump.json", clients=2)
def test_dump(volume: Volume, path: Path, each: Each) -> None:
    """A dump of whatever a history has left loads to a volume in order, whose dump is the same."""

    def look(fs: Engine) -> None:
        held = Held(volume.keyspace())
        first = dumped(fs, path, keep_secret=True)
        loaded = reloaded(volume, path)
        require_laws(volume)
        assert differing(held, Held(volume.keyspace()), "json") == {}
        assert without_counters(dumped(loaded, path, keep_secret=True)) == without_counters(first)

    each(look)


@clause("backup/any-volume-restores-to-itself", source="L5.21 L5.15", needs="backup.binary", clients=2)
def test_backup(volume: Volume, path: Path, each: Each) -> None:
    """A backup of whatever a history has left restores to a volume in order, whose backup holds the same."""

    def look(fs: Engine) -> None:
        held, waiting = Held(volume.keyspace()), volume.raw.hgetall("delSlices")
        first = contents(backed_up(fs, path))
        fs = restored(volume, path)
        assert differing(held, Held(volume.keyspace()), "binary") == {}
        if waiting:  # what waits for the trash is in no backup, but counted in it
            volume.raw.hset("delSlices", mapping=waiting)
        require_laws(volume)
        assert contents(backed_up(fs, path)) == first

    each(look)


@clause(
    "backup/of-any-volume-survives-a-dump", source="L4.18 L4.19 L4.22 L5.21", needs="backup.binary", clients=2
)
def test_conversions(volume: Volume, path: Path, each: Each) -> None:
    """From a backup of whatever a history has left to a dump and back, nothing is lost that both hold."""

    def look(fs: Engine) -> None:
        before = Held(volume.keyspace())
        first = backed_up(fs, path)
        between = dumped(restored(volume, path), path, keep_secret=True)
        last = backed_up(reloaded(volume, path), path)
        require_laws(volume)
        assert differing(before, Held(volume.keyspace()), "json") == {}
        for kind in KINDS:
            assert held(last, kind) == held(first, kind), kind
        assert nodes(last).keys() == nodes(first).keys()
        assert trees(dumped(restored(volume, path), path, keep_secret=True)) == trees(between)

    each(look)


@clause(
    "dump/of-any-volume-is-the-same-by-any-client", source="L4.1 L4.7 L4.14", needs="dump.json", clients=2
)
def test_same_dump(volume: Volume, path: Path, each: Each) -> None:
    """Two clients make the same dump of whatever a history has left, byte for byte, fast or not."""

    def look(fs: Engine) -> None:
        other = volume.connect()
        other.load()
        one = dumped(fs, path, keep_secret=True)
        for options in ({"fast": True}, {"fast": True, "threads": 4}, {"threads": 4}):
            assert dumped(other, path, keep_secret=True, **options) == one, options

    each(look)


@clause(
    "backup/of-any-volume-is-the-same-by-any-client",
    source="L5.7 L5.8 L5.9 L5.10 L5.15 L5.21 L5.22",
    needs="backup.binary",
    clients=2,
)
def test_same_backup(volume: Volume, path: Path, each: Each) -> None:
    """Two clients make the same backup of whatever a history has left, segment by segment, and each restores
    that of the other to the same keys."""

    def look(fs: Engine) -> None:
        other, theirs = volume.connect(), path.with_name("theirs")
        other.load()
        before = Held(volume.keyspace())
        one, two = backed_up(fs, path), backed_up(other, theirs)
        for kind in NAMES:
            assert items(two, kind) == items(one, kind), kind
        assert kinds(two) == kinds(one)
        left = []
        for backup in (theirs, path):  # of two drivers, the first restores what the second has made
            restored(volume, backup)
            keys = volume.keyspace()
            assert differing(before, Held(keys), "binary") == {}
            keys.pop(LAST_RULE, None)  # which has a clause of its own
            left.append(keys)
        assert left[1] == left[0]

    each(look)
