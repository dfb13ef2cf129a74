"""Compression with the stock `ws` client and with aiohttp's, on real sockets: what arrives, in how many bytes."""

import asyncio
import contextlib
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.realtime.engineio.connection import Connection
from gateway.realtime.engineio.inbox import PAUSE_BYTES
from gateway.realtime.engineio.server import EngineOptions
from gateway.realtime.engineio.transports.frame import Frame, JoinedFrame
from gateway.realtime.engineio.transports.websocket import COMPRESSED_SLICE
from tests import client_package
from tests.integration.engineio_echo import (
    Echo,
    Poller,
    close_code,
    echo_server,
    hello,
    masked,
    upgrade_request,
    websocket_url,
    wire,
)
from tests.timing import time_limit, until

DRIVER = Path(__file__).parent.parent / "client" / "deflate.mjs"
THRESHOLD = 1_024
PACKETS = [f'2/chat,["chat:message",{{"data":{{"seq":{n},"message":"안녕하세요 {n}"}}}}]' for n in range(40)]
BATCH = JoinedFrame([Frame(packet.encode()) for packet in PACKETS])
SMALL = Frame(b'2/chat,["small",{}]')
assert len(SMALL.websocket) < THRESHOLD < len(BATCH.websocket)


@pytest.fixture(scope="module")
async def echo() -> AsyncIterator[Echo]:
    async with echo_server(EngineOptions(compression_threshold=THRESHOLD)) as server:
        yield server


class StockClient:
    """A `ws` client in a Node process."""

    def __init__(self, process: asyncio.subprocess.Process, connection: Connection) -> None:
        self._process = process
        self.connection = connection
        self.bytes = 0

    async def read(self) -> dict[str, Any]:
        """Return the next received message."""
        assert self._process.stdout is not None
        async with time_limit():
            line: dict[str, Any] = json.loads(await self._process.stdout.readline())
        assert "trouble" not in line, line
        self.bytes = line["bytes"]
        return line

    async def messages(self, count: int) -> list[str]:
        """Give the next messages."""
        return [(await self.read())["message"] for _ in range(count)]

    def send(self, text: str) -> None:
        """Send a message."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode() + b"\n")


@contextlib.asynccontextmanager
async def stock_client(echo: Echo, options: Any, extensions: str) -> AsyncIterator[StockClient]:
    process = await asyncio.create_subprocess_exec(
        client_package.node(), str(DRIVER), websocket_url(echo).replace("http", "ws"), json.dumps(options),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    try:
        count = len(echo.opened)
        await until(lambda: len(echo.opened) > count, within=10.0, what="a connection")
        client = StockClient(process, echo.opened[-1])
        assert (await client.read())["extensions"] == extensions
        assert (await client.messages(1))[0].startswith("0{")
        yield client
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("options", "extensions", "share"),
    [
        (True, "permessage-deflate", 0.25),
        ({"serverMaxWindowBits": 13, "clientMaxWindowBits": 9}, "permessage-deflate", 0.25),
        ({"serverNoContextTakeover": True}, "permessage-deflate", 0.95),
        (False, "", 1.1),
    ],
)
async def test_a_stock_client_reads_what_it_is_sent(echo: Echo, options: Any, extensions: str, share: float) -> None:
    async with stock_client(echo, options, extensions) as client:
        for _ in range(2):  # the second batch knows nothing of the first
            before = client.bytes
            client.connection.broadcast(BATCH)
            assert await client.messages(len(PACKETS)) == ["4" + packet for packet in PACKETS]
            assert client.bytes - before <= share * len(BATCH.websocket)
        client.connection.send_frame(SMALL)
        client.connection.broadcast(SMALL)
        client.connection.send_frame(BATCH)  # for one client alone: not compressed
        client.connection.broadcast(BATCH)  # behind something
        texts = ["4" + packet for packet in PACKETS]
        assert await client.messages(2 + 2 * len(PACKETS)) == [SMALL.text, SMALL.text, *texts, *texts]


@pytest.mark.parametrize("options", [{"threshold": 0}, {"threshold": 0, "clientNoContextTakeover": True}])
async def test_a_stock_client_may_compress_what_it_sends(echo: Echo, options: Any) -> None:
    async with stock_client(echo, options, "permessage-deflate") as client:
        for text in ("4안녕", "4" + "가나다" * 1000, "4x", "4" + "a" * 65_000):
            client.send(text)
            assert await client.messages(1) == [text]
        client.send("4" + "a" * 66_000)  # 90 bytes compressed
        assert await client.messages(1) == ["1"]
        assert (await client.read())["closed"] == 1009
    assert await echo.until_ended(client.connection.sid) == "too large"


async def test_aiohttp_s_client_reads_batches(echo: Echo) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(websocket_url(echo), compress=15) as socket:
        assert socket.compress == 15
        await hello(socket)
        for _ in range(2):
            echo.opened[-1].broadcast(BATCH)
            assert [await socket.receive_str() for _ in PACKETS] == ["4" + packet for packet in PACKETS]
        await socket.send_str("4echo")
        assert await socket.receive_str() == "4echo"


async def test_members_of_all_kinds_get_the_same(echo: Echo) -> None:
    """The same frame goes to clients with compression, without, and over polling, which is never compressed."""
    async with aiohttp.ClientSession() as http:
        poller = await Poller(http, echo).open()
        async with (
            http.ws_connect(websocket_url(echo)) as plain,
            http.ws_connect(websocket_url(echo), compress=15) as packed,
        ):
            await hello(plain)
            await hello(packed)
            for connection in echo.opened[-3:]:
                connection.broadcast(BATCH)
            texts = ["4" + packet for packet in PACKETS]
            assert [await plain.receive_str() for _ in PACKETS] == texts
            assert [await packed.receive_str() for _ in PACKETS] == texts
            async with http.get(poller.url) as response:
                assert "Content-Encoding" not in response.headers
                assert (await response.text()).split("\x1e") == texts


async def test_rsv1_without_an_agreement_is_misuse(echo: Echo) -> None:
    async with wire(echo) as client:
        await client.upgrade(echo)
        await client.frame()
        await client.send(masked("4x", 0xC1))
        assert await client.close_code() == 1002


async def test_a_bomb_ends_its_connection(echo: Echo) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(websocket_url(echo), compress=15) as socket:
        await hello(socket)
        await socket.send_str("4" + "x" * 5_000_000)
        assert await close_code(socket) == 1009


def deflated(text: str) -> bytes:
    """Return a compressed frame of a client."""
    compressor = zlib.compressobj(wbits=-15)
    packed = compressor.compress(text.encode()) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return masked(packed.removesuffix(b"\0\0\xff\xff"), 0xC1)


@pytest.mark.parametrize("text", ["a" * 65_000, "a" * 60_000 + "😀"])  # the latter takes four bytes a character
async def test_waiting_messages_are_bounded_in_bytes(text: str) -> None:
    async with echo_server(EngineOptions(compression_threshold=THRESHOLD)) as echo, wire(echo) as client:
        gate = asyncio.Event()

        async def handle(_connection: Connection, _text: str) -> None:
            await gate.wait()

        echo.handling = handle
        await client.send(upgrade_request(echo, Sec_WebSocket_Extensions="permessage-deflate"))
        assert b"permessage-deflate" in await client.head()
        frame, many = deflated("4" + text), 60
        assert len(frame) < 200
        await client.send(frame * many)
        await until(lambda: (inbox := echo.opened[-1]._inbox) is not None and inbox.full)
        inbox = echo.opened[-1]._inbox
        assert inbox is not None
        most = PAUSE_BYTES + text.__sizeof__() * (1 + COMPRESSED_SLICE // len(frame))
        assert inbox.size <= most < many * text.__sizeof__() / 3
        gate.set()
        await until(lambda: len(echo.received) == many, within=10.0)
        assert {received for _, received in echo.received} == {text}


async def test_without_a_threshold_compression_is_not_accepted() -> None:
    async with echo_server(EngineOptions(compression_threshold=0)) as echo, wire(echo) as client:
        await client.send(upgrade_request(echo, Sec_WebSocket_Extensions="permessage-deflate"))
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Extensions" not in head
