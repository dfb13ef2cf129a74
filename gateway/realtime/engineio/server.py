"""The Engine.IO v4 server: makes connections and hands their messages up."""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http import WSCloseCode

from gateway.metrics import Metrics
from gateway.realtime.engineio.address_limit import AddressLimit
from gateway.realtime.engineio.connection import Connection
from gateway.realtime.engineio.cork import Cork
from gateway.realtime.engineio.frame import NOOP, OPEN
from gateway.realtime.engineio.front import Front, HttpFactory
from gateway.realtime.engineio.handshake import (
    FORBIDDEN,
    UNAVAILABLE,
    UNKNOWN_SESSION,
    Handshake,
    RefusedError,
    check_protocol,
)
from gateway.realtime.engineio.http_endpoint import HttpEndpoint
from gateway.realtime.engineio.options import GRACE, EngineOptions
from gateway.realtime.engineio.polling import Polling
from gateway.realtime.engineio.timer_wheel import TimerWheel
from gateway.realtime.engineio.transport import TransportName
from gateway.realtime.engineio.turns import Turns
from gateway.realtime.engineio.upgrade import Upgrade
from gateway.realtime.engineio.websocket import WebSocket

__all__ = ["EngineOptions", "EngineServer"]

log = structlog.get_logger()


class EngineServer:
    """All Engine.IO connections of a node.

    The layer above sets four callbacks before the first client comes. `on_message` of one connection is never called
    before the previous call has returned; while more than 64 of its messages wait, nothing is read from it.

    A server that refuses new sessions (`admits` says no) goes on serving those that are open. Only `close` makes it
    ignore what their clients send.
    """

    def __init__(
        self, options: EngineOptions, metrics: Metrics, *, origin_allowed: Callable[[Handshake], bool]
    ) -> None:
        self.options = options
        self.wheel = TimerWheel(options.tick)
        self.turns = Turns()
        self.closing = False
        self.connections: dict[str, Connection] = {}
        self.admits: Callable[[], bool] = lambda: True  # whether a new session may be opened now
        self.on_connect: Callable[[Connection], None] = lambda _: None
        self.on_message: Callable[[Connection, str], Awaitable[None]] = _unheard
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
        self._waiting: deque[Connection] = deque()  # that received a message in this tick
        self._workers: set[asyncio.Task[None]] = set()
        self._leaving: dict[str, Connection] = {}  # closed, and a poll may still fetch their last packets
        self._fronts: set[Front] = set()
        self._endpoint = HttpEndpoint(self)

    # --- for the composition root and the layer above -----------------------------------------------------------------

    def protocol_factory(self, http: HttpFactory) -> Callable[[], asyncio.Protocol]:
        """Return the protocol factory of a listening socket; `http` makes aiohttp's protocol for other requests."""
        return lambda: Front(self, http, self._fronts)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to the Socket.IO path: aiohttp's handler for every method."""
        return await self._endpoint.handle(request)

    async def close(self, reason: str, within: float) -> None:
        """Ignore what arrives from now on, let what is being handled finish, close everybody: all `within` s."""
        self.closing = True
        told = bool(self.connections)
        for front in list(self._fronts):
            front.abort()
        for connection in list(self.connections.values()):
            if not connection.busy:
                connection.close(reason)
        if self._workers:
            await asyncio.wait(set(self._workers), timeout=max(0.0, within - GRACE))
        for connection in list(self.connections.values()):
            connection.close(reason)
        if told:
            await asyncio.sleep(GRACE)  # goodbyes arrive and transports end
        for worker in self._workers:
            worker.cancel()
        if self._workers:
            await asyncio.wait(set(self._workers), timeout=GRACE)

    # --- for the front and the endpoint -------------------------------------------------------------------------------

    def admit(self, handshake: Handshake) -> TransportName:
        """Return the transport that a request is for.

        Raises RefusedError: for the origin, the protocol, and, of a request for a new session, when there are too many
        of its address or when the layer above admits none.
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
        """Count a refusal that was answered, if it passes by itself."""
        if refusal.retry_after_ms is not None:
            self._metrics.refused.labels("handshake", refusal.code).inc()

    def session(self, sid: str) -> Connection:
        """Return the open connection with this id. Raises RefusedError."""
        connection = self.connections.get(sid)
        if connection is None or connection.over:
            raise RefusedError(*UNKNOWN_SESSION)
        return connection

    def leaving(self, sid: str) -> Connection | None:
        """Return the connection with this id that was closed while no poll was open; only the first call gets it."""
        return self._leaving.pop(sid, None)

    def open_polling(self, handshake: Handshake) -> Polling:
        """Open a session over polling."""
        polling = Polling(self.options, self._cork)
        connection = self._connection(handshake, "polling")
        polling.listen(connection)
        polling.push(self._hello(connection, self._parameters_polling))
        connection.begin(polling)
        self.on_connect(connection)
        return polling

    def open_websocket(self, handshake: Handshake, transport: asyncio.Transport, head: bytes, rest: bytes) -> None:
        """Turn a TCP connection into a websocket: of a new session, or as upgrade of the one that the handshake names.

        The handshake was admitted and its session exists. A session that does not poll any more, or that is being
        upgraded already, takes no websocket.

        Args:
            handshake: The request.
            transport: The TCP connection.
            head: The answer to send.
            rest: Bytes that arrived behind the request.
        """
        websocket = WebSocket(transport, self.options, self._cork)
        websocket.start(head, rest)
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
        websocket.push(self._hello(connection, self._parameters_websocket))
        connection.begin(websocket)
        self.on_connect(connection)

    def _connection(self, handshake: Handshake, transport: TransportName) -> Connection:
        address = self.address_limit.address(handshake)
        connection = Connection(self, secrets.token_urlsafe(15), handshake, transport, address)
        self.connections[connection.sid] = connection
        self.address_limit.entered(connection.address)
        self._open[transport].inc()
        return connection

    def _hello(self, connection: Connection, parameters: str) -> str:
        return f'{OPEN}{{"sid":"{connection.sid}",{parameters}'

    # --- for connections, see Host ------------------------------------------------------------------------------------

    def work(self, connection: Connection) -> None:
        """See Host. One task handles the messages of all connections of this tick, as long as no handler waits."""
        self._waiting.append(connection)
        if len(self._waiting) == 1:
            self._spawn(self._work_off())
            asyncio.get_running_loop().call_soon(self._share)  # comes after the first step of that task

    async def _work_off(self) -> None:
        while self._waiting:
            await self._waiting.popleft().work()

    def _share(self) -> None:
        # A handler waits, and these connections behind it: each gets a task of its own.
        while self._waiting:
            self._spawn(self._waiting.popleft().work())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        # In a context of its own: in that of the request with the first message, logs would name it for all others.
        worker = asyncio.get_running_loop().create_task(work, name="messages", context=Context())
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    def changed(self, connection: Connection) -> None:  # noqa: ARG002
        """See Host."""
        self._open["polling"].dec()
        self._open["websocket"].inc()

    def ended(self, connection: Connection, reason: str, linger: float) -> None:
        """See Host."""
        self.connections.pop(connection.sid, None)
        self.address_limit.left(connection.address)
        self._open[connection.transport].dec()
        self._metrics.closed.labels(reason).inc()
        if linger and connection.polling is not None and not connection.polling.polled:
            self._leaving[connection.sid] = connection
            asyncio.get_running_loop().call_later(linger, self._leaving.pop, connection.sid, None)
        try:
            self.on_close(connection, reason)
        except Exception:
            log.exception("the end of a connection was not handled", sid=connection.sid)


def _parameters(options: EngineOptions, upgrades: list[str]) -> str:
    """Return the rest of the open packet behind the sid: the same for all clients, so encoded once."""
    parameters = {
        "upgrades": upgrades,
        "pingInterval": round(options.ping_interval * 1000),
        "pingTimeout": round(options.ping_timeout * 1000),
        "maxPayload": options.max_packet_size,
    }
    return json.dumps(parameters, separators=(",", ":")).removeprefix("{")


async def _unheard(_connection: Connection, _text: str) -> None:
    """Ignore a message: no layer above has set its callback yet."""
