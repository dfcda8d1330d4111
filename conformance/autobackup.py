"""`metaparity autobackup`: a dump of a volume into a folder each interval; the older ones go (L5.23)."""

from __future__ import annotations

import argparse
import errno
import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from metaparity.drivers.api import Engine
from metaparity.drivers.engine.automatic import (
    LAST,
    MANY,
    THREADS,
    is_due,
    is_name,
    is_too_large,
    name_of,
    outdated,
    stamp,
)
from metaparity.drivers.engine.database import CHANCE
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.errors import Mistake, Refused
from metaparity.drivers.files import finished_name
from metaparity.drivers.query import parse_duration
from metaparity.drivers.types import ROOT_INODE

from .harness.exits import ENVIRONMENT, complain
from .opened import on_our_volume, progress, reason_of

TRIES = 10
"""How often in an interval it is asked whether a backup is due."""

LEAST, MOST = 300.0, 36500 * 86400.0
"""Seconds of an interval: a mount of JuiceFS takes none that is shorter, and Go has none much longer."""

_NUMBER = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done again and again."""

    url: str
    folder: str
    interval: timedelta
    skip_trash: bool = False


def autobackup(options: argparse.Namespace) -> int:
    """Back a volume up until a signal comes; returns the exit code if it cannot begin.  Raises `Mistake`."""
    plan = Plan(options.url, options.folder, interval_of(options.interval), options.skip_trash)
    if not os.path.isdir(plan.folder):
        raise Mistake(f"{plan.folder} is no directory: name one that is there, for the dumps")

    def work(engine: StoreEngine) -> int:
        name = engine.load().name
        often = f"asked for {TRIES} times in that, first in a tenth of it"
        print(f"{name}: a dump into {plan.folder} each {options.interval}, {often}", flush=True)
        while True:
            time.sleep(plan.interval.total_seconds() / TRIES * CHANCE.uniform(0.95, 1.05))
            attempt(engine, plan, datetime.now(UTC).astimezone())

    # Another program need not pack a file, nor write it whole.
    return on_our_volume(plan.url, "autobackup writes its files itself", work)


def interval_of(text: str) -> timedelta:
    """The interval that JuiceFS takes the text for.

    Raises `Mistake`, also where it means that there are no backups, or more than a mount would make.
    """
    try:
        seconds = _seconds(text)
    except ValueError:
        seconds = -1
    if not seconds:
        raise Mistake(f"--interval {text} means no backups: give a time such as 1h, or do not start this")
    if not LEAST <= seconds <= MOST:
        raise Mistake(f"--interval {text} cannot be: give a time such as 30m, 1h or 1d, of 5m or more")
    return timedelta(seconds=seconds)


def _seconds(text: str) -> float:
    """A number of seconds, or a Go duration, before which there may be days.  Raises `ValueError`."""
    if _NUMBER.fullmatch(text):
        return float(text)
    days, mark, rest = text.partition("d")
    if not mark:
        return parse_duration(text)
    if not _NUMBER.fullmatch(days):
        raise ValueError("not a number of days")
    return float(days) * 86400 + (parse_duration(rest) if rest else 0)


def attempt(engine: StoreEngine, plan: Plan, now: datetime) -> None:
    """Make a backup if one is due `now`, and delete outdated ones; say what was done, and what failed."""
    began = time.monotonic()
    try:
        path = _backed_up(engine, plan, now)
        if path is None:
            return
        size = os.path.getsize(path)
        deleted = _rotated(plan, now)
    except (OSError, Refused) as failure:
        _lament(plan, now, failure)
        return
    took = time.monotonic() - began
    print(f"{path}: {size:,} bytes in {took:.1f} s; {deleted} older deleted", flush=True)


def _backed_up(engine: StoreEngine, plan: Plan, now: datetime) -> str | None:
    """The path of the dump that was made, None if none is due.  Raises `OSError` and `Refused`.

    The volume says that there is a backup before it is made, as JuiceFS has it: no other client begins one
    meanwhile, and one that fails is made up for only when the next is due.
    """
    if not is_due(_last(engine), now, plan.interval):
        return None
    engine.load()  # the settings, which the dump tells, may have changed
    inodes = engine.statfs(ROOT_INODE).iused
    if is_too_large(inodes, plan.interval):
        raise Refused(
            f"the volume has {inodes:,} inodes, and of more than {MANY:,} none is made each hour: "
            "give an --interval longer than 1h"
        )
    engine.xattr_set(ROOT_INODE, LAST, stamp(now))
    path = os.path.join(plan.folder, name_of(now))
    with progress() as tell:
        engine.tell = tell
        engine.dump(path, skip_trash=plan.skip_trash, threads=THREADS)
    return path


def _last(engine: Engine) -> bytes:
    """When the last backup was begun, as the volume says; empty if it does not."""
    try:
        return engine.xattr_get(ROOT_INODE, LAST)
    except OSError as failure:
        if failure.errno != errno.ENODATA:
            raise
        return b""


def _rotated(plan: Plan, now: datetime) -> int:
    """Delete what is outdated, and what was left unfinished; returns how many dumps that were."""
    with os.scandir(plan.folder) as entries:
        names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    for name in names:
        if is_name(finished_name(name) or ""):
            _delete(os.path.join(plan.folder, name), untouched_since=now - plan.interval)
    return sum(_delete(os.path.join(plan.folder, name)) for name in outdated(names, now))


def _delete(path: str, untouched_since: datetime | None = None) -> bool:
    """Whether a file was deleted.  One that cannot be is said, and stays."""
    try:
        if untouched_since and os.stat(path).st_mtime >= untouched_since.timestamp():
            return False
        os.unlink(path)
    except FileNotFoundError:
        return False  # another client of the folder was faster
    except OSError as failure:
        complain(f"{path} cannot be deleted: {failure.strerror}", ENVIRONMENT)
        return False
    return True


def _lament(plan: Plan, now: datetime, failure: OSError | Refused) -> None:
    """Say why there is no backup of this time."""
    reason = reason_of(failure, plan.url) if isinstance(failure, OSError) else failure
    complain(f"no backup at {stamp(now).decode()}: {reason}", ENVIRONMENT)
