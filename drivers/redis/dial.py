"""Connecting: redis-py opens the socket, encrypts, authenticates and selects; the socket is ours then."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from typing import Any

from redis import exceptions
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from ..engine.store import Disconnected, ServerError
from ..errors import Refused
from ..url import Address, BadURL, Place, place_text
from .sentinels import Listener, Sentinels, text_of
from .wire import Wire, wire_of

OLDEST = (4, 0)
"""The oldest server version that has every command the engine uses (S5.5)."""

Hello = dict[bytes, Any]
"""What a server says of itself."""


class Dialler:
    """Opens connections to one address."""

    def __init__(self, address: Address, on_move: Callable[[], None] = lambda: None) -> None:
        """`on_move` is called when sentinels name another master: no connection made before is of use.

        It may be called by any thread, and `moves` is counted before.
        """
        self.address = address
        self.moves = 0
        self._on_move = on_move
        self._tls = _tls_context(address) if address.tls else None
        self._sentinels = Sentinels(address, self._way, self._moved) if address.sentinels else None
        self._listener = Listener(self._sentinels, address.write_timeout) if self._sentinels else None

    def dial(self) -> Wire:
        """A connection that has authenticated, speaks RESP3 and is in the right database.

        Where the address names sentinels, they are asked each time.  Raises `Disconnected` when it cannot be
        made, `ServerError` when the server answers with an error, and `Refused` when the server is none that
        the engine can use.
        """
        place = self._sentinels.master() if self._sentinels else (self.address.host, self.address.port)
        connection = self._connection(place)
        try:
            connection.connect()
        except exceptions.RedisError as failure:
            self._require_usable(connection.handshake_metadata or {})
            raise self._explained(failure) from failure
        wire = wire_of(connection)
        try:
            self._require_usable(connection.handshake_metadata)
            self._require_master(connection.handshake_metadata, place)
        except (Refused, Disconnected):
            wire.close()
            raise
        if self._listener is not None:
            self._listener.start()
        return wire

    def close(self) -> None:
        """Listen to sentinels no more."""
        if self._listener is not None:
            self._listener.close()

    def _moved(self) -> None:
        self.moves += 1
        self._on_move()

    def _connection(self, place: Place) -> Any:
        address = self.address
        kind, options = self._way(place)
        return kind(
            db=address.db,
            username=address.username,
            password=address.password,
            client_name=address.client_name or None,
            protocol=3,
            **options,
        )

    def _way(self, place: Place) -> tuple[Any, dict[str, Any]]:
        """The class of redis-py's connections to a place, and how they are to behave."""
        address = self.address
        options: dict[str, Any] = {
            "retry": Retry(NoBackoff(), 0),
            "driver_info": None,  # saves the two round trips of CLIENT SETINFO
            "socket_timeout": address.dial_timeout,
            "socket_connect_timeout": address.dial_timeout,
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        }
        if address.path:
            return UnixDomainSocketConnection, options | {"path": address.path}
        host, port = place
        options |= {"host": host, "port": port}
        if self._tls is None:
            return Connection, options
        return _TLSConnection, options | {"context": self._tls, "server_name": address.server_name or host}

    def _explained(self, failure: exceptions.RedisError) -> Exception:
        if failure.status_code is None and not isinstance(failure, exceptions.ResponseError):
            return Disconnected(f"cannot connect to {self.address}: {failure}")
        text = text_of(failure)
        if text.startswith("NOPROTO") or "unknown command" in text.lower():
            return Refused(f"the server at {self.address} does not speak RESP3: use Redis 6.0 or later")
        return ServerError(text)

    def _require_usable(self, hello: Hello) -> None:
        """Refuse a server that calls itself a sentinel, part of a cluster, or older than 4.0 (S5.5)."""
        mode = hello.get(b"mode")
        if mode == b"cluster":
            raise Refused(
                f"the server at {self.address} is part of a Redis Cluster, which is not supported: "
                "use a server that was started without cluster-enabled"
            )
        if mode == b"sentinel":
            raise Refused(
                f"the server at {self.address} is a sentinel: "
                f"write MASTER,{place_text((self.address.host, self.address.port))} in place of its address"
            )
        version = hello.get(b"version", b"").decode(errors="replace")
        numbers = re.match(r"(\d+)\.(\d+)", version)
        if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
            raise Refused(f"the server at {self.address} has version {version}: use 4.0 or later")

    def _require_master(self, hello: Hello, place: Place) -> None:
        """Turn down a server that sentinels call the master while it is none, or not any more."""
        if self._sentinels is not None and hello.get(b"role") != b"master":
            raise Disconnected(
                f"the sentinels of {self.address} name {place_text(place)}, which is no master: "
                "a failover is under way, try again"
            )


class _TLSConnection(SSLConnection):
    """TLS with a ready context: redis-py builds one a connection, and knows no other name than the host."""

    def __init__(self, context: ssl.SSLContext, server_name: str, **options: Any) -> None:
        super().__init__(**options)
        self._context = context
        self._server_name = server_name

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        return self._context.wrap_socket(sock, server_hostname=self._server_name)


def _tls_context(address: Address) -> ssl.SSLContext:
    """TLS 1.2 or later (S5.1.1).  Raises `BadURL` when a file of the URL is of no use."""
    try:
        context = ssl.create_default_context(cafile=address.ca_cert_file or None)
        if address.cert_file:
            context.load_cert_chain(address.cert_file, address.key_file)
    except OSError as failure:  # SSLError is one
        files = [file for file in (address.ca_cert_file, address.cert_file, address.key_file) if file]
        raise BadURL(f"cannot use the TLS files {', '.join(files)}: {failure.strerror}") from failure
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not address.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
