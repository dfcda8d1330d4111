"""The commands that write a volume to a file and make a volume of one: what they do, and how they refuse."""

from __future__ import annotations

import gzip
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import redis

from metaparity.conformance.command import main
from metaparity.conformance.opened import progress
from metaparity.drivers.engine.engine import StoreEngine

from .conftest import Run, refused

GOLDEN = Path(str(files("metaparity.fixtures.golden").joinpath("dump")))
DUMP, BACKUP = str(GOLDEN / "dump-secret.json"), str(GOLDEN / "backup-secret.bin")


def own(server_url: str, scheme: str = "redis", compat: str = "1.4.1") -> str:
    return f"{server_url.replace('redis', scheme, 1)}?compat={compat}"


@pytest.mark.parametrize("scheme", ["redis", "rueidis"])
@pytest.mark.parametrize("name", ["out.json", "out.json.gz"])
def test_load_and_dump(
    metaparity: Run, server_url: str, spare: redis.Redis, tmp_path: Path, scheme: str, name: str
) -> None:
    """A dump that is loaded comes out again as it was recorded, gzipped or not, without a word."""
    source = tmp_path / "in.json.gz"
    source.write_bytes(gzip.compress(Path(DUMP).read_bytes()))
    ran = metaparity("load", own(server_url, scheme), str(source))
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    ran = metaparity("dump", own(server_url, scheme), name, "--keep-secret")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    data = (tmp_path / name).read_bytes()
    dump = gzip.decompress(data) if name.endswith(".gz") else data
    assert dump == (GOLDEN / "redump-after-load-json-secret.json").read_bytes()


def test_restore_and_backup(metaparity: Run, server_url: str, spare: redis.Redis, tmp_path: Path) -> None:
    """A backup that is restored can be backed up again, and the secrets are left out unless asked for."""
    assert metaparity("restore", server_url, BACKUP).code == 0
    assert metaparity("backup", server_url, "out.bin").code == 0
    assert b"sk-secret" not in (tmp_path / "out.bin").read_bytes()
    assert metaparity("backup", server_url, "out.bin", "--keep-secret").code == 0
    assert b"sk-secret" in (tmp_path / "out.bin").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out.bin"]


@pytest.mark.parametrize("scheme", ["redis", "rueidis"])
@pytest.mark.parametrize("name", ["out.bin", "out.bin.gz"])
def test_a_backup_that_nobody_could_restore(
    metaparity: Run, server_url: str, spare: redis.Redis, tmp_path: Path, scheme: str, name: str
) -> None:
    """As of a volume that changes meanwhile: it does not take the place of an older one."""
    assert metaparity("restore", server_url, BACKUP).code == 0
    assert metaparity("backup", own(server_url, scheme), name).code == 0
    older = (tmp_path / name).read_bytes()
    spare.delete("i25")
    words = ("an entry leads to inode 25", "the volume changed meanwhile", "make a JSON dump")
    for word in words:
        refused(metaparity("backup", own(server_url, scheme), name), 3, word)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == older
    assert metaparity("dump", server_url, "out.json").code == 0
    assert metaparity("load", server_url, "out.json", "--dry-run").code == 0


def test_files_are_for_their_owner(
    metaparity: Run, server_url: str, spare: redis.Redis, tmp_path: Path
) -> None:
    """They tell secrets, and the names of all files."""
    assert metaparity("restore", server_url, BACKUP).code == 0
    for verb in ("dump", "backup"):
        assert metaparity(verb, server_url, verb).code == 0
        assert (tmp_path / verb).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("verb", "source", "name", "said"),
    [
        ("load", BACKUP, "file", "(a binary backup is for restore): no text at byte 0"),
        ("restore", DUMP, "file", "(a JSON dump is for load): text at byte 0"),
        ("load", DUMP, "file.gz", "give it a name that does not end with .gz"),
        ("restore", BACKUP, "file.gz", "give it a name that does not end with .gz"),
    ],
)
def test_the_other_kind_of_file(
    metaparity: Run, tmp_path: Path, verb: str, source: str, name: str, said: str
) -> None:
    """What it is good for is said."""
    (tmp_path / name).write_bytes(Path(source).read_bytes())
    refused(metaparity(verb, "redis://127.0.0.1:1/0", name, "--dry-run"), 1, said)


@pytest.mark.parametrize(
    ("cut", "said"), [(10, "file ends in"), (1000, "file ends in"), (-3, "end of the file")]
)
def test_a_dump_that_is_cut(metaparity: Run, tmp_path: Path, cut: int, said: str) -> None:
    (tmp_path / "cut").write_bytes(Path(DUMP).read_bytes()[:cut])
    refused(metaparity("load", "redis://127.0.0.1:1/0", "cut", "--dry-run"), 1, said)


def test_a_hyphen_is_no_file(metaparity: Run, tmp_path: Path) -> None:
    """It would be one that hardly anybody could delete."""
    refused(metaparity("dump", "redis://127.0.0.1:1/0", "-"), 2, "/dev/stdout")
    assert not [*tmp_path.iterdir()]


def test_part_of_a_volume(metaparity: Run, server_url: str, spare: redis.Redis, tmp_path: Path) -> None:
    """A directory can be dumped by its path, and the trash left out."""
    assert metaparity("restore", server_url, BACKUP).code == 0
    assert metaparity("dump", server_url, "part.json", "--subdir", "/d1/d 2").code == 0
    part = json.loads((tmp_path / "part.json").read_text("utf-8"))
    assert "sl" in part["FSTree"]["entries"]
    assert metaparity("dump", server_url, "rest.json", "--skip-trash").code == 0
    assert "Trash" not in json.loads((tmp_path / "rest.json").read_text("utf-8"))
    refused(metaparity("dump", server_url, "no.json", "--subdir", "/none"), 3, "no directory /none")
    refused(metaparity("dump", server_url, "no.json", "--subdir", "big"), 3, "big is no directory")
    assert not (tmp_path / "no.json").exists()


@pytest.mark.parametrize("command", ["dump", "backup"])
def test_so_many_threads_read(
    metaparity: Run,
    server_url: str,
    spare: redis.Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    """The number reaches the primitive; one that is of no use is refused."""
    assert metaparity("restore", server_url, BACKUP).code == 0
    asked: list[int] = []
    write = getattr(StoreEngine, command)

    def noting(*arguments: Any, **named: Any) -> None:
        asked.append(signature(write).bind(*arguments, **named).arguments["threads"])
        write(*arguments, **named)

    monkeypatch.setattr(StoreEngine, command, noting)
    for words in ([], ["--threads", "1"], ["--threads", "3"]):
        assert main([command, server_url, str(tmp_path / "out"), *words]) == 0
    assert asked == [0, 1, 3]
    for number in ("0", "65", "-1", "two"):
        refused(metaparity(command, server_url, "no", "--threads", number), 2, "from 1 to 64", number)


@pytest.mark.parametrize(("command", "source"), [("load", DUMP), ("restore", BACKUP)])
def test_a_database_that_is_not_empty(
    metaparity: Run, server_url: str, spare: redis.Redis, command: str, source: str
) -> None:
    """A database that holds a key is refused, and the key stays alone."""
    spare.set("foo", "bar")
    refused(metaparity(command, server_url, source), 3, "not empty", "reset")
    assert spare.keys() == [b"foo"]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("load", "json-truncated-in-tree.json"),
        ("load", "json-binary-given.json"),
        ("load", "json-not-gz.json.gz"),
        ("restore", "bin-cut-in-payload.bin"),
        ("restore", "bin-json-given.bin"),
    ],
)
@pytest.mark.parametrize("dry", [True, False], ids=["dry", "wet"])
def test_a_bad_file(
    metaparity: Run, server_url: str, spare: redis.Redis, command: str, name: str, dry: bool
) -> None:
    """A file that is not whole is refused with the place of its first fault, and nothing is written."""
    options = ["--dry-run"] if dry else []
    refused(metaparity(command, server_url, str(GOLDEN / "bad" / name), *options), 1, name, "at byte ")
    assert spare.dbsize() == 0


@pytest.mark.parametrize(("command", "source"), [("load", DUMP), ("restore", BACKUP)])
def test_dry_run_asks_no_server(metaparity: Run, command: str, source: str) -> None:
    """A dry run needs no server, and says what the file holds."""
    ran = metaparity(command, "redis://127.0.0.1:1/0", source, "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    assert "is whole: " in ran.out


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mongo://127.0.0.1/0", "no driver for mongo://"),
        ("redis://127.0.0.1:x/0", "port"),
        ("rueidis://127.0.0.1/0?cache-ttl=x", "cache-ttl=x"),
    ],
)
def test_dry_run_looks_at_its_url(metaparity: Run, url: str, words: str) -> None:
    """Who tries a command before the night learns of a mistake in it; JuiceFS need not be built for that."""
    refused(metaparity("load", url, DUMP, "--dry-run"), 2, words)
    assert metaparity("load", "juicefs://127.0.0.1:1/0", DUMP, "--dry-run").code == 0


def test_dry_run_refuses_a_newer_volume(metaparity: Run) -> None:
    path = str(GOLDEN / "bad" / "json-min-client-9.json")
    refused(metaparity("load", "redis://127.0.0.1:1/0", path, "--dry-run"), 3, "9.0.0")


def test_what_is_not_there(metaparity: Run, server_url: str, spare: redis.Redis) -> None:
    """No file, no folder, no server, no volume, no scheme, no such parameter."""
    refused(metaparity("load", server_url, "none.json"), 2, "none.json: No such file")
    for words in (("inspect", "none.json"), ("load", server_url, "none.json", "--dry-run")):
        ran = metaparity(*words)
        assert (ran.code, ran.err) == (2, "metaparity: none.json cannot be read: No such file or directory\n")
    refused(metaparity("inspect", "none.json"), 2, "none.json")
    refused(metaparity("dump", server_url, "out.json"), 3, "not formatted")
    refused(metaparity("restore", "redis://127.0.0.1:1/0", BACKUP), 3, "127.0.0.1:1")
    refused(metaparity("load", "mongo://127.0.0.1/0", DUMP), 2, "mongo")
    refused(metaparity("load", f"{server_url}?pool-sise=1", DUMP), 2, "pool-sise")
    assert metaparity("restore", server_url, BACKUP).code == 0
    refused(metaparity("dump", server_url, "none/out.json"), 2, "none")


@pytest.mark.parametrize("command", ["load", "restore"])
def test_what_is_no_such_file(
    metaparity: Run, server_url: str, spare: redis.Redis, tmp_path: Path, command: str
) -> None:
    """A directory, a place below a file, a gzipped file by another name: wrong usage, whoever looks at it."""
    packed = tmp_path / "packed.json"
    packed.write_bytes(gzip.compress(b"{}"))
    for path, reason in (
        (tmp_path, "Is a directory"),
        (packed / "below", "Not a directory"),
        (packed, "it is gzipped"),
    ):
        for more in ([], ["--dry-run"]):
            refused(metaparity(command, *more, server_url, str(path)), 2, reason)
    refused(metaparity("inspect", str(packed)), 2, "it is gzipped")
    assert metaparity("restore", server_url, BACKUP).code == 0
    refused(metaparity("dump", server_url, str(tmp_path)), 2, "Is a directory")


def without_room(words: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program whose files may have 512 bytes.

    It keeps no bytecode: a module of which Python can write only a part could not be imported ever after.
    """
    return subprocess.run(
        ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.parametrize("command", ["dump", "backup"])
@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_a_file_that_finds_no_room(
    metaparity: Run, server_url: str, spare: redis.Redis, tmp_path: Path, command: str, name: str
) -> None:
    """Where the disk takes no more, one sentence says which file; none is left, and an older one stays."""
    assert metaparity("restore", server_url, BACKUP).code == 0
    older = tmp_path / name
    older.write_text("older")
    words = [sys.executable, "-m", "metaparity.conformance", command, server_url, str(older)]
    done = without_room(words)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"metaparity: {older}: File too large\n"
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [(name, "older")]


WITHOUT_MEMORY = """
from metaparity.conformance.command import main
from metaparity.drivers.engine import restoring
restoring.ROOM = 0
raise SystemExit(main())
"""
"""The command for a restore that keeps nothing in memory, as one of a large file keeps not all."""


@pytest.mark.parametrize(("command", "source"), [("load", DUMP), ("restore", BACKUP)])
def test_commands_that_find_no_room_to_wait_in(
    server_url: str, spare: redis.Redis, tmp_path: Path, command: str, source: str
) -> None:
    """Where temporary files have no room, one sentence says where and what to do, and nothing is written."""
    words = [sys.executable, "-c", WITHOUT_MEMORY, command, server_url, source]
    done = without_room(words, TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"no temporary file can be written in {tmp_path} (File too large)" in done.stderr
    assert "make room there, or name a directory that has it in TMPDIR" in done.stderr
    assert spare.dbsize() == 0
    assert [*tmp_path.iterdir()] == []


def test_a_password_is_not_shown(metaparity: Run) -> None:
    ran = metaparity("restore", "redis://user:sesame@127.0.0.1:1/0", BACKUP)
    assert ran.code == 3
    assert "sesame" not in ran.err


def test_inspect_a_dump(metaparity: Run) -> None:
    ran = metaparity("inspect", DUMP)
    assert ran.code == 0
    for line in (
        "sha256     ",
        "kind       JSON dump (version 1)",
        "volume     golden, UUID 6b3f6f9c-0d5a-4b8e-9d55-2f1c8a7e4d10",
        "versions   metadata 1, clients from 1.2.0-A to any",
        "secrets    SecretKey, SessionToken, EncryptKey",
        "counter    usedInodes 35 (counted: 34)",
        "fault      none: the file is whole",
    ):
        assert line in ran.out
    assert "directory 9" in ran.out


@pytest.mark.parametrize("command", [["inspect"], ["load", "--dry-run", "redis://nowhere/1"]])
def test_a_dump_that_begins_with_space(metaparity: Run, tmp_path: Path, command: list[str]) -> None:
    """JSON may: it is the same dump."""
    path = tmp_path / "spaced.json"
    path.write_bytes(b" \n\t" + Path(DUMP).read_bytes())
    assert metaparity(*command, str(path)).code == 0


def test_inspect_a_backup(metaparity: Run) -> None:
    ran = metaparity("inspect", BACKUP)
    assert ran.code == 0
    assert "kind       binary backup (version 2" in ran.out
    assert "edge 37" in ran.out
    assert "counter    totalInodes 35" in ran.out
    assert "segments   node: 1, the first at byte 1660" in ran.out


@pytest.mark.parametrize("command", [["inspect"], ["load", "--dry-run", "redis://nowhere/1"]])
def test_a_file_whose_name_is_no_text(tmp_path: Path, command: list[str]) -> None:
    """It is spelled where the terminal takes nothing else."""
    path = os.fsencode(tmp_path) + b"/\xff"
    Path(os.fsdecode(path)).write_bytes(Path(DUMP).read_bytes())
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    words = [*map(os.fsencode, [sys.executable, "-m", "metaparity.conformance", *command]), path]
    ran = subprocess.run(words, capture_output=True, timeout=60, check=False, env=strict)
    assert ran.returncode == 0
    assert rb"\udcff" in ran.stdout


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_cut_gzip_file_is_bad(metaparity: Run, tmp_path: Path, cut: int) -> None:
    """It is there, but it is not whole."""
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(Path(DUMP).read_bytes())[:cut])
    assert metaparity("inspect", str(path)).code == 1
    assert metaparity("load", "--dry-run", "redis://nowhere/1", str(path)).code == 1


def test_no_directory_to_dump(metaparity: Run, server_url: str) -> None:
    """An empty name is not the whole volume."""
    ran = metaparity("dump", "--subdir", "", server_url, "out")
    assert ran.code == 2
    assert "--subdir '' names no directory" in ran.err


def test_inspect_a_pipe(metaparity: Run, tmp_path: Path) -> None:
    """What cannot be read twice is refused, and not waited for."""
    os.mkfifo(tmp_path / "pipe")
    ran = metaparity("inspect", str(tmp_path / "pipe"))
    assert ran.code == 2
    assert ran.err.endswith("pipe is no file: inspect reads it twice\n")


def test_inspect_a_file_of_another_client(metaparity: Run, tmp_path: Path) -> None:
    """It is whole, and a load of it is refused."""
    dump = json.loads(Path(DUMP).read_bytes())
    dump["Setting"]["MinClientVersion"] = "zzz"
    path = tmp_path / "dump.json"
    path.write_text(json.dumps(dump))
    ran = metaparity("inspect", str(path))
    assert ran.code == 0
    assert "refused    this volume asks for a client of no known version: 'zzz' is not a version" in ran.out
    assert metaparity("load", "--dry-run", "redis://nowhere/1", str(path)).code == 3


def test_inspect_a_bad_file(metaparity: Run) -> None:
    """What can be read of a bad file is shown, and its first fault."""
    ran = metaparity("inspect", str(GOLDEN / "bad" / "bin-version-2.bin"))
    assert ran.code == 1
    assert "volume     golden" in ran.out
    assert "fault      this is version 2 of the format, of which 1 is known at byte 5689" in ran.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["load", "URL", DUMP], "names checked"),
        (["load", "URL", DUMP, "--dry-run"], "names checked"),
        (["inspect", DUMP], "names checked"),
        (["dump", "URL", "out"], "entries dumped"),
        (["restore", "URL", BACKUP], "nodes checked"),
        (["restore", "URL", BACKUP, "--dry-run"], "nodes checked"),
        (["inspect", BACKUP], "nodes checked"),
        (["backup", "URL", "out"], "nodes backed up"),
    ],
    ids=["load", "load-dry", "inspect-dump", "dump", "restore", "restore-dry", "inspect-backup", "backup"],
)
def test_progress_on_a_terminal(
    metaparity: Run, server_url: str, spare: redis.Redis, tmp_path: Path, words: list[str], said: str
) -> None:
    """On a terminal, one line says how far a command has come, and of how much, and is gone at the end."""
    if words[0] in ("dump", "backup"):
        assert metaparity("restore", server_url, BACKUP).code == 0
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "metaparity.conformance", *words]
    command = [server_url if word == "URL" else word for word in command]
    ran = subprocess.run(command, cwd=tmp_path, stderr=theirs, timeout=60, check=False)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert ran.returncode == 0
    first = re.match(r"\r\x1b\[K\[(#*) *\] (\d+) %: (\d+) of (\d+) (.*?)\r", shown)
    assert first
    assert first[5] == said
    share, done, total = map(int, first.groups()[1:4])
    assert 0 < done <= total
    assert share == 100 * done // total
    assert len(first[1]) == 20 * done // total
    assert total >= 35
    assert shown.endswith("\r\x1b[K")


def test_progress_of_an_impossible_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bad file promises is not divided by, and nothing is said before something is done."""
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress() as tell:
        tell("nodes checked", 0, -5)
        tell("nodes checked", 3, -5)
    assert terminal.getvalue() == "\r\x1b[K3 nodes checked\r\x1b[K"
