"""A Hypothesis state machine that speaks the words of histories to several engines at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from .draw import CLIENTS
from .history import Author, cell, ending, judged, opening, settings_of
from .lanes import Lane
from .steering import Pin
from .verdict import told
from .words.times import BEGIN, clocks
from .world import Json, Step, World


class Disagreed(AssertionError):
    """Engines do not agree; the text says on what."""


class Histories(RuleBasedStateMachine):
    """One history: each rule is a word, by one of two clients; every answer is compared at once."""

    lanes: ClassVar[Sequence[Lane]] = ()
    pins: ClassVar[Sequence[Pin]] = ()
    weights: ClassVar[dict[str, int]] = {}
    cells: ClassVar[set[tuple[str, str]]] = set()
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.author: Author | None = None

    @initialize(
        trash=st.booleans(),
        acl=st.booleans(),
        counted=st.booleans(),
        limited=st.booleans(),
        clock=st.booleans(),
    )
    def begin(self, trash: bool, acl: bool, counted: bool, limited: bool, clock: bool) -> None:
        """Make a volume with these settings, and two clients; with a virtual clock where all have one."""
        for lane in self.lanes:
            lane.begin()
        settings, config = settings_of(trash, acl, counted, limited, self.pins), {"compact_chunk": "fail"}
        self.author = Author(random.Random(0), World(settings, config), self.weights, self.pins)
        self.take(opening(settings, config))
        if clock and "clock" in self.weights:
            self.take(self.author.steps(CLIENTS[0], clocks(BEGIN)))

    @rule(
        word=st.deferred(lambda: st.sampled_from(sorted(Histories.weights))),
        seed=st.integers(0, 2**32 - 1),
        client=st.sampled_from(CLIENTS),
    )
    def speak(self, word: str, seed: int, client: str) -> None:
        """One word, whose arguments are drawn from a seed and from what is there."""
        assert self.author is not None
        self.author.chance = random.Random(seed)
        self.take(self.author.say(word, client))

    def take(self, steps: Sequence[Step]) -> None:
        """Make steps on every lane and compare what they show."""
        assert self.author is not None
        for step in steps:
            shown: list[Json] = []
            for lane in self.lanes:
                params, result = lane.take(step)
                shown.append(lane.shown(step, result))
                if lane is self.lanes[0]:
                    self.author.world.learn(step, params, result)
            Histories.cells.add((step.method, cell(result)))
            Histories.steps += 1
            found = judged(step, [lane.name for lane in self.lanes], shown)
            if found is not None:
                raise Disagreed("\n".join(told(found)))

    def teardown(self) -> None:
        """At the end the laws hold, and keys are alike."""
        found = None if self.author is None else ending(self.lanes)
        for lane in self.lanes:
            lane.close_clients()
        if found is not None:
            raise Disagreed("\n".join(told(found)))
