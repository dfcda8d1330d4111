"""The spec run on the model: a pytest plugin whose volumes live in this process.

`pytest -p metaparity.conformance.model.trial --driver metaparity.conformance.model:DRIVER conformance/spec`

A clause that reads or writes raw keys has nothing to say about a model without keys: it is skipped, by that name.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from metaparity.drivers.driver import Driver
from metaparity.fixtures import volumes
from metaparity.fixtures.provision import Place

from . import forget_volume, volume_at

UNKEPT = ("lock", "next_inode", "next_slice")
"""What of a volume is no state of its files: numbers set aside are lost by refused calls (N42.3)."""

KEYLESS = "raw keys: the model has none"


class NoKeys:
    """Stands where a connection to the database would; only a fresh start is possible."""

    edits = 0
    edited = False

    def __init__(self, url: str) -> None:
        self._url = url

    def flushdb(self) -> None:
        """Forget the volume."""
        forget_volume(self._url)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        pytest.skip(KEYLESS)


class Volume(volumes.Volume):
    """A volume of the model: it holds a state, but no keys."""

    def keyspace(self) -> dict[bytes, Any]:
        pytest.skip(KEYLESS)

    def state(self) -> dict[bytes, Any]:
        state = volume_at(self.driver.url(self.place.address))
        fields = (name for name in state.__slots__ if name not in UNKEPT)
        return {name.encode(): copy.deepcopy(getattr(state, name)) for name in fields}


class Fixtures:
    """What the tests of the spec get instead of a database."""

    @pytest.fixture
    def raw(self, driver: Driver, place: Place) -> Any:
        """No connection."""
        return NoKeys(driver.url(place.address))

    @pytest.fixture
    def volume(self, driver: Driver, place: Place, raw: Any) -> Iterator[Volume]:
        """A fresh volume of the model."""
        fresh = Volume(driver, place, raw)
        fresh.reset()
        yield fresh
        fresh.close()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Fixtures(), "metaparity-model")
