"""The environment has the plain client serve the schemes of rueidis, and nothing hides that it does."""

from __future__ import annotations

from contextlib import closing

import pytest
import redis

from metaparity.drivers.rueidis import PLAIN_CLIENT, driver
from metaparity.drivers.types import Config, Format

from .conftest import Run

FORMAT = Format({"Name": "t", "UUID": "5f0c7f6e-3f1b-4d43-9d5c-0a4f6f1d2b77", "Storage": "file"})


@pytest.mark.parametrize(("asked", "keeps"), [("1", False), ("0", True), ("", True)])
def test_which_client_it_is(server_url: str, asked: str, keeps: bool) -> None:
    """Only a client that keeps replies has the server tell it of changes, and declares that it does."""
    chosen = driver({PLAIN_CLIENT: asked})
    address, name = server_url.removeprefix("redis://"), "which-client"
    with redis.Redis.from_url(server_url) as raw:
        url = f"{chosen.url(address)}?client-name={name}&cache-size=1m"
        engine = chosen.open(url, Config(no_bg_jobs=True))
        with closing(engine):
            engine.init(FORMAT, True)
            assert engine.getattr(1) == engine.getattr(1)
            clients = [one for one in raw.client_list() if one["name"] == name]
            assert clients
            assert any("t" in one["flags"] for one in clients) == keeps
            engine.reset()
    assert ("cache.tracking" in engine.capabilities) == ("cache.tracking" in chosen.capabilities) == keeps
    assert chosen.capabilities == engine.capabilities
    assert (f"{PLAIN_CLIENT}=1" in chosen.description) != keeps


def test_the_report_says_so(metaparity: Run, server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clauses of the cache are unsupported, and the driver is described as what it is."""
    monkeypatch.setenv(PLAIN_CLIENT, "1")
    clauses = "coherence/what-is-cached-asks-nothing", "lookup/finds-a-name-of-any-bytes"
    only = [option for clause in clauses for option in ("--only", clause)]
    ran = metaparity("run", *only, "--driver", "rueidis", "--server", server_url, "-n", "0")
    assert ran.code == 0, ran.out
    assert ran.verdicts() == {(clauses[0], "rueidis"): "unsupported", (clauses[1], "rueidis"): "passed"}
    [described] = ran.results["header"]["drivers"]
    assert described["description"] == f"our engine on redis-py ({PLAIN_CLIENT}=1)"
    assert "cache.tracking" not in described["capabilities"]


def test_any_other_value_is_a_mistake(metaparity: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told before anything runs, and other drivers do not mind."""
    monkeypatch.setenv(PLAIN_CLIENT, "yes")
    ran = metaparity("run", "--driver", "rueidis")
    assert (ran.code, ran.err) == (3, f"metaparity: {PLAIN_CLIENT} is 'yes': set it to 0 or 1\n")
    assert metaparity("clauses").code == 0
