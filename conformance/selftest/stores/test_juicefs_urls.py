"""What docs/urls.md says of JuiceFS is so, where it can be run: the same URL means something else there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metaparity.conformance.verbs import soon
from metaparity.drivers import registry
from metaparity.drivers.bridge.juicefs.release import VERSION, built
from metaparity.drivers.errors import Refused
from metaparity.drivers.types import Config, Format

from .conftest import free_port

if TYPE_CHECKING:
    from metaparity.conformance.selftest.stores.conftest import LocalServer, Start

pytestmark = pytest.mark.skipif(
    built(VERSION) is None, reason=f"JuiceFS {VERSION} is not built: metaparity build juicefs"
)

FORMAT = Format({"Name": "t", "UUID": "5f0c7f6e-3f1b-4d43-9d5c-0a4f6f1d2b77", "Storage": "file"})


def formats(place: str, tls: bool = False) -> bool:
    """Whether JuiceFS makes a volume at a place.  Raises what it answers otherwise."""
    url = f"juicefs{'s' if tls else ''}://{place}"  # the driver puts redis for juicefs
    with closing(registry.driver("juicefs").open(url, Config(no_bg_jobs=True, retries=0))) as engine:
        engine.init(FORMAT, True)
        return engine.load().name == "t"


def test_any_value_disables_the_verification(tls_server: tuple[int, Path]) -> None:
    """But `skip_verify`, the parameter of its client library, does not."""
    place = f"localhost:{tls_server[0]}/1"
    for query in ("", "?insecure-skip-verify=", "?skip_verify=true"):
        with pytest.raises(Refused, match="failed to verify certificate"):
            formats(place + query, tls=True)
    for value in ("false", "0", "true"):
        assert formats(f"{place}?insecure-skip-verify={value}", tls=True)


def test_a_master_and_a_sentinel_without_port_are_a_cluster() -> None:
    """The name of the master is dialled; with a port it is asked for at the sentinel."""
    hurry = "min-retry-backoff=1ms&max-retry-backoff=2ms"
    with pytest.raises(OSError, match="address mymaster: missing port in address"):
        formats(f"mymaster,127.0.0.1/1?{hurry}")
    with pytest.raises((OSError, Refused), match="all sentinels specified in configuration are unreachable"):
        formats(f"mymaster,127.0.0.1:{free_port()}/1?{hurry}")


def test_how_a_parameter_is_spelled(server: LocalServer) -> None:
    """Its own of the cache with a dash only, its client library's with an underscore only."""
    place = f"127.0.0.1:{server.port}/1"
    for query in ("client_cache=true", "client_cache_size=100", "pool-size=5", "skip_verify=true"):
        name = query.partition("=")[0]
        with pytest.raises(OSError, match=f"redis: unexpected option: {name}$"):
            formats(f"{place}?{query}")
    for query in ("client-cache=true", "client-cache-size=100", "pool_size=5"):
        assert formats(f"{place}?{query}")


@pytest.mark.parametrize("parameter", ["read_timeout", "read-timeout"])
def test_a_value_that_cannot_be_read_is_the_default(server: LocalServer, parameter: str) -> None:
    assert formats(f"127.0.0.1:{server.port}/1?{parameter}=30")


def test_a_cluster_of_one_node_is_supported(start_server: Start, tmp_path: Path) -> None:
    """The database is the prefix of every key."""
    server = start_server(
        "--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--dir", str(tmp_path)
    )
    server.raw.cluster("ADDSLOTSRANGE", 0, 16383)
    assert soon(lambda: server.raw.cluster("INFO")["cluster_state"] == "ok")
    assert formats(f"127.0.0.1:{server.port}/3")
    assert server.raw.exists("{3}setting")
