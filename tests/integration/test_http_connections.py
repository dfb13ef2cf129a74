"""Time limits of the HTTP side for clients that send or read nothing, with shortened times."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import pytest
from aiohttp import web

from gateway.http.connection import connections
from gateway.http.lines import send_lines
from gateway.http.routes import Lines
from gateway.protocol.wire import Payload
from tests.timing import time_limit, until

KEEPALIVE = 0.3
STUCK = 0.3
LARGE = b"x" * 20_000_000  # bytes; more than all buffers on the way

ASK = b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n"


class Harness:
    """A server and its connections."""

    def __init__(self, server: web.Server, address: tuple[str, int]) -> None:
        self._server = server
        self.address = address
        self.exports = 0  # that are under way
        self.failures: list[Exception] = []

    @property
    def held(self) -> int:
        """The number of open connections."""
        return len(self._server.connections)

    @property
    def blocked(self) -> bool:
        """Whether bytes wait in the server because the kernel takes no more for a client."""
        transports = [handler.transport for handler in self._server.connections]
        return any(transport.get_write_buffer_size() for transport in transports if transport is not None)

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Answer with lines without an end."""
        self.exports += 1
        try:
            return await send_lines(request, Lines(_endless(), "endless.jsonl"))
        except Exception as error:
            self.failures.append(error)
            raise
        finally:
            self.exports -= 1


class Line(Payload):
    """A line long enough to fill the buffers soon."""

    text: str = "x" * 10_000


async def _endless() -> AsyncIterator[Line]:
    while True:
        yield Line()


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    async def small(_request: web.Request) -> web.Response:
        return web.Response(text="small")

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=LARGE)

    async def nearly(request: web.Request) -> web.StreamResponse:
        """Answer with more than the kernel takes, by less than makes the server wait."""
        response = web.StreamResponse()
        await response.prepare(request)
        assert request.transport is not None
        while not request.transport.get_write_buffer_size():
            request.transport.write(b"5\r\nxxxxx\r\n" * 1000)
        return response

    async def export(request: web.Request) -> web.StreamResponse:
        return await made.export(request)

    app = web.Application()
    app.router.add_get("/export", export)
    app.router.add_get("/nearly", nearly)
    app.router.add_get("/small", small)
    app.router.add_get("/large", large)
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    factory = partial(connections(runner.server, keepalive=KEEPALIVE, head=KEEPALIVE, stuck=STUCK), lambda: None)
    listener = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    made = Harness(runner.server, listener.sockets[0].getsockname())
    yield made
    listener.close()
    await runner.cleanup()


@pytest.mark.parametrize("start", [b"", b"GET /sm", ASK, ASK + b"GET /small HTTP/1.1\r\nX"], ids=repr)
async def test_an_idle_connection_and_an_endless_head_are_closed(harness: Harness, start: bytes) -> None:
    reader, writer = await asyncio.open_connection(*harness.address)
    writer.write(start)

    async def trickle() -> None:
        while True:
            await asyncio.sleep(KEEPALIVE / 4)
            if start:
                writer.write(b"x")

    slowly = asyncio.create_task(trickle())
    answered = b""
    with suppress(ConnectionResetError):  # the last write found the connection closed
        async with time_limit():
            while chunk := await reader.read(65_536):
                answered += chunk
    slowly.cancel()
    writer.close()
    assert answered.count(b"200 OK") == start.count(ASK)
    await until(lambda: not harness.held)


@pytest.mark.parametrize(
    "ask",
    [ASK.replace(b"small", b"large"), ASK * 30_000, ASK.replace(b"small", b"nearly")],
    ids=["one answer", "many", "a little too much"],
)
async def test_a_client_that_does_not_read_is_disconnected(harness: Harness, ask: bytes) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, harness.address)
        sending = asyncio.create_task(loop.sock_sendall(client, ask))
        await until(lambda: harness.held == 1)
        await until(lambda: not harness.held)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize("how", ["leaves", "breaks off", "takes nothing"])
async def test_an_export_ends_quietly_when_its_client_leaves(harness: Harness, how: str) -> None:
    with socket.create_connection(harness.address) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", how == "breaks off", 0))
        client.sendall(ASK.replace(b"small", b"export"))
        await until(lambda: harness.exports == 1)
        await until(lambda: harness.blocked or not harness.held, what="full buffers")
        if how != "takes nothing":
            client.close()
        await until(lambda: not harness.exports and not harness.held)
    assert harness.failures == []


async def test_a_slow_client_gets_everything(harness: Harness) -> None:
    reader, writer = await asyncio.open_connection(*harness.address, limit=65_536)
    writer.write(ASK.replace(b"small", b"large"))
    received = 0
    while received < len(LARGE):
        received += len(await reader.read(1_000_000))
        if received % 16 == 0:
            await asyncio.sleep(0.001)
    writer.close()
