"""Histories: drawn while one engine makes them, made by the others right behind it, compared step by step."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from metaparity.drivers.wire import encode
from metaparity.fixtures.volumes import FORMAT

from .. import laws
from .draw import CLIENTS, PREVIOUS, WORDS, Call, Draw
from .lanes import Lane
from .steering import Pin, steered
from .vocabulary import offered
from .words.times import BEGIN, clocks
from .world import Json, Step, World

ATTEMPTS = 20
"""How often a step is drawn again that is steered around; then it is left out."""
DRAINED = 1.0
"""Seconds that deletions in the background get at the end before what they leave is a disagreement."""
BACKGROUND = frozenset(
    {"sliceRef", "delSlices", "delfiles", "c_", "nodes/nothing-outlives-its-node", "data/slices-are-counted"}
)
"""What may show that a deletion is still under way."""
HANDED = -1
"""The number of steps by which one client hands over to the other."""
STAYS = 0.9
"""How likely the next word is by the same client, for sure."""
PACE = 32
"""Steps between two comparisons."""


@dataclass(frozen=True)
class Disagreement:
    """Where engines do not agree: a step with what each showed, or what each left at the end.

    `kind` is `step`, `keys`, `laws` or `order`; `what` says in a word what a shrunk history must still show.
    """

    kind: str
    what: str
    shown: dict[str, Json]
    step: Step | None = None

    @property
    def signature(self) -> tuple[str, str]:
        return self.kind, self.what


@dataclass
class Told:
    """What became of a history."""

    steps: list[Step] = field(default_factory=list)
    disagreement: Disagreement | None = None
    cells: set[tuple[str, str]] = field(default_factory=set)
    """Which primitive answered which errno, or `ok`."""
    steered: dict[str, int] = field(default_factory=dict)
    """How often a step was drawn again for a pin of the ledger."""


def drawn_settings(seed: int, capabilities: frozenset[str], pins: Sequence[Pin] = ()) -> dict[str, Json]:
    """The settings of a volume: with trash or without, ACLs, counted users, limits."""
    chance = random.Random(f"settings {seed}")
    trash, acl = (chance.random() < 0.5 and one in capabilities for one in ("trash", "acl"))
    counted = chance.random() < 0.4 and "quota.user" in capabilities
    return settings_of(trash, acl, counted, chance.random() < 0.2, pins)


def settings_of(
    trash: bool, acl: bool, counted: bool, limited: bool, pins: Sequence[Pin] = ()
) -> dict[str, Json]:
    """Settings without those that are steered around: then there is no trash."""
    settings: dict[str, Json] = dict(encode(FORMAT))
    settings |= {"TrashDays": int(trash), "EnableACL": acl, "UserGroupQuota": counted}
    if limited:
        settings |= {"Capacity": 20 << 20, "Inodes": 20}
    if steered(World(settings), CLIENTS[0], "init", {"format": settings}, pins) is not None:
        settings["TrashDays"] = 0
    return settings


def drawn_config(seed: int) -> dict[str, Json]:
    """How both clients are configured: whether what they compact in the background comes to anything."""
    return {"compact_chunk": "record" if random.Random(f"config {seed}").random() < 0.3 else "fail"}


def has_clock(seed: int, capabilities: frozenset[str]) -> bool:
    """Whether the time of a history is a virtual one."""
    return "clock" in capabilities and random.Random(f"clock {seed}").random() < 0.5


def opening(settings: dict[str, Json], config: dict[str, Json]) -> list[Step]:
    """The steps that make a volume and its two clients."""
    calls: list[tuple[str, str, dict[str, Json]]] = [
        *((client, "open", {"config": config}) for client in CLIENTS),
        ("c1", "init", {"format": settings}),
    ]
    for client in CLIENTS:
        calls += [(client, "load", {}), (client, "session_new", {"record": True})]
    return [Step(number, client, method, params) for number, (client, method, params) in enumerate(calls)]


def handed(former: str, client: str) -> list[Step]:
    """What comes between the words of two clients: what the one held back, the other knows of."""
    if former == client:
        return []
    return [Step(HANDED, former, "settle", {}), Step(HANDED, client, "refresh", {})]


class Author:
    """Draws the steps of one history."""

    def __init__(
        self, chance: random.Random, world: World, weights: dict[str, int], pins: Sequence[Pin]
    ) -> None:
        self.chance = chance
        self.world = world
        self.pins = pins
        self.steered: dict[str, int] = {}
        self.client = CLIENTS[0]
        """Who acts; one hands over to the other with everything settled, for what both hold back of one
        directory without statistics is counted twice (N27)."""
        self._words = list(weights)
        self._weights = list(weights.values())
        self._number = len(opening({}, {}))

    def draw(self) -> list[Step]:
        """The steps of the next word."""
        for _ in range(ATTEMPTS):
            client = self.client if self.chance.random() < STAYS else self.chance.choice(CLIENTS)
            if steps := self.say(self.choose(), client):
                return steps
        return []

    def choose(self) -> str:
        """Some word."""
        (word,) = self.chance.choices(self._words, self._weights)
        return word

    def word_of(self, client: str, word: str | None = None) -> list[Step]:
        """The steps of a word, or of any, by this client, which does not wait for the other to settle."""
        self.client = client
        return self.say(word or self.choose(), client)

    def say(self, word: str, client: str) -> list[Step]:
        """The steps of this word by this client; none where it is steered around."""
        calls = WORDS[word][1](Draw(self.chance, self.world, client))
        pin = next((pin for call in calls if (pin := steered(self.world, client, *call, self.pins))), None)
        if pin is not None:
            self.steered[pin.clause] = self.steered.get(pin.clause, 0) + 1
            return []
        self.world.said(client, calls)
        former, self.client = self.client, client
        return [*handed(former, client), *self.steps(client, calls)]

    def steps(self, client: str, calls: Sequence[Call]) -> list[Step]:
        """Calls by this client as the steps of one word."""
        answering, word, made = -1, self._number, []
        for method, params in calls:
            name, _, other = method.partition("@")
            made.append(Step(self._number, other or client, name, _placed(params, answering), word))
            if answering < 0 and name in ("new_slice", "lookup"):
                answering = self._number
            self._number += 1
        return made


def _placed(value: Json, number: int) -> Json:
    """Parameters in which what the call before has answered is named by its number."""
    if value == PREVIOUS:
        return {"$": f"{number}.ok.id"}
    if value == {"$": "previous.inode"}:
        return {"$": f"{number}.ok.inode"}
    if isinstance(value, dict):
        return {key: _placed(one, number) for key, one in value.items()}
    return [_placed(one, number) for one in value] if isinstance(value, list) else value


Source = Callable[[Step | None, dict[str, Json], dict[str, Json]], Iterator[Step]]


class Follower(threading.Thread):
    """Makes the steps of a history on one lane, right behind the one that leads."""

    def __init__(self, lane: Lane) -> None:
        super().__init__(daemon=True, name=f"lane-{lane.name}")
        self.lane = lane
        self.steps: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self.shown: list[Json] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while (step := self.steps.get()) is not None:
                _, result = self.lane.take(step)
                self.shown.append(self.lane.shown(step, result))
        except BaseException as failure:  # told by whoever waits
            self.failure = failure


def make(
    lanes: Sequence[Lane],
    steps: Iterator[Step],
    learn: Callable[[Step, Json, Json], None],
    progress: Callable[[int], None] = lambda count: None,
) -> Told:
    """Make steps on the first lane as they are drawn, and on the others behind it.

    Stops at the first step that they do not agree on.
    """
    told = Told()
    leading, *others = lanes
    followers = [Follower(lane) for lane in others]
    for lane in lanes:
        lane.begin()
    for follower in followers:
        follower.start()
    shown: list[Json] = []
    compared = 0
    try:
        for step in steps:
            params, result = leading.take(step)
            for follower in followers:
                follower.steps.put(step)
            told.steps.append(step)
            shown.append(leading.shown(step, result))
            learn(step, params, result)
            told.cells.add((step.method, cell(result)))
            if len(shown) % PACE == 0 or "failure" in result:
                compared = _compare(told, leading, shown, followers, compared)
                progress(len(shown))
                if told.disagreement is not None or "failure" in result:
                    break
    finally:
        for follower in followers:
            follower.steps.put(None)
        for follower in followers:
            follower.join()
    for follower in followers:
        if follower.failure is not None:
            raise follower.failure
    if told.disagreement is None:
        _compare(told, leading, shown, followers, compared)
    return told


def cell(result: dict[str, Json]) -> str:
    """What a result adds to a primitive's row of cells: an errno, or `ok`."""
    kind = next(iter(result))
    return str(result["errno"]) if kind == "errno" else kind


def _compare(told: Told, leading: Lane, shown: list[Json], followers: Sequence[Follower], since: int) -> int:
    """Compare what all have made since; where they disagree, it is noted, and what follows is dropped."""
    made = min([len(shown), *(len(one.shown) for one in followers)])
    for index in range(since, made):
        answers = [shown[index], *(one.shown[index] for one in followers)]
        names = [leading.name, *(one.lane.name for one in followers)]
        told.disagreement = judged(told.steps[index], names, answers)
        if told.disagreement is not None:
            del told.steps[index + 1 :]
            break
    return made


def judged(step: Step, names: Sequence[str], answers: Sequence[Json]) -> Disagreement | None:
    """The disagreement in what engines have answered to a step, if any: a failure is one, too."""
    failed = any("failure" in one for one in answers)
    if failed or any(one != answers[0] for one in answers[1:]):
        return Disagreement("step", step.method, dict(zip(names, answers, strict=True)), step)
    return None


def ending(lanes: Sequence[Lane]) -> Disagreement | None:
    """What the lanes leave: the laws that the keys of any break, and the keys that differ."""
    until = time.monotonic() + DRAINED
    while True:
        found = _left(lanes)
        if found is None or found.what not in BACKGROUND or time.monotonic() > until:
            return found
        time.sleep(DRAINED / 20)


def _left(lanes: Sequence[Lane]) -> Disagreement | None:
    for lane in lanes:
        lane.settle()
    left = {lane.name: lane.keys() for lane in lanes}
    broken = {name: laws.harmful(laws.broken(keys)) for name, keys in left.items()}
    first = next((one.law for findings in broken.values() for one in findings), None)
    if first is not None:
        return Disagreement("laws", first, {name: list(map(str, found)) for name, found in broken.items()})
    lanes = [lane for lane in lanes if lane.keeps_keys]
    rows = {lane.name: lane.rows(left[lane.name]) for lane in lanes}
    leading = rows[lanes[0].name] if lanes else {}
    for lane in lanes[1:]:
        other = rows[lane.name]
        for key in sorted(leading.keys() | other.keys()):
            if leading.get(key) != other.get(key):
                differing = {
                    one.name: {
                        name: rows[one.name].get(name, "nothing")
                        for name in sorted(leading.keys() | other.keys())
                        if leading.get(name) != other.get(name)
                    }
                    for one in lanes
                }
                return Disagreement("keys", _family(key), differing)
    return None


def _family(key: str) -> str:
    """The kind of a key, without its numbers and its field."""
    return "".join(one for one in key.partition("[")[0] if not one.isdigit())


def generate(
    lanes: Sequence[Lane],
    seed: int,
    count: int,
    pins: Sequence[Pin],
    progress: Callable[[int], None] = lambda count: None,
    words: dict[str, int] | None = None,
) -> Told:
    """Draw a history of so many steps from a seed, make it on every lane, and compare all that it shows."""
    capabilities = frozenset.intersection(*(lane.driver.capabilities for lane in lanes))
    settings, config = drawn_settings(seed, capabilities, pins), drawn_config(seed)
    world = World(settings, config)
    author = Author(random.Random(f"steps {seed}"), world, words or offered(capabilities), pins)

    def steps() -> Iterator[Step]:
        made = opening(settings, config)
        if has_clock(seed, capabilities):
            made += author.steps(CLIENTS[0], clocks(BEGIN))
        yield from made
        number = len(made)
        while number < count:
            for step in author.draw() or ():
                yield step
                number += 1

    told = make(lanes, steps(), world.learn, progress)
    told.steered = author.steered
    if told.disagreement is None:
        told.disagreement = ending(lanes)
    return told


def again(lanes: Sequence[Lane], steps: Sequence[Step], pins: Sequence[Pin]) -> Disagreement | None:
    """Make known steps again on fresh volumes; what the lanes do not agree on.

    Nothing is told of steps that generated histories are steered around: those are another disagreement.
    """
    (settings,) = [step.params["format"] for step in steps[: len(opening({}, {}))] if step.method == "init"]
    world = World(settings)
    avoided: list[Step] = []

    def learn(step: Step, params: Json, result: Json) -> None:
        if steered(world, step.client, step.method, step.params, pins) is not None:
            avoided.append(step)
        world.said(step.client, [(step.method, step.params)])
        world.learn(step, params, result)

    told = make(lanes, iter(steps), learn)
    if avoided:
        return None
    if told.disagreement is not None:
        return told.disagreement
    return ending(lanes)
