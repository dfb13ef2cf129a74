"""Limits that hold over all nodes, counted in Redis by its own clock. Used by both edges."""

from gateway import keys
from gateway.connections.redis import Redis
from gateway.errors import RateLimited, Unavailable
from gateway.metrics import Metrics
from gateway.security.limits import Allowance, MemoryLimiter

CHARGE = """
-- KEYS[1]: sorted set, the moments (µs of this server's clock) of what was done in the window.
-- ARGV: the limit, the window in µs. Answers {done: 1 or 0, how many are counted, µs until the oldest leaves}.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local count = redis.call('ZCARD', KEYS[1])
local done = 0
if count < limit then
  -- The count keeps two of one microsecond apart.
  redis.call('ZADD', KEYS[1], now, string.format('%.0f:%d', now, count))
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
  done, count = 1, count + 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {done, count, tonumber(oldest[2]) + window - now}
"""


class RedisLimiter:
    """See Limiter; one round trip a charge. While Redis is away every node allows half of each limit by itself."""

    def __init__(self, redis: Redis, metrics: Metrics) -> None:
        self._redis = redis
        self._metrics = metrics
        self._alone = MemoryLimiter()
        self._charge = redis.client.register_script(CHARGE)

    async def charge(self, scope: str, subject: str, limit: int, seconds: float) -> Allowance:
        """See Limiter."""
        try:
            async with self._redis.guard("limit"):
                done, count, wait = await self._charge(
                    keys=[keys.rate_limit(scope, subject)], args=[limit, round(seconds * 1_000_000)]
                )
        except Unavailable:
            self._metrics.limits_degraded.inc()
            return await self._alone.charge(scope, subject, max(1, limit // 2), seconds)
        reset_ms = -(-int(wait) // 1000)
        if not done:
            raise RateLimited(reset_ms, limit=limit)
        return Allowance(limit, limit - count, reset_ms)

    async def refund(self, scope: str, subject: str) -> None:
        """See Limiter."""
        try:
            async with self._redis.guard("limit"):
                await self._redis.client.zpopmax(keys.rate_limit(scope, subject))
        except Unavailable:
            await self._alone.refund(scope, subject)
