"""Many commands whose replies are not waited for one batch at a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from metaparity.drivers.engine.store import Command, Disconnected, Packed, ServerError, Store
from metaparity.drivers.redis.store import RedisStore, gathered
from metaparity.drivers.rueidis.store import BULK, RueidisStore
from metaparity.drivers.url import parse
from metaparity.fixtures.delay import Delay

if TYPE_CHECKING:
    from metaparity.conformance.selftest.stores.conftest import LocalServer, Open, Scripted


def packed(store: Store, batches: Sequence[Sequence[Command]]) -> Iterator[Packed]:
    return map(store.packed, batches)


def test_poured_commands_run_in_their_order(store: Store) -> None:
    """However many batches there are, of whatever size, every command runs once and in its place."""
    numbers = iter(range(3000))
    sizes = [1, 0, 700, 2, 250, 250, 1797]
    batches: list[list[Command]] = [[("RPUSH", "l", next(numbers)) for _ in range(size)] for size in sizes]
    store.pour(packed(store, batches))
    store.pour(iter(()))
    assert store.read(("LRANGE", "l", 0, -1)) == [[b"%d" % number for number in range(3000)]]


def test_small_batches_travel_together() -> None:
    """As many as make a send, in their order; one that is large enough waits for none behind it."""
    sizes = [2, 2, 2, 9, 1, 5, 2]
    batches = [Packed(bytes([65 + at]) * size, at) for at, size in enumerate(sizes)]
    assert [*gathered(batches, 5)] == [(b"AABBCC", 3), (b"D" * 9, 3), (b"EFFFFF", 9), (b"GG", 6)]
    assert [*gathered([], 5)] == []


def test_more_is_poured_than_fits_into_buffers(store: Store) -> None:
    """Neither side waits for the other for ever, though replies and commands are long."""
    value = b"v" * (1 << 16)
    store.pour(packed(store, [[("SET", "k", value), *[("GET", "k")] * 100]] * 30))
    assert store.read(("STRLEN", "k")) == [len(value)]


@pytest.mark.parametrize("ahead", [0, 1, 5, 100])
def test_answers_come_in_the_order_of_questions(store: Store, ahead: int) -> None:
    """So many questions are asked before the first answer is used, and none more."""
    store.pipeline(*[("SET", f"k{number}", number) for number in range(60)])
    asked: list[int] = []

    def questions() -> Iterator[list[Command]]:
        for first in range(0, 60, 3):
            asked.append(first)
            yield [("GET", f"k{first + more}") for more in range(3)]
        yield []

    answers = []
    for answer in store.stream(questions(), ahead):
        answers.append(answer)
        assert len(asked) <= len(answers) + ahead
    assert answers.pop() == []
    assert answers == [[b"%d" % (first + more) for more in range(3)] for first in range(0, 60, 3)]


def test_a_stream_after_an_attempt_that_wrote_nothing(store: Store) -> None:
    """The reply to what ended the attempt is not taken for one of the stream."""
    store.pipeline(("SET", "a", "1"))
    assert store.attempt([b"a"], lambda tx: tx.read(("GET", "a"))) == [b"1"]
    assert [*store.stream([[("GET", "a")]], 1)] == [[b"1"]]


@pytest.mark.parametrize("error_in", [0, 7, 39])
def test_an_error_ends_what_is_poured(store: Store, error_in: int) -> None:
    """The first error is raised; what was sent ahead may have run, and the next call has its own replies."""
    batches: list[list[Command]] = [[("RPUSH", "l", number)] for number in range(40)]
    batches[error_in] = [("RPUSH", "l", error_in), ("INCR", "l"), ("NONE",)]
    with pytest.raises(ServerError, match="WRONGTYPE"):
        store.pour(packed(store, batches))
    [[*ran]] = store.read(("LRANGE", "l", 0, -1))
    assert ran == [b"%d" % number for number in range(len(ran))]
    assert len(ran) > error_in


def test_an_answer_that_is_an_error(store: Store) -> None:
    with pytest.raises(ServerError, match="WRONGTYPE"):
        [*store.stream([[("SET", "s", 1)], [("LLEN", "s")], [("GET", "s")]], 2)]
    assert store.read(("GET", "s")) == [b"1"]


def test_a_stream_that_nobody_wants_any_more(store: Store) -> None:
    """Its replies are nobody else's."""
    store.pipeline(("SET", "a", "1"), ("SET", "b", "2"))
    answers = store.stream([[("GET", "a")]] * 10, 5)
    assert next(answers) == [b"1"]
    del answers
    assert store.read(("GET", "b")) == [b"2"]


def test_a_server_that_dies_while_it_is_poured(own_server: LocalServer, open_store: Open) -> None:
    """What was poured is not sent again, and the next call finds the server that came back."""
    store = open_store(f"127.0.0.1:{own_server.port}")

    def batches() -> Iterator[Packed]:
        for number in range(1000):
            if number == 500:
                own_server.kill()
            yield store.packed([("INCR", "n")] * 10)

    with pytest.raises(Disconnected, match="lost the connection"):
        store.pour(batches())
    own_server.start()
    assert store.read(("GET", "n")) == [None]


def test_questions_are_answered_in_whatever_order_they_are_waited_for(store: Store) -> None:
    """Also one of more commands than are sent beside those of others, and one of none."""
    store.pipeline(*[("SET", f"k{number}", number) for number in range(2 * BULK)])
    sizes = [1, 0, 2 * BULK, 3]
    waiting = [store.ask(*[("GET", f"k{number}") for number in range(size)]) for size in sizes]
    for size, replies in reversed([*zip(sizes, waiting, strict=True)]):
        assert replies() == [b"%d" % number for number in range(size)]


def test_a_question_whose_answer_is_an_error(store: Store) -> None:
    """It is told to who waits for the answer; those behind it have theirs."""
    store.pipeline(("SET", "s", "1"))
    wrong, right = store.ask(("LLEN", "s")), store.ask(("GET", "s"))
    with pytest.raises(ServerError, match="WRONGTYPE"):
        wrong()
    assert right() == [b"1"]


def test_a_question_whose_connection_ends_is_asked_once_more(server: LocalServer, store: Store) -> None:
    store.ask(("PING",))()
    waits = store.ask(("BLPOP", "q", 5))
    server.raw.client_kill_filter(_type="normal", skipme=True)
    server.raw.rpush("q", "x", "y")
    assert waits() == [[b"q", b"x"]]
    for _ in range(20):
        server.raw.client_kill_filter(_type="normal", skipme=True)
        assert store.ask(("PING",))() == [b"PONG"]


def test_a_question_is_asked_twice_at_most(scripted: Scripted, open_store: Open) -> None:
    server = scripted(answer=None)
    waits = open_store(f"127.0.0.1:{server.port}").ask(("GET", "a"))
    with pytest.raises(Disconnected):
        waits()
    assert server.names.count(b"GET") == 2


def test_questions_are_under_way_before_their_answers_are_waited_for(server: LocalServer) -> None:
    """Across a slow wire, forty take less than forty round trips; with pooled connections, each waits."""
    with contextlib.ExitStack() as ends:
        wire = ends.enter_context(contextlib.closing(Delay("127.0.0.1", server.port, 0.05)))
        address = parse(f"127.0.0.1:{wire.port}", {})
        store = ends.enter_context(contextlib.closing(RueidisStore(address)))
        store.read(("PING",))
        began = time.monotonic()
        waiting = [store.ask(("ECHO", number)) for number in range(40)]
        assert [replies() for replies in waiting] == [[b"%d" % number] for number in range(40)]
        assert time.monotonic() - began < 1.0
        assert (RueidisStore.asks_ahead, RedisStore.asks_ahead) == (True, False)


@pytest.mark.parametrize("kind", [RedisStore, RueidisStore])
def test_batches_share_round_trips(server: LocalServer, kind: type[RedisStore]) -> None:
    """Across a slow wire, forty batches take less than forty round trips, both ways."""
    with contextlib.ExitStack() as ends:
        wire = ends.enter_context(contextlib.closing(Delay("127.0.0.1", server.port, 0.05)))
        store = ends.enter_context(contextlib.closing(kind(parse(f"127.0.0.1:{wire.port}", {}))))
        store.read(("PING",))
        began = time.monotonic()
        store.pour(packed(store, [[("INCR", "n")]] * 40))
        assert [*store.stream([[("GET", "n")]] * 40, 20)] == [[b"40"]] * 40
        assert time.monotonic() - began < 1.0  # one batch after the other would take 4 seconds
    assert server.raw.get("n") == b"40"
