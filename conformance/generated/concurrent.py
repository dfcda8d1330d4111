"""Histories in which several threads speak at once: what is left must obey every law."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .draw import CLIENTS
from .history import Author, Disagreement, ending, judged, opening, settings_of
from .lanes import Lane
from .steering import ANY, Pin
from .vocabulary import methods, offered
from .world import Json, Step, World

THREADS = 8
ALONE = frozenset(
    {
        "session",
        "clock",
        "trash_cleanup",
        "settings",
        "quota_set",
        "quota_delete",
        "quota_check",
        "quota_list",
        "quota_get",
        "xattr_set",
    }
)
"""Words that change what a client is for all threads of it, set a usage while it is counted, or leave
something of a node that another has removed meanwhile (N28.1)."""


@dataclass
class Spoken:
    """What became of a concurrent history."""

    steps: int
    refused: int
    """Steps that were answered by an errno."""
    disagreement: Disagreement | None


def beginning(seed: int, pins: Sequence[Pin]) -> tuple[dict[str, Json], dict[str, Json]]:
    """The settings of a volume on which several speak at once, and the configuration of its clients.

    An odd seed has the trash on.  There are no statistics of directories: what two clients hold back of one
    without any is counted twice (N27).
    """
    settings = settings_of(seed % 2 == 1, True, False, False, pins)
    return {**settings, "DirStats": False}, {"compact_chunk": "fail"}


class Speakers:
    """Threads of two clients that draw from one world, each making its own steps."""

    def __init__(self, lane: Lane, seed: int, pins: Sequence[Pin]) -> None:
        settings, config = beginning(seed, pins)
        # Who does not know what is there cannot steer around what a driver does not do right.
        steered = {method for pin in pins if pin.driver != ANY for method in pin.methods}
        words = offered(lane.driver.capabilities)
        weights = {
            word: weight
            for word, weight in words.items()
            if word not in ALONE and not methods(word) & steered
        }
        self.lane = lane
        self.author = Author(random.Random(f"concurrent {seed}"), World(settings, config), weights, pins)
        self.steps = self.refused = 0
        self.wrong: Disagreement | None = None
        self._drawing = threading.Lock()
        lane.begin()
        for step in opening(settings, config):
            self.take(step)

    def speak(self, client: str, words: int) -> None:
        """Say so many words as this client, until one is answered by what no engine may answer."""
        for _ in range(words):
            with self._drawing:
                steps = self.author.word_of(client)
            for step in steps:
                self.take(step)
                if self.wrong is not None:
                    return

    def take(self, step: Step) -> None:
        """Make a step and take note of its answer."""
        params, result = self.lane.make(step)
        with self._drawing:
            self.steps += 1
            self.refused += "errno" in result
            self.author.world.learn(step, params, result)
            if "failure" in result:
                self.wrong = judged(step, [self.lane.name], [result])


def speak_at_once(lane: Lane, seed: int, words: int, pins: Sequence[Pin]) -> Spoken:
    """Let threads of two clients say `words` words each at once; what they leave, when all have settled.

    An odd seed has the trash on.
    """
    speakers = Speakers(lane, seed, pins)
    with ThreadPoolExecutor(THREADS) as threads:
        speaking = [
            threads.submit(speakers.speak, CLIENTS[number % len(CLIENTS)], words) for number in range(THREADS)
        ]
        for one in speaking:
            one.result()
    return Spoken(speakers.steps, speakers.refused, speakers.wrong or ending([lane]))
