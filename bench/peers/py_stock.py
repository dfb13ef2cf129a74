"""python-socketio on aiohttp and uvloop, as they come but for compression, which is off. Started by bench/run.py."""

import argparse
import asyncio
import os
from typing import Any

import engineio.async_drivers.aiohttp as driver
import jwt
import socketio
import uvloop
from aiohttp import web

CHAT = "/chat"
AUTHOR = {"id": "u00000", "name": "viewer_00000", "color": "#7fb2ff"}


def uncompressed(**options: Any) -> web.WebSocketResponse:
    """Return the driver's app for websocket requests; the driver has no option for this."""
    return web.WebSocketResponse(compress=False, **options)


class Authenticated(socketio.AsyncNamespace):  # type: ignore[misc]  # python-socketio has no types
    """A namespace for those with a token."""

    async def on_connect(self, _sid: str, _environ: dict[str, Any], auth: dict[str, str]) -> None:
        """Refuse who has no valid token."""
        try:
            jwt.decode(auth["token"], os.environ["JWT_SECRET"], ["HS256"], audience="dorami-clients", issuer="dorami")
        except (jwt.PyJWTError, KeyError, TypeError):
            raise socketio.exceptions.ConnectionRefusedError("Invalid token") from None


class Chat(Authenticated):
    """The bench's events."""

    def __init__(self) -> None:
        super().__init__(CHAT)
        self._sequence = 0

    async def trigger_event(self, event: str, *args: Any) -> Any:
        """Event names have a colon and a dash, names of methods have not."""
        return await super().trigger_event(event.replace(":", "_").replace("-", "_"), *args)

    async def on_chat_join_room(self, sid: str, ask: dict[str, Any]) -> dict[str, Any]:
        """Join."""
        await self.enter_room(sid, ask["streamKey"])
        return {"ok": True}

    async def on_chat_send_message(self, _sid: str, ask: dict[str, Any]) -> dict[str, Any]:
        """Broadcast."""
        message = self._message(ask)
        await self.emit("chat:message", message, room=ask["streamKey"])
        return {"ok": True, "id": message["id"]}

    async def on_bench_burst(self, _sid: str, ask: dict[str, Any]) -> dict[str, Any]:
        """Broadcast many, each in a tick of its own."""
        for _ in range(ask["n"]):
            await self.emit("chat:message", self._message(ask), room=ask["streamKey"])
            await asyncio.sleep(0)
        return {"ok": True}

    def _message(self, ask: dict[str, Any]) -> dict[str, Any]:
        self._sequence += 1
        return {
            "id": f"m-{self._sequence}",
            "streamKey": ask["streamKey"],
            "user": ask.get("user", AUTHOR),
            "text": ask["text"],
            "kind": "text",
            "createdAt": "2026-11-21T00:00:00Z",
            "ts": ask.get("ts", 0),
        }


async def serve(port: int) -> None:
    """Until the process is ended."""
    driver.WebSocketResponse = uncompressed
    server = socketio.AsyncServer(async_mode="aiohttp", http_compression=False)
    server.register_namespace(Chat())
    server.register_namespace(Authenticated("/"))
    server.register_namespace(Authenticated("/streaming"))
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
