"""Another engine's own check of the volume that a test has left."""

from __future__ import annotations

from collections.abc import Iterator

from metaparity.drivers.engine import codec
from metaparity.drivers.errors import Refused
from metaparity.drivers.registry import PAIR, Driver
from metaparity.drivers.types import Config, FileType
from metaparity.fixtures.volumes import Volume

from .deviations import COPYING
from .keyspaces import KEYS


def findings(volume: Volume, checker: Driver) -> list[str]:
    """What the `check` of another engine finds from the root down (N36).

    Nothing, where the test leaves no volume, has changed keys past the driver, or is about the checker or an
    engine that is asked for the defects of another, which a check finds.
    """
    own = checker.name in volume.driver.name.split(PAIR)
    if own or COPYING in volume.driver.name or volume.raw.edited or not volume.raw.exists(KEYS.setting):
        return []
    volume.settle()
    client = checker.open(checker.url(volume.place.address), Config(no_bg_jobs=True, heartbeat=600.0))
    try:
        client.load()
        for inode in directories(volume):
            client.dirstat_get(inode)  # counts what is missing or negative, which is no fault (N27.2)
        return client.check(b"/", recursive=True)
    except Refused as refused:
        return [str(refused)]
    finally:
        client.close()


def directories(volume: Volume) -> Iterator[int]:
    """The inode of every directory."""
    for key, (_, value) in volume.keyspace().items():
        name = KEYS.parse(key)
        if name.kind == "attr" and codec.decode_attr(value).type == FileType.DIRECTORY:
            yield name.numbers[0]
