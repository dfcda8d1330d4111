"""The command that backs a volume up again and again: what it makes, when it does not, how it ends."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import redis

from metaparity.conformance.autobackup import Plan, attempt, interval_of
from metaparity.drivers.engine.automatic import name_of
from metaparity.drivers.engine.engine import StoreEngine
from metaparity.drivers.errors import Mistake
from metaparity.drivers.registry import open_engine
from metaparity.drivers.types import Config
from metaparity.fixtures.faults import Proxy, command

from .conftest import Run, refused
from .test_dump_command import BACKUP, own

NOW = datetime(2024, 5, 6, 7, 8, 9, 250_000, timezone(timedelta(hours=2)))
FIRST = "dump-2024-05-06-050809.json.gz"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(params=["redis", "rueidis"])
def volume(request: pytest.FixtureRequest, server_url: str, spare: redis.Redis) -> Iterator[StoreEngine]:
    """A client of the recorded volume."""
    # Tests change keys past the engine, which would learn of it a moment later.
    fresh = "&cache-ttl=0" if request.param == "rueidis" else ""
    engine = open_engine(own(server_url, request.param) + fresh, Config(no_bg_jobs=True, heartbeat=0))
    assert isinstance(engine, StoreEngine)
    engine.restore(BACKUP)
    engine.load()
    yield engine
    engine.close()


@pytest.fixture
def plan(server_url: str, tmp_path: Path) -> Plan:
    """A backup each hour."""
    return Plan(server_url, str(tmp_path), HOUR)


def made(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def last(spare: redis.Redis) -> Any:
    return spare.hget("x1", "lastBackup")


# -- what a try does -----------------------------------------------------------------------------------


def test_a_backup(
    volume: StoreEngine, plan: Plan, spare: redis.Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a dump of the whole volume without its secrets, and the volume tells when it was begun."""
    attempt(volume, plan, NOW)
    assert made(tmp_path) == [FIRST]
    assert last(spare) == b"2024-05-06T07:08:09+02:00"
    said = capsys.readouterr()
    size = (tmp_path / FIRST).stat().st_size
    assert said.out.startswith(f"{tmp_path / FIRST}: {size:,} bytes in ")
    assert said.out.endswith(" s; 0 older deleted\n")
    assert said.err == ""
    data = gzip.decompress((tmp_path / FIRST).read_bytes())
    assert b"sk-secret" not in data
    assert "Trash" in json.loads(data)
    volume.dump(str(tmp_path / "whole.json"))
    assert data == (tmp_path / "whole.json").read_bytes()


def test_a_backup_without_the_trash(volume: StoreEngine, plan: Plan, tmp_path: Path) -> None:
    attempt(volume, Plan(plan.url, plan.folder, HOUR, skip_trash=True), NOW)
    assert "Trash" not in json.loads(gzip.decompress((tmp_path / FIRST).read_bytes()))


def test_two_read_for_a_backup(volume: StoreEngine, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(StoreEngine, "dump", lambda engine, path, **named: asked.append(named))
    attempt(volume, plan, NOW)
    assert asked == [{"skip_trash": False, "threads": 2}]


def test_the_next_is_made_an_interval_later(volume: StoreEngine, plan: Plan, tmp_path: Path) -> None:
    """Not a moment before; the time that counts is that of the begin, of which the second is told."""
    for after in (0.0, 1.0, 3599.0, 3599.74, 3599.75, 3600.0):
        attempt(volume, plan, NOW + timedelta(seconds=after))
    assert made(tmp_path) == [FIRST, "dump-2024-05-06-060809.json.gz"]


def test_one_of_two_makes_it(volume: StoreEngine, plan: Plan, server_url: str, tmp_path: Path) -> None:
    """Who comes later finds that the other has begun."""
    other = open_engine(own(server_url), Config(no_bg_jobs=True, heartbeat=0))
    try:
        assert isinstance(other, StoreEngine)
        other.load()
        for minutes in range(0, 180, 6):
            attempt(volume, plan, NOW + timedelta(minutes=minutes))
            attempt(other, plan, NOW + timedelta(minutes=minutes + 3))
    finally:
        other.close()
    assert len(made(tmp_path)) == 3


def test_a_mount_of_juicefs_made_it(
    volume: StoreEngine, plan: Plan, spare: redis.Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it writes is understood, whatever its zone: nothing is done, and nothing said."""
    spare.hset("x1", "lastBackup", "2024-05-05T21:08:10-07:00")
    attempt(volume, plan, NOW)
    assert (made(tmp_path), *capsys.readouterr()) == ([], "", "")
    spare.hset("x1", "lastBackup", "2024-05-05T21:08:09-07:00")
    attempt(volume, plan, NOW)
    assert made(tmp_path) == [FIRST]


@pytest.mark.parametrize(("interval", "skipped"), [(HOUR, True), (2 * HOUR, False)])
def test_a_volume_of_more_than_a_million(
    volume: StoreEngine,
    plan: Plan,
    spare: redis.Redis,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    interval: timedelta,
    skipped: bool,
) -> None:
    """It is not backed up each hour; that is said, and the volume does not tell of a backup."""
    spare.set("totalInodes", 1_000_001)
    attempt(volume, Plan(plan.url, plan.folder, interval), NOW)
    assert bool(made(tmp_path)) is not skipped
    assert (last(spare) is None) is skipped
    if skipped:
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "has 1,000,001 inodes" in said
        assert "--interval longer than 1h" in said


def test_a_last_backup_that_is_no_time(
    volume: StoreEngine, plan: Plan, spare: redis.Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spare.hset("x1", "lastBackup", "yesterday")
    attempt(volume, plan, NOW)
    assert made(tmp_path) == []
    assert "says b'yesterday', which is no time: remove it" in capsys.readouterr().err


def test_settings_that_have_changed(
    volume: StoreEngine, plan: Plan, spare: redis.Redis, tmp_path: Path
) -> None:
    """A dump tells them as they are, not as they were when the command was started."""
    settings = json.loads(spare.get("setting") or "")
    spare.set("setting", json.dumps({**settings, "TrashDays": 77}))
    attempt(volume, plan, NOW)
    assert json.loads(gzip.decompress((tmp_path / FIRST).read_bytes()))["Setting"]["TrashDays"] == 77


def test_the_older_go(
    volume: StoreEngine, plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files of such names alone: no link, no directory, nothing else."""
    old = [name_of(NOW - age) for age in (DAY, 3 * DAY, 4 * DAY - HOUR, 4 * DAY, 1000 * DAY)]
    folder, link = name_of(NOW - 1001 * DAY), name_of(NOW - 1002 * DAY)
    other = ["dump-2001-01-01-000000.json", "volume.json.gz"]
    for name in (*old, *other):
        (tmp_path / name).touch()
    (tmp_path / folder).mkdir()
    (tmp_path / link).symlink_to(tmp_path / other[0])
    attempt(volume, plan, NOW)
    left = [*(old[index] for index in (0, 2, 3)), folder, link, *other, FIRST]
    assert made(tmp_path) == sorted(left)
    assert capsys.readouterr().out.endswith("; 2 older deleted\n")


KILLED = """
import os, signal, sys
from metaparity.drivers.files import replacing
with replacing(sys.argv[1]) as out:
    out.write(bytes(10))
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""Who begins a file, and is killed."""


@pytest.mark.parametrize(
    ("name", "written", "goes"),
    [
        (FIRST, HOUR + DAY, True),
        (FIRST, HOUR + timedelta(seconds=1), True),
        (FIRST, HOUR - timedelta(seconds=1), False),
        ("volume.json.gz", DAY, False),
        ("dump-2001-13-01-000000.json.gz", DAY, False),
    ],
)
def test_what_was_left_unfinished(
    volume: StoreEngine,
    plan: Plan,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    written: timedelta,
    goes: bool,
) -> None:
    """Of a dump whose program was killed the rest goes, once nobody has written to it for an interval."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / name)], check=False)
    [left] = made(tmp_path)
    os.utime(tmp_path / left, ((NOW - written).timestamp(),) * 2)
    attempt(volume, plan, NOW)
    assert made(tmp_path) == ([FIRST] if goes else sorted([left, FIRST]))
    assert capsys.readouterr().out.endswith("; 0 older deleted\n")


def test_an_older_that_cannot_go(
    volume: StoreEngine,
    plan: Plan,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is said; the others go, and one that another has deleted counts for him."""
    stays, gone, goes = (name_of(NOW - days * DAY) for days in (1000, 1001, 1002))
    for name in (stays, gone, goes):
        (tmp_path / name).touch()
    unlink = os.unlink

    def refusing(path: os.PathLike[str] | str) -> None:
        name = os.path.basename(path)
        if name == stays:
            raise PermissionError(1, "Operation not permitted", path)
        unlink(path)
        if name == gone:
            unlink(path)

    monkeypatch.setattr(os, "unlink", refusing)
    attempt(volume, plan, NOW)
    assert made(tmp_path) == sorted([stays, FIRST])
    said = capsys.readouterr()
    assert said.err == f"metaparity: {tmp_path / stays} cannot be deleted: Operation not permitted\n"
    assert said.out.endswith("; 1 older deleted\n")


def test_a_backup_that_fails(
    volume: StoreEngine, plan: Plan, spare: redis.Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said, no older one goes for it, and the next is made when it is due."""
    old = name_of(NOW - 1000 * DAY)
    (tmp_path / old).touch()
    (tmp_path / FIRST).mkdir()
    attempt(volume, plan, NOW)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"metaparity: no backup at 2024-05-06T07:08:09+02:00: {tmp_path / FIRST}: Is a directory\n"
    )
    assert made(tmp_path) == sorted([old, FIRST])
    assert last(spare) == b"2024-05-06T07:08:09+02:00"
    attempt(volume, plan, NOW + HOUR / 2)
    assert made(tmp_path) == sorted([old, FIRST])
    attempt(volume, plan, NOW + HOUR)
    assert made(tmp_path) == sorted([name_of(NOW + HOUR), FIRST])


def test_a_server_that_does_not_tell_the_last(
    volume: StoreEngine,
    plan: Plan,
    spare: redis.Redis,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not taken for one that has none."""

    def fails(*arguments: Any) -> bytes:
        raise OSError(5, "lost the connection")

    monkeypatch.setattr(StoreEngine, "xattr_get", fails)
    attempt(volume, plan, NOW)
    assert (made(tmp_path), last(spare)) == ([], None)
    said = capsys.readouterr().err
    assert said == f"metaparity: no backup at 2024-05-06T07:08:09+02:00: {plan.url}: lost the connection\n"


def test_a_volume_that_has_gone(
    volume: StoreEngine, plan: Plan, spare: redis.Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said, and nothing is put where it was."""
    spare.flushdb()
    attempt(volume, plan, NOW)
    assert (made(tmp_path), spare.dbsize()) == ([], 0)
    assert "not formatted" in capsys.readouterr().err


# -- the command ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("1h", 3600), ("30m", 1800), ("5m", 300), ("300", 300), ("3600.5", 3600.5), ("1h30m", 5400)),
        *(("1d", 86400), ("0.5d", 43200), ("1d12h", 129600), ("300000ms", 300)),
    ],
)
def test_intervals(text: str, seconds: float) -> None:
    """As a mount of JuiceFS takes them."""
    assert interval_of(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["0", "0s", "0d", "0.0", "0d0h"])
def test_an_interval_that_means_none(text: str) -> None:
    with pytest.raises(Mistake, match=rf"--interval {text} means no backups: give a time such as 1h"):
        interval_of(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "d",
            "h",
            "1",
            "4m59s",
            "1ns",
            "-1h",
            "1w",
            "1h1",
            "1 h",
            "1h\n",
            "hour",
            "nan",
            "inf",
            "1_000",
        ),
        *("1d1d", "1h1d", "xd1h", "1e9", "36501d", "9" * 400, "9" * 400 + "h", "٥m"),
    ],
)
def test_an_interval_that_cannot_be(text: str) -> None:
    with pytest.raises(Mistake, match="cannot be: give a time such as 30m, 1h or 1d, of 5m or more"):
        interval_of(text)


def test_what_cannot_be_begun(metaparity: Run, server_url: str, spare: redis.Redis, tmp_path: Path) -> None:
    """No folder, no interval, no volume, no server: one sentence."""
    (tmp_path / "file").touch()
    refused(metaparity("autobackup", server_url), 2, "FOLDER")
    for folder in ("none", "file", ""):
        refused(metaparity("autobackup", server_url, folder), 2, f"{folder} is no directory")
    refused(metaparity("autobackup", server_url, ".", "--interval", "0"), 2, "--interval 0 means no backups")
    refused(metaparity("autobackup", server_url, ".", "--interval", "soon"), 2, "--interval soon cannot be")
    refused(metaparity("autobackup", server_url, "."), 3, "not formatted")
    refused(metaparity("autobackup", "redis://127.0.0.1:1/0", "."), 3, "127.0.0.1:1")
    refused(metaparity("autobackup", "mongo://127.0.0.1/0", "."), 2, "mongo")
    assert made(tmp_path) == ["file"]


def test_the_engine_of_another_program(metaparity: Run, toys: Run, server_url: str, tmp_path: Path) -> None:
    """JuiceFS, say, packs no file and may leave half of one; its adapter need not be built to learn that."""
    for scheme in ("steady", "juicefs"):
        url = server_url.replace("redis", scheme)
        refused(metaparity("autobackup", url, "."), 2, "give a redis:// or rueidis:// URL")


def test_help(metaparity: Run) -> None:
    """It says what is done, how often, what it is called, and what is deleted."""
    ran = metaparity("autobackup", "--help")
    assert ran.code == 0
    text = " ".join(ran.out.split())
    for words in ("YYYY-MM-DD-HHMMSS.json.gz", "delete", "2 years", "--interval TIME", "(1h)", "Ctrl-C"):
        assert words in text


HASTY = """
from metaparity.conformance import autobackup
from metaparity.conformance.command import main
autobackup.LEAST = 0
raise SystemExit(main())
"""
"""The command for whom no interval is too short."""


@contextmanager
def running(url: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, at work every three seconds; killed after a minute."""
    words = [sys.executable, "-c", HASTY, "autobackup", url, str(folder), "--interval", "3s"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        end = threading.Timer(60, process.kill)
        end.start()
        try:
            yield process
        finally:
            end.cancel()
            process.kill()


def test_again_and_again(metaparity: Run, server_url: str, spare: redis.Redis, tmp_path: Path) -> None:
    """It goes on where a backup failed, until it is told to end, which it does quietly."""
    assert metaparity("restore", server_url, BACKUP).code == 0
    folder, away = tmp_path / "dumps", tmp_path / "away"
    folder.mkdir()
    with running(server_url, folder) as process:
        assert process.stdout
        assert process.stderr
        often = "asked for 10 times in that, first in a tenth of it"
        assert process.stdout.readline() == f"golden: a dump into {folder} each 3s, {often}\n"
        lines = [process.stdout.readline()]
        folder.rename(away)
        failed = process.stderr.readline()
        away.rename(folder)
        lines.append(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 130
    assert failed.startswith("metaparity: no backup at 2")
    assert failed.endswith(".json.gz: No such file or directory\n")
    assert [line.partition(": ")[0] for line in lines] == [str(folder / name) for name in made(folder)]
    for name in made(folder):
        assert json.loads(gzip.decompress((folder / name).read_bytes()))["Setting"]["Name"] == "golden"


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("scheme", ["redis", "rueidis"])
def test_interrupted_during_a_dump(
    metaparity: Run, server_url: str, spare: redis.Redis, tmp_path: Path, scheme: str, ending: signal.Signals
) -> None:
    """Nothing is left of it, also where the server does not answer."""
    assert metaparity("restore", server_url, BACKUP).code == 0
    host, _, rest = server_url.removeprefix("redis://").partition(":")
    port, _, database = rest.partition("/")
    with Proxy(host, int(port)) as network:
        trap = network.trap(command("LRANGE"))
        with running(f"{scheme}://127.0.0.1:{network.port}/{database}", tmp_path) as process:
            trap.wait()
            [unfinished] = made(tmp_path)
            assert unfinished.endswith(".part")
            process.send_signal(ending)
            out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "")
    assert out.count("\n") == 1
    assert made(tmp_path) == []
    assert last(spare)
