"""Fan-out: one suite for that over Redis, with two nodes, and its double; and what Redis adds."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import pytest
from redis.asyncio import Redis

from gateway.keys import Room, chat_room, control_channel, products_room, room_channel
from gateway.metrics import Metrics
from gateway.protocol.wire import Cursor
from gateway.realtime.fanout import redis as fanout_redis
from gateway.realtime.fanout.redis import RedisFanout
from gateway.realtime.logged import LogStamp
from gateway.realtime.notices import Notice, Revoked, StreamEnded
from gateway.realtime.packets import event_packet
from gateway.redis.client import RedisClient
from gateway.redis.cluster import slot
from tests.delivered_packets import DeliveredPackets
from tests.doubles import EventLog
from tests.local_fanout import LocalFanout
from tests.timing import allowed, stays, time_limit, until

FOREIGN = (
    b"", b"\n", b"123", b"hello", b":\n", b"x:\n", b"x:y\n", b"x:-1\n", b"x:" + b"9" * 5000 + b"\n", b"\xff\xfe:1",
    b"x:1/\n", b"x:1/y\n", b"x:1/2/3\n", b"x:/1\n", b"x:1\n[", b"y:1\nnull", b"z:1\n[[],{}]", b"v:1\n" + b"[" * 100_000,
    b'u:1\n["stream-ended",1,{}]', b't:1\n["of-tomorrow",1,{}]',
)  # fmt: skip


class Node(NamedTuple):
    fanout: LocalFanout | RedisFanout
    inbox: DeliveredPackets


@pytest.fixture
def room() -> Room:
    """Return a room of this test's own: channels are shared by all logical databases."""
    return chat_room(secrets.token_hex(4))


@pytest.fixture
async def pair(redis: RedisClient) -> AsyncIterator[list[Node]]:
    """Two nodes on one Redis."""
    nodes = []
    for node_id in "ab":
        inbox = DeliveredPackets()
        nodes.append(Node(fanout := RedisFanout(redis, inbox, node_id, Metrics(), EventLog()), inbox))
        await fanout.start()
    yield nodes
    for node in nodes:
        assert isinstance(node.fanout, RedisFanout)
        await node.fanout.close()


@pytest.fixture(params=["local", "redis"])
async def nodes(request: pytest.FixtureRequest, pair: list[Node]) -> list[Node]:
    if request.param == "redis":
        return pair
    inbox = DeliveredPackets()
    return [Node(LocalFanout(inbox), inbox)]


def packets(room: Room, count: int, first: int = 0) -> list[bytes]:
    return [event_packet(room.namespace, "e", Cursor(epoch="x", seq=n)) for n in range(first, first + count)]


async def publish(node: Node, room: Room, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        await node.fanout.publish(room, "e", Cursor(epoch="x", seq=number))


# --- the contract -------------------------------------------------------------------------------------------------


async def test_every_node_delivers_once_and_in_order(nodes: list[Node], room: Room) -> None:
    for node in nodes:
        await node.fanout.watch(room)
    await publish(nodes[0], room, 50)
    await nodes[-1].inbox.until(lambda inbox: len(inbox.of(room)) >= 50)  # of two nodes either may be first
    await publish(nodes[-1], room, 50, first=50)
    for node in nodes:
        await node.inbox.until(lambda inbox: len(inbox.of(room)) >= 100)
        assert node.inbox.of(room) == packets(room, 100)


async def test_rooms_of_the_same_name_in_two_namespaces_are_separate(nodes: list[Node], room: Room) -> None:
    other = products_room(room.name.removeprefix("live:"))
    for node in nodes:
        await node.fanout.watch(room)
        await node.fanout.watch(other)
    await publish(nodes[0], other, 1)
    await publish(nodes[0], room, 1)
    for node in nodes:
        await node.inbox.until(lambda inbox: len(inbox.packets) >= 2)
        # In any order: two rooms may be on two servers of a cluster.
        assert sorted(node.inbox.packets) == sorted([(other, packets(other, 1)[0]), (room, packets(room, 1)[0])])


async def test_a_notice_reaches_every_node(nodes: list[Node], room: Room) -> None:
    received: list[tuple[int, Notice]] = []
    done = asyncio.Event()

    async def receive(number: int, notice: Notice) -> None:
        received.append((number, notice))
        if len(received) == len(nodes):
            done.set()

    for number, node in enumerate(nodes):
        node.fanout.on_notice(Revoked, partial(receive, number))
        node.fanout.on_notice(StreamEnded, partial(receive, 99))
    await nodes[0].fanout.notify(Revoked("한"))
    async with time_limit(2):
        await done.wait()
    assert sorted(received, key=lambda item: item[0]) == [(number, Revoked("한")) for number in range(len(nodes))]


async def test_a_notice_whose_handler_fails_does_not_stop_the_next(nodes: list[Node]) -> None:
    received = asyncio.Event()

    async def fail(_notice: StreamEnded) -> None:
        raise RuntimeError("not my day")

    async def receive(notice: StreamEnded) -> None:
        if notice.stream_key == "second":
            received.set()

    nodes[-1].fanout.on_notice(StreamEnded, fail)
    nodes[-1].fanout.on_notice(StreamEnded, receive)
    await nodes[0].fanout.notify(StreamEnded("first"))
    await nodes[0].fanout.notify(StreamEnded("second"))
    async with time_limit(2):
        await received.wait()


async def test_fanout_is_healthy(nodes: list[Node]) -> None:
    assert all(node.fanout.healthy for node in nodes)


# --- over Redis ---------------------------------------------------------------------------------------------------


async def test_all_nodes_deliver_in_the_same_order(pair: list[Node], room: Room) -> None:
    """Both publish at once: the order is any, and the same on both."""
    a, b = pair
    for node in pair:
        await node.fanout.watch(room)
    said = [(node, Cursor(epoch=name, seq=n)) for n in range(300) for name, node in zip("ab", pair, strict=True)]
    await asyncio.gather(*(node.fanout.publish(room, "e", cursor) for node, cursor in said))
    for node in pair:
        await node.inbox.until(lambda inbox: len(inbox.of(room)) >= 600)
    assert a.inbox.of(room) == b.inbox.of(room)
    assert len(set(a.inbox.of(room))) == 600


async def test_a_node_subscribes_only_to_rooms_with_members(pair: list[Node], room: Room) -> None:
    a, b = pair
    await a.fanout.watch(room)
    await publish(b, room, 3)
    await a.inbox.until(lambda inbox: len(inbox.of(room)) == 3)
    assert b.inbox.packets == []


async def test_a_watched_room_misses_nothing(pair: list[Node], room: Room) -> None:
    """From when `watch` returns, on a node that joins while another talks."""
    a, b = pair
    said, watching = 0, 0

    async def send_messages() -> None:
        nonlocal said
        while not watching or said < watching + 50:
            await publish(b, room, 1, first=said)
            said += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send_messages())
        while said < 50:  # noqa: ASYNC110  somewhere in the middle
            await asyncio.sleep(0)
        await a.fanout.watch(room)
        watching = said + 1  # the one under way may have gone before
    await a.inbox.until(lambda inbox: packets(room, said)[-1] in inbox.of(room))
    received = a.inbox.of(room)
    assert received == packets(room, len(received), first=said - len(received))
    assert len(received) >= said - watching


async def test_a_repeated_publication_is_delivered_once(pair: list[Node], room: Room, redis: RedisClient) -> None:
    """A node whose connection breaks in the middle cannot know what got through, and publishes it again."""
    a, _ = pair
    await a.fanout.watch(room)
    for number in (1, 2, 1, 2, 3):
        await redis.client.publish(room_channel(room), f"c.1:{number}\n{number}")
    await a.inbox.until(lambda inbox: b"3" in inbox.of(room))
    assert a.inbox.of(room) == [b"1", b"2", b"3"]


async def test_a_room_stays_subscribed_for_a_moment(
    pair: list[Node], room: Room, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout_redis, "LINGER", 0.1)
    channel = room_channel(room)
    a, _ = pair

    async def subscribers() -> int:
        return int((await redis.client.pubsub_numsub(channel))[0][1])

    async def nobody() -> bool:
        return await subscribers() == 0

    await a.fanout.watch(room)
    a.fanout.unwatch(room)
    await a.fanout.watch(room)  # in time

    async def subscribed() -> bool:
        return await subscribers() == 1

    await stays(subscribed, seconds=0.2)
    a.fanout.unwatch(room)
    assert await subscribers() == 1
    await until(nobody)
    await a.fanout.watch(room)
    assert await subscribers() == 1
    await publish(a, room, 1)
    await a.inbox.until(lambda inbox: inbox.of(room) == packets(room, 1))


async def test_a_join_just_after_unsubscribing_does_not_wait(pair: list[Node], room: Room) -> None:
    """Redis has not been told yet that nobody is there: nothing is to be undone, but it must confirm."""
    a, b = pair
    assert isinstance(a.fanout, RedisFanout)
    await a.fanout.watch(room)
    a.fanout.unwatch(room)
    a.fanout._lingering[room].cancel()
    a.fanout._drop(room)
    started = time.monotonic()
    await a.fanout.watch(room)
    assert time.monotonic() - started < allowed(0.5)
    await publish(b, room, 1)
    await a.inbox.until(lambda inbox: inbox.of(room) == packets(room, 1))


async def test_foreign_messages_on_channels_are_ignored(pair: list[Node], room: Room, redis: RedisClient) -> None:
    a, b = pair
    published = asyncio.Event()

    async def note(_notice: StreamEnded) -> None:
        published.set()

    b.fanout.on_notice(StreamEnded, note)
    await a.fanout.watch(room)
    for channel in (room_channel(room), control_channel()):
        for data in FOREIGN:
            await redis.client.publish(channel, data)
    a.inbox.packets.clear()
    await publish(a, room, 1)
    await a.inbox.until(lambda inbox: packets(room, 1)[0] in inbox.of(room))
    assert a.fanout.healthy
    await a.fanout.notify(StreamEnded("demo"))
    async with time_limit():
        await published.wait()  # by the node that received all of them on the channel of notices alone
    assert isinstance(b.fanout, RedisFanout)
    ignored = b.fanout._metrics.notices_ignored
    for reason in ("unknown", "malformed"):  # other tests may publish on the channel of notices, too
        assert ignored.labels(reason)._value.get() >= 1


async def on_server_of(room: Room, redis: RedisClient, use: Callable[[Redis], Awaitable[Any]]) -> None:
    """Send a command to the server that has a room's channel."""
    if redis.cluster is None:
        await use(redis.client)
    else:
        await redis.cluster.call(await redis.cluster.owner(slot(room_channel(room))), use)


async def test_own_logged_events_do_not_wait_for_redis(redis: RedisClient, room: Room) -> None:
    log, inbox = EventLog(), DeliveredPackets()
    log.rooms[room] = []
    fanout = RedisFanout(redis, inbox, "c", Metrics(), log)
    await fanout.start()
    await fanout.watch(room)
    seqs = range(1, 4)
    await on_server_of(room, redis, lambda client: client.client_pause(60_000, all=False))  # publications wait, too
    try:
        for seq in seqs:
            log.write(room)
            stamp = LogStamp(EventLog.EPOCH, seq, datetime.now(UTC))
            await fanout.publish(room, "e", Cursor(epoch="x", seq=seq), stamp)
        assert inbox.of(room) == []  # the acks of the events are written first
        await inbox.until(lambda inbox: len(inbox.of(room)) == len(seqs))
    finally:
        await on_server_of(room, redis, lambda client: client.client_unpause())
    await publish(Node(fanout, inbox), room, 1)  # Redis returns it after the others
    await inbox.until(lambda inbox: len(inbox.of(room)) > len(seqs))
    offsets = [f"{room.name}@{EventLog.EPOCH[:8]}.{seq}".encode() for seq in seqs]
    *own, last = inbox.of(room)
    assert [offset in packet for offset, packet in zip(offsets, own, strict=True)] == [True] * len(seqs)
    assert last == packets(room, 1)[0]
    assert log.reads == 0
    await fanout.close()


async def test_an_exception_of_the_sink_does_not_stop_the_fanout(redis: RedisClient, room: Room) -> None:
    class Broken(DeliveredPackets):
        def deliver(self, room: Room, packet: bytes, offset: str | None = None) -> None:
            super().deliver(room, packet, offset)
            if len(self.packets) == 1:
                raise RuntimeError("not my day")

    inbox = Broken()
    fanout = RedisFanout(redis, inbox, "c", Metrics(), EventLog())
    await fanout.start()
    await fanout.watch(room)
    await publish(Node(fanout, inbox), room, 2)
    await inbox.until(lambda inbox: len(inbox.of(room)) == 2)
    await fanout.close()


async def test_publications_before_close_are_delivered(pair: list[Node], room: Room) -> None:
    a, b = pair
    assert isinstance(a.fanout, RedisFanout)
    await b.fanout.watch(room)
    await publish(a, room, 500)
    await a.fanout.close()
    await b.inbox.until(lambda inbox: inbox.of(room) == packets(room, 500))


async def test_closing_leaves_no_task_and_no_subscription(redis: RedisClient, room: Room) -> None:
    before = asyncio.all_tasks()
    fanout = RedisFanout(redis, DeliveredPackets(), "c", Metrics(), EventLog())
    await fanout.start()
    await fanout.watch(room)
    await fanout.close()
    await fanout.publish(room, "e", Cursor(epoch="x", seq=1))  # late, and still no error
    assert asyncio.all_tasks() <= before

    async def nobody() -> bool:
        return bool((await redis.client.pubsub_numsub(room_channel(room)))[0][1] == 0)

    await until(nobody)
