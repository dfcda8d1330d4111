"""Reads nothing more once a session has begun."""

import time

from .plain import Tree, calls, send

if __name__ == "__main__":
    tree = Tree("never-reads")
    for call in calls():
        send(call["id"], tree.answer(call["method"], call["params"]))
        if call["method"] == "session_new":
            time.sleep(3600)
