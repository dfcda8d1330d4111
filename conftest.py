"""The suite's own tests: some run pytest inside pytest, and a few of these take a minute."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

LONG = {
    "test_drivers.py",
    "test_generated.py",
    "test_juicefs.py",
    "test_methods.py",
    "test_model.py",
    "test_package.py",
    "test_roundtrips.py",
}
"""Modules with a test that takes long: begun last, it would keep one worker busy while the others wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG)
