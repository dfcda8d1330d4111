"""What each primitive costs on the wire (S4.1, S6.1.3): how often a caller waits for the server."""

from __future__ import annotations

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.harness.budgets import budgets, cost
from metaparity.conformance.scenes.typical import CALLS, Call
from metaparity.drivers.api import PRIMITIVES
from metaparity.fixtures.faults import Proxy
from metaparity.fixtures.volumes import Volume

BUDGETS = budgets()
RETRIES = 2


def each(*capabilities: str) -> pytest.MarkDecorator:
    """Runs a test for the typical calls of the primitives behind some capabilities."""
    calls = [call for call in CALLS if PRIMITIVES[call.method].capability in capabilities]
    return pytest.mark.parametrize("call", calls, ids=lambda call: call.id)


LOCKS = ("flock", "plock")
OTHERS = {primitive.capability for primitive in PRIMITIVES.values()}.difference(LOCKS)


@each(*OTHERS)
@clause("budget/a-call-costs-what-the-table-says", source="S4.1 S6.1.3", needs="namespace")
def test_calls(volume: Volume, network: Proxy, call: Call) -> None:
    """A typical call of each primitive waits for the server as often, with as many commands, as the table of
    budgets says: with nothing cached, and once all was asked that the client may keep."""
    require_budget(volume, network, call)


@each("flock")
@clause("budget/a-lock-costs-what-the-table-says", source="L1", needs="flock")
def test_flock(volume: Volume, network: Proxy, call: Call) -> None:
    """A lock on a whole file costs what the table of budgets says."""
    require_budget(volume, network, call)


@each("plock")
@clause("budget/a-record-lock-costs-what-the-table-says", source="L2", needs="plock")
def test_plock(volume: Volume, network: Proxy, call: Call) -> None:
    """A lock on a part of a file costs what the table of budgets says."""
    require_budget(volume, network, call)


def require_budget(volume: Volume, network: Proxy, call: Call) -> None:
    """What a call costs is in the table; skipped for a driver that is not."""
    if PRIMITIVES[call.method].capability not in volume.driver.capabilities:
        pytest.skip(f"the driver does not offer {call.method}")
    expected = BUDGETS.get(call.id, {}).get(volume.driver.name)
    if expected is None:
        pytest.skip("the table of budgets has no figures for this driver")
    volume.keeping, volume.at_rest = False, None  # what calls leave is for the clauses that are about it
    volume.format(EnableACL=True)
    found = {cost(volume, network, call)}
    for _ in range(RETRIES):
        # A machine that stalls lets work in the background have its replies before the call returns.
        if expected not in found:
            volume.reset()
            volume.format(EnableACL=True)
            found.add(cost(volume, network, call))
    assert expected in found, f"costs {', '.join(sorted(found))}, and not {expected}"
