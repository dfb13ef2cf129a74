"""Presence when Redis loses single keys, by eviction or by hand: every count is right again at the next heartbeat."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway import keys
from gateway.keys import Room, viewers_room
from gateway.metrics import Metrics
from gateway.realtime.presence.presence import Census
from gateway.realtime.presence.redis import RedisPresence
from gateway.redis.client import RedisClient
from tests.timing import scaled, until

ROOM = viewers_room("demo")
BEAT = 0.1  # s
BOTH = {"mina": "2", "jun": "1", "ann": "1", "leo": "1"}  # of the pair

StartNode = Callable[[str], Awaitable[RedisPresence]]


@pytest.fixture
async def start(redis: RedisClient) -> AsyncIterator[StartNode]:
    nodes: list[RedisPresence] = []

    async def node(node_id: str) -> RedisPresence:
        nodes.append(presence := RedisPresence(redis, node_id, Metrics(), lease=scaled(2), beat=BEAT))
        await presence.start()
        return presence

    yield node
    for presence in nodes:
        await presence.close()


@pytest.fixture
async def pair(start: StartNode) -> tuple[RedisPresence, RedisPresence]:
    """Two nodes; `mina` is on both."""
    a, b = await start("a"), await start("b")
    for who in ("mina", "jun", "ann"):
        await a.enter(ROOM, who)
    for who in ("mina", "leo"):
        await b.enter(ROOM, who)
    return a, b


def held(node: RedisPresence) -> str:
    """Return the key of a node's people."""
    assert node._lease.name is not None
    return keys.node_presence(node._lease.name, ROOM)


async def until_exact(redis: RedisClient, people: dict[str, str], room: Room = ROOM) -> None:
    async def exact() -> bool:
        return bool(await redis.client.hgetall(keys.presence(room)) == people)

    await until(exact, within=5)


LOST: dict[str, Callable[[RedisPresence, RedisPresence], list[str]]] = {
    "the count": lambda _a, _b: [keys.presence(ROOM)],
    "the people of one node": lambda a, _b: [held(a)],
    "the people of both nodes": lambda a, b: [held(a), held(b)],
    "the count and the people of one node": lambda a, _b: [keys.presence(ROOM), held(a)],
    "the count and the state": lambda _a, _b: [keys.presence(ROOM), keys.presence_state(ROOM)],
    "the people of one node and the state": lambda _a, b: [held(b), keys.presence_state(ROOM)],
    "all of the room": lambda a, b: [keys.presence(ROOM), keys.presence_state(ROOM), held(a), held(b)],
}


@pytest.mark.parametrize("lost", LOST)
async def test_a_room_is_counted_again(
    pair: tuple[RedisPresence, RedisPresence], redis: RedisClient, lost: str
) -> None:
    a, b = pair
    for _ in range(3):
        assert await redis.client.delete(*LOST[lost](a, b)) > 0

        async def held_again() -> bool:
            sets = [await redis.client.smembers(held(node)) for node in pair]
            return bool(sets == [{"mina", "jun", "ann"}, {"mina", "leo"}])

        await until(held_again, within=5)
        await until_exact(redis, BOTH)
    # And counting continues: a person on two nodes is there until they left both.
    assert (await a.leave(ROOM, "mina")).count == 4
    assert (await b.leave(ROOM, "mina")).count == 3
    assert (await b.leave(ROOM, "leo")).count == 2
    assert (await a.enter(ROOM, "leo")).count == 3
    await until_exact(redis, {"jun": "1", "ann": "1", "leo": "1"})
    assert a._metrics.registry.get_sample_value("dorami_presence_renames_total") in (None, 0, 1)


@pytest.mark.parametrize("lost", LOST)
async def test_enters_and_leaves_before_the_next_heartbeat_are_counted(
    pair: tuple[RedisPresence, RedisPresence], redis: RedisClient, lost: str
) -> None:
    a, b = pair
    await redis.client.delete(*LOST[lost](a, b))
    await a.leave(ROOM, "mina")
    await b.enter(ROOM, "zoe")
    await a.leave(ROOM, "jun")
    await a.move(ROOM, "ann", "anna")
    await until_exact(redis, {"mina": "1", "anna": "1", "leo": "1", "zoe": "1"})


async def test_the_count_is_published_again(pair: tuple[RedisPresence, RedisPresence], redis: RedisClient) -> None:
    a, _ = pair
    published: list[int] = []

    async def tell(room: Room, census: Census) -> None:
        assert room == ROOM
        published.append(census.count)

    a.on_change(tell)
    await redis.client.delete(keys.presence(ROOM))
    await until(lambda: published != [])
    await until_exact(redis, BOTH)


async def test_a_dead_node_is_removed_from_a_restarted_count(
    pair: tuple[RedisPresence, RedisPresence], redis: RedisClient
) -> None:
    a, b = pair
    for task in b._tasks:
        task.cancel()
    await asyncio.gather(*b._tasks, return_exceptions=True)
    b._lease.name = None
    await redis.client.delete(keys.presence(ROOM))  # its people are in no count any more
    await until_exact(redis, {"mina": "1", "jun": "1", "ann": "1"})
    await a.leave(ROOM, "mina")
    await until_exact(redis, {"jun": "1", "ann": "1"})


async def test_a_closed_room_stays_empty(pair: tuple[RedisPresence, RedisPresence], redis: RedisClient) -> None:
    a, b = pair
    await a.end(ROOM)  # b was not told yet, and compares what it holds
    sent = await redis.client.info("commandstats")
    beats = sent["cmdstat_evalsha"]["calls"]

    async def several_beats() -> bool:
        now = await redis.client.info("commandstats")
        return bool(now["cmdstat_evalsha"]["calls"] > beats + 10)

    await until(several_beats)
    assert await redis.client.hgetall(keys.presence(ROOM)) == {}
    assert await b.census(ROOM) == Census(0, 4, False)


async def test_many_rooms_are_compared_in_turn(start: StartNode, redis: RedisClient) -> None:
    node = await start("a")
    rooms = [viewers_room(f"room{number}") for number in range(120)]
    for room in rooms:
        await node.enter(room, "mina")
    await redis.client.delete(*map(keys.presence, rooms))
    for room in rooms:
        await until_exact(redis, {"mina": "1"}, room)


async def test_counts_are_exact_after_random_losses(start: StartNode, redis: RedisClient) -> None:
    """People come and go on three nodes while keys are lost one by one."""
    dice = random.Random(11)
    nodes = [await start(name) for name in "abc"]
    sockets: list[tuple[int, str]] = []
    for number in range(600):
        node = dice.randrange(3)
        calls: list[Awaitable[object]] = []
        for _ in range(3):
            if sockets and dice.random() < 0.45:
                index, who = sockets.pop(dice.randrange(len(sockets)))
                calls.append(nodes[index].leave(ROOM, who))
            else:
                sockets.append((node, who := f"user{dice.randrange(80)}"))
                calls.append(nodes[node].enter(ROOM, who))
        if number % 20 == 0:
            lost = dice.choice([keys.presence(ROOM), *map(held, nodes)])
            calls.append(redis.client.delete(lost))
        await asyncio.gather(*calls)
    truth = {who: str(len({node for node, other in sockets if other == who})) for _, who in sockets}
    await until_exact(redis, truth)
