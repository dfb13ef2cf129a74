"""The gateway's engine without services and databases, with the events of the benchmark. Started by bench/run.py.

All code between the sockets and a handler is the gateway's: engine, Socket.IO server, pipeline with token check, rooms,
fan-out. Limits, revocations, presence and the storing of messages are left out.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import uvloop
from aiohttp import web

from gateway import logs
from gateway.keys import CHAT, ROOT, STREAMING, Room, chat_room
from gateway.metrics import Metrics
from gateway.process.lifespan import tune_collector
from gateway.protocol.wire import Payload, Request
from gateway.realtime.engineio.options import EngineOptions
from gateway.realtime.engineio.server import EngineServer
from gateway.realtime.fanout.redis import RedisFanout
from gateway.realtime.logged import Head, LoggedEvent, Read, Wanted
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.server import SocketServer
from gateway.realtime.socketio.socket import Socket
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal
from gateway.security.tokens.tokens import Tokens
from gateway.settings import load
from namespaces.namespace import Namespace
from namespaces.pipeline import Shared
from namespaces.routes import Limit, Route
from tests.local_fanout import LocalFanout

AUTHOR = {"id": "u00000", "name": "viewer_00000", "color": "#7fb2ff"}


class Join(Request):
    """`chat:join-room`."""

    stream_key: str


class Send(Request):
    """`chat:send-message`."""

    stream_key: str
    text: str
    nonce: str
    kind: str
    ts: int
    user: dict[str, str]


class Burst(Request):
    """`bench:burst`: the server broadcasts `n` messages."""

    stream_key: str
    n: int
    text: str


class Empty(Payload):
    """An answer without content."""


class Message(Payload):
    """`chat:message`, about 200 bytes of JSON, the same from all peers."""

    id: str
    stream_key: str
    user: dict[str, str]
    text: str
    kind: str = "text"
    created_at: str = "2026-11-21T00:00:00Z"
    ts: int


class Stored(Payload):
    """The ack of a message."""

    id: str


class Silent(Namespace):
    """A namespace without events."""

    room = staticmethod(chat_room)

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared, cast("Any", None))  # no member is counted

    def routes(self) -> dict[str, Route]:
        """Return no routes."""
        return {}

    async def allow(self, principal: Principal, key: str) -> None:
        """Allow all users into all rooms."""

    async def welcome(self, socket: Socket) -> None:
        """Send nothing, like the peers."""


class Root(Silent):
    """`/`."""

    name = ROOT


class Streaming(Silent):
    """`/streaming`."""

    name = STREAMING


class Chat(Silent):
    """The events of the benchmark."""

    name = CHAT

    def __init__(self, shared: Shared, fanout: LocalFanout | RedisFanout) -> None:
        self._fanout = fanout
        self._sequence = 0
        super().__init__(shared)

    def routes(self) -> dict[str, Route]:
        """Return the three routes."""
        return {
            "chat:join-room": Route(Join, self.join),
            "chat:send-message": Route(Send, self.send),
            "bench:burst": Route(Burst, self.burst),
        }

    async def join(self, socket: Socket, ask: Join) -> Empty:
        """Join the room."""
        await socket.enter(chat_room(ask.stream_key))
        return Empty()

    async def send(self, _socket: Socket, ask: Send) -> Stored:
        """Broadcast a message to the room."""
        message = self._message(ask.stream_key, ask.text, ask.user, ask.ts)
        await self._fanout.publish(chat_room(ask.stream_key), "chat:message", message)
        return Stored(id=message.id)

    async def burst(self, _socket: Socket, ask: Burst) -> Empty:
        """Broadcast `n` messages, each in a tick of its own, as if clients had sent them."""
        for _ in range(ask.n):
            message = self._message(ask.stream_key, ask.text, AUTHOR, 0)
            await self._fanout.publish(chat_room(ask.stream_key), "chat:message", message)
            await asyncio.sleep(0)
        return Empty()

    def _message(self, stream_key: str, text: str, user: dict[str, str], ts: int) -> Message:
        self._sequence += 1
        return Message(id=f"m-{self._sequence}", stream_key=stream_key, user=user, text=text, ts=ts)


class TokenCheck:
    """An authenticator that checks only the token."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def authenticate(self, token: str | None) -> Principal:
        """See the pipeline's Authenticator."""
        claims = self._tokens.verify_access(token)
        return Principal(
            claims.user_id,
            "viewer",
            claims.role,
            claims.session_id,
            claims.issued_at,
            claims.expires_at,
        )


class NoLog:
    """A log without rooms: the benchmark's messages are not stored."""

    async def heads(self, _rooms: Sequence[Room]) -> dict[Room, Head]:
        """See the fan-out's Log."""
        return {}

    async def after(self, _room: Room, _seq: int, _limit: int) -> list[LoggedEvent]:
        """See the fan-out's Log."""
        return []

    async def read(self, _wanted: Mapping[Room, Wanted], _limit: int) -> dict[Room, Read]:
        """See the fan-out's Log."""
        return {}


class Unlimited:
    """A limiter without limits."""

    async def charge(self, _scope: str, _subject: str, _limit: int, _seconds: float) -> None:
        """See the pipeline's Limiter."""

    async def refund(self, _scope: str, _subject: str) -> None:
        """See the pipeline's Limiter."""


class Unwatched:
    """A registry that ends no sockets."""

    def add(self, socket: Socket) -> None:
        """See the pipeline's Registry."""

    def remove(self, socket: Socket) -> None:
        """See the pipeline's Registry."""

    async def renew(self, socket: Socket, principal: Principal) -> None:
        """See the pipeline's Registry."""


async def serve(port: int, *, over_redis: bool) -> None:
    """Serve until the process is killed, with the gateway's settings; broadcasts go through Redis or stay here."""
    settings = load()
    logs.configure(settings)
    metrics = Metrics()
    rooms = Rooms(metrics, window=settings.room_window.total_seconds())
    engine = EngineServer(EngineOptions.of(settings), metrics, origin_allowed=lambda _: True)
    server = SocketServer(engine, rooms, metrics, cookie_counts=lambda _: False)
    fanout: LocalFanout | RedisFanout
    if over_redis:
        fanout = shared = RedisFanout(RedisClient(settings, metrics), rooms, f"bench-{port}", metrics, NoLog())
        rooms.watched_by(shared)
        await shared.start()
    else:
        fanout = LocalFanout(rooms)
    parts = Shared(
        authenticator=cast("Any", TokenCheck(Tokens(settings))),
        limiter=cast("Any", Unlimited()),
        registry=cast("Any", Unwatched()),
        metrics=metrics,
        rates=dict.fromkeys(Limit, (1, 1.0)),
        handler_timeout=timedelta(seconds=10),
    )
    server.serve(CHAT, Chat(parts, fanout))
    server.serve(ROOT, Root(parts))
    server.serve(STREAMING, Streaming(parts))

    app = web.Application()
    app.router.add_route("*", engine.options.path, engine.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    http = runner.server
    if http is None:
        raise RuntimeError("aiohttp made no server")
    loop = asyncio.get_running_loop()
    await loop.create_server(engine.protocol_factory(lambda _on_lost: http()), settings.host, port, backlog=4096)
    tune_collector()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis", action="store_true", help="broadcast through REDIS_URL")
    options = parser.parse_args()
    uvloop.run(serve(options.port, over_redis=options.redis))
