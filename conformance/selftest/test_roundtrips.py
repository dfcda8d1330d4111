"""What calls cost on the wire: the command, and the table that the spec holds engines to."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from metaparity.conformance.harness import budgets as table
from metaparity.conformance.harness.budgets import Cost, budgets, cost, write_table
from metaparity.conformance.scenes.typical import CALLS
from metaparity.drivers.engine.store import Command, Reply
from metaparity.drivers.engine.transaction import Attempt
from metaparity.drivers.registry import driver
from metaparity.fixtures.faults import Proxy
from metaparity.fixtures.provision import Provider
from metaparity.fixtures.volumes import Volume

from .conftest import Run

SERVER = "local" if shutil.which("redis-server") else "embedded"
GOALS = {
    "lookup": (1, 0),
    "lookup: as a user": (1, 0),
    "lookup: an absent name": (1, 0),
    "resolve: five names": (1, 0),
    "getattr": (1, 0),
    "access": (1, 0),
    "readdir: 100 names": (1, 1),
    "readdir: 100 with attributes": (2, 1),
    "xattr_get": (1, 0),
    "acl_get": (1, 0),
    "readlink": (1, 0),
    "xattr_list": (1, 1),
    "statfs": (1, 1),
    "dirstat_get": (1, 1),
    "paths: three names": (3, 0),
    "open_file": (1, 0),
    "open_file: read, read, close": (2, 1),
    "mknod: file": (2, 2),
    "mkdir": (2, 2),
    "create": (2, 2),
    "symlink": (2, 2),
    "link": (2, 2),
    "unlink: the only name": (3, 2),
    "unlink: one of two names": (3, 2),
    "rmdir": (3, 2),
    "rename: in one directory": (3, 2),
    "rename: to another directory": (3, 2),
    "rename: over a file": (3, 2),
    "batch_unlink: 100 names": (4, 3),
    "setattr: mode": (2, 2),
    "truncate": (2, 2),
    "fallocate": (2, 2),
    "write: growing": (2, 2),
    "copy_file_range: one chunk": (3, 2),
    "xattr_set": (2, 2),
    "xattr_remove": (2, 2),
    "acl_set: a known rule": (2, 2),
    "acl_set: a new rule": (3, 3),
    "clone: a directory of 100": (10, 8),
    "remove: a directory of 100": (12, 8),
    "flock": (2, 2),
    "flock: unlock": (2, 2),
    "setlk": (2, 2),
    "setlk: unlock": (2, 2),
    "setlk: unlock a part": (2, 2),
    "getlk": (1, 1),
}
"""Round trips, cold and warm, that the client with a cache is built to need at most."""


def trips(text: str) -> tuple[int, int]:
    """The round trips of an entry of the table, cold and warm."""
    numbers = [int(part.split()[0]) for part in text.split(" -> ")]
    return numbers[0], numbers[-1]


def test_the_table_has_every_call_of_every_driver_of_ours() -> None:
    for name in ("redis", "rueidis"):
        offered = {call for call, by_driver in budgets().items() if name in by_driver}
        assert offered == {call.id for call in CALLS}


def test_the_plain_engine_needs_no_more_round_trips_than_juicefs() -> None:
    more = {
        call: (by_driver["redis"], by_driver["juicefs"])
        for call, by_driver in budgets().items()
        if "redis" in by_driver and max(*trips(by_driver["redis"])) > max(*trips(by_driver["juicefs"]))
    }
    assert more == {}


@pytest.mark.parametrize("call", GOALS)
def test_the_client_with_a_cache_needs_no_more_than_it_is_built_for(call: str) -> None:
    cold, warm = trips(budgets()[call]["rueidis"])
    assert cold <= GOALS[call][0]
    assert warm <= GOALS[call][1]


def test_a_cost_reads_as_in_the_table() -> None:
    assert str(Cost(2, 10)) == "2 (10)"
    assert str(Cost(0, 0)) == "0"


def test_the_table_is_written_as_it_is_read(tmp_path: Path) -> None:
    write_table(budgets(), tmp_path / "budgets.toml")
    assert tomllib.loads((tmp_path / "budgets.toml").read_text()) == budgets()


def test_a_call_that_there_is_none_of_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "CALLS", CALLS[1:])
    with pytest.raises(
        ValueError, match=re.escape("budgets.toml names calls that there are none of: lookup")
    ):
        budgets()


@pytest.fixture
def behind() -> Iterator[tuple[Volume, Proxy]]:
    """A volume of the plain engine, and the network that counts before it."""
    provider = Provider(SERVER)
    place = provider.place()
    with place.connect() as raw, Proxy(*place.endpoint) as network:
        volume = Volume(driver("redis"), place.by_way_of(network.port), raw)
        volume.format(EnableACL=True)
        yield volume, network
        volume.close()
    provider.close()


def test_one_round_trip_more_is_seen(behind: tuple[Volume, Proxy], monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that waits for the reply to WATCH before it reads costs one more than the table says."""
    sound = Attempt.read

    def read_after_the_watch(self: Attempt, *commands: Command) -> list[Reply]:
        if watches := self._take_watches():
            self._channel.exchange(watches)
        return sound(self, *commands)

    (call,) = [call for call in CALLS if call.id == "mkdir"]
    expected = budgets()["mkdir"]["redis"]
    volume, network = behind
    assert cost(volume, network, call) == expected
    monkeypatch.setattr(Attempt, "read", read_after_the_watch)
    volume.reset()
    volume.format(EnableACL=True)
    assert trips(cost(volume, network, call)) == (trips(expected)[0] + 1,) * 2


def test_the_command_prints_a_column_for_each_driver(metaparity: Run) -> None:
    ran = metaparity("roundtrips", "--driver", "redis", "--driver", "rueidis", "--server", SERVER)
    assert ran.code == 0, ran.err
    rows = {cells[0]: cells[1:] for cells in (re.split(r" {2,}", line) for line in ran.out.splitlines()[:-1])}
    assert rows["call"] == ["redis", "rueidis"]
    assert rows["getattr"] == ["1 (1)", "1 (1) -> 0"]
    assert rows["close_file"] == ["0", "0"]
    assert rows["flock"] == ["2 (6)", "2 (6)"]
    assert "round trips (and the commands in them) on" in ran.out.splitlines()[-1]


def test_an_unknown_driver_is_a_mistake(metaparity: Run) -> None:
    ran = metaparity("roundtrips", "--driver", "rediss")
    assert ran.code == 2
    assert "unknown driver" in ran.err
