"""Shrinking: the fewest steps, with the plainest arguments, that still show one disagreement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from .draw import CLIENTS
from .history import HANDED, handed
from .world import Json, Step

PATIENCE = 110.0
"""Seconds after which the shortest history so far is taken."""

Shows = Callable[[Sequence[Step]], bool]
"""Whether a history still shows the disagreement."""


class _Over(Exception):
    """There is no time left."""


class Shrinker:
    """Delta debugging (Zeller and Hildebrandt's ddmin) over steps, then over their arguments."""

    def __init__(
        self,
        steps: Sequence[Step],
        fixed: int,
        shows: Shows,
        progress: Callable[[int, int], None],
        seconds: float,
    ) -> None:
        """The first `fixed` steps make the volume and stay."""
        self.head = list(steps[:fixed])
        self.words = [
            list(word)
            for _, word in groupby(
                (step for step in steps[fixed:] if step.number != HANDED), key=lambda step: step.word
            )
        ]
        self.tries = 0
        self._shows = shows
        self._progress = progress
        self._deadline = time.monotonic() + seconds

    def shrunk(self) -> list[Step]:
        """The steps that are left; what was not tried for lack of time stays."""
        try:
            self._fewer()
            self._plainer()
            self._fewer()
        except _Over:
            pass
        return self._whole(self.words)

    def _whole(self, words: Sequence[Sequence[Step]]) -> list[Step]:
        """The steps of these words, and what is between two of different clients."""
        steps, client = list(self.head), CLIENTS[0]
        for word in words:
            own = word[-1].client
            steps += [*handed(client, own), *word]
            client = own
        return steps

    def _try(self, words: list[list[Step]]) -> bool:
        if time.monotonic() > self._deadline:
            raise _Over
        self.tries += 1
        shows = self._shows(self._whole(words))
        if shows:
            self.words = words
        self._progress(sum(map(len, self.words)), self.tries)
        return shows

    def _fewer(self) -> None:
        parts = 2
        while len(self.words) >= 2:
            size = max(len(self.words) // parts, 1)
            for start in range(0, len(self.words), size):
                kept = answered(self.words[:start] + self.words[start + size :])
                if len(kept) < len(self.words) and self._try(kept):
                    parts = max(parts - 1, 2)
                    break
            else:
                if size == 1:
                    return
                parts = min(parts * 2, len(self.words))

    def _plainer(self) -> None:
        for number, word in enumerate(self.words):
            for place in range(len(word)):
                while any(
                    self._try(_with(self.words, number, place, plainer))
                    for plainer in simpler(self.words[number][place])
                ):
                    pass


def _with(words: list[list[Step]], number: int, place: int, step: Step) -> list[list[Step]]:
    """The words with another step in one place."""
    word = [*words[number][:place], step, *words[number][place + 1 :]]
    return [*words[:number], word, *words[number + 1 :]]


def answered(words: Sequence[list[Step]]) -> list[list[Step]]:
    """The words without those that name what none before them answers."""
    made: set[int] = set()
    kept = []
    for word in words:
        needed = set().union(*(step.needs() for step in word)) - {step.number for step in word}
        if needed <= made:
            made |= {step.number for step in word}
            kept.append(word)
    return kept


PLAIN: dict[str, Sequence[Json]] = {
    "mode": (0o755,),
    "umask": (0,),
    "length": (1, 4096),
    "size": (1, 4096),
    "off": (0,),
    "mtime": ([0, 0],),
    "flags": ([],),
}
"""Plainer values of parameters, tried where they are not there already."""


def simpler(step: Step) -> Iterator[Step]:
    """The step without one of its parameters, or with a plain value of it."""
    for name in ("ctx", "skip_trash", "umask", "rdev", "plus", "threads", "flags", "preserve", "strict"):
        if name in step.params:
            yield replace(step, params={key: one for key, one in step.params.items() if key != name})
    for name, values in PLAIN.items():
        for value in values:
            if name in step.params and type(step.params[name]) is type(value) and step.params[name] != value:
                yield replace(step, params={**step.params, name: value})
    for name in ("set", "flags"):
        chosen = step.params.get(name)
        if isinstance(chosen, list) and len(chosen) > 1:
            for one in chosen:
                yield replace(step, params={**step.params, name: [other for other in chosen if other != one]})
