"""How many examples Hypothesis draws: the same ones every time, so that drivers can be compared."""

from __future__ import annotations

import functools
import hashlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import pytest

from metaparity import drivers

PROFILES = {"quick": 25, "nightly": 500}
"""Examples for each generated test by profile; `quick` is what a run takes unless told otherwise."""


def load(config: pytest.Config) -> None:
    """Make the profiles known to Hypothesis, and the chosen one its default, before a test is imported.

    A generated test shares one volume among its examples on purpose, and a server may be slow.  Hypothesis
    draws constants of the modules that it finds loaded too, so all of the engines' are from the start.  To
    explain a failure takes it ten times as long as to shrink it: it does so at night.
    """
    from hypothesis import HealthCheck, Phase, settings

    for name, examples in PROFILES.items():
        settings.register_profile(
            name,
            max_examples=examples,
            derandomize=True,
            deadline=None,
            print_blob=True,
            report_multiple_bugs=False,
            database=None,
            phases=[phase for phase in Phase if phase is not Phase.explain or name == "nightly"],
            suppress_health_check=(HealthCheck.function_scoped_fixture, HealthCheck.too_slow),
        )
    settings.load_profile(chosen(config))
    import_drivers()


def import_drivers() -> None:
    """Import every module of the drivers."""
    for info in pkgutil.walk_packages(drivers.__path__, f"{drivers.__name__}."):
        import_module(info.name)


def draw_alike(item: pytest.Function, pair: str) -> None:
    """Have a generated test draw the same examples on every driver, whatever its own node id."""
    if not hasattr(item.obj, "hypothesis"):
        return
    import hypothesis

    text = f"{seed(item.config) or ''} {pair}"
    hypothesis.seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))(item.obj)


SETTINGS = "_hypothesis_internal_use_settings"
"""Where Hypothesis keeps the settings of a test."""


@contextmanager
def unshrunk(item: pytest.Function) -> Iterator[None]:
    """Take the first failing example of a generated test as it is: nobody reads one that is known."""
    if not hasattr(item.obj, SETTINGS):
        yield
        return
    from hypothesis import Phase, settings

    whole = getattr(item.obj, SETTINGS)
    setattr(item.obj, SETTINGS, settings(whole, phases=[Phase.explicit, Phase.generate]))
    try:
        yield
    finally:
        setattr(item.obj, SETTINGS, whole)


@contextmanager
def marked(item: pytest.Function, begin: Callable[[], None]) -> Iterator[None]:
    """Call `begin` before each example of a generated test."""
    if not hasattr(item.obj, "hypothesis"):
        yield
        return
    handle = item.obj.hypothesis
    inner = handle.inner_test

    @functools.wraps(inner)
    def example(*args: Any, **kwargs: Any) -> Any:
        begin()
        return inner(*args, **kwargs)

    handle.inner_test = example
    try:
        yield
    finally:
        handle.inner_test = inner


def seed(config: pytest.Config) -> str | None:
    """The seed that was asked for; without one, every run draws the same examples."""
    given = config.getoption("hypothesis_seed", None)
    return None if given is None else str(given)


def chosen(config: pytest.Config) -> str:
    """The profile of a run."""
    return str(config.getoption("hypothesis_profile", None) or "quick")
