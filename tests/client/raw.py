"""A client that says whatever a test wants, packet by packet: for what the official client refuses to send."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Self

import aiohttp
from yarl import URL

from tests.timing import PATIENCE, allowed, time_limit

PATH = "/socket.io/?EIO=4&transport="


class RawSocket:
    """A websocket that speaks Engine.IO by hand. Pings are answered; everything else is the test's."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, handshake: dict[str, Any]) -> None:
        self._socket = socket
        self.handshake = handshake
        self.received: list[str] = []

    async def send(self, *packets: str | bytes) -> None:
        """Send frames as they are: text as text frames, bytes as binary frames.

        A server that closes in between is no error here: the next read finds out.
        """
        with contextlib.suppress(ConnectionResetError):
            for packet in packets:
                if isinstance(packet, str):
                    await self._socket.send_str(packet)
                else:
                    await self._socket.send_bytes(packet)

    async def join(self, namespace: str, token: str) -> Self:
        """Connect a namespace and wait until it is."""
        prefix = "" if namespace == "/" else f"{namespace},"
        await self.send(f"40{prefix}{json.dumps({'token': token})}")
        await self.until(f"40{prefix}")
        return self

    async def until(self, beginning: str, within: float = PATIENCE) -> str:
        """Wait for a frame that begins so, and give it. A closed connection fails."""
        async with time_limit(within):
            while (frame := await self._next()) is not None:
                if frame.startswith(beginning):
                    return frame
        raise AssertionError(f"closed ({self._socket.close_code}) before {beginning}; heard {self.received}")

    async def answer(self, request: str, within: float = PATIENCE) -> Any:
        """Send an event, `/namespace,["event",…]`, with an ack id, and give the ack's only argument."""
        namespace, _, body = request.partition(",[") if request.startswith("/") else ("", "", request.removeprefix("["))
        prefix = f"{namespace}," if namespace else ""
        await self.send(f"42{prefix}7[{body}")
        frame = await self.until(f"43{prefix}7", within)
        arguments = json.loads(frame.removeprefix(f"43{prefix}7"))
        assert len(arguments) == 1, f"an ack has one argument, not {arguments}"
        return arguments[0]

    async def closed(self, within: float = 2.0) -> int | None:
        """Wait until the server has closed, and give the websocket close code."""
        async with time_limit(within):
            while await self._next() is not None:
                pass
        return self._socket.close_code

    async def _next(self) -> str | None:
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            if message.data == "2":
                await self.send("3")
            self.received.append(message.data)
            return str(message.data)
        assert message.type is not aiohttp.WSMsgType.BINARY, message
        return None


@contextlib.asynccontextmanager
async def raw_websocket(url: str, **headers: str) -> AsyncIterator[RawSocket]:
    """Return an Engine.IO session over a websocket, in no namespace yet."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}{PATH}websocket", headers=headers, max_msg_size=0, autoping=True) as socket,
    ):
        opened = await socket.receive_str(timeout=allowed(PATIENCE))
        assert opened.startswith("0{"), opened
        yield RawSocket(socket, json.loads(opened[1:]))


class RawPolling:
    """An Engine.IO session over HTTP requests made by hand."""

    def __init__(self, session: aiohttp.ClientSession, url: str, handshake: dict[str, Any]) -> None:
        self._session = session
        self.url = f"{url}{PATH}polling&sid={handshake['sid']}"
        self.handshake = handshake

    async def post(self, body: str | bytes) -> tuple[int, str]:
        """One POST, as it is: the status and the text of the answer."""
        async with self._session.post(self.url, data=body) as response:
            return response.status, await response.text()

    async def post_in_pieces(self, body: str, first: int) -> str:
        """One POST whose body arrives in two pieces, the second after the first was read: its status line."""
        address = URL(self.url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            raw = body.encode()
            lines = [
                f"POST {address.raw_path_qs} HTTP/1.1",
                f"Host: {address.authority}",
                f"Content-Length: {len(raw)}",
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode() + raw[:first])
            await writer.drain()
            async with self._session.get(address.with_path("/nothing").with_query(None)) as elsewhere:
                await elsewhere.read()  # a round trip: what was sent before it has arrived
            writer.write(raw[first:])
            return (await reader.readline()).decode()
        finally:
            writer.close()
            await writer.wait_closed()

    async def poll(self) -> tuple[int, list[str]]:
        """One GET: the status and the packets."""
        async with self._session.get(self.url) as response:
            return response.status, (await response.text()).split("\x1e")

    async def until(self, beginning: str, within: float = PATIENCE) -> str:
        """Poll until a packet begins so, and give it."""
        async with time_limit(within):
            while True:
                status, packets = await self.poll()
                assert status == 200, packets
                for packet in packets:
                    if packet.startswith(beginning):
                        return packet

    async def gone(self, within: float = 2.0) -> None:
        """Poll until the server no longer knows the session."""
        async with time_limit(within):
            while (await self.poll())[0] == 200:
                pass


@contextlib.asynccontextmanager
async def raw_polling(url: str) -> AsyncIterator[RawPolling]:
    """Return an Engine.IO session over polling, in no namespace yet."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=allowed(PATIENCE))) as session:
        async with session.get(f"{url}{PATH}polling") as response:
            opened = await response.text()
        assert opened.startswith("0{"), opened
        yield RawPolling(session, url, json.loads(opened[1:]))
