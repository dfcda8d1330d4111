"""The released JuiceFS as an engine: a Go program behind the driver protocol, and how it is built."""

from .driver import DRIVER

__all__ = ["DRIVER"]
