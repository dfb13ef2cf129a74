"""The Socket.IO server: reads packets, makes and ends sockets, hands events to their namespace.

Built by the composition root on the Engine.IO server. It never waits for a client. `compat.py` offers it as
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
from gateway.realtime.engineio.transport import UNAVAILABLE
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
LAST_CALL = 0.05  # s between `server:shutdown` and the end of the transport, so that it is heard first
RETURN = 500  # ms after which a client that was sent away in its turn may come back
RETURN_OF_ALL = 5_000  # ms within which clients that are all sent away at once may come back
BUSY = 5.0  # s that a connection which is to be closed may be at work
FAREWELL_GRACE = 0.25  # s between what a client is told and the close of its transport
REFUSAL_GRACE = 0.2  # s for a refusal to arrive before a connection that joined nothing is closed
# Refused CONNECTs of one connection, each of which costs a look at a token. An app that tries a stale token again needs
# as many only after hours, and then comes back by itself.
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
        cookie_counts: Whether the cookie that came with a handshake speaks for its page, too.
        recovery: Without it clients are told no `pid`, and come back as somebody new.
        available: Whether the servers that a connect asks do answer.
        max_waiting_connects: How many connects may be looked up at the same time before handshakes are refused.
        cookie: What the access token's cookie is called.
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
        self.refusing = False  # new sessions; those that are open are served
        self._sent_away: set[Connection] = set()
        engine.admits = self._admits
        engine.on_connect = self._connected
        engine.on_message = self._received
        engine.on_close = self._closed

    def serve(self, namespace: str, endpoint: NamespaceHandler) -> None:
        """Mount a namespace. Any other is refused."""
        self._endpoints[namespace] = endpoint

    # --- from the engine ----------------------------------------------------------------------------------------------

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
            # A polite client never gets here; one that goes on after a refusal or a kick is closed.
            connection.close("not connected to the namespace")
        elif kind is PacketType.DISCONNECT:
            self._end(socket, for_good=True)
            if not client.sockets:
                connection.restart_join_timeout()
        # ACK: the gateway asks for none, so there is nothing it could answer.

    def _closed(self, connection: Connection, _reason: str) -> None:
        self._sent_away.discard(connection)
        client: Client = connection.owner
        for socket in list(client.sockets.values()):
            self._end(socket, for_good=False)

    # --- a socket's life ----------------------------------------------------------------------------------------------

    async def _connect(self, connection: Connection, client: Client, namespace: str, auth: Any) -> None:
        """Let a client into a namespace, or refuse it.

        A refusal that passes by itself ends the transport instead: official clients come back after that, and never
        after a CONNECT_ERROR.
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
            await self._greet(connection, namespace, auth, principal)
        except Unavailable as error:  # it is in, and not where it has to be: a new start is the only way there
            self._refuse(connection, namespace, error)
        except ConnectionResetError:
            if namespace in client.sockets:
                raise
            # It left or was kicked while it was greeted, and has been taken out already.

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

    async def _greet(self, connection: Connection, namespace: str, auth: Any, principal: Principal) -> None:
        """Go on with the socket that a client asks for, or with a new one. What is raised closes the connection."""
        endpoint = self._endpoints[namespace]

        # A client whose handlers take exactly one argument. It cannot tell what it has heard, so it is not recovered.
        takes_offsets = not (isinstance(auth, dict) and auth.get("offset") is False)

        def arrive(sid: str, pid: str | None) -> Socket | None:
            socket = Socket(sid, namespace, connection, principal, self._rooms, pid, takes_offsets=takes_offsets)
            return self._arrive(connection, socket)

        if self._recovery is not None and takes_offsets:
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
            # Whatever goes wrong here, nobody gets in by it.
            log.exception("connect failed", namespace=namespace)
            raise Unavailable("connect") from error

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
        client: Client = connection.owner
        if not client.sockets and not client.idle_check and not connection.closed:
            client.idle_check = True
            asyncio.get_running_loop().call_later(REFUSAL_GRACE, self._close_now_if_idle, connection)

    def _close_now_if_idle(self, connection: Connection) -> None:
        client: Client = connection.owner
        client.idle_check = False
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

    def close_transports(self, sockets: Sequence[Socket], event: str, farewell: Payload) -> None:
        """Tell clients why, and close their connections. Official clients come back by themselves after that."""
        loop = asyncio.get_running_loop()
        for socket in sockets:
            socket.send(event, farewell)
            # Official clients that are polling hear an event only if the close does not come in the same answer.
            loop.call_later(FAREWELL_GRACE, socket.connection.close, event)

    async def renew(self, socket: Socket, principal: Principal) -> None:
        """Give a live socket another principal. Raises GatewayError if they may not be in one of its rooms."""
        if socket.live:
            endpoint = self._endpoints[socket.namespace]
            await endpoint.check_renewal(socket, principal)
            with suppress(ConnectionResetError):  # it left meanwhile
                await endpoint.renew(socket, principal)

    async def renew_connection(self, socket: Socket, principal: Principal) -> None:
        """Give the sockets that a user has on one connection another principal: all of them, or none.

        Raises GatewayError if they may not be in one of the rooms.
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
        """Refuse new sessions and end those that are open, one after the other within `spread` s, in random order.

        What clients send is answered until their own connection ends. Returns at once when `hurry` is set, or when
        nobody is left.
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
                self._send_away(connection, RETURN)
                self._close_soon(connection)
        if connections:
            await wait_until(asyncio.get_running_loop().time() + LAST_CALL, hurry)

    def _send_away(self, connection: Connection, retry_after_ms: int) -> None:
        if connection in self._sent_away:  # and still at work
            return
        self._sent_away.add(connection)
        farewell = Farewell(code=Code.SERVICE_UNAVAILABLE, reconnect=True, retry_after_ms=retry_after_ms)
        for socket in connection.owner.sockets.values():
            socket.send(events.SERVER_SHUTDOWN, farewell)

    def _close_soon(self, connection: Connection, patience: float = BUSY) -> None:
        """Close a connection after a moment, when what its client sent so far is answered."""

        def close() -> None:
            if connection.busy and patience > 0:
                self._close_soon(connection, patience - LAST_CALL)
            else:
                connection.close("server shutdown")

        asyncio.get_running_loop().call_later(LAST_CALL, close)

    async def shutdown(self, within: float = 5.0) -> None:
        """End all sessions that are left at once and clean up after them, each in `within` s."""
        self.refusing = True
        left = list(self._engine.connections.values())
        for connection in left:
            # At different moments, so that the other nodes do not get all of them at once.
            self._send_away(connection, RETURN + random.randrange(RETURN_OF_ALL - RETURN))  # noqa: S311
        if left:
            await asyncio.sleep(LAST_CALL)
        await self._engine.close("server shutdown", within)
        if self._cleaning:
            await asyncio.wait(set(self._cleaning), timeout=within)
