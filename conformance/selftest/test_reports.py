"""The results and the page: shape, escaping, and files that are never half written."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib.resources import files as resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from metaparity.reports import files, results
from metaparity.reports.html import (
    Rule,
    page,
    render,
    render_coverage,
    render_file,
    render_roundtrips,
    write_report,
)
from metaparity.reports.results import (
    Conclusion,
    Difference,
    DriverInfo,
    Failure,
    Footer,
    Header,
    InvalidResults,
    KeyChange,
    PassedOver,
    Record,
    Results,
    Server,
    Summary,
    Verdict,
)

PUBLISHED = json.loads(resources("metaparity.reports").joinpath("results.schema.json").read_text("utf-8"))
SCHEMA = Draft202012Validator(PUBLISHED, format_checker=FormatChecker())
NASTY = "</script><img src=x onerror=alert(1)> <!-- & \u2028 \u2029 \udcff 'quoted' \"twice\""
VOID = {"meta", "link", "input", "br", "img"}

MODELS = {
    "passed_over": PassedOver,
    "server": Server,
    "driver": DriverInfo,
    "header": Header,
    "key_change": KeyChange,
    "failure": Failure,
    "record": Record,
    "difference": Difference,
    "summary": Summary,
    "footer": Footer,
}


def instants() -> st.SearchStrategy[str]:
    return st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
        datetime.isoformat
    )


def build(kind: Any) -> st.SearchStrategy[Any]:
    """Values of an annotated type of the model."""
    if get_origin(kind) is Annotated:
        return st.integers(0) if get_args(kind)[0] is int else st.floats(0, 1e9)
    if get_origin(kind) is tuple:
        return st.lists(build(get_args(kind)[0]), max_size=2).map(tuple)
    if get_origin(kind) is Mapping:
        return st.dictionaries(st.text(), st.floats(0, 1e9), max_size=2)
    if isinstance(kind, type) and is_dataclass(kind):
        return st.builds(kind, **{name: build(hint) for name, hint in hints(kind).items()})
    return st.from_type(kind)


def hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def footers() -> st.SearchStrategy[Footer]:
    summaries = st.dictionaries(st.text(), build(Summary), max_size=3)
    whole = [Conclusion.PARITY, Conclusion.DIFFERENCES]
    rest = {"finished": instants(), "seconds": st.floats(0, 1e9), "summary": summaries}
    return st.one_of(
        st.builds(Footer, complete=st.just(True), verdict=st.sampled_from(whole), **rest),
        st.builds(Footer, complete=st.just(False), verdict=st.just(Conclusion.INCOMPLETE), **rest),
    )


def headers() -> st.SearchStrategy[Header]:
    parts = {name: build(hint) for name, hint in hints(Header).items()}
    return st.builds(Header, **{**parts, "started": instants()})


ANY_RESULTS = st.builds(
    Results,
    header=headers(),
    records=st.lists(build(Record), max_size=3).map(tuple),
    differences=st.lists(build(Difference), max_size=2).map(tuple),
    footer=footers(),
)


def example(*, complete: bool = True, text: str = "A name that exists is kept.", word: str = "b") -> Results:
    """A run of two drivers with one failure and one difference; `word` is wherever a name may stand."""
    rerun = "metaparity run --only rename/keeps"
    failure = Failure(
        *("test_keeps[b]", "call", f"rename({text})", "EEXIST", text),
        *((KeyChange("d1[a]", text, None),), text, rerun),
    )
    clause = ("rename/keeps", text, "N16.5", "namespace")
    records = (
        Record(*clause, "a", Verdict.PASSED, 3, 0.25, None, rerun, (), {"calls": 7, text: 0.5}),
        Record(*clause, word, Verdict.FAILED, 3, 0.5, text, rerun, (failure,), {}),
    )
    differences = (Difference("rename/keeps", "test_keeps", "a", word, text, "EEXIST", text, rerun),)
    server = Server("local", "redis", "7.0.15", "" if word == "b" else word, (PassedOver("container", text),))
    drivers = tuple(DriverInfo(name, text, ("namespace", word)) for name in ("a", word))
    command = ("metaparity", "run", "--only", text)
    return Results(
        Header(word, "2026-01-31T12:00:00Z", f"3.11.2 {word}", word, command, text, 7, server, drivers),
        records,
        differences,
        Footer(
            complete,
            "2026-01-31T12:00:01.5+00:00",
            1.5,
            results.verdict(complete, records, differences),
            results.summarize(records),
        ),
    )


COSTS = {"mkdir": {"other": "3 (9) -> 1 (1)", "b": "2 (13)"}, "getattr": {"other": "1 (1) -> 0"}}
RULES = (Rule("N16.5", ("rename/keeps", "rename/moves"), "in Go only"), Rule("N16.6", (), "locks"))


# -- the model ---------------------------------------------------------------------------------------


@given(ANY_RESULTS)
def test_all_results_fit_the_schema_and_come_back(run: Results) -> None:
    text = json.dumps(run.to_json())
    SCHEMA.validate(json.loads(text))
    assert Results.from_json(json.loads(text)) == run


@pytest.mark.parametrize("name", MODELS)
def test_schema_and_model_have_the_same_fields(name: str) -> None:
    part, own = PUBLISHED["$defs"][name], [field.name for field in fields(MODELS[name])]
    assert list(part["properties"]) == own == part["required"]
    assert part["additionalProperties"] is False
    assert part["description"]
    assert all("description" in value or "$ref" in value for value in part["properties"].values())


def test_the_schema_is_one_and_covers_the_whole_model() -> None:
    Draft202012Validator.check_schema(PUBLISHED)
    assert PUBLISHED["$defs"].keys() == MODELS.keys()
    assert list(PUBLISHED["properties"]) == ["schema", *(field.name for field in fields(Results))]
    verdicts = PUBLISHED["$defs"]["record"]["properties"]["verdict"]["enum"]
    assert verdicts == list(Verdict) == [field.name for field in fields(Summary)]
    assert PUBLISHED["$defs"]["footer"]["properties"]["verdict"]["enum"] == list(Conclusion)


BROKEN: dict[str, tuple[tuple[str | int, ...], Any]] = {
    "records[1].verdict must be one of passed, failed": (("records", 1, "verdict"), "fine"),
    "records[0].tests must be an integer, but is true": (("records", 0, "tests"), True),
    "records[0].seconds must be a number that is not negative": (("records", 0, "seconds"), -1),
    "records[1].failures[0].keys[0].after must be a string": (
        ("records", 1, "failures", 0, "keys", 0, "after"),
        5,
    ),
    "records must be an array": (("records",), {}),
    "header.server must be an object": (("header", "server"), None),
    "header.surplus is not a field": (("header", "surplus"), 1),
    "header does not hold together: '31 January' is not a time": (("header", "started"), "31 January"),
    "footer.summary.a.passed must be an integer": (("footer", "summary", "a", "passed"), "3"),
    "footer does not hold together: the verdict is differences": (("footer", "complete"), False),
    "schema must be 'metaparity-results-1'": (("schema",), "metaparity-results-2"),
}


@pytest.mark.parametrize("message", BROKEN)
def test_both_refuse_what_does_not_fit(message: str) -> None:
    path, value = BROKEN[message]
    data = example().to_json()
    place: Any = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(InvalidResults, match=f"^{re.escape(message)}"):
        Results.from_json(data)
    assert not SCHEMA.is_valid(data)


def test_both_refuse_what_is_missing() -> None:
    data = example().to_json()
    del data["records"][0]["needs"]
    with pytest.raises(InvalidResults, match=r"^records\[0\]\.needs is missing$"):
        Results.from_json(data)
    assert not SCHEMA.is_valid(data)


def test_numbers_that_json_lacks_are_refused() -> None:
    data = example().to_json()
    data["footer"]["seconds"] = float("nan")
    with pytest.raises(InvalidResults, match=r"^footer\.seconds must be a finite number"):
        Results.from_json(data)


def test_summary_and_verdict_follow_from_the_records() -> None:
    run = example()
    assert results.summarize(run.records, ["c", "a"]) == {
        "c": Summary(),
        "a": Summary(passed=1),
        "b": Summary(failed=1),
    }
    passed = run.records[:1]
    deviated = replace(run.records[0], verdict=Verdict.DEVIATED)
    assert results.verdict(True, run.records, ()) is Conclusion.DIFFERENCES
    assert results.verdict(True, passed, run.differences) is Conclusion.DIFFERENCES
    assert results.verdict(True, [*passed, deviated], ()) is Conclusion.PARITY
    assert results.verdict(False, passed, ()) is Conclusion.INCOMPLETE


# -- files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace"])
def test_a_failing_write_leaves_the_old_file(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.json"
    results.write(example(), path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(broken, fail)
        with pytest.raises(OSError, match="No space left"):
            results.write(example(complete=False), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_text_that_is_not_unicode_survives_a_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    run = example(text=NASTY)
    results.write(run, path)
    assert results.read(path) == run


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not JSON"), ("[]", "schema must be"), ('{"schema": 1}', "schema must be")]
)
def test_a_file_with_something_else_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(InvalidResults, match=f"other.json.*{message}"):
        results.read(path)


def test_a_report_has_both_files_and_can_be_made_again(tmp_path: Path) -> None:
    run = example(text=NASTY)
    written = write_report(run, tmp_path, RULES, COSTS)
    made = ["coverage.html", "index.html", "results.json", "roundtrips.html"]
    assert sorted(file.name for file in tmp_path.iterdir()) == made
    first = written.read_bytes()
    written.unlink()
    assert render_file(tmp_path / "results.json") == written
    assert written.read_bytes() == first


def test_a_name_of_a_part_is_hidden_and_beside_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def note(self: Path, target: Path) -> Path:
        seen.append(self)
        return target

    monkeypatch.setattr(Path, "replace", note)
    files.replace(tmp_path / "index.html", "text")
    assert [part.parent for part in seen] == [tmp_path]
    assert seen[0].name.startswith(".index.html.")


# -- the page ----------------------------------------------------------------------------------------


class Page(HTMLParser):
    """A page taken apart: balanced tags, ids, links, text outside of scripts, the data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.policy = ""
        self.scripts: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in ("src", "href") and value]
        self.handlers += [name for name in found if name.startswith("on")]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif self.open and self.open[-1] != "style":
            self.text += data


@pytest.mark.parametrize("complete", [True, False])
def test_the_page_is_whole_and_loads_nothing(complete: bool) -> None:
    found = Page(render(example(complete=complete)))
    assert len(found.ids) == len(set(found.ids))
    assert {"log.html", "junit.xml", "results.json"} <= set(found.links)
    assert [link for link in found.links if re.match(r"(?!data:)[a-z][a-z0-9+.-]*:|//", link)] == []
    assert found.policy.startswith("default-src 'none'; ")


def test_the_policy_allows_our_own_scripts_only() -> None:
    found = Page(render(example()))
    theme, data, script = found.scripts
    for text in (theme, script):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in found.policy
    assert found.policy.count("sha256-") == 2
    assert "unsafe-inline" not in found.policy.partition("style-src")[0]
    assert json.loads(data)["schema"] == results.SCHEMA


def agreeing(run: Results) -> Results:
    """The same run had all clauses passed."""
    records = tuple(replace(record, verdict=Verdict.PASSED, failures=()) for record in run.records)
    footer = replace(run.footer, verdict=Conclusion.PARITY, summary=results.summarize(records))
    return replace(run, records=records, differences=(), footer=footer)


@pytest.mark.parametrize("ended", [agreeing, lambda run: run], ids=["parity", "differences"])
def test_no_text_becomes_markup(ended: Callable[[Results], Results]) -> None:
    plain, nasty = (ended(run) for run in (example(), example(text=NASTY, word=NASTY)))
    expected, found = Page(render(plain)), Page(render(nasty))
    assert found.tags == expected.tags
    assert found.handlers == []
    assert found.scripts[::2] == expected.scripts[::2]
    assert Results.from_json(json.loads(found.scripts[1])) == nasty
    assert not re.search("[<>&\u2028\u2029\ud800-\udfff]", found.scripts[1])


def test_the_script_builds_text_never_markup() -> None:
    script = resources("metaparity.reports.html").joinpath("report.js").read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(", script)


# -- the page of rules -------------------------------------------------------------------------------


def test_the_page_of_rules_shows_both_ways_and_loads_nothing() -> None:
    found = Page(render_coverage(example(), RULES))
    assert (
        "2 rules of the reference, 1 of them without a clause for a reason. 1 clause ran on a, b."
        in found.text
    )
    assert sorted(
        ("N16.5", "rename/keeps", "rename/moves", "in Go only", "N16.6", "locks"),
        key=found.text.index,
    ) == ["N16.5", "rename/keeps", "rename/moves", "in Go only", "N16.6", "locks"]
    assert "rename/moves not selected" in found.text
    assert found.text.rindex("A name that exists is kept.") > found.text.index("Clauses")
    assert found.links.count("index.html#rename/keeps") == 2
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)
    assert found.policy.startswith("default-src 'none'; ")
    assert found.policy.count("sha256-") == len(found.scripts) == 1


def test_the_page_of_round_trips_has_a_column_for_each_driver_those_of_the_run_first() -> None:
    text = render_roundtrips(example(), COSTS)
    rows = re.findall(r"<tr>(.*?)</tr>", text)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    assert cells == [
        ["Call", "b", "other"],
        ["mkdir", "2 (13)", "3 (9) → 1 (1)"],
        ["getattr", "-", "1 (1) → 0"],
    ]
    found = Page(text)
    assert "Not proved in this run." in found.text
    assert found.policy.count("sha256-") == len(found.scripts) == 1


def test_no_text_of_a_table_of_costs_becomes_markup() -> None:
    plain = Page(render_roundtrips(example(), {"call": {"b": "1"}}))
    nasty = Page(render_roundtrips(example(), {NASTY: {"b": NASTY}}))
    assert nasty.tags == plain.tags
    assert nasty.handlers == []


def test_no_text_of_a_rule_becomes_markup() -> None:
    plain = Page(render_coverage(example(), (Rule("N1", ("a/b",), "why"),)))
    nasty = Page(
        render_coverage(
            example(text=NASTY, word=NASTY),
            (Rule(NASTY, (NASTY,), NASTY),),
        )
    )
    assert nasty.tags == plain.tags
    assert nasty.handlers == []


def test_an_incomplete_run_says_so_first() -> None:
    whole, partial = Page(render(example())), Page(render(example(complete=False)))
    warning = "This run did not finish."
    assert warning not in whole.text
    order = ["Incomplete run · metaparity", "so far", warning, "About this run"]
    places = [partial.text.index(text) for text in order]
    assert all(one < other for one, other in pairwise(places))
    assert "a and b agree" in Page(render(agreeing(example()))).text
    assert "agree" not in partial.text.partition("About this run")[0].replace("drivers agree. Run it", "")


def test_a_run_without_answers_is_no_agreement() -> None:
    run = example()
    records = tuple(replace(record, verdict=Verdict.UNSUPPORTED, failures=()) for record in run.records)
    footer = replace(run.footer, verdict=Conclusion.PARITY, summary=results.summarize(records))
    assert "Nothing was examined" in render(replace(run, records=records, differences=(), footer=footer))


def test_the_page_says_what_ran_where() -> None:
    text = Page(render(example())).text
    for said in (
        "1 clause failed on b.",
        "1 call was answered differently by two drivers.",
        "Redis 7.0.15 from this machine · 31 January 2026 · 1.5 s",
        "Tried container first: A name that exists is kept.",
        "metaparity run --only 'A name that exists is kept.'",
        "3.11.2",
        "31 January 2026, 12:00:00 UTC",
    ):
        assert said in text


@given(ANY_RESULTS)
def test_any_results_make_a_page(run: Results) -> None:
    assert Results.from_json(json.loads(Page(page.render(run)).scripts[1])) == run
