"""Streams on real servers: their moments, the lists that everybody hears, and who is kept of their viewers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from gateway.keys import Room
from gateway.postgres.database import Database
from gateway.protocol.streaming import CreateStream
from gateway.protocol.wire import Payload
from gateway.redis.client import RedisClient
from gateway.security.principal import Role
from gateway.services.streams import audience
from gateway.services.streams.audience import Audience
from gateway.services.streams.streams import Streams
from tests.doubles import Heard
from tests.integration.commerce_nodes import KEY, CommerceNodes, open_commerce_nodes
from tests.integration.services import make_streams


@pytest.fixture
async def commerce(database_url: str, redis: RedisClient) -> AsyncIterator[CommerceNodes]:
    async with open_commerce_nodes(database_url, redis) as commerce:
        yield commerce


@pytest.fixture
def database(commerce: CommerceNodes) -> Database:
    return commerce.database


class Slow(Heard):
    """A fan-out whose first broadcast takes until it is let go."""

    def __init__(self, heard: Heard) -> None:
        super().__init__()
        self.events = heard.events
        self.reached, self.free = asyncio.Event(), asyncio.Event()

    async def publish(self, room: Room, event: str, payload: Payload, seq: int | None = None) -> None:
        """See Fanout."""
        self.reached.set()
        await self.free.wait()
        await super().publish(room, event, payload, seq)


async def create(commerce: CommerceNodes, streams: Streams, key: str) -> None:
    ask = CreateStream.model_validate({"title": key, "key": key})
    await streams.create(await commerce.person(Role.HOST), ask)


async def test_a_stream_ends_although_the_clock_of_whoever_started_it_was_ahead(commerce: CommerceNodes) -> None:
    await commerce.streams.start(None, KEY)
    await commerce.database.query("UPDATE streams SET started_at = now() + interval '1 minute' WHERE key = $1", KEY)
    stream = await commerce.streams.stop(None, KEY)
    assert stream.status == "ENDED"
    assert stream.ended_at == stream.started_at


async def test_the_newest_list_of_what_is_to_come_is_heard_last(commerce: CommerceNodes, redis: RedisClient) -> None:
    slow = Slow(commerce.heard)
    first = asyncio.create_task(create(commerce, make_streams(commerce.database, redis, slow), "one"))
    await slow.reached.wait()
    await create(commerce, commerce.streams, "two")
    slow.free.set()
    await first
    told = [[stream["key"] for stream in payload["streams"]] for payload in commerce.heard.named("upcoming:updated")]
    assert told == [[KEY, "one", "two"], [KEY, "one"], [KEY, "one", "two"]]


async def test_a_list_that_did_not_change_meanwhile_is_told_once(commerce: CommerceNodes) -> None:
    await create(commerce, commerce.streams, "one")
    assert len(commerce.heard.named("upcoming:updated")) == 1


# --- the audience ---------------------------------------------------------------------------------------------------


async def total(commerce: CommerceNodes) -> tuple[int, int]:
    stream = await commerce.streams.get(KEY)
    return stream.peak_viewers, stream.total_viewers


async def kept(database: Database) -> list[str]:
    rows: list[dict[str, Any]] = await database.query("SELECT viewer_id FROM stream_viewers ORDER BY viewer_id")
    return [row["viewer_id"] for row in rows]


async def test_the_total_is_of_people_on_whatever_nodes(commerce: CommerceNodes, database: Database) -> None:
    nodes = [Audience(database) for _ in range(2)]
    for who in ("ann", "bob", "guest_1"):
        for node in nodes:
            node.came(KEY, who)
    nodes[0].peaked(KEY, 2)
    await asyncio.gather(*(node.store() for node in nodes))
    assert await total(commerce) == (2, 3)
    nodes[1].came(KEY, "cleo")
    nodes[1].was_not(KEY, "guest_1")
    nodes[1].peaked(KEY, 1)
    await nodes[1].store()
    assert await total(commerce) == (2, 3)
    assert await kept(database) == ["ann", "bob", "cleo"]


async def test_names_are_forgotten_an_hour_after_the_end_however_many(
    commerce: CommerceNodes, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "FORGOTTEN", 3)
    await create(commerce, commerce.streams, "other")
    node = Audience(database)
    for number in range(7):
        node.came(KEY, f"viewer_{number}")
    node.came("other", "ann")
    await node.store()
    for key in (KEY, "other"):
        await commerce.streams.start(None, key)
        await commerce.streams.stop(None, key)
    await node.forget()
    assert len(await kept(database)) == 8
    long_ago = "UPDATE streams SET started_at = started_at - $2::interval, ended_at = ended_at - $2::interval"
    await database.query(f"{long_ago} WHERE key = $1", KEY, timedelta(days=30))
    await node.forget()
    assert await kept(database) == ["ann"]
    assert (await total(commerce))[1] == 7
