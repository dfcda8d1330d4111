"""Answers calls of the name space under the id of a call that was never made."""

from .plain import LIFE, Tree, calls, send

if __name__ == "__main__":
    tree = Tree("wrong-ids")
    for call in calls():
        odd = 0 if call["method"] in LIFE else 1000
        send(call["id"] + odd, tree.answer(call["method"], call["params"]))
