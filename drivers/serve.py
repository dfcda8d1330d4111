"""An engine of ours behind the driver protocol (§1-§3): one JSON object a line, in and out."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from . import wire
from .api import PRIMITIVES, Engine
from .errors import Refused, Unsupported, refuse_if
from .registry import Driver
from .types import ROOT
from .wire import BadParams, Json

if TYPE_CHECKING:
    from prometheus_client.core import Metric

log = logging.getLogger(__name__)

PROTOCOL = 1
ORDINARY = 32
"""Calls that run at once; more wait for their turn."""
BLOCKING = 256
"""Blocking locks that run at once: on the threads of other calls they would keep out their release."""
GRACE = 10.0
"""Seconds that calls under way get at the end."""

PARSE_ERROR, INVALID_REQUEST, UNKNOWN_METHOD, BAD_PARAMS, FAILED = -32700, -32600, -32601, -32602, -32603


class ProtocolError(Exception):
    """A request that gets an `error` instead of a `result`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def serve(driver: Driver, stdin: BinaryIO, stdout: BinaryIO, metrics: int | None = None) -> int:
    """Answer requests until the end of `stdin`, SIGTERM or a reader that went away; returns 0.

    Both must be files with a descriptor.  Calls under way are finished at the end, blocking locks are
    cancelled; sessions stay recorded (protocol §3).  Logs go to stderr, and so does what anything prints.
    With `metrics`, a port, the metrics of our engines are answered on loopback meanwhile (docs/metrics.md);
    0 stands for a free one.  Raises `Refused` when the port cannot be had.
    """
    with contextlib.redirect_stdout(sys.stderr), _interruption() as (stopped, stop):
        service = Service(driver, stdout.fileno(), stop)
        with contextlib.closing(service), _metrics_of(service, metrics):
            for line in _lines(stdin.fileno(), stopped):
                if line.strip():
                    service.receive(line)
    return 0


@contextlib.contextmanager
def _metrics_of(service: Service, port: int | None) -> Iterator[None]:
    """Have the metrics of the clients answered at a port, if one is given."""
    if port is None:
        yield
        return
    from prometheus_client import start_http_server

    from .engine.engine import StoreEngine
    from .engine.metrics import of_clients, registry_of

    def read() -> Iterable[Metric]:
        engines = dict(service.clients).items()
        return of_clients({name: one.families() for name, one in engines if isinstance(one, StoreEngine)})

    try:
        server, thread = start_http_server(port, "127.0.0.1", registry_of(read))
    except (OSError, OverflowError) as failure:
        raise Refused(f"metrics cannot be answered at port {port} ({failure}): choose another") from failure
    print(f"metrics at http://127.0.0.1:{server.server_port}/metrics", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def _interruption() -> Iterator[tuple[int, Callable[[], None]]]:
    """A descriptor that becomes readable, and what makes it so; SIGTERM does, too."""
    reading, writing = os.pipe()

    def stop() -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe is readable
            os.write(writing, b"!")

    main = threading.current_thread() is threading.main_thread()
    os.set_blocking(writing, False)
    if main:
        # A Python handler waits for the main thread, which may wait for a request; the descriptor does not.
        handler = signal.signal(signal.SIGTERM, lambda *_: None)
        told = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading, stop
    finally:
        if main:
            signal.set_wakeup_fd(told)
            signal.signal(signal.SIGTERM, handler)
        os.close(reading)
        os.close(writing)


def _lines(source: int, stopped: int) -> Iterator[bytes]:
    """The lines that come from `source`, until its end or until `stopped` is readable."""
    rest = b""
    while True:
        ready, _, _ = select.select([source, stopped], [], [])
        if stopped in ready:
            return
        block = os.read(source, 1 << 16)
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        if not block:
            if rest:
                yield rest
            return


@dataclasses.dataclass
class Call:
    """A call under way."""

    cancelled: threading.Event
    blocking: bool


class Service:
    """The clients and the calls under way of one connection."""

    def __init__(self, driver: Driver, output: int, stop: Callable[[], None]) -> None:
        """`output` is a descriptor; `stop` is called when nobody reads it any more."""
        self.driver = driver
        self.output = output
        self.stop = stop
        self.writing = threading.Lock()
        self.clients: dict[str, Engine] = {}
        self.calls: dict[Json, Call] = {}
        self.pending = 0
        self.answered = threading.Condition()
        self.ordinary = ThreadPoolExecutor(ORDINARY, "call")
        self.blocking = ThreadPoolExecutor(BLOCKING, "blocking")

    def receive(self, line: bytes) -> None:
        """Handle one line; never waits for an engine."""
        id: Json = None
        try:
            request = _parsed(line)
            id = request.get("id")
            if type(id) not in (int, str, type(None)):
                id = None
                raise ProtocolError(INVALID_REQUEST, "an id is a number or a text")
            self._handle(id, *_checked(request), answer="id" in request)
        except ProtocolError as error:
            self._send(id, error={"code": error.code, "message": str(error)})

    def _handle(self, id: Json, method: str, params: dict[str, Json], answer: bool) -> None:
        """Make a call.  What only concerns this program is done at once, so that requests sent without
        waiting for the answer find it done."""
        if method == "$/cancel":
            self._cancel(params)
            if answer:
                self._send(id, result={"ok": {}})
        elif not answer:
            raise ProtocolError(INVALID_REQUEST, "only $/cancel may come without an id")
        elif id in self.calls:
            raise ProtocolError(INVALID_REQUEST, f"the call with the id {id!r} is still under way")
        elif method == "hello":
            self._send(id, result=wire.attempt(lambda: self._hello(**_only(method, params, "protocol"))))
        elif method == "open":
            self._send(id, result=wire.attempt(lambda: self._open(params)))
        elif method == "close":
            self._close(id, params)
        elif method in PRIMITIVES:
            self._call(id, method, params)
        else:
            raise ProtocolError(UNKNOWN_METHOD, f"there is no method {method!r}")

    def _cancel(self, params: dict[str, Json]) -> None:
        if params.keys() != {"id"} or type(params["id"]) not in (int, str, type(None)):
            raise ProtocolError(BAD_PARAMS, "$/cancel takes the id of a call")
        call = self.calls.get(params["id"])
        if call is not None:  # otherwise it has been answered
            call.cancelled.set()

    def _hello(self, protocol: Json = None) -> dict[str, Json]:
        if protocol != PROTOCOL:
            raise Unsupported(f"this driver speaks protocol {PROTOCOL}, not {protocol!r}")
        return {
            "ok": {
                "protocol": PROTOCOL,
                "name": self.driver.name,
                "version": version("metaparity"),
                "language": "python",
                "capabilities": sorted(self.driver.capabilities),
                "schemes": list(self.driver.schemes),
            }
        }

    def _open(self, params: dict[str, Json]) -> dict[str, Json]:
        _only("open", params, "client", "url", "config")
        name, url = params.get("client"), params.get("url")
        if not isinstance(name, str) or not isinstance(url, str):
            raise ProtocolError(BAD_PARAMS, "open needs the texts client and url")
        if name in self.clients:
            raise ProtocolError(BAD_PARAMS, f"client {name!r} is open: close it or choose another name")
        try:
            self.clients[name] = self.driver.open(url, wire.config(params.get("config", {})))
        except ValueError as bad:
            raise ProtocolError(BAD_PARAMS, str(bad)) from None
        return {"ok": {}}

    def _close(self, id: Json, params: dict[str, Json]) -> None:
        engine = self._client(params)
        try:
            _only("close", params, "client")
        except Unsupported as unsupported:
            self._send(id, result={"unsupported": unsupported.reason})
            return
        del self.clients[params["client"]]

        def close() -> dict[str, Json]:
            engine.close()
            return {"ok": {}}

        self._run(id, Call(threading.Event(), blocking=False), close)

    def _call(self, id: Json, method: str, params: dict[str, Json]) -> None:
        engine = self._client(params)
        try:
            arguments = wire.arguments(method, {name: params[name] for name in params if name != "client"})
        except Unsupported as unsupported:
            self._send(id, result={"unsupported": unsupported.reason})
            return
        except BadParams as bad:
            raise ProtocolError(BAD_PARAMS, str(bad)) from None
        call = Call(threading.Event(), blocking=arguments.get("block", False))
        if wire.takes(method, "ctx"):
            arguments["ctx"] = dataclasses.replace(arguments.get("ctx", ROOT), cancelled=call.cancelled)
        self._run(id, call, lambda: wire.outcome(method, lambda: getattr(engine, method)(**arguments)))

    def _client(self, params: dict[str, Json]) -> Engine:
        name = params.get("client")
        if not isinstance(name, str) or name not in self.clients:
            raise ProtocolError(BAD_PARAMS, f"no client {name!r} is open: open it first")
        return self.clients[name]

    def _run(self, id: Json, call: Call, make: Callable[[], dict[str, Json]]) -> None:
        """Make a call on a thread and send its answer."""

        def run() -> None:
            try:
                answer = {"result": wire.attempt(lambda: _unless_cancelled(call, make))}
            except Exception as failure:
                log.exception("a call failed without an errno")
                answer = {"error": {"code": FAILED, "message": f"{type(failure).__name__}: {failure}"}}
            del self.calls[id]  # before the answer: its reader may use the id again
            self._send(id, **answer)
            with self.answered:
                self.pending -= 1
                self.answered.notify_all()

        with self.answered:
            self.pending += 1
        self.calls[id] = call
        (self.blocking if call.blocking else self.ordinary).submit(run)

    def _send(self, id: Json, **outcome: Json) -> None:
        line = json.dumps({"jsonrpc": "2.0", "id": id, **outcome}, separators=(",", ":")).encode() + b"\n"
        with self.writing:
            try:
                while line:
                    line = line[os.write(self.output, line) :]
            except BrokenPipeError:
                self.stop()

    def close(self) -> None:
        """Finish the calls under way but for blocking locks, which are cancelled; let go of the clients."""
        for call in list(self.calls.values()):
            if call.blocking:
                call.cancelled.set()
        with self.answered:
            if not self.answered.wait_for(lambda: not self.pending, GRACE):
                log.warning("%d calls did not end within %g s", self.pending, GRACE)
        for engine in self.clients.values():
            engine.close()
        self.ordinary.shutdown(wait=False)
        self.blocking.shutdown(wait=False)


def _parsed(line: bytes) -> dict[str, Json]:
    """The object on a line."""
    try:
        request = json.loads(line.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as bad:
        raise ProtocolError(PARSE_ERROR, f"this line is not JSON: {bad}") from None
    if not isinstance(request, dict):
        raise ProtocolError(INVALID_REQUEST, "a request is one JSON object on a line")
    return request


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _checked(request: dict[str, Json]) -> tuple[str, dict[str, Json]]:
    """The method and the parameters of a request."""
    method, params = request.get("method"), request.get("params", {})
    if request.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise ProtocolError(INVALID_REQUEST, 'a request has "jsonrpc": "2.0" and a method')
    if not isinstance(params, dict):
        raise ProtocolError(BAD_PARAMS, "params is an object")
    return method, params


def _only(method: str, params: dict[str, Json], *known: str) -> dict[str, Json]:
    for name in params:
        if name not in known:
            raise Unsupported(f"{method} has no parameter {name!r}")
    return params


def _unless_cancelled(call: Call, make: Callable[[], dict[str, Json]]) -> dict[str, Json]:
    """A call that was cancelled while it waited for a thread is not begun."""
    refuse_if(call.cancelled.is_set(), errno.EINTR)
    return make()
