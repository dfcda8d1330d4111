"""`python -m metaparity.conformance` is the command; `python3 conformance`, in a clone, sets up first."""

from __future__ import annotations

import sys
from importlib import import_module

if __name__ == "__main__":
    if __package__:
        from .command import main

        sys.exit(main())
    sys.exit(import_module("bootstrap").main(sys.argv[1:]))
