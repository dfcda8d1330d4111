"""Our engine on redis-py: pooled connections, hiredis.  Nothing heavy is imported before `open`."""

from ..api import Engine
from ..driver import Driver
from ..engine.capabilities import BUILT
from ..types import Config


def _open(url: str, config: Config) -> Engine:
    from ..engine.engine import StoreEngine
    from ..url import parse
    from .store import RedisStore

    address = parse(url)
    return StoreEngine(RedisStore(address), config, address.compat)


DRIVER = Driver("redis", "our engine on redis-py", ("redis", "rediss", "unix"), BUILT, _open)
