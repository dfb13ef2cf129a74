"""The Socket.IO server: decodes packets, opens and ends sockets, and passes events to their namespace.

Created by the composition root on top of the Engine.IO server. It never waits for a client. `compat.py` offers it as
python-socketio's `AsyncServer`.
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from gateway.concurrency.timeouts import wait_until
from gateway.errors import Code, GatewayError, Unavailable
from gateway.metrics import Metrics
from gateway.protocol import events
from gateway.protocol.answers import Farewell, refusal
from gateway.protocol.wire import Payload
from gateway.realtime.engineio.connection import Connection
from gateway.realtime.engineio.handshake import Handshake
from gateway.realtime.engineio.server import EngineServer
from gateway.realtime.engineio.transports.transport import UNAVAILABLE
from gateway.realtime.packets import connect_packet, disconnect_packet, refusal_packet
from gateway.realtime.socketio.client import Client, NamespaceHandler
from gateway.realtime.socketio.decoder import PacketType, ProtocolError, decode
from gateway.realtime.socketio.recovery import Recovery
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal
from gateway.security.tokens.authenticator import COOKIE

log = structlog.get_logger()

_EVENT = PacketType.EVENT  # looking up a member of an enumeration is slow
SHUTDOWN_GRACE = 0.05  # s between `server:shutdown` and the end of the transport, so that the event arrives first
RETRY_AFTER = 500  # ms after which a client that is closed during a drain may reconnect
RETRY_SPREAD = 5_000  # ms over which clients that are closed all at once spread their reconnects
FINISH_TIMEOUT = 5.0  # s for a connection that is to be closed to finish its requests
FAREWELL_GRACE = 0.25  # s between a farewell and the close of the transport
REFUSAL_GRACE = 0.2  # s for a refusal to arrive before a connection that joined nothing is closed
# Refused CONNECTs of one connection before it is closed, since each verifies a token. An app that retries an expired
# token reaches this only after hours, and then reconnects by itself.
MAX_REFUSALS = 128


class SocketServer:
    """The sockets of all connections of a node, each in one namespace."""

    def __init__(
        self,
        engine: EngineServer,
        rooms: Rooms,
        metrics: Metrics,
        cookie_counts: Callable[[Handshake], bool],
        recovery: Recovery | None = None,
        *,
        available: Callable[[], bool] = lambda: True,
        max_waiting_connects: int = 1_000,
        cookie: str = COOKIE,
    ) -> None:
        """Args:
        cookie_counts: Whether the cookie of a handshake may authenticate it, as its origin is allowed to use cookies.
        recovery: None sends clients no `pid`, so that they always get a new socket.
        available: Whether the servers that a connect needs are available.
        max_waiting_connects: How many connects may be authenticated at the same time before handshakes are refused.
        cookie: The name of the access token's cookie.
        """
        self._available = available
        self._max_connecting = max_waiting_connects
        self._connecting = 0
        self._recovery = recovery
        self._cookie_counts = cookie_counts
        self._cookie = cookie
        self._engine = engine
        self._rooms = rooms
        self._metrics = metrics
        self._endpoints: dict[str, NamespaceHandler] = {}
        self._cleaning: set[asyncio.Task[None]] = set()
        self.refusing = False  # refuse new sessions; open ones are served
        engine.admits = self._admits
        engine.starts_or_drains = lambda: self.refusing
        engine.on_connect = self._connected
        engine.on_message = self._received
        engine.on_close = self._closed

    def serve(self, namespace: str, endpoint: NamespaceHandler) -> None:
        """Mount a namespace. Clients cannot connect to any other."""
        self._endpoints[namespace] = endpoint

    # --- called by the engine -----------------------------------------------------------------------------------------

    def _admits(self) -> bool:
        return not self.refusing and self._connecting < self._max_connecting and self._available()

    def _connected(self, connection: Connection) -> None:
        connection.owner = Client()
        if (handshake := connection.handshake) is not None:
            connection.handshake = handshake.reduced(self._cookie if self._cookie_counts(handshake) else None, COOKIE)

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
            # The client ignored a refusal or a kick, or sent an event before CONNECT.
            connection.close("not connected to the namespace")
        elif kind is PacketType.DISCONNECT:
            self._end(socket, for_good=True)
            if not client.sockets:
                connection.restart_join_timeout()
        # ACK: ignored, since the gateway requests none.

    def _closed(self, connection: Connection, _reason: str) -> None:
        client: Client = connection.owner
        for socket in list(client.sockets.values()):
            self._end(socket, for_good=False)

    # --- opening and ending sockets -----------------------------------------------------------------------------------

    async def _connect(self, connection: Connection, client: Client, namespace: str, auth: Any) -> None:
        """Connect a client to a namespace, or refuse it.

        A temporary refusal closes the transport instead of sending CONNECT_ERROR: official clients reconnect after the
        former and never after the latter.
        """
        self._connecting += 1
        try:
            principal = await self._authenticate(connection, client, namespace, auth)
        except GatewayError as error:
            self._refuse(connection, namespace, error)
            return
        finally:
            self._connecting -= 1
        try:
            await self._open_or_recover(connection, namespace, auth, principal)
        except Unavailable as error:  # connected, but not in its rooms: the client must reconnect
            self._refuse(connection, namespace, error)
        except ConnectionResetError:
            if namespace in client.sockets:
                raise
            # It left or was kicked during `opened`, and has been removed already.

    def _refuse(self, connection: Connection, namespace: str, error: GatewayError) -> None:
        self._metrics.refused.labels(namespace if namespace in self._endpoints else "unknown", error.code).inc()
        if error.retryable:
            connection.close(UNAVAILABLE)
            return
        connection.send(refusal_packet(namespace, *refusal(error)).decode())
        client: Client = connection.owner
        client.refusals += 1
        if client.refusals > MAX_REFUSALS:
            connection.close("too many refusals")
        else:
            self._close_if_idle(connection)

    async def _open_or_recover(self, connection: Connection, namespace: str, auth: Any, principal: Principal) -> None:
        """Recover the socket that a client asks for, or open a new one. An exception closes the connection."""
        endpoint = self._endpoints[namespace]

        # A client whose handlers take exactly one argument gets no offsets, so it cannot be recovered.
        takes_offsets = not (isinstance(auth, dict) and auth.get("offset") is False)

        def arrive(sid: str, pid: str | None) -> Socket | None:
            socket = Socket(sid, namespace, connection, principal, self._rooms, pid, takes_offsets=takes_offsets)
            return self._add_socket(connection, socket)

        if self._recovery is not None and takes_offsets:
            if await self._recovery.resume(namespace, auth, principal, endpoint, arrive):
                return
            socket = arrive(secrets.token_urlsafe(15), self._recovery.new_pid())
        else:
            socket = arrive(secrets.token_urlsafe(15), None)
        if socket is not None:
            await endpoint.opened(socket)

    def _add_socket(self, connection: Connection, socket: Socket) -> Socket | None:
        """Add a socket and answer its client's CONNECT; return None if the client has left.

        A client that left during authentication must not get a socket, because nothing would remove it.
        """
        if connection.closed:
            return None
        former = self._rooms.socket(socket.namespace, socket.sid)
        if former is not None:  # its connection is dead, which has not been detected yet
            former.pid = None  # its clean-up must not change the session of the recovered socket
            self._end(former, for_good=False)
        client: Client = connection.owner
        client.sockets[socket.namespace] = socket
        self._rooms.add(socket)
        connection.joined = True
        connection.send(connect_packet(socket.namespace, socket.sid, socket.pid).decode())
        return socket

    async def _authenticate(self, connection: Connection, client: Client, namespace: str, auth: Any) -> Principal:
        endpoint = self._endpoints.get(namespace)
        if endpoint is None:
            raise GatewayError(Code.NOT_FOUND, "Invalid namespace")
        if namespace in client.sockets:
            raise GatewayError(Code.CONFLICT, "Already connected to this namespace")
        if connection.handshake is None:
            raise Unavailable("handshake")
        try:
            return await endpoint.authenticate(connection.handshake, auth)
        except GatewayError:
            raise
        except TimeoutError:
            raise Unavailable("connect") from None
        except Exception as error:
            # An unexpected error must not let anybody in.
            log.exception("connect failed", namespace=namespace)
            raise Unavailable("connect") from error

    def _end(self, socket: Socket, *, for_good: bool) -> None:
        """Remove a socket from its rooms immediately; its namespace cleans up as soon as no packet is being handled.

        Unless `for_good`, its client may recover it.
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
                    log.exception("socket clean-up failed", namespace=socket.namespace)
        finally:
            client.cleaner = None

    def _close_if_idle(self, connection: Connection) -> None:
        """Close a connection without sockets after REFUSAL_GRACE, in which it may join another namespace."""
        client: Client = connection.owner
        if not client.sockets and not client.idle_check and not connection.closed:
            client.idle_check = True
            asyncio.get_running_loop().call_later(REFUSAL_GRACE, self._close_now_if_idle, connection)

    def _close_now_if_idle(self, connection: Connection) -> None:
        client: Client = connection.owner
        client.idle_check = False
        if client.sockets or connection.closed:
            return
        if client.busy:  # it may be joining a namespace, or its last socket is being cleaned up
            self._close_if_idle(connection)
        else:
            connection.close("no namespace")

    # --- called by the gateway ----------------------------------------------------------------------------------------

    def kick(self, socket: Socket, event: str, farewell: Payload) -> None:
        """Send a client the reason, end its socket, and close its connection if that has no other socket."""
        if not socket.live:
            return
        socket.send(event, farewell)
        self.disconnect(socket)

    def disconnect(self, socket: Socket) -> None:
        """End a socket, and close its connection if that has no other. The client does not reconnect by itself."""
        self._end(socket, for_good=True)
        socket.connection.send(disconnect_packet(socket.namespace).decode())
        self._close_if_idle(socket.connection)

    def close_transports(self, sockets: Sequence[Socket], event: str, farewell: Payload) -> None:
        """Send clients the reason and close their connections. Official clients reconnect after that."""
        loop = asyncio.get_running_loop()
        for socket in sockets:
            socket.send(event, farewell)
            # Official clients that are polling drop an event if the same answer contains the close.
            loop.call_later(FAREWELL_GRACE, socket.connection.close, event)

    async def renew(self, socket: Socket, principal: Principal) -> None:
        """Change the principal of an open socket. Raises GatewayError if it may not be in one of the socket's rooms."""
        if socket.live:
            endpoint = self._endpoints[socket.namespace]
            await endpoint.check_renewal(socket, principal)
            with suppress(ConnectionResetError):  # it left in between
                await endpoint.renew(socket, principal)

    async def renew_connection(self, socket: Socket, principal: Principal) -> None:
        """Change the principal of all sockets that the user has on this connection, or of none.

        Raises GatewayError if the principal may not be in one of their rooms.
        """
        client: Client = socket.connection.owner
        user_id = socket.principal.user_id
        sockets = [each for each in client.sockets.values() if each.principal.user_id == user_id]
        for each in sockets:
            await self._endpoints[each.namespace].check_renewal(each, principal)
        for each in sockets:
            if each.live:
                with suppress(ConnectionResetError):
                    await self._endpoints[each.namespace].renew(each, principal)

    async def drain(self, spread: float, hurry: asyncio.Event) -> None:
        """Refuse new sessions and close the open ones one by one over `spread` s, in random order.

        Requests are answered until their connection is closed. Returns immediately when `hurry` is set or no connection
        is left.
        """
        self.refusing = True
        connections = list(self._engine.connections.values())
        random.shuffle(connections)
        begun = asyncio.get_running_loop().time()
        for number, connection in enumerate(connections):
            await wait_until(begun + spread * number / len(connections), hurry)
            if hurry.is_set():
                return
            if not connection.closed:
                self._notify_shutdown(connection, RETRY_AFTER)
                self._close_soon(connection)
        if connections:
            await wait_until(asyncio.get_running_loop().time() + SHUTDOWN_GRACE, hurry)

    def _notify_shutdown(self, connection: Connection, retry_after_ms: int) -> None:
        client: Client = connection.owner
        if client.notified:  # it still finishes its requests
            return
        client.notified = True
        farewell = Farewell(code=Code.SERVICE_UNAVAILABLE, reconnect=True, retry_after_ms=retry_after_ms)
        for socket in client.sockets.values():
            socket.send(events.SERVER_SHUTDOWN, farewell)

    def _close_soon(self, connection: Connection, remaining: float = FINISH_TIMEOUT) -> None:
        """Close a connection when its requests are answered, but not before SHUTDOWN_GRACE or after `remaining` s."""

        def close() -> None:
            if connection.busy and remaining > 0:
                self._close_soon(connection, remaining - SHUTDOWN_GRACE)
            else:
                connection.close("server shutdown")

        asyncio.get_running_loop().call_later(SHUTDOWN_GRACE, close)

    async def shutdown(self, within: float = 5.0) -> None:
        """Close all remaining sessions at once and clean up after them, each step within `within` s."""
        self.refusing = True
        left = list(self._engine.connections.values())
        for connection in left:
            # With different delays, so that they do not all reconnect to the other nodes at once.
            self._notify_shutdown(connection, RETRY_AFTER + random.randrange(RETRY_SPREAD - RETRY_AFTER))  # noqa: S311
        if left:
            await asyncio.sleep(SHUTDOWN_GRACE)
        await self._engine.close("server shutdown", within)
        if self._cleaning:
            await asyncio.wait(set(self._cleaning), timeout=within)
