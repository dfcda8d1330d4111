"""URLs of servers: every form of S5.1-S5.3, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from metaparity.drivers.url import Address, BadURL, parse, parse_duration

NOTHING: dict[str, str] = {}


@pytest.mark.parametrize(
    ("url", "host", "port", "db"),
    [
        ("redis://", "localhost", 6379, 0),
        ("localhost", "localhost", 6379, 0),
        ("127.0.0.1:6380/4", "127.0.0.1", 6380, 4),
        ("redis://example/7", "example", 6379, 7),
        ("redis://example:1/", "example", 1, 0),
        ("redis://:7000", "localhost", 7000, 0),
        ("redis://example/7?db=3", "example", 6379, 3),
        ("redis://[::1]:6381/2", "::1", 6381, 2),
        ("rueidis://example", "example", 6379, 0),
        ("REDIS://example", "example", 6379, 0),
    ],
)
def test_place(url: str, host: str, port: int, db: int) -> None:
    """Host, port and database have defaults; `db` overrides the path."""
    address = parse(url, NOTHING)
    assert (address.host, address.port, address.db) == (host, port, db)
    assert (address.path, address.tls, address.username, address.password) == ("", False, None, None)


@pytest.mark.parametrize("scheme", ["rediss", "ruediss", "rueidiss"])
def test_tls_schemes(scheme: str) -> None:
    """The TLS schemes verify the server unless they are told otherwise."""
    assert parse(f"{scheme}://example", NOTHING).tls
    for query, verify in {
        "": True,
        "=": True,
        "=false": True,
        "=0": True,
        "=true": False,
        "=1": False,
    }.items():
        assert parse(f"{scheme}://example?insecure-skip-verify{query}", NOTHING).verify == verify


def test_tls_files() -> None:
    """The files and the name for TLS are kept as written, in either spelling."""
    address = parse(
        "rediss://h?tls-cert-file=/c&tls_key_file=/k&tls-ca-cert-file=/a&tls-server-name=other", NOTHING
    )
    assert (address.cert_file, address.key_file, address.ca_cert_file) == ("/c", "/k", "/a")
    assert address.server_name == "other"


@pytest.mark.parametrize("scheme", ["redis", "rediss", "rueidis", "ruediss", "rueidiss"])
@pytest.mark.parametrize(
    ("names", "sentinels"),
    [
        ("mymaster,10.0.0.1,10.0.0.2:26380", [("10.0.0.1", 26380), ("10.0.0.2", 26380)]),
        ("mymaster,a:1,b,c:3", [("a", 1), ("b", 3), ("c", 3)]),
        ("mymaster,a:1,b", [("a", 1), ("b", 26379)]),
        ("mymaster,a", [("a", 26379)]),
        ("mymaster,a,b", [("a", 26379), ("b", 26379)]),
        ("mymaster,[::1]:7,[::2]", [("::1", 7), ("::2", 26379)]),
        ("My%2CMaster,a:1", [("a", 1)]),
    ],
)
def test_sentinels(scheme: str, names: str, sentinels: list[tuple[str, int]]) -> None:
    """The first name is the master's; the port of the last sentinel is that of those without one."""
    environment = {"SENTINEL_PASSWORD": "asks", "SENTINEL_USERNAME": "who", "REDIS_PASSWORD": "other"}
    address = parse(f"{scheme}://user:p%2Cw@{names}/2", environment)
    assert (address.master, list(address.sentinels)) == (
        names.partition(",")[0].replace("%2C", ","),
        sentinels,
    )
    assert (address.username, address.password, address.db) == ("user", "p,w", 2)
    assert (address.sentinel_username, address.sentinel_password) == ("who", "asks")
    assert parse(f"{scheme}://{names}", {"REDIS_PASSWORD": "other"}).password == "other"


def test_an_address_with_sentinels_as_text() -> None:
    """It reads like the URL, with every port and without a password."""
    address = parse("rueidis://user:hunter2@mymaster,a,[::1]:7?db=3", {"SENTINEL_PASSWORD": "hunter3"})
    assert str(address) == "rueidis://mymaster,a:7,[::1]:7/3"
    assert parse(str(address), NOTHING).sentinels == address.sentinels
    assert "hunter" not in repr(address)


@pytest.mark.parametrize("scheme", ["unix", "rueidisunix"])
def test_unix_socket(scheme: str) -> None:
    """A Unix socket is the path of the URL, its database a parameter."""
    address = parse(f"{scheme}://user:secret@/run/my%20redis.sock?db=5", NOTHING)
    assert (address.path, address.db) == ("/run/my redis.sock", 5)
    assert (address.username, address.password) == ("user", "secret")


def test_credentials_are_decoded() -> None:
    """User and password may hold any character, percent-encoded."""
    address = parse("redis://us%40er:p%2Fa%3As%23s@example", NOTHING)
    assert (address.username, address.password) == ("us@er", "p/a:s#s")


@pytest.mark.parametrize(
    ("url", "environment", "password"),
    [
        ("redis://:url@h", {"REDIS_PASSWORD": "one", "META_PASSWORD": "two"}, "url"),
        ("redis://h", {"REDIS_PASSWORD": "one", "META_PASSWORD": "two"}, "one"),
        ("redis://user@h", {"META_PASSWORD": "two"}, "two"),
        ("redis://h", {"REDIS_PASSWORD": "", "META_PASSWORD": ""}, None),
    ],
)
def test_password_order(url: str, environment: dict[str, str], password: str | None) -> None:
    """The URL goes first, then REDIS_PASSWORD, then META_PASSWORD."""
    assert parse(url, environment).password == password


def test_password_file(tmp_path: Path) -> None:
    """META_PASSWORD_FILE comes last; its content is trimmed."""
    file = tmp_path / "password"
    file.write_text(" three \n")
    assert parse("redis://h", {"META_PASSWORD_FILE": str(file)}).password == "three"
    assert parse("redis://h", {"META_PASSWORD_FILE": str(file), "META_PASSWORD": "two"}).password == "two"


def test_unreadable_password_file(tmp_path: Path) -> None:
    """A password file that cannot be read is an error, unless it is not needed."""
    environment = {"META_PASSWORD_FILE": str(tmp_path / "missing")}
    with pytest.raises(BadURL, match="META_PASSWORD_FILE cannot be read: No such file"):
        parse("redis://h", environment)
    assert parse("redis://:url@h", environment).password == "url"


def test_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an environment of its own, the process's is used."""
    monkeypatch.setenv("REDIS_PASSWORD", "ambient")
    assert parse("redis://h").password == "ambient"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1m30s", 90), ("200ms", 0.2), ("1.5h", 5400), (".5s", 0.5), ("250us", 25e-5), ("+2s", 2)],
)
def test_durations(text: str, seconds: float) -> None:
    """Go durations add up their parts."""
    assert parse_duration(text) == pytest.approx(seconds)


def test_timeouts() -> None:
    """Timeouts take either spelling; the dashed one wins; defaults are those of S5.2."""
    default = parse("redis://h", NOTHING)
    assert (default.dial_timeout, default.read_timeout, default.write_timeout) == (5, 30, 5)
    given = parse("redis://h?read_timeout=1s&read-timeout=2s&write_timeout=3s&dial-timeout=1m", NOTHING)
    assert (given.dial_timeout, given.read_timeout, given.write_timeout) == (60, 2, 3)
    assert parse("redis://h?read-timeout=2s&read_timeout=1s", NOTHING).read_timeout == 2


def test_cache() -> None:
    """What a client keeps has a time, a size and a way to be told of changes."""
    default = parse("rueidis://h", NOTHING)
    assert (default.cache_ttl, default.cache_size, default.subscribe) == (14 * 86400, 128 << 20, "bcast")
    given = parse("ruediss://h?cache_ttl=10m&ttl=1s&cache-size=3k&subscribe=optin", NOTHING)
    assert (given.cache_ttl, given.cache_size, given.subscribe) == (600, 3072, "optin")
    assert parse("rueidis://h?ttl=1s", NOTHING).cache_ttl == 1
    assert parse("rueidis://h?cache-ttl=0&ttl=1s", NOTHING).cache_ttl == 0
    assert parse("rueidis://h?cache-ttl=0s&cache-size=1000", NOTHING).cache_ttl == 0
    assert parse("rueidisunix:///s?cache-size=2G", NOTHING).cache_size == 2 << 30


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("rueidis://h?cache-ttl=10", "cache-ttl=10 is no duration"),
        ("rueidis://h?ttl=-1s", "ttl=-1s is no duration"),
        ("rueidis://h?cache-size=0", "cache-size=0 is no size"),
        ("rueidis://h?cache-size=1.5m", "is no size"),
        ("rueidis://h?subscribe=noloop", "choose from bcast, optin"),
        ("redis://h?cache-ttl=10m", "cache-ttl needs a client that keeps replies"),
        ("unix:///s?subscribe=bcast", "use a rueidis scheme"),
        ("http://h", "unknown scheme http://"),
        ("redis://h/1/2", "must be one number"),
        ("redis://h/one", "must be one number"),
        ("redis://h?db=-1", "must be one number"),
        ("redis://h?db=1e3", "must be one number"),
        ("redis://h:port", "port is no number"),
        ("redis://h:65536", "port is no number"),
        ("redis://[::1", "this is no URL"),
        ("redis://h#1", "no fragment"),
        ("redis://h/one?db=3", "must be one number"),
        ("redis://mymaster,", "a name is missing in a list"),
        ("redis://,10.0.0.1", "a name is missing in a list"),
        ("redis://mymaster,a,,b:1", "a name is missing in a list"),
        ("redis://mymaster,a:port", "port is no number"),
        ("redis://mymaster,a:1,b:65536", "port is no number"),
        ("unix://mymaster,a/run/redis.sock", "absolute path"),
        ("rueidis://10.0.0.1:7000,10.0.0.2:7000", "a list of cluster nodes is not supported"),
        ("redis://user:pw@[::1]:7000,[::2]:7000/1", "MASTER,HOST:26379 for a master and its sentinels"),
        ("redis://h?pool_sise=3", "unknown parameter 'pool-sise'"),
        ("redis://h?read-timeout=30", "read-timeout=30 is no duration"),
        ("redis://h?read-timeout=1s2", "is no duration"),
        ("redis://h?write-timeout=0s", "write-timeout must be longer than zero"),
        ("redis://h?tls-ca-cert-file=/a", "needs a TLS scheme"),
        ("redis://h?insecure-skip-verify=1", "needs a TLS scheme"),
        ("rediss://h?tls-cert-file=/a", "given together"),
        ("unix://", "absolute path"),
        ("unix://run/redis.sock", "absolute path"),
    ],
)
def test_refusals(url: str, reason: str) -> None:
    """What makes no sense is refused in one sentence."""
    with pytest.raises(BadURL, match=reason):
        parse(url, NOTHING)


@pytest.mark.parametrize(
    "rest",
    [
        "h/x",
        "h:port",
        "h?what=1",
        "h:1,i",
        "m,",
        "m,h:port",
        "h#f",
        "h?read-timeout=x",
        "[h",
        "h/1/2",
        "h:99999",
    ],
)
@pytest.mark.parametrize(
    "secret", ["hunterzebra", "hunter/zebra", "hunter?zebra", "hunter#zebra", "hunter@zebra"]
)
def test_no_error_shows_the_password(rest: str, secret: str) -> None:
    """A refusal never repeats a password, not even one that was not encoded."""
    with pytest.raises(BadURL) as refused:
        parse(f"redis://user:{secret}@{rest}", NOTHING)
    assert "hunter" not in str(refused.value)
    assert "zebra" not in str(refused.value)


def test_an_address_hides_the_password() -> None:
    """Neither form of an address as text shows the password."""
    address = parse("redis://user:hunter2@h:6380/1", NOTHING)
    assert str(address) == "redis://h:6380/1"
    assert "hunter2" not in repr(address)
    assert address == Address("redis", "h", 6380, db=1, username="user", password="hunter2")
