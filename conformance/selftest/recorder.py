"""A pytest plugin that notes which methods of our engine each clause calls.

`METHODS` in the environment names them, `module.Class.method` of `metaparity.drivers.engine` and separated by
spaces; each process writes what it saw to a JSON file of its own in the directory `RECORDED`.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from metaparity.drivers.engine.engine import StoreEngine

ENGINE = "metaparity.drivers.engine"

_calls: dict[str, set[str]] = {}
_clause = ""


def named(method: str) -> tuple[type, str]:
    """The class and the name of a method.  Raises `ImportError`, `AttributeError` where there is none."""
    module, of, name = method.split(".")
    owner: type = getattr(import_module(f"{ENGINE}.{module}"), of)
    vars(owner)[name]
    return owner, name


def pytest_configure() -> None:
    """Wrap the methods."""
    for method in os.environ["METHODS"].split():
        owner, name = named(method)
        for holder in {owner, StoreEngine}:  # the engine has guarded copies of its primitives
            if name in vars(holder):
                setattr(holder, name, _noted(method, vars(holder)[name]))


def _noted(method: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        _calls.setdefault(method, set()).add(_clause)
        return function(*args, **kwargs)

    return call


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Know whose call it is."""
    global _clause
    mark = item.get_closest_marker("clause")
    _clause = mark.args[0].id if mark else ""
    yield
    _clause = ""


def pytest_sessionfinish() -> None:
    """Write down what was seen."""
    seen = {method: sorted(clauses - {""}) for method, clauses in _calls.items()}
    Path(os.environ["RECORDED"], f"{os.getpid()}.json").write_text(json.dumps(seen), "utf-8")
