"""Where a server is and how to reach it, read from a URL (S5.1-S5.3)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

PLAIN = frozenset({"redis", "rueidis"})
TLS = frozenset({"rediss", "ruediss", "rueidiss"})
UNIX = frozenset({"unix", "rueidisunix"})

DIAL_TIMEOUT, READ_TIMEOUT, WRITE_TIMEOUT = 5.0, 30.0, 5.0
"""Seconds (S5.2)."""

RUEIDIS = frozenset({"rueidis", "ruediss", "rueidiss", "rueidisunix"})
"""Schemes of the client that keeps replies."""

CACHE_TTL = 14 * 24 * 3600.0
"""Seconds after which a kept reply is asked for again in any case."""
CACHE_SIZE = 128 << 20
"""Bytes of kept replies."""
BCAST, OPTIN = "bcast", "optin"
"""How the server knows what to tell of: every change below some prefixes, or of the keys that were read."""

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


class BadURL(ValueError):
    """A URL that names no server; the text says what to change and never shows the password."""


@dataclass(frozen=True, slots=True)
class Address:
    """One logical database of one server.  Timeouts are seconds; `path` is set for Unix sockets only."""

    scheme: str
    host: str = "localhost"
    port: int = 6379
    path: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    verify: bool = True
    cert_file: str = ""
    key_file: str = ""
    ca_cert_file: str = ""
    server_name: str = ""
    compat: str = ""
    cache_ttl: float = CACHE_TTL
    cache_size: int = CACHE_SIZE
    subscribe: str = BCAST
    dial_timeout: float = DIAL_TIMEOUT
    read_timeout: float = READ_TIMEOUT
    write_timeout: float = WRITE_TIMEOUT

    def __str__(self) -> str:
        """The place without credentials, e.g. `redis://localhost:6379/3`."""
        if self.path:
            return f"{self.scheme}://{self.path}?db={self.db}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.db}"


def parse(url: str, environment: Mapping[str, str] | None = None) -> Address:
    """The address in a URL such as `rediss://user:password@host:6380/2?read-timeout=10s`.

    Schemes: `redis rediss unix` and `rueidis ruediss rueidiss rueidisunix`; none means `redis`.
    Parameters: `db`, `read-timeout`, `write-timeout`, `dial-timeout` (Go durations), and with TLS
    `insecure-skip-verify` and `tls-cert-file tls-key-file tls-ca-cert-file tls-server-name`; with a rueidis
    scheme `cache-ttl` (or `ttl`; 0 keeps nothing), `cache-size` (bytes, or with k, m or g) and
    `subscribe=bcast|optin`; an underscore may stand for a dash.  `compat=1.4.1` asks for an engine with the
    known defects of JuiceFS 1.4.1.  A password that the URL leaves out comes from the environment (S5.3), by
    default that of the process.

    Raises `BadURL`.  Source: S5.1.1, S5.1.2, S5.2, S5.3.
    """
    parts = _split(url if "://" in url else f"redis://{url}")
    options = _Options(parts.query)
    environment = os.environ if environment is None else environment
    unix, tls, keeps = parts.scheme in UNIX, parts.scheme in TLS, parts.scheme in RUEIDIS
    host, port = _host_and_port(parts, unix)
    path_db = _db_in(parts.path) if not unix else 0
    address = Address(
        scheme=parts.scheme,
        host=host,
        port=port,
        path=unquote(parts.path) if unix else "",
        db=options.db(path_db),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else _password(environment),
        tls=tls,
        verify=not options.take("insecure-skip-verify", tls),
        cert_file=options.take("tls-cert-file", tls),
        key_file=options.take("tls-key-file", tls),
        ca_cert_file=options.take("tls-ca-cert-file", tls),
        server_name=options.take("tls-server-name", tls),
        dial_timeout=options.duration("dial-timeout", DIAL_TIMEOUT),
        read_timeout=options.duration("read-timeout", READ_TIMEOUT),
        write_timeout=options.duration("write-timeout", WRITE_TIMEOUT),
        compat=options.take("compat"),
        cache_ttl=options.duration("cache-ttl", options.duration("ttl", CACHE_TTL, keeps, 0.0), keeps, 0.0),
        cache_size=options.size("cache-size", CACHE_SIZE, keeps),
        subscribe=options.choice("subscribe", (BCAST, OPTIN), keeps),
    )
    options.require_empty()
    if bool(address.cert_file) != bool(address.key_file):
        _bad("tls-cert-file and tls-key-file must be given together")
    return address


def parse_duration(text: str) -> float:
    """Seconds in a Go duration such as `30s`, `1m30s` or `200ms`.  Raises `ValueError`."""
    unsigned = text.removeprefix("+")
    parts = _DURATION_PART.findall(unsigned)
    if not parts or "".join(number + unit for number, unit in parts) != unsigned:
        raise ValueError("not a duration")
    return sum(float(number) * DURATION_UNITS[unit] for number, unit in parts)


class _Options:
    """The query of a URL; what is left at the end was not understood."""

    def __init__(self, query: str) -> None:
        self._given: dict[str, str] = {}
        for name, value in sorted(parse_qsl(query, keep_blank_values=True), key=lambda pair: "-" in pair[0]):
            self._given[name.replace("_", "-")] = value  # the dashed spelling comes last and wins (S5.2.1)

    def take(self, name: str, allowed: bool = True) -> str:
        """The value of an option, empty where it was not given."""
        value = self._given.pop(name, "")
        if value and not allowed:
            _bad(f"{name} needs a TLS scheme: rediss, ruediss or rueidiss")
        return value

    def db(self, default: int) -> int:
        """The number in `db`."""
        value = self.take("db")
        return _db(value) if value else default

    def choice(self, name: str, choices: tuple[str, ...], allowed: bool) -> str:
        """One of some words, the first where it was not given."""
        value = self._rueidis(name, allowed)
        if value and value not in choices:
            _bad(f"{name}={value} is unknown: choose from {', '.join(choices)}")
        return value or choices[0]

    def size(self, name: str, default: int, allowed: bool) -> int:
        """The bytes in a size such as 64m."""
        value = self._rueidis(name, allowed)
        if not value:
            return default
        found = re.fullmatch(r"([0-9]{1,12})([kmg]?)", value, re.IGNORECASE | re.ASCII)
        if found is None or int(found[1]) == 0:
            _bad(f"{name}={value} is no size: write for example 64m, or a number of bytes")
        return int(found[1]) * SIZE_UNITS[found[2].lower()]

    def _rueidis(self, name: str, allowed: bool) -> str:
        value = self.take(name)
        if value and not allowed:
            _bad(f"{name} needs a client that keeps replies: use a rueidis scheme")
        return value

    def duration(self, name: str, default: float, allowed: bool = True, least: float | None = None) -> float:
        """The seconds in a duration, which must be longer than zero or at least `least`."""
        value = self._rueidis(name, allowed)
        if not value:
            return default
        if least == 0.0 and value == "0":
            return 0.0
        try:
            seconds = parse_duration(value)
        except ValueError:
            _bad(f"{name}={value} is no duration: write for example 30s, 1m30s or 200ms")
        if seconds <= 0 and least is None:
            _bad(f"{name} must be longer than zero")
        return seconds

    def require_empty(self) -> None:
        """Refuse what no one took."""
        if self._given:
            _bad(f"unknown parameter {min(self._given)!r}: remove it from the URL")


def _bad(text: str) -> NoReturn:
    raise BadURL(text) from None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        _bad("this is no URL: write redis://host:port/db")
    if parts.scheme not in PLAIN | TLS | UNIX:
        _bad(f"unknown scheme {parts.scheme}://: use one of {', '.join(sorted(PLAIN | TLS | UNIX))}")
    if parts.fragment:
        _bad("a URL of a server has no fragment: write # as %23 in passwords and paths")
    if "@" in parts.query:
        _bad("a parameter holds an @: write ? as %3F in passwords, and @ as %40 in values")
    return parts


def _host_and_port(parts: SplitResult, unix: bool) -> tuple[str, int]:
    """The place in the part between `//` and the path; defaults where it names none."""
    place = parts.netloc.rpartition("@")[2]
    if unix:
        if place or not parts.path.strip("/"):
            _bad("a Unix socket is given by its absolute path: write unix:///path/of/socket?db=0")
    elif "," in place:
        _bad("lists of Sentinel or cluster addresses are not supported yet: give the address of one server")
    try:
        return parts.hostname or "localhost", 6379 if parts.port is None else parts.port
    except ValueError:
        _bad("the port is no number below 65536 (write / as %2F in passwords)")


def _db_in(path: str) -> int:
    """The database number in the path of a URL."""
    component = path.strip("/")
    return _db(component) if component else 0


def _db(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        _bad("the database must be one number, as in redis://host:6379/1")
    return int(text)


def _password(environment: Mapping[str, str]) -> str | None:
    """The password that the URL does not give (S5.3)."""
    given = environment.get("REDIS_PASSWORD") or environment.get("META_PASSWORD")
    file = environment.get("META_PASSWORD_FILE")
    if given or not file:
        return given or None
    try:
        with open(file, encoding="utf-8") as content:
            return content.read().strip() or None
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "it is not UTF-8 text"
        _bad(f"the password file named by META_PASSWORD_FILE cannot be read: {reason}")
