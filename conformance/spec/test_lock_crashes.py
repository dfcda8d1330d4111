"""Clients that die in the middle of a call on locks or sessions, and the cleanup by a peer (L3.8, N42.5)."""

from __future__ import annotations

import subprocess
import sys
from errno import EAGAIN, ENOENT

import pytest

from metaparity.conformance.clause import Figures, clause
from metaparity.conformance.harness import profiles
from metaparity.conformance.laws import require_laws
from metaparity.conformance.scenes.crashes import VICTIMS, cut_off, hosting, kill
from metaparity.conformance.scenes.locking import EOF, R, W, flock
from metaparity.conformance.scenes.processes import opening
from metaparity.conformance.scenes.sessions import expire, held_by
from metaparity.conformance.verbs import refuses
from metaparity.fixtures.faults import Act, Proxy
from metaparity.fixtures.volumes import Volume

SPARED_FROM = 10
"""The command of a call from which on only each fourth is tried, unless the profile is nightly: calls that
clean up repeat themselves."""


def behind(number: int, config: pytest.Config) -> int:
    """The command to try after this one."""
    return number + (1 if number < SPARED_FROM or profiles.chosen(config) == "nightly" else 4)


@pytest.mark.parametrize("name", VICTIMS)
@clause(
    "cleanup/leaves-nothing-of-a-client-cut-off-at-any-command",
    source="L3.8 L2.15 N42.1 N42.5",
    needs="plock",
    clients=2,
)
def test_cut(
    volume: Volume, network: Proxy, name: str, pytestconfig: pytest.Config, record_property: Figures
) -> None:
    """Whatever command a call on locks or sessions was at when its client was cut off, before or behind it,
    the cleanup of another frees all that it held, and nothing of the living."""
    volume.shared = True
    for act in (Act.CUT, Act.CUT_AFTER):
        number = points = 1
        while cut_off(volume, network, name, act, number):
            number = behind(number, pytestconfig)
            points += 1
        assert points > 2
        record_property(f"points of {name}", points - 1)


@pytest.mark.parametrize("name", VICTIMS)
@clause(
    "cleanup/leaves-nothing-of-a-process-killed-at-any-command",
    source="L3.8 L2.15 N42.1 N42.5",
    needs="plock",
)
def test_kill(
    volume: Volume, network: Proxy, name: str, pytestconfig: pytest.Config, record_property: Figures
) -> None:
    """Whatever command a call on locks or sessions was at when its process was killed, ahead of it or behind
    the last, the cleanup of another frees all that it held, and nothing of the living."""
    volume.shared = True
    number = points = 1
    with hosting(volume) as victims:
        while kill(volume, network, victims, name, number):
            number = behind(number, pytestconfig)
            points += 1
    assert points > 2
    record_property(f"points of {name}", points)


HOLDER = """
import sys
from metaparity.drivers import registry
from metaparity.drivers.types import Config, LockType
driver = registry.driver(sys.argv[1])
fs = driver.open(sys.argv[2], Config(no_bg_jobs=True, heartbeat=600.0))
fs.load()
sid = fs.session_new(True)
fs.flock(12, 1, LockType.W)
fs.setlk(12, 1, False, LockType.W, 0, 9, 5)
fs.create(1, b"open", 0o644)
fs.unlink(1, b"open")
print(sid, flush=True)
sys.stdin.read()
"""
"""A client in a process of its own that holds locks and an open file without name until it is killed."""


@clause("session/a-killed-process-is-cleaned-up-after", source="L3.8 N42.5", needs="plock")
def test_killed(volume: Volume) -> None:
    """What a process held that was killed is freed by the cleanup of another once its session has expired,
    and not before: locks of both kinds, and an open file without name."""
    fs, volume.shared = volume.fs, True
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, *opening(volume, volume.driver)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        sid = int(process.stdout.readline())
        process.kill()
    fs.session_cleanup()
    refuses(EAGAIN, flock, fs, 1, R, inode=12)
    (kept,) = fs.session_get(sid, True).sustained
    assert fs.getattr(kept).nlink == 0
    expire(volume, sid)
    fs.session_cleanup()
    assert held_by(volume, sid) == []
    flock(fs, 1, W, inode=12)
    fs.setlk(12, 1, False, W, 0, EOF, 5)
    refuses(ENOENT, fs.getattr, kept)
    fs.settle()
    require_laws(volume)
