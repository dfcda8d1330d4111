"""The lines of the change log (S8.1, S8.2)."""

from __future__ import annotations

from ..types import Time


def line(now: Time, operation: str, sid: int, number: int) -> bytes:
    """One line of the log: when, what, and by which session's which transaction (S8.1)."""
    seconds, nanoseconds = now
    return b"%d.%09d|%s|(%d,%d)" % (seconds, nanoseconds, operation.encode("ascii"), sid, number)


def operation(name: str, arguments: tuple[bytes | str | int | bool, ...], result: object = None) -> str:
    """What was done, as it is logged (S8.1)."""
    told = f"{name}({','.join(map(written, arguments))})"
    return told if result is None else f"{told}:{result}"


def written(argument: bytes | str | int | bool) -> str:
    """An argument as it is logged: text is encoded but for plain characters."""
    if isinstance(argument, bool):
        return "true" if argument else "false"
    if isinstance(argument, bytes):
        return "".join(map(_character, argument))
    return argument if isinstance(argument, str) else str(int(argument))


def _character(byte: int) -> str:
    plain = 32 <= byte < 127 and byte not in b',%()"\\'
    return chr(byte) if plain else f"%{byte:02X}"
