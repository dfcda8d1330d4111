"""The linearizability checker: histories with a known answer, and generated ones against brute force."""

from __future__ import annotations

import math
import random
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaparity.conformance.properties.checker import Answer, Key, Model, Result, check
from metaparity.conformance.properties.history import History, Operation, Recorder
from metaparity.conformance.properties.models import ATTRIBUTES, FLOCK, NAMES, RECORDS
from metaparity.conformance.properties.timeline import render_timeline

OK, NOT, UNKNOWN = Answer.LINEARIZABLE, Answer.NOT_LINEARIZABLE, Answer.UNKNOWN
NEVER = math.inf


def register_step(state: int, one: Operation) -> Sequence[int]:
    if one.call == "read":
        return (state,) if one.outcome == state else ()
    if one.call == "add":
        return (state + 1,) if not one.answered or one.outcome == state + 1 else ()
    return (one.arguments[1],)  # type: ignore[return-value]


def register_key(one: Operation) -> Sequence[Key]:
    return [(one.arguments[0],)]


REGISTER = Model("register", 0, register_step, register_key, {"read": False, "write": True, "add": True})
"""The register of the literature, one for each name."""


def op(process: str, call: str, *arguments: Any, gives: Any = None, at: tuple[int, float]) -> Operation:
    return Operation(process, call, arguments, gives, *at)


def write(process: str, value: int, at: tuple[int, float], key: str = "x") -> Operation:
    return op(process, "write", key, value, at=at)


def read(process: str, value: int, at: tuple[int, float], key: str = "x") -> Operation:
    return op(process, "read", key, gives=value, at=at)


def add(process: str, gives: int, at: tuple[int, float]) -> Operation:
    return op(process, "add", "x", gives=gives, at=at)


KNOWN: dict[str, tuple[Answer, list[Operation]]] = {
    "empty": (OK, []),
    "one-after-the-other": (OK, [write("a", 1, (0, 1)), read("b", 1, (2, 3))]),
    "read-overlaps-write-and-sees-it": (
        OK,
        [write("a", 1, (0, 9)), read("b", 1, (1, 2)), read("c", 1, (3, 4))],
    ),
    "read-overlaps-write-and-does-not": (OK, [write("a", 1, (0, 9)), read("b", 0, (1, 2))]),
    "stale-read": (NOT, [write("a", 1, (0, 1)), read("b", 0, (2, 3))]),
    "new-then-old": (NOT, [write("a", 1, (0, 9)), read("b", 1, (1, 2)), read("c", 0, (3, 4))]),
    "two-readers-disagree-on-an-order": (
        NOT,
        [
            *(write("a", 1, (0, 9)), write("b", 2, (0, 9))),
            *(read("c", 1, (1, 2)), read("c", 2, (3, 4))),
            *(read("d", 2, (1, 2)), read("d", 1, (3, 4))),
        ],
    ),
    "lost-update": (NOT, [add("a", 1, (0, 5)), add("b", 1, (0, 5)), read("a", 1, (6, 7))]),
    "no-lost-update": (OK, [add("a", 1, (0, 5)), add("b", 2, (0, 5)), read("a", 2, (6, 7))]),
    "real-time-order-violated": (NOT, [add("a", 2, (0, 1)), add("b", 1, (2, 3))]),
    "touching-intervals-are-concurrent": (OK, [add("a", 2, (0, 2)), add("b", 1, (2, 3))]),
    "value-from-nowhere": (NOT, [write("a", 1, (0, 1)), read("b", 2, (0, 9))]),
    "unanswered-has-happened": (OK, [write("a", 1, (0, NEVER)), read("b", 0, (1, 2)), read("b", 1, (3, 4))]),
    "unanswered-has-not": (OK, [write("a", 1, (0, NEVER)), read("b", 0, (1, 2)), read("b", 0, (3, 4))]),
    "unanswered-happens-once": (
        NOT,
        [
            *(write("a", 1, (0, NEVER)), read("b", 1, (1, 2)), write("b", 2, (3, 4))),
            *(read("b", 2, (5, 6)), read("b", 1, (7, 8))),
        ],
    ),
    "unanswered-is-not-undone": (
        NOT,
        [write("a", 1, (0, NEVER)), read("b", 1, (1, 2)), read("b", 0, (3, 4))],
    ),
    "unanswered-not-before-it-begins": (NOT, [read("b", 1, (0, 1)), write("a", 1, (2, NEVER))]),
    "other-registers-are-others": (
        OK,
        [write("a", 1, (0, 1), "x"), read("b", 0, (2, 3), "y"), read("b", 1, (4, 5), "x")],
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_histories(name: str) -> None:
    answer, operations = KNOWN[name]
    assert check(History(operations), REGISTER).answer is answer
    registers = {one.arguments[0] for one in operations}
    alone = [[one for one in operations if one.arguments[0] == name] for name in registers]
    assert all(brute(REGISTER, one) for one in alone) is (answer is OK)


def test_the_order_found_explains_the_answers() -> None:
    operations = KNOWN["read-overlaps-write-and-sees-it"][1]
    (order,) = check(History(operations), REGISTER).orders
    assert order == tuple(operations)


def test_the_longest_order_ends_before_what_none_explains() -> None:
    operations = KNOWN["new-then-old"][1]
    (order,) = check(History(operations), REGISTER).orders
    assert order == tuple(operations[:2])


def test_a_call_that_no_model_knows_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no model knows the call write"):
        check(History(KNOWN["stale-read"][1]), NAMES)


def test_a_doubted_call_may_not_have_happened() -> None:
    history = History([write("a", 1, (0, 1)), write("b", 2, (2, 3)), read("a", 1, (4, 5))])
    assert check(history, REGISTER).answer is NOT
    assert check(history, REGISTER, doubted=lambda one: one.process == "b").answer is OK
    assert check(history, REGISTER, doubted=lambda one: one.process == "c").answer is NOT


def test_time_limit_answers_unknown() -> None:
    for _, operations in KNOWN.values():
        if operations:
            assert check(History(operations), REGISTER, limit=0).answer is UNKNOWN


# -- against brute force ---------------------------------------------------------------------------


def brute(model: Model, operations: Sequence[Operation]) -> bool:
    """Whether any order of any choice of the unanswered calls explains the answers, by trying all."""

    def explained(state: Any, left: tuple[Operation, ...], latest_start: float) -> bool:
        if not any(one.answered for one in left):
            return True
        return any(
            explained(after, left[:at] + left[at + 1 :], max(latest_start, one.start))
            for at, one in enumerate(left)
            if one.end >= latest_start
            for after in model.step(state, one)
        )

    told = tuple(one for one in operations if one.answered or model.calls[one.call])
    return explained(model.initial, told, -math.inf)


def register_calls(draw: random.Random) -> tuple[str, tuple[Any, ...]]:
    call = draw.choice(["read", "write", "add"])
    return call, ("x", draw.randrange(3)) if call == "write" else ("x",)


def names_calls(draw: random.Random) -> tuple[str, tuple[Any, ...]]:
    def place() -> tuple[int, bytes]:
        return draw.choice([1, 2]), draw.choice([b"a", b"b"])

    call = draw.choice([*NAMES.calls])
    if call == "rename":
        return call, (*place(), *place(), draw.choice([None, "NOREPLACE", "EXCHANGE"]))
    if call == "link":
        return call, (draw.choice([10, 11, 12]), *place())
    return call, (draw.choice([1, 2]),) if call == "readdir" else place()


def attributes_calls(draw: random.Random) -> tuple[str, tuple[Any, ...]]:
    call = draw.choice([*ATTRIBUTES.calls])
    extra: tuple[Any, ...] = ()
    if call == "setattr":
        extra = (((draw.choice(["mode", "uid"]), draw.randrange(3)),),)
    return call, (1, *extra) if call != "link" else (1, b"n")


def flock_calls(draw: random.Random) -> tuple[str, tuple[Any, ...]]:
    if draw.random() < 0.3:
        return "flocks", (1,)
    return "flock", (1, ("c", draw.randrange(3)), draw.choice("RWU"))


def record_calls(draw: random.Random) -> tuple[str, tuple[Any, ...]]:
    start = draw.randrange(4)
    asked = (start, start + draw.randrange(4), draw.choice("RWU"), draw.randrange(2))
    return draw.choice(["setlk", "getlk"]), (1, (draw.choice("cd"), draw.randrange(2)), *asked)


SUBJECTS: dict[str, tuple[Model, Callable[[random.Random], tuple[str, tuple[Any, ...]]]]] = {
    "register": (REGISTER, register_calls),
    "names": (NAMES, names_calls),
    "attributes": (ATTRIBUTES, attributes_calls),
    "flock": (FLOCK, flock_calls),
    "records": (RECORDS, record_calls),
}


def candidates(model: Model, state: Any, call: str, arguments: tuple[Any, ...], fresh: int) -> list[Any]:
    """Outcomes that may be right somewhere: the model says which is right here."""
    if model is REGISTER:
        return [None, *range(12)]
    if model is NAMES:
        inodes = [found[0] for _, found in state]
        listed = tuple(sorted((place[1], found[0]) for place, found in state if place[0] == arguments[0]))
        refusals = ["EEXIST", "ENOENT", "EPERM", "ENOTDIR", "EISDIR"]
        if call == "readdir":
            return [listed]
        if call in ("mknod", "mkdir"):
            return [fresh, "EEXIST"]
        return [*refusals, *inodes, *range(1, 9), 0, None]
    if model is ATTRIBUTES:
        after = model.step(state, Operation("p", call, arguments, None, 0, math.inf))
        return [None] if call == "unlink" else [*after]
    if call == "flocks":
        return [tuple(sorted(state))]
    if call == "getlk":
        runs = [run for _, run in state]
        return [("U", 0, 0, 0), *((run.type, run.start, run.end, pid) for run in runs for pid in (0, 1))]
    return [None, "EAGAIN"]


def generate(
    subject: str, draw: random.Random, count: int, processes: int = 4, unanswered: float = 0.1
) -> list[Operation]:
    """A linearizable history: calls made one at a time by the model, each stretched around its moment."""
    model, calls = SUBJECTS[subject]
    stretch = 10 * processes
    state: Any = (0o644, 0, 0, 9) if model is ATTRIBUTES else model.initial
    begun = Operation("0", "getattr", (1,), state, -20, -15)
    made: list[Operation] = [begun] if model is ATTRIBUTES else []
    free, now = [-10] * processes, 0
    for _ in range(count):
        now = max(now + 10, min(free) + 1)
        process = draw.choice([number for number in range(processes) if free[number] < now])
        start = max(free[process] + 1, now - draw.randrange(stretch))
        end = now + draw.randrange(stretch)
        call, arguments = calls(draw)
        for outcome in candidates(model, state, call, arguments, 10 + len(made)):
            one = Operation(str(process), call, arguments, outcome, start, end)
            after = model.step(state, one)
            if after:
                break
        else:
            continue
        state = after[0]
        if draw.random() < unanswered and call not in ("mknod", "mkdir"):  # calls below know its inode
            one = replace(one, outcome=None, end=math.inf)
        free[process] = end
        made.append(one)
    return made


seeds = st.integers(0, 2**32).map(random.Random)


@pytest.mark.parametrize("subject", SUBJECTS)
@settings(max_examples=60, deadline=None)
@given(draw=seeds, count=st.integers(0, 60), processes=st.integers(1, 8))
def test_what_a_model_did_is_linearizable(
    subject: str, draw: random.Random, count: int, processes: int
) -> None:
    history = History(generate(subject, draw, count, processes))
    assert check(history, SUBJECTS[subject][0]).answer is OK


def disturbed(subject: str, operations: list[Operation], draw: random.Random) -> list[Operation]:
    """The same with the outcomes of two calls of one kind exchanged, or one interval moved."""
    made = list(operations)
    first = draw.randrange(len(made))
    others = [
        index
        for index, one in enumerate(made)
        if (one.call, one.answered, made[first].answered) == (made[first].call, True, True)
        and one.outcome != made[first].outcome
    ]
    if others:
        second = draw.choice(others)
        outcomes = made[first].outcome, made[second].outcome
        made[first] = replace(made[first], outcome=outcomes[1])
        made[second] = replace(made[second], outcome=outcomes[0])
    else:
        shift = draw.randrange(-40, 40)
        made[first] = replace(made[first], start=made[first].start + shift, end=made[first].end + shift)
    return made


@pytest.mark.parametrize("subject", SUBJECTS)
def test_small_histories_are_judged_as_by_brute_force(subject: str) -> None:
    """400 histories of each model, 2,000 in all; a good part of them is not linearizable."""
    model, _ = SUBJECTS[subject]
    draw, wrong = random.Random(f"small {subject}"), 0
    for _ in range(400):
        operations = disturbed(subject, generate(subject, draw, draw.randrange(3, 7), 3) or [READ], draw)
        sound = brute(model, operations)
        result = check(History(operations), model)
        assert result.answer is (OK if sound else NOT), History(operations).to_json()
        if not sound:
            wrong += 1
            assert_shortest(model, result)
    assert wrong > 20


READ = read("a", 0, (0, 1))


def assert_shortest(model: Model, result: Result) -> None:
    """The window is not linearizable by itself, whatever else has happened; without any call of it, it is."""
    window = result.window
    assert window is not None
    assert window.minimal
    assert window.fails()
    assert not any(window.fails(without=one) for one in window.operations)
    assert window.states == (model.initial,)
    assert not brute(model, window.operations)


# -- models ----------------------------------------------------------------------------------------

D, E = 1, 2
A, B = b"a", b"b"

ONE_BY_ONE: dict[str, tuple[Model, list[tuple[str, tuple[Any, ...], Any]]]] = {
    "files": (
        NAMES,
        [
            ("lookup", (D, A), "ENOENT"),
            ("mknod", (D, A), 7),
            ("mknod", (D, A), "EEXIST"),
            ("lookup", (D, A), 7),
            ("link", (7, E, B), 2),
            ("link", (7, E, B), "EEXIST"),
            ("link", (9, E, A), "ENOENT"),
            ("rename", (D, A, E, B, None), 0),
            ("readdir", (E,), ((B, 7),)),
            ("rename", (D, A, D, B, "NOREPLACE"), 7),
            ("rename", (D, A, D, B, None), "ENOENT"),
            ("mknod", (D, A), 8),
            ("rename", (D, A, D, B, "NOREPLACE"), "EEXIST"),
            ("rename", (D, A, D, A, None), 8),
            ("rename", (D, A, D, B, "EXCHANGE"), 8),
            ("readdir", (D,), ((A, 7), (B, 8))),
            ("rename", (D, A, E, A, "EXCHANGE"), "ENOENT"),
            ("rename", (D, B, D, A, None), 8),
            ("link", (7, D, B), 2),
            ("unlink", (D, B), None),
            ("unlink", (D, B), "ENOENT"),
            ("unlink", (E, B), None),
            ("link", (7, D, B), "ENOENT"),
            ("rmdir", (D, A), "ENOTDIR"),
            ("readdir", (D,), ((A, 8),)),
        ],
    ),
    "directories": (
        NAMES,
        [
            ("mkdir", (D, A), 7),
            ("mkdir", (D, A), "EEXIST"),
            ("unlink", (D, A), "EPERM"),
            ("link", (7, D, B), "EPERM"),
            ("mknod", (D, B), 8),
            ("rename", (D, A, D, B, None), "ENOTDIR"),
            ("rename", (D, B, D, A, None), "EISDIR"),
            ("rename", (D, B, D, A, "EXCHANGE"), 8),
            ("rmdir", (D, B), None),
            ("rmdir", (D, B), "ENOENT"),
            ("lookup", (D, A), 8),
        ],
    ),
    "attributes": (
        ATTRIBUTES,
        [
            ("getattr", (7,), (0o644, 0, 0, 1)),
            ("setattr", (7, (("mode", 0o600), ("gid", 5))), (0o600, 0, 5, 1)),
            ("link", (7, A), (0o600, 0, 5, 2)),
            ("getattr", (7,), (0o600, 0, 5, 2)),
            ("unlink", (7, A), None),
            ("getattr", (7,), (0o600, 0, 5, 1)),
        ],
    ),
    "flock": (
        FLOCK,
        [
            ("flock", (7, ("c", 1), "R"), None),
            ("flock", (7, ("c", 2), "R"), None),
            ("flock", (7, ("c", 1), "W"), "EAGAIN"),
            ("flocks", (7,), ((("c", 1), "R"), (("c", 2), "R"))),
            ("flock", (7, ("c", 2), "U"), None),
            ("flock", (7, ("c", 1), "W"), None),
            ("flock", (7, ("d", 1), "R"), "EAGAIN"),
            ("flock", (7, ("c", 1), "R"), None),
            ("flock", (7, ("d", 1), "R"), None),
            ("flock", (7, ("d", 2), "U"), None),
        ],
    ),
    "records": (
        RECORDS,
        [
            ("setlk", (7, ("c", 1), 0, 9, "W", 5), None),
            ("setlk", (7, ("c", 2), 9, 9, "R", 6), "EAGAIN"),
            ("setlk", (7, ("c", 2), 10, 20, "R", 6), None),
            ("getlk", (7, ("c", 2), 0, 3, "R", 6), ("W", 0, 9, 5)),
            ("getlk", (7, ("d", 2), 5, 9, "R", 6), ("W", 0, 9, 0)),
            ("getlk", (7, ("d", 2), 10, 20, "R", 6), ("U", 0, 0, 0)),
            ("setlk", (7, ("c", 1), 3, 5, "U", 0), None),
            ("setlk", (7, ("d", 1), 3, 5, "W", 7), None),
            ("getlk", (7, ("d", 1), 4, 8, "W", 7), ("W", 6, 9, 0)),
            ("setlk", (7, ("c", 1), 2, 3, "R", 5), "EAGAIN"),
            ("setlk", (7, ("d", 1), 0, 99, "U", 0), None),
            ("setlk", (7, ("c", 1), 3, 5, "W", 5), None),
            ("getlk", (7, ("d", 1), 3, 4, "R", 7), ("W", 0, 9, 0)),
        ],
    ),
}
"""Calls with the outcomes that the rules give them."""


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_a_model_knows_the_outcome_of_each_call(name: str) -> None:
    """The right one is accepted, and every other that is right elsewhere in the table is not."""
    model, calls = ONE_BY_ONE[name]
    state = model.initial
    for at, (call, arguments, outcome) in enumerate(calls):
        others = {gives for other, _, gives in calls if other == call} | {"EIO", "EEXIST", "ENOENT", "EAGAIN"}
        for wrong in others - {outcome}:
            free = call in ("mknod", "mkdir") and isinstance(wrong, int)  # any inode may be the new one
            piece = call == "getlk" and isinstance(wrong, tuple) and wrong[0] == outcome[0]
            if not (free or piece or (at == 0 and model is ATTRIBUTES)):
                assert not model.step(state, op("p", call, *arguments, gives=wrong, at=(at, at))), (
                    call,
                    wrong,
                )
        right = op("p", call, *arguments, gives=outcome, at=(at, at))
        (after,) = model.step(state, right)
        assert model.changes(right) or after == state or at == 0
        state = after


def test_a_lock_that_is_granted_twice() -> None:
    """Two who were both given the exclusive lock; unless the first had let go of it, as one who was not
    answered may have."""
    first = op("a", "flock", 7, ("c", 1), "W", at=(0, 1))
    second = op("b", "flock", 7, ("d", 1), "W", at=(2, 3))
    unlock = op("a", "flock", 7, ("c", 1), "U", at=(2, NEVER))
    result = check(History([first, second]), FLOCK)
    assert result.answer is NOT
    assert result.window is not None
    assert result.window.operations == (first, second)
    assert check(History([first, unlock, second]), FLOCK).answer is OK
    assert check(History([first, replace(second, end=NEVER)]), FLOCK).answer is OK


def test_a_file_whose_maker_was_not_answered_is_one_file() -> None:
    """Nobody was told its inode before a lookup tells it; from then on no other is believed."""
    made = op("a", "mknod", D, A, at=(0, NEVER))
    moved = op("b", "rename", D, A, E, B, None, gives=7, at=(1, 2))
    seen = op("b", "lookup", E, B, gives=7, at=(3, 4))
    linked = op("b", "link", 7, D, A, gives=2, at=(5, 6))
    listed = op("b", "readdir", D, gives=((A, 7),), at=(7, 8))
    for history in ([made, moved, seen], [made, moved, linked, listed], [made, listed]):
        assert check(History(history), NAMES).answer is OK
    for wrong in (replace(seen, outcome=8), replace(linked, outcome=1), replace(listed, outcome=((A, 8),))):
        assert check(History([made, moved, linked, wrong]), NAMES).answer is NOT


# -- windows ---------------------------------------------------------------------------------------


def test_the_window_of_a_stale_read_is_the_write_and_the_read() -> None:
    calls = [write(f"{n % 3}", n + 5, (10 * n, 10 * n + 12)) for n in range(20)]
    stale = [write("a", 1, (300, 301)), read("b", 5, (304, 305))]
    window = check(History([*calls, *stale]), REGISTER).window
    assert window is not None
    assert window.operations == tuple(stale)
    assert str(window).splitlines()[:2] == [
        "    0.000 to     0.000 ms  a: write(x, 1) = ok",
        "    0.000 to     0.000 ms  b: read(x) = 5",
    ]


def test_a_window_far_into_a_history_says_what_was_before_it() -> None:
    calls = [add("a", n + 1, (10 * n, 10 * n + 1)) for n in range(100)]
    window = check(History([*calls, read("b", 7, (2000, 2001))]), REGISTER).window
    assert window is not None
    assert window.fails()
    assert len(window.operations) < 40
    assert window.states == (80,)
    assert str(window).endswith("before it: 80")


@pytest.mark.parametrize("subject", SUBJECTS)
def test_windows_of_long_histories_hold(subject: str) -> None:
    """A wrong answer late in a long history: what the window says is not to be explained."""
    draw, found = random.Random(f"long {subject}"), 0
    model, _ = SUBJECTS[subject]
    for _ in range(12):
        operations = disturbed(subject, generate(subject, draw, 200, 6, unanswered=0.01), draw)
        result = check(History(operations), model)
        if result.answer is NOT:
            found += 1
            assert result.window is not None
            assert result.window.fails()
            if result.window.minimal:
                assert not any(result.window.fails(without=one) for one in result.window.operations)
    assert found >= 2


# -- timelines -------------------------------------------------------------------------------------

NASTY = "<script>alert(1)</script> & 'x' \"y\""


def drawn(history: History, model: Model) -> ET.Element:
    """The drawing of the timeline of a history, which is XML."""
    page = render_timeline(NASTY, history, check(history, model))
    (drawing,) = re.findall(r"<svg xmlns=.*</svg>(?=</section>)", page, re.DOTALL)
    assert "<script>alert" not in page
    Balanced().feed(page)
    return ET.fromstring(drawing)


class Balanced(HTMLParser):
    """Fails on an element that is not closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


SVG = "{http://www.w3.org/2000/svg}"


def test_a_timeline_shows_each_call_and_marks_the_window() -> None:
    calls = [
        op(NASTY, "mknod", D, b"<b>&", gives=7, at=(0, 10)),
        op("b", "unlink", D, b"<b>&", at=(20, 30)),
        op(NASTY, "mknod", D, A, at=(25, NEVER)),
        op("c", "lookup", D, b"<b>&", gives=7, at=(40, 50)),
    ]
    drawing = drawn(History(calls), NAMES)
    kinds = [bar.get("class") for bar in drawing.iter(f"{SVG}svg") if bar.get("class")]
    assert kinds == ["call", "call needed", "call unanswered", "call needed last"]
    titles = [title.text for title in drawing.iter(f"{SVG}title")]
    assert titles == [f"{one.process}: {one}" for one in calls]
    assert [lane.text for lane in drawing.iter(f"{SVG}text") if lane.get("class") == "lane"] == [
        NASTY,
        "b",
        "c",
    ]
    (window,) = (part for part in drawing.iter(f"{SVG}rect") if part.get("class") == "window")
    bars = {bar.get("class"): bar for bar in drawing.iter(f"{SVG}svg") if bar.get("class")}
    left, right = (float(bars[kind].get("x", 0)) for kind in ("call needed", "call needed last"))
    right += float(bars["call needed last"].get("width", 0))
    assert (float(window.get("x", 0)), float(window.get("width", 0))) == (left, right - left)


@pytest.mark.parametrize("name", KNOWN)
def test_every_history_has_a_timeline(name: str) -> None:
    answer, operations = KNOWN[name]
    drawing = drawn(History(operations), REGISTER)
    bars = [bar.get("class", "") for bar in drawing.iter(f"{SVG}svg")][1:]
    assert len(bars) == len(operations)
    assert sum("last" in kind for kind in bars) == (answer is NOT)


def test_a_timeline_of_a_long_history_shows_what_is_around_the_window() -> None:
    calls = [add("a", n + 1, (10 * n, 10 * n + 1)) for n in range(100)]
    drawing = drawn(History([*calls, read("b", 7, (2000, 2001))]), REGISTER)
    assert len(list(drawing.iter(f"{SVG}svg"))) < 60


# -- histories -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(draw=seeds, subject=st.sampled_from(sorted(SUBJECTS)))
def test_a_history_comes_back_from_json(draw: random.Random, subject: str) -> None:
    history = History(generate(subject, draw, 20))
    assert History.from_json(history.to_json()) == history


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '[{"process": "a"}]', "null"])
def test_other_texts_are_no_histories(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|this is no history"):
        History.from_json(text)


def test_a_call_ends_after_it_starts() -> None:
    with pytest.raises(ValueError, match="ends before it starts"):
        History([read("a", 1, (2, 1))])


def test_a_recorder_knows_answers_refusals_and_what_was_not_answered() -> None:
    recorder = Recorder(lambda error: "ENOENT" if isinstance(error, FileNotFoundError) else None)

    def fail(error: Exception) -> None:
        raise error

    recorder.take("a", "read", ("x",), lambda: 1)
    recorder.take("a", "read", ("x",), lambda: fail(FileNotFoundError()))
    recorder.take("a", "write", ("x", 1), lambda: fail(ConnectionError()))
    outcomes = [(one.outcome, one.answered, one.refused) for one in recorder.history]
    assert outcomes == [(1, True, False), ("ENOENT", True, True), (None, False, False)]


# -- speed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("wrong", [False, True], ids=["right", "wrong"])
def test_two_thousand_calls_of_eight_threads(subject: str, wrong: bool) -> None:
    """Checked in less than a minute on any machine, in a second or so on most."""
    draw = random.Random(f"speed {subject}")
    operations = generate(subject, draw, 2000, 8, unanswered=0.002)
    if wrong:
        last = next(one for one in reversed(operations) if one.answered and one.call in ("read", *READS))
        operations[operations.index(last)] = replace(last, outcome=WRONG.get(last.call, 999))
    begun = time.monotonic()
    result = check(History(operations), SUBJECTS[subject][0], shrinking=20)
    took = time.monotonic() - begun
    print(f"{subject}: {len(operations)} calls, {result.answer.value} after {result.seconds:.2f} s")
    assert result.answer is (NOT if wrong else OK)
    assert took < 60


READS = ("lookup", "getattr", "flocks", "getlk")
WRONG: dict[str, Any] = {"getattr": (9, 9, 9, 9), "flocks": ((("d", 9), "W"),), "getlk": ("W", 99, 99, 99)}
