"""Shrinking: the fewest steps, with the plainest arguments, that still show one disagreement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

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
        self.steps = list(steps[fixed:])
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
        return self.head + self.steps

    def _try(self, steps: list[Step]) -> bool:
        if time.monotonic() > self._deadline:
            raise _Over
        self.tries += 1
        shows = self._shows(self.head + steps)
        if shows:
            self.steps = steps
        self._progress(len(self.steps), self.tries)
        return shows

    def _fewer(self) -> None:
        parts = 2
        while len(self.steps) >= 2:
            size = max(len(self.steps) // parts, 1)
            for start in range(0, len(self.steps), size):
                kept = answered(self.head, self.steps[:start] + self.steps[start + size :])
                if len(kept) < len(self.steps) and self._try(kept):
                    parts = max(parts - 1, 2)
                    break
            else:
                if size == 1:
                    return
                parts = min(parts * 2, len(self.steps))

    def _plainer(self) -> None:
        index = 0
        while index < len(self.steps):
            while any(
                self._try([*self.steps[:index], plainer, *self.steps[index + 1 :]])
                for plainer in simpler(self.steps[index])
            ):
                pass
            index += 1


def answered(head: Sequence[Step], steps: Sequence[Step]) -> list[Step]:
    """The steps without those that name what none before them answers."""
    made = {step.number for step in head}
    kept = []
    for step in steps:
        if step.needs() <= made:
            made.add(step.number)
            kept.append(step)
    return kept


PLAIN: dict[str, Sequence[Json]] = {
    "mode": (0o755,),
    "umask": (0,),
    "length": (1, 4096),
    "size": (1, 4096),
    "off": (0,),
    "mtime": ([0, 0],),
    "client": ("c1",),
    "flags": ([],),
}
"""Plainer values of parameters, tried where they are not there already."""


def simpler(step: Step) -> Iterator[Step]:
    """The step by the first client, without one of its parameters, or with a plain value of it."""
    if step.client != "c1":
        yield replace(step, client="c1")
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
