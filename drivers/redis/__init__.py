from ..engine.capabilities import BUILT
from ..registry import Driver
def _open(url, config):
    from ._interim import Quick
    from ..engine.engine import StoreEngine
    return StoreEngine(Quick(url), config)
DRIVER = Driver("redis", "our engine on redis-py", ("redis", "rediss", "unix"), BUILT, _open)
