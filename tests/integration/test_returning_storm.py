"""Hundreds of sockets of a real node lose their connections at once and return at once: one reading serves many."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.settings import Settings
from tests.client.raw import RawSocket, raw_websocket
from tests.seeded_node import SeededNode, seeded_node

TABS = 300  # half of which return before a deletion
ROOMS = ("demo", "demo-ko")
LOGGED = re.compile(r'42/chat,\["(chat:message|chat:message-deleted)"')


class Tab:
    """A socket in a chat room, with what its client stores for a recovery."""

    def __init__(self, token: str, key: str) -> None:
        self.key = key
        self._token = token
        self.ids: dict[str, str] = {}  # sid and pid
        self.offset: str | None = None
        self._socket: RawSocket | None = None

    async def open(self, url: str, stack: AsyncExitStack) -> None:
        """Open a connection, without CONNECT."""
        self._socket = await stack.enter_async_context(raw_websocket(url))

    async def connect(self) -> None:
        """Connect, as the same socket if there was one."""
        auth = {"token": self._token, "pid": self.ids.get("pid"), "offset": self.offset}
        assert self._socket is not None
        await self._socket.send(f"40/chat,{json.dumps({name: value for name, value in auth.items() if value})}")
        self.ids = json.loads((await self._socket.until("40/chat,")).removeprefix("40/chat,"))

    async def join(self) -> None:
        """Join the room."""
        answer = await self.ask("chat:join-room", liveId=self.key)
        assert answer["ok"], answer

    async def ask(self, event: str, **payload: Any) -> Any:
        """Return the ack of an event."""
        assert self._socket is not None
        return await self._socket.answer(f'/chat,["{event}",{json.dumps(payload)}]')

    async def events_until(self, text: str) -> list[tuple[str, int, str]]:
        """Return the logged events of this connection up to the message `text`: event, place, text or id."""
        found: list[tuple[str, int, str]] = []
        assert self._socket is not None
        frames = list(self._socket.received)
        while True:
            for frame in frames:
                if LOGGED.match(frame):
                    event, payload, self.offset = json.loads(frame.removeprefix("42/chat,"))
                    data = payload["data"]
                    found.append((event, payload["seq"], data.get("message", data.get("messageId"))))
                    if found[-1][2] == text:
                        return found
            frames = [await self._socket.until("42/chat,")]

    def drop(self) -> None:
        """Lose the connection."""
        assert self._socket is not None
        connection = self._socket._socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()


class Show(SeededNode):
    """A node with its clients."""

    async def come(self, tabs: list[Tab]) -> None:
        """Open all connections, then connect all sockets at once."""
        await asyncio.gather(*(tab.open(self.url, self.connections) for tab in tabs))
        await asyncio.gather(*(tab.connect() for tab in tabs))

    def counted(self, name: str, **labels: str) -> float:
        """Return a sample of the node's metrics."""
        return self.node.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def show(settings: Callable[..., Settings]) -> AsyncIterator[Show]:
    chosen = settings(http_rate_limit="1000/second", join_rate_limit="1000/second", chat_rate_limit="1000/second")
    async with seeded_node(chosen, Show) as show:
        yield show


async def test_many_sockets_return_at_once(show: Show) -> None:
    tokens = [await show.login(f"viewer{number}") for number in (1, 2, 3)]
    tabs = [Tab(tokens[number % 3], ROOMS[number % 2]) for number in range(TABS)]
    staff = {key: Tab(await show.login("admin"), key) for key in ROOMS}
    await show.come([*tabs, *staff.values()])
    await asyncio.gather(*(tab.join() for tab in [*tabs, *staff.values()]))

    async def say(key: str, text: str) -> str:
        answer = await staff[key].ask("chat:send-message", liveId=key, message=text)
        assert answer["ok"], answer
        return str(answer["data"]["id"])

    async def delete(key: str, message: str) -> None:
        assert (await staff[key].ask("chat:delete-message", liveId=key, messageId=message))["ok"]

    for key in ROOMS:
        await say(key, "seen")
    await asyncio.gather(*(tab.events_until("seen") for tab in tabs))
    for tab in tabs:
        tab.drop()
    ids: dict[str, list[str]] = {}
    for key in ROOMS:
        ids[key] = [await say(key, f"missed {number}") for number in range(5)]
        await delete(key, ids[key][1])

    early, late = tabs[: TABS // 2], tabs[TABS // 2 :]
    was = {tab: dict(tab.ids) for tab in tabs}
    await show.come(early)
    for key in ROOMS:
        await delete(key, ids[key][3])
    await show.come(late)
    assert [tab.ids for tab in tabs] == list(was.values())
    assert show.counted("dorami_recoveries_total", outcome="recovered") == TABS
    assert show.counted("dorami_database_seconds_count", call="room_log.read", outcome="ok") <= TABS / 5

    for key in ROOMS:
        await say(key, "all are back")
    found = await asyncio.gather(*(tab.events_until("all are back") for tab in tabs))
    for tab, events in zip(tabs, found, strict=True):
        left = (0, 2, 4) if tab in late else (0, 2, 3, 4)
        messages = [("chat:message", number + 2, f"missed {number}") for number in left]
        deletions = [("chat:message-deleted", 7 + place, ids[tab.key][number]) for place, number in ((0, 1), (1, 3))]
        assert events == [*messages, *deletions, ("chat:message", 9, "all are back")]
