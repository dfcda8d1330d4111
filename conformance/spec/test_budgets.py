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


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.id)
@clause("budget/a-call-costs-what-the-table-says", source="S4.1 S6.1.3", needs="namespace")
def test_budgets(volume: Volume, network: Proxy, call: Call) -> None:
    """A typical call of each primitive waits for the server as often, with as many commands, as the table of
    budgets says: with nothing cached, and once all was asked that the client may keep."""
    if PRIMITIVES[call.method].capability not in volume.driver.capabilities:
        pytest.skip(f"the driver does not offer {call.method}")
    expected = BUDGETS.get(call.id, {}).get(volume.driver.name)
    if expected is None:
        pytest.skip("the table of budgets has no figures for this driver")
    volume.format(EnableACL=True)
    assert cost(volume, network, call) == expected
