"""The queue of jobs in a real Redis: each job goes to one worker, and an outage of Redis."""

import asyncio

import pytest

from gateway.errors import Unavailable
from gateway.metrics import Metrics
from gateway.redis import job_queue
from gateway.redis.client import RedisClient
from gateway.redis.job_queue import JobQueue
from tests.support import make_settings
from tests.timing import stays, time_limit, until


class Worker:
    """Takes jobs and remembers them."""

    def __init__(self, redis: RedisClient, at_once: int = 1) -> None:
        self.taken: list[str] = []
        self.most = self._busy = 0
        self.stop = asyncio.Event()
        self._serving = asyncio.create_task(JobQueue(redis).serve(self._work, at_once, self.stop))

    async def _work(self, job_id: str) -> None:
        self._busy += 1
        self.most = max(self.most, self._busy)
        await asyncio.sleep(0.01)  # so that jobs of a worker with two places overlap
        self.taken.append(job_id)
        self._busy -= 1
        if job_id == "bad":
            raise RuntimeError

    async def close(self) -> None:
        self.stop.set()
        async with time_limit(5):
            await self._serving


async def taken_by(workers: list[Worker], count: int) -> list[str]:
    """Wait until the workers have done `count` jobs; return their ids."""
    await until(lambda: sum(len(worker.taken) for worker in workers) >= count, within=10)
    return [job_id for worker in workers for job_id in worker.taken]


async def test_each_job_goes_to_one_worker(redis: RedisClient) -> None:
    ids = [str(number) for number in range(30)]
    for job_id in ids:
        await JobQueue(redis).push(job_id)
    workers = [Worker(redis, 1), Worker(redis, 2)]
    taken = await taken_by(workers, len(ids))
    assert sorted(taken, key=int) == ids
    assert [worker.most for worker in workers] == [1, 2]
    await JobQueue(redis).push("bad")
    await JobQueue(redis).push("good")
    assert {"bad", "good"} <= set(await taken_by(workers, len(ids) + 2))
    for worker in workers:
        await worker.close()
    await JobQueue(redis).push("late")
    assert await redis.client.llen("dorami:jobs") == 1, "a closed worker takes no job"


async def test_a_queue_without_redis_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queue, "PAUSE", 0.02)
    away = RedisClient(make_settings(), Metrics())
    with pytest.raises(Unavailable):
        await JobQueue(away).push("1")
    worker = Worker(away)
    await stays(lambda: worker.taken == [], seconds=0.2)
    await worker.close()
    await away.close()
