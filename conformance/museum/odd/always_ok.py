"""Answers every call with an empty ok."""

from .plain import Json, Tree, serve

TREE = Tree("always-ok")


def answer(method: str, params: dict[str, Json]) -> Json:
    return TREE.answer(method, params) if method == "hello" else {"ok": {}}


if __name__ == "__main__":
    serve(answer)
