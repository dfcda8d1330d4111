"""How a command reaches the volume at a URL, says how far it has come, and what went wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EACCES, EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR

from metaparity.drivers.api import Engine
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.progress import Tell, nobody
from metaparity.drivers.errors import Mistake, Refused, Unsupported
from metaparity.drivers.registry import open_engine, serving
from metaparity.drivers.types import Config
from metaparity.drivers.url import SCHEMES, parse

from .harness.exits import ENVIRONMENT, USAGE, complain

BAR = 20
"""Characters of a whole bar."""

OFTEN = 0.1
"""Seconds between two lines that say how far a command has come."""

WRONG_NAMES = frozenset({ENOENT, ENOTDIR, EISDIR, EACCES, EINVAL, ELOOP, ENAMETOOLONG})
"""What is told of a file that cannot be the one that is meant."""


def on_volume(url: str, act: Callable[[Engine], int], read_only: bool = False) -> int:
    """Do something with a client of the volume at a URL that has loaded nothing yet.

    Returns the exit code: that of `act`, or one for what it raised, which is said in one sentence.
    """
    try:
        engine = open_engine(url, Config(no_bg_jobs=True, heartbeat=0, read_only=read_only))
    except ValueError as mistake:
        raise Mistake(str(mistake)) from mistake
    try:
        return act(engine)
    except Unsupported:
        return complain(f"the engine at {place_of(url)} cannot do this: see metaparity drivers", USAGE)
    except Refused as refused:
        return complain(refused, ENVIRONMENT)
    except BrokenPipeError:
        raise  # nobody reads what is printed: a server that is gone is a `Disconnected`
    except OSError as failure:
        return complain(reason_of(failure, url), blame(failure))
    finally:
        engine.close()


def on_our_volume(url: str, reason: str, act: Callable[[StoreEngine], int], read_only: bool = False) -> int:
    """As `on_volume`, for what only an engine of ours can do.

    Raises `Mistake` with the `reason` for the volume of another, before anything is opened.
    """
    if not check_url(url):
        raise Mistake(f"{reason}: give a redis:// or rueidis:// URL")

    def narrowed(engine: Engine) -> int:
        assert isinstance(engine, StoreEngine)
        return act(engine)

    return on_volume(url, narrowed, read_only)


def check_url(url: str) -> bool:
    """Whether an engine of ours serves the volume at a URL; nothing is opened, and no server asked.

    Raises `Mistake` for a URL that no driver, or ours, would take.
    """
    try:
        ours = SCHEMES.issuperset(serving(url).schemes)
        if ours:
            parse(url)
    except ValueError as mistake:
        raise Mistake(str(mistake)) from mistake
    return ours


def reason_of(failure: OSError, url: str) -> str:
    """What failed, and where: a file, or else the server."""
    return f"{failure.filename or place_of(url)}: {failure.strerror}"


def blame(failure: OSError) -> int:
    """The exit code for what failed: whether another file has to be named, or something else is not fit."""
    return USAGE if failure.filename is not None and failure.errno in WRONG_NAMES else ENVIRONMENT


def place_of(url: str) -> str:
    """A URL without what must not be shown."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _bar(what: str, done: int, total: int) -> str:
    """How far something has come; a counter may be behind, so there may be more than the total."""
    if total <= 0:
        return f"{done:,} {what}"
    total = max(done, total)
    return f"[{'#' * (BAR * done // total):<{BAR}}] {100 * done // total} %: {done:,} of {total:,} {what}"


@contextmanager
def progress() -> Iterator[Tell]:
    """Shows on a terminal how far a command has come; elsewhere nothing."""
    shown = -OFTEN

    def tell(what: str, done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if not done or now - shown < OFTEN:
            return
        shown = now
        print(f"\r\x1b[K{_bar(what, done, total)}", end="", file=sys.stderr, flush=True)

    if not sys.stderr.isatty():
        yield nobody
        return
    try:
        yield tell
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
