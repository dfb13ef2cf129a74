"""The Socket.IO server: reads packets, makes and ends sockets, hands events to their namespace.

Built by the composition root on the Engine.IO server. It never waits for a client. `compat.py` offers it as
python-socketio's `AsyncServer`.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import structlog

from gateway.errors import Code, GatewayError, Unavailable
from gateway.metrics import Metrics
from gateway.protocol import events
from gateway.protocol.answers import Farewell, Refusal
from gateway.protocol.wire import Payload
from gateway.realtime.engineio.connection import Connection
from gateway.realtime.engineio.handshake import Handshake
from gateway.realtime.engineio.server import EngineServer
from gateway.realtime.packets import connect_packet, disconnect_packet, refusal_packet
from gateway.realtime.socketio.client import Client, NamespaceHandler
from gateway.realtime.socketio.decoder import PacketType, ProtocolError, decode
from gateway.realtime.socketio.recovery import Recovery
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal
from gateway.security.tokens.authenticator import COOKIE

log = structlog.get_logger()

_EVENT = PacketType.EVENT  # members of an enumeration are slow to look up
LAST_CALL = 0.5  # s in which who still comes is told "Server is draining" before the engine takes nobody any more
REFUSAL_GRACE = 0.2  # s for a refusal to arrive before a connection that joined nothing is closed


class SocketServer:
    """The sockets of all connections of a node, each in one namespace."""

    def __init__(
        self,
        engine: EngineServer,
        rooms: Rooms,
        metrics: Metrics,
        cookie_counts: Callable[[Handshake], bool],
        recovery: Recovery | None = None,
    ) -> None:
        """`cookie_counts` tells whether the cookie that came with a handshake speaks for its page, too.

        Without `recovery` clients are told no `pid`, and come back as somebody new.
        """
        self._recovery = recovery
        self._cookie_counts = cookie_counts
        self._engine = engine
        self._rooms = rooms
        self._metrics = metrics
        self._endpoints: dict[str, NamespaceHandler] = {}
        self._cleaning: set[asyncio.Task[None]] = set()
        self.draining = False
        engine.on_connect = self._connected
        engine.on_message = self._received
        engine.on_close = self._closed

    def serve(self, namespace: str, endpoint: NamespaceHandler) -> None:
        """Mount a namespace. Any other is refused."""
        self._endpoints[namespace] = endpoint

    # --- from the engine ----------------------------------------------------------------------------------------------

    def _connected(self, connection: Connection) -> None:
        connection.owner = Client()
        if (handshake := connection.handshake) is not None:
            connection.handshake = handshake.lasting(COOKIE if self._cookie_counts(handshake) else None)

    async def _received(self, connection: Connection, text: str) -> None:
        try:
            kind, namespace, ack_id, data = decode(text)
        except ProtocolError as error:
            log.info("protocol error", sid=connection.sid, problem=str(error))
            connection.close("parse error")
            return
        client: Client = connection.owner
        while client.cleaner is not None:
            await asyncio.wait([client.cleaner])
        if connection.closed:
            return
        client.working = True
        try:
            socket = client.sockets.get(namespace)
            if kind is _EVENT and socket is not None:
                await self._endpoints[namespace].handle(socket, data, ack_id)
            elif kind is PacketType.CONNECT:
                await self._connect(connection, client, namespace, data)
            else:
                self._dispatch(connection, client, kind, socket)
        finally:
            client.working = False
            if client.gone:
                self._clean(client)

    def _dispatch(self, connection: Connection, client: Client, kind: PacketType, socket: Socket | None) -> None:
        if socket is None:
            # A polite client never gets here; one that goes on after a refusal or a kick is closed.
            connection.close("not connected to the namespace")
        elif kind is PacketType.DISCONNECT:
            self._end(socket, for_good=True)
            if not client.sockets:
                connection.unjoin()
        # ACK: the gateway asks for none, so there is nothing it could answer.

    def _closed(self, connection: Connection, _reason: str) -> None:
        client: Client = connection.owner
        for socket in list(client.sockets.values()):
            self._end(socket, for_good=False)

    # --- a socket's life ----------------------------------------------------------------------------------------------

    async def _connect(self, connection: Connection, client: Client, namespace: str, auth: Any) -> None:
        try:
            principal = await self._admit(connection, client, namespace, auth)
        except GatewayError as error:
            self._metrics.refused.labels(namespace if namespace in self._endpoints else "unknown", error.code).inc()
            refusal = Refusal(code=error.code, retryable=error.retryable, retry_after_ms=error.retry_after_ms)
            connection.send(refusal_packet(namespace, error.message, refusal).decode())
            self._close_if_idle(connection)
            return
        try:
            await self._greet(connection, namespace, auth, principal)
        except ConnectionResetError:
            if namespace in client.sockets:
                raise
            # It left or was kicked while it was greeted, and has been taken out already.

    async def _greet(self, connection: Connection, namespace: str, auth: Any, principal: Principal) -> None:
        """Go on with the socket that a client asks for, or with a new one. What is raised closes the connection."""
        endpoint = self._endpoints[namespace]

        def arrive(sid: str, pid: str | None) -> Socket | None:
            return self._arrive(connection, Socket(sid, namespace, connection, principal, self._rooms, pid))

        if self._recovery is not None:
            if await self._recovery.resume(namespace, auth, principal, endpoint, arrive):
                return
            socket = arrive(secrets.token_urlsafe(15), self._recovery.new_pid())
        else:
            socket = arrive(secrets.token_urlsafe(15), None)
        if socket is not None:
            await endpoint.opened(socket)

    def _arrive(self, connection: Connection, socket: Socket) -> Socket | None:
        """Take a socket in and tell its client so; None if that has left.

        Whoever left while we looked them up must not become a member that nobody ever removes.
        """
        if connection.closed:
            return None
        former = self._rooms.socket(socket.namespace, socket.sid)
        if former is not None:  # its connection is dead, and nobody has noticed that yet
            former.pid = None  # what it is still leaving is no news of who comes back
            self._end(former, for_good=False)
        client: Client = connection.owner
        client.sockets[socket.namespace] = socket
        self._rooms.add(socket)
        connection.joined = True
        connection.send(connect_packet(socket.namespace, socket.sid, socket.pid).decode())
        return socket

    async def _admit(self, connection: Connection, client: Client, namespace: str, auth: Any) -> Principal:
        if self.draining:
            raise GatewayError(Code.SERVICE_UNAVAILABLE, "Server is draining", retry_after_ms=1000)
        endpoint = self._endpoints.get(namespace)
        if endpoint is None:
            raise GatewayError(Code.NOT_FOUND, "Invalid namespace")
        if namespace in client.sockets:
            raise GatewayError(Code.CONFLICT, "Already connected to this namespace")
        if connection.handshake is None:
            raise Unavailable("handshake")
        try:
            return await endpoint.admit(connection.handshake, auth)
        except GatewayError as error:
            if error.code is Code.SERVICE_UNAVAILABLE:
                raise GatewayError(error.code, "Service unavailable", retry_after_ms=error.retry_after_ms) from error
            raise
        except Exception as error:
            # Whatever goes wrong here, nobody gets in by it.
            log.exception("connect failed", namespace=namespace)
            raise GatewayError(Code.SERVICE_UNAVAILABLE, "Service unavailable", retry_after_ms=1000) from error

    def _end(self, socket: Socket, *, for_good: bool) -> None:
        """Take a socket out of everything, at once; its namespace cleans up after it as soon as it may.

        Unless `for_good`, its client may come back as the same socket.
        """
        client: Client = socket.connection.owner
        if client.sockets.pop(socket.namespace, None) is None:
            return
        if self._recovery is not None:
            (self._recovery.forget if for_good else self._recovery.lost)(socket)
        self._rooms.remove(socket)
        client.gone.append(socket)
        if not client.busy:
            self._clean(client)

    def _clean(self, client: Client) -> None:
        client.cleaner = asyncio.get_running_loop().create_task(self._clean_up(client), name="clean up")
        self._cleaning.add(client.cleaner)
        client.cleaner.add_done_callback(self._cleaning.discard)

    async def _clean_up(self, client: Client) -> None:
        try:
            while client.gone:
                socket = client.gone.pop(0)
                try:
                    await self._endpoints[socket.namespace].closed(socket)
                except Exception:
                    log.exception("a socket was not cleaned up", namespace=socket.namespace)
        finally:
            client.cleaner = None

    def _close_if_idle(self, connection: Connection) -> None:
        """Close a connection that is in no namespace, after a moment in which it may join another."""
        if not connection.owner.sockets and not connection.closed:
            asyncio.get_running_loop().call_later(REFUSAL_GRACE, self._close_now_if_idle, connection)

    def _close_now_if_idle(self, connection: Connection) -> None:
        client: Client = connection.owner
        if client.sockets or connection.closed:
            return
        if client.busy:  # it may be joining one, or its last is being cleaned up
            self._close_if_idle(connection)
        else:
            connection.close("no namespace")

    # --- from the inside ----------------------------------------------------------------------------------------------

    def kick(self, socket: Socket, event: str, farewell: Payload) -> None:
        """Tell a client why, end its socket, and its connection if nothing else is on it."""
        if not socket.live:
            return
        socket.send(event, farewell)
        self.disconnect(socket)

    def disconnect(self, socket: Socket) -> None:
        """End a socket, and its connection if nothing else is on it. Its client does not reconnect by itself."""
        self._end(socket, for_good=True)
        socket.connection.send(disconnect_packet(socket.namespace).decode())
        self._close_if_idle(socket.connection)

    async def shutdown(self, within: float = 5.0) -> None:
        """Refuse new clients, send the others elsewhere, close them all and clean up after them, each in `within` s.

        They are told to reconnect at different moments, so that the other nodes do not get all of them at once.
        """
        self.draining = True
        for socket in self._rooms.sockets():
            spread = 500 + secrets.randbelow(4500)
            socket.send(
                events.SERVER_SHUTDOWN, Farewell(code=Code.SERVICE_UNAVAILABLE, reconnect=True, retry_after_ms=spread)
            )
        await asyncio.sleep(LAST_CALL)
        await self._engine.close("server shutdown", within)
        if self._cleaning:
            await asyncio.wait(set(self._cleaning), timeout=within)
