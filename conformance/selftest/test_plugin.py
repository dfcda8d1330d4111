"""The plugin, on toy drivers: verdicts, parity, the ledger, what a failure prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from metaparity.conformance.plugin import crew

from .conftest import Run

HEAD = """
from errno import EEXIST
import pytest
from hypothesis import given, strategies as st
from metaparity.conformance.clause import clause
from metaparity.conformance.verbs import refuses
"""

AGREEING = """
@clause("toy/a-new-directory-is-made", source="N12.8", needs="namespace")
@pytest.mark.parametrize("name", [b"a", b"b"])
def test_make(fs, name):
    \"\"\"A directory that did not exist is made.\"\"\"
    assert fs.mkdir(1, name).inode == 2
"""

REFUSING = """
@clause("toy/an-existing-directory-is-refused", source="N12.2", needs="namespace")
def test_refuse(fs):
    \"\"\"A directory that exists is refused.\"\"\"
    fs.mkdir(1, b"a")
    refuses(EEXIST, fs.mkdir, 1, b"a")
"""

SILENT = """
@clause("toy/twice", source="N12.2", needs="namespace")
def test_silent(volume):
    \"\"\"A directory is made twice.\"\"\"
    for _ in range(2):
        try:
            volume.fs.mkdir(1, b"a", mode=0o700)
        except FileExistsError:
            pass
"""

GENERATED = """
@clause("toy/generated", source="N12.2", needs="namespace")
@given(st.integers(0, 0o777))
def test_generated(fs, mode):
    \"\"\"A directory of any mode is made.\"\"\"
    try:
        fs.mkdir(1, b"a", mode)
    except FileExistsError:
        pass
"""

LEAVING = """
@clause("toy/removes", source="N13.2", needs="namespace")
def test_remove(volume):
    \"\"\"A removed entry is gone.\"\"\"
    volume.fs.mkdir(1, b"a")
    volume.fs.unlink(1, b"a")
"""

MEETING = """
@clause("toy/two-meet", source="N12.8", needs="namespace"{clients})
def test_two(volume):
    \"\"\"What one makes another sees.\"\"\"
    one, other = volume.fs, volume.open()
    one.mkdir(1, b"a")
    refuses(EEXIST, other.mkdir, 1, b"a")
"""

COUNTING = """
@clause("toy/counts-its-work", source="N12.8", needs="namespace")
@pytest.mark.parametrize("took", [1.5, 2.5])
def test_count(fs, took, record_property):
    \"\"\"A directory is made, and counted.\"\"\"
    fs.mkdir(1, b"a")
    record_property("directories", 20)
    record_property("ms", took)
    record_property("word", "said")
"""

KEPT = """
import gc
import weakref

BEFORE = []

@clause("toy/is-forgotten", source="N12.8", needs="namespace")
@pytest.mark.parametrize("name", [b"a", b"b"])
def test_forgotten(volume, name):
    \"\"\"A directory is made.\"\"\"
    volume.fs.mkdir(1, name)
    gc.collect()
    assert all(one() is None for one in BEFORE)
    BEFORE.append(weakref.ref(volume))
"""

COMPARING = """
from metaparity.drivers.types import Quota

@clause("toy/compares", source="N12.2", needs="namespace")
def test_quota(fs):
    \"\"\"What is used is as it was.\"\"\"
    used = Quota(max_inodes=100, used_space=20480, used_inodes=fs.mkdir(1, b"a").inode)
    assert used == Quota(max_inodes=100, used_space=20480, used_inodes=1)
"""

OTHERS = """
@clause("toy/lists", source="N29", needs="acl")
def test_acl(fs):
    \"\"\"ACLs are kept.\"\"\"
    raise AssertionError

@clause("toy/put-off", source="N1", needs="volume")
def test_skipped(fs):
    \"\"\"Something is put off.\"\"\"
    pytest.skip("not today")

@clause("toy/broken", source="N1", needs="volume")
def test_broken(volume, request):
    \"\"\"Something breaks.\"\"\"
    request.addfinalizer(lambda: 1 / 0)
"""


BREAKING = """
@clause("toy/leaves-a-name-without-node", source="N12.8", needs="namespace"{breaks})
def test_breaking(volume):
    \"\"\"A directory is made.\"\"\"
    volume.fs.mkdir(1, b"a"){more}
"""

LAW = "tree/entries-lead-to-nodes"


@pytest.mark.parametrize(
    ("cores", "drivers", "server", "workers"),
    [
        (1, ["redis", "rueidis?cache-ttl=0"], "auto", 2),
        (2, ["redis"], "container:redis:7", 4),
        (6, ["redis"], "auto", 8),
        (12, ["redis"], "auto", 12),
        (2, ["redis", "juicefs"], "auto", 2),
        (2, ["redis+juicefs"], "auto", 2),
        (2, ["cmd:./redis"], "auto", 2),
        (2, ["redis"], "redis://127.0.0.1:6379/14", 2),
    ],
)
def test_a_few_cores_have_two_workers_each(cores: int, drivers: list[str], server: str, workers: int) -> None:
    assert crew(cores, drivers, server) == workers


def test_the_environment_may_say_how_many_workers(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def auto() -> int:
        return int(pytestconfig.hook.pytest_xdist_auto_num_workers(config=pytestconfig))

    monkeypatch.setattr(pytestconfig.option, "server", "auto")
    monkeypatch.setattr(pytestconfig.option, "driver", None)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert auto() == 6
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "3")
    assert auto() == 3


def test_no_volume_is_kept_behind_its_test(toys: Run) -> None:
    """Thousands of tests run in one process."""
    ran = toys(HEAD + KEPT)
    assert ran.code == 0, ran.out
    assert set(ran.verdicts().values()) == {"passed"}


def test_drivers_that_agree_have_parity(toys: Run) -> None:
    ran = toys(HEAD + AGREEING)
    assert ran.code == 0, ran.out
    assert set(ran.verdicts().values()) == {"passed"}
    footer = ran.results["footer"]
    assert footer["complete"]
    assert footer["verdict"] == "parity"
    assert footer["summary"]["wobbly"]["passed"] == sum(footer["summary"]["wobbly"].values()) == 1
    assert [record["tests"] for record in ran.results["records"]] == [2, 2]
    assert {path.name for path in (ran.folder / "report").iterdir()} >= {
        "results.json",
        "log.html",
        "junit.xml",
    }


def test_a_failure_says_everything(toys: Run) -> None:
    ran = toys(HEAD + REFUSING)
    assert ran.code == 1
    clause = "toy/an-existing-directory-is-refused"
    assert ran.verdicts() == {(clause, "steady"): "passed", (clause, "wobbly"): "failed"}
    for text in (
        "A directory that exists is refused.",
        f"clause    {clause} (N12.2), driver wobbly",
        "call      mkdir(parent=1, name=b'a')",
        "expected  EEXIST",
        "observed  success: Node(inode=7, attr=None)",
        "d1[a]: - -> type 2, inode 2",
        f"metaparity run --only {clause} --driver wobbly --server redis://",
        "pytest 'test_toy.py::test_refuse[wobbly]' --driver wobbly --server redis://",
    ):
        assert text in ran.out, text
    (failure,) = next(r for r in ran.results["records"] if r["driver"] == "wobbly")["failures"]
    assert failure["expected"] == "EEXIST"
    assert failure["keys"] == [{"key": "d1[a]", "before": None, "after": "type 2, inode 2"}]


@pytest.mark.parametrize("ci", [False, True])
def test_objects_that_differ_are_told_whole(toys: Run, monkeypatch: pytest.MonkeyPatch, ci: bool) -> None:
    """They are not cut short, and what is not as usual is all that is told of them."""
    if ci:
        monkeypatch.setenv("CI", "true")
    else:
        monkeypatch.delenv("CI", raising=False)
    ran = toys(HEAD + COMPARING, drivers=("steady",))
    (failure,) = ran.results["records"][0]["failures"]
    assert failure["observed"] == (
        "assert Quota(max_inodes=100, used_space=20480, used_inodes=2) == "
        "Quota(max_inodes=100, used_space=20480, used_inodes=1)\n  used_inodes: 2 != 1"
    )


def test_verdicts_that_are_not_passed(toys: Run) -> None:
    ran = toys(HEAD + OTHERS)
    steady = {clause: verdict for (clause, driver), verdict in ran.verdicts().items() if driver == "steady"}
    assert steady == {"toy/lists": "unsupported", "toy/put-off": "skipped", "toy/broken": "failed"}
    reasons = {record["clause"]: record["reason"] for record in ran.results["records"]}
    assert reasons["toy/put-off"] == "not today"
    assert "does not declare acl" in reasons["toy/lists"]
    broken = next(record for record in ran.results["records"] if record["clause"] == "toy/broken")
    assert broken["failures"][0]["phase"] == "teardown"


@pytest.mark.parametrize("text", [SILENT, GENERATED], ids=["plain", "generated"])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_difference_that_no_clause_names_shows(toys: Run, text: str, workers: str) -> None:
    ran = toys(HEAD + text, "-n", workers)
    assert ran.code == 1
    assert set(ran.verdicts().values()) == {"passed"}
    (difference,) = ran.results["differences"]
    assert (difference["left"], difference["right"]) == ("steady", "wobbly")
    assert (difference["left_observed"], difference["right_observed"]) == ("EEXIST", "Node(inode=7)")
    assert ".mkdir(parent=1, name=b'a', mode=" in difference["call"]
    assert ran.results["footer"]["verdict"] == "differences"


def test_generated_examples_are_the_same_on_every_driver(toys: Run) -> None:
    text = """
@clause("toy/drawn", source="N1", needs="namespace")
@pytest.mark.parametrize("letter", ["a", "b"])
@given(number=st.integers())
def test_drawn(driver, letter, number):
    \"\"\"Numbers are drawn.\"\"\"
    with open(f"{driver.name}.{letter}", "a") as file:
        print(number, file=file)
"""
    folder = toys(HEAD + text).folder
    drawn = {name: (folder / name).read_text() for name in ("steady.a", "wobbly.a", "steady.b", "wobbly.b")}
    assert drawn["steady.a"] == drawn["wobbly.a"] != drawn["steady.b"] == drawn["wobbly.b"]


def test_workers_and_one_process_give_the_same_verdicts(toys: Run) -> None:
    text = HEAD + AGREEING + REFUSING + SILENT + GENERATED + OTHERS
    alone, together = toys(text, "-n", "0").results, toys(text, "-n", "2").results

    def essence(results: dict[str, list[dict[str, str]]]) -> list[tuple[str, ...]]:
        return [(one["clause"], one["driver"], one["verdict"]) for one in results["records"]]

    assert essence(alone) == essence(together)
    assert len(alone["differences"]) == len(together["differences"]) == 2


def test_a_worker_that_has_done_its_share_takes_of_another_s(toys: Run) -> None:
    """What is queued behind a long test is run by who is free."""
    text = """
import time
from pathlib import Path

@clause("toy/counts", source="N1", needs="namespace")
@pytest.mark.parametrize("number", range(100))
def test_counts(driver, number):
    \"\"\"Each test leaves a file.\"\"\"
    Path(f"done.{driver.name}.{number}").touch()
    until = time.monotonic() + 10
    while (driver.name, number) == ("steady", 0) and len([*Path().glob("done.*")]) < 190:
        time.sleep(0.01)
        assert time.monotonic() < until
"""
    assert toys(HEAD + text, "-n", "2").code == 0


def pin(folder: Path, table: str = "deviation", **changes: str) -> str:
    """A ledger with one entry for the toy's fault."""
    entry = {
        "clause": '"toy/an-existing-directory-is-refused"',
        "driver": '"wobbly"',
        "what": '"success: Node(inode=7, attr=None)"',
        "fault": '"driver"',
        "why": '"It was never finished."',
        "link": '"https://example.org/1"',
        "expires": "2999-01-01",
        **changes,
    }
    ledger = folder / "ledger.toml"
    lines = [f"{name} = {value}" for name, value in entry.items()]
    ledger.write_text("\n".join([f"[[{table}]]", *lines]))
    return str(ledger)


def test_a_pinned_deviation_is_no_failure(toys: Run, tmp_path: Path) -> None:
    ran = toys(HEAD + REFUSING, "--deviations", pin(tmp_path))
    assert ran.code == 0, ran.out
    assert ran.verdicts()["toy/an-existing-directory-is-refused", "wobbly"] == "deviated"
    assert ran.results["footer"]["verdict"] == "parity"


def test_a_difference_between_drivers_can_be_pinned(toys: Run, tmp_path: Path) -> None:
    ran = toys(HEAD + SILENT, "--deviations", pin(tmp_path, clause='"toy/twice"', what='"Node(inode=7)"'))
    assert ran.code == 0, ran.out
    assert ran.verdicts()["toy/twice", "wobbly"] == "deviated"
    assert ran.results["differences"] == []


def test_keys_that_drivers_leave_differently_are_a_difference(toys: Run, tmp_path: Path) -> None:
    ran = toys(HEAD + LEAVING)
    assert ran.code == 1
    (difference,) = ran.results["differences"]
    assert difference["call"] == "the keys at the end"
    assert (difference["left_observed"], difference["right_observed"]) == ("d1[a] = nothing", "d1[a] = b''")
    ran = toys(HEAD + LEAVING, "--deviations", pin(tmp_path, clause='"toy/removes"', what="\"d1[a] = b''\""))
    assert ran.code == 0, ran.out


@pytest.mark.parametrize(("drivers", "code"), [(("steady",), 0), (("steady", "wobbly"), 1)])
def test_what_shows_only_beside_another_is_not_asked_of_one_alone(
    toys: Run, tmp_path: Path, drivers: tuple[str, ...], code: int
) -> None:
    changes = {"clause": '"toy/a-new-directory-is-made"', "driver": '"steady"', "compared": "true"}
    ran = toys(HEAD + AGREEING, "--deviations", pin(tmp_path, **changes), drivers=drivers)
    assert ran.code == code, ran.out
    assert ("was not observed" in str(ran.results["records"])) == bool(code)


def test_pairs_run_what_two_clients_do(toys: Run, tmp_path: Path) -> None:
    ran = toys(HEAD + AGREEING + MEETING.format(clients=", clients=2"), "--pairs")
    assert ran.code == 1
    assert ran.verdicts() == {
        ("toy/two-meet", "steady+wobbly"): "failed",
        ("toy/two-meet", "wobbly+steady"): "passed",
    }
    (failed,) = (one for one in ran.results["records"] if one["verdict"] == "failed")
    assert "--pairs --driver steady --driver wobbly" in failed["rerun"]
    pinned = pin(tmp_path, clause='"toy/two-meet"')
    ran = toys(HEAD + MEETING.format(clients=", clients=2"), "--pairs", "--deviations", pinned)
    assert ran.code == 0, ran.out


@pytest.mark.parametrize(
    ("pair", "code"), [("…+wobbly", 0), ("steady+wobbly", 0), ("wobbly+…", 1), ("…+steady", 1)]
)
def test_what_only_pairs_show_is_pinned_for_a_side(toys: Run, tmp_path: Path, pair: str, code: int) -> None:
    pinned = pin(tmp_path, clause='"toy/two-meet"', driver=f'"{pair}"')
    ran = toys(HEAD + MEETING.format(clients=", clients=2"), "--pairs", "--deviations", pinned)
    assert ran.code == code, ran.out
    assert ("was not observed" in str(ran.results["records"])) == bool(code)


def test_a_pair_needs_two(metaparity: Run) -> None:
    ran = metaparity("run", "--pairs", "--driver", "redis")
    assert ran.code == 2
    assert ran.err == "metaparity: redis alone makes no pair: name another --driver, too\n"


def test_a_clause_says_that_clients_meet(toys: Run) -> None:
    ran = toys(HEAD + MEETING.format(clients=""), "--driver", "steady")
    assert ran.code == 1
    assert "2 clients meet here: declare clients=2" in ran.out


@pytest.mark.parametrize(
    ("what", "code"), [("success: Node(…)", 0), ("success: …7…", 0), ("success: Attr(…)", 1), ("ode(…)", 1)]
)
def test_an_ellipsis_stands_for_what_varies(toys: Run, tmp_path: Path, what: str, code: int) -> None:
    ran = toys(HEAD + REFUSING, "--deviations", pin(tmp_path, what=f'"{what}"'))
    assert ran.code == code, ran.out


def test_what_is_seen_sometimes_may_be_missing(toys: Run, tmp_path: Path) -> None:
    changes = {"clause": '"toy/a-new-directory-is-made"', "driver": '"steady"', "sometimes": "true"}
    ran = toys(HEAD + AGREEING, "--deviations", pin(tmp_path, **changes))
    assert ran.code == 0, ran.out


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"clause": '"toy/a-new-directory-is-made"', "driver": '"steady"'}, "was not observed"),
        ({"what": '"ENOSPC"'}, "was not observed"),
        ({"expires": "2020-01-01"}, "expired on 2020-01-01"),
        ({"clause": '"toy/nonsense"'}, "unknown clause 'toy/nonsense'"),
        ({"driver": '"nobody"'}, "unknown driver 'nobody'"),
        ({"driver": '"…+nobody"'}, "unknown driver '…+nobody'"),
    ],
    ids=["fixed", "deviates-differently", "expired", "unknown-clause", "unknown-driver", "unknown-pair"],
)
def test_the_ledger_is_strict(toys: Run, tmp_path: Path, changes: dict[str, str], complaint: str) -> None:
    text = HEAD + (AGREEING if "steady" in str(changes) else REFUSING)
    ran = toys(text, "--deviations", pin(tmp_path, **changes))
    assert ran.code == 1
    assert any(complaint in (record["reason"] or "") for record in ran.results["records"])
    assert ran.results["footer"]["verdict"] == "differences"


def test_a_ledger_that_cannot_be_read_stops_the_run(toys: Run, tmp_path: Path) -> None:
    ran = toys(HEAD + AGREEING, "--deviations", pin(tmp_path, fault='"nobody"'))
    assert ran.code == 2
    assert "fault in entry 1" in ran.err


def law(folder: Path, **changes: str) -> str:
    """A ledger with one law that the lawless toy breaks."""
    entry = {
        "law": f'"{LAW}"',
        "after": '["mkdir"]',
        "clause": '"toy/leaves-a-name-without-node"',
        "driver": '"lawless"',
        "what": "\"b'a' in 1 leads to 2, which is missing\"",
        **changes,
    }
    return pin(folder, table="law", **entry)


@pytest.mark.parametrize("reset", ["", "; volume.reset()"], ids=["at-the-end", "before"])
def test_a_test_that_leaves_a_law_broken_fails(toys: Run, reset: str) -> None:
    ran = toys(HEAD + BREAKING.format(breaks="", more=reset), drivers=("lawless",))
    assert ran.code == 1
    assert ran.verdicts() == {("toy/leaves-a-name-without-node", "lawless"): "failed"}
    for text in (
        "expected  every law of the key-space to hold",
        f"observed  {LAW} broken",
        f"{LAW} (I2): Every entry leads to a node that is there.  Mended by HDEL of the entry",
        "    b'a' in 1 leads to 2, which is missing (d1 i2)",
        "        HDEL d1 a",
        "laws of the key-space checked after 1 test, ",
    ):
        assert text in ran.out, text


def test_a_clause_says_which_laws_it_breaks(toys: Run) -> None:
    said = f', breaks={{"{LAW}": "there is no time for nodes"}}'
    assert toys(HEAD + BREAKING.format(breaks=said, more=""), drivers=("lawless",)).code == 0
    ran = toys(
        HEAD + BREAKING.format(breaks=said.replace("lead-to-nodes", "tell-the-type"), more=""),
        drivers=("lawless",),
    )
    assert f"observed {LAW} broken" in ran.out
    ran = toys(HEAD + AGREEING.replace('"namespace"', f'"namespace"{said}'), drivers=("redis",))
    assert ran.code == 1
    assert "tree/entries-lead-to-nodes is said to be broken here and is not" in ran.out


def test_a_broken_law_can_be_pinned(toys: Run, tmp_path: Path) -> None:
    text = HEAD + BREAKING.format(breaks="", more="")
    ran = toys(text, "--deviations", law(tmp_path), drivers=("lawless",))
    assert ran.code == 0, ran.out
    assert ran.verdicts() == {("toy/leaves-a-name-without-node", "lawless"): "deviated"}
    assert ran.results["records"][0]["reason"].startswith(f"{LAW}: b'a' in 1 leads to")
    assert "laws of the key-space checked after 1 test, 1 time;" in ran.out


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"law": '"tree/entries-tell-the-type"'}, f"observed {LAW} broken"),
        ({"after": '["rename"]'}, f"observed {LAW} broken"),
        ({"expires": "2020-01-01"}, f"observed {LAW} broken"),
        ({"law": '"tree/nonsense"'}, "unknown law 'tree/nonsense'"),
    ],
    ids=["another-law", "after-another-call", "expired", "unknown-law"],
)
def test_a_pinned_law_is_exact(toys: Run, tmp_path: Path, changes: dict[str, str], complaint: str) -> None:
    text = HEAD + BREAKING.format(breaks="", more="")
    ran = toys(text, "--deviations", law(tmp_path, **changes), drivers=("lawless",))
    assert ran.code == 1
    assert complaint in ran.out


def test_a_pinned_law_that_holds_again_is_gone(toys: Run, tmp_path: Path) -> None:
    text = HEAD + BREAKING.format(breaks="", more='; volume.fs.unlink(1, b"a")')
    ran = toys(text, "--deviations", law(tmp_path), drivers=("lawless",))
    assert ran.code == 1
    assert 'which is missing" was not observed' in ran.out


def test_keys_that_a_test_changes_itself_are_its_own_matter(toys: Run) -> None:
    text = HEAD + BREAKING.format(breaks="", more='; volume.raw.set("x9", "")')
    ran = toys(text, drivers=("lawless",))
    assert ran.code == 0, ran.out
    assert "; not after 1 test that changes keys itself" in ran.out


@pytest.mark.parametrize(
    "text",
    [
        HEAD + AGREEING + "\nimport nothing_of_this_name\n",
        HEAD + AGREEING + "\ndef test_end(request):\n    request.session.shouldstop = 'enough'\n" + REFUSING,
        HEAD + AGREEING + "\ndef test_interrupt():\n    raise KeyboardInterrupt\n" + REFUSING,
    ],
    ids=["does-not-import", "stopped", "interrupted"],
)
def test_a_run_that_did_not_finish_is_no_result(toys: Run, text: str) -> None:
    ran = toys(text, "-p", "no:randomly")
    assert ran.code != 0
    assert not ran.results["footer"]["complete"]
    assert ran.results["footer"]["verdict"] == "incomplete"


def test_a_crashed_worker_makes_the_run_incomplete(toys: Run) -> None:
    ran = toys(HEAD + AGREEING + "\ndef test_crash():\n    import os\n    os._exit(3)\n", "-n", "1")
    assert ran.code != 0
    assert not ran.results["footer"]["complete"]


def test_a_clause_must_be_proved_on_a_driver(toys: Run) -> None:
    ran = toys(HEAD + AGREEING.replace("fs", "tmp_path"))
    assert "a clause is proved on a driver" in ran.out
    assert not ran.results["footer"]["complete"]


def test_only_knows_the_clauses_of_the_spec(toys: Run) -> None:
    ran = toys(HEAD + AGREEING, "--only", "toy/*")
    assert ran.code == 2
    assert "no clause matches 'toy/*'" in ran.err


def test_other_projects_are_left_alone(tmp_path: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one():\n    pass\n")
    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    ran.assert_outcomes(passed=1)
    ran.stdout.no_fnmatch_line("*drivers redis*")


def test_columns_of_the_log(toys: Run) -> None:
    ran = toys(HEAD + AGREEING)
    page = (ran.folder / "report" / "log.html").read_text()
    for text in ("toy/a-new-directory-is-made", "wobbly", "Clause", "Driver", "Server"):
        assert text in page
    suite = (ran.folder / "report" / "junit.xml").read_text()
    assert '<property name="clause" value="toy/a-new-directory-is-made"' in suite


def test_what_tests_count_is_in_the_results(toys: Run) -> None:
    ran = toys(HEAD + COUNTING)
    for record in ran.results["records"]:
        assert record["figures"] == {"directories": 40, "ms": 2.5}


def test_the_results_are_json_without_passwords(toys: Run) -> None:
    ran = toys(HEAD + REFUSING)
    assert "@" not in json.dumps(ran.results["header"])
