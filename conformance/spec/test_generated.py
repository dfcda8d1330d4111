"""Generated histories: whatever is done in any order, an engine shows what the model shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from metaparity.conformance.clause import Figures, clause
from metaparity.conformance.generated.cells import reachable, report
from metaparity.conformance.generated.concurrent import speak_at_once
from metaparity.conformance.generated.history import generate
from metaparity.conformance.generated.lanes import Apart, Lane, lane
from metaparity.conformance.generated.machine import Histories
from metaparity.conformance.generated.rounds import rounds
from metaparity.conformance.generated.steering import MODEL, pins_of
from metaparity.conformance.generated.verdict import told
from metaparity.conformance.generated.vocabulary import offered
from metaparity.drivers.driver import Driver
from metaparity.fixtures.provision import Place

STEPS = {"quick": (400, 3), "nightly": (1000, 200)}
"""Steps of a history, and how many histories there are, by profile."""

AT_ONCE = {"quick": (50, 2), "nightly": (500, 20)}
"""Words that each of several threads says, and how many histories there are, by profile."""

ROUNDS = {"quick": (40, 10), "nightly": (500, 12)}
"""How many histories there are, and how often several callers speak at once in each, by profile."""


def beside_the_model(engine: Lane) -> Iterator[list[Lane]]:
    """A lane of the model and this one, which are emptied and closed at the end."""
    lanes = [lane(MODEL, engine.place), engine]
    yield lanes
    for one in lanes:
        one.begin()
        one.close()


@pytest.fixture
def lanes(driver: Driver, place: Place) -> Iterator[list[Lane]]:
    """The model and the driver, each with a volume of its own."""
    yield from beside_the_model(Lane(driver.name, driver, place))


def profile(config: pytest.Config) -> str:
    return str(config.getoption("hypothesis_profile", None) or "quick")


@clause("generated/any-words-in-any-order", source="N41 N42.1 §8", needs="namespace")
def test_machine(lanes: list[Lane]) -> None:
    """Whatever two clients say in turn, each answer is the model's, and every law holds at the end."""
    Histories.lanes = lanes
    Histories.pins = pins_of([one.name for one in lanes])
    Histories.weights = offered(frozenset.intersection(*(one.driver.capabilities for one in lanes)))
    run_state_machine_as_test(Histories, settings=settings(stateful_step_count=40))


@clause("generated/any-history-is-that-of-the-model", source="N41 N42.1 §6 §8", needs="namespace")
def test_histories(lanes: list[Lane], pytestconfig: pytest.Config, record_property: Figures) -> None:
    """A history of many steps, drawn from a seed, shows what it shows on the model, and breaks no law; many
    reach every refusal that there is."""
    steps, count = STEPS[profile(pytestconfig)]
    first = int(pytestconfig.getoption("hypothesis_seed", None) or 0)
    reached: set[tuple[str, str]] = set()
    for seed in range(first, first + count):
        made = generate(lanes, seed, steps, pins_of([one.name for one in lanes]))
        reached |= made.cells
        record_property("histories", 1)
        record_property("steps", len(made.steps))
        assert made.disagreement is None, "\n".join([f"seed {seed}:", *told(made.disagreement)])
    lines = report(reached)
    record_property("cells (primitive x errno) reached", len(reachable() & reached))
    print("\n".join(lines))
    if profile(pytestconfig) == "nightly" and lanes[1].driver.capabilities >= lanes[0].driver.capabilities:
        assert len(lines) == 1, "\n".join(lines)


@clause("generated/calls-at-once-keep-the-laws", source="N42.1 N42.6 §8", needs="namespace", clients=2)
def test_at_once(driver: Driver, place: Place, pytestconfig: pytest.Config) -> None:
    """Whatever eight threads of two clients say at once, no call fails and every law holds at the end."""
    words, count = AT_ONCE[profile(pytestconfig)]
    first = int(pytestconfig.getoption("hypothesis_seed", None) or 0)
    alone = Lane(driver.name, driver, place)
    try:
        for seed in range(first, first + count):
            spoken = speak_at_once(alone, seed, words, pins_of([driver.name]))
            print(f"seed {seed}: {spoken.steps} steps, {spoken.refused} refused")
            assert spoken.disagreement is None, "\n".join([f"seed {seed}:", *told(spoken.disagreement)])
    finally:
        alone.begin()
        alone.close()


@pytest.fixture
def apart(driver: Driver, place: Place) -> Iterator[list[Lane]]:
    """The model, and the driver with its second client in a process of its own."""
    yield from beside_the_model(Apart(driver.name, driver, place))


@clause("generated/calls-at-once-have-an-order", source="N42.1 N42.6 S4.1", needs="namespace", clients=2)
def test_order(apart: list[Lane], pytestconfig: pytest.Config, record_property: Figures) -> None:
    """Whatever three callers of two clients in two processes say at once, there is an order of their calls,
    none before one that had ended when it began, for which the model shows what they did, and what is there
    afterwards."""
    count, times = ROUNDS[profile(pytestconfig)]
    first = int(pytestconfig.getoption("hypothesis_seed", None) or 0)
    model, engine = apart
    for seed in range(first, first + count):
        found = rounds(engine, model, seed, times, pins_of([engine.name]))
        record_property("histories", 1)
        record_property("calls", found.calls)
        record_property("orders tried", found.orders)
        wrong = found.disagreement
        assert wrong is None, "\n".join([f"seed {seed}, {wrong.what}:", *told(wrong)])
