"""Presence: one suite for the implementation in Redis and its double in memory, and tests with several nodes."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway import keys
from gateway.errors import Unavailable
from gateway.keys import Room, viewers_room
from gateway.metrics import Metrics
from gateway.realtime.presence.presence import Census, LocalPresence, Moved, Presence, PublishPermit
from gateway.realtime.presence.redis import RedisPresence
from gateway.redis.client import RedisClient
from tests.timing import scaled, until

ROOM = viewers_room("demo")
LEASE, BEAT = scaled(0.4), 0.1  # s
INTERVAL = 60.0  # s between two permits: no test waits for it, see `end_interval`

StartNode = Callable[[str], Awaitable[RedisPresence]]


@pytest.fixture
async def start(redis: RedisClient) -> AsyncIterator[StartNode]:
    """Return a factory that starts the presence of a node with a short lease."""
    nodes: list[RedisPresence] = []

    async def node(node_id: str) -> RedisPresence:
        nodes.append(
            presence := RedisPresence(redis, node_id, Metrics(), lease=LEASE, beat=BEAT, linger=0.3, interval=INTERVAL)
        )
        await presence.start()
        return presence

    yield node
    for presence in nodes:
        await presence.close()


@pytest.fixture(params=["local", "redis"])
async def presence(request: pytest.FixtureRequest, start: StartNode) -> Presence:
    return LocalPresence() if request.param == "local" else await start("a")


async def end_interval(redis: RedisClient) -> None:
    """Let the next permit be due, as time does."""
    await redis.client.hset(keys.presence_state(ROOM), "next", 0)


async def kill(node: RedisPresence) -> None:
    """End a node as a crash does: nothing is cleaned up."""
    for task in node._tasks:
        task.cancel()
    await asyncio.gather(*node._tasks, return_exceptions=True)
    node._lease.name = None  # so that closing it later does nothing


async def until_count(presence: Presence, count: int, room: Room = ROOM) -> None:
    """Wait for a count, which is never negative on the way."""

    async def holds() -> bool:
        now = (await presence.census(room)).count
        assert now >= 0
        return now == count

    await until(holds)


# --- one node ------------------------------------------------------------------------------------------------------


async def test_people_are_counted_not_sockets(presence: Presence) -> None:
    assert await presence.enter(ROOM, "mina") == Census(1, 1, True)
    assert await presence.enter(ROOM, "mina") == Census(1, 1, False)
    assert await presence.enter(ROOM, "jun") == Census(2, 2, True)
    assert await presence.leave(ROOM, "mina") == Census(2, 2, False)
    assert await presence.leave(ROOM, "mina") == Census(1, 2, True)
    assert await presence.census(ROOM) == Census(1, 2, False)
    assert await presence.leave(ROOM, "jun") == Census(0, 2, True)


async def test_leaving_without_entering_has_no_effect(presence: Presence) -> None:
    assert await presence.leave(ROOM, "mina") == Census(0, 0, False)
    await presence.enter(ROOM, "jun")
    assert await presence.leave(ROOM, "mina") == Census(1, 1, False)


async def test_rooms_are_counted_separately(presence: Presence) -> None:
    await presence.enter(ROOM, "mina")
    assert (await presence.census(viewers_room("other"))).count == 0
    assert (await presence.census(Room("/chat", ROOM.name))).count == 0


async def test_concurrent_enters_and_leaves(presence: Presence) -> None:
    """The count is right in the end, in whatever order the calls reach Redis."""
    dice = random.Random(7)
    for _ in range(20):
        calls = [presence.enter(ROOM, "mina"), presence.enter(ROOM, "mina"), presence.leave(ROOM, "mina")]
        calls += [presence.enter(ROOM, f"user{dice.randrange(3)}") for _ in range(5)]
        changes = [census.changed for census in await asyncio.gather(*calls)]
        assert sum(changes) <= 4
        await presence.leave(ROOM, "mina")
        assert (await presence.census(ROOM)).count <= 3
    assert (await presence.census(ROOM)).peak <= 4


async def test_a_login_never_counts_a_guest_twice(presence: Presence) -> None:
    await presence.enter(ROOM, "guest")
    assert await presence.move(ROOM, "guest", "mina") == Moved(Census(1, 1, False), True, True)
    assert await presence.leave(ROOM, "guest") == Census(1, 1, False)
    assert await presence.leave(ROOM, "mina") == Census(0, 1, True)


async def test_a_login_of_a_guest_with_two_tabs(presence: Presence) -> None:
    await presence.enter(ROOM, "guest")
    await presence.enter(ROOM, "guest")
    assert await presence.move(ROOM, "guest", "mina") == Moved(Census(2, 2, True), True, False)
    assert await presence.move(ROOM, "guest", "mina") == Moved(Census(1, 2, True), False, True)
    assert await presence.leave(ROOM, "mina") == Census(1, 2, False)
    assert await presence.leave(ROOM, "mina") == Census(0, 2, True)


# --- several nodes -------------------------------------------------------------------------------------------------


async def test_a_user_on_two_nodes_counts_once(start: StartNode, redis: RedisClient) -> None:
    a, b = await start("a"), await start("b")
    assert await a.enter(ROOM, "mina") == Census(1, 1, True)
    assert await b.enter(ROOM, "mina") == Census(1, 1, False)
    assert await b.enter(ROOM, "jun") == Census(2, 2, True)
    assert await redis.client.hgetall("stream:demo:viewers") == {"mina": "2", "jun": "1"}
    assert await a.leave(ROOM, "mina") == Census(2, 2, False)
    assert await b.leave(ROOM, "mina") == Census(1, 2, True)


async def test_a_login_of_a_guest_who_is_also_on_another_node(start: StartNode, redis: RedisClient) -> None:
    a, b = await start("a"), await start("b")
    await a.enter(ROOM, "guest")
    await b.enter(ROOM, "mina")
    assert await a.move(ROOM, "guest", "mina") == Moved(Census(1, 2, True), False, True)
    assert await redis.client.hgetall("stream:demo:viewers") == {"mina": "2"}
    await b.enter(ROOM, "guest")
    await a.enter(ROOM, "guest")
    assert await a.move(ROOM, "guest", "jun") == Moved(Census(3, 3, True), True, False)
    await a.close()
    assert await redis.client.hgetall("stream:demo:viewers") == {"mina": "1", "guest": "1"}


async def test_a_cancelled_login_is_counted_eventually(start: StartNode, redis: RedisClient) -> None:
    a = await start("a")
    await a.enter(ROOM, "guest")
    task = asyncio.create_task(a.move(ROOM, "guest", "mina"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    async def settled() -> bool:
        return bool(await redis.client.hgetall("stream:demo:viewers") == {"mina": "1"})

    await until(settled)


async def test_the_people_of_a_dead_node_are_removed(start: StartNode, redis: RedisClient) -> None:
    a, b = await start("a"), await start("b")
    reported: list[tuple[Room, Census]] = []

    async def broken(room: Room, census: Census) -> None:
        raise RuntimeError("not my day")

    async def remember(room: Room, census: Census) -> None:
        reported.append((room, census))

    b.on_change(broken)
    b.on_change(remember)
    for number in range(1200):  # more than one step takes out
        await a.enter(ROOM, f"user{number}")
    await a.enter(ROOM, "mina")
    await b.enter(ROOM, "mina")
    await a.enter(viewers_room("other"), "jun")
    await kill(a)
    await until_count(b, 1)
    await until_count(b, 0, viewers_room("other"))

    async def all_told() -> bool:
        return {room for room, _ in reported} == {ROOM, viewers_room("other")}

    await until(all_told)
    assert {room: census.count for room, census in reported} == {ROOM: 1, viewers_room("other"): 0}

    async def buried() -> bool:
        return bool(await redis.client.zrange(keys.nodes(), 0, -1) == [b._lease.name])

    await until(buried)
    assert await redis.client.keys("*:node:a.*") == []


async def test_closing_removes_the_people_at_once(start: StartNode, redis: RedisClient) -> None:
    a, b = await start("a"), await start("b")
    await a.enter(ROOM, "mina")
    await b.enter(ROOM, "jun")
    names = (a._lease.name, b._lease.name)
    await a.close()
    assert (await b.census(ROOM)).count == 1
    await b.close()
    marks = {keys.node_buried(str(name), ROOM) for name in names}
    left = {keys.presence_peak(ROOM), keys.presence_state(ROOM), keys.nodes_clock(), *marks}
    assert set(await redis.client.keys("*")) == left
    assert 0 < await redis.client.ttl(keys.presence_state(ROOM)) <= 604800
    assert all([0 < await redis.client.ttl(key) <= 3600 for key in marks])


async def test_a_disconnected_node_returns(start: StartNode) -> None:
    """It was declared dead while it slept; calls during that time count, too."""
    a, b = await start("a"), await start("b")
    await a.enter(ROOM, "mina")
    await a.enter(ROOM, "jun")
    name = a._lease.name
    await kill(a)
    await until_count(b, 0)
    a._lease.name = name  # it continues without noticing that
    await a.leave(ROOM, "jun")
    await a.enter(ROOM, "sora")
    await a.start()
    await until_count(b, 2)
    await a.leave(ROOM, "mina")
    await a.leave(ROOM, "sora")
    assert (await b.census(ROOM)).count == 0


async def test_nothing_is_written_for_a_dead_node(start: StartNode, redis: RedisClient) -> None:
    """Such an entry would stay for ever: the other nodes have removed that node and do not check it again."""
    a, b = await start("a"), await start("b")
    name = a._lease.name
    await kill(a)

    async def buried() -> bool:
        return bool(await redis.client.zscore(keys.nodes(), str(name)) is None)

    await until(buried)
    a._lease.name = name
    assert (await a.enter(ROOM, "mina")).count == 1  # as far as it knows
    assert (await b.census(ROOM)).count == 0
    await a.start()
    await until_count(b, 1)
    assert await redis.client.hgetall(keys.presence(ROOM)) == {"mina": "1"}


async def test_empty_rooms_are_forgotten(start: StartNode, redis: RedisClient) -> None:
    a, b = await start("a"), await start("b")
    for number in range(30):
        await a.enter(viewers_room(f"r{number}"), "mina")
        await a.leave(viewers_room(f"r{number}"), "mina")
    await a.enter(viewers_room("r0"), "mina")
    listed = keys.node_rooms(str(a._lease.name))

    async def forgotten() -> bool:
        return bool(await redis.client.smembers(listed) == {"/streaming stream:r0"})

    await until(forgotten)
    await a.enter(viewers_room("r1"), "mina")
    assert await redis.client.scard(listed) == 2
    await kill(a)
    await until_count(b, 0, viewers_room("r0"))
    await until_count(b, 0, viewers_room("r1"))


async def test_a_lost_list_of_rooms_is_rebuilt(start: StartNode, redis: RedisClient) -> None:
    """A promoted replica may lack the newest entries."""
    a = await start("a")
    await a.enter(ROOM, "mina")
    name = a._lease.name
    await redis.client.delete(keys.node_rooms(str(name)))

    async def listed() -> bool:  # the former name is listed again for a moment, too
        return a._lease.name != name and await redis.client.scard(keys.node_rooms(str(a._lease.name))) == 1

    async def counted() -> bool:  # for a moment under two names
        return bool(await redis.client.hgetall("stream:demo:viewers") == {"mina": "1"})

    await until(listed)
    await until(counted)


async def test_presence_is_restored_to_an_emptied_redis(start: StartNode, redis: RedisClient) -> None:
    a, b = await start("a"), await start("b")
    await a.enter(ROOM, "mina")
    await b.enter(ROOM, "mina")
    await b.enter(ROOM, "jun")
    await redis.client.flushdb()
    await until_count(a, 2)

    async def both_told() -> bool:
        return bool(await redis.client.hget(keys.presence(ROOM), "mina") == "2")

    await until(both_told)
    await b.leave(ROOM, "mina")
    await b.leave(ROOM, "jun")
    await a.leave(ROOM, "mina")
    assert (await a.census(ROOM)).count == 0


async def test_a_lost_name_is_removed_after_a_failed_attempt(
    start: StartNode, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = await start("a")
    await a.enter(ROOM, "mina")
    announce, attempts = a._members.announce, 0

    async def fails_first(report: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise Unavailable("redis")
        await announce(report)

    monkeypatch.setattr(a._members, "announce", fails_first)
    await redis.client.flushdb()
    await a.enter(ROOM, "jun")  # under a name that Redis has lost

    async def exact() -> bool:
        counted = await redis.client.hgetall("stream:demo:viewers")
        return attempts > 1 and counted == {"mina": "1", "jun": "1"}

    await until(exact)


async def test_a_cancelled_enter_counts_nobody(start: StartNode) -> None:
    a = await start("a")
    task = asyncio.create_task(a.enter(ROOM, "mina"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until_count(a, 0)
    assert await a.enter(ROOM, "mina") == Census(1, 1, True)


async def stop_beating(*nodes: RedisPresence) -> None:
    """Stop the heartbeats of nodes, as a Redis that hangs does; `start` begins them again."""
    tasks = [task for node in nodes for task in node._tasks]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_nodes_that_were_all_cut_off_stay_alive(start: StartNode) -> None:
    nodes = [await start(name) for name in "abc"]
    for node, who in zip(nodes, ("mina", "jun", "sora"), strict=True):
        await node.enter(ROOM, who)
    names = [node._lease.name for node in nodes]
    await stop_beating(*nodes)
    await asyncio.sleep(3 * LEASE)  # leases are measured by the clock of Redis
    for node in nodes:
        await node.start()
        assert (await node.census(ROOM)).count == 3
        await asyncio.sleep(BEAT / 2)  # they come back one after the other
    await asyncio.sleep(LEASE)  # in which a node that is taken for dead would be removed
    assert [node._lease.name for node in nodes] == names
    assert (await nodes[0].census(ROOM)).count == 3


async def test_a_lost_clock_does_not_keep_dead_nodes(start: StartNode, redis: RedisClient) -> None:
    a, b = await start("a"), await start("b")
    await a.enter(ROOM, "mina")
    await b.enter(ROOM, "jun")
    await redis.client.hincrby(keys.nodes_clock(), "served", 3_600_000)
    await kill(a)
    await redis.client.delete(keys.nodes_clock())
    await until_count(b, 1)


# --- permits -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def pair(start: StartNode) -> tuple[RedisPresence, RedisPresence]:
    return await start("a"), await start("b")


async def test_one_of_two_nodes_publishes_the_count(
    pair: tuple[RedisPresence, RedisPresence], redis: RedisClient
) -> None:
    a, b = pair
    assert await a.claim_permit(ROOM) == PublishPermit()
    await a.enter(ROOM, "mina")
    permit = await a.claim_permit(ROOM)
    assert permit == PublishPermit(Census(1, 1, False), change=1)
    await b.enter(ROOM, "jun")
    assert not (await b.claim_permit(ROOM)).census
    assert await a.published(ROOM, permit), "jun came in between"
    waits = [(await node.claim_permit(ROOM)).wait for node in pair]
    assert all(wait is not None and 0 < wait <= INTERVAL for wait in waits)
    await end_interval(redis)
    permits = [await node.claim_permit(ROOM) for node in pair]
    assert [permit.census for permit in permits] == [Census(2, 2, False), None]
    assert not await a.published(ROOM, permits[0])
    assert [await node.claim_permit(ROOM) for node in pair] == [PublishPermit(), PublishPermit()]


async def test_a_count_of_zero_waits_only_for_a_pending_publication(
    pair: tuple[RedisPresence, RedisPresence],
) -> None:
    a, b = pair
    await a.enter(ROOM, "mina")
    first = await a.claim_permit(ROOM)
    await a.leave(ROOM, "mina")
    soon = await b.claim_permit(ROOM)
    assert soon.census is None
    assert soon.wait is not None
    assert soon.wait <= 0.05, "else the older number might be heard last"
    await a.published(ROOM, first)
    assert (await b.claim_permit(ROOM)).census == Census(0, 1, False)


async def test_a_late_publication_is_repeated(pair: tuple[RedisPresence, RedisPresence], redis: RedisClient) -> None:
    a, b = pair
    await a.enter(ROOM, "mina")
    slow = await a.claim_permit(ROOM)
    await b.enter(ROOM, "jun")
    await end_interval(redis)
    newer = await b.claim_permit(ROOM)
    assert newer.census == Census(2, 2, False)
    assert not await b.published(ROOM, newer)
    assert await a.published(ROOM, slow), "its number was older, and may have been heard last"


async def test_a_clock_set_back_does_not_delay_publications(
    pair: tuple[RedisPresence, RedisPresence], redis: RedisClient
) -> None:
    a, b = pair
    await a.enter(ROOM, "mina")
    assert not await a.published(ROOM, await a.claim_permit(ROOM))
    await redis.client.hincrby(keys.presence_state(ROOM), "next", 3_600_000)
    await b.enter(ROOM, "jun")
    assert (await b.claim_permit(ROOM)).census == Census(2, 2, False)


async def test_changes_of_a_dead_node_are_published(
    pair: tuple[RedisPresence, RedisPresence], redis: RedisClient
) -> None:
    """Also if nobody is there now."""
    a, b = pair
    due: list[Room] = []

    async def remember(room: Room, _census: Census) -> None:
        due.append(room)

    b.on_change(remember)
    await b.enter(ROOM, "jun")
    assert not await b.published(ROOM, await b.claim_permit(ROOM))
    await a.enter(ROOM, "mina")
    await a.leave(ROOM, "mina")
    await kill(a)

    async def reported() -> bool:
        return ROOM in due

    await until(reported)
    await end_interval(redis)
    permit = await b.claim_permit(ROOM)
    assert permit.census == Census(1, 2, False)
    assert not await b.published(ROOM, permit)


async def test_announcing_again_publishes_the_counts(start: StartNode, redis: RedisClient) -> None:
    """While the node was cut off, its own members got counts without those of other nodes."""
    a = await start("a")
    due: list[Room] = []

    async def remember(room: Room, _census: Census) -> None:
        due.append(room)

    a.on_change(remember)
    await a.enter(ROOM, "mina")
    assert not await a.published(ROOM, await a.claim_permit(ROOM))
    a._wrong = True

    async def reported() -> bool:
        return ROOM in due

    await until(reported)
    await end_interval(redis)
    assert (await a.claim_permit(ROOM)).census == Census(1, 1, False)


async def test_counts_published_without_redis_are_not_repeated(start: StartNode, redis: RedisClient) -> None:
    node = await start("a")
    redis._silent_until = time.monotonic() + 60
    await node.enter(ROOM, "mina")
    assert (await node.claim_permit(ROOM)).census == Census(1, 1, False)
    assert [await node.claim_permit(ROOM) for _ in range(3)] == [PublishPermit()] * 3
    redis._silent_until = 0.0


# --- the end -------------------------------------------------------------------------------------------------------


async def test_a_closed_room_is_empty(presence: Presence) -> None:
    for who in ("mina", "jun", "mina"):
        await presence.enter(ROOM, who)
    assert await presence.end(ROOM) == Census(0, 2, True)
    assert (await presence.claim_permit(ROOM)).census == Census(0, 2, False)
    assert await presence.leave(ROOM, "mina") == Census(0, 2, False)
    assert await presence.enter(ROOM, "sora") == Census(0, 2, False)
    assert await presence.move(ROOM, "mina", "hana") == Moved(Census(0, 2, False), False, False)
    assert await presence.leave(ROOM, "sora") == Census(0, 2, False)
    assert (await presence.end(ROOM)).count == 0
    assert presence.rooms() == []


async def test_a_closed_room_is_closed_for_nodes_that_missed_it(
    pair: tuple[RedisPresence, RedisPresence], redis: RedisClient
) -> None:
    a, b = pair
    for node, who in ((a, "mina"), (b, "jun"), (b, "sora")):
        await node.enter(ROOM, who)
    await a.end(ROOM)
    assert (await b.leave(ROOM, "jun")).count == 0
    assert b.rooms() == [ROOM]
    b._wrong = True  # as after a cut: it announces its members again

    async def forgotten() -> bool:
        return b.rooms() == []

    await until(forgotten)
    await b.leave(ROOM, "sora")
    assert (await b.census(ROOM)).count == 0

    async def nobody_kept() -> bool:
        return await redis.client.keys("*:node:*") == []

    await until(nobody_kept)


async def test_a_close_is_repeated_when_redis_is_back(start: StartNode, redis: RedisClient) -> None:
    a, b = await start("a"), await start("b")
    await a.enter(ROOM, "mina")
    await b.enter(ROOM, "jun")
    redis._silent_until = time.monotonic() + 60
    assert (await a.end(ROOM)).count == 0
    redis._silent_until = 0.0
    await until_count(b, 0)


async def test_nobody_enters_a_closed_room_without_redis(start: StartNode, redis: RedisClient) -> None:
    node = await start("a")
    await node.enter(ROOM, "mina")
    redis._silent_until = time.monotonic() + 60
    assert (await node.end(ROOM)).count == 0
    assert await node.enter(ROOM, "jun") == Census(0, 0, False)
    assert await node.leave(ROOM, "jun") == Census(0, 0, False)
    assert await node.claim_permit(ROOM) == PublishPermit()
    assert node.rooms() == []
    redis._silent_until = 0.0
    await until_count(node, 0)
    assert (await node.enter(ROOM, "jun")).count == 0


async def test_a_hundred_dead_nodes_leave_nobody(start: StartNode, redis: RedisClient) -> None:
    stays = await start("stays")
    await stays.enter(ROOM, "mina")
    for number in range(100):
        dies = await start(f"n{number}")
        for who in ("mina", "jun", f"user{number}"):
            await dies.enter(ROOM, who)
        await kill(dies)
    await until_count(stays, 1)

    async def buried() -> bool:
        return bool(await redis.client.zcard(keys.nodes()) == 1)

    await until(buried)
    assert await redis.client.hgetall("stream:demo:viewers") == {"mina": "1"}
    assert await redis.client.keys("*:node:n*") == []


async def test_a_reopened_room_is_counted_again(presence: Presence) -> None:
    for who in ("mina", "mina", "jun"):
        await presence.enter(ROOM, who)
    await presence.end(ROOM)
    for _ in range(2):
        assert (await presence.restore(ROOM, ["mina", "mina", "jun", "ara"])).count == 3
    assert (await presence.leave(ROOM, "mina")).count == 3
    assert (await presence.leave(ROOM, "mina")).count == 2
    assert (await presence.enter(ROOM, "sol")).count == 3
    await presence.end(ROOM)
    assert (await presence.restore(ROOM, [])).count == 0
    assert (await presence.enter(ROOM, "sol")).count == 1


async def test_a_node_that_missed_the_close_is_counted_correctly(start: StartNode) -> None:
    a, b = await start("a"), await start("b")
    await a.enter(ROOM, "mina")
    await b.enter(ROOM, "jun")
    await a.end(ROOM)
    await a.restore(ROOM, ["mina"])
    assert (await a.census(ROOM)).count == 1, "the other node has not announced its members yet"
    await b.enter(ROOM, "ara")
    assert (await b.restore(ROOM, ["jun", "ara"])).count == 3
    assert (await b.leave(ROOM, "jun")).count == 2
    await kill(b)
    await until_count(a, 1)
