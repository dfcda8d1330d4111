"""What several processes did at once: calls with their outcomes and when they began and ended."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, Union

Value: TypeAlias = Union[int, str, bytes, "tuple[Value, ...]", None]
"""What calls take and answer."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of one process; `start` and `end` are nanoseconds on one clock.

    `outcome` is the name of the errno of a refusal, as the only text, else the answer.  An operation without
    an answer has `end` infinity: it has happened at some time after its start, or not at all.
    """

    process: str
    call: str
    arguments: tuple[Value, ...]
    outcome: Value
    start: int
    end: float

    @property
    def answered(self) -> bool:
        return self.end < math.inf

    @property
    def refused(self) -> bool:
        return isinstance(self.outcome, str)

    @property
    def taken(self) -> str:
        """The arguments as a reader wants them."""
        return ", ".join(shown(value) for value in self.arguments if value is not None)

    def __str__(self) -> str:
        return f"{self.call}({self.taken})" + (
            f" = {shown(self.outcome)}" if self.answered else " unanswered"
        )


def shown(value: Value) -> str:
    """A value as a reader wants it: names of errnos and of choices are bare words."""
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))})"
    return value if isinstance(value, str) else "ok" if value is None else repr(value)


@dataclass(frozen=True)
class History:
    """Operations in the order of their start."""

    operations: tuple[Operation, ...]

    def __init__(self, operations: Sequence[Operation] = ()) -> None:
        """Raises `ValueError` where an operation ends before it starts."""
        for one in operations:
            if one.end < one.start:
                raise ValueError(f"{one} of {one.process} ends before it starts: give both on one clock")
        ordered = sorted(operations, key=lambda one: (one.start, one.end))
        object.__setattr__(self, "operations", tuple(ordered))

    def __len__(self) -> int:
        return len(self.operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def to_json(self) -> str:
        """The history as text, an operation a line."""
        return "[\n" + ",\n".join(map(_written, self.operations)) + "\n]\n"

    @classmethod
    def from_json(cls, text: str) -> History:
        """The history that `to_json` wrote.  Raises `ValueError` for any other text."""
        operations = json.loads(text)
        try:
            if not isinstance(operations, list):
                raise TypeError("not a list")
            return cls([_read(one) for one in operations])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no history: {error!r}") from error


def _written(one: Operation) -> str:
    return json.dumps(
        {
            "process": one.process,
            "call": one.call,
            "arguments": _plain(one.arguments),
            "outcome": _plain(one.outcome),
            "start": one.start,
            "end": one.end if one.answered else None,
        }
    )


def _read(one: dict[str, Any]) -> Operation:
    end = math.inf if one["end"] is None else one["end"]
    arguments = tuple(map(_value, one["arguments"]))
    return Operation(one["process"], one["call"], arguments, _value(one["outcome"]), one["start"], end)


def _plain(value: Value) -> Any:
    """A value as JSON: bytes are an object with their hexadecimal digits."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return {"bytes": value.hex()} if isinstance(value, bytes) else value


def _value(plain: Any) -> Value:
    if isinstance(plain, list):
        return tuple(map(_value, plain))
    return bytes.fromhex(plain["bytes"]) if isinstance(plain, dict) else plain


class Recorder:
    """Takes down what threads do; `refusals` names the errno of an error, None where that is no answer."""

    def __init__(self, refusals: Callable[[OSError], str | None]) -> None:
        self._refusals = refusals
        self._operations: list[Operation] = []
        self._lock = threading.Lock()

    def take(self, process: str, call: str, arguments: tuple[Value, ...], do: Callable[[], Value]) -> Value:
        """Make a call; returns its outcome, None where there was no answer."""
        begun = Operation(process, call, arguments, None, time.monotonic_ns(), math.inf)
        try:
            outcome, end = do(), float(time.monotonic_ns())
        except OSError as error:
            refusal = self._refusals(error)
            outcome, end = refusal, math.inf if refusal is None else time.monotonic_ns()
        with self._lock:
            self._operations.append(replace(begun, outcome=outcome, end=end))
        return outcome

    @property
    def history(self) -> History:
        """What was done so far."""
        with self._lock:
            return History(self._operations)
