"""Random visits on nodes that die, and a Redis that fails in every way: in the end people are counted exactly."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.keys import Room, presence, viewers_room
from gateway.metrics import Metrics
from gateway.realtime.presence.redis import RedisPresence
from gateway.redis.client import RedisClient
from tests.integration.test_presence import kill
from tests.support import make_settings
from tests.timing import until

SEEDS = (1, 2, 3)
ROOMS = [viewers_room(name) for name in ("one", "two")]
PEOPLE = ("mina", "jun", "sora", "hana", "guest_1")
VISITS = 200
LASTS = 1.5  # s in which they begin
GIVEN_UP = 0.15  # of all calls, somewhere on their way
LEASE, BEAT = 0.4, 0.1  # s


@dataclass
class Node:
    """A node, and who is there by its sockets."""

    redis: RedisClient
    presence: RedisPresence
    sockets: list[tuple[Room, str]] = field(default_factory=list)
    calls: set[asyncio.Task[Any]] = field(default_factory=set)


class Storm:
    """Sockets join, leave and log in as somebody else on three nodes, during faults."""

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._dice = random.Random(seed)
        self.nodes: list[Node] = []
        self._all: list[Node] = []

    async def start(self) -> None:
        """Start one more node."""
        redis = RedisClient(make_settings(redis_url=self._url, redis_timeout="300ms"), Metrics())
        name = f"n{len(self._all)}"
        node = Node(redis, RedisPresence(redis, name, Metrics(), lease=LEASE, beat=BEAT, linger=0.3))
        await node.presence.start()
        self.nodes.append(node)
        self._all.append(node)

    async def rage(self) -> None:
        """Run all visits, and all faults during them."""
        await asyncio.gather(self._faults(), *(self._visit() for _ in range(VISITS)))

    async def _visit(self) -> None:
        await asyncio.sleep(self._dice.uniform(0, LASTS))  # visits begin at random moments of the storm
        node, act = self._dice.choice(self.nodes), self._dice.choice(["enter", "enter", "leave", "move"])
        presence, sockets = node.presence, node.sockets
        if act == "enter":
            here = self._dice.choice(ROOMS), self._dice.choice(PEOPLE)
            if await self._call(node, presence.enter(*here)):
                sockets.append(here)
        elif sockets:
            room, who = sockets.pop(self._dice.randrange(len(sockets)))
            if act == "leave":
                await self._call(node, presence.leave(room, who))
            else:
                other = self._dice.choice([person for person in PEOPLE if person != who])
                sockets.append((room, other))
                await self._call(node, presence.move(room, who, other))

    async def _call(self, node: Node, call: Awaitable[Any]) -> bool:
        """Return whether the call was not cancelled; some are, at random."""
        task = asyncio.ensure_future(call)
        node.calls.add(task)
        await asyncio.sleep(0)  # a call has begun before it is cancelled
        if self._dice.random() < GIVEN_UP:
            asyncio.get_running_loop().call_later(self._dice.uniform(0, 0.003), task.cancel)
        await asyncio.wait([task])
        node.calls.discard(task)
        return not task.cancelled()

    async def _faults(self) -> None:
        faults = [self._silence, self._lose, self._cut] * 4
        self._dice.shuffle(faults)
        for fault in (self._die, *faults):  # a node that dies within a beat of lost data may leave members behind
            await fault(self._dice.choice(self.nodes))
            await asyncio.sleep(self._dice.uniform(0, 0.2))  # faults hit visits at random moments

    async def _die(self, node: Node) -> None:
        self.nodes.remove(node)
        for call in node.calls:
            call.cancel()
        await kill(node.presence)
        await self.start()

    async def _silence(self, node: Node) -> None:
        node.redis._silent_until = time.monotonic() + self._dice.uniform(0, 0.3)

    async def _cut(self, node: Node) -> None:
        await node.redis.client.client_kill_filter(_type="normal", skipme=True)

    async def _lose(self, node: Node) -> None:
        await node.redis.client.flushdb()

    @property
    def truth(self) -> list[Counter[str]]:
        """By room, the number of nodes on which each person is."""
        there = {(number, *socket) for number, node in enumerate(self.nodes) for socket in node.sockets}
        return [Counter(who for _, where, who in there if where == room) for room in ROOMS]

    async def close(self) -> None:
        """Close all nodes."""
        for node in self._all:
            await node.presence.close()
            await node.redis.close()


@pytest.fixture(params=SEEDS)
async def storm(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Storm]:
    storm = Storm(redis_url, request.param)
    for _ in range(3):
        await storm.start()
    yield storm
    await storm.close()


async def test_counts_are_exact_after_a_storm_of_faults(storm: Storm, redis: RedisClient) -> None:
    await storm.rage()

    async def exact() -> bool:
        counted = [await redis.client.hgetall(presence(room)) for room in ROOMS]
        return [Counter({who: int(nodes) for who, nodes in room.items()}) for room in counted] == storm.truth

    await until(exact)
    assert sum(len(people) for people in storm.truth) > len(PEOPLE), "a storm that leaves nobody shows nothing"
