"""Our engine on one multiplexed connection.  Nothing heavy is imported before `open`."""

import os
from collections.abc import Mapping
from typing import NoReturn

from ..api import Engine
from ..driver import Driver, UnreadyDriver
from ..engine.capabilities import BUILT
from ..redis import DRIVER as PLAIN
from ..types import Config

SCHEMES = ("rueidis", "ruediss", "rueidiss", "rueidisunix")

PLAIN_CLIENT = "METAPARITY_PLAIN_CLIENT"
"""The variable that, set to 1, has the client of `redis` serve these schemes, which keeps nothing."""


def _open(url: str, config: Config) -> Engine:
    from ..url import parse
    from .engine import RueidisEngine
    from .store import RueidisStore

    address = parse(url)
    return RueidisEngine(RueidisStore(address), config, address.compat)


def driver(environment: Mapping[str, str]) -> Driver:
    """The driver for the schemes of rueidis that an environment asks for; it says which client it is."""
    asked = environment.get(PLAIN_CLIENT) or "0"
    if asked == "1":
        return Driver("rueidis", f"{PLAIN.description} ({PLAIN_CLIENT}=1)", SCHEMES, BUILT, PLAIN.open)
    description = "our engine on one multiplexed connection, with a client-side cache"
    if asked == "0":
        return Driver("rueidis", description, SCHEMES, BUILT | {"cache.tracking"}, _open)

    def refuse(*_: object) -> NoReturn:
        raise UnreadyDriver(f"{PLAIN_CLIENT} is {asked!r}", "set it to 0 or 1")

    return Driver("rueidis", description, SCHEMES, frozenset(), refuse, check_ready=refuse)


DRIVER = driver(os.environ)
