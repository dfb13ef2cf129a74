"""Works on jobs: one run at a time for each, with a word every second. Run by the workers."""

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
from gateway.protocol.jobs import CreateJob
from gateway.protocol.wire import Payload
from gateway.realtime.fanout.redis import RedisFanout
from gateway.realtime.notices import UserEvent
from gateway.redis.job_queue import JobQueue
from gateway.services.jobs.table import JobTable, Row
from models.job import JobStatus

log = structlog.get_logger()

BEAT = 1.0  # s between two words of a run; as long may a cancelled one go on
STORING = 60.0  # s in which the end of a job is tried to be stored: it may have taken an hour to get there
SWEEP = 2.0  # s between two looks at what is due
CONFIRM = 3 * BEAT  # s between two looks that both find a run silent before it is taken for dead
GRACE = 5.0  # s after the database was away in which living runs say so, before any is taken for dead
CROWDED = 100  # entries of the queue from which on nothing is put there again
RECENT = 60.0  # s for which an end is told again when the nodes may have missed it
DONE = "Done"
BROKEN = "Something went wrong on our side"

Progress = Callable[[float], None]


class Kind(Protocol):
    """What is done for one kind of job."""

    async def make(self, job_id: str, run: str, ask: CreateJob, progress: Progress, /) -> Payload:
        """Do it, and return the result. Raises MediaError for what will not work; may be cancelled."""

    async def discard(self, job_id: str, /) -> None:
        """Delete what `make` has left, if anything."""


class JobRunner:
    """Runs jobs of some `kinds`; those that have ended are kept for `retention` s, together with what came of them."""

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
        self._silent: dict[UUID, float] = {}  # runs that were found silent, and when first
        self._stopping = asyncio.Event()
        self._sweeper: asyncio.Task[None] | None = None
        self._recent: deque[tuple[float, Row]] = deque(maxlen=100)  # when and how jobs ended here

    def start(self) -> None:
        """Begin to look after jobs that are due."""
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="jobs that are due")

    async def close(self) -> None:
        """Look after nothing any more."""
        await cancel(self._sweeper)

    def stop(self) -> None:
        """Give back what is worked on: other workers begin it anew."""
        self._stopping.set()

    async def run(self, job_id: str) -> None:
        """Work on a job until it ends, unless somebody else does or did. Raises Unavailable without a database."""
        job = None if self._stopping.is_set() else await self._table.begin(UUID(job_id))
        if job is None:
            return
        started = time.monotonic()
        log.info("a job begins", job=job_id, kind=job.kind)
        await self._tell(job)
        outcome = await self._see_through(job)
        self._metrics.jobs.labels(job.kind, outcome).observe(time.monotonic() - started)
        log.info("a job ends here", job=job_id, outcome=outcome)

    async def _see_through(self, job: Row) -> str:
        """Work on it, and keep it meanwhile; how it ended here, for the metrics."""
        done = 0.0

        def progress(part: float) -> None:
            nonlocal done
            done = part

        work = asyncio.ensure_future(self._kinds[job.kind].make(str(job.id), str(job.run), job.ask, progress))
        stop = asyncio.create_task(self._stopping.wait())
        told = 0
        try:
            while True:
                await asyncio.wait({work, stop}, timeout=BEAT, return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    return await self._end(job, work)
                if stop.done():
                    await _cancel(work)
                    return await self._give_back(job)
                percent = min(99, int(done * 100))  # it is done when that is stored
                if not await self._keep(job, percent):
                    await _cancel(work)
                    return await self._withdraw(job)
                if percent != told:
                    told = percent
                    await self._tell(job._replace(progress=percent))
        finally:
            stop.cancel()
            await _cancel(work)

    async def _keep(self, job: Row, percent: int) -> bool:
        try:
            return await self._table.keep(job, percent)
        except Unavailable:
            return True  # nobody can take it without a database either; if somebody did, it is told with the next word

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
        await self._tell(ended)
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
        """The job is not this run's any more. Its cancellation may have been told before this run's last word.

        What the run has made of a cancelled job is deleted. That of a job that another run has is replaced by it.
        """
        current = await self._table.get(job.id)
        if current is not None and current.status == JobStatus.CANCELLED:
            await self._kinds[job.kind].discard(str(job.id))
            await self._tell(current)
        return "withdrawn"

    async def _give_back(self, job: Row) -> str:
        returned = await self._table.give_back(job)
        if returned is None:
            return await self._withdraw(job)
        with suppress(Unavailable):
            await self._queue.push(str(job.id))
        await self._tell(returned)
        return "returned"

    # --- what nobody works on -------------------------------------------------------------------------------------

    async def look_after(self) -> None:
        """Put what is due back into the queue. Raises Unavailable; what it did not get to is due again later."""
        # Nobody knows whether a job was lost or only has to wait; a long queue must not grow by its own waiting.
        crowded = await self._queue.waiting() >= CROWDED
        for job in await self._table.due(await self._dead()):
            if job.status == JobStatus.QUEUED and not crowded:
                await self._queue.push(str(job.id))
            if job.died:
                log.warning("a job lost its worker", job=str(job.id), status=job.status)
                self._metrics.jobs_lost.inc()
                await self._tell(job)

    async def _dead(self) -> list[UUID]:
        """The runs that are silent and were so CONFIRM ago: a living one speaks in between.

        One look is not enough. A statement that waited in a server that hung finds all runs silent as it goes on.
        """
        now = time.monotonic()
        self._silent = {run: self._silent.get(run, now) for run in await self._table.silent()}
        return [run for run, since in self._silent.items() if now - since >= CONFIRM]

    async def forget(self) -> None:
        """Delete jobs that ended long ago, and what came of them. Raises Unavailable."""
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
                await self._tell_again()
            try:
                await self.look_after()
            except Unavailable:
                await asyncio.sleep(GRACE)
            except Exception:
                log.exception("the jobs that are due could not be looked after")

    async def _tell_again(self) -> None:
        for moment, job in list(self._recent):
            if moment > time.monotonic() - RECENT:
                await self._tell(job)

    async def _tell(self, job: Row) -> None:
        update = job.update().model_dump(mode="json")
        await self._notices.notify(UserEvent(str(job.user_id), events.JOB_UPDATE, update))


async def _cancel(work: "asyncio.Future[Payload]") -> None:
    work.cancel()
    await asyncio.wait({work})
