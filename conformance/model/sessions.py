"""Clients that are registered, what they hold, and what is left of those that expired (N2, L3)."""

from __future__ import annotations

import datetime
import os
import socket
from dataclasses import replace

from metaparity.drivers.errors import Refused
from metaparity.drivers.types import LockRecord, Session, SessionFlock, SessionInfo, SessionPlock

from .lifecycle import CLIENT_VERSION, Lifecycle

SHORTEST, LONGEST = 1.0, 600.0
"""What a heartbeat is at least and at most, in seconds (L3.4)."""

YEAR = 365 * 24 * 3600


class Sessions(Lifecycle):
    """session_new, session_refresh, session_close, session_cleanup, session_get, session_list."""

    def session_new(self, record: bool = False) -> int:
        self.load()  # N2.1
        if self.config.subdir:
            self.chroot(self.config.subdir.encode())
        if not self.config.read_only:
            if record:
                self._register()
            self.load_quotas()
        return self.sid

    def _register(self) -> None:
        if not self.sid:
            self.volume.last_session += 1
            self.sid = self.volume.last_session
        self.said = self._info()
        self.volume.sessions[self.sid] = Session(self.sid, self._expiry(), self.said)
        self.ended = False

    def _expiry(self) -> int:
        heartbeat = self.config.heartbeat  # L3.4
        life = 5 * min(max(heartbeat, SHORTEST), LONGEST) if heartbeat else YEAR
        return int(self.now()[0] + life)

    def _info(self) -> SessionInfo:
        host = socket.gethostname()
        begun = datetime.datetime.fromtimestamp(self.now()[0], datetime.UTC)
        return SessionInfo(CLIENT_VERSION, host, [], self.config.mount_point, begun.isoformat(), os.getpid())

    def session_refresh(self) -> None:
        if self.sid:  # L3.5
            session = self.volume.sessions.setdefault(self.sid, Session(self.sid, 0, self.said))
            session.expire = self._expiry()
            if not session.info.version:
                session.info = self.said

    def session_close(self) -> None:
        self.settle()  # N2.3
        self.ended = True
        if self.sid:
            self._clean(self.sid)
        self.settle()  # what was open without a name is given back to its owner only now

    def session_cleanup(self) -> None:
        now = self.now()[0]  # L3.7
        for sid in [sid for sid, session in self.volume.sessions.items() if session.expire <= now]:
            self._clean(sid)

    def _clean(self, sid: int) -> None:
        """Release what a session holds, then forget it (L3.8)."""
        session = self.volume.sessions.get(sid)
        if session is None:
            return
        self.volume.locks.end_session(sid)
        for inode in [*session.sustained]:
            self.delete_sustained(sid, inode)
        del self.volume.sessions[sid]

    def session_get(self, sid: int, detail: bool = False) -> Session:
        session = self.volume.sessions.get(sid)  # L3.11
        if session is None:
            raise Refused(f"session {sid} is not known: list the sessions")
        bare = replace(session, info=replace(session.info), sustained=[])
        if not detail:
            return bare
        flocks, plocks = self._held(sid)
        return replace(bare, sustained=sorted(session.sustained), flocks=flocks, plocks=plocks)

    def _held(self, sid: int) -> tuple[list[SessionFlock], list[SessionPlock]]:
        """The locks of a session, by inode."""
        locks = self.volume.locks
        flocks = [
            SessionFlock(inode, holder.owner, type.name)
            for inode, held in sorted(locks.flocks.items())
            for holder, type in held.items()
            if holder.sid == sid
        ]
        plocks = [
            SessionPlock(
                inode, holder.owner, [LockRecord(one.type, one.pid, one.start, one.end) for one in records]
            )
            for inode, owners in sorted(locks.records.items())
            for holder, records in owners.items()
            if holder.sid == sid
        ]
        return flocks, plocks

    def session_list(self) -> list[Session]:
        known = sorted(self.volume.sessions.values(), key=lambda session: (session.expire, str(session.sid)))
        return [self.session_get(session.sid) for session in known]  # L3.12
