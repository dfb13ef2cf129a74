"""Cached reads on a real Redis: loaded once for all callers, never older than a change, and also without Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway import keys
from gateway.dev.servers import RedisProcess as RedisServer
from gateway.errors import NotFound
from gateway.metrics import Metrics
from gateway.redis import cache as cache_module
from gateway.redis.cache import Cache
from gateway.redis.client import RedisClient
from tests.support import make_settings
from tests.timing import stays, time_limit, turns, until

NAME = "numbers"
KEY = "one"


class Source:
    """The cached value: a number that changes, and takes a given time to load."""

    def __init__(self) -> None:
        self.value = 1
        self.loads = 0
        self.free = asyncio.Event()
        self.free.set()

    async def load(self) -> int:
        self.loads += 1
        value = self.value
        await self.free.wait()
        return value


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def node(redis_url: str) -> AsyncIterator[Callable[..., Cache[int]]]:
    """Return a factory of caches, one per node."""
    opened: list[Any] = []

    def make(lifetime: float = 60.0, url: str = redis_url) -> Cache[int]:
        redis = RedisClient(make_settings(redis_url=url, redis_timeout="300ms"), Metrics())
        cache: Cache[int] = Cache(redis, Metrics(), NAME, int, lifetime)
        opened.extend((cache, redis))
        return cache

    yield make
    for one in opened:
        await one.close()


async def test_a_value_loaded_by_one_node_is_read_by_all(node: Callable[..., Cache[int]], source: Source) -> None:
    one, other = node(), node()
    assert [await one.read(KEY, source.load), await one.read(KEY, source.load)] == [1, 1]
    assert await other.read(KEY, source.load) == 1
    assert source.loads == 1


async def test_concurrent_reads_share_one_load(node: Callable[..., Cache[int]], source: Source) -> None:
    nodes = [node(), node()]
    source.free.clear()
    readers = [asyncio.create_task(cache.read(KEY, source.load)) for cache in nodes for _ in range(50)]
    await until(lambda: source.loads == 1)
    await stays(lambda: source.loads == 1, seconds=0.05)
    source.free.set()
    assert await asyncio.gather(*readers) == [1] * 100
    assert source.loads == 1


async def test_a_cancelled_reader_does_not_affect_others(node: Callable[..., Cache[int]], source: Source) -> None:
    cache = node()
    source.free.clear()
    first, second = (asyncio.create_task(cache.read(KEY, source.load)) for _ in range(2))
    await until(lambda: source.loads == 1)
    first.cancel()
    source.free.set()
    assert await second == 1


async def test_a_value_is_refreshed_before_it_expires(
    node: Callable[..., Cache[int]], redis: RedisClient, source: Source
) -> None:
    cache = node(lifetime=600.0)
    await cache.read(KEY, source.load)
    source.value = 2
    await redis.client.expire(keys.cached(NAME, KEY), 60)  # it is refreshed in the last fifth of its lifetime
    source.free.clear()
    assert await cache.read(KEY, source.load) == 1  # while it is being refreshed
    await until(lambda: source.loads == 2)
    source.free.set()

    async def refreshed() -> bool:
        return await cache.read(KEY, source.load) == 2

    await until(refreshed)
    assert source.loads == 2


async def test_a_value_read_before_a_change_is_not_stored(node: Callable[..., Cache[int]], source: Source) -> None:
    one, other = node(), node()
    source.free.clear()
    early = asyncio.create_task(one.read(KEY, source.load))
    await until(lambda: source.loads == 1)
    source.value = 2
    await other.drop(KEY)
    source.free.set()
    assert await early == 1  # it asked before the change
    assert await one.read(KEY, source.load) == 2
    assert await other.read(KEY, source.load) == 2


async def test_a_read_after_a_change_does_not_share_an_earlier_load(
    node: Callable[..., Cache[int]], source: Source
) -> None:
    cache = node()
    source.free.clear()
    early = asyncio.create_task(cache.read(KEY, source.load))
    await until(lambda: source.loads == 1)
    source.value = 2
    await cache.drop(KEY)
    late = asyncio.create_task(cache.read(KEY, source.load))
    await until(lambda: source.loads == 2)
    source.free.set()
    assert [await early, await late] == [1, 2]


@pytest.mark.parametrize("change", ["drop", "write"])
async def test_a_read_after_a_change_does_not_share_an_earlier_lookup(
    node: Callable[..., Cache[int]], source: Source, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    cache = node()
    assert await cache.read(KEY, source.load) == 1
    source.value = 2
    looked, free, look = asyncio.Event(), asyncio.Event(), cache._look

    async def slow(**how: Any) -> Any:
        answer = await look(**how)
        looked.set()
        await free.wait()
        return answer

    async def change_redis(*args: Any, **how: Any) -> Any:
        readers.append(asyncio.create_task(cache.read(KEY, source.load)))
        await looked.wait()
        monkeypatch.setattr(cache, "_look", look)
        return await before(*args, **how)

    readers: list[asyncio.Task[int]] = []
    before = getattr(cache, f"_{change}")
    monkeypatch.setattr(cache, "_look", slow)
    monkeypatch.setattr(cache, f"_{change}", change_redis)
    await (cache.drop(KEY) if change == "drop" else cache.write(KEY, 2, version=1))
    late = asyncio.create_task(cache.read(KEY, source.load))
    await turns()  # it has begun: it would share the earlier look-up
    free.set()
    assert [await readers[0], await late] == [1, 2]


async def test_a_written_value_is_read_without_a_load(node: Callable[..., Cache[int]], source: Source) -> None:
    one, other = node(), node()
    await one.write(KEY, 7, version=3)
    assert await other.read(KEY, source.load) == 7
    await other.write(KEY, 6, version=2)  # an earlier change that comes late
    assert await one.read(KEY, source.load) == 7
    await other.write(KEY, 8, version=4)
    assert await one.read(KEY, source.load) == 8
    assert source.loads == 0


async def test_a_late_write_does_not_replace_a_newer_value(redis_url: str) -> None:
    redis = RedisClient(make_settings(redis_url=redis_url), Metrics())
    cache: Cache[int] = Cache(redis, Metrics(), NAME, int, 60.0, version=lambda value: value)
    source = Source()
    source.value = 5
    assert await cache.read(KEY, source.load) == 5
    await cache.write(KEY, 4, version=4)
    assert await cache.read(KEY, source.load) == 5
    await cache.close()
    await redis.close()


async def test_a_load_does_not_replace_a_concurrent_write(node: Callable[..., Cache[int]], source: Source) -> None:
    one, other = node(), node()
    source.free.clear()
    early = asyncio.create_task(one.read(KEY, source.load))
    await until(lambda: source.loads == 1)
    await other.write(KEY, 2, version=2)
    source.free.set()
    await early
    assert await one.read(KEY, source.load) == 2


async def test_pending_reads_are_answered_before_close(node: Callable[..., Cache[int]], source: Source) -> None:
    cache = node()
    source.free.clear()
    reader = asyncio.create_task(cache.read(KEY, source.load))
    await until(lambda: source.loads == 1)
    closing = asyncio.create_task(cache.close())
    await stays(lambda: not closing.done(), seconds=0.05)
    source.free.set()
    assert await reader == 1
    await closing


async def test_a_dead_loader_delays_readers_briefly(
    node: Callable[..., Cache[int]], source: Source, redis: RedisClient
) -> None:
    lease = round(cache_module.LEASE * 1000)
    await redis.client.set(keys.cache_lease(NAME, KEY), "dead", px=lease)
    nodes = node(), node()
    async with time_limit(cache_module.LEASE / 2):
        assert await asyncio.gather(*(cache.read(KEY, source.load) for cache in nodes for _ in range(20))) == [1] * 40
    assert source.loads == 2, "once a node"
    assert await redis.client.get(keys.cached(NAME, KEY)) is None, "it was not theirs to keep"


async def test_an_error_reaches_all_readers_and_is_not_cached(node: Callable[..., Cache[int]], source: Source) -> None:
    cache = node()

    async def fail() -> int:
        raise NotFound("There is none")

    answers = await asyncio.gather(*(cache.read(KEY, fail) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [NotFound] * 3
    async with time_limit(1):  # not after the lease of the one that failed
        assert await node().read(KEY, source.load) == 1


async def test_a_value_of_another_shape_is_loaded_again(
    node: Callable[..., Cache[int]], source: Source, redis: RedisClient
) -> None:
    await redis.client.set(keys.cached(NAME, KEY), '0 {"of": "another version"}')
    cache = node()
    assert await cache.read(KEY, source.load) == 1
    assert await redis.client.get(keys.cached(NAME, KEY)) == "0 1"


async def test_reads_bypass_the_cache_while_redis_is_away(
    node: Callable[..., Cache[int]], source: Source, own_redis: RedisServer
) -> None:
    one, other = node(url=own_redis.url), node(url=own_redis.url)
    await one.read(KEY, source.load)
    own_redis.kill()
    assert await asyncio.gather(*(one.read(KEY, source.load) for _ in range(10))) == [1] * 10
    assert source.loads == 2
    source.value = 2
    await one.drop(KEY)  # which Redis gets only after its outage, with the old value
    own_redis.start()
    assert await one.read(KEY, source.load) == 2

    async def changed() -> bool:
        return await other.read(KEY, source.load) == 2

    await until(changed)
