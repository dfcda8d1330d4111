"""docs/urls.md is so: what it says is accepted is, what it quotes is raised, and nothing is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from metaparity.drivers.query import REFUSED, Query
from metaparity.drivers.registry import drivers, open_engine
from metaparity.drivers.url import PLAIN, RUEIDIS, TLS, UNIX, BadURL, parse

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "urls.md").read_text("utf-8")

SCHEMES = {"all": PLAIN | TLS | UNIX, "TLS": TLS, "rueidis": RUEIDIS}


def rows(*head: str) -> list[list[str]]:
    """The cells of the table with this head."""
    found = re.search(re.escape("| " + " | ".join(head) + " |") + r"\n[-|]+\n((?:\|.*\n)+)", PAGE)
    assert found is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def quoted(cell: str) -> list[str]:
    """What a cell has between backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def url(scheme: str, query: str) -> str:
    return f"{scheme}://{'/socket' if scheme in UNIX else 'h'}?{query}"


def query_of(cell: str) -> list[str]:
    """The queries among what a cell quotes."""
    return [one for one in quoted(cell) if "=" in one]


def underscored(query: str) -> str:
    """A query with the other spelling of its names."""
    return re.sub(r"[^&=]+(?==)", lambda name: name[0].replace("-", "_"), query)


PARAMETERS = rows("parameter", "schemes", "default", "accepted", "refused", "with")
KNOWN = [pytest.param(*row, id=row[0].strip("`")) for row in PARAMETERS]


def test_every_scheme_is_there() -> None:
    listed = {quoted(scheme)[0]: (client, way) for scheme, client, way in rows("scheme", "client", "way")}
    assert listed.keys() == SCHEMES["all"] == set(drivers()["redis"].schemes + drivers()["rueidis"].schemes)
    for scheme, (client, way) in listed.items():
        assert ("cache" in client) == (scheme in RUEIDIS)
        assert (way == "TCP", way.startswith("TLS"), way == "a Unix socket") == (
            scheme in PLAIN,
            scheme in TLS,
            scheme in UNIX,
        )


def test_every_parameter_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the code asks a URL for is in the table, and what is refused by name in the other."""
    asked = set()
    take = Query.take

    def noted(self: Query, name: str) -> str:
        asked.add(name)
        return take(self, name)

    monkeypatch.setattr(Query, "take", noted)
    parse("rueidiss://h", {})
    assert sorted(asked) == sorted(quoted(row[0])[0] for row in PARAMETERS)
    refused = [name for names, _ in rows("parameters", "refused with") for name in quoted(names)]
    assert sorted(refused) == sorted(REFUSED)


@pytest.mark.parametrize(("name", "schemes", "default", "accepted", "refused", "text"), KNOWN)
def test_a_parameter(name: str, schemes: str, default: str, accepted: str, refused: str, text: str) -> None:
    (name,) = quoted(name)
    for scheme in SCHEMES[schemes]:
        nothing = parse(url(scheme, ""), {})
        assert query_of(accepted)
        changed = [parse(url(scheme, query), {}) for query in query_of(accepted)]
        assert changed == [parse(url(scheme, underscored(query)), {}) for query in query_of(accepted)]
        assert name == "route-read" or any(one != nothing for one in changed)
        if re.fullmatch("`[^`]+`", default):
            assert parse(url(scheme, f"{name}={quoted(default)[0]}"), {}) == nothing
        for query in quoted(refused):
            with pytest.raises(ValueError, match="^" + re.escape(quoted(text)[0]) + "$"):
                open_engine(url(scheme, query))
    for scheme in SCHEMES["all"] - SCHEMES[schemes]:
        with pytest.raises(BadURL, match=rf"^{name} needs a "):
            parse(url(scheme, query_of(accepted)[0].split("&")[name == "tls-key-file"]), {})


def test_the_dashed_spelling_wins() -> None:
    for name, value, other in (("read-timeout", "1s", "2s"), ("cache-size", "1m", "2m")):
        dashed = f"{name}={value}"
        both = [dashed, underscored(f"{name}={other}")]
        expected = parse(url("rueidis", dashed), {})
        assert parse(url("rueidis", "&".join(both)), {}) == expected
        assert parse(url("rueidis", "&".join(reversed(both))), {}) == expected


@pytest.mark.parametrize(("names", "text"), rows("parameters", "refused with"))
@pytest.mark.parametrize("value", ["", "0", "false", "1m"])
def test_what_would_change_nothing_is_refused(names: str, text: str, value: str) -> None:
    for name in quoted(names):
        for spelling in (name, name.replace("-", "_")):
            for scheme in SCHEMES["all"]:
                with pytest.raises(BadURL) as refused:
                    parse(url(scheme, f"{spelling}={value}"), {})
                assert str(refused.value) == quoted(text)[0].replace("NAME", name)


@pytest.mark.parametrize("place", [quoted(row[0])[0] for row in rows("URL", "what it names")])
def test_a_place_is_accepted(place: str) -> None:
    """An address as text names the same place, without its credentials."""
    address = parse(place, {})
    again = parse(str(address), {})
    one, other = ((it.host, it.port, it.path, it.db, it.master, it.sentinels) for it in (address, again))
    assert one == other


@pytest.mark.parametrize(("wrong", "text"), rows("URL", "what is wrong"))
def test_a_place_is_refused(wrong: str, text: str) -> None:
    with pytest.raises(BadURL) as refused:
        parse(quoted(wrong)[0], {})
    assert str(refused.value) == quoted(text)[0]
