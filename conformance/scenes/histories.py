"""Threads of several clients that make random calls at once, and the history of what they did."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from errno import EIO
from typing import Any

from metaparity.conformance.properties.history import History, Recorder, Value
from metaparity.conformance.properties.models import FIELDS
from metaparity.conformance.verbs import given_up_after
from metaparity.drivers.api import Engine
from metaparity.drivers.types import Attr, FileType, LockType, RenameFlag, SetAttr
from metaparity.drivers.wire import ERRNO_NAMES
from metaparity.fixtures.volumes import Volume

THREADS = 8


def refusal(error: OSError) -> str | None:
    """The name of the errno; None for EIO, of which nobody knows what has happened."""
    return None if error.errno == EIO else ERRNO_NAMES.get(error.errno or 0, str(error))


@dataclass(frozen=True)
class Caller:
    """One thread of one client, whose calls are taken down past the log of the test."""

    client: str
    number: int
    fs: Engine
    recorder: Recorder
    draw: random.Random

    def take(self, call: str, arguments: tuple[Value, ...], do: Callable[[], Value]) -> Value:
        """Make a call."""
        return self.recorder.take(f"{self.client}/{self.number}", call, arguments, do)

    def look(self, call: str, arguments: tuple[Value, ...], do: Callable[[], Value]) -> Value:
        """Make a call that may be answered from a cache: the client takes in what it was told first."""

        def told() -> Value:
            if "cache.tracking" in self.fs.capabilities:
                self.fs.cache_stats()
            return do()

        return self.take(call, arguments, told)


Act = Callable[[Caller], object]


def clients(volume: Volume, **config: Any) -> list[Engine]:
    """Two clients of one volume, without their log: which of them comes first is chance."""
    volume.fs.settle()
    for _ in range(2):
        volume.open(**config)
    volume.shared = True
    return volume.clients[-2:]


def perform(
    engines: Sequence[Engine], seed: int, calls: int, act: Act, prepare: Act | None = None
) -> History:
    """What threads of the clients do, each so many random calls at once, after what one has prepared."""
    recorder = Recorder(refusal)

    def caller(number: int) -> Caller:
        which = number % len(engines)
        draw = random.Random(f"{seed} {number}")
        return Caller(f"c{which + 1}", number, engines[which], recorder, draw)

    if prepare is not None:
        prepare(caller(0))
    start = threading.Barrier(THREADS)

    def work(number: int) -> None:
        one = caller(number)
        start.wait(timeout=10)
        for _ in range(calls):
            act(one)

    with ThreadPoolExecutor(THREADS) as pool:
        for worker in [pool.submit(work, number) for number in range(THREADS)]:
            worker.result(timeout=120)
    return recorder.history


# -- names -----------------------------------------------------------------------------------------

FLAGS = {None: RenameFlag(0), "NOREPLACE": RenameFlag.NOREPLACE, "EXCHANGE": RenameFlag.EXCHANGE}

CALLS = ["lookup"] * 5 + ["readdir"] * 3 + ["mknod"] * 4 + ["mkdir"] + ["unlink"] * 3 + ["rmdir"]
CALLS += ["rename"] * 6 + ["link"] * 2


class Names:
    """Random calls on a few names of some directories, and on the inodes that callers were told of."""

    def __init__(self, directories: Sequence[int], names: Sequence[bytes] = (b"a", b"b")) -> None:
        self.places = [(directory, name) for directory in directories for name in names]
        self.told: list[int] = []

    def __call__(self, one: Caller) -> None:
        call = one.draw.choice(CALLS)
        place, other = one.draw.choice(self.places), one.draw.choice(self.places)
        if call == "readdir":
            one.look(call, place[:1], lambda: listed(one.fs, place[0]))
        elif call == "lookup":
            self.tell(one.look(call, place, lambda: one.fs.lookup(*place).inode))
        elif call == "rename":
            flag = one.draw.choice([None, None, "NOREPLACE", "EXCHANGE"])
            one.take(call, (*place, *other, flag), lambda: one.fs.rename(*place, *other, FLAGS[flag]).inode)
        elif call == "link":
            if self.told:
                inode = one.draw.choice(self.told[-6:])
                one.take(call, (inode, *place), lambda: one.fs.link(inode, *place).nlink)
        else:
            self.tell(one.take(call, place, lambda: self.changed(one.fs, call, *place)))

    def changed(self, fs: Engine, call: str, directory: int, name: bytes) -> Value:
        if call == "mknod":
            return fs.mknod(directory, name, FileType.FILE, 0o644).inode
        if call == "mkdir":
            return fs.mkdir(directory, name, 0o755).inode
        return fs.unlink(directory, name) if call == "unlink" else fs.rmdir(directory, name)

    def tell(self, outcome: Value) -> None:
        if isinstance(outcome, int):
            self.told.append(outcome)


class Replaced:
    """Random calls that replace two names, or exchange them, so that each is there all the time."""

    def __init__(self, directories: Sequence[int]) -> None:
        self.directories = directories

    def first(self, one: Caller) -> None:
        """Give both directories the name."""
        for directory in self.directories:
            self.make(one, directory, b"x")

    def __call__(self, one: Caller) -> None:
        here, there = one.draw.sample(self.directories, 2)
        mine = b"%d" % one.number
        call = one.draw.choice(["lookup", "exchange", "exchange", "replace", "replace"])
        if call == "lookup":
            one.look("lookup", (here, b"x"), lambda: one.fs.lookup(here, b"x").inode)
        elif call == "exchange":
            self.rename(one, (here, b"x", there, b"x"), "EXCHANGE")
        else:
            self.make(one, here, mine)
            self.rename(one, (here, mine, one.draw.choice([here, there]), b"x"), None)

    @staticmethod
    def make(one: Caller, directory: int, name: bytes) -> None:
        one.take(
            "mknod", (directory, name), lambda: one.fs.mknod(directory, name, FileType.FILE, 0o644).inode
        )

    @staticmethod
    def rename(one: Caller, places: tuple[int, bytes, int, bytes], flag: str | None) -> None:
        one.take("rename", (*places, flag), lambda: one.fs.rename(*places, FLAGS[flag]).inode)


def listed(fs: Engine, directory: int) -> Value:
    """The names of a directory with their inodes."""
    entries = fs.readdir(directory)
    return tuple(sorted((one.name, one.inode) for one in entries if one.name not in (b".", b"..")))


# -- attributes ------------------------------------------------------------------------------------


def values(attr: Attr) -> tuple[int, ...]:
    """What the model of attributes knows."""
    return tuple(getattr(attr, name) for name in FIELDS)


class Attributes:
    """Random calls that read and change attributes of some files, and give them names and take them away."""

    def __init__(self, inodes: Sequence[int], directory: int) -> None:
        self.inodes = inodes
        self.directory = directory
        self.own: dict[int, list[tuple[int, bytes]]] = {}
        """The names that each thread has made, with their inodes."""

    def first(self, one: Caller) -> None:
        """What the files begin with."""
        for inode in self.inodes:
            self.read(one, inode)

    def read(self, one: Caller, inode: int) -> None:
        one.look("getattr", (inode,), lambda: values(one.fs.getattr(inode)))

    def __call__(self, one: Caller) -> None:
        inode = one.draw.choice(self.inodes)
        call = one.draw.choice(["getattr", "getattr", "setattr", "setattr", "link", "unlink"])
        own = self.own.setdefault(one.number, [])
        if call == "getattr":
            self.read(one, inode)
        elif call == "setattr":
            drawn = {"mode": 0o600 + one.draw.randrange(64), "uid": one.draw.randrange(50), "gid": one.number}
            names = one.draw.sample(sorted(drawn), one.draw.choice([1, 1, 2]))
            self.set(one, inode, tuple((name, drawn[name]) for name in names))
        elif call == "link" or not own:
            name = b"%d-%d" % (one.number, one.draw.getrandbits(48))
            own.append((inode, name))
            one.take("link", (inode, name), lambda: values(one.fs.link(inode, self.directory, name)))
        else:
            inode, name = own.pop()
            one.take("unlink", (inode, name), lambda: one.fs.unlink(self.directory, name))

    @staticmethod
    def set(one: Caller, inode: int, wanted: tuple[tuple[str, int], ...]) -> None:
        bits, attr = SetAttr(0), Attr()
        for name, value in wanted:
            bits |= SetAttr[name.upper()]
            setattr(attr, name, value)
        one.take("setattr", (inode, wanted), lambda: values(one.fs.setattr(inode, bits, attr)))


# -- locks -----------------------------------------------------------------------------------------

TYPES = {"R": LockType.R, "W": LockType.W, "U": LockType.U}
OWNERS = 3
"""How many owners each client has."""


class Flocks:
    """Random requests for the BSD locks of some files; a few wait, for a while."""

    def __init__(self, inodes: Sequence[int], sessions: dict[int, str]) -> None:
        """`sessions` has the client of each session."""
        self.inodes = inodes
        self.sessions = sessions

    def __call__(self, one: Caller) -> None:
        inode, owner = one.draw.choice(self.inodes), one.draw.randrange(OWNERS)
        type = one.draw.choice("RWUU?")
        waits = one.draw.random() < 0.1
        if type == "?":
            one.take("flocks", (inode,), lambda: self.held(one.fs, inode))
            return
        with given_up_after(0.05 if waits else 60) as ctx:
            one.take(
                "flock",
                (inode, (one.client, owner), type),
                lambda: one.fs.flock(inode, owner, TYPES[type], waits, ctx=ctx),
            )

    def held(self, fs: Engine, inode: int) -> Value:
        locks = fs.locks_list(inode).flocks
        return tuple(sorted(((self.sessions[one.sid], one.owner), one.type) for one in locks))


EDGES = [0, 1, 5, 6, 7, 10, 63, 64, 2**40, 2**63 - 1]
"""Where ranges begin and end."""


class Records:
    """Random requests for record locks of some files, with ranges that touch, nest and overlap."""

    def __init__(self, inodes: Sequence[int]) -> None:
        self.inodes = inodes

    def __call__(self, one: Caller) -> None:
        inode, owner, pid = one.draw.choice(self.inodes), one.draw.randrange(OWNERS), one.draw.randrange(1, 3)
        start, end = sorted(one.draw.choices(EDGES, k=2))
        type = one.draw.choice("RWU")
        arguments = (inode, (one.client, owner), start, end, type, pid)
        if one.draw.random() < 0.4:
            one.take("getlk", arguments, lambda: self.told(one.fs, inode, owner, type, start, end))
        else:
            one.take(
                "setlk", arguments, lambda: one.fs.setlk(inode, owner, False, TYPES[type], start, end, pid)
            )

    @staticmethod
    def told(fs: Engine, inode: int, owner: int, type: str, start: int, end: int) -> Value:
        lock = fs.getlk(inode, owner, TYPES[type], start, end)
        return LockType(lock.type).name, lock.start, lock.end, lock.pid
