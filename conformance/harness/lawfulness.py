"""Every law of the key-space, asked of what each test leaves once its clients are at rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metaparity.drivers.api import PRIMITIVES
from metaparity.drivers.types import ROOT_INODE, FileType, Slice
from metaparity.fixtures.volumes import Volume

from ..clause import Clause
from ..laws import Finding, broken, harmful, require
from .deviations import BrokenLaw, Ledger, covers
from .keyspaces import KEYS

PATIENCE = 1.0
"""Seconds within which what is broken may mend itself: an engine may still delete in the background."""


@dataclass(frozen=True, slots=True)
class Excuse:
    """What breaks a law on any driver and is no fault of it, by a rule of the reference.

    `clause` is one whose tests show it; `what` is the finding, `…` standing for what varies.
    """

    law: str
    clause: str
    why: str
    applies: Callable[[Volume], bool]
    what: str = "…"

    def __str__(self) -> str:
        return f"{self.law}: {self.what}"


def called(*methods: str) -> Callable[[Volume], bool]:
    """Whether one of these primitives was called."""
    return lambda volume: not volume.log.called.isdisjoint(methods)


def asked_for_a_link(volume: Volume) -> bool:
    """Whether mknod was asked for a symbolic link."""
    return any(FileType.SYMLINK in given for given in arguments(volume, "mknod"))


def set_a_mode(volume: Volume) -> bool:
    """Whether a link may have another mode than `symlink` gives it."""
    return called("setattr", "acl_set")(volume) or asked_for_a_link(volume)


def wrote_a_slice_again(volume: Volume) -> bool:
    """Whether several writes named one slice."""
    ids = [
        one.id for given in arguments(volume, "write") for one in given if isinstance(one, Slice) and one.id
    ]
    return len(ids) > len(set(ids))


def formatted_again(volume: Volume) -> bool:
    """Whether a volume got other settings when it was there."""
    return sum(1 for _ in arguments(volume, "init")) > 1


READING = ("dirstat_get", "quota_set", "summary", "tree_summary")
"""Primitives that read the statistics of directories."""


def counted_with_what_is_held_back(volume: Volume) -> bool:
    """Whether the root may have been counted, which has no statistics at first, while changes of it were held
    back: by another client, or as its statistics were read."""
    given = [one for method in READING for one in arguments(volume, method)]
    return volume.most_clients > 1 or any(one[0] == ROOT_INODE or b"/" in one for one in given)


def arguments(volume: Volume, method: str) -> Iterator[list[Any]]:
    """What the calls of a primitive were given, as far as they are kept."""
    return ([*call.args, *call.kwargs.values()] for call in volume.log.kept() if call.method == method)


EXCUSES = (
    Excuse(
        "nodes/modes-of-links-are-0777",
        clause="setattr/equal-values-change-nothing",
        why="mknod and setattr give a link the mode that they are told (N8.9, N12)",
        applies=set_a_mode,
    ),
    Excuse(
        "nodes/links-have-targets",
        clause="mknod/a-node-starts-with-the-attributes-of-its-type",
        why="mknod makes a link without target (N12)",
        applies=asked_for_a_link,
    ),
    Excuse(
        "nodes/nothing-outlives-its-node",
        clause="trace/x01-odd-arguments",
        why="extended attributes are set without a look for their node (N28.1)",
        applies=called("xattr_set"),
        what="node … is gone and has extended attributes",
    ),
    Excuse(
        "accounting/statistics-belong-to-directories",
        clause="dirstat/what-is-no-directory-is-empty",
        why="who reads the statistics of a file makes some (N27.1)",
        applies=called("dirstat_get"),
    ),
    Excuse(
        "accounting/directory-statistics-are-exact",
        clause="write/two-appends-are-both-kept",
        why="a root without statistics is counted with what clients still hold back (N27.2, N27.3)",
        applies=counted_with_what_is_held_back,
        what="directory 1 has statistics …",
    ),
    Excuse(
        "accounting/directory-statistics-are-exact",
        clause="init/directory-statistics-start-anew-when-enabled",
        why="settings that turn statistics on drop two of the three (N1.1)",
        applies=formatted_again,
        what="… (without dirUsedSpace, dirUsedInodes) …",
    ),
    Excuse(
        "accounting/owners-are-charged",
        clause="trace/x16-reformat-turns-on-accounting",
        why="settings that turn usage on count from then on (N1.1)",
        applies=formatted_again,
    ),
    Excuse(
        "data/records-lie-in-their-chunk",
        clause="write/does-not-check-the-range",
        why="a write takes any range (I10 is up to who writes)",
        applies=called("write"),
    ),
    Excuse(
        "data/slices-are-counted",
        clause="changelog/has-a-line-for-each-mutation",
        why="a write takes any slice, one that is in use, too (I11 is up to who writes)",
        applies=wrote_a_slice_again,
    ),
)


@dataclass(slots=True)
class Judgement:
    """What was found in the volumes of one test."""

    judged: int = 0
    """Volumes that were held to every law."""
    edited: int = 0
    """Volumes that were not, because the test had changed keys past its driver."""
    declared: set[str] = field(default_factory=set)
    """Broken laws that the clause says it breaks."""
    excused: set[str] = field(default_factory=set)
    """Excuses that were needed."""
    pinned: list[BrokenLaw] = field(default_factory=list)
    """Entries of the ledger that were observed."""
    broken: list[Finding] = field(default_factory=list)
    """What nothing explains."""

    def plain(self, ledger: Ledger) -> dict[str, Any]:
        """As plain data, the pins as their places in the ledger."""
        return {
            "judged": self.judged,
            "edited": self.edited,
            "declared": sorted(self.declared),
            "excused": sorted(self.excused),
            "pinned": [ledger.laws.index(one) for one in self.pinned],
        }


class Lasting(set[tuple[str, str]]):
    """Drivers, each with a law that stayed broken for as long as anybody waits: nobody does so again."""


class Judge:
    """Looks at every volume of a test when its clients are at rest.

    Garbage is no matter of the laws here, as nowhere in the spec.  A test that changed keys past its driver
    has an answer of its own to what it broke; where there is no volume, there is no law.
    """

    def __init__(self, clause: Clause, driver: str, ledger: Ledger, volume: Volume, lasting: Lasting) -> None:
        """`lasting` is shared by the judges of a run."""
        self.driver = driver
        self.ledger = ledger
        self.volume = volume
        self._lasting = lasting
        self.judgement = Judgement()
        self.laws = {law for law, _ in clause.breaks}

    def __call__(self, keys: Mapping[bytes, Any]) -> None:
        """Judge all keys of a volume, which are read again for as long as they may come right."""
        if KEYS.setting not in keys:
            return
        if self.volume.raw.edited:
            self.judgement.edited += 1
            return
        self.judgement.judged += 1
        if self.volume.shared:
            self.judgement.declared |= self.laws  # which depends on chance, so that a run may pass without it
        found, until = self._unexplained(keys), time.monotonic() + PATIENCE
        while self._may_mend(found) and time.monotonic() < until:
            time.sleep(PATIENCE / 20)
            found = self._unexplained(self.volume.keyspace())
        self._lasting.update((self.driver, one.law) for one in found)
        self.judgement.broken += found

    def require(self) -> None:
        """Raise an `AssertionError` that names the broken laws, with what breaks them as notes."""
        require(self.judgement.broken)

    def _may_mend(self, found: Sequence[Finding]) -> bool:
        """Whether any of these is worth waiting for: in a run whose tests all break one law, none is."""
        return any((self.driver, one.law) not in self._lasting for one in found)

    def _unexplained(self, keys: Mapping[bytes, Any]) -> list[Finding]:
        return [one for one in harmful(broken(keys)) if not self._explained(one)]

    def _explained(self, finding: Finding) -> bool:
        judgement = self.judgement
        if finding.law in self.laws:
            judgement.declared.add(finding.law)
            return True
        for excuse in EXCUSES:
            if (
                excuse.law == finding.law
                and covers(excuse.what, finding.what)
                and excuse.applies(self.volume)
            ):
                judgement.excused.add(str(excuse))
                return True
        called = PRIMITIVES if self.volume.shared else self.volume.log.called
        pins = self.ledger.find_laws(finding.law, self.driver, finding.what, called)
        judgement.pinned += [pin for pin in pins if pin not in judgement.pinned]
        return bool(pins)
