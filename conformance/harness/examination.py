"""A failed test, examined: the exact call, what was expected, what was observed, which keys changed."""

from __future__ import annotations

import inspect
import re
import traceback
from dataclasses import dataclass, field
from typing import Any

import pytest

from metaparity.drivers.bridge import EngineFailure
from metaparity.fixtures.recording import Call, Log
from metaparity.fixtures.volumes import Volume

from .keyview import Change, difference
from .rendering import SHOWN, error_text, shorten

LAST = 6
"""Calls shown before a failure."""

REPEATABLE = frozenset({"volume", "fs", "driver"})
"""Fixtures of a test that can be run a second time on a volume made anew."""


@dataclass(slots=True)
class Finding:
    """What a failure showed."""

    phase: str
    call: str
    expected: str
    observed: str
    keys: list[Change] = field(default_factory=list)
    keys_note: str = ""
    calls: list[str] = field(default_factory=list)
    trace: str = ""
    """The file that holds what the test did."""


def examine(item: pytest.Function, volume: Volume, error: BaseException, *, known: bool) -> Finding:
    """Look at a test that just failed; unless the failure is `known`, the volume is made anew for that."""
    calls = volume.log.kept()[-LAST:]
    expected, observed = expectation(error)
    finding = Finding(
        "call",
        SHOWN.call(calls[-1]) if calls else "no call was made",
        expected,
        observed,
        calls=[
            f"{call.client}.{shorten(SHOWN.call(call))} -> {shorten(SHOWN.outcome(call))}" for call in calls
        ],
    )
    if known:
        return finding
    try:
        finding.keys, finding.keys_note = _keys(item, volume, error)
    except Exception as failure:
        finding.keys_note = f"could not be read: {type(failure).__name__}: {failure}"
    return finding


def expectation(error: BaseException) -> tuple[str, str]:
    """What the test expected and what it observed, from the error that ended it."""
    message = str(error).strip()
    if isinstance(error, (AssertionError, pytest.fail.Exception)):
        said = re.fullmatch(r"expected (.+?), observed (.+)", message, re.DOTALL)
        if said:
            return said[1], said[2]
        return _asserted(error), message or "not so"
    return "success", error_text(error)


def parameters_of(item: pytest.Item) -> dict[str, Any]:
    """The parameters of a collected test, the driver's name among them."""
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec is not None else {}


def _asserted(error: BaseException) -> str:
    """The source line of the assertion that failed."""
    frames = traceback.extract_tb(error.__traceback__)
    line = (frames[-1].line or "") if frames else ""
    return line.removeprefix("assert ") or "the assertion to hold"


def _keys(item: pytest.Function, volume: Volume, error: BaseException) -> tuple[list[Change], str]:
    """Which keys changed, and around what: the test runs once more with all keys read before each call.

    A generated test already ran many times, and a test with fixtures of its own cannot have them anew.
    """
    since_format = difference(volume.formatted, volume.state())
    arguments = inspect.signature(item.obj).parameters
    repeatable = arguments.keys() <= REPEATABLE | parameters_of(item).keys()
    lost = isinstance(error, EngineFailure)  # another run would cost another time-out or restart
    if lost or hasattr(item.obj, "hypothesis") or not repeatable or not volume.log.count:
        return since_format, "changed since the volume was formatted"
    first, volume.log = volume.log, Log()
    try:
        volume.reset()
        volume.log.watch = volume.keyspace
        values: dict[str, Any] = {name: item.funcargs[name] for name in arguments}
        if "fs" in values:
            values["fs"] = volume.fs
        item.obj(**values)
    except BaseException as again:
        if type(again) is type(error):
            return _last_change(volume.log.kept(), volume.state())
    finally:
        volume.log.watch = None
        volume.log = first
    return since_format, "changed since the volume was formatted; a second run did not fail alike"


def _last_change(calls: list[Call], after: dict[bytes, Any]) -> tuple[list[Change], str]:
    """The difference made by the last call, or by the last before it that made one."""
    for call in reversed(calls):
        rows = difference(call.before or {}, after)
        if rows:
            made = shorten(SHOWN.call(call))
            return rows, f"changed by {made}" if call is calls[-1] else f"last changed before, by {made}"
        after = call.before or {}
    return [], "no call changed a key"
