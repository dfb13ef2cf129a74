"""Nodes that lose each other's broadcasts read the missing events from the log: each once, in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import pytest

from gateway.dev.servers import RedisProcess as RedisServer
from gateway.keys import Room, chat_room, products_room, viewers_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import DeleteMessage, SendMessage
from gateway.protocol.payloads.streaming import CreateStream
from gateway.protocol.wire import Typed
from gateway.realtime.fanout import sequencer, subscriber
from gateway.realtime.fanout.redis import RedisFanout
from gateway.realtime.logged import LogStamp, Place, stamped
from gateway.realtime.packets import stamped_packet, with_offset
from gateway.redis.client import RedisClient
from gateway.security.principal import Role
from gateway.services.rooms.log import RoomLog
from models.main.user import User
from tests.delivered_packets import DeliveredPackets
from tests.doubles import EventLog, principal
from tests.integration.services import Curators, make_chat, make_streams
from tests.support import make_settings
from tests.timing import grows, until

ROOM = chat_room("demo")
EVENT = Typed(type="e", data=None)
TIMEOUT = 0.3  # s that a call to Redis may take here


class Node(NamedTuple):
    redis: RedisClient
    fanout: RedisFanout
    inbox: DeliveredPackets

    async def close(self) -> None:
        await self.fanout.close()
        await self.redis.close()


class Pair:
    """Two nodes that share a log, and a writer."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.log = EventLog()
        self.log.rooms[ROOM] = []
        self.nodes: list[Node] = []

    async def open(self) -> None:
        for name in "ab":
            settings = make_settings(redis_url=self.server.url, redis_timeout=f"{TIMEOUT}s")
            redis, inbox = RedisClient(settings, Metrics()), DeliveredPackets()
            fanout = RedisFanout(redis, inbox, name, Metrics(), self.log)
            await fanout.start()
            await fanout.watch(ROOM)
            self.nodes.append(Node(redis, fanout, inbox))

    async def commit(self, node: int, *, publish: bool = True) -> int:
        """Commit an event and publish it, as a service does."""
        seq = len(self.log.rooms[ROOM]) + 1
        assert write(self.log, seq) == seq
        if publish:
            await self.nodes[node].fanout.publish(ROOM, "e", EVENT, stamp(seq))
        return seq

    async def send_messages(self, stop: asyncio.Event) -> None:
        """Publish fifty events a second on each node until `stop` is set."""

        async def one(node: int) -> None:
            while not stop.is_set():
                await self.commit(node)
                await asyncio.sleep(0.02)

        await asyncio.gather(one(0), one(1))

    async def written(self, count: int) -> None:
        """Wait until the log has `count` more events."""
        await grows(lambda: len(self.log.rooms[ROOM]), count, what="the log")

    async def check_delivered(self, *, seconds: float = 5.0) -> None:
        """Wait until every node has delivered the last event; check that it delivered all of them once, in order."""
        expected = [published(seq) for seq in range(1, len(self.log.rooms[ROOM]) + 1)]
        for node in self.nodes:
            await node.inbox.until(lambda inbox: expected[-1:] == inbox.of(ROOM)[-1:], seconds=seconds)
            assert node.inbox.of(ROOM) == expected


def stamp(seq: int) -> LogStamp:
    return LogStamp(EventLog.EPOCH, seq, datetime(2026, 11, 30, tzinfo=UTC))


def write(log: EventLog, seq: int) -> int:
    """Add the event of a place to a log, as the room log gives it; return its place."""
    return log.write(ROOM, stamped(EVENT.model_dump_json(), ROOM, stamp(seq)))


def published(seq: int) -> bytes:
    packet = stamped_packet(ROOM, "e", EVENT.model_dump_json(), stamp(seq))
    return with_offset(packet, Place(EventLog.EPOCH, seq).offset(ROOM))


@pytest.fixture
async def pair(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(sequencer, "CHECK", 0.5)
    pair = Pair(own_redis)
    await pair.open()
    yield pair
    with suppress(Exception):
        own_redis.resume()
    for node in pair.nodes:
        await node.close()


# --- two nodes --------------------------------------------------------------------------------------------------------


async def test_delivery_follows_the_log_not_the_publication(pair: Pair) -> None:
    """Two commits, published by two nodes in the other order: every node delivers them in the order of the log."""
    for seq in (1, 2):
        write(pair.log, seq)
    await pair.nodes[1].fanout.publish(ROOM, "e", EVENT, stamp(2))
    await pair.nodes[0].fanout.publish(ROOM, "e", EVENT, stamp(1))
    await pair.check_delivered()
    assert pair.log.reads == 0


async def test_commits_of_a_dead_node_are_delivered(pair: Pair) -> None:
    """A node dies between commit and publication: a later event shows the gap, the periodic check a missing end."""
    await pair.commit(0)
    await pair.commit(0, publish=False)
    await pair.commit(1)
    await pair.check_delivered(seconds=2)
    await pair.commit(0, publish=False)
    await pair.check_delivered(seconds=2)


async def test_redis_killed_and_started_again_under_traffic(pair: Pair) -> None:
    stop = asyncio.Event()
    sending = asyncio.create_task(pair.send_messages(stop))
    await pair.written(10)
    pair.server.kill()
    await until(lambda: not any(node.fanout.healthy for node in pair.nodes), what="the outage is noticed")
    await pair.written(10)
    pair.server.start()
    await until(lambda: all(node.fanout.healthy for node in pair.nodes), what="the nodes are connected again")
    await pair.written(10)
    stop.set()
    await sending
    await pair.check_delivered()


async def test_events_during_a_redis_outage_are_delivered_without_further_events(pair: Pair) -> None:
    pair.server.kill()
    for _ in range(3):
        await pair.commit(0)
    await pair.nodes[0].inbox.until(lambda inbox: inbox.of(ROOM) == [published(1), published(2), published(3)])
    await pair.check_delivered()  # without Redis: from the log
    await pair.commit(1)
    pair.server.start()
    await pair.check_delivered()


async def test_cut_subscriptions_under_traffic(pair: Pair) -> None:
    stop = asyncio.Event()
    sending = asyncio.create_task(pair.send_messages(stop))
    killer = RedisClient(make_settings(redis_url=pair.server.url), Metrics())
    for kind in ("pubsub", "normal", "pubsub", "pubsub", "normal", "pubsub"):
        await pair.written(5)
        await until(partial(killer.client.client_kill_filter, _type=kind, skipme=True), what="a connection to cut")
    await killer.close()
    stop.set()
    await sending
    await pair.check_delivered()


@pytest.mark.parametrize("seconds", [TIMEOUT / 2, 2.5 * TIMEOUT])
async def test_redis_hung_under_traffic(pair: Pair, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a short hang events are late; after a time-out Redis may publish an event twice, and it is delivered once."""
    monkeypatch.setattr(subscriber, "DEAF_AFTER", 1.2)
    stop = asyncio.Event()
    sending = asyncio.create_task(pair.send_messages(stop))
    await pair.written(10)
    pair.server.pause()
    await asyncio.sleep(seconds)  # the length of the fault
    pair.server.resume()
    await pair.written(20)
    stop.set()
    await sending
    await pair.check_delivered()


# --- the real log -----------------------------------------------------------------------------------------------------


class Silent:
    """A fan-out of a node that dies before it publishes."""

    async def publish(self, room: Room, event: str, payload: object, stamp: LogStamp | None = None) -> None:
        """See Fanout."""

    async def publish_encoded(self, room: Room, event: str, payload: str, stamp: LogStamp) -> None:
        """See Fanout."""


async def test_a_node_catches_up_from_the_room_log(database_url: str, redis: RedisClient) -> None:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    log, silent = RoomLog(database), Silent()
    streams = make_streams(database, redis, silent)
    chat = make_chat(database, silent)
    ada = principal(
        Role.ADMIN,
        str((await User.create(email="a@example.com", username="ada", password_hash="-", role="ADMIN")).id),
    )
    await streams.create(ada, CreateStream.model_validate({"title": "Demo", "key": "demo"}))

    inbox = DeliveredPackets()
    fanout = RedisFanout(redis, inbox, "c", Metrics(), log)
    await fanout.start()
    rooms = [ROOM, products_room("demo"), viewers_room("demo")]
    for room in rooms:
        await fanout.watch(room)
    epochs = await log.heads([*rooms, chat_room("none")])
    assert {room: head.place.seq for room, head in epochs.items()} == dict.fromkeys(rooms, 0)

    sent = [
        await chat.send(ada, SendMessage.model_validate({"liveId": "demo", "message": text}))
        for text in ("안녕 <b>", "unkind", "last")
    ]
    ask = DeleteMessage.model_validate({"liveId": "demo", "messageId": sent[1].id})
    await Curators(database, silent).deletions.delete(ada, ask)
    assert [event.seq for event in await log.after(ROOM, 1, 2)] == [2, 3]
    assert await fanout.reach(ROOM, 4, within=2)
    received = b"\n".join(inbox.of(ROOM)).decode()
    assert [packet[: packet.index(b",{")] for packet in inbox.of(ROOM)] == [
        b'2/chat,["chat:message"', b'2/chat,["chat:message"', b'2/chat,["chat:message-deleted"',
    ]  # fmt: skip
    assert "안녕 <b>" in received
    assert "unkind" not in received
    assert received.endswith(f'"live:demo@{epochs[ROOM].place.epoch[:8]}.4"]')
    await fanout.close()
    await database.close()
