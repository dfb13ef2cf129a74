"""Connections, fan-out, presence and limits while Redis is killed, hangs, cuts connections or goes silent."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from gateway.dev.servers import RedisProcess as RedisServer
from gateway.errors import RateLimited, Unavailable
from gateway.keys import chat_room, presence
from gateway.metrics import Metrics
from gateway.protocol.wire import Cursor
from gateway.realtime.fanout import publisher, subscriber
from gateway.realtime.fanout.redis import RedisFanout
from gateway.realtime.logged import Log
from gateway.realtime.packets import event_packet
from gateway.realtime.presence.presence import Census
from gateway.realtime.presence.redis import RedisPresence
from gateway.redis.client import RedisClient
from gateway.security.limits.redis import RedisLimiter
from tests.delivered_packets import DeliveredPackets
from tests.doubles import EventLog
from tests.proxy import Proxy
from tests.support import make_settings
from tests.timing import PATIENCE, allowed, grows, scaled, time_limit, turns, until

ROOM = chat_room("demo")
TIMEOUT = allowed(0.3)  # s that a call may take here: longer on a machine where even healthy servers are slow
BOUND = 2.0  # s that a publication may take: two calls of TIMEOUT, with a wide margin for a busy machine
ENOUGH = 5  # messages that show that traffic flows


class Node(NamedTuple):
    redis: RedisClient
    fanout: RedisFanout
    presence: RedisPresence
    limiter: RedisLimiter
    inbox: DeliveredPackets
    metrics: Metrics

    @property
    def degraded(self) -> bool:
        return self.metrics.registry.get_sample_value("dorami_fanout_degraded") == 1

    async def say(self, number: int) -> float:
        """Publish a message; return the seconds that it took."""
        started = time.monotonic()
        await self.fanout.publish(ROOM, "e", Cursor(epoch="x", seq=number))
        return time.monotonic() - started

    def received(self, first: int, count: int) -> bool:
        """Whether these messages were delivered here once each and in order, among others."""
        expected = [event_packet(ROOM.namespace, "e", Cursor(epoch="x", seq=n)) for n in range(first, first + count)]
        return [packet for packet in self.inbox.of(ROOM) if packet in set(expected)] == expected


async def make_node(url: str, node_id: str, log: Log | None = None) -> Node:
    metrics, inbox = Metrics(), DeliveredPackets()
    redis = RedisClient(
        make_settings(redis_url=url, redis_timeout=timedelta(seconds=TIMEOUT), redis_pool_size=5), metrics
    )
    fanout = RedisFanout(redis, inbox, node_id, metrics, log or EventLog())
    presence = RedisPresence(redis, node_id, metrics, lease=scaled(0.6), beat=0.1)
    await redis.open()
    await fanout.start()
    await presence.start()
    return Node(redis, fanout, presence, RedisLimiter(redis, metrics), inbox, metrics)


async def close(node: Node) -> None:
    await node.presence.close()
    await node.fanout.close()
    await node.redis.close()


@pytest.fixture
async def pair(own_redis: RedisServer) -> AsyncIterator[list[Node]]:
    nodes = [await make_node(own_redis.url, name) for name in "ab"]
    for node in nodes:
        await node.fanout.watch(ROOM)
    yield nodes
    with suppress(Exception):
        own_redis.resume()
    for node in nodes:
        await close(node)


async def send_messages(node: Node, first: int, stop: asyncio.Event) -> int:
    """Publish a hundred messages a second until `stop` is set; return their number."""
    count = 0
    while not stop.is_set():
        assert await node.say(first + count) < allowed(BOUND)
        count += 1
        await asyncio.sleep(0.01)
    return count


async def flows(sender: Node, receiver: Node, number: int, within: float) -> int:
    """Publish until the receiver gets a message; return the next number."""
    async with time_limit(within):
        before = len(receiver.inbox.of(ROOM))
        while len(receiver.inbox.of(ROOM)) == before:
            await sender.say(number)
            number += 1
            await asyncio.sleep(0.01)
    return number


async def delivered(node: Node, count: int = ENOUGH) -> None:
    """Wait until a node has delivered `count` more messages."""
    await grows(lambda: len(node.inbox.of(ROOM)), count, what="delivered messages")


async def cut_connections(server: RedisServer, kind: str) -> None:
    """Close all connections of a kind, of which there must be one, or comes to be."""
    client = RedisClient(make_settings(redis_url=server.url), Metrics())
    await until(partial(client.client.client_kill_filter, _type=kind, skipme=True), what=f"a {kind} connection to cut")
    await client.close()


async def test_fanout_survives_a_redis_restart(pair: list[Node], own_redis: RedisServer) -> None:
    a, b = pair
    stop = asyncio.Event()
    sending = asyncio.create_task(send_messages(a, 0, stop))
    await delivered(b)
    own_redis.kill()
    await until(lambda: not a.fanout.healthy and a.degraded)
    assert await a.redis.ping() is False
    own_redis.start()
    await flows(b, a, 10_000, within=2)
    await flows(a, b, 20_000, within=2)
    stop.set()
    count = await sending
    await a.inbox.until(lambda _: a.received(0, count))  # the sender's own node delivers all of them, once
    await until(lambda: all(node.fanout.healthy and not node.degraded for node in pair), within=2)


async def test_fanout_survives_cut_subscriptions(pair: list[Node], own_redis: RedisServer) -> None:
    a, b = pair
    stop = asyncio.Event()
    sending = asyncio.create_task(send_messages(a, 0, stop))
    for _ in range(5):
        await delivered(a)
        await cut_connections(own_redis, "pubsub")
    await flows(b, a, 10_000, within=1)
    await flows(a, b, 20_000, within=1)
    stop.set()
    count = await sending
    await a.inbox.until(lambda _: a.received(0, count))


async def test_no_message_is_lost_when_publishers_are_cut(pair: list[Node], own_redis: RedisServer) -> None:
    a, b = pair
    stop = asyncio.Event()
    sending = asyncio.create_task(send_messages(a, 0, stop))
    for _ in range(5):
        await delivered(b)
        await cut_connections(own_redis, "normal")
    stop.set()
    count = await sending
    for node in (a, b):
        await node.inbox.until(lambda _, node=node: node.received(0, count))  # type: ignore[misc]
    assert not a.degraded


@pytest.mark.parametrize("hang", ["short", "time-out", "deaf"])
async def test_fanout_survives_a_hung_redis(
    pair: list[Node], own_redis: RedisServer, hang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shorter than the time-out of a call, longer, and until the node gives up its subscription, too."""
    monkeypatch.setattr(subscriber, "DEAF_AFTER", 4 * TIMEOUT)
    a, b = pair
    stop = asyncio.Event()
    sending = asyncio.create_task(send_messages(a, 0, stop))
    await delivered(b)
    own_redis.pause()
    if hang == "short":
        await asyncio.sleep(TIMEOUT / 3)  # the length of the fault
        assert a.fanout.healthy
    else:
        await until(lambda: not a.fanout.healthy, what="the time-out is noticed")
    if hang == "deaf":
        await asyncio.sleep(4 * TIMEOUT)  # the length of the fault, a time-out longer than DEAF_AFTER in all
    own_redis.resume()
    await flows(a, b, 20_000, within=2)
    stop.set()
    count = await sending
    await a.inbox.until(lambda _: a.received(0, count))
    received = b.inbox.of(ROOM)
    assert len(set(received)) == len(received)  # what Redis did in the end was not published again


async def test_a_busy_node_does_not_time_out_redis(pair: list[Node], own_redis: RedisServer) -> None:
    """Redis has answered in time, and the busy event loop reads the answer late."""
    a, b = pair
    with redis.Redis.from_url(own_redis.url) as beside:
        for number in range(3):
            await a.say(number)
            await asyncio.sleep(0)  # the command is sent
            time.sleep(1.5 * TIMEOUT)  # noqa: ASYNC251  blocks the event loop for longer than a call may take
            beside.ping()  # on a machine with more to do Redis may answer only now
            await b.inbox.until(lambda _, count=number + 1: b.received(0, count))  # type: ignore[misc]
            await turns()  # whatever is due has run
            assert not a.degraded
    assert a.received(0, 3)


async def test_publishers_wait_while_the_queue_is_full(pair: list[Node], own_redis: RedisServer) -> None:
    a, _ = pair
    count = 5 * publisher.QUEUE_HIGH
    said = 0

    async def flood() -> None:
        nonlocal said
        for number in range(count):
            await a.say(number)
            said += 1

    own_redis.pause()
    flooding = asyncio.create_task(flood())
    await until(lambda: said >= publisher.QUEUE_HIGH - 10)
    await turns(10)
    assert a.fanout.healthy
    assert said <= publisher.QUEUE_HIGH + publisher.BATCH
    await flooding  # no publication waits for longer than a call may take
    await a.inbox.until(lambda _: a.received(0, count))


async def test_calls_time_out_while_redis_hangs(pair: list[Node], own_redis: RedisServer) -> None:
    a, _ = pair
    own_redis.pause()
    started = time.monotonic()
    assert await a.redis.ping() is False

    async def call() -> None:
        with pytest.raises(Unavailable):
            async with a.redis.guard("test"):
                await a.redis.client.get("x")

    await asyncio.gather(*(call() for _ in range(200)))
    assert (await a.presence.enter(ROOM, "mina")).count == 1
    assert (await a.limiter.charge("chat", "mina", 20, 10.0)).limit == 10
    await a.fanout.watch(chat_room("new"))
    await close(a)
    assert time.monotonic() - started < allowed(PATIENCE)


async def test_the_pool_recovers_after_a_hang(pair: list[Node], own_redis: RedisServer) -> None:
    a, _ = pair

    async def call() -> None:
        async with a.redis.guard("test"):
            await a.redis.client.incr("x")

    await asyncio.gather(*(call() for _ in range(20)))
    own_redis.kill()
    own_redis.start()
    await asyncio.gather(*(call() for _ in range(20)))  # no call fails for a connection of the pool that is dead
    own_redis.pause()
    assert await asyncio.gather(*(call() for _ in range(20)), return_exceptions=True)
    own_redis.resume()

    async def all_answered() -> bool:
        return not any(await asyncio.gather(*(call() for _ in range(20)), return_exceptions=True))

    await until(all_answered)
    for _ in range(3):
        await asyncio.gather(*(call() for _ in range(20)))
    assert len(await a.redis.client.client_list()) <= 2 * (5 + 2)


async def test_presence_and_limits_during_and_after_an_outage(pair: list[Node], own_redis: RedisServer) -> None:
    a, b = pair
    await a.presence.enter(ROOM, "mina")
    await b.presence.enter(ROOM, "jun")
    own_redis.kill()
    assert (await a.presence.enter(ROOM, "sora")).count == 2  # its own
    assert (await a.presence.leave(ROOM, "mina")).count == 1
    assert (await b.presence.census(ROOM)).count == 1
    passed = 0
    for _ in range(20):
        with suppress(RateLimited):
            await a.limiter.charge("chat", "mina", 20, 10.0)
            passed += 1
    assert passed == 10
    own_redis.start()
    expected = {"sora": "1", "jun": "1"}

    async def published() -> bool:
        return bool(await a.redis.client.hgetall(presence(ROOM)) == expected)

    await until(published)
    assert await b.presence.census(ROOM) == Census(2, 2, changed=False)  # the leave of mina is in the census
    assert (await a.limiter.charge("chat", "mina", 20, 10.0)).remaining == 19


async def test_a_node_notices_that_its_subscription_is_on_another_server(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover behind one address, its new subscription is on the new server, its publisher on the old one."""
    monkeypatch.setattr(publisher, "BEAT", 0.2)
    with tempfile.TemporaryDirectory(prefix="dorami-test-") as folder, RedisServer(Path(folder) / "redis") as promoted:
        proxy = Proxy(own_redis)
        a, b = await make_node(await proxy.start(), "a"), await make_node(promoted.url, "b")
        try:
            for node in (a, b):
                await node.fanout.watch(ROOM)
            proxy.switch(promoted)
            await cut_connections(own_redis, "pubsub")
            await flows(b, a, 0, within=2)
            await flows(a, b, 10_000, within=3)
            await flows(b, a, 20_000, within=2)
            await until(lambda: a.fanout.healthy and not a.degraded, within=2)
        finally:
            for node in (a, b):
                await close(node)
            await proxy.close()


async def test_calls_follow_a_failover_behind_one_address(own_redis: RedisServer) -> None:
    """The old server is a replica now, and keeps its connections."""
    with tempfile.TemporaryDirectory(prefix="dorami-test-") as folder, RedisServer(Path(folder) / "redis") as promoted:
        proxy = Proxy(own_redis)
        redis = RedisClient(make_settings(redis_url=await proxy.start(), redis_pool_size=3), Metrics())
        await asyncio.gather(*(redis.client.set(f"k{number}", number) for number in range(10)))  # fills the pool
        old = RedisClient(make_settings(redis_url=own_redis.url), Metrics())
        await old.client.replicaof("127.0.0.1", 1)
        proxy.switch(promoted)
        failures = 0
        for number in range(10):
            try:
                async with redis.guard("test"):
                    await redis.client.set(f"k{number}", "new")
            except Unavailable:
                failures += 1
        assert failures <= 3  # one for each connection
        async with redis.guard("test"):
            assert await redis.client.get("k9") == "new"
        await old.client.replicaof("NO", "ONE")
        await old.close()
        await redis.close()
        await proxy.close()


async def test_a_node_starts_without_redis(own_redis: RedisServer) -> None:
    own_redis.kill()
    started = time.monotonic()
    nodes = [await make_node(own_redis.url, name) for name in "ab"]
    a, b = nodes
    for node in nodes:
        await node.fanout.watch(ROOM)
    await a.say(0)
    assert a.received(0, 1)
    assert time.monotonic() - started < allowed(PATIENCE)
    own_redis.start()
    await flows(a, b, 100, within=2)
    for node in nodes:
        await close(node)


async def test_a_deaf_subscription_is_replaced(
    pair: list[Node], own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection looks open, and its other end is gone."""
    monkeypatch.setattr(subscriber, "DEAF_AFTER", 1.2)
    a, _ = pair
    proxy = Proxy(own_redis)
    c = await make_node(await proxy.start(), "c")
    await c.fanout.watch(ROOM)
    said = await flows(a, c, 0, within=1)
    await c.inbox.until(lambda _: c.received(said - 1, 1))
    proxy.mute()
    await flows(a, c, 10_000, within=3)
    await c.say(50_000)
    await c.inbox.until(lambda _: c.received(50_000, 1))
    await close(c)
    await proxy.close()
