"""What stands behind the question mark of a URL (S5.2)."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import parse_qsl

SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}

DURATION_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_DURATION_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")

TRUTHS = {"1": True, "true": True, "0": False, "false": False}

REFUSED = {
    name: reason
    for names, reason in (
        (
            "client-cache client-cache-size client-cache-expire client-cache-preload",
            "use a rueidis scheme, whose cache is set by cache-ttl and cache-size",
        ),
        (
            "min-retry-backoff max-retry-backoff max-retries",
            "a lost read is asked once more at once, and a lost write is never repeated",
        ),
        ("skip-verify", "use insecure-skip-verify=true"),
        ("protocol", "the client always speaks RESP3"),
        ("pool-fifo", "the connection that was used last is the next to be used"),
        (
            "min-idle-conns max-idle-conns max-active-conns max-concurrent-dials",
            "connections are made when they are needed, at most pool-size",
        ),
        (
            "conn-max-idle-time idle-timeout conn-max-lifetime max-conn-age conn-max-lifetime-jitter",
            "a connection is kept for as long as the server keeps it",
        ),
        (
            "prime metaprime inode-batch chunk-batch inode-low-watermark chunk-low-watermark",
            "numbers are reserved as JuiceFS reserves them",
        ),
        (
            "batchwrite batch-size batch-bytes batch-interval",
            "nothing is written later than its call returns",
        ),
        ("fast-meta", "nothing is kept on disk"),
    )
    for name in names.split()
}
"""Parameters of JuiceFS, its driver and its rueidis fork that would change nothing here, and why."""


class BadURL(ValueError):
    """A URL that names no server; the text says what to change and never shows the password."""


def bad(text: str) -> NoReturn:
    """Raise `BadURL`."""
    raise BadURL(text) from None


def parse_duration(text: str) -> float:
    """Seconds in a Go duration such as `30s`, `1m30s` or `200ms`.  Raises `ValueError`."""
    unsigned = text.removeprefix("+")
    parts = _DURATION_PART.findall(unsigned)
    if not parts or "".join(number + unit for number, unit in parts) != unsigned:
        raise ValueError("not a duration")
    return sum(float(number) * DURATION_UNITS[unit] for number, unit in parts)


def parse_truth(name: str, text: str) -> bool:
    """What the text of a switch says; nothing is no.  Raises `BadURL`."""
    if text and text.lower() not in TRUTHS:
        bad(f"{name}={text} is neither yes nor no: write true or false")
    return TRUTHS.get(text.lower(), False)


class Query:
    """The parameters of a URL; what is left at the end was not understood.

    `tls` and `keeps` say whether the scheme is one with TLS, and one of a client that keeps replies.  An
    underscore may stand for a dash; where both spellings are given, the dashed one wins (S5.2.1).
    """

    def __init__(self, text: str, tls: bool, keeps: bool) -> None:
        self._tls, self._keeps = tls, keeps
        self._given: dict[str, str] = {}
        for name, value in sorted(parse_qsl(text, keep_blank_values=True), key=lambda pair: "-" in pair[0]):
            self._given[name.replace("_", "-")] = value
        for name in self._given:
            if name in REFUSED:
                bad(f"{name} is not offered: {REFUSED[name]}")

    def take(self, name: str) -> str:
        """The value of a parameter, empty where it was not given."""
        value = self._given.pop(name, "")
        if value and not self._tls and name.startswith(("tls-", "insecure-")):
            bad(f"{name} needs a TLS scheme: rediss, ruediss or rueidiss")
        if value and not self._keeps and name in ("cache-ttl", "ttl", "cache-size", "subscribe", "tracking"):
            bad(f"{name} needs a client that keeps replies: use a rueidis scheme")
        return value

    def truth(self, name: str) -> bool:
        """Whether a switch is on."""
        return parse_truth(name, self.take(name))

    def choice(self, name: str, *choices: str) -> str:
        """One of some words, the first where it was not given."""
        value = self.take(name)
        if value and value not in choices:
            bad(f"{name}={value} is unknown: choose from {', '.join(choices)}")
        return value or choices[0]

    def count(self, name: str, default: int) -> int:
        """A number of things, at least one."""
        value = self.take(name)
        if value and not re.fullmatch(r"[1-9][0-9]{0,5}", value):
            bad(f"{name}={value} is no count: write a number from 1 to 999999")
        return int(value or default)

    def size(self, name: str, default: int) -> int:
        """The bytes in a size such as 64m."""
        value = self.take(name)
        if not value:
            return default
        found = re.fullmatch(r"([0-9]{1,12})([kmg]?)", value, re.IGNORECASE | re.ASCII)
        if found is None or int(found[1]) == 0:
            bad(f"{name}={value} is no size: write for example 64m, or a number of bytes")
        return int(found[1]) * SIZE_UNITS[found[2].lower()]

    def duration(self, name: str, default: float, zero: bool = False) -> float:
        """The seconds in a duration; `zero` says whether there may be none."""
        value = self.take(name)
        if not value:
            return default
        if zero and value == "0":
            return 0.0
        try:
            seconds = parse_duration(value)
        except ValueError:
            bad(f"{name}={value} is no duration: write for example 30s, 1m30s or 200ms")
        if seconds <= 0 and not zero:
            bad(f"{name} must be longer than zero")
        return seconds

    def require_empty(self) -> None:
        """Refuse what no one took."""
        if self._given:
            bad(f"unknown parameter {min(self._given)!r}: remove it from the URL")
