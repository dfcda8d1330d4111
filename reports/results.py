"""The results of a run: the model behind `results.json`, published as `results.schema.json`.

A run that did not finish is never a result: its footer says `complete: false`, its verdict is `incomplete`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from . import files

SCHEMA = "metaparity-results-1"
"""The name of this shape; another shape gets another name."""

Count = Annotated[int, "not negative"]
Seconds = Annotated[float, "not negative"]

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)")


class InvalidResults(ValueError):
    """Data that is not the results of a run; the message names the place in it."""


class Verdict(StrEnum):
    """What became of a clause on a driver."""

    PASSED = "passed"
    FAILED = "failed"
    DEVIATED = "deviated"
    UNSUPPORTED = "unsupported"
    SKIPPED = "skipped"


class Conclusion(StrEnum):
    """What became of a run."""

    PARITY = "parity"
    DIFFERENCES = "differences"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A choice of server that was tried before, and why it was not taken."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Server:
    """The server all drivers ran on."""

    kind: str
    software: str
    version: str
    detail: str
    passed_over: tuple[PassedOver, ...]


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """A driver under test and the capabilities it declares."""

    name: str
    description: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """What was run, where and when; `started` is ISO 8601 in UTC."""

    metaparity: str
    started: str
    python: str
    platform: str
    command: tuple[str, ...]
    selection: str
    seed: int | None
    server: Server
    drivers: tuple[DriverInfo, ...]

    def __post_init__(self) -> None:
        instant(self.started)


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key, or a field of one, around the failing call; None where it did not exist."""

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A test that failed: the call, what was expected of it, what it did, and how to see it again."""

    test: str
    phase: str
    call: str
    expected: str
    observed: str
    keys: tuple[KeyChange, ...]
    text: str
    rerun: str
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One clause on one driver; `seconds` is the time of all its tests together.

    `figures` are what its tests counted of their work, such as histories or places where a client was killed.
    """

    clause: str
    sentence: str
    source: str
    needs: str
    driver: str
    verdict: Verdict
    tests: Count
    seconds: Seconds
    reason: str | None
    rerun: str
    failures: tuple[Failure, ...]
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Difference:
    """A call that two drivers answered differently, whatever the clause says of it."""

    clause: str
    test: str
    left: str
    right: str
    call: str
    left_observed: str
    right_observed: str
    rerun: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Clauses of one driver by verdict."""

    passed: Count = 0
    failed: Count = 0
    deviated: Count = 0
    unsupported: Count = 0
    skipped: Count = 0


@dataclass(frozen=True, slots=True)
class Footer:
    """How the run ended; `seconds` is wall time.

    Raises `ValueError` for a partial run with a verdict, or a whole one without.
    """

    complete: bool
    finished: str
    seconds: Seconds
    verdict: Conclusion
    summary: Mapping[str, Summary]

    def __post_init__(self) -> None:
        instant(self.finished)
        if self.complete == (self.verdict is Conclusion.INCOMPLETE):
            raise ValueError(
                f"the verdict is {self.verdict.value} but complete is {str(self.complete).lower()}: "
                "a run is incomplete exactly when it did not finish"
            )


@dataclass(frozen=True, slots=True)
class Results:
    """Everything a run has to say."""

    header: Header
    records: tuple[Record, ...]
    differences: tuple[Difference, ...]
    footer: Footer

    def to_json(self) -> dict[str, Any]:
        """As plain data for `json.dumps`."""
        plain: dict[str, Any] = _encode(self)
        return {"schema": SCHEMA, **plain}

    @classmethod
    def from_json(cls, data: object) -> Results:
        """From the plain data of `json.loads`.

        Raises `InvalidResults`, one sentence with the path to the first value that does not fit.
        """
        if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
            raise InvalidResults(
                f"schema must be {SCHEMA!r}: take a results.json that this version of metaparity wrote"
            )
        results = _decode(cls, {name: value for name, value in data.items() if name != "schema"}, "")
        assert isinstance(results, cls)
        return results


def read(path: Path) -> Results:
    """The results in a file.  Raises `OSError`, or `InvalidResults` naming the file."""
    try:
        return Results.from_json(json.loads(path.read_text("utf-8")))
    except InvalidResults as error:
        raise InvalidResults(f"{path}: {error}") from None
    except ValueError as error:
        raise InvalidResults(f"{path} is not JSON ({error}): take a results.json of a report") from None


def write(results: Results, path: Path) -> None:
    """Write the results so that nobody ever reads half of them.  Raises `OSError`."""
    text = json.dumps(results.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    files.replace(path, text + "\n")


def summarize(records: Iterable[Record], drivers: Sequence[str] = ()) -> dict[str, Summary]:
    """Clauses by driver and verdict, with a summary for each of `drivers` even if it has no record."""
    counts = {driver: dict.fromkeys(Verdict, 0) for driver in drivers}
    for record in records:
        counts.setdefault(record.driver, dict.fromkeys(Verdict, 0))[record.verdict] += 1
    return {driver: Summary(**{v.value: n for v, n in found.items()}) for driver, found in counts.items()}


def verdict(complete: bool, records: Iterable[Record], differences: Sequence[Difference]) -> Conclusion:
    """What a run amounts to; a partial one to nothing."""
    if not complete:
        return Conclusion.INCOMPLETE
    failed = any(record.verdict is Verdict.FAILED for record in records)
    return Conclusion.DIFFERENCES if failed or differences else Conclusion.PARITY


def instant(text: str) -> datetime:
    """A time as the results have it.  Raises `ValueError`."""
    if not INSTANT.fullmatch(text):
        raise ValueError(f"{text!r} is not a time in ISO 8601 and UTC such as 2026-01-31T12:00:00Z")
    return datetime.fromisoformat(text).astimezone(UTC)


def _encode(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _encode(item) for name, item in value.items()}
    return value.value if isinstance(value, StrEnum) else value


_hints = cache(get_type_hints)


def _decode(kind: Any, value: Any, path: str) -> Any:
    """Build a value of the annotated type `kind`, or say what is wrong at `path`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        number = _decode(arguments[0], value, path)
        return number if number >= 0 else _refuse(path, "a number that is not negative", value)
    if origin is UnionType:
        return None if value is None else _decode(arguments[0], value, path)
    if origin is tuple:
        if not isinstance(value, list):
            _refuse(path, "an array", value)
        return tuple(_decode(arguments[0], item, f"{path}[{n}]") for n, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, dict):
            _refuse(path, "an object", value)
        return {name: _decode(arguments[1], item, f"{path}.{name}") for name, item in value.items()}
    if is_dataclass(kind):
        return _decode_fields(kind, value, path)
    if issubclass(kind, StrEnum):
        known = [member.value for member in kind]
        return kind(value) if value in known else _refuse(path, f"one of {', '.join(known)}", value)
    return _decode_scalar(kind, value, path)


def _decode_fields(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        _refuse(path or "the document", "an object", value)
    hints = _hints(kind, include_extras=True)
    inside = f"{path}." if path else ""
    for name in sorted(hints.keys() - value.keys()):
        raise InvalidResults(f"{inside}{name} is missing")
    for name in sorted(value.keys() - hints.keys()):
        raise InvalidResults(f"{inside}{name} is not a field of {SCHEMA}")
    arguments = {name: _decode(hint, value[name], f"{inside}{name}") for name, hint in hints.items()}
    try:
        return kind(**arguments)
    except ValueError as error:
        raise InvalidResults(f"{path or 'the document'} does not hold together: {error}") from None


def _decode_scalar(kind: Any, value: Any, path: str) -> Any:
    names = {str: "a string", bool: "true or false", int: "an integer", float: "a finite number"}
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else _refuse(path, names[float], value)
    return value if type(value) is kind else _refuse(path, names[kind], value)


def _refuse(path: str, wanted: str, value: Any) -> Any:
    raise InvalidResults(f"{path} must be {wanted}, but is {json.dumps(value, default=repr)[:80]}")
