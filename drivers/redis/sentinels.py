"""Where the master is, as its sentinels say: asked for each connection, and told of a change (S5.1.3)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError

from ..engine.store import Disconnected, ServerError, pairs
from ..errors import Refused
from ..forks import after_fork
from ..url import Address, Place, place_text
from .connection import Replies, pack
from .wire import Wire, wire_of

Way = Callable[[Place], tuple[Any, dict[str, Any]]]
"""How connections to a place are made: redis-py's class, and its options."""

DOWN = {"s_down", "o_down"}
"""Flags of a master that is not to be used."""
SWITCHED = b"+switch-master"
"""The channel on which a sentinel tells `NAME OLD-HOST OLD-PORT HOST PORT`."""
HEARTBEAT = 5.0
"""Seconds of silence after which a sentinel is asked whether it is there."""
PAUSE = 1.0
"""Seconds until the sentinels are tried again when none can be listened to."""


def text_of(failure: RedisError) -> str:
    """The text of a failure, with the word in front that redis-py takes off the server's errors."""
    return f"{failure.status_code or ''} {failure}".strip()


class Sentinels:
    """The sentinels of an address; the one that answered last is the first to be asked.

    `moved` is called, by any thread, when the master is another than it was.  Under `_lock` what sentinels
    say takes effect, one after the other.
    """

    def __init__(self, address: Address, way: Way, moved: Callable[[], None]) -> None:
        self.name = address.master
        self.places = address.sentinels
        self._way = way
        self._moved = moved
        self._credentials: dict[str, Any] = {
            "username": address.sentinel_username,
            "password": address.sentinel_password,
        }
        self._master: Place | None = None
        self._forget()
        after_fork(self, Sentinels._forget)

    def master(self) -> Place:
        """Where the master is now.

        Raises `Refused` when every sentinel answers and none knows the name, and `Disconnected` when none
        that can be reached knows a master that is up.
        """
        reasons, strangers = [], 0
        for sentinel in self.places:
            try:
                return self.ask(sentinel)
            except Refused as stranger:
                reasons.append(str(stranger))
                strangers += 1
            except Disconnected as reason:
                reasons.append(str(reason))
        told = "; ".join(reasons)
        if strangers == len(reasons):
            raise Refused(
                f"no sentinel knows a master named {self.name!r}: use a name that one knows ({told})"
            )
        raise Disconnected(f"no sentinel names a master {self.name!r} that is up ({told})")

    def ask(self, sentinel: Place) -> Place:
        """Where the master is, as one sentinel says.

        Raises `Refused` when it does not know the name, and `Disconnected` when it knows of no master that is
        up, or does not answer.
        """
        try:
            masters = {one["name"]: one for one in self._masters(sentinel)}
        except RedisError as failure:
            raise Disconnected(f"{place_text(sentinel)}: {text_of(failure)}") from failure
        state = masters.get(self.name)
        if state is None:
            raise Refused(f"{place_text(sentinel)}: knows {', '.join(sorted(masters)) or 'no master'}")
        if DOWN & set(state["flags"].split(",")):
            raise Disconnected(f"{place_text(sentinel)}: holds it for down")
        return self.told((state["ip"], int(state["port"])), sentinel)

    def told(self, master: Place, sentinel: Place) -> Place:
        """Take in where the master is, as a sentinel says."""
        with self._lock:
            self.places = (sentinel, *[one for one in self.places if one != sentinel])
            before, self._master = self._master, master
            if before not in (None, master):
                self._moved()
        return master

    def connect(self, sentinel: Place) -> Wire:
        """A connection to one sentinel.  Raises `RedisError`."""
        return wire_of(self._connected(sentinel))

    def _masters(self, sentinel: Place) -> list[dict[str, str]]:
        """What one sentinel says of every master that it watches."""
        connection = self._connected(sentinel)  # a pool of redis-py takes TLS's session tickets for replies
        try:
            connection.send_command("SENTINEL", "MASTERS")
            return [
                {name.decode(): value.decode() for name, value in pairs(one)}
                for one in connection.read_response()
            ]
        finally:
            connection.disconnect()

    def _connected(self, sentinel: Place) -> Any:
        kind, options = self._way(sentinel)
        connection = kind(protocol=2, **self._credentials, **options)
        connection.connect()
        return connection

    def _forget(self) -> None:
        self._lock = threading.Lock()


class Listener:
    """A thread that listens to one sentinel after the other for a change of the master, until it is closed.

    Without it a client would write to the old master, and read there what it has kept, until the sentinels
    end its connections, which takes them some ten seconds; what was written by then is lost.
    `_lock` guards `_wire` and `_thread`.
    """

    def __init__(self, sentinels: Sentinels, timeout: float) -> None:
        """`timeout` is in seconds, for what is sent."""
        self._sentinels = sentinels
        self._timeout = timeout
        self._closing = threading.Event()
        self._wire: Wire | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        after_fork(self, Listener._forget)

    def start(self) -> None:
        """Listen, if it does not yet."""
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                name = f"metaparity sentinels {self._sentinels.name}"
                self._thread = threading.Thread(target=self._listen, name=name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        with self._lock:
            thread = self._thread
            if self._wire is not None:
                self._wire.shutdown()
        if thread is not None:
            thread.join()

    def _forget(self) -> None:
        """Leave the thread and its connection to the parent process."""
        wire, self._wire, self._thread = self._wire, None, None
        self._lock, self._closing = threading.Lock(), threading.Event()
        if wire is not None:
            wire.close()

    def _listen(self) -> None:
        while not self._closing.is_set():
            for sentinel in self._sentinels.places:
                with contextlib.suppress(RedisError, OSError, EOFError, Disconnected, Refused):
                    self._listen_to(sentinel)
                if self._closing.is_set():
                    return
            self._closing.wait(PAUSE)

    def _listen_to(self, sentinel: Place) -> None:
        """Take in what one sentinel says until it falls silent.  Raises what ends the connection."""
        wire = self._sentinels.connect(sentinel)
        try:
            with self._lock:
                self._wire = wire
            wire.send(pack([("SUBSCRIBE", SWITCHED)]), self._timeout)
            replies = Replies()
            asked_for_life = False
            while not self._closing.is_set():
                try:
                    data = wire.receive(HEARTBEAT)
                except TimeoutError:
                    if asked_for_life:
                        raise
                    asked_for_life = True
                    wire.send(pack([("PING",)]), self._timeout)
                    continue
                asked_for_life = False
                for reply in replies.feed(data):
                    self._heard(reply, sentinel)
        finally:
            with self._lock:
                self._wire = None
            wire.close()

    def _heard(self, reply: Any, sentinel: Place) -> None:
        if isinstance(reply, ServerError):
            raise Disconnected(str(reply))
        if reply[0] == b"subscribe":  # what happened before, nobody has told
            self._sentinels.ask(sentinel)
        elif reply[0] == b"message":
            name, _, _, host, port = reply[2].decode().split(" ")
            if name == self._sentinels.name:
                self._sentinels.told((host, int(port)), sentinel)
