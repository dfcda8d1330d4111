"""Who is wrong where engines disagree, by which rule; and the shrunk history as a trace."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from metaparity.drivers import wire
from metaparity.drivers.api import PRIMITIVES, Engine
from metaparity.drivers.driver import Driver
from metaparity.fixtures.provision import Place
from metaparity.fixtures.volumes import Volume

from .. import laws
from ..harness.rendering import shorten
from ..traces.files import save
from ..traces.recorder import trace_of
from .history import Disagreement
from .lanes import CONFIG, Lane
from .steering import MODEL
from .world import Json, Step


def wrong(disagreement: Disagreement) -> list[str]:
    """The drivers that stand against the model; without it, those in the minority, or none in a tie.

    Who breaks a law is wrong whatever the others do.
    """
    if disagreement.kind == "order":
        return list(disagreement.shown)
    if disagreement.kind == "laws":
        return [name for name, broken in disagreement.shown.items() if broken]
    words = {name: json.dumps(one, sort_keys=True) for name, one in disagreement.shown.items()}
    if failures := failed(disagreement):
        return failures
    if MODEL in words:
        return [name for name, one in words.items() if one != words[MODEL]]
    counts = Counter(words.values()).most_common()
    if len(counts) > 1 and counts[0][1] == counts[1][1]:
        return []
    return [name for name, one in words.items() if one != counts[0][0]]


def failed(disagreement: Disagreement) -> list[str]:
    """The drivers that crashed, hung, or raised what no engine may."""
    return [name for name, one in disagreement.shown.items() if isinstance(one, dict) and "failure" in one]


def rule(disagreement: Disagreement) -> str:
    """The rule that the disagreement is about."""
    if disagreement.step is not None and disagreement.step.method in PRIMITIVES:
        primitive = PRIMITIVES[disagreement.step.method]
        return f"{primitive.name}, rule {primitive.source}"
    if disagreement.kind == "laws":
        return laws.LAWS[disagreement.what].sentence
    if disagreement.kind == "order":
        return "the calls of a round happen one after the other (N42.1)"
    return f"the keys {disagreement.what} at the end"


def told(disagreement: Disagreement) -> list[str]:
    """The disagreement in lines for a reader."""
    lines = []
    if disagreement.step is not None:
        step = disagreement.step
        lines.append(f"{step.client}.{step.method}({json.dumps(step.params, ensure_ascii=False)})")
    for name, shown in disagreement.shown.items():
        lines.append(f"  {name:<10} {shorten(_text(shown), 600)}")
    guilty = wrong(disagreement)
    judge = "the model" if MODEL in disagreement.shown or disagreement.kind == "order" else "the laws"
    if disagreement.kind not in ("laws", "order") and MODEL not in disagreement.shown:
        judge = "the others"
    verdict = (
        f"against {judge}: {', '.join(guilty)}" if guilty else "nobody arbitrates: as many stand on each side"
    )
    return [*lines, f"{verdict}; {rule(disagreement)}"]


def _text(shown: Json) -> str:
    if isinstance(shown, list):
        return "; ".join(shown) or "no law is broken"
    return json.dumps(shown, ensure_ascii=False)


class _Recorded(Lane):
    """A lane whose calls are taken down as those of a test are."""

    def __init__(self, driver: Driver, place: Place) -> None:
        super().__init__(driver.name, driver, place)
        self.volume = Volume(driver, place, self.raw)

    def begin(self) -> None:
        super().begin()
        self.volume.reset()

    def _open(self, client: str, params: dict[str, Json]) -> Engine:
        return self.volume.connect(**wire.encode(wire.config({**CONFIG, **params.get("config", {})})))


def save_trace(name: str, steps: Sequence[Step], right: Lane, path: Path) -> None:
    """Make the steps once more on a lane that is right, and write what it showed as a trace (protocol §7).

    Raises `Unrecordable`, `OSError`.
    """
    lane = _Recorded(right.driver, right.place)
    try:
        lane.begin()
        for step in steps:
            lane.take(step)
        save(trace_of(name, lane.volume), path)
    finally:
        lane.close()
