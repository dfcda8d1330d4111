"""Answers every call of the name space twice."""

from .plain import LIFE, Tree, calls, send

if __name__ == "__main__":
    tree = Tree("twice")
    for call in calls():
        result = tree.answer(call["method"], call["params"])
        for _ in range(1 if call["method"] in LIFE else 2):
            send(call["id"], result)
