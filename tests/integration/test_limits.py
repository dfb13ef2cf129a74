"""Limits: one suite for those in Redis and their stand-in, and what Redis adds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import pytest

from gateway import keys
from gateway.errors import RateLimited
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient
from gateway.security.limits.limits import Limiter, MemoryLimiter
from gateway.security.limits.redis import RedisLimiter
from tests.support import make_settings
from tests.timing import until

# Moves what was charged into the past, which for a limit is the same as time going by.
AGE = """
for place, moment in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  redis.call('LSET', KEYS[1], place - 1, string.format('%.0f', moment - ARGV[1]))
end
"""


class Bench(NamedTuple):
    limiter: Limiter
    pass_time: Callable[[float], Awaitable[None]]  # for scope "chat", subject "mina"


@pytest.fixture(params=["memory", "redis"])
async def bench(request: pytest.FixtureRequest, redis: RedisClient) -> AsyncIterator[Bench]:
    if request.param == "memory":
        now = 1000.0

        async def tick(seconds: float) -> None:
            nonlocal now
            now += seconds

        yield Bench(MemoryLimiter(lambda: now), tick)
    else:
        age = redis.client.register_script(AGE)

        async def shift(seconds: float) -> None:
            await age(keys=[keys.rate_limit("chat", "mina")], args=[round(seconds * 1_000_000)])

        yield Bench(RedisLimiter(redis, Metrics()), shift)


async def charge(limiter: Limiter, times: int = 1, *, limit: int = 3, subject: str = "mina") -> int:
    """How many of so many charges passed."""
    passed = 0
    for _ in range(times):
        try:
            await limiter.charge("chat", subject, limit, 10.0)
            passed += 1
        except RateLimited:
            pass
    return passed


async def test_a_charge_reports_the_remaining_budget(bench: Bench) -> None:
    first = await bench.limiter.charge("chat", "mina", 3, 10.0)
    assert (first.limit, first.remaining) == (3, 2)
    assert 9_000 < first.reset_ms <= 10_000
    await bench.pass_time(4)
    second = await bench.limiter.charge("chat", "mina", 3, 10.0)
    assert second.remaining == 1
    assert 5_000 < second.reset_ms <= 6_000  # when the first one leaves


async def test_a_refused_charge_has_the_retry_time(bench: Bench) -> None:
    assert await charge(bench.limiter, 2) == 2
    await bench.pass_time(7)
    assert await charge(bench.limiter) == 1
    with pytest.raises(RateLimited) as caught:
        await bench.limiter.charge("chat", "mina", 3, 10.0)
    assert caught.value.limit == 3
    assert caught.value.retry_after_ms is not None
    assert 2_000 < caught.value.retry_after_ms <= 3_000
    await bench.pass_time(caught.value.retry_after_ms / 1000)
    assert await charge(bench.limiter, 5) in (1, 2)  # the window slides: the third is still in it, the second may be


async def test_a_refused_charge_does_not_count(bench: Bench) -> None:
    assert await charge(bench.limiter, 30) == 3
    await bench.pass_time(10)
    assert await charge(bench.limiter, 30) == 3


async def test_the_window_slides_over_its_edges(bench: Bench) -> None:
    """Three at the end of one window and three at the begin of the next are six within ten seconds."""
    assert await charge(bench.limiter, 3) == 3
    for _ in range(9):
        await bench.pass_time(1)
        assert await charge(bench.limiter) == 0
    await bench.pass_time(1)
    assert await charge(bench.limiter, 6) == 3


async def test_subjects_and_scopes_do_not_share(bench: Bench) -> None:
    assert await charge(bench.limiter, 3) == 3
    assert await charge(bench.limiter, 3, subject="jun") == 3
    assert (await bench.limiter.charge("join", "mina", 1, 10.0)).remaining == 0


async def test_a_refund_makes_room_for_one(bench: Bench) -> None:
    await bench.limiter.refund("chat", "mina")
    assert await charge(bench.limiter, 4) == 3
    await bench.limiter.refund("chat", "mina")
    assert await charge(bench.limiter, 4) == 1


async def test_thirty_at_once_over_two_nodes(redis_url: str) -> None:
    connections = [RedisClient(make_settings(redis_url=redis_url), Metrics()) for _ in range(2)]
    limiters = [RedisLimiter(connection, Metrics()) for connection in connections]
    passed = await asyncio.gather(*(charge(limiters[i % 2], limit=20) for i in range(30)))
    assert sum(passed) == 20
    for connection in connections:
        await connection.close()


async def test_charges_of_one_batch_are_separate(redis: RedisClient) -> None:
    """Also by a server that does not know the script, and when one of the keys is something else."""
    limiter = RedisLimiter(redis, metrics := Metrics())
    await redis.client.script_flush()
    await redis.client.set(keys.rate_limit("chat", "odd"), "not a list")
    subjects = ["mina", "jun", "odd", "mina", "jun", "mina", "sora"]
    passed = await asyncio.gather(*(charge(limiter, limit=2, subject=subject) for subject in subjects))
    assert passed == [1, 1, 1, 1, 1, 0, 1]
    assert metrics.registry.get_sample_value("dorami_rate_limit_fallbacks_total") == 1  # the odd one


async def test_a_closed_limiter_counts_locally(redis: RedisClient) -> None:
    limiter = RedisLimiter(redis, Metrics())
    assert await charge(limiter, limit=4) == 1
    await limiter.close()
    assert await charge(limiter, 4, limit=4) == 2


async def test_windows_expire(redis: RedisClient) -> None:
    await RedisLimiter(redis, Metrics()).charge("chat", "mina", 3, 0.05)

    async def expired() -> bool:
        return not await redis.client.exists(keys.rate_limit("chat", "mina"))

    await until(expired)


async def test_each_node_allows_half_without_redis() -> None:
    metrics = Metrics()
    redis = RedisClient(make_settings(), metrics)  # nobody listens there
    limiter = RedisLimiter(redis, metrics)
    assert await charge(limiter, 30, limit=20) == 10
    assert await charge(limiter, 3, limit=1, subject="jun") == 1  # never none at all
    assert metrics.registry.get_sample_value("dorami_rate_limit_fallbacks_total") == 33
    await redis.close()


async def test_expired_windows_are_deleted() -> None:
    now = 0.0
    limiter = MemoryLimiter(lambda: now)
    for number in range(1000):
        now += 1
        await limiter.charge("chat", f"user{number}", 3, 10.0)
    assert len(limiter._windows) <= 11
