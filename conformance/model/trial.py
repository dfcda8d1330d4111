"""The spec run on the model: a pytest plugin whose volumes live in this process.

`pytest -p metaparity.conformance.model.trial --driver metaparity.conformance.model:DRIVER conformance/spec`

What a clause reads and writes past the driver are keys on a server.  They are written there from the state of
the model when a clause asks for them, and read back when it has changed them.  A clause that asks for what a
model cannot have (damaged values, a network, other processes) is skipped, and says so.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import settings

from metaparity.drivers.driver import Driver
from metaparity.fixtures import volumes
from metaparity.fixtures.provision import Place

from ..clause import clause_of
from . import volume_at
from .keys import Damaged, Keyspace, read_back, written
from .state import VolumeState

UNKEPT = ("lock", "locks", "last_inode", "last_slice")
"""What of a volume is no state of its files: numbers set aside are lost by refused calls (N42.3)."""

OF_THE_SERVER = frozenset(
    {"client_kill_filter", "config_get", "config_set", "info", "script", "script_flush"}
)

FEW = 5
"""Examples of a generated test where few cases are asked for."""

DAMAGE = "damage: the model holds no value that cannot be read"
NO_SERVER = "a server: the model has none to ask or to stop"
NO_NETWORK = "a network: there is none between the model and its volume"
BY_ITSELF = "time: nothing happens by itself in the model"
OLD_CLIENTS = "old clients: the model knows none of their keys"
TWO_PROCESSES = "two processes: the model lives in one"
ITSELF = "itself: what the clause compares with is the model"
NO_LOG = "a change log: the model keeps none"
ELSEWHERE = {
    "generated/any-history-is-that-of-the-model": ITSELF,
    "generated/any-words-in-any-order": ITSELF,
    "generated/calls-at-once-have-an-order": ITSELF,
    "generated/calls-at-once-keep-the-laws": NO_SERVER,
    "concurrency/clients-of-two-processes-lose-nothing": TWO_PROCESSES,
    "flock/processes-exclude-each-other": TWO_PROCESSES,
    "plock/processes-exclude-each-other": TWO_PROCESSES,
    "session/a-killed-process-is-cleaned-up-after": TWO_PROCESSES,
    "flock/leaves-a-line-in-the-log": NO_LOG,
    "plock/leaves-a-line-in-the-log": NO_LOG,
    "trash/a-compacted-slice-is-kept-for-its-days": "maintenance: the model does not offer it",
    "clone/a-caller-that-gives-up-leaves-nothing": "a step: a clone of the model is one",
    "remove/a-directory-that-loses-its-name-is-not-found": "a step: a removal of the model is one",
    "remove/what-comes-meanwhile-goes-too-and-counts": "a step: a removal of the model is one",
    "cleanup/is-made-by-one-client-in-a-period": BY_ITSELF,
    "quota/is-flushed-without-being-asked": BY_ITSELF,
    "init/directory-statistics-start-anew-when-enabled": "parts: the model has statistics as a whole",
    "session/the-list-goes-by-expiry": OLD_CLIENTS,
    "session/very-old-clients-expire-after-five-minutes": OLD_CLIENTS,
    "trace/l03-legacy-and-broken-sessions": OLD_CLIENTS,
    "statfs/unreadable-counters-give-the-last-known-figures": DAMAGE,
}
"""Clauses that ask for more than they say they need, and for what."""


class RawKeys:
    """A connection to a database that shows the state of a volume of the model."""

    def __init__(self, state: VolumeState, connection: Any, mirror: Any) -> None:
        """`connection` is what tests use, `mirror` another one to the same database."""
        self._state = state
        self._connection = connection
        self._mirror = mirror
        self._others: Keyspace = {}
        """Keys that say nothing about the model's state."""
        self._written: Keyspace | None = None
        """What the database holds, as far as that is known."""

    @property
    def edits(self) -> int:
        """How often a key may have been changed."""
        return int(self._connection.edits)

    @property
    def edited(self) -> bool:
        return bool(self._connection.edited)

    @edited.setter
    def edited(self, value: bool) -> None:
        self._connection.edited = value

    def keyspace(self) -> Keyspace:
        """Every key with its type and value."""
        return {**written(self._state), **self._others}

    def flushdb(self) -> None:
        """Forget everything."""
        self._connection.edits += 1
        self._connection.edited = True
        self._state.clear()
        self._others = {}

    def __getattr__(self, name: str) -> Any:
        if name in OF_THE_SERVER:
            pytest.skip(NO_SERVER)
        made = getattr(self._connection, name)

        def call(*args: Any, **options: Any) -> Any:
            self._show()
            before = self.edits
            answer = made(*args, **options)
            if isinstance(answer, redis.client.Pipeline):
                vars(answer)["execute"] = self._taking(answer.execute)
            elif isinstance(answer, Iterator):
                answer = iter([*answer])
            elif self.edits != before:
                self._take()
            return answer

        return call

    def _taking(self, execute: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            answer = execute(*args, **options)
            self._take()
            return answer

        return call

    def _show(self) -> None:
        """Write the state to the database."""
        keys = self.keyspace()
        if keys == self._written:
            return
        with self._mirror.pipeline(transaction=False) as pipe:
            pipe.flushdb()
            for key, (kind, value) in keys.items():
                WRITERS[kind](pipe, key, value)
            pipe.execute()
        self._written = keys

    def _take(self) -> None:
        """Read the state from the database."""
        self._written = None
        try:
            self._others = read_back(volumes.keyspace(self._mirror), self._state)
        except Damaged:
            pytest.skip(DAMAGE)


WRITERS: dict[str, Any] = {
    "string": lambda pipe, key, value: pipe.set(key, value),
    "hash": lambda pipe, key, value: pipe.hset(key, mapping=value),
    "set": lambda pipe, key, value: pipe.sadd(key, *value),
    "list": lambda pipe, key, value: pipe.rpush(key, *value),
    "zset": lambda pipe, key, value: pipe.zadd(key, dict(value)),
}


class Volume(volumes.Volume):
    """A volume of the model."""

    def keyspace(self) -> dict[bytes, Any]:
        return dict(self.raw.keyspace())

    def state(self) -> dict[bytes, Any]:
        state = volume_at(self.driver.url(self.place.address))
        fields = (name for name in state.__slots__ if name not in UNKEPT)
        kept = {name.encode(): copy.deepcopy(getattr(state, name)) for name in fields}
        return {**kept, b"locks": state.locks.keys()}


def reason_to_skip(item: pytest.Item) -> str:
    """Why a test has nothing to say about the model, as far as that can be known before it runs."""
    clause = clause_of(item)
    if "network" in getattr(item, "fixturenames", ()):
        return NO_NETWORK
    return ELSEWHERE.get(clause.id, "") if clause else ""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cases",
        type=int,
        metavar="N",
        help="at most N cases of each clause, and few examples",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    cases = config.getoption("cases")
    if cases is not None:
        items[:] = spread(items, cases)
    for item in items:
        if reason := reason_to_skip(item):
            item.add_marker(pytest.mark.skip(reason=reason))


def spread(items: list[pytest.Item], cases: int) -> list[pytest.Item]:
    """At most so many tests of each clause, from its first on in equal steps."""
    found: dict[str, list[pytest.Item]] = {}
    for item in items:
        clause = clause_of(item)
        found.setdefault(clause.id if clause else item.nodeid, []).append(item)
    return [item for tests in found.values() for item in tests[:: -(-len(tests) // cases)]]


class Fixtures:
    """What the tests of the spec get instead of a database that an engine uses."""

    @pytest.fixture
    def raw(self, driver: Driver, place: Place) -> Iterator[Any]:
        """The keys of the model."""
        with place.connect() as connection, place.connect() as mirror:
            yield RawKeys(volume_at(driver.url(place.address)), connection, mirror)

    @pytest.fixture
    def volume(self, driver: Driver, place: Place, raw: Any) -> Iterator[Volume]:
        """A fresh volume of the model."""
        fresh = Volume(driver, place, raw)
        fresh.reset()
        yield fresh
        fresh.close()


class Figures:
    """What came of each clause: passed, failed, or why it was not asked."""

    def __init__(self) -> None:
        self._outcomes: dict[str, dict[str, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = vars(report).get("metaparity")
        if data is None or (report.passed and report.when != "call"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        outcomes = self._outcomes.setdefault(data["clause"]["id"], {})
        outcomes[report.outcome] = reason.removeprefix("Skipped: ")

    def lines(self) -> Iterator[str]:
        """How many clauses agree, and the others by their reason."""
        agreeing = {id for id, outcomes in self._outcomes.items() if "passed" in outcomes}
        agreeing -= {id for id, outcomes in self._outcomes.items() if "failed" in outcomes}
        yield f"{len(agreeing)} of {len(self._outcomes)} clauses agree with the model"
        rest: dict[str, list[str]] = {}
        for id, outcomes in self._outcomes.items():
            if id not in agreeing:
                why = "it disagrees" if "failed" in outcomes else UNDECLARED.sub("", outcomes["skipped"])
                rest.setdefault(why, []).append(id)
        for why, ids in sorted(rest.items(), key=lambda one: -len(one[1])):
            yield f"{len(ids):>4} not: {why}"
            yield from (f"         {id}" for id in sorted(ids))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("model")
        for line in self.lines():
            terminalreporter.write_line(line)


UNDECLARED = re.compile(r"^unsupported: the driver \S+ ")
"""How the plugin begins to say that a driver does not declare what a clause needs."""


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("cases") is not None:
        settings.register_profile("few", settings(), max_examples=FEW)
        settings.load_profile("few")
    config.pluginmanager.register(Fixtures(), "metaparity-model")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Figures(), "metaparity-model-figures")
