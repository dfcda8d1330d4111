"""The engine with the primitives of its cache."""

from __future__ import annotations

from ..engine.capabilities import BUILT
from ..engine.engine import StoreEngine, guarded
from ..types import CacheStats, Config
from .store import RueidisStore

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
