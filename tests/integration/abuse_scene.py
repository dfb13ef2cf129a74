"""A room to abuse: a namespace on the gateway's own pipeline, a witness in it, and clients that say anything."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Protocol, Self

import aiohttp
from aiohttp import web

from gateway.errors import AuthRequired
from gateway.http.connection import connections
from gateway.keys import Room
from gateway.protocol.wire import Payload, Request
from gateway.realtime.engineio.server import EngineOptions
from gateway.realtime.members.lifetimes import Lifetimes
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.packets import event_packet
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal, Role
from namespaces.namespace import Namespace
from namespaces.pipeline import Shared
from namespaces.routes import Limit, Route
from tests.doubles import stand_in
from tests.integration.engineio_echo import Echo, Poller, hello, websocket
from tests.integration.socketio_echo import EchoCluster, echo_cluster
from tests.timing import scaled, time_limit, until

ROOM = Room("/lounge", "everybody")
JOIN = '0/lounge,{"token":"good"}'
PROBE = '2/lounge,77["say",{"text":"still here"}]'
SOON = 1.0  # s in which whatever was done to the server has its answer
ALONE = dict.fromkeys(("connections", "deadlines", "sockets", "members", "registered", "users"), 1) | dict.fromkeys(
    ("fronts", "workers", "clean-ups"), 0
)  # what a server knows of one client that says nothing
SHORT = timedelta(seconds=0.2)  # that a handler may take
OPTIONS = EngineOptions(
    head_timeout=scaled(0.2), request_timeout=scaled(0.2), upgrade_timeout=scaled(0.2), connect_timeout=scaled(0.8)
)


class Say(Request):
    """The request of the lounge."""

    text: str
    times: int = 1


class Said(Payload):
    """The answer, and the event that all members get."""

    text: str


class AbuseNamespace(Namespace):
    """Broadcasts every message to all members; two more events fail."""

    name = "/lounge"

    def __init__(self, shared: Shared, rooms: Rooms) -> None:
        self._rooms = rooms
        super().__init__(shared, stand_in(None))  # nobody is counted

    @staticmethod
    def room(_key: str) -> Room:
        """See Namespace."""
        return ROOM

    async def allow(self, principal: Principal, key: str) -> None:
        """See Namespace. Everybody may."""

    def routes(self) -> dict[str, Route]:
        """See Namespace."""
        return {
            "say": Route(Say, self.say, room=attrgetter("text")),
            "explode": Route(Say, self.explode),
            "hang": Route(Say, self.hang),
        }

    async def welcome(self, socket: Socket) -> None:
        """Everybody is in the room."""
        await socket.enter(ROOM)

    async def say(self, _socket: Socket, ask: Say) -> Said:
        """Tell everybody."""
        said = Said(text=ask.text[:20])
        self._rooms.deliver(ROOM, event_packet(self.name, "said", said))
        return said

    async def explode(self, _socket: Socket, _ask: Say) -> Said:
        """Fail."""
        raise RuntimeError("boom")

    async def hang(self, _socket: Socket, _ask: Say) -> Said:
        """Never come back."""
        await asyncio.Event().wait()
        raise AssertionError


class Refuser:
    """Knows one token, and lets everybody do as much as they like."""

    async def authenticate(self, token: str | None) -> Principal:
        """See Authenticator."""
        if token != "good":
            raise AuthRequired("Invalid token")
        moment = datetime.now(UTC)
        return Principal("u", "name", Role.USER, "s", moment, moment + timedelta(minutes=15))

    async def charge(self, scope: str, subject: str, limit: int, seconds: float) -> None:
        """See Limiter."""

    async def refund(self, scope: str, subject: str) -> None:
        """See Limiter."""


class Scene:
    """A server with a lounge and a witness in it."""

    def __init__(self, birds: EchoCluster) -> None:
        self.birds = birds
        self.echo = birds.echo
        self.witness: Visitor
        door = stand_in(Refuser())
        lifetimes = Lifetimes(birds.server, None, timedelta(minutes=15))
        self._registry = SocketRegistry(birds.server, lifetimes, self._revoked, lambda: 0)
        shared = Shared(door, door, self._registry, birds.metrics, dict.fromkeys(Limit, (1, 1.0)), SHORT)
        birds.server.serve("/lounge", AbuseNamespace(shared, birds.rooms))

    async def _revoked(self, principals: Sequence[Principal]) -> list[bool]:
        return [False for _ in principals]

    async def unharmed(self, tasks: int) -> None:
        """Check that the witness still works, and soon is the only client that the server has."""
        assert (await self.witness.probed()).startswith("43/lounge,77"), "the witness was cut off"
        with contextlib.suppress(AssertionError):  # the next lines say more
            await until(lambda: self._inventory() == ALONE and len(asyncio.all_tasks()) <= tasks, within=SOON)
        assert self._inventory() == ALONE
        assert len(asyncio.all_tasks()) <= tasks

    def _inventory(self) -> dict[str, int]:
        engine, server, rooms = self.echo.engine, self.birds.server, self.birds.rooms
        return {
            "connections": len(engine.connections),
            "deadlines": sum(map(len, engine.wheel._buckets.values())),
            "sockets": len(list(rooms.sockets())),
            "members": sum(map(len, rooms._members.values())),
            "registered": len(self._registry._sockets),
            "users": sum(map(len, self._registry._users.values())),
            "fronts": len(engine._fronts),
            "workers": len(engine.tasks.running),
            "clean-ups": len(server._cleaning),
        }


@contextlib.asynccontextmanager
async def scene(options: EngineOptions = OPTIONS) -> AsyncIterator[Scene]:
    """Return a running scene, behind the gateway's own side of HTTP."""
    async with echo_cluster(options, {}) as birds, listening(birds.echo), aiohttp.ClientSession() as http:
        running = Scene(birds)
        running.witness = await WebsocketVisitor(http, running).open()
        await running.witness.join()
        yield running
        await running.witness.leave()


@contextlib.asynccontextmanager
async def listening(echo: Echo) -> AsyncIterator[None]:
    """Let the server listen as a node does."""
    application = web.Application()
    application.router.add_route("*", OPTIONS.path, echo.engine.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    assert runner.server is not None
    factory = echo.engine.protocol_factory(
        connections(runner.server, keepalive=SOON / 2, head=SOON / 2, linger=SOON / 2)
    )
    async with await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0) as listener:
        echo.url = "http://{}:{}".format(*listener.sockets[0].getsockname()[:2])
        yield
        listener.close()
        await runner.cleanup()


class Visitor(Protocol):
    """A client that sends anything. It receives packets until it is closed."""

    received: list[str]

    async def open(self) -> Self:
        """Get an Engine.IO session."""

    async def send(self, packet: str) -> None:
        """Send one Socket.IO packet, whatever it is. A server that has closed is no error."""

    async def next(self) -> str | None:
        """Return the next Engine.IO packet that is no ping; None: closed."""

    async def leave(self) -> None:
        """Go without a goodbye."""

    async def until(self, beginning: str) -> str:
        """Return the first of: a packet with this beginning, or "closed"."""
        async with time_limit(SOON):
            while (packet := await self.next()) is not None:
                self.received.append(packet)
                if packet.startswith(beginning):
                    return packet
        return "closed"

    async def join(self) -> None:
        """Enter the lounge."""
        await self.send(JOIN)
        assert (await self.until("40/lounge,")) != "closed"

    async def probed(self) -> str:
        """Return the answer to a harmless request, or "closed"."""
        await self.send(PROBE)
        return await self.until("43/lounge,77")

    async def answer(self, ack_id: int) -> Any:
        """Return the only argument of an ack."""
        packet = await self.until(f"43/lounge,{ack_id}[")
        (argument,) = json.loads(packet.removeprefix(f"43/lounge,{ack_id}"))
        return argument


class WebsocketVisitor(Visitor):
    """Comes over a websocket."""

    def __init__(self, http: aiohttp.ClientSession, scene_: Scene) -> None:
        self._http, self._echo = http, scene_.echo
        self._stack = contextlib.AsyncExitStack()
        self._socket: aiohttp.ClientWebSocketResponse
        self.received = []

    async def open(self) -> Self:
        """See Visitor."""
        self._socket = await self._stack.enter_async_context(websocket(self._http, self._echo))
        await hello(self._socket)
        return self

    async def send(self, packet: str) -> None:
        """See Visitor."""
        with contextlib.suppress(ConnectionError):
            await self._socket.send_str(f"4{packet}")

    async def next(self) -> str | None:
        """See Visitor."""
        message = await self._socket.receive()
        return message.data if message.type is aiohttp.WSMsgType.TEXT else None

    async def leave(self) -> None:
        """See Visitor."""
        self._socket._response.close()
        await self._stack.aclose()


class PollingVisitor(Visitor):
    """Comes by polling."""

    def __init__(self, http: aiohttp.ClientSession, scene_: Scene) -> None:
        self.poller = Poller(http, scene_.echo)
        self._waiting: list[str] = []
        self._closed = False
        self.statuses: set[int] = set()
        self.received = []

    async def open(self) -> Self:
        """See Visitor."""
        await self.poller.open()
        return self

    async def send(self, packet: str) -> None:
        """See Visitor."""
        await self.post(f"4{packet}")

    async def post(self, body: str | bytes) -> int:
        """Send a body; a refused one must be the end of the session."""
        status, _ = await self.poller.post(body)
        self.statuses.add(status)
        return status

    async def next(self) -> str | None:
        """See Visitor."""
        while not self._waiting and not self._closed:
            status, body = await self.poller.get()
            self.statuses.add(status)
            if status == 200:
                self._waiting = [packet for packet in body.split("\x1e") if packet not in {"2", "6"}]
            else:
                self._closed = True
        packet = self._waiting.pop(0) if self._waiting else None
        return None if packet == "1" else packet

    async def leave(self) -> None:
        """See Visitor."""
        await self.poller.post("1")
