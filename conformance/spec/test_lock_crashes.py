"""Clients that die in the middle of a call on locks or sessions, and the cleanup by a peer (L3.8, N42.5)."""

from __future__ import annotations

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.crashes import VICTIMS, cut_off, hosting, kill
from metaparity.fixtures.faults import Act, Proxy
from metaparity.fixtures.volumes import Volume


@pytest.mark.parametrize("name", VICTIMS)
@clause(
    "cleanup/leaves-nothing-of-a-client-cut-off-at-any-command",
    source="L3.8 L2.15 N42.1 N42.5",
    needs="plock",
    clients=2,
)
def test_cut(volume: Volume, network: Proxy, name: str) -> None:
    """Whatever command a call on locks or sessions was at when its client was cut off, before or behind it,
    the cleanup of another frees all that it held, and nothing of the living."""
    volume.shared = True
    for act in (Act.CUT, Act.CUT_AFTER):
        number = 1
        while cut_off(volume, network, name, act, number):
            number += 1
        assert number > 2


@pytest.mark.parametrize("name", VICTIMS)
@clause(
    "cleanup/leaves-nothing-of-a-process-killed-at-any-command",
    source="L3.8 L2.15 N42.1 N42.5",
    needs="plock",
)
def test_kill(volume: Volume, network: Proxy, name: str) -> None:
    """Whatever command a call on locks or sessions was at when its process was killed, ahead of it or behind
    the last, the cleanup of another frees all that it held, and nothing of the living."""
    volume.shared = True
    points = 1
    with hosting(volume) as victims:
        while kill(volume, network, victims, name, points):
            points += 1
    assert points > 2
    print(f"{name}: killed at {points} points")
