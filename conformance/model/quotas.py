"""Limits of directories, users and groups (N30)."""

from __future__ import annotations

from .attributes import Attributes


class Quotas(Attributes):
    """The primitives of quotas."""
