"""Exits at a call of the name space, the tenth or the one its argument says, with a last word on stderr."""

import os
import sys

from .plain import LIFE, Tree, serve


class Countdown:
    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, method: str) -> None:
        self.left -= method not in LIFE
        if self.left == 0:
            print(f"no more: {method} was the last straw", file=sys.stderr, flush=True)
            os._exit(9)


if __name__ == "__main__":
    serve(Tree("dies").answer, Countdown(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
