"""Commands as bytes: each kind of argument, and a signal in the middle."""

from __future__ import annotations

import subprocess
import sys
from enum import IntEnum, IntFlag

import pytest

from metaparity.drivers.redis.connection import pack


class Kind(IntEnum):
    ONE = 1


class Flag(IntFlag):
    TWO = 2


@pytest.mark.parametrize(
    ("given", "travels"),
    [
        (b"\x00\xff", b"$2\r\n\x00\xff\r\n"),
        ("ü", b"$2\r\n\xc3\xbc\r\n"),
        (-(1 << 63), b"$20\r\n-9223372036854775808\r\n"),
        (1 << 70, b"$22\r\n1180591620717411303424\r\n"),
        (True, b"$1\r\n1\r\n"),
        (Kind.ONE, b"$1\r\n1\r\n"),
        (Flag.TWO, b"$1\r\n2\r\n"),
    ],
)
def test_arguments(given: bytes | str | int, travels: bytes) -> None:
    assert pack([("GET", given), ("PING",)]) == b"*2\r\n$3\r\nGET\r\n" + travels + b"*1\r\n$4\r\nPING\r\n"


INTERRUPTED = """
import signal
from metaparity.drivers.redis.connection import pack

class Stopped(Exception):
    pass

def stop(*_):
    raise Stopped

many = [("X", 12345, -1)] * 2000
stopped = 0
signal.signal(signal.SIGALRM, stop)
while stopped < 300:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        while True:
            pack(many)
    except Stopped:
        stopped += 1
"""
"""Who packs numbers and is stopped, again and again."""


def test_a_signal_among_numbers() -> None:
    """It is heard, and does not end the process: hiredis does not look whether it could write a number."""
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
