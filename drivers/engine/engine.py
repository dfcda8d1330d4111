"""The whole engine: every family of primitives over one store."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..api import PRIMITIVES, UNREFUSABLE
from ..types import ROOT
from .acls import Acls
from .attributes import Attributes
from .checking import Checking
from .cloning import Cloning
from .data import Data
from .database import FAILURES, as_errno, check_cancelled
from .tokens import Tokens
from .volume import Volume
from .xattrs import Xattrs


class StoreEngine(Cloning, Data, Attributes, Xattrs, Acls, Tokens, Checking, Volume):
    """A client of one volume, by any store.

    Every primitive answers EINTR when its caller has given up already, and turns the failures of the
    store into errnos (S4.1.8).
    """


def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """A primitive that refuses with EINTR who has given up, and with an errno what the store fails at."""

    @functools.wraps(method)
    def call(self: StoreEngine, *args: Any, **kwargs: Any) -> Any:
        if method.__name__ not in UNREFUSABLE:
            check_cancelled(kwargs.get("ctx", ROOT))
        try:
            return method(self, *args, **kwargs)
        except FAILURES as failure:
            raise as_errno(failure) from failure

    return call


for _name in PRIMITIVES:
    setattr(StoreEngine, _name, guarded(getattr(StoreEngine, _name)))
