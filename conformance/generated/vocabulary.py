"""The vocabulary of generated histories: the words that drivers understand, with their weights.

A word (`words/`) is a primitive that shows or changes the state, with arguments that are drawn: names are
half there and half fresh, nodes are mostly known and sometimes gone, of the wrong type or in the trash;
callers are the superuser, owners, members of groups and strangers.  It may take several calls: a write needs
a slice first.
"""

from __future__ import annotations

import random

from metaparity.drivers.api import PRIMITIVES

from . import words as words
from .draw import WORDS, Draw
from .world import World

COMPOSED = {"session": "session"}
"""Words that a lane takes as one, with the capability that they need."""


def methods(name: str) -> set[str]:
    """The methods that a word has ever called on an empty volume."""
    chance, (_, draw) = random.Random(name), WORDS[name]
    calls = [call for _ in range(40) for call in draw(Draw(chance, World({}), "c1"))]
    return {method.partition("@")[0] for method, _ in calls}


def offered(capabilities: frozenset[str]) -> dict[str, int]:
    """The words that drivers with these capabilities understand, with their weights.

    A word is left out where one of the calls that it has ever drawn is beyond them.
    """
    kept = {}
    for name, (weight, _) in WORDS.items():
        needed = {COMPOSED.get(one) or PRIMITIVES[one].capability for one in methods(name)}
        if needed <= capabilities:
            kept[name] = weight
    for name, capability in NEEDED.items():
        if capability not in capabilities:
            kept.pop(name, None)
    return kept


NEEDED = {
    "clock": "clock",
    "trash_cleanup": "clock",
    "trashed": "trash",
    "settings": "trash",
    "handle": "namespace",
    "close_file": "open",
}
"""What words need beyond the calls that they draw on an empty volume."""
