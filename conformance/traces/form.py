"""The form of a trace, in JSON and here, and what a driver must offer to replay it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from metaparity.drivers import wire
from metaparity.drivers.api import PRIMITIVES
from metaparity.drivers.errors import Mistake, Unsupported
from metaparity.drivers.types import Time

Json: TypeAlias = Any

PROTOCOL = 1
ANY = {"$any": True}

THIS_HOUR = "<hour>"
"""Stands for the name of the trash directory of the hour in which a trace is replayed."""

OUTCOMES = ("ok", "errno", "refused", "unsupported", "failure")
"""What a call may come to; the last when the program of a driver failed."""

REMOVING = frozenset({"unlink", "batch_unlink", "rmdir", "rename", "remove"})
CHANGING = REMOVING | {"mknod", "mkdir", "create", "symlink", "link", "setattr", "write", "truncate"}


def hour_of(now: Time | None) -> str:
    """The name of the trash directory of a virtual time; of the host's where there is none (S3.9)."""
    return time.strftime("%Y-%m-%d-%H", time.gmtime(time.time() if now is None else now[0]))


class BadTrace(Mistake):
    """What was given is no trace; the text says why in one sentence."""


@dataclass(frozen=True)
class Step:
    """One recorded call."""

    client: str
    method: str
    params: dict[str, Json]
    result: dict[str, Json]


@dataclass(frozen=True)
class Trace:
    """A recorded list of calls with their outcomes."""

    name: str
    volume: dict[str, Json]
    clients: dict[str, dict[str, Json]]
    steps: list[Step]
    keyspace: dict[str, Json] | None = None
    volatile: list[dict[str, Json]] = field(default_factory=list)

    @classmethod
    def of(cls, document: Json) -> Trace:
        """The trace in a JSON document of protocol §7.  Raises `BadTrace`."""
        if not isinstance(document, dict) or not isinstance(document.get("steps"), list):
            raise BadTrace("it is no trace: an object with name, protocol, volume, clients and steps")
        if document.get("protocol", PROTOCOL) != PROTOCOL:
            raise BadTrace(f"it is of protocol {document['protocol']!r}: this replay knows {PROTOCOL}")
        clients, volume = document.get("clients"), document.get("volume")
        if not isinstance(clients, dict) or not isinstance(volume, dict) or not clients:
            raise BadTrace("it has no clients or no volume")
        for name, config in clients.items():
            _require_config(f"the client {name!r}", config)
        steps = [_step(number, one, clients) for number, one in enumerate(document["steps"])]
        return cls(str(document.get("name", "trace")), volume, clients, steps)

    def document(self) -> Json:
        """The trace as a JSON document of protocol §7."""
        return {
            "name": self.name,
            "protocol": PROTOCOL,
            "volume": self.volume,
            "clients": self.clients,
            "steps": [asdict(step) for step in self.steps],
        }


def _step(number: int, raw: Json, clients: dict[str, Json]) -> Step:
    fields = ("client", "method", "params", "result")
    if not isinstance(raw, dict) or raw.keys() != set(fields):
        raise BadTrace(f"step {number} must have exactly {', '.join(fields)}")
    step = Step(**raw)
    if not isinstance(step.client, str) or not isinstance(step.method, str):
        raise BadTrace(f"the client and the method of step {number} must be text")
    if step.client not in clients and step.method != "open":
        raise BadTrace(f"step {number} is made by {step.client!r}, which is none of its clients")
    if step.method not in PRIMITIVES and step.method not in ("open", "close"):
        raise BadTrace(f"step {number} calls {step.method!r}, which is no method of protocol {PROTOCOL}")
    if not isinstance(step.params, dict) or not isinstance(step.result, dict):
        raise BadTrace(f"the params and the result of step {number} must be objects")
    if step.result != ANY and not any(kind in step.result for kind in OUTCOMES):
        raise BadTrace(f"the result of step {number} has none of {', '.join(OUTCOMES)}")
    if step.method == "open":
        _require_config(f"step {number}", step.params.get("config", {}))
    for form, value in _forms(raw):
        _require_form(number, form, value)
    return step


def _require_config(place: str, config: Json) -> None:
    try:
        wire.config(config)
    except (wire.BadParams, Unsupported) as bad:
        raise BadTrace(f"{place} has no configuration: {bad}") from bad


def _forms(value: Json) -> Iterator[tuple[str, Json]]:
    """The `$` forms, and the bytes, in a value: what each is called, and what it is of."""
    if isinstance(value, dict):
        yield from (
            (name, one) for name, one in value.items() if name.startswith("$") or value.keys() == {"base64"}
        )
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _forms(one)


def _require_form(number: int, form: str, value: Json) -> None:
    """Raise `BadTrace` for a form that is unknown, or that cannot be of this value in a step."""
    if form == "$":
        place = str(value).partition(".")[0]
        if not (isinstance(value, str) and place.isascii() and place.isdecimal() and int(place) < number):
            raise BadTrace(f"step {number} refers to {value!r}, which no step before it has answered")
    elif form == "$t":
        if type(value) is not int or not -1 <= value <= number:
            raise BadTrace(f"step {number} refers to the time of step {value!r}, which is not before it")
    elif form not in FORMS:
        raise BadTrace(f"step {number} has the unknown form {form!r}")
    elif not FORMS[form](value):
        raise BadTrace(f"step {number} has a form {form!r} of {value!r}, which cannot be")


def _is_base64(value: Json) -> bool:
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except ValueError:
        return False


FORMS: dict[str, Callable[[Json], bool]] = {
    "$new": lambda value: isinstance(value, str),
    "$cat": lambda value: isinstance(value, list),
    "$map": lambda value: (
        isinstance(value, list) and all(isinstance(one, list) and len(one) == 2 for one in value)
    ),
    "$any": lambda value: value is True,
    "$nz": lambda value: value is True,
    "base64": _is_base64,
}
"""Whether a form can be of a value, for those of which the step does not matter."""


def needed_methods(trace: Trace) -> set[str]:
    """The methods that a trace calls, without `open` and `close`."""
    return {step.method for step in trace.steps} - {"open", "close"}


def missing(trace: Trace, capabilities: frozenset[str]) -> list[str]:
    """What a trace needs beyond these capabilities: capabilities, or calls outside the protocol."""
    methods = needed_methods(trace)
    needed = {PRIMITIVES[name].capability if name in PRIMITIVES else name for name in methods}
    if trace.volume.get("TrashDays") and methods & REMOVING:
        needed.add("trash")
    if trace.volume.get("ChangeLog") and methods & CHANGING:
        needed.add("changelog")
    if trace.volume.get("UserGroupQuota") and methods & CHANGING:
        needed.add("quota.user")
    return sorted(needed - capabilities)
