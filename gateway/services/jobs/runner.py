"""Runs jobs: each in one run at a time, which sends a heartbeat every second. Used by job workers."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol
from uuid import UUID

import structlog

from gateway.concurrency.tasks import cancel
from gateway.errors import Unavailable
from gateway.media.errors import MediaError
from gateway.metrics import Metrics
from gateway.protocol import events
from gateway.protocol.payloads.jobs import CreateJob
from gateway.protocol.wire import Payload
from gateway.realtime.fanout.redis import RedisFanout
from gateway.realtime.notices import UserEvent
from gateway.redis.job_queue import JobQueue
from gateway.services.jobs.table import JobTable, Row
from models.main.job import JobStatus

log = structlog.get_logger()

BEAT = 1.0  # s between two heartbeats of a run; a cancelled run notices within this time
STORING = 60.0  # s for which storing the end of a job is retried: the job may have taken an hour
SWEEP = 2.0  # s between two sweeps of the jobs that are due
CONFIRM = 3 * BEAT  # s for which sweeps find a run silent before it is considered dead
GRACE = 5.0  # s after an outage of the database, in which living runs send a heartbeat
CROWDED = 100  # entries in the queue; above that the sweep adds none
RECENT = 60.0  # s after the end of a job in which it is published again if the nodes may have missed it
DONE = "Done"
BROKEN = "Something went wrong on our side"

Progress = Callable[[float], None]


class Kind(Protocol):
    """The work for one kind of job."""

    async def make(self, job_id: str, run: str, request: CreateJob, progress: Progress, /) -> Payload:
        """Do the work and return the result. Raises MediaError with a text for the user. May be cancelled."""

    async def discard(self, job_id: str, /) -> None:
        """Delete the files of `make`, if there are any."""


class JobRunner:
    """Runs jobs of some `kinds`; ended jobs and their results are kept for `retention` s."""

    def __init__(
        self,
        table: JobTable,
        queue: JobQueue,
        notices: RedisFanout,
        kinds: Mapping[str, Kind],
        metrics: Metrics,
        retention: float,
    ) -> None:
        self._table = table
        self._queue = queue
        self._notices = notices
        self._kinds = kinds
        self._metrics = metrics
        self._retention = retention
        self._silent: dict[UUID, float] = {}  # silent runs, and when each was found first
        self._stopping = asyncio.Event()
        self._sweeper: asyncio.Task[None] | None = None
        self._recent: deque[tuple[float, Row]] = deque(maxlen=100)  # jobs that ended here, with the time

    def start(self) -> None:
        """Start the sweep of due jobs."""
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="jobs-sweep")

    async def close(self) -> None:
        """Stop the sweep."""
        await cancel(self._sweeper)

    def stop(self) -> None:
        """Return running jobs to the queue: other workers start them again."""
        self._stopping.set()

    async def run(self, job_id: str) -> None:
        """Run a job until it ends, unless another worker runs or ran it. Raises Unavailable without a database."""
        job = None if self._stopping.is_set() else await self._table.begin(UUID(job_id))
        if job is None:
            return
        started = time.monotonic()
        log.info("a job begins", job=job_id, kind=job.kind)
        await self._publish(job)
        outcome = await self._supervise(job)
        self._metrics.jobs.labels(job.kind, outcome).observe(time.monotonic() - started)
        log.info("a run of a job ends", job=job_id, outcome=outcome)

    async def _supervise(self, job: Row) -> str:
        """Run a job and send its heartbeats. Return the outcome of the run, for the metrics."""
        done = 0.0

        def progress(part: float) -> None:
            nonlocal done
            done = part

        work = asyncio.ensure_future(
            self._kinds[job.kind].make(str(job.id), str(job.run), job.parsed_request, progress)
        )
        stop = asyncio.create_task(self._stopping.wait())
        published = 0
        try:
            while True:
                await asyncio.wait({work, stop}, timeout=BEAT, return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    return await self._end(job, work)
                if stop.done():
                    await _cancel(work)
                    return await self._give_back(job)
                percent = min(99, int(done * 100))  # 100 when its end is stored
                if not await self._heartbeat(job, percent):
                    await _cancel(work)
                    return await self._withdraw(job)
                if percent != published:
                    published = percent
                    await self._publish(job._replace(progress=percent))
        finally:
            stop.cancel()
            await _cancel(work)

    async def _heartbeat(self, job: Row, percent: int) -> bool:
        try:
            return await self._table.renew(job, percent)
        except Unavailable:
            return True  # without the database no other run can take the job; if one did, the next heartbeat fails

    async def _end(self, job: Row, work: "asyncio.Future[Payload]") -> str:
        status, detail, result = JobStatus.DONE, DONE, None
        try:
            result = work.result().model_dump_json()
        except MediaError as error:
            status, detail = JobStatus.FAILED, str(error)
        except Exception:
            log.exception("a job failed", job=str(job.id))
            status, detail = JobStatus.FAILED, BROKEN
        ended = await self._store_end(job, status, detail, result)
        if ended is None:
            return await self._withdraw(job)
        await self._publish(ended)
        self._recent.append((time.monotonic(), ended))
        return status.value.lower()

    async def _store_end(self, job: Row, status: JobStatus, detail: str, result: str | None) -> Row | None:
        deadline = time.monotonic() + STORING
        while True:
            try:
                return await self._table.end(job, status, detail, result)
            except Unavailable:
                if time.monotonic() > deadline or self._stopping.is_set():
                    raise
                await asyncio.sleep(BEAT)

    async def _withdraw(self, job: Row) -> str:
        """End a run that has lost its job.

        Of a cancelled job the files are deleted, and the cancellation is published again, because the progress of this
        run may have been published after it. Another run of the job replaces the files itself.
        """
        current = await self._table.get(job.id)
        if current is not None and current.status == JobStatus.CANCELLED:
            await self._kinds[job.kind].discard(str(job.id))
            await self._publish(current)
        return "withdrawn"

    async def _give_back(self, job: Row) -> str:
        returned = await self._table.give_back(job)
        if returned is None:
            return await self._withdraw(job)
        with suppress(Unavailable):
            await self._queue.push(str(job.id))
        await self._publish(returned)
        return "returned"

    # --- jobs without a run -------------------------------------------------------------------------------------

    async def requeue_due(self) -> None:
        """Put jobs that are due back into the queue. Raises Unavailable; the rest is due again later."""
        # A due job may be lost or may still be in the queue. A long queue must not grow by jobs that are in it already.
        crowded = await self._queue.waiting() >= CROWDED
        for job in await self._table.due(await self._dead()):
            if job.status == JobStatus.QUEUED and not crowded:
                await self._queue.push(str(job.id))
            if job.died:
                log.warning("a job lost its worker", job=str(job.id), status=job.status)
                self._metrics.jobs_lost.inc()
                await self._publish(job)

    async def _dead(self) -> list[UUID]:
        """Return the runs that have been silent for CONFIRM. A living run sends heartbeats within this time.

        One query is not enough: after a stall of the server it finds all runs silent.
        """
        now = time.monotonic()
        self._silent = {run: self._silent.get(run, now) for run in await self._table.silent()}
        return [run for run, since in self._silent.items() if now - since >= CONFIRM]

    async def forget(self) -> None:
        """Delete jobs that ended long ago, and their results. Raises Unavailable."""
        while old := await self._table.old(self._retention):
            for job_id in old:
                for kind in self._kinds.values():
                    await kind.discard(str(job_id))
                await self._table.delete(job_id)

    async def _sweep(self) -> None:
        known = self._notices.losses
        while True:
            await asyncio.sleep(SWEEP)
            if (losses := self._notices.losses) not in (None, known):
                known = losses
                await self._publish_again()
            try:
                await self.requeue_due()
            except Unavailable:
                await asyncio.sleep(GRACE)
            except Exception:
                log.exception("the sweep of due jobs failed")

    async def _publish_again(self) -> None:
        for moment, job in list(self._recent):
            if moment > time.monotonic() - RECENT:
                await self._publish(job)

    async def _publish(self, job: Row) -> None:
        update = job.update().model_dump(mode="json")
        await self._notices.notify(UserEvent(str(job.user_id), events.JOB_UPDATE, update))


async def _cancel(work: "asyncio.Future[Payload]") -> None:
    work.cancel()
    await asyncio.wait({work})
