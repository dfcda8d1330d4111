"""`python -m metaparity.conformance` is the command; `python3 conformance`, in a clone, sets up first."""

from __future__ import annotations

import sys

if __package__:
    from .command import main

    sys.exit(main())
else:
    from bootstrap import main as set_up

    sys.exit(set_up(sys.argv[1:]))
