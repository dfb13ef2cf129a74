"""Creates, shows and cancels jobs. Called by the HTTP edge; job workers run them."""

from uuid import UUID

import structlog

from gateway.errors import Conflict, NotFound, Unavailable
from gateway.protocol import cursors, events
from gateway.protocol.ids import uuid_or_missing
from gateway.protocol.payloads.jobs import CreateJob, Job, JobPage
from gateway.protocol.queries import JobQuery
from gateway.protocol.wire import Moment
from gateway.realtime.notices import NoticeSender, UserEvent
from gateway.redis.job_queue import JobQueue
from gateway.security.principal import Principal
from gateway.services.jobs.table import JobTable, Row
from gateway.services.streams.stream_lists import StreamLists
from models.main.job import JobStatus

log = structlog.get_logger()

MOST = 20  # unfinished jobs of one user


class Jobs:
    """For ADMINs only. Workers find each stored job; the queue in Redis only speeds that up. Raises Unavailable."""

    def __init__(self, table: JobTable, queue: JobQueue, streams: StreamLists, notices: NoticeSender) -> None:
        self._table = table
        self._queue = queue
        self._streams = streams
        self._notices = notices

    async def create(self, admin: Principal, request: CreateJob) -> Job:
        """Create a job. Raises NotFound for an unknown stream, Conflict for one not ended, or too many jobs."""
        stream = await self._streams.get(request.stream_key)
        if stream.status != "ENDED":
            raise Conflict("The stream has not ended yet")
        user_id = UUID(admin.user_id)
        if await self._table.unfinished(user_id) >= MOST:
            raise Conflict(f"You have {MOST} unfinished jobs")
        row = await self._table.add(user_id, request)
        await self._push(row)
        return row.view()

    async def page(self, request: JobQuery) -> JobPage:
        """Return a page of all jobs, newest first. Raises InvalidPayload for an invalid cursor."""
        after = None if request.cursor is None else cursors.decode(request.cursor, tuple[Moment, UUID])
        rows = await self._table.page(request, after, request.limit + 1)
        items, cursor = cursors.page(rows, request.limit, lambda row: (row.created_at, row.id))
        return JobPage(items=[row.view() for row in items], next_cursor=cursor)

    async def retry(self, job_id: str) -> Job:
        """Queue a failed job again under its id; a queued or running job stays as it is.

        Raises NotFound, and Conflict for a job that was done or cancelled.
        """
        row = await self._table.retry(uuid_or_missing(job_id, "job"))
        if row is None:
            job = await self.get(job_id)
            if job.status in (JobStatus.DONE, JobStatus.CANCELLED):
                raise Conflict("Only a failed job can be tried again", details={"status": job.status})
            return job
        await self._push(row)
        update = row.update().model_dump(mode="json")
        await self._notices.notify(UserEvent(str(row.user_id), events.JOB_UPDATE, update))
        return row.view()

    async def get(self, job_id: str) -> Job:
        """Return a job. Raises NotFound."""
        row = await self._table.get(uuid_or_missing(job_id, "job"))
        if row is None:
            raise NotFound("There is no such job")
        return row.view()

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job; its worker stops within about a second. Raises NotFound, Conflict if it has ended."""
        row = await self._table.cancel(uuid_or_missing(job_id, "job"))
        if row is not None:
            update = row.update().model_dump(mode="json")
            await self._notices.notify(UserEvent(str(row.user_id), events.JOB_UPDATE, update))
            return row.view()
        job = await self.get(job_id)
        if job.status != JobStatus.CANCELLED:
            raise Conflict("The job has ended already", details={"status": job.status})
        return job

    async def _push(self, row: Row) -> None:
        try:
            await self._queue.push(str(row.id))
        except Unavailable:
            log.info("a job is not in the queue", job=str(row.id))  # workers will find it in the table
