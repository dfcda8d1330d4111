"""Many numbered things as columns of integers: some fifty bytes each, where an object takes five hundred."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import ClassVar

ABSENT = -1


def increasing(numbers: Iterable[int]) -> array[int]:
    """Numbers in order, each once."""
    found = array("Q")
    for number in sorted(numbers):
        if not found or found[-1] != number:
            found.append(number)
    return found


def contains(numbers: array[int], number: int) -> bool:
    """Whether a number is among increasing ones."""
    place = bisect_left(numbers, number)
    return place < len(numbers) and numbers[place] == number


class Columns:
    """A table whose rows are found by an inode."""

    shape: ClassVar[dict[str, str]]
    """The columns with their type codes."""

    def __init__(self, inodes: array[int]) -> None:
        """`inodes` increase; every column begins with zeros."""
        self.inodes = inodes
        for name, code in self.shape.items():
            setattr(self, name, array(code, bytes(array(code).itemsize * len(inodes))))

    def __len__(self) -> int:
        return len(self.inodes)

    def __contains__(self, inode: int) -> bool:
        return self.find(inode) != ABSENT

    def find(self, inode: int) -> int:
        """The row of an inode, or `ABSENT`."""
        place = bisect_left(self.inodes, inode)
        return place if place < len(self.inodes) and self.inodes[place] == inode else ABSENT

    def cut(self, number: int) -> None:
        """Keep only so many rows."""
        del self.inodes[number:]
        for name in self.shape:
            del getattr(self, name)[number:]

    def rows(self, *columns: str) -> Iterator[tuple[int, ...]]:
        """Every inode with the values of some columns."""
        return zip(self.inodes, *(getattr(self, name) for name in columns), strict=True)


class Nodes(Columns):
    """Every node that is stored."""

    shape: ClassVar = {
        "type": "B",
        "mode": "H",
        "nlink": "I",
        "length": "Q",
        "parent": "Q",
        "uid": "I",
        "gid": "I",
        "names": "I",
    }
    type: array[int]
    mode: array[int]
    nlink: array[int]
    length: array[int]
    parent: array[int]
    uid: array[int]
    gid: array[int]
    names: array[int]
    """How many entries lead to each."""


class Directories(Columns):
    """Every directory that is stored: what its entries add up to, and what its statistics say."""

    shape: ClassVar = {
        "entries": "I",
        "below": "I",
        "length": "Q",
        "space": "Q",
        "told": "B",
        "told_length": "q",
        "told_space": "q",
        "told_entries": "q",
    }
    entries: array[int]
    below: array[int]
    """Entries of type directory."""
    length: array[int]
    space: array[int]
    told: array[int]
    """Which statistics there are: a bit each, in the order of the columns."""
    told_length: array[int]
    told_space: array[int]
    told_entries: array[int]
