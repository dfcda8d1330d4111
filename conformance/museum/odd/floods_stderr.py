"""Logs a megabyte for every call, and refuses those of the name space."""

import os

from .plain import LIFE, Json, Tree, serve

TREE = Tree("floods-stderr")
NOISE = (b"x" * 1023 + b"\n") * 1024


def answer(method: str, params: dict[str, Json]) -> Json:
    return TREE.answer(method, params) if method in LIFE else {"errno": "EIO"}


def log(method: str) -> None:
    noise = NOISE
    while noise:
        noise = noise[os.write(2, noise) :]


if __name__ == "__main__":
    serve(answer, log)
