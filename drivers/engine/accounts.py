"""Limits and usage of quotas as one client knows them (R10-R12, S7.4)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from ..types import Quota

UNLIMITED = -1


class Accounts:
    """The quotas of one kind, by inode or id, with what this client has not flushed.  Safe for many threads.

    Usage is in bytes and inodes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stored: dict[int, Quota] = {}
        self._pending: dict[int, tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._stored)

    def __contains__(self, id: int) -> bool:
        return id in self._stored

    def get(self, id: int) -> Quota | None:
        """A quota with the usage that the server knows of."""
        with self._lock:
            found = self._stored.get(id)
            return None if found is None else replace(found)

    def total(self, id: int, *, pending: bool = True) -> tuple[int, int]:
        """The usage (bytes, inodes) with, or without, what is pending; none where there is no quota."""
        with self._lock:
            found = self._stored.get(id, Quota())
            space, inodes = self._pending.get(id, (0, 0)) if pending else (0, 0)
            return found.used_space + space, found.used_inodes + inodes

    def load(self, stored: Mapping[int, Quota], *, keep: bool) -> None:
        """Take over what the server says; quotas that it does not have are dropped unless `keep`."""
        with self._lock:
            gone = set() if keep else self._stored.keys() - stored.keys()
            for id in gone:
                self._forget(id)
            self._stored.update((id, replace(quota)) for id, quota in stored.items())

    def reset(self) -> None:
        """Forget everything, what is pending too."""
        with self._lock:
            self._stored.clear()
            self._pending.clear()

    def exceeded(self, id: int, space: int, inodes: int) -> bool:
        """Whether so many bytes and inodes more are too many (R12); a limit of 0 or less is none."""
        with self._lock:
            quota = self._stored.get(id)
            if quota is None:
                return False
            more_space, more_inodes = self._pending.get(id, (0, 0))
            too_big = space > 0 and 0 < quota.max_space < quota.used_space + more_space + space
            too_many = inodes > 0 and 0 < quota.max_inodes < quota.used_inodes + more_inodes + inodes
            return too_big or too_many

    def add(self, id: int, space: int, inodes: int, *, create: bool) -> None:
        """Note a change that has been committed; without a quota only where one is to be created (R11)."""
        with self._lock:
            if id not in self._stored:
                if not create:
                    return
                self._stored[id] = Quota()
            more_space, more_inodes = self._pending.get(id, (0, 0))
            self._pending[id] = (more_space + space, more_inodes + inodes)

    def pending(self) -> dict[int, tuple[int, int]]:
        """The changes (bytes, inodes) that the server does not know of yet."""
        with self._lock:
            return {id: change for id, change in self._pending.items() if any(change)}

    def flushed(self, changes: Mapping[int, tuple[int, int]]) -> None:
        """Note that the server knows of these changes now."""
        with self._lock:
            for id, (space, inodes) in changes.items():
                quota = self._stored.get(id)
                if quota is None:
                    continue
                more_space, more_inodes = self._pending[id]
                self._pending[id] = (more_space - space, more_inodes - inodes)
                quota.used_space += space
                quota.used_inodes += inodes

    def drop(self, id: int) -> None:
        """Forget a quota and what is pending of it."""
        with self._lock:
            self._forget(id)

    def _forget(self, id: int) -> None:
        self._stored.pop(id, None)
        self._pending.pop(id, None)
