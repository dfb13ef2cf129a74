"""Measures the cost of publishing and of presence for one Redis with 200 nodes. Started by bench/run.py.

The nodes are subscribers and presences in one process, without sockets. The CPU of Redis is what Redis itself reports.
The people of the room are spread over all nodes.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import uvloop

from gateway import keys
from gateway.keys import viewers_room
from gateway.metrics import Metrics
from gateway.realtime.presence.redis import RedisPresence
from gateway.redis.client import RedisClient
from gateway.settings import load

ROOM = viewers_room("demo")
CHANNEL = b"bench-cluster"
MESSAGE = b"x" * 640  # bytes of a Korean message between nodes
BATCH = 20  # publications in one round trip
BATCHES = 50
CONCURRENT = 40  # joins
IDLE = 5.0  # s with heartbeats only


class Cluster:
    """The nodes, and the two clients of Redis that they share, one of them for heartbeats."""

    def __init__(self, redis: RedisClient, beats: RedisClient, nodes: int) -> None:
        self._redis = redis
        self.nodes = [RedisPresence(redis, f"node-{n}", Metrics(), heartbeats=beats) for n in range(nodes)]

    async def cost(self, work: Callable[[], Awaitable[object]], count: int) -> float:
        """Return the CPU of Redis for one of the `count` operations of `work`, in µs."""
        before = await redis_cpu(self._redis)
        await work()
        return (await redis_cpu(self._redis) - before) * 1e6 / count

    async def enter(self, people: int) -> None:
        """Add people to one room, on all nodes in turn."""
        numbers: Iterator[int] = iter(range(people))

        async def join() -> None:
            for number in numbers:
                await self.nodes[number % len(self.nodes)].enter(ROOM, str(uuid4()))

        await asyncio.gather(*(join() for _ in range(CONCURRENT)))


async def redis_cpu(redis: RedisClient) -> float:
    """Return the CPU time that Redis has used, in s."""
    info = await redis.client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


async def bytes_of_people(redis: RedisClient) -> int:
    """Return the bytes of the people of the room: of the hash, and of the set of each node."""
    names = [keys.presence(ROOM), *await redis.client.keys("*:node:*")]
    return sum([await redis.client.memory_usage(name) or 0 for name in names])


async def _subscriber(path: str, stack: AsyncExitStack) -> asyncio.StreamReader:
    reader, writer = await asyncio.open_unix_connection(path)
    stack.callback(writer.close)
    writer.write(b"*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%s\r\n" % (len(CHANNEL), CHANNEL))
    await reader.readuntil(b":1\r\n")
    return reader


async def _published(cluster: Cluster, redis: RedisClient, path: str, nodes: int) -> float:
    """Return the CPU of Redis for publishing a message to all nodes, in µs, after all have read all messages."""
    length = len(b"*3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(CHANNEL), CHANNEL, len(MESSAGE), MESSAGE))
    async with AsyncExitStack() as stack:
        readers = [await _subscriber(path, stack) for _ in range(nodes)]

        async def publish() -> None:
            reading = [asyncio.create_task(reader.readexactly(length * BATCH * BATCHES)) for reader in readers]
            for _ in range(BATCHES):
                pipeline = redis.client.pipeline(transaction=False)
                for _ in range(BATCH):
                    pipeline.publish(CHANNEL, MESSAGE)
                await pipeline.execute()
            await asyncio.gather(*reading)

        return await cluster.cost(publish, BATCH * BATCHES)


async def measure(nodes: int, people: int) -> dict[str, Any]:
    """Return the measurement."""
    settings = load()
    path = unquote(urlsplit(settings.redis_url.get_secret_value()).path)
    redis, beats = RedisClient(settings, Metrics()), RedisClient(settings, Metrics())
    try:
        cluster = Cluster(redis, beats, nodes)
        published = await _published(cluster, redis, path, nodes)
        for node in cluster.nodes:
            await node.start()
        begun = time.monotonic()
        entered = await cluster.cost(lambda: cluster.enter(people), people)
        seconds = time.monotonic() - begun
        idle = await cluster.cost(lambda: asyncio.sleep(IDLE), 1)
        held = await bytes_of_people(redis)
        return {
            "nodes": nodes,
            "people": people,
            "publish_redis_us": published,
            "join_redis_us": entered,
            "joins_per_s": people / seconds,
            "idle_percent": idle / 1e6 / IDLE * 100,
            "bytes_per_person": held / people,
        }
    finally:
        await redis.close()
        await beats.close()


def main() -> None:
    """Print the measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--people", type=int, default=20_000)
    options = parser.parse_args()
    print(json.dumps(uvloop.run(measure(options.nodes, options.people))))


if __name__ == "__main__":
    main()
