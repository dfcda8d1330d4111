"""One source: the published schema and the tables of the protocol document say what the harness goes by."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from metaparity.drivers import wire
from metaparity.drivers.api import CAPABILITIES, PRIMITIVES
from metaparity.drivers.bridge import schema
from metaparity.drivers.types import Attr, Context, Entry, FileType, Node, SetAttr, Slice

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT / "drivers" / "bridge" / "protocol.schema.json"
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")

ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in DOCUMENT.splitlines()
    if line.startswith("| `")
]
"""The rows of all tables that begin with something in code."""

METHODS = {cells[0].strip("`"): cells[1:] for cells in ROWS if len(cells) == 5}
SHAPES = {cells[0].strip("`"): cells[1:] for cells in ROWS if len(cells) == 3}
EXPLAINED = {cells[0].strip("`") for cells in ROWS if len(cells) == 2}


def valid(definition: str, value: Any) -> bool:
    whole = {"$defs": schema.schema()["$defs"], "$ref": f"#/$defs/{definition}"}
    return bool(jsonschema.Draft202012Validator(whole).is_valid(value))


def test_the_published_schema_is_the_generated_one() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema.text()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(PUBLISHED.read_text(encoding="utf-8")))


def test_every_method_has_a_row() -> None:
    assert METHODS.keys() == set(schema.METHODS)


@pytest.mark.parametrize("method", schema.METHODS)
def test_a_row_has_the_parameters_of_its_method(method: str) -> None:
    parameters, required = schema.parameters(method)
    wanted = [name if name in required else f"{name}?" for name in parameters]
    if method in PRIMITIVES:
        wanted = [name for name in wanted if name not in ("client", "ctx?")]
        context = "ctx" in parameters
        assert ("†" not in METHODS[method][1]) == context, "a † marks a method that takes no ctx"
    assert re.findall(r"`([a-z_]+\??)`", METHODS[method][1]) == wanted


@pytest.mark.parametrize("method", schema.METHODS)
def test_a_row_has_the_value_of_its_method(method: str) -> None:
    assert METHODS[method][2].strip("`") == value_text(schema.value(method))


def value_text(form: dict[str, Any]) -> str:
    """A schema as the tables write it."""
    if "$ref" in form:
        return str(form["$ref"].rpartition("/")[2])
    if "prefixItems" in form:
        return f"[{', '.join(map(value_text, form['prefixItems']))}]"
    if form.get("type") == "array":
        return f"[{value_text(form['items'])}]"
    if isinstance(form.get("additionalProperties"), dict):
        key = "number" if "propertyNames" in form else "key"
        return f"{{{key}: {value_text(form['additionalProperties'])}}}"
    if form.get("type") == "object":
        return f"{{{', '.join(form.get('properties', {}))}}}"
    return str(form.get("type", "any"))


@pytest.mark.parametrize("method", PRIMITIVES)
def test_a_row_has_the_clause_of_its_method(method: str) -> None:
    assert METHODS[method][3] == PRIMITIVES[method].source


def test_every_capability_is_explained() -> None:
    assert CAPABILITIES.keys() <= EXPLAINED


@pytest.mark.parametrize("name", schema.NAMES.values())
def test_every_shape_is_explained(name: str) -> None:
    fields = schema.schema()["$defs"][name]["properties"]
    assert re.findall(r"`([a-z_]+)`", SHAPES[name][0]) == list(fields)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("lookup", {"parent": 1, "name": b"\xff", "ctx": Context(uid=1, gids=(2, 3))}),
        ("setattr", {"inode": (1 << 64) - 1, "set": SetAttr.MODE, "attr": Attr(type=FileType.FIFO)}),
        ("mknod", {"parent": 1, "name": b"n", "type": 99}),
        ("batch_unlink", {"parent": 1, "entries": [Entry(b"n", 2, 1)]}),
        ("write", {"inode": 1, "chunk": 0, "off": 0, "slice": Slice(0, 1, 2, 3, 4), "mtime": (1, 2)}),
        ("quota_list", {}),
    ],
)
def test_what_we_send_fits(method: str, arguments: dict[str, Any]) -> None:
    sent = {"client": "c", **wire.params(method, **arguments)}
    assert valid(f"{method}.params", sent)
    assert not valid(f"{method}.params", {**sent, "nonsense": 1})
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": sent}
    assert jsonschema.Draft202012Validator(schema.schema()).is_valid(request)


@pytest.mark.parametrize(
    ("result", "fits"),
    [
        (wire.answer("lookup", Node(5, Attr(type=1))), True),
        ({"errno": "ENOENT", "detail": "no such entry"}, True),
        ({"errno": "EEXIST", "node": {"inode": 3}}, True),
        ({"refused": "no"}, True),
        ({"unsupported": "no"}, True),
        ({"ok": {"inode": 1 << 64}}, False),
        ({"ok": {"inode": 1}, "errno": "EIO"}, False),
        ({"errno": "EOPNOTSUPP"}, False),
        ({"errno": 2}, False),
        ({"ok": {"inode": 1, "attr": {"atime": 5}}}, False),
        ({}, False),
    ],
)
def test_results(result: dict[str, Any], fits: bool) -> None:
    assert valid("lookup.result", result) == fits
