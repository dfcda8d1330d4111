"""The whole engine: every family of primitives over one store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ..api import PRIMITIVES, UNREFUSABLE
from ..types import ROOT, Config
from .acls import Acls
from .attributes import Attributes
from .backup import Backup
from .checking import Checking
from .cloning import Cloning
from .counters import Calls
from .data import Data
from .database import FAILURES, as_errno, check_cancelled
from .dumping import Dumping
from .restoring import Restoring
from .store import Store
from .tokens import Tokens
from .xattrs import Xattrs

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric


class StoreEngine(Cloning, Data, Attributes, Xattrs, Acls, Tokens, Checking, Dumping, Backup, Restoring):
    """A client of one volume, by any store.

    Every primitive answers EINTR when its caller has given up already, and turns the failures of the
    store into errnos (S4.1.8).
    """

    def __init__(self, store: Store, config: Config, compat: str = "") -> None:
        super().__init__(store, config, compat)
        self.calls = Calls()

    @functools.cached_property
    def registry(self) -> CollectorRegistry:
        """What this engine counts, read anew at each scrape; of this engine alone."""
        from .metrics import registry_of

        return registry_of(self.families)

    def metrics(self) -> str:
        """What this engine counts, as the text that Prometheus reads (docs/metrics.md).  Sends nothing."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry).decode()

    def families(self) -> Iterator[Metric]:
        """The families of metrics, as they are now."""
        from .metrics import of_calls, of_traffic, of_transactions

        yield from of_calls(self.calls)
        yield from of_transactions(self.db.transactions)
        yield from of_traffic(self.store.traffic)


def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """A primitive that refuses with EINTR who has given up, and with an errno what the store fails at.

    Each call is counted as it ends.
    """
    name = method.__name__
    refusable = name not in UNREFUSABLE

    @functools.wraps(method)
    def call(self: StoreEngine, *args: Any, **kwargs: Any) -> Any:
        began = perf_counter_ns()
        try:
            if refusable:
                check_cancelled(kwargs.get("ctx", ROOT))
            result = method(self, *args, **kwargs)
        except FAILURES as failure:
            refused = as_errno(failure)
            self.calls.ended(name, began, refused)
            raise refused from failure
        except BaseException as failure:
            self.calls.ended(name, began, failure)
            raise
        self.calls.ended(name, began)
        return result

    return call


for _name in PRIMITIVES:
    setattr(StoreEngine, _name, guarded(getattr(StoreEngine, _name)))
