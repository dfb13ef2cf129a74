"""People who watch streams with tabs on several nodes, and the truth about how many they are. Used by test_viewers."""

import asyncio
import json
from contextlib import suppress
from typing import Any, Self

import aiohttp

from tests.client.raw import PATH
from tests.cluster.shop import Person
from tests.timing import time_limit

ANSWER = 5.0  # s


class Tab:
    """A tab of a viewer; it records every viewer count."""

    def __init__(self, person: Person, key: str, node: int) -> None:
        self.person = person
        self.node = node
        self.published: list[tuple[float, int]] = []  # when, how many
        self._key = key
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None

    async def open(self, http: aiohttp.ClientSession, url: str) -> Self:
        """Connect and watch."""
        self._socket = await http.ws_connect(f"{url}{PATH}websocket", max_msg_size=0)
        connected = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(connected))
        await self._socket.send_str(f"40/streaming,{json.dumps({'token': self.person.token})}")
        async with time_limit(ANSWER):
            await connected
        answer = await self.ask("stream:viewer:join", {"streamKey": self._key})
        assert answer["ok"], answer
        return self

    async def ask(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send an event; its ack."""
        assert self._socket is not None
        number = len(self._answers) + 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        await self._socket.send_str(f"42/streaming,{number}{json.dumps([event, payload])}")
        async with time_limit(ANSWER):
            return await answer

    async def leave(self) -> None:
        """Watch no more, and say so; the connection stays."""
        assert (await self.ask("stream:viewer:leave", {"streamKey": self._key}))["ok"]

    async def become(self, person: Person) -> None:
        """Log in."""
        assert (await self.ask("auth:refresh", {"token": person.token}))["ok"]
        self.person = person

    def drop(self) -> None:
        """Lose the connection without a word."""
        assert self._socket is not None
        connection = self._socket._response.connection  # aiohttp itself would say goodbye
        if connection is not None and connection.transport is not None:
            connection.transport.abort()

    async def close(self) -> None:
        """End its remaining connection."""
        self.drop()
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader

    async def _read(self, connected: asyncio.Future[None]) -> None:
        assert self._socket is not None
        async for frame in self._socket:
            text = str(frame.data)
            if text == "2":
                await self._socket.send_str("3")
            elif text.startswith("40/streaming,"):
                connected.set_result(None)
            elif text.startswith("43/streaming,"):
                number, _, rest = text[13:].partition("[")
                self._answers[int(number)].set_result(json.loads(f"[{rest}")[0])
            elif text.startswith('42/streaming,["stream:viewer:update"'):
                count = json.loads(text[13:])[1]["data"]["viewerCount"]
                self.published.append((asyncio.get_running_loop().time(), count))
