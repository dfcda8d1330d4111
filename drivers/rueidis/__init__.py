"""Our engine on one multiplexed connection.  Nothing heavy is imported before `open`."""

from ..api import Engine
from ..driver import Driver
from ..engine.capabilities import BUILT
from ..types import Config


def _open(url: str, config: Config) -> Engine:
    from ..engine.engine import StoreEngine
    from ..url import parse
    from .store import RueidisStore

    address = parse(url)
    return StoreEngine(RueidisStore(address), config, address.compat)


DRIVER = Driver(
    "rueidis",
    "our engine on one multiplexed connection",
    ("rueidis", "ruediss", "rueidiss", "rueidisunix"),
    BUILT,
    _open,
)
