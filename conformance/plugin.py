"""The pytest plugin: options, drivers as parameters, a server for each worker, a record of each test."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Generator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

import pytest

from metaparity.drivers import registry
from metaparity.drivers.errors import Mistake, Unfit
from metaparity.fixtures import volumes
from metaparity.fixtures.provision import (
    PLACE,
    PROVIDER,
    Place,
    Provider,
    given,
)
from metaparity.fixtures.volumes import Volume

from .clause import Clause, clause_of
from .harness import parity, profiles
from .harness.catalogue import matches, require_known
from .harness.choices import DEFAULT_DRIVERS, Choices, require_writable
from .harness.errnos import outside
from .harness.examination import Finding, examine, expectation, parameters_of
from .harness.exits import ENVIRONMENT, USAGE
from .harness.lawfulness import Judge, Judgement, Lasting
from .harness.rendering import contrast
from .harness.reporter import Reporter
from .harness.rerun import PACKAGE, command_line, options, plain_line, program
from .harness.second_opinion import findings
from .traces.files import save
from .traces.recorder import Unrecordable, trace_of

CREW = 8
"""Workers up to which there are two a core."""

PAIRS = "run the clauses about several clients on every ordered pair of the drivers, on one volume"
CHECK_WITH = "after each test, let the check of this driver's engine look at the volume: juicefs"
CHOICES = pytest.StashKey[Choices]()
UNRECORDED = pytest.StashKey[list[str]]()
FINDING = pytest.StashKey[Finding]()
JUDGEMENT = pytest.StashKey[Judgement]()
LASTING = pytest.StashKey[Lasting]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("metaparity", "conformance of metadata engines")
    group.addoption(
        "--driver", action="append", metavar="NAME", help="driver to test; may be repeated (redis, rueidis)"
    )
    group.addoption("--pairs", action="store_true", help=PAIRS)
    group.addoption("--record", metavar="DIR", help="write what each test did as a trace to DIR")
    group.addoption("--check-with", metavar="NAME", help=CHECK_WITH)
    group.addoption(
        "--server",
        default="auto",
        metavar="SERVER",
        help="auto, container[:IMAGE], local[:PATH], embedded or redis://[USER:PASS@]HOST:PORT[/DB] (auto)",
    )
    group.addoption(
        "--only",
        action="append",
        metavar="PATTERN",
        help="run only these clauses: an id, a glob, a family, smoke, or pinned; may be repeated",
    )
    group.addoption(
        "--report",
        metavar="DIR",
        help="write results.json, index.html, coverage.html, log.html, junit.xml to DIR",
    )
    group.addoption(
        "--allow-flush", action="store_true", help="empty the database of the given URL even if it holds keys"
    )
    group.addoption("--deviations", metavar="FILE", help="ledger of pinned deviations (the suite's own)")


# -- the life of a run -----------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    # A test takes from a millisecond to half a minute: a worker that has done its share takes of another's.
    if concerned(config) and getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"
    return (yield)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> Generator[None, int, int]:
    cores = yield
    if not concerned(config) or "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return cores
    return crew(cores, config.getoption("driver") or DEFAULT_DRIVERS, config.getoption("server"))


def crew(cores: int, drivers: Sequence[str], server: str) -> int:
    """How many workers a few cores keep busy: a worker of our engines waits for half of its time.

    An engine of another program has processes of its own; a given server has no more databases than it has.
    """
    ours = all(name.partition("?")[0] in DEFAULT_DRIVERS for name in drivers)
    return max(cores, min(2 * cores, CREW)) if ours and "://" not in server else cores


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "clause(clause): the clause of the spec that a test proves")
    config.pluginmanager.register(volumes, "metaparity-volumes")
    try:
        choices = config.stash[CHOICES] = Choices.of(config)
        provider = config.stash[PROVIDER] = prepared_provider(config)
        if not concerned(config):
            return
        profiles.load(config)
        if is_worker(config):
            return
        require_known(choices.only)
        if choices.report is not None:
            require_writable(choices.report)
            config.option.xmlpath = str(choices.report / "junit.xml")
            config.option.htmlpath = str(choices.report / "log.html")
            config.option.self_contained_html = True
        if not config.option.collectonly:
            provider.prepare(1)
    except Mistake as mistake:
        stop(str(mistake), USAGE)
    except Unfit as unfit:
        stop(str(unfit), ENVIRONMENT)
    if not config.option.collectonly:
        config.pluginmanager.register(Reporter(config, choices, provider), "metaparity-reporter")


def pytest_unconfigure(config: pytest.Config) -> None:
    if PROVIDER in config.stash:
        config.stash[PROVIDER].close()


def stop(sentence: str, code: int) -> NoReturn:
    """End the run before its first test."""
    pytest.exit(sentence, returncode=code)


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def prepared_provider(config: pytest.Config) -> Provider:
    """The provider that the command made, or a new one."""
    for plugin in config.pluginmanager.get_plugins():
        if isinstance(plugin, Provider):
            return plugin
    return Provider(config.getoption("server"), config.getoption("allow_flush"))


def concerned(config: pytest.Config) -> bool:
    """Whether a run is about drivers: it uses our options, or its arguments reach into the suite.

    The plugin is loaded in every project of an environment and must leave the others alone.
    """
    option = config.getoption
    if option("driver") or option("only") or option("report") or option("server") != "auto":
        return True
    for arg in config.args:
        path = Path(config.invocation_params.dir, arg.partition("::")[0]).resolve()
        if arg.startswith("metaparity.") or path.is_relative_to(PACKAGE) or PACKAGE.is_relative_to(path):
            return True
    return False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    if concerned(config):
        prepare_or_stop(config.stash[PROVIDER], len(specs))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    if concerned(node.config):
        node.workerinput[PLACE] = given(prepare_or_stop(node.config.stash[PROVIDER]))


def prepare_or_stop(provider: Provider, count: int | None = None) -> Place:
    """Databases for `count` workers, or for one more; returns the last."""
    try:
        if count is None:
            return provider.place()
        provider.prepare(count)
        return provider.places[-1]
    except Unfit as unfit:
        stop(str(unfit), ENVIRONMENT)


# -- which tests -----------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "driver" in metafunc.fixturenames:
        metafunc.parametrize("driver", metafunc.config.stash[CHOICES].drivers, indirect=True)
    elif metafunc.definition.get_closest_marker("clause"):
        pytest.fail("a clause is proved on a driver: use the fixture volume, fs or driver", pytrace=False)


# First: Hypothesis reads the source of every module where a generated test is among those that are left.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    patterns = config.stash[CHOICES].only
    chosen: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        clause = clause_of(item)
        asked = not patterns or (clause and any(matches(pattern, clause.id) for pattern in patterns))
        (chosen if asked and meets(item) else others).append(item)
    if not others:
        return
    config.hook.pytest_deselected(items=others)
    items[:] = chosen


def meets(item: pytest.Item) -> bool:
    """Whether a test has something to show on its driver: a pair of drivers needs several clients."""
    proved = proof(item)
    return proved is None or registry.driver(proved[1]).partner is None or proved[0].clients > 1


# -- one test --------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    proved = proof(item)
    if proved is None:
        return
    clause, driver = proved
    if clause.needs not in registry.driver(driver).capabilities:
        pytest.skip(f"unsupported: the driver {driver} does not declare {clause.needs}")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    proved = proof(pyfuncitem)
    volume = pyfuncitem.funcargs.get("volume")
    if proved is None:
        return (yield)
    clause, driver = proved
    choices = pyfuncitem.config.stash[CHOICES]
    profiles.draw_alike(pyfuncitem, pair_of(pyfuncitem, driver))
    if not isinstance(volume, Volume):
        return (yield)
    volume.keeping = len(choices.drivers) > 1
    lasting = pyfuncitem.config.stash.setdefault(LASTING, Lasting())
    volume.at_rest = judge = Judge(clause, driver, choices.ledger, volume, lasting)
    pyfuncitem.stash[JUDGEMENT] = judge.judgement
    try:
        known = choices.ledger.for_clause(clause.id, driver)
        with (
            profiles.marked(pyfuncitem, volume.log.draw),
            profiles.unshrunk(pyfuncitem) if known else nullcontext(),
        ):
            value = yield
        conclude(pyfuncitem, clause, volume, judge)
        return value
    except (Exception, pytest.fail.Exception) as error:
        volume.at_rest = None
        pinned = choices.ledger.find(clause.id, driver, expectation(error)[1]) is not None
        finding = pyfuncitem.stash[FINDING] = examine(pyfuncitem, volume, error, known=pinned)
        if choices.report and not pinned:
            trace = write_trace(pyfuncitem, volume, choices.report / "traces")
            finding.trace = str(trace) if trace else ""
        raise


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """What two objects of the API are, whole: pytest would cut them short in the middle."""
    return contrast(left, right) if op == "==" else None


def conclude(item: pytest.Function, clause: Clause, volume: Volume, judge: Judge) -> None:
    """What is asked of every test that has passed, on top of what it asserts itself."""
    volume.keep_state()  # before anyone else looks at it, which may count what was not counted
    if volume.most_clients > 1:
        assert clause.clients > 1, f"{volume.most_clients} clients meet here: declare clients=2"
    strange = outside(volume.log.refusals)
    assert not strange, f"expected an errno of the matrix (§6), observed {'; '.join(strange)}"
    judge.require()
    checker = item.config.stash[CHOICES].checker
    if checker is not None:
        found = findings(volume, registry.driver(checker))
        assert not found, f"expected {checker} to find no fault, observed {'; '.join(found)}"
    if folder := item.config.getoption("record"):
        write_trace(item, volume, Path(folder))


def write_trace(item: pytest.Function, volume: Volume, folder: Path) -> Path | None:
    """Write what a test did since its volume was last made to a file of its own; None where no trace can."""
    name = re.sub(r"[^\w.+-]+", "-", item.name).strip("-")
    try:
        trace = trace_of(f"{clause_name(item)} {item.name}", volume)
        path = folder / f"{clause_name(item).replace('/', '.')}.{name}.json"
        save(trace, path)
    except (Unrecordable, OSError) as reason:
        item.config.stash.setdefault(UNRECORDED, []).append(f"no trace of {item.name}: {reason}")
        return None
    return path


def clause_name(item: pytest.Item) -> str:
    """The id of the clause that a test proves."""
    clause = clause_of(item)
    return clause.id if clause is not None else item.name


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    proved = proof(item)
    if proved is None:
        return report
    clause, driver = proved
    choices = item.config.stash[CHOICES]
    if report.when == "setup":
        item.user_properties += [("clause", clause.id), ("driver", driver)]
    data: dict[str, Any] = {
        "clause": dataclasses.asdict(clause),
        "driver": driver,
        "test": item.nodeid,
        "pair": pair_of(item, driver),
        "deviated": None,
        "observations": None,
        "finding": None,
        "laws": None,
        "server": server_facts(item),
    }
    funcargs = getattr(item, "funcargs", {})
    volume = funcargs.get("volume")
    if report.when == "call" and report.passed and isinstance(volume, Volume):
        seen = parity.observed(volume.log, volume.states)
        data["observations"] = seen.plain() if seen else None
    if report.when == "call" and JUDGEMENT in item.stash:
        data["laws"] = item.stash[JUDGEMENT].plain(choices.ledger)
    if report.failed and call.excinfo is not None:
        finding = found(item, report, call.excinfo.value)
        pin = choices.ledger.find(clause.id, driver, finding.observed) if report.when == "call" else None
        if pin is not None:
            data["deviated"] = finding.observed
            report.outcome, report.wasxfail = "skipped", f"reason: {pin.why}"
        else:
            data["finding"] = dataclasses.asdict(finding)
            report.sections.append(("metaparity", explanation(item, clause, driver, finding, choices)))
    vars(report)["metaparity"] = data
    return report


def proof(item: pytest.Item) -> tuple[Clause, str] | None:
    """The clause that a test proves and the driver it proves it on."""
    clause = clause_of(item)
    driver = parameters_of(item).get("driver")
    return (clause, driver) if clause is not None and isinstance(driver, str) else None


def pair_of(item: pytest.Item, driver: str) -> str:
    """The node id without the driver: what the same test on another driver has as well."""
    return re.sub(rf"\[{re.escape(driver)}-?", "[", item.nodeid, count=1).removesuffix("[]")


def server_facts(item: pytest.Item) -> dict[str, Any] | None:
    """What is known of the server of this process."""
    place = getattr(item, "funcargs", {}).get("place")
    volume = getattr(item, "funcargs", {}).get("volume")
    place = volume.place if isinstance(volume, Volume) else place
    return place.facts() if isinstance(place, Place) else None


def found(item: pytest.Item, report: pytest.TestReport, error: BaseException) -> Finding:
    """What is known of a failure: in a phase without calls, the error alone."""
    if report.when == "call" and FINDING in item.stash:
        return item.stash[FINDING]
    expected, observed = expectation(error)
    return Finding(report.when or "call", "no call is known", expected, observed)


def explanation(item: pytest.Item, clause: Clause, driver: str, finding: Finding, choices: Choices) -> str:
    """What a reader needs to know of a failure, for the terminal."""
    lines = [
        clause.sentence,
        f"clause    {clause.id} ({clause.source}), driver {driver}",
        f"call      {finding.call}",
        f"expected  {finding.expected}",
        f"observed  {finding.observed}",
    ]
    if finding.keys_note:
        lines.append(f"keys      {finding.keys_note}")
        lines += [f"  {row['key']}: {row['before'] or '-'} -> {row['after'] or '-'}" for row in finding.keys]
    if finding.calls:
        lines.append("last calls")
        lines += [f"  {call}" for call in finding.calls]
    if finding.trace:
        words = [program("metaparity"), "replay", finding.trace, *options([driver])]
        lines.append(f"trace     {shlex.join(words)}")
    lines.append(f"rerun     {command_line(clause.id, [driver], choices.server, choices.checker)}")
    lines.append(f"          {plain_line(item, driver, choices.server, choices.checker)}")
    return "\n".join(lines)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    folder = config.getoption("record")
    if folder:
        terminalreporter.section("traces")
        for line in config.stash.get(UNRECORDED, []):
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"{len(list(Path(folder).glob('*.json')))} traces in {folder}")


# -- log.html --------------------------------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_table_header(cells: list[str]) -> None:
    cells[1:1] = [f"<th>{name}</th>" for name in ("Clause", "Driver", "Server")]


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_table_row(report: pytest.TestReport, cells: list[str]) -> None:
    data = getattr(report, "metaparity", None)
    server = (data or {}).get("server")
    columns = [data["clause"]["id"], data["driver"]] if data else ["", ""]
    columns.append(f"{server['software']} {server['version']} ({server['kind']})" if server else "")
    cells[1:1] = [f"<td>{column}</td>" for column in columns]
