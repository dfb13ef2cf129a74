"""Rate limits over all nodes, counted in Redis by the clock of Redis. Used by both edges."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from gateway import keys
from gateway.concurrency.batcher import Batcher
from gateway.errors import RateLimited, Unavailable
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient
from gateway.security.limits.limits import Allowance, MemoryLimiter

BATCH = 500  # charges in one round trip
WAITING = 10_000  # charges without an answer; above that Redis counts as unavailable

# The result of the script: whether the charge was counted, the number of charges, µs until the oldest leaves.
Counted = tuple[int, int, int]


class Charge(NamedTuple):
    """A request to count."""

    key: str
    limit: int
    window: int  # µs


class RedisLimiter:
    """Implements Limiter. While Redis is unavailable each node allows half of each limit on its own.

    Each charge is atomic. Charges that arrive during a round trip to Redis share the next one.
    """

    def __init__(self, redis: RedisClient, metrics: Metrics) -> None:
        self._redis = redis
        self._metrics = metrics
        self._fallback = MemoryLimiter()
        self._script = redis.script(__package__, "charge")
        self._charges: Batcher[Charge, Counted] = Batcher(
            "limits", self._count, most=BATCH, waiting=WAITING, unavailable=Unavailable
        )

    async def charge(self, scope: str, subject: str, limit: int, seconds: float) -> Allowance:
        """See Limiter."""
        try:
            done, count, wait = await self._charges.call(
                Charge(keys.rate_limit(scope, subject), limit, round(seconds * 1_000_000))
            )
        except Unavailable:
            self._metrics.limits_degraded.inc()
            return await self._fallback.charge(scope, subject, max(1, limit // 2), seconds)
        reset_ms = -(-int(wait) // 1000)
        if not done:
            raise RateLimited(reset_ms, limit=limit)
        return Allowance(limit, limit - count, reset_ms)

    async def refund(self, scope: str, subject: str) -> None:
        """See Limiter."""
        try:
            async with self._redis.guard("limit"):
                await self._redis.client.rpop(keys.rate_limit(scope, subject))
        except Unavailable:
            await self._fallback.refund(scope, subject)

    async def close(self) -> None:
        """Stop, after pending charges have been answered."""
        await self._charges.close()

    async def _count(self, charges: list[Charge]) -> list[Counted | Exception]:
        async with self._redis.guard("limit"):
            if self._redis.cluster is None or len(charges) == 1:
                # One call for all costs Redis and this node a third of one call for each.
                answers = iter(await self._script(keys=[charge.key for charge in charges], args=_arguments(charges)))
                return [self._counted(answer) for answer in zip(answers, answers, answers, strict=True)]
            # In a cluster the keys of a call must be in one slot.
            pipeline = self._redis.client.pipeline(transaction=False)
            pipeline.scripts.add(self._script)  # type: ignore[arg-type]
            for charge in charges:
                pipeline.evalsha(self._script.sha, 1, charge.key, *_arguments([charge]))
            # An error of one charge must not cause the others to be counted twice.
            return [self._counted(answer) for answer in await self._redis.answers(pipeline, "limit")]

    def _counted(self, answer: Any) -> Counted | Exception:
        """Return the script's result for one charge; Unavailable for an error."""
        if isinstance(answer, Unavailable):
            return answer
        done, count, left = answer
        if isinstance(done, int):
            return done, count, left
        self._redis.refused("limit", ResponseError(done if isinstance(done, str) else done.decode(errors="replace")))
        return Unavailable("redis")


def _arguments(charges: Sequence[Charge]) -> list[int]:
    """Return the script's ARGV: one entry for a run of charges with the same limit, as most of a batch have."""
    arguments: list[int] = []
    for rule, run in groupby(charges, lambda charge: charge[1:]):
        arguments += (len(list(run)), *rule)
    return arguments
