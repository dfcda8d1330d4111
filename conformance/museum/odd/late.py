"""Answers every call of the name space after three seconds."""

import time

from .plain import LIFE, Tree, serve


def wait(method: str) -> None:
    if method not in LIFE:
        time.sleep(3)


if __name__ == "__main__":
    serve(Tree("late").answer, wait)
