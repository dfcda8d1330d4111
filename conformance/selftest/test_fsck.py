"""`metaparity fsck`: what it says of a volume, how it ends, and that its repair plans mend."""

from __future__ import annotations

import ast
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import redis

from metaparity.conformance.command import main
from metaparity.conformance.laws import LAWS
from metaparity.conformance.model.trial import WRITERS
from metaparity.drivers import registry
from metaparity.drivers.engine import codec
from metaparity.drivers.types import Attr, Config, FileType
from metaparity.fixtures.volumes import FORMAT, QUIET, keyspace

from .conftest import Ran, Run, refused
from .test_laws import BREAKS, Keys, sound

PLAN = "to be pasted into redis-cli while no client is at work; then check again:\n"

BY_HAND = {
    "lost root",
    "lost trash root",
    "node without name",
    "root of another type",
    "circle",
    "lost target",
    "lost rule",
    "copy without name",
    "odd hour",
    "odd trash",
    "record beyond its chunk",
    "record beyond its slice",
    "lock of a lost session",
    "file of a session that is gone",
    "impossible name",
    "type that is none",
    "value that is none",
    "key of another type",
    "rule that is none",
    "minimal rule",
    "data to delete",
    "chunk of a directory",
}
"""Breaks of which no command can know what would be right."""

Fsck = Callable[..., Ran]

schemes = pytest.mark.parametrize("scheme", ["redis", "rueidis"])


@pytest.fixture
def fsck(server_url: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> Fsck:
    """Runs the command in this process, on the database of the test if no other is named."""

    def run(*options: str, scheme: str = "redis", url: str = "") -> Ran:
        code = main(["fsck", url or server_url.replace("redis", scheme, 1), *options])
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err, tmp_path)

    return run


def write(spare: redis.Redis, keys: Keys) -> None:
    """Have the database hold these keys."""
    spare.flushdb()
    with spare.pipeline(transaction=False) as pipe:
        for key, (kind, value) in keys.items():
            WRITERS[kind](pipe, key, value)
        pipe.execute()


def broken_by(name: str) -> Keys:
    """The keys of a sound volume with one of the breaks that laws are tried with."""
    return {key: value for key, value in {**sound(), **BREAKS[name][0]}.items() if value[0] != "none"}


def plan_of(text: str) -> list[str]:
    """The commands of a repair plan, as lines to be pasted."""
    return text.partition(PLAN)[2].splitlines()


def words_of(line: str) -> list[bytes]:
    """A line as redis-cli splits it: within its quotes, escapes mean what they mean in Python."""
    words = re.findall(r'"(?:[^"\\]|\\.)*"|[^\s"]+', line)
    assert " ".join(words) == line
    return [ast.literal_eval(f"b{word}") if word.startswith('"') else word.encode() for word in words]


@schemes
def test_a_sound_volume(fsck: Fsck, spare: redis.Redis, scheme: str) -> None:
    write(spare, sound())
    ran = fsck(scheme=scheme)
    assert (ran.code, ran.out, ran.err) == (0, f"volume , UUID : all {len(LAWS)} laws hold\n", "")


@schemes
def test_a_broken_law(fsck: Fsck, spare: redis.Redis, scheme: str) -> None:
    """It is told with its sentence and each finding with its keys; a plan only where it is asked for."""
    write(spare, broken_by("file nlink"))
    law = LAWS["tree/links-are-counted"]
    told = (
        f"volume , UUID : 1 of {len(LAWS)} laws broken\n"
        f"{law.id}: {law.sentence}\n    node 3 has nlink 2 and 1 names (i3)\n"
    )
    ran = fsck(scheme=scheme)
    assert (ran.code, ran.out, ran.err) == (1, told, "")
    assert fsck("--repair-plan", scheme=scheme).out == told + PLAN + 'SETRANGE i3 47 "\\x00\\x00\\x00\\x01"\n'


@pytest.mark.parametrize("name", BREAKS)
def test_a_repair_plan_mends(fsck: Fsck, spare: redis.Redis, name: str) -> None:
    """Its commands, again where one uncovers another, leave nothing broken but what needs a hand."""
    untyped: Any = spare
    write(spare, broken_by(name))
    ran = fsck("--repair-plan", "--all")
    assert ran.code == 1
    for _ in range(2):
        for line in plan_of(ran.out):
            untyped.execute_command(*words_of(line))
        ran = fsck("--repair-plan", "--all")
    assert plan_of(ran.out) == []
    assert (ran.code == 1) == (name in BY_HAND), ran.out
    assert ("to be mended by hand" in ran.out) == (name in BY_HAND)


@pytest.mark.parametrize(
    "name", ["value that is none", "key of another type", "type that is none", "lost root"]
)
def test_what_cannot_be_read_is_mended_first(fsck: Fsck, spare: redis.Redis, name: str) -> None:
    """No command does away with what is left of a node whose record is spoilt."""
    write(spare, broken_by(name))
    ran = fsck("--repair-plan")
    assert "to be mended by hand, before anything else:\n" in ran.out
    assert plan_of(ran.out) == []
    told = json.loads(fsck("--json").out)
    assert told["mend_first"] == [BREAKS[name][1]]


def test_names_of_a_lost_directory_are_kept(fsck: Fsck, spare: redis.Redis) -> None:
    """Where the record of a directory is lost, a plan takes neither it nor what lies in it out."""
    keys = sound()
    del keys[b"i2"]
    write(spare, keys)
    plan = plan_of(fsck("--repair-plan", "--all").out)
    assert plan
    assert not [line for line in plan if re.match(r"H?DEL d\d", line)]


@pytest.mark.skipif(not shutil.which("redis-cli"), reason="no redis-cli on PATH")
@pytest.mark.parametrize("name", ["file nlink", "slice that waits in the trash", "mode of a link"])
def test_redis_cli_takes_a_plan(fsck: Fsck, spare: redis.Redis, server_url: str, name: str) -> None:
    """Bytes, quotes and line ends of a plan reach the server as they are."""
    keys = broken_by(name)
    odd = b'"\x00\n\r\\\' \xff"'
    keys[b"d2"][1][odd] = keys[b"d2"][1][b"f"][:1] + (99).to_bytes(8, "big")
    write(spare, keys)
    plan = "\n".join(plan_of(fsck("--repair-plan").out)) + "\n"
    assert plan.isascii()
    subprocess.run(
        ["redis-cli", "-u", server_url], input=plan, text=True, check=True, timeout=60, capture_output=True
    )
    assert fsck().code == 0
    assert not spare.hexists("d2", odd)


def test_many_findings(fsck: Fsck, spare: redis.Redis) -> None:
    """Ten of a law are shown, and how many more there are; `--all` shows them."""
    keys = sound()
    for inode in range(100, 112):
        keys[b"s%d" % inode] = ("string", b"t")
    write(spare, keys)
    some, all = fsck("--repair-plan"), fsck("--repair-plan", "--all")
    assert "    and 2 more: --all shows them\n" in some.out
    assert plan_of(some.out) == [f"DEL s{inode}" for inode in range(100, 110)]
    assert "more" not in all.out
    assert plan_of(all.out) == [f"DEL s{inode}" for inode in range(100, 112)]
    (law,) = json.loads(fsck("--json").out)["broken"]
    assert (len(law["findings"]), law["more"]) == (10, 2)


def test_json(fsck: Fsck, spare: redis.Redis) -> None:
    write(spare, broken_by("file nlink"))
    ran = fsck("--json", url="")
    law = LAWS["tree/links-are-counted"]
    told = json.loads(ran.out)
    assert (ran.code, told["live_sessions"], told["laws"], told["mend_first"]) == (1, 0, len(LAWS), [])
    assert told["broken"] == [
        {
            "law": law.id,
            "sentence": law.sentence,
            "source": law.source,
            "mends": law.mends,
            "garbage": False,
            "findings": [
                {
                    "what": "node 3 has nlink 2 and 1 names",
                    "keys": ["i3"],
                    "commands": [["SETRANGE", "i3", 47, "\0\0\0\1"]],
                }
            ],
            "more": 0,
        }
    ]


def test_garbage(fsck: Fsck, spare: redis.Redis) -> None:
    """What only takes up room breaks a law, too, and is told as what it is."""
    write(spare, broken_by("chunk of a lost file"))
    ran = fsck()
    assert (ran.code, ran.out.count("only takes up room")) == (1, 1)
    assert json.loads(fsck("--json").out)["broken"][0]["garbage"] is True


HUGE = [
    ("i3", "string", codec.encode_attr(Attr(type=FileType.FILE, nlink=1, parent=2, length=(1 << 64) - 1))),
    ("dirDataLength", "hash", {"2": str((1 << 64) - 1)}),
    ("dirUsedInodes", "hash", {"9" * 5000: "1"}),
    ("usedSpace", "string", "9" * 30),
    ("i" + "9" * 20, "string", "x"),
    ("allSessions", "zset", {"9" * 5000: 1}),
    ("session" + "9" * 20, "set", {"9" * 5000}),
    ("delfiles", "zset", {"9" * 5000 + ":1": 1}),
    ("acl", "hash", {"9" * 5000: "x"}),
    ("sliceRef", "hash", {f"k{'9' * 20}_{'9' * 10}": "9" * 30}),
    ("lockf3", "hash", {"9" * 5000 + "_1": "W"}),
    ("dirQuotaUsedSpace", "hash", {"2": "9" * 30}),
]
"""What holds a number that is too large for its place."""


@pytest.mark.parametrize(("key", "kind", "value"), HUGE, ids=[key[:20] for key, _, _ in HUGE])
def test_huge_numbers(fsck: Fsck, spare: redis.Redis, key: str, kind: str, value: Any) -> None:
    """They are found, but where what has them is nothing of a volume, and nothing breaks."""
    write(spare, sound())
    adds: dict[str, Any] = {"string": spare.set, "hash": spare.hset, "zset": spare.zadd, "set": spare.sadd}
    add = adds[kind]
    if kind == "hash":
        add(key, mapping=value)
    elif kind == "set":
        add(key, *value)
    else:
        add(key, value)
    ran = fsck()
    assert (ran.code, ran.err) == (
        0 if key in ("i" + "9" * 20, "session" + "9" * 20, "acl", "lockf3") else 1,
        "",
    )


def test_bytes_in_json(fsck: Fsck, spare: redis.Redis) -> None:
    """What is no UTF-8 is told in base64."""
    keys = sound()
    keys[b"d2"][1][b"\xff"] = keys[b"d2"][1][b"f"][:1] + (99).to_bytes(8, "big")
    write(spare, keys)
    (law,) = json.loads(fsck("--json").out)["broken"]
    assert law["findings"][0]["commands"] == [["HDEL", "d2", {"base64": "/w=="}]]


def test_what_is_not_fit(metaparity: Run, fsck: Fsck, server_url: str, spare: redis.Redis) -> None:
    """No server, no volume, a newer one, settings that are none: 3; no URL, scheme or parameter: 2."""
    refused(metaparity("fsck"), 2, "URL")
    refused(fsck(url="mongo://127.0.0.1/0"), 2, "mongo")
    refused(fsck(url=f"{server_url}?pool-sise=1"), 2, "pool-sise")
    refused(fsck(url="redis://user:sesame@127.0.0.1:1/0"), 3, "127.0.0.1:1")
    refused(fsck(), 3, "not formatted")
    spare.set("setting", '{"MetaVersion": 2}')
    refused(fsck(), 3, "metadata version 2")
    spare.set("setting", '{"MinClientVersion": "9.0.0"}')
    refused(fsck(), 3, "9.0.0")
    spare.set("setting", "{")
    refused(fsck(), 3, "cannot be read")


def test_a_password_is_not_shown(fsck: Fsck) -> None:
    assert "sesame" not in fsck(url="redis://user:sesame@127.0.0.1:1/0").err


@schemes
def test_it_only_reads(fsck: Fsck, spare: redis.Redis, server_url: str, scheme: str) -> None:
    """None of the commands that the database gets can write, and every key is as it was."""
    database = int(server_url.rpartition("/")[2])
    keys = broken_by("lost target")
    keys[b"d2"][1].update({b"many-%d" % number: keys[b"d2"][1][b"f"] for number in range(1500)})
    write(spare, keys)
    before = keyspace(spare)
    untyped: Any = spare
    with untyped.monitor() as monitor:
        assert fsck("--repair-plan", scheme=scheme).code == 1
        spare.echo("the end")
        sent = set[str]()
        while (command := monitor.next_command())["command"] != "ECHO the end":
            if command["db"] == database:
                sent.add(command["command"].split()[0].lower())
    assert {"scan", "mget", "hscan"} <= sent
    flags: dict[str, Any] = {name: one["flags"] for name, one in spare.command().items()}
    assert not {name for name in sent if "write" in flags[name]}
    assert keyspace(spare) == before


@schemes
def test_a_user_who_may_only_read(fsck: Fsck, spare: redis.Redis, server_url: str, scheme: str) -> None:
    write(spare, broken_by("file nlink"))
    spare.acl_setuser(
        "reader", enabled=True, passwords=["+sesame"], keys=["*"], categories=["+@read", "+@connection"]
    )
    try:
        url = server_url.replace("redis://", f"{scheme}://reader:sesame@", 1)
        ran = fsck("--json", url=url)
        with pytest.raises(redis.exceptions.NoPermissionError):
            redis.Redis.from_url(server_url.replace("//", "//reader:sesame@", 1)).set("setting", "x")
    finally:
        spare.acl_deluser("reader")
    assert (ran.code, ran.err) == (1, "")
    assert json.loads(ran.out)["url"] == server_url.replace("redis", scheme, 1)


def test_live_sessions(fsck: Fsck, spare: redis.Redis, server_url: str) -> None:
    """Who is at work is warned about; a session that has expired is not, nor one that is closed."""
    quiet: dict[str, Any] = QUIET
    engine = registry.open_engine(server_url, Config(**quiet))
    try:
        engine.init(FORMAT)
        engine.load()
        engine.session_new(True)
        ran = fsck()
        assert ran.code == 0
        assert ran.err.startswith("metaparity: 1 session is live: ")
        assert ran.err.count("\n") == 1
        assert json.loads(fsck("--json").out)["live_sessions"] == 1
        engine.session_close()
        assert fsck().err == ""
        spare.zadd("allSessions", {"1": 5})
        assert fsck().err == ""
    finally:
        engine.close()


def test_sessions_of_another_type(fsck: Fsck, spare: redis.Redis) -> None:
    """A key that should tell who is at work, and cannot, is a broken law like any other."""
    write(spare, {**sound(), b"allSessions": ("string", b"x")})
    ran = fsck()
    assert (ran.code, ran.err) == (1, "")
    assert "is a string, not a zset (allSessions)" in ran.out


def test_progress_on_a_terminal(server_url: str, spare: redis.Redis) -> None:
    """On a terminal, one line says how far it has come, and is gone at the end."""
    write(spare, sound())
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "metaparity.conformance", "fsck", server_url]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=False)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "1 pages of names read" in shown
    assert shown.endswith("\r\x1b[K")


def test_nobody_reads_on(server_url: str, spare: redis.Redis) -> None:
    """Who has read enough, as `head` has, is told nothing."""
    write(spare, sound())
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "metaparity.conformance", "fsck", server_url]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_interrupted() -> None:
    """Ctrl-C ends it quietly, here while a server does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        command = [sys.executable, "-m", "metaparity.conformance", "fsck", url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(1)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"")
