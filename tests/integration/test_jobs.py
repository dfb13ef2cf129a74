"""The life of jobs on a real PostgreSQL and a real Redis: taken once, kept, ended once, taken up again, cancelled."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from gateway.clocks import now
from gateway.errors import Conflict, InvalidPayload, NotFound, Unavailable
from gateway.media.errors import MediaError
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.jobs import CreateJob, Job, Replay
from gateway.protocol.payloads.streaming import StreamView
from gateway.protocol.queries import JobQuery
from gateway.realtime.notices import Notice, UserEvent
from gateway.redis.client import RedisClient
from gateway.redis.job_queue import JobQueue
from gateway.security.principal import Principal, Role
from gateway.services.jobs import table as job_table
from gateway.services.jobs.jobs import MOST, Jobs
from gateway.services.jobs.runner import BEAT, CONFIRM, JobRunner
from gateway.services.jobs.table import JobTable
from models.main.user import User
from tests.doubles import principal, stand_in
from tests.support import make_settings
from tests.timing import stays, time_limit, until

ASK = CreateJob.model_validate({"kind": "replay", "streamKey": "demo", "source": "a.mp4"})


class Ended:
    """Streams that are all over, but for one."""

    async def get(self, key: str) -> StreamView:
        if key == "nowhere":
            raise NotFound
        fields: dict[str, Any] = {"key": key, "status": "LIVE" if key == "live" else "ENDED"}
        return StreamView.model_construct(**fields)


class Published:
    """The notices of the nodes."""

    def __init__(self) -> None:
        self.losses: int | None = 0
        self.updates: list[dict[str, Any]] = []

    async def notify(self, notice: Notice) -> None:
        assert isinstance(notice, UserEvent)
        assert notice.event == "job:update"
        self.updates.append(notice.data | {"user": notice.user_id})

    @property
    def states(self) -> list[tuple[str, int]]:
        return [(update["status"], update["progress"]) for update in self.updates]


class Bench:
    """A job bench with one worker whose work the test does by hand."""

    def __init__(self, database: Database, redis: RedisClient, url: str) -> None:
        self.table = JobTable(database)
        self.published = Published()
        self.queue = JobQueue(redis)
        self.jobs = Jobs(self.table, self.queue, stand_in(Ended()), self.published)
        self.admin: Principal
        self.progress: Callable[[float], None] = lambda _: None
        self.began = asyncio.Event()
        self.discarded: list[str] = []
        self.outcome: asyncio.Future[Replay] = asyncio.get_running_loop().create_future()
        self.runner = self.worker()
        self.url = url

    def worker(self) -> JobRunner:
        return JobRunner(self.table, self.queue, stand_in(self.published), {"replay": self}, Metrics(), 3600.0)

    async def make(self, job_id: str, run: str, ask: CreateJob, progress: Callable[[float], None], /) -> Replay:
        assert ask == ASK
        self.progress = progress
        self.began.set()
        return await asyncio.shield(self.outcome)

    async def discard(self, job_id: str, /) -> None:
        self.discarded.append(job_id)

    async def create(self) -> Job:
        return await self.jobs.create(self.admin, ASK)

    async def begin(self, job: Job) -> "asyncio.Task[None]":
        running = asyncio.create_task(self.runner.run(job.id))
        await self.began.wait()
        return running

    async def overdue(self, job: Job) -> None:
        """Let the lease of a job end in the database."""
        connection = await asyncpg.connect(self.url)
        await connection.execute("UPDATE jobs SET due_at = now() - interval '1 second' WHERE id = $1", UUID(job.id))
        await connection.close()

    async def take_for_dead(self, runner: JobRunner, job: Job) -> None:
        """Look twice, with a pause in which a running job renews its lease."""
        await runner.requeue_due()
        assert (await self.jobs.get(job.id)).status == "RUNNING", "one look is not enough"
        runner._silent = dict.fromkeys(runner._silent, time.monotonic() - CONFIRM)
        await self.overdue(job)
        await runner.requeue_due()

    async def waiting(self) -> int:
        return await self.queue.waiting()

    async def until(self, status: str, job: Job) -> Job:
        """Wait until a job has this status; the job."""

        async def has_it() -> Job | None:
            found = await self.jobs.get(job.id)
            return found if found.status == status else None

        found: Job = await until(has_it, within=10)
        return found


@pytest.fixture
async def bench(database_url: str, redis: RedisClient) -> AsyncIterator[Bench]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    bench = Bench(database, redis, database_url)
    user = await User.create(email="a@example.com", username="a", password_hash="-", role="ADMIN")
    bench.admin = principal(Role.ADMIN, str(user.id))
    yield bench
    await bench.runner.close()
    await database.close()


async def test_a_job_is_done_once_with_updates(bench: Bench) -> None:
    job = await bench.create()
    assert (job.status, job.progress, job.detail, job.result) == ("QUEUED", 0, "Waiting for a worker", None)
    assert await bench.waiting() == 1
    running = await bench.begin(job)
    await bench.worker().run(job.id)  # another worker that got it, too: nothing happens
    bench.progress(0.426)
    await until(lambda: ("RUNNING", 42) in bench.published.states)
    bench.progress(1.0)
    bench.outcome.set_result(Replay(duration=1.5, files=[]))
    await running
    done = await bench.jobs.get(job.id)
    assert (done.status, done.progress, done.detail) == ("DONE", 100, "Done")
    assert done.result == {"duration": 1.5, "truncated": False, "files": []}
    assert bench.published.states[0] == ("RUNNING", 0)
    assert bench.published.states[-1] == ("DONE", 100)
    assert {update["user"] for update in bench.published.updates} == {bench.admin.user_id}
    assert set(bench.published.updates[0]) == {"id", "kind", "progress", "status", "detail", "user"}
    await bench.runner.run(job.id)
    assert bench.published.states[-1] == ("DONE", 100)
    with pytest.raises(Conflict, match="ended already"):
        await bench.jobs.cancel(job.id)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MediaError("There is no such source"), "There is no such source"),
        (RuntimeError("/srv/secret"), "Something went wrong on our side"),
    ],
)
async def test_a_failed_job_has_a_readable_error(bench: Bench, error: Exception, words: str) -> None:
    job = await bench.create()
    bench.outcome.set_exception(error)
    await bench.runner.run(job.id)
    failed = await bench.jobs.get(job.id)
    assert (failed.status, failed.detail, failed.result) == ("FAILED", words, None)
    assert bench.published.states[-1] == ("FAILED", 0)


async def test_a_cancelled_job_stops_within_two_seconds_and_stays_cancelled(bench: Bench) -> None:
    job = await bench.create()
    running = await bench.begin(job)
    assert (await bench.jobs.cancel(job.id)).status == "CANCELLED"
    async with time_limit(2):
        await running
    assert (await bench.jobs.cancel(job.id)).status == "CANCELLED", "twice is fine"
    assert bench.published.states[-1] == ("CANCELLED", 0)
    assert set(bench.discarded) == {job.id}, "what it may have finished meanwhile is deleted"
    waiting = await bench.create()
    await bench.jobs.cancel(waiting.id)
    bench.began.clear()
    await bench.runner.run(waiting.id)
    assert not bench.began.is_set(), "one that was cancelled while it waited is not begun"
    for nothing in (str(uuid4()), "no-id"):
        with pytest.raises(NotFound):
            await bench.jobs.cancel(nothing)
        with pytest.raises(NotFound):
            await bench.jobs.get(nothing)


async def test_a_dead_run_is_restarted_by_another_worker(bench: Bench) -> None:
    job = await bench.create()
    slow = await bench.begin(job)  # not dead, but silent
    await bench.overdue(job)
    other = bench.worker()
    await bench.take_for_dead(other, job)
    again = await bench.jobs.get(job.id)
    assert (again.status, again.progress, again.detail) == ("QUEUED", 0, job_table.LOST)
    assert await bench.waiting() == 2
    bench.began.clear()
    second = asyncio.create_task(other.run(job.id))
    await bench.began.wait()
    async with time_limit(3):
        await slow  # it learns that it has lost the job
    bench.outcome.set_result(Replay(duration=1, files=[]))
    await second
    assert (await bench.jobs.get(job.id)).status == "DONE"
    assert [status for status, _ in bench.published.states].count("DONE") == 1


async def test_a_job_that_kills_its_workers_fails(bench: Bench) -> None:
    job = await bench.create()
    for _ in range(job_table.LOSSES):
        assert await bench.table.begin(UUID(job.id)) is not None
        await bench.overdue(job)
        await bench.take_for_dead(bench.runner, job)
    failed = await bench.jobs.get(job.id)
    assert (failed.status, failed.detail) == ("FAILED", job_table.HOPELESS)
    assert bench.published.states[-1] == ("FAILED", 0)


async def test_a_job_lost_by_redis_is_queued_again(bench: Bench, redis: RedisClient) -> None:
    job = await bench.create()
    await redis.client.flushdb()
    await bench.runner.requeue_due()
    assert await bench.waiting() == 0, "it is too early to tell"
    await bench.overdue(job)
    await bench.runner.requeue_due()
    await bench.worker().requeue_due()
    assert await bench.waiting() == 1, "once, by one of the workers"


async def test_waiting_jobs_are_queued_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.services.jobs.runner.CROWDED", 3)
    job = await bench.create()
    for _ in range(5):
        await bench.overdue(job)
        await bench.runner.requeue_due()
    assert await bench.waiting() == 3
    assert (await bench.jobs.get(job.id)).status == "QUEUED"


async def test_a_stopping_worker_returns_its_job(bench: Bench) -> None:
    stop = asyncio.Event()
    serving = asyncio.create_task(bench.queue.serve(bench.runner.run, 1, stop))
    job = await bench.create()
    async with time_limit(5):
        await bench.began.wait()
    waiting = await bench.create()

    async def waits() -> bool:
        return await bench.waiting() == 1

    await stays(waits, seconds=0.2, what="one at a time")
    stop.set()
    bench.runner.stop()
    async with time_limit(5):
        await serving
    assert (await bench.jobs.get(job.id)).status == "QUEUED"
    assert (await bench.jobs.get(waiting.id)).status == "QUEUED"
    assert await bench.waiting() == 2
    bench.outcome.set_result(Replay(duration=1, files=[]))
    other = asyncio.Event()
    serving = asyncio.create_task(JobQueue(bench.queue._redis).serve(bench.worker().run, 1, other))
    for each in (job, waiting):
        await bench.until("DONE", each)
    other.set()
    await serving


async def test_invalid_jobs_are_refused(bench: Bench) -> None:
    with pytest.raises(Conflict, match="not ended"):
        await bench.jobs.create(bench.admin, ASK.model_copy(update={"stream_key": "live"}))
    with pytest.raises(NotFound):
        await bench.jobs.create(bench.admin, ASK.model_copy(update={"stream_key": "nowhere"}))
    for _ in range(MOST):
        await bench.create()
    with pytest.raises(Conflict, match="20 unfinished jobs"):
        await bench.create()


async def test_jobs_during_a_redis_outage(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    away = RedisClient(make_settings(redis_url="redis://127.0.0.1:1/0"), Metrics())
    with pytest.raises(Unavailable):
        await JobQueue(away).push("1")
    job = await Jobs(bench.table, JobQueue(away), stand_in(Ended()), bench.published).create(bench.admin, ASK)
    assert job.status == "QUEUED"
    await away.close()
    monkeypatch.setattr("gateway.services.jobs.runner.SWEEP", 0.05)
    bench.runner.start()
    bench.published.losses = None
    bench.outcome.set_result(Replay(duration=1, files=[]))
    await bench.runner.run(job.id)
    bench.published.updates.clear()
    await stays(lambda: bench.published.states == [], seconds=0.2)
    bench.published.losses = 1
    await until(lambda: bench.published.states)
    assert bench.published.states == [("DONE", 100)]
    assert bench.published.updates[0]["id"] == job.id
    assert now() >= (await bench.jobs.get(job.id)).created_at


async def test_a_live_run_keeps_its_job_after_a_database_outage(bench: Bench) -> None:
    job = await bench.create()
    running = await bench.begin(job)
    other = bench.worker()
    await bench.overdue(job)  # as after a freeze, in which nobody could say that they live
    await other.requeue_due()
    await until(lambda: not_overdue(bench, job), within=BEAT + 5)
    other._silent = dict.fromkeys(other._silent, time.monotonic() - CONFIRM)
    await other.requeue_due()
    assert (await bench.jobs.get(job.id)).status == "RUNNING"
    bench.outcome.set_result(Replay(duration=1, files=[]))
    await running
    assert (await bench.jobs.get(job.id)).status == "DONE"


async def not_overdue(bench: Bench, job: Job) -> bool:
    return not await bench.table.silent()


@pytest.mark.parametrize("tenth", range(10))
async def test_a_late_cancellation_leaves_no_files(bench: Bench, tenth: int) -> None:
    job = await bench.create()
    running = await bench.begin(job)
    asyncio.get_running_loop().call_later(tenth / 10, bench.outcome.set_result, Replay(duration=1, files=[]))
    cancelled = asyncio.create_task(bench.jobs.cancel(job.id))
    await asyncio.gather(cancelled, running, return_exceptions=True)
    ended = await bench.jobs.get(job.id)
    assert (ended.status == "CANCELLED") == (job.id in bench.discarded)


OLD = """
    UPDATE jobs SET ended_at = now() - interval '2 hours', created_at = now() - interval '3 hours' WHERE id = $1
"""


async def test_old_jobs_are_deleted_with_their_files(bench: Bench) -> None:
    kept, old = await bench.create(), await bench.create()
    for job in (kept, old):
        await bench.jobs.cancel(job.id)
    connection = await asyncpg.connect(bench.url)
    await connection.execute(
        "UPDATE jobs SET ended_at = now() - interval '2 hours', created_at = now() - interval '3 hours' WHERE id = $1",
        UUID(old.id),
    )
    await connection.close()
    await bench.runner.forget()
    assert bench.discarded == [old.id]
    with pytest.raises(NotFound):
        await bench.jobs.get(old.id)
    assert (await bench.jobs.get(kept.id)).status == "CANCELLED"


async def test_jobs_are_listed_newest_first(bench: Bench) -> None:
    jobs = [await bench.create() for _ in range(3)]
    await bench.jobs.cancel(jobs[1].id)

    async def listed(**ask: Any) -> list[int]:
        page = await bench.jobs.page(JobQuery.model_validate(ask))
        return [[job.id for job in jobs].index(item.id) for item in page.items]

    assert await listed() == [2, 1, 0]
    assert await listed(status="CANCELLED") == [1]
    assert await listed(streamKey="demo", status="QUEUED") == [2, 0]
    assert await listed(streamKey="other") == []
    first = await bench.jobs.page(JobQuery.model_validate({"limit": 2}))
    assert await listed(limit=2, cursor=first.next_cursor) == [0]
    with pytest.raises(InvalidPayload):
        await listed(cursor="x")


async def test_a_failed_job_is_tried_again_under_its_id(bench: Bench) -> None:
    job = await bench.create()
    assert (await bench.jobs.retry(job.id)).status == "QUEUED", "it waits already"
    bench.outcome.set_exception(MediaError("The recording cannot be read"))
    await bench.runner.run(job.id)
    assert (await bench.jobs.get(job.id)).status == "FAILED"
    again = await bench.jobs.retry(job.id)
    assert (again.id, again.status, again.progress, again.ended_at) == (job.id, "QUEUED", 0, None)
    assert bench.published.states[-1] == ("QUEUED", 0)
    assert await bench.waiting() == 2, "its first place in the queue leads to nothing"
    bench.outcome = asyncio.get_running_loop().create_future()
    bench.outcome.set_result(Replay(duration=1.0, files=[]))
    await bench.runner.run(job.id)
    assert (await bench.jobs.get(job.id)).status == "DONE"


async def test_only_a_failed_job_is_tried_again(bench: Bench) -> None:
    job = await bench.create()
    await bench.jobs.cancel(job.id)
    with pytest.raises(Conflict):
        await bench.jobs.retry(job.id)
    for unknown in ("nonsense", str(uuid4())):
        with pytest.raises(NotFound):
            await bench.jobs.retry(unknown)
