"""Where a server is and how to reach it, read from a URL (S5.1-S5.3)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from .query import BadURL as BadURL
from .query import Query, bad
from .query import parse_duration as parse_duration

PLAIN = frozenset({"redis", "rueidis"})
TLS = frozenset({"rediss", "ruediss", "rueidiss"})
UNIX = frozenset({"unix", "rueidisunix"})
SCHEMES = PLAIN | TLS | UNIX

RUEIDIS = frozenset({"rueidis", "ruediss", "rueidiss", "rueidisunix"})
"""Schemes of the client that keeps replies."""

PORT, SENTINEL_PORT = 6379, 26379

DIAL_TIMEOUT, READ_TIMEOUT, WRITE_TIMEOUT = 5.0, 30.0, 5.0
"""Seconds (S5.2)."""
POOL_SIZE = 100
"""Connections a client has at most for what cannot be shared."""

CACHE_TTL = 14 * 24 * 3600.0
"""Seconds after which a kept reply is asked for again in any case."""
CACHE_SIZE = 128 << 20
"""Bytes of kept replies."""
REQUIRED, WANTED = "required", "wanted"
"""What becomes of a client whose server does not tell of changes: it is refused, or keeps nothing."""
BCAST, OPTIN = "bcast", "optin"
"""How the server knows what to tell of: every change below some prefixes, or of the keys that were read."""

Place = tuple[str, int]
"""A host and a port."""


@dataclass(frozen=True, slots=True)
class Address:
    """One logical database of one server.  Timeouts are seconds.

    `path` is set for Unix sockets only.  Where there are `sentinels`, they say which server has the role of
    `master`, and `host` and `port` mean nothing.
    """

    scheme: str
    host: str = "localhost"
    port: int = PORT
    path: str = ""
    master: str = ""
    sentinels: tuple[Place, ...] = ()
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
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
    tracking: str = REQUIRED
    dial_timeout: float = DIAL_TIMEOUT
    read_timeout: float = READ_TIMEOUT
    write_timeout: float = WRITE_TIMEOUT
    pool_size: int = POOL_SIZE
    pool_timeout: float = READ_TIMEOUT
    client_name: str = ""

    def __str__(self) -> str:
        """The place without credentials, e.g. `redis://localhost:6379/3`."""
        if self.path:
            return f"{self.scheme}://{self.path}?db={self.db}"
        places = [place_text(one) for one in self.sentinels or [(self.host, self.port)]]
        return f"{self.scheme}://{','.join([self.master, *places] if self.master else places)}/{self.db}"


def place_text(place: Place) -> str:
    """A host and a port as in a URL."""
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse(url: str, environment: Mapping[str, str] | None = None) -> Address:
    """The address in a URL such as `rediss://user:password@host:6380/2?read-timeout=10s`.

    Schemes: `redis rediss unix` and `rueidis ruediss rueidiss rueidisunix`; none means `redis`.  A list
    `MASTER,HOST,HOST:PORT` in place of the host names a master and the sentinels that know where it is.
    The parameters are those of docs/urls.md.  A password that the URL leaves out comes from the environment
    (S5.3), by default that of the process, and so do the credentials of sentinels.

    Raises `BadURL`.  Source: S5.1.1-S5.1.3, S5.2, S5.3.
    """
    parts = _split(url if "://" in url else f"redis://{url}")
    query = Query(parts.query, parts.scheme in TLS, parts.scheme in RUEIDIS)
    environment = os.environ if environment is None else environment
    unix = parts.scheme in UNIX
    host, port, master, sentinels = _where(parts, unix)
    path_db = 0 if unix else _db(parts.path.strip("/"), 0)
    read_timeout = query.duration("read-timeout", READ_TIMEOUT)
    address = Address(
        scheme=parts.scheme,
        host=host,
        port=port,
        path=unquote(parts.path) if unix else "",
        master=master,
        sentinels=sentinels,
        db=_db(query.take("db"), path_db),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else _password(environment),
        sentinel_username=environment.get("SENTINEL_USERNAME") or None if master else None,
        sentinel_password=environment.get("SENTINEL_PASSWORD") or None if master else None,
        tls=parts.scheme in TLS,
        verify=not query.truth("insecure-skip-verify"),
        cert_file=query.take("tls-cert-file"),
        key_file=query.take("tls-key-file"),
        ca_cert_file=query.take("tls-ca-cert-file"),
        server_name=query.take("tls-server-name"),
        dial_timeout=query.duration("dial-timeout", DIAL_TIMEOUT),
        read_timeout=read_timeout,
        write_timeout=query.duration("write-timeout", WRITE_TIMEOUT),
        pool_size=query.count("pool-size", POOL_SIZE),
        pool_timeout=query.duration("pool-timeout", read_timeout),
        client_name=_client_name(query.take("client-name")),
        compat=query.take("compat"),
        cache_ttl=query.duration("cache-ttl", query.duration("ttl", CACHE_TTL, zero=True), zero=True),
        cache_size=query.size("cache-size", CACHE_SIZE),
        subscribe=query.choice("subscribe", BCAST, OPTIN),
        tracking=query.choice("tracking", REQUIRED, WANTED),
    )
    _require_primary(query.take("route-read"))
    query.require_empty()
    if bool(address.cert_file) != bool(address.key_file):
        bad("tls-cert-file and tls-key-file must be given together")
    return address


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        bad("this is no URL: write redis://host:port/db")
    if parts.scheme not in SCHEMES:
        bad(f"unknown scheme {parts.scheme}://: use one of {', '.join(sorted(SCHEMES))}")
    if parts.fragment:
        bad("a URL of a server has no fragment: write # as %23 in passwords and paths")
    if "@" in parts.query:
        bad("a parameter holds an @: write ? as %3F in passwords, and @ as %40 in values")
    return parts


def _where(parts: SplitResult, unix: bool) -> tuple[str, int, str, tuple[Place, ...]]:
    """Host, port, name of the master and sentinels in the part between `//` and the path (S5.1.3)."""
    names = parts.netloc.rpartition("@")[2]
    if unix and (names or not parts.path.strip("/")):
        bad("a Unix socket is given by its absolute path: write unix:///path/of/socket?db=0")
    master, comma, rest = names.partition(",")
    if not comma:
        return *_place(names, PORT), "", ()
    if ":" in master:
        bad(
            "a list of cluster nodes is not supported: give the address of one server that is no cluster, "
            "or MASTER,HOST:26379 for a master and its sentinels"
        )
    sentinels = rest.split(",")
    if not master or not all(sentinels):
        bad("a name is missing in a list: write MASTER,HOST:26379 for a master and its sentinels")
    _, port = _place(sentinels[-1], SENTINEL_PORT)
    return "localhost", PORT, unquote(master), tuple(_place(one, port) for one in sentinels)


def _place(text: str, default_port: int) -> Place:
    """A host and a port; defaults where the text names none."""
    try:
        parts = urlsplit(f"//{text}")
        return parts.hostname or "localhost", default_port if parts.port is None else parts.port
    except ValueError:
        bad("the port is no number below 65536 (write / as %2F in passwords)")


def _db(text: str, default: int) -> int:
    """The number of a database."""
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        bad("the database must be one number, as in redis://host:6379/1")
    return int(text or default)


def _client_name(text: str) -> str:
    """The name under which CLIENT LIST shows the connections; the server takes printable ASCII only."""
    if not all("!" <= character <= "~" for character in text):
        bad("client-name must be of ASCII letters, digits and signs, without spaces")
    return text


def _require_primary(route: str) -> None:
    if route not in ("", "primary"):
        bad(f"route-read={route} is not offered: every read is answered by the primary, or from the cache")


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
        bad(f"the password file named by META_PASSWORD_FILE cannot be read: {reason}")
