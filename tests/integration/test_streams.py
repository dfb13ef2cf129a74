"""Streams on real servers: how they begin, end and come back, their lists, and the totals of their viewers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.errors import Code, Conflict, Forbidden, GatewayError, NotFound
from gateway.keys import Room, viewers_room
from gateway.postgres.database import Database
from gateway.protocol.payloads.streaming import ChangeStream, CreateStream, MediaEvent, StreamList
from gateway.protocol.queries import StreamListQuery, StreamQuery
from gateway.protocol.wire import Payload
from gateway.realtime.logged import LogStamp
from gateway.realtime.notices import StreamBegan, StreamEnded, StreamResumed
from gateway.redis.client import RedisClient
from gateway.security.principal import Role
from gateway.services.chat import standing
from gateway.services.rooms.log import RoomLog
from gateway.services.streams.streams import Streams
from gateway.services.streams.viewer_totals import ViewerTotals
from models.main.stream import Stream
from tests.doubles import Recorder
from tests.integration.commerce_nodes import KEY, CommerceNodes, open_commerce_nodes
from tests.integration.services import REOPEN, make_streams


@pytest.fixture
async def commerce(database_url: str, redis: RedisClient) -> AsyncIterator[CommerceNodes]:
    async with open_commerce_nodes(database_url, redis) as commerce:
        yield commerce


@pytest.fixture
def database(commerce: CommerceNodes) -> Database:
    return commerce.database


class Slow(Recorder):
    """A fan-out whose first broadcast takes until it is let go."""

    def __init__(self, received: Recorder) -> None:
        super().__init__()
        self.events = received.events
        self.reached, self.free = asyncio.Event(), asyncio.Event()

    async def publish(self, room: Room, event: str, payload: Payload, stamp: LogStamp | None = None) -> None:
        """See Fanout."""
        self.reached.set()
        await self.free.wait()
        await super().publish(room, event, payload, stamp)


async def create(commerce: CommerceNodes, streams: Streams, key: str) -> None:
    ask = CreateStream.model_validate({"title": key, "key": key})
    await streams.create(await commerce.person(Role.HOST), ask)


async def test_a_stream_ends_despite_a_clock_set_back(commerce: CommerceNodes) -> None:
    await commerce.streams.start(None, KEY)
    await commerce.database.query("UPDATE streams SET started_at = now() + interval '1 minute' WHERE key = $1", KEY)
    stream = await commerce.streams.stop(None, KEY)
    assert stream.status == "ENDED"
    assert stream.ended_at == stream.started_at


async def test_the_newest_list_of_scheduled_streams_is_published_last(
    commerce: CommerceNodes, redis: RedisClient
) -> None:
    slow = Slow(commerce.received)
    first = asyncio.create_task(create(commerce, make_streams(commerce.database, redis, slow), "one"))
    await slow.reached.wait()
    await create(commerce, commerce.streams, "two")
    slow.free.set()
    await first
    published = [
        [stream["key"] for stream in payload["streams"]] for payload in commerce.received.named("upcoming:updated")
    ]
    assert published == [[KEY, "one", "two"], [KEY, "one"], [KEY, "one", "two"]]


async def test_an_unchanged_list_is_published_once(commerce: CommerceNodes) -> None:
    await create(commerce, commerce.streams, "one")
    assert len(commerce.received.named("upcoming:updated")) == 1


# --- the audience ---------------------------------------------------------------------------------------------------


async def total(commerce: CommerceNodes) -> tuple[int, int]:
    stream = await commerce.stream_lists.get(KEY)
    return stream.peak_viewers, stream.total_viewers


async def kept(database: Database) -> list[str]:
    rows: list[dict[str, Any]] = await database.query("SELECT viewer_id FROM stream_viewers ORDER BY viewer_id")
    return [row["viewer_id"] for row in rows]


async def test_the_total_counts_distinct_people_over_nodes(commerce: CommerceNodes, database: Database) -> None:
    nodes = [ViewerTotals(database) for _ in range(2)]
    for who in ("ann", "bob", "guest_1"):
        for node in nodes:
            node.add(KEY, who)
    nodes[0].peak(KEY, 2)
    await asyncio.gather(*(node.store() for node in nodes))
    assert await total(commerce) == (2, 3)
    nodes[1].add(KEY, "cleo")
    nodes[1].remove(KEY, "guest_1")
    nodes[1].peak(KEY, 1)
    await nodes[1].store()
    assert await total(commerce) == (2, 3)
    assert await kept(database) == ["ann", "bob", "cleo"]


# --- interrupted, reopened, cancelled -------------------------------------------------------------------------------

_messages = count()


async def report(streams: Streams, what: str, key: str = KEY, message: str | None = None) -> None:
    event = {"type": f"stream.{what}", "timestamp": "2026-11-21T12:00:00Z", "data": {"streamKey": key}}
    await streams.report(message or f"msg_{next(_messages)}", MediaEvent.model_validate(event))


async def age(database: Database, column: str, seconds: float, key: str = KEY) -> None:
    """Let a timestamp of a stream be so much longer ago."""
    await database.query(
        f"UPDATE streams SET {column} = {column} - $1::interval WHERE key = $2", timedelta(seconds=seconds), key
    )


def named(commerce: CommerceNodes, *names: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in payload.items() if k != "timestamp"} for payload in commerce.received.named(*names)]


STARTED, ENDED = "stream:started", "stream:ended"


async def test_a_lost_encoder_does_not_end_the_stream(commerce: CommerceNodes, database: Database) -> None:
    await report(commerce.streams, "started")
    for what in ("ended", "ended", "started", "ended"):
        await report(commerce.streams, what)
    await age(database, "lost_at", 29)
    await commerce.streams.end_interrupted()
    await report(commerce.streams, "started")
    await commerce.streams.end_interrupted()
    stream = await Stream.get(key=KEY)
    assert (stream.status, stream.lost_at) == ("LIVE", None)
    assert named(commerce, STARTED, ENDED) == [{"streamKey": KEY}]


async def test_a_missing_encoder_ends_the_stream_once(
    commerce: CommerceNodes, database: Database, redis: RedisClient
) -> None:
    await report(commerce.streams, "started")
    await report(commerce.streams, "ended")
    await age(database, "lost_at", 20)
    await report(commerce.streams, "ended")  # repeated: the grace does not restart
    await age(database, "lost_at", 11)
    nodes = [commerce.streams, make_streams(database, redis, commerce.received)]
    await asyncio.gather(*(node.end_interrupted() for node in nodes for _ in range(3)))
    stream = await Stream.get(key=KEY)
    assert (stream.status, stream.lost_at) == ("ENDED", None)
    assert named(commerce, STARTED, ENDED) == [{"streamKey": KEY}, {"streamKey": KEY}]
    assert stream.started_at is not None
    assert commerce.received.notices == [StreamBegan(KEY, stream.started_at), StreamEnded(KEY)]


async def test_a_resumed_stream_continues_its_log(commerce: CommerceNodes, database: Database) -> None:
    first = await commerce.streams.start(None, KEY)
    ended = await commerce.streams.stop(None, KEY)
    assert ended.ended_at is not None
    assert ended.closes_at == ended.ended_at + REOPEN
    again = await commerce.streams.start(None, KEY)
    assert (again.status, again.started_at, again.ended_at, again.closes_at) == ("LIVE", first.started_at, None, None)
    assert named(commerce, STARTED) == [{"streamKey": KEY}, {"streamKey": KEY, "resumed": True}]
    log = [(event.seq, event.event) for event in await RoomLog(database).after(viewers_room(KEY), 0, 10)]
    assert log == [(1, STARTED), (2, ENDED), (3, STARTED)]
    assert first.started_at is not None
    began = StreamBegan(KEY, first.started_at)
    assert commerce.received.notices == [began, StreamEnded(KEY), StreamResumed(KEY)]
    await commerce.streams.stop(None, KEY)
    await age(database, "closes_at", 1800)
    for start in (commerce.streams.start(None, KEY), report(commerce.streams, "started")):
        with pytest.raises(Conflict, match="has ended"):
            await start


async def test_only_scheduled_streams_can_be_cancelled(commerce: CommerceNodes) -> None:
    host = await commerce.person(Role.HOST)
    await commerce.stream("mine", host)
    with pytest.raises(Forbidden):
        await commerce.streams.cancel(await commerce.person(Role.HOST), "mine")
    for _ in range(2):
        assert (await commerce.streams.cancel(host, "mine")).status == "CANCELLED"
    upcoming = [item["key"] for item in commerce.received.named("upcoming:updated")[-1]["streams"]]
    assert upcoming == [KEY]
    for call in (
        commerce.streams.start(host, "mine"),
        commerce.streams.stop(host, "mine"),
        report(commerce.streams, "started", "mine"),
        report(commerce.streams, "ended", "mine"),
    ):
        with pytest.raises(Conflict, match="was cancelled"):
            await call
    await commerce.streams.start(None, KEY)
    for _ in range(2):
        with pytest.raises(Conflict):
            await commerce.streams.cancel(await commerce.person(Role.ADMIN), KEY)
        await commerce.streams.stop(None, KEY)


async def test_a_repeated_webhook_gets_the_first_answer(commerce: CommerceNodes, database: Database) -> None:
    async def answer(what: str, key: str, message: str) -> str:
        try:
            await report(commerce.streams, what, key, message)
        except GatewayError as error:
            return f"{error.code}: {error.message}"
        return "done"

    early = "CONFLICT: The stream has not started"
    assert await answer("ended", KEY, "early") == early
    assert await answer("ended", "later", "nowhere") == "NOT_FOUND: There is no such stream"
    assert await asyncio.gather(*(answer("started", KEY, "start") for _ in range(4))) == ["done"] * 4
    await commerce.stream("later", await commerce.person(Role.HOST))
    assert await answer("ended", KEY, "early") == early
    assert await answer("ended", "later", "nowhere") == "NOT_FOUND: There is no such stream"
    await commerce.streams.stop(None, KEY)
    assert await answer("started", KEY, "start") == "done"
    assert (await Stream.get(key=KEY)).status == "ENDED", "a repeated message starts nothing"


async def test_overdue_streams_are_not_upcoming_and_lists_are_paged(
    commerce: CommerceNodes, database: Database
) -> None:
    host = await commerce.person(Role.HOST)
    for number in range(5):
        await commerce.stream(f"s{number}", host)
    minutes = {"s0": 3, "s1": -59, "s2": -61, "s3": 2, "s4": 2}
    for key, due in minutes.items():
        await database.query("UPDATE streams SET scheduled_at = now() + $1 * interval '1 min' WHERE key = $2", due, key)
    await commerce.stream("t", host)

    async def pages(read: Callable[[StreamListQuery], Awaitable[StreamList]]) -> list[list[str]]:
        found, query = [], StreamListQuery(limit=2)
        while True:
            page = await read(query)
            found.append([stream.key for stream in page.streams])
            if page.next_cursor is None:
                return found
            query = StreamListQuery(limit=2, cursor=page.next_cursor)

    assert await pages(commerce.stream_lists.upcoming) == [["s1", "s3"], ["s4", "s0"], [KEY, "t"]]
    for number in range(5):
        await commerce.streams.start(None, f"s{number}")
    assert await pages(commerce.stream_lists.active) == [["s4", "s3"], ["s2", "s1"], ["s0"]]


async def test_nobody_may_send_in_a_closed_stream(commerce: CommerceNodes, database: Database) -> None:
    ann = await commerce.person()
    host = await commerce.person(Role.HOST)
    await commerce.stream("mine", host)

    async def refused(key: str) -> list[Code | None]:
        async with database.guard("test"):
            return [(await standing.read(database, who, key)).refused for who in (ann, host)]

    await commerce.streams.start(None, "mine")
    await commerce.streams.stop(None, "mine")
    assert await refused("mine") == [None, None], "it may go on"
    await age(database, "closes_at", 1800, "mine")
    assert await refused("mine") == [Code.ROOM_FROZEN] * 2
    await commerce.streams.cancel(await commerce.person(Role.ADMIN), KEY)
    assert await refused(KEY) == [Code.ROOM_FROZEN] * 2


async def test_a_stream_is_changed_by_its_host(commerce: CommerceNodes) -> None:
    host = await commerce.person(Role.HOST)
    made = await commerce.streams.create(host, CreateStream.model_validate({"title": "Cups", "key": "cups"}))
    ask = {"title": "Mugs", "description": "All of them", "scheduledAt": "2030-01-01T00:00:00Z"}
    changed = await commerce.streams.change(host, "cups", ChangeStream.model_validate(ask))
    assert (changed.title, changed.description) == ("Mugs", "All of them")
    assert changed.scheduled_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert changed == await commerce.stream_lists.get("cups")
    assert changed.created_at == made.created_at
    newest = commerce.received.named("upcoming:updated")[-1]["streams"]
    assert "Mugs" in [stream["title"] for stream in newest]
    assert (
        await commerce.streams.change(host, "cups", ChangeStream.model_validate({"scheduledAt": None}))
    ).title == "Mugs"
    await commerce.streams.start(host, "cups")
    await commerce.streams.change(host, "cups", ChangeStream.model_validate({"title": "Live"}))
    assert "Live" in [
        stream.title for stream in (await commerce.stream_lists.active(StreamListQuery(limit=100))).streams
    ]
    with pytest.raises(Conflict):
        await commerce.streams.change(host, "cups", ChangeStream.model_validate(ask))
    with pytest.raises(Forbidden):
        await commerce.streams.change(await commerce.person(Role.HOST), "cups", ChangeStream.model_validate(ask))
    with pytest.raises(NotFound):
        await commerce.streams.change(host, "none", ChangeStream.model_validate(ask))


@pytest.mark.parametrize("ask", [{}, {"title": None}, {"title": ""}, {"key": "x"}, {"ordersWhenNotLive": "yes"}])
def test_invalid_changes_of_a_stream(ask: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChangeStream.model_validate(ask)


async def test_streams_are_listed_by_host_and_by_title(commerce: CommerceNodes) -> None:
    host = await commerce.person(Role.HOST)
    for key, title in (("one", "Cups and mugs"), ("two", "Plates 50%")):
        await commerce.streams.create(host, CreateStream.model_validate({"title": title, "key": key}))

    async def listed(**ask: Any) -> list[str]:
        return [stream.key for stream in (await commerce.stream_lists.page(StreamQuery.model_validate(ask))).items]

    assert await listed(hostId=host.user_id) == ["two", "one"]
    assert await listed(hostId=host.user_id, status="LIVE") == []
    assert await listed(search="MUGS") == ["one"]
    assert await listed(search="%") == ["two"]
    assert await listed(search="ＭＵＧＳ") == await listed(search="mu\u0301gs") == ["one"]
