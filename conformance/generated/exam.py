"""`metaparity exam`: which of twenty faults of history the generated runs find by themselves."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metaparity.fixtures.provision import Place, Provider

from ..harness.exits import complain
from .history import generate
from .lanes import Apart, lane
from .rounds import rounds
from .steering import MODEL, pins_of
from .verdict import rule

MUSEUM = "metaparity.conformance.museum"
STEPS = 2000
"""Steps that a fault may take to be found."""
EACH = 560
"""Steps of one history: what is rare shows once there is something of everything."""
LONGEST = 12
"""Steps of the longest word: a history may be so much longer than it was asked to be."""
AT_ONCE = 300
"""Steps that several callers make at once, behind all others."""
TIMES = 8
"""How often they do so in one history."""
MOST = 100
"""Steps of such a history at most."""
PASSED = 16
SECONDS = 60
"""How long the run for one fault may take."""


@dataclass(frozen=True)
class Question:
    """A fault of the catalogue, by its number, and the engine that has it."""

    fault: str
    area: str
    exhibit: str


QUESTIONS = (
    Question("B002", "names", "namespace:NAMES_UNCHECKED"),
    Question("B005", "names", "exam:READLINK_MEANS_NOTHING"),
    Question("B006", "names", "exam:CREATE_WANTS_NEW"),
    Question("B012", "open files", "exam:OPEN_FINDS_NOTHING"),
    Question("B015", "names", "exam:PARENTS_OF_ONE_NAME"),
    Question("B016", "links", "attributes:SUBDIRECTORIES_UNCOUNTED"),
    Question("B022", "attributes", "exam:ZERO_IS_UNSET"),
    Question("B025", "times", "exam:GROWTH_IS_SILENT"),
    Question("B026", "times", "exam:WRITES_ARE_NOW"),
    Question("B040", "permissions", "namespace:SETGID_IGNORED"),
    Question("B046", "ACL", "attributes:ACL_MASK_IGNORED"),
    Question("B059", "rename", "namespace:PARENTS_STAY_BEHIND"),
    Question("B067", "xattr", "exam:XATTRS_GO_WITH_A_NAME"),
    Question("B081", "trash", "exam:TRASH_IS_OPEN"),
    Question("B101", "contents", "contents:COPIES_UNCOUNTED"),
    Question("B136", "locks", "exam:SESSIONS_REMEMBER"),
    Question("B137", "locks", "exam:DOWNGRADES_CONFLICT"),
    Question("B140", "locks", "exam:PIDS_ARE_ONE"),
    Question("B178", "quotas", "quotas:USERS_UNCHARGED"),
    Question("B259", "transactions", "concurrency:UPDATES_LOST"),
)
"""What is asked.  The last one needs two calls at once."""


FOUND, NOTHING = "found", "not found"
"""How the last line of a run begins that has come to its end."""

SOUND = Question("none", "-", "sound")
"""An engine in which the same histories must find nothing."""


def exam(options: argparse.Namespace) -> int:
    """Ask every question; returns 0 where enough are answered, 1 where not, 2 and 3 as `diff` does."""
    provider = Provider(options.server, options.allow_flush)
    try:
        place = provider.place()
        if not _asked(SOUND, place, options.seed).startswith(NOTHING):
            return complain(
                "a sound engine does not pass for one: settle that first, with metaparity diff", 1
            )
        found = [_asked(question, place, options.seed).startswith(FOUND) for question in QUESTIONS]
    finally:
        provider.close()
    print(f"{sum(found)} of {len(QUESTIONS)} faults found within {STEPS} steps each; {PASSED} are enough")
    return 0 if sum(found) >= PASSED else 1


def _asked(question: Question, place: Place, seed: int) -> str:
    """Run generated histories on an engine with the fault, in a process of its own; what that says."""
    words = [sys.executable, "-m", "metaparity.conformance.generated.exam"]
    words += [
        "redis" if question is SOUND else f"{MUSEUM}.{question.exhibit}",
        json.dumps(_facts(place)),
        str(seed),
    ]
    try:
        answer = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
        lines = answer.stdout.splitlines() or [
            f"the run ended with code {answer.returncode}: {answer.stderr[-200:]}"
        ]
    except subprocess.TimeoutExpired:
        lines = [f"nothing within {SECONDS} s"]
    print(f"{question.fault}  {question.area:<12} {question.exhibit:<38} {lines[-1]}", flush=True)
    return lines[-1]


def _facts(place: Place) -> dict[str, str]:
    return {
        "address": place.address,
        "kind": place.kind,
        "software": place.software,
        "version": place.version,
    }


def search(names: Sequence[str], place: Place, seed: int) -> Iterator[str]:
    """One line: what was found in a broken engine, or nothing."""
    model, engine = lanes = [lane(name, place) for name in names]
    apart = Apart(engine.name, engine.driver, place)
    made = 0
    try:
        while made < STEPS - LONGEST:
            left = STEPS - LONGEST - AT_ONCE - made
            if left > 0:
                told = generate(lanes, seed, min(EACH, left), pins_of(names))
                made, found = made + len(told.steps), told.disagreement
            elif made > STEPS - MOST:
                break
            else:
                spoken = rounds(apart, model, seed, TIMES, pins_of(names))
                made, found = made + spoken.calls, spoken.disagreement
            if found is not None:
                seen = f"{found.kind} {found.what}"
                yield f"{FOUND} after {made} steps, seed {seed}: {seen} ({rule(found)[:60]})"
                return
            seed += 1
        yield f"{NOTHING} in {made} steps"
    finally:
        for one in (*lanes, apart):
            one.close()


def main(exhibit: str, place: str, seed: str) -> None:
    """The process of one question."""
    facts = Place(**json.loads(place), detail="", passed_over=())
    for line in search([MODEL, exhibit], facts, int(seed)):
        print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
