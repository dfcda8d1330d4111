"""Clients that die in the middle of a call on locks or sessions, and what has to be left of them: nothing."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

from metaparity.conformance.harness.profiles import import_drivers
from metaparity.conformance.laws import require_laws
from metaparity.drivers.api import Engine
from metaparity.drivers.errors import Refused
from metaparity.drivers.registry import driver
from metaparity.drivers.types import Config
from metaparity.fixtures.faults import SETUP, Act, Frame, Proxy, Way
from metaparity.fixtures.volumes import Volume

from .locking import EOF, R, U, W, flock
from .processes import opening
from .sessions import expire, held_by, sids

Opening: TypeAlias = Callable[[], Engine]
"""Opens one more client, with a session."""

Beforehand: TypeAlias = Callable[[Engine, Opening], None]
Victim: TypeAlias = tuple[Beforehand, Callable[[Engine], Any]]


def open_nameless(fs: Engine, name: bytes) -> int:
    """An empty file that a client keeps alive without a name."""
    inode = fs.create(1, name, 0o644).inode
    fs.unlink(1, name)
    return inode


def hold_locks(fs: Engine, another: Opening) -> None:
    """An exclusive lock and a range, which the call is about."""
    flock(fs, 1, W, inode=12)
    fs.setlk(12, 1, False, W, 0, 99, 5)


def hold_all(fs: Engine, another: Opening) -> None:
    """A lock, a range that is shared, and a file without name, which the call frees."""
    flock(fs, 1, W, inode=12)
    fs.setlk(15, 1, False, R, 0, 99, 5)
    open_nameless(fs, b"y")


def see_another_hold(fs: Engine, another: Opening) -> None:
    """A third session holds what the call frees, once that has expired."""
    hold_all(another(), another)


def hold_nothing(fs: Engine, another: Opening) -> None:
    """Nothing at all."""


VICTIMS: dict[str, Victim] = {
    "flock R": (hold_locks, lambda fs: flock(fs, 2, R, inode=13)),
    "flock W": (hold_nothing, lambda fs: flock(fs, 2, W, inode=13)),
    "flock W to R": (hold_locks, lambda fs: flock(fs, 1, R, inode=12)),
    "flock U": (hold_locks, lambda fs: flock(fs, 1, U, inode=12)),
    "setlk R": (hold_locks, lambda fs: fs.setlk(15, 2, False, R, 0, 9, 5)),
    "setlk W": (hold_nothing, lambda fs: fs.setlk(13, 2, False, W, 0, 9, 5)),
    "setlk U of a part": (hold_locks, lambda fs: fs.setlk(12, 1, False, U, 10, 19, 5)),
    "setlk U": (hold_locks, lambda fs: fs.setlk(12, 1, False, U, 0, EOF, 5)),
    "session_new": (hold_nothing, lambda fs: fs.session_new(True)),
    "session_refresh": (hold_locks, lambda fs: fs.session_refresh()),
    "session_close": (hold_all, lambda fs: fs.session_close()),
    "session_cleanup": (see_another_hold, lambda fs: fs.session_cleanup()),
}
"""What is there before each call, and the call."""


def is_command(frame: Frame) -> bool:
    """Whether a frame asks for something beyond a connection."""
    return frame.way is Way.COMMAND and frame.name not in SETUP


def live_on(volume: Volume, network: Proxy) -> int:
    """An empty volume with one client, session 1, that holds locks and an open file; the file."""
    network.mend()
    volume.reset()
    flock(volume.fs, 1, W, inode=16)
    volume.fs.setlk(15, 1, False, R, 0, 99, 5)
    return open_nameless(volume.fs, b"x")


def clean_up(volume: Volume, kept: int) -> None:
    """The living client cleans up after all others, which have expired: nothing of them is left, and all that
    it holds itself is, with the file `kept`."""
    living = volume.fs
    expire_but(volume, 1)
    living.session_cleanup()
    living.settle()
    assert sids(living) == [1]
    left = [one for sid in (2, 3) for one in held_by(volume, sid)]
    assert not left, f"expected nothing to be left of the others, observed {left}"
    locks = {b"lockf16 1_0000000000000001", b"lockp15 1_0000000000000001"}
    assert set(held_by(volume, 1)) == {*locks, b"locked1", b"session1"}
    assert living.getattr(kept).nlink == 0
    # Data that the client was about to delete is found again by the job that does so.
    volume.raw.delete("delfiles")
    require_laws(volume)


def expire_but(volume: Volume, *spared: int) -> None:
    """Let all other sessions have expired."""
    if others := {int(sid) for sid in volume.raw.zrange("allSessions", 0, -1)} - set(spared):
        expire(volume, *others)


# -- a connection that ends ------------------------------------------------------------------------


def cut_off(volume: Volume, network: Proxy, name: str, act: Act, number: int) -> bool:
    """Cut a client off at a command of its call, and clean up; False when there are fewer commands."""
    beforehand, call = VICTIMS[name]
    kept = live_on(volume, network)
    client = volume.connect(retries=1)
    client.load()
    if name != "session_new":
        client.session_new(True)
    beforehand(client, volume.open)
    expire_but(volume, 1, 2)
    trap = network.trap(is_command, act, nth=number)
    with suppress(OSError, Refused):
        call(volume.clients[2])  # what it answers is chance, so it is not logged
    for _ in range(3):
        volume.raw.ping()  # what was sent before the connection ended has been carried out
    sprung = trap.sprung
    trap.release()
    for crashed in volume.clients[2:]:
        crashed.close()
    clean_up(volume, kept)
    return sprung


# -- a process that is killed ----------------------------------------------------------------------


def host(name: str, url: str) -> None:
    """Make each call that a line of standard input names, in a child with a client of its own.

    The child says `ready` and its processes when all is there, waits for a line, and says `done` behind the
    call.  Once it has been killed, its host says `ended`.
    """
    import_drivers()  # once, for all children
    while line := sys.stdin.readline():
        child = os.fork()
        if not child:
            be_victim(name, url, line.strip())
        os.waitpid(child, 0)
        tell("ended")


def tell(line: str) -> None:
    """Say a line in one piece, whoever may be killed meanwhile."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def be_victim(name: str, url: str, victim: str) -> None:
    """The child: returns never."""
    beforehand, call = VICTIMS[victim]

    def connect() -> Engine:
        fs = driver(name).open(url, Config(no_bg_jobs=True, heartbeat=600.0, retries=1))
        fs.load()
        return fs

    def another() -> Engine:
        fs = connect()
        fs.session_new(True)
        return fs

    fs = connect() if victim == "session_new" else another()
    beforehand(fs, another)
    tell(" ".join(map(str, ("ready", *children(), os.getpid()))))
    sys.stdin.readline()
    call(fs)
    tell("done")
    while True:
        signal.pause()


def children() -> list[int]:
    """What this process has started: an engine may be a program of its own."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return []
    with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True) as listing:
        listed = [tuple(map(int, line.split())) for line in listing.stdout or ()]
    return [pid for pid, parent in listed if parent == os.getpid() and pid != listing.pid]


class Host:
    """The process that makes victims."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    def say(self, line: str) -> None:
        """Send a line."""
        print(line, file=self._in, flush=True)

    def hear(self) -> list[str]:
        """The words of the next line."""
        return self._out.readline().split()

    @property
    def speaks(self) -> bool:
        """Whether there is a line to hear."""
        return bool(select.select([self._out], [], [], 0.001)[0])


@contextmanager
def hosting(volume: Volume) -> Iterator[Host]:
    """A process that has imported all, and makes victims of the driver under test."""
    program = "import sys; from metaparity.conformance.scenes.crashes import host; host(*sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", program, *opening(volume, volume.driver)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Host(process)
        process.kill()


def kill(volume: Volume, network: Proxy, victims: Host, name: str, number: int) -> bool:
    """Kill a process ahead of a command of its call, and clean up; False when there are fewer commands, so
    that it was killed behind its call."""
    kept = live_on(volume, network)
    victims.say(name)
    word, *processes = victims.hear()
    assert word == "ready"
    expire_but(volume, 1, 2)
    trap = network.trap(is_command, nth=number)
    victims.say("go")
    while not trap.sprung and not victims.speaks:
        pass
    sprung = trap.sprung
    for pid in processes:
        with suppress(ProcessLookupError):  # one may end with the other
            os.kill(int(pid), signal.SIGKILL)
    while (told := victims.hear()) != ["ended"]:
        assert told == ["done"]
    trap.lose()
    for _ in range(3):
        volume.raw.ping()  # what was sent before the process died has been carried out
    clean_up(volume, kept)
    return sprung
