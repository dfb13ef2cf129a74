"""A Socket.IO server in this process: our engine, rooms and server, with namespaces that echo events."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import aiohttp

from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.realtime.engineio.handshake import Handshake
from gateway.realtime.engineio.server import EngineOptions
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.server import SocketServer
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal, Role
from tests.integration.engineio_echo import Echo, echo_server, hello
from tests.timing import PATIENCE, allowed, until


class EchoNamespace:
    """A namespace that lets everybody in; `auth` tells them what they came with.

    `message` comes back as `message-back`, `message-with-ack` as its ack; it knows nothing else.
    """

    async def authenticate(self, handshake: Handshake, auth: Mapping[str, Any] | None) -> Principal:
        """See the server's Endpoint. Everybody is accepted, under the name that they brought."""
        moment = datetime.now(UTC)
        return Principal("u", compact(auth or {}), Role.USER, "s", moment, moment + timedelta(minutes=15))

    async def opened(self, socket: Socket) -> None:
        """See Endpoint."""
        self._say(socket, "2", f'["auth",{socket.principal.username}]')

    async def handle(self, socket: Socket, args: Sequence[Any], ack_id: int | None) -> None:
        """See Endpoint."""
        event, *rest = args
        if event == "message":
            self._say(socket, "2", compact(["message-back", *rest]))
        elif event == "message-with-ack" and ack_id is not None:
            self._say(socket, "3", f"{ack_id}{compact(rest)}")

    async def check_return(self, principal: Principal, room: Room) -> None:
        """See Endpoint."""

    async def resumed(self, socket: Socket) -> None:
        """See Endpoint."""

    async def check_renewal(self, socket: Socket, principal: Principal) -> None:
        """See Endpoint."""

    async def renew(self, socket: Socket, principal: Principal) -> None:
        """See Endpoint."""

    async def closed(self, socket: Socket) -> None:
        """See Endpoint."""

    def _say(self, socket: Socket, kind: str, body: str) -> None:
        # By hand: the gateway's own events and acks have exactly one argument.
        address = "" if socket.namespace == "/" else f"{socket.namespace},"
        socket.connection.send(f"{kind}{address}{body}")


def compact(value: Any) -> str:
    """JSON as browsers write it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class EchoCluster:
    """A running server. `echo` is its engine as the engine's tests have it; nothing echoes there."""

    def __init__(self, echo: Echo, namespaces: Mapping[str, EchoNamespace]) -> None:
        self.echo = echo
        self.rooms = Rooms(echo.metrics)
        self.server = SocketServer(echo.engine, self.rooms, echo.metrics, lambda _: True)
        for name, endpoint in namespaces.items():
            self.server.serve(name, endpoint)

    @property
    def metrics(self) -> Metrics:
        """What it counts."""
        return self.echo.metrics

    @property
    def deserted(self) -> bool:
        """Whether nothing of any client is left."""
        return not (
            self.echo.engine.connections
            or self.echo.engine.tasks.running
            or list(self.rooms.sockets())
            or self.rooms._members
            or self.server._cleaning
        )


@contextlib.asynccontextmanager
async def echo_cluster(options: EngineOptions, namespaces: Mapping[str, EchoNamespace]) -> AsyncIterator[EchoCluster]:
    """Return a server on a free port with these namespaces; at the end nothing of any client may be left."""
    async with echo_server(options) as echo:
        running = EchoCluster(echo, namespaces)
        yield running
        await echo.engine.close("server shutdown", 1.0)
        await until(lambda: running.deserted)


class RawClient:
    """A websocket client that says what a test wants. Its library queues packets, so none is missed."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def greeted(self) -> Self:
        """Take the Engine.IO handshake."""
        await hello(self.socket)
        return self

    async def joined(self) -> Self:
        """Connect to `/`."""
        await self.greeted()
        await self.say("40")
        assert (await self.receive()).startswith('40{"sid":')
        assert await self.receive() == '42["auth",{}]'
        return self

    async def say(self, *packets: str | bytes) -> None:
        """Send packets as they are, bytes as binary."""
        for packet in packets:
            if isinstance(packet, str):
                await self.socket.send_str(packet)
            else:
                await self.socket.send_bytes(packet)

    async def receive(self) -> str:
        """Return the next packet; pings are answered and skipped."""
        while (packet := await self.socket.receive_str(timeout=allowed(PATIENCE))) == "2":
            await self.say("3")
        return packet
