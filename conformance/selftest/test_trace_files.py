"""`metaparity record` and `replay`, and the trace of a failure, end to end."""

from __future__ import annotations

import gzip
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from .conftest import Ran, Run

BROKEN = "metaparity.conformance.museum.attributes:SUBDIRECTORIES_UNCOUNTED"


@pytest.fixture
def recorded(metaparity: Run, server_url: str) -> Ran:
    """Traces of a family, in the directory `traces`."""
    return metaparity("record", "rmdir/*", "--driver", "redis", "--server", server_url)


def files(ran: Ran) -> list[Path]:
    return sorted((ran.folder / "traces").glob("*.json"))


def test_what_is_recorded_on_one_driver_replays_on_another(
    recorded: Ran, metaparity: Run, server_url: str
) -> None:
    assert recorded.code == 0, recorded.out + recorded.err
    names = [str(path) for path in files(recorded)]
    assert len(names) > 10
    ran = metaparity("replay", *names, "--driver", "redis", "--driver", "rueidis", "--server", server_url)
    assert ran.code == 0, ran.out + ran.err
    assert f"{len(names)} traces, 0 with differences; server " in ran.out
    assert ran.out.count("\nok ") + 1 == 2 * len(names)


def test_a_trace_names_no_number_of_the_engine_twice(recorded: Ran) -> None:
    """A later mention of an inode says where it was answered (protocol §7)."""
    trace = json.loads(files(recorded)[0].read_text())
    assert trace["protocol"] == 1
    inodes = [step["params"]["inode"] for step in trace["steps"] if "inode" in step["params"]]
    assert any(inode != 1 for inode in inodes)
    assert all(inode == 1 or list(inode) == ["$"] for inode in inodes)


def altered(recorded: Ran, **result: Any) -> Path:
    """A trace whose last step has another result."""
    path = files(recorded)[0]
    trace = json.loads(path.read_text())
    trace["steps"][-1]["result"] = result
    path.write_text(json.dumps(trace))
    return path


def test_a_difference_names_step_field_and_both_values(
    recorded: Ran, metaparity: Run, server_url: str
) -> None:
    ran = metaparity("replay", str(altered(recorded, errno="EXDEV")), "--server", server_url)
    assert ran.code == 1
    assert ran.out.count("\ndiffers") + ran.out.startswith("differs") == 2
    assert 'result: expected {"errno": "EXDEV"}, observed ' in ran.out


def document(**changes: Any) -> str:
    step = {"client": "a", "method": "getattr", "params": {"inode": 1}, "result": {"ok": {}}}
    whole = {"name": "t", "protocol": 1, "volume": {"Name": "t"}, "clients": {"a": {}}, "steps": [step]}
    return json.dumps({**whole, **changes})


def steps(**changes: Any) -> list[dict[str, Any]]:
    return [{"client": "a", "method": "getattr", "params": {"inode": 1}, "result": {"ok": {}}, **changes}]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("no json", "it is not JSON"),
        ("[]", "it is no trace"),
        (document(protocol=2), "it is of protocol 2: this replay knows 1"),
        (document(clients={}), "it has no clients"),
        (document(steps=steps(method="getatr")), "step 0 calls 'getatr', which is no method"),
        (document(steps=steps(client="b")), "step 0 is made by 'b'"),
        (document(steps=steps(params={"inode": {"$": "3.ok.inode"}})), "step 0 refers to '3.ok.inode'"),
        (document(steps=[{"client": "a"}]), "step 0 must have exactly client, method, params, result"),
        (document(steps=steps(method=["getattr"])), "the client and the method of step 0 must be text"),
        (document(steps=steps(client=["a"])), "the client and the method of step 0 must be text"),
        (document(steps=steps(params={"inode": {"$": "\u00b2"}})), "step 0 refers to '\u00b2'"),
        (document(steps=steps(result={})), "the result of step 0 has none of ok, errno"),
        (document(clients={"a": []}), "the client 'a' has no configuration"),
        (document(clients={"a": {"heartbeet": 1}}), "the client 'a' has no configuration"),
        (document(steps=steps(params={"inode": {"$t": 99}})), "step 0 refers to the time of step 99"),
        (document(steps=steps(params={"inode": {"$odd": 1}})), "step 0 has the unknown form '$odd'"),
        (document(steps=steps(result={"ok": {"$map": [1]}})), "step 0 has a form '$map' of [1]"),
        (document(steps=steps(params={"name": {"base64": "?"}})), "step 0 has a form 'base64' of '?'"),
    ],
    ids=[
        *("json", "list", "protocol", "clients", "method", "client", "symbol", "fields"),
        *("listed-method", "listed-client", "odd-symbol", "result", "config", "unknown-config"),
        *("time", "form", "map", "base64"),
    ],
)
def test_what_is_no_trace_is_refused_in_a_sentence(
    metaparity: Run, tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "trace.json"
    path.write_text(text)
    ran = metaparity("replay", str(path))
    assert ran.code == 2
    assert ran.err.startswith(f"metaparity: {path}: {complaint}"), ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ([{}, {"params": {"inode": {"$": "0.ok.node"}}}], "step 0 has not answered '0.ok.node'"),
        ([{"params": {"inode": "one"}}], "step 0: inode"),
        ([{"params": {}}], "step 0: "),
    ],
    ids=["answer", "value", "parameter"],
)
def test_a_step_that_cannot_be_made_is_refused_in_a_sentence(
    metaparity: Run, server_url: str, tmp_path: Path, changes: list[dict[str, Any]], complaint: str
) -> None:
    (tmp_path / "trace.json").write_text(document(steps=[steps(**one)[0] for one in changes]))
    ran = metaparity("replay", "trace.json", "--driver", "redis", "--server", server_url)
    assert ran.code == 2, ran.out + ran.err
    assert ran.err.startswith(f"metaparity: t: {complaint}"), ran.err
    assert len(ran.err.splitlines()) == 1


def test_many_traces_in_one_file(recorded: Ran, metaparity: Run, server_url: str, tmp_path: Path) -> None:
    lines = [json.dumps(json.loads(path.read_text())) for path in files(recorded)[:3]]
    with gzip.open(tmp_path / "some.jsonl.gz", "wt") as file:
        file.write("\n".join(lines))
    ran = metaparity("replay", "some.jsonl.gz", "--driver", "redis", "--server", server_url)
    assert ran.code == 0, ran.out + ran.err
    assert "3 traces, 0 with differences" in ran.out
    (tmp_path / "cut.jsonl.gz").write_bytes((tmp_path / "some.jsonl.gz").read_bytes()[:-20])
    ran = metaparity("replay", "cut.jsonl.gz", "--driver", "redis", "--server", server_url)
    assert ran.code == 2
    assert ran.err.startswith("metaparity: cut.jsonl.gz: ")


def test_a_missing_file_is_named(metaparity: Run) -> None:
    ran = metaparity("replay", "nowhere.json")
    assert ran.code == 2
    assert ran.err == "metaparity: nowhere.json: No such file or directory\n"


def test_a_generated_failure_leaves_a_short_trace_that_replays_alone(
    metaparity: Run, server_url: str
) -> None:
    """The shrunk example: on the engine that failed it shows what it showed, on a sound one it differs."""
    only = "laws/hold-after-any-workload"
    ran = metaparity("run", "--driver", BROKEN, "--only", only, "--server", server_url, "-n", "0")
    assert ran.code == 1
    (record,) = ran.results["records"]
    (failure,) = record["failures"]
    trace = failure["trace"]
    assert f"trace     metaparity replay {shlex.quote(trace)} --driver {BROKEN}" in ran.out
    made = [step["method"] for step in json.loads(Path(trace).read_text())["steps"]]
    assert made[:4] == ["init", "close", "load", "session_new"]
    assert len(made) < 25
    assert metaparity("replay", trace, "--driver", BROKEN, "--server", server_url).code == 0
    both = metaparity("replay", trace, "--driver", "redis", "--server", server_url)
    assert both.code == 1
    assert "differs" in both.out
