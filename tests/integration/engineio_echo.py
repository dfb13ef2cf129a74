"""An Engine.IO server in this process that echoes, and clients that say whatever a test wants."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import aiohttp
from aiohttp import web

from gateway.http.connection import connections
from gateway.metrics import Metrics
from gateway.realtime.engineio.connection import Connection
from gateway.realtime.engineio.handshake import Handshake
from gateway.realtime.engineio.server import EngineOptions, EngineServer
from tests.timing import PATIENCE, allowed, time_limit, until


class Echo:
    """A running server, with its records: `opened`, received (sid, text) in order as `heard`, `ended` sid → reason."""

    def __init__(self, engine: EngineServer, metrics: Metrics) -> None:
        self.engine = engine
        self.metrics = metrics
        self.url = ""
        self.opened: list[Connection] = []
        self.received: list[tuple[str, str]] = []
        self.ended: dict[str, str] = {}
        self.joins = True  # whether connections count as joined at once
        self.handling: Callable[[Connection, str], Any] | None = None  # instead of the echo
        engine.on_connect = self._connected
        engine.on_message = self._message
        engine.on_close = self._closed

    def _connected(self, connection: Connection) -> None:
        connection.joined = self.joins
        self.opened.append(connection)

    async def _message(self, connection: Connection, text: str) -> None:
        self.received.append((connection.sid, text))
        if self.handling is not None:
            await self.handling(connection, text)
        else:
            connection.send(text)

    def _closed(self, connection: Connection, reason: str) -> None:
        assert connection.sid not in self.ended, "closed twice"
        self.ended[connection.sid] = reason

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def counted(self, reason: str) -> float:
        """How many connections the metrics say ended so."""
        return self.metrics.registry.get_sample_value("dorami_connections_closed_total", {"reason": reason}) or 0.0

    def gauge(self, transport: str) -> float:
        """How many connections the metrics say are open."""
        value = self.metrics.registry.get_sample_value("dorami_connections", {"transport": transport})
        assert value is not None
        return value

    async def until_polled(self, sid: str) -> None:
        """Wait until a GET of a polling session waits for packets."""
        carrier: Any = self.engine.connections[sid]._carrier
        await until(lambda: carrier._waiter is not None, what="a waiting GET")

    async def until_ended(self, sid: str, within: float = PATIENCE) -> str:
        """Wait until a connection has ended, and give the reason."""
        await until(lambda: sid in self.ended, within=within)
        return self.ended[sid]


@contextlib.asynccontextmanager
async def echo_server(
    options: EngineOptions | None = None, origin_allowed: Callable[[Handshake], bool] = lambda _: True
) -> AsyncIterator[Echo]:
    """Return an echo server on a free port, with aiohttp behind the front as in the gateway."""
    metrics = Metrics()
    engine = EngineServer(options or EngineOptions(), metrics, origin_allowed=origin_allowed)
    echo = Echo(engine, metrics)
    application = web.Application()
    application.router.add_route("*", engine.options.path, engine.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    assert runner.server is not None
    factory = engine.protocol_factory(connections(runner.server))
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    echo.url = "http://{}:{}".format(*server.sockets[0].getsockname()[:2])
    try:
        yield echo
    finally:
        server.close()
        await engine.close("server shutdown", 1.0)
        await runner.cleanup()
    assert not engine.connections
    assert not engine.tasks.running
    assert not engine._fronts


class Poller:
    """A polling session by hand."""

    def __init__(self, http: aiohttp.ClientSession, echo: Echo) -> None:
        self._http = http
        self._base = f"{echo.url}{echo.engine.options.path}?EIO=4&transport=polling"
        self.hello: dict[str, Any] = {}

    @property
    def sid(self) -> str:
        """The session."""
        return str(self.hello["sid"])

    @property
    def url(self) -> str:
        """Where its requests go."""
        return f"{self._base}&sid={self.sid}"

    async def open(self) -> Self:
        """Return the handshake."""
        async with self._http.get(self._base) as response:
            assert response.status == 200
            text = await response.text()
        assert text.startswith("0{")
        self.hello = json.loads(text[1:])
        return self

    async def get(self) -> tuple[int, str]:
        """One poll."""
        async with self._http.get(self.url) as response:
            return response.status, await response.text()

    async def post(self, body: str | bytes) -> tuple[int, str]:
        """One POST."""
        async with self._http.post(self.url, data=body) as response:
            return response.status, await response.text()


def websocket_url(echo: Echo, sid: str | None = None) -> str:
    """Where a websocket of a new session, or of this one, goes."""
    url = f"{echo.url}{echo.engine.options.path}?EIO=4&transport=websocket"
    return url if sid is None else f"{url}&sid={sid}"


@contextlib.asynccontextmanager
async def websocket(
    http: aiohttp.ClientSession, echo: Echo, sid: str | None = None
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Return a websocket by hand."""
    async with http.ws_connect(websocket_url(echo, sid), max_msg_size=0, autoping=False) as connected:
        yield connected


async def hello(socket_: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """Return the handshake packet of a websocket."""
    text = await socket_.receive_str(timeout=allowed(PATIENCE))
    assert text.startswith("0{")
    answer: dict[str, Any] = json.loads(text[1:])
    return answer


async def close_code(socket_: aiohttp.ClientWebSocketResponse, within: float = PATIENCE) -> int | None:
    """Wait until the server closes, and give its code."""
    async with time_limit(within):
        while True:
            message = await socket_.receive()
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                return socket_.close_code


class Wire:
    """A TCP connection that speaks bytes: for frames and requests that no client library sends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        with contextlib.suppress(RuntimeError):  # what uvloop raises if the server has closed
            self.writer.write(data)
            await self.writer.drain()

    async def head(self) -> bytes:
        """Return the head of an answer."""
        async with time_limit():
            return await self.reader.readuntil(b"\r\n\r\n")

    async def upgrade(self, echo: Echo, sid: str | None = None, rest: bytes = b"") -> None:
        """Become a websocket, sending `rest` right behind the request."""
        await self.send(upgrade_request(echo, sid) + rest)
        assert (await self.head()).startswith(b"HTTP/1.1 101 ")

    async def frame(self) -> tuple[int, bytes]:
        """One frame of the server: opcode and payload."""
        async with time_limit(PATIENCE):
            first, second = await self.reader.readexactly(2)
            size = second & 127
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            return first & 15, await self.reader.readexactly(size)

    async def close_code(self) -> int:
        """Skip to the server's close frame and give its code."""
        while (frame := await self.frame())[0] != 8:
            pass
        return int.from_bytes(frame[1][:2], "big")

    async def gone(self, within: float = PATIENCE) -> None:
        """Wait until the server has ended the TCP connection."""
        with contextlib.suppress(ConnectionError):
            async with time_limit(within):
                while await self.reader.read(65_536):
                    pass


@contextlib.asynccontextmanager
async def wire(echo: Echo, receive_buffer: int | None = None) -> AsyncIterator[Wire]:
    """Return a TCP connection; with a small `receive_buffer` the server notices soon that nobody reads."""
    raw = socket.socket()
    if receive_buffer is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, echo.address)
    # A stream that nobody reads takes twice its limit and then stops reading from the kernel.
    reader, writer = await asyncio.open_connection(sock=raw, limit=receive_buffer or 65_536)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def upgrade_request(echo: Echo, sid: str | None = None, **changes: str | None) -> bytes:
    """Return a websocket request; a header is changed or, with None, left out by its name with underscores."""
    headers = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    for name, value in changes.items():
        headers = {key: kept for key, kept in headers.items() if key.lower() != name.lower().replace("_", "-")}
        if value is not None:
            headers[name.replace("_", "-")] = value
    target = websocket_url(echo, sid).removeprefix(echo.url)
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def masked(payload: str | bytes, first: int = 0x81) -> bytes:
    """Return a client's frame; `first` is its first byte."""
    data = payload.encode() if isinstance(payload, str) else payload
    mask = b"\x5a\x17\xc3\x99"
    size = len(data)
    length = (
        bytes((0x80 | size,))
        if size < 126
        else b"\xfe" + size.to_bytes(2, "big")
        if size < 65_536
        else b"\xff" + size.to_bytes(8, "big")
    )
    return bytes((first,)) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
