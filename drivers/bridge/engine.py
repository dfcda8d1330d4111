"""An engine in another program: every primitive is one call of the driver protocol."""

from __future__ import annotations

import errno
import functools
import inspect
from collections.abc import Callable
from typing import Any

from .. import wire
from ..api import PRIMITIVES, UNREFUSABLE, Engine
from ..errors import refuse_if
from ..types import ROOT, Config
from .failures import EngineFailure, EngineFault, ProtocolViolation
from .program import ENCODE as encode
from .program import Hello, Json, Program, shown

BAD_PARAMS = -32602


class BridgeEngine(Engine):
    """One client in a program that it may share with others.

    Beyond what the primitives raise, every method may raise `EngineFailure`.
    """

    def __init__(self, program: Program, hello: Hello, client: str, url: str, config: Config) -> None:
        """Open the client.  Raises `ValueError` for a URL or configuration that the program refuses."""
        self.capabilities = hello.capabilities  # type: ignore[misc]
        self._program = program
        self._client = client
        self._told = self._closed = False
        given = {
            name: value for name, value in wire.encode(config).items() if value != getattr(Config(), name)
        }
        try:
            self._take("open", {"url": url, "config": given})
        except EngineFault as fault:
            if fault.code != BAD_PARAMS:
                raise
            raise ValueError(fault.reason) from fault

    def close(self) -> None:
        if self._closed or (self._told and self._program.failure is not None):
            return  # closed before, or gone with its program, as the caller was told
        self._closed = True
        self._take("close", {})

    @property
    def pid(self) -> int:
        """The process of the program."""
        return self._program.pid

    def extension(self, method: str, params: dict[str, Json], timeout: float) -> Json:
        """What the program answers to a method that is not of the protocol (§3), such as `bench.run`.

        It gets `timeout` seconds.  Raises `EngineFault` with the code -32601 where the program has no such
        method, and whatever else it answers.
        """
        given = {"client": self._client, **params}
        return wire.raise_outcome(self._program.request(method, given, timeout=timeout))

    def _take(self, method: str, params: dict[str, Json]) -> None:
        """A call that answers nothing."""
        body = self._outcome(method, params, None, wire.raise_outcome)
        if body != {}:
            raise ProtocolViolation(
                f"{method} answered {shown(encode(body).encode())}: answer an empty object"
            )

    def _call(self, method: str, arguments: dict[str, Any]) -> Any:
        context = arguments.get("ctx", ROOT)
        cancelled = None if method in UNREFUSABLE else context.cancelled
        # No program can be asked about a call that was over before it began: it may outrun $/cancel.
        refuse_if(cancelled is not None and cancelled.is_set(), errno.EINTR)
        if context == ROOT:
            arguments.pop("ctx", None)
        given = {name: value for name, value in arguments.items() if value is not None}
        return self._outcome(
            method, wire.params(method, **given), cancelled, functools.partial(wire.value_of, method)
        )

    def _outcome(
        self, method: str, params: dict[str, Json], cancelled: Any, decode: Callable[[Json], Any]
    ) -> Any:
        try:
            result = self._program.request(method, {"client": self._client, **params}, cancelled=cancelled)
            try:
                return decode(result)
            except wire.Malformed as wrong:
                text = shown(encode(result).encode())
                raise ProtocolViolation(
                    f"{method} answered what has not its shape ({wrong}): {text}"
                ) from None
        except EngineFailure:
            self._told = True
            raise


def _forwarded(method: str) -> Callable[..., Any]:
    primitive = getattr(Engine, method)
    signature = inspect.signature(primitive)
    own = list(signature.parameters.values())[1:]
    positional = [one.name for one in own if one.kind is not one.KEYWORD_ONLY]
    names = frozenset(one.name for one in own)
    required = frozenset(one.name for one in own if one.default is one.empty)

    @functools.wraps(primitive)
    def call(self: BridgeEngine, *args: Any, **kwargs: Any) -> Any:
        arguments = dict(zip(positional, args, strict=False))
        count = len(args) + len(kwargs)
        arguments.update(kwargs)
        if len(arguments) != count or not required <= arguments.keys() <= names:
            signature.bind(self, *args, **kwargs)  # raises the TypeError of Python
        return self._call(method, arguments)

    return call


for _name in PRIMITIVES:
    setattr(BridgeEngine, _name, _forwarded(_name))
