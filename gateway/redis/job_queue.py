"""The queue of jobs: a list of ids in Redis, which nodes push and job workers take.

One list works with every topology of Redis, over the existing connections. Each entry goes to one job worker. Redis or
a worker may lose an entry; workers also look for due jobs in the table of jobs.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway import keys
from gateway.concurrency.outage import Outage
from gateway.errors import Unavailable
from gateway.redis.client import RedisClient

log = structlog.get_logger()

PAUSE = 0.5  # s between two attempts while Redis is unavailable
LONGEST_WAIT = 1.0  # s that a take waits for a job; a stopping worker waits as long for it


class JobQueue:
    """Jobs are taken in the order in which they were pushed."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._wait = min(redis.timeout / 2, LONGEST_WAIT)  # s that Redis waits for a job: less than a call may take
        self._outage = Outage("redis is away, no jobs are taken", "jobs are taken again")

    async def push(self, job_id: str) -> None:
        """Put a job at the end. Raises Unavailable."""
        async with self._redis.guard("jobs.push"):
            await self._redis.client.lpush(keys.job_queue(), job_id)

    async def waiting(self) -> int:
        """Return the number of entries that no worker has taken; a job may have several. Raises Unavailable."""
        async with self._redis.guard("jobs.waiting"):
            return int(await self._redis.client.llen(keys.job_queue()))

    async def serve(self, work: Callable[[str], Awaitable[None]], at_once: int, stop: asyncio.Event) -> None:
        """Call `work` with the id of each job, `at_once` at a time, until `stop` is set and all calls have returned.

        Exceptions of `work` are logged.
        """
        await asyncio.gather(*(self._serve(work, stop) for _ in range(at_once)))

    async def _serve(self, work: Callable[[str], Awaitable[None]], stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                job_id = await self._take()
                if job_id is not None and stop.is_set():
                    await self._put_back(job_id)
                    job_id = None
            except Unavailable:
                self._outage.failed()
                await asyncio.sleep(PAUSE)
                continue
            self._outage.worked()
            if job_id is not None:
                try:
                    await work(job_id)
                except Exception:
                    log.exception("job failed", job=job_id)

    async def _take(self) -> str | None:
        async with self._redis.guard("jobs.take"):
            taken = await self._redis.client.brpop([keys.job_queue()], timeout=self._wait)
        return None if taken is None else str(taken[1])

    async def _put_back(self, job_id: str) -> None:
        """Return an entry that was taken during the stop to the head of the queue, for another worker."""
        async with self._redis.guard("jobs.push"):
            await self._redis.client.rpush(keys.job_queue(), job_id)
