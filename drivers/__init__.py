"""What is tested: the engine API, our two engines, and the registry that finds any other."""

from .api import CAPABILITIES, PRIMITIVES, Engine, Primitive, primitive
from .errors import NodeExists, Refused, Unsupported
from .registry import Driver, UnknownDriver, driver, drivers, open_engine

__all__ = [
    "CAPABILITIES",
    "PRIMITIVES",
    "Driver",
    "Engine",
    "NodeExists",
    "Primitive",
    "Refused",
    "UnknownDriver",
    "Unsupported",
    "driver",
    "drivers",
    "open_engine",
    "primitive",
]
