"""JSON and Python: the shapes of driver protocol §1, §2 and §4, both ways.

The type hints of `api.py` and `types.py` are the schema; what they cannot say is in the four tables below.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import errno as errnos
import inspect
import json
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum, IntFlag
from functools import cache
from typing import Any, NamedTuple, NoReturn, TypeAlias

from .api import PRIMITIVES, Engine
from .errors import NodeExists, Refused, Unsupported
from .types import (
    Attr,
    Config,
    Context,
    Entry,
    FileType,
    Format,
    HeldPlock,
    Lock,
    LockRecord,
    LockType,
    Node,
    Slice,
    Tree,
)

Json: TypeAlias = Any
"""What `json.loads` gives: None, bool, int, float, str, list or dict."""

ENUMERATED: dict[tuple[object, str], type[IntEnum]] = {
    (Attr, "type"): FileType,
    (Entry, "type"): FileType,
    (Tree, "type"): FileType,
    ("mknod", "type"): FileType,
    (LockRecord, "type"): LockType,
    (HeldPlock, "type"): LockType,
    (Lock, "type"): LockType,
}
"""Integers of a shape or a method that have names; others than these pass through as integers."""

CHOICES: dict[tuple[object, str], tuple[str, ...]] = {
    (Config, "atime_mode"): ("noatime", "relatime", "strictatime"),
    (Config, "delete_slice"): ("ok", "fail", "record"),
    (Config, "compact_chunk"): ("ok", "fail", "record"),
}
"""Texts of which only some are known."""

ABSENT: dict[tuple[object, str], Any] = {
    (Slice, "pos"): 0,
    (Slice, "off"): 0,
    ("setlk", "block"): False,
    ("setlk", "pid"): 0,
}
"""Values of fields and parameters that may be absent in JSON though Python wants them."""

HIDDEN = {(Context, "cancelled")}
"""Fields that never travel."""

SHOWN_UNLESS: dict[tuple[object, str], Any] = {(Attr, "full"): True}
"""Fields that travel only where they have another value than this."""

OUTCOMES = ("ok", "errno", "refused", "unsupported")

ALIASES = {"EOPNOTSUPP": "ENOTSUP", "EWOULDBLOCK": "EAGAIN", "ENOATTR": "ENODATA"}

ERRNO_NAMES = {number: ALIASES.get(name, name) for number, name in errnos.errorcode.items()}
"""Errno to its one name in the protocol."""


class Malformed(ValueError):
    """JSON that does not have the shape asked for; the text says where and why in one sentence."""


class UnknownField(Malformed):
    """A field that the shape does not have."""


class BadParams(ValueError):
    """Parameters that a method cannot take; the text says which and why in one sentence."""


class Shape(NamedTuple):
    """How values of one type hint travel; `decode` raises `Malformed`."""

    encode: Callable[[Any], Json]
    decode: Callable[[Json], Any]


class Parameter(NamedTuple):
    """One parameter of a method, or one field of a dataclass."""

    shape: Callable[[], Shape]
    required: bool


# -- values ----------------------------------------------------------------------------------------


def encode(value: object) -> Json:
    """A value as JSON, by its own type; None is null.

    Where a value is declared with a type hint, as in results, `answer` knows more: it names the numbers.
    """
    if value is None or isinstance(value, str | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    kind: Any = type(value)
    return shape(kind).encode(value)


def decode(hint: Any, value: Json) -> Any:
    """The value of a type hint that JSON stands for.  Raises `Malformed`."""
    return shape(hint).decode(value)


@cache
def shape(hint: Any) -> Shape:
    """The shape of a type hint."""
    if hint in SCALARS:
        return SCALARS[hint]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (list, Sequence):
        return _sequence(parts[0], list)
    if origin is tuple:
        return _sequence(parts[0], tuple) if parts[-1] is ... else _tuple(parts)
    if origin is dict:
        return _mapping(*parts)
    if origin in (typing.Union, types.UnionType):
        return _union(parts)
    if isinstance(hint, type) and issubclass(hint, IntFlag):
        return _bit_set(hint)
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return _enumeration(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _object(hint)
    raise TypeError(f"no JSON shape for {hint!r}")


def _refuse(wanted: str, value: Json) -> NoReturn:
    text = json.dumps(value, default=repr)
    raise Malformed(f"expected {wanted}, not {text if len(text) <= 60 else text[:57] + '...'}")


def _within(place: str, decode: Callable[[Json], Any], value: Json) -> Any:
    try:
        return decode(value)
    except Malformed as bad:
        raise type(bad)(f"{place}: {bad}") from None


def _decode_int(value: Json) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 64:
        _refuse("an integer of 64 bits", value)
    return value


def _decode_float(value: Json) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        _refuse("a number", value)
    return float(value)


def _decode_bool(value: Json) -> bool:
    if type(value) is not bool:
        _refuse("true or false", value)
    return value


def _decode_str(value: Json) -> str:
    if not isinstance(value, str):
        _refuse("a text", value)
    return value


def _encode_bytes(value: bytes) -> Json:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _decode_bytes(value: Json) -> bytes:
    try:
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, dict) and value.keys() == {"base64"} and isinstance(value["base64"], str):
            return base64.b64decode(value["base64"], validate=True)
    except (UnicodeEncodeError, binascii.Error):
        pass  # refused below, as any other value that is no byte string
    _refuse('a UTF-8 text or {"base64": ..}', value)


def _decode_nothing(value: Json) -> None:
    if value != {}:
        _refuse("{}", value)


def _decode_format(value: Json) -> Format:
    if not isinstance(value, dict):
        _refuse("an object", value)
    return Format(value)


SCALARS: dict[Any, Shape] = {
    Any: Shape(encode, lambda value: value),
    int: Shape(int, _decode_int),
    float: Shape(float, _decode_float),
    bool: Shape(bool, _decode_bool),
    str: Shape(str, _decode_str),
    bytes: Shape(_encode_bytes, _decode_bytes),
    type(None): Shape(lambda _: {}, _decode_nothing),
    Format: Shape(lambda format: encode(format.fields), _decode_format),
}


def _sequence(item: Any, build: Callable[[list[Any]], Any]) -> Shape:
    inner = shape(item)

    def decode_items(value: Json) -> Any:
        if not isinstance(value, list):
            _refuse("a list", value)
        return build([_within(str(index), inner.decode, one) for index, one in enumerate(value)])

    return Shape(lambda value: [inner.encode(one) for one in value], decode_items)


def _tuple(items: tuple[Any, ...]) -> Shape:
    inner = [shape(item) for item in items]

    def decode_items(value: Json) -> Any:
        if not isinstance(value, list) or len(value) != len(inner):
            _refuse(f"a list of {len(inner)}", value)
        pairs = zip(inner, value, strict=True)
        return tuple(_within(str(index), one.decode, item) for index, (one, item) in enumerate(pairs))

    return Shape(
        lambda value: [one.encode(item) for one, item in zip(inner, value, strict=True)], decode_items
    )


def _mapping(key: Any, item: Any) -> Shape:
    inner = shape(item)

    def decode_key(text: str) -> Any:
        if key is str:
            return text
        if not (text.isascii() and text.isdecimal()):
            _refuse("keys that are decimal numbers", text)
        return _decode_int(int(text))

    def decode_items(value: Json) -> Any:
        if not isinstance(value, dict):
            _refuse("an object", value)
        return {decode_key(name): _within(name, inner.decode, one) for name, one in value.items()}

    return Shape(lambda value: {str(name): inner.encode(one) for name, one in value.items()}, decode_items)


def _union(parts: tuple[Any, ...]) -> Shape:
    """A value or None, or one of several scalars that differ in their JSON type."""
    shapes = {part: shape(part) for part in parts if part is not type(None)}
    optional = type(None) in parts

    def encode_one(value: Any) -> Json:
        if value is None:
            return None
        fitting = [one for part, one in shapes.items() if isinstance(value, part)]
        return (fitting or list(shapes.values()))[0].encode(value)

    def decode_one(value: Json) -> Any:
        if value is None and optional:
            return None
        *others, last = shapes.values()
        for one in others:
            try:
                return one.decode(value)
            except Malformed:
                continue  # the last shape has the last word
        return last.decode(value)

    return Shape(encode_one, decode_one)


def _wire_name(member: IntEnum | IntFlag) -> str:
    name = str(member.name)
    return name if isinstance(member, LockType) else name.lower()


def _bit_set(flags: type[IntFlag]) -> Shape:
    bits = {_wire_name(member): member for member in flags.__members__.values()}
    wanted = f"an integer or a list of {', '.join(bits)}"

    def encode_bits(value: int) -> Json:
        names = [name for name, bit in bits.items() if bit and value & bit]
        known = 0
        for name in names:
            known |= bits[name]
        return names if known == value else int(value)

    def decode_bits(value: Json) -> int:
        if type(value) is int:
            return flags(_decode_int(value))
        if not isinstance(value, list) or any(not isinstance(one, str) or one not in bits for one in value):
            _refuse(wanted, value)
        chosen = flags(0)
        for one in value:
            chosen |= bits[one]
        return chosen

    return Shape(encode_bits, decode_bits)


def _enumeration(enum: type[IntEnum]) -> Shape:
    members = {_wire_name(member): member for member in enum}
    names = {int(member): name for name, member in members.items()}

    def decode_member(value: Json) -> int:
        if isinstance(value, str) and value in members:
            return members[value]
        if type(value) is not int:
            _refuse(f"an integer or one of {', '.join(members)}", value)
        # A number without a name goes on as it is: the engine has to refuse it.
        return members[names[value]] if value in names else _decode_int(value)

    return Shape(lambda value: names.get(value, int(value)), decode_member)


def _choice(known: tuple[str, ...]) -> Shape:
    def decode_choice(value: Json) -> str:
        if not isinstance(value, str) or value not in known:
            _refuse(f"one of {', '.join(known)}", value)
        return value

    return Shape(str, decode_choice)


@cache
def _fields(cls: type) -> dict[str, Parameter]:
    hints = typing.get_type_hints(cls)
    return {
        field.name: Parameter(
            lambda place=(cls, field.name), hint=hints[field.name]: _declared(place, hint),  # type: ignore[misc]
            field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
            and (cls, field.name) not in ABSENT,
        )
        for field in dataclasses.fields(cls)
        if (cls, field.name) not in HIDDEN
    }


def _declared(place: tuple[object, str], hint: Any) -> Shape:
    return _choice(CHOICES[place]) if place in CHOICES else shape(ENUMERATED.get(place, hint))


def _object(cls: type) -> Shape:
    absent = {name: value for (owner, name), value in ABSENT.items() if owner is cls}
    unless = {name: value for (owner, name), value in SHOWN_UNLESS.items() if owner is cls}

    def encode_fields(value: Any) -> Json:
        return {
            name: field.shape().encode(one)
            for name, field in _fields(cls).items()
            if (one := getattr(value, name)) is not None and (name not in unless or one != unless[name])
        }

    def decode_fields(value: Json) -> Any:
        if not isinstance(value, dict):
            _refuse("an object", value)
        fields = _fields(cls)
        for name in value:
            if name not in fields:
                raise UnknownField(f"{cls.__name__} has no field {name!r}")
        for name, field in fields.items():
            if field.required and name not in value:
                raise Malformed(f"{cls.__name__} needs the field {name!r}")
        given = {name: _within(name, fields[name].shape().decode, one) for name, one in value.items()}
        return cls(**{**absent, **given})

    return Shape(encode_fields, decode_fields)


# -- calls -----------------------------------------------------------------------------------------


@cache
def _signature(method: str) -> tuple[dict[str, Parameter], Shape]:
    """The parameters of a primitive and the shape of its value."""
    function = getattr(Engine, PRIMITIVES[method].name)
    hints = typing.get_type_hints(function)
    parameters = {
        name: Parameter(
            lambda place=(method, name), hint=hints[name]: _declared(place, hint),  # type: ignore[misc]
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
        return _within(name, form.decode, value)
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
    """The `result` of making a call.

    Lets pass what is no outcome: exceptions of other kinds, and an `OSError` whose errno has no name.
    """
    try:
        return answer(method, call())
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
        _refuse("a result with one of ok, errno, refused, unsupported", result)
    told = result[kinds[0]]
    if kinds[0] == "ok":
        return told
    if kinds[0] == "refused":
        raise Refused(_within("refused", _decode_str, told))
    if kinds[0] == "unsupported":
        raise Unsupported(_within("unsupported", _decode_str, told))
    number = getattr(errnos, told, None) if isinstance(told, str) and told.startswith("E") else None
    if not isinstance(number, int):
        _refuse("the name of an errno", told)
    if told == "EEXIST" and "node" in result:
        raise NodeExists(_within("node", shape(Node).decode, result["node"]))
    raise OSError(number, _within("detail", _decode_str, result.get("detail", "")))


def value_of(method: str, result: Json) -> Any:
    """What a primitive returns, from the `result` of a request.  Raises as `raise_outcome`."""
    body = raise_outcome(result)
    field = PRIMITIVES[method].result
    if field is not None:
        if not isinstance(body, dict) or body.keys() != {field}:
            _refuse(f"an object with the field {field!r}", body)
        body = body[field]
    return _within(method, _signature(method)[1].decode, body)
