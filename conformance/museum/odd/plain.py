"""The part that the odd engines share: the protocol, and a tree in memory that is not odd at all."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Json: TypeAlias = Any
Answer: TypeAlias = Callable[[str, dict[str, Json]], dict[str, Json]]

LIFE = frozenset({"hello", "open", "close", "init", "load", "session_new", "session_close"})
"""Calls that are not of the name space."""


class Tree:
    """A plain engine: files and directories in memory."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.settings: Json = {}
        self.nodes: dict[int, dict[str, Json]] = {1: self.node("directory", 0o777, 1)}
        self.names: dict[int, dict[bytes, int]] = {1: {}}

    @staticmethod
    def node(type: str, mode: int, parent: int) -> dict[str, Json]:
        links, length = (2, 4096) if type == "directory" else (1, 0)
        return {"type": type, "mode": mode, "nlink": links, "length": length, "parent": parent}

    def number(self) -> int:
        """The inode of the next node."""
        return len(self.nodes) + 1

    def answer(self, method: str, params: dict[str, Json]) -> dict[str, Json]:
        """The result of a call."""
        handle = getattr(self, f"on_{method}", None)
        if handle is None:
            return {"unsupported": f"{self.name} has no {method}"}
        result: dict[str, Json] = handle(params)
        return result

    def on_hello(self, params: Json) -> Json:
        capabilities = ["volume", "session", "namespace"]
        said = {"protocol": 1, "name": self.name, "version": "1", "language": "python", "schemes": ["odd"]}
        return {"ok": {**said, "capabilities": capabilities}}

    def on_open(self, params: Json) -> Json:
        return {"ok": {}}

    on_close = on_session_close = on_open

    def on_init(self, params: Json) -> Json:
        self.settings = params["format"]
        self.nodes, self.names = {1: self.node("directory", 0o777, 1)}, {1: {}}
        return {"ok": {}}

    def on_load(self, params: Json) -> Json:
        return {"ok": self.settings}

    def on_session_new(self, params: Json) -> Json:
        return {"ok": {"sid": 1}}

    def on_mkdir(self, params: Json) -> Json:
        return self.make(params, "directory")

    def on_create(self, params: Json) -> Json:
        return self.make(params, "file")

    def on_mknod(self, params: Json) -> Json:
        return self.make(params, params["type"])

    def on_symlink(self, params: Json) -> Json:
        return self.make(params, "symlink")

    def make(self, params: Json, type: str) -> Json:
        name, parent = raw(params["name"]), params["parent"]
        if parent not in self.names:
            return {"errno": "ENOENT"}
        if name in self.names[parent]:
            inode = self.names[parent][name]
            return {"errno": "EEXIST", "node": {"inode": inode, "attr": self.nodes[inode]}}
        inode = self.number()
        self.nodes[inode] = self.node(type, params.get("mode", 0) & ~params.get("umask", 0), parent)
        self.names[parent][name] = inode
        if type == "directory":
            self.names[inode] = {}
        return {"ok": {"inode": inode, "attr": self.nodes[inode]}}

    def on_lookup(self, params: Json) -> Json:
        inode = self.names.get(params["parent"], {}).get(raw(params["name"]))
        return {"ok": {"inode": inode, "attr": self.nodes[inode]}} if inode else {"errno": "ENOENT"}

    def on_getattr(self, params: Json) -> Json:
        node = self.nodes.get(params["inode"])
        return {"ok": node} if node else {"errno": "ENOENT"}

    def on_setattr(self, params: Json) -> Json:
        if "mode" in params["set"]:
            self.nodes[params["inode"]]["mode"] = params["attr"]["mode"]
        return self.on_getattr(params)

    def on_readdir(self, params: Json) -> Json:
        inode = params["inode"]
        listed = {b".": inode, b"..": self.nodes[inode]["parent"], **self.names[inode]}
        entries = [
            {"name": text(name), "inode": one, "type": self.nodes[one]["type"]}
            for name, one in listed.items()
        ]
        return {"ok": entries}


def raw(name: Json) -> bytes:
    """The bytes of a name."""
    return name.encode() if isinstance(name, str) else base64.b64decode(name["base64"])


def text(name: bytes) -> Json:
    """A name as it travels."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(name).decode()}


def calls() -> Iterator[dict[str, Json]]:
    """What is asked, cancellations left out."""
    for line in sys.stdin.buffer:
        call = json.loads(line)
        if "id" in call:
            yield call


def send(id: int, result: Json) -> None:
    """One answer."""
    line = json.dumps({"jsonrpc": "2.0", "id": id, "result": result}).encode() + b"\n"
    while line:
        line = line[os.write(1, line) :]


def serve(answer: Answer, before: Callable[[str], None] = lambda method: None) -> None:
    """Answer call by call; `before` is where an engine is odd."""
    for call in calls():
        before(call["method"])
        send(call["id"], answer(call["method"], call["params"]))
