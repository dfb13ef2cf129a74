"""A simple chat server on stock python-socketio. The tests of its faults show that they detect them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import socketio
from aiohttp import web

LOOKUP = 0.02  # s that a query for a user or a room takes


class Target(NamedTuple):
    """A server that a promise is tried on: the gateway, or the stock one."""

    url: str
    token: str
    key: str
    patience: float  # seconds in which a server that answers at all has answered
    sockets: Callable[[], Awaitable[int]]  # how many sockets the server believes to have


@asynccontextmanager
async def plain_server() -> AsyncIterator[Target]:
    """`/chat` with one room on python-socketio and aiohttp, with their defaults and our packet size."""
    sio = socketio.AsyncServer(async_mode="aiohttp", max_http_buffer_size=65_536)

    @sio.on("connect", namespace="/chat")  # type: ignore[untyped-decorator]
    async def connect(sid: str, environ: dict[str, Any], auth: dict[str, Any] | None) -> None:
        await asyncio.sleep(LOOKUP)  # instead of a query
        if (auth or {}).get("token") != "good":
            raise ConnectionRefusedError("Invalid token")

    @sio.on("disconnect", namespace="/chat")  # type: ignore[untyped-decorator]
    async def disconnect(sid: str, reason: str) -> None:
        await sio.leave_room(sid, "live:demo", namespace="/chat")

    @sio.on("chat:join-room", namespace="/chat")  # type: ignore[untyped-decorator]
    async def join(sid: str, ask: dict[str, Any]) -> dict[str, Any]:
        room = "live:" + ask["liveId"]
        await asyncio.sleep(LOOKUP)  # instead of a query
        await sio.enter_room(sid, room, namespace="/chat")
        members = list(sio.manager.get_participants("/chat", room))
        return {"ok": True, "data": {"roomName": room, "members": len(members)}, "ts": 0}

    @sio.on("chat:send-message", namespace="/chat")  # type: ignore[untyped-decorator]
    async def send(sid: str, ask: dict[str, Any]) -> dict[str, Any]:
        room = "live:" + ask["liveId"]
        await sio.emit("chat:message", {"type": "chat:message", "data": ask}, room=room, namespace="/chat")
        return {"ok": True, "data": {}, "ts": 0}

    async def sockets() -> int:
        return len(sio.manager.rooms.get("/chat", {}).get(None, {}))

    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield Target(f"http://127.0.0.1:{port}", "good", "demo", 0.8, sockets)
    finally:
        await sio.shutdown()
        await runner.cleanup()
