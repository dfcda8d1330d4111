"""Clients in processes of their own: only the server stands between them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from metaparity.drivers.registry import Driver
from metaparity.fixtures.volumes import Volume

LIMIT = 60
"""Seconds that a process may take."""


def opening(volume: Volume, driver: Driver) -> list[str]:
    """The name and the URL by which another process opens a driver on the volume."""
    return [driver.spelling or driver.name, driver.url(volume.place.address)]


def run_at_once(program: str, arguments: Sequence[Sequence[str]]) -> None:
    """Run a Python program once for each list of arguments; all have to succeed.

    Each says `ready` on a line and waits for one before it goes on.
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for given in arguments
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=LIMIT)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0] * len(processes)
