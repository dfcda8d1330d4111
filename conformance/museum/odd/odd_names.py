"""Lists each directory with one name more, which is not UTF-8."""

from .plain import Json, Tree, serve, text

NAME = b"\xff\xfe\x00 odd \x80"


class Odd(Tree):
    def on_readdir(self, params: Json) -> Json:
        listed = super().on_readdir(params)
        listed["ok"].append({"name": text(NAME), "inode": 2, "type": "file"})
        return listed


if __name__ == "__main__":
    serve(Odd("odd-names").answer)
