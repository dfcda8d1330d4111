"""A toy driver: one directory tree in memory, no server.  Enough to pass `metaparity smoke`."""
import json
import sys

HELLO = {"protocol": 1, "name": "toy", "version": "1", "language": "python", "schemes": ["toy"]}
nodes = {1: {"type": "directory", "mode": 0o777, "nlink": 2, "length": 4096, "parent": 1}}
names, settings = {1: {".": 1, "..": 1}}, {}

def lookup(p):
    inode = names[p["parent"]].get(p["name"])
    return {"ok": {"inode": inode, "attr": nodes[inode]}} if inode else {"errno": "ENOENT"}

def make(p, type):
    inode, here = len(nodes) + 1, names[p["parent"]]
    if p["name"] in here:
        return {"errno": "EEXIST"}
    here[p["name"]], names[inode] = inode, {".": inode, "..": p["parent"]}
    nodes[inode] = {"type": type, "mode": p.get("mode", 0), "nlink": 1, "length": 0, "parent": p["parent"]}
    return lookup(p)

def entry(name, inode):
    return {"name": name, "inode": inode, "type": nodes[inode]["type"]}

METHODS = {
    "hello": lambda p: {"ok": {**HELLO, "capabilities": ["volume", "session", "namespace"]}},
    **dict.fromkeys(("open", "close"), lambda p: {"ok": {}}),
    "init": lambda p: settings.update(p["format"]) or {"ok": {}},
    "load": lambda p: {"ok": settings},
    "session_new": lambda p: {"ok": {"sid": 1}},
    "mkdir": lambda p: make(p, "directory"),
    "create": lambda p: make(p, "file"),
    "lookup": lookup,
    "getattr": lambda p: {"ok": nodes[p["inode"]]},
    "readdir": lambda p: {"ok": [entry(*one) for one in names[p["inode"]].items()]},
    "unlink": lambda p: {"ok": {}} if names[p["parent"]].pop(p["name"], 0) else {"errno": "ENOENT"},
}
for call in map(json.loads, sys.stdin):
    if "id" in call:  # a $/cancel has none, and here nothing ever waits
        answer = METHODS.get(call["method"], lambda p: {"unsupported": "the toy is small"})
        print(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": answer(call["params"])}), flush=True)
