"""`metaparity fsck`: which laws of the key-space a volume breaks, and what would mend it.  It only reads."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import attrgetter

from metaparity.drivers.engine.database import FAILURES, as_errno
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.engine.keys import Keys
from metaparity.drivers.engine.progress import Tell
from metaparity.drivers.engine.sessions import LEGACY_LIFE
from metaparity.drivers.engine.store import ServerError, Store
from metaparity.drivers.types import Format
from metaparity.drivers.wire import Json, encode

from .laws import LAWS, Finding, Law, State, judge
from .laws.source import StoreSource
from .opened import on_our_volume, place_of, progress
from .rediscli import quoted

BROKEN = 1
"""The exit code for a volume that breaks a law."""

SHOWN = 10
"""Findings of a law that are shown unless all of them are asked for."""

FIRST = frozenset({"nodes/values-can-be-read", "nodes/types-are-known", "tree/roots-are-directories"})
"""Laws that are mended before all others, which judge a volume as if what these name were not there: what
would mend those could do away with the rest of a file that can still be saved."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A law that does not hold."""

    law: Law
    findings: list[Finding]
    more: int
    """Findings that are not shown."""


def fsck(options: argparse.Namespace) -> int:
    """Judge the volume at a URL by every law; returns the exit code."""

    def check(engine: StoreEngine) -> int:
        format = engine.load(check_version=True)
        try:
            if live := _live_sessions(engine.store):
                _warn(live)
            with progress() as tell:
                broken = _judged(engine.store, None if options.all else SHOWN, tell)
        except FAILURES as failure:
            raise as_errno(failure) from failure
        if options.json:
            text = json.dumps(_told(options.url, format, live, broken), indent=2)
        else:
            text = "\n".join(_lines(format, broken, options.repair_plan))
        print(text, flush=True)
        return BROKEN if broken else 0

    return on_our_volume(options.url, "fsck reads the database itself", check, read_only=True)


def _judged(store: Store, most: int | None, tell: Tell) -> list[Broken]:
    """The laws that a volume breaks, each with so many findings at most."""
    found = judge(State(StoreSource(store, tell)), tell)
    return [_broken(LAWS[id], findings, most) for id, findings in groupby(found, key=attrgetter("law"))]


def _broken(law: Law, findings: Iterator[Finding], most: int | None) -> Broken:
    return Broken(law, list(islice(findings, most)), sum(1 for _ in findings))


def _live_sessions(store: Store) -> int:
    """How many clients have a session that has not expired."""
    keys, now = Keys(store.prefix), int(time.time())
    try:
        return sum(
            store.read(
                ("ZCOUNT", keys.all_sessions, now, "+inf"),
                ("ZCOUNT", keys.legacy_sessions, now - LEGACY_LIFE, "+inf"),
            )
        )
    except ServerError as failure:
        if failure.code != "WRONGTYPE":
            raise
        return 0  # the law nodes/values-can-be-read has more to say of such a key


def _warn(live: int) -> None:
    sessions = f"{live} sessions are" if live > 1 else "1 session is"
    print(
        f"metaparity: {sessions} live: what clients change meanwhile can look like a broken law",
        file=sys.stderr,
    )


# -- what is printed -----------------------------------------------------------------------------------


def _lines(format: Format, broken: Sequence[Broken], plan: bool) -> Iterator[str]:
    """What a user reads: each broken law with its findings."""
    volume = f"volume {format.name}, UUID {format.uuid}"
    if not broken:
        yield f"{volume}: all {len(LAWS)} laws hold"
        return
    yield f"{volume}: {len(broken)} of {len(LAWS)} laws broken"
    for one in broken:
        room = " What breaks it only takes up room." if one.law.garbage else ""
        yield f"{one.law.id}: {one.law.sentence}{room}"
        for finding in one.findings:
            yield f"    {finding.what} ({quoted(finding.keys)})"
        if one.more:
            yield f"    and {one.more:,} more: --all shows them"
    if plan:
        yield from _plan(broken)


def _plan(broken: Sequence[Broken]) -> Iterator[str]:
    """What would mend what is shown: in words what no command can know, then the commands."""
    first = [one for one in broken if one.law.id in FIRST]
    chosen = first or broken
    by_hand = [one.law for one in chosen if not all(finding.commands for finding in one.findings)]
    commands = [command for one in chosen for finding in one.findings for command in finding.commands]
    if by_hand:
        yield "to be mended by hand, before anything else:" if first else "to be mended by hand:"
        yield from (f"    {law.id}: {law.mends}" for law in by_hand)
    if commands:
        yield "to be pasted into redis-cli while no client is at work; then check again:"
        yield from map(quoted, commands)


def _told(url: str, format: Format, live: int, broken: Sequence[Broken]) -> Json:
    """The same for programs; bytes that are no UTF-8 are `{"base64": ..}`."""
    return {
        "url": place_of(url),
        "volume": {"name": format.name, "uuid": format.uuid},
        "live_sessions": live,
        "laws": len(LAWS),
        "mend_first": [one.law.id for one in broken if one.law.id in FIRST],
        "broken": [
            {
                "law": one.law.id,
                "sentence": one.law.sentence,
                "source": one.law.source,
                "mends": one.law.mends,
                "garbage": one.law.garbage,
                "findings": [
                    {
                        "what": finding.what,
                        "keys": encode(finding.keys),
                        "commands": encode(finding.commands),
                    }
                    for finding in one.findings
                ],
                "more": one.more,
            }
            for one in broken
        ],
    }
