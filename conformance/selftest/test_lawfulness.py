"""What a broken law costs a run: time to mend itself, once."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import cast

import pytest

from metaparity.conformance.clause import Clause
from metaparity.conformance.harness import lawfulness
from metaparity.conformance.harness.deviations import Ledger
from metaparity.conformance.harness.lawfulness import Judge, Lasting
from metaparity.fixtures.volumes import Volume

from .test_laws import Keys, sound

CLAUSE = Clause("toy/one", "A sentence.", "N1", "namespace")
USAGE, PARENTS = "accounting/volume-usage-is-counted", "tree/parents-are-counted"
WITHOUT = {USAGE: b"usedSpace", PARENTS: b"p4"}
"""The key without which a law is broken."""


class Resting:
    """A volume at rest that breaks laws, until it has been read so often if a number is given."""

    def __init__(self, *laws: str, mended: int = 0) -> None:
        self.raw = SimpleNamespace(edited=False)
        self.log = SimpleNamespace(called=frozenset(), kept=list)
        self.shared = False
        self.most_clients = 1
        self.reads = 0
        self.keys = {key: value for key, value in sound().items() if key not in map(WITHOUT.get, laws)}
        self._mended = mended

    def keyspace(self) -> Keys:
        self.reads += 1
        return sound() if self.reads == self._mended else self.keys

    def broken(self, lasting: Lasting, driver: str = "toy") -> set[str]:
        """The laws that a judge finds broken."""
        judge = Judge(CLAUSE, driver, Ledger([], date.today()), cast("Volume", self), lasting)
        judge(self.keys)
        return {one.law for one in judge.judgement.broken}


class Clock:
    """A clock that only sleeping moves."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lawfulness, "time", Clock())


def test_what_is_broken_may_mend_itself() -> None:
    volume, lasting = Resting(USAGE, mended=3), Lasting()
    assert volume.broken(lasting) == set()
    assert volume.reads == 3
    assert lasting == set()


def test_nobody_waits_twice_for_a_law_that_stays_broken() -> None:
    """A run in which hundreds of tests break one law is not to take a second more for each."""
    lasting = Lasting()
    first, second = Resting(USAGE), Resting(USAGE)
    assert first.broken(lasting) == second.broken(lasting) == {USAGE}
    assert first.reads > 10
    assert second.reads == 0


@pytest.mark.parametrize(("law", "by"), [(PARENTS, "toy"), (USAGE, "another")])
def test_another_law_and_another_driver_have_their_time(law: str, by: str) -> None:
    lasting = Lasting()
    Resting(USAGE).broken(lasting)
    volume = Resting(USAGE, law, mended=3)
    assert volume.broken(lasting, by) == set()
    assert volume.reads == 3
