"""The JSON Schema of the protocol, made from what the harness itself goes by: hints of `api.py`, `shapes.py`.

`python -m metaparity.drivers.bridge.schema` prints it; `protocol.schema.json` is its output.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from enum import IntEnum, IntFlag
from typing import Any

from ..api import CAPABILITIES, PRIMITIVES, Engine
from ..shapes import ABSENT, CHOICES, ENUMERATED, HIDDEN
from ..types import (
    Attr,
    CacheStats,
    Cloned,
    Config,
    Context,
    Copied,
    DirStat,
    Entry,
    Event,
    Format,
    HeldFlock,
    HeldPlock,
    Lock,
    LockRecord,
    Locks,
    LockType,
    Node,
    Quota,
    Rule,
    Session,
    SessionFlock,
    SessionInfo,
    SessionPlock,
    Slice,
    StatFS,
    Summary,
    Time,
    Tree,
)
from ..wire import ALIASES

Schema = dict[str, Any]

NAMES: dict[type, str] = {
    Attr: "ATTR",
    CacheStats: "CACHE",
    Cloned: "CLONED",
    Config: "CONFIG",
    Context: "CTX",
    Copied: "COPIED",
    DirStat: "STAT",
    Entry: "ENTRY",
    Event: "EVENT",
    HeldFlock: "HELD_FLOCK",
    HeldPlock: "HELD_PLOCK",
    Lock: "LOCK",
    LockRecord: "RECORD",
    Locks: "LOCKS",
    Node: "NODE",
    Quota: "QUOTA",
    Rule: "RULE",
    Session: "SESSION",
    SessionFlock: "SESSION_FLOCK",
    SessionInfo: "SESSION_INFO",
    SessionPlock: "SESSION_PLOCK",
    Slice: "SLICE",
    StatFS: "STATFS",
    Summary: "SUMMARY",
    Tree: "TREE",
}
"""The objects of protocol §4."""

INTEGER: Schema = {"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 64) - 1}
BASE64: Schema = {
    "type": "object",
    "properties": {"base64": {"type": "string", "contentEncoding": "base64"}},
    "required": ["base64"],
    "additionalProperties": False,
}
EMPTY: Schema = {"type": "object", "additionalProperties": False}


def ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


BASE: dict[Any, Schema] = {
    Any: {},
    int: ref("integer"),
    float: {"type": "number"},
    bool: {"type": "boolean"},
    str: {"type": "string"},
    bytes: ref("bytes"),
    type(None): EMPTY,
    Format: ref("FORMAT"),
    Time: ref("time"),
}


def schema_of(hint: Any) -> Schema:
    """The schema of a type hint."""
    if hint in BASE:
        return BASE[hint]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (list, Sequence) or (origin is tuple and parts[-1] is ...):
        return {"type": "array", "items": schema_of(parts[0])}
    if origin is tuple:
        items = [schema_of(part) for part in parts]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin is dict:
        made: Schema = {"type": "object", "additionalProperties": schema_of(parts[1])}
        return made if parts[0] is str else made | {"propertyNames": {"pattern": "^[0-9]{1,20}$"}}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [{"type": "null"} if part is type(None) else schema_of(part) for part in parts]}
    if issubclass(hint, IntFlag):
        bits: Schema = {"enum": [name.lower() for name in hint.__members__]}
        return {"anyOf": [{"type": "array", "items": bits}, ref("unsigned")]}
    if issubclass(hint, IntEnum):
        names = [one.name if hint is LockType else one.name.lower() for one in hint]
        return {"anyOf": [{"enum": names}, ref("integer")]}
    return ref(NAMES[hint])


def declared(place: tuple[object, str], hint: Any) -> Schema:
    """The schema of a field or parameter: its hint, or what the tables of `shapes.py` say beyond it."""
    if place in CHOICES:
        return {"enum": list(CHOICES[place])}
    return schema_of(ENUMERATED.get(place, hint))


def object_of(fields: Mapping[str, Schema], required: Sequence[str]) -> Schema:
    """An object of these fields and no others."""
    made: Schema = {"type": "object", "properties": dict(fields), "additionalProperties": False}
    return made | {"required": list(required)} if required else made


def dataclass_schema(cls: type) -> Schema:
    """The schema of an object of protocol §4."""
    hints = typing.get_type_hints(cls)
    fields = [one for one in dataclasses.fields(cls) if (cls, one.name) not in HIDDEN]
    required = [
        one.name
        for one in fields
        if one.default is dataclasses.MISSING
        and one.default_factory is dataclasses.MISSING
        and (cls, one.name) not in ABSENT
    ]
    return object_of({one.name: declared((cls, one.name), hints[one.name]) for one in fields}, required)


def parameters(method: str) -> tuple[dict[str, Schema], list[str]]:
    """The parameters of a method with their schemas, and which of them must be given.

    Raises `KeyError` for an unknown method.
    """
    if method in HANDSHAKE:
        fields, required, _ = HANDSHAKE[method]
        return fields, required
    function = getattr(Engine, PRIMITIVES[method].name)
    hints = typing.get_type_hints(function)
    own = dict(list(inspect.signature(function).parameters.items())[1:])
    required = [
        name
        for name, one in own.items()
        if one.default is inspect.Parameter.empty and (method, name) not in ABSENT
    ]
    fields = {name: declared((method, name), hints[name]) for name in own}
    return {"client": {"type": "string"}} | fields, ["client", *required]


def value(method: str) -> Schema:
    """The schema of what a method answers in `ok`.  Raises `KeyError` for an unknown method."""
    if method in HANDSHAKE:
        return HANDSHAKE[method][2]
    made = schema_of(typing.get_type_hints(getattr(Engine, method))["return"])
    field = PRIMITIVES[method].result
    return made if field is None else object_of({field: made}, [field])


TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
HELLO: Schema = {
    "type": "object",
    "properties": {
        "protocol": {"const": 1},
        "name": {"type": "string", "minLength": 1},
        "version": {"type": "string", "minLength": 1},
        "language": {"type": "string", "minLength": 1},
        "capabilities": {"type": "array", "items": {"enum": list(CAPABILITIES)}},
        "schemes": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-z][a-z0-9+.-]*$"},
            "minItems": 1,
        },
    },
    "required": ["protocol", "name", "version", "language", "capabilities", "schemes"],
}
CLIENT: dict[str, Schema] = {"client": {"type": "string"}}
HANDSHAKE: dict[str, tuple[dict[str, Schema], list[str], Schema]] = {
    "hello": ({"protocol": {"type": "integer"}}, ["protocol"], HELLO),
    "open": (CLIENT | {"url": {"type": "string"}, "config": ref("CONFIG")}, ["client", "url"], EMPTY),
    "close": (CLIENT, ["client"], EMPTY),
}
"""Methods that are no primitives (protocol §3): parameters, those that must be given, value."""

METHODS = (*HANDSHAKE, *PRIMITIVES)
"""Every method with an answer, in the order of the protocol."""

REFUSALS: list[Schema] = [
    object_of({"errno": ref("errno"), "detail": {"type": "string"}, "node": ref("NODE")}, ["errno"]),
    object_of({"refused": {"type": "string"}}, ["refused"]),
    object_of({"unsupported": {"type": "string"}}, ["unsupported"]),
]


def schema() -> Schema:
    """The whole schema: what stands on a line, and `$defs` with `METHOD.params` and `METHOD.result`."""
    version, id = {"jsonrpc": {"const": "2.0"}}, {"id": {"type": ["integer", "string"]}}
    defs: dict[str, Schema] = {
        "integer": INTEGER,
        "unsigned": {**INTEGER, "minimum": 0},
        "bytes": {"anyOf": [{"type": "string"}, BASE64]},
        "time": {
            "type": "array",
            "prefixItems": [ref("integer"), {"type": "integer", "minimum": 0, "maximum": 999_999_999}],
            "minItems": 2,
            "maxItems": 2,
        },
        "errno": {"type": "string", "pattern": "^E[0-9A-Z]+$", "not": {"enum": list(ALIASES)}},
        "FORMAT": {"type": "object"},
    }
    defs |= {name: dataclass_schema(cls) for cls, name in NAMES.items()}
    defs["refusal"] = {"oneOf": REFUSALS}
    for method in METHODS:
        defs[f"{method}.params"] = object_of(*parameters(method))
        defs[f"{method}.result"] = {"oneOf": [object_of({"ok": value(method)}, ["ok"]), ref("refusal")]}
    requests: list[Schema] = [
        object_of({**version, **id, "method": {"const": method}, "params": ref(f"{method}.params")}, CALL)
        for method in METHODS
    ]
    defs["request"] = {"oneOf": requests}
    cancel = object_of(id, ["id"])
    defs["cancel"] = object_of(
        {**version, "method": {"const": "$/cancel"}, "params": cancel}, ["jsonrpc", "method", "params"]
    )
    told = {"code": {"type": "integer"}, "message": {"type": "string"}, "data": {}}
    defs["answer"] = {
        "oneOf": [
            object_of({**version, **id, "result": {"type": "object"}}, ["jsonrpc", "id", "result"]),
            object_of(
                {
                    **version,
                    "id": {"type": ["integer", "string", "null"]},
                    "error": object_of(told, ["code", "message"]),
                },
                ["jsonrpc", "id", "error"],
            ),
        ]
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "metaparity driver protocol, version 1: one line",
        "anyOf": [ref("request"), ref("cancel"), ref("answer")],
        "$defs": defs,
    }


CALL = ("jsonrpc", "id", "method", "params")


def text() -> str:
    """The schema as it is published: a line for each definition."""
    whole = schema()
    defs = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in whole.pop("$defs").items())
    head = ",\n".join(f" {json.dumps(name)}: {json.dumps(one)}" for name, one in whole.items())
    return f'{{\n{head},\n "$defs": {{\n{defs}\n }}\n}}\n'


if __name__ == "__main__":
    sys.stdout.write(text())
