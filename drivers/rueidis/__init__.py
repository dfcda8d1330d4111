from ..engine.capabilities import BUILT
from ..registry import Driver
def _open(url, config):
    from ..redis._interim import Quick
    from ..engine.engine import StoreEngine
    return StoreEngine(Quick(url.replace("rueidis://","redis://")), config)
DRIVER = Driver("rueidis", "our engine on one multiplexed connection", ("rueidis", "ruediss", "rueidiss", "rueidisunix"), BUILT, _open)
