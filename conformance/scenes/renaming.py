"""The flags of a rename, and whether it leaves its directory (N16)."""

from __future__ import annotations

import pytest

from metaparity.drivers.types import RenameFlag

NONE = RenameFlag(0)
NOREPLACE, EXCHANGE, WHITEOUT, RESTORE = RenameFlag

each_place = pytest.mark.parametrize("across", [False, True], ids=["same-directory", "across"])
