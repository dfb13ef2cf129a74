"""The queue of jobs in Redis: taskiq over our own connections. Nodes push ids, workers take them.

taskiq's brokers for Redis bring connections of their own, another class for each form of Redis; over ours one list does
for all forms, with their failover, bounds and metrics. A list gives a job to one worker at a time and to nobody twice.
What is lost on the way, with Redis or with a worker, is not looked for here: the table of jobs knows what is due.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from taskiq import AsyncBroker, BrokerMessage
from taskiq.exceptions import SendTaskError
from taskiq.kicker import AsyncKicker
from taskiq.receiver import Receiver

from gateway import keys
from gateway.concurrency.outage import Outage
from gateway.errors import Unavailable
from gateway.redis.client import RedisClient

TASK = "job"
PAUSE = 0.5  # s between two attempts while Redis is away


class JobQueue(AsyncBroker):
    """First come, first served."""

    def __init__(self, redis: RedisClient) -> None:
        super().__init__()
        self._redis = redis
        self._kicker: AsyncKicker[[str], Any] = AsyncKicker(TASK, self, {})
        self._wait = redis.timeout / 2  # s that Redis is asked to wait for a job: less than a call may take
        self._outage = Outage("redis is away, no jobs are taken", "jobs are taken again")

    async def push(self, job_id: str) -> None:
        """Put a job at the end. Raises Unavailable."""
        try:
            await self._kicker.kiq(job_id)
        except SendTaskError as error:
            raise Unavailable("redis") from error

    async def waiting(self) -> int:
        """How many entries nobody has taken yet; a job may have several. Raises Unavailable."""
        async with self._redis.guard("jobs.waiting"):
            return int(await self._redis.client.llen(keys.job_queue()))

    async def serve(self, work: Callable[[str], Awaitable[None]], at_once: int, stop: asyncio.Event) -> None:
        """Call `work` with the id of each job, so many at once, until `stop`; then wait for those that are worked on.

        What `work` raises is logged by taskiq.
        """

        async def job(job_id: str) -> None:
            await work(job_id)

        self.is_worker_process = True
        self.register_task(job, TASK)
        await Receiver(self, run_startup=False, max_async_tasks=at_once).listen(stop)

    # --- taskiq's side ------------------------------------------------------------------------------------------------

    async def kick(self, message: BrokerMessage) -> None:
        """See AsyncBroker."""
        async with self._redis.guard("jobs.push"):
            await self._redis.client.lpush(keys.job_queue(), message.message)

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """See AsyncBroker. Never ends."""
        while True:
            try:
                async with self._redis.guard("jobs.take"):
                    taken = await self._redis.client.brpop([keys.job_queue()], timeout=self._wait)
            except Unavailable:
                self._outage.failed()
                await asyncio.sleep(PAUSE)
                continue
            self._outage.worked()
            if taken is not None:
                yield str(taken[1]).encode()
