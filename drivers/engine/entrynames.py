"""Whether a directory has a name twice, of many entries in any order: of names only hashes are kept."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import compress

from .hashes import Hashes, first_again

MANY = 1 << 18
"""Names of one directory, or directories, beyond which any name can come again: each takes ninety bytes."""


class Names:
    """The names of directories, which come some at a time.

    Mostly a directory comes whole before the next.  Then only one of the last directory can come again; once
    a directory goes on after another, every name can.  A name costs eight bytes; one that comes again after
    more than `hashes.RECENT` others is known only at the end.
    """

    def __init__(self) -> None:
        self._hashes = array("q")
        """Those of every name with its directory, until every name can come again."""
        self._directories = set[int]()
        self._last = 0
        """The directory that came last."""
        self._known = set[int]()
        """The hashes of its names."""
        self._all: Hashes | None = None
        """Those of all names, once every name can come again."""

    def second(self, directories: Sequence[int], names: Sequence[bytes]) -> int | None:
        """Take in names, each of its directory; the place of the first known to have come before."""
        keys = [*map(hash, zip(directories, names, strict=True))]
        here = {*directories}
        if self._all is None and not self._directories.isdisjoint(here - {self._last}):
            self._scatter()
        if self._all is not None:
            return self._all.second(keys)
        place = first_again(keys, self._known)
        if place is None and keys:
            self._directories |= here
            self._note(directories, keys)
        return place

    def twice(self) -> bool:
        """Whether a name has come twice that was not known then; no more can be taken in."""
        return self._all is not None and self._all.twice()

    def _scatter(self) -> None:
        """From now on every name can come again."""
        self._all = Hashes()
        self._all.update(self._hashes)
        self._hashes = array("q")
        self._directories.clear()
        self._known.clear()

    def _note(self, directories: Sequence[int], keys: Sequence[int]) -> None:
        """Keep new names, of which those of the last directory can come again."""
        self._hashes.extend(keys)
        if directories[-1] != self._last:
            self._last = directories[-1]
            self._known.clear()
        self._known.update(compress(keys, map(self._last.__eq__, directories)))
        if max(len(self._known), len(self._directories)) > MANY:
            self._scatter()
