"""The reference model: an executable spec of the engine's behaviour, without a server.

One module a family, in the order of the reference; each refuses in its order and cites its clause.
A client of a volume in this process answers as an engine does, so whatever drives engines drives the model:
the driver is `metaparity.conformance.model:DRIVER`.

Nothing happens by itself: what a client holds back it puts on the volume when it is told to settle.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import wraps
from typing import Any

from metaparity.drivers.api import PRIMITIVES, UNREFUSABLE
from metaparity.drivers.driver import Driver
from metaparity.drivers.errors import refuse_if
from metaparity.drivers.types import Config

from .sessions import Sessions
from .state import VolumeState as VolumeState

CAPABILITIES = frozenset(
    {
        "volume",
        "session",
        "namespace",
        "open",
        "data",
        "xattr",
        "acl",
        "dirstat",
        "quota.dir",
        "quota.user",
        "clone",
        "flock",
        "plock",
        "trash",
        "clock",
        "lua",
    }
)


WAITING = frozenset({"flock", "setlk"})
"""Primitives that may wait for others, who must get in meanwhile."""


class Model(Sessions):
    """A client of a volume in this process."""

    capabilities = CAPABILITIES


def one_at_a_time(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A primitive as one transaction, refused to a caller who has given up (N42.1, X2)."""

    @wraps(method)
    def call(self: Model, *args: Any, **kwargs: Any) -> Any:
        ctx = kwargs.get("ctx")
        if ctx is not None and ctx.cancelled is not None and name not in UNREFUSABLE:
            refuse_if(ctx.cancelled.is_set(), errno.EINTR)
        with self.volume.lock:
            return method(self, *args, **kwargs)

    return method if name in WAITING else call


for _name, _primitive in PRIMITIVES.items():
    if _primitive.capability in CAPABILITIES:
        setattr(Model, _name, one_at_a_time(_name, getattr(Model, _name)))

_volumes: dict[str, VolumeState] = {}
"""The volumes of this process, by the URL that names them."""


def open_model(url: str, config: Config) -> Model:
    """A client of the volume that this URL names in this process."""
    return Model(volume_at(url), config)


def volume_at(url: str) -> VolumeState:
    """The volume that this URL names in this process, an empty one where there was none."""
    return _volumes.setdefault(url, VolumeState())


def forget_volume(url: str) -> None:
    """Empty the volume that this URL names."""
    volume_at(url).clear()


DRIVER = Driver(
    name="model",
    description="the reference model: the spec in plain Python, without a server",
    schemes=("model",),
    capabilities=CAPABILITIES,
    open=open_model,
    forget=forget_volume,
)
