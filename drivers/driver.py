"""What a driver is: a registered way to open an engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .api import CAPABILITIES, Engine
from .errors import Mistake, Unfit
from .types import Config


class UnknownDriver(Mistake):
    """No driver has this name or serves this URL scheme."""


class UnreadyDriver(Unfit):
    """The driver is known, but cannot open anything here yet: `reason`, and `remedy`, what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}: {remedy}")
        self.reason = reason
        self.remedy = remedy


def always_ready() -> None:
    """What a driver checks that needs nothing."""


@dataclass(frozen=True)
class Driver:
    """A registered way to open an engine.

    `open(url, config)` returns a client of the volume at a Redis URL; nothing is read or written
    before its first call.  `schemes[0]` is what the suite puts before `://` in the URLs it makes.
    """

    name: str
    description: str
    schemes: tuple[str, ...]
    capabilities: frozenset[str]
    open: Callable[[str, Config], Engine] = field(repr=False)
    spelling: str = ""
    """How to ask for it where that is not its name: `cmd:COMMAND`, `package.module:OBJECT`."""
    query: str = ""
    """Parameters in the URLs that the suite makes for it: `client-cache=true`."""
    check_ready: Callable[[], None] = field(default=always_ready, repr=False)
    """Raises `UnreadyDriver` where `open` could not work: its program is not built, for example."""
    forget: Callable[[str], None] | None = field(default=None, repr=False)
    """Empties the volume at a URL, of a driver that keeps none in a database."""
    partner: Driver | None = field(default=None, repr=False)
    """The driver of every second client of a volume, where two drivers are tried on one database."""
    at_version: Callable[[str], Driver] | None = field(default=None, repr=False)
    """The same driver of another version, for drivers that have some; raises `UnreadyDriver`."""

    def __post_init__(self) -> None:
        unknown = sorted(self.capabilities - CAPABILITIES.keys())
        if unknown:
            raise ValueError(f"driver {self.name!r} declares unknown capabilities: {', '.join(unknown)}")

    def url(self, address: str) -> str:
        """This driver's URL for a server address such as `127.0.0.1:6379/3`."""
        return f"{self.schemes[0]}://{address}" + (f"?{self.query}" if self.query else "")
