"""Rounds in which several callers speak at once, and an order of their calls that the model explains.

The model says what calls do one at a time.  A round is right if there is an order, in which no call comes
before one that had ended when it began, for which the model shows what the round has shown.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from metaparity.drivers.types import ROOT_INODE

from .concurrent import ALONE, beginning
from .draw import CLIENTS, Call
from .history import HANDED, Author, Disagreement, ending, judged, opening
from .lanes import Lane
from .steering import Pin
from .vocabulary import offered
from .world import Json, Step, World

STEPWISE = frozenset(
    {
        *("lookup", "lookup_dots", "resolve", "parents", "paths"),
        *("readdir", "opendir", "handle", "summary", "tree_summary"),
        *("remove", "batch_unlink", "clone", "trashed", "compact", "open_file", "read"),
    }
)
"""Words that read, or change, several things one after the other, which no engine does at one moment (N42.6);
and those that are answered by what a client remembers of a file that it has open (N20)."""

CALLERS = 3
LONGEST = 2
"""Calls of a word that a round takes: of longer ones there are too many orders."""
APART = 0.0006
"""Seconds within which the callers of a round begin: who is asked in another process gets going later."""
PATIENCE = 20
"""How often the same word is tried before each caller may say another."""

Order = tuple[Step, ...]


@dataclass(frozen=True)
class Made:
    """A step of a round, with what it showed and when, in nanoseconds on one clock."""

    step: Step
    caller: int
    result: dict[str, Json]
    start: int
    end: int


@dataclass
class Explained:
    """What became of the rounds of a seed."""

    rounds: int = 0
    calls: int = 0
    orders: int = 0
    """How many orders were tried on the model."""
    disagreement: Disagreement | None = None


def rounds(lane: Lane, model: Lane, seed: int, count: int, pins: Sequence[Pin]) -> Explained:
    """Have callers of two clients make so many rounds on a lane, each explained by the model.

    An odd seed has the trash on.
    """
    return Rounds(lane, model, seed, pins).run(count)


class Rounds:
    """The rounds of one seed, and the orders of all of them that explain what was shown."""

    def __init__(self, lane: Lane, model: Lane, seed: int, pins: Sequence[Pin]) -> None:
        self.lane, self.model = lane, model
        settings, config = beginning(seed, pins)
        weights = {
            word: weight
            for word, weight in offered(lane.driver.capabilities & model.driver.capabilities).items()
            if word not in ALONE | STEPWISE
        }
        self.chance = random.Random(f"rounds {seed}")
        self.author = Author(self.chance, World(settings, config), weights, pins)
        self.made: list[list[Made]] = []
        """What was made in each round, the callers one after the other; the set-up is the first."""
        self.shown: list[list[Json]] = []
        self.orders: list[Order] = [tuple(opening(settings, config))]
        """An order of each round, which together explain what was shown; the set-up is the first."""
        self._untried: list[Iterator[Order]] = []
        """For each round but the first what else might explain it, once its order leads nowhere."""
        self._left: set[tuple[int, str]] = set()
        """Each round and what an order of it has left on the model: from there it need not be tried again."""
        self._locks = "locks_list" in weights
        self.found = Explained()

    def run(self, count: int) -> Explained:
        """Make rounds until there are so many, or one cannot be explained."""
        self.lane.begin()
        self._make([[step] for step in self.orders[0]], at_once=False)
        for _ in range(count):
            self.author.world.focus = self._few()
            for words, at_once in ((self._words, True), (self._look, False)):
                made = self._make(words(), at_once)
                failed = next((one for one in made if "failure" in one.result), None)
                if failed is not None:
                    self.found.disagreement = judged(failed.step, [self.lane.name], [failed.result])
                elif not self._explain():
                    self.found.disagreement = Disagreement("order", "no order", {self.lane.name: self.told()})
                self.found.calls += len(made)
                if self.found.disagreement is not None:
                    return self.found
            self.found.rounds += 1
        self.found.disagreement = ending([self.lane])
        return self.found

    def told(self) -> Json:
        """The calls of the last round and of the look before or after it, in the order of their ends."""
        return [
            f"{one.step.client}/{one.caller} {one.step.method}({one.step.params}) = {one.result}"
            for made in self.made[-2:]
            for one in sorted(made, key=lambda one: one.end)
        ]

    # -- on the lane -------------------------------------------------------------------------------

    def _few(self) -> frozenset[int]:
        """The nodes that a round is mostly about: one and the directory it is in."""
        entries = self.author.world.entries()
        parent, _, inode = self.chance.choice(entries) if entries else (ROOT_INODE, "", ROOT_INODE)
        return frozenset({parent, inode})

    def _words(self) -> list[list[Step]]:
        """A short word for each caller; mostly all say the same one."""
        words: list[list[Step]] = []
        same = self.author.choose() if self.chance.random() < 0.75 else None
        tries = 0
        while len(words) < CALLERS:
            tries += 1
            client = CLIENTS[len(words) % len(CLIENTS)]
            word = self.author.word_of(client, same if tries < PATIENCE else None)
            word = [step for step in word if step.number != HANDED]
            if 0 < len(word) <= LONGEST:
                words.append(word)
        return words

    def _look(self) -> list[list[Step]]:
        """What one caller sees afterwards of the nodes that the round was about."""
        nodes = [self.author.world.nodes[inode] for inode in sorted(self.author.world.focus)]
        seen: list[Call] = [("getattr", {"inode": node.symbol}) for node in nodes]
        seen += [("readdir", {"inode": node.symbol}) for node in nodes if node.type == "directory"]
        if self._locks:
            seen += [("locks_list", {"inode": node.symbol}) for node in nodes if node.type == "file"]
        return [self.author.steps(self.chance.choice(CLIENTS), seen)]

    def _make(self, words: Sequence[Sequence[Step]], at_once: bool) -> list[Made]:
        """Make words, each by a caller of its own; all at once, or one after the other."""
        delays = [self.chance.random() * APART for _ in words]
        start = threading.Barrier(len(words) if at_once else 1)

        def speak(caller: int) -> list[Made]:
            if at_once:
                start.wait(timeout=10)
                time.sleep(delays[caller])
            return [self._take(caller, step) for step in words[caller]]

        with self.lane.moment(len(self.shown)), ThreadPoolExecutor(len(words) if at_once else 1) as pool:
            made = [one for answers in pool.map(speak, range(len(words))) for one in answers]
        self.lane.rest()
        self.made.append(made)
        self.shown.append([self.lane.shown(one.step, one.result) for one in made])
        return made

    def _take(self, caller: int, step: Step) -> Made:
        start = time.monotonic_ns()
        params, result = self.lane.make(step)
        end = time.monotonic_ns()
        self.author.world.learn(step, params, result)
        return Made(step, caller, result, start, end)

    # -- on the model ------------------------------------------------------------------------------

    def _explain(self) -> bool:
        """Go on with an order for which the model shows what the last round has, back to the other orders of
        the rounds before where there is none; False where none of them leads here."""
        self._untried.append(self._fitting())
        while self._untried:
            order = next(self._untried[-1], None)
            if order is None:
                self._untried.pop()
                self.orders.pop()
                continue
            self.orders.append(order)
            if len(self.orders) == len(self.shown):
                return True
            self._untried.append(self._fitting())
        return False

    def _fitting(self) -> Iterator[Order]:
        """The orders of the next round that the model shows it for, one for each state they leave."""
        number = len(self.orders)
        for order in self._orders(self.made[number]):
            self.found.orders += 1
            if self._shows([*self.orders, order], number):
                left = number, repr(sorted(self.model.rows(self.model.keys()).items()))
                if left not in self._left:
                    self._left.add(left)
                    yield order

    def _orders(self, made: Sequence[Made]) -> Iterator[Order]:
        """The orders in which no call comes before one that had ended when it began."""
        words = [[one.step for one in made if one.caller == caller] for caller in range(CALLERS)]
        ended = {one.step.number: one.end for one in made}
        began = {one.step.number: one.start for one in made}
        for order in interleaved(words):
            in_time = all(
                ended[later.number] >= began[sooner.number]
                for place, sooner in enumerate(order)
                for later in order[place + 1 :]
            )
            # Who caches is told of a change a moment after it.
            if in_time or self.lane.caches:
                yield order

    def _shows(self, orders: Sequence[Order], number: int) -> bool:
        """Whether the model shows in this order what the last round has shown."""
        self.model.begin()
        for place, order in enumerate(orders):
            with self.model.moment(place):
                results = {step.number: self.model.make(step)[1] for step in order}
            self.model.rest()
            steps = sorted(order, key=lambda step: step.number)
            shown = [self.model.shown(step, results[step.number]) for step in steps]
        return shown == self.shown[number]


def interleaved(words: Sequence[Sequence[Step]]) -> Iterator[Order]:
    """Every order of the steps of some words in which the steps of each word keep theirs."""
    if not any(words):
        yield ()
    for place, word in enumerate(words):
        if word:
            rest = [*words[:place], word[1:], *words[place + 1 :]]
            yield from ((word[0], *more) for more in interleaved(rest))
