"""Measures the cost of presence in rooms of several sizes, over two nodes: `python -m bench.presence` prints a table.

CPU times are those of Redis, as Redis reports them, and of a node: this process is both nodes. People are UUIDs. It is
not part of `make bench`: it has no goals and no peers.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import uvloop

from bench.cluster import ROOM, bytes_of_people, redis_cpu
from gateway.dev.servers import RedisProcess as RedisServer
from gateway.metrics import Metrics
from gateway.realtime.presence.lease import Lease
from gateway.realtime.presence.redis import BEAT, LEASE, RedisPresence
from gateway.redis.client import RedisClient
from tests.support import make_settings

SIZES = (10, 1_000, 10_000, 100_000)
CALLS = 2_000  # of each kind
CONCURRENT = 20  # calls, as on a busy node


class Cost(NamedTuple):
    """The CPU time of one call, in µs."""

    redis: float
    node: float


class Bench:
    """Two nodes, one Redis."""

    def __init__(self, redis: RedisClient, beats: RedisClient) -> None:
        self.redis = redis
        self.nodes = [RedisPresence(redis, name, Metrics(), heartbeats=beats, interval=0.0) for name in "ab"]
        self.leases = [Lease(redis, name, LEASE, BEAT) for name in "cd"]

    async def each(self, count: int, call: Callable[[int], Awaitable[object]]) -> Cost:
        """Return the cost of one call; make `count` calls."""
        numbers = iter(range(count))

        async def work() -> None:
            for number in numbers:
                await call(number)

        redis, node = await redis_cpu(self.redis), time.process_time()
        await asyncio.gather(*(work() for _ in range(CONCURRENT)))
        node, redis = time.process_time() - node, await redis_cpu(self.redis) - redis
        return Cost(redis / count * 1e6, node / count * 1e6)


async def measure(bench: Bench, size: int) -> list[str]:
    """Return the row of a room with `size` people, half on each node."""
    people = [str(uuid4()) for _ in range(size + CALLS)]

    async def join(number: int) -> None:
        await bench.nodes[number % 2].enter(ROOM, people[number])

    async def leave(number: int) -> None:
        await bench.nodes[number % 2].leave(ROOM, people[number])

    async def beat(number: int) -> None:
        await bench.leases[number % 2].renew()

    async def publish(number: int) -> None:
        await bench.nodes[0].enter(ROOM, f"{number}")
        permit = await bench.nodes[0].claim_permit(ROOM)
        await bench.nodes[0].published(ROOM, permit)

    await bench.each(size, join)
    held = await bytes_of_people(bench.redis)
    joins = await bench.each(CALLS, lambda number: join(size + number))
    beats = await bench.each(CALLS, beat)
    publications = await bench.each(CALLS, publish)
    leaves = await bench.each(CALLS, lambda number: leave(size + number))
    for node in bench.nodes:
        await node.close()  # removes all people, as other nodes do for a dead node
    costs = [f"{cost.redis:.0f} + {cost.node:.0f}" for cost in (joins, leaves, beats, publications)]
    return [f"{size:,}", *costs, f"{held / size:.0f}"]


async def main() -> None:
    """Print the table."""
    heads = ["people", "join", "leave", "heartbeat", "join, permit, published", "bytes a person"]
    print("µs of Redis + µs of the node for each call\n")
    print("|", " | ".join(heads), "|\n|", " | ".join(["--:"] * len(heads)), "|")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder) / "redis", durable=False) as server:
            redis, beats = (RedisClient(make_settings(redis_url=server.url), Metrics()) for _ in range(2))
            bench = Bench(redis, beats)
            for node, lease in zip(bench.nodes, bench.leases, strict=True):
                await node.start()
                await lease.take()
            print("|", " | ".join(await measure(bench, size)), "|", flush=True)
            await redis.close()
            await beats.close()


if __name__ == "__main__":
    uvloop.run(main())
