"""Registration, expiry and cleanup of clients (L3, S7.2)."""

from __future__ import annotations

import datetime
import logging
import os
import socket
from functools import partial

from ..errors import Refused
from ..types import Session, SessionFlock, SessionInfo, SessionPlock
from . import codec
from .database import FAILURES
from .files import Files
from .locks import Locking, is_of
from .store import Check, ServerError, Transaction, nothing

log = logging.getLogger(__name__)

VERSION = "1.4.1+metaparity"
"""What our sessions say they run: the release whose rules they follow."""

FOREVER = 365 * 24 * 3600
LEGACY_LIFE = 300
"""Seconds after which a session of a very old client counts as expired (S1.5)."""

STALE_LIMIT = 1000
MIN_HEARTBEAT, MAX_HEARTBEAT = 1.0, 600.0


class Revived(Exception):
    """A session that was to be cleaned lives."""


class Sessions(Files, Locking):
    """One session a client, at most."""

    _said = b""
    """What the session says of itself, from its registration on."""

    @property
    def heartbeat(self) -> float:
        """Seconds between refreshes, 0 for none (L3.4)."""
        wanted = self.config.heartbeat
        return min(max(wanted, MIN_HEARTBEAT), MAX_HEARTBEAT) if wanted else 0.0

    def session_get(self, sid: int, detail: bool = False) -> Session:
        score, legacy, info = self.db.read(
            ("ZSCORE", self.keys.all_sessions, sid),
            ("ZSCORE", self.keys.legacy_sessions, sid),
            ("HGET", self.keys.session_infos, sid),
        )
        if score is None and legacy is None:
            raise Refused(f"session not found: {sid}")
        expire = int(float(legacy)) + LEGACY_LIFE if score is None else int(float(score))
        try:
            session = Session(sid, expire, codec.decode_session_info(info))
        except codec.CorruptValue as corrupt:
            raise Refused(f"session {sid} cannot be read: {corrupt}") from corrupt
        if detail:
            self._read_holdings(session)
        return session

    def session_list(self) -> list[Session]:
        current, legacy = self.db.read(
            ("ZRANGE", self.keys.all_sessions, 0, -1), ("ZRANGE", self.keys.legacy_sessions, 0, -1)
        )
        sessions = []
        for sid in map(int, (*current, *legacy)):
            try:
                sessions.append(self.session_get(sid))
            except Refused as unreadable:
                log.warning("left out of the list: %s", unreadable)
        return sessions

    def _read_holdings(self, session: Session) -> None:
        sustained, locked = self.db.read(
            ("SMEMBERS", self.keys.sustained(session.sid)), ("SMEMBERS", self.keys.locked(session.sid))
        )
        session.sustained = sorted(int(inode) for inode in sustained)
        for key in sorted(locked):
            parsed = self.keys.parse(key)
            inode = parsed.numbers[0]
            for field, value in self._own_fields(key, session.sid):
                owner = codec.parse_lock_field(field)[1]
                if parsed.kind == "flocks":
                    session.flocks.append(SessionFlock(inode, owner, codec.decode_flock(value)))
                else:
                    session.plocks.append(SessionPlock(inode, owner, codec.decode_plocks(value)))

    def _own_fields(self, key: bytes, sid: int) -> list[tuple[bytes, bytes]]:
        return [
            (field, value) for page in self.store.hscan(key) for field, value in page if is_of(sid, field)
        ]

    # -- life --------------------------------------------------------------------------------------

    def _expiry(self) -> int:
        return int(self.seconds() + (5 * self.heartbeat or FOREVER))

    def _info(self) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        host = socket.gethostname()
        return codec.encode_session_info(
            SessionInfo(
                version=VERSION,
                host=host,
                ip_addrs=local_addresses(host),
                mount_point=self.config.mount_point,
                mount_time=codec.session_time(now),
                pid=os.getpid(),
            )
        )

    def register(self) -> None:
        """Record this client, under the id it has already or under a new one (L3.2)."""
        if not self.sid:
            self.sid = self.counted(self.keys.next_session, "nextSession", 1)

        self._said = info = self._info()

        def body(tx: Transaction) -> None:
            expiry = self._expiry()
            tx.queue(
                ("ZADD", self.keys.all_sessions, expiry, self.sid),
                ("HSET", self.keys.session_infos, self.sid, info),
                *self.logged("NEWSESSION", self.sid, expiry, info),
            )

        self.db.transact([self.keys.all_sessions, self.keys.session_infos], body)
        self.taking.open()

    def session_refresh(self) -> None:
        if not self.sid:
            return
        # No transaction: all clients refresh, and none may stand in the way of another.  The expiry comes
        # first, so that whoever cleans this session up has done so ahead of both, or sees that it lives.
        self.db.write(
            ("ZADD", self.keys.all_sessions, self._expiry(), self.sid),
            ("HSETNX", self.keys.session_infos, self.sid, self._said),
        )

    def session_cleanup(self) -> None:
        now = self.now()[0]
        (stale,) = self.db.read(
            ("ZRANGEBYSCORE", self.keys.all_sessions, "-inf", now, "LIMIT", 0, STALE_LIMIT)
        )
        room = STALE_LIMIT - len(stale)
        if room:
            stale += self.db.read_one(
                "ZRANGEBYSCORE", self.keys.legacy_sessions, "-inf", now - LEGACY_LIFE, "LIMIT", 0, room
            )
        for sid in stale:
            try:
                self.clean_session(int(sid), partial(self._require_expired, int(sid), now))
            except Revived:
                log.info("session %d is back", int(sid))
            except (OSError, *FAILURES) as failure:
                log.warning("session %d could not be cleaned and is tried again: %s", int(sid), failure)

    def _require_expired(self, sid: int, now: int, tx: Transaction) -> None:
        """Raise `Revived` where a session that had expired at a time in seconds has been refreshed since."""
        tx.watch(self.keys.all_sessions)
        (expiry,) = tx.read(("ZSCORE", self.keys.all_sessions, sid))
        if expiry is not None and float(expiry) > now:
            raise Revived

    def clean_session(self, sid: int, check: Check = nothing) -> None:
        """Release all that a session holds, then its record, unless something could not be released (L3.8).

        Each step is a transaction that asks `check` first.  Raises the first failure, once the rest is done.
        """
        locked, sustained = self.db.read(
            ("SMEMBERS", self.keys.locked(sid)), ("SMEMBERS", self.keys.sustained(sid))
        )
        failures: list[Exception] = []
        for release in (
            *(partial(self.release_locks, key, sid, check) for key in locked),
            *(partial(self.delete_sustained, sid, int(inode), check) for inode in sustained),
        ):
            try:
                release()
            except (OSError, ServerError, codec.CorruptValue) as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

        def body(tx: Transaction) -> None:
            check(tx)
            tx.queue(
                ("HDEL", self.keys.session_infos, sid),
                ("ZREM", self.keys.all_sessions, sid),
                ("ZREM", self.keys.legacy_sessions, sid),
                *self.logged("CLEANSESSION", sid),
            )

        self.db.transact([self.keys.session_infos, self.keys.all_sessions], body)

    def elected(self, counter: bytes, name: str, now: int, spacing: int) -> bool:
        """Whether this client does a job that runs once in `spacing` seconds on a volume (S7.6)."""

        def body(tx: Transaction) -> bool:
            (last,) = tx.read(("GET", counter))
            if codec.decode_counter(last) > now - spacing:
                return False
            tx.queue(("SET", counter, now), *self.logged("SET", name, now))
            return True

        return self.db.transact([counter], body)


def local_addresses(host: str) -> list[str]:
    """The addresses that this host's name resolves to, loopback left out."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return []
    return sorted(one for one in found if not one.startswith("127.") and one != "::1")
