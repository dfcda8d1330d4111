"""The benchmark: its arguments, its loop, its arithmetic, and the slow wire it measures over."""

from __future__ import annotations

import errno
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import timeit
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from metaparity.conformance.benchmark import workloads
from metaparity.conformance.benchmark.measure import (
    Measured,
    Order,
    Worker,
    carried_out,
    measure,
    percentile,
)
from metaparity.conformance.benchmark.results import Cell, Results, Setting, Spread
from metaparity.conformance.benchmark.scene import prepare
from metaparity.conformance.benchmark.staleness import Staleness, staleness
from metaparity.conformance.benchmark.table import table
from metaparity.conformance.benchmark.workloads import WORKLOADS
from metaparity.drivers import registry
from metaparity.drivers.bridge.failures import EngineFault
from metaparity.drivers.bridge.juicefs.release import VERSION, built
from metaparity.drivers.errors import error
from metaparity.fixtures.delay import Delay
from metaparity.fixtures.provision import Place
from metaparity.fixtures.raw import Raw
from metaparity.fixtures.volumes import keyspace

from .conftest import Run

SERVER = "local" if shutil.which("redis-server") else "embedded"

needs_adapter = pytest.mark.skipif(
    built(VERSION) is None, reason=f"JuiceFS {VERSION} is not built: metaparity build juicefs"
)

ENGINES = ["redis", "rueidis", pytest.param("juicefs", marks=needs_adapter)]


# -- the command -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--threads", "0", "from 1 to 64"),
        ("--threads", "1,,2", "numbers with commas between them"),
        ("--delay-ms", "-1", "from 0 to 1000"),
        ("--delay-ms", "nan", "from 0 to 1000"),
        ("--seconds", "1,2", "give a number, from 0.01 to 60"),
        ("--rounds", "1.5", "give a number, from 1 to 100"),
        ("--only", "getattr,stat", "there is no workload 'stat': choose from getattr, lookup,"),
        ("--driver", "rediss", "unknown driver 'rediss'"),
        ("--server", "somewhere", "names no kind of server"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    metaparity: Run, option: str, value: str, told: str
) -> None:
    ran = metaparity("bench", f"{option}={value}")
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_place_that_cannot_be_written_is_told_before_anything_is_measured(
    metaparity: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    ran = metaparity("bench", "--driver", "redis", "--report", "file/report", "--server", SERVER)
    assert ran.code == 3
    assert "with --report" in ran.err
    assert "round 1" not in ran.err


def test_a_run_leaves_a_table_a_file_and_a_page(metaparity: Run, tmp_path: Path) -> None:
    (tmp_path / "lockless.py").write_text(
        "from dataclasses import replace\n"
        "from metaparity.drivers.errors import Unsupported\n"
        "from metaparity.drivers.redis import DRIVER as sound\n"
        "def opened(url, config):\n    engine = sound.open(url, config)\n"
        "    def flock(*arguments):\n        raise Unsupported('flock')\n"
        "    engine.flock = flock\n    return engine\n"
        "DRIVER = replace(sound, name='lockless', open=opened)\n"
    )
    ran = metaparity(
        *("bench", "--driver", "lockless:DRIVER", "--driver", "rueidis", "--only", "mknod,flock,getattr"),
        *("--seconds", "0.05", "--rounds", "1", "--server", SERVER, "--json", "all.json", "--report", "out"),
    )
    assert ran.code == 0, ran.err
    assert "round 1 of 1, 1 thread, loopback: getattr\n" in ran.err
    rows = [line.split() for line in ran.out.splitlines()]
    assert rows[1] == ["lockless:DRIVER", "rueidis"]
    assert [row[0] for row in rows[2:5]] == ["getattr", "mknod", "flock"]
    assert rows[4][1] == "-" != rows[4][2]
    assert "flock on lockless:DRIVER: - is not offered (flock)" in ran.out

    told = json.loads((tmp_path / "all.json").read_text())
    assert (told["drivers"], told["seconds"], told["rounds"]) == (["lockless:DRIVER", "rueidis"], 0.05, 1)
    assert told["server"]["kind"] == SERVER
    assert told["networks"][0]["delay_ms"] == 0
    cells = {(one["workload"], one["driver"]): one for one in told["cells"]}
    assert len(cells) == len(told["cells"]) == 6
    assert cells["flock", "lockless:DRIVER"]["unsupported"] == "flock"
    assert cells["flock", "lockless:DRIVER"]["rate"] is cells["flock", "lockless:DRIVER"]["memory_mb"] is None
    for cell in (cells["getattr", "lockless:DRIVER"], cells["mknod", "rueidis"], cells["flock", "rueidis"]):
        (once,) = cell["rounds"]
        assert once["elapsed"] >= 0.05
        assert cell["rate"]["median"] == pytest.approx(once["operations"] / once["elapsed"])
        assert 0 < once["p50"] <= once["p99"] <= once["max"] < once["elapsed"] * 1e6
        assert 0 < once["cpu"] < once["elapsed"] * 2
        assert 5 < cell["memory_mb"] < 500
        assert cell["timed"] == "python"

    page = (tmp_path / "out" / "benchmark.html").read_text()
    plots = [ElementTree.fromstring(plot) for plot in re.findall(r"<svg.*?</svg>", page, re.S)]
    assert [plot.get("aria-label") for plot in plots] == [f"Rates of {row[0]}" for row in rows[2:5]]
    bars = [len(plot.findall("{http://www.w3.org/2000/svg}rect")) for plot in plots]
    assert bars == [2, 2, 1]
    assert "other load on this machine disturbs" in page
    (table,) = re.findall(r"<table>.*</table>", page, re.S)
    figures = [[cell.text for cell in row] for row in ElementTree.fromstring(table)]
    first = cells["getattr", "lockless:DRIVER"]
    assert figures[1][:2] == ["getattr", "lockless:DRIVER"]
    assert figures[1][3] == f"{first['rate']['median']:,.0f}"
    assert figures[1][7] == f"{first['cpu_us']:.1f}"
    assert figures[5] == ["flock", "lockless:DRIVER", *["-"] * 7]
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)


def test_a_failure_is_shown_and_not_averaged_away(metaparity: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "import errno\nfrom dataclasses import replace\n"
        "from metaparity.drivers.errors import error\nfrom metaparity.drivers.redis import DRIVER as sound\n"
        "def opened(url, config):\n    engine = sound.open(url, config)\n"
        "    def getattr(inode):\n        raise error(errno.EIO)\n"
        "    engine.getattr = getattr\n    return engine\n"
        "DRIVER = replace(sound, name='broken', open=opened)\n"
    )
    options = ("--only", "getattr", "--seconds", "0.05", "--rounds", "2", "--server", SERVER)
    ran = metaparity("bench", "--driver", "broken:DRIVER", *options)
    assert ran.code == 1
    assert ran.out.splitlines()[2].split() == ["getattr", "failed"]
    assert "getattr on broken:DRIVER: OSError: [Errno 5]" in ran.out


def test_a_program_that_times_nothing_itself_is_timed_through_the_protocol(metaparity: Run) -> None:
    program = f"cmd:{sys.executable} -m metaparity.conformance serve redis"
    options = ("--only", "getattr", "--seconds", "0.05", "--rounds", "1", "--server", SERVER)
    ran = metaparity("bench", "--driver", program, *options)
    assert ran.code == 0, ran.err
    assert re.fullmatch(r"getattr +[\d,]+\*", ran.out.splitlines()[2])
    assert "* timed through the driver protocol" in ran.out


# -- workloads and loop ----------------------------------------------------------------------------


def order(place: Place, driver: str, workload: str, threads: int = 2) -> Order:
    return Order(driver, place.address, workload, 0.02, prepare(place, threads))


@pytest.mark.parametrize("engine", ENGINES)
def test_each_workload_runs(place: Place, engine: str) -> None:
    assert [name for name in WORKLOADS if carried_out(order(place, engine, name)).measured is None] == []


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_counted_has_been_done(place: Place, raw: Raw, engine: str) -> None:
    """Of two threads that each made an operation that does not count."""
    asked = order(place, engine, "mknod")
    measured = carried_out(asked).measured
    assert measured is not None
    assert measured.elapsed >= 0.02
    names = [name for spot in asked.spots for name in keyspace(raw)[b"d%d" % spot.directory][1]]
    made = [name for name in names if re.fullmatch(rb"n\d+", name)]
    assert len(made) == measured.operations + 2 > 4


@pytest.mark.parametrize("engine", ENGINES)
def test_changes_are_what_they_say(place: Place, raw: Raw, engine: str) -> None:
    """Each leaves what an even or odd number of its operations leaves."""
    fs = registry.driver("redis").open(f"redis://{place.address}", workloads.CONFIG)

    def left(workload: str) -> tuple[int, dict[bytes, int]]:
        asked = order(place, engine, workload, 1)
        measured = carried_out(asked).measured
        assert measured is not None
        fs.load()
        (spot,) = asked.spots
        names = {one.name: one.inode for one in fs.readdir(spot.directory)}
        attr = fs.getattr(spot.file)
        counted[workload] = (attr.mode, attr.length, attr.nlink)
        return measured.operations + 1, names

    counted: dict[str, tuple[int, int, int]] = {}
    made, names = left("rename")
    assert (b"b" in names, b"a" in names) == (made % 2 == 1, made % 2 == 0)
    made, names = left("link")
    assert counted["link"][2] == made + 1
    made, _ = left("setattr")
    assert counted["setattr"][0] == (0o600, 0o644)[(made - 1) % 2]
    made, _ = left("truncate")
    assert counted["truncate"][1] == (4096, 8192)[(made - 1) % 2]
    made, _ = left("write")
    chunk, place_in_chunk = divmod(made - 1, workloads.WRITES)
    assert counted["write"][1] == chunk * (64 << 20) + (place_in_chunk + 1) * workloads.BLOCK
    made, names = left("unlink")
    assert not names.keys() & {b"n%d" % number for number in range(made)}
    fs.close()


@needs_adapter
def test_a_workload_that_the_adapter_does_not_know_is_an_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WORKLOADS, "other", replace(WORKLOADS["getattr"], name="other"))
    with pytest.raises(EngineFault, match='there is no workload "other"'):
        carried_out(order(place, "juicefs", "other"))


def test_what_is_used_up_is_made_outside_of_the_time_that_counts() -> None:
    ready: list[int] = []
    done: list[int] = []

    def refill(number: int) -> None:
        time.sleep(0.001)
        ready.append(number)

    def step(number: int) -> None:
        ready.remove(number)
        done.append(number)
        time.sleep(0.0002)

    began = time.perf_counter()
    measured = measure([Worker(step, refill)], 0.05, 10)
    took = time.perf_counter() - began
    assert done == list(range(measured.operations + 1))
    assert 0.05 <= measured.elapsed < took - 0.001 * measured.operations


def test_a_loop_ends_with_the_first_failure() -> None:
    def step(number: int) -> None:
        if number == 3:
            raise error(errno.EIO)

    with pytest.raises(OSError, match="Input/output"):
        measure([Worker(step, None), Worker(lambda number: time.sleep(0.001), None)], 0.01, None)


# -- arithmetic ------------------------------------------------------------------------------------


def test_a_percentile_is_a_value_that_was_seen() -> None:
    hundred = list(range(1, 101))
    assert [percentile(hundred, rank) for rank in (0, 1, 50, 99, 99.5, 100)] == [1, 1, 50, 99, 100, 100]
    assert [percentile([7], rank) for rank in (50, 99, 100)] == [7, 7, 7]
    assert percentile([1, 2, 3], 50) == 2


def results(**rates: list[int]) -> Results:
    """Rounds of one second with so many operations, by driver."""
    setting = Setting(16, 1)
    server = {"kind": "local", "software": "redis", "version": "7.0.0"}
    network = [{"delay_ms": 1, "ping_ms": 1.25}]
    facts = {"server": server, "networks": network, "python": "P", "cores": 2, "rounds": 3, "seconds": 1.0}
    facts["staleness"] = [asdict(Staleness("rueidis", 500, 450, 0, 44.0, 900.0, 5000.0))]
    cells = {
        ("mknod", name, setting): Cell(
            "mknod", name, setting, "python", [Measured(rate, 1.0, 1, 2, 3, 0.5, 1 << 20) for rate in counts]
        )
        for name, counts in rates.items()
    }
    return Results(facts, list(rates), ["mknod"], [setting], cells)


def test_a_table_has_medians_and_the_ratio_to_juicefs() -> None:
    heading, names, row, *_, told, last = table(results(redis=[4000, 100, 3000], juicefs=[1500, 2000, 1499]))
    assert heading == "operations a second, 16 threads, 1 ms away"
    assert names.split() == ["redis", "juicefs"]
    assert row.split() == ["mknod", "3,000", "(2.00x)", "1,500"]
    assert "staleness of rueidis: 90.0% of 500 changes by another client show at the first read" in told
    assert "redis 7.0.0 (local), P, 2 cores; a PING takes 1.25 ms with 1 ms of delay; 3 x 1 s each" in last


def test_a_cell_tells_the_spread_of_its_rounds() -> None:
    made = results(redis=[4000, 100, 3000])
    (cell,) = made.cells.values()
    assert cell.rate == Spread(100, 3000, 4000)
    told = cell.to_json()
    assert told["rate"] == {"low": 100, "median": 3000, "high": 4000}
    assert (told["p50_us"], told["p99_us"], told["memory_mb"]) == (1, 2, 1.0)
    assert told["cpu_us"] == pytest.approx(0.5 / 3000 * 1e6)
    assert made.ratio(cell) is None


# -- the slow wire ---------------------------------------------------------------------------------


def test_a_round_trip_takes_the_delay_and_many_at_once_take_it_once(place: Place) -> None:
    delay = 0.02
    wire = Delay(*place.endpoint, delay)
    try:
        with place.by_way_of(wire.port).connect() as slow:
            slow.ping()
            once = min(timeit.repeat(slow.ping, number=1, repeat=5))
            with slow.pipeline(transaction=False) as many:
                for _ in range(100):
                    many.ping()
                began = time.perf_counter()
                assert many.execute() == [True] * 100
                together = time.perf_counter() - began
    finally:
        wire.close()
    assert delay <= once < 3 * delay
    assert delay <= together < 10 * delay


def test_bursts_do_not_wait_for_each_other(place: Place) -> None:
    """A hundred that are sent one by one, each before the reply to the one before, take the delay once."""
    delay = 0.05
    wire = Delay(*place.endpoint, delay)
    try:
        with socket.create_connection(place.by_way_of(wire.port).endpoint) as connection:
            began = time.perf_counter()
            for number in range(100):
                connection.sendall(b"ECHO %d\r\n" % number)
                time.sleep(0.0002)
            replies = connection.makefile("rb")
            told = [replies.readline() for _ in range(200)][1::2]
            took = time.perf_counter() - began
    finally:
        wire.close()
    assert told == [b"%d\r\n" % number for number in range(100)]
    assert delay <= took < 20 * delay


def test_a_flood_arrives_whole_in_both_directions(place: Place, server_url: str) -> None:
    flood = bytes(range(256)) * (16 << 10)
    wire = Delay(*place.endpoint, 0.002)
    try:
        with place.by_way_of(wire.port).connect() as slow:
            slow.set("flood", flood)
            assert slow.get("flood") == flood
            slow.delete("flood")
    finally:
        wire.close()


def test_whoever_is_cut_off_notices(place: Place) -> None:
    wire = Delay(*place.endpoint, 0.001)
    with socket.create_connection(("127.0.0.1", wire.port)) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"
        wire.close()
        assert connection.recv(100) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", wire.port))


# -- staleness -------------------------------------------------------------------------------------


def test_a_change_shows_soon_in_a_client_that_caches(place: Place) -> None:
    told = staleness(place, "rueidis", 20)
    assert told is not None
    assert (told.changes, told.never) == (20, 0)
    assert 0 < told.p50 <= told.p99 <= told.max < 1e6


@pytest.mark.parametrize("name", ["redis", "rueidis?cache-ttl=0"])
def test_a_client_that_keeps_nothing_is_never_stale(place: Place, name: str) -> None:
    assert staleness(place, name, 1) is None


def test_whole_volumes_are_timed(metaparity: Run, tmp_path: Path) -> None:
    """Each act of each driver has its times and memory; a driver that fails is shown, and the run with it."""
    options = ("--dumps", "300", "--rounds", "2", "--json", "out.json", "--server", SERVER)
    ran = metaparity("bench", "--driver", "redis", "--driver", "rueidis", *options)
    assert ran.code == 0, ran.err
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [(row["act"], row["driver"]) for row in rows] == [
        (act, driver) for act in ("dump", "load", "backup", "restore") for driver in ("redis", "rueidis")
    ]
    for row in rows:
        assert len(row["seconds"]) == 2
        assert 0 < row["spread"]["low"] <= row["spread"]["high"] < 60
        assert min(row["memory"]) > 1 << 20
    ran = metaparity("bench", "--driver", "redis", "--dumps", "0")
    assert (ran.code, "--dumps 0" in ran.err) == (2, True)


@pytest.mark.parametrize("program", ["measure", "turn"])
def test_what_is_measured_is_an_engine_alone(program: str) -> None:
    """The memory of a process in Python is told beside that of JuiceFS's: nothing of the harness is in it."""
    loads = f"import sys, metaparity.conformance.benchmark.{program}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    heavy = {
        "pytest",
        "hypothesis",
        "testcontainers",
        "metaparity.fixtures",
        "metaparity.conformance.harness",
    }
    assert heavy & set(done.stdout.split()) == set()
