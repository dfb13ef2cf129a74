"""The Engine.IO v4 server: opens connections and hands their messages up. Created by the composition root."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from aiohttp import web
from aiohttp.http import WSCloseCode

from gateway.metrics import Metrics
from gateway.realtime.engineio.address_limit import AddressLimit
from gateway.realtime.engineio.connection import Connection
from gateway.realtime.engineio.front import Front, HttpFactory
from gateway.realtime.engineio.handshake import (
    FORBIDDEN,
    UNAVAILABLE,
    UNKNOWN_SESSION,
    Answer,
    Handshake,
    RefusedError,
    check_protocol,
)
from gateway.realtime.engineio.http_endpoint import HttpEndpoint
from gateway.realtime.engineio.options import GRACE, EngineOptions
from gateway.realtime.engineio.tick import Cork, MessageTasks
from gateway.realtime.engineio.timer_wheel import TimerWheel
from gateway.realtime.engineio.transports.frame import NOOP, OPEN
from gateway.realtime.engineio.transports.polling import Polling
from gateway.realtime.engineio.transports.transport import TransportName
from gateway.realtime.engineio.transports.upgrade import Upgrade
from gateway.realtime.engineio.transports.websocket import CompressingWebSocket, WebSocket
from gateway.realtime.engineio.turns import SpreadCalls, Turns

__all__ = ["EngineOptions", "EngineServer"]

log = structlog.get_logger()


class EngineServer:
    """All Engine.IO connections of a node.

    The layer above sets `admits`, `on_connect`, `on_message` and `on_close` before the first client connects.
    `on_message` runs once at a time for each connection; while 64 or more of its messages wait, reading is paused.

    While `admits` returns False, new sessions are refused and open ones are served. Only `close` makes the server
    ignore what clients send.
    """

    def __init__(
        self, options: EngineOptions, metrics: Metrics, *, origin_allowed: Callable[[Handshake], bool]
    ) -> None:
        self.options = options
        self.wheel = TimerWheel(options.tick)
        self.turns = Turns()
        self.handshakes, self.losses = SpreadCalls(), SpreadCalls()
        self.tasks = MessageTasks()
        self.closing = False
        self.connections: dict[str, Connection] = {}
        self.starts_or_drains: Callable[[], bool] = lambda: False
        self.admits: Callable[[], bool] = lambda: True  # whether a new session may be opened now
        self.on_connect: Callable[[Connection], None] = lambda _: None
        self.on_message: Callable[[Connection, str], Awaitable[None]] = _ignore_message
        self.on_close: Callable[[Connection, str], None] = lambda _connection, _reason: None
        self._origin_allowed = origin_allowed
        self._metrics = metrics
        self._open = {
            "polling": metrics.connections.labels("polling"),
            "websocket": metrics.connections.labels("websocket"),
        }
        self._parameters_polling, self._parameters_websocket = (
            _parameters(options, ["websocket"]),
            _parameters(options, []),
        )
        self._cork = Cork()
        self.address_limit = AddressLimit(options)
        self._closed: dict[str, Connection] = {}  # closed connections whose last packets a poll may still fetch
        self._fronts: set[Front] = set()
        self._endpoint = HttpEndpoint(self)

    # --- for the composition root and the layer above -----------------------------------------------------------------

    def protocol_factory(self, http: HttpFactory, kind: Callable[..., Front] = Front) -> Callable[[], Front]:
        """Return the protocol factory of a listening socket; `http` makes aiohttp's protocol for other requests."""
        return partial(kind, self, http, self._fronts)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to the Socket.IO path: aiohttp's handler for every method."""
        return await self._endpoint.handle(request)

    async def close(self, reason: str, within: float) -> None:
        """Close all connections within `within` s: ignore new messages, and let running handlers finish first."""
        self.closing = True
        had_connections = bool(self.connections)
        self.abort_fronts()
        for connection in list(self.connections.values()):
            if not connection.busy:
                connection.close(reason)
        await self.tasks.wait(max(0.0, within - GRACE))
        for connection in list(self.connections.values()):
            connection.close(reason)
        if had_connections:
            await asyncio.sleep(GRACE)  # for close packets to arrive and transports to end
        self.tasks.cancel()
        await self.tasks.wait(GRACE)

    def abort_fronts(self) -> None:
        """Close the TCP connections on which no request has arrived yet."""
        for front in list(self._fronts):
            front.abort()

    # --- for the front and the endpoint -------------------------------------------------------------------------------

    def accept(self, handshake: Handshake) -> TransportName:
        """Return the transport that a request is for.

        Raises:
            RefusedError: The origin or the protocol is not accepted; or, for a new session, the address has too many
                connections or the node admits no new sessions.
        """
        if not self._origin_allowed(handshake):
            raise RefusedError(*FORBIDDEN)
        transport = check_protocol(handshake)
        if handshake.sid is None:
            if self.closing or not self.admits():
                raise RefusedError(*UNAVAILABLE)
            self.address_limit.check(self.address_limit.address(handshake))
        return transport

    def refused(self, refusal: RefusedError) -> None:
        """Count a refused request, if the refusal is temporary."""
        if refusal.retry_after_ms is not None:
            self._metrics.refused.labels("handshake", refusal.code).inc()

    def session(self, sid: str) -> Connection:
        """Return the open connection with this id. Raises RefusedError.

        A node that starts or drains answers UNAVAILABLE for unknown sessions: they may be on other nodes, to which its
        balancer will send their requests.
        """
        connection = self.connections.get(sid)
        if connection is None or connection.over:
            raise RefusedError(*(UNAVAILABLE if self.starts_or_drains() else UNKNOWN_SESSION))
        return connection

    def take_closed(self, sid: str) -> Connection | None:
        """Return the closed connection with this id, from which a poll fetches the last packets; None without one.

        Forget it unless its close packet is left for another poll.
        """
        connection = self._closed.get(sid)
        if connection is not None and (connection.polling is None or not connection.polling.splits):
            del self._closed[sid]
        return connection

    def open_polling(self, handshake: Handshake) -> Polling:
        """Open a session over polling."""
        polling = Polling(self.options, self._cork)
        connection = self._connection(handshake, "polling")
        polling.listen(connection)
        polling.push(self._open_packet(connection, self._parameters_polling))
        connection.start(polling)
        self.on_connect(connection)
        return polling

    def open_websocket(self, handshake: Handshake, transport: asyncio.Transport, answer: Answer, rest: bytes) -> None:
        """Turn a TCP connection into a websocket, for a new session or as the upgrade of the handshake's session.

        The handshake must be admitted and its session exist. The websocket is closed if the session is not polling or
        is already being upgraded.

        Args:
            handshake: The request.
            transport: The TCP connection.
            answer: The answer to send.
            rest: Bytes that arrived after the request's head.
        """
        websocket = (
            WebSocket(transport, self.options, self._cork)
            if answer.compression is None
            else CompressingWebSocket(transport, self.options, self._cork, answer.compression)
        )
        websocket.start(answer.head, rest)
        if handshake.sid is not None:
            connection = self.connections[handshake.sid]
            if connection.polling is None or connection.upgrade is not None:
                websocket.end(NOOP, WSCloseCode.POLICY_VIOLATION, GRACE)
                return
            connection.upgrade = Upgrade(connection, websocket, self.options.upgrade_timeout)
            websocket.listen(connection.upgrade)
            return
        connection = self._connection(handshake, "websocket")
        websocket.listen(connection)
        websocket.push(self._open_packet(connection, self._parameters_websocket))
        connection.start(websocket)
        self.on_connect(connection)

    def _connection(self, handshake: Handshake, transport: TransportName) -> Connection:
        address = self.address_limit.address(handshake)
        sid = self.options.sid_prefix + secrets.token_urlsafe(15)
        connection = Connection(self, sid, handshake, transport, address)
        self.connections[connection.sid] = connection
        self.address_limit.entered(connection.address)
        self._open[transport].inc()
        return connection

    def _open_packet(self, connection: Connection, parameters: str) -> str:
        return f'{OPEN}{{"sid":"{connection.sid}",{parameters}'

    # --- for connections, see Engine ----------------------------------------------------------------------------------

    def upgraded(self, connection: Connection) -> None:  # noqa: ARG002
        """See Engine."""
        self._open["polling"].dec()
        self._open["websocket"].inc()

    def ended(self, connection: Connection, reason: str, linger: float) -> None:
        """See Engine."""
        self.connections.pop(connection.sid, None)
        self.address_limit.left(connection.address)
        self._open[connection.transport].dec()
        self._metrics.closed.labels(reason).inc()
        polling = connection.polling
        if linger and polling is not None and (not polling.polled or polling.splits):
            self._closed[connection.sid] = connection
            asyncio.get_running_loop().call_later(linger, self._closed.pop, connection.sid, None)
        try:
            self.on_close(connection, reason)
        except Exception:
            log.exception("close callback failed", sid=connection.sid)


def _parameters(options: EngineOptions, upgrades: list[str]) -> str:
    """Return the open packet after the sid: the same for all clients, so encoded once."""
    parameters = {
        "upgrades": upgrades,
        "pingInterval": round(options.ping_interval * 1000),
        "pingTimeout": round(options.ping_timeout * 1000),
        "maxPayload": options.max_packet_size,
    }
    return json.dumps(parameters, separators=(",", ":")).removeprefix("{")


async def _ignore_message(_connection: Connection, _text: str) -> None:
    """Ignore a message: no layer above has set its callback yet."""
