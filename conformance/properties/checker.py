"""Is a history linearizable?  Search for one order of its calls that explains every answer.

The search of Wing and Gong, with what Lowe, and Horn and Kroening, added to it: a configuration (the set of
calls already in the order, and the state they lead to) is never looked at twice, and calls that share
nothing are checked apart.  A call may come next when it has begun before every call that is not yet in the
order has ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, TypeAlias

from .history import History, Operation, shown

State: TypeAlias = Hashable
Key: TypeAlias = tuple[Hashable, ...]
"""A path: what is at `("d", 2)` is all of `("d", 2, name)`, too."""


@dataclass(frozen=True)
class Model:
    """What calls do one at a time.

    `step(state, operation)` gives the states in which an operation may leave a state with its outcome, none
    where the outcome is wrong there; for an operation without an answer, all that it may leave if it happens.
    `keys(operation)` names what it touches.  `calls` are the calls it knows, with whether they change
    anything; one that was refused never does.
    """

    name: str
    initial: State
    step: Callable[[Any, Operation], Sequence[State]]
    keys: Callable[[Operation], Iterable[Key]]
    calls: dict[str, bool]

    def changes(self, operation: Operation) -> bool:
        """Whether there is a state that the operation changes."""
        return self.calls[operation.call] and not (operation.answered and operation.refused)


class Answer(Enum):
    """What the checker found."""

    LINEARIZABLE = "linearizable"
    NOT_LINEARIZABLE = "not linearizable"
    UNKNOWN = "unknown"
    """The time was up."""


Node: TypeAlias = tuple[int, State]
"""A configuration: the bits of the calls in the order, and the state after them."""


@dataclass(frozen=True)
class Window:
    """Calls that no order explains, whether or not each of `others` has happened.

    Without any one of `operations` there would be an order, if `minimal`.  `begins` has the configurations
    that the calls before the window may have led to: the bits are of `calls`.
    """

    model: Model
    calls: tuple[Operation, ...]
    needed: int
    begins: frozenset[Node]
    minimal: bool

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(one for bit, one in enumerate(self.calls) if self.needed >> bit & 1)

    @property
    def others(self) -> tuple[Operation, ...]:
        return tuple(one for bit, one in enumerate(self.calls) if not self.needed >> bit & 1)

    @property
    def states(self) -> tuple[State, ...]:
        """The states in which the window may begin, without those that calls open at that time led to."""
        return tuple(dict.fromkeys(state for _, state in self.begins))

    def fails(self, without: Operation | None = None, limit: float = math.inf) -> bool | None:
        """Whether no order explains it, given that one of the calls may not have happened; None: unknown."""
        needed = self.needed
        if without is not None:
            needed &= ~(1 << self.calls.index(without))
        found = explore(self.model, self.calls, needed, self.begins, time.monotonic() + limit)
        return None if found.answer is Answer.UNKNOWN else found.answer is Answer.NOT_LINEARIZABLE

    def __str__(self) -> str:
        first = min((one.start for one in self.operations), default=0)
        lines = [
            f"{(one.start - first) / 1e6:9.3f} to {(one.end - first) / 1e6:9.3f} ms  {one.process}: {one}"
            for one in self.operations
        ]
        if self.others:
            lines.append(f"whether or not {len(self.others)} other calls had happened")
        if self.states != (self.model.initial,):
            some = [_shown(state) for state in self.states[:3]]
            lines.append(f"before it: {' or '.join(some)}{' or ..' if len(self.states) > 3 else ''}")
        return "\n".join(lines)


def _shown(state: State) -> str:
    """A state as a reader wants it."""
    if isinstance(state, frozenset):
        return "{" + ", ".join(sorted(map(shown, state))) + "}"
    return str(state)


@dataclass(frozen=True)
class Result:
    """What became of a history: for each part of it, the longest order found, which is all of it where it is
    linearizable; and the window of the first part that is not."""

    answer: Answer
    orders: tuple[tuple[Operation, ...], ...]
    window: Window | None
    seconds: float


@dataclass(frozen=True)
class Explored:
    """What a search found: the longest order; how many calls had ended when no order got any further; and the
    configurations that were reached when as many had ended as the key says, every SPAN calls."""

    answer: Answer
    order: tuple[int, ...]
    ended: int
    passed: dict[int, set[Node]]


SPAN = 16
"""A window reaches back over so many calls that have ended, or up to twice as many."""


def no_call(_: Operation) -> bool:
    """Every call is believed."""
    return False


def check(
    history: History,
    *models: Model,
    limit: float = 60.0,
    shrinking: float = 10.0,
    doubted: Callable[[Operation], bool] = no_call,
) -> Result:
    """Check a history against the models that know its calls, for `limit` seconds at most; where it is not
    linearizable, its window is sought for `shrinking` more.  Calls that are `doubted` have happened as they
    say, or not at all.

    Raises `ValueError` for a call that no model knows.
    """
    begun = time.monotonic()
    deadline = begun + limit
    orders: list[tuple[Operation, ...]] = []
    answer = Answer.LINEARIZABLE
    for model, calls in parts(history, models):
        needed = sum(1 << bit for bit, one in enumerate(calls) if not doubted(one))
        found = explore(model, calls, needed, [(0, model.initial)], deadline)
        orders.append(tuple(calls[index] for index in found.order))
        if found.answer is Answer.NOT_LINEARIZABLE:
            window = shrink(model, calls, found, time.monotonic() + shrinking)
            return Result(found.answer, tuple(orders), window, time.monotonic() - begun)
        if found.answer is Answer.UNKNOWN:
            answer = Answer.UNKNOWN
    return Result(answer, tuple(orders), None, time.monotonic() - begun)


# -- parts -----------------------------------------------------------------------------------------


def parts(history: History, models: Sequence[Model]) -> list[tuple[Model, tuple[Operation, ...]]]:
    """The operations that can be checked apart, each with its model: those of two parts touch nothing common.

    Raises `ValueError` for a call that no model knows.
    """
    found: list[tuple[Model, tuple[Operation, ...]]] = []
    known = {call: model for model in models for call in model.calls}
    for one in history:
        if one.call not in known:
            raise ValueError(f"no model knows the call {one.call}: give the one that does")
    for model in models:
        calls = [one for one in history if known[one.call] is model]
        found += [(model, part) for part in _components([(one, set(model.keys(one))) for one in calls])]
    return found


def _components(calls: list[tuple[Operation, set[Key]]]) -> list[tuple[Operation, ...]]:
    """Calls that touch one key, or a key and one below it, are in one part."""
    above: dict[Key, Key] = {key: key for _, keys in calls for key in keys}

    def top(key: Key) -> Key:
        while above[key] != key:
            above[key] = key = above[above[key]]
        return key

    for key in list(above):
        for length in range(len(key)):
            if key[:length] in above:
                above[top(key)] = top(key[:length])
    for _, keys in calls:
        for first, second in pairwise(keys):
            above[top(first)] = top(second)
    found: dict[Key, list[Operation]] = {}
    for one, keys in calls:
        found.setdefault(top(next(iter(keys))), []).append(one)
    return [tuple(part) for part in found.values()]


# -- the search ------------------------------------------------------------------------------------

Path: TypeAlias = "tuple[int, Path] | None"


def explore(
    model: Model, calls: Sequence[Operation], needed: int, begins: Iterable[Node], deadline: float
) -> Explored:
    """Search for an order of the calls from one of the configurations in `begins`.

    Of the calls, in the order of their start, those with a bit in `needed` have happened; the others may have
    happened, then with their outcome.
    """
    bits = [1 << index for index in range(len(calls))]
    changes = [model.changes(one) for one in calls]
    wanted = [
        changes[index] or (one.answered and bool(needed & bits[index])) for index, one in enumerate(calls)
    ]
    ends, open_at = _ends(calls, wanted)
    steps: dict[tuple[State, int], Sequence[State]] = {}
    stack: list[tuple[int, int, State, Path]] = [(done, 0, state, None) for done, state in begins]
    seen = {(done, state) for done, _, state, _ in stack}
    best: tuple[int, Path] = (-1, None)
    passed: dict[int, set[Node]] = {}
    count = 0
    while stack:
        if count % 256 == 0 and time.monotonic() > deadline:
            return Explored(Answer.UNKNOWN, _order(best[1]), best[0], passed)
        count += 1
        done, position, state, path = stack.pop()
        possible: list[tuple[int, State]] = []
        while position < len(ends):
            if done & bits[ends[position]]:
                position += 1
                if position % SPAN == 0:
                    passed.setdefault(position, set()).add((done, state))
                continue
            possible.clear()
            for index in open_at[position]:
                if not done & bits[index]:
                    after = steps.get((state, index))
                    if after is None:
                        after = steps[state, index] = model.step(state, calls[index])
                    if not changes[index] and after == (state,):
                        # Right here and changes nothing: whatever follows is as possible as before.
                        done |= bits[index]
                        path = (index, path)
                    else:
                        possible += ((index, one) for one in after)
            if not done & bits[ends[position]]:
                break
        if position > best[0]:
            best = (position, path)
        if position == len(ends):
            return Explored(Answer.LINEARIZABLE, _order(path), position, passed)
        latest = bits[ends[position]]
        if not needed & latest and (done | latest, state) not in seen:
            seen.add((done | latest, state))
            stack.append((done | latest, position, state, path))
        for index, after_it in possible:
            node = (done | bits[index], after_it)
            if node not in seen:
                seen.add(node)
                stack.append((node[0], position, after_it, (index, path)))
    return Explored(Answer.NOT_LINEARIZABLE, _order(best[1]), best[0], passed)


def _ends(calls: Sequence[Operation], wanted: Sequence[bool]) -> tuple[list[int], list[list[int]]]:
    """The wanted calls that end, in the order of their end; and at each end, the calls open then: the one
    that ends last of all."""
    indices = [index for index, one in enumerate(calls) if wanted[index]]
    ends = sorted((index for index in indices if calls[index].answered), key=lambda index: calls[index].end)
    open_at: list[list[int]] = []
    opened: list[int] = []
    coming = iter([*indices, -1])
    following = next(coming)
    for latest in ends:
        end = calls[latest].end
        while following >= 0 and calls[following].start <= end:
            opened.append(following)
            following = next(coming)
        opened = [index for index in opened if calls[index].end >= end]
        # The stack is taken from its end, so what has to come first stands last.
        open_at.append(sorted(opened, key=lambda index: (-calls[index].end, index == latest)))
    return ends, open_at


def _order(path: Path) -> tuple[int, ...]:
    order: list[int] = []
    while path is not None:
        index, path = path
        order.append(index)
    return tuple(reversed(order))


# -- the window ------------------------------------------------------------------------------------


def shrink(model: Model, calls: Sequence[Operation], found: Explored, deadline: float) -> Window:
    """The smallest window of calls that are not linearizable, given a search that found no order.

    Taking a call out could make a failure up: what follows may rest on it.  So a call is only ever allowed
    not to have happened, which can but explain more.
    """
    ended = sorted(
        (index for index, one in enumerate(calls) if one.answered), key=lambda index: calls[index].end
    )
    last = calls[ended[found.ended]].end
    kept = [index for index, one in enumerate(calls) if one.start <= last]
    begins = frozenset[Node]([(0, model.initial)])
    if reached := found.passed.get((found.ended // SPAN - 1) * SPAN):
        over = set(ended[: (found.ended // SPAN - 1) * SPAN])
        kept = [index for index in kept if index not in over]
        begins = _renumbered(kept, reached)
    window = [calls[index] for index in kept]
    needed = sum(1 << bit for bit, one in enumerate(window) if one.end <= last)
    minimal = True
    size = (len(window) + 1) // 2
    while size:
        for first in range(0, len(window), size):
            relaxed = needed & ~(((1 << size) - 1) << first)
            if relaxed == needed:
                continue
            trial = min(deadline, time.monotonic() + 1.0)
            answer = explore(model, window, relaxed, begins, trial).answer
            if answer is Answer.NOT_LINEARIZABLE:
                needed = relaxed
            elif answer is Answer.UNKNOWN and size == 1:
                minimal = False
        size //= 2
    told = [bit for bit, one in enumerate(window) if needed >> bit & 1 or model.changes(one)]
    ((needed, _),) = _renumbered(told, [(needed, None)])
    return Window(model, tuple(window[bit] for bit in told), needed, _renumbered(told, begins), minimal)


def _renumbered(kept: Sequence[int], nodes: Iterable[Node]) -> frozenset[Node]:
    """Configurations in terms of the calls that are kept."""
    return frozenset(
        (sum(1 << new for new, old in enumerate(kept) if done >> old & 1), state) for done, state in nodes
    )
