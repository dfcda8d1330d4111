"""JSON and Python values: the shapes of driver protocol §1 and §4, both ways.

The type hints of `api.py` and `types.py` are the schema; what they cannot say is in the four tables below.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum, IntFlag
from functools import cache
from typing import Any, NamedTuple, NoReturn, TypeAlias

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


class Malformed(ValueError):
    """JSON that does not have the shape asked for; the text says where and why in one sentence."""


class UnknownField(Malformed):
    """A field that the shape does not have."""


class Shape(NamedTuple):
    """How values of one type hint travel; `decode` raises `Malformed`."""

    encode: Callable[[Any], Json]
    decode: Callable[[Json], Any]


class Field(NamedTuple):
    """One field of an object, or one parameter of a method; its shape is made when it is first used."""

    shape: Callable[[], Shape]
    required: bool


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


def refuse(wanted: str, value: Json) -> NoReturn:
    text = json.dumps(value, default=repr)
    raise Malformed(f"expected {wanted}, not {text if len(text) <= 60 else text[:57] + '...'}")


def within(place: str, decode: Callable[[Json], Any], value: Json) -> Any:
    try:
        return decode(value)
    except Malformed as bad:
        raise type(bad)(f"{place}: {bad}") from None


def _decode_int(value: Json) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 64:
        refuse("an integer of 64 bits", value)
    return value


def _decode_float(value: Json) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        refuse("a number", value)
    return float(value)


def _decode_bool(value: Json) -> bool:
    if type(value) is not bool:
        refuse("true or false", value)
    return value


def decode_str(value: Json) -> str:
    if not isinstance(value, str):
        refuse("a text", value)
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
    refuse('a UTF-8 text or {"base64": ..}', value)


def _decode_nothing(value: Json) -> None:
    if value != {}:
        refuse("{}", value)


def _decode_format(value: Json) -> Format:
    if not isinstance(value, dict):
        refuse("an object", value)
    return Format(value)


SCALARS: dict[Any, Shape] = {
    Any: Shape(encode, lambda value: value),
    int: Shape(int, _decode_int),
    float: Shape(float, _decode_float),
    bool: Shape(bool, _decode_bool),
    str: Shape(str, decode_str),
    bytes: Shape(_encode_bytes, _decode_bytes),
    type(None): Shape(lambda _: {}, _decode_nothing),
    Format: Shape(lambda format: encode(format.fields), _decode_format),
}


def _sequence(item: Any, build: Callable[[list[Any]], Any]) -> Shape:
    inner = shape(item)

    def decode_items(value: Json) -> Any:
        if not isinstance(value, list):
            refuse("a list", value)
        return build([within(str(index), inner.decode, one) for index, one in enumerate(value)])

    return Shape(lambda value: [inner.encode(one) for one in value], decode_items)


def _tuple(items: tuple[Any, ...]) -> Shape:
    inner = [shape(item) for item in items]

    def decode_items(value: Json) -> Any:
        if not isinstance(value, list) or len(value) != len(inner):
            refuse(f"a list of {len(inner)}", value)
        pairs = zip(inner, value, strict=True)
        return tuple(within(str(index), one.decode, item) for index, (one, item) in enumerate(pairs))

    return Shape(
        lambda value: [one.encode(item) for one, item in zip(inner, value, strict=True)], decode_items
    )


def _mapping(key: Any, item: Any) -> Shape:
    inner = shape(item)

    def decode_key(text: str) -> Any:
        if key is str:
            return text
        if not (text.isascii() and text.isdecimal() and len(text) <= 20):
            refuse("keys that are decimal numbers", text)
        return _decode_int(int(text))

    def decode_items(value: Json) -> Any:
        if not isinstance(value, dict):
            refuse("an object", value)
        return {decode_key(name): within(name, inner.decode, one) for name, one in value.items()}

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
        if type(value) is int and 0 <= value < 1 << 64:
            return flags(value)
        if not isinstance(value, list) or any(not isinstance(one, str) or one not in bits for one in value):
            refuse(wanted, value)
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
            refuse(f"an integer or one of {', '.join(members)}", value)
        # A number without a name goes on as it is: the engine has to refuse it.
        return members[names[value]] if value in names else _decode_int(value)

    return Shape(lambda value: names.get(value, int(value)), decode_member)


def _choice(known: tuple[str, ...]) -> Shape:
    def decode_choice(value: Json) -> str:
        if not isinstance(value, str) or value not in known:
            refuse(f"one of {', '.join(known)}", value)
        return value

    return Shape(str, decode_choice)


@cache
def _fields(cls: type) -> dict[str, Field]:
    hints = typing.get_type_hints(cls)
    return {
        field.name: Field(
            lambda place=(cls, field.name), hint=hints[field.name]: declared(place, hint),  # type: ignore[misc]
            field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
            and (cls, field.name) not in ABSENT,
        )
        for field in dataclasses.fields(cls)
        if (cls, field.name) not in HIDDEN
    }


def declared(place: tuple[object, str], hint: Any) -> Shape:
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
            refuse("an object", value)
        fields = _fields(cls)
        for name in value:
            if name not in fields:
                raise UnknownField(f"{cls.__name__} has no field {name!r}")
        for name, field in fields.items():
            if field.required and name not in value:
                raise Malformed(f"{cls.__name__} needs the field {name!r}")
        given = {name: within(name, fields[name].shape().decode, one) for name, one in value.items()}
        return cls(**{**absent, **given})

    return Shape(encode_fields, decode_fields)
