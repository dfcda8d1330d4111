"""What is kept of a test's calls, how it reads, and what of it is compared."""

from __future__ import annotations

import errno
import threading
import time
from typing import Any

import pytest

from metaparity.conformance.harness import keyspaces
from metaparity.conformance.harness.keyspaces import KEYS
from metaparity.conformance.harness.parity import Observations, first_difference, observed
from metaparity.conformance.harness.rendering import SHOWN, Normal
from metaparity.drivers.api import PRIMITIVES, Engine
from metaparity.drivers.errors import NodeExists, Refused, Unsupported, error
from metaparity.drivers.types import (
    ROOT,
    TRASH_INODE,
    Attr,
    Context,
    Entry,
    Node,
    RenameFlag,
    Session,
    SessionInfo,
    SetAttr,
)
from metaparity.fixtures.recording import HEAD, TAIL, Call, Log


class Scripted(Engine):
    """Answers every `getattr` and `lookup` with what it was given."""

    capabilities = frozenset({"namespace"})

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def answer(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def getattr(self, inode: int, *, ctx: Context = ROOT) -> Attr:
        attr: Attr = self.answer()
        return attr

    def readdir(self, inode: int, plus: bool = False, *, ctx: Context = ROOT) -> list[Entry]:
        entries: list[Entry] = self.answer()
        return entries


def logged(*answers: Any) -> Log:
    """The log of one `getattr` for each answer."""
    log = Log()
    fs = log.record("a", Scripted(*answers))
    for _ in answers:
        try:
            fs.getattr(1)
        except Exception:
            continue
    return log


def outcomes(*answers: Any) -> list[str]:
    seen = observed(logged(*answers), [])
    assert seen is not None
    return [outcome for _, outcome in seen.seen]


def test_a_recorder_is_the_engine_it_records() -> None:
    log = Log()
    fs = log.record("a", Scripted(Attr(nlink=3), error(errno.ENOENT)))
    assert isinstance(fs, Engine)
    assert fs.capabilities == {"namespace"}
    assert fs.getattr(1).nlink == 3
    with pytest.raises(FileNotFoundError):
        fs.getattr(2, ctx=Context(5))
    first, second = log.kept()
    assert first.error is None
    assert first.start <= first.end <= second.start
    assert isinstance(second.error, FileNotFoundError)
    assert second.arguments() == {"inode": 2, "ctx": Context(5)}


def test_every_primitive_is_recorded() -> None:
    log = Log()
    fs = log.record("a", Engine())
    for name in PRIMITIVES:
        with pytest.raises((TypeError, Unsupported)):
            getattr(fs, name)()
    assert [call.method for call in log.kept()] == list(PRIMITIVES)


def test_a_long_log_keeps_its_two_ends() -> None:
    log = Log()
    count = HEAD + TAIL + 50
    fs = log.record("a", Scripted(*[Attr()] * count))
    for inode in range(count):
        fs.getattr(inode)
    kept = [call.args[0] for call in log.kept()]
    assert kept == [*range(HEAD), *range(HEAD + 50, count)]
    assert log.count == count


def call(method: str, *args: Any, **kwargs: Any) -> Call:
    return Call("a", method, args, kwargs, None, None, 0, 0, 0, None)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (
            call("rename", 1, b"a", 2, dst_name=b"\xff", flags=RenameFlag.NOREPLACE),
            "rename(src_parent=1, src_name=b'a', dst_parent=2, dst_name=b'\\xff', "
            "flags=RenameFlag.NOREPLACE)",
        ),
        (
            call("setattr", 2, SetAttr.MODE | SetAttr.UID, Attr(mode=8, uid=5), ctx=Context(7, (8,))),
            "setattr(inode=2, set=SetAttr.MODE | SetAttr.UID, attr=Attr(mode=8, uid=5), "
            "ctx=Context(uid=7, gids=(8,)))",
        ),
        (call("getattr", 1, ctx=ROOT), "getattr(inode=1)"),
    ],
)
def test_a_call_reads_as_python(made: Call, text: str) -> None:
    assert SHOWN.call(made) == text
    names = {one.__name__: one for one in (RenameFlag, SetAttr, Attr, Context)}
    again = eval(f"dict{text.removeprefix(made.method)}", names)
    assert again == {name: value for name, value in made.arguments().items() if value != ROOT}


def test_times_of_the_test_are_not_compared_but_explicit_ones_are() -> None:
    now = int(time.time())
    assert outcomes(Attr(mtime=(now, 5), atime=(1000, 7))) == ["Attr(atime=(1000, 7), mtime=now)"]


def test_what_the_host_says_of_itself_is_not_compared() -> None:
    info = SessionInfo("1", "host", ["10.0.0.1"], "/mnt", "today", 77)
    assert outcomes(Session(3, 99, info)) == ["Session(sid=3, info=SessionInfo(mount_point='/mnt'))"]


@pytest.mark.parametrize(
    ("refusal", "text"),
    [
        (error(errno.EPERM), "EPERM"),
        (NodeExists(Node(5)), "EEXIST Node(inode=5)"),
        (Refused("these words"), "refused"),
        (Unsupported("other words"), "unsupported"),
        (KeyError("a defect"), "KeyError"),
    ],
)
def test_refusals_are_compared_by_errno_not_by_words(refusal: Exception, text: str) -> None:
    assert outcomes(refusal) == [text]


def test_the_order_of_a_listing_is_not_compared() -> None:
    one, two = Entry(b"x", 2, 1), Entry(b"y", 3, 1)
    assert Normal(0, 0).value([one, two]) == Normal(0, 0).value([two, one])
    assert Normal(0, 0).value([one]) != Normal(0, 0).value([two])


def test_which_entries_a_part_of_a_listing_has_is_not_compared() -> None:
    def outcome(offset: int, *names: bytes) -> str:
        page = [Entry(name, 2, 1) for name in names]
        return Normal(0, 0).outcome(Call("a", "dir_list", (1, offset), {}, page, None, 0, 0, 0, None))

    assert outcome(0, b"x", b"y") == outcome(0, b"y", b"x") != outcome(0, b"x", b"z")
    assert outcome(2, b"x") == outcome(2, b"y") != outcome(2, b"x", b"y")
    assert outcome(0, *[b"x"] * 4098) == outcome(0, *[b"y"] * 4098)


def test_a_recorded_time_reads_alike_a_minute_later() -> None:
    recorded = (1_800_000_000, 5)

    def text(after: int) -> str:
        start = (recorded[0] + after) * 10**9
        return Normal(start, start).value(recorded)

    hours, days = 3 * 3600, 4 * 24 * 3600
    assert text(hours) == "now-180min" != text(hours + 60)
    assert text(days) == text(days + 60) == "now-4d" != text(days + 24 * 3600)
    assert text(401 * 24 * 3600) == repr(recorded)


TURN = 1_800_000_000
"""A full hour, in seconds: that of 2027-01-15 08:00."""


@pytest.mark.parametrize(
    ("moment", "hour", "text"),
    [
        (TURN - 60, "2027-01-15-07", "this hour"),
        (TURN + 60, "2027-01-15-08", "this hour"),
        (TURN + 60, "2027-01-15-07", "this hour-1"),
        (TURN + 60, "2027-01-15-09", "this hour+1"),
        (TURN - 60, "2027-01-13-07", "this hour-48"),
        (TURN + 60, "2027-01-13-08", "this hour-48"),
        (TURN, "2027-01-13-08", "this hour-48"),
        (TURN + 60, "2020-09-13-12", "2020-09-13-12"),
        (TURN + 60, "2027-13-15-08", "2027-13-15-08"),
        (TURN + 60, "12027-01-15-08", "12027-01-15-08"),
    ],
)
def test_an_hour_of_the_trash_is_compared_by_its_distance(moment: int, hour: str, text: str) -> None:
    normal = Normal(moment * 10**9, moment * 10**9)
    path = f"/.trash/{hour}/1-2-x"
    entries = [Entry(hour.encode(), 2, 1)]
    call = Call("a", "resolve", (1, path.encode()), {}, entries, None, 0, 0, 0, None)
    assert f"b'/.trash/{text}/1-2-x'" in normal.call(call)
    assert f"name=b'{text}'" in normal.outcome(call)
    hours = {KEYS.dentries(TRASH_INODE): ("hash", {hour.encode(): b"x"})}
    assert list(keyspaces.rows(hours, normal)) == [f"d{TRASH_INODE}[{text}]"]


def test_runs_on_both_sides_of_the_turn_of_an_hour_are_alike() -> None:
    """As their logs are, where a driver files what it removes in the hour of its own run."""

    def run(moment: int, hour: bytes) -> Observations:
        log = logged()
        entries = [Entry(hour, 2, 1)]
        start = moment * 10**9
        log.append(Call("a", "readdir", (TRASH_INODE,), {}, entries, None, start, start, 1, None))
        seen = observed(log, [{KEYS.dentries(TRASH_INODE): ("hash", {hour: b"x"})}])
        assert seen is not None
        return seen

    before = run(TURN - 5, b"2027-01-15-07")
    assert first_difference(before, run(TURN + 5, b"2027-01-15-08")) is None
    assert first_difference(before, run(TURN + 5, b"2027-01-15-07")) is not None


def test_where_a_file_of_the_machine_lies_is_not_compared_but_where_a_node_is() -> None:
    def made(method: str, *arguments: Any) -> str:
        return Normal(0, 0).call(Call("a", method, arguments, {}, None, None, 0, 0, 0, None))

    assert made("dump", "/run/1/x.json") == made("dump", "/run/2/x.json") != made("dump", "/run/1/y.json")
    assert made("resolve", 1, b"/d/x") != made("resolve", 1, b"/e/x")


def difference(left: list[Any], right: list[Any]) -> tuple[str, str, str] | None:
    one, other = observed(logged(*left), []), observed(logged(*right), [])
    assert one is not None
    assert other is not None
    return first_difference(one, other)


def test_the_first_difference_is_found() -> None:
    same = Attr(nlink=1)
    assert difference([same, same], [same, same]) is None
    assert difference([same, Attr(nlink=2)], [same, Attr(nlink=3)]) == (
        "a.getattr(inode=1)",
        "Attr(nlink=2)",
        "Attr(nlink=3)",
    )


def test_a_difference_far_from_the_start_is_found() -> None:
    same = [Attr()] * (HEAD + 5)
    found = difference([*same, Attr(nlink=2)], [*same, Attr(nlink=3)])
    assert found is not None
    assert "after the first 100" in found[0]


def test_calls_of_several_threads_are_not_compared() -> None:
    log = Log()
    fs = log.record("a", Scripted(Attr(), Attr()))
    fs.getattr(1)
    thread = threading.Thread(target=fs.getattr, args=(1,))
    thread.start()
    thread.join()
    assert observed(log, []) is None
