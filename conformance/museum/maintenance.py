"""Trash, cleanup and checks, wrong on purpose, each in one place, and the clause that must go red."""

from __future__ import annotations

from functools import partial
from typing import Any

from metaparity.drivers.engine.cleanup import Cleanup
from metaparity.drivers.engine.creation import Trash

from .exhibit import always, exhibit, no_commands, nothing

broken = partial(exhibit, __name__, "redis")

sound_release = Cleanup.release_delayed


def release_all(self: Cleanup, before: int, *args: Any) -> int:
    """As if everything was old."""
    return sound_release(self, 1 << 62, *args)


def trash_name_without_parent(parent: int, inode: int, name: bytes) -> bytes:
    return b"%d-%s" % (inode, name)


TRASH_FORGETS_THE_PLACE = broken(
    "TRASH_FORGETS_THE_PLACE",
    "an entry in the trash does not tell from which directory it came",
    caught_by="trash/entries-tell-where-they-were",
    target="engine.codec:trash_name",
    wrong=trash_name_without_parent,
)
TRASH_FILES_TWICE = broken(
    "TRASH_FILES_TWICE",
    "a name of a linked node is filed again over the entry that the trash has",
    caught_by="trash/the-same-entry-is-filed-once",
    target="engine.files:Files.keeps_trash_entry",
    wrong=always,
)
TRASH_IN_A_LOST_HOUR = broken(
    "TRASH_IN_A_LOST_HOUR",
    "a client files in an hour directory that another has removed",
    caught_by="trash/a-removed-hour-is-made-again",
    target="engine.creation:Trash.require_hour",
    wrong=nothing,
)
OPEN_FILES_ARE_LOST = broken(
    "OPEN_FILES_ARE_LOST",
    "a cleanup takes a file that is open and has no name for a lost one",
    caught_by="slices/a-cleanup-spares-open-files",
    target="engine.trees:Summaries.sustained_inodes",
    wrong=no_commands,
)
CHECKS_SEE_NOTHING = broken(
    "CHECKS_SEE_NOTHING",
    "a check finds no wrong link count",
    caught_by="check/a-wrong-link-count-is-mended",
    target="engine.checking:Checking._check_record",
    wrong=no_commands,
)
AGE_IS_IGNORED = broken(
    "AGE_IS_IGNORED",
    "slices of the trash are let go of whatever their age",
    caught_by="deleted/slices-of-the-trash-are-let-go-of-by-age",
    target="engine.cleanup:Cleanup.release_delayed",
    wrong=release_all,
)


sound_trash_directory = Trash.trash_directory


def first_hour(self: Trash, parent: int, skip: bool) -> int:
    """As if it stayed the hour of the first removal."""
    found = sound_trash_directory(self, parent, skip)
    kept: int = self.__dict__.setdefault("first", found)
    return kept if found else 0


TRASH_OF_ONE_HOUR = broken(
    "TRASH_OF_ONE_HOUR",
    "what is removed is filed under the hour of the first removal",
    caught_by="clock/what-is-removed-is-kept-by-its-hour",
    target="engine.creation:Trash.trash_directory",
    wrong=first_hour,
)
