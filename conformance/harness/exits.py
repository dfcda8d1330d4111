"""How a command ends that could not do what it was asked."""

from __future__ import annotations

import sys

USAGE, ENVIRONMENT, INTERRUPTED = 2, 3, 130
"""Exit codes: asked for something wrong, cannot be done here, ended by Ctrl-C."""


def complain(sentence: object, code: int) -> int:
    """Say on stderr what is wrong; returns the exit code."""
    print(f"metaparity: {sentence}", file=sys.stderr)
    return code
