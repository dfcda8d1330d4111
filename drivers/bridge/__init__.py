"""Any program as an engine, over the driver protocol (docs/protocol.md)."""

from .engine import BridgeEngine
from .failures import EngineCrashed, EngineFailure, EngineFault, EngineHung, ProtocolViolation
from .launcher import Launcher, program_driver
from .program import Hello, Options, Program

__all__ = [
    "BridgeEngine",
    "EngineCrashed",
    "EngineFailure",
    "EngineFault",
    "EngineHung",
    "Hello",
    "Launcher",
    "Options",
    "Program",
    "ProtocolViolation",
    "program_driver",
]
