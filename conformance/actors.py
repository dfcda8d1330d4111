"""Who calls in the clauses, besides the superuser."""

from __future__ import annotations

from metaparity.drivers.types import Context

ALICE = Context(1001, (1001,))
BOB = Context(1002, (1002,))

KERNEL = Context(1001, (1001,), check_permission=False)
"""Alice behind a kernel that checks permissions itself (X1)."""
