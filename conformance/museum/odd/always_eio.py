"""Refuses every call with EIO."""

from .plain import LIFE, Json, Tree, serve

TREE = Tree("always-eio")


def answer(method: str, params: dict[str, Json]) -> Json:
    return TREE.answer(method, params) if method in LIFE else {"errno": "EIO"}


if __name__ == "__main__":
    serve(answer)
