"""The change log: a line for each mutation, in the transaction that makes it, and its reader (S8)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from errno import EEXIST, ENOENT, EPERM
from typing import Any

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.contents import put
from metaparity.conformance.scenes.quotas import DIR, USER
from metaparity.conformance.scenes.scenery import flag
from metaparity.conformance.verbs import refuses, unchanged
from metaparity.drivers.api import Engine
from metaparity.drivers.types import (
    AclType,
    Attr,
    AttrFlag,
    Context,
    Entry,
    FallocateMode,
    FileType,
    Quota,
    RenameFlag,
    Rule,
    SetAttr,
    Slice,
)
from metaparity.fixtures.volumes import Volume

LINE = re.compile(r"(\d+)\.(\d{9})\|([A-Z_]+\(.*\)(?::[\d,]+)?)\|\((\d+),(\d+)\)", re.DOTALL)
CALLER = Context(7, (8,), check_permission=False)


@pytest.fixture
def volume(volume: Volume) -> Volume:
    """A volume that keeps a change log."""
    volume.format(ChangeLog=True)
    return volume


def stored(volume: Volume) -> list[bytes]:
    lines: list[bytes] = volume.raw.lrange("txnLog", 0, -1)
    return lines


def operations(volume: Volume, since: int = 0) -> list[str]:
    """What was logged after so many lines, without times, sessions and numbers."""
    found = []
    for line in stored(volume)[since:]:
        parts = LINE.fullmatch(line.decode("utf-8", "surrogateescape"))
        assert parts, f"not a line of the log: {line!r}"
        found.append(parts[3])
    return found


class Scene:
    """A directory `d` with a file `x` of 100 bytes and a symlink `s`; a directory `e` with a file `y`."""

    def __init__(self, volume: Volume) -> None:
        self.d, self.e = volume.dir("d"), volume.dir("e")
        self.x, self.y = volume.file("x", self.d), volume.file("y", self.e)
        self.s = volume.symlink("s", b"t", self.d)
        self.slice = put(volume.fs, self.x, 0, 100)
        self.next = self.s + 1
        """The inode that is made next."""


@dataclass(frozen=True)
class Logged:
    """A call, and what it adds to the log; inodes of the scene are named in braces."""

    name: str
    call: Callable[[Engine, Scene], Any]
    lines: tuple[str, ...]


def cases() -> list[Logged]:
    exchange = RenameFlag.EXCHANGE
    zero, rule = FallocateMode.ZERO, Rule(7, 5, 6, 1, users=[(1001, 4)])
    return [
        Logged(
            "mknod",
            lambda fs, at: fs.mknod(at.d, b"n", FileType.FIFO, 0o644, 0o22, ctx=CALLER),
            ("CREATE({d},n,7,8,4,420,18,,linux,true):{next}",),
        ),
        Logged(
            "mkdir",
            lambda fs, at: fs.mkdir(at.d, b"n", 0o755),
            ("CREATE({d},n,0,0,2,493,0,,linux,true):{next}",),
        ),
        Logged(
            "symlink",
            lambda fs, at: fs.symlink(at.d, b"n", b"a,b"),
            ("CREATE({d},n,0,0,3,511,0,a%2Cb,linux,true):{next}",),
        ),
        Logged("link", lambda fs, at: fs.link(at.x, at.e, b"n"), ("LINK({x},{e},n,true):2",)),
        Logged("unlink", lambda fs, at: fs.unlink(at.d, b"s"), ("UNLINK({d},s,0,false,true):{s}",)),
        Logged(
            "unlink-file",
            lambda fs, at: fs.unlink(at.d, b"x"),
            ("UNLINK({d},x,0,false,true):{x}", "DELCHUNK({x},0)", "DELETESLICE({slice},100)"),
        ),
        Logged(
            "unlink-open",
            lambda fs, at: (fs.open_file(at.y), fs.unlink(at.e, b"y"), fs.close_file(at.y)),
            ("UNLINK({e},y,0,true,true):{y}", "DELSUSTAINED(1,{y})"),
        ),
        Logged(
            "batch-unlink",
            lambda fs, at: fs.batch_unlink(at.d, [Entry(b"s", at.s, FileType.SYMLINK)]),
            ("UNLINKBATCH({d},s,0,true):{s}",),
        ),
        Logged(
            "rmdir",
            lambda fs, at: (fs.unlink(at.e, b"y"), fs.rmdir(1, b"e")),
            ("UNLINK({e},y,0,false,true):{y}", "RMDIR(1,e,0):{e}"),
        ),
        Logged("rename", lambda fs, at: fs.rename(at.d, b"s", at.e, b"n"), ("MOVE({d},s,{e},n,0,0,0):{s}",)),
        Logged(
            "rename-over",
            lambda fs, at: fs.rename(at.d, b"s", at.e, b"y"),
            ("MOVE({d},s,{e},y,0,{y},0):{s}",),
        ),
        Logged(
            "exchange",
            lambda fs, at: fs.rename(at.d, b"s", at.e, b"y", exchange),
            ("MOVE({d},s,{e},y,2,{y},0):{s}",),
        ),
        Logged(
            "write",
            lambda fs, at: fs.write(at.x, 2, 50, Slice(0, at.slice, 100, 10, 20), (5, 6)),
            ("WRITE({x},2,50,{slice},20,5,6):0",),
        ),
        Logged("truncate", lambda fs, at: fs.truncate(at.x, 1, 30), ("TRUNCATE({x},100,30,1)",)),
        Logged("truncate-same", lambda fs, at: fs.truncate(at.x, 0, 100), ()),
        Logged("fallocate", lambda fs, at: fs.fallocate(at.x, zero, 5, 200), ("FALLOCATE({x},5,200,16)",)),
        Logged(
            "copy",
            lambda fs, at: fs.copy_file_range(at.x, 10, at.y, 20, 500),
            ("COPYFILERANGE({x},10,{y},20,90):110",),
        ),
        Logged(
            "setattr",
            lambda fs, at: fs.setattr(at.s, SetAttr.ATIME | SetAttr.MTIME, Attr(atime=(5, 6), mtime=(7, 8))),
            ("SETATTR({s},48,0,0,0,511,0,5,7,6,8,{ctime},0)",),
        ),
        Logged("setattr-nothing", lambda fs, at: fs.setattr(at.x, SetAttr.MODE, Attr(mode=0o644)), ()),
        Logged(
            "xattr",
            lambda fs, at: (fs.xattr_set(at.x, b"a", b"\0,\xff", 1), fs.xattr_remove(at.x, b"a")),
            ("SETXATTR({x},a,%00%2C%FF,1)", "REMOVEXATTR({x},a)"),
        ),
        Logged(
            "acl",
            lambda fs, at: fs.acl_set(at.x, AclType.DEFAULT, rule),
            (
                "INCR_COUNTER(aclMaxId,1)",
                "SETFACL({x},2,%00%07%00%05%00%06%00%01%00%00%00%01%00%00%03%E9%00%04%00%00%00%00)",
            ),
        ),
        Logged(
            "clone-file",
            lambda fs, at: fs.clone(at.d, at.s, at.e, b"n", True),
            ("CLONE({s},{e},n,{next},2,0,true):{next}",),
        ),
        Logged(
            "clone-tree",
            lambda fs, at: fs.clone(1, at.e, at.d, b"n", False, 0o22),
            ("CLONE({e},{d},n,{next},0,18,true):{next}", "ATTACH({next},{d},n)"),
        ),
        Logged(
            "compact",
            lambda fs, at: (fs.write(at.x, 0, 100, Slice(0, at.slice, 100, 0, 50), (1, 1)), fs.compact(at.x)),
            (
                "WRITE({x},0,100,{slice},50,1,1):0",
                "COMPACTCHUNK({x},0,0,2,0,{newslice},150)",
                "DELETESLICE({slice},100)",
                "DELETESLICE({slice},100)",
            ),
        ),
        Logged(
            "quota",
            lambda fs, at: (
                fs.settle(),
                fs.quota_set(DIR, b"/e", Quota(1 << 20, -1), strict=True),
                fs.quota_delete(DIR, b"/e"),
            ),
            ("DIRSTAT(1,0,8192,2)", "SETQUOTA(0,{e},1048576,-1)", "SETQUOTA(0,{e},-1,-1)", "DELQUOTA(0,{e})"),
        ),
        Logged(
            "token",
            lambda fs, at: (fs.token_store(b"a,b"), fs.token_update(1, b"c"), fs.token_delete([1, 2])),
            (
                "INCR_COUNTER(krbTokenMaxId,1)",
                "STORETOKEN(1,a%2Cb)",
                "UPDATETOKEN(1,c)",
                "DELETETOKENS(1,2)",
            ),
        ),
        Logged(
            "repair",
            lambda fs, at: (fs.settle(), fs.check(b"/e", repair=True, sync_dir_stat=True)),
            ("DIRSTAT(1,0,8192,2)", "DIRSTAT({e},0,4096,1)"),
        ),
    ]


@pytest.mark.parametrize("case", [pytest.param(one, id=one.name) for one in cases()])
@clause("changelog/has-a-line-for-each-mutation", source="S8.1 S8.2 N40.2", needs="changelog")
def test_lines(volume: Volume, case: Logged) -> None:
    """A mutation adds the lines that the format gives for it, and a call that changes nothing none."""
    at = Scene(volume)
    before = len(stored(volume))
    case.call(volume.fs, at)
    volume.fs.settle()
    ctime = volume.fs.getattr(at.s).ctime if case.name == "setattr" else (0, 0)
    names = {**vars(at), "ctime": f"{ctime[0]},{ctime[1]}", "newslice": at.slice + 1}
    wanted = [line.format(**names) for line in case.lines]
    found = operations(volume, before)
    if not any(line.startswith("DIRSTAT") for line in wanted):
        found = [line for line in found if not line.startswith("DIRSTAT")]
    assert found == wanted


@clause("changelog/names-where-things-went-in-the-trash", source="S8.2", needs="changelog")
def test_trash(volume: Volume) -> None:
    """A removal that goes to the trash names the hour directory; one that goes past it names 0."""
    other = volume
    other.reset()
    other.format(ChangeLog=True, TrashDays=1)
    at = Scene(other)
    before = len(stored(other))
    other.fs.unlink(at.d, b"s")
    other.fs.unlink(at.e, b"y", skip_trash=True)
    other.fs.rmdir(1, b"e")
    hour = 0x7FFFFFFF10000001
    (name,) = (key.decode() for key in other.raw.hkeys(f"d{hour - 1}"))
    removals = [line for line in operations(other, before) if not line.startswith("DELCHUNK")]
    assert removals == [
        f"CREATE({hour - 1},{name},0,0,2,365,0,,linux,false):{hour}",
        f"UNLINK({at.d},s,{hour},false,true):{at.s}",
        f"UNLINK({at.e},y,0,false,true):{at.y}",
        f"RMDIR(1,e,{hour}):{at.e}",
    ]


@clause("changelog/lines-tell-when-who-and-which", source="S8.1", needs="changelog", clients=2)
def test_form(volume: Volume) -> None:
    """A line begins with its time to the nanosecond and ends with the session and a number that grows with
    each transaction of the client."""
    start = time.time_ns()
    clients = [volume.fs, volume.open()]
    for number in range(6):
        clients[number % 2].mknod(1, b"n%d" % number, FileType.FILE, 0o644)
    parsed = [LINE.fullmatch(line.decode()) for line in stored(volume)]
    assert all(parsed)
    last: dict[str, int] = {}
    for line in parsed:
        assert line is not None
        assert start - 10**9 < int(line[1]) * 10**9 + int(line[2]) <= time.time_ns()
        if line[4] != "0":
            assert int(line[5]) > last.get(line[4], 0)
            last[line[4]] = int(line[5])
    assert last.keys() == {"1", "2"}
    created = [line for line in parsed if line and line[3].startswith("CREATE")]
    assert [line[4] for line in created] == ["1", "2"] * 3


@pytest.mark.parametrize(
    ("name", "logged"),
    [
        pytest.param(b"a b+c", "a b+c", id="plain"),
        pytest.param(b'%(),"\\', "%25%28%29%2C%22%5C", id="marks"),
        pytest.param(b"\x01\x1f\x7f\x80\xff", "%01%1F%7F%80%FF", id="bytes"),
        pytest.param("é".encode(), "%C3%A9", id="utf-8"),
    ],
)
@clause("changelog/encodes-text", source="S8.1", needs="changelog")
def test_encoding(volume: Volume, name: bytes, logged: str) -> None:
    """Bytes that are no plain ASCII, and the marks of the format, are written as % and two capital digits."""
    assert volume.fs.load()
    inode = volume.fs.mknod(1, name, FileType.FILE, 0o644).inode
    assert operations(volume)[-1] == f"CREATE(1,{logged},0,0,1,420,0,,linux,true):{inode}"


@clause("changelog/is-numbered-without-gaps", source="S8.3", needs="changelog", clients=2)
def test_versions(volume: Volume) -> None:
    """The newest line has the number in txnLastLog, and a scan gives each line its own, oldest first."""
    other = volume.open()
    for number in range(5):
        volume.fs.mkdir(1, b"a%d" % number, 0o755)
        other.mkdir(1, b"b%d" % number, 0o755)
    lines = [line.decode() for line in stored(volume)]
    assert int(volume.raw.get("txnLastLog")) == len(lines)
    assert volume.fs.changelog_scan() == list(enumerate(lines, 1))
    assert other.changelog_scan() == volume.fs.changelog_scan()


@clause("changelog/is-read-from-a-version-on", source="S8.3 N40.2 protocol §5", needs="changelog")
def test_after(volume: Volume) -> None:
    """A scan begins after the version given, and ends with as many lines as were asked for."""
    for number in range(8):
        volume.fs.mkdir(1, b"n%d" % number, 0o755)
    whole = volume.fs.changelog_scan()
    newest = whole[-1][0]
    assert volume.fs.changelog_scan(after=3) == whole[3:]
    assert volume.fs.changelog_scan(after=3, max=2) == whole[3:5]
    assert volume.fs.changelog_scan(max=4) == whole[:4]
    assert volume.fs.changelog_scan(after=newest) == []
    assert volume.fs.changelog_scan(after=newest + 100) == []


@clause("changelog/keeps-its-numbers-when-it-is-cut", source="S8.3 S8.4", needs="changelog")
def test_trimmed(volume: Volume) -> None:
    """Lines that are left keep their numbers when older ones have been dropped."""
    for number in range(8):
        volume.fs.mkdir(1, b"n%d" % number, 0o755)
    whole = volume.fs.changelog_scan()
    volume.raw.ltrim("txnLog", 5, -1)
    assert volume.fs.changelog_scan() == whole[5:]
    assert volume.fs.changelog_scan(after=7) == whole[7:]
    volume.raw.delete("txnLog")
    assert volume.fs.changelog_scan() == []
    volume.fs.mkdir(1, b"more", 0o755)
    ((version, _),) = volume.fs.changelog_scan()
    assert version == whole[-1][0] + 1


@clause("changelog/many-lines-are-read-in-pages", source="S8.3 S4.4", needs="changelog")
def test_pages(volume: Volume) -> None:
    """A log of thousands of lines is read whole, each line once."""
    assert volume.fs.load()
    lines = [b"1.000000000|TEST(%d)|(1,%d)" % (number, number) for number in range(2500)]
    volume.raw.delete("txnLog")
    volume.raw.rpush("txnLog", *lines)
    volume.raw.set("txnLastLog", 3000)
    wanted = [(501 + number, line.decode()) for number, line in enumerate(lines)]
    assert volume.fs.changelog_scan() == wanted
    assert volume.fs.changelog_scan(after=1600, max=1001) == wanted[1100:2101]


@clause("changelog/a-refusal-is-not-logged", source="S8.1", needs="changelog")
def test_refused(volume: Volume) -> None:
    """A call that is refused leaves no line."""
    at = Scene(volume)
    flag(volume, at.e, AttrFlag.IMMUTABLE)
    volume.fs.settle()
    with unchanged(volume):
        refuses(EEXIST, volume.fs.mknod, at.d, b"x", FileType.FIFO, 0)
        refuses(ENOENT, volume.fs.unlink, at.d, b"none")
        refuses(EPERM, volume.fs.unlink, at.e, b"y")
        refuses(ENOENT, volume.fs.setattr, 999, SetAttr.MODE, Attr(mode=0))
        refuses(ENOENT, volume.fs.rename, at.d, b"none", at.d, b"n")


@clause("changelog/reading-is-not-logged", source="S8.2", needs="changelog")
def test_reading(volume: Volume) -> None:
    """Calls that only read, and flushes of statistics and quotas, leave no line."""
    at = Scene(volume)
    volume.fs.settle()
    volume.fs.quota_set(USER, 7, Quota(-1, 100))
    volume.fs.refresh()
    volume.fs.mknod(at.d, b"n", FileType.FIFO, 0, ctx=CALLER)
    before = len(stored(volume))
    volume.fs.lookup(at.d, b"x")
    volume.fs.readdir(at.d, plus=True)
    volume.fs.read(at.x, 0)
    volume.fs.statfs(1)
    volume.fs.settle()
    volume.fs.session_refresh()
    assert operations(volume, before) == []


@clause("changelog/access-times-are-logged", source="S8.2 R14", needs="changelog", clients=2)
def test_atime(volume: Volume) -> None:
    """A read that moves an access time leaves a line."""
    at = Scene(volume)
    reader = volume.open(atime_mode="strictatime")
    before = len(stored(volume))
    reader.read(at.x, 0)
    assert operations(volume, before) == [f"ACCESS({at.x})"]


@clause("changelog/sessions-and-numbers-are-logged", source="S8.2", needs="changelog")
def test_session(volume: Volume) -> None:
    """The beginning and the end of a session, and each block of numbers that a client takes, leave a line."""
    volume.fs.mkdir(1, b"d", 0o755)
    volume.fs.new_slice()
    volume.fs.session_close()
    found = operations(volume)
    assert found[0] == "INCR_COUNTER(nextSession,1)"
    assert re.fullmatch(r"NEWSESSION\(1,\d+,\{%22Version%22:.*\}\)", found[1])
    rest = [line for line in found[2:] if not line.startswith("DIRSTAT")]
    assert rest == [
        "INCR_COUNTER(nextInode,1024)",
        "CREATE(1,d,0,0,2,493,0,,linux,true):2",
        "INCR_COUNTER(nextChunk,4096)",
        "CLEANSESSION(1)",
    ]


@clause("changelog/is-kept-only-where-asked-for", source="S8.5 S8.3", needs="changelog")
def test_off(volume: Volume) -> None:
    """A volume without the setting has no log, and a scan of it finds nothing."""
    volume.reset()
    volume.format()
    Scene(volume)
    assert not volume.raw.exists("txnLog", "txnLastLog")
    assert volume.fs.changelog_scan() == []


@clause("changelog/turning-accounts-on-is-logged", source="S8.2", needs="changelog")
def test_settings(volume: Volume) -> None:
    """Turning directory statistics or the counting of users on leaves a line."""
    volume.reset()
    volume.format(ChangeLog=True, DirStats=False)
    format = volume.fs.load()
    before = len(stored(volume))
    volume.fs.init(format.replace(DirStats=True))
    volume.fs.init(format.replace(DirStats=True, UserGroupQuota=True))
    assert operations(volume, before) == ["INIT_ENABLE_DIRSTATS()", "INIT_ENABLE_USERGROUPQUOTA()"]
