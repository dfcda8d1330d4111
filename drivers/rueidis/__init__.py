"""Our engine on one multiplexed connection.  Nothing heavy is imported before `open`."""

from ..api import Engine
from ..driver import Driver
from ..engine.capabilities import BUILT
from ..types import Config


def _open(url: str, config: Config) -> Engine:
    from ..url import parse
    from .engine import RueidisEngine
    from .store import RueidisStore

    address = parse(url)
    return RueidisEngine(RueidisStore(address), config, address.compat)


DRIVER = Driver(
    "rueidis",
    "our engine on one multiplexed connection, with a client-side cache",
    ("rueidis", "ruediss", "rueidiss", "rueidisunix"),
    BUILT | {"cache.tracking"},
    _open,
)
