"""Locks of both kinds in any order, against the model (L1, L2, L3.8)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from metaparity.conformance.clause import clause
from metaparity.conformance.model.locks import FREE, LockModel
from metaparity.conformance.scenes.locking import EOF
from metaparity.conformance.scenes.sessions import expire
from metaparity.conformance.verbs import refuses
from metaparity.drivers.types import Locks, LockType
from metaparity.fixtures.volumes import Volume

HOLDERS = [(1, 1), (1, 2), (2, 1), (3, 1)]
"""Sessions and owners: two of one session, and one number in three."""

each_step = st.integers(0, 20)
holders, inodes, types = st.sampled_from(HOLDERS), st.sampled_from([2, 2, 3]), st.sampled_from(LockType)


class Table:
    """A volume with three clients, and what the model says of it."""

    def __init__(self, volume: Volume, data: st.DataObject) -> None:
        volume.reset()
        self.volume = volume
        self.data = data
        self.model = LockModel()
        self.clients = [volume.fs, volume.open(), volume.open()]
        self.quiet = volume.clients[-3:]
        """The same clients without their log, for questions: in which order they list, and which of several
        conflicts they tell, is chance with some engines."""

    def flock(self) -> None:
        """Someone asks for a file: granted or refused as the model says."""
        (sid, owner), inode, type = map(self.data.draw, (holders, inodes, types))
        self.ask(
            partial(self.model.flock, sid, inode, owner, type),
            partial(self.clients[sid - 1].flock, inode, owner, type),
        )

    def setlk(self) -> None:
        """Someone asks what is in the way of a range, and then for it: told, and granted or refused, as the
        model says."""
        (sid, owner), inode, type = map(self.data.draw, (holders, inodes, types))
        start, end = sorted(self.data.draw(self.bytes_of(inode)) for _ in range(2))
        pid = self.data.draw(st.integers(1, 2))
        right = self.model.getlk(sid, inode, owner, type, start, end)
        told = self.quiet[sid - 1].getlk(inode, owner, type, start, end)
        assert told in right, f"expected one of {right}, observed {told}"
        granted = self.ask(
            partial(self.model.setlk, sid, inode, owner, type, start, end, pid),
            partial(self.clients[sid - 1].setlk, inode, owner, False, type, start, end, pid),
        )
        assert granted == (right == [FREE])

    def ask(self, expected: Callable[[], None], call: Callable[[], None]) -> bool:
        """Make a call that the model grants or refuses; which of both."""
        try:
            expected()
        except BlockingIOError:
            refuses(EAGAIN, call)
            return False
        call()
        return True

    def bytes_of(self, inode: int) -> st.SearchStrategy[int]:
        """Bytes at, before and behind the ends of what is held, or any."""
        held = [one for records in self.model.records.get(inode, {}).values() for one in records]
        edges = {0, 10, EOF, *(one.start for one in held), *(one.end for one in held)}
        near = {edge + beside for edge in edges for beside in (-1, 0, 1) if 0 <= edge + beside <= EOF}
        return st.one_of(st.sampled_from(sorted(near)), st.integers(0, 40))

    def end_session(self) -> None:
        """A session expires, and another client cleans up; the next beat brings it back without its locks."""
        sid, peer = self.data.draw(st.permutations([1, 2, 3]))[:2]
        expire(self.volume, sid)
        self.clients[peer - 1].session_cleanup()
        self.clients[sid - 1].session_refresh()
        self.model.end_session(sid)

    def require_same(self) -> None:
        """The keys are those of the model, byte for byte, and any client lists what it lists."""
        hashes = {
            key: fields
            for key, (kind, fields) in self.volume.keyspace().items()
            if kind == "hash" and key.startswith(b"lock")
        }
        assert hashes == self.model.keys()
        client = self.quiet[self.data.draw(st.integers(0, 2))]
        for inode in (2, 3):
            assert by_holder(client.locks_list(inode)) == self.model.locks_list(inode)

    def require_same_index(self) -> None:
        """Each session knows of what it holds, and of nothing else."""
        for sid in (1, 2, 3):
            assert self.volume.raw.smembers(f"locked{sid}") == self.model.index(sid)


def by_holder(found: Locks) -> Locks:
    """A list in the order of sessions and owners."""
    return Locks(
        sorted(found.plocks, key=lambda one: (one.sid, one.owner)),
        sorted(found.flocks, key=lambda one: (one.sid, one.owner)),
    )


@given(st.data())
@clause(
    "locks/any-history-is-that-of-the-model",
    source="L1.1 L1.4 L1.5 L1.6 L1.7 L2.1 L2.3 L2.4 L2.5 L2.6 L2.7 L2.11 L2.14",
    needs="plock",
    clients=3,
)
def test_history(volume: Volume, data: st.DataObject) -> None:
    """Whatever four owners in three clients ask for, on two files, with ranges that begin and end at or
    beside the ends of others: each is granted, refused and told what the model says, and the keys are its
    keys, byte for byte, after each step."""
    table = Table(volume, data)
    for _ in range(data.draw(each_step)):
        data.draw(st.sampled_from([table.flock, table.setlk, table.setlk]))()
        table.require_same()
    # What the sessions know of it is another clause (Q31, Q32).
    volume.raw.delete("locked1", "locked2", "locked3")


@given(st.data())
@clause(
    "locks/sessions-end-in-any-history",
    source="L1.2 L2.5 L3.5 L3.8 I22",
    needs="plock",
    clients=3,
)
def test_history_of_sessions(volume: Volume, data: st.DataObject) -> None:
    """Whenever in a history a session is cleaned up by another client, nothing of it is left and everything
    of the others is; each session knows, after each step, of the files on which it holds something, and no
    others."""
    table = Table(volume, data)
    for _ in range(data.draw(each_step)):
        data.draw(st.sampled_from([table.flock, table.setlk, table.end_session]))()
        table.require_same()
        table.require_same_index()
