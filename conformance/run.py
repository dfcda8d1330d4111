"""`metaparity run`: checks what was asked, has a server ready, and hands over to pytest."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import pytest

from metaparity.drivers.errors import Mistake
from metaparity.fixtures.provision import Provider

from .harness.catalogue import modules_of, require_known
from .harness.choices import DEFAULT_DRIVERS, known_checker, known_drivers, require_writable
from .harness.exits import INTERRUPTED, USAGE
from .harness.rerun import PACKAGE

UNWANTED = ("cacheprovider", "randomly", "valkey")
"""Plugins of pytest that a run is better off without: one writes where its user is, one changes the order.
That of the embedded server's wheel starts servers of its own, and takes a while to import."""


class Interruption:
    """Remembers whether the user broke off the run: pytest's exit code alone does not say."""

    seen = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.seen = excinfo.type is KeyboardInterrupt


def run(options: argparse.Namespace) -> int:
    """Run the spec; returns 0 for parity, 1 for differences, 2 for usage, 3 for the environment."""
    if options.n != "auto" and not options.n.isdigit():
        raise Mistake(f"-n {options.n!r} is not a number of workers: give a number or auto")
    known_drivers(options.driver or DEFAULT_DRIVERS, options.pairs)
    known_checker(options.check_with)
    provider = Provider(options.server, options.allow_flush)
    require_known(options.only or ())
    require_writable(Path(options.report))
    interruption = Interruption()
    try:
        keep_caches_apart()
        provider.prepare(1)
        code = pytest.main(arguments(options), plugins=[provider, interruption])
    finally:
        provider.close()
    if interruption.seen:
        return INTERRUPTED
    if code == pytest.ExitCode.INTERRUPTED:
        return 1
    return USAGE if code == pytest.ExitCode.USAGE_ERROR else int(code)


def record(options: argparse.Namespace) -> int:
    """Run clauses on one driver with a trace of each test in a directory; returns as `run` does."""
    out = Path(os.path.abspath(options.out))
    require_writable(out, "--out")
    with tempfile.TemporaryDirectory() as report:
        settings = vars(options) | {
            "driver": [options.driver],
            "pairs": False,
            "check_with": None,
            "report": report,
            "n": "0",
            "profile": "quick",
            "seed": None,
            "allow_flush": False,
            "record": str(out),
        }
        return run(argparse.Namespace(**settings))


def arguments(options: argparse.Namespace) -> list[str]:
    """The same run for pytest, free of whatever project the user stands in."""
    made = [
        "--pyargs",
        *(modules_of(options.only) if options.only else ["metaparity.conformance.spec"]),
        f"--rootdir={PACKAGE.parent}",
        f"--confcutdir={PACKAGE}",
    ]
    made += [
        f"--config-file={os.devnull}",
        "--import-mode=importlib",
        "--strict-markers",
        "--tb=short",
        "-rN",
        "-W",
        "ignore:Module already imported:pytest.PytestAssertRewriteWarning",
    ]
    made += [f"-pno:{plugin}" for plugin in UNWANTED]
    made += ["-n", options.n, f"--server={options.server}"]
    made += [f"--report={os.path.abspath(options.report)}", f"--hypothesis-profile={options.profile}"]
    made += [f"--driver={name}" for name in options.driver or ()]
    made += [f"--only={pattern}" for pattern in options.only or ()]
    if options.seed is not None:
        made.append(f"--hypothesis-seed={options.seed}")
    if options.pairs:
        made.append("--pairs")
    if options.check_with:
        made.append(f"--check-with={options.check_with}")
    if getattr(options, "record", None):
        made.append(f"--record={options.record}")
    if options.allow_flush:
        made.append("--allow-flush")
    return made


def keep_caches_apart() -> None:
    """Let Hypothesis keep what it caches with the user's caches, not in the directory of a run.

    A directory of this run's own would not do: workers may write to it after the run has ended.
    """
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(caches / "metaparity" / "hypothesis"))
