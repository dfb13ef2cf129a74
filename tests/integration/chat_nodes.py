"""Two nodes with busy chats on one PostgreSQL, whose rooms can be locked. Used by the tests of storing messages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from gateway.keys import chat_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import SendMessage, Sent
from gateway.protocol.payloads.streaming import CreateStream
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal, Role
from gateway.services.chat.chat import Chat
from models.main.message import Message
from models.main.room import Room as RoomRow
from models.main.room import RoomEvent
from models.main.user import User
from tests.doubles import Recorder, principal
from tests.integration.services import make_chat, make_streams
from tests.support import make_settings
from tests.timing import turns, until

KEYS = ("demo", "other", "third")
KEY = KEYS[0]


class ChatNodes:
    """The chats of three streams, served by two nodes on one PostgreSQL."""

    def __init__(self, url: str, redis: RedisClient, **overrides: Any) -> None:
        self.url = url
        self.redis = redis
        self.metrics = Metrics()
        self.database = Database(make_settings(database_url=url, **overrides), self.metrics)
        self.received = Recorder()
        self.nodes = [self.node(self.received) for _ in range(2)]
        self.chat = self.nodes[0]
        self.people: list[Principal] = []

    def node(self, fanout: Any) -> Chat:
        return make_chat(self.database, fanout)

    async def open(self, people: int = 20) -> None:
        await self.database.open()
        users = [User(email=f"{n}@example.com", username=f"user{n}", password_hash="-") for n in range(people)]
        await User.bulk_create(users)
        self.people = [principal(Role.USER, str(user.id)) for user in users]
        streams = make_streams(self.database, self.redis, self.received)
        for key in KEYS:
            await streams.create(self.people[0], CreateStream.model_validate({"title": key, "key": key}))
        self.received.events.clear()

    async def send(
        self, who: int | Principal, text: str, name: str | None = None, *, key: str = KEY, node: int = 0
    ) -> Sent:
        ask = SendMessage.model_validate({"liveId": key, "message": text, "clientMessageId": name})
        return await self.nodes[node].send(self.people[who] if isinstance(who, int) else who, ask)

    @asynccontextmanager
    async def held(self, *keys: str) -> AsyncIterator[None]:
        """Lock these rooms, by default all: no message is stored in them while the block runs."""
        names = [f"/chat live:{key}" for key in keys or KEYS]
        connection = await asyncpg.connect(self.url)
        try:
            async with connection.transaction():
                await connection.execute("SELECT FROM rooms WHERE name = ANY($1) FOR UPDATE", names)
                yield
        finally:
            await connection.close()

    async def gathered(self, *sends: Awaitable[Sent]) -> list[Any]:
        """Send messages that form one batch, after a first message; return their outcomes in the same order."""
        async with self.held():
            first = asyncio.create_task(self.send(0, "first"))
            await self.stuck()
            together = asyncio.gather(*sends, return_exceptions=True)
            await turns()
        await first
        return await together

    async def stuck(self, count: int = 1) -> None:
        """Wait until `count` batches wait for the lock of a room."""
        waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%store_m%'"

        async def stuck() -> bool:
            return bool((await self.database.query(waiting))[0]["n"] == count)

        await until(stuck, what=f"{count} batches that wait for a lock")

    async def close(self) -> None:
        for node in self.nodes:
            await node.close()
        await self.database.close()

    @property
    def batches(self) -> float:
        """The number of batches that were stored."""
        return self._batches("ok")

    @property
    def failed_batches(self) -> float:
        """The number of batches that were not stored because PostgreSQL was unavailable."""
        return self._batches("unavailable")

    def _batches(self, outcome: str) -> float:
        labels = {"call": "chat.send", "outcome": outcome}
        return self.metrics.registry.get_sample_value("dorami_database_seconds_count", labels) or 0

    def published(self, key: str = KEY) -> list[int]:
        """Return the places of the messages that were published to a room."""
        return [payload["data"]["seq"] for room, _, payload in self.received.events if room == chat_room(key)]

    async def holds_together(self, key: str = KEY) -> list[Message]:
        """Check a room and return its messages: places have no gaps, log and counter agree, each is published once."""
        messages = await Message.filter(stream_id=key).order_by("seq")
        seqs = list(range(1, len(messages) + 1))
        assert [message.seq for message in messages] == seqs
        logged = await RoomEvent.filter(room_id=f"/chat live:{key}").order_by("seq")
        assert [event.seq for event in logged] == seqs
        assert [event.payload["data"]["id"] for event in logged] == [str(message.id) for message in messages]
        assert (await RoomRow.get(name=f"/chat live:{key}")).seq == len(messages)
        assert sorted(self.published(key)) == seqs
        return messages


def texts(messages: Sequence[Message]) -> list[str | None]:
    return [message.text for message in messages]
