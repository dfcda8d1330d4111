"""What a call costs over the bridge: `python conformance/selftest/bridge/measure.py`.

Three figures in microseconds a call: the same lines to and fro over bare pipes (what the echo program and the
kernel cost), the bridge over the same echo program, and the difference, which is the bridge's own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from metaparity.drivers.bridge import Hello, Options, Program
from metaparity.drivers.bridge.engine import BridgeEngine
from metaparity.drivers.types import Config

ECHO = [sys.executable, str(Path(__file__).with_name("echo.py"))]
CALLS = 5000


def per_call(call: Callable[[], object], calls: int = CALLS) -> float:
    """Microseconds a call, the best of five rounds."""
    call()
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(calls // 5):
            call()
        best = min(best, (time.perf_counter() - start) / (calls // 5))
    return best * 1e6


def bare() -> float:
    """The lines of a getattr over bare pipes."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "getattr", "params": {"client": "client1", "inode": 1}}
    line = json.dumps(request, separators=(",", ":")).encode() + b"\n"
    with subprocess.Popen(ECHO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        source, target = child.stdout, child.stdin

        def call() -> None:
            target.write(line)
            source.read(1 << 16)

        took = per_call(call)
        child.stdin.close()
    return took


def bridged(threads: int = 1) -> float:
    """A getattr of a bridged engine; with more threads, calls of all of them together."""
    program = Program(ECHO, Options())
    try:
        hello: Hello = program.hello()
        engine = BridgeEngine(program, hello, "client1", "echo://", Config())
        if threads == 1:
            return per_call(lambda: engine.getattr(1))

        def work() -> None:
            for _ in range(CALLS // threads):
                engine.getattr(1)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return (time.perf_counter() - start) / (CALLS // threads * threads) * 1e6
    finally:
        program.end()


if __name__ == "__main__":
    pipes, bridge = bare(), bridged()
    print(f"bare pipes {pipes:.0f} µs, bridge {bridge:.0f} µs, the bridge's own {bridge - pipes:.0f} µs")
    for threads in (2, 8):
        took = bridged(threads)
        print(f"{threads} threads: {took:.0f} µs a call, {1e6 / took:.0f} calls a second")
