"""What the words of a history draw from: chance, and what is believed to be there."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from metaparity.drivers.types import CHUNK_SIZE, ROOT_INODE, TRASH_INODE, Context, Time
from metaparity.drivers.wire import encode

from .steering import CLIENTS as CLIENTS
from .world import Call as Call
from .world import Json, Name, Node, World

T = TypeVar("T")

CALLERS: tuple[Context, ...] = (
    Context(1000, (1000, 2000)),
    Context(1001, (1001,)),
    Context(1002, (1002, 1000, 2000)),
    Context(1000, (1000,), check_permission=False),
    Context(0, (0,), check_permission=False),
)
"""Who calls besides the superuser."""

NAMES: tuple[Name, ...] = ("a", "b", "c", "d", "e", "f", "A", "é", ".hidden", {"base64": "/w=="})
ODD_NAMES: tuple[Name, ...] = ("", ".", "..", "a/b", "a\0b", "n" * 255, "n" * 256, ".trash")
TYPES = ("file", "directory", "symlink", "fifo", "blockdev", "chardev", "socket")
MODES = (0o777, 0o755, 0o700, 0o644, 0o600, 0o1777, 0o2775, 0o4755, 0o444, 0o000)
MOMENTS: tuple[Time, ...] = ((1000000000, 5), (1000000000, 999999999), (4102444800, 0), (0, 0))
"""Times that callers ask for, none of them near the clock."""
SIZES = (0, 1, 4096, 4097, 100000, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE - 7)
OFFSETS = (0, 1, 4095, 4096, 50000, CHUNK_SIZE - 10)
XATTRS = ("user.a", "user.b", "trusted.c", "")
EDGES = (0, 1, 5, 6, 10, 64, 1 << 40, (1 << 63) - 1)
ACL_BITS = (0, 1, 4, 5, 6, 7)
FOCUSED = 0.9
"""How likely a node is one that everything is about, where there are such."""
FEW = 3
"""Names that are as good as any then."""
SET = ("mode", "uid", "gid", "flags", "atime", "mtime", "ctime", "atime_now", "mtime_now", "ctime_now")
MOST_RECORDS = {"record": 2, "fail": 12}
"""Records of a chunk beyond which engines compact when they please (N22.6), by what comes of it."""


@dataclass
class Draw:
    """What a word draws from: chance, and what is believed to be there."""

    chance: random.Random
    world: World
    client: str

    def one(self, choices: Sequence[T]) -> T:
        return choices[self.chance.randrange(len(choices))]

    def odds(self, percent: float) -> bool:
        return self.chance.random() * 100 < percent

    def caller(self) -> dict[str, Json]:
        """Who calls: half the time the superuser."""
        return {} if self.odds(50) else {"ctx": encode(self.one(CALLERS))}

    # -- nodes -------------------------------------------------------------------------------------

    def node(self, *types: str) -> Json:
        """The symbol of a node, mostly one of these types that is there."""
        return self.known(*types).symbol

    def known(self, *types: str) -> Node:
        """A node, mostly one of these types that is there."""
        roll = self.chance.random()
        focus = [self.world.nodes[one] for one in self.world.focus]
        if roll < FOCUSED and (near := [one for one in focus if not types or one.type in types]):
            return self.one(near)
        # Below what is gone, quotas are found or not: refusals differ with what a client remembers.
        if (
            roll < 0.04
            and not self.world.limited
            and (gone := [one for one in self.world.nodes.values() if one.gone])
        ):
            return self.one(gone[-8:])
        if roll < 0.05:
            return Node(999999, 999999, "file", gone=True)
        if roll < 0.06 and self.world.trash:
            return self.world.nodes[TRASH_INODE]
        recent = [one for one in self.world.recent if not types or one.type in types]
        if roll > 0.55 and (there := [one for one in recent if not one.gone and one.inode < TRASH_INODE]):
            return self.one(there)
        among = self.world.live() if roll < 0.12 else self.world.live(*types)
        return self.one(among or self.world.live())

    def directory(self) -> Node:
        """A directory, often the root."""
        if self.world.focus:
            return self.known("directory")
        return self.world.nodes[ROOT_INODE] if self.odds(25) else self.known("directory")

    # -- names -------------------------------------------------------------------------------------

    def fresh(self, directory: Node) -> Name:
        """A name that is not believed to be there, or an impossible one now and then."""
        if self.odds(6):
            return self.one(ODD_NAMES)
        taken = self.world.names.get(directory.inode, {})
        if self.world.focus:
            return self.one(NAMES[:FEW])
        free = [name for name in NAMES if str(name) not in taken]
        return self.one(free) if free else f"n{self.chance.randrange(100)}"

    def place(self, *types: str) -> tuple[Json, Name]:
        """A directory and a name in it that is believed to be there, of one of these types if any."""
        nodes = self.world.nodes
        entries = [one for one in self.world.entries() if one[0] in nodes]
        entries = [one for one in entries if one[2] in self.world.focus] or entries
        fitting = [one for one in entries if not types or (one[2] in nodes and nodes[one[2]].type in types)]
        if not entries or self.odds(6):
            directory = self.directory()
            return directory.symbol, self.fresh(directory)
        parent, name, _ = self.one(fitting if fitting and not self.odds(8) else entries)
        return nodes[parent].symbol, name

    def at(self, parent: Json, name: Name) -> Node | None:
        """The node that is believed to be at a place."""
        directory = next((one for one in self.world.nodes.values() if one.symbol == parent), None)
        return None if directory is None else self.world.at(directory.inode, name)

    def free(self) -> tuple[Json, Name]:
        """A directory and a name that is not believed to be there; one time in five one that is."""
        if self.odds(20):
            return self.place()
        directory = self.directory()
        return directory.symbol, self.fresh(directory)

    def half(self) -> tuple[Json, Name]:
        """A place that is taken half of the time."""
        return self.place() if self.odds(50) else self.free()

    def skip(self) -> dict[str, Json]:
        """Past the trash now and then."""
        return {"skip_trash": True} if self.odds(8) else {}


Word = Callable[[Draw], list[Call]]
WORDS: dict[str, tuple[int, Word]] = {}
"""Every word with its weight, in a thousand or so."""


def word(weight: int) -> Callable[[Word], Word]:
    """Take a function into the vocabulary under its name."""

    def take(draw: Word) -> Word:
        WORDS[draw.__name__.rstrip("_")] = (weight, draw)
        return draw

    return take


PREVIOUS = {"$": "previous"}
"""Stands for the id that the call before has answered."""
