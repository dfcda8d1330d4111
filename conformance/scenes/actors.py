"""Who calls in the clauses, besides the superuser."""

from __future__ import annotations

from metaparity.drivers.types import Context

ALICE = Context(1001, (1001,))
BOB = Context(1002, (1002,))

MEMBER = Context(1003, (1001,))
"""Someone whose primary group is Alice's."""

GUEST = Context(1004, (1004, 1001))
"""Someone in Alice's group besides their own."""

KERNEL = Context(1001, (1001,), check_permission=False)
"""Alice behind a kernel that checks permissions itself (X1)."""
