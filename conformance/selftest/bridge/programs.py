"""Programs for tests: a few lines that answer the protocol as the test wants."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

HEAD = """
import json, os, signal, sys, threading, time
HELLO = {"protocol": 1, "name": "fake", "version": "1", "language": "python",
         "capabilities": ["volume", "namespace", "flock"], "schemes": ["fake"]}
lock = threading.Lock()
def send(id, result=None, **other):
    answer = {"jsonrpc": "2.0", "id": id, **({"result": result} if not other else other)}
    with lock:
        os.write(1, json.dumps(answer).encode() + b"\\n")
def handle(id, method, params):
    send(id, {"ok": {}})
def calls():
    for line in sys.stdin:
        call = json.loads(line)
        if call["method"] == "hello":
            send(call["id"], {"ok": HELLO})
        elif call["method"] in ("open", "close"):
            send(call["id"], {"ok": {}})
        else:
            yield call.get("id"), call["method"], call["params"]
"""

Write = Callable[[str], list[str]]


def writer(folder: Path) -> Write:
    """Makes programs in a folder; gives their command lines."""

    def write(body: str) -> list[str]:
        path = folder / f"program{len(list(folder.glob('program*.py')))}.py"
        path.write_text(HEAD + body)
        return [sys.executable, str(path)]

    return write
