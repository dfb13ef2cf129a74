"""The first protocol of every TCP connection: turns it into a websocket or passes it to aiohttp. Created by the engine.

The head of a websocket request is parsed here by aiohttp's compiled request parser, not by aiohttp's RequestHandler, so
that a websocket needs no handler, task or request. All other requests, including invalid upgrades, go to aiohttp with
all their bytes: refusals are written in one place, and nothing is guessed from unparsed bytes.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, cast

from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import HttpProcessingError

from gateway.realtime.engineio.address_limit import AddressLimit
from gateway.realtime.engineio.handshake import RefusedError, accept_websocket, address_of, of_message
from gateway.realtime.engineio.http_endpoint import EngineSessions
from gateway.realtime.engineio.timer_wheel import TimerWheel
from gateway.realtime.engineio.turns import SpreadCalls

MAX_HEAD: Final = 16_384  # bytes of a request's head that are kept here; aiohttp handles larger ones


# Creates aiohttp's protocol for a connection; the protocol calls the argument when the connection has ended.
HttpFactory = Callable[[Callable[[], None]], asyncio.Protocol]


class Gate(EngineSessions, Protocol):
    """The part of the engine that a front uses."""

    wheel: TimerWheel
    address_limit: AddressLimit
    handshakes: SpreadCalls


class Front(asyncio.Protocol):
    """Waits up to `head_timeout` for the head of the first request."""

    __slots__ = ("_fronts", "_gate", "_head", "_http", "_subject", "_transport", "bucket")

    def __init__(self, gate: Gate, http: HttpFactory, fronts: "set[Front]") -> None:
        self._subject: str | None = None  # the subject under which AddressLimit counts this connection
        self._gate = gate
        self._http = http
        self._fronts = fronts
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self.bucket: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self._subject = self._gate.address_limit.connected(address_of(transport.get_extra_info("peername")))
        if self._subject is None:
            self.abort()
            return
        self._fronts.add(self)
        deadline = asyncio.get_running_loop().time() + self._gate.options.head_timeout
        self._gate.wheel.at(self, deadline)

    def connection_lost(self, _error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._leave()

    def on_deadline(self, _now: float) -> None:
        """See Timed. The request did not arrive in time."""
        self.abort()

    def abort(self) -> None:
        """Close the TCP connection immediately."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        transport = self._transport
        if transport is None:
            return
        self._head = head = self._head + data if self._head else data
        start = b"GET " + self._gate.options.path.encode()
        if not head.startswith(start[: len(head)]):
            self._give_to_http(transport)
        elif b"\r\n\r\n" in head:
            self._gate.wheel.remove(self)
            if not self._gate.handshakes.call(self._answer):
                transport.pause_reading()
        elif len(head) > MAX_HEAD:
            self._give_to_http(transport)

    def _answer(self) -> None:
        """Open a websocket, or pass the connection to aiohttp, when it is this connection's turn."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if not transport.is_reading():
            transport.resume_reading()
        end = self._head.index(b"\r\n\r\n") + 4
        if b"websocket" not in self._head[:end].lower() or not self._upgrade(transport, end):
            self._give_to_http(transport)

    def _upgrade(self, transport: asyncio.Transport, end: int) -> bool:
        # Only the head is parsed: frames follow it, since a request with a body is not accepted.
        parser = HttpRequestParser(cast("Any", self), asyncio.get_running_loop(), MAX_HEAD)
        try:
            [(message, _)] = parser.feed_data(self._head[:end])[0]
        except (HttpProcessingError, ValueError):
            return False
        if message.url.path != self._gate.options.path:
            return False
        secure = transport.get_extra_info("sslcontext") is not None
        handshake = of_message(message, transport.get_extra_info("peername"), secure=secure)
        try:
            if self._gate.accept(handshake) != "websocket":
                return False
            compresses = self._gate.options.compression_threshold > 0
            answer = accept_websocket(message.method, message.version, message.headers, compresses=compresses)
            if handshake.sid is not None:
                self._gate.session(handshake.sid)
        except RefusedError:
            return False
        rest = self._head[end:]
        self._leave()
        self._gate.open_websocket(handshake, transport, answer, rest)
        return True

    def _give_to_http(self, transport: asyncio.Transport) -> None:
        head, counted = self._head, self._subject
        self._subject = None  # still counted, until aiohttp's protocol calls `disconnected`
        self._leave()
        protocol = self._http(partial(self._gate.address_limit.disconnected, counted or ""))
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if head:
            protocol.data_received(head)

    def _leave(self) -> None:
        self._gate.wheel.remove(self)
        self._fronts.discard(self)
        if self._subject is not None:
            self._gate.address_limit.disconnected(self._subject)
            self._subject = None
        self._transport = None
        self._head = b""
