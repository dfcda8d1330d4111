"""The engine with the primitives of its cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..engine.capabilities import BUILT
from ..engine.engine import StoreEngine, guarded
from ..types import CacheStats, Config
from .store import RueidisStore

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CAPABILITIES = BUILT | {"cache.tracking"}


class RueidisEngine(StoreEngine):
    """A client whose reads are answered from its cache where the server vouches for it."""

    capabilities = CAPABILITIES

    def __init__(self, store: RueidisStore, config: Config, compat: str = "") -> None:
        super().__init__(store, config, compat)
        self._store = store

    @guarded
    def cache_stats(self) -> CacheStats:
        return self._store.stats()

    @guarded
    def cache_drop(self) -> None:
        self._store.forget_all()

    def families(self) -> Iterator[Metric]:
        """The families of metrics, as they are now, with those of the cache."""
        from .metrics import of_cache

        yield from super().families()
        yield from of_cache(self._store.counters, *self._store.kept())
