"""Connecting: redis-py opens the socket, encrypts, authenticates and selects; the socket is ours then."""

from __future__ import annotations

import re
import socket
import ssl
from typing import Any

from redis import exceptions
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from ..engine.store import Disconnected, ServerError
from ..errors import Refused
from ..url import Address, BadURL
from .wire import Wire

OLDEST = (4, 0)
"""The oldest server version that has every command the engine uses (S5.5)."""


class Dialler:
    """Opens connections to one address."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._tls = _tls_context(address) if address.tls else None

    def dial(self) -> Wire:
        """A connection that has authenticated, speaks RESP3 and is in the right database.

        Raises `Disconnected` when it cannot be made, `ServerError` when the server answers with an error,
        and `Refused` when the server is too old.
        """
        connection = self._connection()
        try:
            connection.connect()
        except exceptions.RedisError as failure:
            raise self._explained(failure) from failure
        # The one private attribute we need; without it redis-py forgets the socket and leaves it open.
        sock, connection._sock = connection._sock, None
        try:
            self._require_supported(connection.handshake_metadata)
        except Refused:
            sock.close()
            raise
        return Wire(sock)

    def _connection(self) -> Any:
        address = self.address
        options: dict[str, Any] = {
            "db": address.db,
            "username": address.username,
            "password": address.password,
            "protocol": 3,
            "retry": Retry(NoBackoff(), 0),
            "driver_info": None,  # saves the two round trips of CLIENT SETINFO
            "socket_timeout": address.dial_timeout,
            "socket_connect_timeout": address.dial_timeout,
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        }
        kind: Any = Connection  # redis-py's constructors are not typed
        if address.path:
            kind = UnixDomainSocketConnection
            options |= {"path": address.path}
        else:
            options |= {"host": address.host, "port": address.port}
        if self._tls is not None:
            kind = _TLSConnection
            options |= {"context": self._tls, "server_name": address.server_name or address.host}
        return kind(**options)

    def _explained(self, failure: exceptions.RedisError) -> Exception:
        if failure.status_code is None and not isinstance(failure, exceptions.ResponseError):
            return Disconnected(f"cannot connect to {self.address}: {failure}")
        text = f"{failure.status_code or ''} {failure}".strip()
        if text.startswith("NOPROTO") or "unknown command" in text.lower():
            return Refused(f"the server at {self.address} does not speak RESP3: use Redis 6.0 or later")
        return ServerError(text)

    def _require_supported(self, hello: dict[bytes, Any] | None) -> None:
        """Refuse a server that calls itself older than 4.0 (S5.5)."""
        version = (hello or {}).get(b"version", b"").decode(errors="replace")
        numbers = re.match(r"(\d+)\.(\d+)", version)
        if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
            raise Refused(f"the server at {self.address} has version {version}: use 4.0 or later")


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
