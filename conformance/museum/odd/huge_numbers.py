"""Counts inodes down from 2^64-1."""

from .plain import Tree, serve


class Huge(Tree):
    def number(self) -> int:
        return (1 << 64) - len(self.nodes)


if __name__ == "__main__":
    serve(Huge("huge-numbers").answer)
