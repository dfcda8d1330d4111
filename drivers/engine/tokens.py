"""Opaque tokens, kept by number (N40.1)."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from ..errors import error, refuse_if
from .core import Core
from .store import Transaction


class Tokens(Core):
    """The primitives of tokens."""

    def token_store(self, token: bytes) -> int:
        id = self.counted(self.keys.token_max_id, "krbTokenMaxId", 1)

        def body(tx: Transaction) -> None:
            tx.queue(("HSET", self.keys.tokens, id, token), *self.logged("STORETOKEN", id, token))

        self.transact([self.keys.tokens], body)
        return id

    def token_update(self, id: int, token: bytes) -> None:
        def body(tx: Transaction) -> None:
            (exists,) = tx.read(("HEXISTS", self.keys.tokens, id))
            refuse_if(not exists, errno.ENOENT)
            tx.queue(("HSET", self.keys.tokens, id, token), *self.logged("UPDATETOKEN", id, token))

        self.transact([self.keys.tokens], body)

    def token_load(self, id: int) -> bytes:
        self.db.require_writable()  # T42: the original loads a token in a transaction
        token: bytes | None = self.db.read_one("HGET", self.keys.tokens, id)
        if token is None:
            raise error(errno.ENOENT)
        return token

    def token_delete(self, ids: Sequence[int]) -> None:
        self.db.require_writable()
        if not ids:
            return

        def body(tx: Transaction) -> None:
            tx.queue(("HDEL", self.keys.tokens, *ids), *self.logged("DELETETOKENS", *ids))

        self.transact([self.keys.tokens], body)

    def token_list(self) -> dict[int, bytes]:
        return {int(id): token for page in self.store.hscan(self.keys.tokens) for id, token in page}
