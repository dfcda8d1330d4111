"""Calls and their results as JSON: driver protocol §2 and §5, both ways.

`arguments` and `outcome` serve an engine to a caller, `params` and `value_of` are their inverse: they make
a caller of JSON look like an engine.
"""

from __future__ import annotations

import errno as errnos
import inspect
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from .api import PRIMITIVES, Engine
from .errors import NodeExists, Refused, Unsupported
from .shapes import (
    ABSENT,
    Field,
    Json,
    Malformed,
    Shape,
    UnknownField,
    declared,
    decode,
    decode_str,
    encode,
    refuse,
    shape,
    within,
)
from .types import Config, Node

__all__ = [
    "BadParams",
    "Json",
    "Malformed",
    "answer",
    "arguments",
    "attempt",
    "config",
    "decode",
    "encode",
    "outcome",
    "params",
    "raise_outcome",
    "takes",
    "value_of",
]

OUTCOMES = ("ok", "errno", "refused", "unsupported")

ALIASES = {"EOPNOTSUPP": "ENOTSUP", "EWOULDBLOCK": "EAGAIN", "ENOATTR": "ENODATA"}

ERRNO_NAMES = {number: ALIASES.get(name, name) for number, name in errnos.errorcode.items()}
"""Errno to its one name in the protocol."""


class BadParams(ValueError):
    """Parameters that a method cannot take; the text says which and why in one sentence."""


# -- calls -----------------------------------------------------------------------------------------


@cache
def _signature(method: str) -> tuple[dict[str, Field], Shape]:
    """The parameters of a primitive and the shape of its value."""
    function = getattr(Engine, PRIMITIVES[method].name)
    hints = typing.get_type_hints(function)
    parameters = {
        name: Field(
            lambda place=(method, name), hint=hints[name]: declared(place, hint),  # type: ignore[misc]
            parameter.default is inspect.Parameter.empty and (method, name) not in ABSENT,
        )
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
    }
    return parameters, shape(hints["return"])


def takes(method: str, parameter: str) -> bool:
    """Whether a primitive has a parameter of this name.  Raises `KeyError` for an unknown method."""
    return parameter in _signature(method)[0]


def arguments(method: str, params: Mapping[str, Json]) -> dict[str, Any]:
    """The keyword arguments of a primitive from the `params` of a request, without `client`.

    Raises `Unsupported` for a parameter or field that is not known, `BadParams` for one that is missing
    or has the wrong type, `KeyError` for an unknown method.  Source: protocol §1.
    """
    parameters, _ = _signature(method)
    for name in params:
        if name not in parameters:
            raise Unsupported(f"{method} has no parameter {name!r}")
    for name, parameter in parameters.items():
        if parameter.required and name not in params:
            raise BadParams(f"{method} needs the parameter {name!r}")
    absent = {name: value for (owner, name), value in ABSENT.items() if owner == method}
    return absent | {name: _given(name, parameters[name].shape(), value) for name, value in params.items()}


def config(params: Json) -> Config:
    """A client's configuration from the `config` of `open`.

    Raises `Unsupported` for an unknown key, `BadParams` for a value that it cannot have.  Source:
    protocol §3.
    """
    given: Config = _given("config", shape(Config), params)
    return given


def _given(name: str, form: Shape, value: Json) -> Any:
    try:
        return within(name, form.decode, value)
    except UnknownField as unknown:
        raise Unsupported(str(unknown)) from None
    except Malformed as bad:
        raise BadParams(str(bad)) from None


def params(method: str, **arguments: Any) -> dict[str, Json]:
    """The other way round from `arguments`: what a caller sends for a call of a primitive."""
    parameters, _ = _signature(method)
    return {name: parameters[name].shape().encode(value) for name, value in arguments.items()}


# -- outcomes --------------------------------------------------------------------------------------


def answer(method: str, value: Any) -> dict[str, Json]:
    """The `result` of a call that returned `value`.  Source: protocol §2, §5."""
    body = _signature(method)[1].encode(value)
    if method == "read":
        for piece in body:
            del piece["pos"]
    field = PRIMITIVES[method].result
    return {"ok": body if field is None else {field: body}}


def outcome(method: str, call: Callable[[], Any]) -> dict[str, Json]:
    """The `result` of making a call.  Lets pass what `attempt` lets pass."""
    return attempt(lambda: answer(method, call()))


def attempt(call: Callable[[], dict[str, Json]]) -> dict[str, Json]:
    """The result that `call` returns, or the refusal that it raises as a result.

    Lets pass what is no outcome: exceptions of other kinds, and an `OSError` whose errno has no name.
    """
    try:
        return call()
    except Unsupported as unsupported:
        return {"unsupported": unsupported.reason}
    except NodeExists as exists:
        return {"errno": "EEXIST", "node": encode(exists.node)}
    except Refused as refused:
        return {"refused": str(refused)}
    except OSError as failure:
        if failure.errno not in ERRNO_NAMES:
            raise
        return {"errno": ERRNO_NAMES[failure.errno], "detail": failure.strerror or ""}


def raise_outcome(result: Json) -> Json:
    """The VALUE of `{"ok": VALUE}`; any other outcome is raised as an engine would raise it.

    Raises `OSError`, `NodeExists`, `Refused`, `Unsupported`; `Malformed` for what is no result.
    """
    kinds = [kind for kind in OUTCOMES if kind in result] if isinstance(result, dict) else []
    if len(kinds) != 1:
        refuse("a result with one of ok, errno, refused, unsupported", result)
    told = result[kinds[0]]
    if kinds[0] == "ok":
        return told
    if kinds[0] == "refused":
        raise Refused(within("refused", decode_str, told))
    if kinds[0] == "unsupported":
        raise Unsupported(within("unsupported", decode_str, told))
    number = getattr(errnos, told, None) if isinstance(told, str) and told.startswith("E") else None
    if not isinstance(number, int):
        refuse("the name of an errno", told)
    if told == "EEXIST" and "node" in result:
        raise NodeExists(within("node", shape(Node).decode, result["node"]))
    raise OSError(number, within("detail", decode_str, result.get("detail", "")))


def value_of(method: str, result: Json) -> Any:
    """What a primitive returns, from the `result` of a request.  Raises as `raise_outcome`."""
    body = raise_outcome(result)
    field = PRIMITIVES[method].result
    if field is not None:
        if not isinstance(body, dict) or body.keys() != {field}:
            refuse(f"an object with the field {field!r}", body)
        body = body[field]
    return within(method, _signature(method)[1].decode, body)
