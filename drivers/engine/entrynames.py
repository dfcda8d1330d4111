"""Whether a directory has a name twice, of many entries in any order: of names only hashes are kept."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import compress


class Names:
    """The names of directories, which come some at a time.

    Mostly a directory comes whole before the next.  Then a name costs eight bytes, since only one of the last
    directory can come again; once a directory goes on after another, every name can.
    """

    def __init__(self) -> None:
        self._hashes = array("q")
        """Those of every name with its directory, until they are in `_known`."""
        self._directories = set[int]()
        self._last = 0
        """The directory that came last."""
        self._known = set[int]()
        """The hashes of the names that can come again."""
        self._scattered = False
        """Whether those are all."""

    def second(self, directories: Sequence[int], names: Sequence[bytes]) -> int | None:
        """Take in names, each of its directory; the place of the first that has come before, if one has."""
        keys = [*map(hash, zip(directories, names, strict=True))]
        here = {*directories}
        if not self._scattered and not self._directories.isdisjoint(here - {self._last}):
            self._scatter()
        if len({*keys}) < len(keys) or not self._known.isdisjoint(keys):
            return self._place(keys)
        if self._scattered:
            self._known.update(keys)
        elif keys:
            self._directories |= here
            self._note(directories, keys)
        return None

    def _scatter(self) -> None:
        """From now on every name can come again."""
        self._scattered = True
        self._known.update(self._hashes)
        self._hashes = array("q")
        self._directories.clear()

    def _note(self, directories: Sequence[int], keys: Sequence[int]) -> None:
        """Keep new names, of which those of the last directory can come again."""
        self._hashes.extend(keys)
        if directories[-1] != self._last:
            self._last = directories[-1]
            self._known.clear()
        self._known.update(compress(keys, map(self._last.__eq__, directories)))

    def _place(self, keys: Sequence[int]) -> int | None:
        """Where the first key stands that is known or comes before in these."""
        for place, key in enumerate(keys):
            if key in self._known:
                return place
            self._known.add(key)
        return None
